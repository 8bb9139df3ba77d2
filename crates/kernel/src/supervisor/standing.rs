//! How things stand with a supervisor: where each child is, what is being done, and what was decided. This is its state,
//! so it is what survives. It refuses to decide anything.

use super::Supervisor;
use super::plan::Plan;
use crate::address::Address;
use crate::behaviour::{Description, shortened};
use crate::json::Json;
use crate::record::Labels;
use crate::time::Time;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Decisions kept in the state. All of them are in the history; these are for a look at the supervisor as it is.
pub(super) const DECISIONS_MAX: usize = 100;

/// The state of a supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// In the order of the plan.
    pub(super) children: Vec<ChildStanding>,
    pub(super) work: Work,
    /// Children before this place were up once since their group was started; the next ones wait for it.
    pub(super) started: usize,
    /// Times of the restarts within the period.
    pub(super) recent: Vec<Time>,
    /// Restarts in all.
    pub(super) restarts: u64,
    pub(super) decisions: VecDeque<Decision>,
    /// When the alarm is set for.
    pub(super) alarm: Option<Time>,
}

/// Where one child is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ChildStanding {
    pub(super) at: At,
    /// Known from its first start on.
    pub(super) address: Option<Address>,
    /// Was it ever started?
    pub(super) begun: bool,
    /// Is it there and takes no events since a fault?
    pub(super) parked: bool,
    /// When patience ends: with a wait, a start or a stop.
    pub(super) due: Option<Time>,
    pub(super) after_stop: AfterStop,
    pub(super) up_since: Option<Time>,
    /// Failures in a row.
    pub(super) failures: u32,
    pub(super) restarts: u32,
    /// Faults that it went on from.
    pub(super) faults: u32,
    /// Why it last failed or ended.
    pub(super) reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) enum At {
    /// To be started when its turn comes.
    #[default]
    Down,
    Starting,
    /// Started, and has not said yet that it is ready.
    Unready,
    Up,
    Stopping,
    /// Failed, and to be restarted when the wait is over.
    Waiting,
    /// It is not to be restarted.
    Done,
}

/// What is to become of a child when it has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) enum AfterStop {
    #[default]
    Down,
    Done,
    /// It was stopped because it had failed.
    Failed,
}

/// What a supervisor is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Work {
    /// Starting whoever is down, and otherwise watching.
    Watch,
    /// Stopping the children at these places, the last one first.
    Stop { from: usize, to: usize, then: Then },
    /// Waiting before a group is started again.
    Pause { until: Time },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Then {
    /// Wait as long, in milliseconds, and start them again.
    StartAgain(u64),
    End,
    GiveUp(String),
}

/// One decision, for whoever looks afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Decision {
    pub(super) at: Time,
    pub(super) child: Arc<str>,
    pub(super) decision: String,
}

impl ChildStanding {
    /// Is there an instance that would have to be stopped?
    pub(super) fn is_there(&self) -> bool {
        self.parked || matches!(self.at, At::Starting | At::Unready | At::Up | At::Stopping)
    }
}

impl Standing {
    pub(super) fn new(count: usize) -> Standing {
        Standing {
            children: alloc::vec![ChildStanding::default(); count],
            work: Work::Watch,
            started: 0,
            recent: Vec::new(),
            restarts: 0,
            decisions: VecDeque::new(),
            alarm: None,
        }
    }

    pub(super) fn note(&mut self, at: Time, child: &Arc<str>, decision: &str) {
        if self.decisions.len() == DECISIONS_MAX {
            self.decisions.pop_front();
        }
        let decision = shortened(decision.to_string());
        self.decisions.push_back(Decision { at, child: child.clone(), decision });
    }

    /// When patience ends next.
    pub(super) fn next_due(&self) -> Option<Time> {
        let pause = match self.work {
            Work::Pause { until } => Some(until),
            Work::Watch | Work::Stop { .. } => None,
        };
        self.children.iter().filter_map(|child| child.due).chain(pause).min()
    }

    pub(super) fn labels(&self) -> Labels {
        let [starting, watching, restarting, stopping, giving_up] = Supervisor::STATES;
        let word = match self.work {
            Work::Watch if self.started < self.children.len() => starting,
            Work::Watch => watching,
            Work::Stop { then: Then::StartAgain(_), .. } | Work::Pause { .. } => restarting,
            Work::Stop { then: Then::End, .. } => stopping,
            Work::Stop { then: Then::GiveUp(_), .. } => giving_up,
        };
        Labels::from([Arc::from(word)])
    }

    pub(super) fn describe(&self, plan: &Plan) -> Description {
        let child = |(plan, child): (&super::plan::ChildPlan, &ChildStanding)| {
            serde_json::json!({
                "name": &*plan.name, "kind": &*plan.kind,
                "address": child.address.as_ref().map(Address::as_str), "state": child.at.word(),
                "parked": child.parked, "restarts": child.restarts, "faults": child.faults,
                "reason": &child.reason,
            })
        };
        let decision = |decision: &Decision| {
            serde_json::json!({
                "time": decision.at.0, "child": &*decision.child, "decision": &decision.decision,
            })
        };
        let data = serde_json::json!({
            "children": plan.children.iter().zip(&self.children).map(child).collect::<Vec<_>>(),
            "restarts": self.restarts,
            "decisions": self.decisions.iter().map(decision).collect::<Vec<_>>(),
        });
        Description { labels: self.labels(), data: Json::trusted(data.to_string()) }
    }
}

impl At {
    fn word(self) -> &'static str {
        match self {
            At::Down => "down",
            At::Starting => "starting",
            At::Unready => "unready",
            At::Up => "up",
            At::Stopping => "stopping",
            At::Waiting => "waiting",
            At::Done => "done",
        }
    }
}
