//! What can happen next in a world, and the world after it.
//!
//! It refuses to know which of it should be tried. Its one invariant: what is offered is all that production, under
//! the faults that are declared, could do next, and each is one commit.
//!
//! | choice | must happen some day | changes |
//! |---|---|---|
//! | the first event of a way arrives (any event, where the way reorders) | yes | its receiver |
//! | time passes until the soonest timer is due, which fires | yes | the time, its owner |
//! | the environment sends | no | its receiver |
//! | a worker ends a task, or time does, in one of the ways that are listed | yes | its owner |
//! | what a worker has said of a task comes once more, later | no | the way |
//! | a session falls silent; whoever held it begins it anew | no | the session |
//! | an event of a link or a client is lost, or doubled | no | the way |
//! | the clock steps ahead | no | the time: timers are late |

use crate::locals::{
    Act, Cause, Cell, CellEntry, Due, Letter, LocalStep, Locals, NOBODY, Origin, Reader, Slot,
};
use crate::names::{self, Joins, Used};
use crate::scene::{CLIENTS, From, Scene, Timer};
use crate::stand_in;
use crate::system::{System, Timers};
use crate::task::TaskAnswer;
use everstate_kernel::{Address, Errand, Event, EventId, Seat, Sender, Time};
use std::sync::Arc;

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Choice {
    /// An event arrives; one that stands in for its receiver does what is listed at that place.
    Deliver { from: From, to: Slot, at: u16, how: u16 },
    /// A timer fires.
    Fire { slot: Slot, place: u16 },
    /// The environment sends its event of that place.
    Send { entry: u16, how: u16 },
    /// An event is lost.
    Lose { from: From, to: Slot, at: u16 },
    /// An event is doubled.
    Duplicate { from: From, to: Slot, at: u16 },
    /// The clock steps ahead.
    Step,
    /// The task of that place ends in that way; `again` when what the worker has said will come once more.
    Answer { slot: Slot, task: u16, end: u16, again: bool },
    /// The session of that place among all falls silent.
    Silence { session: u16 },
    /// Whoever held the session of that place begins it anew.
    Return { session: u16 },
}

impl Choice {
    /// Does it happen some day if nothing else prevents it?
    pub(crate) fn is_certain(self) -> bool {
        matches!(self, Choice::Deliver { .. } | Choice::Fire { .. } | Choice::Answer { again: false, .. })
    }

    /// To whom it happens, if it may be all that has to be tried for now.
    pub(crate) fn lone(self) -> Option<Slot> {
        match self {
            Choice::Deliver { to, .. } => Some(to),
            Choice::Answer { slot, again: false, .. } => Some(slot),
            _ => None,
        }
    }
}

/// What is fixed in a system while it runs.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) system: &'a System,
    pub(crate) locals: &'a Locals,
    /// Receivers and events of the environment.
    pub(crate) entries: Vec<(Slot, Letter)>,
    pub(crate) clients: Vec<Arc<str>>,
    /// Slots of the cast, in its order.
    pub(crate) cast: Vec<Slot>,
    /// Slots of its sessions.
    sessions: Vec<Slot>,
    /// On whose way it comes what workers say once more.
    pub(crate) worker: From,
    /// Slots below were numbered in the order of their addresses.
    ordered: Slot,
    /// Are there any links, or any faults?
    has_links: bool,
    has_faults: bool,
}

/// The places in [`Scene::left`] after those of the environment and of the ways in which tasks end. The last three come
/// last: ends that differ in nothing else are compared.
const SILENCES: usize = 0;
const RETURNS: usize = 1;
const LOSSES: usize = 2;
const DUPLICATES: usize = 3;
const STEPS: usize = 4;

/// Who says again what a worker has said, in traces.
pub(crate) const WORKER: &str = "~worker";

/// An event that may come any number of times.
const ANY: u8 = u8::MAX;

