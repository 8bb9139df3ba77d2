//! All worlds that were found, as bytes in one piece of memory, with how each was reached.
//!
//! It refuses to know what the bytes mean. Its one invariant: no two of its worlds have the same bytes; the table
//! compares bytes after hashes, so a collision costs a comparison and never a world.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// How a world was expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expansion {
    /// Not yet.
    Open,
    /// Everything that can happen was tried.
    Full,
    /// Only what can happen to that instance.
    Only(u32),
}

/// How a world was reached first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reached {
    /// From which world; of the first one, itself.
    pub(crate) parent: u32,
    /// By which of the choices that it offers.
    pub(crate) choice: u16,
    /// In how many steps.
    pub(crate) depth: u32,
}

#[derive(Debug)]
pub(crate) struct Worlds {
    bytes: Vec<u8>,
    /// Where each begins, and where the last one ends.
    starts: Vec<u64>,
    table: HashTable<u32>,
    hasher: FixedState,
    pub(crate) reached: Vec<Reached>,
    pub(crate) expansions: Vec<Expansion>,
}

impl Worlds {
    pub(crate) fn new() -> Worlds {
        Worlds {
            bytes: Vec::new(),
            starts: vec![0],
            table: HashTable::new(),
            hasher: FixedState::with_seed(0),
            reached: Vec::new(),
            expansions: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.reached.len()
    }

    pub(crate) fn bytes_of(&self, index: u32) -> &[u8] {
        let index = index as usize;
        &self.bytes[self.starts[index] as usize..self.starts[index + 1] as usize]
    }

    pub(crate) fn hash(&self, world: &[u8]) -> u64 {
        self.hasher.hash_one(world)
    }

    pub(crate) fn find(&self, hash: u64, world: &[u8]) -> Option<u32> {
        self.table.find(hash, |index| self.bytes_of(*index) == world).copied()
    }

    /// Adds a world unless it is there, and says where it is and whether it is new.
    pub(crate) fn add(&mut self, hash: u64, world: &[u8], reached: Reached) -> (u32, bool) {
        if let Some(index) = self.find(hash, world) {
            return (index, false);
        }
        let index = self.reached.len() as u32;
        self.bytes.extend_from_slice(world);
        self.starts.push(self.bytes.len() as u64);
        self.reached.push(reached);
        self.expansions.push(Expansion::Open);
        let (bytes, starts, hasher) = (&self.bytes, &self.starts, &self.hasher);
        let rehash = |index: &u32| {
            let index = *index as usize;
            hasher.hash_one(&bytes[starts[index] as usize..starts[index + 1] as usize])
        };
        self.table.insert_unique(hash, index, rehash);
        (index, true)
    }

    /// Memory that all of it takes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
            + self.starts.capacity() * 8
            + self.table.capacity() * 5
            + self.reached.capacity() * size_of::<Reached>()
            + self.expansions.capacity() * size_of::<Expansion>()
    }
}
