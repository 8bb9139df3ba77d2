//! Every code that a client can meet, in one table: the status it travels with, whether the same call may succeed
//! later, what happened and what to do. `docs/errors.md` is made from it.
//!
//! It refuses to know how a failure came about; that is said in the message beside the code.
//!
//! Its one invariant: a code once released keeps its text and meaning, and every code has an entry.

use connectrpc::ErrorCode;
use std::fmt::Write as _;

/// A stable code. Matched by programs; the message beside it is for people and may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is explained by its entry in the table, from which the page is made")]
pub enum Code {
    MalformedRequest,
    MalformedAddress,
    MalformedEvent,
    MalformedData,
    MalformedTime,
    MalformedDefinition,
    MalformedExpression,
    TooLarge,
    UnknownState,
    UnknownDefinition,
    UnknownVersion,
    UnknownInstance,
    UnknownEvent,
    UnknownDeadLetter,
    LeaseOver,
    Conflict,
    InstanceExists,
    DefinitionExists,
    StartFaulted,
    MailboxFull,
    Overloaded,
    RateLimited,
    DiskFull,
    Lagged,
    CursorExpired,
    NotInTime,
    Ended,
    SessionGone,
    SessionHeld,
    SessionKey,
    MovedOn,
    Unfit,
    Stopping,
    StoreFailed,
    Unauthenticated,
    Internal,
    NotAccepted,
    Final,
    UnknownAddress,
    UnknownKind,
    Gone,
    BadData,
    Refused,
    FaultExpression,
    FaultAction,
    FaultUnhandled,
    FaultLimit,
    FaultPanic,
    FaultState,
}

/// What is known of a code.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// As it is written: in `Error.code`, in `Outcome.reason`, and as the anchor in `docs/errors.md`.
    pub text: &'static str,
    /// The status of a call that ends with it; none for a code that stands in an outcome.
    pub status: Option<ErrorCode>,
    /// May the same call succeed later, with nothing changed by the caller?
    pub retryable: bool,
    /// What happened.
    pub happened: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl Code {
    /// What is known of it.
    pub fn entry(self) -> &'static Entry {
        // The table is in the order of the enum, which a test holds it to.
        &TABLE[self as usize]
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        self.entry().text
    }

    /// The code written so; none for one of a newer server.
    pub fn parse(text: &str) -> Option<Code> {
        TABLE.iter().find(|entry| entry.text == text).map(|entry| entry.code)
    }

    /// The status of a call that ends with it. A code of outcomes ends no call; it counts as internal.
    pub fn status(self) -> ErrorCode {
        self.entry().status.unwrap_or(ErrorCode::Internal)
    }

    /// The code for a failed call without a detail of ours: it failed on the way, or before a handler saw it.
    pub fn of_status(status: ErrorCode) -> Code {
        match status {
            ErrorCode::InvalidArgument | ErrorCode::OutOfRange | ErrorCode::Unimplemented => {
                Code::MalformedRequest
            }
            ErrorCode::ResourceExhausted => Code::TooLarge,
            ErrorCode::DeadlineExceeded | ErrorCode::Canceled => Code::NotInTime,
            ErrorCode::Unauthenticated | ErrorCode::PermissionDenied => Code::Unauthenticated,
            ErrorCode::Unavailable => Code::Stopping,
            _ => Code::Internal,
        }
    }

    /// Every code with what is known of it.
    pub fn table() -> &'static [Entry] {
        TABLE
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `docs/errors.md`. `findings` are the codes of problems in definitions, each with its explanation, which are
/// not this crate's to know.
pub fn errors_page(findings: &[(&str, &str)]) -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("\n## Failed calls\n");
    for entry in TABLE.iter().filter(|entry| entry.status.is_some()) {
        section(&mut page, entry);
    }
    page.push_str(
        "\n## Rejected and failed events\n\nThese stand in `outcome.reason`; the call itself succeeds.\n",
    );
    for entry in TABLE.iter().filter(|entry| entry.status.is_none()) {
        section(&mut page, entry);
    }
    if !findings.is_empty() {
        page.push_str(
            "\n## Findings in definitions\n\nWhat `everstate check` and `CheckDefinition` report.\n",
        );
        for (code, explanation) in findings {
            let _ = write!(page, "\n### {code}\n\n{explanation}\n");
        }
    }
    page
}

