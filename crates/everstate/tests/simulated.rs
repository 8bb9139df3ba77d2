//! The same machines in the simulator: what is right holds in every order, what is wrong is found.

use everstate::simulation::{Reaction, Simulation, explore, simulate};
use everstate::{Address, Behaviour, Context, Signal};
use serde::{Deserialize, Serialize};

/// Asks the till what is in it, and puts that and one more: right only if nobody else does.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Clerk {
    done: bool,
}

#[derive(Serialize, Deserialize)]
struct Work;

impl Behaviour for Clerk {
    const NAME: &str = "clerks";
    type Message = Work;
    type Reply = ();
    type Error = ();

    fn handle(&mut self, _: Work, context: &mut Context<Self>) -> Result<(), ()> {
        context.send(&till(), Coin::Count);
        Ok(())
    }

    fn signal(&mut self, signal: Signal, context: &mut Context<Self>) {
        let Some(coins) = signal.reply_of(&till()) else { return };
        if !self.done {
            self.done = true;
            context.send(&till(), Coin::Put(coins + 1));
        }
    }
}

#[derive(Default, Clone, Serialize, Deserialize)]
struct Till {
    coins: u64,
    puts: u64,
}

#[derive(Serialize, Deserialize)]
enum Coin {
    Count,
    Put(u64),
    Add,
}

impl Behaviour for Till {
    const NAME: &str = "tills";
    type Message = Coin;
    type Reply = u64;
    type Error = ();

    fn handle(&mut self, coin: Coin, _: &mut Context<Self>) -> Result<u64, ()> {
        match coin {
            Coin::Count => return Ok(self.coins),
            Coin::Put(coins) => self.coins = coins,
            Coin::Add => self.coins += 1,
        }
        self.puts += 1;
        Ok(self.coins)
    }
}

fn till() -> Address<Till> {
    Address::new("main").expect("an id")
}

#[test]
fn a_lost_update_is_found_with_its_story() {
    let clerk = |id: &str| Address::<Clerk>::new(id).expect("an id");
    let mut system = Simulation::new("two clerks")
        .behaviour::<Till>()
        .behaviour::<Clerk>()
        .there("till", &till(), &Till::default())
        .always("nothing is lost", "till.context.coins == till.context.puts");
    for name in ["ann", "bob"] {
        system = system.there(name, &clerk(name), &Clerk::default()).sends(name, &clerk(name), Work);
    }
    let report = explore(&system);
    let violation = report.violation.expect("it is found");
    assert!(violation.story().contains("nothing is lost"), "{}", violation.story());
    let found = (0..200).any(|seed| simulate(&system, seed).expect("it runs").violation.is_some());
    assert!(found, "chance finds it too");
}

#[test]
fn additions_commute() {
    let system = Simulation::new("additions")
        .behaviour::<Till>()
        .there("till", &till(), &Till::default())
        .sends("ann", &till(), Coin::Add)
        .sends("bob", &till(), Coin::Add)
        .sends("cid", &till(), Coin::Add)
        .always("nothing is lost", "till.context.coins == till.context.puts")
        .eventually("all come", "till.context.coins == 3");
    explore(&system).assert();
}

#[test]
fn what_is_wrong_with_a_system_is_said() {
    let system = Simulation::new("nonsense").behaviour::<Till>().always("so", "nobody.context > 3");
    let problem = system.system().map(drop).expect_err("nobody is there");
    assert!(problem.contains("nobody"), "{problem}");
}

#[test]
fn a_till_that_may_answer_anything() {
    let clerk = |name: &str| Address::<Clerk>::new(name).expect("an id");
    let with = |reactions: Vec<Reaction>| {
        Simulation::new("any till")
            .behaviour::<Clerk>()
            .replace::<Till>("Count", reactions)
            .there("ann", &clerk("ann"), &Clerk::default())
            .sends("ann", &clerk("ann"), Work)
            .eventually("she is told", "ann.context.done")
    };
    let zero = || Reaction::reply(&serde_json::json!(0));
    explore(&with(vec![zero(), Reaction::reply(&serde_json::json!(7))])).assert();
    let report = explore(&with(vec![zero(), Reaction::nothing()]));
    assert_eq!(report.violation.expect("nobody answers").property(), "she is told");
}