impl<'a> Stage<'a> {
    /// The system as it begins, and what happened on the way there. A start that does not come about is an error.
    pub(crate) fn set(
        system: &'a System,
        locals: &'a Locals,
    ) -> Result<(Stage<'a>, Scene, Vec<LocalStep>), String> {
        let mut addresses: Vec<&Address> = system.cast.iter().map(|member| &member.address).collect();
        addresses.extend(system.first.iter().map(|first| &first.to));
        addresses.extend(system.environment.iter().map(|may| &may.to));
        addresses.sort();
        for address in addresses {
            locals.slot(address);
        }
        let mut stage = Stage {
            system,
            locals,
            entries: Vec::new(),
            clients: Vec::new(),
            cast: system.cast.iter().map(|member| locals.slot(&member.address)).collect(),
            sessions: system.sessions().map(|member| locals.slot(&member.address)).collect(),
            worker: CLIENTS,
            ordered: locals.slots() as Slot,
            has_links: !system.links.is_empty(),
            has_faults: system.faults.losses > 0 || system.faults.duplicates > 0,
        };
        let (scene, steps) = stage.begin()?;
        Ok((stage, scene, steps))
    }

    fn begin(&mut self) -> Result<(Scene, Vec<LocalStep>), String> {
        let (system, locals) = (self.system, self.locals);
        let mut scene = Scene { now: if locals.clock { system.begins.0 } else { 0 }, ..Scene::default() };
        let mut steps = Vec::new();
        for member in &system.cast {
            let Some(data) = &member.start else { continue };
            let begun = match system.standing(&member.address) {
                Some(standing) => locals.stand(standing, system.begins),
                None => locals.start(&member.address, data, system.begins),
            };
            let step = begun.map_err(|problem| format!("{} cannot be started: {problem}", member.name))?;
            self.apply(&mut scene, locals.slot(&member.address), &step);
            steps.push(step);
        }
        for (place, first) in system.first.iter().enumerate() {
            let client = self.clients.iter().position(|client| *client == first.from).unwrap_or_else(|| {
                self.clients.push(first.from.clone());
                self.clients.len() - 1
            });
            let id = format!("first-{}", place + 1);
            let event = outside(&id, &first.event, &first.data, system.begins)?;
            let letter = locals.letter_of(&event, Origin::Script);
            scene.push(CLIENTS + client as u32, locals.slot(&first.to), letter, false);
        }
        for (place, may) in system.environment.iter().enumerate() {
            // One id stands for all sendings of an entry: each is another event to its receiver, which is not given
            // what the kernel remembers of ids.
            let event = outside(&format!("environment-{}", place + 1), &may.event, &may.data, system.begins)?;
            self.entries.push((locals.slot(&may.to), locals.letter_of(&event, Origin::Environment)));
            scene.left.push(may.times.map_or(ANY, |times| times.min(ANY - 1)));
        }
        self.worker = CLIENTS + self.clients.len() as u32;
        self.clients.push(Arc::from(WORKER));
        scene
            .left
            .extend(system.tasks.iter().map(|answer| answer.times.map_or(ANY, |times| times.min(ANY - 1))));
        let faults = &system.faults;
        scene.left.extend([faults.silences, faults.reconnections]);
        scene.left.extend([faults.losses, faults.duplicates, faults.clock_steps]);
        Ok((scene, steps))
    }

    /// All that can happen next, certain things first, in an order that does not depend on how slots came about.
    pub(crate) fn choices(&self, scene: &Scene, choices: &mut Vec<Choice>) {
        choices.clear();
        for lane in &scene.lanes {
            let (from, to) = (lane.from, lane.to);
            let deliver = |at: u16| {
                let hows = 0..self.reactions(to, lane.letters[usize::from(at)]);
                hows.map(move |how| Choice::Deliver { from, to, at, how })
            };
            if self.reorders(from, to) {
                choices.extend(exits(&lane.letters).flat_map(deliver));
            } else {
                choices.extend(deliver(0));
            }
        }
        self.answers(scene, choices);
        let events_wait = !choices.is_empty();
        if !(events_wait && self.system.timers == Timers::Wait) {
            self.timers(scene, choices);
        }
        let left = |kind: usize| scene.left[self.kinds() + kind] > 0;
        for entry in 0..self.entries.len() {
            if scene.left[entry] > 0 {
                let (slot, letter) = self.entries[entry];
                let hows = 0..self.reactions(slot, letter);
                choices.extend(hows.map(|how| Choice::Send { entry: entry as u16, how }));
            }
        }
        if self.has_faults && (left(LOSSES) || left(DUPLICATES)) {
            for lane in scene.lanes.iter().filter(|lane| self.is_edge(lane.from, lane.to)) {
                let (from, to) = (lane.from, lane.to);
                let all = if self.reorders(from, to) { &lane.letters[..] } else { &lane.letters[..1] };
                for at in exits(all) {
                    if left(LOSSES) {
                        choices.push(Choice::Lose { from, to, at });
                    }
                    if left(DUPLICATES) {
                        choices.push(Choice::Duplicate { from, to, at });
                    }
                }
            }
        }
        if left(STEPS) && !scene.timers.is_empty() {
            choices.push(Choice::Step);
        }
        self.of_sessions(scene, choices);
        if self.locals.slots() as Slot > self.ordered {
            self.sort(choices);
        }
    }

