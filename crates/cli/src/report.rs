//! The report of a fault as a file: a first line that says what it is of, with the text of the definition, and a line for
//! each turn that the instance made up to the fault, in order, with where it stood before.
//!
//! It refuses to guess: a history that the definition does not play as it was, a file that somebody has changed, and a
//! definition that leads elsewhere are each refused at the first turn that shows it. Its one invariant: what is played is
//! the same wherever it is played, for nothing but the file and the definition counts.

use crate::document;
use everstate_chart::ChartDefinition;
use everstate_client::{api, timestamp};
use everstate_kernel::{
    Address, Cause, Event, EventId, Fault, FaultCode, HistoryEntry, Json as Text, Labels, Outcome, Played,
    Rehearsal, Rejection, Repaired, RestartFrom, Sender, Time,
};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// What the first line says that the file is.
const FORMAT: &str = "everstate fault report 1";
/// Bytes of a file. A report of more turns than fit is of a machine that never began anew.
pub(crate) const REPORT_BYTES_MAX: u64 = 256 << 20;

/// A report.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) address: Address,
    parent: Option<Address>,
    /// Its version at the fault.
    pub(crate) version: String,
    /// Its definition as it was put.
    pub(crate) source: String,
    /// In order; the last one is the fault.
    pub(crate) turns: Vec<Reported>,
}

/// A turn of a report.
#[derive(Debug)]
pub(crate) struct Reported {
    pub(crate) sequence: u64,
    /// The active states and the context before it; null before the start.
    pub(crate) before: Json,
    /// As `everstate history --json` prints it, with its `cause`.
    pub(crate) turn: Map<String, Json>,
    entry: HistoryEntry,
}

/// How a fault came again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it was.
    Again(String),
    /// The event faults otherwise.
    Otherwise(String),
    /// The event does not fault; what becomes of it.
    NoMore(String),
}

/// Does a file begin as a report does?
pub(crate) fn is_report(text: &str) -> bool {
    let first = text.lines().next().and_then(|line| serde_json::from_str::<Json>(line).ok());
    first.is_some_and(|first| first["format"].as_str().is_some_and(|format| format.contains("fault report")))
}

impl Report {
    /// Makes one of the turns up to the fault.
    pub(crate) fn of(
        instance: &api::Instance,
        definition: &ChartDefinition,
        source: &str,
        turns: &[api::Turn],
    ) -> Result<Report, String> {
        let address = Address::parse(&instance.address).map_err(|error| error.to_string())?;
        let parent = (!instance.parent.is_empty()).then(|| Address::parse(&instance.parent));
        let mut report = Report {
            address,
            parent: parent.transpose().map_err(|error| error.to_string())?,
            version: instance.version.clone(),
            source: source.to_owned(),
            turns: Vec::with_capacity(turns.len()),
        };
        let mut rehearsal = report.rehearsal(definition);
        for turn in turns {
            let sequence = report.turns.len() as u64 + 1;
            if turn.sequence != sequence {
                return Err(format!(
                    "turn {sequence} is not kept any more, and without it nothing can be played"
                ));
            }
            let mut told = document::turn(turn);
            let told = std::mem::take(told.as_object_mut().expect("a turn is an object"));
            let told = with_cause(told, turn)?;
            let entry = entry_of(&told)?;
            let before = standing(&rehearsal);
            let played = rehearsal.play(&entry);
            if !leads_alike(&told, &played) {
                return Err(format!(
                    "turn {sequence} does not come out again as it did: {}, and not {}; something else than its history has made the instance what it was",
                    said(&played),
                    recorded(&told)
                ));
            }
            report.turns.push(Reported { sequence, before, turn: told, entry });
        }
        Ok(report)
    }