fn section(page: &mut String, entry: &Entry) {
    let _ = write!(page, "\n### {}\n\n", entry.text);
    if let Some(status) = entry.status {
        let retry = if entry.retryable { "retryable" } else { "not retryable" };
        let _ = write!(
            page,
            "`{}` · gRPC {} · HTTP {} · {retry}\n\n",
            status.as_str(),
            status.grpc_code(),
            status.http_status().as_u16()
        );
    }
    let _ = writeln!(page, "{} {}", entry.happened, entry.remedy);
}

const INTRODUCTION: &str = "<!-- Made by `cargo xtask generate`; do not edit. -->

# Errors

Every failed call carries a status and, as its detail, an `everstate.v1.Error` with a stable `code`, a `message` for
a person, the `field` at fault, and whether the same call may succeed later (`retryable`, `retry_after`). A call that
never reached Everstate's handlers (not JSON, too large, no such method) has the status alone.

Repeating a retryable call with the same event id never makes a second event.
";

const fn call(
    code: Code,
    text: &'static str,
    status: ErrorCode,
    happened: &'static str,
    remedy: &'static str,
) -> Entry {
    Entry { code, text, status: Some(status), retryable: false, happened, remedy }
}

const fn later(
    code: Code,
    text: &'static str,
    status: ErrorCode,
    happened: &'static str,
    remedy: &'static str,
) -> Entry {
    Entry { code, text, status: Some(status), retryable: true, happened, remedy }
}

const fn outcome(code: Code, text: &'static str, happened: &'static str, remedy: &'static str) -> Entry {
    Entry { code, text, status: None, retryable: false, happened, remedy }
}

