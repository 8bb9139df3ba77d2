//! Local steps: what one instance does with one event, found out once by the production kernel and looked up from
//! then on. Addresses, instances and events are numbered on the way, so that a world is a few small numbers.
//!
//! It refuses to know worlds and orders. Its one invariant: a number stands for one content for as long as the table
//! lives, and a looked-up step is what the kernel would do, since a turn is a pure function (each is tried twice).

use crate::canonical;
use crate::kernel_step::{self, Trial};
use crate::names::{self, Name};
use crate::property::Seen;
use crate::stand_in;
use crate::standing::Standing;
use crate::system::System;
use crate::tables::Kept;
use crate::task::TaskAnswer;
use everstate_kernel::{
    Address, Definition, Errand, Event, Json, Node, Seat, Sender, Sent, Serial, Stage, Time,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, RwLock};

/// The number of an address.
pub(crate) type Slot = u32;
/// The number of an instance's content. [`NOBODY`] when there is none.
pub(crate) type Cell = u32;
/// The number of an event's content.
pub(crate) type Letter = u32;

/// There is no instance.
pub(crate) const NOBODY: Cell = 0;

/// What happens to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    /// It is given an event; one that stands in for another does what is listed at that place.
    Take(Letter, u16),
    /// Its timer of that place is due; the retry comes after all timers.
    Wake(u16),
    /// Its task of that place ends in that way.
    Answer(u16, u16),
    /// It is a session and falls silent.
    Silence,
    /// It is the session of that place among all, and begins anew.
    Return(u16),
}

/// What a local step depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Cause {
    pub(crate) slot: Slot,
    pub(crate) cell: Cell,
    pub(crate) act: Act,
    /// What time it is, where definitions read the clock; else 0.
    pub(crate) now: i64,
    /// By how much the timer is late, likewise.
    pub(crate) late: i64,
    /// Above all that the world knows of what the instance has named: see [`crate::names`].
    pub(crate) fresh: u32,
    /// The numbers of what it joins with: likewise.
    pub(crate) joins: names::Joins,
}

/// What an instance does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LocalStep {
    /// Its content afterwards.
    pub(crate) cell: Cell,
    /// What it sends, in order.
    pub(crate) sends: Box<[(Slot, Letter)]>,
    /// When each of its timers is due afterwards.
    pub(crate) dues: Box<[Due]>,
    /// What is remarkable about it.
    pub(crate) marks: Box<[Mark]>,
}

/// When a timer is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// As that timer was before.
    As(u16),
    /// So many milliseconds from now.
    In(i64),
}

/// Something that a built-in property is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) kind: MarkKind,
    pub(crate) text: String,
}

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MarkKind {
    /// A turn faulted.
    Fault,
    /// Nobody could take an event.
    DeadLetter,
    /// An event was refused and its sender does not expect that.
    Refusal,
    /// An instance that has not ended and that nothing can move any more.
    Stuck,
    /// Too many events wait.
    Mailbox,
    /// The same step came out differently.
    Unrepeatable,
    /// The step depends on something that is not explored.
    Chance,
}

/// An instance's content, and what is asked of it over and over.
#[derive(Debug)]
pub(crate) struct CellEntry {
    /// None for [`NOBODY`].
    pub(crate) kept: Option<Kept>,
    /// What it holds besides, when it is a space.
    pub(crate) seats: Vec<Seat>,
    /// Names of links that it holds.
    pub(crate) names: Vec<Name>,
    /// What properties see of it.
    pub(crate) seen: Seen,
    /// Equal for contents that properties cannot tell apart.
    pub(crate) view: u32,
    /// Timers and retry.
    pub(crate) timers: usize,
    /// Places of tasks that have not ended.
    pub(crate) tasks: Vec<u16>,
    /// Has it ended?
    pub(crate) ended: bool,
}

/// An event's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LetterEntry {
    pub(crate) event: Event,
    /// Who counts on its being taken.
    pub(crate) origin: Origin,
    /// What sort of thing of its turn it was; 0 for events from outside. The whole number, where it names a link.
    pub(crate) index: u64,
    /// In which life of its sender it was sent: see [`crate::names`].
    pub(crate) life: u64,
    /// How it is delivered.
    pub(crate) errand: Errand,
    /// The name of a link that it holds.
    pub(crate) name: Option<Name>,
}

