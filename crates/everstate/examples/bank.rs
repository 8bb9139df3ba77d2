//! A bank whose tellers are conversations. Each deal is a space in which a teller and a customer meet; whatever way it
//! ends, the space ends with everything in it. A customer who vanishes in the middle leaves nothing behind: the account
//! watches the teller to whom it has promised money, and the bank ends the space.
#![allow(clippy::print_stdout)]

use everstate::{Address, AnyAddress, Behaviour, Context, Everstate, Place, Setup, Signal, Taking, wait};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Default, Clone, Serialize, Deserialize)]
struct Account {
    balance: u64,
    /// What is promised to tellers, and no longer in the balance.
    held: BTreeMap<AnyAddress, u64>,
}

#[derive(Serialize, Deserialize)]
enum Money {
    Deposit(u64),
    Hold(u64),
    Take,
}

impl Behaviour for Account {
    const NAME: &str = "accounts";
    type Message = Money;
    type Reply = u64;
    type Error = String;

    fn handle(&mut self, money: Money, context: &mut Context<Self>) -> Result<u64, String> {
        match (money, context.sender()) {
            (Money::Deposit(amount), _) => self.balance += amount,
            (Money::Hold(amount), Some(teller)) => {
                self.balance = self.balance.checked_sub(amount).ok_or("there is not so much")?;
                self.held.insert(teller.clone(), amount);
                context.monitor(teller);
            }
            (Money::Take, Some(teller)) => drop(self.held.remove(teller).ok_or("nothing is held")?),
            (_, None) => return Err("only tellers may".into()),
        }
        Ok(self.balance)
    }

    fn signal(&mut self, signal: Signal, _: &mut Context<Self>) {
        if let Signal::Exited(exit) = signal {
            self.balance += self.held.remove(&exit.address).unwrap_or(0);
        }
    }
}

#[derive(Default, Clone, Serialize, Deserialize)]
struct Bank;

#[derive(Serialize, Deserialize)]
struct Deal {
    name: String,
    account: Address<Account>,
    amount: u64,
}

impl Behaviour for Bank {
    const NAME: &str = "banks";
    type Message = Deal;
    type Reply = ();
    type Error = String;

    fn handle(&mut self, deal: Deal, context: &mut Context<Self>) -> Result<(), String> {
        let teller = Address::<Teller>::inside(&deal.name, "1").map_err(|error| error.to_string())?;
        context.spawn_kind(&deal.name, "space", Some(&deal.name), ());
        // The message creates the teller, so watching comes after it.
        context.send(&teller, Task::Serve(deal.account, deal.amount));
        context.monitor(teller.any());
        Ok(())
    }

    fn signal(&mut self, signal: Signal, context: &mut Context<Self>) {
        if let Signal::Exited(teller) = signal {
            context.stop(teller.address.space());
        }
    }
}

#[derive(Default, Clone, Serialize, Deserialize)]
struct Teller {
    deal: Option<(Address<Account>, u64)>,
}

#[derive(Serialize, Deserialize)]
enum Task {
    Serve(Address<Account>, u64),
    LosePatience,
}

impl Behaviour for Teller {
    const NAME: &str = "tellers";
    type Message = Task;
    type Reply = ();
    type Error = ();

    fn handle(&mut self, task: Task, context: &mut Context<Self>) -> Result<(), ()> {
        match task {
            Task::Serve(account, amount) => {
                self.deal = Some((account, amount));
                context.join(Place::Here, "counter", Taking::subscriber("counter"));
                context.timer("patience", Duration::from_secs(3600), Task::LosePatience);
            }
            Task::LosePatience => context.finish("the customer took too long"),
        }
        Ok(())
    }

    fn signal(&mut self, signal: Signal, context: &mut Context<Self>) {
        let Some((account, amount)) = &self.deal else { return };
        match signal {
            Signal::Presence { .. } => context.send(account, Money::Hold(*amount)),
            Signal::Published { .. } => context.send(account, Money::Take),
            Signal::Reply { to, .. } if to == "Take" => context.finish("done"),
            Signal::Absence { reason, .. } => context.finish(format!("the customer has {reason}")),
            Signal::Undelivered(refused) => context.finish(refused.message),
            _ => {}
        }
    }
}

#[derive(Default, Clone, Serialize, Deserialize)]
struct Customer;

#[derive(Serialize, Deserialize)]
enum Wish {
    Come,
    Agree,
}

impl Behaviour for Customer {
    const NAME: &str = "customers";
    type Message = Wish;
    type Reply = ();
    type Error = ();

    fn handle(&mut self, wish: Wish, context: &mut Context<Self>) -> Result<(), ()> {
        match wish {
            Wish::Come => context.join(Place::Here, "me", Taking::publisher("counter")),
            Wish::Agree => context.publish(Place::Here, "counter", "yes"),
        }
        Ok(())
    }
}

/// Everybody who takes part.
pub(crate) fn cast(setup: Setup) -> Setup {
    let setup = setup.behaviour::<Account>().behaviour::<Bank>();
    setup.behaviour::<Teller>().behaviour::<Customer>()
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let everstate = cast(Everstate::memory()).start()?;
    let (bank, account) = (Address::<Bank>::new("main")?, Address::<Account>::new("ann")?);
    wait(everstate.call(&account, Money::Deposit(100)))?;

    for (name, vanishes) in [("kept", false), ("broken", true)] {
        let customer = Address::<Customer>::inside(name, "ann")?;
        let deal = Deal { name: name.into(), account: account.clone(), amount: 30 };
        wait(everstate.call(&bank, deal))?;
        wait(everstate.call(&customer, Wish::Come))?;
        until(&everstate, || Ok(!everstate.look(&account)?.unwrap_or_default().held.is_empty()))?;
        match vanishes {
            false => wait(everstate.call(&customer, Wish::Agree))?,
            true => drop(wait(everstate.handle().stop_instance(customer.any().clone(), true))?),
        }
        let space = AnyAddress::of_space(name)?;
        until(&everstate, || {
            let row = everstate.handle().reader().instance(&space)?;
            Ok(row.is_some_and(|(row, _)| row.status.is_ended()))
        })?;
        let seen = everstate.look(&account)?.unwrap_or_default();
        println!("the deal was {name}: {} are left, nothing is held", seen.balance);
        assert_eq!((seen.balance, seen.held.len()), (70, 0));
    }
    assert!(everstate.handle().reader().timers(None, 1)?.is_empty(), "no teller waits for anybody");
    Ok(everstate.stop()?)
}

/// Looks again after each turn until it is so.
fn until(
    everstate: &Everstate,
    mut is_so: impl FnMut() -> Result<bool, Box<dyn std::error::Error>>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut turns = everstate.handle().follow();
    while !is_so()? {
        wait(turns.next())?;
    }
    Ok(())
}
