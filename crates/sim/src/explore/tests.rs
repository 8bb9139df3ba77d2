//! Systems small enough to be counted: how many worlds there are, and how many of them reduction leaves.

use super::search::{self, Found, Question};
use super::{Limits, explore, explore_within};
use crate::choice::Stage;
use crate::locals::Locals;
use crate::scene::Scene;
use crate::system::System;
use std::collections::BTreeSet;
use std::fmt::Write;

fn parse(text: &str) -> System {
    System::parse(text).unwrap_or_else(|problem| panic!("{problem}"))
}

/// Searches and gives what was found, and how many different casts there were whatever was on its way.
fn search(system: &System, reduce: bool, threads: usize) -> (Found, usize) {
    let locals = Locals::new(system.definitions.clone(), system.clock, system.mailbox_max);
    let (stage, first, _) = Stage::set(system, &locals).unwrap();
    let limits = Limits { threads, ..Limits::default() };
    let question = Question { stage: &stage, limits: &limits, reduce, keep_steps: false, progress: &|_| {} };
    let found = search::search(&question, &first);
    let mut casts = BTreeSet::new();
    let mut scene = Scene::default();
    for world in 0..found.worlds.len() as u32 {
        scene.decode(found.worlds.bytes_of(world));
        let views = stage.cast.iter().map(|slot| locals.cell(scene.cell(*slot)).view);
        casts.insert(views.collect::<Vec<_>>());
    }
    (found, casts.len())
}

/// Two-phase commit after Gray and Lamport as stateright's example has it: resource managers decide alone to prepare or
/// to abort, the transaction manager decides alone to commit when all have prepared, or to abort.
fn two_phase(managers: usize) -> System {
    let all: Vec<String> = (1..=managers).map(|n| format!("'{n}'")).collect();
    let all = format!("[{}]", all.join(", "));
    let mut text = format!(
        "
name: two-phase commit
definitions:
  - name: rm
    context: {{said: false}}
    initial: working
    states:
      working:
        on:
          prepare:
            target: prepared
            actions: [{{assign: {{said: true}}}}, {{send: {{to: tm/1, event: prepared, data: {{rm: instance.id}}}}}}]
          give-up: aborted
          commit: committed
          abort: aborted
      prepared: {{on: {{commit: committed, abort: aborted}}}}
      committed: {{on: {{commit: committed}}}}
      aborted: {{on: {{abort: aborted}}}}
  - name: tm
    context: {{prepared: []}}
    initial: init
    states:
      init:
        on:
          prepared: {{actions: {{assign: {{prepared: '(context.prepared + [event.rm]).sort()'}}}}}}
          decide-commit:
            guard: size(context.prepared) == {managers}
            target: committed
            actions: {{foreach: \"{all}\", do: {{send: {{to: 'rm/${{item}}', event: commit}}}}}}
          decide-abort:
            target: aborted
            actions: {{foreach: \"{all}\", do: {{send: {{to: 'rm/${{item}}', event: abort}}}}}}
      committed: {{on: {{prepared: {{}}}}}}
      aborted: {{on: {{prepared: {{}}}}}}
cast:
  tm: tm/1
"
    );
    let each = |text: &mut String, line: &dyn Fn(usize) -> String| {
        (1..=managers).for_each(|n| writeln!(text, "{}", line(n)).unwrap());
    };
    each(&mut text, &|n| format!("  rm{n}: rm/{n}"));
    text += "environment:\n  - {to: tm, event: decide-commit, times: any}\n  - {to: tm, event: decide-abort, times: any}\n";
    each(&mut text, &|n| format!("  - {{to: rm{n}, event: prepare, times: any}}\n  - {{to: rm{n}, event: give-up, times: any}}"));
    text += "properties:\n";
    for one in 1..=managers {
        for other in (1..=managers).filter(|other| *other != one) {
            writeln!(text, "  - never: in('rm{one}.committed') && in('rm{other}.aborted')").unwrap();
        }
    }
    parse(&text)
}

#[test]
fn two_phase_commit_reaches_the_casts_that_stateright_counts() {
    for (managers, casts) in [(3, 288), (5, 8_832)] {
        let (found, seen) = search(&two_phase(managers), false, 2);
        assert!(found.hit.is_none());
        println!("{managers}: {} worlds, {} steps, {seen} casts", found.worlds.len(), found.transitions);
        assert_eq!(seen, casts, "{managers} resource managers");
    }
}
