//! How executable content runs within a turn: actions in order, guards, values and texts.
//!
//! It refuses to know which states are entered and left. Its one invariant: whatever content does, it ends within
//! the turn's cost, and a fault carries the place in the definition.

use crate::behaviour::json_of;
use crate::code::{Action, Code, Delay, Foreach, Formula, Guard, Part, Send, Template};
use crate::expression::{EvaluationError, EventMeta, Roots, Scope};
use crate::run::{Raised, Run};
use crate::value::{Key, Map, VALUE_DEPTH_MAX, Value};
use everstate_kernel::limits::{EFFECTS_MAX, EVENT_NAME_BYTES_MAX};
use everstate_kernel::{Address, Effect, Fault, FaultCode, Json};
use smallvec::SmallVec;
use std::sync::Arc;

/// Events that one turn may raise before they are handled. Their handling is bounded by microsteps; this bounds
/// what a loop can heap up.
const RAISED_MAX: usize = 10_000;

impl Run<'_> {
    /// Runs actions in their order.
    #[inline]
    pub(crate) fn act(&mut self, actions: &[Action]) -> Result<(), Fault> {
        actions.iter().try_for_each(|action| self.act_one(action))
    }

    fn act_one(&mut self, action: &Action) -> Result<(), Fault> {
        // Every action costs something, so that loops over large lists end with the turn's cost.
        if self.cost.pay(1).is_err() {
            return Err(self.exhausted(""));
        }
        match action {
            Action::Assign(fields) => self.assign(fields),
            Action::Raise { event, data } => {
                let event = self.text(event)?;
                let data = self.value(data)?;
                self.queued(Raised { name: event, data, platform: false, sendid: None })
            }
            Action::Send(send) => self.send(send),
            Action::Cancel(id) => {
                let id = self.text(id)?;
                self.effect(Effect::CancelTimer(id), "cancel")
            }
            Action::Reply(value) => {
                let value = self.value(value)?;
                let json = json_of(&value).map_err(|message| action_fault(message, "reply"))?;
                self.effect(Effect::Reply(json), "reply")
            }
            Action::Log(text) => {
                let text = self.text(text)?;
                self.effect(Effect::Log(text.to_string()), "log")
            }
            Action::If { guard, then, otherwise } => {
                let branch = if self.condition(guard)? { then } else { otherwise };
                self.act(branch)
            }
            Action::Foreach(each) => self.foreach(each),
            Action::Act(acting) => self.act_in_space(acting, None),
            Action::Link(linking) => self.link(linking),
            Action::Task(task) => self.task(task),
            Action::Named(name) => {
                let frame = std::mem::replace(&mut self.frame, self.locals.len());
                let chart = self.chart;
                self.act(&chart.actions[usize::from(*name)])?;
                self.frame = frame;
                Ok(())
            }
            Action::Block(actions) => self.block(actions).map(|_| ()),
            Action::Set(set) => self.set(set),
            Action::Dispatch(send) => self.dispatch(send),
            Action::Recall(id) => self.recall(id),
            Action::Note(note) => self.note(note),
            Action::Each(each) => self.each(each),
            Action::Mistake { message, place } => Err(action_fault(message.to_string(), place)),
        }
    }

    /// Puts an event on the internal queue.
    pub(crate) fn queued(&mut self, raised: Raised) -> Result<(), Fault> {
        if self.queue.len() >= RAISED_MAX {
            let message = format!("the turn raises more than {RAISED_MAX} events");
            return Err(Fault { code: FaultCode::Limit, message, place: String::new() });
        }
        self.queue.push_back(raised);
        Ok(())
    }

    /// Is the guard true? In SCXML one that fails is not, and its failing becomes an event.
    #[inline]
    pub(crate) fn condition(&mut self, guard: &Guard) -> Result<bool, Fault> {
        match self.holds(guard) {
            Err(fault) if self.chart.rules.is_some() => {
                self.raise_error("error.execution", fault, None)?;
                Ok(false)
            }
            result => result,
        }
    }

    fn assign(&mut self, fields: &[(Key, Formula)]) -> Result<(), Fault> {
        if let [(key, formula)] = fields {
            let short = if let Formula::Code(code) = formula { self.short(code) } else { None };
            let value = match (short, formula) {
                (Some(value), _) => value,
                (None, Formula::Code(code)) => self.long(code)?,
                (None, formula) => self.value(formula)?,
            };
            self.put(key, value);
            return Ok(());
        }
        // All are computed from what was before.
        let mut values: SmallVec<[Value; 4]> = SmallVec::new();
        for (_, formula) in fields {
            values.push(self.value(formula)?);
        }
        fields.iter().zip(values).for_each(|((key, _), value)| self.put(key, value));
        Ok(())
    }

    /// Puts a value into the context.
    #[inline]
    fn put(&mut self, key: &Key, value: Value) {
        if !matches!(self.context, Value::Map(_)) {
            self.context = Value::from(Map::new());
        }
        let Value::Map(map) = &mut self.context else { return };
        let map = Arc::make_mut(map);
        match key.as_str().and_then(|name| map.find_mut(name)) {
            Some(place) => *place = value,
            None => {
                map.insert(key.clone(), value);
            }
        }
    }

    fn send(&mut self, send: &Send) -> Result<(), Fault> {
        let event = self.text(&send.event)?;
        if event.is_empty() || event.len() > EVENT_NAME_BYTES_MAX {
            let message = format!(
                "the name of an event is {} bytes long; 1 to {EVENT_NAME_BYTES_MAX} are allowed",
                event.len()
            );
            return Err(action_fault(message, &send.place));
        }
        let to = match &send.to {
            None => None,
            Some(to) => {
                let text = self.text(to)?;
                match text.starts_with('#') {
                    true => self.linked(&text, &send.place)?,
                    false => {
                        let address = Address::parse(&text);
                        Some(address.map_err(|error| action_fault(error.to_string(), &send.place))?)
                    }
                }
            }
        };
        let value = self.value(&send.data)?;
        let data = json_of(&value).map_err(|message| action_fault(message, &send.place))?;
        let Some(delay) = &send.delay else {
            let to = to.unwrap_or_else(|| self.instance.address.clone());
            return self.effect(Effect::Send { to, event, data }, &send.place);
        };
        let delay = match delay {
            Delay::Fixed(span) => *span,
            Delay::Text(text) => {
                let text = self.text(text)?;
                crate::duration::parse(&text).map_err(|message| action_fault(message, &send.place))?
            }
        };
        let name = match &send.id {
            Some(id) => self.text(id)?,
            None => {
                self.sends += 1;
                Arc::from(format!("send.{}", self.sends))
            }
        };
        self.effect(Effect::SetTimer { name, delay, to, event, data }, &send.place)
    }

    /// The parent or an invoked machine by its id, as SCXML writes them: `#_parent`, `#_ID`.
    fn linked(&self, target: &str, place: &str) -> Result<Option<Address>, Fault> {
        match self.receiver(target) {
            Ok(receiver) => Ok(receiver.address),
            Err(_) => Err(action_fault(format!("nobody is at {target:?}"), place)),
        }
    }

    fn foreach(&mut self, each: &Foreach) -> Result<(), Fault> {
        let over = self.evaluate(&each.over)?;
        let count = match &over {
            Value::List(items) => items.len(),
            Value::Map(map) => map.len(),
            other => {
                let message = format!("foreach needs a list or a map, this is {}", other.type_name());
                return Err(Fault {
                    code: FaultCode::Expression,
                    message,
                    place: each.over.place.to_string(),
                });
            }
        };
        let slots = self.frame + each.slot;
        for at in 0..count {
            let item = match &over {
                Value::List(items) => items.get(at).cloned(),
                Value::Map(map) => map.entry(at).map(|(key, _)| key.to_value()),
                _ => None,
            };
            self.locals.truncate(slots);
            self.locals.push(item.unwrap_or_default());
            self.locals.push(Value::Int(at as i64));
            self.act(&each.body)?;
        }
        self.locals.truncate(slots);
        Ok(())
    }

    /// Notes what the turn wants.
    pub(crate) fn effect(&mut self, effect: Effect, place: &str) -> Result<(), Fault> {
        if self.effects.len() >= EFFECTS_MAX {
            let message = format!("the turn asks for more than {EFFECTS_MAX} effects");
            return Err(Fault { code: FaultCode::Limit, message, place: place.to_owned() });
        }
        self.effects.push(effect);
        Ok(())
    }

    /// Is the guard true?
    pub(crate) fn holds(&mut self, guard: &Guard) -> Result<bool, Fault> {
        match guard {
            Guard::Constant(value) => Ok(*value),
            Guard::Code(code) => {
                let roots = Roots {
                    context: &self.context,
                    event: &self.current.data,
                    locals: &self.locals[self.frame..],
                };
                match code.expression.short_truth(roots, &mut self.cost) {
                    Some(truth) => Ok(truth),
                    None => {
                        self.within_scope(code, |code, scope, cost| code.expression.long_truth(scope, cost))
                    }
                }
            }
            Guard::Not(inner) => Ok(!self.holds(inner)?),
            Guard::All(parts) => {
                for part in parts {
                    if !self.holds(part)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Guard::Any(parts) => {
                for part in parts {
                    if self.holds(part)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Guard::In(state) => Ok(self.configuration.contains(*state)),
            Guard::Named(name) => {
                let frame = std::mem::replace(&mut self.frame, self.locals.len());
                let chart = self.chart;
                let holds = self.holds(&chart.guards[usize::from(*name)])?;
                self.frame = frame;
                Ok(holds)
            }
        }
    }

    /// What a formula gives.
    #[inline]
    pub(crate) fn value(&mut self, formula: &Formula) -> Result<Value, Fault> {
        match formula {
            Formula::Literal(value) => Ok(value.clone()),
            Formula::Code(code) => self.evaluate(code),
            _ => self.composed(formula),
        }
    }

    fn composed(&mut self, formula: &Formula) -> Result<Value, Fault> {
        match formula {
            Formula::Literal(_) | Formula::Code(_) => self.value(formula),
            Formula::List(items) => {
                let items = items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?;
                self.not_too_deep(Value::list(items))
            }
            Formula::Map(entries) => {
                let mut parts = Vec::with_capacity(entries.len());
                for (key, item) in entries {
                    parts.push((key.clone(), self.value(item)?));
                }
                self.not_too_deep(Value::from(Map::from_entries(parts)))
            }
        }
    }

    /// A value that was put together may be one level deeper than its parts. In a loop that would add up to what
    /// recursion cannot follow any more.
    pub(crate) fn not_too_deep(&mut self, value: Value) -> Result<Value, Fault> {
        if value.nests_within(VALUE_DEPTH_MAX) {
            return Ok(value);
        }
        let message = format!("the value nests deeper than {VALUE_DEPTH_MAX} levels; flatten it");
        Err(Fault { code: FaultCode::Limit, message, place: String::new() })
    }

    /// A text with its holes filled.
    pub(crate) fn text(&mut self, template: &Template) -> Result<Arc<str>, Fault> {
        let parts = match template {
            Template::Fixed(text) => return Ok(text.clone()),
            Template::Parts(parts) => parts,
        };
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(piece) => text.push_str(piece),
                Part::Code(code) => match self.evaluate(code)? {
                    Value::String(piece) => text.push_str(&piece),
                    other => {
                        let written = other.write_json(&mut text);
                        written.map_err(|error| action_fault(error.to_string(), &code.place))?;
                    }
                },
            }
            let units = 1 + text.len() as u64 / 16;
            if self.cost.pay(units).is_err() {
                return Err(self.exhausted(""));
            }
        }
        Ok(Arc::from(text))
    }

    #[inline]
    pub(crate) fn evaluate(&mut self, code: &Code) -> Result<Value, Fault> {
        match self.short(code) {
            Some(value) => Ok(value),
            None => self.long(code),
        }
    }

    /// Its value, where no scope needs to be put together for it.
    #[inline]
    fn short(&mut self, code: &Code) -> Option<Value> {
        let locals = &self.locals[self.frame..];
        let roots = Roots { context: &self.context, event: &self.current.data, locals };
        code.expression.short(roots, &mut self.cost)
    }

    #[inline(never)]
    fn long(&mut self, code: &Code) -> Result<Value, Fault> {
        self.within_scope(code, |code, scope, cost| code.expression.long(scope, cost))
    }

    #[inline(never)]
    fn within_scope<T>(
        &mut self,
        code: &Code,
        evaluate: impl FnOnce(&Code, &Scope<'_>, &mut crate::expression::Cost) -> Result<T, EvaluationError>,
    ) -> Result<T, Fault> {
        let (chart, configuration) = (self.chart, &self.configuration);
        let active = |name: &str| chart.named(name).is_some_and(|state| configuration.contains(state));
        let event_meta = EventMeta {
            name: &self.current.name,
            id: self.current.id,
            sender: self.current.sender,
            time: self.current.time,
            more: &Value::Null,
        };
        let scope = Scope {
            context: &self.context,
            event: &self.current.data,
            event_meta: &event_meta,
            instance: &self.instance,
            now: self.now,
            active: &active,
            locals: &self.locals[self.frame..],
            present: self.session.as_deref().map_or(&[], |session| &session.present),
        };
        evaluate(code, &scope, &mut self.cost).map_err(|error| Fault {
            code: if error.limit { FaultCode::Limit } else { FaultCode::Expression },
            message: error.message,
            place: code.place.to_string(),
        })
    }

    pub(crate) fn exhausted(&self, place: &str) -> Fault {
        let message =
            "the turn's actions and expressions cost more than the limit; loop over less".to_owned();
        Fault { code: FaultCode::Limit, message, place: place.to_owned() }
    }
}

fn action_fault(message: String, place: &str) -> Fault {
    Fault { code: FaultCode::Action, message, place: place.to_owned() }
}

/// The event's data as a value.
pub(crate) fn value_of(json: &Json) -> Result<Value, String> {
    if json.is_null() {
        return Ok(Value::Null);
    }
    Value::from_json(json.as_str()).map_err(|error| error.to_string())
}
