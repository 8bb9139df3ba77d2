//! What the embedded store costs beside a bare loop that appends the same bytes with the same syncs.
//!
//! `store_bench [INSTANCES] [TURNS] [BATCH] [FOLDER]`: starts that many instances (default 1,000), then makes turns
//! (default 1,000,000) of instances picked at random, committed in batches (default 1,000) of durability power; then
//! reads, lists, and opens the store anew in a process of its own.
#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use everstate_kernel::{
    Address, Cause, Durability, Event, EventId, HistoryEntry, Instance, Json, Kept, Labels, Outcome, Record,
    Sender, Source, Status, Time, Touches, TurnRecord,
};
use everstate_store::{Options, Query, Store, open};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const PATHS: [&str; 4] =
    ["open.work.step.one", "open.work.step.two", "open.wait.user.asked", "open.wait.vendor.asked"];

struct Load {
    rows: Vec<Option<Instance>>,
    labels: Vec<Labels>,
    version: Arc<str>,
    event: Arc<str>,
    seed: u64,
    position: u64,
    begun: i64,
    now: i64,
}

impl Load {
    fn new(instances: usize) -> Load {
        let labels = PATHS.iter().map(|path| Labels::from(vec![Arc::from(*path)])).collect();
        let (version, event) = (Arc::from("v1"), Arc::from("advance"));
        Load {
            rows: vec![None; instances],
            labels,
            version,
            event,
            seed: 1,
            position: 0,
            begun: 1_700_000_000_000,
            now: 1_700_000_000_000,
        }
    }

    fn random(&mut self, bound: usize) -> usize {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) as usize % bound
    }

    fn turn(&mut self, at: usize) -> Record {
        self.position += 1;
        // The clock of a node that makes 200 turns in a millisecond.
        self.now = self.begun + (self.position / 200) as i64;
        let now = Time(self.now);
        let before = self.rows[at].take();
        let index_keys = before.as_ref().map(Instance::index_keys);
        let to = self.labels[self.position as usize % 4].clone();
        let mut instance = before.unwrap_or_else(|| Instance {
            address: Address::new("orders", &format!("order-{at:08}")).expect("an address"),
            version: self.version.clone(),
            incarnation: 0,
            born: 0,
            status: Status::Active,
            state: Kept::new(Vec::new()),
            labels: to.clone(),
            created_at: now,
            last_event_at: now,
            turns: 0,
            mailbox_len: 0,
            timers: Vec::new(),
            tasks: Vec::new(),
            retry: None,
            links: None,
            fields: None,
            trimmed: everstate_kernel::Trimmed::default(),
            expires: None,
        });
        let from = std::mem::replace(&mut instance.labels, to.clone());
        instance.turns += 1;
        instance.last_event_at = now;
        let state = format!(
            "{{\"count\":{},\"last\":{},\"who\":\"somebody\",\"sum\":12345}}",
            instance.turns, self.now
        );
        instance.state = Kept::new(state.into_bytes());
        let event = Event {
            id: EventId::parse(&format!(
                "{:016x}-{:08x}",
                self.position.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                at
            ))
            .expect("an id"),
            name: self.event.clone(),
            data: Json::parse("{\"amount\":42,\"by\":\"somebody\"}").expect("json"),
            sender: Sender::Client,
            time: now,
        };
        self.rows[at] = Some(instance.clone());
        Record::Turn(Box::new(TurnRecord {
            entry: HistoryEntry {
                position: self.position,
                sequence: instance.turns,
                at: now,
                cause: Cause::Event(event),
                outcome: Outcome::Ok { from, to, reply: Json::NULL },
                log: Vec::new(),
            },
            instance,
            before: index_keys,
            source: Source::Direct,
            outcome_until: Some(Time(self.now + 30 * 86_400_000)),
            fingerprint: self.position,
            timers_cleared: Vec::new(),
            timers_set: Vec::new(),
            tasks_cleared: Vec::new(),
            tasks_set: Vec::new(),
        }))
    }
}

/// Processor time of this thread in seconds: what a figure is worth on a machine that others use, too.
fn processor() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

/// Processor time of the threads of this process whose name begins so, in seconds.
fn processor_of(name: &str) -> f64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks
        .filter(|task| fs::read_to_string(task.path().join("comm")).unwrap_or_default().starts_with(name))
        .map(|task| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            text.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
        })
        .sum()
}

/// Bytes that this process has written so far, whoever asked for it.
fn written() -> f64 {
    let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.and_then(|bytes| bytes.parse::<f64>().ok()).unwrap_or(0.0)
}

/// Commits `turns` in batches; answers turns per second of commit alone, the longest commit in milliseconds, and
/// the processor time of a turn in microseconds.
fn run(store: &mut dyn Store, load: &mut Load, turns: usize, batch: usize, fresh: bool) -> (f64, f64, f64) {
    let (mut spent, mut longest, mut cpu, mut done) = (0.0f64, 0.0f64, 0.0f64, 0);
    while done < turns {
        let length = batch.min(turns - done);
        let records: Vec<Record> = (done..done + length)
            .map(|next| {
                let at = if fresh { next } else { load.random(load.rows.len()) };
                load.turn(at)
            })
            .collect();
        let (started, busy) = (Instant::now(), processor());
        store.commit(&records, Durability::Power).expect("a commit");
        let took = started.elapsed().as_secs_f64();
        cpu += processor() - busy;
        spent += took;
        longest = longest.max(took);
        done += length;
    }
    (turns as f64 / spent, longest * 1e3, cpu * 1e6 / turns as f64)
}

