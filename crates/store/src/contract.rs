//! What the rest of Everstate asks of a store. Synchronous and small; engines are chosen in `main`.

use everstate_kernel::{
    Address, DeadLetter, DefinitionRecord, Durability, EventId, HistoryEntry, Instance, Loaded,
    OutcomeRecord, Queued, Record, Sent, Serial, TaskKey, TaskStanding, Time, TimerKey, Touches,
};
use std::path::PathBuf;
use std::sync::Arc;

/// The writing side: one owner, one thread.
///
/// Call order: any number of `hydrate` and `commit`, then `close`. After a `commit` answered
/// [`StoreError::Poisoned`] or [`StoreError::Io`], every further one is `Poisoned`: whether the disk holds the
/// last batch is not known, and only opening anew tells. After [`StoreError::Full`] nothing of that batch is kept
/// and the store goes on.
pub trait Store: Send {
    /// Brings in all that is touched, with an answer for each thing, absence included.
    fn hydrate(&self, touches: &Touches) -> Result<Loaded, StoreError>;

    /// Keeps all records in order, or none of them, and returns once they survive what `durability` names.
    fn commit(&mut self, records: &[Record], durability: Durability) -> Result<(), StoreError>;

    /// The reading side, for other threads. Sees every commit that has returned.
    fn reader(&self) -> Arc<dyn Reader>;

    /// Makes everything durable and lets go of the folder.
    fn close(self: Box<Self>) -> Result<(), StoreError>;
}

/// The reading side. Every method sees every commit that returned before it was called.
pub trait Reader: Send + Sync {
    /// All definitions, in the order in which they were put.
    fn definitions(&self) -> Result<Vec<DefinitionRecord>, StoreError>;

    /// The row of an instance with its mailbox in order.
    fn instance(&self, address: &Address) -> Result<Option<(Instance, Vec<Queued>)>, StoreError>;

    /// The history of an instance: entries with a sequence above `after`, at most `limit`, ascending.
    fn history(&self, address: &Address, after: u64, limit: usize) -> Result<Vec<HistoryEntry>, StoreError>;

    /// Turns of the whole node: positions above `after`, at most `limit`, ascending. Those of deleted instances
    /// are left out.
    fn turns(&self, after: u64, limit: usize) -> Result<Vec<(Address, HistoryEntry)>, StoreError>;

    /// What is remembered of an event, unless that has expired at `now`.
    fn outcome(&self, id: &EventId, now: Time) -> Result<Option<OutcomeRecord>, StoreError>;

    /// The same when it lies in memory, which what was committed a moment ago does; nothing when it has to be looked up, or
    /// a commit is being noted right now. Never waits.
    fn recent_outcome(&self, id: &EventId, now: Time) -> Result<Option<OutcomeRecord>, StoreError>;

    /// Instances that match, in the order asked for, exact. A page looks at a bounded number of instances: where few of
    /// many match it may hold less than asked for, or nothing, and say where to go on.
    fn list(&self, query: &Query) -> Result<Page, StoreError>;

    /// Timers and retries after `after` (from the first when none), at most `limit`, ascending by when.
    fn timers(&self, after: Option<&TimerKey>, limit: usize) -> Result<Vec<TimerKey>, StoreError>;

    /// Tasks after `after` (from the first when none), at most `limit`, ascending: of that queue, or of all, and of
    /// those the ones that stand so, or all. Only with a queue is what stands otherwise passed over unread.
    fn tasks(
        &self,
        queue: Option<&str>,
        standing: Option<TaskStanding>,
        after: Option<&TaskKey>,
        limit: usize,
    ) -> Result<Vec<TaskKey>, StoreError>;

    /// Instances of which something is kept no longer at that time, at most `limit`, the longest overdue first.
    fn expiring(&self, until: Time, limit: usize) -> Result<Vec<(Time, Address)>, StoreError>;

    /// Up to which position turns are gone because their time was over: of that kind, or of any. 0 when none are.
    fn expired(&self, kind: Option<&str>) -> Result<u64, StoreError>;

