//! The heart of the matter: what exploration finds by looking local steps up, a node that runs through finds too.
//!
//! Both walk the same random way. At every step they offer the same choices, and what is seen of the cast is equal.

use super::models;
use crate::choice::Stage;
use crate::locals::{Locals, MarkKind, Reader};
use crate::play::Play;
use crate::system::System;
use crate::trace;
use std::collections::BTreeSet;

/// Timers that are set, replaced, cancelled and late; faults that are tried again; events that are deferred, refused,
/// replied to and sent to nobody; instances that are created on the way.
const MOTLEY: &str = "
definitions:
  - name: clerk
    create: on-demand
    retry: {attempts: 3, backoff: 1s}
    context: {n: 0, told: [], late: 0}
    initial: idle
    states:
      idle:
        on:
          work:
            target: busy
            actions:
              - send: {to: 'clerk/${event.to}', event: help, data: {n: context.n}}
              - send: {event: nudge, delay: 5s, id: nudge}
          help: {actions: [{assign: {n: context.n + 1}}, {reply: {n: context.n}}, {send: {to: 'clerk/c', event: note}}]}
          note: {actions: {assign: {n: (context.n + 1) % 3}}}
      busy:
        unhandled: defer
        on:
          reply.help: {actions: [{assign: {told: '[_event.sender]'}}, {cancel: nudge}]}
          nudge: {target: idle, actions: {send: {to: 'nobody/1', event: x}}}
          error.communication: {actions: {assign: {late: context.late + 1}}}
          break: {actions: {assign: {n: 1 / (context.n - 1)}}}
        after: {3s: {target: idle, actions: {send: {to: 'clerk/b', event: note, delay: 2s, id: later}}}}
cast: {a: clerk/a, b: clerk/b, c: {is: clerk/c, start: false}}
first:
  - {from: x, to: a, event: work, data: {to: b}}
  - {from: x, to: a, event: note}
  - {from: y, to: b, event: work, data: {to: a}}
  - {from: y, to: b, event: break}
environment:
  - {to: a, event: break, times: 2}
  - {to: b, event: work, data: {to: c}, times: 2}
links: [{from: a, to: b}, {from: b, to: '*', reorder: true}]
faults: {losses: 1, duplicates: 2, clock_steps: 1, clock_step: 4s}
";

/// A parent that spawns and stops children and watches one of them, in a space within another, which acts in the outer
/// one; and one who moves, asserts and leaves.
const FAMILY: &str = "
definitions:
  - name: parent
    context: {news: [], left: 2}
    initial: home
    endpoints: {door: {pattern: door, role: publisher, outer: true}}
    states:
      home:
        entry: [{spawn: {name: a, src: child, id: a}}, {monitor: 'house:child/a'}]
        on:
          more: {actions: {spawn: {name: b, src: child, id: b, input: {n: 1}}}}
          less: {actions: {stop: b}}
          child.exited.*: {actions: {assign: {news: 'context.news + [event.how]'}}}
          monitor.exited: {actions: {assign: {left: context.left - 1}}}
  - name: child
    context: {n: 0, seen: 0}
    initial: awake
    states:
      awake:
        endpoints: {me: {pattern: 'at/${instance.id}', role: publisher, value: context.n}}
        on:
          go: {target: away, actions: {send: {to: '#_parent', event: bye}}}
          end: done
      away:
        endpoints: {me: {pattern: 'at/far', role: publisher, value: context.n}}
        entry: {assert: {name: me, value: 'context.n + 1'}}
        always: {guard: 'present(\"at/*\")', target: done}
        on: {back: awake, end: done}
      done: {type: final}
  - name: neighbour
    context: {told: []}
    initial: here
    states:
      here:
        entry: [{join: {name: eye, pattern: at/>, role: subscriber, interest: observer, space: house, mark: true}}]
        endpoints: {street: {pattern: door, role: subscriber}}
        on:
          space.*: {actions: {assign: {told: 'context.told.slice(size(context.told) > 3 ? 1 : 0, size(context.told)) + [_event.name]'}}}
          look: {actions: {move: {name: eye, pattern: at/far, space: house}}}
          sleep: {actions: {leave: {name: eye, space: house}}}
