//! The keys of all tables: byte strings whose order is the order in which rows are wanted.
//!
//! It refuses to know what the rows hold.
//!
//! Its one invariant: no key of one address is within the range of another. Every part of an address ends with
//! a zero byte, which no part can contain, so a longer name never sorts into the middle of a shorter one.

use everstate_kernel::{Address, IndexKeys, Serial, TaskKey, TaskStanding, Time, TimerKey};

/// What the row of the applied sequence and the counters is kept under: before everything else.
pub(crate) const MARKER: &[u8] = &[0];

/// Definitions, by the order in which they were put.
pub(crate) const DEFINITIONS: u8 = 1;
/// Instances, by kind, space and id.
pub(crate) const INSTANCES: u8 = 2;
/// Mailboxes, by instance and number.
pub(crate) const MAILBOXES: u8 = 3;
/// Timers, in the order of [`TimerKey`].
pub(crate) const TIMERS: u8 = 4;
/// Index: kind, active atomic state, instance. An ancestor is found through the states within it, which lie together.
pub(crate) const BY_STATE: u8 = 5;
/// Index: kind, version, instance.
pub(crate) const BY_VERSION: u8 = 6;
/// Index: time of the last turn, instance.
pub(crate) const BY_TIME: u8 = 7;
/// Events on their way, by number.
pub(crate) const OUTBOX: u8 = 8;
/// Dead letters, by number.
pub(crate) const DEAD_LETTERS: u8 = 9;
/// Runs of history positions, by instance, incarnation and the first sequence in the run.
pub(crate) const RUNS: u8 = 10;
/// What spaces hold, by space and number.
pub(crate) const SEATS: u8 = 11;

/// Tasks, in the order of [`TaskKey`].
pub(crate) const TASKS: u8 = 12;

/// Index: kind, indexed path, value, instance.
pub(crate) const BY_FIELD: u8 = 16;
/// Index: kind, name of an event, instance. Holds when it was last received.
pub(crate) const BY_EVENT: u8 = 17;
/// When something of an instance is kept no longer, instance.
pub(crate) const EXPIRES: u8 = 18;
/// Up to which position turns of a kind are gone because their time was over, by kind.
pub(crate) const EXPIRED: u8 = 19;

/// Appends the address in the order kind, space, id; each ends with a zero byte. Kind is first so that all
/// instances of a kind lie together, whatever space they are in.
pub(crate) fn push_address(key: &mut Vec<u8>, address: &Address) {
    for part in [address.kind(), address.space(), address.id()] {
        key.extend_from_slice(part.as_bytes());
        key.push(0);
    }
}

/// The address as a key.
pub(crate) fn address_key(address: &Address) -> Vec<u8> {
    let mut key = Vec::with_capacity(address.as_str().len() + 3);
    push_address(&mut key, address);
    key
}

/// The address key within a longer key that ends with it.
pub(crate) fn kind_prefix(kind: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(kind.len() + 1);
    key.extend_from_slice(kind.as_bytes());
    key.push(0);
    key
}

/// The kind at the beginning of an address key, with its zero byte.
pub(crate) fn kind_of(address_key: &[u8]) -> &[u8] {
    let end = address_key.iter().position(|byte| *byte == 0).map_or(address_key.len(), |at| at + 1);
    &address_key[..end]
}

/// The key of an instance's row.
pub(crate) fn instance(address_key: &[u8]) -> Vec<u8> {
    prefixed(INSTANCES, address_key)
}

/// A key of `table` that begins with `rest`.
pub(crate) fn prefixed(table: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(rest.len() + 17);
    key.push(table);
    key.extend_from_slice(rest);
    key
}

