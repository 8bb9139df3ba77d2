//! An instance begun at a point of another's history, and a history rehearsed by another version.
//!
//! It refuses to trust a history that its own definition does not repeat. Its one invariant: a fork stands where its
//! origin stood after that turn, with the timers that it had then.

use super::note;
use crate::convert;
use crate::failure::Failure;
use crate::instances::{find, shown};
use crate::service::{Service, blocking};
use everstate_api::v1::__buffa::view::{ForkInstanceRequestView, RehearseInstanceRequestView};
use everstate_api::{Code, v1};
use everstate_chart::Machine;
use everstate_kernel::{
    Address, Cause, Definition, DefinitionId, HistoryEntry, Instance, Outcome, Played, Rehearsal, Repaired,
    Standing, agrees,
};
use everstate_runtime::Handle;
use everstate_store::StoreError;
use std::sync::Arc;
use v1::rehearse_instance_response::Difference;

/// Entries of a history read at once.
const ENTRIES: usize = 1_000;

/// Turns of a history that are played. It is done in one go, beside everything else that the server does.
const TURNS_MAX: u64 = 1_000_000;

pub(crate) async fn fork(
    service: &Service,
    request: &ForkInstanceRequestView<'_>,
) -> Result<v1::Instance, Failure> {
    let origin = convert::address(request.address, "address")?;
    let to = convert::address(request.to, "to")?;
    let note = note(request.audit.as_option(), false)?;
    if to.kind() != origin.kind() {
        let problem = format!("{to} is of another kind than {origin}, and so would not know its states");
        return Err(Failure::new(Code::MalformedRequest, problem).at("to"));
    }
    let (row, _) = find(service, &origin).await?;
    let sequence = if request.sequence == 0 { row.turns } else { request.sequence };
    if sequence > row.turns {
        let problem = format!("{origin} has made {} turns, so there is no turn {sequence}", row.turns);
        return Err(Failure::new(Code::MalformedRequest, problem).at("sequence"));
    }
    check_length(sequence)?;
    check_whole(&row)?;
    let node = service.node.clone();
    let standing = blocking(move || replayed(&node, &row, sequence)).await??;
    service.node.begin_at(to.clone(), (origin, sequence), standing, &note).await?;
    let (row, _) = find(service, &to).await?;
    Ok(shown(service, &row))
}

fn check_length(turns: u64) -> Result<(), Failure> {
    if turns <= TURNS_MAX {
        return Ok(());
    }
    let problem = format!("{turns} turns are too many to play, the limit is {TURNS_MAX}");
    Err(Failure::new(Code::TooLarge, problem).at("sequence"))
}

/// What is played is played from the beginning.
fn check_whole(row: &Instance) -> Result<(), Failure> {
    if row.trimmed.sequence == 0 {
        return Ok(());
    }
    let (address, first) = (&row.address, row.trimmed.sequence + 1);
    let problem =
        format!("the history of {address} is kept from turn {first} on; only a whole one can be played");
    Err(Failure::new(Code::Unfit, problem).at("address"))
}

/// Every entry of a history up to that turn, in order.
fn each_entry<E: From<StoreError>>(
    node: &Handle,
    address: &Address,
    last: u64,
    mut play: impl FnMut(&HistoryEntry) -> Result<(), E>,
) -> Result<(), E> {
    let (reader, mut after) = (node.reader(), 0);
    loop {
        let entries = reader.history(address, after, ENTRIES)?;
        for entry in entries.iter().filter(|entry| entry.sequence <= last) {
            play(entry)?;
        }
        match entries.last() {
            Some(entry) if entries.len() == ENTRIES && entry.sequence < last => after = entry.sequence,
            _ => return Ok(()),
        }
    }
}

