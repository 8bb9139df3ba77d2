//! Everything that a definition could do harm with, and the answer to it.

use everstate_chart::trace::{Machine, NoTrace, Stimulus};
use everstate_chart::{Code, DEFINITION_BYTES_MAX, NESTING_MAX, STATE_DEPTH_MAX, STATES_MAX, read};
use everstate_kernel::Json;
use std::sync::Arc;

/// A definition with one state in SCXML.
fn scxml(inner: &str) -> String {
    format!(
        "<scxml xmlns=\"http://www.w3.org/2005/07/scxml\" version=\"1.0\" datamodel=\"cel\"><datamodel><data id=\"n\" expr=\"0\"/>\
         <data id=\"list\" expr=\"[]\"/></datamodel>{inner}</scxml>"
    )
}

/// What is found wrong; nothing when the definition is accepted.
fn errors(file: &str, text: &str) -> Vec<Code> {
    let outcome = read(file, text);
    let all: Vec<Code> = outcome.findings.iter().map(|finding| finding.code).collect();
    if outcome.definition.is_some() { Vec::new() } else { all }
}

#[track_caller]
fn refused(file: &str, text: &str, code: Code) {
    let found = errors(file, text);
    assert!(found.contains(&code), "{code:?} is not among {found:?} in {:.300}", text);
}

/// Runs a machine that reads without an error; what it answers to the start and to each event.
fn ran(text: &str, events: &[&str]) -> Result<Vec<String>, NoTrace> {
    let mut machine = Machine::new(text, false)?;
    let mut steps = vec![machine.start()?];
    for event in events {
        steps.push(machine.step(Stimulus::Event(Arc::from(*event), Json::NULL))?);
    }
    Ok(steps.into_iter().map(|step| step.log.join(" ")).collect())
}

#[test]
fn depth_is_limited() {
    let flow = |depth: usize| format!("{{name: a, context: {}1{}}}", "[".repeat(depth), "]".repeat(depth));
    refused("a.yaml", &flow(NESTING_MAX + 1), Code::TooLarge);
    refused("a.yaml", &flow(100_000), Code::TooLarge);
    let states = |depth: usize| {
        let open: String = (0..depth).map(|at| format!("initial: s{at}, states: {{s{at}: {{")).collect();
        format!("{{name: a, {open}{}", "}".repeat(2 * depth + 1))
    };
    refused("a.yaml", &states(STATE_DEPTH_MAX + 1), Code::TooLarge);
    for depth in [STATE_DEPTH_MAX + 1, 50_000] {
        let text = scxml(&format!("{}{}", "<state>".repeat(depth), "</state>".repeat(depth)));
        refused("a.scxml", &text, Code::TooLarge);
    }
    let deep = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
    refused(
        "a.yaml",
        &format!("{{name: a, initial: s, states: {{s: {{on: {{e: {{guard: '{deep}'}}}}}}}}}}"),
        Code::Expression,
    );
}

#[test]
fn size_is_limited() {
    refused("a.yaml", &" ".repeat(DEFINITION_BYTES_MAX + 1), Code::TooLarge);
    refused("a.scxml", &format!("<scxml>{}", " ".repeat(DEFINITION_BYTES_MAX)), Code::TooLarge);
    let states: String = (0..=STATES_MAX).map(|at| format!("s{at}: {{}}, ")).collect();
    refused("a.yaml", &format!("{{name: a, initial: s0, states: {{{states}}}}}"), Code::TooLarge);
    let states: String = (0..=STATES_MAX).map(|_| "<state/>").collect();
    refused("a.scxml", &scxml(&states), Code::TooLarge);
}

#[test]
fn entities_and_aliases_do_not_grow() {
    let entities = "<!DOCTYPE scxml [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>\
                    <scxml xmlns=\"http://www.w3.org/2005/07/scxml\"><state id=\"&b;\"/></scxml>";
    refused("a.scxml", entities, Code::Unsupported);
    let external =
        "<!DOCTYPE scxml SYSTEM \"file:///etc/passwd\"><scxml xmlns=\"http://www.w3.org/2005/07/scxml\"/>";
    refused("a.scxml", external, Code::Unsupported);
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for at in 1..9 {
        let inner = vec![format!("*a{}", at - 1); 10].join(", ");
        laughs.push_str(&format!("a{at}: &a{at} [{inner}]\n"));
    }
    refused("a.yaml", &laughs, Code::TooLarge);
    refused("a.yaml", "name: &a [*a]\n", Code::Malformed);
}

#[test]
fn regular_expressions_and_costs_are_bounded() {
    let guard = |guard: &str| {
        format!(
            "{{name: a, context: {{t: ''}}, initial: s, states: {{s: {{on: {{e: {{guard: {guard:?}}}}}}}}}}}"
        )
    };
    // Linear in the text, whatever the pattern; one that would be large in memory is an error of the expression.
    assert_eq!(errors("a.yaml", &guard("context.t.matches('(a*)*b')")), []);
    refused("a.yaml", &guard("context.t.matches('(((a{100}){100}){100})')"), Code::Expression);
    refused("a.yaml", &guard("context.t.matches('(')"), Code::Expression);
    let nested = "list.all(a, list.all(b, list.all(c, list.all(d, a + b + c + d &gt;= 0))))";
    let list: Vec<String> = (0..200).map(|at| at.to_string()).collect();
    let text = scxml(&format!(
        "<state id=\"a\"><onentry><assign location=\"list\" expr=\"[{}]\"/></onentry>\
         <transition event=\"e\" cond=\"{nested}\"><log label=\"passed\"/></transition></state>",
        list.join(",")
    ));
    // The limit is the turn's: it is not for the chart to catch.
    assert!(matches!(ran(&text, &["e"]), Err(NoTrace::Stuck(_))), "{:?}", ran(&text, &["e"]));
}