    /// How many things an instance may do about an event: 1, unless its behaviour is replaced.
    fn reactions(&self, to: Slot, letter: Letter) -> u16 {
        if self.system.stand_ins.is_empty() {
            return 1;
        }
        let letter = self.locals.letter(letter);
        let is_event = matches!(letter.errand, Errand::Event | Errand::Answer(_));
        match letter.origin {
            Origin::Machine | Origin::Script | Origin::Environment if is_event => {
                stand_in::ways(&self.system.stand_ins, &self.locals.address(to), &letter.event.name)
            }
            _ => 1,
        }
    }

    /// Where [`Scene::left`] goes on after the environment and the ways in which tasks end.
    fn kinds(&self) -> usize {
        self.entries.len() + self.system.tasks.len()
    }

    /// How tasks may end now.
    fn answers(&self, scene: &Scene, choices: &mut Vec<Choice>) {
        if self.system.tasks.is_empty() {
            return;
        }
        let doubles = scene.left[self.kinds() + DUPLICATES] > 0;
        for (slot, cell) in scene.cells.iter().enumerate().filter(|(_, cell)| **cell != NOBODY) {
            let entry = self.locals.cell(*cell);
            let Some(kept) = entry.kept.as_ref().filter(|_| !entry.tasks.is_empty()) else { continue };
            for place in &entry.tasks {
                let task = &kept.row.tasks[usize::from(*place)];
                for (end, answer) in self.system.tasks.iter().enumerate() {
                    let fits = answer.is_for(&task.queue) && answer.end.fits(&task.policy);
                    if !fits || scene.left[self.entries.len() + end] == 0 {
                        continue;
                    }
                    let choice =
                        |again| Choice::Answer { slot: slot as Slot, task: *place, end: end as u16, again };
                    choices.push(choice(false));
                    if doubles && answer.end.is_said() {
                        choices.push(choice(true));
                    }
                }
            }
        }
    }

    /// May only things that have no bound happen to the tasks of an instance with this content, or has it none?
    pub(crate) fn tasks_are_free(&self, scene: &Scene, entry: &CellEntry) -> bool {
        let Some(kept) = entry.kept.as_ref().filter(|_| !entry.tasks.is_empty()) else { return true };
        let of = |place: &u16| &kept.row.tasks[usize::from(*place)].queue;
        let bounded = |(end, answer): (usize, &TaskAnswer)| {
            scene.left[self.entries.len() + end] != ANY
                && entry.tasks.iter().any(|place| answer.is_for(of(place)))
        };
        scene.left[self.kinds() + DUPLICATES] == 0 && !self.system.tasks.iter().enumerate().any(bounded)
    }

    /// May a session of that slot still fall silent or come back?
    pub(crate) fn may_come_and_go(&self, scene: &Scene, slot: Slot) -> bool {
        let left = |kind: usize| scene.left[self.kinds() + kind] > 0;
        self.sessions.contains(&slot) && (left(SILENCES) || left(RETURNS))
    }

    /// The slot of a session.
    pub(crate) fn session(&self, session: u16) -> Slot {
        self.sessions[usize::from(session)]
    }

