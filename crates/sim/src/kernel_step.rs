//! One step of the production kernel on one instance, and what came of it.
//!
//! It refuses to know worlds and to decide anything. Its one invariant: what it reports is read off the records that
//! the kernel wants committed.

use crate::canonical;
use crate::locals::{CellEntry, Due, LetterEntry, LocalStep, Locals, Mark, MarkKind, NOBODY, Origin, Slot};
use crate::names;
use crate::standing::Standing;
use crate::tables::{Kept, Tables};
use crate::task::{self, TaskEnd};
use everstate_kernel::{
    Address, Answer, Definition, Errand, Event, EventId, Hold, Input, Json, Lease, Links, Loaded, Node, Out,
    Outcome, OutcomeRecord, Record, Refusal, Release, RestartFrom, SESSION_KIND, Seat, Sent, Serial, Status,
    Ticket, Time, TimerKey, version_order,
};
use std::sync::Arc;

/// One try at a step. Tries with different salts have different ids and seeds.
#[derive(Clone)]
pub(crate) struct Trial<'a> {
    pub(crate) locals: &'a Locals,
    pub(crate) slot: Slot,
    pub(crate) kept: Option<Kept>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) dues: Vec<Time>,
    pub(crate) now: Time,
    pub(crate) salt: u64,
    /// See [`crate::names`].
    pub(crate) fresh: u32,
    pub(crate) joins: names::Joins,
    /// In which life of its sender that which arrives was sent.
    pub(crate) about: u64,
}

impl Trial<'_> {
    /// Of an instance that is not there, in a world without anything else.
    pub(crate) fn of_nobody(locals: &Locals, slot: Slot, now: Time) -> Trial<'_> {
        let (seats, dues, joins) = (Vec::new(), Vec::new(), names::Joins::default());
        Trial { locals, slot, kept: None, seats, dues, now, salt: 0, fresh: 0, joins, about: 0 }
    }
}

/// What came of a step.
#[derive(Debug)]
pub(crate) struct Came {
    before: Option<Kept>,
    about: u64,
    dues: Vec<Time>,
    after: Option<Kept>,
    seats: Vec<Seat>,
    sent: Vec<Sent>,
    marks: Vec<Mark>,
    answer: Option<Answer>,
}

const SEED: u64 = 0x5eed;
const TICKET: Ticket = Ticket(0);

/// Starts an instance. A start that does not come about is told as text.
pub(crate) fn start(trial: &Trial<'_>, data: &Json) -> Result<Came, String> {
    let address = trial.locals.address(trial.slot);
    let id = EventId::parse("start").expect("made of visible characters");
    let input = Input::Start { ticket: TICKET, address, version: None, id, data: data.clone() };
    let came = run(trial, input, Vec::new(), None).0;
    match &came.answer {
        Some(Answer::Refused(refusal)) => Err(refusal.to_string()),
        _ => Ok(came),
    }
}

/// Lets an instance stand somewhere. What does not come about is told as text.
pub(crate) fn stand(trial: &Trial<'_>, standing: &Standing) -> Result<Came, String> {
    let told = |came: Came| match &came.answer {
        Some(Answer::Refused(refusal)) => Err(refusal.to_string()),
        _ => Ok(came),
    };
    let first = told(run(trial, standing.begin(trial.now, TICKET), Vec::new(), None).0)?;
    let row = first.after.as_ref().map(|after| &after.row);
    let Some(settle) = row.and_then(|row| standing.settle(row, TICKET)) else { return Ok(first) };
    let (kept, fresh) = (first.after.clone(), trial.fresh + 1);
    let second = told(run(&Trial { kept, fresh, ..trial.clone() }, settle, Vec::new(), None).0)?;
    let sent = first.sent.into_iter().chain(second.sent).collect();
    Ok(Came { before: None, sent, ..second })
}