cast: {parent: 'house:parent/p', a: {is: 'house:child/a', start: false}, b: {is: 'house:child/b', start: false}, n: neighbour/n}
first: [{from: x, to: parent, event: more}, {from: x, to: parent, event: less}]
environment:
  - {to: a, event: go}
  - {to: a, event: back}
  - {to: a, event: end, times: 1}
  - {to: b, event: end, times: 1}
  - {to: n, event: look, times: 1}
  - {to: n, event: sleep, times: 1}
";

/// Tasks that are done, fail, take too long or are given up at a deadline; that are asked for anew, cancelled and deferred;
/// whose workers say the same twice.
const WORK: &str = "
definitions:
  - name: payment
    context: {told: []}
    initial: charging
    states:
      charging:
        type: parallel
        invoke:
          task: charge
          id: charge
          input: context.told
          timeout: 30s
          heartbeat: 5s
          deadline: 10m
          onDone: {target: '#payment.paid', actions: {assign: {told: '[event]'}}}
          onError: {target: '#payment.refused', actions: {assign: {told: '[event.reason, event.code, event.attempts]'}}}
        states:
          receipt:
            invoke: {task: print, id: print, onDone: {actions: {assign: {told: '[\"printed\"]'}}}}
          clock: {after: {10m: {actions: {assign: {told: '[\"late\"]'}}}}}
        on: {again: {target: charging, reenter: true}, hold: held, go: charging}
      held:
        unhandled: defer
        on: {go: charging}
      paid: {on: {again: charging, hold: held}}
      refused: {on: {again: charging, hold: held}}
cast: {a: payment/a, b: payment/b}
environment:
  - {to: a, event: again, times: 3}
  - {to: a, event: hold, times: 2}
  - {to: a, event: go, times: 2}
  - {to: b, event: again, times: 1}
tasks:
  charge:
    - {done: {receipt: 1}}
    - {failed: declined, message: no money, times: 2}
    - {timeout: true, times: 2}
    - {silence: true, times: 1}
  print: [{done: null}, {failed: paper}]
faults: {duplicates: 2}
";

/// A session that joins, leaves, says something, falls silent and comes back, among machines that are told of it.
const PRINTER: &str = "
definitions:
  - name: clerk
    context: {told: []}
    initial: here
    states:
      here:
        endpoints: {desk: {pattern: print/>, role: publisher, interest: observer}}
        on:
          space.*: {actions: {assign: {told: '(size(context.told) > 3 ? [] : context.told) + [_event.name]'}}}
          monitor.exited: {actions: {assign: {told: '[event.how]'}}}
          call: {actions: [{monitor: session/printer}, {publish: {topic: print/a, data: 1}}, {send: {to: session/printer, event: page}}]}
cast: {clerk: clerk/1, printer: {is: session/printer, data: {}}}
first:
  - {from: printer, to: printer, acts: [{join: {name: me, pattern: 'print/*', role: subscriber}}]}
  - {from: printer, to: printer, acts: [{feedback: {topic: print/a, data: 2}}, {send: {to: clerk/1, event: call}}]}
environment:
  - {to: printer, acts: [{join: {name: me, pattern: 'print/b', role: subscriber}}], times: 2}
  - {to: printer, acts: [{leave: {name: me}}], times: 1}
  - {to: clerk, event: call, times: 2}
faults: {silences: 2, reconnections: 2, duplicates: 1}
expect: {refusals: allowed, dead-letters: allowed}
";

