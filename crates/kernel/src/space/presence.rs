//! Presence: the changes of one turn, applied together, give what each endpoint is told.
//!
//! | the pair before | the pair after | told |
//! |---|---|---|
//! | does not see | sees | presence |
//! | sees | sees, with another value, pattern, role or interest | changed |
//! | sees | sees the same, though it may have moved itself | nothing |
//! | sees | does not see | absence, with the reason |
//!
//! Each endpoint is told presences first, then changes, then absences, each in the order of the counterparts' numbers:
//! where one leaves as another comes, nobody sees a moment with neither. It refuses to know how notices travel. Its
//! invariant: what is told depends on the space before and after alone, not on the steps between.

use super::Space;
use super::act::Act;
use super::credit::{Publication, Said};
use super::endpoint::{Endpoint, EndpointName, Interest, Part, Reason, Role};
use super::pattern::Pattern;
use crate::address::Address;
use crate::json::Json;
use crate::limits::{
    ENDPOINT_NAME_BYTES_MAX, ENDPOINT_VALUE_BYTES_MAX, SPACE_ALL_WAITING_BYTES_MAX, SPACE_ALL_WAITING_MAX,
    SPACE_REACH_BYTES_MAX, SPACE_WAITING_BYTES_MAX, SPACE_WAITING_MAX,
};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What a turn changes in a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An endpoint comes; in place of one with the same name, which keeps its number.
    Join(Endpoint),
    /// An endpoint goes. One that never joined: nothing happens.
    Leave(EndpointName),
    /// An endpoint asserts another value.
    Assert(EndpointName, Json),
    /// A machine is gone with all its endpoints.
    Withdraw(Address, Reason),
}

/// What one endpoint is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub number: u64,
    /// Its name.
    pub to: EndpointName,
    /// See [`Endpoint::since`].
    pub since: u64,
    /// What.
    pub news: News,
}

impl Notice {
    fn of(number: u64, to: &Endpoint, news: News) -> Notice {
        Notice { number, to: to.name.clone(), since: to.since, news }
    }
}

/// What an endpoint is told of its counterparts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A counterpart is here.
    Presence(Counterpart),
    /// A counterpart that is here asserts another value, or has moved and is still seen.
    Changed(Counterpart),
    /// A counterpart is gone.
    Absence(Counterpart, Reason),
    /// That was all that was present when the endpoint joined.
    Complete,
}

impl News {
    /// The order in which an endpoint is told.
    fn order(&self) -> (u8, u64) {
        match self {
            News::Presence(other) => (0, other.number),
            News::Complete => (1, 0),
            News::Changed(other) => (2, other.number),
            News::Absence(other, _) => (3, other.number),
        }
    }
}

/// An endpoint as another sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterpart {
    /// Its number.
    pub number: u64,
    /// Whose it is and what it is called.
    pub name: EndpointName,
    /// The intersection of the two patterns.
    pub pattern: Pattern,
    /// Its role.
    pub role: Role,
    /// Its interest.
    pub interest: Interest,
    /// What it asserts.
    pub value: Json,
}

impl Counterpart {
    /// The endpoint as one with the part `local` sees it; none when the patterns are disjoint.
    pub(super) fn of(number: u64, remote: &Endpoint, local: &Part) -> Option<Counterpart> {
        let Part { pattern, role, interest, value, .. } = &remote.part;
        Some(Counterpart {
            number,
            name: remote.name.clone(),
            pattern: pattern.intersection(&local.pattern)?,
            role: *role,
            interest: *interest,
            value: value.clone(),
        })
    }
}

/// What the changes of a turn lead to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changed {
    /// What is told, in the order of the receivers' numbers, and for each receiver in the order that this module's
    /// head describes.
    pub notices: Vec<Notice>,
    /// The endpoints that are other than before, ascending by number; none for those that are gone.
    pub endpoints: Vec<(u64, Option<Endpoint>)>,
    /// The publications that wait now and did not before, and those that wait no more.
    pub publications: Vec<(u64, Option<Publication>)>,
    /// The messages that are let go, in order.
    pub said: Vec<Said>,
}

