//! What a chart does in spaces: it joins with endpoints and leaves, moves them, asserts values, and says something.
//!
//! It refuses to know how a space routes. Its one invariant: what is remembered as held is what the kernel has been
//! asked to hold, endpoint by endpoint.

use crate::behaviour::json_of;
use crate::code::{Code, Formula, StateIndex, Template};
use crate::dispatch::mistake;
use crate::presence::Presence;
use crate::run::Run;
use everstate_kernel::space::{self, Interest, Part, Pattern, Place, Role};
use everstate_kernel::{Effect, Fault, Json};
use std::sync::Arc;

/// What is done in a space, and in which one.
#[derive(Debug, Clone)]
pub(crate) struct Acting {
    pub(crate) act: Act,
    pub(crate) within: Within,
    pub(crate) place: Arc<str>,
}

/// Which space.
#[derive(Debug, Clone)]
pub(crate) enum Within {
    /// Where the machine lives.
    Here,
    /// The one around that.
    Outer,
    /// The one at this path.
    Path(Template),
}

/// What is done.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Join(Endpoint),
    /// The endpoint of that name.
    Leave(Template),
    /// The endpoint of that name to that pattern.
    Move(Template, Template),
    /// The endpoint of that name, that value.
    Assert(Template, Formula),
    /// About that topic, that.
    Publish(Template, Formula),
    Feedback(Template, Formula),
}

/// An endpoint as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) name: Template,
    pub(crate) pattern: Template,
    pub(crate) role: Role,
    pub(crate) interest: Interest,
    pub(crate) value: Formula,
    pub(crate) mark: bool,
    pub(crate) waits: bool,
}

/// An endpoint that the instance holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// The path of its space.
    pub(crate) space: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) part: Part,
    /// The state that holds it while it is active.
    pub(crate) owner: Option<StateIndex>,
}

impl Acting {
    /// The texts and the value in it.
    pub(crate) fn parts(&self) -> (Vec<&Template>, Option<&Formula>) {
        let (mut texts, value) = match &self.act {
            Act::Join(endpoint) => (vec![&endpoint.name, &endpoint.pattern], Some(&endpoint.value)),
            Act::Leave(name) => (vec![name], None),
            Act::Move(name, pattern) => (vec![name, pattern], None),
            Act::Assert(text, value) | Act::Publish(text, value) | Act::Feedback(text, value) => {
                (vec![text], Some(value))
            }
        };
        if let Within::Path(path) = &self.within {
            texts.push(path);
        }
        (texts, value)
    }

    /// Everything in it that is computed.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&Code)) {
        let (texts, value) = self.parts();
        texts.into_iter().for_each(|text| text.visit(visit));
        value.into_iter().for_each(|value| value.visit(visit));
    }
}

