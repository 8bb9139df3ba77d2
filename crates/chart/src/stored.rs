//! The state of an instance in memory and as bytes.
//!
//! It refuses to know events. Its one invariant: what `encode` writes, `decode` of the same chart reads back to
//! an equal state; any other bytes give an error, never a panic.
//!
//! The bytes, all numbers as LEB128: version 1; flags (1 = ended, 2 = with a session); the program, if with a
//! session; the number of active leaves and each leaf; the
//! number of histories that remember, and for each its number, how many states, and the states; delayed sends made;
//! the context; delayed sends, invocations, states with bound data, endpoints and presences, if with a session.

mod spaces;

use crate::chart::Chart;
use crate::code::StateIndex;
use crate::configuration::{Configuration, Memory};
use crate::model::StateKind;
use crate::run::{Raised, Run};
use crate::session::{Invocation, Pending, Program, Session};
use crate::value::Value;
use everstate_kernel::{Address, Fault, FaultCode, Labels, Time};
use smallvec::SmallVec;
use std::sync::Arc;

/// The state of an instance.
#[derive(Debug, Clone)]
pub(crate) struct ChartState {
    pub(crate) configuration: Configuration,
    pub(crate) memory: Memory,
    pub(crate) context: Value,
    pub(crate) sends: u64,
    pub(crate) ended: bool,
    pub(crate) labels: Labels,
    pub(crate) session: Option<Arc<Session>>,
}

impl ChartState {
    /// The chart that the instance runs, of a definition whose chart is `main`.
    pub(crate) fn chart<'a>(&'a self, main: &'a Chart) -> Result<&'a Chart, Fault> {
        let Some(session) = &self.session else { return Ok(main) };
        let fault =
            |what: &str| Fault { code: FaultCode::State, message: what.to_owned(), place: String::new() };
        session.program.chart(main).map_err(fault)
    }
}

const VERSION: u64 = 1;
const ENDED: u64 = 1;
const SESSION: u64 = 2;

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
    let session = state.session.as_deref().filter(|session| !session.is_empty());
    write(&mut out, u64::from(state.ended) * ENDED + u64::from(session.is_some()) * SESSION);
    // What the instance runs comes before what only means something in it.
    if let Some(session) = session {
        write_program(&mut out, &session.program);
    }
    let chart = state.chart(chart).unwrap_or(chart);
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
    if let Some(session) = session {
        write_session(&mut out, session);
    }
    out
}

/// The state from bytes, or what is wrong with them.
pub(crate) fn decode(chart: &Chart, mut bytes: &[u8]) -> Result<ChartState, &'static str> {
    let input = &mut bytes;
    if read(input)? != VERSION {
        return Err("stored state is of an unknown version");
    }
    let flags = read(input)?;
    if flags > ENDED + SESSION {
        return Err("stored state has unknown flags");
    }
    let mut session = Session::default();
    if flags & SESSION != 0 {
        session.program = read_program(input)?;
    }
    let chart = session.program.chart(chart)?;
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
    let mut context = Value::decode(input).map_err(|_| "stored context is malformed")?;
    context.share_keys(&chart.context);
    let labels = labels(chart, &configuration);
    if flags & SESSION != 0 {
        read_session(input, &mut session)?;
        if session.is_empty() {
            return Err("stored state says twice that there is nothing to say");
        }
    }
    if !input.is_empty() {
        return Err("stored state has something behind its end");
    }
    let session = (flags & SESSION != 0).then(|| Arc::new(session));
    Ok(ChartState { configuration, memory, context, sends, ended: flags & ENDED != 0, labels, session })
}

/// A history stands for states of its parent that can be active together.
pub(crate) fn check_history(
    chart: &Chart,
    history: StateIndex,
    states: &[StateIndex],
) -> Result<(), &'static str> {
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

fn write_program(out: &mut Vec<u8>, program: &Program) {
    match program {
        Program::Main => write(out, 0),
        Program::Inline(path) => {
            write(out, 1);
            write_path(out, path);
        }
        Program::Document(text, _, path) => {
            write(out, 2);
            write_text(out, text);
            write_path(out, path);
        }
    }
}

fn read_program(input: &mut &[u8]) -> Result<Program, &'static str> {
    let unknown = "stored state is of an unknown chart";
    match read(input)? {
        0 => Ok(Program::Main),
        1 => Ok(Program::Inline(read_path(input)?)),
        2 => {
            let text = read_text(input)?;
            let definition = crate::reader::read_inline(&text).definition;
            let chart = definition.ok_or(unknown)?.chart;
            Ok(Program::Document(text, chart, read_path(input)?))
        }
        _ => Err(unknown),
    }
}

fn write_path(out: &mut Vec<u8>, path: &[u16]) {
    write(out, path.len() as u64);
    path.iter().for_each(|at| write(out, u64::from(*at)));
}

fn read_path(input: &mut &[u8]) -> Result<Vec<u16>, &'static str> {
    let count = read(input)?;
    if count > input.len() as u64 {
        return Err("stored state is cut short");
    }
    let step = |_| u16::try_from(read(input)?).map_err(|_| "stored state is of an unknown chart");
    (0..count).map(step).collect()
}

