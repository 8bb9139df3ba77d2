//! The same machines in the simulator: every order of their events, or one by chance.
//!
//! It refuses to know how orders are found (the simulator does). Its one invariant: what runs is the behaviour that
//! runs in production, and the kernel that runs it.

use crate::adapter;
use crate::address::Address;
use crate::behaviour::Behaviour;
use crate::message;
use everstate_kernel::{Address as AnyAddress, Json};
use everstate_sim::{Claim, Condition, May, Member, Report, Run, Scripted, StandIn, System, TaskAnswer, Who};
pub use everstate_sim::{Reaction, TaskEnd};
use serde::Serialize;
use std::sync::Arc;

/// What is claimed of a condition.
type MakeClaim = fn(Condition) -> Claim;

/// Machines, who is there at the beginning, what may happen to them, and what must hold. Whatever is wrong with it is
/// told, all at once, when it is explored.
///
/// ```
/// # use everstate::{Address, Behaviour, Context};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Clone, Serialize, Deserialize)]
/// # struct Counter(u64);
/// # impl Behaviour for Counter {
/// #     const NAME: &str = "counters";
/// #     type Message = u64;
/// #     type Reply = u64;
/// #     type Error = String;
/// #     fn handle(&mut self, more: u64, _: &mut Context<Self>) -> Result<u64, String> { self.0 += more; Ok(self.0) }
/// # }
/// use everstate::simulation::{Simulation, explore};
///
/// let counter = Address::<Counter>::new("visits").unwrap();
/// let system = Simulation::new("two visitors")
///     .behaviour::<Counter>()
///     .there("counter", &counter, &Counter(0))
///     .sends("ann", &counter, 1)
///     .sends("bob", &counter, 2)
///     .always("no visit is counted twice", "counter.context <= 3");
/// explore(&system).assert();
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before it is explored or simulated"]
pub struct Simulation {
    system: System,
    claims: Vec<(String, MakeClaim, String)>,
    problems: Vec<String>,
}

impl Simulation {
    /// Nobody is there, and nothing may happen. The name is for people.
    pub fn new(name: &str) -> Simulation {
        let system = System::new(name, Vec::new());
        Simulation { system, claims: Vec::new(), problems: Vec::new() }
    }

    /// With this behaviour.
    pub fn behaviour<B: Behaviour>(mut self) -> Simulation {
        match adapter::definition::<B>() {
            Ok(definition) => {
                self.system.definitions.push((definition, Arc::from(std::any::type_name::<B>())))
            }
            Err(problem) => self.problems.push(problem),
        }
        self
    }

    /// With a chart beside it.
    pub fn chart(mut self, file: &str, text: &str) -> Simulation {
        match everstate_chart::machine(file, text) {
            (Some(machine), _) => {
                self.system.definitions.push((Arc::new(machine.to_definition()), Arc::from(text)));
            }
            (None, findings) => {
                let rendered =
                    findings.iter().map(|finding| everstate_chart::render(finding, file, text, false));
                self.problems.extend(rendered);
            }
        }
        self
    }

    /// An instance that is there at the beginning, and what conditions call it.
    pub fn there<B: Behaviour>(mut self, name: &str, at: &Address<B>, machine: &B) -> Simulation {
        let start = self.json(machine);
        self.member(name, at.any(), Some(start))
    }

    /// An instance that conditions name and that is not there at the beginning.
    pub fn later<B: Behaviour>(self, name: &str, at: &Address<B>) -> Simulation {
        self.member(name, at.any(), None)
    }

    fn member(mut self, name: &str, address: &AnyAddress, start: Option<Json>) -> Simulation {
        self.system.cast.push(Member { name: Arc::from(name), address: address.clone(), start });
        self
    }

    /// A message that a client sends for certain, and counts on being taken. Those of one client keep their order.
    pub fn sends<B: Behaviour>(mut self, client: &str, to: &Address<B>, message: B::Message) -> Simulation {
        if let Some((event, data)) = self.event(&message) {
            let (from, to) = (Arc::from(client), to.any().clone());
            self.system.first.push(Scripted { from, to, event, data });
        }
        self
    }

