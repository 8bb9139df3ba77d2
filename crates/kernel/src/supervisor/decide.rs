//! What a supervisor decides: one step from how things stood to how they stand now, and what that takes.
//!
//! | the child | permanent | transient | temporary |
//! |---|---|---|---|
//! | could not be started, is parked by a fault, gave up, was deleted, was not ready in time | restarted | restarted | done |
//! | reached its final state, was stopped by somebody else | restarted | done | done |
//! | faulted and goes on | counted | counted | counted |
//! | was stopped with its group | started again | started again | done |
//!
//! It refuses to wait: whatever takes time has a due, and the supervisor one alarm for the next of them.

use super::plan::{ChildPlan, Plan, Restart};
use super::standing::{AfterStop, At, ChildStanding, Standing, Then, Work};
use crate::address::Address;
use crate::behaviour::{Effect, Fault, FaultCode, Turn};
use crate::json::Json;
use crate::link::{Orphan, RestartFrom};
use crate::time::Span;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

/// The event of the alarm.
pub(super) const ALARM: &str = "supervisor.alarm";

/// One step.
pub(super) struct Decisions<'a, 't> {
    pub(super) plan: &'a Plan,
    pub(super) standing: Standing,
    pub(super) turn: &'a mut Turn<'t>,
    /// Has everything been stopped that was to be?
    pub(super) ended: bool,
}

impl Decisions<'_, '_> {
    fn child(&mut self, place: usize) -> &mut ChildStanding {
        &mut self.standing.children[place]
    }

    fn decide(&mut self, place: usize, decision: &str) {
        let name = self.plan.children[place].name.clone();
        self.standing.note(self.turn.now, &name, decision);
        self.turn.effects.push(Effect::Log(format!("{name}: {decision}")));
    }

    /// Does what can be done now.
    pub(super) fn advance(&mut self) {
        while self.advance_once() {}
        self.set_alarm();
    }

    /// Does one thing; is there more to do?
    fn advance_once(&mut self) -> bool {
        match self.standing.work.clone() {
            Work::Pause { .. } => false,
            Work::Watch => {
                self.start_whoever_is_down();
                false
            }
            Work::Stop { from, to, then } => {
                let there = (from..to).rev().find(|place| self.standing.children[*place].is_there());
                if let Some(place) = there {
                    self.stop(place, false, AfterStop::Down);
                    return false;
                }
                self.stopped_all(from, to, then)
            }
        }
    }

    /// In order: nobody is started before everyone ahead was up once. One that failed since then is started again by
    /// itself, whoever is behind it.
    fn start_whoever_is_down(&mut self) {
        for place in 0..self.plan.children.len() {
            let at = self.standing.children[place].at;
            if at == At::Down {
                self.start(place);
            }
            if place < self.standing.started {
                continue;
            }
            if !matches!(at, At::Up | At::Done) {
                return;
            }
            self.standing.started = place + 1;
        }
    }

    fn start(&mut self, place: usize) {
        let plan = &self.plan.children[place];
        let due = plan.ready.then(|| self.turn.now + plan.start_deadline);
        let child = &mut self.standing.children[place];
        (child.at, child.begun, child.due) = (At::Starting, true, due);
        let effect = if core::mem::take(&mut child.parked) {
            let data = || RestartFrom::Initial(plan.data.clone());
            let from = if plan.from_last_good { RestartFrom::LastGood } else { data() };
            Effect::Restart { child: plan.name.clone(), from }
        } else {
            let known = child.address.as_ref().map(|address| Arc::from(address.id()));
            Effect::Spawn {
                name: plan.name.clone(),
                kind: plan.kind.clone(),
                version: plan.version.clone(),
                id: plan.id.clone().or(known),
                data: plan.data.clone(),
                orphan: Orphan::Stop,
            }
        };
        self.turn.effects.push(effect);
    }

    /// Stops a child, unless it is being stopped.
    fn stop(&mut self, place: usize, kill: bool, after_stop: AfterStop) {
        let plan = &self.plan.children[place];
        let due = if kill { None } else { Some(self.turn.now + plan.stop_deadline) };
        let child = &mut self.standing.children[place];
        if child.at == At::Stopping {
            return;
        }
        (child.at, child.due, child.parked, child.after_stop) = (At::Stopping, due, false, after_stop);
        self.turn.effects.push(Effect::Stop { child: plan.name.clone(), kill });
    }

