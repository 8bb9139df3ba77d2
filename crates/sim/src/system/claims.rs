//! What a system file says must hold: properties, and which of those that need no writing.
//!
//! It refuses to know what else stands in the file. Its one invariant: a claim that names nothing of the system is a
//! finding with its place, and no claim.

use super::reader::Reader;
use super::{BuiltIn, Ends, Member, System};
use crate::property::{Claim, Condition, Property, Vocabulary};
use everstate_chart::Code;
use everstate_chart::document::{Entry, Kind, Node};
use everstate_chart::expression::Type;
use everstate_chart::value::Value;
use std::sync::Arc;

const EXPECT_KEYS: [&str; 8] =
    ["faults", "dead-letters", "refusals", "stuck", "finish", "confluent", "idempotent", "lossy-subset"];

impl System {
    /// Adds a property of that name over the cast as it is now; says what is wrong with the expression otherwise.
    pub fn expect(
        &mut self,
        name: &str,
        claim: fn(Condition) -> Claim,
        condition: &str,
    ) -> Result<(), String> {
        let members = self.cast.iter().map(|member| (member.name.clone(), Type::Dyn, None)).collect();
        let condition = Condition::compile(condition, &Vocabulary::of(members)).map_err(|errors| {
            let all: Vec<String> = errors.into_iter().map(|error| error.message).collect();
            format!("property {name:?}: {} in {condition:?}", all.join("; "))
        })?;
        self.properties.push(Property { name: Arc::from(name), claim: claim(condition) });
        Ok(())
    }
}

