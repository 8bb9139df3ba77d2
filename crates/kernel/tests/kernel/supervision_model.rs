//! Supervisors against a model so simple that it is plainly right: a list of children, and loops over it. Random plans,
//! random failures, any weather; who is stopped and started, in which order, and how often, must be the same.

use crate::world::{FAIR, Weather, World, address};
use everstate_kernel::{Behaviour, Status};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What befalls a child.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Faults,
    Ends,
    GivesUp,
}

/// A plan as the text in the name of a kind: strategy, restarts by their first letters (`e` for temporary), intensity.
type Sketch = (&'static str, String, usize);

const PERIOD: u64 = 1000;
const WAIT: u64 = 100;

/// The plan of the kind `model-TEXT`.
pub(crate) fn plan(text: &str) -> Value {
    let parts: Vec<&str> = text.split('-').collect();
    let [strategy, restarts, intensity] = parts[..] else { panic!("{text} is no plan") };
    let children = restarts.chars().enumerate().map(|(place, restart)| {
        let restart = match restart {
            'p' => "permanent",
            't' => "transient",
            _ => "temporary",
        };
        json!({"name": place.to_string(), "kind": "crab", "id": place.to_string(), "restart": restart})
    });
    json!({
        "strategy": strategy, "intensity": intensity.parse::<u32>().unwrap(), "period": PERIOD,
        "backoff": {"initial": WAIT, "max": WAIT, "jitter": 0}, "children": children.collect::<Value>(),
    })
}

/// The model.
struct Model {
    sketch: Sketch,
    there: Vec<bool>,
    times: Vec<u64>,
    log: Vec<String>,
    restarts: u64,
    gave_up: bool,
}

impl Model {
    fn new(sketch: &Sketch) -> Model {
        let count = sketch.1.len();
        let log = (0..count).map(|place| format!("start {place}")).collect();
        Model {
            sketch: sketch.clone(),
            there: vec![true; count],
            times: vec![],
            log,
            restarts: 0,
            gave_up: false,
        }
    }

    fn restart_of(&self, place: usize) -> char {
        self.sketch.1.as_bytes()[place].into()
    }

    fn stop(&mut self, place: usize) {
        if self.there[place] {
            self.log.push(format!("stop {place}"));
            self.there[place] = false;
        }
    }

    fn befalls(&mut self, place: usize, fate: Fate, now: u64) {
        if self.gave_up || !self.there[place] {
            return;
        }
        // One that faults is still there, parked.
        self.there[place] = fate == Fate::Faults;
        let restarts = match self.restart_of(place) {
            'p' => true,
            't' => fate != Fate::Ends,
            _ => false,
        };
        if !restarts {
            return self.stop(place);
        }
        let recent = self.times.iter().filter(|time| now - **time < PERIOD).count();
        if recent == self.sketch.2 {
            self.gave_up = true;
            return (0..self.there.len()).rev().for_each(|place| self.stop(place));
        }
        self.times.push(now);
        self.restarts += 1;
        let all: Vec<usize> = (0..self.there.len()).collect();
        let concerned: Vec<usize> = all
            .into_iter()
            .filter(|other| match self.sketch.0 {
                "one_for_one" => *other == place,
                "one_for_all" => true,
                _ => *other >= place,
            })
            .collect();
        if concerned.len() > 1 {
            concerned.iter().rev().for_each(|other| self.stop(*other));
        }
        for other in concerned {
            if other == place || self.restart_of(other) != 'e' {
                self.log.push(format!("start {other}"));
                self.there[other] = true;
            }
        }
    }
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let strategies = prop::sample::select(&["one_for_one", "one_for_all", "rest_for_one"][..]);
    (strategies, "[pte]{1,5}", 0..5usize)
}

fn fate() -> impl Strategy<Value = Fate> {
    prop::sample::select(&[Fate::Faults, Fate::Ends, Fate::GivesUp][..])
}

/// Who was stopped and started, in order.
fn seen(world: &World) -> Vec<String> {
    let told = world.transcript.iter().filter_map(|line| {
        let (place, what) = line.strip_prefix("crab/")?.split_once(' ')?;
        match what.split_once(':')?.0 {
            "start" | "restart" => Some(format!("start {place}")),
            "stop" => Some(format!("stop {place}")),
            _ => None,
        }
    });
    told.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_supervisor_does_what_the_model_does(
        sketch in sketch(),
        fates in prop::collection::vec((0..5usize, fate(), 0..900u64), 0..12),
        crash_every in 0..4usize,
        resident_max in 0..4usize,
    ) {
        let mut world = World::new(Weather { crash_every, resident_max, ..FAIR });
        let kind = format!("model-{}-{}-{}", sketch.0, sketch.1, sketch.2);
        world.define(&kind, "v1", "a plan");
        let me = format!("{kind}/1");
        world.start(&me, "s", None, "");
        world.run();
        let mut model = Model::new(&sketch);
        for (number, (place, fate, wait)) in fates.into_iter().enumerate() {
            let place = place % sketch.1.len();
            let program = match fate {
                Fate::Faults => "fault",
                Fate::Ends => "done 1",
                Fate::GivesUp => "give-up tired",
            };
            model.befalls(place, fate, world.now.0 as u64);
            world.send(&format!("crab/{place}"), "go", &format!("e{number}"), program);
            world.advance(2 * WAIT + wait);
        }
        prop_assert_eq!(seen(&world), model.log, "{}", world.transcript.join("\n"));
        let row = &world.disk.instances[&address(&me)];
        prop_assert_eq!(matches!(row.status, Status::GaveUp(_)), model.gave_up);
        let supervisor = crate::supervisors::behaviour(&kind).unwrap();
        let description = supervisor.describe(&supervisor.decode(row.state.as_slice()).unwrap());
        let data: Value = serde_json::from_str(description.data.as_str()).unwrap();
        prop_assert_eq!(data["restarts"].as_u64(), Some(model.restarts));
        let of_children: u64 =
            data["children"].as_array().unwrap().iter().map(|child| child["restarts"].as_u64().unwrap()).sum();
        prop_assert_eq!(of_children, model.restarts);
    }
}
