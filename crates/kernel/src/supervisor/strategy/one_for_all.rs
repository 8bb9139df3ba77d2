//! Children that all need each other: when one fails, all begin again together.

use core::ops::Range;

pub(super) fn affected(count: usize) -> Range<usize> {
    0..count
}
