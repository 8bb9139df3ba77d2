//! What must hold of a system: expressions over the instances of its cast, and what is seen of an instance.
//!
//! It refuses to know orders and searches. Its one invariant: an expression names only what exists in the system; the
//! rest is an error of the system file with its place.
//!
//! An expression is CEL. Each member of the cast is a variable by its name:
//!
//! | written | is |
//! |---|---|
//! | `in('order.paid')` | whether the member `order` is in the state `paid`, or one below it |
//! | `order.context.amount` | a key of its context |
//! | `order.exists`, `order.ended` | whether it was started; whether it has reached its end |
//! | `order.output` | what it ended with |
//! | `order.states` | its active states as a list of paths, ancestors included |
//! | `order.waiting` | how many events wait in its mailbox |

use everstate_chart::expression::{
    Cost, EventMeta, Expression, ExpressionError, InstanceMeta, Names, Scope, Type,
};
use everstate_chart::value::{Key, Map, Value};
use everstate_kernel::{Address, Description, Instance, Labels, Status, Time};
use std::ops::Range;
use std::sync::Arc;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Property {
    /// What it is called in reports.
    pub name: Arc<str>,
    /// What must hold.
    pub claim: Claim,
}

/// What must hold of the runs of a system.
#[derive(Debug, Clone)]
pub enum Claim {
    /// In every world.
    Always(Condition),
    /// In no world.
    Never(Condition),
    /// In some world of every fair run.
    Eventually(Condition),
    /// In at least one world of all runs.
    Reachable(Condition),
    /// The first in every world until the second, and the second in some world of every fair run.
    Until(Condition, Condition),
}

/// An expression over the cast.
#[derive(Debug, Clone)]
pub struct Condition {
    expression: Arc<Expression>,
    /// The members that it names, by their places in the cast.
    pub(crate) members: Vec<usize>,
    names: Arc<[Arc<str>]>,
}

/// What an expression may name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vocabulary {
    /// Members in the order of the cast.
    pub(crate) members: Vec<Known>,
    /// Is there one member, of which all is said without a name?
    alone: bool,
}

/// What that member has, apart from its context.
const ALONE: [&str; 4] = ["ended", "output", "states", "waiting"];

impl Vocabulary {
    pub(crate) fn of(members: Vec<Known>) -> Vocabulary {
        Vocabulary { members, alone: false }
    }

    /// That of a definition: `in('paid')`, `context.amount`, `ended`.
    pub(crate) fn alone(context: Type, states: Vec<Arc<str>>) -> Vocabulary {
        Vocabulary { members: vec![(Arc::from(""), context, Some(states))], alone: true }
    }
}

/// A member: its name, the type of its context, and its states when they are known.
pub(crate) type Known = (Arc<str>, Type, Option<Vec<Arc<str>>>);

/// A member is not what an expression asks for, found when it was evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unevaluated(pub(crate) String);

/// What is seen of an instance.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    value: Value,
    labels: Labels,
}

/// Cost of one evaluation: a million steps are a second, and no property needs a thousandth of them.
const COST_MAX: u64 = 1_000_000;

impl Claim {
    /// All its conditions.
    pub(crate) fn conditions(&self) -> Vec<&Condition> {
        match self {
            Claim::Always(one) | Claim::Never(one) | Claim::Eventually(one) | Claim::Reachable(one) => {
                vec![one]
            }
            Claim::Until(hold, goal) => vec![hold, goal],
        }
    }

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Claim::Always(_) => "always",
            Claim::Never(_) => "never",
            Claim::Eventually(_) => "eventually",
            Claim::Reachable(_) => "reachable",
            Claim::Until(..) => "until",
        }
    }
}

