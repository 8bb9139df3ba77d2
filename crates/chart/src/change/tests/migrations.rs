//! Migrations, one rule each, and the example.

use super::*;

const LOANS_V1: &str = include_str!("../../../../../examples/change/loans-v1.yaml");
const LOANS_V2: &str = include_str!("../../../../../examples/change/loans-v2.yaml");
const LOANS_MAP: &str = include_str!("../../../../../examples/change/loans-v2.map.yaml");

#[test]
fn the_example_names_what_is_missing_and_then_carries_over() {
    expect(
        &migrated(LOANS_V1, &["check"], LOANS_V2, ""),
        "state: \"checking\" leads nowhere: there is no state \"checking\"; say where it leads, such as checking=received",
    );
    let mapping = crate::change::read_mapping(LOANS_MAP).expect("a mapping");
    let (old, new) = (definition(LOANS_V1), definition(LOANS_V2));
    let migration = Migration::new(old.chart.clone(), new.chart.clone(), &mapping).expect("it fits");
    let carried = |events: &[&str]| {
        let instance = Instance::after(old.clone(), events);
        shown(&new, &migration.carry(&instance.occupant(&[])))
    };
    expect(
        &carried(&["check"]),
        r#"vetting.credit.waiting + vetting.identity.waiting {"cents":0,"risk":"high","score":0}"#,
    );
    expect(
        &carried(&[]),
        r#"received {"cents":0,"risk":"high","score":0}
           timer after.14d.received at 1209601000"#,
    );
}

#[test]
fn a_timer_of_another_length_counts_from_when_its_state_was_entered() {
    let old = "{name: m, initial: a, states: {a: {after: {7d: b}}, b: {type: final}}}";
    let new = "{name: m, initial: a, states: {a: {after: {10d: b}}, b: {type: final}}}";
    expect(
        &migrated(old, &[], new, ""),
        r#"a {}
           timer after.10d.a at 864001000 anew
           note: the timer `after 7d` becomes `after 10d`, counted from when its state was entered"#,
    );
}

#[test]
fn timers_follow_a_renamed_state_and_new_ones_are_set() {
    let old = "{name: m, initial: a, states: {a: {after: {1h: b}}, b: {type: final}}}";
    let new = "{name: m, initial: x, states: {x: {after: {1h: b, 2h: b}}, b: {type: final}}}";
    expect(
        &migrated(old, &[], new, "a=x"),
        r#"x {}
           timer after.1h.x at 3601000
           set after.2h.x in 7200000
           note: the timer "after.1h.a" goes on as "after.1h.x"
           note: the timer `after 2h` of "x" is set, counted from now"#,
    );
    expect(
        &migrated(new, &[], old, "x=a"),
        r#"timer: the timer `after 2h` of "x" has no counterpart where it leads; accept it with --accept timer: it is cleared"#,
    );
    expect(
        &migrated(new, &[], old, "x=a\naccept timer"),
        r#"a {}
           timer after.1h.a at 3601000
           note: the timer "after.1h.x" goes on as "after.1h.a"
           note: the timer `after 2h` of "x" has no counterpart where it leads: it is cleared"#,
    );
}

#[test]
fn regions_must_all_be_led_to() {
    let old = "{name: m, initial: a, states: {a: {}}}";
    let new = "{name: m, initial: p, states: {p: {type: parallel, states: {x: {initial: a, states: {a: {}, b: {}}}, y: {initial: a, states: {a: {}, b: {}}}}}}}";
    expect(
        &migrated(old, &[], new, "a=p.x.b"),
        "region: nothing leads to the region \"p.y\" of p; lead a state to both, as in OLD=p.x.b,p.y, or accept it with --accept region: it begins where it begins",
    );
    expect(&migrated(old, &[], new, "a=p.x.b,p.y.b"), "p.x.b + p.y.b {}");
    expect(&migrated(old, &[], new, "a=p"), "p.x.a + p.y.a {}");
    expect(
        &migrated(old, &[], new, "a=p.x.b\naccept region"),
        "p.x.b + p.y.a {}\nnote: nothing leads to the region \"p.y\" of p: it begins where it begins",
    );
    expect(
        &migrated(old, &[], new, "a=p.x.a,p.x.b"),
        "a=p.x.a,p.x.b: \"p.x.a\" and \"p.x.b\" cannot be active together",
    );
    expect(&migrated(new, &[], old, "p.x.a=a\np.y.a=a"), "a {}");
}

