//! Supervisors as definitions: what is read, and where what is wrong with them stands.

use everstate_chart::{Machine, machine};

const HOUSE: &str = include_str!("../../../examples/house.yaml");

#[test]
fn a_supervisor_is_read() {
    let (read, findings) = machine("house.yaml", HOUSE);
    assert!(findings.is_empty(), "{findings:?}");
    let Some(Machine::Supervisor(house)) = read else { panic!("it is a supervisor") };
    assert_eq!(house.id.to_string(), "house:v1");
    let plan = house.supervisor.plan();
    let names: Vec<&str> = plan.children.iter().map(|child| &*child.name).collect();
    assert_eq!(names, ["front", "back"]);
    assert_eq!(plan.intensity, 3);
}

#[test]
fn what_is_wrong_stands_in_its_place() {
    let bad = "type: supervisor\nname: house\nstrategy: one_for_some\nintensty: 2\nchildren:\n  - name: front\n  - {kind: door, restart: never, stop_deadline: -1s}\n";
    let (read, findings) = machine("house.yaml", bad);
    assert!(read.is_none());
    let found: Vec<String> = findings
        .iter()
        .map(|finding| format!("{}:{} {}", finding.line, finding.column, finding.path))
        .collect();
    for place in ["3:11 strategy", "4:1 intensty", "6:5 children.0.kind", "7:28 children.1.restart"] {
        assert!(found.iter().any(|one| one == place), "{place} is not in {found:#?} {findings:#?}");
    }
}

#[test]
fn a_chart_is_none_and_one_that_speaks_of_supervisors_neither() {
    let chart = "# our supervisor\nname: door\ninitial: open\nstates: {open: {}}\n";
    assert!(matches!(machine("door.yaml", chart).0, Some(Machine::Chart(_))));
}
