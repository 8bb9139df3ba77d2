//! The machines of the bench, each once, as JSON: the same text goes to every side.
//!
//! It refuses to know who runs them. Its one invariant: every event of a case adds the same to `context.n`, so that
//! each side can be shown to have done the work.

use serde_json::{Map, Value, json};

/// A machine, and what is sent to it in turn.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) machine: Value,
    /// Names and data, sent round and round.
    pub(crate) events: Vec<(&'static str, Value)>,
    /// What one event adds to `context.n`.
    pub(crate) adds: u64,
    /// How many times less often it is run than the others: what one event costs, about, beside theirs.
    pub(crate) weight: u64,
}

/// All of them. The first two differ by nothing but their inactive states.
pub(crate) fn all() -> Vec<Case> {
    vec![few(), thousand(), regions(), one_region(), history(), guard(), foreach()]
}

/// The states that are active in both machines of groups: a parallel state, and in each of three regions the region, a
/// group, a leaf.
pub(crate) const ACTIVE: usize = 10;

fn few() -> Case {
    grouped("few", "22 states, 10 active", 2, 2)
}

fn thousand() -> Case {
    grouped("thousand", "1,003 states, 10 active", 9, 36)
}

fn grouped(name: &'static str, about: &'static str, groups: usize, leaves: usize) -> Case {
    let region = |region: usize| {
        let group = |group: usize| {
            let id = |leaf: usize| format!("r{region}_g{group}_l{leaf}");
            let leaf = |leaf: usize| match region {
                0 => (id(leaf), json!({ "on": { "step": counting(&id((leaf + 1) % leaves)) } })),
                _ => (id(leaf), json!({ "on": { "other": id((leaf + 1) % leaves) } })),
            };
            (format!("r{region}_g{group}"), compound(&id(0), (0..leaves).map(leaf)))
        };
        (format!("r{region}"), compound(&format!("r{region}_g0"), (0..groups).map(group)))
    };
    let regions = json!({ "type": "parallel", "states": states((0..3).map(region)) });
    Case {
        name,
        about,
        machine: machine(name, "all", [("all".into(), regions)]),
        events: vec![("step", Value::Null)],
        adds: 1,
        weight: 1,
    }
}

fn regions() -> Case {
    Case {
        name: "regions",
        about: "100 parallel regions, all take the event",
        machine: hundred("regions"),
        events: vec![("all", Value::Null)],
        adds: 100,
        weight: 50,
    }
}

fn one_region() -> Case {
    Case {
        name: "region",
        about: "100 parallel regions, one takes the event",
        machine: hundred("region"),
        events: vec![("r7", Value::Null)],
        adds: 1,
        weight: 5,
    }
}

fn hundred(name: &str) -> Value {
    let region = |region: usize| {
        let (one, other) = (format!("r{region}_a"), format!("r{region}_b"));
        let leaf = |to: &str| json!({ "on": { "all": counting(to), format!("r{region}"): counting(to) } });
        let leaves = [(one.clone(), leaf(&other)), (other.clone(), leaf(&one))];
        (format!("r{region}"), compound(&one, leaves))
    };
    let all = json!({ "type": "parallel", "states": states((0..100).map(region)) });
    machine(name, "all", [("all".into(), all)])
}

fn history() -> Case {
    let leaf = json!({});
    let deep = compound("inner", [("inner".into(), compound("core", [("core".into(), leaf)]))]);
    let history = json!({ "type": "history", "history": "deep", "target": "deep" });
    let mut working = compound("deep", [("deep".into(), deep), ("past".into(), history)]);
    working["on"] = json!({ "pause": counting("paused") });
    let paused = json!({ "on": { "resume": counting("working.past") } });
    Case {
        name: "history",
        about: "deep history, left and resumed by turns",
        machine: machine("history", "working", [("working".into(), working), ("paused".into(), paused)]),
        events: vec![("pause", Value::Null), ("resume", Value::Null)],
        adds: 1,
        weight: 1,
    }
}

fn guard() -> Case {
    let cond = "context.prices[event.item] * event.count + context.fee < context.limit";
    let guarded = |to: &str| json!({ "on": { "order": { "target": to, "guard": cond, "actions": { "assign": { "n": "context.n + 1" } } } } });
    let mut machine =
        machine("guard", "one", [("one".into(), guarded("two")), ("two".into(), guarded("one"))]);
    machine["context"] = json!({
        "n": 0, "fee": 5, "limit": 1000, "prices": { "nut": 2, "bolt": 3, "nail": 1, "screw": 4 },
    });
    Case {
        name: "guard",
        about: "a guard with arithmetic and a map lookup",
        machine,
        events: vec![("order", json!({ "item": "bolt", "count": 20 }))],
        adds: 1,
        weight: 1,
    }
}

fn foreach() -> Case {
    let body = json!([{ "assign": { "n": "context.n + item" } }]);
    let each = json!([{ "foreach": "context.items", "do": body }]);
    let state = json!({ "on": { "sum": { "actions": each } } });
    let mut machine = machine("foreach", "only", [("only".into(), state)]);
    machine["context"] = json!({ "n": 0, "items": vec![1; 100] });
    Case {
        name: "foreach",
        about: "foreach over 100 items, each assigned",
        machine,
        events: vec![("sum", Value::Null)],
        adds: 100,
        weight: 20,
    }
}

/// A chart of that many states, each with an entry action, a guarded transition and another one: what is compiled.
pub(crate) fn large(count: usize) -> Value {
    let state = |at: usize| {
        let next = json!({ "target": format!("s{}", (at + 1) % count), "guard": "context.n >= 0" });
        let state =
            json!({ "entry": { "assign": { "n": "context.n + 1" } }, "on": { "next": next, "back": "s0" } });
        (format!("s{at}"), state)
    };
    machine("large", "s0", (0..count).map(state))
}

fn machine(name: &str, initial: &str, inner: impl IntoIterator<Item = (String, Value)>) -> Value {
    let mut machine = compound(initial, inner);
    machine["id"] = json!(name);
    machine["context"] = json!({ "n": 0 });
    machine
}

fn compound(initial: &str, inner: impl IntoIterator<Item = (String, Value)>) -> Value {
    json!({ "initial": initial, "states": states(inner) })
}

fn states(inner: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(inner.into_iter().collect::<Map<_, _>>())
}

fn counting(target: &str) -> Value {
    json!({ "target": target, "actions": { "assign": { "n": "context.n + 1" } } })
}
