//! What goes after a time in a made-up world, and what the store must say of it. For tests.

use super::{Model, World};
use crate::contract::Reader;
use everstate_kernel::{Instance, Record, Span, Time, Trimmed, TrimmedRecord};
use std::sync::Arc;

impl World {
    /// What of a state is indexed, and how long something is kept, changes now and then.
    pub(super) fn keep(&mut self, instance: &mut Instance) {
        if self.dice.one_in(2) {
            let names = ["ada", "ada ", "bob", ""];
            let name = names[self.dice.below(names.len() as u64) as usize];
            let customer = (Arc::from("customer"), Arc::from(name));
            let paid = (Arc::from("paid"), Arc::from(self.dice.below(3).to_string()));
            let fields = if self.dice.one_in(3) { vec![paid] } else { vec![customer, paid] };
            instance.fields = (!self.dice.one_in(4)).then(|| Arc::from(fields));
        }
        match self.dice.below(4) {
            0 => instance.expires = Some(Time(self.now + self.dice.below(1 << 22) as i64)),
            1 => instance.expires = None,
            _ => {}
        }
    }

    /// The oldest part of a history goes.
    pub(super) fn trimmed(&mut self) -> Vec<Record> {
        let Some(mut instance) = self.known() else { return vec![] };
        let before = instance.index_keys();
        let history = self.model.history.values().filter(|(of, _)| *of == instance.address);
        let entries: Vec<_> = history.map(|(_, entry)| entry.clone()).collect();
        let count = self.dice.below(entries.len() as u64 + 1) as usize;
        let positions: Vec<u64> = entries[..count].iter().map(|entry| entry.position).collect();
        if let Some(last) = entries[..count].last() {
            let since = entries.get(count).map_or(Time(self.now), |next| next.at);
            instance.trimmed = Trimmed { sequence: last.sequence, position: last.position, since };
        }
        instance.expires = self.dice.one_in(2).then(|| Time(self.now + self.dice.below(1 << 22) as i64));
        vec![Record::Trimmed(Box::new(TrimmedRecord { instance, before, positions }))]
    }

    /// The last position of an instance that goes because its time is over, or 0 for an operator's wish.
    pub(super) fn expired_to(&mut self, instance: &Instance) -> u64 {
        let history = self.model.history.values().filter(|(of, _)| *of == instance.address);
        let last = history.map(|(_, entry)| entry.position).max().unwrap_or(0);
        if self.dice.one_in(2) { last } else { 0 }
    }
}

impl Model {
    pub(super) fn trim(&mut self, trimmed: &TrimmedRecord) {
        let address = &trimmed.instance.address;
        self.instances.insert(super::key(address), trimmed.instance.clone());
        for position in &trimmed.positions {
            self.history.remove(position);
        }
        self.has_expired(address.kind(), trimmed.positions.iter().copied().max().unwrap_or(0));
    }

    pub(super) fn has_expired(&mut self, kind: &str, position: u64) {
        let known = self.expired.entry(kind.to_string()).or_default();
        *known = position.max(*known);
    }

    pub(super) fn check_retention(&self, reader: &dyn Reader) {
        let due = |instance: &Instance| Some((instance.expires?, super::key(&instance.address)));
        let mut dues: Vec<_> = self.instances.values().filter_map(due).collect();
        dues.sort();
        let found = reader.expiring(Time::END, usize::MAX).unwrap();
        let found: Vec<_> = found.iter().map(|(due, address)| (*due, super::key(address))).collect();
        assert_eq!(found, dues);
        if let Some((middle, _)) = dues.get(dues.len() / 2) {
            let expected = dues.iter().filter(|(due, _)| due <= middle).count();
            assert_eq!(reader.expiring(*middle, usize::MAX).unwrap().len(), expected);
            assert!(reader.expiring(Time(middle.0 - 1), 1).unwrap().len() <= 1);
            assert_eq!(reader.expiring(*middle + Span(0), 1).unwrap().len(), 1);
        }
        for kind in ["orders", "a", "nobody"] {
            assert_eq!(
                reader.expired(Some(kind)).unwrap(),
                self.expired.get(kind).copied().unwrap_or(0),
                "{kind}"
            );
        }
        assert_eq!(reader.expired(None).unwrap(), self.expired.values().copied().max().unwrap_or(0));
    }
}
