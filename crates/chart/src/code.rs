//! Executable content: values, texts, guards and actions as they were compiled.
//!
//! It refuses to know where they came from and how they are run. Its one invariant: names are resolved; nothing
//! here is looked up by text at run time but the states that an expression asks for.

use crate::expression::Expression;
use crate::value::{Key, Value};
use everstate_kernel::Span;
use std::sync::Arc;

pub(crate) use crate::dispatch::{Dispatch, Each, Location, Note, Payload, Set};
pub(crate) use crate::endpoint::Acting;
pub(crate) use crate::link::Linking;
pub(crate) use crate::task::Task;

/// The number of a state in document order; the machine itself is 0.
pub(crate) type StateIndex = u16;

/// An expression with the place that a fault of it is reported at.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) expression: Arc<Expression>,
    pub(crate) place: Arc<str>,
    /// Does it ask for the event? If none of a chart does, the data of events is never parsed.
    pub(crate) reads_event: bool,
}

/// Something that gives a value.
#[derive(Debug, Clone)]
pub(crate) enum Formula {
    Literal(Value),
    Code(Code),
    List(Vec<Formula>),
    Map(Vec<(Key, Formula)>),
}

impl Formula {
    /// Everything in it that is computed.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&Code)) {
        match self {
            Formula::Literal(_) => {}
            Formula::Code(code) => visit(code),
            Formula::List(items) => items.iter().for_each(|item| item.visit(visit)),
            Formula::Map(entries) => entries.iter().for_each(|(_, item)| item.visit(visit)),
        }
    }
}

/// Text with holes.
#[derive(Debug, Clone)]
pub(crate) enum Template {
    Fixed(Arc<str>),
    Parts(Vec<Part>),
}

impl Template {
    /// Everything in it that is computed.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&Code)) {
        let Template::Parts(parts) = self else { return };
        for part in parts {
            if let Part::Code(code) = part {
                visit(code);
            }
        }
    }
}

/// A piece of a text with holes.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Text(String),
    Code(Code),
}

/// A condition.
#[derive(Debug, Clone)]
pub(crate) enum Guard {
    Constant(bool),
    Code(Code),
    Not(Box<Guard>),
    All(Vec<Guard>),
    Any(Vec<Guard>),
    In(StateIndex),
    /// A named guard of the chart.
    Named(u16),
}

/// Something to do.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Assign(Vec<(Key, Formula)>),
    Raise {
        event: Template,
        data: Formula,
    },
    Send(Box<Send>),
    Cancel(Template),
    Reply(Formula),
    Log(Template),
    If {
        guard: Guard,
        then: Vec<Action>,
        otherwise: Vec<Action>,
    },
    Foreach(Box<Foreach>),
    /// Something in a space.
    Act(Box<Acting>),
    /// Something to a child or to one that is watched.
    Link(Box<Linking>),
    /// Work for the outside world, whatever becomes of the state.
    Task(Box<Task>),
    /// A named list of actions of the chart.
    Named(u16),
    /// A block of SCXML's: an error ends the block and becomes an event; the turn goes on.
    Block(Vec<Action>),
    /// SCXML's `assign`.
    Set(Box<Set>),
    /// SCXML's `send`.
    Dispatch(Box<Dispatch>),
    /// SCXML's `cancel`: of all delayed sends with that id.
    Recall(Template),
    /// SCXML's `log`.
    Note(Box<Note>),
    /// SCXML's `foreach`, whose variables are data like any other.
    Each(Box<Each>),
    /// A mistake that is met when it is come to.
    Mistake {
        message: Arc<str>,
        place: Arc<str>,
    },
}

/// An event to be sent. `place` is for faults that are no expression's.
#[derive(Debug, Clone)]
pub(crate) struct Send {
    pub(crate) to: Option<Template>,
    pub(crate) event: Template,
    pub(crate) data: Formula,
    pub(crate) delay: Option<Delay>,
    pub(crate) id: Option<Template>,
    pub(crate) place: Arc<str>,
}

/// How long from now.
#[derive(Debug, Clone)]
pub(crate) enum Delay {
    Fixed(Span),
    /// A text that is a length of time when it is needed.
    Text(Template),
}

/// A loop over a list. Item and number lie in the locals from slot `slot` on.
#[derive(Debug, Clone)]
pub(crate) struct Foreach {
    pub(crate) over: Code,
    pub(crate) slot: usize,
    /// What expressions call the item and its number.
    pub(crate) names: (Arc<str>, Arc<str>),
    pub(crate) body: Vec<Action>,
}

impl Guard {
    /// The states and named guards it uses directly are visited with `visit`.
    pub(crate) fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Guard)) {
        visit(self);
        match self {
            Guard::Not(inner) => inner.walk(visit),
            Guard::All(parts) | Guard::Any(parts) => parts.iter().for_each(|part| part.walk(visit)),
            _ => {}
        }
    }
}

impl Action {
    /// This action and all inside of it.
    pub(crate) fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Action)) {
        visit(self);
        match self {
            Action::If { then, otherwise, .. } => {
                then.iter().chain(otherwise).for_each(|action| action.walk(visit));
            }
            Action::Foreach(each) => each.body.iter().for_each(|action| action.walk(visit)),
            Action::Each(each) => each.body.iter().for_each(|action| action.walk(visit)),
            Action::Block(block) => block.iter().for_each(|action| action.walk(visit)),
            _ => {}
        }
    }
}
