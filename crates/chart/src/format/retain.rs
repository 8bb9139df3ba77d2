//! What a definition says of how long things are kept, as the rest of the table is for charts.
//!
//! It refuses to know what is done when a time is over.

use super::{Object, Takes, key};

/// How long what has happened is kept.
pub static RETAIN: Object = Object {
    name: "retain",
    doc: "How long what has happened is kept. What is not said here is what the server was started with (`serve --retain`).",
    keys: &[
        key(
            "outcomes",
            TIME,
            "What became of an event, by its id. Within this time an event is handled once, however often it is sent; after it, the same id is a new event. Default `30d`.",
        ),
        key("history", TIME, "The turns of an instance. Default: for ever."),
        key(
            "finished",
            TIME,
            "An instance that has ended, since its last turn, with its history. Default: for ever.",
        ),
    ],
};

const TIME: Takes = Takes::Either(&[Takes::Duration, Takes::Word(&["forever"])]);
