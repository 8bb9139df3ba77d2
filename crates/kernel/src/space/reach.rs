//! How far what a turn says may reach: what all who get it are told together is carried by one commit.
//!
//! It refuses to know who is told. Its one invariant: nothing has changed when a turn would reach too far.

use super::Space;
use super::act::Act;
use super::credit::{Gates, credit_of};
use super::endpoint::{EndpointName, Role};
use super::pattern::Pattern;
use super::presence::SpaceError;
use crate::address::Address;
use crate::limits::SPACE_REACH_BYTES_MAX;

impl Space {
    /// Would all who are told by the turn be told more than may be? Those who join in it are not counted: they are few.
    pub(super) fn check_reach(&self, from: &Address, acts: &[Act], gates: &Gates) -> Result<(), SpaceError> {
        // Nearly always it is far less, even if everybody got everything.
        let said: usize = acts.iter().map(length).sum::<usize>() + self.queues.bytes();
        if said.saturating_mul(self.len()) <= SPACE_REACH_BYTES_MAX {
            return Ok(());
        }
        let mut waits = gates.waits();
        let mut told = |act: &Act| match act {
            // What waits is told to nobody yet.
            Act::Publish { .. } if waits.next().unwrap_or(false) => 0,
            _ => self.reach(from, act),
        };
        let reach = acts.iter().map(&mut told).fold(0, usize::saturating_add);
        if reach > SPACE_REACH_BYTES_MAX { Err(SpaceError::TooFar(reach)) } else { Ok(()) }
    }

    fn reach(&self, from: &Address, act: &Act) -> usize {
        match act {
            Act::Publish { topic, data } => self.heard(Role::Subscriber, topic, data.as_str().len()),
            Act::Feedback { topic, data } => {
                let credit = credit_of(data) as usize;
                let let_go = |number: u64| {
                    self.at(number).map_or(0, |endpoint| self.heard_of_waiting(&endpoint.name, credit))
                };
                let waiting = if credit == 0 || self.publications_len() == 0 {
                    0
                } else {
                    self.matching(Role::Publisher, topic)
                        .into_iter()
                        .map(let_go)
                        .fold(0, usize::saturating_add)
                };
                waiting.saturating_add(self.heard(Role::Publisher, topic, data.as_str().len()))
            }
            Act::Join { name, part } if !part.waits => {
                let name = EndpointName { member: from.clone(), name: name.clone() };
                self.heard_of_waiting(&name, usize::MAX)
            }
            Act::Join { .. } | Act::Leave { .. } | Act::Assert { .. } => 0,
        }
    }

    fn heard(&self, takers: Role, topic: &Pattern, bytes: usize) -> usize {
        self.matching(takers, topic).len().saturating_mul(bytes)
    }

    /// The same of the first so many publications that wait at the endpoint.
    fn heard_of_waiting(&self, name: &EndpointName, count: usize) -> usize {
        let waiting = self.queues.of(name).take(count);
        waiting
            .map(|one| self.heard(Role::Subscriber, &one.topic, one.data.as_str().len()))
            .fold(0, usize::saturating_add)
    }
}

fn length(act: &Act) -> usize {
    match act {
        Act::Publish { data, .. } | Act::Feedback { data, .. } => data.as_str().len(),
        Act::Join { .. } | Act::Leave { .. } | Act::Assert { .. } => 0,
    }
}