/// The version that a history began with: what its first change of version came from, else the present one.
fn first_version(node: &Handle, row: &Instance) -> Result<Arc<str>, StoreError> {
    let mut version = None;
    each_entry(node, &row.address, row.turns, |entry| {
        if let Cause::Repair { done, .. } = &entry.cause {
            let standing = match done {
                Repaired::Became { before, .. } => Some(before),
                Repaired::Began { after, .. } => Some(after),
                Repaired::Paused | Repaired::Resumed => None,
            };
            if let (None, Some(standing)) = (&version, standing) {
                version = Some(standing.version.clone());
            }
        }
        Ok::<(), StoreError>(())
    })?;
    Ok(version.unwrap_or_else(|| row.version.clone()))
}

fn definition(node: &Handle, kind: &str, version: &str) -> Result<Arc<Definition>, Failure> {
    node.definitions().find(kind, Some(version)).ok_or_else(|| {
        let problem = format!("there is no version {version:?} of definition {kind:?}");
        Failure::new(Code::UnknownVersion, problem).at("version")
    })
}

fn parent(row: &Instance) -> Option<Address> {
    row.links.as_ref().and_then(|links| links.parent.as_ref()).map(|parent| parent.address.clone())
}

/// Where the instance stood after that turn, by its own definition played from the start.
fn replayed(node: &Handle, row: &Instance, sequence: u64) -> Result<Standing, Failure> {
    let kind = row.address.kind();
    let first = definition(node, kind, &first_version(node, row)?)?;
    if first.behaviour.is_space() {
        let problem = format!("{} is a space, which is what its members make it", row.address);
        return Err(Failure::new(Code::Unfit, problem).at("address"));
    }
    let mut rehearsal = Rehearsal::new(first, row.address.clone(), parent(row));
    each_entry(node, &row.address, sequence, |entry| {
        if let Cause::Repair {
            done: Repaired::Became { after, .. } | Repaired::Began { after, .. }, ..
        } = &entry.cause
        {
            rehearsal.go_on_as(definition(node, kind, &after.version)?);
        }
        let played = rehearsal.play(entry);
        if agrees(&entry.outcome, &played) {
            return Ok(());
        }
        let problem = format!(
            "turn {} of {} does not repeat: it was {}, and is {}; an instance that depends on more than its history cannot be forked",
            entry.sequence,
            row.address,
            outcome_text(&entry.outcome),
            played_text(&played)
        );
        Err(Failure::new(Code::Unfit, problem).at("sequence"))
    })?;
    let children: Vec<&str> = rehearsal.children().collect();
    if !children.is_empty() {
        let problem = format!(
            "after turn {sequence} {} had children ({}), which a fork would not have; fork it before they were started or after they have ended",
            row.address,
            children.join(", ")
        );
        return Err(Failure::new(Code::Unfit, problem).at("sequence"));
    }
    if rehearsal.has_ended() {
        let problem = format!("{} had ended after turn {sequence}; fork it before", row.address);
        return Err(Failure::new(Code::Ended, problem).at("sequence"));
    }
    rehearsal.standing().ok_or_else(Failure::internal)
}

pub(crate) async fn rehearse(
    service: &Service,
    request: &RehearseInstanceRequestView<'_>,
) -> Result<v1::RehearseInstanceResponse, Failure> {
    let address = convert::address(request.address, "address")?;
    let limit = convert::limit(request.limit, 100, 1_000, "limit")?;
    let (row, _) = find(service, &address).await?;
    check_length(row.turns)?;
    check_whole(&row)?;
    let against = match (request.version, request.source) {
        ("", "") => {
            let problem = "neither a version nor a text is given to rehearse against";
            return Err(Failure::new(Code::MalformedRequest, problem).at("version"));
        }
        (version, "") => definition(&service.node, address.kind(), version)?,
        ("", source) => read_definition(&address, request.file_name, source).await?,
        _ => {
            let problem = "a version and a text are both given; rehearse against one";
            return Err(Failure::new(Code::MalformedRequest, problem).at("source"));
        }
    };
    let node = service.node.clone();
    blocking(move || rehearsed(&node, &row, against, limit)).await?
}

