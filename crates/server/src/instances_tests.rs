//! What is said of an instance: waiting, done, stuck, retrying.

use super::*;
use everstate_kernel::Status;
use everstate_kernel::{Fault, FaultCode, Json, Kept, Pending, Serial, Time, Timer};

fn row() -> Instance {
    Instance {
        address: Address::parse("door/1").expect("an address"),
        version: "v1".into(),
        incarnation: 0,
        born: 0,
        status: Status::Active,
        state: Kept::default(),
        labels: [Arc::from("open.wide")].into(),
        created_at: Time(0),
        last_event_at: Time(0),
        turns: 1,
        mailbox_len: 0,
        timers: Vec::new(),
        tasks: Vec::new(),
        retry: None,
        links: None,
        fields: None,
        trimmed: everstate_kernel::Trimmed::default(),
        expires: None,
    }
}

fn guarded(guard: &str) -> Waiting {
    Waiting { accepts: Vec::new(), guarded: vec![("close".into(), guard.into())] }
}

#[test]
fn nothing_to_wait_for_is_stuck_and_says_what_frees_it() {
    let (row, waiting) = (row(), Waiting::default());
    assert_eq!(verdict(&row, &[], &waiting), Verdict::Stuck);
    let summary = summary(Verdict::Stuck, &row, &[], &waiting);
    assert!(
        summary.contains("door/1 is stuck in open.wide") && summary.contains("or delete it"),
        "{summary}"
    );
}

#[test]
fn a_guard_is_hope_when_time_may_open_it() {
    assert_eq!(verdict(&row(), &[], &guarded("context.paid == true")), Verdict::Stuck);
    assert_eq!(verdict(&row(), &[], &guarded("!in('ready')")), Verdict::Stuck);
    assert_eq!(verdict(&row(), &[], &guarded("now > context.due")), Verdict::Waiting);
    assert_eq!(verdict(&row(), &[], &guarded("is_due")), Verdict::Waiting);
}

#[test]
fn accepted_events_timers_retries_and_ends() {
    let accepts = Waiting { accepts: vec!["close".into()], guarded: Vec::new() };
    assert_eq!(verdict(&row(), &[], &accepts), Verdict::Waiting);
    assert!(summary(Verdict::Waiting, &row(), &[], &accepts).contains("one of the events close"));

    let mut timed = row();
    let timer = Timer {
        name: "late".into(),
        due: Time(9),
        generation: Serial(1),
        to: None,
        event: "late".into(),
        data: Json::NULL,
    };
    timed.timers.push(timer);
    assert_eq!(verdict(&timed, &[], &Waiting::default()), Verdict::Waiting);

    let mut retried = row();
    let fault = Fault { code: FaultCode::Expression, message: "no such field".into(), place: String::new() };
    retried.retry = Some(Pending { number: 1, attempts: 2, due: Time(5), fault });
    assert_eq!(verdict(&retried, &[], &Waiting::default()), Verdict::Retrying);
    assert!(
        summary(Verdict::Retrying, &retried, &[], &Waiting::default())
            .contains("faulted 2 times: no such field")
    );

    let mut ended = row();
    ended.status = Status::Final(Json::NULL);
    assert_eq!(verdict(&ended, &[], &Waiting::default()), Verdict::Done);
}