/// Why changes are refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    /// Too many endpoints.
    #[error("the space would have {0} endpoints, the limit is {1}; leave with those that are not needed")]
    TooMany(usize, usize),
    /// The value is too long.
    #[error(
        "endpoint {0:?} asserts a value of {1} bytes, the limit is {ENDPOINT_VALUE_BYTES_MAX}; assert where to find it"
    )]
    ValueTooLong(Arc<str>, usize),
    /// The name is not usable.
    #[error(
        "endpoint name {0:?} is not usable; use 1 to {ENDPOINT_NAME_BYTES_MAX} bytes without control characters"
    )]
    BadName(String),
    /// A subscriber is to wait.
    #[error(
        "endpoint {0:?} is a subscriber's, which has nothing that could wait; join as a publisher, or without `waits`"
    )]
    Waits(Arc<str>),
    /// Too much waits for credit.
    #[error(
        "more waits for credit at endpoint {0:?} than {SPACE_WAITING_MAX} publications or {SPACE_WAITING_BYTES_MAX} bytes; publish when feedback tells of credit"
    )]
    NoCredit(Arc<str>),
    /// Too much waits for credit in all of the space.
    #[error(
        "more waits for credit in the space than {SPACE_ALL_WAITING_MAX} publications or {SPACE_ALL_WAITING_BYTES_MAX} bytes; publish when feedback tells of credit"
    )]
    NoRoom,
    /// Too much is said to too many.
    #[error(
        "all who would be told would be told {0} bytes together, the limit is {SPACE_REACH_BYTES_MAX}; say less at a time, or where to find it, and give less credit at a time"
    )]
    TooFar(usize),
    /// Nobody joined under that name.
    #[error("{0} has no endpoint {1:?} here that could assert a value; join first")]
    Unknown(Address, Arc<str>),
}

/// An endpoint that the turn touches.
struct Touched {
    before: Option<Endpoint>,
    after: Option<Endpoint>,
    /// Why it is gone.
    reason: Reason,
}

/// The endpoints that a turn touches, by number, and the numbers of those that it brings.
#[derive(Default)]
struct Net {
    touched: BTreeMap<u64, Touched>,
    fresh: BTreeMap<EndpointName, u64>,
}

impl Space {
    /// Makes one turn of a member: all changes together, then what it says. What the change at place n brings has the
    /// number `first` + n; a publication that waits has a number behind those. On an error nothing has changed.
    pub fn turn(
        &mut self,
        first: u64,
        from: &Address,
        acts: Vec<Act>,
        since: Vec<u64>,
    ) -> Result<Changed, SpaceError> {
        let gates = self.gates(from, &acts)?;
        self.check_reach(from, &acts, &gates)?;
        let (mut changes, mut messages) = (Vec::new(), Vec::new());
        let mut since = since.into_iter();
        for act in acts {
            match act.split(from, &mut since) {
                Ok(change) => changes.push(change),
                Err(message) => messages.push(message),
            }
        }
        let next = first + changes.len() as u64;
        let mut changed = self.apply(first, changes)?;
        self.say(next, from, messages, gates, &mut changed);
        Ok(changed)
    }