    /// Nobody is there any more whom it was to stop.
    fn stopped_all(&mut self, from: usize, to: usize, then: Then) -> bool {
        for place in from..to {
            let temporary = self.plan.children[place].restart == Restart::Temporary;
            let child = self.child(place);
            child.due = None;
            child.at = if temporary && child.begun { At::Done } else { At::Down };
        }
        self.standing.started = self.standing.started.min(from);
        match then {
            Then::StartAgain(0) => self.standing.work = Work::Watch,
            Then::StartAgain(ms) => {
                self.standing.work = Work::Pause { until: self.turn.now + Span(ms) };
            }
            Then::End => {
                self.ended = true;
                return false;
            }
            Then::GiveUp(message) => {
                let fault = Fault { code: FaultCode::Limit, message, place: String::new() };
                self.turn.effects.push(Effect::GiveUp(fault));
                return false;
            }
        }
        true
    }

    pub(super) fn started(&mut self, place: usize, address: Option<Address>) {
        let (now, ready) = (self.turn.now, self.plan.children[place].ready);
        let child = self.child(place);
        child.address = address.or(child.address.take());
        if child.at != At::Starting {
            return;
        }
        if ready {
            child.at = At::Unready;
            return;
        }
        (child.at, child.up_since) = (At::Up, Some(now));
        self.advance();
    }

    /// The child says that the next one may be started.
    pub(super) fn ready(&mut self, place: usize) {
        let now = self.turn.now;
        let child = self.child(place);
        if child.at == At::Unready {
            (child.at, child.up_since, child.due) = (At::Up, Some(now), None);
            self.advance();
        }
    }

    /// A turn of the child faulted for good, or it could not be started.
    pub(super) fn faulted(&mut self, place: usize, reason: String, alive: bool, parked: bool) {
        let child = self.child(place);
        if child.at == At::Stopping && alive {
            return;
        }
        if alive && !parked {
            child.faults += 1;
            child.reason = reason;
            return;
        }
        child.parked = alive;
        self.failed(place, true, reason);
    }

    /// The child has exited.
    pub(super) fn exited(&mut self, place: usize, how: &str, reason: &str) {
        let colon = if reason.is_empty() { "" } else { ": " };
        let reason = format!("{how}{colon}{reason}");
        let child = self.child(place);
        child.parked = false;
        match (child.at, child.after_stop) {
            (At::Down | At::Waiting | At::Done, _) => {}
            (At::Stopping, AfterStop::Failed) => {
                let reason = child.reason.clone();
                self.failed(place, true, reason);
            }
            (At::Stopping, after) => {
                child.due = None;
                child.at = if after == AfterStop::Done { At::Done } else { At::Down };
                self.advance();
            }
            (At::Starting | At::Unready | At::Up, _) => {
                let abnormal = matches!(how, "gave-up" | "deleted" | "silent");
                self.failed(place, abnormal, reason);
            }
        }
    }

    /// A child failed or ended, and nobody asked it to.
    fn failed(&mut self, place: usize, abnormal: bool, reason: String) {
        let is_restarted = match self.plan.children[place].restart {
            Restart::Permanent => true,
            Restart::Transient => abnormal,
            Restart::Temporary => false,
        };
        let child = self.child(place);
        (child.reason, child.due) = (reason.clone(), None);
        if !is_restarted {
            self.decide(place, &format!("not restarted: {reason}"));
            if self.child(place).parked {
                self.stop(place, true, AfterStop::Done);
            } else {
                self.child(place).at = At::Done;
            }
            return self.advance();
        }
        self.child(place).at = At::Down;
        match self.standing.work.clone() {
            Work::Watch | Work::Pause { .. } => self.restart(place, &reason),
            Work::Stop { from, to, then } => {
                // One of those that are being stopped fails with them; any other one is one failure more.
                let affected = self.plan.strategy.affected(place, self.plan.children.len());
                let (first, last) = (from.min(affected.start), to.max(affected.end));
                let is_more = matches!(then, Then::StartAgain(_)) && !(from..to).contains(&place);
                if is_more && !self.bears_one_more(place) {
                    return self.give_up(place, &reason);
                }
                self.decide(place, &format!("failed while others are stopped: {reason}"));
                self.standing.work = Work::Stop { from: first, to: last, then };
                self.advance();
            }
        }
    }

