//! What comes from outside, under other names: which event of the environment, of a client, and which client, becomes
//! which.
//!
//! It refuses to know worlds. Its one invariant: each becomes another one of the same list, and no two the same.

use super::{Naming, Symmetry};
use crate::scene::{CLIENTS, From};
use everstate_kernel::{Address, Json};
use std::sync::Arc;

/// For one naming.
#[derive(Debug)]
pub(super) struct Images {
    pub(super) entries: Vec<usize>,
    pub(super) firsts: Vec<usize>,
    clients: Vec<From>,
}

/// An event from outside, and the place that it has in its list.
type Outside = (Address, Arc<str>, Json, usize);

impl Images {
    pub(super) fn of(symmetry: &Symmetry<'_>, naming: &Naming) -> Result<Images, String> {
        let system = symmetry.stage.system;
        let mut entries = Vec::new();
        for may in &system.environment {
            let (to, data) = (symmetry.address(&may.to, naming), symmetry.data(&may.data, naming));
            let alike = |(place, other): &(usize, &crate::system::May)| {
                other.to == to
                    && other.event == may.event
                    && other.data == data
                    && other.times == may.times
                    && !entries.contains(place)
            };
            let found = system.environment.iter().enumerate().find(alike).map(|(place, _)| place);
            entries.push(found.ok_or_else(|| lacking(&may.event, &may.to, &to, "environment"))?);
        }
        let lists: Vec<Vec<Outside>> =
            symmetry.stage.clients.iter().map(|client| symmetry.sent_by(client)).collect();
        let (mut clients, mut firsts) = (Vec::new(), vec![0; system.first.len()]);
        for list in &lists {
            let renamed = list.iter().map(|(to, event, data, place)| {
                (symmetry.address(to, naming), event.clone(), symmetry.data(data, naming), *place)
            });
            let mut renamed: Vec<Outside> = renamed.collect();
            renamed.sort_by(|a, b| a.0.cmp(&b.0));
            let alike = |(place, other): &(usize, &Vec<Outside>)| {
                let same = |(a, b): (&Outside, &Outside)| (&a.0, &a.1, &a.2) == (&b.0, &b.1, &b.2);
                other.len() == renamed.len()
                    && other.iter().zip(&renamed).all(same)
                    && !clients.contains(&(CLIENTS + *place as u32))
            };
            let Some((client, other)) = lists.iter().enumerate().find(alike) else {
                let (to, event) = (&renamed[0].0, &renamed[0].1);
                return Err(lacking(event, &list[0].0, to, "first"));
            };
            clients.push(CLIENTS + client as u32);
            renamed.iter().zip(other).for_each(|(one, other)| firsts[one.3] = other.3);
        }
        Ok(Images { entries, firsts, clients })
    }

    /// Whose way it is under the other names.
    pub(super) fn from(&self, symmetry: &Symmetry<'_>, from: From, naming: &Naming) -> From {
        match from.checked_sub(CLIENTS) {
            Some(client) => self.clients[client as usize],
            None => symmetry.slot(from, naming),
        }
    }
}

fn lacking(event: &str, to: &Address, other: &Address, list: &str) -> String {
    format!(
        "`{event}` comes to {to} and not likewise to {other}; add it under `{list}`, or leave `symmetric` out"
    )
}

impl Symmetry<'_> {
    fn address(&self, address: &Address, naming: &Naming) -> Address {
        let place = self.members.iter().position(|member| member == address);
        place.map_or_else(|| address.clone(), |place| self.members[usize::from(naming[place])].clone())
    }

    fn data(&self, data: &Json, naming: &Naming) -> Json {
        super::keys::renamed(data, &|text| self.member_text(text, naming))
    }

    /// A client's events, by receiver, in order.
    fn sent_by(&self, client: &str) -> Vec<Outside> {
        let all = self.stage.system.first.iter().enumerate().filter(|(_, first)| *first.from == *client);
        let mut list: Vec<Outside> = all
            .map(|(place, first)| (first.to.clone(), first.event.clone(), first.data.clone(), place))
            .collect();
        list.sort_by(|a, b| a.0.cmp(&b.0));
        list
    }
}
