//! Fixtures of every format that was released, opened for ever, and what is refused.
//!
//! Its one invariant: a fixture, once committed, is never written again. `format-1.hex` holds one line for each kind
//! of record and row: its name and its bytes. To add a kind, append what the failing test prints.

use super::*;
use crate::export::store_row;
use crate::world::labels;
use everstate_kernel::space::{
    Act, Endpoint, EndpointName, Interest, Part, Pattern, Publication, Reason, Role,
};
use everstate_kernel::{
    Acting, Cause, Child, DefinitionId, Errand, Event, Failure, FailureReason, Fault, FaultCode, Held, Hold,
    Json, Kept, Links, News, Orphan, Outcome, Parent, Parked, Pending, Rejection, Repaired, RestartFrom,
    Restarting, Retry, Seat, Sender, Span, Spawning, Stage, Standing, Status, Task, TaskPolicy, TaskStanding,
    Timer, Trimmed, Watch,
};
use std::sync::Arc;

const FIXTURE: &str = include_str!("../fixtures/format-1.hex");

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

fn event() -> Event {
    Event {
        id: EventId::parse("e-1").expect("an id"),
        name: Arc::from("pay"),
        data: Json::parse("{\"n\":1}").expect("json"),
        sender: Sender::Instance(address("orders/7")),
        time: Time(1_700_000_000_000),
    }
}

fn fault() -> Fault {
    Fault { code: FaultCode::Expression, message: "no such field".into(), place: "states.open".into() }
}

fn instance() -> Instance {
    Instance {
        address: address("tenant-a:orders/42"),
        version: Arc::from("v1"),
        incarnation: 2,
        born: 70,
        status: Status::Final(Json::parse("[1]").expect("json")),
        state: Kept::new(vec![1, 2, 3]),
        labels: labels(6),
        created_at: Time(-1),
        last_event_at: Time(1_700_000_000_000),
        turns: 300,
        mailbox_len: 1,
        timers: vec![Timer {
            name: Arc::from("late"),
            due: Time(1_800_000_000_000),
            generation: Serial(9),
            to: Some(address("doors/1")),
            event: Arc::from("expire"),
            data: Json::NULL,
        }],
        tasks: stages().into_iter().map(task).collect(),
        retry: Some(Pending { number: 4, attempts: 2, due: Time(5), fault: fault() }),
        links: Some(Box::new(links())),
        fields: Some(Arc::from([(Arc::from("customer.id"), Arc::from("7"))])),
        trimmed: Trimmed { sequence: 2, position: 9, since: Time(3) },
        expires: Some(Time(1_900_000_000_000)),
    }
}

/// Every stage of a task.
fn stages() -> Vec<Stage> {
    vec![
        Stage::Ready { since: Time(1) },
        Stage::Leased { worker: Arc::from("host-1:7"), since: Time(2), heard: Time(3) },
        Stage::Waiting { until: Time(4) },
        Stage::Ended,
    ]
}

fn task(stage: Stage) -> Task {
    let retry = Retry { attempts: 3, backoff: Span(100), backoff_max: Span(200) };
    Task {
        name: Arc::from("pay"),
        number: Serial(9),
        queue: Arc::from("charge-card"),
        input: Json::parse("{\"amount\":42}").expect("json"),
        policy: TaskPolicy {
            retry,
            timeout: Span(1000),
            deadline: Some(Span(9000)),
            heartbeat: Some(Span(300)),
        },
        asked_at: Time(1),
        attempts: 2,
        leases: 3,
        stage,
        failure: Some(Failure {
            lease: 2,
            reason: FailureReason::Heartbeat,
            code: "busy".into(),
            message: "nothing was heard".into(),
            at: Time(2),
        }),
        progress: Json::parse("7").expect("json"),
    }
}

fn task_key(standing: TaskStanding) -> TaskKey {
    let (queue, address) = (Arc::from("charge-card"), address("tenant-a:orders/42"));
    TaskKey { queue, standing, since: Time(1), number: Serial(9), address }
}

fn links() -> Links {
    let watch = |number| Watch { address: address("doors/1"), number: Serial(number) };
    Links {
        parent: Some(Parent {
            address: address("houses/1"),
            name: Arc::from("door"),
            link: Serial(8),
            live: true,
        }),
        depth: 1,
        children: vec![Child {
            name: Arc::from("bell"),
            address: address("bells/1"),
            link: Serial(10),
            born: 76,
            orphan: Orphan::Keep,
            stopping: true,
        }],
        watchers: vec![watch(11)],
        watched: vec![watch(12)],
        stopping: true,
        held: vec![Held {
            space: address("space/~"),
            holds: vec![Hold { name: Arc::from("door"), since: 76 }],
        }],
        seats: 3,
    }
}