impl Reader<'_> {
    pub(super) fn vocabulary(&self) -> Vocabulary {
        let member = |member: &Member| {
            let chart = self.charts.get(member.address.kind());
            let context = chart.and_then(|chart| Value::from_json(chart.context().as_str()).ok());
            let data = member.start.as_ref().and_then(|data| Value::from_json(data.as_str()).ok());
            let kind = match (context, data) {
                (Some(Value::Map(context)), Some(Value::Map(data))) => {
                    let mut merged = context.as_ref().clone();
                    data.iter().for_each(|(key, value)| drop(merged.insert(key.clone(), value.clone())));
                    Type::of_initial(&Value::from(merged))
                }
                (Some(context), _) => Type::of_initial(&context),
                (None, _) => Type::Dyn,
            };
            let states = chart.map(|chart| chart.states().map(|state| state.path).collect());
            (member.name.clone(), kind, states)
        };
        Vocabulary::of(self.system.cast.iter().map(member).collect())
    }

    pub(super) fn properties(&mut self, node: &Node, known: &Vocabulary) {
        let Some(items) = self.items(node, "properties") else { return };
        let words = ["name", "always", "never", "eventually", "reachable", "until", "hold"];
        for item in items {
            let Some(entries) = self.entries(item, "a property", &words) else { continue };
            let of = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
            let claims: Vec<&Entry> =
                entries.iter().filter(|entry| !matches!(entry.key.as_str(), "name" | "hold")).collect();
            let [claim] = claims[..] else {
                let hint = "write one of always, never, eventually, reachable, or hold with until";
                self.report(Code::BadValue, item.span.clone(), "a property makes one claim", hint);
                continue;
            };
            let Some(condition) = self.condition(&claim.value, known, true) else { continue };
            let text = condition.source().to_owned();
            let claim = match claim.key.as_str() {
                "always" => Claim::Always(condition),
                "never" => Claim::Never(condition),
                "eventually" => Claim::Eventually(condition),
                "reachable" => Claim::Reachable(condition),
                _ => {
                    let Some(hold) = of("hold") else {
                        let hint = "write {hold: EXPRESSION, until: EXPRESSION}";
                        self.report(Code::MissingKey, item.span.clone(), "`until` needs `hold`", hint);
                        continue;
                    };
                    let Some(hold) = self.condition(hold, known, true) else { continue };
                    Claim::Until(hold, condition)
                }
            };
            let name = of("name").and_then(|node| self.text_of(node, "name"));
            let name = name.map_or_else(|| format!("{} {text}", claim.word()), str::to_owned);
            self.system.properties.push(Property { name: Arc::from(name), claim });
        }
    }

    fn condition(&mut self, node: &Node, known: &Vocabulary, as_bool: bool) -> Option<Condition> {
        let source = self.text_of(node, "a condition")?.to_owned();
        match Condition::compile(&source, known) {
            Ok(condition) if as_bool && !condition.may_be_bool() => {
                self.report(
                    Code::Expression,
                    node.span.clone(),
                    "a condition is true or false, this never is",
                    "",
                );
                None
            }
            Ok(condition) if condition.members.is_empty() => {
                let names: Vec<&str> = known.members.iter().map(|(name, ..)| &**name).collect();
                let hint = format!("the cast has {}", names.join(", "));
                let message = "the condition names no member of the cast, so it says nothing of the system";
                self.report(Code::UnknownName, node.span.clone(), message, hint);
                None
            }
            Ok(condition) => Some(condition),
            Err(errors) => {
                for error in errors {
                    let span = node.locate(&self.text.clone(), error.span.clone());
                    let hint = error.hint.unwrap_or_default();
                    self.report(Code::Expression, span, error.message, hint);
                }
                None
            }
        }
    }

    pub(super) fn expect(&mut self, node: &Node, known: &Vocabulary) {
        let Some(entries) = self.entries(node, "expect", &EXPECT_KEYS) else { return };
        let mut built_in = BuiltIn::default();
        for entry in entries {
            let node = &entry.value;
            match entry.key.as_str() {
                "faults" => built_in.faults = self.asked(node),
                "dead-letters" => built_in.dead_letters = self.asked(node),
                "refusals" => built_in.refusals = self.asked(node),
                "stuck" => built_in.stuck = self.asked(node),
                "finish" => built_in.finish = self.members(node),
                "confluent" => built_in.confluent = self.ends(node, known),
                "idempotent" => built_in.idempotent = self.ends(node, known),
                _ => built_in.lossy_subset = self.condition(node, known, false),
            }
        }
        let faults = self.system.faults;
        let pointless = [
            (built_in.idempotent.is_some() && faults.duplicates == 0, "idempotent", "duplicates"),
            (built_in.lossy_subset.is_some() && faults.losses == 0, "lossy-subset", "losses"),
        ];
        for (is, what, needs) in pointless {
            if is {
                let message = format!("`{what}` says nothing without {needs}");
                let hint = format!("write `faults: {{{needs}: 1}}`");
                self.report(Code::BadValue, node.span.clone(), message, hint);
            }
        }
        self.system.built_in = built_in;
    }

    /// `no` (there shall be none, the default) or `allowed`.
    fn asked(&mut self, node: &Node) -> bool {
        match &node.kind {
            Kind::Bool(false) => true,
            Kind::Text { text, .. } if text == "no" => true,
            Kind::Text { text, .. } if text == "allowed" => false,
            _ => {
                self.report(Code::BadValue, node.span.clone(), "write `no` (the default) or `allowed`", "");
                true
            }
        }
    }

    fn ends(&mut self, node: &Node, known: &Vocabulary) -> Option<Ends> {
        match node.kind {
            Kind::Bool(true) => Some(Ends::Cast),
            Kind::Bool(false) => None,
            _ => self.condition(node, known, false).map(Ends::Value),
        }
    }

    fn members(&mut self, node: &Node) -> Vec<usize> {
        if let Kind::Bool(all) = node.kind {
            return if all { (0..self.system.cast.len()).collect() } else { Vec::new() };
        }
        let Some(items) = self.items(node, "finish") else { return Vec::new() };
        let mut members = Vec::new();
        for item in items {
            let Some(name) = self.text_of(item, "finish") else { continue };
            match self.system.cast.iter().position(|member| *member.name == *name) {
                Some(place) => members.push(place),
                None => {
                    let message = format!("no member of the cast is called {name:?}");
                    self.report(Code::UnknownName, item.span.clone(), message, self.known_members());
                }
            }
        }
        members
    }
}