    fn of_sessions(&self, scene: &Scene, choices: &mut Vec<Choice>) {
        let left = |kind: usize| scene.left[self.kinds() + kind] > 0;
        for (place, slot) in self.sessions.iter().enumerate() {
            let (cell, session) = (scene.cell(*slot), place as u16);
            match cell == NOBODY || self.locals.cell(cell).ended {
                false if left(SILENCES) => choices.push(Choice::Silence { session }),
                true if left(RETURNS) && cell != NOBODY => choices.push(Choice::Return { session }),
                _ => {}
            }
        }
    }

    /// The soonest timers: of each instance with one due then, the one that the kernel would let fire first. A retry
    /// comes before timers of the same time, and those come in the order in which they were set.
    fn timers(&self, scene: &Scene, choices: &mut Vec<Choice>) {
        let Some(soonest) = scene.timers.iter().map(|timer| timer.due).min() else { return };
        for timer in scene.timers.iter().filter(|timer| timer.due == soonest) {
            let fire = Choice::Fire { slot: timer.slot, place: timer.place };
            match choices.last_mut() {
                Some(last) if matches!(*last, Choice::Fire { slot, .. } if slot == timer.slot) => {
                    let entry = self.locals.cell(scene.cell(timer.slot));
                    let retry = entry.kept.as_ref().is_some_and(|kept| kept.row.retry.is_some());
                    if retry && usize::from(timer.place) + 1 == entry.timers {
                        *last = fire;
                    }
                }
                _ => choices.push(fire),
            }
        }
    }

    /// Puts choices of instances that came about on the way into the order of addresses.
    fn sort(&self, choices: &mut [Choice]) {
        let key = |choice: &Choice| {
            let name = |slot: Slot| self.locals.address(slot).as_str().to_owned();
            let from = |from: From| if from >= CLIENTS { format!("~{from}") } else { name(from) };
            match *choice {
                Choice::Deliver { from: f, to, at, how } => {
                    (0, from(f), format!("{} {how:05}", name(to)), at)
                }
                Choice::Fire { slot, place } => (1, name(slot), String::new(), place),
                Choice::Send { entry, how } => (2, String::new(), format!("{how:05}"), entry),
                Choice::Lose { from: f, to, at } => (3, from(f), name(to), at),
                Choice::Duplicate { from: f, to, at } => (4, from(f), name(to), at),
                Choice::Step => (5, String::new(), String::new(), 0),
                Choice::Answer { slot, task, end, again } => {
                    (6, name(slot), format!("{task:05} {end:05}"), u16::from(again))
                }
                Choice::Silence { session } => (7, String::new(), String::new(), session),
                Choice::Return { session } => (8, String::new(), String::new(), session),
            }
        };
        choices.sort_by_cached_key(key);
    }

    pub(crate) fn reorders(&self, from: From, to: Slot) -> bool {
        from == self.worker || (self.has_links && self.link(from, to).is_some_and(|link| link.reorder))
    }

    /// Can events be lost or doubled there?
    pub(crate) fn is_edge(&self, from: From, to: Slot) -> bool {
        (from >= CLIENTS && from != self.worker) || (self.has_links && self.link(from, to).is_some())
    }

    /// May an event on its way to that instance still be lost or doubled?
    pub(crate) fn may_fail(&self, scene: &Scene, from: From, to: Slot) -> bool {
        let left = |kind: usize| scene.left[self.kinds() + kind] > 0;
        self.has_faults && (left(LOSSES) || left(DUPLICATES)) && self.is_edge(from, to)
    }

    fn link(&self, from: From, to: Slot) -> Option<&crate::system::Link> {
        if from >= CLIENTS {
            return None;
        }
        self.system.link(&self.locals.address(from), &self.locals.address(to))
    }

