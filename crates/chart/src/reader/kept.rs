//! What is kept, and for how long; and what of the context is indexed.
//!
//! It refuses to know what is done when a time is over. Its one invariant: a definition is read without findings only when
//! each of its times and paths is one that the kernel takes.

use super::Reader;
use super::fields::{Fields, one_or_more};
use crate::document::Kind;
use crate::finding::Code;
use crate::format;
use everstate_kernel::limits::INDEX_MAX;
use everstate_kernel::{Retain, Span};
use std::sync::Arc;

/// Bytes of a path in an index. It is in the row of every instance.
const PATH_BYTES_MAX: usize = 128;

impl<'a> Reader<'a> {
    pub(super) fn retain(&mut self, fields: &Fields<'a>) -> Retain {
        let Some(entry) = fields.find("retain") else { return Retain::default() };
        let Some(fields) = self.fields(&entry.value, &format::RETAIN, "retain") else {
            return Retain::default();
        };
        Retain {
            outcomes: self.kept_for(&fields, "outcomes"),
            history: self.kept_for(&fields, "history"),
            finished: self.kept_for(&fields, "finished"),
        }
    }

    fn kept_for(&mut self, fields: &Fields<'a>, key: &str) -> Option<Span> {
        match fields.find(key)?.value.text() {
            Some("forever") => Some(Retain::FOREVER),
            _ => self.duration(fields, key, "retain"),
        }
    }

    pub(super) fn index(&mut self, fields: &Fields<'a>) -> Vec<Arc<str>> {
        // A supervisor has no context.
        let known = fields.takes("index");
        let Some(entry) = known.then(|| fields.find("index")).flatten() else { return Vec::new() };
        let mut paths: Vec<Arc<str>> = Vec::new();
        for item in one_or_more(&entry.value) {
            let Kind::Text { text, .. } = &item.kind else {
                self.wrong_type(item, "index", "a path such as customer.id");
                continue;
            };
            let problem = if text.split('.').any(str::is_empty) || text.len() > PATH_BYTES_MAX {
                format!("{text:?} is not a path of names, such as customer.id")
            } else if paths.iter().any(|path| **path == **text) {
                format!("{text:?} is indexed twice")
            } else if paths.len() == INDEX_MAX {
                format!("more than {INDEX_MAX} paths are indexed, which is the limit")
            } else {
                paths.push(Arc::from(text.as_str()));
                continue;
            };
            self.report(Code::BadValue, item.span.clone(), "index", problem, "");
        }
        paths
    }
}
