//! What a migration came to.
//!
//! It refuses to decide anything. Its one invariant: every entry that was found is in exactly one number of its group.

use std::collections::BTreeMap;

/// What a migration came to, or would come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MigrationReport {
    /// Was nothing written?
    pub dry_run: bool,
    /// Configurations.
    pub configurations: Tally,
    /// FSMs.
    pub machines: Tally,
    /// Events in the histories of the FSMs that were imported.
    pub history: u64,
    /// Outcomes of events.
    pub outcomes: Tally,
    /// Of the outcomes that were there already, those that a history tells.
    pub outcomes_of_history: u64,
    /// Events that are told by a history or an outcome.
    pub events: Tally,
    /// Members of the sets of FSMs in a state, all of them compared with the FSM's own state.
    pub listed: u64,
    /// How many problems there are, by [`MigrationProblem::reason`].
    pub problems: BTreeMap<&'static str, u64>,
    /// Entries that were left out, each of them named by a problem.
    pub skipped: u64,
}

/// What became of the entries of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// In Redis.
    pub found: u64,
    /// Written now.
    pub imported: u64,
    /// There already.
    pub already: u64,
    /// Left out, with a reason.
    pub skipped: u64,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationProblem {
    /// The key in Redis.
    pub key: String,
    /// A stable word.
    pub reason: &'static str,
    /// What is wrong, for a person.
    pub message: String,
    /// Was the entry left out? Otherwise it was imported as the message says.
    pub skipped: bool,
}

/// The words for problems, and what is done about each.
pub const MIGRATION_REASONS: &[(&str, &str)] = &[
    ("malformed-key", "the key or a name in it is no text that an id can be made of; skipped"),
    ("malformed-value", "the value is not the message that belongs there; skipped"),
    ("wrong-type", "the key holds another type of Redis than it should; skipped"),
    ("invalid-configuration", "Everstate would refuse the configuration, as the message says why; skipped"),
    ("configuration-differs", "the data folder has another text under that name and version; skipped"),
    ("configuration-missing", "it is named, but it is not there, or was skipped; FSMs of it are skipped"),
    ("configuration-unlisted", "it is not in the set of its versions; imported all the same"),
    ("unknown-state", "the FSM is in a state that its configuration does not have; skipped"),
    ("too-large", "the history cannot be replayed and is larger than an event's data may be; skipped"),
    (
        "history-broken",
        "the history does not lead to the state by the configuration; imported in its state, with the history as told",
    ),
    (
        "event-repeated",
        "an event id of the history was used before; imported in its state, with the history as told",
    ),
    (
        "outcome-conflict",
        "the event id was used for another configuration as well, whose outcome is kept; skipped",
    ),
    (
        "event-undecided",
        "the event was never decided: no outcome and no history has it; skipped, send it again",
    ),
    ("listed-elsewhere", "the set names the FSM under another state than its own; its own counts"),
    ("listed-missing", "the set names an FSM that is not there"),
];
