//! The state of an instance in memory and as bytes.
//!
//! It refuses to know events. Its one invariant: what `encode` writes, `decode` of the same chart reads back to
//! an equal state; any other bytes give an error, never a panic.
//!
//! The bytes, all numbers as LEB128: version 1; flags (1 = ended); the number of active leaves and each leaf; the
//! number of histories that remember, and for each its number, how many states, and the states; delayed sends made;
//! the context.

use crate::chart::Chart;
use crate::code::StateIndex;
use crate::configuration::{Configuration, Memory};
use crate::model::StateKind;
use crate::value::Value;
use everstate_kernel::Labels;
use smallvec::SmallVec;

/// The state of an instance.
#[derive(Debug, Clone)]
pub(crate) struct ChartState {
    pub(crate) configuration: Configuration,
    pub(crate) memory: Memory,
    pub(crate) context: Value,
    pub(crate) sends: u64,
    pub(crate) ended: bool,
    pub(crate) labels: Labels,
}

const VERSION: u64 = 1;
const ENDED: u64 = 1;

/// The labels of a configuration; shared when there is but one active leaf.
pub(crate) fn labels(chart: &Chart, configuration: &Configuration) -> Labels {
    let mut leaves = configuration.leaves(chart);
    match (leaves.next(), leaves.next()) {
        (Some(only), None) => chart.state(only).labels.clone(),
        _ => configuration.leaves(chart).map(|leaf| chart.state(leaf).path.clone()).collect(),
    }
}

/// The state as bytes.
pub(crate) fn encode(chart: &Chart, state: &ChartState) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    write(&mut out, VERSION);
    write(&mut out, if state.ended { ENDED } else { 0 });
    write(&mut out, state.configuration.leaves(chart).count() as u64);
    for leaf in state.configuration.leaves(chart) {
        write(&mut out, u64::from(leaf));
    }
    write(&mut out, state.memory.len() as u64);
    for (history, states) in &state.memory {
        write(&mut out, u64::from(*history));
        write(&mut out, states.len() as u64);
        states.iter().for_each(|one| write(&mut out, u64::from(*one)));
    }
    write(&mut out, state.sends);
    state.context.encode(&mut out);
    out
}

/// The state from bytes, or what is wrong with them.
pub(crate) fn decode(chart: &Chart, mut bytes: &[u8]) -> Result<ChartState, &'static str> {
    let input = &mut bytes;
    if read(input)? != VERSION {
        return Err("stored state is of an unknown version");
    }
    let flags = read(input)?;
    if flags > ENDED {
        return Err("stored state has unknown flags");
    }
    let leaves = read_states(chart, input)?;
    let configuration = Configuration::of_leaves(chart, &leaves)
        .ok_or("stored active states are none the chart can be in")?;
    let count = read(input)?;
    if count > chart.states.len() as u64 {
        return Err("stored state remembers too much");
    }
    let mut memory = Memory::new();
    for _ in 0..count {
        let history = StateIndex::try_from(read(input)?).map_err(|_| "stored history is unknown")?;
        if memory.last().is_some_and(|last| last.0 >= history) {
            return Err("stored histories are not in order");
        }
        let states = read_states(chart, input)?;
        check_history(chart, history, &states)?;
        memory.push((history, states));
    }
    let sends = read(input)?;
    let context = Value::decode(input).map_err(|_| "stored context is malformed")?;
    if !input.is_empty() {
        return Err("stored state has something behind its end");
    }
    let labels = labels(chart, &configuration);
    Ok(ChartState { configuration, memory, context, sends, ended: flags & ENDED != 0, labels })
}

/// A history stands for states of its parent that can be active together.
fn check_history(chart: &Chart, history: StateIndex, states: &[StateIndex]) -> Result<(), &'static str> {
    let wrong = "stored history stands for states that it cannot";
    let row = chart.states.get(usize::from(history)).ok_or(wrong)?;
    let StateKind::History { deep } = row.kind else { return Err(wrong) };
    let parent = row.parent;
    let fits = |state: &StateIndex| {
        chart.is_inside(*state, parent)
            && if deep { chart.is_leaf(*state) } else { chart.state(*state).parent == parent }
            && !matches!(chart.state(*state).kind, StateKind::History { .. })
    };
    if states.is_empty() || !states.iter().all(fits) {
        return Err(wrong);
    }
    if deep {
        // Together with the ancestors up to the parent the leaves must be all that is active in it.
        let mut inside = Configuration::default();
        for leaf in states {
            let mut at = *leaf;
            while at != parent {
                inside.insert(at);
                at = chart.state(at).parent;
            }
        }
        inside.insert(parent);
        let complete = inside.0.iter().all(|at| {
            let row = chart.state(*at);
            let active = row.children.iter().filter(|child| inside.contains(**child)).count();
            match row.kind {
                StateKind::Compound => active == 1,
                StateKind::Parallel => active == row.children.len(),
                _ => true,
            }
        });
        return if complete { Ok(()) } else { Err(wrong) };
    }
    let expected =
        if chart.state(parent).kind == StateKind::Parallel { chart.state(parent).children.len() } else { 1 };
    if states.len() == expected { Ok(()) } else { Err(wrong) }
}

fn read_states(chart: &Chart, input: &mut &[u8]) -> Result<SmallVec<[StateIndex; 4]>, &'static str> {
    let count = read(input)?;
    if count > chart.states.len() as u64 {
        return Err("stored state names more states than the chart has");
    }
    let mut states: SmallVec<[StateIndex; 4]> = SmallVec::new();
    for _ in 0..count {
        let state = StateIndex::try_from(read(input)?).map_err(|_| "stored state is unknown")?;
        if usize::from(state) >= chart.states.len() || states.last().is_some_and(|last| *last >= state) {
            return Err("stored states are unknown or not in order");
        }
        states.push(state);
    }
    Ok(states)
}

fn write(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read(input: &mut &[u8]) -> Result<u64, &'static str> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = input.split_first().ok_or("stored state is cut short")?;
        *input = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            // One number has one spelling, so that equal states have equal bytes.
            let minimal = *byte != 0 || shift == 0;
            let fits = shift < 63 || *byte <= 1;
            return if minimal && fits { Ok(number) } else { Err("stored number is malformed") };
        }
    }
    Err("stored number is too long")
}