/// Where an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// Another machine.
    Machine,
    /// A client that counts on its being taken.
    Script,
    /// A client that tries its luck.
    Environment,
    /// A client that sends the same event again.
    Again,
    /// A worker that says again how a task has ended.
    Late,
}

/// All that was numbered and found out so far. Shared between threads.
#[derive(Debug)]
pub(crate) struct Locals {
    pub(crate) definitions: Vec<(Arc<Definition>, Arc<str>)>,
    /// Does any definition read the clock?
    pub(crate) clock: bool,
    pub(crate) mailbox_max: usize,
    /// A node that knows what is built in.
    built_in: Node,
    /// How tasks may end.
    pub(crate) answers: Vec<TaskAnswer>,
    /// What each session of the cast begins with.
    pub(crate) sessions: Vec<Json>,
    shared: RwLock<Shared>,
    /// How many addresses have numbers, to be read without waiting.
    slots: AtomicU32,
    /// Was any endpoint ever joined?
    joined: AtomicBool,
    /// Was any link ever named?
    named: AtomicBool,
}

#[derive(Debug, Default)]
struct Shared {
    slots: Vec<Address>,
    slot_of: HashMap<Address, Slot>,
    cells: Vec<Arc<CellEntry>>,
    cell_of: HashMap<Vec<u8>, Cell>,
    views: HashMap<Vec<u8>, u32>,
    letters: Vec<Arc<LetterEntry>>,
    letter_of: HashMap<Vec<u8>, Letter>,
    steps: HashMap<Cause, Arc<LocalStep>>,
    /// The same, to find those that begin from a content.
    from: HashMap<(Slot, Cell), Vec<Arc<LocalStep>>>,
}

impl Locals {
    pub(crate) fn new(system: &System) -> Locals {
        let nobody = CellEntry {
            kept: None,
            seats: Vec::new(),
            names: Vec::new(),
            seen: Seen::nobody(),
            view: 0,
            timers: 0,
            tasks: Vec::new(),
            ended: false,
        };
        let mut shared = Shared { cells: vec![Arc::new(nobody)], ..Shared::default() };
        shared.views.insert(Vec::new(), 0);
        let (slots, named, joined) = (AtomicU32::new(0), AtomicBool::new(false), AtomicBool::new(false));
        Locals {
            definitions: stand_in::replaced(&system.definitions, &system.stand_ins),
            clock: system.clock,
            mailbox_max: system.mailbox_max,
            built_in: Node::new(0),
            answers: system.tasks.clone(),
            sessions: system.sessions().map(|member| member.start.clone().unwrap_or(Json::NULL)).collect(),
            shared: RwLock::new(shared),
            slots,
            joined,
            named,
        }
    }

    /// The number of an address, a new one if it has none.
    pub(crate) fn slot(&self, address: &Address) -> Slot {
        if let Some(slot) = self.read().slot_of.get(address) {
            return *slot;
        }
        let mut shared = self.write();
        if let Some(slot) = shared.slot_of.get(address) {
            return *slot;
        }
        let slot = shared.slots.len() as Slot;
        shared.slots.push(address.clone());
        shared.slot_of.insert(address.clone(), slot);
        self.slots.store(slot + 1, Ordering::Release);
        slot
    }

    pub(crate) fn address(&self, slot: Slot) -> Address {
        self.read().slots[slot as usize].clone()
    }

    /// How many addresses have numbers.
    pub(crate) fn slots(&self) -> usize {
        self.slots.load(Ordering::Acquire) as usize
    }

    /// How many local steps were found out.
    pub(crate) fn steps(&self) -> usize {
        self.read().steps.len()
    }

    pub(crate) fn cell(&self, cell: Cell) -> Arc<CellEntry> {
        self.read().cells[cell as usize].clone()
    }

    pub(crate) fn letter(&self, letter: Letter) -> Arc<LetterEntry> {
        self.read().letters[letter as usize].clone()
    }

    /// Was any endpoint ever joined?
    pub(crate) fn has_endpoints(&self) -> bool {
        self.joined.load(Ordering::Acquire)
    }

    /// Was any link ever named?
    pub(crate) fn has_names(&self) -> bool {
        self.named.load(Ordering::Acquire)
    }

