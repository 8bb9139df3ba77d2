use super::{Step, first_step};

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