    /// What an instance does when this happens; none when it happens to no instance.
    pub(crate) fn cause(&self, scene: &Scene, choice: Choice) -> Option<Cause> {
        let now = scene.now;
        let (slot, act, now, late) = match choice {
            Choice::Deliver { from, to, at, how } => {
                (to, Act::Take(*scene.lane(from, to)?.letters.get(usize::from(at))?, how), now, 0)
            }
            Choice::Send { entry, how } => {
                let (slot, letter) = self.entries[usize::from(entry)];
                (slot, Act::Take(letter, how), now, 0)
            }
            Choice::Fire { slot, place } => {
                let timer = scene.timers.iter().find(|timer| (timer.slot, timer.place) == (slot, place))?;
                let (now, late) = match self.locals.clock {
                    true => (now + timer.due.max(0), (-timer.due).max(0)),
                    false => (0, 0),
                };
                (slot, Act::Wake(place), now, late)
            }
            Choice::Answer { slot, task, end, .. } => (slot, Act::Answer(task, end), now, 0),
            Choice::Silence { session } => (self.session(session), Act::Silence, now, 0),
            Choice::Return { session } => (self.session(session), Act::Return(session), now, 0),
            Choice::Lose { .. } | Choice::Duplicate { .. } | Choice::Step => return None,
        };
        let (fresh, joins) = (self.fresh(scene, slot), self.joins(scene, slot));
        Some(Cause { slot, cell: scene.cell(slot), act, now, late, fresh, joins })
    }

    /// Above all that the world knows of what the instance has named.
    fn fresh(&self, scene: &Scene, slot: Slot) -> u32 {
        if !self.locals.has_names() {
            return 0;
        }
        let cells = scene.cells.iter().flat_map(|cell| self.locals.cell(*cell).names.clone());
        let letters = scene.lanes.iter().flat_map(|lane| &lane.letters);
        let letters = letters.filter_map(|letter| self.locals.letter(*letter).name);
        let own = cells.chain(letters).filter(|(whose, _)| *whose == slot);
        own.map(|(_, number)| number + 1).max().unwrap_or(0)
    }

    /// Numbers that nothing in the world has of an endpoint of the instance.
    fn joins(&self, scene: &Scene, slot: Slot) -> Joins {
        if !self.locals.has_endpoints() {
            return Joins::default();
        }
        let (me, own) = (self.locals.address(slot), self.locals.cell(scene.cell(slot)));
        let links = own.kept.as_ref().and_then(|kept| kept.row.links.as_deref());
        let mut joins = Used::of(links);
        for cell in &scene.cells {
            let entry = self.locals.cell(*cell);
            let Some(kept) = entry.kept.as_ref().filter(|_| !entry.seats.is_empty()) else { continue };
            for seat in &entry.seats {
                if let Seat::Endpoint(endpoint) = seat
                    && endpoint.name.member == me
                {
                    joins.add(&kept.row.address, &endpoint.name.name, endpoint.since);
                }
            }
        }
        for lane in scene.lanes.iter().filter(|lane| lane.from == slot || lane.to == slot) {
            for letter in &lane.letters {
                match &self.locals.letter(*letter).errand {
                    Errand::Act(acting) if lane.from == slot => {
                        let space = self.locals.address(lane.to);
                        names::joins(acting).for_each(|(name, since)| joins.add(&space, name, since));
                    }
                    Errand::Notice { space, endpoint, since } if lane.to == slot => {
                        joins.add(space, endpoint, *since);
                    }
                    _ => {}
                }
            }
        }
        joins.unused()
    }

