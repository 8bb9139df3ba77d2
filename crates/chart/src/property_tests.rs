//! What holds for every chart and every order of events: configurations are legal, entering and leaving are
//! balanced, equal inputs give equal bytes, and stored states come back.

use crate::chart::Chart;
use crate::reader::read;
use crate::stored::{self, ChartState};
use everstate_kernel::{
    Address, Behaviour, Effect, Event, EventId, Handled, Json, Next, Sender, State, Time, Turn,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// A source of choices that a seed decides.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64, by Sebastiano Vigna (public domain).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A state of a random chart.
struct Draft {
    kind: &'static str,
    children: Vec<Draft>,
    id: usize,
}

fn draft(choices: &mut Choices, depth: usize, next: &mut usize) -> Draft {
    let id = *next;
    *next += 1;
    let inner = depth < 4 && (depth == 0 || choices.one_in(2)) && *next < 40;
    if !inner {
        let kind = if depth > 1 && choices.one_in(4) { "final" } else { "atomic" };
        return Draft { kind, children: Vec::new(), id };
    }
    let kind = if choices.one_in(3) { "parallel" } else { "compound" };
    let count = 2 + choices.below(2);
    let mut children: Vec<Draft> = (0..count).map(|_| draft(choices, depth + 1, next)).collect();
    if kind == "parallel" {
        children.iter_mut().filter(|child| child.kind == "final").for_each(|child| child.kind = "atomic");
    } else if children.iter().all(|child| child.kind == "final") {
        children[0].kind = "atomic";
    }
    if choices.one_in(3) {
        let kind = if choices.one_in(2) { "shallow" } else { "deep" };
        children.push(Draft { kind, children: Vec::new(), id: *next });
        *next += 1;
    }
    Draft { kind, children, id }
}

fn transitions(choices: &mut Choices, states: usize, out: &mut String) {
    let one = |choices: &mut Choices| {
        let mut text = String::from("{");
        if !choices.one_in(5) {
            let _ = write!(text, "target: '#s{}', ", 1 + choices.below(states as u64 - 1));
        }
        match choices.below(4) {
            0 => {
                let _ = write!(text, "guard: in('s{}'), ", 1 + choices.below(states as u64 - 1));
            }
            1 => {
                let _ = write!(text, "guard: context.n % 3 == {}, ", choices.below(3));
            }
            _ => {}
        }
        if choices.one_in(3) {
            text.push_str("reenter: true, ");
        }
        match choices.below(4) {
            0 => {
                let _ = write!(text, "actions: {{raise: e{}}}", choices.below(3));
            }
            1 => text.push_str("actions: {assign: {n: context.n + 1}}"),
            _ => text.push_str("actions: {log: t}"),
        }
        text.push('}');
        text
    };
    out.push_str("on: {");
    for event in 0..4 {
        if choices.one_in(2) {
            let list: Vec<String> = (0..1 + choices.below(2)).map(|_| one(choices)).collect();
            let _ = write!(out, "e{event}: [{}], ", list.join(", "));
        }
    }
    out.push_str("}, ");
    if choices.one_in(8) {
        let guard = 1 + choices.below(states as u64 - 1);
        let target = 1 + choices.below(states as u64 - 1);
        let _ = write!(
            out,
            "always: {{guard: in('s{guard}') && context.n < 50, target: '#s{target}', actions: {{assign: {{n: context.n + 1}}}}}}, "
        );
    }
    if choices.one_in(4) {
        out.push_str("after: {5m: {actions: {log: t}}}, ");
    }
}

fn write(choices: &mut Choices, state: &Draft, states: usize, out: &mut String) {
    let id = state.id;
    let _ = write!(out, "s{id}: {{id: s{id}, ");
    match state.kind {
        "shallow" | "deep" => {
            let _ = write!(out, "type: history, history: {}}}, ", state.kind);
            return;
        }
        "final" => {
            let _ = write!(out, "type: final, entry: {{log: +s{id}}}, exit: {{log: -s{id}}}}}, ");
            return;
        }
        "parallel" => out.push_str("type: parallel, "),
        "compound" => {
            let _ = write!(out, "initial: s{}, ", state.children[0].id);
        }
        _ => {}
    }
    let _ = write!(out, "entry: {{log: +s{id}}}, exit: {{log: -s{id}}}, ");
    transitions(choices, states, out);
    if !state.children.is_empty() {
        out.push_str("states: {");
        state.children.iter().for_each(|child| write(choices, child, states, out));
        out.push_str("}, ");
    }
    out.push_str("}, ");
}

/// A random chart as a definition.
fn definition(seed: u64) -> String {
    let mut choices = Choices(seed);
    let mut next = 1;
    let top: Vec<Draft> = (0..3).map(|_| draft(&mut choices, 0, &mut next)).collect();
    let mut out =
        format!("{{name: random, context: {{n: 0}}, unhandled: ignore, initial: s{}, states: {{", top[0].id);
    top.iter().for_each(|state| write(&mut choices, state, next, &mut out));
    out.push_str("}}");
    out
}

fn turn<'a>(address: &'a Address) -> Turn<'a> {
    Turn {
        now: Time(5),
        seed: 1,
        instance: address,
        version: "v1",
        incarnation: 1,
        parent: None,
        children: &[],
        effects: Vec::new(),
    }
}

