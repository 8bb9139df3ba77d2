//! The native format as one table: every object, its keys, what each takes, and a sentence on what it means. The
//! reader checks keys against it, and the JSON Schema and the reference are made from it, so they cannot disagree.
//!
//! It refuses to know how keys are read. Its one invariant: a key that is not here is not read anywhere.

mod invoke;
mod retain;
mod space;
mod supervisor;

pub use invoke::{ATTEMPTS, HTTP, INVOKED, METHODS, TASK};
pub use retain::RETAIN;
pub use space::{ASSERT, ENDPOINT, JOIN, LEAVE, MOVE, PUBLISH, RESTART, SPAWN, STOP};
pub use supervisor::{BACKOFF, SUPERVISED, SUPERVISOR};

/// A kind of map in a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// Its name in the reference and the schema.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Its keys, in the order of the reference.
    pub keys: &'static [Key],
}

/// A key of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What it means, as Markdown.
    pub doc: &'static str,
}

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Text as it is.
    Text,
    /// Text with `${ expression }` holes.
    Template,
    /// A CEL expression.
    Expression,
    /// A value: text is an expression, lists and maps are built of values, the rest stands for itself.
    Value,
    /// Anything, carried as it is.
    Anything,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A length of time: milliseconds, or text such as `1h30m`.
    Duration,
    /// One of a few words.
    Word(&'static [&'static str]),
    /// A map of that kind.
    Map(&'static Object),
    /// A map from names to what is taken.
    Names(&'static Takes),
    /// A list.
    List(&'static Takes),
    /// One, or a list of them.
    OneOrMore(&'static Takes),
    /// Any of these.
    Either(&'static [Takes]),
    /// Known from other tools, and not supported: the text says why, and what to do.
    Unsupported(&'static str),
}

const fn key(name: &'static str, takes: Takes, doc: &'static str) -> Key {
    Key { name, takes, doc }
}

/// What happens to events that nobody takes.
pub const UNHANDLED: &[&str] = &["reject", "ignore", "defer", "fail"];

static ENDPOINTS: Takes = Takes::Names(&Takes::Map(&ENDPOINT));
static INVOKE: Takes = Takes::OneOrMore(&Takes::Map(&INVOKED));
const UNHANDLED_DOC: &str = "What happens to an event that no active state takes: `reject` (the sender is told), `ignore`, `defer` (kept until the active states change) or `fail` (a fault). The innermost active state that says something counts.";

/// The whole definition.
pub static DEFINITION: Object = Object {
    name: "definition",
    doc: "A machine. Besides the keys here it has those of a [state](#state) that concern what is inside: it is the outermost state, which is always active.",
    keys: &[
        key(
            "name",
            Takes::Text,
            "The name of the definition, which is the kind of its instances: `orders` makes `orders/42`. Without it `id` counts, and without both the file's name.",
        ),
        key(
            "id",
            Takes::Text,
            "The same as `name`, as other tools write it; targets can begin with it: `#orders.paid`.",
        ),
        key(
            "version",
            Takes::Text,
            "Such as `v1` (the default) or `1.2.0`. A definition never changes; a changed one has another version.",
        ),
        key("description", Takes::Text, "For people."),
        key(
            "create",
            Takes::Word(&["explicit", "on-demand"]),
            "Whether only `start` makes instances (`explicit`, the default), or an event to an address that does not exist yet does as well (`on-demand`).",
        ),
        key(
            "durability",
            Takes::Word(&["power", "process", "none"]),
            "What an acknowledged event survives: a power cut (the default), the end of the process, or nothing.",
        ),
        key("retain", Takes::Map(&RETAIN), "How long outcomes, histories and ended instances are kept."),
        key(
            "index",
            Takes::OneOrMore(&Takes::Text),
            "What of the context instances can be listed by: paths such as `customer.id`, at most 16. Texts, numbers and booleans are indexed.",
        ),
        key("retry", Takes::Map(&RETRY), "How often an event whose turn faulted is tried again."),
        key("park", Takes::Word(PARK), PARK_DOC),
        key("unhandled", Takes::Word(UNHANDLED), UNHANDLED_DOC),
        key(
            "allow",
            Takes::Names(&Takes::Text),
            "Warnings that are meant to be, by their [codes](findings.md), each with the reason: `allow: {dead-end: the archive is never left}`. Errors cannot be allowed.",
        ),
        key(
            "properties",
            Takes::List(&Takes::Map(&PROPERTY)),
            "What must hold of every instance, whatever happens to it. `everstate check` explores one within a small budget; a [system](../guides/exploring.md) explores many together.",
        ),
        key(
            "events",
            Takes::Names(&Takes::Either(&[Takes::Map(&EVENT), Takes::Text])),
            "The events that the machine knows, each with a description (as text, or in a map) and the shape of its data. Data of another shape is rejected at the door.",
        ),
        key(
            "context",
            Takes::Names(&Takes::Anything),
            "The data that an instance begins with, as it is (no expressions). Data given to `start` must be a map or nothing; it is laid over this one, key by key, and may bring further keys.",
        ),
        key(
            "guards",
            Takes::Names(&GUARD_TAKES),
            "Guards by name, to be used in place of an expression: `guard: isPaid`.",
        ),
        key(
            "actions",
            Takes::Names(&ACTIONS_TAKES),
            "Actions by name, to be used in place of actions: `entry: notify`.",
        ),
        key("initial", STATE_INITIAL, "The sub-state that an instance begins in."),
        key("type", Takes::Word(&["atomic", "compound", "parallel"]), "See [state](#state)."),
        key("states", Takes::Names(&Takes::Map(&STATE)), "The states, by name."),
        key("on", ON, "Transitions by event, from wherever the machine is."),
        key("always", TRANSITIONS, "Transitions without an event, from wherever the machine is."),
        key("after", AFTER, "Transitions after a time since the start, from wherever the machine is."),
        key("entry", ACTIONS_TAKES, "Actions on start, before those of the first state."),
        key("exit", ACTIONS_TAKES, "Actions at the end."),
        key(
            "output",
            Takes::Value,
            "The machine's output, if the final state that ended it has none of its own.",
        ),
        key("tags", Takes::OneOrMore(&Takes::Text), "Words for tools and people."),
        key("meta", Takes::Anything, "Anything for other tools; not looked into."),
        key("invoke", INVOKE, "Machines that run while this one does, and tasks."),
        key(
            "endpoints",
            ENDPOINTS,
            "Parts in conversations that the machine holds as long as it runs, by name.",
        ),
        key("$schema", Takes::Text, "For editors; not looked into."),
        key(
            "predictableActionArguments",
            Takes::Bool,
            "Accepted from exports of older tools; without meaning here.",
        ),
        key(
            "preserveActionOrder",
            Takes::Bool,
            "Accepted from exports of older tools; without meaning here.",
        ),
        key("strict", Takes::Bool, "Accepted from exports of older tools; without meaning here."),
        key("tsTypes", Takes::Anything, "Accepted from exports of older tools; without meaning here."),
        key("schema", Takes::Anything, "Accepted from exports of older tools; without meaning here."),
    ],
};

/// A flat definition.
pub static FLAT: Object = Object {
    name: "flat",
    doc: "A machine as a list of states and transitions, as configurations of go-statemachine are written. A definition is taken for one when its `states` are a list. The first transition that fits is taken; an event that none fits is rejected.",
    keys: &[
        key("name", Takes::Text, "The name of the definition. Without it the file's name."),
        key("version", Takes::Text, "Such as `v1` (the default)."),
        key("states", Takes::List(&Takes::Text), "The states. Each is used in some transition."),
        key(
            "transitions",
            Takes::List(&Takes::Map(&FLAT_TRANSITION)),
            "The transitions, in the order in which they are tried.",
        ),
        key("starting_state", Takes::Text, "The state that an instance begins in."),
        key("startingState", Takes::Text, "The same, as JSON of protobuf writes it."),
    ],
};

/// A transition of a flat definition.
pub static FLAT_TRANSITION: Object = Object {
    name: "flat transition",
    doc: "A transition of a [flat](#flat) definition.",
    keys: &[
        key("from", Takes::Text, "The state that it leaves."),
        key("to", Takes::Text, "The state that it enters."),
        key("event", Takes::Text, "The event that it takes."),
    ],
};

/// What must hold of an instance.
pub static PROPERTY: Object = Object {
    name: "property",
    doc: "What must hold of an instance: one of `always`, `never`, `eventually`, `reachable`, or `hold` with `until`. Expressions name `in('STATE')`, `context`, `states`, `ended`, `output` and `waiting`.",
    keys: &[
        key("name", Takes::Text, "What findings call it; without it, its own text."),
        key("always", Takes::Expression, "It holds whatever has happened."),
        key("never", Takes::Expression, "It does not hold, whatever has happened."),
        key(
            "eventually",
            Takes::Expression,
            "It holds some day, when time passes and tasks end; clients owe nothing.",
        ),
        key("reachable", Takes::Expression, "Something can happen after which it holds."),
        key("hold", Takes::Expression, "It holds until `until` does."),
        key("until", Takes::Expression, "It holds some day, and `hold` does before."),
    ],
};

/// How faults are retried.
pub static RETRY: Object = Object {
    name: "retry",
    doc: "How an event whose turn faulted is tried again. A turn is a pure function, so a second attempt helps only where something else can have changed by then.",
    keys: &[
        key("attempts", Takes::Integer, "Turns tried in all, at least 1 (the default)."),
        key(
            "backoff",
            Takes::Duration,
            "The wait before the second attempt, doubled before each further one. Default 100 ms.",
        ),
        key("max", Takes::Duration, "The longest wait. Default `60s`."),
    ],
};

const PARK_DOC: &str = "What becomes of an instance when an event has faulted for good: `event` (the default; the event is a dead letter and the instance goes on) or `instance` (it takes no events until its supervisor or an operator restarts it).";

/// What happens when an event has faulted for good.
pub const PARK: &[&str] = &["event", "instance"];

/// A declared event.
pub static EVENT: Object = Object {
    name: "event",
    doc: "An event that the machine knows.",
    keys: &[
        key("description", Takes::Text, "For people."),
        key("data", Takes::Map(&SHAPE), "The shape of its data. Without it any data is taken."),
    ],
};

/// A shape of data.
pub static SHAPE: Object = Object {
    name: "shape",
    doc: "What data must look like: a part of JSON Schema.",
    keys: &[
        key("type", Takes::OneOrMore(&Takes::Word(SHAPE_TYPES)), "The type, or several that are allowed."),
        key("description", Takes::Text, "For people."),
        key("title", Takes::Text, "For people."),
        key("properties", Takes::Names(&Takes::Map(&SHAPE)), "The shapes of an object's properties."),
        key("required", Takes::List(&Takes::Text), "Properties that must be there."),
        key(
            "additionalProperties",
            Takes::Either(&[Takes::Bool, Takes::Map(&SHAPE)]),
            "Whether properties that are not named may be there (the default), or the shape they must have.",
        ),
        key("items", Takes::Map(&SHAPE), "The shape of every item of an array."),
        key("enum", Takes::List(&Takes::Anything), "The values that are allowed."),
        key("const", Takes::Anything, "The one value that is allowed."),
        key("minimum", Takes::Number, "The least number."),
        key("maximum", Takes::Number, "The greatest number."),
        key("exclusiveMinimum", Takes::Number, "Numbers must be greater than this."),
        key("exclusiveMaximum", Takes::Number, "Numbers must be less than this."),
        key("minLength", Takes::Integer, "The least number of characters of a string."),
        key("maxLength", Takes::Integer, "The greatest number of characters of a string."),
        key("minItems", Takes::Integer, "The least number of items of an array."),
        key("maxItems", Takes::Integer, "The greatest number of items of an array."),
        key("default", Takes::Anything, "For people; nothing is filled in."),
        key("examples", Takes::List(&Takes::Anything), "For people."),
        key("format", Takes::Text, "For people; not checked."),
    ],
};

/// Types that a shape can name.
pub const SHAPE_TYPES: &[&str] = &["object", "array", "string", "number", "integer", "boolean", "null"];

static STATE_INITIAL: Takes = Takes::Either(&[Takes::OneOrMore(&Takes::Text), Takes::Map(&INITIAL)]);
static TRANSITIONS: Takes = Takes::OneOrMore(&Takes::Either(&[Takes::Text, Takes::Map(&TRANSITION)]));
static ON: Takes = Takes::Names(&TRANSITIONS);
static AFTER: Takes = Takes::Names(&TRANSITIONS);
static ACTIONS_TAKES: Takes = Takes::OneOrMore(&Takes::Either(&[Takes::Text, Takes::Map(&ACTION)]));
static GUARD_TAKES: Takes = Takes::Either(&[Takes::Expression, Takes::Map(&GUARD), Takes::Bool]);

/// A state.
pub static STATE: Object = Object {
    name: "state",
    doc: "A state. Its name is its key under `states`; names have no `.`, since paths such as `open.waiting` are made of them.",
    keys: &[
        key(
            "type",
            Takes::Word(&["atomic", "compound", "parallel", "final", "history"]),
            "`atomic` (no sub-states) and `compound` (one sub-state is active) go without saying. In a `parallel` state all sub-states are active. A `final` one ends its parent; directly in the machine it ends the machine. A `history` stands for what was last active beside it.",
        ),
        key(
            "initial",
            STATE_INITIAL,
            "The sub-state that the state begins in. Needed in a compound state, unless it has but one sub-state.",
        ),
        key("states", Takes::Names(&Takes::Map(&STATE)), "The sub-states, by name."),
        key(
            "on",
            ON,
            "Transitions by event name. `payment.*` takes `payment` and all that begins with `payment.`, `*` takes everything. In one state exact names come before prefixes, longer prefixes before shorter ones, and `*` last; a state comes before its parents.",
        ),
        key(
            "always",
            TRANSITIONS,
            "Transitions without an event, tried whenever the active states or the context have changed.",
        ),
        key(
            "after",
            AFTER,
            "Transitions after a time in the state: milliseconds, or text such as `30s`, `5m`, `1h30m`, `2d`. Leaving the state cancels the timer.",
        ),
        key("entry", ACTIONS_TAKES, "Actions when the state is entered, after those of its parents."),
        key("exit", ACTIONS_TAKES, "Actions when the state is left, before those of its parents."),
        key(
            "onDone",
            TRANSITIONS,
            "Transitions when the state's sub-states have come to their end; `event` is the output of the final state.",
        ),
        key("output", Takes::Value, "In a final state: what its parent's `onDone` sees as `event`."),
        key("history", Takes::Word(&["shallow", "deep"]), "Of a history: `shallow` (the default) or `deep`."),
        key(
            "target",
            Takes::OneOrMore(&Takes::Text),
            "Of a history: what it stands for when nothing was active yet. Without it the parent's initial state.",
        ),
        key("unhandled", Takes::Word(UNHANDLED), UNHANDLED_DOC),
        key("id", Takes::Text, "A name for targets from anywhere: `#id`."),
        key("description", Takes::Text, "For people."),
        key("tags", Takes::OneOrMore(&Takes::Text), "Words for tools and people."),
        key("meta", Takes::Anything, "Anything for other tools; not looked into."),
        key("invoke", INVOKE, "Machines that run while the state is active, and tasks."),
        key(
            "endpoints",
            ENDPOINTS,
            "Parts in conversations that the state holds while it is active, by name.",
        ),
        key("order", Takes::Anything, "Accepted from exports of other tools; without meaning here."),
    ],
};

/// An initial transition written out.
pub static INITIAL: Object = Object {
    name: "initial",
    doc: "An initial state with actions.",
    keys: &[
        key("target", Takes::OneOrMore(&Takes::Text), "The sub-state, or several in parallel regions."),
        key(
            "actions",
            ACTIONS_TAKES,
            "Actions after those on entry of the state, before those of the sub-state.",
        ),
    ],
};

/// A transition.
pub static TRANSITION: Object = Object {
    name: "transition",
    doc: "A transition. As text it is its target; several in a list are tried in their order.",
    keys: &[
        key(
            "target",
            Takes::OneOrMore(&Takes::Text),
            "A state beside this one (`paid`), inside of it (`.waiting`), by path (`open.waiting`), or by id (`#paid`). A list names states in parallel regions. Without a target only the actions run and no state is left.",
        ),
        key("guard", GUARD_TAKES, "The transition is taken only if this is true."),
        key("cond", GUARD_TAKES, "The same as `guard`, as older tools write it."),
        key("actions", ACTIONS_TAKES, "Actions between leaving and entering states."),
        key("description", Takes::Text, "For people."),
        key(
            "reenter",
            Takes::Bool,
            "Whether a transition to the state itself or into it leaves and enters the state. Default `false`: only its sub-states are left and entered.",
        ),
        key("internal", Takes::Bool, "The opposite of `reenter`, as older tools write it."),
        key("meta", Takes::Anything, "Anything for other tools; not looked into."),
        key("order", Takes::Anything, "Accepted from exports of other tools; without meaning here."),
    ],
};

/// A guard that is more than an expression.
pub static GUARD: Object = Object {
    name: "guard",
    doc: "A guard. As text it is the name of a guard or else a CEL expression.",
    keys: &[
        key("not", GUARD_TAKES, "True when this is not."),
        key("and", Takes::List(&GUARD_TAKES), "True when all of these are."),
        key("or", Takes::List(&GUARD_TAKES), "True when any of these is."),
        key("in", Takes::Text, "True when that state is active: a name, a path or an `#id`."),
        key("type", Takes::Text, "The name of a guard, as other tools write it."),
        key(
            "params",
            Takes::Unsupported("guards take no parameters; write an expression"),
            "Parameters of a named guard.",
        ),
    ],
};

/// An action.
pub static ACTION: Object = Object {
    name: "action",
    doc: "An action. As text it is the name of an action in `actions`. A map has one of the first keys, and those that belong to it.",
    keys: &[
        key(
            "assign",
            Takes::Names(&Takes::Value),
            "Sets keys of the context. All values are computed before the first is set.",
        ),
        key(
            "raise",
            Takes::Either(&[Takes::Template, Takes::Map(&RAISE)]),
            "An event for this machine, handled in this very turn before it ends.",
        ),
        key(
            "send",
            Takes::Either(&[Takes::Template, Takes::Map(&SEND)]),
            "An event for another machine, or for this one as a turn of its own; now or later. As text it is the event's name.",
        ),
        key("cancel", Takes::Template, "Cancels the delayed send with that `id`."),
        key("reply", Takes::Value, "The answer to the sender of this turn's event."),
        key("log", Takes::Template, "A line for the history of the instance."),
        key("if", GUARD_TAKES, "Does `then` if this is true, else `else`."),
        key("then", ACTIONS_TAKES, "See `if`."),
        key("else", ACTIONS_TAKES, "See `if`."),
        key(
            "foreach",
            Takes::Expression,
            "A list, or a map whose keys are taken; `do` is done for each item.",
        ),
        key("item", Takes::Text, "Of `foreach`: the name under which `do` sees the item. Default `item`."),
        key(
            "index",
            Takes::Text,
            "Of `foreach`: the name under which `do` sees the number of the item, from 0. Default `index`.",
        ),
        key("do", ACTIONS_TAKES, "See `foreach`."),
        key("join", Takes::Map(&JOIN), "Joins a space with an endpoint."),
        key(
            "leave",
            Takes::Either(&[Takes::Template, Takes::Map(&LEAVE)]),
            "Leaves with the endpoint of that name. Leaving what was never joined does nothing.",
        ),
        key("move", Takes::Map(&MOVE), "Moves an endpoint to another pattern."),
        key("assert", Takes::Map(&ASSERT), "Lets an endpoint assert another value."),
        key(
            "publish",
            Takes::Map(&PUBLISH),
            "A message to all subscribers whose patterns take its topic: `space.message.NAME`.",
        ),
        key(
            "feedback",
            Takes::Map(&PUBLISH),
            "A message back to all publishers whose patterns take its topic, such as credit: `space.feedback.NAME`.",
        ),
        key("task", Takes::Map(&TASK), "Asks for work of the outside world, until the instance ends."),
        key("spawn", Takes::Map(&SPAWN), "Makes a child."),
        key(
            "stop",
            Takes::Either(&[Takes::Template, Takes::Map(&STOP)]),
            "Stops the child of that name, if there is one.",
        ),
        key(
            "restart",
            Takes::Either(&[Takes::Template, Takes::Map(&RESTART)]),
            "Restarts the child of that name, if there is one.",
        ),
        key(
            "monitor",
            Takes::Template,
            "Watches the instance at that address: `monitor.exited` tells once when it ends, or now if nobody is there.",
        ),
        key("demonitor", Takes::Template, "Does not watch that address any more."),
        key(
            "giveUp",
            Takes::Template,
            "Ends this machine after this turn: it has failed at its task, for this reason. Its parent and those that watch it are told.",
        ),
        key("type", Takes::Text, "The name of an action, as other tools write it."),
        key(
            "params",
            Takes::Unsupported("actions take no parameters; write the action out"),
            "Parameters of a named action.",
        ),
    ],
};

/// A raised event.
pub static RAISE: Object = Object {
    name: "raise",
    doc: "An event for the machine itself in the same turn.",
    keys: &[
        key("event", Takes::Template, "The event's name."),
        key("data", Takes::Value, "What comes with it."),
    ],
};

/// A sent event.
pub static SEND: Object = Object {
    name: "send",
    doc: "An event for another machine or a later turn.",
    keys: &[
        key("event", Takes::Template, "The event's name."),
        key(
            "to",
            Takes::Template,
            "The receiver's address, such as `payments/${instance.id}`. Without it this instance.",
        ),
        key("data", Takes::Value, "What comes with it."),
        key(
            "delay",
            Takes::Either(&[Takes::Duration, Takes::Template]),
            "How long from now: milliseconds, text such as `1h30m`, or a template that gives one of these.",
        ),
        key(
            "id",
            Takes::Template,
            "A name for `cancel`. A second delayed send with the same id replaces the first.",
        ),
    ],
};

/// Every kind of map, in the order of the reference.
pub static OBJECTS: &[&Object] = &[
    &DEFINITION,
    &STATE,
    &TRANSITION,
    &INITIAL,
    &INVOKED,
    &HTTP,
    &ATTEMPTS,
    &GUARD,
    &ACTION,
    &RAISE,
    &SEND,
    &ENDPOINT,
    &JOIN,
    &LEAVE,
    &MOVE,
    &ASSERT,
    &PUBLISH,
    &SPAWN,
    &STOP,
    &RESTART,
    &TASK,
    &EVENT,
    &SHAPE,
    &RETRY,
    &RETAIN,
    &PROPERTY,
    &SUPERVISOR,
    &SUPERVISED,
    &BACKOFF,
    &FLAT,
    &FLAT_TRANSITION,
];

impl Object {
    /// The key of that name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}
