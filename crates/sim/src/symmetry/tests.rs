//! What is left out because names do not matter: the same verdicts, as many worlds as there are orbits, and every way in
//! which members can turn out to be unlike.

use super::{Naming, Renamer, Symmetry};
use crate::choice::Stage;
use crate::explore::models;
use crate::explore::search::{Question, search};
use crate::locals::Locals;
use crate::scene::Scene;
use crate::{ExploreError, Limits, Report, System, explore_within, replay};
use std::collections::BTreeSet;

fn parse(text: &str) -> System {
    System::parse(text).unwrap_or_else(|problem| panic!("{problem}"))
}

fn explored(system: &System, reduce: bool) -> Result<Report, ExploreError> {
    explore_within(system, &Limits { reduce, threads: 2, ..Limits::default() }, &|_| {})
}

/// Worlds with everything, orbits of them as counted by trying all namings, and worlds with one of each orbit: all without
/// any other reduction.
fn orbits(text: &str) -> (usize, usize, usize) {
    let system = parse(text);
    let locals = Locals::new(&system);
    let (stage, first, _) = Stage::set(&system, &locals).unwrap();
    let symmetry = Symmetry::new(&stage, &first).unwrap();
    let limits = Limits { threads: 2, ..Limits::default() };
    let found = |symmetry| {
        let (reduce, keep_steps, progress) = (false, false, &|_: &_| {});
        search(&Question { stage: &stage, limits: &limits, reduce, symmetry, keep_steps, progress }, &first)
    };
    let (all, one) = (found(None), found(Some(&symmetry)));
    assert!(all.hit.is_none() && one.hit.is_none() && one.unlike.is_none());
    let mut renamer = Renamer::new(&symmetry);
    let namings = every_naming(symmetry.len());
    let mut least = |world: u32| {
        let mut scene = Scene::default();
        scene.decode(all.worlds.bytes_of(world));
        namings.iter().map(|naming| super::bytes(&renamer.scene(&scene, naming).unwrap())).min()
    };
    let orbits: BTreeSet<_> = (0..all.worlds.len() as u32).map(&mut least).collect();
    (all.worlds.len(), orbits.len(), one.worlds.len())
}

fn every_naming(members: usize) -> Vec<Naming> {
    let mut all = vec![Vec::new()];
    for _ in 0..members {
        let longer = |naming: &Vec<u8>| {
            let (naming, free) = (naming.clone(), (0..members as u8).collect::<Vec<_>>());
            let free = free.into_iter().filter(|name| !naming.contains(name)).collect::<Vec<_>>();
            free.into_iter().map(move |name| [&naming[..], &[name]].concat())
        };
        all = all.iter().flat_map(longer).collect();
    }
    all.into_iter().map(Vec::into_boxed_slice).collect()
}

