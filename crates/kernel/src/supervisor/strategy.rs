//! Who is restarted when one child fails. Children stand in an order; a strategy is a pure function from the place of
//! the one that failed to the places concerned, which are always neighbours. It refuses to know why the child failed
//! and whether it is allowed another try.

mod one_for_all;
mod one_for_one;
mod rest_for_one;

use core::ops::Range;
use serde::{Deserialize, Serialize};

/// OTP's strategies, with OTP's meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Strategy {
    /// The child alone.
    #[default]
    OneForOne,
    /// All children.
    OneForAll,
    /// The child and those after it.
    RestForOne,
}

impl Strategy {
    /// The places of the children that are stopped, from the last to the first, and started again, from the first to
    /// the last, when the one at `failed` of `count` fails.
    pub(super) fn affected(self, failed: usize, count: usize) -> Range<usize> {
        match self {
            Strategy::OneForOne => one_for_one::affected(failed),
            Strategy::OneForAll => one_for_all::affected(count),
            Strategy::RestForOne => rest_for_one::affected(failed, count),
        }
    }

    /// As a definition writes it.
    pub(super) fn read(word: &str) -> Option<Strategy> {
        match word {
            "one_for_one" => Some(Strategy::OneForOne),
            "one_for_all" => Some(Strategy::OneForAll),
            "rest_for_one" => Some(Strategy::RestForOne),
            _ => None,
        }
    }
}
