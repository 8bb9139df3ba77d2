//! The examples, all in one process that is killed at random while they run: no event is lost, none has two effects,
//! whoever is present is alive, and every conversation releases what it held. The child is this test binary again, told by
//! its environment what to do.
//!
//! Each round of the story sends its events under ids of their own. So a round that was cut off is done again from its
//! beginning, and what was done of it already is not done twice.

#[path = "../examples/bank.rs"]
#[allow(dead_code, reason = "its own main runs elsewhere")]
mod bank;
#[path = "../examples/family.rs"]
#[allow(dead_code, reason = "its own main runs elsewhere")]
mod family;
#[path = "../examples/ping_pong.rs"]
#[allow(dead_code, reason = "its own main runs elsewhere")]
mod ping_pong;
#[path = "../examples/switch.rs"]
#[allow(dead_code, reason = "its own main runs elsewhere")]
mod switch;

use everstate::{AnyAddress, EventId, Everstate, Json, Time, wait};
use everstate_kernel::{Event, Instance, Sender};
use everstate_runtime::Interrupted;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const FOLDER: &str = "EVERSTATE_EXAMPLES_FOLDER";
const ROUND: &str = "EVERSTATE_EXAMPLES_ROUND";
const LIVES: u64 = 6;
const ROOMS: u64 = 2;
/// Guests that are there at once.
const STAY: u64 = 4;

/// The node with everybody who takes part.
struct Society {
    everstate: Everstate,
}

fn address(text: &str) -> AnyAddress {
    AnyAddress::parse(text).expect("an address")
}

fn skill(round: u64) -> &'static str {
    if round.is_multiple_of(2) { "welding" } else { "painting" }
}

impl Society {
    fn open(folder: &Path) -> Society {
        let mut setup = bank::cast(family::cast(ping_pong::cast(switch::cast(Everstate::open(folder)))));
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        for name in ["guest.yaml", "worker.yaml", "dispatch.yaml", "feed.yaml", "reader.yaml"] {
            let text = std::fs::read_to_string(examples.join(name)).expect("an example");
            // A reader here is faster than a person.
            setup = setup.chart(name, &text.replace("1m:", "1ms:"));
        }
        Society { everstate: setup.start().expect("it opens") }
    }

    /// Sends an event; done again under the same id, it changes nothing.
    fn send(&self, id: &str, to: &str, name: &str, data: &Value) {
        let event = Event {
            id: EventId::parse(id).expect("an id"),
            name: name.into(),
            data: Json::parse(&data.to_string()).expect("JSON"),
            sender: Sender::Client,
            time: Time(0),
        };
        wait(self.everstate.handle().send(address(to), event)).expect("it is taken");
    }

    fn row(&self, of: &str) -> Option<Instance> {
        let found = self.everstate.handle().reader().instance(&address(of)).expect("it reads");
        found.map(|(row, _)| row)
    }

    /// The data of a machine; null where there is none.
    fn data(&self, of: &str) -> Value {
        let Some(row) = self.row(of) else { return Value::Null };
        let definitions = self.everstate.handle().definitions();
        let definition = definitions.find(row.address.kind(), Some(&row.version)).expect("its definition");
        let state = definition.behaviour.decode(row.state.as_slice()).expect("a state");
        serde_json::from_str(definition.behaviour.describe(&state).data.as_str()).expect("JSON")
    }

    fn has_ended(&self, of: &str) -> bool {
        self.row(of).is_some_and(|row| row.status.is_ended())
    }

    fn states(&self, of: &str) -> Vec<String> {
        self.row(of).map_or_else(Vec::new, |row| row.labels.iter().map(ToString::to_string).collect())
    }

