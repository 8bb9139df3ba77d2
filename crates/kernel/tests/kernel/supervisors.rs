//! Supervisors by name, for stories. `define NAME v1 text` puts one.

use everstate_kernel::Supervisor;
use serde_json::{Value, json};

/// The behaviour of a kind that is a supervisor.
pub(crate) fn behaviour(kind: &str) -> Option<Supervisor> {
    let plan = match kind.strip_prefix("model-") {
        Some(plan) => crate::supervision_model::plan(plan),
        None => plan(kind)?,
    };
    Some(Supervisor::from_json(&plan).expect("it is well written"))
}

fn crabs(names: &[&str], more: Value) -> Value {
    let child = |name: &&str| {
        let mut child = json!({"name": name, "kind": "crab", "id": name});
        child.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        child
    };
    names.iter().map(child).collect()
}

fn plan(kind: &str) -> Option<Value> {
    let calm = json!({"initial": 100, "jitter": 0});
    Some(match kind {
        "one" => json!({"backoff": calm, "children": crabs(&["a", "b", "c"], json!({}))}),
        "all" => json!({
            "strategy": "one_for_all", "backoff": calm, "children": crabs(&["a", "b", "c"], json!({})),
        }),
        "rest" => json!({
            "strategy": "rest_for_one", "backoff": calm, "children": crabs(&["a", "b", "c"], json!({})),
        }),
        "patient" => json!({
            "intensity": 9, "period": "1m", "backoff": {"initial": 100, "max": 350, "jitter": 0},
            "children": crabs(&["a"], json!({})),
        }),
        "immortal" => json!({
            "backoff": calm, "children": crabs(&["a"], json!({"from": "last-good"})),
        }),
        "transient" => json!({"backoff": calm, "children": crabs(&["a"], json!({"restart": "transient"}))}),
        "temporary" => json!({"backoff": calm, "children": crabs(&["a"], json!({"restart": "temporary"}))}),
        "ready" => json!({
            "backoff": calm,
            "children": crabs(&["a", "b"], json!({"ready": true, "start_deadline": "1s"})),
        }),
        "slow" => json!({
            "backoff": calm,
            "children": crabs(&["a", "b"], json!({"data": "on-stop slow", "stop_deadline": "2s"})),
        }),
        "upper" => json!({
            "backoff": calm,
            "children": [{"kind": "one", "id": "1"}, {"kind": "pot", "id": "1"}],
        }),
        "spread" => json!({
            "intensity": 9, "backoff": {"initial": 1000, "jitter": 50}, "children": crabs(&["a", "b"], json!({})),
        }),
        // Each has the other as its child: the inner one has its own parent.
        "ring" => json!({"backoff": calm, "children": [{"kind": "gnir", "id": "1"}]}),
        "gnir" => json!({"backoff": calm, "children": [{"kind": "ring", "id": "1"}]}),
        "unable" => json!({"backoff": calm, "children": [{"kind": "tub"}]}),
        _ => return None,
    })
}
