//! One instance and one event without what only tells when they came about, so that equal worlds are equal by
//! whatever order they were reached.
//!
//! It refuses to know worlds. Its one invariant: two instances (or events) with the same canonical form take every
//! further event alike, but for the same parts that were left out.
//!
//! Why what is left out may be left out:
//!
//! | left out | who can see it |
//! |---|---|
//! | positions, history, number of turns, times of creation and of the last turn | nobody: a behaviour is not given them |
//! | numbers of timers, of waiting events and of the outbox | the kernel, which compares them (their order is kept) and asks whether they were effects of a turn (kept too) |
//! | numbers of seats of a space | the kernel, which tells in their order (kept); who lives there has no order |
//! | when an incarnation began | the kernel, to tell it from the ones before; its number stays: see [`crate::names`] |
//! | how much of a history is kept, and until when | nobody: nothing expires in an exploration |
//! | how far a task has come | nobody: a behaviour is told of its end alone |
//! | ids of events between machines | a behaviour, as text; the only number that reaches one |
//! | the seed of a turn | a behaviour |
//! | what time it is, and when a timer is due | a behaviour, by `now` and the time of an event |
//!
//! The first two rows hold by the kernel's types. The other rows are tried: every local step is made twice, with other
//! positions, ids, seeds and (unless a definition reads the clock, in which case time stays in) times, and must come
//! out the same. A step that does not is reported, and no exploration that met one calls itself complete.

use crate::names;
use crate::tables::Kept;
use everstate_kernel::{
    Address, Errand, Event, EventId, Instance, Json, Lease, News, Seat, Sender, Serial, Source, Stage, Time,
    Trimmed,
};

/// The id that stands for all ids of events between machines.
pub(crate) fn any_id() -> EventId {
    EventId::parse("event").expect("made of visible characters")
}

/// When an instance is woken: by each of its timers, and by each of its tasks that has a deadline, in the order in which
/// they were asked for, then by a retry.
pub(crate) type Dues = Vec<Time>;

/// An instance in its canonical form, and what was taken out of it: when it is to be woken.
pub(crate) fn kept(kept: &Kept, keep_times: bool) -> (Kept, Dues) {
    let mut row = kept.row.clone();
    let mut dues: Dues = wakes(&row).into_iter().map(|(_, due)| due).collect();
    // Timers and tasks are numbered together: of two that are due at once, the earlier one comes first.
    let mut numbers: Vec<Serial> = row.timers.iter().map(|timer| timer.generation).collect();
    numbers.extend(row.tasks.iter().map(|task| task.number));
    numbers.sort_unstable();
    let renumbered = |number: Serial| {
        let place = numbers.partition_point(|other| *other < number);
        Serial(place as u64 * Serial::PER_TURN + number.0 % Serial::PER_TURN)
    };
    let tasks: Vec<(Serial, Serial)> =
        row.tasks.iter().map(|task| (task.number, renumbered(task.number))).collect();
    for timer in &mut row.timers {
        timer.generation = renumbered(timer.generation);
        timer.due = Time(0);
    }
    for task in &mut row.tasks {
        task.number = renumbered(task.number);
        (task.asked_at, task.attempts, task.leases, task.failure) = (Time(0), 0, 0, None);
        if task.stage != Stage::Ended {
            task.stage = Stage::Ready { since: Time(0) };
        }
    }
    if names::is_of_step(row.born) {
        row.born = names::life(row.incarnation);
    }
    (row.turns, row.created_at, row.last_event_at) = (1, Time(0), Time(0));
    // Nothing expires in an exploration.
    (row.trimmed, row.expires) = (Trimmed::default(), None);
    let mut mailbox = kept.mailbox.clone();
    for (place, queued) in mailbox.iter_mut().enumerate() {
        if let Some(retry) = row.retry.as_mut().filter(|retry| retry.number == queued.number) {
            retry.number = place as u64;
        }
        queued.number = place as u64;
        if let Source::Outbox(_) = queued.source {
            queued.source = Source::Outbox(Serial(0));
        }
        let id = waiting_id(&queued.event, &tasks);
        queued.event = event(&queued.event, keep_times);
        queued.event.id = id.unwrap_or_else(|| queued.event.id.clone());
    }
    if let Some(retry) = &mut row.retry {
        dues.push(retry.due);
        retry.due = Time(0);
    }
    (Kept { row, mailbox }, dues)
}

/// What wakes an instance but for a retry, in the order in which it was asked for: its number, and when it is due.
pub(crate) fn wakes(row: &Instance) -> Vec<(Serial, Time)> {
    let timers = row.timers.iter().map(|timer| (timer.generation, timer.due));
    let tasks = row.tasks.iter().filter(|task| task.stage != Stage::Ended);
    let tasks = tasks.filter_map(|task| Some((task.number, task.deadline()?)));
    let mut wakes: Vec<(Serial, Time)> = timers.chain(tasks).collect();
    wakes.sort_unstable_by_key(|(number, _)| *number);
    wakes
}

