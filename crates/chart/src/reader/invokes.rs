//! Machines and tasks that states of the native format invoke, and tasks that actions ask for.
//!
//! It refuses to know how they run. Its one invariant: the events of an invocation are named after its id, which no
//! other one in the same state has.

use super::fields::{Fields, one_or_more};
use super::transitions::Triggered;
use super::{Reader, join};
use crate::code::{Action, Formula, Payload, StateIndex, Template};
use crate::document::{Entry, Node};
use crate::finding::Code;
use crate::format;
use crate::invoke::{Invoke, Source};
use crate::model::{Descriptor, ModelTransition, Trigger};
use crate::task::{Asked, HTTP_QUEUE, Http, Task};
use crate::value::Value;
use everstate_kernel::limits::CHILD_NAME_BYTES_MAX;
use everstate_kernel::{TaskPolicy, check_queue};
use std::sync::Arc;

/// Keys that only a task has.
const TASK_KEYS: [&str; 4] = ["retry", "timeout", "deadline", "heartbeat"];

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
                let message = format!("the state invokes two machines or tasks with the id {id:?}");
                self.report(
                    Code::DuplicateKey,
                    node.span.clone(),
                    &path,
                    message,
                    "give one of them another id",
                );
                continue;
            }
            let is_task = fields.find("task").is_some() || fields.find("http").is_some();
            let what = if is_task { "task" } else { "invoke" };
            for (key, word) in [("onDone", "done"), ("onError", "error")] {
                let Some(entry) = fields.find(key) else { continue };
                let name = Arc::from(format!("{word}.{what}.{id}"));
                let trigger = Trigger::Events(vec![Descriptor::Exact(name)]);
                let names = self.names.clone();
                let path = join(&path, key);
                self.read_list(source, entry, Triggered { path: &path, trigger, names }, all);
            }
            let span = node.span.clone();
            invokes.extend(match is_task {
                true => self.task(&fields, span, id, &path),
                false => self.invoke(&fields, span, id, &path),
            });
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
        for key in TASK_KEYS {
            if let Some(entry) = fields.find(key) {
                let (span, path) = (entry.key_span.clone(), join(path, key));
                let message = format!("{key:?} is of tasks, and this invokes a machine");
                self.report(Code::BadValue, span, &path, message, "say `task: QUEUE` in place of `src`");
            }
        }
        let Some(src) = fields.find("src") else {
            let hint = "add `src: NAME` of a definition, or `task: QUEUE` for work of the outside world";
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

    /// A task that is asked for while the state is active.
    fn task(
        &mut self,
        fields: &Fields<'a>,
        span: std::ops::Range<usize>,
        id: Arc<str>,
        path: &str,
    ) -> Option<Invoke> {
        for key in ["src", "autoForward"] {
            if let Some(entry) = fields.find(key) {
                let (span, path) = (entry.key_span.clone(), join(path, key));
                let message = format!("{key:?} is of machines, and this is a task");
                self.report(Code::BadValue, span, &path, message, "remove one of them");
            }
        }
        let asked = self.asked(fields, span, "task", path)?;
        let content = match fields.find("input") {
            Some(input) => self.formula(&input.value, &join(path, "input"))?,
            None => Formula::Literal(Value::Null),
        };
        Some(Invoke {
            prefix: id.clone(),
            id: Some(id),
            id_location: None,
            kind: None,
            source: Source::Task(Box::new(asked)),
            payload: Payload { content: Some(content), ..Payload::default() },
            forwards: false,
            finalize: Vec::new(),
            place: Arc::from(path),
        })
    }

    /// An action that asks for a task.
    pub(super) fn task_action(&mut self, entry: &'a Entry, path: &str) -> Option<Action> {
        let node = &entry.value;
        let fields = self.fields(node, &format::TASK, path)?;
        let asked = self.asked(&fields, node.span.clone(), "queue", path)?;
        let id = match fields.find("id") {
            Some(entry) => self.template(&entry.value, &join(path, "id"))?,
            None => Template::Fixed(asked.queue.clone()),
        };
        if let Template::Fixed(text) = &id
            && (text.is_empty() || text.len() > CHILD_NAME_BYTES_MAX || text.chars().any(char::is_control))
        {
            let message = format!(
                "the id of a task is 1 to {CHILD_NAME_BYTES_MAX} bytes without control characters, this is {text:?}"
            );
            self.report(Code::BadValue, node.span.clone(), &join(path, "id"), message, "");
            return None;
        }
        let input = self.formula_of(&fields, "input", path)?;
        Some(Action::Task(Box::new(Task { id, asked, input, place: Arc::from(path) })))
    }

    /// What is asked of a worker; its queue stands under `key`.
    fn asked(
        &mut self,
        fields: &Fields<'a>,
        span: std::ops::Range<usize>,
        key: &str,
        path: &str,
    ) -> Option<Asked> {
        let http = match fields.find("http") {
            Some(entry) => Some(self.http(&entry.value, &join(path, "http"))?),
            None => None,
        };
        let queue = match self.text_of(fields, key, path) {
            Some(queue) if http.is_some() => {
                let message =
                    format!("the task is a request and for the queue {queue:?}, of which only one can count");
                self.report(Code::BadValue, span, path, message, format!("remove `{key}` or `http`"));
                return None;
            }
            Some(queue) => queue,
            None if http.is_some() => HTTP_QUEUE,
            None => {
                if fields.find(key).is_none() {
                    let hint = "add `queue: NAME`, or `http: {url: URL}` for a request";
                    self.report(Code::MissingKey, span, path, "nothing says who could do the task", hint);
                }
                return None;
            }
        };
        if let Err(message) = check_queue(queue) {
            self.report(Code::BadValue, span, &join(path, key), message, "");
            return None;
        }
        let policy = self.task_policy(fields, path);
        if let Err(message) = policy.check() {
            self.report(Code::BadValue, span, path, message, "");
            return None;
        }
        Some(Asked { queue: Arc::from(queue), policy, http })
    }

    fn task_policy(&mut self, fields: &Fields<'a>, path: &str) -> TaskPolicy {
        let mut policy = TaskPolicy::default();
        if let Some(entry) = fields.find("retry") {
            let path = join(path, "retry");
            if let Some(retry) = self.fields(&entry.value, &format::ATTEMPTS, &path) {
                policy.retry = self.retry(&retry, policy.retry, &path);
            }
        }
        policy.timeout = self.duration(fields, "timeout", path).unwrap_or(policy.timeout);
        policy.deadline = self.duration(fields, "deadline", path);
        policy.heartbeat = self.duration(fields, "heartbeat", path);
        policy
    }

    fn http(&mut self, node: &'a Node, path: &str) -> Option<Http> {
        let fields = self.fields(node, &format::HTTP, path)?;
        let Some(url) = fields.find("url") else {
            self.report(
                Code::MissingKey,
                node.span.clone(),
                path,
                "the request goes nowhere",
                "add `url: URL`",
            );
            return None;
        };
        let url = self.template(&url.value, &join(path, "url"))?;
        if let Template::Fixed(text) = &url
            && !text.starts_with("http://")
            && !text.starts_with("https://")
        {
            let message = format!("this is no URL that a request could go to: {text:?}");
            let hint = "begin it with http:// or https://";
            self.report(Code::BadValue, node.span.clone(), &join(path, "url"), message, hint);
            return None;
        }
        let mut headers = Vec::new();
        if let Some(entry) = fields.find("headers") {
            let path = join(path, "headers");
            for header in self.entries(&entry.value, &path, "a map of headers") {
                let text = self.template(&header.value, &join(&path, &header.key))?;
                headers.push((Arc::from(header.key.as_str()), text));
            }
        }
        let method = self.word(&fields, "method", path).unwrap_or(format::METHODS[0]);
        Some(Http { url, method, headers })
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
                "the id of an invoked machine or a task is 1 to {CHILD_NAME_BYTES_MAX} bytes without white space, this is {id:?}"
            );
            self.report(Code::BadValue, entry.value.span.clone(), &join(path, "id"), message, "");
            return None;
        }
        Some(Arc::from(id))
    }
}
