//! What a connector says while it works: for a log, never for a decision.
//!
//! Its one invariant: trouble that goes on is told when it begins and then ever more seldom, and once more when it ends.

use std::fmt;
use std::rc::Rc;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Which source or sink.
    pub of: Rc<str>,
    /// What sort.
    pub what: What,
    /// For a person.
    pub message: String,
}

/// Sorts of news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It works from now on.
    Began,
    /// Something does not work, and is tried again.
    Trouble,
    /// It works again.
    Mended,
    /// A message went to the dead-letter queue.
    Rejected,
}

impl What {
    /// One word for a log.
    pub fn word(self) -> &'static str {
        match self {
            What::Began => "began",
            What::Trouble => "trouble",
            What::Mended => "mended",
            What::Rejected => "rejected",
        }
    }
}

/// Who is told.
pub type Tell = Rc<dyn Fn(&News)>;

/// Tells in the name of one source or sink.
#[derive(Clone)]
pub(crate) struct Teller {
    of: Rc<str>,
    tell: Tell,
}

impl Teller {
    pub(crate) fn new(of: &str, tell: Tell) -> Teller {
        Teller { of: of.into(), tell }
    }

    pub(crate) fn say(&self, what: What, message: impl Into<String>) {
        (self.tell)(&News { of: self.of.clone(), what, message: message.into() });
    }

    /// Of failures in a row, the first is told, then the second, the fourth, and so on.
    pub(crate) fn trouble(&self, failures: u32, what: &str, reason: &str) {
        if failures.is_power_of_two() {
            self.say(What::Trouble, format!("cannot {what}: {reason}; trying again"));
        }
    }

    /// It worked after so many failures.
    pub(crate) fn mended(&self, failures: u32, what: &str) {
        if failures > 0 {
            self.say(What::Mended, format!("can {what} again, after {failures} failed attempts"));
        }
    }
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Teller({})", self.of)
    }
}
