//! Systems of known size as texts, for tests and for measuring.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each user takes its part")]

use std::fmt::Write;

/// Lines for 1 to n.
fn each(n: usize, line: impl Fn(usize) -> String) -> String {
    (1..=n).map(|n| line(n) + "\n").collect()
}

/// Two-phase commit after Gray and Lamport as stateright's example has it: resource managers decide alone to prepare or
/// to abort, the transaction manager decides alone to commit when all have prepared, or to abort.
///
/// `forever`: decisions are the environment's and may come any time, as there. Otherwise each is an event that a client
/// sends once, and which is refused where it does not fit: the same casts, and less to do.
pub(crate) fn two_phase(managers: usize, forever: bool) -> String {
    let all: Vec<String> = (1..=managers).map(|n| format!("'{n}'")).collect();
    let all = format!("[{}]", all.join(", "));
    let mut text = format!(
        "
name: two-phase commit
definitions:
  - name: rm
    unhandled: ignore
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
    unhandled: ignore
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
    text += &each(managers, |n| format!("  rm{n}: rm/{n}"));
    let times = if forever { ", times: any" } else { "" };
    text += if forever { "environment:\n" } else { "first:\n" };
    text +=
        &format!("  - {{to: tm, event: decide-commit{times}}}\n  - {{to: tm, event: decide-abort{times}}}\n");
    text += &each(managers, |n| {
        format!("  - {{to: rm{n}, event: prepare{times}}}\n  - {{to: rm{n}, event: give-up{times}}}")
    });
    text += "properties:\n";
    for one in 1..=managers {
        for other in (1..=managers).filter(|other| *other != one) {
            writeln!(text, "  - never: in('rm{one}.committed') && in('rm{other}.aborted')").unwrap();
        }
    }
    text
}

/// The same with managers that are alike: the transaction manager counts those that have prepared, and one property says
/// it for all.
pub(crate) fn alike_two_phase(managers: usize, forever: bool) -> String {
    let text = two_phase(managers, forever)
        .replace("context: {prepared: []}", "context: {prepared: 0}")
        .replace("'(context.prepared + [event.rm]).sort()'", "context.prepared + 1")
        .replace("size(context.prepared) ==", "context.prepared ==");
    let (system, _) = text.split_once("properties:\n").unwrap_or((&text, ""));
    let members: Vec<String> = (1..=managers).map(|n| format!("rm{n}")).collect();
    format!(
        "{system}properties: [{{never: in('rm1.committed') && in('rm2.aborted')}}]\nsymmetric: [{}]\n",
        members.join(", ")
    )
}

/// Two tills that tell each other of payments, of which any number up to n may come to each: as many worlds as wanted.
pub(crate) fn tills(payments: usize) -> String {
    format!(
        "
name: two tills
definitions:
  - name: till
    context: {{sent: 0, got: 0, other: ''}}
    initial: open
    states:
      open:
        on:
          pay: {{actions: [{{assign: {{sent: context.sent + 1}}}}, {{send: {{to: 'till/${{context.other}}', event: paid}}}}]}}
          paid: {{actions: {{assign: {{got: context.got + 1}}}}}}
cast:
  a: {{is: till/a, data: {{other: b}}}}
  b: {{is: till/b, data: {{other: a}}}}
environment:
  - {{to: a, event: pay, times: {payments}}}
  - {{to: b, event: pay, times: {payments}}}
properties: [{{always: a.context.got <= b.context.sent}}]
"
    )
}

/// n clients that each send one event, to one machine or to one each. What the machine keeps is their order or only
/// their number.
pub(crate) fn senders(n: usize, one: bool, keeps_order: bool) -> String {
    let kept = if keeps_order { "context.log + [event.n]" } else { "context.log + [0]" };
    let mut text = format!(
        "
definitions:
  - name: inbox
    context: {{log: []}}
    initial: open
    states:
      open: {{on: {{note: {{actions: {{assign: {{log: '{kept}'}}}}}}}}}}
cast:
"
    );
    text += &each(if one { 1 } else { n }, |n| format!("  inbox{n}: inbox/{n}"));
    text += "first:\n";
    text += &each(n, |n| {
        let to = if one { 1 } else { n };
        format!("  - {{to: inbox{to}, event: note, data: {{n: {n}}}}}")
    });
    text
}

/// Two players show a hand to a judge when they are told to. `race`: the judge takes the first hand as the winner.
pub(crate) fn rock_paper_scissors(race: bool) -> String {
    let judge = if race {
        "
      waiting: {on: {shows: {target: over, actions: {assign: {winner: event.player}}}}}
      over: {on: {shows: {}}}"
    } else {
        "
      waiting:
        on:
          shows:
            - guard: context.hands != {}
              target: over
              actions:
                - assign: {hands: \"context.hands.transformMap(k, v, v)\"}
                - if: event.player == 'a'
                  then: {assign: {a: event.hand}}
                  else: {assign: {b: event.hand}}
                - assign:
                    winner: >-
                      context.a == context.b ? 'nobody' :
                      (context.a == 'rock' && context.b == 'scissors') || (context.a == 'paper' && context.b == 'rock')
                      || (context.a == 'scissors' && context.b == 'paper') ? 'a' : 'b'
            - actions:
                - assign: {hands: {first: 'true'}}
                - if: event.player == 'a'
                  then: {assign: {a: event.hand}}
                  else: {assign: {b: event.hand}}
      over: {on: {shows: {}}}"
    };
    format!(
        "
name: rock, paper, scissors
definitions:
  - name: player
    context: {{hand: rock}}
    initial: ready
    states:
      ready:
        on:
          go:
            target: done
            actions: {{send: {{to: judge/1, event: shows, data: {{player: instance.id, hand: context.hand}}}}}}
      done: {{type: final}}
  - name: judge
    context: {{hands: {{}}, a: '', b: '', winner: ''}}
    initial: waiting
    states:{judge}
cast:
  a: {{is: player/a, data: {{hand: rock}}}}
  b: {{is: player/b, data: {{hand: paper}}}}
  judge: judge/1
first:
  - {{to: a, event: go}}
  - {{to: b, event: go}}
expect:
  confluent: judge.context.winner
"
    )
}

/// A client sends three words by a proxy to a server that writes them down. `more` is about the way between the proxy
/// and the server.
pub(crate) fn hello(more: &str) -> String {
    format!(
        "
name: hello
definitions:
  - name: proxy
    initial: open
    states: {{open: {{on: {{word: {{actions: {{send: {{to: server/1, event: word, data: {{text: event.text}}}}}}}}}}}}}}
  - name: server
    context: {{heard: []}}
    initial: open
    states: {{open: {{on: {{word: {{actions: {{assign: {{heard: 'context.heard + [event.text]'}}}}}}}}}}}}
cast: {{proxy: proxy/1, server: server/1}}
first:
  - {{from: client, to: proxy, event: word, data: {{text: 'hello,'}}}}
  - {{from: client, to: proxy, event: word, data: {{text: ' World'}}}}
  - {{from: client, to: proxy, event: word, data: {{text: '!'}}}}
{more}
"
    )
}