    /// The lines of the file.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Json> {
        let first = json!({
            "format": FORMAT, "address": self.address.as_str(), "version": self.version,
            "parent": self.parent.as_ref().map(Address::as_str), "turns": self.turns.len(), "source": self.source,
        });
        let turns = self.turns.iter().map(|one| {
            let mut line = one.turn.clone();
            line.insert("before".to_owned(), one.before.clone());
            Json::Object(line)
        });
        std::iter::once(first).chain(turns)
    }

    /// Reads a file.
    pub(crate) fn read(text: &str) -> Result<Report, String> {
        let mut lines = text.lines().enumerate().map(|(at, line)| {
            let object =
                |error: &dyn std::fmt::Display| format!("line {} is no JSON object: {error}", at + 1);
            serde_json::from_str::<Map<String, Json>>(line).map_err(|error| object(&error))
        });
        let first = lines.next().ok_or("the file is empty")??;
        if text_of(&first, "format")? != FORMAT {
            return Err(format!("it is no {FORMAT:?}; take a report with this version of everstate"));
        }
        let parsed = |text: String| Address::parse(&text).map_err(|error| error.to_string());
        let parent = first.get("parent").and_then(Json::as_str).map(|parent| parsed(parent.to_owned()));
        let mut report = Report {
            address: parsed(text_of(&first, "address")?)?,
            parent: parent.transpose()?,
            version: text_of(&first, "version")?,
            source: text_of(&first, "source")?,
            turns: Vec::new(),
        };
        for (at, line) in lines.enumerate() {
            let mut turn = line?;
            let placed = |problem: String| format!("line {}: {problem}", at + 2);
            let before = turn.remove("before").ok_or_else(|| placed("\"before\" is missing".to_owned()))?;
            let entry = entry_of(&turn).map_err(placed)?;
            report.turns.push(Reported { sequence: at as u64 + 1, before, turn, entry });
        }
        if first.get("turns").and_then(Json::as_u64) != Some(report.turns.len() as u64) {
            return Err(format!(
                "it ends after {} turns, and should have {}",
                report.turns.len(),
                first["turns"]
            ));
        }
        let failed = report.turns.last().is_some_and(|last| code(&last.turn) == Some("failed"));
        if failed { Ok(report) } else { Err("its last turn is no fault".to_owned()) }
    }

    /// Plays it by a definition, and says what becomes of the fault.
    pub(crate) fn play(&self, definition: &ChartDefinition) -> Result<Verdict, String> {
        let mut rehearsal = self.rehearsal(definition);
        let (last, turns) = self.turns.split_last().expect("a report has a fault");
        for one in turns {
            self.agree(one, &rehearsal)?;
            let played = rehearsal.play(&one.entry);
            if !leads_alike(&one.turn, &played) {
                return Err(format!(
                    "turn {}: {}, where the report says {}: it is of another definition",
                    one.sequence,
                    said(&played),
                    recorded(&one.turn)
                ));
            }
        }
        self.agree(last, &rehearsal)?;
        Ok(match rehearsal.play(&last.entry) {
            Played::Decided(Outcome::Failed { fault, .. }) => {
                let message = placed(&fault);
                let same = last.turn["outcome"]["message"].as_str() == Some(&message);
                if same { Verdict::Again(message) } else { Verdict::Otherwise(message) }
            }
            played => Verdict::NoMore(said(&played)),
        })
    }

    /// Does the instance stand where the report says that it stood before a turn?
    fn agree(&self, one: &Reported, rehearsal: &Rehearsal) -> Result<(), String> {
        let stands = standing(rehearsal);
        if stands == one.before {
            return Ok(());
        }
        Err(format!(
            "turn {}: before it the instance stands at {stands}, where the report says {}: it is of another definition",
            one.sequence, one.before
        ))
    }

    fn rehearsal(&self, definition: &ChartDefinition) -> Rehearsal {
        let definition = Arc::new(definition.to_definition());
        Rehearsal::new(definition, self.address.clone(), self.parent.clone())
    }
}

/// Where an instance stands, for people and for comparing.
fn standing(rehearsal: &Rehearsal) -> Json {
    let Some(described) = rehearsal.describe() else { return Json::Null };
    let context: Json = serde_json::from_str(described.data.as_str()).unwrap_or_default();
    json!({ "states": document::texts(&described.labels), "context": context })
}

/// Says of a turn what caused it. A restart and a start look alike in a history, and so do a stop and going on.
fn with_cause(mut told: Map<String, Json>, turn: &api::Turn) -> Result<Map<String, Json>, String> {
    let cause = match turn.repair.as_option().map(document::repaired) {
        Some("paused" | "resumed") => "pause",
        Some(_) => {
            return Err(format!(
                "turn {} is an operator's, who put the instance elsewhere; its events alone do not lead to the fault",
                turn.sequence
            ));
        }
        None if turn.event.is_set() => "event",
        None if turn.start_data.is_set() && turn.sequence == 1 => "start",
        None if turn.start_data.is_set() => "restart",
        None => "go-on",
    };
    told.insert("cause".to_owned(), cause.into());
    Ok(told)
}

/// A line as the kernel has it.
fn entry_of(turn: &Map<String, Json>) -> Result<HistoryEntry, String> {
    let at = time_of(turn, "time")?;
    let (position, sequence) = (number_of(turn, "cursor")?, number_of(turn, "sequence")?);
    let id = EventId::parse("report")?;
    let parsed = |value: &Json| Text::parse(&value.to_string()).map_err(|error| error.to_string());
    let by = || Address::parse(turn["sender"].as_str().unwrap_or_default()).ok();
    let cause = match text_of(turn, "cause")?.as_str() {
        "start" => Cause::Start { id, data: parsed(&turn["start_data"])? },
        "restart" => {
            Cause::Restart { id, from: RestartFrom::Initial(parsed(&turn["start_data"])?), by: by() }
        }
        "go-on" => Cause::Restart { id, from: RestartFrom::LastGood, by: by() },
        "pause" => Cause::Repair { id, by: Arc::from(""), reason: String::new(), done: Repaired::Paused },
        "event" => {
            let event = turn.get("event").and_then(Json::as_object).ok_or("\"event\" is missing")?;
            Cause::Event(Event {
                id: EventId::parse(&text_of(event, "id")?)?,
                name: Arc::from(text_of(event, "name")?),
                data: parsed(&event["data"])?,
                sender: sender(&text_of(turn, "sender")?)?,
                time: time_of(event, "time")?,
            })
        }
        other => return Err(format!("no cause is called {other:?}")),
    };
    let outcome = outcome_of(turn)?;
    Ok(HistoryEntry { position, sequence, at, cause, outcome, log: Vec::new() })
}