    /// A message that may come, up to so many times, whenever it likes.
    pub fn may<B: Behaviour>(mut self, to: &Address<B>, message: B::Message, times: u8) -> Simulation {
        if let Some((event, data)) = self.event(&message) {
            let (to, times) = (to.any().clone(), Some(times));
            self.system.environment.push(May { to, event, data, times });
        }
        self
    }

    /// In place of the behaviour, about a message of that variant (`*` for any other) one of these is done, whichever: a
    /// payment service that answers whatever it may answer.
    pub fn replace<B: Behaviour>(
        mut self,
        variant: &str,
        reactions: impl IntoIterator<Item = Reaction>,
    ) -> Simulation {
        let on = (Arc::from(variant), reactions.into_iter().collect());
        let is_this = |one: &&mut StandIn| matches!(&one.who, Who::Kind(kind) if **kind == *B::NAME);
        match self.system.stand_ins.iter_mut().find(is_this) {
            Some(known) => known.on.push(on),
            None => self.system.replace(StandIn { who: Who::Kind(Arc::from(B::NAME)), on: vec![on] }),
        }
        self
    }

    /// Tasks of that queue end in one of these ways, whichever, as often as they are asked for.
    pub fn task(mut self, queue: &str, ends: impl IntoIterator<Item = TaskEnd>) -> Simulation {
        let queue: Arc<str> = Arc::from(queue);
        let answers = ends.into_iter().map(|end| TaskAnswer { queue: queue.clone(), end, times: None });
        self.system.tasks.extend(answers);
        self
    }

    /// Holds in every world: a CEL expression over the instances by their names, such as
    /// `counter.context.total >= 0`.
    pub fn always(self, name: &str, condition: &str) -> Simulation {
        self.claim(name, Claim::Always, condition)
    }

    /// Holds in no world.
    pub fn never(self, name: &str, condition: &str) -> Simulation {
        self.claim(name, Claim::Never, condition)
    }

    /// Holds at some time, whatever happens.
    pub fn eventually(self, name: &str, condition: &str) -> Simulation {
        self.claim(name, Claim::Eventually, condition)
    }

    /// Can come to hold.
    pub fn reachable(self, name: &str, condition: &str) -> Simulation {
        self.claim(name, Claim::Reachable, condition)
    }

    fn claim(mut self, name: &str, claim: MakeClaim, condition: &str) -> Simulation {
        self.claims.push((name.to_owned(), claim, condition.to_owned()));
        self
    }

    /// Changes what has no method here: faults, links, timers, what need not be written.
    pub fn with(mut self, change: impl FnOnce(&mut System)) -> Simulation {
        change(&mut self.system);
        self
    }

    /// The system as the simulator takes it, or all that is wrong with it.
    pub fn system(&self) -> Result<System, String> {
        let (mut system, mut problems) = (self.system.clone(), self.problems.clone());
        for (name, claim, condition) in &self.claims {
            if let Err(problem) = system.expect(name, *claim, condition) {
                problems.push(problem);
            }
        }
        if problems.is_empty() { Ok(system) } else { Err(problems.join("\n")) }
    }

    fn json(&mut self, value: &impl Serialize) -> Json {
        serde_json::to_string(value).map(Json::trusted).unwrap_or_else(|error| {
            self.problems.push(error.to_string());
            Json::NULL
        })
    }

    fn event(&mut self, message: &impl Serialize) -> Option<(Arc<str>, Json)> {
        match message::write(message) {
            Ok((name, data)) => Some((Arc::from(name), data)),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }
}

/// Every order of what can happen.
///
/// # Panics
/// When something is wrong with the system itself; [`Simulation::system`] tells without.
#[track_caller]
pub fn explore(simulation: &Simulation) -> Report {
    match simulation.system() {
        Ok(system) => everstate_sim::explore(&system),
        Err(problems) => panic!("{problems}"),
    }
}

/// One order by chance; the same seed gives the same.
pub fn simulate(simulation: &Simulation, seed: u64) -> Result<Run, String> {
    everstate_sim::simulate(&simulation.system()?, seed)
}