/// The id of an event in a mailbox, of which the kernel reads which incarnation has sent it, which child it tells of, or
/// which task has ended.
fn waiting_id(event: &Event, tasks: &[(Serial, Serial)]) -> Option<EventId> {
    if let Some(number) = event.task() {
        // One that was cancelled since is older than all that were asked for afterwards.
        let known = tasks.iter().find(|(task, _)| *task == number).map_or(Serial(0), |(_, now)| *now);
        let address = Address::new("task", "of").expect("a kind and an id");
        return Some(Lease { address, number: known, lease: 0 }.event_id());
    }
    let number = event.number().filter(|_| matches!(event.sender, Sender::Instance(_)))?;
    Some(EventId::of_number(match names::is_of_step(number.0 / Serial::PER_TURN) {
        true => number,
        false => names::arriving(names::life_of(number), 0, 0),
    }))
}

/// An errand in its canonical form; `life` is that of its sender, and `about` that of what arrived when it was sent.
/// Links and endpoints keep their numbers: see [`crate::names`].
pub(crate) fn errand(errand: &Errand, life: u64, about: u64) -> Errand {
    let life_of = |position: u64| if names::is_of_step(position) { life } else { position };
    match errand {
        Errand::Answer(number) => {
            let is_small = number.0 / Serial::PER_TURN < ARRIVING;
            let life = if is_small { names::life_of(*number) } else { about };
            Errand::Answer(names::arriving(life, 0, 0))
        }
        Errand::Told { link, news: News::Started(born) } => {
            Errand::Told { link: *link, news: News::Started(life_of(*born)) }
        }
        other => other.clone(),
    }
}

/// The number of a thing within its turn, without which of several effects it was: the kernel asks whether it was one,
/// and their order is kept by the ways that they are on.
pub(crate) fn index(number: Serial) -> u64 {
    let index = number.0 % Serial::PER_TURN;
    if number.is_of_effect() { Serial::FIRST_EFFECT } else { index }
}

/// What arrives and is no event has a number below all that a step gives and above all seats that there are.
pub(crate) const ARRIVING: u64 = 1 << 39;

/// What a space holds in its canonical form: endpoints in the order in which they joined, then who lives there, then what
/// waits at each endpoint.
pub(crate) fn seats<'a>(held: impl Iterator<Item = &'a Seat>) -> Vec<Seat> {
    let (mut endpoints, mut inhabitants, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for seat in held {
        match seat {
            Seat::Endpoint(endpoint) => endpoints.push(Seat::Endpoint(endpoint.clone())),
            Seat::Inhabitant(address) => inhabitants.push(address.clone()),
            Seat::Publication(publication) => waiting.push(publication.clone()),
        }
    }
    inhabitants.sort();
    waiting.sort_by(|a, b| a.by.cmp(&b.by));
    let others = inhabitants.into_iter().map(Seat::Inhabitant);
    endpoints.into_iter().chain(others).chain(waiting.into_iter().map(Seat::Publication)).collect()
}

/// An event in its canonical form.
pub(crate) fn event(event: &Event, keep_times: bool) -> Event {
    let mut event = event.clone();
    if !keep_times {
        event.time = Time(0);
    }
    if event.sender != Sender::Client {
        if event.sender == Sender::System || event.name.starts_with("child.faulted.") {
            event.data = without_id(&event.data);
        }
        event.id = any_id();
    }
    event
}

/// What the kernel tells of an event that was not taken names its id, which is that of an event between machines.
fn without_id(data: &Json) -> Json {
    let Ok(serde_json::Value::Object(mut fields)) = serde_json::from_str(data.as_str()) else {
        return data.clone();
    };
    match fields.get_mut("id") {
        Some(id) if id.is_string() => *id = any_id().as_str().into(),
        _ => return data.clone(),
    }
    Json::trusted(serde_json::Value::Object(fields).to_string())
}

/// An instance as a node would find it in a store, with those dues, and its timers numbered from 0.
pub(crate) fn restored(kept: &Kept, dues: &[Time]) -> Kept {
    let mut kept = kept.clone();
    let wakes = wakes(&kept.row);
    for ((number, _), due) in wakes.iter().zip(dues) {
        if let Some(timer) = kept.row.timers.iter_mut().find(|timer| timer.generation == *number) {
            timer.due = *due;
        }
        let task = kept.row.tasks.iter_mut().find(|task| task.number == *number);
        if let Some((task, span)) = task.and_then(|task| task.policy.deadline.map(|span| (task, span))) {
            task.asked_at = Time(due.0.saturating_sub_unsigned(span.0));
        }
    }
    if let (Some(retry), Some(due)) = (&mut kept.row.retry, dues.last()) {
        retry.due = *due;
    }
    kept
}
