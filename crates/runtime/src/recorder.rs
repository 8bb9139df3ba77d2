//! What a shard stepped and committed, told to somebody who wants to step it again.
//!
//! It refuses to keep anything by itself. Its one invariant: what is told are the inputs of one committed batch, in the
//! order and at the times at which they were stepped.

use everstate_kernel::{Input, Record, Time};

/// Is told of every batch. A node is deterministic, so that the same inputs lead to the same records anywhere: the
/// simulator replays what a runtime did, byte for byte.
pub trait Recorder: Send {
    /// A batch was committed; or it had nothing to commit, and `records` is empty.
    fn committed(&mut self, inputs: Vec<(Time, Input)>, records: &[Record]);

    /// A batch was not kept, and the node was made anew from its store.
    fn restored(&mut self);
}

/// What has been stepped since the last commit, if anybody wants to know.
#[derive(Default)]
pub(crate) struct Recording {
    recorder: Option<Box<dyn Recorder>>,
    inputs: Vec<(Time, Input)>,
}

impl Recording {
    pub(crate) fn to(recorder: Box<dyn Recorder>) -> Recording {
        Recording { recorder: Some(recorder), inputs: Vec::new() }
    }

    pub(crate) fn stepped(&mut self, now: Time, input: &Input) {
        if self.recorder.is_some() {
            self.inputs.push((now, input.clone()));
        }
    }

    pub(crate) fn committed(&mut self, records: &[Record]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.committed(std::mem::take(&mut self.inputs), records);
        }
    }

    pub(crate) fn restored(&mut self) {
        self.inputs.clear();
        if let Some(recorder) = &mut self.recorder {
            recorder.restored();
        }
    }
}
