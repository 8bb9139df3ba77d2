//! The immortal counter: it is created by its first message, and goes on counting in the next process.
#![allow(clippy::print_stdout)]

use everstate::{Address, Behaviour, Context, Everstate, wait};
use serde::{Deserialize, Serialize};

#[derive(Default, Clone, Serialize, Deserialize)]
struct Counter {
    count: u64,
}

#[derive(Serialize, Deserialize)]
enum Count {
    Add(u64),
    Read,
}

impl Behaviour for Counter {
    const NAME: &str = "counters";
    type Message = Count;
    type Reply = u64;
    type Error = String;

    fn handle(&mut self, message: Count, _: &mut Context<Self>) -> Result<u64, String> {
        if let Count::Add(more) = message {
            self.count = self.count.checked_add(more).ok_or("that is more than a counter holds")?;
        }
        Ok(self.count)
    }
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let visits = Address::<Counter>::new("visits")?;
    for life in 1..=3 {
        let everstate = Everstate::open(folder.path()).behaviour::<Counter>().start()?;
        let count = wait(everstate.call(&visits, Count::Add(10)))?;
        println!("life {life}: {count}");
        assert_eq!(wait(everstate.call(&visits, Count::Read))?, life * 10);
        everstate.stop()?;
    }
    Ok(())
}
