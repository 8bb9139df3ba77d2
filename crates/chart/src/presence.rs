//! Who is present, as an instance has been told through the endpoints that it holds: what `present(…)` asks.
//!
//! It refuses to know who else is there. Its one invariant: the table is what the events of spaces have told, less
//! what absences and one's own leaving have taken back, sorted, so that equal knowledge is equal bytes.

use crate::chart::Chart;
use crate::run::Run;
use crate::value::Value;
use everstate_kernel::space::{Interest, Pattern, Role};
use everstate_kernel::{Address, Event, Fault, FaultCode, Sender};
use std::sync::Arc;

/// Counterparts that one instance remembers. They lie in its state, which every turn rewrites; half would be a small
/// team, and whoever must know ten thousand asks the space.
pub const PRESENT_MAX: usize = 1_000;

/// A counterpart, as an endpoint of the instance has been told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Presence {
    /// The path of the space.
    pub space: Arc<str>,
    /// The endpoint's machine.
    pub address: Address,
    /// What that machine calls it.
    pub endpoint: Arc<str>,
    /// What the instance calls its own endpoint that was told.
    pub ours: Arc<str>,
    /// The intersection of the two patterns.
    pub pattern: Pattern,
    /// The counterpart's role.
    pub role: Role,
    /// Its interest.
    pub interest: Interest,
    /// What it asserts.
    pub value: Value,
}

impl Presence {
    pub(crate) fn key(&self) -> (&str, &str, &str, &str) {
        (&self.space, self.address.as_str(), &self.endpoint, &self.ours)
    }

    /// Is it the same endpoint of the same machine, as another of the instance's endpoints was told?
    pub(crate) fn is_of_the_same(&self, other: &Presence) -> bool {
        self.space == other.space && self.address == other.address && self.endpoint == other.endpoint
    }

    /// What the event of a space tells.
    fn of(data: &Value, ours: &str) -> Option<Presence> {
        let text = |name: &str| data.field(name)?.as_str();
        Some(Presence {
            space: Arc::from(text("space")?),
            address: Address::parse(text("address")?).ok()?,
            endpoint: Arc::from(text("endpoint")?),
            ours: Arc::from(ours),
            pattern: Pattern::parse(text("pattern")?).ok()?,
            role: role(text("role")?)?,
            interest: interest(text("interest")?)?,
            value: data.field("value").cloned().unwrap_or_default(),
        })
    }
}

/// The role of that name.
pub(crate) fn role(word: &str) -> Option<Role> {
    [Role::Publisher, Role::Subscriber].into_iter().find(|role| role_word(*role) == word)
}

pub(crate) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Publisher => "publisher",
        Role::Subscriber => "subscriber",
    }
}

/// The interest of that name.
pub(crate) fn interest(word: &str) -> Option<Interest> {
    let all = [Interest::Participant, Interest::Observer, Interest::Everything];
    all.into_iter().find(|interest| interest_word(*interest) == word)
}

pub(crate) fn interest_word(interest: Interest) -> &'static str {
    match interest {
        Interest::Participant => "participant",
        Interest::Observer => "observer",
        Interest::Everything => "everything",
    }
}

/// What the expressions of a chart ask of presence; nothing else is remembered.
#[derive(Debug, Clone, Default)]
pub(crate) enum Asked {
    #[default]
    Nothing,
    /// These patterns.
    Patterns(Box<[Pattern]>),
    /// Patterns that are computed.
    Anything,
}

impl Asked {
    /// Together with one more; none is computed.
    pub(crate) fn and(self, pattern: Option<&Pattern>) -> Asked {
        match (self, pattern) {
            (Asked::Anything, _) | (_, None) => Asked::Anything,
            (Asked::Nothing, Some(pattern)) => Asked::Patterns(Box::from([pattern.clone()])),
            (Asked::Patterns(all), Some(pattern)) if all.contains(pattern) => Asked::Patterns(all),
            (Asked::Patterns(all), Some(pattern)) => {
                Asked::Patterns(all.into_iter().chain([pattern.clone()]).collect())
            }
        }
    }

    fn wants(&self, told: &Pattern) -> bool {
        match self {
            Asked::Nothing => false,
            Asked::Patterns(all) => all.iter().any(|asked| asked.intersects(told)),
            Asked::Anything => true,
        }
    }
}

impl Run<'_> {
    /// What the current event tells of presence, before any state takes it. Says whether anything is other than before.
    pub(crate) fn hear_of_presence(&mut self, event: &Event) -> Result<bool, Fault> {
        let chart: &Chart = self.chart;
        if matches!(chart.asked, Asked::Nothing) || !matches!(event.sender, Sender::System) {
            return Ok(false);
        }
        let Some(about) = event.name.strip_prefix("space.") else { return Ok(false) };
        let Some((word @ ("presence" | "changed" | "absence" | "ended"), ours)) = about.split_once('.')
        else {
            return Ok(false);
        };
        let told = crate::content::value_of(&event.data);
        let told = told.map_err(|message| fault(FaultCode::Action, message))?;
        if word == "ended" {
            let space = told.field("space").and_then(Value::as_str).unwrap_or_default();
            let Some(session) = &self.session else { return Ok(false) };
            let gone = |one: &Presence| *one.space == *space && *one.ours == *ours;
            let any = session.present.iter().any(gone);
            if any {
                self.session_mut().present.retain(|one| !gone(one));
            }
            return Ok(any);
        }
        let Some(presence) = Presence::of(&told, ours) else {
            return Err(fault(FaultCode::Action, format!("{} does not say who", event.name)));
        };
        // Whoever has moved out of what is asked for is as absent as who has left.
        let here = word != "absence" && chart.asked.wants(&presence.pattern);
        let present = self.session.as_deref().map_or(&[][..], |session| &session.present);
        let found = present.binary_search_by(|one| one.key().cmp(&presence.key()));
        match (here, found) {
            (false, Ok(at)) => _ = self.session_mut().present.remove(at),
            (false, Err(_)) => return Ok(false),
            (_, Ok(at)) if present[at] == presence => return Ok(false),
            (_, Ok(at)) => self.session_mut().present[at] = presence,
            (_, Err(_)) if present.len() >= PRESENT_MAX => {
                let message = format!(
                    "the instance is told of more than {PRESENT_MAX} counterparts that it asks for; join with narrower patterns"
                );
                return Err(fault(FaultCode::Limit, message));
            }
            (_, Err(at)) => self.session_mut().present.insert(at, presence),
        }
        Ok(true)
    }
}

fn fault(code: FaultCode, message: String) -> Fault {
    Fault { code, message, place: "present".to_owned() }
}