fn write_session(out: &mut Vec<u8>, session: &Session) {
    write(out, session.pending.len() as u64);
    for one in &session.pending {
        write_text(out, &one.sendid);
        write(out, one.number);
        write(out, one.due.0 as u64);
    }
    write(out, session.invocations.len() as u64);
    for one in &session.invocations {
        write_text(out, &one.id);
        write_text(out, &one.name);
        write_text(out, one.address.as_str());
        write(out, u64::from(one.state));
        write(out, u64::from(one.number));
        write(out, u64::from(one.cancelled));
    }
    write(out, session.bound.len() as u64);
    session.bound.iter().for_each(|state| write(out, u64::from(*state)));
    spaces::write_spaces(out, &session.held, &session.present);
}

fn read_session(input: &mut &[u8], session: &mut Session) -> Result<(), &'static str> {
    let unknown = "stored state is unknown";
    for _ in 0..read(input)? {
        let (sendid, number) = (read_text(input)?, read(input)?);
        session.pending.push(Pending { sendid, number, due: Time(read(input)? as i64) });
    }
    for _ in 0..read(input)? {
        let (id, name) = (read_text(input)?, read_text(input)?);
        let address = Address::parse(&read_text(input)?).map_err(|_| "stored address is malformed")?;
        let state = StateIndex::try_from(read(input)?).map_err(|_| unknown)?;
        let number = u16::try_from(read(input)?).map_err(|_| unknown)?;
        let cancelled = read(input)? == 1;
        session.invocations.push(Invocation { id, name, address, state, number, cancelled });
    }
    for _ in 0..read(input)? {
        let state = StateIndex::try_from(read(input)?).map_err(|_| unknown)?;
        if session.bound.last().is_some_and(|last| *last >= state) {
            return Err("stored states are not in order");
        }
        session.bound.push(state);
    }
    (session.held, session.present) = spaces::read_spaces(input)?;
    Ok(())
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn read_text(input: &mut &[u8]) -> Result<Arc<str>, &'static str> {
    let short = "stored state is cut short";
    let length = usize::try_from(read(input)?).map_err(|_| short)?;
    let (text, rest) = input.split_at_checked(length).ok_or(short)?;
    *input = rest;
    std::str::from_utf8(text).map(Arc::from).map_err(|_| "stored text is not UTF-8")
}

/// Stores a turn in the middle, and goes on with what was restored. It shows that nothing is carried from one
/// microstep to the next but what could be stored.
pub(crate) fn store_and_restore(run: &mut Run<'_>) -> Result<(), Fault> {
    let chart = run.chart;
    let wrong = |what: &str| Fault { code: FaultCode::State, message: what.to_owned(), place: String::new() };
    let program = run.session.as_ref().map_or(Program::Main, |session| session.program.clone());
    // The chart that runs is at hand; what it is inside of need not be.
    let session = run.session.as_deref().map(|session| Session { program: Program::Main, ..session.clone() });
    let state = ChartState {
        configuration: std::mem::take(&mut run.configuration),
        memory: std::mem::take(&mut run.memory),
        context: std::mem::take(&mut run.context),
        sends: run.sends,
        ended: false,
        labels: Labels::from([]),
        session: session.map(Arc::new),
    };
    let mut rest = Vec::new();
    write(&mut rest, run.queue.len() as u64);
    for raised in run.queue.drain(..) {
        write_text(&mut rest, &raised.name);
        raised.data.encode(&mut rest);
        write(&mut rest, u64::from(raised.platform));
        raised.sendid.map_or(Value::Null, Value::String).encode(&mut rest);
    }
    write(&mut rest, run.locals.len() as u64);
    run.locals.drain(..).for_each(|value| value.encode(&mut rest));
    write_text(&mut rest, &run.current.name);
    std::mem::take(&mut run.current.data).encode(&mut rest);
    write(&mut rest, run.to_invoke.len() as u64);
    run.to_invoke.drain(..).for_each(|state| write(&mut rest, u64::from(state)));

    let restored = decode(chart, &encode(chart, &state)).map_err(wrong)?;
    run.configuration = restored.configuration;
    run.memory = restored.memory;
    run.context = restored.context;
    run.sends = restored.sends;
    let kept = restored.session.map(Arc::unwrap_or_clone).unwrap_or_default();
    run.session = Some(Arc::new(Session { program, ..kept }));
    let input = &mut &rest[..];
    let value = |input: &mut &[u8]| Value::decode(input).map_err(|_| "stored value is malformed");
    let mut restore = || -> Result<(), &'static str> {
        for _ in 0..read(input)? {
            let name = read_text(input)?;
            let data = value(input)?;
            let platform = read(input)? == 1;
            let sendid = match value(input)? {
                Value::String(text) => Some(text),
                _ => None,
            };
            run.queue.push_back(Raised { name, data, platform, sendid });
        }
        for _ in 0..read(input)? {
            run.locals.push(value(input)?);
        }
        run.current.name = read_text(input)?;
        run.current.data = value(input)?;
        for _ in 0..read(input)? {
            run.to_invoke.push(read(input)? as StateIndex);
        }
        Ok(())
    };
    restore().map_err(wrong)
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
