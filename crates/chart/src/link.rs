//! What a chart does to its children and to those that it watches: spawn, stop, restart, monitor; and giving up.
//!
//! It refuses to know how links are kept. Its one invariant: it asks for what the kernel's effects are, and nothing
//! besides.

use crate::code::{Code, Formula, Template};
use crate::dispatch::mistake;
use crate::run::Run;
use everstate_kernel::{Address, Effect, Fault, FaultCode, Orphan, RestartFrom};
use std::sync::Arc;

/// What is done, and where it is written.
#[derive(Debug, Clone)]
pub(crate) struct Linking {
    pub(crate) link: Link,
    pub(crate) place: Arc<str>,
}

/// What is done.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    Spawn(Spawn),
    Stop {
        child: Template,
        kill: bool,
    },
    /// From its start with that data; without any, from its last good state.
    Restart {
        child: Template,
        input: Option<Formula>,
    },
    Monitor(Template),
    Demonitor(Template),
    GiveUp(Template),
}

/// A child to be made.
#[derive(Debug, Clone)]
pub(crate) struct Spawn {
    pub(crate) name: Template,
    /// `NAME` or `NAME:VERSION` of a definition.
    pub(crate) source: Template,
    pub(crate) id: Option<Template>,
    pub(crate) input: Formula,
    pub(crate) orphan: Orphan,
}

impl Linking {
    /// The texts and the value in it.
    pub(crate) fn parts(&self) -> (Vec<&Template>, Option<&Formula>) {
        match &self.link {
            Link::Spawn(spawn) => {
                let texts = [Some(&spawn.name), Some(&spawn.source), spawn.id.as_ref()];
                (texts.into_iter().flatten().collect(), Some(&spawn.input))
            }
            Link::Stop { child, .. } => (vec![child], None),
            Link::Restart { child, input } => (vec![child], input.as_ref()),
            Link::Monitor(text) | Link::Demonitor(text) | Link::GiveUp(text) => (vec![text], None),
        }
    }

    /// Everything in it that is computed.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&Code)) {
        let (texts, value) = self.parts();
        texts.into_iter().for_each(|text| text.visit(visit));
        value.into_iter().for_each(|value| value.visit(visit));
    }
}

impl Run<'_> {
    pub(crate) fn link(&mut self, linking: &Linking) -> Result<(), Fault> {
        let place = &*linking.place;
        let effect = match &linking.link {
            Link::Spawn(spawn) => self.spawn(spawn, place)?,
            Link::Stop { child, kill } => Effect::Stop { child: self.text(child)?, kill: *kill },
            Link::Restart { child, input } => {
                let child = self.text(child)?;
                let from = match input {
                    Some(input) => RestartFrom::Initial(self.json(input, place)?),
                    None => RestartFrom::LastGood,
                };
                Effect::Restart { child, from }
            }
            Link::Monitor(address) => Effect::Monitor(self.address(address, place)?),
            Link::Demonitor(address) => Effect::Demonitor(self.address(address, place)?),
            Link::GiveUp(reason) => {
                let message = self.text(reason)?.to_string();
                Effect::GiveUp(Fault { code: FaultCode::Action, message, place: place.to_owned() })
            }
        };
        self.effect(effect, place)
    }

    fn spawn(&mut self, spawn: &Spawn, place: &str) -> Result<Effect, Fault> {
        let (name, source) = (self.text(&spawn.name)?, self.text(&spawn.source)?);
        let (kind, version) = crate::invoke::definition_of(&source)
            .ok_or_else(|| mistake(format!("{source:?} is not the name of a definition"), place))?;
        let id = spawn.id.as_ref().map(|id| self.text(id)).transpose()?;
        let data = self.json(&spawn.input, place)?;
        Ok(Effect::Spawn { name, kind, version, id, data, orphan: spawn.orphan })
    }

    fn address(&mut self, text: &Template, place: &str) -> Result<Address, Fault> {
        let text = self.text(text)?;
        let receiver = self.receiver(&text).ok().and_then(|receiver| receiver.address);
        let address = receiver.ok_or(()).or_else(|()| Address::parse(&text));
        address.map_err(|error| mistake(error.to_string(), place))
    }
}