/// A turn's result, with the effects it asked for.
fn act(chart: &Chart, state: Option<&State>, name: &str, address: &Address) -> (Option<Next>, Vec<Effect>) {
    let mut turn = turn(address);
    let next = match state {
        None => chart.start(&Json::NULL, &mut turn).ok(),
        Some(state) => {
            let event = Event {
                id: EventId::parse("e").expect("an id"),
                name: Arc::from(name),
                data: Json::NULL,
                sender: Sender::Client,
                time: Time(5),
            };
            match chart.handle(state, &event, &mut turn) {
                Ok(Handled::Took(next)) => Some(next),
                _ => None,
            }
        }
    };
    (next, turn.effects)
}

fn inside(state: &State) -> &ChartState {
    state.downcast_ref::<ChartState>().expect("a chart's state")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn configurations_are_legal_and_runs_repeat(seed in any::<u64>(), events in prop::collection::vec(0..4u8, 1..30)) {
        let text = definition(seed);
        let outcome = read("random.yaml", &text);
        let Some(definition) = outcome.definition else {
            // The only error a random chart may have: a circle without events, or a history that cannot know.
            let allowed = [crate::Code::EventlessLoop, crate::Code::HistoryDefault];
            let errors = outcome.findings.iter().filter(|one| one.severity == crate::Severity::Error);
            for error in errors {
                prop_assert!(allowed.contains(&error.code), "{error:?}\n{text}");
            }
            return Ok(());
        };
        let chart = definition.chart;
        let address = Address::parse("random/1").expect("an address");
        let mut state: Option<State> = None;
        let mut active: BTreeMap<String, i32> = BTreeMap::new();
        for at in 0..=events.len() {
            let name = if at == 0 { String::new() } else { format!("e{}", events[at - 1]) };
            let (next, effects) = act(&chart, state.as_ref(), &name, &address);
            let (again, effects_again) = act(&chart, state.as_ref(), &name, &address);
            prop_assert_eq!(&effects, &effects_again);
            prop_assert_eq!(next.is_some(), again.is_some());
            let (Some(next), Some(again)) = (next, again) else {
                if at == 0 { return Ok(()); }
                continue;
            };
            let bytes = chart.encode(&next.state);
            prop_assert_eq!(&bytes, &chart.encode(&again.state));
            let restored = chart.decode(&bytes).expect("what was stored is restored");
            prop_assert_eq!(&bytes, &chart.encode(&restored));
            prop_assert_eq!(&inside(&restored).configuration, &inside(&next.state).configuration);
            prop_assert_eq!(&inside(&restored).memory, &inside(&next.state).memory);
            prop_assert_eq!(&inside(&restored).context, &inside(&next.state).context);
            let configuration = &inside(&next.state).configuration;
            prop_assert!(configuration.is_legal(&chart), "{:?}\n{}", configuration, text);
            for effect in &effects {
                if let Effect::Log(line) = effect
                    && let Some(id) = line.get(1..).filter(|id| id.starts_with('s'))
                {
                    *active.entry(id.to_owned()).or_default() += if line.starts_with('+') { 1 } else { -1 };
                }
            }
            // Whatever was entered and not left is active, once; nothing else is.
            if next.done.is_none() {
                let entered: Vec<String> =
                    active.iter().filter(|(_, count)| **count != 0).map(|(id, _)| id.clone()).collect();
                prop_assert!(active.values().all(|count| matches!(count, 0 | 1)), "{:?}\n{}", active, text);
                let mut expected: Vec<String> = configuration.0.iter().skip(1).map(|at| chart.state(*at).name.to_string()).collect();
                expected.sort();
                prop_assert_eq!(entered, expected, "{}", text);
            } else {
                prop_assert!(active.values().all(|count| *count == 0), "{:?}\n{}", active, text);
                return Ok(());
            }
            state = Some(restored);
        }
    }

    #[test]
    fn any_bytes_decode_to_a_legal_state_or_an_error(seed in 0..50u64, bytes in prop::collection::vec(any::<u8>(), 0..40), change in any::<(u8, u8)>()) {
        let Some(definition) = read("random.yaml", &definition(seed)).definition else { return Ok(()) };
        let chart = definition.chart;
        let address = Address::parse("random/1").expect("an address");
        let mut stored = match act(&chart, None, "", &address).0 {
            Some(next) => chart.encode(&next.state),
            None => return Ok(()),
        };
        let at = usize::from(change.0) % stored.len();
        stored[at] ^= change.1;
        for bytes in [bytes, stored] {
            if let Ok(state) = stored::decode(&chart, &bytes) {
                prop_assert!(state.configuration.is_legal(&chart));
                prop_assert_eq!(stored::encode(&chart, &state), bytes);
            }
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "[ \\n\\t\\-:{}\\[\\]a-e#&*!|>'\"$.%@`,?0-9]{0,80}") {
        let outcome = read("any.yaml", &text);
        for finding in &outcome.findings {
            let _ = crate::render(finding, "any.yaml", &text, false);
        }
        let embedded = format!("name: m\ninitial: a\nstates:\n  a:\n    on: {text}\n    entry: {{log: \"${{{text}}}\"}}\n");
        let outcome = read("any.yaml", &embedded);
        for finding in &outcome.findings {
            let _ = crate::render(finding, "any.yaml", &embedded, false);
        }
    }
}
