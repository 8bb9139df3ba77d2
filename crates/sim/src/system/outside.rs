//! What a system file says of the world outside: how tasks end, and what sessions do.
//!
//! It refuses to know machines. Its one invariant: what is read here can happen in production, by the kernel's own word.

use super::reader::{Reader, TIMES_MAX};
use crate::task::{ANY_QUEUE, TaskAnswer, TaskEnd};
use everstate_chart::Code;
use everstate_chart::document::{Entry, Kind, Node};
use everstate_kernel::{
    Event, EventId, Handled, Json, SESSION_ACT, SESSION_KIND, Sender, Time, Turn, check_code, check_queue,
};
use std::sync::Arc;

/// What an answer of a task can be written with.
const ANSWER_KEYS: [&str; 6] = ["done", "failed", "message", "timeout", "silence", "times"];

impl Reader<'_> {
    /// Of each queue, how tasks may end.
    pub(super) fn tasks(&mut self, node: &Node) {
        let Kind::Map(queues) = &node.kind else {
            return self.wrong(node, "tasks", "a map from queues to lists of answers");
        };
        for queue in queues {
            let any = queue.key == ANY_QUEUE;
            if let Err(problem) = if any { Ok(()) } else { check_queue(&queue.key) } {
                self.report(Code::BadValue, queue.key_span.clone(), problem, "");
                continue;
            }
            let sources = &self.system.definitions;
            if !any && !sources.iter().any(|(_, source)| source.contains(&queue.key)) {
                let message = format!("no definition asks for tasks of a queue {:?}", queue.key);
                self.report(Code::UnknownName, queue.key_span.clone(), message, "");
                continue;
            }
            let Some(answers) = self.items(&queue.value, "the answers to a task") else { continue };
            if answers.is_empty() {
                let hint = "write at least one, such as {done: {}}";
                let message = "a task of this queue never ends";
                self.report(Code::BadValue, queue.value.span.clone(), message, hint);
            }
            for answer in answers {
                self.answer(&Arc::from(queue.key.as_str()), answer);
            }
        }
    }

    fn answer(&mut self, queue: &Arc<str>, node: &Node) {
        let Some(entries) = self.entries(node, "an answer to a task", &ANSWER_KEYS) else { return };
        let of = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        let ends: Vec<&Entry> = entries
            .iter()
            .filter(|entry| matches!(entry.key.as_str(), "done" | "failed" | "timeout" | "silence"))
            .collect();
        let [end] = ends[..] else {
            let hint = "write one of done: DATA, failed: CODE, timeout: true, silence: true";
            self.report(Code::BadValue, node.span.clone(), "an answer ends a task in one way", hint);
            return;
        };
        let end = match end.key.as_str() {
            "done" => self.data(&end.value).map(TaskEnd::Done),
            "failed" => self.failed(&end.value, of("message")),
            word => match end.value.kind {
                Kind::Bool(true) if word == "timeout" => Some(TaskEnd::Timeout),
                Kind::Bool(true) => Some(TaskEnd::Silence),
                _ => {
                    self.wrong(&end.value, word, "true");
                    None
                }
            },
        };
        let Some(end) = end else { return };
        let times = match of("times") {
            None => None,
            Some(node) if node.text() == Some("any") => None,
            Some(node) => match self.number(node, "times", 1, TIMES_MAX) {
                Some(times) => Some(times as u8),
                None => return,
            },
        };
        let answer = TaskAnswer { queue: queue.clone(), end, times };
        let same = |other: &TaskAnswer| (&other.queue, &other.end) == (&answer.queue, &answer.end);
        if self.system.tasks.iter().any(same) {
            self.report(
                Code::DuplicateKey,
                node.span.clone(),
                "this answer is there twice",
                "leave one of them out",
            );
        } else {
            self.system.tasks.push(answer);
        }
    }

    fn failed(&mut self, code: &Node, message: Option<&Node>) -> Option<TaskEnd> {
        let text = self.text_of(code, "failed")?.to_owned();
        if let Err(problem) = check_code(&text) {
            self.report(Code::BadValue, code.span.clone(), problem, "");
            return None;
        }
        let message = match message {
            Some(node) => self.text_of(node, "message")?.to_owned(),
            None => String::new(),
        };
        Some(TaskEnd::Failed { code: text, message })
    }

    /// Acts of a session as the data of the event that asks for them.
    pub(super) fn acts(&mut self, node: &Node) -> Option<Json> {
        let acts = self.data(node)?;
        let data = Json::trusted(format!(r#"{{"acts":{acts}}}"#));
        match refused(&data) {
            None => Some(data),
            Some(problem) => {
                self.report(Code::BadValue, node.span.clone(), problem, "");
                None
            }
        }
    }

    /// What is contradictory about what may go wrong outside.
    pub(super) fn check_outside(&mut self, node: &Node) {
        let faults = self.system.faults;
        let session = self.system.sessions().next().is_some();
        if (faults.silences > 0 || faults.reconnections > 0) && !session {
            let message = "no session can fall silent: there is none in the cast";
            let hint = format!("add one to the cast, such as printer: {SESSION_KIND}/printer");
            self.report(Code::BadValue, node.span.clone(), message, hint);
        } else if faults.reconnections > faults.silences {
            let message = "a session is begun anew only after it was silent";
            let hint = format!("write `silences: {}` as well", faults.reconnections);
            self.report(Code::BadValue, node.span.clone(), message, hint);
        }
    }
}

/// What the kernel has against these acts.
fn refused(data: &Json) -> Option<String> {
    let node = everstate_kernel::Node::new(0);
    let session = node.definition(SESSION_KIND, None)?;
    let address = everstate_kernel::Address::new(SESSION_KIND, "reader").ok()?;
    let mut turn = Turn {
        now: Time(0),
        seed: 0,
        instance: &address,
        version: &session.id.version,
        incarnation: 1,
        parent: None,
        children: &[],
        effects: Vec::new(),
    };
    let event = Event {
        id: EventId::parse("acts").ok()?,
        name: Arc::from(SESSION_ACT),
        data: data.clone(),
        sender: Sender::Client,
        time: Time(0),
    };
    let state = session.behaviour.decode(b"null").ok()?;
    match session.behaviour.handle(&state, &event, &mut turn) {
        Ok(Handled::BadData(problem)) => Some(problem),
        Ok(_) => None,
        Err(fault) => Some(fault.message),
    }
}