/// What of an outcome counts when a turn is played: whether the machine was asked at all.
fn outcome_of(turn: &Map<String, Json>) -> Result<Outcome, String> {
    let outcome = &turn["outcome"];
    let labels = || Labels::default();
    Ok(match code(turn) {
        Some("ok") => Outcome::Ok { from: labels(), to: labels(), reply: Text::NULL },
        Some("rejected") => {
            let word = outcome["reason"].as_str().unwrap_or_default();
            let reason = Rejection::ALL.into_iter().find(|reason| reason.code() == word);
            let reason = reason.ok_or_else(|| format!("no rejection is called {word:?}"))?;
            Outcome::Rejected { reason, state: labels(), detail: String::new(), accepts: Vec::new() }
        }
        Some("failed") => {
            let message = outcome["message"].as_str().unwrap_or_default().to_owned();
            let fault = Fault { code: FaultCode::Action, message, place: String::new() };
            Outcome::Failed { fault, attempts: 1 }
        }
        _ => return Err("\"outcome\" is missing".to_owned()),
    })
}

fn code(turn: &Map<String, Json>) -> Option<&str> {
    turn.get("outcome")?.get("code")?.as_str()
}

/// Did it come out as the line says?
fn leads_alike(turn: &Map<String, Json>, played: &Played) -> bool {
    let outcome = &turn["outcome"];
    match played {
        Played::Passed => true,
        Played::Deferred | Played::Lost => false,
        Played::Decided(Outcome::Ok { to, .. }) => {
            let told = outcome["to"].as_array().map(|told| told.iter().filter_map(Json::as_str));
            code(turn) == Some("ok") && told.is_some_and(|told| told.eq(to.iter().map(|label| &**label)))
        }
        Played::Decided(Outcome::Rejected { reason, .. }) => {
            code(turn) == Some("rejected") && outcome["reason"].as_str() == Some(reason.code())
        }
        Played::Decided(Outcome::Failed { .. }) => code(turn) == Some("failed"),
    }
}

/// What became of a turn that was played, in a few words.
fn said(played: &Played) -> String {
    match played {
        Played::Decided(Outcome::Ok { to, .. }) if to.is_empty() => "it comes to its end".to_owned(),
        Played::Decided(Outcome::Ok { to, .. }) => format!("it leads to {}", to.join(" and ")),
        Played::Decided(Outcome::Rejected { reason, .. }) => format!("it is rejected, {reason}"),
        Played::Decided(Outcome::Failed { fault, .. }) => format!("it faults, {}", placed(fault)),
        Played::Deferred => "it waits for another state".to_owned(),
        Played::Passed | Played::Lost => "nobody is asked".to_owned(),
    }
}

/// The same of what a line says.
fn recorded(turn: &Map<String, Json>) -> String {
    let outcome = &turn["outcome"];
    match code(turn) {
        Some("ok") => format!("that it led to {}", outcome["to"]),
        Some("rejected") => format!("that it was rejected, {}", outcome["reason"]),
        _ => format!("that it failed, {}", outcome["message"]),
    }
}

/// A fault as outcomes tell of it.
fn placed(fault: &Fault) -> String {
    let Fault { message, place, .. } = fault;
    if place.is_empty() { message.clone() } else { format!("{message} (at {place})") }
}

fn sender(text: &str) -> Result<Sender, String> {
    Ok(match text {
        "client" => Sender::Client,
        "timer" => Sender::Timer,
        "system" => Sender::System,
        address => Sender::Instance(Address::parse(address).map_err(|error| error.to_string())?),
    })
}

fn text_of(object: &Map<String, Json>, field: &str) -> Result<String, String> {
    let text = object.get(field).and_then(Json::as_str);
    text.map(str::to_owned).ok_or_else(|| format!("{field:?} is missing"))
}

fn number_of(object: &Map<String, Json>, field: &str) -> Result<u64, String> {
    object.get(field).and_then(Json::as_u64).ok_or_else(|| format!("{field:?} is missing"))
}

fn time_of(object: &Map<String, Json>, field: &str) -> Result<Time, String> {
    let text = text_of(object, field)?;
    let stamp = timestamp(&text).ok_or_else(|| format!("{field:?} is no time: {text}"))?;
    let nanos = i64::from(stamp.nanos) / 1_000_000;
    Ok(Time(stamp.seconds.saturating_mul(1_000).saturating_add(nanos)))
}
