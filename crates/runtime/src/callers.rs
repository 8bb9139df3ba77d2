//! Who waits for answers: the calls of the batch that is being made, and those that wait for events that were kept.
//!
//! It refuses to know what is asked. Its one invariant: a call that was taken is answered once, or taken again by the
//! thread that takes over.

use crate::error::CallError;
use crate::handle::Call;
use crate::tasks::Want;
use everstate_kernel::{Answer, EventId, Outcome, Release, Ticket};
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::oneshot;

/// Calls that are not answered yet.
#[derive(Default)]
pub(crate) struct Callers {
    /// Those of the batch, in the order in which they were taken.
    taken: Vec<Taken>,
    /// The call that a ticket stands for, as its place among them.
    tickets: Vec<usize>,
    /// Those that wait for events that were kept.
    waiting: BTreeMap<EventId, Vec<oneshot::Sender<Outcome>>>,
    /// At how many of these to look for those who have stopped waiting.
    clean_at: usize,
}

/// A call of the batch.
struct Taken {
    /// None once it is answered.
    call: Option<Call>,
    /// The answers so far, of a call with many events.
    answers: Vec<Answer>,
}

/// Fewer waiting callers than this are not worth a look.
const CLEAN_MIN: usize = 256;

impl Callers {
    /// Takes a call in, after its tickets were given out.
    pub(crate) fn take(&mut self, call: Call) {
        self.taken.push(Taken { call: Some(call), answers: Vec::new() });
    }

    /// A ticket for the call that is taken next.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.tickets.push(self.taken.len());
        Ticket(self.tickets.len() as u64 - 1)
    }

    /// Lets a caller wait for an event that was kept.
    pub(crate) fn wait(&mut self, id: EventId, reply: oneshot::Sender<Outcome>) {
        self.waiting.entry(id).or_default().push(reply);
    }

    /// Answers what is released, but for workers that want tasks, which are answered with what they get. Nobody may wait
    /// any more; then nobody misses it. So for all sends here.
    pub(crate) fn release(&mut self, releases: &mut Vec<Release>) -> Vec<(Want, Answer)> {
        let mut workers = Vec::new();
        for release in releases.drain(..) {
            match release {
                Release::Answer(ticket, answer) => workers.extend(self.answer(ticket, answer)),
                Release::Decided(id, outcome) => {
                    for reply in self.waiting.remove(&id).into_iter().flatten() {
                        drop(reply.send(outcome.clone()));
                    }
                }
            }
        }
        for taken in self.taken.drain(..) {
            if let Some(Call::Events { replies, .. }) = taken.call {
                drop(replies.send(Ok(taken.answers)));
            }
        }
        self.tickets.clear();
        if self.waiting.len() >= self.clean_at.max(CLEAN_MIN) {
            self.waiting.retain(|_, replies| {
                replies.retain(|reply| !reply.is_closed());
                !replies.is_empty()
            });
            self.clean_at = 2 * self.waiting.len();
        }
        workers
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) -> Option<(Want, Answer)> {
        let place = usize::try_from(ticket.0).ok().and_then(|at| self.tickets.get(at).copied())?;
        let taken = self.taken.get_mut(place)?;
        if let Some(Call::Events { .. }) = &taken.call {
            taken.answers.push(answer);
            return None;
        }
        match taken.call.take()? {
            Call::Lease(want) => return Some((want, answer)),
            call => drop(call.into_reply().map(|reply| reply.send(Ok(answer)))),
        }
        None
    }

    /// Answers everyone of the batch alike.
    pub(crate) fn refuse_all(&mut self, error: &CallError) {
        for call in self.taken.drain(..).filter_map(|taken| taken.call) {
            match call {
                Call::Events { replies, .. } => drop(replies.send(Err(error.clone()))),
                Call::Lease(want) => drop(want.reply.send(Err(error.clone()))),
                call => drop(call.into_reply().map(|reply| reply.send(Err(error.clone())))),
            }
        }
        self.tickets.clear();
    }

    /// The calls of the batch, to be taken again.
    pub(crate) fn take_back(&mut self) -> VecDeque<Call> {
        self.tickets.clear();
        self.taken.drain(..).filter_map(|taken| taken.call).collect()
    }
}