#[test]
fn a_map_that_names_what_is_not_there_is_refused_whole() {
    let old = "{name: m, initial: open, states: {open: {on: {go: shut}}, shut: {}}}";
    expect(
        &migrated(
            old,
            &[],
            old,
            "opne=shut\nopen=shot\nopen=shut\nopen=open\naccept state\nset n=1 +\nset a.b=1",
        ),
        r#"opne=shut: the old version has no state "opne"; did you mean "open"?
           open=shot: the new version has no state "shot"; did you mean "shut"?
           open=open: the state is mapped twice; leave one entry out
           n=1 +: expected a value, found the end
           a.b=1: a whole field of the context is set; give a field inside of it with the whole
           state: this cannot be accepted; what can is region, history, timer, child, task, invoke, event"#,
    );
}

#[test]
fn ends_and_restless_states_are_no_places_to_be_put() {
    let old = "{name: m, initial: a, states: {a: {on: {go: b}}, b: {type: final}}}";
    let new = "{name: m, initial: a, context: {n: 1}, states: {a: {on: {go: b}}, c: {always: {guard: context.n == 1, target: a}, on: {go: b}}, b: {type: final}}}";
    expect(
        &migrated(old, &[], new, "a=b"),
        "end: \"b\" is an end, which a transition leads to; lead it to a state before; to end it, stop it",
    );
    expect(
        &migrated(old, &[], new, "a=c"),
        "restless: \"c\" would be left at once, for a; lead it where that transition leads, whose actions then do not run",
    );
}

#[test]
fn histories_lead_where_their_states_lead() {
    let old = "{name: m, initial: w, states: {w: {initial: a, states: {a: {on: {next: b}}, b: {}, h: {type: history}}, on: {hold: off}}, off: {on: {back: w.h}}}}";
    let new = "{name: m, initial: v, states: {v: {initial: a, states: {a: {on: {next: b}}, b: {}, g: {type: history}}, on: {hold: off}}, off: {on: {back: v.g}}}}";
    expect(
        &migrated(old, &["next", "hold"], new, "w=v"),
        "history: what the history \"w.h\" remembers has no counterpart: w.b; map the history and those states, or accept it with --accept history: it is forgotten",
    );
    expect(&migrated(old, &["next", "hold"], new, "w=v\nw.h=v.g"), "off {}");
    expect(
        &migrated(old, &["next", "hold"], new, "w=v\naccept history"),
        "off {}\nnote: what the history \"w.h\" remembers has no counterpart: w.b: it is forgotten",
    );
}

#[test]
fn the_context_must_be_what_is_declared() {
    let old = "{name: m, context: {sum: 3, who: x}, initial: a, states: {a: {on: {go: a}}}}";
    let new = "{name: m, context: {sum: '', note: none}, initial: a, states: {a: {on: {go: a}}}}";
    expect(
        &migrated(old, &[], new, ""),
        r#"field: the field "sum" is declared as string, this is number; convert it, such as --set sum=string(context.sum)"#,
    );
    expect(
        &migrated(old, &[], new, "set sum=string(context.sum) + '!'"),
        r#"a {"note":"none","sum":"3!","who":"x"}
           note: the field "who" is not declared any more; it stays, unless --drop who says otherwise"#,
    );
    expect(
        &migrated(old, &[], new, "set sum=string(context.sum)\ndrop who"),
        r#"a {"note":"none","sum":"3"}"#,
    );
    expect(
        &migrated(old, &[], new, "set sum=string(1 / (context.sum - 3))\ndrop who"),
        r#"field: the field "sum" is declared as string, this is number; convert it, such as --set sum=string(context.sum)
           expression: the expression for "sum" has no value: division by zero; give it one that holds for these as well"#,
    );
}

#[test]
fn events_that_wait_must_be_taken_somewhere() {
    let old = "{name: m, unhandled: defer, initial: a, states: {a: {on: {go: b}}, b: {on: {late: a}}}}";
    let new = "{name: m, initial: a, states: {a: {on: {go: b}}, b: {}}}";
    expect(
        &migrated_waiting(old, &[], new, "", &["late"]),
        r#"event: the event "late" waits in its mailbox, and no state of the new version takes it; let a state take it, or accept it with --accept event: it is rejected"#,
    );
    expect(
        &migrated_waiting(old, &[], new, "accept event", &["late"]),
        "a {}\nnote: the event \"late\" waits in its mailbox, and no state of the new version takes it: it is rejected",
    );
}

