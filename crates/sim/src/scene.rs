//! A world as a few small numbers: which content each instance has, which events are on each way, when timers are
//! due, and what may still come from outside or go wrong.
//!
//! It refuses to know what the numbers stand for. Its one invariant: equal worlds have equal bytes, and the bytes are
//! the whole world, so comparing them decides equality and no hash has to be trusted.

use crate::locals::{Cell, Letter, Slot};

/// Who sends on a way: an instance by its slot, or a client.
pub(crate) type From = u32;

/// Clients are numbered from here.
pub(crate) const CLIENTS: From = 1 << 31;

/// Events on their way from one to another, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(crate) from: From,
    pub(crate) to: Slot,
    pub(crate) letters: Vec<Letter>,
}

/// When a timer of an instance is due, from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timer {
    pub(crate) slot: Slot,
    pub(crate) place: u16,
    pub(crate) due: i64,
}

/// A world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scene {
    /// By slot; those beyond are nobody.
    pub(crate) cells: Vec<Cell>,
    /// Ascending by from and to; none is empty.
    pub(crate) lanes: Vec<Lane>,
    /// Ascending by slot and place.
    pub(crate) timers: Vec<Timer>,
    /// What time it is, where definitions read the clock; else 0.
    pub(crate) now: i64,
    /// How often each event of the environment may still come, then losses, duplicates and clock steps.
    pub(crate) left: Vec<u8>,
}

impl Scene {
    pub(crate) fn cell(&self, slot: Slot) -> Cell {
        self.cells.get(slot as usize).copied().unwrap_or_default()
    }

    pub(crate) fn put_cell(&mut self, slot: Slot, cell: Cell) {
        let place = slot as usize;
        if self.cells.len() <= place {
            self.cells.resize(place + 1, 0);
        }
        self.cells[place] = cell;
    }

    /// Where the way is, or would be.
    fn place(&self, from: From, to: Slot) -> Result<usize, usize> {
        self.lanes.binary_search_by_key(&(from, to), |lane| (lane.from, lane.to))
    }

    pub(crate) fn lane(&self, from: From, to: Slot) -> Option<&Lane> {
        self.place(from, to).ok().map(|place| &self.lanes[place])
    }

    /// Puts an event on its way, behind those that are there; where order does not matter, in the order of numbers.
    pub(crate) fn push(&mut self, from: From, to: Slot, letter: Letter, unordered: bool) {
        match self.place(from, to) {
            Ok(place) => {
                let letters = &mut self.lanes[place].letters;
                let at =
                    if unordered { letters.partition_point(|other| *other <= letter) } else { letters.len() };
                letters.insert(at, letter);
            }
            Err(place) => self.lanes.insert(place, Lane { from, to, letters: vec![letter] }),
        }
    }

    /// Takes an event off its way.
    pub(crate) fn pull(&mut self, from: From, to: Slot, at: usize) -> Option<Letter> {
        let place = self.place(from, to).ok()?;
        let letters = &mut self.lanes[place].letters;
        let letter = (at < letters.len()).then(|| letters.remove(at));
        if letters.is_empty() {
            self.lanes.remove(place);
        }
        letter
    }

    pub(crate) fn has_timers(&self, slot: Slot) -> bool {
        self.timers.iter().any(|timer| timer.slot == slot)
    }

    /// Writes the world; it must be read with as many `left` as it has.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let used = self.cells.iter().rposition(|cell| *cell != 0).map_or(0, |last| last + 1);
        number(out, used as u64);
        self.cells[..used].iter().for_each(|cell| number(out, u64::from(*cell)));
        number(out, self.lanes.len() as u64);
        for lane in &self.lanes {
            // Clients get odd numbers, so that both kinds stay short.
            let from = if lane.from >= CLIENTS { 2 * (lane.from - CLIENTS) + 1 } else { 2 * lane.from };
            number(out, u64::from(from));
            number(out, u64::from(lane.to));
            number(out, lane.letters.len() as u64);
            lane.letters.iter().for_each(|letter| number(out, u64::from(*letter)));
        }
        number(out, self.timers.len() as u64);
        for timer in &self.timers {
            number(out, u64::from(timer.slot));
            number(out, u64::from(timer.place));
            number(out, ((timer.due << 1) ^ (timer.due >> 63)) as u64);
        }
        number(out, self.now as u64);
        out.extend(&self.left);
    }

    /// Reads what [`Scene::encode`] wrote, in place of what this one was.
    pub(crate) fn decode(&mut self, mut bytes: &[u8]) {
        let bytes = &mut bytes;
        self.cells.clear();
        self.timers.clear();
        self.left.clear();
        for _ in 0..read(bytes) {
            self.cells.push(read(bytes) as Cell);
        }
        let lanes = read(bytes) as usize;
        self.lanes.truncate(lanes);
        for place in 0..lanes {
            let from = read(bytes) as u32;
            let from = if from & 1 == 1 { CLIENTS + from / 2 } else { from / 2 };
            let to = read(bytes) as Slot;
            if place == self.lanes.len() {
                self.lanes.push(Lane { from, to, letters: Vec::new() });
            }
            let lane = &mut self.lanes[place];
            (lane.from, lane.to) = (from, to);
            lane.letters.clear();
            for _ in 0..read(bytes) {
                lane.letters.push(read(bytes) as Letter);
            }
        }
        for _ in 0..read(bytes) {
            let (slot, place) = (read(bytes) as Slot, read(bytes) as u16);
            let due = read(bytes);
            self.timers.push(Timer { slot, place, due: (due >> 1) as i64 ^ -((due & 1) as i64) });
        }
        self.now = read(bytes) as i64;
        self.left.extend_from_slice(bytes);
    }
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Bytes are our own, from memory: what ends early reads as 0.
fn read(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    while let Some((byte, rest)) = bytes.split_first() {
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    value
}
