use super::{Put, Step, first_step, startable, suggestion};

fn step(event: &str, worth: u8) -> Option<Step> {
    Some(Step { kind: "door".into(), event: event.into(), worth })
}

#[test]
fn the_step_suggested_is_one_that_is_taken_and_shows_something() {
    let source = "
name: door
version: v1
initial: closed
states:
  closed:
    on:
      break: broken
      knock: {actions: {log: who is there}}
      open: {guard: event.code == 1, target: opened}
      push: opened
  opened:
    on: {close: closed}
  broken: {type: final}
";
    assert_eq!(first_step("door.yaml", source), step("push", 2));
    let silent = source.replace("      push: opened\n", "");
    assert_eq!(first_step("door.yaml", &silent), step("knock", 1));
    assert_eq!(first_step("door.yaml", "name: door\n"), None);
}

#[test]
fn a_definition_that_wants_data_is_not_suggested() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, source: &str| {
        let file = folder.path().join(format!("{name}.yaml"));
        std::fs::write(&file, source).unwrap();
        Put { file, definition: format!("{name}:v1"), fresh: true }
    };
    let wants = put(
        "appointment",
        "name: appointment\nversion: v1\ncontext: {at: null}\ninitial: booked\nstates:\n  booked:\n    entry: {assign: {at: context.at + 1}}\n    on: {come: over}\n  over: {type: final}\n",
    );
    let none = put(
        "door",
        "name: door\nversion: v1\ninitial: shut\nstates:\n  shut: {on: {open: {guard: event.code == 1, target: shut}}}\n",
    );
    assert_eq!(startable(&wants), None);
    assert_eq!(startable(&none).as_deref(), Some("door"));
    assert_eq!(suggestion(&[wants, none]), None);
}
