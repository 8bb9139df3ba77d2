//! Repairs: what an operator does to an instance, on its way to the shard.
//!
//! It refuses to know what a state means. Its one invariant: what is refused has changed nothing.

use crate::error::CallError;
use crate::handle::{Call, Decision, Handle, decision};
use everstate_kernel::{Address, Becoming, Remedy, Repair, Standing};
use std::sync::Arc;

/// Who wants something done, and why.
#[derive(Debug, Clone)]
pub struct Note {
    /// As they call themselves.
    pub by: Arc<str>,
    /// For whoever reads the history.
    pub reason: Arc<str>,
}

impl Note {
    fn with(&self, remedy: Remedy) -> Repair {
        Repair { by: self.by.clone(), reason: self.reason.clone(), remedy }
    }
}

impl Handle {
    /// Lets an instance stand elsewhere, unless it has made a turn since it was looked at.
    pub async fn become_other(
        &self,
        address: Address,
        becoming: Becoming,
        note: &Note,
    ) -> Result<Decision, CallError> {
        self.repair(address, note.with(Remedy::Become(Box::new(becoming)))).await
    }

    /// Begins an instance at a point of the history of another.
    pub async fn begin_at(
        &self,
        address: Address,
        (origin, sequence): (Address, u64),
        standing: Standing,
        note: &Note,
    ) -> Result<Decision, CallError> {
        let remedy = Remedy::Begin { origin, sequence, standing: Box::new(standing) };
        self.repair(address, note.with(remedy)).await
    }

    /// Lets an instance take no events.
    pub async fn pause(&self, address: Address, note: &Note) -> Result<Decision, CallError> {
        self.repair(address, note.with(Remedy::Pause)).await
    }

    /// Lets an instance that is paused or parked take events again.
    pub async fn resume(&self, address: Address, note: &Note) -> Result<Decision, CallError> {
        self.repair(address, note.with(Remedy::Resume)).await
    }

    /// Tries the event of an instance that faulted now.
    pub async fn retry(&self, address: Address, note: &Note) -> Result<Decision, CallError> {
        self.repair(address, note.with(Remedy::Retry(None))).await
    }

    async fn repair(&self, address: Address, repair: Repair) -> Result<Decision, CallError> {
        let repair = Box::new(repair);
        self.call(1, |reply| Call::Repair { address, repair, reply }).await.map(decision)
    }
}