    /// Applies the changes of one turn together. An endpoint that is brought by the change at place n gets the number
    /// `first` + n, which must be above all numbers given before.
    pub fn apply(&mut self, first: u64, changes: Vec<Change>) -> Result<Changed, SpaceError> {
        let net = self.net(first, changes)?;
        let mut pairs = Vec::new();
        for (number, touched) in &net.touched {
            if let Some(before) = &touched.before
                && !touched.after.as_ref().is_some_and(|after| after.part.is_placed_like(&before.part))
            {
                self.pair_up(*number, &before.part, &mut pairs);
            }
        }
        for (number, touched) in &net.touched {
            match (&touched.before, &touched.after) {
                (_, None) => self.take_out(*number),
                (Some(_), Some(endpoint)) => self.put_again(*number, endpoint.clone()),
                (None, Some(endpoint)) => self.put_in(*number, endpoint.clone()),
            }
        }
        for (number, touched) in &net.touched {
            if let Some(after) = &touched.after {
                self.pair_up(*number, &after.part, &mut pairs);
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut notices = Vec::with_capacity(pairs.len());
        for (a, b) in pairs {
            self.compare(&net, a, b, &mut notices);
            self.compare(&net, b, a, &mut notices);
        }
        notices.extend(net.marks());
        notices.sort_by_key(|notice: &Notice| (notice.number, notice.news.order()));
        let waited = net.waited();
        let mut changed = Changed { notices, endpoints: net.endpoints(), ..Changed::default() };
        self.settle(waited, &mut changed);
        Ok(changed)
    }

    /// What becomes of each endpoint that is touched, all changes together.
    fn net(&self, first: u64, changes: Vec<Change>) -> Result<Net, SpaceError> {
        let mut net = Net::default();
        for (number, change) in (first..).zip(changes) {
            match change {
                Change::Join(endpoint) => {
                    let name = endpoint.name.clone();
                    check_name(&name.name)?;
                    check_value(&name.name, &endpoint.part.value)?;
                    if endpoint.part.waits && endpoint.part.role == Role::Subscriber {
                        return Err(SpaceError::Waits(name.name));
                    }
                    self.touch(&mut net, &name, Some(number), |touched| touched.come(endpoint));
                }
                Change::Leave(name) => {
                    self.touch(&mut net, &name, None, |touched| touched.go(Reason::Left));
                }
                Change::Assert(name, value) => {
                    check_value(&name.name, &value)?;
                    let mut known = false;
                    self.touch(&mut net, &name, None, |touched| {
                        known = touched.after.as_mut().map(|endpoint| endpoint.part.value = value).is_some();
                    });
                    if !known {
                        return Err(SpaceError::Unknown(name.member, name.name));
                    }
                }
                Change::Withdraw(member, reason) => self.withdraw(&mut net, &member, &reason),
            }
        }
        net.touched.retain(|_, touched| touched.before != touched.after);
        let brought = net.touched.values().filter(|touched| touched.before.is_none()).count();
        let gone = net.touched.values().filter(|touched| touched.after.is_none()).count();
        let wanted = self.len() + brought - gone;
        if brought > gone && wanted > self.endpoints_max {
            return Err(SpaceError::TooMany(wanted, self.endpoints_max));
        }
        Ok(net)
    }

    /// Changes the endpoint of that name as the turn has left it until now; where there is none, makes one with the
    /// number `fresh`, or does nothing.
    fn touch(
        &self,
        net: &mut Net,
        name: &EndpointName,
        fresh: Option<u64>,
        change: impl FnOnce(&mut Touched),
    ) {
        let known = self.names.get(name).or_else(|| net.fresh.get(name)).copied();
        let Some(number) = known.or(fresh) else { return };
        if known.is_none() {
            net.fresh.insert(name.clone(), number);
        }
        change(net.touched.entry(number).or_insert_with(|| {
            let before = self.at(number).cloned();
            Touched { after: before.clone(), before, reason: Reason::Left }
        }));
    }

    fn withdraw(&self, net: &mut Net, member: &Address, reason: &Reason) {
        let from = EndpointName { member: member.clone(), name: Arc::from("") };
        let fresh = net.fresh.range(from..).take_while(|(name, _)| name.member == *member);
        let fresh: Vec<EndpointName> = fresh.map(|(name, _)| name.clone()).collect();
        let held = self.members.get(member).into_iter().flatten();
        let held = held.filter_map(|number| Some(self.at(*number)?.name.clone()));
        for name in held.chain(fresh) {
            self.touch(net, &name, None, |touched| touched.go(reason.clone()));
        }
    }

    /// Adds the pairs of an endpoint with all that may be counterparts of it as the index is now.
    fn pair_up(&self, number: u64, part: &Part, pairs: &mut Vec<(u64, u64)>) {
        let mut found = Vec::new();
        self.routes(part.role.opposite()).find(&part.pattern, &mut found);
        pairs.extend(found.into_iter().map(|other| (number.min(other), number.max(other))));
    }

    /// What `local` is told of `remote`.
    fn compare(&self, net: &Net, local: u64, remote: u64, notices: &mut Vec<Notice>) {
        let (touched_local, touched_remote) = (net.touched.get(&local), net.touched.get(&remote));
        let Some(local_after) = self.at(local) else { return };
        let local_before = touched_local.map_or(Some(local_after), |touched| touched.before.as_ref());
        let remote_after = self.at(remote);
        let remote_before = touched_remote.map_or(remote_after, |touched| touched.before.as_ref());
        let sees = |local: Option<&Endpoint>, remote: Option<&Endpoint>| {
            local.zip(remote).is_some_and(|(local, remote)| local.part.sees(&remote.part))
        };
        let (saw, sees) = (sees(local_before, remote_before), sees(Some(local_after), remote_after));
        let as_seen =
            |there: Option<&Endpoint>, here: Option<&Endpoint>| Counterpart::of(remote, there?, &here?.part);
        let news = match (saw, sees) {
            (false, false) => None,
            (false, true) => as_seen(remote_after, Some(local_after)).map(News::Presence),
            (true, true) => as_seen(remote_after, Some(local_after))
                .filter(|other| as_seen(remote_before, Some(local_after)).as_ref() != Some(other))
                .map(News::Changed),
            (true, false) => {
                let gone = touched_remote.filter(|touched| touched.after.is_none());
                let reason = gone.map_or(Reason::Left, |touched| touched.reason.clone());
                as_seen(remote_before, local_before).map(|other| News::Absence(other, reason))
            }
        };
        notices.extend(news.map(|news| Notice::of(local, local_after, news)));
    }
}

impl Net {
    /// The marks for those that have just come and want one.
    fn marks(&self) -> impl Iterator<Item = Notice> {
        self.touched.iter().filter_map(|(number, touched)| {
            let fresh = touched.after.as_ref().filter(|_| touched.before.is_none());
            let wants = fresh.filter(|endpoint| endpoint.part.mark)?;
            Some(Notice::of(*number, wants, News::Complete))
        })
    }

    /// The endpoints that waited for credit before.
    fn waited(&self) -> Vec<(u64, EndpointName)> {
        let before =
            self.touched.iter().filter_map(|(number, touched)| Some((number, touched.before.as_ref()?)));
        let waited = before.filter(|(_, endpoint)| endpoint.part.waits);
        waited.map(|(number, endpoint)| (*number, endpoint.name.clone())).collect()
    }

    fn endpoints(self) -> Vec<(u64, Option<Endpoint>)> {
        self.touched.into_iter().map(|(number, touched)| (number, touched.after)).collect()
    }
}

impl Touched {
    /// One that waited before the turn and waits still keeps its credit.
    fn come(&mut self, endpoint: Endpoint) {
        let credit = self.before.as_ref().map_or(0, |before| before.credit);
        let credit = if endpoint.part.waits { credit } else { 0 };
        self.after = Some(Endpoint { credit, ..endpoint });
    }

    fn go(&mut self, reason: Reason) {
        if self.after.take().is_some() {
            self.reason = reason;
        }
    }
}

fn check_name(name: &str) -> Result<(), SpaceError> {
    if name.is_empty() || name.len() > ENDPOINT_NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(SpaceError::BadName(name.chars().take(ENDPOINT_NAME_BYTES_MAX).collect()));
    }
    Ok(())
}

fn check_value(name: &Arc<str>, value: &Json) -> Result<(), SpaceError> {
    match value.as_str().len() {
        bytes if bytes > ENDPOINT_VALUE_BYTES_MAX => Err(SpaceError::ValueTooLong(name.clone(), bytes)),
        _ => Ok(()),
    }
}