    /// Lets it happen.
    pub(crate) fn take<'r>(
        &self,
        scene: &mut Scene,
        choice: Choice,
        reader: &'r mut Reader<'_>,
    ) -> Option<&'r LocalStep> {
        let cause = self.cause(scene, choice);
        let fault = self.kinds();
        match choice {
            Choice::Deliver { from, to, at, .. } => drop(scene.pull(from, to, usize::from(at))),
            Choice::Send { entry, .. } => {
                let left = &mut scene.left[usize::from(entry)];
                *left -= u8::from(*left != ANY);
            }
            Choice::Fire { slot, place } => {
                let due = scene.timers.iter().find(|timer| (timer.slot, timer.place) == (slot, place));
                let passes = due.map_or(0, |timer| timer.due.max(0));
                self.pass(scene, passes);
            }
            Choice::Lose { from, to, at } => {
                let lost = scene.pull(from, to, usize::from(at))?;
                scene.left[fault + LOSSES] -= 1;
                self.renew(scene, from, to, usize::from(at), lost);
            }
            Choice::Duplicate { from, to, at } => {
                let letter = *scene.lane(from, to)?.letters.get(usize::from(at))?;
                let again = self.again(letter, from);
                let lane = scene.lanes.iter_mut().find(|lane| (lane.from, lane.to) == (from, to))?;
                lane.letters.insert(usize::from(at) + 1, again);
                scene.left[fault + DUPLICATES] -= 1;
            }
            Choice::Answer { slot, task, end, again } => {
                let left = &mut scene.left[self.entries.len() + usize::from(end)];
                *left -= u8::from(*left != ANY);
                if again {
                    scene.left[fault + DUPLICATES] -= 1;
                    let letter = self.said_again(scene.cell(slot), task, end)?;
                    scene.push(self.worker, slot, letter, true);
                }
            }
            Choice::Silence { .. } => scene.left[fault + SILENCES] -= 1,
            Choice::Return { .. } => scene.left[fault + RETURNS] -= 1,
            Choice::Step => {
                self.pass(scene, self.system.faults.clock_step.0 as i64);
                scene.left[fault + STEPS] -= 1;
            }
        }
        let cause = cause?;
        let step = reader.step(cause);
        self.apply(scene, cause.slot, step);
        Some(step)
    }

    /// What a worker says once more of a task.
    fn said_again(&self, cell: Cell, task: u16, end: u16) -> Option<Letter> {
        let entry = self.locals.cell(cell);
        let task = entry.kept.as_ref()?.row.tasks.get(usize::from(task))?;
        let (name, data) = self.system.tasks[usize::from(end)].end.again(&task.name)?;
        let event = outside("again", &name, &data, self.system.begins).ok()?;
        Some(self.locals.letter_of(&event, Origin::Late))
    }

    /// The copy of an event: of a client the same under the same id, which the kernel knows; elsewhere another one.
    fn again(&self, letter: Letter, from: From) -> Letter {
        match from >= CLIENTS {
            true => self.locals.letter_of(&self.locals.letter(letter).event, Origin::Again),
            false => letter,
        }
    }

    /// When the first of two copies of a client's event is lost, the other is the first one to come.
    fn renew(&self, scene: &mut Scene, from: From, to: Slot, at: usize, lost: Letter) {
        if from < CLIENTS {
            return;
        }
        let again = self.again(lost, from);
        let lane = scene.lanes.iter_mut().find(|lane| (lane.from, lane.to) == (from, to));
        if let Some(letter) =
            lane.and_then(|lane| lane.letters.get_mut(at)).filter(|letter| **letter == again)
        {
            *letter = lost;
        }
    }

    fn pass(&self, scene: &mut Scene, milliseconds: i64) {
        scene.timers.iter_mut().for_each(|timer| timer.due -= milliseconds);
        if self.locals.clock {
            scene.now += milliseconds;
        }
    }

    /// What a local step changes of the world.
    fn apply(&self, scene: &mut Scene, slot: Slot, step: &LocalStep) {
        scene.put_cell(slot, step.cell);
        if !step.dues.is_empty() || scene.has_timers(slot) {
            let dues = step.dues.iter().enumerate().map(|(place, due)| {
                let due = match *due {
                    Due::In(milliseconds) => milliseconds,
                    Due::As(old) => {
                        let known =
                            scene.timers.iter().find(|timer| (timer.slot, timer.place) == (slot, old));
                        known.map_or(0, |timer| timer.due)
                    }
                };
                Timer { slot, place: place as u16, due }
            });
            let dues: Vec<Timer> = dues.collect();
            scene.timers.retain(|timer| timer.slot != slot);
            let at = scene.timers.partition_point(|timer| timer.slot < slot);
            scene.timers.splice(at..at, dues);
        }
        for (to, letter) in &step.sends {
            scene.push(slot, *to, *letter, self.reorders(slot, *to));
        }
    }
}

/// The places from which events of a way can arrive, where it reorders. Of equal events it does not matter which does.
fn exits(letters: &[Letter]) -> impl Iterator<Item = u16> + '_ {
    (0..letters.len()).filter(|at| *at == 0 || letters[*at] != letters[at - 1]).map(|at| at as u16)
}

fn outside(id: &str, name: &Arc<str>, data: &everstate_kernel::Json, time: Time) -> Result<Event, String> {
    let id = EventId::parse(id)?;
    Ok(Event { id, name: name.clone(), data: data.clone(), sender: Sender::Client, time })
}
