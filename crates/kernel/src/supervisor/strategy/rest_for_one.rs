//! Children that need those before them: when one fails, those after it begin again with it.

use core::ops::Range;

pub(super) fn affected(failed: usize, count: usize) -> Range<usize> {
    failed..count
}
