//! Every limit of the kernel, named, with what it bounds and why this value. Going over one is a documented
//! outcome, never a panic and never a silent loss.

/// Bytes of a whole address. Keys in the store hold one or two; 512 keeps them in one cache page.
pub const ADDRESS_BYTES_MAX: usize = 512;

/// Bytes of a kind (a definition's name). It is in every address and every index key.
pub const KIND_BYTES_MAX: usize = 128;

/// Bytes of an id within its kind. 255 takes every UUID, e-mail address and order number in use.
pub const ID_BYTES_MAX: usize = 255;

/// Bytes of a definition's version.
pub const VERSION_BYTES_MAX: usize = 64;

/// Bytes of an event's id, the idempotency key.
pub const EVENT_ID_BYTES_MAX: usize = 255;

/// Bytes of an event's name. At twice this, index keys of histories would dominate the store.
pub const EVENT_NAME_BYTES_MAX: usize = 255;

/// Bytes of an event's data. A machine's event is a message, not a file: larger things belong in a blob store
/// with their address in the event. Half would refuse honest documents, twice would let 64 clients fill a batch.
pub const DATA_BYTES_MAX: usize = 1 << 20;

/// How deep JSON may nest. Deeper than any honest document, shallow enough for recursion on a 2 MiB stack.
pub const DATA_DEPTH_MAX: usize = 100;

/// Bytes of an instance's encoded state and its timers together. A turn rewrites both, so this bounds its cost.
pub const STATE_BYTES_MAX: usize = 4 << 20;

/// Events one instance may have waiting (deferred, or behind an event that is being retried). The sender of one
/// more is answered `resource exhausted`. A turn may drain them all, so this bounds the length of a step too.
pub const MAILBOX_MAX: usize = 1_000;

/// Named timers one instance may hold. They lie in its row, so this bounds the row.
pub const TIMERS_MAX: usize = 256;

/// Tasks that one instance may have open. They lie in its row, so this bounds the row; a machine that wants more asks
/// for them one after the other, or has children ask.
pub const TASKS_MAX: usize = 256;

/// Bytes of the input of a task. The row is rewritten by every turn, and the input with it; what is larger belongs in
/// a blob store with its address in the input.
pub const TASK_INPUT_BYTES_MAX: usize = 256 << 10;

/// Bytes of what a heartbeat says of how far an attempt has come. Written at every heartbeat.
pub const TASK_PROGRESS_BYTES_MAX: usize = 16 << 10;

/// Bytes of a worker's word for a failure.
pub const TASK_CODE_BYTES_MAX: usize = 128;

/// Bytes of the name of a task among those of its instance. It ends the names of the events that tell of it, which
/// have [`EVENT_NAME_BYTES_MAX`].
pub const TASK_NAME_BYTES_MAX: usize = 200;

/// Bytes of the name of a queue of tasks. It is in the key of every task.
pub const QUEUE_BYTES_MAX: usize = 128;

/// Bytes of the name of a worker: a host name, a process and a thread.
pub const WORKER_BYTES_MAX: usize = 255;

/// Tasks leased in one call. A worker takes what it can work on at once; at ten times this, one step would rewrite a
/// thousand rows.
pub const LEASES_MAX: usize = 100;

/// Bytes of the inputs leased in one call, the last one apart: an answer that fits into one message.
pub const LEASE_BYTES_MAX: usize = 2 << 20;

/// Bytes of a topic or pattern. It is in every message and notice, beside an address.
pub const PATTERN_BYTES_MAX: usize = 512;

/// Segments of a topic or pattern, a final `>` included. A topic is looked up along two branches at each segment, so
/// twice as many would square what a hostile set of patterns can cost; honest topics have three to six.
pub const PATTERN_SEGMENTS_MAX: usize = 16;

/// Bytes of an endpoint's name among those of its machine. It ends the names of the events that tell of counterparts,
/// which have [`EVENT_NAME_BYTES_MAX`].
pub const ENDPOINT_NAME_BYTES_MAX: usize = 200;

/// Bytes of the value that an endpoint asserts. It is copied into every notice of it; what is larger belongs elsewhere
/// with its address in the value.
pub const ENDPOINT_VALUE_BYTES_MAX: usize = 16 << 10;

/// Endpoints in one space. They lie in memory while the space is awake, some 1,000 bytes each; what needs twice as many
/// is two spaces.
pub const SPACE_ENDPOINTS_MAX: usize = 1_000_000;

