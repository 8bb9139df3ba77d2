//! An immortal counter under 16 concurrent writers, in a process that is killed ten times: what was acknowledged is
//! there. The child is this test binary again, told by its environment what to do.

use everstate::{Address, Behaviour, Context, Everstate, wait};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const FOLDER: &str = "EVERSTATE_KILLED_FOLDER";
const WRITERS: u64 = 16;
const LIVES: u64 = 10;
/// Acknowledged in one life before it ends.
const ACKNOWLEDGED: usize = 200;

#[derive(Default, Clone, Serialize, Deserialize)]
struct Counter {
    /// The greatest number of each writer, and how many numbers there were.
    writers: std::collections::BTreeMap<u64, (u64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct Add {
    writer: u64,
    number: u64,
}

impl Behaviour for Counter {
    const NAME: &str = "counters";
    type Message = Add;
    type Reply = ();
    type Error = String;

    fn handle(&mut self, Add { writer, number }: Add, _: &mut Context<Self>) -> Result<(), String> {
        let (greatest, count) = self.writers.entry(writer).or_default();
        if number <= *greatest {
            return Err(format!("{number} of {writer} comes after {greatest}"));
        }
        (*greatest, *count) = (number, *count + 1);
        Ok(())
    }
}

fn counter() -> Address<Counter> {
    Address::new("main").expect("an id")
}

/// Counts until it is killed, and says what was acknowledged. Nothing unless it is a child.
#[test]
fn a_life_of_the_counter() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let everstate = Everstate::open(folder).behaviour::<Counter>().start().expect("it opens");
    let writers = everstate.look(&counter()).expect("it reads").unwrap_or_default().writers;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let begin = writers.get(&writer).map_or(1, |(greatest, _)| greatest + 1);
            let everstate = &everstate;
            scope.spawn(move || {
                for number in begin.. {
                    wait(everstate.call(&counter(), Add { writer, number })).expect("it counts");
                    let _ = writeln!(std::io::stdout(), "\nacknowledged {writer} {number}");
                }
            });
        }
    });
}

/// One life: what it acknowledged before it was killed.
fn live(folder: &Path) -> Vec<(u64, u64)> {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["a_life_of_the_counter", "--exact", "--nocapture"]).env(FOLDER, folder);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut acknowledged = Vec::new();
    for line in lines.map_while(Result::ok) {
        let mut words = line.split(' ');
        let (Some("acknowledged"), Some(writer), Some(number)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        // The last line may have been cut off in the middle; a shorter number asks for less.
        let (Ok(writer), Ok(number)) = (writer.parse(), number.parse()) else { continue };
        acknowledged.push((writer, number));
        if acknowledged.len() == ACKNOWLEDGED {
            child.kill().expect("SIGKILL");
        }
    }
    child.wait().expect("it has ended");
    acknowledged
}

#[test]
fn every_acknowledged_increment_survives_ten_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    for life in 1..=LIVES {
        let acknowledged = live(folder.path());
        assert!(acknowledged.len() >= ACKNOWLEDGED, "life {life}: {} were acknowledged", acknowledged.len());
        let everstate = Everstate::open(folder.path()).behaviour::<Counter>().start().expect("it opens");
        let writers = everstate.look(&counter()).expect("it reads").expect("it is there").writers;
        for (writer, number) in acknowledged {
            assert!(number <= writers[&writer].0, "life {life}: {number} of {writer} is lost");
        }
        // Numbers come without gaps, so as many as the greatest were counted, each once.
        assert!(writers.values().all(|(greatest, count)| greatest == count), "life {life}: {writers:?}");
        everstate.stop().expect("it stops");
    }
}