/// Appends as many bytes, as often, with a sync each; answers turns per second.
fn bare(folder: &Path, turns: usize, batch: usize, bytes_per_turn: usize) -> f64 {
    let path = folder.join("bare");
    let mut file = fs::File::create(&path).expect("a file");
    let rounds = turns.div_ceil(batch);
    let block = vec![7u8; batch * bytes_per_turn];
    let length = (rounds * block.len()).min(1 << 28);
    file.write_all(&vec![0; length]).expect("preallocated");
    file.sync_all().expect("synced");
    let started = Instant::now();
    for round in 0..rounds {
        let at = (round * block.len()) % (length - block.len() + 1);
        std::os::unix::fs::FileExt::write_all_at(&file, &block, at as u64).expect("written");
        file.sync_data().expect("synced");
    }
    let rate = turns as f64 / started.elapsed().as_secs_f64();
    fs::remove_file(path).expect("removed");
    rate
}

fn resident_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("0");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn time<R>(what: &str, times: u32, mut work: impl FnMut() -> R) {
    let (started, busy) = (Instant::now(), processor());
    for _ in 0..times {
        std::hint::black_box(work());
    }
    let (took, busy) = (started.elapsed().as_secs_f64(), processor() - busy);
    let each = 1e6 / f64::from(times);
    println!("{what}: {:.2} µs, {:.2} µs of processor", took * each, busy * each);
}

fn reads(store: &dyn Store, instances: usize) {
    let mut load = Load::new(instances);
    let reader = store.reader();
    time("row by address", 20_000, || {
        let address =
            Address::new("orders", &format!("order-{:08}", load.random(instances))).expect("an address");
        reader.instance(&address).expect("a row")
    });
    time("outcome that is not there", 20_000, || {
        let id = EventId::parse(&format!("none-{}", load.random(1 << 30))).expect("an id");
        let touches = Touches { addresses: Vec::new(), ids: vec![id] };
        store.hydrate(&touches).expect("an answer")
    });
    for state in ["open", "open.wait.user.asked", "nowhere"] {
        let query =
            Query { kind: Some("orders".into()), state: Some(state.into()), limit: 100, ..Query::default() };
        time(&format!("first page of instances in {state:?}"), 5, || reader.list(&query).expect("a page"));
    }
    let query = Query { state: Some("open.wait".into()), count: true, limit: 100, ..Query::default() };
    time("the same with a total of open.wait", 1, || reader.list(&query).expect("a page"));
}

/// Opens the store in a process of its own, whose memory holds nothing else.
fn reopen(path: &Path, instances: usize) {
    let opening = Instant::now();
    let busy = processor();
    let (store, recovery) = open(path, &Options::default()).expect("it opens");
    println!(
        "opened in {:.0} ms ({:.0} ms of processor), {} commits replayed, resident {:.0} MB",
        opening.elapsed().as_secs_f64() * 1e3,
        (processor() - busy) * 1e3,
        recovery.replayed,
        resident_mb()
    );
    reads(&store, instances);
    println!("resident {:.0} MB", resident_mb());
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("reopen") {
        let path = std::env::args().nth(2).expect("a folder");
        let instances = std::env::args().nth(3).and_then(|text| text.parse().ok()).expect("a number");
        return reopen(Path::new(&path), instances);
    }
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (instances, turns, batch) = (number(1_000), number(1_000_000), number(1_000));
    let parent = std::env::args().nth(4).unwrap_or_else(|| ".".into());
    let folder = tempfile::tempdir_in(parent).expect("a folder");
    let path = folder.path().join("store");
    let (mut store, _) = open(&path, &Options::default()).expect("it opens");
    let handle = store.handle();
    let mut load = Load::new(instances);
    let (started, longest, cpu) = run(&mut store, &mut load, instances, batch, true);
    println!(
        "{instances} started: {started:.0}/s, {cpu:.2} µs of processor each, longest commit {longest:.1} ms"
    );
    let before = handle.stats();
    let threads = ["everstate-appli", "everstate-merge"];
    let busy = threads.map(processor_of);
    let wrote = written();
    let begun = Instant::now();
    let (rate, longest, cpu) = run(&mut store, &mut load, turns, batch, false);
    let wall = turns as f64 / begun.elapsed().as_secs_f64();
    let per_turn = |spent: f64| spent * 1e6 / turns as f64;
    let [applier, merger] = [0, 1].map(|at| per_turn(processor_of(threads[at]) - busy[at]));
    let wrote = (written() - wrote) / turns as f64;
    let after = handle.stats();
    let bytes = ((after.bytes - before.bytes) / turns as u64) as usize;
    println!(
        "{turns} turns in batches of {batch}: {rate:.0}/s in commit, {cpu:.2} µs of processor each, {wall:.0}/s with their making"
    );
    println!(
        "applier {applier:.2} µs of processor a turn, merger {merger:.2} µs; {wrote:.0} bytes written a turn in all"
    );
    println!("runs of each table: {:?}", handle.runs());
    println!(
        "{bytes} bytes a turn, longest commit {longest:.1} ms, {} waits, {} moved",
        after.waits, after.moved
    );
    let bare = bare(folder.path(), turns, batch, bytes);
    println!("bare loop: {bare:.0}/s; the store reaches {:.2} of it", rate / bare);
    drop(load);
    reads(&store, instances);
    println!(
        "resident {:.0} MB, on disk {} MB",
        resident_mb(),
        store.reader().summary().expect("a summary").bytes_on_disk >> 20
    );
    let closing = Instant::now();
    Box::new(store).close().expect("it closes");
    println!("closed in {:.0} ms", closing.elapsed().as_secs_f64() * 1e3);
    let program = std::env::current_exe().expect("a program");
    let mut again = std::process::Command::new(program);
    again.arg("reopen").arg(&path).arg(instances.to_string());
    assert!(again.status().expect("it runs").success());
}