    /// The number of an event from outside, a new one if it has none.
    pub(crate) fn letter_of(&self, event: &Event, origin: Origin) -> Letter {
        self.letter_as(event, origin, (0, 0), Errand::Event)
    }

    /// The number of what a machine has sent in that life of its, when what arrived was of that life of its sender.
    pub(crate) fn letter_sent(&self, sent: &Sent, life: u64, about: u64) -> Letter {
        let errand = canonical::errand(&sent.errand, life, about);
        let index = match names::is_naming(&errand) {
            true => sent.number.0,
            false => canonical::index(sent.number),
        };
        self.letter_as(&sent.event, Origin::Machine, (index, life), errand)
    }

    pub(crate) fn letter_as(
        &self,
        event: &Event,
        origin: Origin,
        (index, life): (u64, u64),
        errand: Errand,
    ) -> Letter {
        let event = canonical::event(event, self.clock);
        let mut key = postcard::to_allocvec(&(&event, &errand)).expect("events are plain data");
        key.push(origin as u8);
        key.extend(index.to_le_bytes());
        key.extend(life.to_le_bytes());
        if let Some(letter) = self.read().letter_of.get(&key) {
            return *letter;
        }
        let mut shared = self.write();
        if let Some(letter) = shared.letter_of.get(&key) {
            return *letter;
        }
        let letter = shared.letters.len() as Letter;
        let name = names::of_errand(&errand, Serial(index));
        if name.is_some() {
            self.named.store(true, Ordering::Release);
        }
        if matches!(&errand, Errand::Act(acting) if !acting.since.is_empty()) {
            self.joined.store(true, Ordering::Release);
        }
        shared.letters.push(Arc::new(LetterEntry { event, origin, index, life, errand, name }));
        shared.letter_of.insert(key, letter);
        letter
    }

    /// The number of an instance's content, which must be canonical.
    pub(crate) fn cell_of(&self, kept: Kept, seats: Vec<Seat>) -> Cell {
        let key = postcard::to_allocvec(&(&kept.row, &kept.mailbox, &seats)).expect("rows are plain data");
        if let Some(cell) = self.read().cell_of.get(&key) {
            return *cell;
        }
        let seen = self.seen(&kept);
        let view_key = seen.key(&kept.row.address);
        let mut shared = self.write();
        if let Some(cell) = shared.cell_of.get(&key) {
            return *cell;
        }
        let next = shared.views.len() as u32;
        let view = *shared.views.entry(view_key).or_insert(next);
        let cell = shared.cells.len() as Cell;
        let timers = canonical::wakes(&kept.row).len() + usize::from(kept.row.retry.is_some());
        let tasks = kept.row.tasks.iter().enumerate().filter(|(_, task)| task.stage != Stage::Ended);
        let tasks = tasks.map(|(place, _)| place as u16).collect();
        let ended = kept.row.status.is_ended();
        let mut names = kept.row.links.as_deref().map(names::of_links).unwrap_or_default();
        names.extend(kept.mailbox.iter().filter_map(|queued| names::of_event(&queued.event)));
        if !names.is_empty() {
            self.named.store(true, Ordering::Release);
        }
        let entry = CellEntry { kept: Some(kept), seats, names, seen, view, timers, tasks, ended };
        shared.cells.push(Arc::new(entry));
        shared.cell_of.insert(key, cell);
        cell
    }

    fn seen(&self, kept: &Kept) -> Seen {
        let row = &kept.row;
        let known = kernel_step::definition_of(&self.definitions, row.address.kind(), Some(&row.version));
        let definition = known.or_else(|| self.built_in.definition(row.address.kind(), None));
        let state = definition.and_then(|definition| {
            let state = definition.behaviour.decode(row.state.as_slice()).ok()?;
            Some(definition.behaviour.describe(&state))
        });
        Seen::of(row, kept.mailbox.len(), state)
    }

    /// What an instance does, looked up or found out.
    pub(crate) fn step(&self, cause: Cause) -> Arc<LocalStep> {
        if let Some(step) = self.read().steps.get(&cause) {
            return step.clone();
        }
        let step = Arc::new(self.find_out(cause));
        let mut shared = self.write();
        if let Some(known) = shared.steps.get(&cause) {
            return known.clone();
        }
        shared.steps.insert(cause, step.clone());
        shared.from.entry((cause.slot, cause.cell)).or_default().push(step.clone());
        step
    }