/// A definition that is not put; it runs as the kind of the instance.
async fn read_definition(
    address: &Address,
    file_name: &str,
    source: &str,
) -> Result<Arc<Definition>, Failure> {
    let (file_name, source) = (file_name.to_owned(), source.to_owned());
    let (machine, findings) = blocking(move || everstate_chart::machine(&file_name, &source)).await?;
    let Some(machine) = machine else {
        let first = findings.iter().find(|one| one.severity == everstate_chart::Severity::Error);
        let problem = first.map_or_else(
            || "the text is no definition".to_owned(),
            |one| format!("{}:{}: {}", one.line, one.column, one.message),
        );
        return Err(Failure::new(Code::MalformedDefinition, problem).at("source"));
    };
    let Machine::Chart(_) = &machine else {
        let problem = "the text is no chart, so it cannot take the place of one";
        return Err(Failure::new(Code::Unfit, problem).at("source"));
    };
    let mut definition = machine.to_definition();
    let id = DefinitionId { name: Arc::from(address.kind()), version: definition.id.version.clone() };
    definition.id = id;
    Ok(Arc::new(definition))
}

fn rehearsed(
    node: &Handle,
    row: &Instance,
    against: Arc<Definition>,
    limit: usize,
) -> Result<v1::RehearseInstanceResponse, Failure> {
    if against.behaviour.is_space() {
        let problem = format!("{} is a space, which is what its members make it", row.address);
        return Err(Failure::new(Code::Unfit, problem).at("address"));
    }
    let mut rehearsal = Rehearsal::new(against, row.address.clone(), parent(row));
    let mut answer = v1::RehearseInstanceResponse {
        recorded_states: row.labels.iter().map(ToString::to_string).collect(),
        ..Default::default()
    };
    let mut lost = false;
    each_entry(node, &row.address, row.turns, |entry| {
        if lost {
            return Ok::<(), Failure>(());
        }
        answer.turns += 1;
        let played = rehearsal.play(entry);
        // A version that was changed on the way is what is being compared; only a state that was set is lost.
        let versions_changed = matches!(
            &entry.cause,
            Cause::Repair { done: Repaired::Became { before, after, .. }, .. } if before.version != after.version
        );
        if versions_changed || agrees(&entry.outcome, &played) {
            return Ok(());
        }
        lost = played == Played::Lost;
        answer.different += 1;
        if answer.differences.len() < limit {
            answer.differences.push(Difference {
                sequence: entry.sequence,
                event: cause_text(&entry.cause),
                recorded: outcome_text(&entry.outcome),
                rehearsed: played_text(&played),
                ..Default::default()
            });
        }
        Ok(())
    })?;
    answer.rehearsed_states = rehearsal.labels().iter().map(ToString::to_string).collect();
    Ok(answer)
}

fn cause_text(cause: &Cause) -> String {
    match cause {
        Cause::Start { .. } => "(start)".to_owned(),
        Cause::Event(event) => event.name.to_string(),
        Cause::Restart { .. } => "(restart)".to_owned(),
        Cause::Stop { .. } => "(stop)".to_owned(),
        Cause::Repair { .. } => "(repair)".to_owned(),
    }
}

fn outcome_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ok { from, to, reply } => {
            let path = match from == to {
                true => format!("stays in {}", to.join(", ")),
                false if from.is_empty() => format!("begins in {}", to.join(", ")),
                false => format!("{} -> {}", from.join(", "), to.join(", ")),
            };
            if reply.is_null() { path } else { format!("{path}, replies {reply}") }
        }
        Outcome::Rejected { reason, state, .. } => format!("rejected in {} ({reason})", state.join(", ")),
        Outcome::Failed { fault, .. } => format!("failed: {}", fault.message),
    }
}

fn played_text(played: &Played) -> String {
    match played {
        Played::Decided(outcome) => outcome_text(outcome),
        Played::Deferred => "deferred".to_owned(),
        Played::Passed => "not asked".to_owned(),
        Played::Lost => "lost: an operator put it where this definition cannot follow".to_owned(),
    }
}