impl Condition {
    /// Compiles an expression, or says all that is wrong with it, with places in its text.
    pub(crate) fn compile(source: &str, known: &Vocabulary) -> Result<Condition, Vec<ExpressionError>> {
        let mut names = Names::new().context(None).event(None);
        // A property is about all instances: what an expression of a chart knows of its own is hidden.
        names.declare("instance", Type::object::<&str>([], false));
        names.declare("now", Type::object::<&str>([], false));
        for (name, context, _) in &known.members {
            match known.alone {
                false => _ = names.declare(name, member_type(context)),
                true => {
                    names.declare("context", context.clone());
                    let kinds = [Type::Bool, Type::Dyn, Type::list(Type::String), Type::Int];
                    ALONE.iter().zip(kinds).for_each(|(name, kind)| _ = names.declare(name, kind));
                }
            }
        }
        let expression = Expression::compile(source, &names)?;
        let mut errors = Vec::new();
        for (asked, span) in expression.states_asked() {
            errors.extend(state_error(asked, span, known));
        }
        errors.extend(expression.presence_asked().map(|(_, span)| ExpressionError {
            span,
            message: "nobody is told of presence here".to_owned(),
            hint: Some("ask what a member knows: let its chart keep it in its context".to_owned()),
        }));
        if !errors.is_empty() {
            return Err(errors);
        }
        let members = known.members.iter().enumerate();
        let members = members.filter(|(_, (name, ..))| known.alone || mentions(source, name));
        let members = members.map(|(place, _)| place).collect();
        let names = known.members.iter().map(|(name, ..)| name.clone()).collect();
        Ok(Condition { expression: Arc::new(expression), members, names })
    }

    /// States that are asked for by `in('member.state')`, as places in the cast and paths.
    pub(crate) fn states(&self) -> Vec<(usize, Arc<str>)> {
        let names = || self.names.iter().map(|name| &**name);
        let asked = self.expression.states_asked().filter_map(|(asked, _)| split(asked, names()));
        asked.map(|(member, state)| (member, Arc::from(state))).collect()
    }

    /// Members of which more is asked than whether they are in a state.
    pub(crate) fn members_in_full(&self) -> Vec<usize> {
        let mut rest = self.source().to_owned();
        for (_, span) in self.expression.states_asked() {
            if rest.is_char_boundary(span.start) && rest.is_char_boundary(span.end) {
                rest.replace_range(span.clone(), &" ".repeat(span.len()));
            }
        }
        let in_full = |member: &usize| match &*self.names[*member] {
            "" => ALONE.iter().chain(&["context"]).any(|name| mentions(&rest, name)),
            name => mentions(&rest, name),
        };
        self.members.iter().copied().filter(in_full).collect()
    }

    /// The expression as it was written.
    pub fn source(&self) -> &str {
        self.expression.source()
    }

    /// Is it one that gives true or false?
    pub(crate) fn may_be_bool(&self) -> bool {
        matches!(self.expression.kind(), Type::Bool | Type::Dyn)
    }

    /// Does it hold? `seen` are all members in the order of the cast.
    pub(crate) fn holds(&self, seen: &[&Seen]) -> Result<bool, Unevaluated> {
        match self.value(seen)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(Unevaluated(format!("it is {} and not true or false", other.type_name()))),
        }
    }

    /// Its value.
    pub(crate) fn value(&self, seen: &[&Seen]) -> Result<Value, Unevaluated> {
        let hidden = Value::from(Map::new());
        let mut locals = vec![hidden.clone(), hidden];
        match (&*self.names, seen) {
            ([name], [alone]) if name.is_empty() => {
                let of = |name: &&str| alone.value.field(name).cloned().unwrap_or_default();
                locals.extend(["context"].iter().chain(&ALONE).map(of));
            }
            _ => locals.extend(seen.iter().map(|seen| seen.value.clone())),
        }
        let active = |asked: &str| {
            let Some((member, state)) = split(asked, self.names.iter().map(|name| &**name)) else {
                return false;
            };
            seen[member].labels.iter().any(|label| is_within(label, state))
        };
        let address = Address::new("system", "all").expect("a kind and an id");
        let name = Arc::from("");
        let scope = Scope {
            context: &Value::Null,
            event: &Value::Null,
            event_meta: &EventMeta { name: &name, id: "", sender: None, time: Time(0), more: &Value::Null },
            instance: &InstanceMeta { address: &address, version: "", incarnation: 0 },
            now: Time(0),
            active: &active,
            locals: &locals,
            present: &[],
        };
        let evaluated = self.expression.evaluate(&scope, &mut Cost::new(COST_MAX));
        evaluated.map_err(|error| Unevaluated(error.message))
    }
}

fn member_type(context: &Type) -> Type {
    Type::object(
        [
            ("context", context.clone()),
            ("ended", Type::Bool),
            ("exists", Type::Bool),
            ("output", Type::Dyn),
            ("states", Type::list(Type::String)),
            ("waiting", Type::Int),
        ],
        false,
    )
}

