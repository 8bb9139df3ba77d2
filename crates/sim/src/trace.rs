//! A trace: what happened, step by step, as data that people can read and that replays.
//!
//! It refuses to know numbers of slots, contents and positions: everything is named as the system names it. Its one
//! invariant: a trace of other definitions than those it was made with is refused, never replayed half.

use crate::canonical;
use crate::choice::{Choice, Stage};
use crate::locals::{MarkKind, Reader, Slot};
use crate::scene::{CLIENTS, Scene};
use crate::system::{System, digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the format.
pub const TRACE_VERSION: u32 = 1;

/// What happened, and which property it broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The version of the format: [`TRACE_VERSION`].
    pub trace: u32,
    /// The system's name.
    pub system: String,
    /// The system's file, as seen from the folder of the trace; for people and for `everstate replay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Each definition with the digest of its text.
    pub definitions: BTreeMap<String, String>,
    /// The name of the property that is broken in the end.
    pub property: String,
    /// How.
    pub what: String,
    /// What happened.
    pub steps: Vec<Happening>,
    /// When it goes round for ever: the number of the step with which the circle begins, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circle: Option<usize>,
    /// Another run of the same system, when two are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<Vec<Happening>>,
}

/// One step of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happening {
    /// An event arrives.
    Deliver(Posted),
    /// A timer fires, once time has passed until it is due.
    Fire {
        /// The instance.
        at: String,
        /// The timer's name; none for a retry.
        timer: Option<String>,
    },
    /// The environment sends.
    Send {
        /// The receiver.
        to: String,
        /// The event's name.
        event: String,
        /// Its data as JSON.
        #[serde(default)]
        data: serde_json::Value,
        /// See [`Posted::reaction`].
        #[serde(default, skip_serializing_if = "is_first")]
        reaction: u16,
    },
    /// An event is lost.
    Lose(Posted),
    /// An event is doubled.
    Duplicate(Posted),
    /// The clock steps ahead by what the system says.
    ClockStep,
    /// A task ends.
    Answer {
        /// Whose.
        at: String,
        /// Which.
        task: String,
        /// How, as the system file has it.
        with: serde_json::Value,
        /// Will the worker say it once more?
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        twice: bool,
    },
    /// A session falls silent.
    Silence {
        /// Which.
        session: String,
    },
    /// Whoever held a session that was silent begins it anew.
    Return {
        /// Which.
        session: String,
    },
}

/// An event on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// An address, or a client.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// The event's name.
    pub event: String,
    /// Its data as JSON.
    #[serde(default)]
    pub data: serde_json::Value,
    /// What the one that stands in for its receiver does about it: the place in the list, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub reaction: u16,
}

fn is_first(reaction: &u16) -> bool {
    *reaction == 0
}

impl Trace {
    pub(crate) fn of(
        system: &System,
        property: String,
        what: String,
        steps: Vec<Happening>,
        circle: Option<usize>,
        other: Option<Vec<Happening>>,
    ) -> Trace {
        Trace {
            trace: TRACE_VERSION,
            system: system.name.to_string(),
            file: None,
            definitions: digests(system),
            property,
            what,
            steps,
            circle,
            other,
        }
    }

    /// Reads a trace file.
    pub fn read(text: &str) -> Result<Trace, String> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| format!("the trace is not JSON: {error}"))?;
        match value["trace"].as_u64() {
            Some(version) if version == u64::from(TRACE_VERSION) => {}
            Some(version) => {
                return Err(format!(
                    "the trace is of format {version}, this program knows {TRACE_VERSION}; explore again, or use the everstate that wrote it"
                ));
            }
            None => {
                return Err("this is no trace: it has no number `trace`, the version of its format".into());
            }
        }
        // Read again from the text, so that a problem is told with its line and column.
        serde_json::from_str(text).map_err(|error| format!("the trace was changed by hand: {error}"))
    }

    /// The trace as a file.
    pub fn write(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Is it a trace of this system as it is now? Says what differs otherwise.
    pub fn check(&self, system: &System) -> Result<(), String> {
        let now = digests(system);
        let mut differences = Vec::new();
        for (id, digest) in &self.definitions {
            match now.get(id) {
                None => differences.push(format!("definition {id} is gone")),
                Some(other) if other != digest => {
                    differences.push(format!("definition {id} has another text"))
                }
                Some(_) => {}
            }
        }
        for id in now.keys().filter(|id| !self.definitions.contains_key(*id)) {
            differences.push(format!("definition {id} is new"));
        }
        match differences.is_empty() {
            true => Ok(()),
            false => Err(format!(
                "the trace was made with other definitions: {}; explore again to see whether the problem is still there",
                differences.join(", ")
            )),
        }
    }
}