    /// Looks again after each turn until it is so.
    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let mut turns = self.everstate.handle().follow();
        while !is_so() {
            match wait(turns.next()) {
                Ok(_) => {}
                // So much has happened that it is worth a look.
                Err(Interrupted::Lagged(_)) => turns = self.everstate.handle().follow(),
                Err(error) => panic!("{what}: {error}"),
            }
        }
    }

    /// One round of every example. `mark` is called between any two things that happen.
    fn round(&self, round: u64, mark: &dyn Fn()) {
        let send = |step: &str, to: &str, name: &str, data: Value| {
            self.send(&format!("{round}-{step}"), to, name, &data);
            mark();
        };
        send("serve", &format!("ping/{round}"), "message", Value::Null);
        send("begin", &format!("parents/{round}"), "Begin", Value::Null);
        send("press", "fingers/one", "message", json!("switches/hall"));
        self.deal(round, mark);
        let (guest, room) = (format!("guest/{round}"), format!("r{}", round % ROOMS));
        send("enter", &guest, "enter", json!({"room": room}));
        send("say", &guest, "say", json!(format!("hello from {round}")));
        if round > STAY {
            send("leave", &format!("guest/{}", round - STAY), "leave", Value::Null);
        }
        send("job", "dispatch/main", "job", json!({"skill": skill(round)}));
        send("shift", &format!("worker/{round}"), "shift", json!({"skill": skill(round)}));
        send("item", "feed/one", "item", json!({"item": round}));
        send("follow", "reader/one", "follow", json!({"feed": "one"}));
    }

    /// A deal of the bank; in every other one the customer vanishes in the middle.
    fn deal(&self, round: u64, mark: &dyn Fn()) {
        let name = format!("deal-{round}");
        let (customer, teller) = (format!("{name}:customers/ann"), format!("{name}:tellers/1"));
        let send = |step: &str, to: &str, name: &str, data: Value| {
            self.send(&format!("{round}-{step}"), to, name, &data);
            mark();
        };
        send("deposit", "accounts/ann", "Deposit", json!(1));
        send("deal", "banks/main", "message", json!({"name": name, "account": "accounts/ann", "amount": 1}));
        send("come", &customer, "Come", Value::Null);
        let space = format!("space/{name}");
        self.until("money is held", || {
            !self.data("accounts/ann")["held"][&teller].is_null() || self.has_ended(&space)
        });
        if round.is_multiple_of(2) {
            send("agree", &customer, "Agree", Value::Null);
        } else {
            // One who has vanished before is gone already.
            let _ = wait(self.everstate.handle().stop_instance(address(&customer), true));
            mark();
        }
    }

    /// What must be so after all these rounds, when everything has come to rest.
    fn check(&self, rounds: u64) {
        for round in 1..=rounds {
            let (ping, parent) = (format!("ping/{round}"), format!("parents/{round}"));
            self.until("the ball is back", || self.has_ended(&ping));
            self.until("there is bread", || self.data(&parent)["result"] == "bread");
            self.until("the deal is over", || self.has_ended(&format!("space/deal-{round}")));
            assert_eq!(
                (self.data(&ping)["back"].clone(), &self.data(&parent)["tries"]),
                (json!(5), &json!(3))
            );
        }
        self.until("all is pressed", || {
            self.states("switches/hall")
                == [["powered.on", "powered.off"][usize::from(rounds.is_multiple_of(2))]]
        });
        assert_eq!(self.data("fingers/one")["presses"], rounds);
        // Every other deal was made; the money of the others is back.
        self.until("nothing is held", || self.data("accounts/ann")["held"] == json!({}));
        assert_eq!(self.data("accounts/ann")["balance"], rounds - rounds / 2);

        self.until("every job is given", || self.data("dispatch/main")["given"] == rounds);
        for round in 1..=rounds {
            assert_eq!(self.states(&format!("worker/{round}")), ["busy"]);
        }
        let all: Vec<u64> = (1..=rounds).collect();
        self.until("every item is read", || {
            self.data("reader/one")["read"].as_array().map_or(0, Vec::len) as u64 >= rounds
        });
        assert_eq!(self.data("reader/one")["read"], json!(all));

        let mut rooms: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for round in rounds.saturating_sub(STAY) + 1..=rounds {
            rooms.entry(round % ROOMS).or_default().push(format!("guest/{round}"));
        }
        for guests in rooms.values_mut() {
            guests.sort();
            for guest in guests.iter() {
                self.until("they know of each other", || self.data(guest)["here"] == json!(guests));
            }
        }
        for round in 1..=rounds {
            let heard = self.data(&format!("guest/{round}"))["heard"].clone();
            let heard: Vec<String> = heard.as_array().expect("a list").iter().map(Value::to_string).collect();
            let once: BTreeSet<&String> = heard.iter().collect();
            assert_eq!(heard.len(), once.len(), "guest/{round} heard something twice: {heard:?}");
        }
        assert!(self.everstate.handle().reader().dead_letters(None, 9).expect("it reads").is_empty());
    }
}

/// Goes on with the story until it is killed. Nothing unless it is a child.
#[test]
fn a_life_of_the_examples() {
    let (Ok(folder), Ok(round)) = (std::env::var(FOLDER), std::env::var(ROUND)) else { return };
    let society = Society::open(Path::new(&folder));
    let begin: u64 = round.parse().expect("a number");
    let say = |line: String| {
        let mut out = std::io::stdout();
        let _ = writeln!(out, "\n{line}");
        let _ = out.flush();
    };
    for round in begin.. {
        society.round(round, &|| say("step".to_owned()));
        say(format!("round {round}"));
    }
}

/// One life, which is killed after so many steps. Answers the last round that was done.
fn live(folder: &Path, begin: u64, steps: u64) -> u64 {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["a_life_of_the_examples", "--exact", "--nocapture"]);
    command.env(FOLDER, folder).env(ROUND, begin.to_string());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let (mut seen, mut done) = (0, begin - 1);
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok) {
        match line.split_once(' ') {
            None if line == "step" => seen += 1,
            // The last line may have been cut off in the middle; a smaller number asks for what was done already.
            Some(("round", number)) => done = number.parse().map_or(done, |number: u64| number.max(done)),
            _ => {}
        }
        if seen == steps {
            child.kill().expect("SIGKILL");
        }
    }
    child.wait().expect("it has ended");
    assert!(seen >= steps, "it ended by itself after {seen} steps");
    done
}

#[test]
fn whenever_they_are_killed_the_examples_keep_their_promises() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut done = 0;
    for life in 0..LIVES {
        // Anywhere within a round of some fourteen steps.
        done = live(folder.path(), done + 1, 20 + life * 5);
    }
    let society = Society::open(folder.path());
    // The round that was cut off may have begun, so it is finished.
    society.round(done + 1, &|| {});
    society.check(done + 1);
    society.everstate.stop().expect("it stops");
}