/// The member and the state that `in('member.state')` means.
fn split<'a>(asked: &'a str, mut members: impl Iterator<Item = &'a str>) -> Option<(usize, &'a str)> {
    let first = members.next()?;
    if first.is_empty() {
        return Some((0, asked));
    }
    let (member, state) = asked.split_once('.')?;
    let place = std::iter::once(first).chain(members).position(|name| name == member)?;
    Some((place, state))
}

/// Is a state of that path active when the leaf is?
fn is_within(leaf: &str, state: &str) -> bool {
    leaf.strip_prefix(state).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn state_error(asked: &str, span: Range<usize>, known: &Vocabulary) -> Option<ExpressionError> {
    let error = |message: String, hint: String| {
        Some(ExpressionError { span: span.clone(), message, hint: Some(hint) })
    };
    let names = || known.members.iter().map(|(name, ..)| &**name);
    let Some((member, state)) = split(asked, names()) else {
        let all = names().collect::<Vec<_>>().join(", ");
        return error(
            format!("no member of the cast is meant by {asked:?}"),
            format!("write in('MEMBER.STATE'), with a member of the cast: {all}"),
        );
    };
    let (name, _, states) = &known.members[member];
    let states = states.as_ref()?;
    if states.iter().any(|known| **known == *state) {
        return None;
    }
    let near = states.iter().min_by_key(|known| strsim::osa_distance(known, state));
    let (dot, whose) = if name.is_empty() { ("", "the machine") } else { (".", &**name) };
    let near = near.map_or(String::new(), |near| format!("did you mean in('{name}{dot}{near}')?"));
    error(format!("{whose} has no state {state:?}"), near)
}

/// Does the text name the member? Also when it stands in a text: too many members do no harm.
fn mentions(source: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    source.match_indices(name).any(|(at, _)| {
        let before = source[..at].chars().next_back().is_some_and(part);
        let after = source[at + name.len()..].chars().next().is_some_and(part);
        !before && !after
    })
}

impl Seen {
    /// What is seen where nobody is.
    pub(crate) fn nobody() -> Seen {
        Seen::made(false, &Status::Active, 0, Labels::default(), Value::Null)
    }

    pub(crate) fn of(row: &Instance, waiting: usize, described: Option<Description>) -> Seen {
        let data = described.as_ref().map(|described| described.data.as_str());
        let context = data.and_then(|data| Value::from_json(data).ok()).unwrap_or_default();
        Seen::made(true, &row.status, waiting, row.labels.clone(), context)
    }

    fn made(exists: bool, status: &Status, waiting: usize, labels: Labels, context: Value) -> Seen {
        let mut states: Vec<&str> = Vec::new();
        for label in labels.iter() {
            let ends = label.match_indices('.').map(|(at, _)| at).chain([label.len()]);
            for path in ends.map(|end| &label[..end]) {
                if !states.contains(&path) {
                    states.push(path);
                }
            }
        }
        let output = match status {
            Status::Final(output) => Value::from_json(output.as_str()).unwrap_or_default(),
            _ => Value::Null,
        };
        let value = Map::from_entries(vec![
            (Key::String(Arc::from("context")), context),
            (Key::String(Arc::from("ended")), Value::Bool(status.is_ended())),
            (Key::String(Arc::from("exists")), Value::Bool(exists)),
            (Key::String(Arc::from("output")), output),
            (Key::String(Arc::from("states")), Value::list(states.into_iter().map(Value::from).collect())),
            (Key::String(Arc::from("waiting")), Value::Int(waiting as i64)),
        ]);
        Seen { value: Value::from(value), labels }
    }

    /// Its active states.
    pub(crate) fn labels(&self) -> Vec<&str> {
        self.labels.iter().map(|label| &**label).collect()
    }

    /// Is it in that state?
    pub(crate) fn is_in(&self, state: &str) -> bool {
        self.labels.iter().any(|label| is_within(label, state))
    }

    /// All of it as JSON.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let text = self.value.to_json().unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Equal for what expressions cannot tell apart.
    pub(crate) fn key(&self, address: &Address) -> Vec<u8> {
        let mut key = address.as_str().as_bytes().to_vec();
        key.push(0);
        self.value.encode(&mut key);
        for label in self.labels.iter() {
            key.extend(label.as_bytes());
            key.push(0);
        }
        key
    }
}