/// Every sort of errand.
fn errands() -> Vec<Errand> {
    let (link, number, name) = (Serial(8), Serial(11), || Arc::from("door"));
    let from = RestartFrom::Initial(Json::NULL);
    vec![
        Errand::Event,
        Errand::Answer(number),
        Errand::Spawn(Box::new(Spawning { version: Some(Arc::from("v1")), name: name(), depth: 1 })),
        Errand::Restart(Box::new(Restarting { link, name: name(), from })),
        Errand::Restart(Box::new(Restarting { link, name: name(), from: RestartFrom::LastGood })),
        Errand::Stop { link, kill: true },
        Errand::Orphaned { link, orphan: Orphan::Stop },
        Errand::Told { link, news: News::Started(76) },
        Errand::Told { link, news: News::Faulted },
        Errand::Told { link, news: News::Over },
        Errand::Monitor,
        Errand::Demonitor { number },
        Errand::Watched { number },
        Errand::Act(Box::new(Acting { since: vec![76], acts: acts() })),
        Errand::Enter,
        Errand::Withdraw { reason: Reason::Left, departs: false },
        Errand::Withdraw { reason: Reason::Exited(Arc::from("final")), departs: true },
        Errand::Withdraw { reason: Reason::Faulted(Arc::from("tired")), departs: true },
        Errand::Withdraw { reason: Reason::Silent, departs: true },
        Errand::Evict,
        Errand::Notice { space: address("space/~"), endpoint: name(), since: 76 },
    ]
}

/// Every sort of act.
fn acts() -> Vec<Act> {
    let (name, data) = (|| Arc::from("door"), || Json::parse("{\"open\":true}").expect("json"));
    let topic = || Pattern::parse("door/front").expect("a topic");
    vec![
        Act::Join { name: name(), part: part() },
        Act::Leave { name: name() },
        Act::Assert { name: name(), value: data() },
        Act::Publish { topic: topic(), data: data() },
        Act::Feedback { topic: topic(), data: data() },
    ]
}

fn part() -> Part {
    let pattern = Pattern::parse("door/*/>").expect("a pattern");
    let value = Json::parse("7").expect("json");
    Part { value, mark: true, ..Part::new(pattern, Role::Subscriber, Interest::Everything) }
}

/// What a space holds: every sort, and something that is gone.
fn seats() -> [SeatRecord; 4] {
    let name = EndpointName { member: address("doors/1"), name: Arc::from("door") };
    let (by, topic) = (name.clone(), Pattern::parse("door/7").expect("a topic"));
    let seat = |number, seat| SeatRecord { space: address("space/a"), number: Serial(number), seat };
    [
        seat(8192, Some(Seat::Endpoint(Endpoint { name, part: part(), since: 76, credit: 3 }))),
        seat(8193, Some(Seat::Inhabitant(address("a:doors/1")))),
        seat(8194, None),
        seat(8195, Some(Seat::Publication(Publication { by, topic, data: Json::parse("7").expect("json") }))),
    ]
}

/// Every status, with what it holds.
fn statuses() -> Vec<Status> {
    let parked = Parked { fault: fault(), event: Arc::from("pay"), attempts: 3 };
    vec![
        Status::Active,
        Status::Final(Json::NULL),
        Status::Parked(Box::new(parked)),
        Status::Stopped("its parent stopped it".into()),
        Status::GaveUp(fault()),
    ]
}

/// Every cause but an event, which `records` has.
fn causes() -> Vec<Cause> {
    let (id, by) = (event().id, Some(address("houses/1")));
    vec![
        Cause::Start { id: id.clone(), data: Json::NULL },
        Cause::Restart { id: id.clone(), from: RestartFrom::LastGood, by: None },
        Cause::Stop { id, by, reason: "its parent stopped it".into() },
    ]
}

/// Everything that an operator can have done, and the status that it can leave behind.
fn repairs() -> (Vec<Cause>, Status) {
    let standing = |version: &str| {
        let (state, timers) = (Kept::new(vec![1, 2, 3]), instance().timers);
        Box::new(Standing { version: Arc::from(version), state, timers })
    };
    let done = [
        Repaired::Became { before: standing("v1"), after: standing("v2"), children: true },
        Repaired::Began { origin: address("orders/7"), sequence: 12, after: standing("v2") },
        Repaired::Paused,
        Repaired::Resumed,
    ];
    let cause = |done| Cause::Repair { id: event().id, by: Arc::from("ann"), reason: "it hung".into(), done };
    (done.into_iter().map(cause).collect(), Status::Paused("it hung".into()))
}

fn timer() -> TimerKey {
    TimerKey {
        due: Time(1_800_000_000_000),
        address: address("tenant-a:orders/42"),
        generation: Some(Serial(9)),
    }
}

