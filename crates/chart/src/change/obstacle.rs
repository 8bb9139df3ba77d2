//! Why an instance cannot be carried over, and what is worth knowing of one that can.
//!
//! It refuses to know instances by name. Its one invariant: equal situations give equal texts, so that they can be
//! counted.

use std::fmt;

/// Something that keeps an instance from being carried over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Obstacle {
    /// What sort.
    pub code: ObstacleCode,
    /// What is in the way.
    pub what: String,
    /// What would get it out of the way.
    pub fix: String,
}

/// Sorts of obstacles. Some can be accepted: what is done then stands beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObstacleCode {
    /// An active state has no counterpart.
    State,
    /// A region of a parallel state is not led to. Accepted: it begins where it begins.
    Region,
    /// Active states lead to states that cannot be active together.
    Conflict,
    /// It would stand at an end that it has not come to by itself.
    End,
    /// A transition without an event would fire at once.
    Restless,
    /// What a history remembers has no counterpart. Accepted: it is forgotten.
    History,
    /// A timer has no counterpart. Accepted: it is cleared.
    Timer,
    /// An invoked machine that runs has no counterpart. Accepted: it is stopped.
    Child,
    /// A task that a state has asked for and that is open has no counterpart. Accepted: it is cancelled.
    Task,
    /// A state that is led to invokes a machine that does not run. Accepted: it is started.
    Invoke,
    /// An event that waits or will come is taken nowhere. Accepted: it is answered like any event that nobody takes.
    Event,
    /// A field of the context is of another type than is declared.
    Field,
    /// A field of the context would have no value.
    Missing,
    /// The expression for a field faults.
    Expression,
    /// It runs a chart written inside of the definition that is not there any more.
    Program,
    /// The two versions are of different sorts, such as SCXML and the native format.
    Notation,
    /// Its stored state does not fit the version that it is of.
    Unreadable,
}

impl ObstacleCode {
    /// All of them.
    pub const ALL: [ObstacleCode; 17] = [
        ObstacleCode::State,
        ObstacleCode::Region,
        ObstacleCode::Conflict,
        ObstacleCode::End,
        ObstacleCode::Restless,
        ObstacleCode::History,
        ObstacleCode::Timer,
        ObstacleCode::Child,
        ObstacleCode::Task,
        ObstacleCode::Invoke,
        ObstacleCode::Event,
        ObstacleCode::Field,
        ObstacleCode::Missing,
        ObstacleCode::Expression,
        ObstacleCode::Program,
        ObstacleCode::Notation,
        ObstacleCode::Unreadable,
    ];

    /// A stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            ObstacleCode::State => "state",
            ObstacleCode::Region => "region",
            ObstacleCode::Conflict => "conflict",
            ObstacleCode::End => "end",
            ObstacleCode::Restless => "restless",
            ObstacleCode::History => "history",
            ObstacleCode::Timer => "timer",
            ObstacleCode::Child => "child",
            ObstacleCode::Task => "task",
            ObstacleCode::Invoke => "invoke",
            ObstacleCode::Event => "event",
            ObstacleCode::Field => "field",
            ObstacleCode::Missing => "missing",
            ObstacleCode::Expression => "expression",
            ObstacleCode::Program => "program",
            ObstacleCode::Notation => "notation",
            ObstacleCode::Unreadable => "unreadable",
        }
    }

    /// Can it be accepted?
    pub fn is_acceptable(self) -> bool {
        matches!(
            self,
            ObstacleCode::Region
                | ObstacleCode::History
                | ObstacleCode::Timer
                | ObstacleCode::Child
                | ObstacleCode::Task
                | ObstacleCode::Invoke
                | ObstacleCode::Event
        )
    }

    /// Those that can be accepted.
    pub fn acceptable() -> impl Iterator<Item = ObstacleCode> {
        ObstacleCode::ALL.into_iter().filter(|code| code.is_acceptable())
    }

    /// The one that is called so.
    pub fn named(name: &str) -> Option<ObstacleCode> {
        ObstacleCode::ALL.into_iter().find(|code| code.as_str() == name)
    }
}

impl fmt::Display for ObstacleCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.fix)
    }
}

/// Something that is done with an instance on the way, and that nobody is asked about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note(pub String);

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is in the way and what is noted, as it is found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) accepted: Vec<ObstacleCode>,
    pub(super) obstacles: Vec<Obstacle>,
    pub(super) notes: Vec<Note>,
}

impl Found {
    pub(super) fn accepting(accepted: Vec<ObstacleCode>) -> Found {
        Found { accepted, ..Found::default() }
    }

    /// Finds an obstacle. Says whether it is accepted, which is then noted with what is done.
    pub(super) fn meet(&mut self, code: ObstacleCode, what: String, fix: String, done: &str) -> bool {
        if code.is_acceptable() && self.accepted.contains(&code) {
            self.note(format!("{what}: {done}"));
            return true;
        }
        self.obstacles.push(Obstacle { code, what, fix });
        false
    }

    /// Finds an obstacle that cannot be accepted.
    pub(super) fn refuse(&mut self, code: ObstacleCode, what: impl Into<String>, fix: impl Into<String>) {
        self.obstacles.push(Obstacle { code, what: what.into(), fix: fix.into() });
    }

    pub(super) fn note(&mut self, text: String) {
        self.notes.push(Note(text));
    }
}