const TABLE: &[Entry] = &[
    call(
        Code::MalformedRequest,
        "malformed-request",
        ErrorCode::InvalidArgument,
        "A field is missing, out of its range, or contradicts another.",
        "The error's `field` and message say which and what would be right.",
    ),
    call(
        Code::MalformedAddress,
        "malformed-address",
        ErrorCode::InvalidArgument,
        "An address is not `kind/id` or `space:kind/id`, or has a character that is not allowed.",
        "Write it like `orders/42`. Ids are visible characters without `/ : * > ? # % \\` and without `..`.",
    ),
    call(
        Code::MalformedEvent,
        "malformed-event",
        ErrorCode::InvalidArgument,
        "An event has no name, a name that is too long or has characters that are not allowed, or an id that cannot be one.",
        "Names and ids are 1 to 255 bytes without white space or control characters; ids do not begin with `~`.",
    ),
    call(
        Code::MalformedData,
        "malformed-data",
        ErrorCode::InvalidArgument,
        "Data is not what JSON can carry exactly: a number beyond ±(2^53 - 1), or one that is not finite, or it nests too deep.",
        "Send large numbers as strings, such as account numbers. Over the API data may nest about 30 levels; flatten it.",
    ),
    call(
        Code::MalformedTime,
        "malformed-time",
        ErrorCode::InvalidArgument,
        "A time or duration is outside of the years 1 to 9999, negative where it may not be, or above its limit.",
        "Times are RFC 3339 in JSON (`2026-01-31T12:00:00Z`), durations seconds (`1.5s`).",
    ),
    call(
        Code::MalformedDefinition,
        "malformed-definition",
        ErrorCode::InvalidArgument,
        "The text of a definition has errors; the message has all of them, with line and column.",
        "Run `everstate check FILE`, which shows each with an excerpt and a hint.",
    ),
    call(
        Code::MalformedExpression,
        "malformed-expression",
        ErrorCode::InvalidArgument,
        "An expression does not parse or names something that is not there.",
        "Expressions are CEL over `context`, `instance`, `now` and `in('state')`.",
    ),
    call(
        Code::TooLarge,
        "too-large",
        ErrorCode::ResourceExhausted,
        "A request, a definition, an event's data or a batch is above its limit.",
        "An event's data is at most 1 MiB, a batch at most 10,000 events: keep large things elsewhere and send their address, and split batches.",
    ),
    call(
        Code::UnknownState,
        "unknown-state",
        ErrorCode::InvalidArgument,
        "The definition has no such state, so no instance is ever in it.",
        "`everstate definition NAME:VERSION` lists the states by their dotted paths.",
    ),
    call(
        Code::UnknownDefinition,
        "unknown-definition",
        ErrorCode::NotFound,
        "There is no definition with this name.",
        "Put it first, with `everstate put FILE`; `everstate definitions` lists those that there are.",
    ),
    call(
        Code::UnknownVersion,
        "unknown-version",
        ErrorCode::NotFound,
        "The definition exists, but not in this version.",
        "`everstate definitions NAME` lists its versions.",
    ),
    call(
        Code::UnknownInstance,
        "unknown-instance",
        ErrorCode::NotFound,
        "There is no instance at this address.",
        "Start it first, or look for it with `everstate list --kind KIND`.",
    ),
    call(
        Code::UnknownEvent,
        "unknown-event",
        ErrorCode::NotFound,
        "No outcome is known under this event id: it was never taken in, or its retention has passed.",
        "Send it (again): with the same id it is handled at most once within the retention.",
    ),
    call(
        Code::UnknownDeadLetter,
        "unknown-dead-letter",
        ErrorCode::NotFound,
        "There is no dead letter with this number; someone may have retried or discarded it.",
        "`everstate dead-letters list` shows those that there are.",
    ),
    call(
        Code::LeaseOver,
        "lease-over",
        ErrorCode::FailedPrecondition,
        "The lease of the task is over: the task was cancelled or has ended, or took so long that somebody else has it.",
        "Drop what was done under it and take the next task; heartbeats tell a worker sooner.",
    ),
    call(
        Code::Conflict,
        "conflict",
        ErrorCode::AlreadyExists,
        "The event id was used before for another event: another receiver, name or data.",
        "An id names one event for ever. Use a new id for a new event.",
    ),
    call(
        Code::InstanceExists,
        "instance-exists",
        ErrorCode::AlreadyExists,
        "There is an instance at this address already.",
        "Use another id, or send to the one that is there. A repeated start needs the request id of the first.",
    ),
    call(
        Code::DefinitionExists,
        "definition-exists",
        ErrorCode::AlreadyExists,
        "This name and version was put before with another text, and definitions never change.",
        "Raise the version in the file. Instances keep the version that they were started with.",
    ),
    call(
        Code::StartFaulted,
        "start-faulted",
        ErrorCode::FailedPrecondition,
        "The machine faulted while it started, so there is no instance.",
        "The message has the fault and its place in the definition; often the start data lacks a field.",
    ),
    later(
        Code::MailboxFull,
        "mailbox-full",
        ErrorCode::ResourceExhausted,
        "The instance has as many events waiting as it may have. This one is not kept.",
        "Send it again after `retry_after`. `everstate why ADDRESS` says what the instance waits for.",
    ),
    later(
        Code::Overloaded,
        "overloaded",
        ErrorCode::ResourceExhausted,
        "The server has more to do than it can queue. Nothing of this call is kept.",
        "Send again after `retry_after`, with the same event id.",
    ),
    later(
        Code::RateLimited,
        "rate-limited",
        ErrorCode::ResourceExhausted,
        "The client has made as many calls as it may for now (`everstate serve --rate-limit`). Nothing of this call is kept.",
        "Go on after `retry_after`, with the same event id; put many events into one `SendEvents`, which is one call.",
    ),
    later(
        Code::DiskFull,
        "disk-full",
        ErrorCode::ResourceExhausted,
        "The disk of the server is full. Nothing of this call is kept, and nothing kept before is lost.",
        "Free some space there and send again with the same event id.",
    ),
    later(
        Code::Lagged,
        "lagged",
        ErrorCode::Aborted,
        "The follower read slower than turns were made, and the server stopped waiting for it.",
        "Follow again with the error's `cursor`: the turns in between come from the store, none is lost.",
    ),
    call(
        Code::CursorExpired,
        "cursor-expired",
        ErrorCode::OutOfRange,
        "Turns after the cursor are kept no longer: their time was over.",
        "Follow without a cursor, which begins with a snapshot; or from the cursor that the message names, and do without those turns.",
    ),
    later(
        Code::NotInTime,
        "not-in-time",
        ErrorCode::DeadlineExceeded,
        "What was waited for did not come about in time.",
        "Wait again, or for longer. The instance goes on meanwhile.",
    ),
    call(
        Code::Ended,
        "ended",
        ErrorCode::FailedPrecondition,
        "The instance has reached its end, so what is waited for cannot come about any more.",
        "`everstate get ADDRESS` shows where it ended, `everstate history ADDRESS` how.",
    ),
    call(
        Code::SessionGone,
        "session-gone",
        ErrorCode::NotFound,
        "There is no such session any more: it was silent for too long, was closed, or its space has ended.",
        "Attach anew, without a key; endpoints have to be joined again.",
    ),
    call(
        Code::SessionHeld,
        "session-held",
        ErrorCode::AlreadyExists,
        "Another program holds the session of this name.",
        "Give its key to take it up, or attach under another name, or without one.",
    ),
    call(
        Code::SessionKey,
        "session-key",
        ErrorCode::PermissionDenied,
        "The key is not that of the session.",
        "Give the key that `Opened` gave when the session was opened; whoever has lost it attaches anew.",
    ),
    later(
        Code::MovedOn,
        "moved-on",
        ErrorCode::Aborted,
        "The instance has made a turn between the operator's look at it and the change.",
        "Do it again: it is worked out anew from where the instance stands now. Pause the instance when it never rests.",
    ),
    call(
        Code::Unfit,
        "unfit",
        ErrorCode::FailedPrecondition,
        "The instance, or its definition, is not in a condition for what an operator wants done.",
        "The message says what is in the way. `everstate why ADDRESS` shows how the instance stands.",
    ),
    later(
        Code::Stopping,
        "stopping",
        ErrorCode::Unavailable,
        "The server is stopping, or nobody listens there.",
        "Send again with the same event id: if it was taken in, the first outcome comes back.",
    ),
    later(
        Code::StoreFailed,
        "store-failed",
        ErrorCode::Unavailable,
        "Writing or syncing failed on the server, so it acknowledges nothing more until it is restarted.",
        "Restart the server: it recovers all that was acknowledged. Then send again with the same event id.",
    ),
    call(
        Code::Unauthenticated,
        "unauthenticated",
        ErrorCode::Unauthenticated,
        "The server wants a bearer token, and none or no known one was sent.",
        "Send `Authorization: Bearer TOKEN` with a token of the server's token file.",
    ),
    call(
        Code::Internal,
        "internal",
        ErrorCode::Internal,
        "Everstate did not do what it should. This is a fault of Everstate, not of the call.",
        "The server's log has more. Please report it.",
    ),
    outcome(
        Code::NotAccepted,
        "not-accepted",
        "No active state takes this event, and the definition rejects such events.",
        "`outcome.accepts` lists what the instance takes now.",
    ),
    outcome(
        Code::Final,
        "final",
        "The instance has reached its end and takes no events.",
        "Start another instance.",
    ),
    outcome(
        Code::UnknownAddress,
        "unknown-address",
        "There is no such instance, and its definition does not create instances on demand.",
        "Start it first, or give the definition `create: on-demand`.",
    ),
    outcome(
        Code::UnknownKind,
        "unknown-kind",
        "No definition has the name that the address gives as its kind.",
        "Put the definition, or correct the address.",
    ),
    outcome(
        Code::Gone,
        "gone",
        "The event was for, or from, an incarnation of the instance that is no more.",
        "Send it again, with a new id, if it still makes sense for the one that is there now.",
    ),
    outcome(
        Code::BadData,
        "bad-data",
        "The event's data is not of the shape that the definition declares.",
        "The outcome's message says what is wrong and where.",
    ),
    outcome(
        Code::Refused,
        "refused",
        "The machine takes such events and said no to this one; only a behaviour in Rust does so.",
        "The outcome's message is the machine's answer, as JSON.",
    ),
    outcome(
        Code::FaultExpression,
        "fault-expression",
        "An expression of the definition did not evaluate: a missing field, a wrong type, a division by zero.",
        "The event is a dead letter; once the cause is mended, `everstate dead-letters retry` sends it again.",
    ),
    outcome(
        Code::FaultAction,
        "fault-action",
        "An action of the definition could not be done, such as a send to a text that is no address.",
        "The outcome's message names the place in the definition.",
    ),
    outcome(
        Code::FaultUnhandled,
        "fault-unhandled",
        "No active state takes this event, and the definition says that this is a fault.",
        "Send it when the instance is in a state that takes it.",
    ),
    outcome(
        Code::FaultLimit,
        "fault-limit",
        "The turn reached a limit: steps without an end, the cost of an expression, effects, or the size of the state.",
        "Look for a loop of `always` transitions or a context that only grows.",
    ),
    outcome(
        Code::FaultPanic,
        "fault-panic",
        "The machine's handler panicked; the turn is rolled back whole.",
        "This is a bug of the handler; the message has its words.",
    ),
    outcome(
        Code::FaultState,
        "fault-state",
        "The stored state does not fit the definition.",
        "The definition's code has changed without a new version; put the former one back.",
    ),
];

#[cfg(test)]
#[path = "code_tests.rs"]
mod tests;
