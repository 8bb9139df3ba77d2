//! What publishing, joining and leaving cost through a node, with every turn, record and hop of the outbox, and without
//! a store: a space of 1, 1,000 and 100,000 endpoints that do not match. Rounds take turns among the sizes, and of each the
//! fastest eighth counts, which a busy machine disturbs least.
//!
//! `cargo run --release -p everstate-kernel --example space_node_bench`
#![expect(clippy::print_stdout, reason = "a bench talks to a person")]

use everstate_kernel::space::{Act, Interest, Part, Pattern, Place, Role};
use everstate_kernel::{
    Address, Behaviour, Create, Definition, DefinitionId, Description, Effect, Event, EventId, Fault,
    Handled, Input, Json, Labels, Loaded, Next, Node, Out, Policy, Sender, State, Ticket, Time, Touches,
    Turn, Waiting,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIZES: [u64; 3] = [1, 1_000, 100_000];
const ROUNDS: usize = 21;
const PER_ROUND: u32 = 300;

/// Does what the name of its event says, with the pattern `tick/ID`.
#[derive(Debug)]
struct Member;

impl Behaviour for Member {
    fn start(&self, _: &Json, _: &mut Turn<'_>) -> Result<Next, Fault> {
        Ok(next())
    }

    fn handle(&self, _: &State, event: &Event, turn: &mut Turn<'_>) -> Result<Handled, Fault> {
        let topic = |id: &str| Pattern::parse(&format!("tick/{id}")).expect("a topic");
        let join = |role, id| Act::Join {
            name: Arc::from("e"),
            part: Part::new(topic(id), role, Interest::Participant),
        };
        let act = match &*event.name {
            "subscribe" => join(Role::Subscriber, turn.instance.id()),
            "join" => join(Role::Publisher, "taker"),
            "leave" => Act::Leave { name: Arc::from("e") },
            "publish" => Act::Publish { topic: topic("taker"), data: Json::NULL },
            _ => return Ok(Handled::Took(next())),
        };
        turn.effects.push(Effect::Act(Place::Here, act));
        Ok(Handled::Took(next()))
    }

    fn encode(&self, _: &State) -> Vec<u8> {
        Vec::new()
    }

    fn decode(&self, _: &[u8]) -> Result<State, Fault> {
        Ok(Arc::new(()))
    }

    fn describe(&self, _: &State) -> Description {
        Description { labels: Labels::default(), data: Json::NULL }
    }

    fn waiting(&self, _: &State, _: &Address, _: Time) -> Waiting {
        Waiting::default()
    }
}

fn next() -> Next {
    Next { state: Arc::new(()), labels: Labels::default(), done: None }
}

/// A node with nothing beneath it: what it has not in memory was never there.
struct Alone {
    node: Node,
    events: u64,
    records: usize,
}

impl Alone {
    fn with(endpoints: u64) -> Alone {
        let mut alone = Alone { node: Node::new(1), events: 0, records: 0 };
        let id = DefinitionId::new("member", "v1").expect("an id");
        let policy = Policy { create: Create::OnDemand, ..Policy::default() };
        let definition = Arc::new(Definition { id, behaviour: Arc::new(Member), policy });
        alone.feed(Input::Define { ticket: Ticket(0), definition, source: Arc::from("") });
        alone.send("taker", "subscribe");
        (1..endpoints).for_each(|n| alone.send(&n.to_string(), "subscribe"));
        alone.send("sender", "nothing");
        alone
    }

    fn send(&mut self, id: &str, name: &str) {
        self.events += 1;
        let event = Event {
            id: EventId::parse(&self.events.to_string()).expect("an id"),
            name: Arc::from(name),
            data: Json::NULL,
            sender: Sender::Client,
            time: Time(0),
        };
        let to = Address::new("member", id).expect("an address");
        self.feed(Input::Event { ticket: Ticket(self.events), to, event });
        while let Some(input) = self.node.ready(Time(0)) {
            self.feed(input);
        }
        self.node.settle(usize::MAX);
    }

    fn feed(&mut self, input: Input) {
        let Touches { addresses, ids } = self.node.touches(&input);
        self.node.hydrate(Loaded {
            instances: addresses.into_iter().map(|address| (address, None)).collect(),
            outcomes: ids.into_iter().map(|id| (id, None)).collect(),
            seats: Vec::new(),
        });
        let mut out = Out::default();
        self.node.step(Time(0), input, &mut out);
        self.records += out.records.len();
    }
}

fn main() {
    let start = Instant::now();
    let mut nodes = SIZES.map(Alone::with);
    println!("{} endpoints joined through nodes in {:.2?}", SIZES.iter().sum::<u64>(), start.elapsed());
    let operations = ["publish", "join", "leave"];
    let mut times: Vec<[Vec<Duration>; 3]> = SIZES.map(|_| Default::default()).into();
    for _ in 0..ROUNDS {
        for (alone, times) in nodes.iter_mut().zip(&mut times) {
            let mut spent = [Duration::ZERO; 3];
            for _ in 0..PER_ROUND {
                for (spent, operation) in spent.iter_mut().zip(operations) {
                    let start = Instant::now();
                    alone.send("sender", operation);
                    *spent += start.elapsed();
                }
            }
            times.iter_mut().zip(spent).for_each(|(times, spent)| times.push(spent));
        }
    }
    println!("{:<12}{:>12}{:>12}{:>12}{:>10}", "operation", "1", "1,000", "100,000", "ratio");
    for (at, operation) in operations.iter().enumerate() {
        let typical: Vec<f64> = times
            .iter_mut()
            .map(|times| {
                times[at].sort();
                times[at][ROUNDS / 8].as_nanos() as f64 / f64::from(PER_ROUND) / 1000.0
            })
            .collect();
        let [one, thousand, many] = [typical[0], typical[1], typical[2]].map(|time| format!("{time:.2} us"));
        let ratio = typical[2] / typical[0];
        println!("{operation:<12}{one:>12}{thousand:>12}{many:>12}{ratio:>10.2}");
    }
    println!("{} records written", nodes.iter().map(|alone| alone.records).sum::<usize>());
}
