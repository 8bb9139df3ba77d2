//! Systems small enough to be counted: how many worlds there are, how many of them reduction leaves, and that it leaves
//! out nothing that could be told apart.

use super::models;
use super::search::{self, Found, Question};
use super::{ExploreError, Limits, Report, explore, explore_within};
use crate::choice::Stage;
use crate::locals::Locals;
use crate::scene::Scene;
use crate::system::System;
use std::collections::BTreeSet;

fn parse(text: &str) -> System {
    System::parse(text).unwrap_or_else(|problem| panic!("{problem}"))
}

fn two_phase(managers: usize, forever: bool) -> System {
    parse(&models::two_phase(managers, forever))
}

fn senders(n: usize, one: bool, keeps_order: bool) -> System {
    parse(&models::senders(n, one, keeps_order))
}

fn rock_paper_scissors(race: bool) -> System {
    parse(&models::rock_paper_scissors(race))
}

fn hello(more: &str) -> System {
    parse(&models::hello(more))
}

/// What a search has found, in words that do not depend on numbering.
struct Counted {
    found: Found,
    /// Different casts, whatever was on its way.
    casts: BTreeSet<Vec<u32>>,
    /// Casts in which runs end.
    ends: BTreeSet<String>,
}

fn count(system: &System, reduce: bool, threads: usize) -> Counted {
    let locals = Locals::new(system);
    let (stage, first, _) = Stage::set(system, &locals).unwrap();
    let limits = Limits { threads, ..Limits::default() };
    let question = Question {
        stage: &stage,
        limits: &limits,
        reduce,
        symmetry: None,
        keep_steps: false,
        progress: &|_| {},
    };
    let found = search::search(&question, &first);
    let cast = |world: u32| {
        let mut scene = Scene::default();
        scene.decode(found.worlds.bytes_of(world));
        let seen = stage.cast.iter().map(|slot| locals.cell(scene.cell(*slot)).seen.to_json().to_string());
        seen.collect::<Vec<_>>().join(" ")
    };
    let mut scene = Scene::default();
    let mut views = |world: u32| {
        scene.decode(found.worlds.bytes_of(world));
        stage.cast.iter().map(|slot| locals.cell(scene.cell(*slot)).view).collect()
    };
    let casts = (0..found.worlds.len() as u32).map(&mut views).collect();
    let ends = found.ends.iter().map(|world| cast(*world)).collect();
    Counted { found, casts, ends }
}

/// Searches with and without reduction, which must end alike, and gives the numbers of worlds.
fn both(system: &System) -> (usize, usize) {
    let full = count(system, false, 2);
    let reduced = count(system, true, 2);
    assert_eq!(full.found.hit.is_some(), reduced.found.hit.is_some());
    if full.found.hit.is_none() {
        assert_eq!(full.ends, reduced.ends, "reduction changes how runs end");
    }
    assert!(reduced.casts.len() <= full.casts.len());
    (full.found.worlds.len(), reduced.found.worlds.len())
}

#[test]
fn two_phase_commit_reaches_the_casts_that_stateright_counts() {
    for (managers, casts, worlds) in [(3, 288, 801), (5, 8_832, 60_105)] {
        let counted = count(&two_phase(managers, true), false, 2);
        assert!(counted.found.hit.is_none());
        assert_eq!((counted.casts.len(), counted.found.worlds.len()), (casts, worlds), "{managers} managers");
    }
    let once = count(&two_phase(3, false), false, 1);
    assert_eq!(once.casts.len(), 288, "the same casts when each decision comes once");
    let (full, reduced) = both(&two_phase(3, false));
    assert_eq!((full, reduced), (14_532, 8_401));
}

#[test]
fn a_commit_before_all_have_prepared_is_found_and_told() {
    let mut system = two_phase(2, true);
    let text = system.definitions[1].1.replace("size(context.prepared) == 2", "size(context.prepared) == 1");
    let read = everstate_chart::read("tm.yaml", &text);
    system.definitions[1] = (std::sync::Arc::new(read.definition.unwrap().to_definition()), text.into());
    let report = explore(&system);
    let violation = report.violation.unwrap();
    assert!(violation.property().starts_with("never"));
    assert_eq!(violation.trace.steps.len(), 5, "{}", violation.story());
}