    /// Events on their way, with a number above `after`, at most `limit`, ascending.
    fn outbox(&self, after: Option<Serial>, limit: usize) -> Result<Vec<Sent>, StoreError>;

    /// Dead letters with a number above `after`, at most `limit`, ascending.
    fn dead_letters(&self, after: Option<Serial>, limit: usize) -> Result<Vec<DeadLetter>, StoreError>;

    /// How many instances of each kind are in each atomic state, ascending; what has none is left out. Kept, so that
    /// asking costs nothing.
    fn census(&self) -> Vec<(String, Arc<str>, u64)>;

    /// Counts and sizes.
    fn summary(&self) -> Result<Summary, StoreError>;
}

/// Which instances are asked for. Every condition given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this version.
    pub version: Option<String>,
    /// With this state active: the path of the state itself or of an ancestor (`accepted` takes
    /// `accepted.wait.user`).
    pub state: Option<String>,
    /// Whose last turn was at or after this time; with `event`, who received that event at or after it.
    pub since: Option<Time>,
    /// Only ended (`true`) or only living (`false`) ones.
    pub done: Option<bool>,
    /// Who received an event of this name, whatever became of it, and still has it in its history.
    pub event: Option<String>,
    /// With these values, as [`everstate_kernel::index_text`] writes them, at these indexed paths.
    pub fields: Vec<(String, String)>,
    /// In which order.
    pub order: Order,
    /// After this one: where the page before has ended.
    pub after: Option<Cursor>,
    /// At most so many; 0 counts without listing.
    pub limit: usize,
    /// Whether [`Page::total`] is wanted. By kind, version, state and `done` it is kept, so asking costs nothing; but for a
    /// state with others in it, of a version that has instances in parallel states. All else is counted: that reads the
    /// index, and with several conditions the row, of each instance that the most selective index proposes, about 0.2 µs
    /// and 2 µs.
    pub count: bool,
}

/// In which order instances are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By kind, space and id.
    #[default]
    Address,
    /// The last turn first. Who makes a turn between two pages moves before both.
    Newest,
    /// The last turn last.
    Oldest,
}

/// Where a page has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// At this address.
    pub address: Address,
    /// When its last turn was; counts only in an order by time.
    pub at: Time,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Their rows.
    pub instances: Vec<Instance>,
    /// Where the next page goes on; none when this is the last.
    pub next: Option<Cursor>,
    /// How many match in all, when asked for.
    pub total: Option<u64>,
}

/// What is in a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Position of the last turn; 0 before the first.
    pub last_position: u64,
    /// Instances, ended ones included.
    pub instances: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Bytes on disk; 0 for an engine in memory.
    pub bytes_on_disk: u64,
    /// Name of the engine.
    pub engine: &'static str,
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process owns the folder.
    #[error("data folder {} is in use by another process{}; stop that one, or give this one a folder of its own with --data", .folder.display(), .owner.as_deref().map(|owner| format!(" ({owner})")).unwrap_or_default())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// What is known of the owner, such as its process id.
        owner: Option<String>,
    },
    /// The folder cannot be used.
    #[error("data folder {}: {problem}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The disk is full; nothing of the batch is kept, and the store goes on.
    #[error("the disk is full; nothing was kept, free some space and send again")]
    Full,
    /// Reading or writing failed.
    #[error("{action}: {source}")]
    Io {
        /// What was being done.
        action: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// An earlier write or sync failed, so that nothing more can be promised.
    #[error(
        "the store is closed to writing since {0}; restart the server, which recovers all that was acknowledged"
    )]
    Poisoned(String),
    /// What was read is not what was written, and it is not the end of the journal.
    #[error("{} is damaged at byte {offset}: {problem}", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Written by a newer Everstate.
    #[error("the data is of format {found}, this program knows formats up to {known}; use a newer everstate")]
    Format {
        /// Found.
        found: u32,
        /// Known.
        known: u32,
    },
}