    /// Counts a restart, unless it would be one too many.
    fn bears_one_more(&mut self, place: usize) -> bool {
        let (now, period) = (self.turn.now, self.plan.period);
        self.standing.recent.retain(|time| now - *time < period);
        if self.standing.recent.len() >= self.plan.intensity as usize {
            return false;
        }
        self.standing.recent.push(now);
        self.standing.restarts += 1;
        let child = self.child(place);
        child.restarts = child.restarts.saturating_add(1);
        true
    }

    /// Restarts a child and those that the strategy restarts with it, or gives up.
    fn restart(&mut self, place: usize, reason: &str) {
        let (now, period, count) = (self.turn.now, self.plan.period, self.plan.children.len());
        if !self.bears_one_more(place) {
            return self.give_up(place, reason);
        }
        let seed = self.turn.seed.wrapping_add((place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let child = self.child(place);
        if child.up_since.take().is_some_and(|up| now - up >= period) {
            child.failures = 0;
        }
        child.failures = child.failures.saturating_add(1);
        let failures = child.failures;
        let wait = self.plan.backoff.wait(failures, seed);
        let affected = self.plan.strategy.affected(place, count);
        let with =
            if affected.len() > 1 { format!(" with {} more", affected.len() - 1) } else { String::new() };
        self.decide(place, &format!("restarted in {} ms{with}: {reason}", wait.0));
        if affected.len() > 1 {
            let then = Then::StartAgain(wait.0);
            self.standing.work = Work::Stop { from: affected.start, to: affected.end, then };
        } else if wait.0 > 0 {
            let child = self.child(place);
            (child.at, child.due) = (At::Waiting, Some(now + wait));
        }
        self.advance();
    }

    fn give_up(&mut self, place: usize, reason: &str) {
        let name = &self.plan.children[place].name;
        let message = format!(
            "gave up: more than {} restarts within {} ms, the last for {name}: {reason}",
            self.plan.intensity, self.plan.period.0
        );
        self.decide(place, &message);
        let to = self.plan.children.len();
        self.standing.work = Work::Stop { from: 0, to, then: Then::GiveUp(message) };
        self.advance();
    }

    /// The supervisor itself is to stop: its children first, the last one first. Is there anybody to wait for?
    pub(super) fn stop_all(&mut self) -> bool {
        let to = self.plan.children.len();
        self.standing.work = Work::Stop { from: 0, to, then: Then::End };
        self.advance();
        !self.ended
    }

    /// Patience may be over with some.
    pub(super) fn alarm(&mut self) {
        let now = self.turn.now;
        self.standing.alarm = None;
        if matches!(self.standing.work, Work::Pause { until } if until <= now) {
            self.standing.work = Work::Watch;
        }
        for place in 0..self.plan.children.len() {
            if self.child(place).due.take_if(|due| *due <= now).is_some() {
                self.overdue(place);
            }
        }
        self.advance();
    }

    fn overdue(&mut self, place: usize) {
        let ChildPlan { name, start_deadline, stop_deadline, .. } = &self.plan.children[place];
        match self.child(place).at {
            At::Waiting => self.child(place).at = At::Down,
            At::Stopping => {
                self.turn.effects.push(Effect::Stop { child: name.clone(), kill: true });
                self.decide(place, &format!("killed: it did not stop within {} ms", stop_deadline.0));
            }
            At::Starting | At::Unready => {
                let reason = format!("not ready within {} ms", start_deadline.0);
                self.decide(place, &reason);
                self.stop(place, true, AfterStop::Failed);
                self.child(place).reason = reason;
            }
            At::Down | At::Up | At::Done => {}
        }
    }

    /// One alarm is set, for whatever is due next.
    fn set_alarm(&mut self) {
        let due = self.standing.next_due();
        if due == self.standing.alarm {
            return;
        }
        self.standing.alarm = due;
        let name: Arc<str> = Arc::from("alarm");
        self.turn.effects.push(match due {
            None => Effect::CancelTimer(name),
            Some(due) => Effect::SetTimer {
                name,
                delay: due - self.turn.now,
                to: None,
                event: Arc::from(ALARM),
                data: Json::NULL,
            },
        });
    }
}

/// What a child's fault says, in a line.
pub(super) fn reason_of(data: &serde_json::Value) -> String {
    let text = |name: &str| data.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let (reason, message, event) = (text("reason"), text("message"), text("event"));
    let on = if event.is_empty() { String::new() } else { format!(" on {event}") };
    if message.is_empty() { reason.to_string() } else { format!("{reason}{on}: {message}") }
}