/// The key of an event in a mailbox.
pub(crate) fn mailbox(address_key: &[u8], number: u64) -> Vec<u8> {
    let mut key = prefixed(MAILBOXES, address_key);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The key of something that a space holds.
pub(crate) fn seat(address_key: &[u8], number: Serial) -> Vec<u8> {
    let mut key = prefixed(SEATS, address_key);
    key.extend_from_slice(&number.0.to_be_bytes());
    key
}

/// A key that is a table and a number.
pub(crate) fn numbered(table: u8, number: u64) -> Vec<u8> {
    prefixed(table, &number.to_be_bytes())
}

/// The key of a timer; sorts like [`TimerKey`]: by due time, address as text, and no generation first.
pub(crate) fn timer(timer: &TimerKey) -> Vec<u8> {
    let mut key = Vec::with_capacity(timer.address.as_str().len() + 19);
    key.push(TIMERS);
    key.extend_from_slice(&ordered(timer.due.0));
    key.extend_from_slice(timer.address.as_str().as_bytes());
    key.push(0);
    match timer.generation {
        None => key.push(0),
        Some(Serial(generation)) => {
            key.push(1);
            key.extend_from_slice(&generation.to_be_bytes());
        }
    }
    key
}

/// The key of a task; sorts like [`TaskKey`]: by queue, standing, time and number.
pub(crate) fn task(task: &TaskKey) -> Vec<u8> {
    let mut key = queue(&task.queue, Some(task.standing));
    key.extend_from_slice(&ordered(task.since.0));
    key.extend_from_slice(&task.number.0.to_be_bytes());
    key
}

/// The prefix of all tasks of a queue, or of those that stand there so.
pub(crate) fn queue(queue: &str, standing: Option<TaskStanding>) -> Vec<u8> {
    let mut key = Vec::with_capacity(queue.len() + 19);
    key.push(TASKS);
    key.extend_from_slice(queue.as_bytes());
    key.push(0);
    key.extend(standing.map(|standing| standing as u8));
    key
}

/// The key of a run of history positions.
pub(crate) fn run(address_key: &[u8], incarnation: u32, first: u64) -> Vec<u8> {
    let mut key = prefixed(RUNS, address_key);
    push_run(&mut key, incarnation, first);
    key
}

/// Appends the end of the key of a run.
pub(crate) fn push_run(key: &mut Vec<u8>, incarnation: u32, first: u64) {
    key.extend_from_slice(&incarnation.to_be_bytes());
    key.extend_from_slice(&first.to_be_bytes());
}

/// The incarnation in the key of a run whose prefix, the instance included, is that long.
pub(crate) fn run_incarnation(key: &[u8], prefix_len: usize) -> u32 {
    key[prefix_len..].first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// The sequence that the run under this key begins with.
pub(crate) fn run_first(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The prefix of all index rows of instances of that kind in that active state.
pub(crate) fn by_state(kind: &[u8], state: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(kind.len() + state.len() + 2);
    push_state(&mut key, kind, state);
    key
}

/// Appends what [`by_state`] answers.
pub(crate) fn push_state(key: &mut Vec<u8>, kind: &[u8], state: &str) {
    push_name(key, BY_STATE, kind, state);
}

/// The prefix of all index rows of instances of that kind and version.
pub(crate) fn by_version(kind: &[u8], version: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(kind.len() + version.len() + 2);
    push_version(&mut key, kind, version);
    key
}

/// Appends what [`by_version`] answers.
pub(crate) fn push_version(key: &mut Vec<u8>, kind: &[u8], version: &str) {
    push_name(key, BY_VERSION, kind, version);
}

fn push_name(key: &mut Vec<u8>, table: u8, kind: &[u8], name: &str) {
    key.push(table);
    key.extend_from_slice(kind);
    // State names are the user's; a zero byte in one would end the name too early.
    key.extend(name.bytes().map(|byte| byte.max(1)));
    key.push(0);
}

/// The prefix of all index rows of instances of that kind with that value at that path.
pub(crate) fn by_field(kind: &[u8], path: &str, value: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(kind.len() + path.len() + value.len() + 3);
    push_field(&mut key, kind, path, value);
    key
}

/// Appends what [`by_field`] answers.
pub(crate) fn push_field(key: &mut Vec<u8>, kind: &[u8], path: &str, value: &str) {
    key.push(BY_FIELD);
    key.extend_from_slice(kind);
    push_text(key, path);
    push_text(key, value);
}

/// The prefix of all index rows of instances of that kind that have received an event of that name.
pub(crate) fn by_event(kind: &[u8], name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(kind.len() + name.len() + 2);
    key.push(BY_EVENT);
    key.extend_from_slice(kind);
    push_text(&mut key, name);
    key
}

/// Appends any text, so that no two lead to one key and none goes on beyond its end.
fn push_text(key: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            0 | 1 => key.extend([1, byte + 1]),
            _ => key.push(byte),
        }
    }
    key.push(0);
}

/// The index row of an instance that has received an event of that name.
pub(crate) fn received(address_key: &[u8], name: &str) -> Vec<u8> {
    let kind = kind_of(address_key);
    let mut key = by_event(kind, name);
    key.extend_from_slice(&address_key[kind.len()..]);
    key
}

/// The key of an instance in a table by time: that of its last turn, or when something of it is kept no longer.
pub(crate) fn timed(table: u8, time: Time, address_key: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(9 + address_key.len());
    key.push(table);
    key.extend_from_slice(&ordered(time.0));
    key.extend_from_slice(address_key);
    key
}

/// The time and the address key in a key of a table by time.
pub(crate) fn of_timed(key: &[u8]) -> (Time, &[u8]) {
    let mut number = [0; 8];
    number.iter_mut().zip(key.iter().skip(1)).for_each(|(to, from)| *to = *from);
    (Time((u64::from_be_bytes(number) ^ (1 << 63)) as i64), key.get(9..).unwrap_or_default())
}

/// The address in an address key; none when it is not one.
pub(crate) fn address_of(address_key: &[u8]) -> Option<Address> {
    let mut parts = address_key.split(|byte| *byte == 0).map(std::str::from_utf8);
    let (kind, space, id) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let text = if space.is_empty() { format!("{kind}/{id}") } else { format!("{space}:{kind}/{id}") };
    Address::parse(&text).ok()
}

/// Is that state active, itself or through a descendant?
pub(crate) fn is_active(keys: &IndexKeys, state: &str) -> bool {
    keys.labels
        .iter()
        .any(|label| label.strip_prefix(state).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// The first key after all keys that begin with `prefix`.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![u8::MAX; 9]
}

/// The first key after `key`.
pub(crate) fn after(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// A signed number so that bytes sort as numbers do.
fn ordered(number: i64) -> [u8; 8] {
    (number as u64 ^ (1 << 63)).to_be_bytes()
}
