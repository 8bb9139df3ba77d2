//! Behaviours that a program brings along: what the store keeps of them, and who may open it.

use crate::counter::{address, count, definition, event};
use everstate_kernel::{Definition, DefinitionId};
use everstate_runtime::{Options, Runtime, StartError};
use everstate_store::Memory;
use std::sync::Arc;

fn version(version: &str) -> Arc<Definition> {
    let id = DefinitionId::new("counter", version).expect("a name");
    Arc::new(Definition { id, ..(*definition()).clone() })
}

fn start(store: &Memory, natives: Vec<Arc<Definition>>) -> Result<Runtime, StartError> {
    Runtime::start(Box::new(store.share()), Options { natives, ..Options::default() })
}

#[tokio::test]
async fn an_instance_of_an_older_version_goes_on_with_the_behaviour_of_today() {
    let store = Memory::new();
    let runtime = start(&store, vec![version("v1")]).expect("it starts");
    runtime.handle().send(address("a"), event("1", "add")).await.expect("it counts");
    runtime.stop().expect("it stops");
    let runtime = start(&store, vec![version("v2")]).expect("it starts");
    runtime.handle().send(address("a"), event("2", "add")).await.expect("it counts");
    assert_eq!(count(&runtime.handle(), "a"), 2);
    let known = runtime.handle().definitions().all();
    assert_eq!(
        known.iter().map(|(known, _)| known.id.to_string()).collect::<Vec<_>>(),
        ["counter:v1", "counter:v2"]
    );
    runtime.stop().expect("it stops");
    for (natives, says) in [(vec![], "does not register"), (vec![version("v1")], "up to version v1")] {
        let refused = start(&store, natives).map(drop).expect_err("it lacks something").to_string();
        assert!(refused.contains(says), "{refused}");
    }
}

#[test]
fn the_text_of_a_behaviour_in_rust_is_no_chart() {
    let store = Memory::new();
    let runtime = start(&store, vec![version("v1")]).expect("it starts");
    let record = runtime.handle().definitions().record("counter", None).expect("it is put");
    assert!(everstate_chart::machine("counter.yaml", &record.source).0.is_none());
}
