//! What a supervisor is told: its children in order and how to look after them, read from a definition. It refuses to
//! know what has become of them.

use super::backoff::Backoff;
use super::reading::Reading;
use super::strategy::Strategy;
use crate::json::Json;
use crate::limits::CHILDREN_MAX;
use crate::time::Span;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde_json::Value;

/// A supervisor as its definition writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Who is restarted with one that fails.
    pub strategy: Strategy,
    /// So many restarts within the period are borne; one more, and the supervisor gives up.
    pub intensity: u32,
    /// See `intensity`.
    pub period: Span,
    /// How long to wait before a restart.
    pub backoff: Backoff,
    /// In the order in which they are started.
    pub children: Vec<ChildPlan>,
}

/// One child as the definition writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildPlan {
    /// Its name among the children.
    pub name: Arc<str>,
    /// The name of its definition.
    pub kind: Arc<str>,
    /// Of which version; none for the greatest when it is started.
    pub version: Option<Arc<str>>,
    /// Its id; none for one of the kernel's, which it then keeps.
    pub id: Option<Arc<str>>,
    /// What it is started with.
    pub data: Json,
    /// When it is restarted.
    pub restart: Restart,
    /// Does a restart of one that is still there go on from its last good state?
    pub from_last_good: bool,
    /// Does it say by an event `ready` when the next one may be started?
    pub ready: bool,
    /// How long it may take until it is ready.
    pub start_deadline: Span,
    /// How long it may take to stop.
    pub stop_deadline: Span,
}

/// When a child is restarted. OTP's words, with OTP's meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// When it did not end by reaching its final state or being stopped.
    Transient,
    /// Never.
    Temporary,
}

/// OTP's default: one restart in five seconds.
const INTENSITY: u32 = 1;
const PERIOD: Span = Span::seconds(5);
/// Long enough for a machine that only makes turns; one that waits for the outside says more.
const START_DEADLINE: Span = Span::seconds(60);
/// OTP's default.
const STOP_DEADLINE: Span = Span::seconds(5);

impl Plan {
    /// Reads a definition; whatever the reader of definitions knows itself (name, version, policies) is passed over.
    pub(super) fn read(value: &Value) -> Result<Plan, Vec<PlanError>> {
        let mut reading = Reading::default();
        const KNOWN: [&str; 16] = [
            "strategy",
            "intensity",
            "period",
            "backoff",
            "children",
            "name",
            "version",
            "type",
            "create",
            "durability",
            "retain",
            "retry",
            "park",
            "description",
            "title",
            "$schema",
        ];
        reading.known(value, "", &KNOWN);
        let strategy = reading.word(value, "", "strategy", &["one_for_one", "one_for_all", "rest_for_one"]);
        let backoff = Plan::backoff(value, &mut reading);
        let own_name = value.get("name").and_then(Value::as_str);
        let plan = Plan {
            strategy: strategy.and_then(Strategy::read).unwrap_or_default(),
            intensity: reading.whole(value, "", "intensity", u32::MAX).unwrap_or(INTENSITY),
            period: reading.span(value, "", "period").unwrap_or(PERIOD),
            backoff,
            children: Plan::children(value, own_name, &mut reading),
        };
        reading.end(plan)
    }

    fn backoff(value: &Value, reading: &mut Reading) -> Backoff {
        let default = Backoff::default();
        let Some(part) = reading.part(value, "", "backoff") else { return default };
        reading.known(part, "backoff", &["initial", "max", "jitter"]);
        Backoff {
            initial: reading.span(part, "backoff", "initial").unwrap_or(default.initial),
            max: reading.span(part, "backoff", "max").unwrap_or(default.max),
            jitter: reading.whole(part, "backoff", "jitter", 100).unwrap_or(default.jitter),
        }
    }

    fn children(value: &Value, own_name: Option<&str>, reading: &mut Reading) -> Vec<ChildPlan> {
        let Some(list) = value.get("children").and_then(Value::as_array) else {
            reading.wrong("children", "a supervisor has a list of children".into());
            return Vec::new();
        };
        if list.len() > CHILDREN_MAX {
            reading.wrong("children", format!("there are {}, the limit is {CHILDREN_MAX}", list.len()));
        }
        let mut children: Vec<ChildPlan> = Vec::new();
        for (place, value) in list.iter().enumerate() {
            let path = format!("children.{place}");
            let Some(child) = ChildPlan::read(value, &path, reading) else { continue };
            if children.iter().any(|other| other.name == child.name) {
                reading
                    .wrong(&format!("{path}.name"), format!("there is another child named {:?}", child.name));
            }
            let here = |other: &&ChildPlan| other.kind == child.kind && other.id == child.id;
            if child.id.is_some() && children.iter().any(|other| here(&other)) {
                let problem = "another child has this kind and id; an address is one instance";
                reading.wrong(&format!("{path}.id"), problem.into());
            }
            if own_name == Some(&child.kind) {
                let problem = "a supervisor cannot have itself as a child: it would begin for ever";
                reading.wrong(&format!("{path}.kind"), problem.into());
            }
            children.push(child);
        }
        children
    }
}

impl ChildPlan {
    fn read(value: &Value, path: &str, reading: &mut Reading) -> Option<ChildPlan> {
        const KNOWN: [&str; 10] = [
            "name",
            "kind",
            "version",
            "id",
            "data",
            "restart",
            "from",
            "ready",
            "start_deadline",
            "stop_deadline",
        ];
        reading.known(value, path, &KNOWN);
        let kind = reading.text(value, path, "kind", true);
        if let Some(kind) = kind
            && let Err(error) = crate::address::check_kind(kind)
        {
            reading.wrong(&format!("{path}.kind"), format!("{error}"));
        }
        let name = reading.text(value, path, "name", false).or(kind);
        if let Some(name) = name
            && let Err(fault) = crate::node::check_child_name(name)
        {
            reading.wrong(&format!("{path}.name"), fault.message);
        }
        let id = reading.text(value, path, "id", false);
        if let (Some(kind), Some(id)) = (kind, id)
            && let Err(error) = crate::address::Address::new(kind, id)
        {
            reading.wrong(&format!("{path}.id"), format!("{error}"));
        }
        let version = reading.text(value, path, "version", false);
        let restart = match reading.word(value, path, "restart", &["permanent", "transient", "temporary"]) {
            Some("transient") => Restart::Transient,
            Some("temporary") => Restart::Temporary,
            _ => Restart::Permanent,
        };
        let from = reading.word(value, path, "from", &["initial", "last-good"]);
        let data = value.get("data").map_or(Json::NULL, |data| Json::trusted(format!("{data}")));
        if let Err(error) = data.check_limits() {
            reading.wrong(&format!("{path}.data"), format!("{error}"));
        }
        Some(ChildPlan {
            name: Arc::from(name?),
            kind: Arc::from(kind?),
            version: version.map(Arc::from),
            id: id.map(Arc::from),
            data,
            restart,
            from_last_good: from == Some("last-good"),
            ready: reading.truth(value, path, "ready").unwrap_or(false),
            start_deadline: reading.span(value, path, "start_deadline").unwrap_or(START_DEADLINE),
            stop_deadline: reading.span(value, path, "stop_deadline").unwrap_or(STOP_DEADLINE),
        })
    }
}

/// What is wrong with a definition, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct PlanError {
    /// Keys and places from the root, joined by dots: `children.2.kind`.
    pub path: String,
    /// What is wrong and what would be right.
    pub problem: String,
}
