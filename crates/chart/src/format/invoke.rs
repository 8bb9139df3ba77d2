//! What a state has done while it is active: machines, tasks, requests. Keys and their descriptions.
//!
//! It refuses to know how they are read.

use super::{Object, TRANSITIONS, Takes, key};

/// A request that the server makes.
pub static HTTP: Object = Object {
    name: "http",
    doc: "A request that the server itself makes. It has to be allowed to: `everstate serve --http-worker-allow URL`. The input is the body, as JSON; the header `idempotency-key` is the same for every attempt. The result is the body of an answer 2xx; 5xx, 408, 425, 429 and no answer are tried again, any other is a failure for good whose code is `http-404`, say.",
    keys: &[
        key("url", Takes::Template, "Where, beginning with `http://` or `https://`."),
        key("method", Takes::Word(METHODS), "Default `POST`."),
        key("headers", Takes::Names(&Takes::Template), "Further headers."),
    ],
};

/// What a request can do.
pub const METHODS: &[&str] = &["POST", "GET", "PUT", "PATCH", "DELETE"];

/// How a task is tried again.
pub static ATTEMPTS: Object = Object {
    name: "task retry",
    doc: "How a task is tried again after an attempt that failed, timed out, or was not heard of any more.",
    keys: &[
        key("attempts", Takes::Integer, "Attempts in all. Default 10."),
        key(
            "backoff",
            Takes::Duration,
            "The wait before the second attempt, doubled before each further one. Default `1s`.",
        ),
        key("max", Takes::Duration, "The longest wait. Default `60s`."),
    ],
};

/// A task that an action asks for.
pub static TASK: Object = Object {
    name: "task",
    doc: "Work that a worker does, see the [guide](../guides/tasks.md), whatever becomes of the state that asks for it: it is cancelled when the instance ends. `done.task.ID` tells of its result, `error.task.ID` that it has failed for good. A task is asked for in place of one with the same id.",
    keys: &[
        key("queue", Takes::Text, "The queue that its workers take it from, such as `charge-card`."),
        key("http", Takes::Map(&HTTP), "In place of `queue`: a request, which the server itself makes."),
        key(
            "id",
            Takes::Template,
            "What it is called in its events. Default: its queue; of a request `http`.",
        ),
        key("input", Takes::Value, "What its worker gets; of a request the body."),
        key("retry", Takes::Map(&ATTEMPTS), "How it is tried again."),
        key("timeout", Takes::Duration, "How long one attempt may take. Default `60s`."),
        key(
            "deadline",
            Takes::Duration,
            "How long it may take in all, waiting for a worker included. Without it as long as it takes.",
        ),
        key(
            "heartbeat",
            Takes::Duration,
            "How long its worker may be silent. Without it a worker is not missed before the timeout.",
        ),
    ],
};

/// An invoked machine.
pub static INVOKED: Object = Object {
    name: "invoke",
    doc: "A machine, or a task. A machine is started when the state is entered (and still active when the turn ends), and stopped when it is left. It is a child of this instance; `to: '#_ID'` sends to it, `to: '#_parent'` sends from it. A task is work that a worker does, see the [guide](../guides/tasks.md).",
    keys: &[
        key(
            "src",
            Takes::Template,
            "The name of its definition, or `NAME:VERSION`; without a version the greatest one.",
        ),
        key(
            "id",
            Takes::Text,
            "What it is called here, in `#_ID` and in its events. Default: its number in the state and the state's path, such as `0.open.waiting`.",
        ),
        key("input", Takes::Value, "What it is started with; of a task what its worker gets."),
        key(
            "task",
            Takes::Text,
            "In place of `src`: work for the outside world, by the name of the queue that its workers take it from, such as `charge-card`. It is asked for when the state is entered and cancelled when it is left.",
        ),
        key(
            "http",
            Takes::Map(&HTTP),
            "In place of `src`: a task that is a request, which the server itself makes.",
        ),
        key("retry", Takes::Map(&ATTEMPTS), "Of a task: how it is tried again."),
        key("timeout", Takes::Duration, "Of a task: how long one attempt may take. Default `60s`."),
        key(
            "deadline",
            Takes::Duration,
            "Of a task: how long it may take in all, waiting for a worker included. Without it as long as it takes.",
        ),
        key(
            "heartbeat",
            Takes::Duration,
            "Of a task: how long its worker may be silent. Without it a worker is not missed before the timeout.",
        ),
        key(
            "onDone",
            TRANSITIONS,
            "Transitions when it has ended; `event` is its output. The event is named `done.invoke.ID`, of a task `done.task.ID`.",
        ),
        key(
            "onError",
            TRANSITIONS,
            "Transitions when it could not be started, gave up, or was stopped by somebody else; the event is named `error.invoke.ID`. Of a task when it has failed for good; the event is named `error.task.ID` and has `reason` (`failed`, `timeout`, `heartbeat` or `deadline`), `code`, `message` and `attempts`.",
        ),
        key("autoForward", Takes::Bool, "Whether it gets a copy of every event that comes from outside."),
        key("meta", Takes::Anything, "Anything for other tools; not looked into."),
        key(
            "onSnapshot",
            Takes::Unsupported("an invoked machine shows its state by the events that it sends"),
            "Transitions on every change of the machine.",
        ),
        key(
            "systemId",
            Takes::Unsupported("send to the address of an instance, or to `#_ID`"),
            "A name in the whole system.",
        ),
    ],
};
