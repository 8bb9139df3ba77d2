//! Worlds, instances and events under other names.
//!
//! It refuses to know which names are wanted, but for [`Renamer::canonical`]. Its one invariant: the naming that undoes
//! another gives back, to the byte, what there was.

use super::images::Images;
use super::{Meant, Naming, Symmetry, keys};
use crate::choice::Choice;
use crate::kernel_step;
use crate::locals::{Act, Cause, Cell, Letter, LocalStep, NOBODY};
use crate::scene::{CLIENTS, Lane, Scene, Timer};
use crate::tables;
use everstate_kernel::{Instance, Json, Kept, Rename};
use hashbrown::{HashMap, HashSet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

type Known<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// Renames, and remembers.
#[derive(Debug)]
pub(crate) struct Renamer<'a> {
    pub(super) symmetry: &'a Symmetry<'a>,
    images: Known<Naming, Arc<Images>>,
    /// Contents by what those whom they name are called.
    cells: Known<(Cell, Box<[u8]>), Cell>,
    letters: Known<(Letter, Box<[u8]>), Letter>,
    /// Whom contents name.
    in_cells: Known<Cell, Arc<[u8]>>,
    in_letters: Known<Letter, Arc<[u8]>>,
    /// What contents are to one member who is told from all others, and those not from each other.
    cells_to: Known<(Cell, u8), u64>,
    letters_to: Known<(Letter, u8), u64>,
    addresses: Known<u32, u64>,
}

/// What stands for a member in what it itself is compared by, and for all others.
const SELF: &str = "\u{1}self";
const OTHER: &str = "\u{1}other";
const OUTSIDE: &str = "\u{1}outside";

impl Symmetry<'_> {
    /// What a member's address or id becomes.
    pub(super) fn member_text(&self, text: &str, naming: &Naming) -> Option<Arc<str>> {
        match *self.texts.get(text)? {
            Meant::Address(place) => {
                Some(Arc::from(self.members[usize::from(naming[usize::from(place)])].as_str()))
            }
            Meant::Id(place) => Some(Arc::from(self.members[usize::from(naming[usize::from(place)])].id())),
            Meant::Entry(_) | Meant::First(_) => None,
        }
    }

    fn text(&self, text: &str, naming: &Naming, images: &Images) -> Option<Arc<str>> {
        match *self.texts.get(text)? {
            Meant::Entry(place) => Some(Arc::from(format!("environment-{}", images.entries[place] + 1))),
            Meant::First(place) => Some(Arc::from(format!("first-{}", images.firsts[place] + 1))),
            _ => self.member_text(text, naming),
        }
    }

    /// What it becomes in the eyes of one member.
    fn text_to(&self, text: &str, member: u8) -> Option<Arc<str>> {
        Some(Arc::from(match *self.texts.get(text)? {
            Meant::Address(place) | Meant::Id(place) if place == member => SELF,
            Meant::Address(_) | Meant::Id(_) => OTHER,
            Meant::Entry(_) | Meant::First(_) => OUTSIDE,
        }))
    }
}

/// Renames all texts of a value, and in those that are JSON themselves all texts of that.
fn walk(value: &mut Value, rename: Rename<'_>) {
    match value {
        Value::String(text) => {
            if let Some(other) = rename(text) {
                *text = other.to_string();
            } else if text.contains('"')
                && let Ok(json) = Json::parse(text)
            {
                *text = keys::renamed(&json, rename).as_str().to_owned();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, rename)),
        Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, rename)),
        _ => {}
    }
}

fn walked(value: &impl Serialize, rename: Rename<'_>) -> Value {
    let mut value = serde_json::to_value(value).unwrap_or_default();
    walk(&mut value, rename);
    value
}

fn renamed<T: Serialize + DeserializeOwned>(value: &T, rename: Rename<'_>) -> Result<T, String> {
    serde_json::from_value(walked(value, rename)).map_err(|error| {
        format!("the members cannot be renamed ({error}); give them ids that mean nothing else in the system")
    })
}