impl Run<'_> {
    /// Does it. What a state declares belongs to that state.
    pub(crate) fn act_in_space(&mut self, acting: &Acting, owner: Option<StateIndex>) -> Result<(), Fault> {
        let at = &*acting.place;
        let place = match &acting.within {
            Within::Here => Place::Here,
            Within::Outer => Place::Outer,
            Within::Path(path) => Place::At(self.text(path)?),
        };
        let space = place.of(self.instance.address).map_err(|message| mistake(message, at))?;
        let space: Arc<str> = Arc::from(space.inside().unwrap_or_default());
        let act = match &acting.act {
            Act::Join(endpoint) => {
                let name = self.text(&endpoint.name)?;
                let part = Part {
                    pattern: self.pattern(&endpoint.pattern, at)?,
                    role: endpoint.role,
                    interest: endpoint.interest,
                    value: self.json(&endpoint.value, at)?,
                    mark: endpoint.mark,
                    waits: endpoint.waits,
                };
                self.hold(Held { space, name: name.clone(), part: part.clone(), owner });
                space::Act::Join { name, part }
            }
            Act::Leave(name) => {
                let name = self.text(name)?;
                if self.held(&space, &name).is_none() {
                    return Ok(());
                }
                self.let_go(&space, &name);
                space::Act::Leave { name }
            }
            Act::Move(name, pattern) => {
                let (name, pattern) = (self.text(name)?, self.pattern(pattern, at)?);
                let held = self.held_mut(&space, &name, at)?;
                held.part.pattern = pattern;
                space::Act::Join { name, part: held.part.clone() }
            }
            Act::Assert(name, value) => {
                let (name, value) = (self.text(name)?, self.json(value, at)?);
                self.held_mut(&space, &name, at)?.part.value = value.clone();
                space::Act::Assert { name, value }
            }
            Act::Publish(topic, data) => {
                space::Act::Publish { topic: self.pattern(topic, at)?, data: self.json(data, at)? }
            }
            Act::Feedback(topic, data) => {
                space::Act::Feedback { topic: self.pattern(topic, at)?, data: self.json(data, at)? }
            }
        };
        self.effect(Effect::Act(place, act), at)
    }

    /// Leaves with what a state holds. At the end of the machine the kernel does that, and says why.
    pub(crate) fn leave_held(&mut self, state: StateIndex) -> Result<(), Fault> {
        if self.stopping || self.ended.is_some() {
            return Ok(());
        }
        let Some(session) = &self.session else { return Ok(()) };
        let own = session.held.iter().filter(|held| held.owner == Some(state));
        let own: Vec<(Arc<str>, Arc<str>)> =
            own.map(|held| (held.space.clone(), held.name.clone())).collect();
        for (space, name) in own {
            self.let_go(&space, &name);
            self.effect(Effect::Act(Place::At(space), space::Act::Leave { name }), "endpoints")?;
        }
        Ok(())
    }

    fn held(&self, space: &str, name: &str) -> Option<usize> {
        let session = self.session.as_deref()?;
        session.held.binary_search_by(|held| (&*held.space, &*held.name).cmp(&(space, name))).ok()
    }

    fn held_mut(&mut self, space: &str, name: &str, place: &str) -> Result<&mut Held, Fault> {
        match self.held(space, name) {
            Some(at) => Ok(&mut self.session_mut().held[at]),
            None => {
                let within = if space.is_empty() { "the outermost space" } else { space };
                let message =
                    format!("the machine holds no endpoint {name:?} in {within}; join with it first");
                Err(mistake(message, place))
            }
        }
    }

    fn hold(&mut self, held: Held) {
        let back = |one: &Presence| one.space == held.space && one.ours == held.name;
        // Who leaves and joins in one turn has never been away, and is not told again of what it was told before.
        let mut returned: Vec<Presence> = self.departed.extract_if(.., |one| back(one)).collect();
        let session = self.session_mut();
        session.present.append(&mut returned);
        session.present.sort_by(|a, b| a.key().cmp(&b.key()));
        let key = (&*held.space, &*held.name);
        match session.held.binary_search_by(|one| (&*one.space, &*one.name).cmp(&key)) {
            Ok(at) => session.held[at] = held,
            Err(at) => session.held.insert(at, held),
        }
    }

    fn let_go(&mut self, space: &str, name: &str) {
        let Some(at) = self.held(space, name) else { return };
        let session = self.session_mut();
        session.held.remove(at);
        let gone = |one: &mut Presence| *one.space == *space && *one.ours == *name;
        let mut departed: Vec<Presence> = session.present.extract_if(.., gone).collect();
        self.departed.append(&mut departed);
    }

    fn pattern(&mut self, text: &Template, place: &str) -> Result<Pattern, Fault> {
        let text = self.text(text)?;
        Pattern::parse(&text).map_err(|error| mistake(error.to_string(), place))
    }

    pub(crate) fn json(&mut self, value: &Formula, place: &str) -> Result<Json, Fault> {
        let value = self.value(value)?;
        json_of(&value).map_err(|message| mistake(message, place))
    }
}
