//! Machines that states of the native format invoke.
//!
//! It refuses to know how they run. Its one invariant: the events of an invocation are named after its id, which no
//! other one in the same state has.

use super::fields::{Fields, one_or_more};
use super::transitions::Triggered;
use super::{Reader, join};
use crate::code::{Formula, Payload, StateIndex};
use crate::document::Entry;
use crate::finding::Code;
use crate::format;
use crate::invoke::{Invoke, Source};
use crate::model::{Descriptor, ModelTransition, Trigger};
use crate::value::Value;
use everstate_kernel::limits::CHILD_NAME_BYTES_MAX;
use std::sync::Arc;

impl<'a> Reader<'a> {
    /// What a state invokes; the transitions for the ends of that are added to `all`.
    pub(super) fn invokes(
        &mut self,
        source: StateIndex,
        body: &Fields<'a>,
        all: &mut Vec<ModelTransition>,
    ) -> Vec<Invoke> {
        let Some(entry) = body.find("invoke") else { return Vec::new() };
        let state = &self.states[usize::from(source)];
        let place = join(&state.place, "invoke");
        let mut invokes: Vec<Invoke> = Vec::new();
        for (at, node) in one_or_more(&entry.value).iter().enumerate() {
            let path = format!("{place}[{at}]");
            let Some(fields) = self.fields(node, &format::INVOKED, &path) else { continue };
            let Some(id) = self.invoke_id(&fields, source, at, &path) else { continue };
            if invokes.iter().any(|one| one.id.as_ref() == Some(&id)) {
                let message = format!("the state invokes two machines with the id {id:?}");
                self.report(
                    Code::DuplicateKey,
                    node.span.clone(),
                    &path,
                    message,
                    "give one of them another id",
                );
                continue;
            }
            for (key, prefix) in [("onDone", "done.invoke."), ("onError", "error.invoke.")] {
                let Some(entry) = fields.find(key) else { continue };
                let name = Arc::from(format!("{prefix}{id}"));
                let trigger = Trigger::Events(vec![Descriptor::Exact(name)]);
                let names = self.names.clone();
                let path = join(&path, key);
                self.read_list(source, entry, Triggered { path: &path, trigger, names }, all);
            }
            invokes.extend(self.invoke(&fields, node.span.clone(), id, &path));
        }
        invokes
    }

    fn invoke(
        &mut self,
        fields: &Fields<'a>,
        span: std::ops::Range<usize>,
        id: Arc<str>,
        path: &str,
    ) -> Option<Invoke> {
        let Some(src) = fields.find("src") else {
            let hint = "add `src: NAME` of a definition";
            self.report(Code::MissingKey, span, path, "nothing is named that could be invoked", hint);
            return None;
        };
        let source = Source::Definition(self.template(&src.value, &join(path, "src"))?);
        let content = match fields.find("input") {
            Some(input) => self.formula(&input.value, &join(path, "input"))?,
            None => Formula::Literal(Value::Null),
        };
        let payload = Payload { content: Some(content), ..Payload::default() };
        let forwards = self.bool_of(fields, "autoForward", path).unwrap_or(false);
        let (prefix, place) = (id.clone(), Arc::from(path));
        let id = Some(id);
        let finalize = Vec::new();
        Some(Invoke { id, id_location: None, prefix, kind: None, source, payload, forwards, finalize, place })
    }

    fn invoke_id(
        &mut self,
        fields: &Fields<'a>,
        source: StateIndex,
        at: usize,
        path: &str,
    ) -> Option<Arc<str>> {
        let Some(entry) = fields.find("id") else {
            let state = &self.states[usize::from(source)].path;
            let state = if source == 0 { self.machine.as_str() } else { state };
            let id = format!("{at}.{state}");
            let id = if id.len() <= CHILD_NAME_BYTES_MAX { id } else { format!("{at}.#{source}") };
            return Some(Arc::from(id));
        };
        let entry: &'a Entry = entry;
        let id = self.text(entry, &join(path, "id"))?;
        if id.is_empty()
            || id.len() > CHILD_NAME_BYTES_MAX
            || id.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            let message = format!(
                "the id of an invoked machine is 1 to {CHILD_NAME_BYTES_MAX} bytes without white space, this is {id:?}"
            );
            self.report(Code::BadValue, entry.value.span.clone(), &join(path, "id"), message, "");
            return None;
        }
        Some(Arc::from(id))
    }
}