/// Gives an instance an event.
pub(crate) fn take(trial: &Trial<'_>, letter: &LetterEntry) -> Came {
    let to = trial.locals.address(trial.slot);
    let mut event = letter.event.clone();
    if !trial.locals.clock {
        event.time = trial.now;
    }
    let outside = |event: Event| Input::Event { ticket: TICKET, to: to.clone(), event };
    match letter.origin {
        Origin::Machine => {
            let errand = letter.errand.clone();
            let number = match &errand {
                one if names::is_naming(one) => Serial(letter.index),
                Errand::Event | Errand::Answer(_) => names::arriving(letter.life, letter.index, trial.salt),
                _ => Serial(letter.index + (canonical::ARRIVING + trial.salt) * Serial::PER_TURN),
            };
            event.id = EventId::of_number(match &errand {
                // What waits in the mailbox is of the child with this link.
                Errand::Told { link, .. } => *link,
                _ => number,
            });
            let trial = &Trial { about: letter.life, ..trial.clone() };
            let sent = Sent { number, to: to.clone(), event, errand };
            run(trial, Input::Deliver(number, to.clone()), vec![sent], None).0
        }
        Origin::Late => say_again(trial, letter),
        Origin::Environment => run(trial, outside(event), Vec::new(), None).0,
        Origin::Script => {
            let name = event.name.clone();
            let mut came = run(trial, outside(event), Vec::new(), None).0;
            came.marks.extend(refused_script(&came, &to, &name));
            came
        }
        // What is remembered of the event is what its first coming left behind, whatever the instance did with it.
        Origin::Again => {
            let known = run(trial, outside(event.clone()), Vec::new(), None).1;
            run(trial, outside(event), Vec::new(), known).0
        }
    }
}

fn refused_script(came: &Came, to: &Address, name: &str) -> Option<Mark> {
    // Whoever held a session that is silent is told so, and knows what to do.
    if to.kind() == SESSION_KIND && came.after.as_ref().is_some_and(|after| after.row.status.is_ended()) {
        return None;
    }
    let why = match came.answer.as_ref()? {
        Answer::Decided { outcome: Outcome::Rejected { reason, .. }, .. } => reason.to_string(),
        Answer::Refused(Refusal::StartFaulted(_)) => return None,
        Answer::Refused(refusal) => refusal.to_string(),
        _ => return None,
    };
    let text = format!("{to} refused `{name}`: {why}");
    Some(Mark { kind: MarkKind::Refusal, text })
}

/// Lets a worker, or the want of one, end a task.
pub(crate) fn answer(trial: &Trial<'_>, place: u16, end: &TaskEnd) -> Came {
    let mut trial = trial.clone();
    let address = trial.locals.address(trial.slot);
    let task = trial.kept.as_mut().and_then(|kept| kept.row.tasks.get_mut(usize::from(place)));
    let task = task.expect("whoever offers a task has seen it");
    task.leases += trial.salt as u32;
    let input = end.input(task, &address, trial.now, TICKET);
    run(&trial, input, Vec::new(), None).0
}

/// Lets a worker say once more what it has said of a task that was: what is remembered of it is what the first saying
/// of such a word leaves behind.
fn say_again(trial: &Trial<'_>, letter: &LetterEntry) -> Came {
    let address = trial.locals.address(trial.slot);
    let number = Serial(canonical::ARRIVING * Serial::PER_TURN);
    let lease = Lease { address, number, lease: 1 };
    let report = || Input::Report { ticket: TICKET, lease: lease.clone(), report: task::said(&letter.event) };
    let mut first = trial.clone();
    if let Some(kept) = &mut first.kept {
        kept.row.tasks.push(task::leased(&letter.event, number, trial.now));
    }
    let known = run(&first, report(), Vec::new(), None).1;
    run(trial, report(), Vec::new(), known).0
}

/// Lets a session fall silent, or whoever held it come back and begin it anew.
pub(crate) fn of_session(trial: &Trial<'_>, back: Option<&Json>) -> Came {
    let address = trial.locals.address(trial.slot);
    let input = match back {
        None => Input::Silence { ticket: TICKET, address },
        Some(data) => Input::Restart { ticket: TICKET, address, from: RestartFrom::Initial(data.clone()) },
    };
    run(trial, input, Vec::new(), None).0
}

/// Lets a timer or the retry of an instance be due.
pub(crate) fn wake(trial: &Trial<'_>, place: u16) -> Came {
    let address = trial.locals.address(trial.slot);
    let due = trial.dues[usize::from(place)];
    let wakes = trial.kept.as_ref().map_or_else(Vec::new, |kept| canonical::wakes(&kept.row));
    let generation = wakes.get(usize::from(place)).map(|(number, _)| *number);
    run(trial, Input::Due(TimerKey { due, address, generation }), Vec::new(), None).0
}

