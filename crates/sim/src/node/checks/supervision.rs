//! Supervision counters are exact: a list of children and loops over it say who is started how often, and that is what
//! the supervisor counts and what the children's histories show.
//!
//! It refuses to judge a failure that came while the supervisor had not dealt with the last one: then only the sums are
//! compared. Clients keep failures apart, so that is rare.

use super::{Evidence, event_of};
use crate::node::cast::{self, CHILDREN, SUPERVISORS};
use everstate_kernel::{Address, Cause, Outcome, Status};
use std::collections::BTreeMap;

/// What is expected of one supervisor.
struct Model {
    starts: [u64; CHILDREN],
    counted: [u64; CHILDREN],
    times: usize,
    gave_up: bool,
}

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), String> {
    for (name, strategy, bears) in SUPERVISORS {
        let me = Address::parse(&format!("{name}/1")).map_err(|problem| problem.to_string())?;
        let Some(row) = evidence.whole.row(&me) else { continue };
        let state = cast::context(evidence.whole, row)?;
        let counted = |place: usize| state["children"][place]["restarts"].as_u64().unwrap_or(0);
        let sum: u64 = (0..CHILDREN).map(counted).sum();
        if state["restarts"].as_u64() != Some(sum) {
            return Err(format!("{me} counts {} restarts, and its children {sum}", state["restarts"]));
        }
        let Some(model) = model(evidence, name, strategy, bears) else { continue };
        for place in 0..CHILDREN {
            let child = Address::parse(&format!("crew/{name}{place}")).map_err(|error| error.to_string())?;
            let starts = starts(evidence, &child);
            if starts != model.starts[place] || counted(place) != model.counted[place] {
                return Err(format!(
                    "{me} with {strategy}: {child} was started {starts} times and counted {} restarts; {} and {} are right",
                    counted(place),
                    model.starts[place],
                    model.counted[place]
                ));
            }
        }
        if matches!(row.status, Status::GaveUp(_)) != model.gave_up {
            return Err(format!("{me} is {:?}; that it gave up should be {}", row.status, model.gave_up));
        }
    }
    Ok(())
}

fn starts(evidence: &Evidence<'_>, child: &Address) -> u64 {
    let turns = evidence.turns().filter(|turn| turn.instance.address == *child);
    turns.filter(|turn| matches!(turn.entry.cause, Cause::Start { .. } | Cause::Restart { .. })).count()
        as u64
}

/// What should have come of the failures that stand; none when two of them came too close.
fn model(evidence: &Evidence<'_>, name: &str, strategy: &str, bears: usize) -> Option<Model> {
    let mut model = Model { starts: [1; CHILDREN], counted: [0; CHILDREN], times: 0, gave_up: false };
    let mut watching: BTreeMap<&Address, bool> = BTreeMap::new();
    let mut up = 0;
    for turn in evidence.turns() {
        let address = &turn.instance.address;
        if address.kind() == name {
            let labels = &turn.instance.labels;
            watching.insert(address, labels.first().is_some_and(|label| &**label == "watching"));
        }
        let Some(place) = address.id().strip_prefix(name).filter(|_| address.kind() == "crew") else {
            continue;
        };
        let place: usize = place.parse().ok()?;
        if matches!(turn.entry.cause, Cause::Start { .. } | Cause::Restart { .. }) {
            up += 1;
        }
        let failed = match event_of(&turn.entry).map(|event| &*event.name) {
            Some("break") => matches!(turn.entry.outcome, Outcome::Failed { .. }),
            Some("finish") => matches!(turn.entry.outcome, Outcome::Ok { .. }),
            _ => false,
        };
        if !failed {
            continue;
        }
        if !watching.values().all(|watching| *watching) || up < CHILDREN {
            return None;
        }
        model.fails(place, strategy, bears);
    }
    (up >= CHILDREN).then_some(model)
}

impl Model {
    fn fails(&mut self, place: usize, strategy: &str, bears: usize) {
        if self.gave_up {
            return;
        }
        if self.times == bears {
            self.gave_up = true;
            return;
        }
        self.times += 1;
        self.counted[place] += 1;
        for other in 0..CHILDREN {
            let concerned = match strategy {
                "one_for_one" => other == place,
                "one_for_all" => true,
                _ => other >= place,
            };
            self.starts[other] += u64::from(concerned);
        }
    }
}
