//! What charts do in spaces and to their children, as part of the table of keys.
//!
//! It refuses to know what comes of it.

use super::{Object, Takes, key};

const OUTER: &str =
    "Act in the space around the one that the machine lives in. Default `false`: where it lives.";
const SPACE: &str = "Act in the space at this path, such as `room/${event.room}`; `''` is the outermost one. A space that does not exist is created when somebody joins.";
const NAME: &str =
    "What the machine calls the endpoint. Events for it end in this name: `space.presence.NAME`.";
const PATTERN: &str = "What it is about: segments joined by `/`, such as `worker/${instance.id}/idle`. `*` stands for one segment, a final `>` for the rest.";
const ROLE_DOC: &str = "`publisher` (sends messages, gets feedback) or `subscriber` (gets messages, sends feedback). Publishers meet subscribers.";
const INTEREST_DOC: &str = "`participant` (the default) takes part and is seen; `observer` sees participants and is not seen by them; `everything` sees observers too.";
const VALUE: &str = "What it asserts, such as `{skill: context.skill}`: counterparts see it in `space.presence.NAME` and in `present(…)`.";
const MARK: &str =
    "Whether `space.complete.NAME` tells, after all that is present when it joins, that this was all.";
const WAITS: &str = "Whether what the machine publishes about these topics waits until a subscriber has given credit for it, by the feedback `{credit: N}`. Only a publisher's can. Default `false`.";

/// Roles of endpoints.
const ROLE: &[&str] = &["publisher", "subscriber"];

/// Interests of endpoints.
const INTEREST: &[&str] = &["participant", "observer", "everything"];

/// What becomes of a child whose parent ends.
const ORPHAN: &[&str] = &["stop", "keep"];

/// Where a child is restarted.
const FROM: &[&str] = &["initial", "last-good"];

/// An endpoint that a state holds.
pub static ENDPOINT: Object = Object {
    name: "endpoint",
    doc: "A part in conversations that a state holds while it is active: joined before the actions on entry, left after those on exit. A state that is left for one with an endpoint of the same name moves it, and nobody sees a moment without. Events tell of it: `space.presence.NAME` and `space.absence.NAME` (`event` has `address`, `endpoint`, `pattern`, `role`, `interest`, `value`, `space`; an absence also `reason` and `detail`), `space.changed.NAME` (another `value`, or it has moved and is still seen), `space.message.NAME` and `space.feedback.NAME` (`topic`, `from`, `data`), `space.complete.NAME`, `space.ended.NAME`. When no state takes one, it is passed over.",
    keys: &[
        key("pattern", Takes::Template, PATTERN),
        key("role", Takes::Word(ROLE), ROLE_DOC),
        key("interest", Takes::Word(INTEREST), INTEREST_DOC),
        key("value", Takes::Value, VALUE),
        key("mark", Takes::Bool, MARK),
        key("waits", Takes::Bool, WAITS),
        key("outer", Takes::Bool, OUTER),
        key("space", Takes::Template, SPACE),
    ],
};

/// Joining with an endpoint.
pub static JOIN: Object = Object {
    name: "join",
    doc: "An [endpoint](#endpoint) that is held until the machine leaves with it or ends. One of the same name is replaced: whoever matches both is told nothing.",
    keys: &[
        key("name", Takes::Template, NAME),
        key("pattern", Takes::Template, PATTERN),
        key("role", Takes::Word(ROLE), ROLE_DOC),
        key("interest", Takes::Word(INTEREST), INTEREST_DOC),
        key("value", Takes::Value, VALUE),
        key("mark", Takes::Bool, MARK),
        key("waits", Takes::Bool, WAITS),
        key("outer", Takes::Bool, OUTER),
        key("space", Takes::Template, SPACE),
    ],
};

/// Leaving with an endpoint.
pub static LEAVE: Object = Object {
    name: "leave",
    doc: "An endpoint that is not held any more.",
    keys: &[
        key("name", Takes::Template, "Which."),
        key("outer", Takes::Bool, OUTER),
        key("space", Takes::Template, SPACE),
    ],
};

/// Moving an endpoint.
pub static MOVE: Object = Object {
    name: "move",
    doc: "Another pattern for an endpoint that is held. Whoever matches both is told nothing; the others see it come or go.",
    keys: &[
        key("name", Takes::Template, "Which."),
        key("pattern", Takes::Template, "Where to."),
        key("outer", Takes::Bool, OUTER),
        key("space", Takes::Template, SPACE),
    ],
};

/// Asserting a value.
pub static ASSERT: Object = Object {
    name: "assert",
    doc: "Another value for an endpoint that is held.",
    keys: &[
        key("name", Takes::Template, "Which."),
        key("value", Takes::Value, "What. Default `null`."),
        key("outer", Takes::Bool, OUTER),
        key("space", Takes::Template, SPACE),
    ],
};

/// A message.
pub static PUBLISH: Object = Object {
    name: "publish",
    doc: "A message to all whose patterns take the topic: of `publish` the subscribers, of `feedback` the publishers. The sender need not hold an endpoint.",
    keys: &[
        key(
            "topic",
            Takes::Template,
            "About what; with wildcards it reaches all whose patterns intersect it.",
        ),
        key("data", Takes::Value, "What it says."),
        key("outer", Takes::Bool, OUTER),
        key("space", Takes::Template, SPACE),
    ],
};

/// A child.
pub static SPAWN: Object = Object {
    name: "spawn",
    doc: "A machine that is made a child of this one and runs until it ends or is stopped. `child.started.NAME`, `child.faulted.NAME` and `child.exited.NAME` tell of it; `to: '#_NAME'` sends to it from the next turn on.",
    keys: &[
        key("name", Takes::Template, "What it is called here; free, or that of one that is stopping."),
        key(
            "src",
            Takes::Template,
            "The name of its definition, or `NAME:VERSION`; without a version the greatest one.",
        ),
        key(
            "id",
            Takes::Template,
            "Its id: the address is `SRC/ID` in the space of this machine. Default: one that nobody else has.",
        ),
        key("input", Takes::Value, "What it is started with."),
        key(
            "orphan",
            Takes::Word(ORPHAN),
            "What becomes of it when this machine ends: `stop` (the default) or `keep`.",
        ),
    ],
};

/// Stopping a child.
pub static STOP: Object = Object {
    name: "stop",
    doc: "A child that is to stop.",
    keys: &[
        key("child", Takes::Template, "Its name."),
        key("kill", Takes::Bool, "At once, without its exit actions? Default `false`."),
    ],
};

/// Restarting a child.
pub static RESTART: Object = Object {
    name: "restart",
    doc: "A child that begins anew, as its next incarnation.",
    keys: &[
        key("child", Takes::Template, "Its name."),
        key(
            "from",
            Takes::Word(FROM),
            "`initial` (the default): from its start; `last-good`: from its state after the last turn that did not fault.",
        ),
        key("input", Takes::Value, "What it is started with, from `initial`."),
    ],
};