    /// Starts an instance; none of its start races with anything.
    pub(crate) fn start(&self, address: &Address, data: &Json, now: Time) -> Result<LocalStep, String> {
        let slot = self.slot(address);
        let nobody = Trial::of_nobody(self, slot, now);
        let trial = |salt| Trial { salt, ..nobody.clone() };
        let first = kernel_step::start(&trial(0), data)?;
        let step = first.into_step(self, slot, now);
        let second = kernel_step::start(&trial(1), data)?.into_step(self, slot, now);
        Ok(if step == second { step } else { self.unrepeatable(step, &second, slot) })
    }

    /// Lets an instance stand where it stands at the beginning.
    pub(crate) fn stand(&self, standing: &Standing, now: Time) -> Result<LocalStep, String> {
        let slot = self.slot(&standing.address);
        let nobody = Trial::of_nobody(self, slot, now);
        Ok(kernel_step::stand(&nobody, standing)?.into_step(self, slot, now))
    }

    fn find_out(&self, cause: Cause) -> LocalStep {
        let entry = self.cell(cause.cell);
        let now = |salt: u64| match self.clock {
            true => Time(cause.now),
            false => Time(EPOCH + salt as i64 * 7_777_777_777),
        };
        let run = |salt: u64, time: u64| {
            let now = now(time);
            let mut dues = vec![now; entry.timers];
            if let Act::Wake(place) = cause.act {
                dues[usize::from(place)] = Time(now.0 - cause.late);
            }
            let kept = entry.kept.as_ref().map(|kept| canonical::restored(kept, &dues));
            let Cause { slot, fresh, joins, .. } = cause;
            let seats = entry.seats.clone();
            let trial = Trial { locals: self, slot, kept, seats, dues, now, salt, fresh, joins, about: 0 };
            let outcome = match cause.act {
                Act::Take(letter, how) => {
                    stand_in::choosing(how, || kernel_step::take(&trial, &self.letter(letter)))
                }
                Act::Wake(place) => kernel_step::wake(&trial, place),
                Act::Answer(task, end) => {
                    kernel_step::answer(&trial, task, &self.answers[usize::from(end)].end)
                }
                Act::Silence => kernel_step::of_session(&trial, None),
                Act::Return(place) => {
                    kernel_step::of_session(&trial, Some(&self.sessions[usize::from(place)]))
                }
            };
            outcome.into_step(self, cause.slot, now)
        };
        let step = run(0, 0);
        if step == run(1, u64::from(!self.clock)) {
            return self.marked(step, &entry, cause);
        }
        let again = run(0, 0);
        if step != again {
            return self.unrepeatable(step, &again, cause.slot);
        }
        let what = if step == run(1, 0) { "what time it is" } else { "its seed or the ids of events" };
        let text = format!(
            "{} depends on {what}; exploration follows one of the ways that it can go",
            self.address(cause.slot)
        );
        let mut step = self.marked(step, &entry, cause);
        step.marks = step.marks.into_iter().chain([Mark { kind: MarkKind::Chance, text }]).collect();
        step
    }

    fn unrepeatable(&self, step: LocalStep, again: &LocalStep, slot: Slot) -> LocalStep {
        let text = format!(
            "the same turn of {} made twice came out differently: {}; a behaviour must be a pure function of its arguments",
            self.address(slot),
            self.difference(&step, again)
        );
        let mark = Mark { kind: MarkKind::Unrepeatable, text };
        LocalStep { marks: step.marks.into_iter().chain([mark]).collect(), ..step }
    }

    /// In what two steps differ.
    pub(crate) fn difference(&self, one: &LocalStep, other: &LocalStep) -> String {
        let seen = |step: &LocalStep| self.cell(step.cell).seen.to_json();
        let sent = |step: &LocalStep| {
            let each = step.sends.iter().map(|(to, letter)| {
                let event = &self.letter(*letter).event;
                format!("`{}` {} to {}", event.name, event.data, self.address(*to))
            });
            let all: Vec<String> = each.collect();
            if all.is_empty() { "nothing".to_owned() } else { all.join(" and ") }
        };
        let (state, state_again) = (seen(one), seen(other));
        let differ = |key: &&str| state[*key] != state_again[*key];
        if let Some(key) = ["states", "context", "output"].into_iter().find(differ) {
            return format!("its {key} once {}, then {}", state[key], state_again[key]);
        }
        if one.sends != other.sends {
            return format!("it sent once {}, then {}", sent(one), sent(other));
        }
        if one.cell != other.cell {
            "its stored state".to_owned()
        } else {
            "when its timers are due".to_owned()
        }
    }

