//! What outlives a thread of the shard: the store, the clock, and who waits for answers. One thread owns it at a time;
//! one that was left behind in a turn that does not end finds, when it comes back, that it owns nothing any more.
//!
//! It refuses to know why a thread is left behind. Its one invariant: only the owner touches anything in here, so nothing
//! of a turn that was given up is ever committed or answered.

use crate::callers::Callers;
use crate::clock::Clock;
use crate::follow::Publisher;
use crate::leasing::Leasing;
use crate::recorder::Recording;
use everstate_store::{Store, StoreError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What there is to own, shared with whoever watches over the owner.
#[derive(Clone)]
pub(crate) struct Estate(Arc<Mutex<Held>>);

struct Held {
    owner: u32,
    /// None once it is closed.
    owned: Option<Owned>,
}

/// What the owner has.
pub(crate) struct Owned {
    pub(crate) store: Box<dyn Store>,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) publisher: Publisher,
    pub(crate) callers: Callers,
    pub(crate) leasing: Leasing,
    pub(crate) recording: Recording,
}

/// Why a thread of the shard stops.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Another thread has taken its place.
    LeftBehind,
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Ended {
        Ended::Store(error)
    }
}

impl Estate {
    pub(crate) fn new(owned: Owned) -> Estate {
        Estate(Arc::new(Mutex::new(Held { owner: 0, owned: Some(owned) })))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works with it, if that thread is the owner.
    pub(crate) fn with<T>(&self, owner: u32, work: impl FnOnce(&mut Owned) -> T) -> Result<T, Ended> {
        let mut held = self.held();
        if held.owner != owner {
            return Err(Ended::LeftBehind);
        }
        held.owned.as_mut().map(work).ok_or(Ended::LeftBehind)
    }

    /// Gives it to the next owner, if that is still wanted once the present one cannot touch it. Answers its number.
    pub(crate) fn pass_on(&self, wanted: impl FnOnce() -> bool) -> Option<u32> {
        let mut held = self.held();
        if held.owned.is_none() || !wanted() {
            return None;
        }
        held.owner += 1;
        Some(held.owner)
    }

    /// Takes it away from everybody.
    pub(crate) fn end(&self, owner: u32) -> Option<Owned> {
        let mut held = self.held();
        if held.owner == owner { held.owned.take() } else { None }
    }
}
