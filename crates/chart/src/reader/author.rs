//! What the author says of the definition itself: which warnings are meant to be, and what must hold.
//!
//! It refuses to know whether that is so. Its one invariant: only warnings can be allowed, each with a reason.

use super::Reader;
use super::fields::Fields;
use crate::document::Kind;
use crate::finding::{Code, Severity};
use crate::format;

impl<'a> Reader<'a> {
    /// What must hold of an instance. Whether it does, and whether the expressions make sense, exploration tells.
    pub(super) fn properties(&mut self, fields: &Fields<'a>) {
        let Some(entry) = fields.find("properties") else { return };
        let Kind::List(items) = &entry.value.kind else {
            return self.wrong_type(&entry.value, "properties", "a list of properties");
        };
        for (place, item) in items.iter().enumerate() {
            let path = format!("properties.{place}");
            let Some(fields) = self.fields(item, &format::PROPERTY, &path) else { continue };
            let claims = ["always", "never", "eventually", "reachable", "until"];
            let made = claims.into_iter().filter(|key| fields.find(key).is_some()).count();
            if made != 1 || (fields.find("until").is_some() != fields.find("hold").is_some()) {
                let hint = "write one of always, never, eventually, reachable, or hold with until";
                self.report(Code::BadValue, item.span.clone(), &path, "a property makes one claim", hint);
            }
            for key in claims.into_iter().chain(["name", "hold"]) {
                self.text_of(&fields, key, &path);
            }
        }
    }

    /// Warnings that are meant to be.
    pub(super) fn allow(&mut self, fields: &Fields<'a>) {
        let Some(entry) = fields.find("allow") else { return };
        for entry in self.entries(&entry.value, "allow", "a map from codes of warnings to reasons") {
            let path = format!("allow.{}", entry.key);
            let is_warning = |code: &&Code| code.severity() == Severity::Warning;
            let known = || Code::ALL.iter().filter(is_warning);
            let Some(code) = known().find(|code| code.as_str() == entry.key) else {
                let is_error = Code::ALL.iter().any(|code| code.as_str() == entry.key);
                let message = match is_error {
                    true => format!("{:?} is an error, and only warnings can be allowed", entry.key),
                    false => format!("there is no warning {:?}", entry.key),
                };
                let near = crate::finding::nearest(&entry.key, known().map(|code| code.as_str()));
                let hint = near.map(|near| format!("did you mean {near:?}?")).unwrap_or_default();
                self.report(Code::BadValue, entry.key_span.clone(), &path, message, hint);
                continue;
            };
            match entry.value.text() {
                Some(reason) if !reason.trim().is_empty() => _ = self.allowed.insert(*code),
                _ => self.wrong_type(&entry.value, &path, "the reason why it is meant to be"),
            }
        }
    }
}