/// Makes the step, and tells what is remembered of an event from outside.
fn run(
    trial: &Trial<'_>,
    input: Input,
    outbox: Vec<Sent>,
    known: Option<OutcomeRecord>,
) -> (Came, Option<OutcomeRecord>) {
    let address = trial.locals.address(trial.slot);
    let mut node = Node::new(SEED + trial.salt);
    node.restore(names::position(trial.slot, trial.fresh) - 1, outbox);
    for (definition, source) in &trial.locals.definitions {
        node.restore_definition(definition.clone(), source.clone());
    }
    let touches = node.touches(&input);
    let mut tables = Tables::default();
    if let Some(kept) = &trial.kept {
        tables.instances.insert(address.clone(), Arc::new(kept.clone()));
    }
    for (place, seat) in trial.seats.iter().enumerate() {
        tables.seats.insert((address.clone(), Serial(place as u64 + 1)), seat.clone());
    }
    let Loaded { instances, seats, .. } = tables.hydrate(&touches);
    let outcomes = touches.ids.into_iter().map(|id| (id, known.clone())).collect();
    node.hydrate(Loaded { instances, outcomes, seats });
    let mut out = Out::default();
    node.step(trial.now, input, &mut out);
    tables.apply(&out.records);
    let remembered = tables.outcomes.values().next().cloned();
    let came = came(trial, &address, &tables, out);
    (came, remembered)
}

fn came(trial: &Trial<'_>, address: &Address, tables: &Tables, out: Out) -> Came {
    let (mut sent, mut marks) = (Vec::new(), Vec::new());
    let attempts = trial.kept.as_ref().and_then(|kept| Some(kept.row.retry.as_ref()?.attempts));
    for record in out.records {
        match record {
            Record::Sent(one) => sent.push(one),
            Record::DeadLetter(letter) => {
                let (name, to) = (&letter.event.name, &letter.to);
                let (kind, text) = match &letter.outcome {
                    Outcome::Failed { fault, .. } => {
                        let place = if fault.place.is_empty() { "" } else { ", at " };
                        let text =
                            format!("{to} faulted over `{name}`: {}{place}{}", fault.message, fault.place);
                        (MarkKind::Fault, text)
                    }
                    Outcome::Rejected { reason, .. } => {
                        (MarkKind::DeadLetter, format!("nobody took `{name}` for {to}: {reason}"))
                    }
                    Outcome::Ok { .. } => (MarkKind::DeadLetter, format!("nobody took `{name}` for {to}")),
                };
                marks.push(Mark { kind, text });
            }
            Record::Row(row) => {
                let retry = row.instance.retry.as_ref().filter(|retry| Some(retry.attempts) != attempts);
                marks.extend(retry.map(|retry| {
                    let text = format!("{address} faulted and tries again: {}", retry.fault.message);
                    Mark { kind: MarkKind::Fault, text }
                }));
            }
            _ => {}
        }
    }
    let answer = out.releases.into_iter().find_map(|release| match release {
        Release::Answer(_, answer) => Some(answer),
        Release::Decided(..) => None,
    });
    if let Some(Answer::Refused(Refusal::StartFaulted(fault))) = &answer {
        let text = format!("{address} faulted while it started: {}", fault.message);
        marks.push(Mark { kind: MarkKind::Fault, text });
    }
    let mut after = tables.instances.get(address).map(|kept| Kept::clone(kept));
    let before = trial.kept.as_ref().and_then(|kept| kept.row.links.as_deref());
    let links = after.as_mut().and_then(|after| after.row.links.as_deref_mut());
    let joins = match (&before, &links) {
        (Some(before), Some(links)) if names::has_joined_again(before, links) => trial.joins.again,
        _ => trial.joins.anew,
    };
    let held = links.map(|links| &mut links.held).into_iter().flatten();
    let mut holds: Vec<&mut Hold> = held.flat_map(|held| &mut held.holds).collect();
    names::number_joins(&mut holds, &mut sent, joins);
    let seats = canonical::seats(tables.seats.values());
    // As production delivers them, whatever the order in which the records were written.
    // What answers that which has arrived has a number from before this step, whoever's that number is.
    sent.sort_by_key(|sent: &Sent| (names::is_of(trial.slot, sent.number), sent.number));
    let (before, dues) = (trial.kept.clone(), trial.dues.clone());
    Came { before, about: trial.about, dues, after, seats, sent, marks, answer }
}

impl Came {
    /// The same in numbers.
    pub(crate) fn into_step(self, locals: &Locals, slot: Slot, now: Time) -> LocalStep {
        let dues = self.after.as_ref().map_or_else(Vec::new, |after| self.dues_of(after, now));
        let cell = match &self.after {
            Some(after) => locals.cell_of(canonical::kept(after, locals.clock).0, self.seats.clone()),
            None => NOBODY,
        };
        let mut marks = self.marks.clone();
        let tasks = self.after.iter().flat_map(|after| &after.row.tasks);
        let unanswered = tasks.filter(|task| !locals.answers.iter().any(|answer| answer.is_for(&task.queue)));
        marks.extend(unanswered.map(|task| {
            let text = format!(
                "{} asks for a task of the queue {}, and the system does not say how such a task may end; list it under `tasks`",
                locals.address(slot),
                task.queue
            );
            Mark { kind: MarkKind::Chance, text }
        }));
        let send = |sent: &Sent| {
            let life = self.life_at(sent.number);
            (locals.slot(&sent.to), locals.letter_sent(sent, life, self.about))
        };
        let sends = self.sent.iter().map(send);
        LocalStep { cell, sends: sends.collect(), dues: dues.into(), marks: marks.into() }
    }

