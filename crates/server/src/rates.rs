//! How much each client may ask for: calls in a second, minute, hour or day.
//!
//! It refuses to know what a call asks: a batch is one call, and how large it may be is another limit. What it counts is
//! in memory, so a restart begins anew.
//!
//! Its one invariant: what a client has used up never counts against another one, unless there are more than
//! [`CLIENTS_MAX`] of them.

use crate::failure::Failure;
use everstate_api::Code;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Clients told apart; further ones share what one of them may ask for. Some 100 bytes each: at twice that, whoever has
/// many addresses could take twice the memory.
const CLIENTS_MAX: usize = 65_536;

/// After so many calls, clients that have all of their rate again are forgotten.
const SWEEP: u64 = 4_096;

/// Calls of a rate: a burst of so many is let through at once.
const CALLS_MAX: u32 = 1_000_000_000;

/// What clients may ask for, as it is set: `100/s`, `100/s+1000000/d`, `100/s,batch=5000/s,ops=none`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RateLimit {
    /// Of a client that is not named; none for no limit.
    default: Vec<Rate>,
    /// Of those that are named.
    named: BTreeMap<String, Vec<Rate>>,
}

/// So many calls in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    calls: NonZeroU32,
    unit: char,
}

impl RateLimit {
    /// See [`RateLimit`].
    pub(crate) fn parse(text: &str) -> Result<RateLimit, String> {
        let mut limit = RateLimit::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, rates) = match part.rsplit_once('=') {
                Some((name, rates)) => (name.trim(), rates),
                None => ("", part),
            };
            let rates = match rates.trim() {
                "none" => Vec::new(),
                rates => rates.split('+').map(Rate::parse).collect::<Result<_, _>>()?,
            };
            if name.is_empty() {
                limit.default = rates;
            } else if limit.named.insert(name.to_owned(), rates).is_some() {
                return Err(format!("{name} is named twice; join its rates with +"));
            }
        }
        Ok(limit)
    }

    /// Is nobody limited?
    pub(crate) fn is_none(&self) -> bool {
        self.default.is_empty() && self.named.values().all(Vec::is_empty)
    }
}

impl Rate {
    fn parse(text: &str) -> Result<Rate, String> {
        let hint = || {
            format!(
                "use rates such as 100/s, 5000/m, 1000000/d, joined with +, NAME=RATE for one client, or none; {text:?} is none of them"
            )
        };
        let (calls, unit) = text.trim().split_once('/').ok_or_else(hint)?;
        let calls: NonZeroU32 = calls.replace('_', "").parse().map_err(|_| hint())?;
        let unit = match unit {
            "s" | "m" | "h" | "d" => unit.chars().next().ok_or_else(hint)?,
            _ => return Err(hint()),
        };
        if calls.get() > CALLS_MAX {
            return Err(hint());
        }
        Ok(Rate { calls, unit })
    }

    fn quota(self) -> Option<Quota> {
        let seconds = match self.unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            _ => 86_400,
        };
        let each = Duration::from_secs(seconds) / self.calls.get();
        Some(Quota::with_period(each)?.allow_burst(self.calls))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.calls, self.unit)
    }
}

/// Who asks, as far as the connection tells.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    /// The beginning of the digest of its certificate, in hexadecimal.
    pub(crate) certificate: Option<String>,
}

impl Peer {
    /// The client that a call counts for: the name of its token, else its certificate, else its address. Whoever has an
    /// address of IPv6 has a network of them, which counts as one.
    pub(crate) fn client(&self, token: Option<&str>) -> String {
        if let Some(token) = token {
            return token.to_owned();
        }
        match (&self.certificate, self.address.to_canonical()) {
            (Some(certificate), _) => format!("certificate:{certificate}"),
            (None, IpAddr::V4(address)) => address.to_string(),
            (None, IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        }
    }
}

type Limiter<C> = RateLimiter<String, HashMapStateStore<String>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// What clients have used up.
pub(crate) struct Rates<C: Clock = DefaultClock> {
    clock: C,
    default: Vec<(Rate, Limiter<C>)>,
    named: BTreeMap<String, Vec<(Rate, Limiter<C>)>>,
    calls: AtomicU64,
    /// Calls that were refused.
    pub(crate) refused: AtomicU64,
}

impl<C: Clock + Clone> Rates<C> {
    pub(crate) fn new(limit: &RateLimit, clock: C) -> Rates<C> {
        let limiters = |rates: &Vec<Rate>| {
            let made = rates.iter().filter_map(|rate| {
                Some((*rate, RateLimiter::new(rate.quota()?, HashMapStateStore::default(), clock.clone())))
            });
            made.collect::<Vec<_>>()
        };
        Rates {
            default: limiters(&limit.default),
            named: limit.named.iter().map(|(name, rates)| (name.clone(), limiters(rates))).collect(),
            calls: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            clock,
        }
    }

