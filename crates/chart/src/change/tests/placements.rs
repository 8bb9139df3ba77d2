//! Instances that an operator puts somewhere.

use super::*;

const HOUSE: &str = "
name: m
context: {n: 1, who: null}
initial: off
states:
  off: {on: {start: on}}
  on:
    type: parallel
    on: {stop: off}
    states:
      light:
        initial: dark
        states: {dark: {on: {lit: bright}}, bright: {after: {1h: dark}}}
      door:
        initial: shut
        states: {shut: {on: {open: ajar}}, ajar: {after: {5m: shut}}}
  gone: {type: final}
";

fn placed(events: &[&str], states: &[&str], set: &[(&str, &str)]) -> String {
    let definition = definition(HOUSE);
    let states: Vec<String> = states.iter().map(|state| (*state).to_owned()).collect();
    let set: Vec<(String, String)> = set.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let placement = match Placement::new(definition.chart.clone(), &states, &set) {
        Ok(placement) => placement,
        Err(errors) => return errors.iter().map(|error| format!("{error}\n")).collect(),
    };
    let instance = Instance::after(definition.clone(), events);
    shown(&definition, &placement.place(&instance.occupant(&[])))
}

#[test]
fn named_states_are_completed() {
    expect(&placed(&[], &["on"], &[]), r#"on.light.dark + on.door.shut {"n":1,"who":null}"#);
    expect(
        &placed(&[], &["on.door.ajar"], &[]),
        r#"on.light.dark + on.door.ajar {"n":1,"who":null}
           set after.5m.on.door.ajar in 300000
           note: nothing leads to the region "on.light" of on: it begins where it begins
           note: the timer `after 5m` of "on.door.ajar" is set, counted from now"#,
    );
}

#[test]
fn regions_that_are_not_concerned_stay() {
    expect(
        &placed(&["start", "lit"], &["on.door.ajar"], &[]),
        r#"on.light.bright + on.door.ajar {"n":1,"who":null}
           timer after.1h.on.light.bright at 3601000
           set after.5m.on.door.ajar in 300000
           note: the timer `after 5m` of "on.door.ajar" is set, counted from now"#,
    );
    expect(
        &placed(&["start", "lit"], &["off"], &[]),
        r#"off {"n":1,"who":null}
           note: the timer `after 1h` of "on.light.bright" has no counterpart where it leads: it is cleared"#,
    );
}

#[test]
fn fields_alone_leave_the_states() {
    expect(
        &placed(&["start"], &[], &[("n", "context.n + 41"), ("who", "'ann'")]),
        r#"on.light.dark + on.door.shut {"n":42,"who":"ann"}"#,
    );
    expect(
        &placed(&[], &[], &[("n", "'x'")]),
        r#"field: the field "n" is declared as number, this is string; convert it, such as --set n=number(context.n)"#,
    );
}

#[test]
fn what_is_no_configuration_is_refused() {
    expect(&placed(&[], &["of"], &[]), "of: there is no such state; did you mean \"off\"?");
    expect(&placed(&[], &["on", "off"], &[]), "on: it cannot be active together with \"off\"");
    expect(
        &placed(&[], &["gone"], &[]),
        "end: \"gone\" is an end, which a transition leads to; lead it to a state before; to end it, stop it",
    );
}