    /// In which life the instance has sent what has this number: one turn of a step may begin another.
    fn life_at(&self, number: Serial) -> u64 {
        let before = self.before.as_ref().map_or(0, |before| before.row.born);
        let Some(row) = self.after.as_ref().map(|after| &after.row) else { return before };
        let position = number.0 / Serial::PER_TURN;
        match names::is_of_step(row.born) && position >= row.born {
            true => names::life(row.incarnation),
            false => before,
        }
    }

    /// When each timer is due: as before when it was there before, which its small number tells.
    fn dues_of(&self, after: &Kept, now: Time) -> Vec<Due> {
        let known = self.before.as_ref().map_or_else(Vec::new, |before| canonical::wakes(&before.row));
        let before = known.len();
        let timers = canonical::wakes(&after.row).into_iter().map(|(number, due)| {
            match known.iter().position(|(other, _)| *other == number) {
                Some(old) => Due::As(old as u16),
                None => Due::In(due.0 - now.0),
            }
        });
        let retried = self.before.as_ref().and_then(|before| before.row.retry.as_ref());
        let retry = after.row.retry.as_ref().map(|retry| match retried {
            Some(old) if old.attempts == retry.attempts && self.dues.last() == Some(&retry.due) => {
                Due::As(before as u16)
            }
            _ => Due::In(retry.due.0 - now.0),
        });
        timers.chain(retry).collect()
    }
}

/// The definition of that name and version, the greatest when none is given.
pub(crate) fn definition_of<'a>(
    definitions: &'a [(Arc<Definition>, Arc<str>)],
    name: &str,
    version: Option<&str>,
) -> Option<&'a Arc<Definition>> {
    let named = definitions.iter().map(|(definition, _)| definition).filter(|one| &*one.id.name == name);
    match version {
        Some(version) => named.clone().find(|one| &*one.id.version == version),
        None => named.max_by(|a, b| version_order(&a.id.version, &b.id.version)),
    }
}

/// Does it hold endpoints, have children or watch others? What it is told of them may move it.
pub(crate) fn is_told_of_others(kept: &Kept) -> bool {
    let told =
        |links: &Links| !(links.held.is_empty() && links.children.is_empty() && links.watched.is_empty());
    kept.row.links.as_deref().is_some_and(told)
}

/// Can nothing move it any more, though it has not ended?
pub(crate) fn is_stuck(
    definitions: &[(Arc<Definition>, Arc<str>)],
    entry: &CellEntry,
    address: &Address,
) -> bool {
    let Some(kept) = &entry.kept else { return false };
    if entry.timers > 0
        || !kept.row.tasks.is_empty()
        || is_told_of_others(kept)
        || !matches!(kept.row.status, Status::Active)
    {
        return false;
    }
    waiting(definitions, kept, address)
        .is_some_and(|waiting| waiting.accepts.is_empty() && waiting.guarded.is_empty())
}

/// Would it take an event of that name?
pub(crate) fn accepts(
    definitions: &[(Arc<Definition>, Arc<str>)],
    entry: &CellEntry,
    address: &Address,
    name: &str,
) -> bool {
    let Some(kept) = &entry.kept else { return false };
    let Some(waiting) = waiting(definitions, kept, address) else { return false };
    let named = waiting.accepts.iter().chain(waiting.guarded.iter().map(|(name, _)| name));
    named.into_iter().any(|known| matches(known, name))
}

fn waiting(
    definitions: &[(Arc<Definition>, Arc<str>)],
    kept: &Kept,
    address: &Address,
) -> Option<everstate_kernel::Waiting> {
    let definition = definition_of(definitions, address.kind(), Some(&kept.row.version))?;
    let state = definition.behaviour.decode(kept.row.state.as_slice()).ok()?;
    Some(definition.behaviour.waiting(&state, address, Time(0)))
}

/// Does a name of an accepted event, `*` and prefixes included, take this one?
fn matches(known: &str, name: &str) -> bool {
    match known.strip_suffix('*').map(|prefix| prefix.trim_end_matches('.')) {
        None => known == name,
        Some("") => true,
        Some(prefix) => {
            name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        }
    }
}
