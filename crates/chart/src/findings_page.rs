//! The reference of findings: every code, what it means, and for warnings an example and what to do.
//!
//! It refuses to know how findings are made. Its one invariant: every example gives the finding that it stands for.

use crate::finding::{Code, Severity};
use std::fmt::Write;

/// An example of a warning, and what to do about it.
fn example(code: Code) -> Option<(&'static str, &'static str)> {
    Some(match code {
        Code::Unreachable => (
            "name: orders\ninitial: open\nstates:\n  open: {on: {close: closed}}\n  parked: {on: {close: closed}}\n  closed: {type: final}\n",
            "Add a transition to the state, or remove it. A state that is only entered by a history is reached by it.",
        ),
        Code::DeadEnd => (
            "name: orders\ninitial: open\nstates:\n  open: {on: {archive: archived}}\n  archived: {}\n",
            "If the machine ends here, say so with `type: final`: its instance is then done, and can be deleted. Else add the transition that is missing.",
        ),
        Code::Shadowed => (
            "name: orders\ninitial: open\nstates:\n  open:\n    on:\n      pay:\n        - paid\n        - {guard: event.amount > 0, target: paid}\n  paid: {type: final}\n",
            "Transitions are tried in their order, and the first that may fire does. Put the one with the guard first, or remove the one that never fires.",
        ),
        Code::Unhandled => (
            "name: orders\ninitial: open\nstates:\n  open: {entry: {raise: begin}, on: {start: done}}\n  done: {type: final}\n",
            "Add a transition for the event, correct its name, or send it to another instance with `to`.",
        ),
        Code::UndeclaredEvent => (
            "name: orders\nevents: {pay: money came in}\ninitial: open\nstates:\n  open: {on: {pay: done, pya: done}}\n  done: {type: final}\n",
            "Correct the name, or declare the event under `events`.",
        ),
        Code::Unused => (
            "name: orders\nguards: {covered: event.amount > 0}\ninitial: open\nstates:\n  open: {on: {pay: done}}\n  done: {type: final}\n",
            "Use the name, or remove it.",
        ),
        Code::BrokenProperty => (
            "name: orders\ninitial: open\nproperties:\n  - never: in('shipped') && !context.paid\ncontext: {paid: false}\nstates:\n  open: {on: {pay: {actions: {assign: {paid: true}}}, ship: shipped}}\n  shipped: {type: final}\n",
            "Correct the machine, with the story that comes with the finding, or the property. Other machines are not there when one instance is explored: an event for them goes nowhere, and a task may end in any way.",
        ),
        Code::NeverPresent => (
            "name: dispatch\ninitial: waiting\nstates:\n  waiting:\n    endpoints: {workers: {pattern: worker/*/idle, role: subscriber}}\n    always: {guard: present('workers/*/idle'), target: done}\n  done: {type: final}\n",
            "Correct the pattern, or hold an endpoint that takes it: a machine knows only of those who match an endpoint of its own.",
        ),
        Code::FailingExpression => (
            "<scxml xmlns=\"http://www.w3.org/2005/07/scxml\" version=\"1.0\" datamodel=\"cel\">\n  <state id=\"open\"><transition event=\"pay\" cond=\"1 +\" target=\"done\"/></state>\n  <final id=\"done\"/>\n</scxml>\n",
            "Correct the expression. The recommendation lets a machine run with it: the guard counts as false, and `error.execution` is raised.",
        ),
        Code::Ignored => (
            "<scxml xmlns=\"http://www.w3.org/2005/07/scxml\" version=\"1.0\" datamodel=\"cel\">\n  <state id=\"open\"><place xmlns=\"https://example.org/editor\" x=\"1\"/><transition event=\"pay\" target=\"done\"/></state>\n  <final id=\"done\"/>\n</scxml>\n",
            "Nothing, if another tool needs it.",
        ),
        _ => return None,
    })
}

/// `docs/reference/findings.md`.
pub fn findings_page() -> String {
    let mut page = String::from(
        "# Findings\n\nWhat `everstate check` reports of definitions. Made from the code by `cargo xtask generate`.\n\n\
An error is certain, and the definition cannot be used. A warning means that it probably does not do what was meant. A\n\
warning that is meant to be is silenced in the definition itself, with the reason:\n\n\
```yaml\nallow:\n  dead-end: archived orders stay for the auditors\n```\n",
    );
    for (title, severity) in [("Warnings", Severity::Warning), ("Errors", Severity::Error)] {
        let _ = write!(page, "\n## {title}\n");
        for code in Code::ALL.iter().filter(|code| code.severity() == severity) {
            let _ = write!(page, "\n### {code}\n\n{}\n", code.explanation());
            if let Some((text, remedy)) = example(*code) {
                let kind = if text.starts_with('<') { "xml" } else { "yaml" };
                let _ = write!(page, "\n```{kind}\n{text}```\n\n{remedy}\n");
            }
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_warning_has_an_example_that_gives_it() {
        // What exploration finds, it finds elsewhere: `sim` tries this example.
        let explored = |code: &&Code| **code == Code::BrokenProperty;
        let warnings = Code::ALL.iter().filter(|code| code.severity() == Severity::Warning);
        for code in warnings.filter(|code| !explored(code)) {
            let (text, _) = example(*code).unwrap_or_else(|| panic!("{code} has no example"));
            let found = crate::read("orders.yaml", text).findings;
            assert!(found.iter().any(|one| one.code == *code), "{code}: {found:?}");
            assert!(found.iter().all(|one| one.severity == Severity::Warning), "{code}: {found:?}");
        }
    }

    #[test]
    fn a_warning_with_a_reason_is_silent() {
        let with = |allow: &str| {
            let text = format!("{{name: a, allow: {allow}, initial: b, states: {{b: {{}}}}}}");
            crate::read("a.yaml", &text).findings.iter().map(|one| one.code).collect::<Vec<_>>()
        };
        assert_eq!(with("{}"), [Code::DeadEnd]);
        assert_eq!(with("{dead-end: the end of all}"), []);
        assert_eq!(with("{dead-end: ''}"), [Code::WrongType]);
        assert_eq!(with("{unknown-target: no}"), [Code::BadValue]);
    }
}