fn outcome() -> OutcomeRecord {
    let outcome = Outcome::Rejected {
        reason: Rejection::NotAccepted,
        state: labels(2),
        detail: "no".into(),
        accepts: vec![Arc::from("pay")],
    };
    OutcomeRecord {
        address: address("orders/1"),
        fingerprint: 8,
        outcome: Some(outcome),
        at: Time(3),
        until: Time(4),
    }
}

fn trimmed() -> Record {
    let (instance, positions) = (instance(), vec![7, 300]);
    Record::Trimmed(Box::new(TrimmedRecord { before: instance.index_keys(), instance, positions }))
}

fn records() -> Vec<(&'static str, Record)> {
    let entry = HistoryEntry {
        position: 77,
        sequence: 300,
        at: Time(1_700_000_000_000),
        cause: Cause::Event(event()),
        outcome: Outcome::Ok { from: labels(1), to: labels(6), reply: Json::NULL },
        log: vec!["said".into()],
    };
    let turn = TurnRecord {
        entry,
        instance: instance(),
        before: Some(instance().index_keys()),
        source: Source::Outbox(Serial(5)),
        outcome_until: Some(Time(1_800_000_000_000)),
        fingerprint: u64::MAX,
        timers_cleared: vec![TimerKey { generation: None, ..timer() }],
        timers_set: vec![timer()],
        tasks_cleared: vec![task_key(TaskStanding::Ready)],
        tasks_set: vec![task_key(TaskStanding::Leased), task_key(TaskStanding::Waiting)],
    };
    let queued = Queued {
        address: address("orders/1"),
        number: 3,
        event: event(),
        deferred: true,
        fingerprint: 8,
        outcome_until: None,
        source: Source::Mailbox(2),
    };
    let sent = Sent {
        number: Serial(5),
        to: address("orders/1"),
        event: event(),
        errand: Errand::Answer(Serial(4)),
    };
    let failed = Outcome::Failed { fault: fault(), attempts: 3 };
    let (timers_cleared, tasks_cleared) = (vec![], vec![task_key(TaskStanding::Leased)]);
    let (timers_set, tasks_set) = (vec![timer()], vec![task_key(TaskStanding::Ready)]);
    let row = RowRecord { instance: instance(), timers_cleared, timers_set, tasks_cleared, tasks_set };
    let deleted = DeletedRecord {
        address: address("orders/1"),
        incarnation: 1,
        turns: 5,
        before: instance().index_keys(),
        timers_cleared: vec![timer()],
        tasks_cleared: vec![task_key(TaskStanding::Waiting)],
        mailbox: vec![3, 4],
        expired_to: 12,
    };
    let [endpoint, inhabitant, gone, waiting] = seats();
    let id = DefinitionId::new("orders", "v1").expect("an id");
    let letter = DeadLetter {
        number: Serial(6),
        to: address("orders/1"),
        event: event(),
        outcome: failed,
        at: Time(7),
    };
    vec![
        (
            "definition",
            Record::Definition(DefinitionRecord { id, source: Arc::from("name: orders"), put_at: Time(1) }),
        ),
        ("turn", Record::Turn(Box::new(turn))),
        ("queued", Record::Queued(queued)),
        ("sent", Record::Sent(sent)),
        ("row", Record::Row(Box::new(row))),
        ("dead-letter", Record::DeadLetter(letter)),
        ("dead-letter-gone", Record::DeadLetterGone(Serial(6))),
        ("sent-gone", Record::SentGone(Serial(5))),
        ("deleted", Record::Deleted(deleted)),
        ("outcome", Record::Outcome(event().id, outcome())),
        ("seat of an endpoint", Record::Seat(endpoint)),
        ("seat of an inhabitant", Record::Seat(inhabitant)),
        ("seat that is gone", Record::Seat(gone)),
        ("seat of what waits for credit", Record::Seat(waiting)),
        ("trimmed", trimmed()),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of all that is kept now, as lines of the fixture.
fn written() -> Vec<(String, Vec<u8>)> {
    let mut lines = Vec::new();
    for (name, record) in records() {
        let mut bytes = Vec::new();
        push_record(&mut bytes, &record);
        lines.push((format!("record {name}"), bytes));
    }
    let mut bytes = Vec::new();
    push_imported(&mut bytes, &store_row(7)).expect("it is written");
    lines.push(("record imported".into(), bytes));
    lines.push(("row outcome".into(), outcome_row(&outcome())));
    lines.push(("row timer".into(), row(&timer())));
    lines.push(("row task".into(), row(&task_key(TaskStanding::Waiting))));
    lines.push(("row run".into(), row(&(vec![1u64, 300, 70_000], vec!["pay"]))));
    lines.push(("row received".into(), row(&crate::layers::Received { position: 7, at: Time(8) })));
    lines.push(("row counters".into(), row(&counters())));
    lines.push(("row errands".into(), row(&errands())));
    lines.push(("row statuses".into(), row(&statuses())));
    lines.push(("row causes".into(), row(&causes())));
    lines.push(("row repairs".into(), row(&repairs())));
    lines
}

fn counters() -> crate::layers::Counters {
    crate::layers::Counters {
        applied: 1,
        last_position: 2,
        instances: 3,
        dead_letters: 4,
        definitions: 5,
        latest: Time(6),
        census: Default::default(),
    }
}

fn fixture() -> Vec<(String, Vec<u8>)> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex");
    FIXTURE
        .lines()
        .map(|line| {
            let (name, bytes) = line.split_once(": ").expect("a name and bytes");
            (name.to_string(), bytes.as_bytes().chunks(2).map(byte).collect())
        })
        .collect()
}

#[test]
fn format_1_opens_for_ever() {
    let fixture = fixture();
    for (name, record) in records() {
        let (_, bytes) = fixture
            .iter()
            .find(|(line, _)| *line == format!("record {name}"))
            .unwrap_or_else(|| panic!("no fixture of record {name}"));
        let (entry, parts) = read_entry(bytes, 0..bytes.len()).expect("it is read");
        assert_eq!(entry, Entry::Record(record.clone()));
        check_parts(&record, bytes, &parts);
    }
    let find = |name: &str| &fixture.iter().find(|(line, _)| line == name).expect("a fixture").1;
    let imported = find("record imported");
    let (entry, _) = read_entry(imported, 0..imported.len()).expect("it is read");
    assert_eq!(entry, Entry::Row(Box::new(store_row(7))));
    assert_eq!(read_outcome(find("row outcome")).expect("it is read"), outcome());
    assert_eq!(outcome_until(find("row outcome")), Some(Time(4)));
    assert_eq!(read_row::<TimerKey>(find("row timer")).expect("it is read"), timer());
    assert_eq!(read_row::<TaskKey>(find("row task")).expect("it is read"), task_key(TaskStanding::Waiting));
    let (positions, names): (Vec<u64>, Vec<Arc<str>>) = read_row(find("row run")).expect("it is read");
    assert_eq!((positions, names), (vec![1, 300, 70_000], vec![Arc::from("pay")]));
    assert_eq!(read_row::<crate::layers::Counters>(find("row counters")).expect("it is read"), counters());
    assert_eq!(read_row::<Vec<Errand>>(find("row errands")).expect("it is read"), errands());
    assert_eq!(read_row::<Vec<Status>>(find("row statuses")).expect("it is read"), statuses());
    assert_eq!(read_row::<Vec<Cause>>(find("row causes")).expect("it is read"), causes());
    assert_eq!(read_row::<(Vec<Cause>, Status)>(find("row repairs")).expect("it is read"), repairs());
}

/// The parts of a record are rows that are read by themselves.
fn check_parts(record: &Record, bytes: &[u8], parts: &Parts) {
    let row = &bytes[parts.row.clone()];
    match record {
        Record::Turn(turn) => {
            assert_eq!(read_row::<Instance>(row).expect("a row"), turn.instance);
            let history: HistoryRow = read_row(&bytes[parts.history.clone()]).expect("a row");
            assert_eq!((history.entry, history.address), (turn.entry.clone(), turn.instance.address.clone()));
        }
        Record::Row(changed) => assert_eq!(read_row::<Instance>(row).expect("a row"), changed.instance),
        Record::Queued(queued) => assert_eq!(read_row::<Queued>(row).expect("a row"), *queued),
        Record::Sent(sent) => assert_eq!(read_row::<Sent>(row).expect("a row"), *sent),
        Record::DeadLetter(letter) => assert_eq!(read_row::<DeadLetter>(row).expect("a row"), *letter),
        Record::Definition(put) => assert_eq!(read_row::<DefinitionRecord>(row).expect("a row"), *put),
        _ => {}
    }
}

#[test]
fn what_is_written_is_format_1() {
    let fixture = fixture();
    let lines: Vec<String> =
        written().iter().map(|(name, bytes)| format!("{name}: {}", hex(bytes))).collect();
    assert_eq!(
        written(),
        fixture,
        "the bytes have changed; raise the format, or if a kind is new, append:\n{}",
        lines.join("\n")
    );
}

#[test]
fn a_newer_version_is_told() {
    for (_, mut bytes) in fixture() {
        bytes[0] = FORMAT + 1;
        let error = read_entry(&bytes, 0..bytes.len()).expect_err("it is newer");
        assert!(matches!(error.at(Path::new("x"), 0), StoreError::Format { found: 2, known: 1 }));
    }
}

#[test]
fn no_bytes_make_it_panic() {
    for (_, bytes) in fixture() {
        for end in 0..bytes.len() {
            let _ = read_entry(&bytes, 0..end);
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                let _ = read_entry(&bytes, 0..bytes.len());
                let _ = read_outcome(&bytes);
            }
        }
    }
}
