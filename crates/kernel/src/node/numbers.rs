//! The numbers within a turn: which thing of a turn has which, so that no two ever have the same and all are delivered
//! in the order of what they mean. It refuses to know what the things are.

use crate::limits::{CHILDREN_MAX, EFFECTS_MAX, HELD_MAX, MONITORS_MAX};
use crate::record::Serial;

// Numbers within a turn, in the order in which they are delivered: what lets go of an earlier incarnation comes before
// what the new one asks for, and an end after everything else. The failure of an effect's delivery is numbered
// `FAILURE_OFFSET` above the effect.
pub(super) const EARLIER_CHILDREN_INDEX: u64 = 0;
pub(super) const EFFECTS_INDEX: u64 = 1024;
pub(super) const FAILURE_OFFSET: u64 = 1024;
pub(super) const START_INDEX: u64 = 3072;
pub(super) const REPLY_INDEX: u64 = 3073;
pub(super) const REFUSAL_INDEX: u64 = 3074;
pub(crate) const LETTER_INDEX: u64 = 3075;
pub(super) const STARTED_INDEX: u64 = 3076;
pub(super) const FAULTED_INDEX: u64 = 3077;
pub(super) const EXITED_INDEX: u64 = 3078;
pub(super) const ENTER_INDEX: u64 = 3327;
pub(super) const HELD_INDEX: u64 = 3328;
/// Of the turn before, so that it comes before all that the new incarnation asks for.
pub(super) const EARLIER_HELD_INDEX: u64 = 3713;
pub(super) const CHILDREN_INDEX: u64 = 4096;
pub(super) const WATCHERS_INDEX: u64 = 5120;
pub(super) const WATCHED_INDEX: u64 = 6144;
pub(super) const EARLIER_WATCHED_INDEX: u64 = 7168;
const _: () = assert!(CHILDREN_MAX <= 1024 && MONITORS_MAX <= 1024 && EFFECTS_MAX <= 1024);
const _: () = assert!(
    HELD_MAX < 300 && HELD_INDEX + 300 <= EARLIER_HELD_INDEX && EARLIER_HELD_INDEX + 300 <= CHILDREN_INDEX
);
const _: () = assert!(EARLIER_WATCHED_INDEX + 1024 <= Serial::PER_TURN);

impl Serial {
    /// The number within a turn of its first effect.
    pub const FIRST_EFFECT: u64 = EFFECTS_INDEX;

    /// Was it given to an effect? Then what cannot be delivered under it is told.
    pub fn is_of_effect(self) -> bool {
        (EFFECTS_INDEX..EFFECTS_INDEX + FAILURE_OFFSET).contains(&(self.0 % Serial::PER_TURN))
    }
}
