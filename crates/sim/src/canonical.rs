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
//! | numbers of timers, of waiting events and of the outbox | the kernel, which compares them (their order is kept) and asks which effect of a turn they were (kept too) |
//! | numbers of seats of a space | the kernel, which tells in their order (kept); who lives there has no order |
//! | when an incarnation began | the kernel, to tell it from the one before; a world where there was one says that it is bounded |
//! | how far a task has come | nobody: a behaviour is told of its end alone |
//! | ids of events between machines | a behaviour, as text; the only number that reaches one |
//! | the seed of a turn | a behaviour |
//! | what time it is, and when a timer is due | a behaviour, by `now` and the time of an event |
//!
//! The first two rows hold by the kernel's types. The other rows are tried: every local step is made twice, with other
//! positions, ids, seeds and (unless a definition reads the clock, in which case time stays in) times, and must come
//! out the same. A step that does not is reported, and no exploration that met one calls itself complete.

use crate::tables::Kept;
use everstate_kernel::{Errand, Event, EventId, Json, News, Seat, Sender, Serial, Source, Stage, Time};

/// The id that stands for all ids of events between machines.
pub(crate) fn any_id() -> EventId {
    EventId::parse("event").expect("made of visible characters")
}

/// When an instance is woken: by each of its timers in the order in which they were set, then by a retry.
pub(crate) type Dues = Vec<Time>;

/// An instance in its canonical form, and what was taken out of it: when it is to be woken.
pub(crate) fn kept(kept: &Kept, keep_times: bool) -> (Kept, Dues) {
    let mut row = kept.row.clone();
    let mut dues: Dues = row.timers.iter().map(|timer| timer.due).collect();
    for (place, timer) in row.timers.iter_mut().enumerate() {
        timer.generation = Serial(place as u64 * Serial::PER_TURN + timer.generation.0 % Serial::PER_TURN);
        timer.due = Time(0);
    }
    for (place, task) in row.tasks.iter_mut().enumerate() {
        task.number = Serial(place as u64 * Serial::PER_TURN + task.number.0 % Serial::PER_TURN);
        (task.asked_at, task.attempts, task.leases, task.failure) = (Time(0), 0, 0, None);
        if task.stage != Stage::Ended {
            task.stage = Stage::Ready { since: Time(0) };
        }
    }
    (row.turns, row.born, row.created_at, row.last_event_at) = (1, 0, Time(0), Time(0));
    let children = row.links.iter_mut().flat_map(|links| &mut links.children);
    children.for_each(|child| child.born = child.born.min(BEGUN));
    let mut mailbox = kept.mailbox.clone();
    for (place, queued) in mailbox.iter_mut().enumerate() {
        if let Some(retry) = row.retry.as_mut().filter(|retry| retry.number == queued.number) {
            retry.number = place as u64;
        }
        queued.number = place as u64;
        if let Source::Outbox(_) = queued.source {
            queued.source = Source::Outbox(Serial(0));
        }
        queued.event = event(&queued.event, keep_times);
    }
    if let Some(retry) = &mut row.retry {
        dues.push(retry.due);
        retry.due = Time(0);
    }
    (Kept { row, mailbox }, dues)
}

/// That a child has begun, whenever it was.
const BEGUN: u64 = 1;

/// An errand in its canonical form. Links and endpoints keep their numbers: see [`crate::names`].
pub(crate) fn errand(errand: &Errand) -> Errand {
    match errand {
        Errand::Event | Errand::Answer(_) => Errand::Event,
        Errand::Told { link, news: News::Started(_) } => {
            Errand::Told { link: *link, news: News::Started(BEGUN) }
        }
        other => other.clone(),
    }
}

/// What a space holds in its canonical form: endpoints in the order in which they joined, then who lives there.
pub(crate) fn seats<'a>(held: impl Iterator<Item = &'a Seat>) -> Vec<Seat> {
    let (mut endpoints, mut inhabitants) = (Vec::new(), Vec::new());
    for seat in held {
        match seat {
            Seat::Endpoint(endpoint) => endpoints.push(Seat::Endpoint(endpoint.clone())),
            Seat::Inhabitant(address) => inhabitants.push(address.clone()),
        }
    }
    inhabitants.sort();
    endpoints.into_iter().chain(inhabitants.into_iter().map(Seat::Inhabitant)).collect()
}

/// An event in its canonical form.
pub(crate) fn event(event: &Event, keep_times: bool) -> Event {
    let mut event = event.clone();
    if !keep_times {
        event.time = Time(0);
    }
    if event.sender != Sender::Client {
        if event.sender == Sender::System {
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
    for (timer, due) in kept.row.timers.iter_mut().zip(dues) {
        timer.due = *due;
    }
    if let (Some(retry), Some(due)) = (&mut kept.row.retry, dues.last()) {
        retry.due = *due;
    }
    kept
}
