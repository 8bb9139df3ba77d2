//! What a supervisor's definition is made of, as the rest of the table is for charts.
//!
//! It refuses to know what a supervisor does; the kernel does.

use super::{Object, PARK, RETAIN, RETRY, Takes, key};

/// A supervisor.
pub static SUPERVISOR: Object = Object {
    name: "supervisor",
    doc: "A built-in machine that starts children in order, restarts those that fail, and gives up when that happens too often. The words are those of Erlang/OTP.",
    keys: &[
        key("type", Takes::Word(&["supervisor"]), "Tells a supervisor from a chart."),
        key("name", Takes::Text, "The name of the definition, as of any other."),
        key("id", Takes::Text, "The same as `name`."),
        key("version", Takes::Text, "Such as `v1` (the default)."),
        key("description", Takes::Text, "For people."),
        key("tags", Takes::OneOrMore(&Takes::Text), "Words for tools and people."),
        key("create", Takes::Word(&["explicit", "on-demand"]), "As of any definition."),
        key("durability", Takes::Word(&["power", "process", "none"]), "As of any definition."),
        key("retain", Takes::Map(&RETAIN), "As of any definition."),
        key("retry", Takes::Map(&RETRY), "As of any definition."),
        key("park", Takes::Word(PARK), "As of any definition."),
        key(
            "strategy",
            Takes::Word(&["one_for_one", "one_for_all", "rest_for_one"]),
            "Who is restarted with a child that failed: nobody else (the default), all, or those that were started after it.",
        ),
        key(
            "intensity",
            Takes::Integer,
            "Restarts that are borne within the period; one more and it gives up. Default 1.",
        ),
        key("period", Takes::Duration, "The period. Default `5s`."),
        key("backoff", Takes::Map(&BACKOFF), "How long it waits before a restart."),
        key(
            "children",
            Takes::List(&Takes::Map(&SUPERVISED)),
            "In the order in which they are started; they are stopped in the reverse of it.",
        ),
    ],
};

/// How long a supervisor waits.
pub static BACKOFF: Object = Object {
    name: "backoff",
    doc: "How long a supervisor waits before it restarts a child: doubled with each failure in a row.",
    keys: &[
        key("initial", Takes::Duration, "The first wait. Default `100ms`."),
        key("max", Takes::Duration, "The longest. Default `30s`."),
        key("jitter", Takes::Integer, "Percent by which a wait may be longer or shorter. Default 20."),
    ],
};

/// A child of a supervisor.
pub static SUPERVISED: Object = Object {
    name: "supervised",
    doc: "A child of a supervisor.",
    keys: &[
        key("kind", Takes::Text, "The definition that it is an instance of."),
        key("name", Takes::Text, "Its name among the children. Default: the kind."),
        key(
            "version",
            Takes::Text,
            "The version of its definition. Default: the greatest when it is started.",
        ),
        key("id", Takes::Text, "The id in its address. Without it, it gets one of its own."),
        key("data", Takes::Anything, "What it is started with."),
        key(
            "restart",
            Takes::Word(&["permanent", "transient", "temporary"]),
            "Restarted always (the default), when it failed, or never.",
        ),
        key(
            "from",
            Takes::Word(&["initial", "last-good"]),
            "Where a child that is parked by a fault begins: from its start (the default), or from its state after the last turn that did not fault.",
        ),
        key(
            "ready",
            Takes::Bool,
            "Whether the next child waits until this one has sent an event `ready` to its parent.",
        ),
        key("start_deadline", Takes::Duration, "Within this time. Default `60s`."),
        key(
            "stop_deadline",
            Takes::Duration,
            "How long it may tidy up when it is stopped; then it is killed. Default `5s`.",
        ),
    ],
};