    /// Adds what follows from the content before and after.
    fn marked(&self, mut step: LocalStep, before: &CellEntry, cause: Cause) -> LocalStep {
        let mut marks = Vec::from(std::mem::take(&mut step.marks));
        let address = self.address(cause.slot);
        if let Act::Take(letter, _) = cause.act {
            let letter = self.letter(letter);
            marks.extend(self.unexpected_refusal(before, &address, &letter.event));
        }
        let after = self.cell(step.cell);
        if step.cell != cause.cell && kernel_step::is_stuck(&self.definitions, &after, &address) {
            let labels = after.seen.labels().join(" and ");
            let text = format!("{address} is stuck in {labels}: it accepts nothing and has no timer");
            marks.push(Mark { kind: MarkKind::Stuck, text });
        }
        let waiting = after.kept.as_ref().map_or(0, |kept| kept.mailbox.len());
        if waiting > self.mailbox_max {
            let text = format!("{waiting} events wait in the mailbox of {address}");
            marks.push(Mark { kind: MarkKind::Mailbox, text });
        }
        step.marks = marks.into();
        step
    }

    /// A machine is told that its event was refused: does it expect that?
    fn unexpected_refusal(&self, before: &CellEntry, address: &Address, event: &Event) -> Option<Mark> {
        let told = event.sender == Sender::System && &*event.name == "error.communication";
        if !told || before.ended || kernel_step::accepts(&self.definitions, before, address, &event.name) {
            return None;
        }
        let data: serde_json::Value = serde_json::from_str(event.data.as_str()).unwrap_or_default();
        let part = |name: &str| data[name].as_str().unwrap_or("?").to_owned();
        let (name, to, reason) = (part("event"), part("to"), part("reason"));
        let text =
            format!("{to} refused `{name}` ({reason}) and {address}, who sent it, does not expect that");
        Some(Mark { kind: MarkKind::Refusal, text })
    }

    /// Every local step that is known, by what it begins from.
    pub(crate) fn each_from(&self, mut each: impl FnMut((Slot, Cell), &[Arc<LocalStep>])) {
        for (from, steps) in &self.read().from {
            each(*from, steps);
        }
    }

    /// What each local step that is known depends on.
    pub(crate) fn each_cause(&self, each: impl FnMut(Cause)) {
        self.read().steps.keys().copied().for_each(each);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Shared> {
        self.shared.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Shared> {
        self.shared.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The time at which local steps are made that do not read the clock: any will do.
const EPOCH: i64 = 1_767_225_600_000;

/// Looks local steps up without asking the shared table twice for the same.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) locals: &'a Locals,
    steps: hashbrown::HashMap<Cause, Arc<LocalStep>, foldhash::fast::FixedState>,
    cells: Vec<Option<Arc<CellEntry>>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(locals: &'a Locals) -> Reader<'a> {
        Reader { locals, steps: hashbrown::HashMap::default(), cells: Vec::new() }
    }

    /// Counters of references are left alone here: threads that count the same ones slow each other down.
    pub(crate) fn step(&mut self, cause: Cause) -> &LocalStep {
        let locals = self.locals;
        self.steps.entry(cause).or_insert_with(|| locals.step(cause))
    }

    pub(crate) fn cell(&mut self, cell: Cell) -> &CellEntry {
        let place = cell as usize;
        if self.cells.len() <= place {
            self.cells.resize(place + 1, None);
        }
        let locals = self.locals;
        self.cells[place].get_or_insert_with(|| locals.cell(cell))
    }

    /// Two of them.
    pub(crate) fn cells(&mut self, one: Cell, other: Cell) -> (&CellEntry, &CellEntry) {
        self.cell(one);
        self.cell(other);
        let known = |cell: Cell| self.cells[cell as usize].as_deref().expect("it was looked up a moment ago");
        (known(one), known(other))
    }
}
