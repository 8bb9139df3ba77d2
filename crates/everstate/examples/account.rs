//! An event-sourced account: commands are decided into what has happened, what has happened is folded into the balance,
//! and a follower that came late sees all of it.
#![allow(clippy::print_stdout)]

use everstate::{Address, CallError, Change, Context, EventSourced, Everstate, Sourced, wait};
use serde::{Deserialize, Serialize};

#[derive(Default, Clone, Serialize, Deserialize)]
struct Account {
    balance: u64,
}

#[derive(Serialize, Deserialize)]
enum Command {
    Deposit(u64),
    Withdraw(u64),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Happened {
    Deposited(u64),
    Withdrawn(u64),
    Emptied,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Lacking(u64);

impl EventSourced for Account {
    const NAME: &str = "accounts";
    type Command = Command;
    type Event = Happened;
    type Reply = u64;
    type Error = Lacking;

    fn decide(&self, command: Command, _: &mut Context<Sourced<Self>>) -> Result<Vec<Happened>, Lacking> {
        Ok(match command {
            Command::Deposit(amount) => vec![Happened::Deposited(amount)],
            Command::Withdraw(amount) if amount > self.balance => return Err(Lacking(amount - self.balance)),
            Command::Withdraw(amount) if amount == self.balance => {
                vec![Happened::Withdrawn(amount), Happened::Emptied]
            }
            Command::Withdraw(amount) => vec![Happened::Withdrawn(amount)],
        })
    }

    fn apply(&mut self, event: &Happened) {
        match event {
            Happened::Deposited(amount) => self.balance += amount,
            Happened::Withdrawn(amount) => self.balance -= amount,
            Happened::Emptied => {}
        }
    }

    fn reply(&self) -> u64 {
        self.balance
    }
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let everstate = Everstate::memory().behaviour::<Sourced<Account>>().start()?;
    let account = Address::<Sourced<Account>>::new("ann")?;
    let mut early = everstate.follow(&account, None);
    let Change::Snapshot { state: None, cursor: before } = wait(early.next())? else {
        return Err("a snapshot comes first".into());
    };
    assert_eq!(wait(everstate.call(&account, Command::Deposit(5)))?, 5);
    let refused = wait(everstate.call(&account, Command::Withdraw(7)));
    assert!(matches!(refused, Err(CallError::Refused(Lacking(2)))));
    assert_eq!(wait(everstate.call(&account, Command::Withdraw(5)))?, 0);

    let mut late = everstate.follow(&account, Some(before));
    let mut seen = Vec::new();
    while seen.last() != Some(&Happened::Emptied) {
        if let Change::Turn(turn) = wait(late.next())? {
            seen.extend(turn.events());
        }
    }
    println!("{seen:?}");
    assert_eq!(seen, [Happened::Deposited(5), Happened::Withdrawn(5), Happened::Emptied]);
    Ok(everstate.stop()?)
}