#[test]
fn a_foreach_over_a_million_items_ends() {
    let doubled: String = (0..20).map(|_| "<assign location=\"list\" expr=\"list + list\"/>").collect();
    let text = scxml(&format!(
        "<state id=\"a\"><transition event=\"e\"><assign location=\"list\" expr=\"[1]\"/>{doubled}\
         <foreach array=\"list\" item=\"one\"><assign location=\"n\" expr=\"n + 1\"/></foreach>\
         <log expr=\"n\"/></transition></state>"
    ));
    assert!(matches!(ran(&text, &["e"]), Err(NoTrace::Stuck(_))), "{:?}", ran(&text, &["e"]));
}

#[test]
fn circles_of_initial_states_are_refused() {
    let outside = "{name: a, initial: s, states: {s: {initial: '#a.s', states: {x: {}}}}}";
    refused("a.yaml", outside, Code::BadInitial);
    let text = scxml("<state id=\"a\" initial=\"a\"><state id=\"b\"/></state>");
    refused("a.scxml", &text, Code::BadInitial);
    let text = scxml("<state id=\"a\" initial=\"c\"><state id=\"b\"/></state><state id=\"c\"/>");
    refused("a.scxml", &text, Code::BadInitial);
    let eventless = "{name: a, initial: s, states: {s: {always: t}, t: {always: s}}}";
    refused("a.yaml", eventless, Code::EventlessLoop);
}

#[test]
fn histories_have_somewhere_to_lead() {
    // Without a default there is what the parent begins with in the native format; SCXML demands one.
    let plain = "{name: a, initial: s, states: {s: {initial: x, states: {x: {}, h: {type: history}}, on: {e: '.h'}}}}";
    assert_eq!(errors("a.yaml", plain), []);
    let text = scxml("<state id=\"a\"><state id=\"b\"/><history id=\"h\"/></state>");
    assert!(!errors("a.scxml", &text).is_empty());
    // A history that stands for a history.
    let one = "{name: a, initial: s, states: {s: {initial: x, states: {x: {}, h: {type: history, target: k}, k: {type: history, target: h}}}}}";
    assert!(!errors("a.yaml", one).is_empty());
    let text = scxml(
        "<state id=\"a\"><state id=\"b\"/><history id=\"h\"><transition target=\"k\"/></history>\
         <history id=\"k\"><transition target=\"h\"/></history></state>",
    );
    assert!(!errors("a.scxml", &text).is_empty());
}

#[test]
fn ids_are_given_once() {
    let regions = "{name: a, type: parallel, states: {p: {initial: x, states: {x: {id: one}}}, q: {initial: x, states: {x: {id: one}}}}}";
    refused("a.yaml", regions, Code::DuplicateState);
    let text = scxml(
        "<parallel id=\"p\"><state id=\"x\"><state id=\"one\"/></state><state id=\"y\"><state id=\"one\"/></state></parallel>",
    );
    refused("a.scxml", &text, Code::DuplicateState);
}

#[test]
fn targets_that_conflict_are_refused() {
    let text = "{name: a, initial: s, states: {s: {on: {e: {target: [t, u]}}}, t: {}, u: {}}}";
    refused("a.yaml", text, Code::ConflictingTargets);
    let text = scxml(
        "<state id=\"a\"><transition event=\"e\" target=\"b c\"/></state><state id=\"b\"/><state id=\"c\"/>",
    );
    refused("a.scxml", &text, Code::ConflictingTargets);
}

#[test]
fn delays_are_lengths_of_time_within_a_century() {
    for delay in ["-1", "-1s", "36601d", "99999999999999999999"] {
        let after = format!("{{name: a, initial: s, states: {{s: {{after: {{'{delay}': t}}}}, t: {{}}}}}}");
        refused("a.yaml", &after, Code::BadValue);
        let send = format!(
            "{{name: a, initial: s, states: {{s: {{entry: {{send: {{event: e, delay: '{delay}'}}}}, on: {{e: t}}}}, t: {{}}}}}}"
        );
        refused("a.yaml", &send, Code::BadValue);
        // In SCXML a delay that is none is an error of the running machine, as the recommendation has it.
        let text = scxml(&format!(
            "<state id=\"a\"><onentry><send event=\"e\" delayexpr=\"'{delay}'\"/></onentry>\
             <transition event=\"error.execution\"><log label=\"refused\"/></transition></state>"
        ));
        assert_eq!(ran(&text, &[]).as_deref(), Ok(&["refused".to_owned()][..]), "{delay}");
    }
}

#[test]
fn a_machine_that_invokes_itself_comes_to_an_end() {
    // Each would start the next one: ids of instances that are made so grow, and they have a limit.
    let text = "<scxml xmlns=\"http://www.w3.org/2005/07/scxml\" version=\"1.0\" datamodel=\"cel\" name=\"main\">\
                <state id=\"a\"><invoke src=\"main\"/><transition event=\"error.execution\" target=\"b\"/></state><final id=\"b\"/></scxml>";
    let ended = ran(text, &["e"]);
    assert!(matches!(ended, Ok(_) | Err(NoTrace::Stuck(_))), "{ended:?}");
}