    /// Lets a call through, or says how long to wait.
    pub(crate) fn check(&self, client: &str) -> Result<(), Failure> {
        let sweep = self.calls.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1;
        let (limiters, one_client) = match self.named.get(client) {
            Some(limiters) => (limiters, true),
            None => (&self.default, false),
        };
        for (rate, limiter) in limiters {
            if sweep {
                limiter.retain_recent();
            }
            let counted = if !one_client && limiter.len() >= CLIENTS_MAX { "(others)" } else { client };
            if let Err(until) = limiter.check_key(&counted.to_owned()) {
                self.refused.fetch_add(1, Ordering::Relaxed);
                let wait = until.wait_time_from(self.clock.now());
                let problem = format!(
                    "client {client} has used up its rate of {rate} calls; go on in {:.3} s",
                    wait.as_secs_f64()
                );
                return Err(Failure::new(Code::RateLimited, problem).after(wait));
            }
        }
        Ok(())
    }
}

impl<C: Clock> fmt::Debug for Rates<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rates of {} named clients", self.named.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn rates(text: &str) -> (Rates<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Rates::new(&RateLimit::parse(text).expect("a rate"), clock.clone()), clock)
    }

    fn taken(rates: &Rates<FakeRelativeClock>, client: &str, calls: usize) -> usize {
        (0..calls).filter(|_| rates.check(client).is_ok()).count()
    }

    #[test]
    fn a_client_has_its_rate_and_nobody_elses() {
        let (rates, clock) = rates("5/s,batch=100/s,ops=none");
        assert_eq!(taken(&rates, "a", 20), 5);
        assert_eq!(taken(&rates, "b", 20), 5);
        assert_eq!(taken(&rates, "batch", 200), 100);
        assert_eq!(taken(&rates, "ops", 1_000), 1_000);
        let failure = rates.check("a").expect_err("used up");
        assert_eq!(failure.code, Code::RateLimited);
        assert!(
            failure.message.starts_with("client a has used up its rate of 5/s calls"),
            "{}",
            failure.message
        );
        clock.advance(Duration::from_millis(400));
        assert_eq!(taken(&rates, "a", 20), 2);
        clock.advance(Duration::from_secs(60));
        assert_eq!(taken(&rates, "a", 20), 5);
        assert_eq!(rates.refused.load(Ordering::Relaxed), 15 + 15 + 100 + 1 + 18 + 15);
    }

    #[test]
    fn a_quota_of_a_day_outlasts_the_seconds() {
        let (rates, clock) = rates("10/s+25/d");
        let mut taken_in_all = 0;
        for _ in 0..10 {
            taken_in_all += taken(&rates, "a", 10);
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(taken_in_all, 25);
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        assert!(RateLimit::parse("").expect("none").is_none());
        assert!(RateLimit::parse("none,a=none").expect("none").is_none());
        for wrong in ["5", "5/x", "-1/s", "0/s", "x/s", "a=", "a=5/s,a=6/s", "5000000000/s"] {
            assert!(RateLimit::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn who_is_who() {
        let peer = |address: &str, certificate: Option<&str>| Peer {
            address: address.parse().expect("an address"),
            certificate: certificate.map(str::to_owned),
        };
        assert_eq!(peer("192.0.2.7", Some("ab")).client(Some("me")), "me");
        assert_eq!(peer("192.0.2.7", Some("ab")).client(None), "certificate:ab");
        assert_eq!(peer("::ffff:192.0.2.7", None).client(None), "192.0.2.7");
        assert_eq!(peer("2001:db8:1:2:3::4", None).client(None), "2001:db8:1:2::/64");
    }
}