#[test]
fn invoked_machines_follow_their_state() {
    let old = "{name: m, initial: a, states: {a: {invoke: {id: charge, src: payments}, on: {go: b}}, b: {}}}";
    let renamed =
        "{name: m, initial: x, states: {x: {invoke: {id: charge, src: payments}, on: {go: b}}, b: {}}}";
    let without = "{name: m, initial: a, states: {a: {on: {go: b}}, b: {}}}";
    expect(&migrated(old, &[], renamed, "a=x"), "x {}");
    expect(
        &migrated(old, &[], without, ""),
        r#"child: the machine "charge" that "a" has invoked has no counterpart where it leads; invoke it there under the same id, or accept it with --accept child: it is stopped"#,
    );
    expect(
        &migrated(old, &[], without, "accept child"),
        "a {}\nstop charge\nnote: the machine \"charge\" that \"a\" has invoked has no counterpart where it leads: it is stopped",
    );
    expect(
        &migrated(without, &[], old, ""),
        r#"invoke: "a" invokes "charge", which does not run; lead it to another state, or accept it with --accept invoke: it is started"#,
    );
    expect(
        &migrated(without, &[], old, "accept invoke"),
        "a {}\nspawn charge of payments\nnote: \"a\" invokes \"charge\", which does not run: it is started",
    );
}

#[test]
fn an_event_that_waits_keeps_the_name_that_it_came_with() {
    let old = "{name: m, unhandled: defer, initial: a, states: {a: {}, b: {on: {pay: a}}}}";
    let renamed = "{name: m, unhandled: defer, initial: x, states: {x: {}, b: {on: {settle: x}}}}";
    let both = "{name: m, unhandled: defer, initial: x, states: {x: {}, b: {on: {settle: x, pay: x}}}}";
    expect(
        &migrated_waiting(old, &[], renamed, "a=x", &["pay"]),
        r#"event: the event "pay" waits in its mailbox, and no state of the new version takes it; let a state take it, or accept it with --accept event: it goes on waiting"#,
    );
    expect(&migrated_waiting(old, &[], both, "a=x", &["pay"]), "x {}");
}

#[test]
fn tasks_follow_the_state_that_has_asked_for_them() {
    let old = "{name: m, initial: a, states: {a: {invoke: {id: charge, task: cards}, on: {go: b}}, b: {}}}";
    let renamed =
        "{name: m, initial: x, states: {x: {invoke: {id: charge, task: cards}, on: {go: b}}, b: {}}}";
    let machine =
        "{name: m, initial: a, states: {a: {invoke: {id: charge, src: cards}, on: {go: b}}, b: {}}}";
    let without = "{name: m, initial: a, states: {a: {on: {go: b}}, b: {}}}";
    expect(&migrated(old, &[], renamed, "a=x"), "x {}");
    expect(
        &migrated(old, &[], without, ""),
        r#"task: the task "charge" that "a" has asked for has no counterpart where it leads; ask for it there under the same id, or accept it with --accept task: it is cancelled"#,
    );
    expect(
        &migrated(old, &[], without, "accept task"),
        "a {}\ncancel charge\nnote: the task \"charge\" that \"a\" has asked for has no counterpart where it leads: it is cancelled",
    );
    expect(
        &migrated(without, &[], old, "accept invoke"),
        "a {}\ntask charge for cards\nnote: \"a\" invokes \"charge\", which does not run: it is started",
    );
    // Left before: nothing is open any more. And a machine does not take the place of a task.
    expect(&migrated(old, &["go"], without, ""), "b {}");
    expect(
        &migrated(old, &[], machine, "accept task\naccept invoke"),
        r#"a {}
           cancel charge
           spawn charge of cards
           note: "a" invokes "charge", which does not run: it is started
           note: the task "charge" that "a" has asked for has no counterpart where it leads: it is cancelled"#,
    );
    // What an action has asked for is of no state.
    let by_action = "{name: m, initial: a, states: {a: {on: {go: {actions: {task: {queue: mail}}}}}}}";
    expect(&migrated(by_action, &["go"], without, ""), "a {}");
}

#[test]
fn any_bytes_are_refused_and_never_a_panic() {
    let text = "{name: m, initial: a, states: {a: {}}}";
    let new = definition(text);
    let migration =
        Migration::new(new.chart.clone(), new.chart.clone(), &Mapping::default()).expect("nothing is said");
    let mut instance = Instance::after(definition(text), &[]);
    for length in 0..20 {
        instance.state = (0..length).map(|at| (at * 37) as u8).collect();
        let found = migration.carry(&instance.occupant(&[])).expect_err("it is no state");
        assert_eq!(found[0].code, crate::change::ObstacleCode::Unreadable);
    }
}
