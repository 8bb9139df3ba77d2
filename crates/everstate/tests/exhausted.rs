//! A machine that allocates without end, in a process that may have only so much: the system ends the process, and nothing
//! that was acknowledged is lost. The child is this test binary again, told by its environment what to do.
#![cfg(target_os = "linux")]

use everstate::{Address, Behaviour, Context, Everstate, wait};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::process::Command;

const FOLDER: &str = "EVERSTATE_EXHAUSTED_FOLDER";
/// What the child may have, in KiB of addresses: nothing of it is touched, so no machine is too small for it.
const ADDRESSES_KIB: u64 = 16 << 20;

#[derive(Default, Clone, Serialize, Deserialize)]
struct Glutton {
    meals: u32,
}

#[derive(Serialize, Deserialize)]
enum Meal {
    Bite,
    Everything,
}

impl Behaviour for Glutton {
    const NAME: &str = "gluttons";
    type Message = Meal;
    type Reply = u32;
    type Error = ();

    fn handle(&mut self, meal: Meal, _: &mut Context<Self>) -> Result<u32, ()> {
        self.meals += 1;
        let mut plates: Vec<Vec<u8>> = Vec::new();
        while let Meal::Everything = meal {
            plates.push(Vec::with_capacity(1 << 30));
        }
        Ok(self.meals)
    }
}

fn glutton() -> Address<Glutton> {
    Address::new("one").expect("an id")
}

/// Eats until the process ends. Nothing unless it is a child.
#[test]
fn a_life_of_the_glutton() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let everstate = Everstate::open(folder).behaviour::<Glutton>().start().expect("it opens");
    let meals = wait(everstate.call(&glutton(), Meal::Bite)).expect("it eats");
    let _ = writeln!(std::io::stdout(), "\nacknowledged {meals}");
    let _ = wait(everstate.call(&glutton(), Meal::Everything));
}

#[test]
fn a_machine_that_allocates_without_end_ends_the_process_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    for life in 1..=2 {
        let mut child = Command::new("sh");
        child.args(["-c", &format!("ulimit -v {ADDRESSES_KIB}; exec \"$0\" \"$@\"")]);
        child.arg(std::env::current_exe().expect("this test"));
        child.args(["a_life_of_the_glutton", "--exact", "--nocapture"]).env(FOLDER, folder.path());
        let output = child.output().expect("it starts");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(out.contains(&format!("\nacknowledged {life}\n")), "life {life}: {out}{err}");
        assert!(!output.status.success() && err.contains("memory allocation"), "life {life}: {out}{err}");
        let everstate = Everstate::open(folder.path()).behaviour::<Glutton>().start().expect("it opens");
        assert_eq!(everstate.look(&glutton()).expect("it reads").expect("it is there").meals, life);
        everstate.stop().expect("it stops");
    }
}