/// Children that are restarted while they and their parent write to themselves, to each other and to others, act in a
/// space, and tell of each other; what an earlier incarnation has sent is refused.
const RESTARTS: &str = "
definitions:
  - name: parent
    context: {told: []}
    initial: home
    states:
      home:
        unhandled: defer
        entry: {spawn: {name: a, src: child, id: a, input: {n: 0}}}
        on:
          anew: {actions: {restart: {child: a, input: {n: 1}}}}
          on: {actions: {restart: {child: a, from: last-good}}}
          stop: {actions: {stop: a}}
          spawn: {actions: {spawn: {name: a, src: child, id: a, input: {n: 2}}}}
          ask: {actions: {send: {to: child/a, event: question}}}
          away: away
          bye: {actions: {assign: {told: '(size(context.told) > 2 ? [] : context.told) + [\"bye\" + string(event.n)]'}}}
          reply.question: {actions: {assign: {told: '[event]'}}}
          child.started.a: {actions: {assign: {told: '[event.incarnation]'}}}
          child.faulted.a: {actions: {assign: {told: '[event.reason, event.attempt]'}}}
      away:
        unhandled: defer
        on: {home: home, stop: {actions: {stop: a}}, again: {actions: {spawn: {name: a, src: child, id: a, input: {n: 3}}}}}
  - name: child
    context: {n: 0, seen: []}
    park: instance
    initial: awake
    states:
      awake:
        endpoints: {me: {pattern: at/a, role: publisher, value: context.n}}
        on:
          go: {actions: [{send: {to: '#_parent', event: bye, data: {n: context.n}}}, {send: {to: child/a, event: self}}, {send: {to: other/1, event: ask}}, {send: {to: '#_parent', event: bye, data: {n: 9}, delay: 5s}}]}
          self: {actions: {assign: {seen: '(size(context.seen) > 2 ? [] : context.seen) + [context.n]'}}}
          question: {actions: {reply: context.n}}
          reply.ask: {actions: {assign: {seen: '[event]'}}}
          space.*: {actions: {assign: {seen: '[_event.name]'}}}
          break: {actions: {assign: {n: 1 / (context.n * 0)}}}
          end: done
      done: {type: final}
  - name: other
    context: {told: []}
    initial: here
    states:
      here:
        endpoints: {eye: {pattern: at/>, role: subscriber, interest: observer}}
        on:
          ask: {actions: {reply: '\"yes\"'}}
          space.*: {actions: {assign: {told: '(size(context.told) > 2 ? [] : context.told) + [_event.name]'}}}
cast: {p: parent/1, a: {is: child/a, start: false}, o: other/1}
environment:
  - {to: p, event: anew, times: 3}
  - {to: p, event: on, times: 1}
  - {to: p, event: stop, times: 1}
  - {to: p, event: spawn, times: 1}
  - {to: p, event: ask, times: 2}
  - {to: p, event: away, times: 2}
  - {to: p, event: home, times: 2}
  - {to: p, event: again, times: 1}
  - {to: a, event: go, times: 3}
  - {to: a, event: break, times: 2}
  - {to: a, event: end, times: 1}
expect: {refusals: allowed, dead-letters: allowed, faults: allowed}
";

/// A supervisor whose child faults.
const SUPERVISED: &str = "
definitions:
  - {type: supervisor, name: house, intensity: 2, period: 1m, backoff: {initial: 1s, max: 10s, jitter: 0}, children: [{name: front, kind: door, id: front}, {name: back, kind: door, id: back, restart: transient}], strategy: rest_for_one}
  - {name: door, context: {n: 0}, park: instance, initial: open, states: {open: {on: {slam: {actions: {assign: {n: 1 / context.n}}}, lock: {actions: {send: {to: door/back, event: note}}}, note: {actions: {assign: {n: 0 * context.n}}}, burn: gone}}, gone: {type: final}}}
cast: {house: house/1, front: {is: door/front, start: false}, back: {is: door/back, start: false}}
environment: [{to: front, event: slam, times: 3}, {to: back, event: slam, times: 1}, {to: front, event: lock, times: 2}, {to: back, event: burn, times: 1}]
expect: {refusals: allowed, dead-letters: allowed, faults: allowed}
";

/// The numbers of a walk (SplitMix64).
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 29)
}

