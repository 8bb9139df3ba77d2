//! Children that do not need each other: the one that failed is restarted, and nobody else notices.

use core::ops::Range;

pub(super) fn affected(failed: usize) -> Range<usize> {
    failed..failed + 1
}
