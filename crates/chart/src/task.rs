//! Tasks: work for the outside world, that a state asks for as long as it is active, or an action for as long as the
//! instance lives.
//!
//! It refuses to know who does it. Its one invariant: a task has the name by which its events are called.

use crate::behaviour::json_of;
use crate::code::{Code, Formula, Template};
use crate::dispatch::mistake;
use crate::run::Run;
use crate::value::{Key, Map, Value};
use everstate_kernel::{Effect, Fault, TaskPolicy};
use std::sync::Arc;

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) queue: Arc<str>,
    pub(crate) policy: TaskPolicy,
    /// The request that the server makes itself; the input is its body.
    pub(crate) http: Option<Http>,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    pub(crate) url: Template,
    pub(crate) method: &'static str,
    pub(crate) headers: Vec<(Arc<str>, Template)>,
}

/// The queue that the server itself works on.
pub(crate) const HTTP_QUEUE: &str = "http";

/// A task that an action asks for.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) id: Template,
    pub(crate) asked: Asked,
    pub(crate) input: Formula,
    pub(crate) place: Arc<str>,
}

impl Asked {
    /// Every text with holes in it.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &Template> {
        let http = self.http.iter();
        http.flat_map(|http| std::iter::once(&http.url).chain(http.headers.iter().map(|(_, text)| text)))
    }
}

impl Task {
    /// The texts in it.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &Template> {
        std::iter::once(&self.id).chain(self.asked.templates())
    }

    /// Everything in it that is computed.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&Code)) {
        self.templates().for_each(|text| text.visit(visit));
        self.input.visit(visit);
    }
}

impl Run<'_> {
    pub(crate) fn task(&mut self, task: &Task) -> Result<(), Fault> {
        let (name, input) = (self.text(&task.id)?, self.value(&task.input)?);
        self.ask(name, &task.asked, input, &task.place)
    }

    /// Asks for a task, in place of one of the same name.
    pub(crate) fn ask(
        &mut self,
        name: Arc<str>,
        asked: &Asked,
        input: Value,
        place: &str,
    ) -> Result<(), Fault> {
        let wrong = |message| mistake(message, place);
        let input = match &asked.http {
            None => json_of(&input).map_err(wrong)?,
            Some(http) => {
                let url = self.text(&http.url)?;
                let mut headers = Vec::with_capacity(http.headers.len());
                for (name, text) in &http.headers {
                    headers.push((Key::from(&**name), Value::from(&*self.text(text)?)));
                }
                let request = [
                    ("url", Value::from(&*url)),
                    ("method", Value::from(http.method)),
                    ("headers", Value::from(Map::from_entries(headers))),
                    ("body", input),
                ];
                let request = request.map(|(key, value)| (Key::from(key), value));
                json_of(&Value::from(Map::from_entries(request.to_vec()))).map_err(wrong)?
            }
        };
        let (queue, policy) = (asked.queue.clone(), asked.policy.clone());
        self.effect(Effect::Task { name, queue, input, policy }, place)
    }
}
