//! What a system file says of behaviours that are replaced.
//!
//! It refuses to know how they are run. Its one invariant: nobody stands in twice for the same instance.

use super::Who;
use super::reader::Reader;
use crate::stand_in::{self, Reaction, Sending, StandIn};
use everstate_chart::Code;
use everstate_chart::document::{Entry, Kind, Node};
use everstate_kernel::{Address, Event};
use std::sync::Arc;

/// In place of an address: whoever sent the event.
const SENDER: &str = "#_sender";

impl Reader<'_> {
    /// Kinds that have no definition because all their instances are replaced.
    pub(super) fn replaced_kinds(&mut self, node: &Node, cast: Option<&Node>) {
        let Kind::Map(entries) = &node.kind else {
            return self.wrong(node, "replace", "a map from kinds or addresses to what they may do");
        };
        // A member of the cast, which is read later.
        let is_member = |key: &str| {
            let Some(Kind::Map(members)) = cast.map(|node| &node.kind) else { return false };
            members.iter().any(|member| member.key == key)
        };
        for Entry { key, .. } in entries {
            let kind = key.split_once('/').map_or(key.as_str(), |(kind, _)| kind);
            let kind = kind.rsplit(':').next().unwrap_or(kind);
            let known = self.system.definitions.iter().any(|(definition, _)| *definition.id.name == *kind);
            if !known && Address::new(kind, "any").is_ok() && (key.contains('/') || !is_member(key)) {
                let definition = Arc::new(stand_in::definition(kind));
                self.system.definitions.push((definition, Arc::from("stand-in")));
            }
            if !key.contains('/') && !is_member(key) {
                // Nothing of what the chart names is there.
                self.charts.remove(kind);
            }
        }
    }

    pub(super) fn replace(&mut self, node: &Node) {
        let Kind::Map(entries) = &node.kind else { return };
        for entry in entries {
            let Some(who) = self.replaced_who(entry) else { continue };
            if self.system.stand_ins.iter().any(|one| one.who == who) {
                let message = format!("{:?} is replaced twice", entry.key);
                self.report(Code::DuplicateKey, entry.key_span.clone(), message, "leave one of them out");
                continue;
            }
            let Kind::Map(events) = &entry.value.kind else {
                let wanted = "a map from events to lists of what may be done";
                self.wrong(&entry.value, &entry.key, wanted);
                continue;
            };
            let on = events.iter().filter_map(|event| self.reactions(event)).collect();
            self.system.replace(StandIn { who, on });
        }
    }

    fn replaced_who(&mut self, entry: &Entry) -> Option<Who> {
        let key = &entry.key;
        if let Some(member) = self.system.cast.iter().find(|member| *member.name == **key) {
            return Some(Who::One(member.address.clone()));
        }
        match Address::parse(key) {
            Ok(address) => Some(Who::One(address)),
            Err(_) if self.system.definitions.iter().any(|(one, _)| *one.id.name == **key) => {
                Some(Who::Kind(Arc::from(key.as_str())))
            }
            Err(error) => {
                self.report(Code::BadValue, entry.key_span.clone(), error.to_string(), "");
                None
            }
        }
    }

    fn reactions(&mut self, event: &Entry) -> Option<(Arc<str>, Vec<Reaction>)> {
        if let Err(problem) = Event::check_name(&event.key) {
            self.report(Code::BadValue, event.key_span.clone(), problem, "");
            return None;
        }
        let items = self.items(&event.value, "what may be done")?;
        if items.is_empty() {
            let hint = "write at least one, such as nothing or {reply: DATA}";
            self.report(
                Code::BadValue,
                event.value.span.clone(),
                "nothing may be done, not even nothing",
                hint,
            );
        }
        let reactions = items.iter().filter_map(|item| self.reaction(item)).collect();
        Some((Arc::from(event.key.as_str()), reactions))
    }

    fn reaction(&mut self, node: &Node) -> Option<Reaction> {
        if node.text() == Some("nothing") {
            return Some(Reaction::default());
        }
        let mut reaction = Reaction::default();
        for entry in self.entries(node, "a reaction", &["reply", "refuse", "send"])? {
            match entry.key.as_str() {
                "reply" => reaction.reply = Some(self.data(&entry.value)?),
                "refuse" => reaction.refuse = Some(self.text_of(&entry.value, "refuse")?.to_owned()),
                "send" => {
                    let one = std::slice::from_ref(&entry.value);
                    let all = if let Kind::List(items) = &entry.value.kind { items } else { one };
                    for item in all {
                        let sending = self.sending(item)?;
                        reaction.sends.push(sending);
                    }
                }
                _ => {}
            }
        }
        if reaction.refuse.is_some() && (reaction.reply.is_some() || !reaction.sends.is_empty()) {
            let message = "what refuses an event does nothing else about it";
            self.report(Code::BadValue, node.span.clone(), message, "write two reactions");
        }
        Some(reaction)
    }

    fn sending(&mut self, node: &Node) -> Option<Sending> {
        let entries = self.entries(node, "an event", &["to", "event", "data"])?;
        let of = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        let (Some(to), Some(event)) = (of("to"), of("event")) else {
            let hint = format!("write {{to: MEMBER, event: NAME}}; {SENDER} is whoever sent the event");
            self.report(Code::MissingKey, node.span.clone(), "an event needs `to` and `event`", hint);
            return None;
        };
        let to = match to.text() {
            Some(SENDER) => None,
            _ => Some(self.receiver(to)?),
        };
        let name = self.text_of(event, "event")?;
        if let Err(problem) = Event::check_name(name) {
            self.report(Code::BadValue, event.span.clone(), problem, "");
            return None;
        }
        let data = match of("data") {
            Some(data) => self.data(data)?,
            None => everstate_kernel::Json::NULL,
        };
        Some(Sending { to, event: Arc::from(name), data })
    }
}
