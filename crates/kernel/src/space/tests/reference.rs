//! The reference: a list of endpoints, all pairs compared. Slow, and plain enough to be believed.

extern crate std;

use crate::json::Json;
use crate::space::{
    Change, Counterpart, Endpoint, EndpointName, Interest, News, Notice, Part, Pattern, Reason, Role,
};
use std::collections::BTreeMap;
use std::vec::Vec;

#[derive(Debug, Clone, Default)]
pub(super) struct Reference {
    pub(super) list: BTreeMap<u64, Endpoint>,
}

impl Reference {
    pub(super) fn apply(&mut self, first: u64, changes: &[Change]) -> Vec<Notice> {
        let before = self.list.clone();
        let mut reasons: BTreeMap<u64, Reason> = BTreeMap::new();
        for (place, change) in changes.iter().enumerate() {
            match change {
                Change::Join(endpoint) => {
                    // An endpoint keeps its number, also when it has left in the same turn.
                    let named = |list: &BTreeMap<u64, Endpoint>| numbered(list, &endpoint.name);
                    let earlier = changes[..place].iter().position(
                        |change| matches!(change, Change::Join(other) if other.name == endpoint.name),
                    );
                    let number = named(&before).or(earlier.map(|place| first + place as u64));
                    self.list.insert(number.unwrap_or(first + place as u64), endpoint.clone());
                }
                Change::Leave(name) => {
                    if let Some(number) = numbered(&self.list, name) {
                        self.list.remove(&number);
                        reasons.insert(number, Reason::Left);
                    }
                }
                Change::Assert(name, value) => {
                    for endpoint in self.list.values_mut().filter(|endpoint| endpoint.name == *name) {
                        endpoint.part.value = value.clone();
                    }
                }
                Change::Withdraw(member, reason) => {
                    let held = self.list.iter().filter(|(_, endpoint)| endpoint.name.member == *member);
                    for number in held.map(|(number, _)| *number).collect::<Vec<u64>>() {
                        self.list.remove(&number);
                        reasons.insert(number, reason.clone());
                    }
                }
            }
        }
        self.told(&before, &reasons)
    }

    fn told(&self, before: &BTreeMap<u64, Endpoint>, reasons: &BTreeMap<u64, Reason>) -> Vec<Notice> {
        let mut told = Vec::new();
        for (number, local) in &self.list {
            let mut say = |news| {
                told.push(Notice { number: *number, to: local.name.clone(), since: local.since, news })
            };
            let earlier = before.get(number);
            for (other, remote) in &self.list {
                let saw =
                    earlier.zip(before.get(other)).and_then(|(local, remote)| sees(*other, local, remote));
                if let (None, Some(counterpart)) = (saw, sees(*other, local, remote)) {
                    say(News::Presence(counterpart));
                }
            }
            if earlier.is_none() && local.part.mark {
                say(News::Complete);
            }
            for (other, remote) in &self.list {
                let saw =
                    earlier.zip(before.get(other)).and_then(|(local, remote)| sees(*other, local, remote));
                let was = before.get(other).and_then(|remote| seen(*other, local, remote));
                if let (Some(_), Some(is)) = (saw, sees(*other, local, remote))
                    && was.as_ref() != Some(&is)
                {
                    say(News::Changed(is));
                }
            }
            for (other, remote) in before {
                let saw = earlier.and_then(|local| sees(*other, local, remote));
                let still = self.list.get(other).and_then(|remote| sees(*other, local, remote));
                if let (Some(was), None) = (saw, still) {
                    let gone = !self.list.contains_key(other);
                    let reason = reasons.get(other).filter(|_| gone).cloned().unwrap_or(Reason::Left);
                    say(News::Absence(was, reason));
                }
            }
        }
        told
    }

    pub(super) fn takers(&self, role: Role, topic: &Pattern) -> Vec<u64> {
        let takes = |part: &Part| part.role == role && common(&part.pattern, topic).is_some();
        self.list.iter().filter(|(_, endpoint)| takes(&endpoint.part)).map(|(number, _)| *number).collect()
    }

    pub(super) fn present(&self, part: &Part) -> Vec<Counterpart> {
        let local = Endpoint {
            name: super::script::name("nobody/0", "none"),
            part: part.clone(),
            since: 0,
            credit: 0,
        };
        self.list.iter().filter_map(|(number, remote)| sees(*number, &local, remote)).collect()
    }
}

fn numbered(list: &BTreeMap<u64, Endpoint>, name: &EndpointName) -> Option<u64> {
    list.iter().find(|(_, endpoint)| endpoint.name == *name).map(|(number, _)| *number)
}

/// `remote` as `local` sees it.
fn sees(number: u64, local: &Endpoint, remote: &Endpoint) -> Option<Counterpart> {
    use Interest::{Everything, Observer, Participant};
    let (here, there) = (&local.part, &remote.part);
    let told = match (here.interest, there.interest) {
        (Participant, Participant) | (Observer, Participant) | (Everything, Participant) => true,
        (Everything, Observer) | (Everything, Everything) => true,
        (Participant, Observer) | (Participant, Everything) => false,
        (Observer, Observer) | (Observer, Everything) => false,
    };
    if !told || here.role == there.role {
        return None;
    }
    seen(number, local, remote)
}

/// The same, were it told of it at all.
fn seen(number: u64, local: &Endpoint, remote: &Endpoint) -> Option<Counterpart> {
    let (here, there) = (&local.part, &remote.part);
    Some(Counterpart {
        number,
        name: remote.name.clone(),
        pattern: common(&here.pattern, &there.pattern)?,
        role: there.role,
        interest: there.interest,
        value: there.value.clone(),
    })
}

/// The intersection, segment by segment.
fn common(a: &Pattern, b: &Pattern) -> Option<Pattern> {
    fn step<'a>(a: &[&'a str], b: &[&'a str]) -> Option<Vec<&'a str>> {
        match (a, b) {
            ([], []) => Some(Vec::new()),
            ([], _) | (_, []) => None,
            ([">"], rest) | (rest, [">"]) => Some(rest.to_vec()),
            (["*", a @ ..], [name, b @ ..]) | ([name, a @ ..], ["*", b @ ..]) => {
                Some(joined(name, step(a, b)?))
            }
            ([x, a @ ..], [y, b @ ..]) if x == y => Some(joined(x, step(a, b)?)),
            _ => None,
        }
    }
    fn joined<'a>(first: &'a str, rest: Vec<&'a str>) -> Vec<&'a str> {
        [std::vec![first], rest].concat()
    }
    let segments = |pattern: &Pattern| -> Vec<std::string::String> {
        pattern.as_str().split('/').map(Into::into).collect()
    };
    let (a, b) = (segments(a), segments(b));
    let a: Vec<&str> = a.iter().map(|segment| &**segment).collect();
    let b: Vec<&str> = b.iter().map(|segment| &**segment).collect();
    step(&a, &b).map(|both| super::script::pattern(&both.join("/")))
}

/// A value for endpoints.
pub(super) fn value(n: u64) -> Json {
    Json::parse(&std::format!("{{\"v\":{n}}}")).expect("a value")
}