/// Instances that live in one space, which ends them with itself; they lie in memory like endpoints.
pub const SPACE_INHABITANTS_MAX: usize = 1_000_000;

/// Spaces around an instance. Tenants, conversations and tests nest three or four deep.
pub const SPACE_DEPTH_MAX: usize = 16;

/// Endpoints one instance may hold, in all spaces together. Their names lie in its row, so this bounds the row; at its
/// end each space gets an errand, so it bounds a step too.
pub const HELD_MAX: usize = 256;

/// Acts in one turn of a session. They are effects of that turn, which may have [`EFFECTS_MAX`].
pub const SESSION_ACTS_MAX: usize = 256;

/// Publications that wait for credit at one endpoint. They lie in memory while the space is awake. As many as one turn
/// may ask for, so that an endpoint that has just joined has room for all of its turn.
pub const SPACE_WAITING_MAX: usize = EFFECTS_MAX;

/// Bytes of the topics and data of those: as many as one turn may ask for.
pub const SPACE_WAITING_BYTES_MAX: usize = EFFECT_BYTES_MAX;

/// Publications that wait for credit in one space, and their bytes: what one session can make it hold by endpoints.
pub const SPACE_ALL_WAITING_MAX: usize = 100_000;

/// See [`SPACE_ALL_WAITING_MAX`].
pub const SPACE_ALL_WAITING_BYTES_MAX: usize = 64 << 20;

/// Bytes that all who are told by one turn of a space may be told together. They are carried by one commit, which can be
/// four times as long.
pub const SPACE_REACH_BYTES_MAX: usize = 256 << 20;

/// Credit that an endpoint may have; what is given beyond it is not counted. A number that nobody works off.
pub const CREDIT_MAX: u32 = 1_000_000_000;

/// Counterparts or receivers that a space names in one answer; whoever wants more asks with a narrower pattern.
pub const SPACE_ANSWER_MAX: usize = 1_000;

/// Children one instance may have, those that are stopping included. They lie in its row, so this bounds the row; at
/// its end each gets an errand, so it bounds a step too. A tree of two levels holds a million.
pub const CHILDREN_MAX: usize = 1_000;

/// Instances that one instance may watch, and that may watch one instance, each. They lie in the rows of both.
pub const MONITORS_MAX: usize = 1_000;

/// Parents above a child. Honest trees are four or five deep; a machine that spawns itself ends here, with a fault.
pub const DEPTH_MAX: u32 = 64;

/// Bytes of the name of a child among the children of its parent. It ends the names of the events that tell of it,
/// which have [`EVENT_NAME_BYTES_MAX`].
pub const CHILD_NAME_BYTES_MAX: usize = 200;

/// Effects one turn may ask for. Above it the turn is a fault: a machine that wants more is looping.
pub const EFFECTS_MAX: usize = 1_000;

/// Bytes of the names, data and log lines that one turn asks for, all effects together. A turn is committed whole,
/// so this bounds the record of it; half would refuse eight large sends, twice would fill a batch with one turn.
pub const EFFECT_BYTES_MAX: usize = 8 << 20;

/// Bytes of the message or place of a fault, and of what is wrong with an event's data; the rest is cut off. They are
/// for a person, who reads a page at most, and are kept with every outcome.
pub const TEXT_BYTES_MAX: usize = 4096;

/// Events named in a rejection as those that would be taken. Every rejection is kept with them; whoever wants the
/// whole list asks for it.
pub const ACCEPTS_MAX: usize = 100;

/// Paths that one definition may have indexed. Each is a row of an index for every instance, and two writes when it changes.
pub const INDEX_MAX: usize = 16;

/// Bytes of a value in an index of a field. A longer one is indexed by its first bytes and a fingerprint.
pub const INDEX_VALUE_BYTES_MAX: usize = 200;

/// History entries that one step lets go. Each is a write; at ten times this, clients would wait for the batch.
pub const EXPIRED_MAX: usize = 256;

/// Timers kept in memory, soonest first; later ones stay in the store until their time comes near. 64 Ki of
/// them are about 8 MB; half would refill twice as often.
pub const TIMER_WINDOW_MAX: usize = 65_536;

/// Sends waiting in the outbox of one node before outside events are refused with `resource exhausted`. Machines
/// that multiply messages are slowed down here, at the door, instead of filling the memory.
pub const OUTBOX_MAX: usize = 100_000;

/// The longest delay of a timer in milliseconds: 100 years. Beyond it a delay is a mistake.
pub const DELAY_MS_MAX: u64 = 100 * 366 * 24 * 3600 * 1000;