#[test]
fn orders_are_all_there_when_they_are_kept() {
    // Of n events in every order: the sum of n!/k! worlds, n! of them ends.
    for (n, worlds, ends) in [(4, 65, 24), (6, 1_957, 720)] {
        let counted = count(&senders(n, true, true), true, 2);
        assert_eq!((counted.found.worlds.len(), counted.ends.len()), (worlds, ends));
    }
}

#[test]
fn orders_that_do_not_matter_collapse() {
    assert_eq!(both(&senders(9, true, false)), (512, 512), "what has come and what has not");
    assert_eq!(both(&senders(9, false, true)), (512, 10), "one world for each that has come");
    let counted = count(&senders(12, true, false), true, 2);
    assert_eq!(counted.found.worlds.len(), 4_096);
    let counted = count(&senders(12, false, true), true, 2);
    assert_eq!(counted.found.worlds.len(), 13);
}

#[test]
fn a_game_has_one_end_and_a_race_has_two() {
    explore(&rock_paper_scissors(false)).assert();
    let report = explore(&rock_paper_scissors(true));
    let violation = report.violation.unwrap();
    assert_eq!(violation.property(), "confluent");
    assert_eq!(violation.what(), r#"orders end in 2 different worlds: "a" | "b""#);
    assert!(violation.trace.other.is_some());
}

fn ends(system: &System) -> Vec<String> {
    let heard = |end: &String| {
        let at = end.rfind("heard").unwrap();
        let list = &end[at + 7..];
        let list: Vec<String> = serde_json::from_str(&list[..=list.find(']').unwrap()]).unwrap();
        list.concat()
    };
    count(system, true, 1).ends.iter().map(heard).collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn hello_world_by_ways_of_all_sorts() {
    let link = "links: [{from: proxy, to: server}]";
    assert_eq!(ends(&hello("")), ["hello, World!"]);
    explore(&hello("expect: {confluent: server.context.heard}")).assert();
    let reordered = "links: [{from: proxy, to: server, reorder: true}]";
    assert_eq!(
        ends(&hello(reordered)),
        [
            " World!hello,",
            " Worldhello,!",
            "! Worldhello,",
            "!hello, World",
            "hello, World!",
            "hello,! World"
        ]
    );
    let report = explore(&hello(&format!("{reordered}\nexpect: {{confluent: server.context.heard}}")));
    assert!(report.violation.unwrap().what().starts_with("orders end in 6 different worlds"));
    let lossy = format!("{link}\nfaults: {{losses: 1}}");
    assert_eq!(ends(&hello(&lossy)), [" World!", "hello, World", "hello, World!", "hello,!"]);
    explore(&hello(&format!("{lossy}\nexpect: {{lossy-subset: server.context.heard}}"))).assert();
    let doubling = format!("{link}\nfaults: {{duplicates: 1}}");
    assert_eq!(
        ends(&hello(&doubling)),
        ["hello, World World!", "hello, World!", "hello, World!!", "hello,hello, World!"]
    );
    let report = explore(&hello(&format!("{doubling}\nexpect: {{idempotent: server.context.heard}}")));
    assert_eq!(report.violation.unwrap().property(), "idempotent");
}

#[test]
fn the_answer_does_not_depend_on_threads() {
    let text = |report: Report| format!("{report:?}");
    for system in [two_phase(3, true), rock_paper_scissors(true), senders(6, true, true)] {
        let with =
            |threads| explore_within(&system, &Limits { threads, ..Limits::default() }, &|_| {}).unwrap();
        assert_eq!(text(with(1)), text(with(3)));
    }
}

#[test]
fn bounds_are_told_and_an_empty_budget_is_refused() {
    let system = senders(6, true, true);
    let limits = Limits { depth_max: 3, ..Limits::default() };
    let report = explore_within(&system, &limits, &|_| {}).unwrap();
    assert_eq!(report.worlds, 1 + 6 + 30 + 120);
    assert_eq!(report.bounds, ["it has reached 3 steps from the beginning"]);
    let limits = Limits { worlds_max: 0, ..Limits::default() };
    let error = explore_within(&system, &limits, &|_| {}).unwrap_err();
    assert_eq!(error, ExploreError::NoBudget("the number of worlds"));
}

const ORDER: &str = "
definitions:
  - name: order
    initial: unpaid
    states:
      unpaid:
        on: {pay: paid}
        after: {30m: cancelled}
      paid: {type: final}
      cancelled: {on: {pay: cancelled}}
cast: {order: order/1}
";

#[test]
fn timers_race_with_events_or_wait() {
    let race = parse(&format!(
        "{ORDER}first: [{{to: order, event: pay}}]\nproperties: [{{eventually: order.ended}}]"
    ));
    let violation = explore(&race).violation.unwrap();
    assert_eq!(violation.what(), "a run may end without this: order.ended");
    let wait = parse(&format!(
        "{ORDER}timers: wait\nfirst: [{{to: order, event: pay}}]\nproperties: [{{eventually: order.ended}}]"
    ));
    explore(&wait).assert();
    // A client that may come is no client that comes.
    let may = parse(&format!(
        "{ORDER}environment: [{{to: order, event: pay}}]\nproperties: [{{eventually: order.ended || in('order.cancelled')}}]"
    ));
    explore(&may).assert();
}

const PING: &str = "
definitions:
  - name: ping
    initial: idle
    states:
      idle: {on: {start: {target: busy, actions: {send: {to: 'ping/${instance.id == \"a\" ? \"b\" : \"a\"}', event: ball}}}, ball: {target: idle, actions: {send: {to: 'ping/${instance.id == \"a\" ? \"b\" : \"a\"}', event: ball}}}}}
      busy: {on: {ball: {target: busy, actions: {send: {to: 'ping/${instance.id == \"a\" ? \"b\" : \"a\"}', event: ball}}}, stop: over}}
      over: {on: {ball: over}}
cast: {a: ping/a, b: ping/b}
first: [{to: a, event: start}]
";

#[test]
fn a_fair_run_may_go_round_for_ever() {
    let system = parse(&format!(
        "{PING}environment: [{{to: a, event: stop}}]\nproperties: [{{eventually: in('a.over')}}]"
    ));
    let violation = explore(&system).violation.unwrap();
    assert!(violation.what().starts_with("a fair run may go round for ever"), "{}", violation.story());
    assert_eq!(violation.trace.circle, Some(1), "{}", violation.story());
    // When the stop comes for certain, fairness brings it.
    let both = "[{from: c, to: a, event: start}, {from: c, to: a, event: stop}]";
    let certain = PING.replace("[{to: a, event: start}]", both);
    let system = parse(&format!("{certain}properties: [{{eventually: in('a.over')}}]"));
    explore(&system).assert();
}

#[test]
fn what_cannot_finish_any_more_is_found() {
    let system = parse(&format!(
        "{ORDER}environment: [{{to: order, event: pay, times: any}}]\nexpect: {{finish: [order]}}"
    ));
    let violation = explore(&system).violation.unwrap();
    assert_eq!(violation.property(), "finish");
    assert_eq!(violation.trace.steps.len(), 1, "the timer: {}", violation.story());
}

#[test]
fn built_in_properties_need_no_writing() {
    let faulty = |machine: &str, event: &str| {
        let text =
            format!("definitions:\n  - {machine}\ncast: {{m: m/1}}\nfirst: [{{to: m, event: {event}}}]");
        explore(&parse(&text)).violation.map(|violation| violation.property().to_owned())
    };
    let machine = |on: &str| {
        format!("{{name: m, context: {{x: 0}}, initial: s, states: {{s: {{on: {{{on}}}}}, t: {{}}}}}}")
    };
    let fault = machine("go: {actions: {assign: {x: '1 / context.x'}}}");
    assert_eq!(faulty(&fault, "go").as_deref(), Some("no faults"));
    let letter = machine("go: {actions: {send: {to: m/2, event: go}}}");
    assert_eq!(faulty(&letter, "go").as_deref(), Some("no dead-letters"));
    let stuck = machine("go: t");
    assert_eq!(faulty(&stuck, "go").as_deref(), Some("no stuck instances"));
    let refusal = machine("go: {guard: context.x > 0, target: s}");
    assert_eq!(faulty(&refusal, "go").as_deref(), Some("no refusals"));
    let fine = machine("go: {target: s}");
    assert_eq!(faulty(&fine, "go"), None);
}
