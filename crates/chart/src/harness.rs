//! A tiny world for tests: one chart, driven by hand, with what it does as text. The state is stored and restored
//! between any two turns, so every test shows durability as well.

use crate::reader::{ChartDefinition, read};
use everstate_kernel::{
    Address, Behaviour, Effect, Event, EventId, Handled, Json, Next, Sender, State, Time, Turn, Waiting,
};
use std::fmt::Write;
use std::sync::Arc;

/// A chart that runs.
pub(crate) struct Machine {
    pub(crate) definition: ChartDefinition,
    pub(crate) address: Address,
    pub(crate) state: Option<State>,
    pub(crate) now: Time,
    events: u64,
}

/// Reads a definition that must have no errors.
#[track_caller]
pub(crate) fn machine(text: &str) -> Machine {
    let outcome = read("machine.yaml", text);
    let Some(definition) = outcome.definition else {
        let all: Vec<String> =
            outcome.findings.iter().map(|one| crate::render(one, "machine.yaml", text, false)).collect();
        panic!("the definition has errors:\n{}", all.join("\n"));
    };
    let address = Address::parse(&format!("{}/1", definition.id.name)).expect("an address");
    Machine { definition, address, state: None, now: Time(1_000_000), events: 0 }
}

impl Machine {
    fn turn(&self) -> Turn<'_> {
        Turn {
            now: self.now,
            seed: 1,
            instance: &self.address,
            version: &self.definition.id.version,
            incarnation: 1,
            parent: None,
            children: &[],
            effects: Vec::new(),
        }
    }

    /// Starts it; answers what happened as a line.
    pub(crate) fn start(&mut self, data: &str) -> String {
        let data = Json::parse(data).expect("JSON");
        let chart = self.definition.chart.clone();
        let (result, effects) = {
            let mut turn = self.turn();
            let result = chart.start(&data, &mut turn);
            (result, turn.effects)
        };
        match result {
            Ok(next) => self.took(next, &effects),
            Err(fault) => format!("fault {:?} at {}: {}", fault.code, fault.place, fault.message),
        }
    }

    /// Sends an event as `sender`.
    pub(crate) fn send_as(&mut self, sender: Sender, name: &str, data: &str) -> String {
        self.events += 1;
        let event = Event {
            id: EventId::parse(&format!("e{}", self.events)).expect("an id"),
            name: Arc::from(name),
            data: Json::parse(data).expect("JSON"),
            sender,
            time: self.now,
        };
        let chart = self.definition.chart.clone();
        let state = self.state.clone().expect("started");
        let (result, effects) = {
            let mut turn = self.turn();
            let result = chart.handle(&state, &event, &mut turn);
            (result, turn.effects)
        };
        match result {
            Ok(Handled::Took(next)) => self.took(next, &effects),
            Ok(Handled::Rejected) => "rejected".into(),
            Ok(Handled::Ignored) => "ignored".into(),
            Ok(Handled::Deferred) => "deferred".into(),
            Ok(Handled::BadData(what)) => format!("bad data: {what}"),
            Ok(Handled::Refused(what)) => format!("refused: {what}"),
            Err(fault) => format!("fault {:?} at {}: {}", fault.code, fault.place, fault.message),
        }
    }

    /// Sends an event as a client.
    pub(crate) fn send(&mut self, name: &str, data: &str) -> String {
        self.send_as(Sender::Client, name, data)
    }

    fn took(&mut self, next: Next, effects: &[Effect]) -> String {
        let chart = &self.definition.chart;
        let bytes = chart.encode(&next.state);
        let restored = chart.decode(&bytes).expect("what was stored is restored");
        assert_eq!(chart.encode(&restored), bytes, "equal states have equal bytes");
        assert_eq!(chart.describe(&restored), chart.describe(&next.state));
        self.state = Some(restored);
        let mut line = next.labels.join(" ");
        for effect in effects {
            line.push_str(" | ");
            match effect {
                Effect::Log(text) => line.push_str(text),
                Effect::Send { to, event, data } => {
                    let _ = write!(line, "send {event} {data} to {to}");
                }
                Effect::Reply(data) => {
                    let _ = write!(line, "reply {data}");
                }
                Effect::SetTimer { name, delay, to, event, data } => {
                    let to = to.as_ref().map_or("itself".to_owned(), ToString::to_string);
                    let what = if name == event { String::new() } else { format!(" {event} {data} to {to}") };
                    let _ = write!(line, "set {name} {}{what}", crate::duration::format(*delay));
                }
                Effect::CancelTimer(name) => {
                    let _ = write!(line, "cancel {name}");
                }
                other => {
                    let _ = write!(line, "{other:?}");
                }
            }
        }
        if let Some(output) = next.done {
            let _ = write!(line, " | done {output}");
        }
        line
    }

    /// The context as JSON.
    pub(crate) fn context(&self) -> String {
        let state = self.state.as_ref().expect("started");
        self.definition.chart.describe(state).data.to_string()
    }

    pub(crate) fn waiting(&self) -> Waiting {
        let state = self.state.as_ref().expect("started");
        self.definition.chart.waiting(state, &self.address, self.now)
    }
}

/// Runs a chart over events, one a line: `name`, `name JSON`, `!name` for one of a timer, `?` to see the context.
/// Answers a line for the start and one for each event. The first event may be `start JSON`.
#[track_caller]
pub(crate) fn run(definition: &str, events: &str) -> String {
    let mut machine = machine(definition);
    let mut out = String::new();
    let mut lines = events.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    let data = match lines.peek() {
        Some(line) if line.starts_with("start") => lines.next().and_then(|line| line.split_once(' ')),
        _ => None,
    };
    out.push_str(&machine.start(data.map_or("null", |(_, data)| data)));
    for line in lines {
        let (name, data) = line.split_once(' ').unwrap_or((line, "null"));
        let answer = match name {
            "?" => machine.context(),
            _ => match (name.strip_prefix('!'), name.strip_prefix('~')) {
                (Some(name), _) => machine.send_as(Sender::Timer, name, data),
                (_, Some(name)) => machine.send_as(Sender::System, name, data),
                _ => machine.send(name, data),
            },
        };
        out.push('\n');
        out.push_str(&answer);
    }
    out
}

/// Runs a chart over events and compares what it does, line by line.
#[track_caller]
pub(crate) fn check(definition: &str, events: &str, expected: &str) {
    let trim = |text: &str| text.trim().lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let (actual, expected) = (trim(&run(definition, events)), trim(expected));
    assert!(actual == expected, "expected:\n{expected}\n\nactual:\n{actual}\n");
}