/// Why members are not alike.
fn unlike(text: &str) -> String {
    match explored(&parse(text), true) {
        Err(ExploreError::Unlike(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn managers_that_are_alike_leave_one_world_of_each_orbit() {
    assert_eq!(orbits(&models::alike_two_phase(2, true)), (97, 57, 57));
    assert_eq!(orbits(&models::alike_two_phase(3, true)), (709, 180, 180));
    assert_eq!(orbits(&models::alike_two_phase(2, false)), (820, 444, 444));
    let both = [false, true]
        .map(|reduce| explored(&parse(&models::alike_two_phase(3, false)), reduce).unwrap().assert().worlds);
    assert_eq!(both, [12_964, 1_536], "with both reductions");
    let seven = explored(&parse(&models::alike_two_phase(7, true)), true).unwrap();
    assert_eq!(seven.assert().worlds, 5_276);
}

/// n voters who each vote once for themselves or for nobody, and a box that keeps what is said as `kept`.
fn vote(kept: &str) -> String {
    format!(
        "
definitions:
  - name: voter
    initial: open
    states:
      open:
        on:
          vote: {{target: done, actions: {{send: {{to: box/1, event: vote, data: {{by: instance.id}}}}}}}}
          pass: done
      done: {{on: {{vote: done, pass: done, thanks: done}}}}
  - name: box
    context: {{votes: [], last: ''}}
    initial: open
    states: {{open: {{on: {{vote: {{actions: [{{assign: {{{kept}}}}}, {{send: {{to: 'voter/${{event.by}}', event: thanks}}}}]}}}}}}}}
cast: {{a: voter/ann, b: voter/bob, c: voter/cid, box: box/1}}
environment:
  - {{to: a, event: vote}}
  - {{to: b, event: vote}}
  - {{to: c, event: vote}}
  - {{to: a, event: pass}}
  - {{to: b, event: pass}}
  - {{to: c, event: pass}}
symmetric: [a, b, c]
"
    )
}

#[test]
fn names_in_contexts_and_on_the_way_are_exchanged() {
    let in_order = "votes: 'context.votes + [event.by]'";
    assert_eq!(orbits(&vote(in_order)), (1_289, 239, 239));
    assert_eq!(orbits(&vote("last: event.by")), (893, 179, 179));
}

#[test]
fn a_property_is_tried_under_all_names() {
    // Ann is never the last in a world of which every run was renamed so that bob is.
    for name in ["ann", "bob", "cid"] {
        let text =
            format!("{}properties: [{{never: \"box.context.last == '{name}'\"}}]\n", vote("last: event.by"));
        let system = parse(&text);
        let violation = explored(&system, true).unwrap().violation.unwrap();
        assert_eq!(violation.trace.steps.len(), 2, "{}", violation.story());
        assert!(violation.story().contains(name), "{}", violation.story());
        assert!(replay(&system, &violation.trace).unwrap().is_some(), "it happens as it is told");
    }
    let order = "votes: 'context.votes + [event.by]'";
    let wanted = "box.context.votes == ['cid', 'ann', 'bob']";
    let text = format!("{}properties: [{{reachable: \"{wanted}\"}}, {{never: \"{wanted}\"}}]\n", vote(order));
    let violation = explored(&parse(&text), true).unwrap().violation.unwrap();
    assert_eq!(violation.trace.steps.len(), 6, "{}", violation.story());
    assert!(replay(&parse(&text), &violation.trace).unwrap().is_some());
}

#[test]
fn members_that_are_not_alike_are_found() {
    let sorted = unlike(&vote("votes: '(context.votes + [event.by]).sort()'"));
    assert!(sorted.contains("are not alike: when box/1 takes `vote`"), "{sorted}");
    let longer = unlike(&vote("last: \"'by ' + event.by\""));
    assert!(longer.contains("its context once"), "{longer}");
    let favoured = unlike(&vote("last: \"event.by == 'bob' ? 'mine' : 'theirs'\""));
    assert!(favoured.contains("voter/bob"), "{favoured}");
    let counted = unlike(&vote("last: \"event.by < 'bz' ? 'early' : 'late'\""));
    assert!(counted.contains("voter/cid"), "{counted}");
}

#[test]
fn members_that_begin_unlike_are_found_before_anything_happens() {
    let text = vote("last: event.by");
    let more = unlike(&text.replace("  - {to: c, event: pass}\n", ""));
    assert!(more.contains("`pass` comes to voter/bob and not likewise to voter/cid"), "{more}");
    let often = unlike(&text.replace("{to: c, event: pass}", "{to: c, event: pass, times: 2}"));
    assert!(often.contains("not likewise"), "{often}");
    let gone = unlike(&text.replace("c: voter/cid", "c: {is: voter/cid, start: false}"));
    assert!(gone.contains("do not begin alike"), "{gone}");
    let told = |from: &str, to: &str| System::parse(&text.replace(from, to)).map(drop).unwrap_err();
    assert!(
        told("symmetric: [a, b, c]", "symmetric: [a, d]").contains("no member of the cast is called \"d\"")
    );
    assert!(told("symmetric: [a, b, c]", "symmetric: [a, box]").contains("not of one kind"));
    assert!(told("symmetric: [a, b, c]", "symmetric: [a]").contains("name 2 to 16"));
    assert!(told("symmetric:", "links: [{from: a, to: box}]\nsymmetric:").contains("write voter/*"));
}

#[test]
fn ids_of_events_from_outside_are_tried_under_all_names() {
    let text = "
definitions:
  - {name: voter, initial: open, states: {open: {}}}
  - name: box
    context: {last: ''}
    initial: open
    states: {open: {on: {vote: {actions: {assign: {last: _event.id}}}}}}
cast: {a: voter/ann, b: voter/bob, c: voter/cid, box: box/1}
environment:
  - {to: box, event: vote, data: {by: ann}}
  - {to: box, event: vote, data: {by: bob}}
  - {to: box, event: vote, data: {by: cid}}
symmetric: [a, b, c]
expect: {stuck: allowed}
";
    for (place, name) in [(1, "ann"), (2, "bob"), (3, "cid")] {
        let claim = format!("\"box.context.last == 'environment-{place}'\"");
        let system = parse(&format!("{text}properties: [{{never: {claim}}}]\n"));
        let violation = explored(&system, true).unwrap().violation.unwrap();
        assert_eq!(violation.trace.steps.len(), 1, "{}", violation.story());
        // A node that is played numbers these events as they come, so the vote itself is looked at.
        assert!(violation.story().contains(name), "{}", violation.story());
        let system = parse(&format!("{text}properties: [{{reachable: {claim}}}]\n"));
        explored(&system, true).unwrap().assert();
    }
}

#[test]
fn keys_that_are_names_keep_the_order_of_keys() {
    let text = vote("last: event.by")
        .replace("{on: {vote: {actions: [", "{on: {ranks: open, vote: {actions: [")
        .replace("symmetric:", "  - {to: box, event: ranks, data: {ann: 1, bob: 1, cid: 1}}\nsymmetric:");
    explored(&parse(&text), true).unwrap().assert();
}

/// Of a box that keeps the names of twelve voters in order there are 12! contents for the last one alone.
#[test]
fn a_proof_that_takes_too_much_is_given_up() {
    let mut text = vote("votes: 'context.votes + [event.by]'");
    for place in 4..=12 {
        let more = format!(", v{place}: voter/more{place}, box: box/1");
        text = text.replace(", box: box/1", &more);
        let more = format!(
            "  - {{to: v{place}, event: vote}}\n  - {{to: v{place}, event: pass}}\nsymmetric: [v{place}, "
        );
        text = text.replace("symmetric: [", &more);
    }
    let limits = Limits { worlds_max: 300, threads: 2, ..Limits::default() };
    let report = explore_within(&parse(&text), &limits, &|_| {}).unwrap();
    assert!(report.violation.is_none());
    assert!(
        report.bounds.iter().any(|why| why.contains("not yet proven to be alike")),
        "{:?}",
        report.bounds
    );
    assert!(report.local_steps < 300 * 12, "{} local steps", report.local_steps);
}

#[test]
fn what_is_broken_is_told_before_members_are_proven_to_be_alike() {
    let limits = Limits { worlds_max: 4, threads: 2, ..Limits::default() };
    let system = parse(&(vote("last: event.by") + "properties: [{never: in('b.done')}]\n"));
    let report = explore_within(&system, &limits, &|_| {}).unwrap();
    assert!(
        report.bounds.iter().any(|why| why.contains("not yet proven to be alike")),
        "{:?}",
        report.bounds
    );
    let violation = report.violation.unwrap();
    assert!(replay(&system, &violation.trace).unwrap().is_some(), "{}", violation.story());
}

#[test]
fn what_is_asked_of_whole_runs_is_answered_without() {
    let text = vote("last: event.by") + "properties: [{eventually: in('a.done') || in('a.open')}]\n";
    let both = [false, true].map(|reduce| explored(&parse(&text), reduce).unwrap().assert().worlds);
    assert_eq!(both[0], both[1]);
}