fn walk(system: &System, seed: u64, steps: usize) {
    let locals = Locals::new(system);
    let (stage, first, _) = Stage::set(system, &locals).unwrap();
    let (mut play, _) = Play::begin(system).unwrap();
    let (mut scene, mut reader) = (first, Reader::new(&locals));
    let (mut choices, mut chance) = (Vec::new(), seed);
    for step in 0..steps {
        let place = format!("seed {seed}, step {step}");
        for (slot, seen) in stage.cast.iter().zip(play.seen()) {
            assert_eq!(locals.cell(scene.cell(*slot)).seen, seen, "{place}, {}", locals.address(*slot));
        }
        stage.choices(&scene, &mut choices);
        let name = |choice| trace::named(&stage, &scene, &[choice], &mut Reader::new(&locals)).remove(0);
        let named: BTreeSet<String> = choices.iter().map(|choice| format!("{:?}", name(*choice))).collect();
        let possible: BTreeSet<String> = play.possible().iter().map(|one| format!("{one:?}")).collect();
        assert_eq!(named, possible, "{place}");
        if choices.is_empty() {
            return;
        }
        let choice = choices[(next(&mut chance) % choices.len() as u64) as usize];
        let happening = name(choice);
        let local = stage.take(&mut scene, choice, &mut reader);
        let told = play.step(&happening).unwrap_or_else(|problem| panic!("{place}: {problem}"));
        play.world().audit().unwrap();
        let marks = local.iter().flat_map(|local| local.marks.iter());
        let marks = marks.filter(|mark| mark.kind == MarkKind::Chance || super::is_asked(system, mark.kind));
        let marks: BTreeSet<&str> = marks.map(|mark| trace::word(mark.kind)).collect();
        let wrong: BTreeSet<&str> = told.wrong.iter().map(|(word, _)| *word).collect();
        assert_eq!(marks, wrong, "{place}: {happening:?}");
    }
}

#[test]
fn exploration_and_a_node_that_runs_through_go_the_same_way() {
    let texts = [
        models::two_phase(3, true),
        models::two_phase(3, false),
        models::senders(4, true, true),
        models::rock_paper_scissors(true),
        models::hello(""),
    ];
    for text in &texts {
        let system = System::parse(text).unwrap();
        (0..10).for_each(|seed| walk(&system, seed, 60));
    }
    let motley = System::parse(MOTLEY).unwrap();
    (0..200).for_each(|seed| walk(&motley, seed, 120));
}

/// Machines that meet in spaces, spawn and watch each other.
#[test]
fn so_they_do_when_machines_meet() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/systems");
    let open = |path: &str| std::fs::read_to_string(folder.join(path)).map_err(|error| error.to_string());
    for name in ["dispatch", "chat", "echo"] {
        let text = open(&format!("{name}.system.yaml")).unwrap();
        let system = System::read(name, &text, &open).system.unwrap();
        (0..50).for_each(|seed| walk(&system, seed, 150));
    }
    let family = System::parse(FAMILY).unwrap();
    (0..100).for_each(|seed| walk(&family, seed, 150));
}

#[test]
fn so_they_do_when_machines_read_the_clock() {
    let clocked = MOTLEY.replace("told: '[_event.sender]'", "told: '[string(now), string(_event.time)]'");
    let system = System::parse(&clocked).unwrap();
    assert!(system.clock);
    (0..100).for_each(|seed| walk(&system, seed, 80));
}

#[test]
fn so_they_do_when_workers_and_sessions_come_and_go() {
    for text in [WORK, PRINTER] {
        let system = System::parse(text).unwrap_or_else(|problem| panic!("{problem}"));
        (0..100).for_each(|seed| walk(&system, seed, 120));
    }
}

#[test]
fn so_they_do_when_machines_are_restarted() {
    for text in [RESTARTS, SUPERVISED] {
        let system = System::parse(text).unwrap_or_else(|problem| panic!("{problem}"));
        (0..60).for_each(|seed| walk(&system, seed, 120));
    }
}