impl<'a> Renamer<'a> {
    pub(crate) fn new(symmetry: &'a Symmetry<'a>) -> Renamer<'a> {
        Renamer {
            symmetry,
            images: Known::default(),
            cells: Known::default(),
            letters: Known::default(),
            in_cells: Known::default(),
            in_letters: Known::default(),
            cells_to: Known::default(),
            letters_to: Known::default(),
            addresses: Known::default(),
        }
    }

    fn images(&mut self, naming: &Naming) -> Result<Arc<Images>, String> {
        if let Some(known) = self.images.get(naming) {
            return Ok(known.clone());
        }
        let images = Arc::new(Images::of(self.symmetry, naming)?);
        self.images.insert(naming.clone(), images.clone());
        Ok(images)
    }

    /// The state of an instance under other names.
    fn state(&self, row: &Instance, rename: Rename<'_>) -> Kept {
        let definitions = &self.symmetry.stage.locals.definitions;
        let definition = kernel_step::definition_of(definitions, row.address.kind(), Some(&row.version));
        let state = definition.and_then(|definition| {
            let behaviour = &definition.behaviour;
            let state = behaviour.decode(row.state.as_slice()).ok()?;
            Some(Kept::new(behaviour.encode(&behaviour.renamed(&state, rename)?)))
        });
        state.unwrap_or_else(|| row.state.clone())
    }

    /// Whom an instance's content names, and [`OUTSIDE`] as one more.
    fn names_in(&self, look: impl FnOnce(Rename<'_>)) -> Arc<[u8]> {
        let found = std::cell::RefCell::new(Vec::new());
        look(&|text: &str| {
            let place = match *self.symmetry.texts.get(text)? {
                Meant::Address(place) | Meant::Id(place) => place,
                Meant::Entry(_) | Meant::First(_) => u8::MAX,
            };
            let mut found = found.borrow_mut();
            if let Err(at) = found.binary_search(&place) {
                found.insert(at, place);
            }
            None
        });
        found.into_inner().into()
    }

    /// Whom a content names.
    pub(super) fn in_cell(&mut self, cell: Cell) -> Arc<[u8]> {
        if let Some(known) = self.in_cells.get(&cell) {
            return known.clone();
        }
        let entry = self.symmetry.stage.locals.cell(cell);
        let names = self.names_in(|rename| {
            let Some(kept) = &entry.kept else { return };
            walked(&(&kept.row, &kept.mailbox, &entry.seats), rename);
            self.state(&kept.row, rename);
        });
        self.in_cells.insert(cell, names.clone());
        names
    }

    fn in_letter(&mut self, letter: Letter) -> Arc<[u8]> {
        if let Some(known) = self.in_letters.get(&letter) {
            return known.clone();
        }
        let entry = self.symmetry.stage.locals.letter(letter);
        let names = self.names_in(|rename| _ = walked(&(&entry.event, &entry.errand), rename));
        self.in_letters.insert(letter, names.clone());
        names
    }

    /// What those whom it names are called: all that renaming it depends on.
    fn called(names: &[u8], naming: &Naming) -> Box<[u8]> {
        match names.contains(&u8::MAX) {
            true => naming.clone(),
            false => names.iter().map(|place| naming[usize::from(*place)]).collect(),
        }
    }

    pub(crate) fn cell(&mut self, cell: Cell, naming: &Naming) -> Result<Cell, String> {
        if cell == NOBODY {
            return Ok(cell);
        }
        let key = (cell, Self::called(&self.in_cell(cell), naming));
        if let Some(known) = self.cells.get(&key) {
            return Ok(*known);
        }
        let (images, locals) = (self.images(naming)?, self.symmetry.stage.locals);
        let entry = locals.cell(cell);
        let rename = |text: &str| self.symmetry.text(text, naming, &images);
        let mut renaming = NOBODY;
        if let Some(kept) = &entry.kept {
            let state = self.state(&kept.row, &rename);
            let bare = Instance { state: Kept::default(), ..kept.row.clone() };
            let row = Instance { state, ..renamed(&bare, &rename)? };
            let mailbox = renamed(&kept.mailbox, &rename)?;
            renaming = locals.cell_of(tables::Kept { row, mailbox }, renamed(&entry.seats, &rename)?);
        }
        self.cells.insert(key, renaming);
        Ok(renaming)
    }

    pub(crate) fn letter(&mut self, letter: Letter, naming: &Naming) -> Result<Letter, String> {
        let key = (letter, Self::called(&self.in_letter(letter), naming));
        if let Some(known) = self.letters.get(&key) {
            return Ok(*known);
        }
        let (images, locals) = (self.images(naming)?, self.symmetry.stage.locals);
        let entry = locals.letter(letter);
        let rename = |text: &str| self.symmetry.text(text, naming, &images);
        let (event, errand) = (renamed(&entry.event, &rename)?, renamed(&entry.errand, &rename)?);
        let renaming = locals.letter_as(&event, entry.origin, (entry.index, entry.life), errand);
        self.letters.insert(key, renaming);
        Ok(renaming)
    }

    /// A world under other names.
    pub(crate) fn scene(&mut self, scene: &Scene, naming: &Naming) -> Result<Scene, String> {
        let (images, symmetry) = (self.images(naming)?, self.symmetry);
        let mut named = Scene { now: scene.now, left: scene.left.clone(), ..Scene::default() };
        for (slot, cell) in scene.cells.iter().enumerate() {
            let cell = self.cell(*cell, naming)?;
            named.put_cell(symmetry.slot(slot as u32, naming), cell);
        }
        for lane in &scene.lanes {
            let from = images.from(symmetry, lane.from, naming);
            let to = symmetry.slot(lane.to, naming);
            let letters = lane.letters.iter().map(|letter| self.letter(*letter, naming));
            let mut letters = letters.collect::<Result<Vec<Letter>, String>>()?;
            if symmetry.stage.reorders(from, to) {
                letters.sort_unstable();
            }
            named.lanes.push(Lane { from, to, letters });
        }
        named.lanes.sort_by_key(|lane| (lane.from, lane.to));
        named.timers = scene
            .timers
            .iter()
            .map(|timer| Timer { slot: symmetry.slot(timer.slot, naming), ..*timer })
            .collect();
        named.timers.sort_by_key(|timer| (timer.slot, timer.place));
        for (place, image) in images.entries.iter().enumerate() {
            named.left[*image] = scene.left[place];
        }
        Ok(named)
    }

    /// What happens under other names, when `named` is the world under those names.
    pub(crate) fn choice(
        &mut self,
        scene: &Scene,
        named: &Scene,
        choice: Choice,
        naming: &Naming,
    ) -> Result<Choice, String> {
        let (images, symmetry) = (self.images(naming)?, self.symmetry);
        let mut on_way = |from, to, at: u16| -> Result<(u32, u32, u16), String> {
            let letter = scene.lane(from, to).and_then(|lane| lane.letters.get(usize::from(at)));
            let letter = self.letter(*letter.ok_or("nothing is on that way")?, naming)?;
            let (from, to) = (images.from(symmetry, from, naming), symmetry.slot(to, naming));
            let lane = named.lane(from, to).ok_or("nothing is on that way")?;
            let place = lane.letters.iter().position(|other| *other == letter);
            Ok((from, to, place.ok_or("it is not on that way")? as u16))
        };
        Ok(match choice {
            Choice::Deliver { from, to, at, how } => {
                let (from, to, at) = on_way(from, to, at)?;
                Choice::Deliver { from, to, at, how }
            }
            Choice::Lose { from, to, at } => {
                let (from, to, at) = on_way(from, to, at)?;
                Choice::Lose { from, to, at }
            }
            Choice::Duplicate { from, to, at } => {
                let (from, to, at) = on_way(from, to, at)?;
                Choice::Duplicate { from, to, at }
            }
            Choice::Fire { slot, place } => Choice::Fire { slot: symmetry.slot(slot, naming), place },
            Choice::Send { entry, how } => {
                Choice::Send { entry: images.entries[usize::from(entry)] as u16, how }
            }
            Choice::Answer { slot, task, end, again } => {
                Choice::Answer { slot: symmetry.slot(slot, naming), task, end, again }
            }
            Choice::Step | Choice::Silence { .. } | Choice::Return { .. } => choice,
        })
    }

    /// What a local step depends on, under other names.
    pub(super) fn cause(&mut self, cause: Cause, naming: &Naming) -> Result<Cause, String> {
        let act = match cause.act {
            Act::Take(letter, how) => Act::Take(self.letter(letter, naming)?, how),
            other => other,
        };
        let (slot, cell) = (self.symmetry.slot(cause.slot, naming), self.cell(cause.cell, naming)?);
        Ok(Cause { slot, cell, act, ..cause })
    }

    /// A local step under other names. Of what is sent to different instances no order is kept.
    pub(super) fn step(&mut self, step: &LocalStep, naming: &Naming) -> Result<LocalStep, String> {
        let mut sends = Vec::new();
        for (to, letter) in &step.sends {
            sends.push((self.symmetry.slot(*to, naming), self.letter(*letter, naming)?));
        }
        sends.sort_by_key(|(to, _)| *to);
        let (cell, dues) = (self.cell(step.cell, naming)?, step.dues.clone());
        Ok(LocalStep { cell, sends: sends.into(), dues, marks: Box::default() })
    }

    /// Gives the members of a world the names that their own part in it says, and tells which. Members whose parts are
    /// equal keep their order: at worst two worlds of one orbit stay apart, which costs and hides nothing.
    pub(crate) fn canonical(&mut self, scene: &mut Scene) -> Result<Naming, String> {
        let count = self.symmetry.members.len();
        let mut parts: Vec<(Vec<u64>, usize)> =
            (0..count).map(|member| (self.part(scene, member), member)).collect();
        parts.sort();
        let mut naming: Naming = vec![0; count].into();
        for (name, (_, member)) in parts.iter().enumerate() {
            naming[*member] = name as u8;
        }
        if naming.iter().enumerate().any(|(place, name)| place != usize::from(*name)) {
            *scene = self.scene(scene, &naming)?;
        }
        Ok(naming)
    }

    /// A member's part in a world: all that it is, that is on its way to and from it, and that names it.
    fn part(&mut self, scene: &Scene, member: usize) -> Vec<u64> {
        let (symmetry, me) = (self.symmetry, member as u8);
        let slot = symmetry.slots[member];
        let mut part = vec![self.cell_to(scene.cell(slot), me)];
        for timer in scene.timers.iter().filter(|timer| timer.slot == slot) {
            part.extend([u64::from(timer.place), timer.due as u64]);
        }
        let mut more: Vec<Vec<u64>> = Vec::new();
        for (other, cell) in scene.cells.iter().enumerate() {
            if other as u32 != slot && *cell != NOBODY && self.in_cell(*cell).contains(&me) {
                more.push(vec![1, self.end(other as u32, slot), self.cell_to(*cell, me)]);
            }
        }
        for lane in &scene.lanes {
            let mut names_me = lane.from == slot || lane.to == slot;
            names_me |= lane.letters.iter().any(|letter| self.in_letter(*letter).contains(&me));
            if names_me {
                let mut letters: Vec<u64> =
                    lane.letters.iter().map(|letter| self.letter_to(*letter, me)).collect();
                if symmetry.stage.reorders(lane.from, lane.to) {
                    letters.sort_unstable();
                }
                letters.splice(0..0, [2, self.end(lane.from, slot), self.end(lane.to, slot)]);
                more.push(letters);
            }
        }
        for (entry, (to, letter)) in symmetry.stage.entries.iter().enumerate() {
            if *to == slot || self.in_letter(*letter).contains(&me) {
                more.push(vec![3, self.letter_to(*letter, me), u64::from(scene.left[entry])]);
            }
        }
        more.sort_unstable();
        part.extend(more.into_iter().flatten());
        part
    }

    /// One end of a way, as a member sees it.
    fn end(&mut self, from: u32, me: u32) -> u64 {
        match from {
            _ if from == me => 1,
            _ if from >= CLIENTS => 2,
            _ if self.symmetry.place(from).is_some() => 3,
            // Numbers of slots depend on who came about first.
            _ => {
                let locals = self.symmetry.stage.locals;
                let address = || xxh3_64(locals.address(from).as_str().as_bytes());
                *self.addresses.entry(from).or_insert_with(address)
            }
        }
    }

    fn cell_to(&mut self, cell: Cell, member: u8) -> u64 {
        if let Some(known) = self.cells_to.get(&(cell, member)) {
            return *known;
        }
        let entry = self.symmetry.stage.locals.cell(cell);
        let rename = |text: &str| self.symmetry.text_to(text, member);
        let mut bytes = Vec::new();
        if let Some(kept) = &entry.kept {
            let bare = Instance { state: Kept::default(), ..kept.row.clone() };
            let value = walked(&(&bare, &kept.mailbox, &entry.seats), &rename);
            bytes = serde_json::to_vec(&value).unwrap_or_default();
            bytes.extend(self.state(&kept.row, &rename).as_slice());
        }
        *self.cells_to.entry((cell, member)).or_insert(xxh3_64(&bytes))
    }

    fn letter_to(&mut self, letter: Letter, member: u8) -> u64 {
        if let Some(known) = self.letters_to.get(&(letter, member)) {
            return *known;
        }
        let entry = self.symmetry.stage.locals.letter(letter);
        let rename = |text: &str| self.symmetry.text_to(text, member);
        let value = walked(&(&entry.event, &entry.errand, entry.index, entry.life), &rename);
        let hash = xxh3_64(&serde_json::to_vec(&value).unwrap_or_default());
        *self.letters_to.entry((letter, member)).or_insert(hash)
    }

    /// Whom these contents name: all, if they hold the id of an event from outside, since which one it is follows from what
    /// everybody is called.
    pub(super) fn in_cells(&mut self, cells: impl Iterator<Item = Cell>) -> Vec<u8> {
        let mut all = HashSet::<u8, foldhash::fast::FixedState>::default();
        cells.for_each(|cell| all.extend(self.in_cell(cell).iter()));
        if all.contains(&u8::MAX) {
            return (0..self.symmetry.members.len() as u8).collect();
        }
        let mut all: Vec<u8> = all.into_iter().collect();
        all.sort_unstable();
        all
    }
}