fn digests(system: &System) -> BTreeMap<String, String> {
    let each =
        system.definitions.iter().map(|(definition, source)| (definition.id.to_string(), digest(source)));
    each.collect()
}

/// The word for a built-in property.
pub(crate) fn word(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Fault => "no faults",
        MarkKind::DeadLetter => "no dead-letters",
        MarkKind::Refusal => "no refusals",
        MarkKind::Stuck => "no stuck instances",
        MarkKind::Mailbox => "no growing mailboxes",
        MarkKind::Unrepeatable => "pure behaviours",
        MarkKind::Chance => "nothing left to chance",
    }
}

/// Choices by name.
pub(crate) fn named(
    stage: &Stage<'_>,
    first: &Scene,
    choices: &[Choice],
    reader: &mut Reader<'_>,
) -> Vec<Happening> {
    let mut scene = first.clone();
    let mut steps = Vec::new();
    for choice in choices {
        steps.push(happening(stage, &scene, *choice));
        stage.take(&mut scene, *choice, reader);
    }
    steps
}

fn happening(stage: &Stage<'_>, scene: &Scene, choice: Choice) -> Happening {
    let address = |slot: Slot| stage.locals.address(slot).to_string();
    let posted = |from: u32, to: Slot, at: u16, reaction: u16| {
        let sender = match from >= CLIENTS {
            true => stage.clients[(from - CLIENTS) as usize].to_string(),
            false => address(from),
        };
        let letter = scene.lane(from, to).and_then(|lane| lane.letters.get(usize::from(at)));
        let event = letter.map(|letter| stage.locals.letter(*letter).event.clone());
        let (event, data) =
            event.map_or_else(Default::default, |event| (event.name.to_string(), json(&event.data)));
        Posted { from: sender, to: address(to), event, data, reaction }
    };
    match choice {
        Choice::Deliver { from, to, at, how } => Happening::Deliver(posted(from, to, at, how)),
        Choice::Lose { from, to, at } => Happening::Lose(posted(from, to, at, 0)),
        Choice::Duplicate { from, to, at } => Happening::Duplicate(posted(from, to, at, 0)),
        Choice::Step => Happening::ClockStep,
        Choice::Answer { slot, task, end, again: twice } => {
            let cell = stage.locals.cell(scene.cell(slot));
            let tasks = cell.kept.as_ref().map_or(&[][..], |kept| &kept.row.tasks);
            let task = tasks.get(usize::from(task)).map_or_else(String::new, |task| task.name.to_string());
            let with = stage.system.tasks[usize::from(end)].end.to_value();
            Happening::Answer { at: address(slot), task, with, twice }
        }
        Choice::Silence { session } => Happening::Silence { session: address(stage.session(session)) },
        Choice::Return { session } => Happening::Return { session: address(stage.session(session)) },
        Choice::Send { entry, how: reaction } => {
            let may = &stage.system.environment[usize::from(entry)];
            let (to, event) = (may.to.to_string(), may.event.to_string());
            Happening::Send { to, event, data: json(&may.data), reaction }
        }
        Choice::Fire { slot, place } => {
            let cell = stage.locals.cell(scene.cell(slot));
            let timer = cell.kept.as_ref().and_then(|kept| {
                let (number, _) = *canonical::wakes(&kept.row).get(usize::from(place))?;
                let timer = kept.row.timers.iter().find(|timer| timer.generation == number);
                let task = kept.row.tasks.iter().find(|task| task.number == number);
                timer.map(|timer| timer.name.to_string()).or(task.map(|task| format!("task {}", task.name)))
            });
            Happening::Fire { at: address(slot), timer }
        }
    }
}

/// JSON that can be compared: ids of events that were not taken are left out of what is told of them.
pub(crate) fn json(data: &everstate_kernel::Json) -> serde_json::Value {
    serde_json::from_str(data.as_str()).unwrap_or_default()
}
