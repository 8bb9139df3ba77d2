//! The keys under which go-statemachine keeps what it knows in Redis.
//!
//! | key                          | type   | what                                             |
//! |------------------------------|--------|--------------------------------------------------|
//! | `configs`                    | set    | names of configurations                          |
//! | `configs#NAME`               | set    | versions of a name, as `NAME:VERSION`            |
//! | `configs#NAME:VERSION`       | string | a Configuration                                  |
//! | `fsm:NAME#ID`                | string | a FiniteStateMachine, with its history           |
//! | `fsm:NAME:state#STATE`       | set    | ids of the FSMs in a state                       |
//! | `events:NAME#EVENT`          | string | an Event                                         |
//! | `events:NAME:outcome#EVENT`  | string | an EventOutcome                                  |
//!
//! It refuses to read a value. Its one invariant: a key belongs to one kind alone, since a name has no `:` in it (the
//! original takes what stands before the first `:` for the name).

/// What a key below `fsm:` or `events:` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisKey<'a> {
    /// An FSM, under `NAME#ID`: either may have a `#` in it, so the value must tell them apart.
    Machine(&'a str),
    /// The FSMs of a configuration in a state.
    Listed {
        /// Its name.
        config: &'a str,
        /// The state.
        state: &'a str,
    },
    /// An event.
    Event {
        /// Name of the configuration.
        config: &'a str,
        /// Its id.
        id: &'a str,
    },
    /// What became of an event.
    Outcome {
        /// Name of the configuration.
        config: &'a str,
        /// The event's id.
        id: &'a str,
    },
}

impl RedisKey<'_> {
    /// What a key is for; none when it is not one of go-statemachine's.
    pub fn parse(key: &str) -> Option<RedisKey<'_>> {
        if let Some(rest) = key.strip_prefix("fsm:") {
            return match part(rest, ":state#") {
                Some((config, state)) => Some(RedisKey::Listed { config, state }),
                None => rest.contains('#').then_some(RedisKey::Machine(rest)),
            };
        }
        let rest = key.strip_prefix("events:")?;
        match part(rest, ":outcome#") {
            Some((config, id)) => Some(RedisKey::Outcome { config, id }),
            None => rest.split_once('#').map(|(config, id)| RedisKey::Event { config, id }),
        }
    }

    /// The key of the event that an outcome's key speaks of, and the other way round.
    pub fn event(config: &str, id: &str) -> String {
        format!("events:{config}#{id}")
    }

    /// See [`RedisKey::event`].
    pub fn outcome(config: &str, id: &str) -> String {
        format!("events:{config}:outcome#{id}")
    }
}

/// Splits behind a name, which has no `:` in it.
fn part<'a>(rest: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let (name, behind) = rest.split_once(':')?;
    Some((name, behind.strip_prefix(&mark[1..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_one_thing() {
        let check = |key: &str| format!("{:?}", RedisKey::parse(key));
        assert_eq!(check("fsm:orders#42"), "Some(Machine(\"orders#42\"))");
        assert_eq!(check("fsm:a#b:state#c"), "Some(Listed { config: \"a#b\", state: \"c\" })");
        assert_eq!(check("fsm:orders#x:y#z"), "Some(Machine(\"orders#x:y#z\"))");
        assert_eq!(check("fsm:orders:state#a b"), "Some(Listed { config: \"orders\", state: \"a b\" })");
        assert_eq!(check("events:orders#e#1"), "Some(Event { config: \"orders\", id: \"e#1\" })");
        let outcome = RedisKey::outcome("orders", "e:1");
        assert_eq!(check(&outcome), "Some(Outcome { config: \"orders\", id: \"e:1\" })");
        let event = RedisKey::event("orders", "e:1");
        assert_eq!(check(&event), "Some(Event { config: \"orders\", id: \"e:1\" })");
        for other in ["fsm:orders", "events:orders", "orders", "configs", ""] {
            assert_eq!(RedisKey::parse(other), None, "{other}");
        }
    }
}
