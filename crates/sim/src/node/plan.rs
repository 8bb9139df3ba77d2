//! What one seed decides: what clients do, what befalls the node, and how large everything is.
//!
//! It refuses to run anything. Its one invariant: a plan is a function of its seed and of what was left out of it, which
//! is all that a line of a seeds file holds:
//!
//! ```text
//! 42                          the plan of seed 42
//! 42 deeds 3,7 faults 0       the same with only these deeds and faults: a plan that was shrunk
//! retain 42                   the plan of seed 42 on a node that keeps histories and ended instances for seconds only
//! ```
//! What follows a `#` is for people.

use super::cast::{CHILDREN, SUPERVISORS};
use super::puppet::{Mine, Step};
use crate::chance::Chance;
use everstate_kernel::space::Interest;
use everstate_kernel::{Address, Retain, Span};
use everstate_store::{Crash, Torn};
use std::fmt;

/// Everything that happens in a run for a reason outside of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What it is made from.
    pub seed: u64,
    /// What clients and operators do.
    pub(crate) deeds: Vec<(usize, Deed)>,
    /// What befalls the node.
    pub(crate) faults: Vec<(usize, Fault)>,
    pub(crate) sizes: Sizes,
    whole: bool,
}

/// What one client does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deed {
    /// Not before this time, in milliseconds since the beginning, nor before the client's deed before it.
    pub(crate) at: u64,
    pub(crate) client: usize,
    /// How often it is sent before the client gives up; never when none.
    pub(crate) attempts: Option<u32>,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Send { to: String, event: &'static str, data: String },
    Start { to: String },
    Define(usize),
    Stop { of: String, kill: bool },
    Restart { of: String },
    Delete { of: String },
    Letters { retry: bool },
}

/// What befalls a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// When, in milliseconds since the beginning.
    pub(crate) at: u64,
    pub(crate) what: Befalls,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Befalls {
    /// It ends: at once, or within the disk operation after so many. `again`: and once more, after so many operations
    /// of the recovery.
    Crash { crash: Crash, torn: Torn, after: Option<u64>, again: Option<u64>, down_ms: u64 },
    /// There is no space for so long.
    Full { ms: u64 },
    /// The next sync fails.
    SyncFails,
    /// Syncs take so long, for so long.
    Slow { sync_ms: u64, ms: u64 },
    /// The wall clock is set.
    ClockStep { by_ms: i64 },
}

/// How large everything is, and what the network is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) batch_max: usize,
    /// Steps that arise from within in one batch.
    pub(crate) ready_max: usize,
    pub(crate) resident_max: usize,
    pub(crate) refill: usize,
    pub(crate) segment_bytes: u64,
    pub(crate) memory_bytes: usize,
    /// Milliseconds that a message takes at most.
    pub(crate) delay_ms_max: u64,
    /// One message in so many is lost; as many come twice.
    pub(crate) loss: u64,
    /// By how much the clock is too fast, in millionths.
    pub(crate) drift_ppm: i64,
    /// How often the tables are tended, in milliseconds.
    pub(crate) tend_ms: u64,
    /// How long the node keeps what has happened. Not by chance: a plan keeps everything unless it is told otherwise.
    pub(crate) retain: Retain,
}

/// Clients that send whatever comes to their minds; after them comes one for each supervisor.
const CLIENTS: usize = 5;
/// Deeds of them together.
const DEEDS: u64 = 60;
/// How long they are at it, in milliseconds.
const LENGTH: u64 = 12_000;
/// How far apart the failures of the children of one supervisor are: far enough for it to have dealt with the last one.
pub(crate) const FAILURES_APART_MS: u64 = 4_000;

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Plan {
        let mut chance = Chance::new(seed);
        let sizes = sizes(&mut chance);
        let mut deeds: Vec<Deed> = (0..20 + chance.below(DEEDS)).map(|_| deed(&mut chance)).collect();
        deeds.extend(failures(&mut chance));
        deeds.sort_by_key(|deed| deed.at);
        let mut faults: Vec<Fault> = (0..chance.below(9)).map(|_| fault(&mut chance)).collect();
        faults.sort_by_key(|fault| fault.at);
        Plan {
            seed,
            deeds: deeds.into_iter().enumerate().collect(),
            faults: faults.into_iter().enumerate().collect(),
            sizes,
            whole: true,
        }
    }

    /// The same on a node that keeps little: long enough for whoever waits for an answer, and short enough for all of it
    /// to be over within the run.
    pub fn retaining(mut self) -> Plan {
        self.sizes.retain =
            Retain { outcomes: None, history: Some(Span(2_000)), finished: Some(Span(3_000)) };
        self
    }

    /// The plan of a line of a seeds file; none for a line without one.
    pub fn read(line: &str) -> Result<Option<Plan>, String> {
        let text = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        let wrong = |what: &str| format!("{line:?}: {what}; write SEED, or SEED deeds N,N,… faults N,N,…");
        let numbers = |text: &str| -> Result<Vec<usize>, String> {
            let parts = text.split(',').filter(|part| *part != "-");
            parts.map(|part| part.parse().map_err(|_| wrong(&format!("{part:?} is no number")))).collect()
        };
        let seed = |text: &str| text.parse().map_err(|_| wrong(&format!("{text:?} is no seed")));
        match words[..] {
            [] => Ok(None),
            ["retain", ref rest @ ..] if !rest.is_empty() => {
                let plan = Plan::read(&rest.join(" "))?;
                Ok(plan.map(Plan::retaining))
            }
            [number] => Ok(Some(Plan::of(seed(number)?))),
            [number, "deeds", deeds, "faults", faults] => {
                let (deeds, faults) = (numbers(deeds)?, numbers(faults)?);
                let plan = Plan::of(seed(number)?);
                Ok(Some(plan.with(|place| deeds.contains(&place), |place| faults.contains(&place))))
            }
            _ => Err(wrong("it is no plan")),
        }
    }

    /// The same with some deeds and faults left out, by their numbers in the whole plan.
    pub(crate) fn with(&self, deeds: impl Fn(usize) -> bool, faults: impl Fn(usize) -> bool) -> Plan {
        let mut plan = self.clone();
        plan.deeds.retain(|(place, _)| deeds(*place));
        plan.faults.retain(|(place, _)| faults(*place));
        plan.whole &= plan.deeds.len() == self.deeds.len() && plan.faults.len() == self.faults.len();
        plan
    }

    /// Deeds and faults in it.
    pub fn len(&self) -> usize {
        self.deeds.len() + self.faults.len()
    }

    /// Is nothing left in it?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Until when something happens for a reason outside, in milliseconds since the beginning.
    pub(crate) fn length_ms(&self) -> u64 {
        let faults = self.faults.iter().map(|(_, fault)| fault.at);
        self.deeds.iter().map(|(_, deed)| deed.at).chain(faults).max().unwrap_or(0)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sizes.retain != Retain::default() {
            f.write_str("retain ")?;
        }
        write!(f, "{}", self.seed)?;
        if self.whole {
            return Ok(());
        }
        let list = |places: Vec<String>| if places.is_empty() { "-".to_owned() } else { places.join(",") };
        let deeds = self.deeds.iter().map(|(place, _)| place.to_string()).collect();
        let faults = self.faults.iter().map(|(place, _)| place.to_string()).collect();
        write!(f, " deeds {} faults {}", list(deeds), list(faults))
    }
}

fn sizes(chance: &mut Chance) -> Sizes {
    Sizes {
        batch_max: *chance.choose(&[1, 2, 5, 16]),
        ready_max: *chance.choose(&[1, 3, 64]),
        resident_max: *chance.choose(&[0, 1, 4, 1_000]),
        refill: *chance.choose(&[1, 2, 1_000]),
        segment_bytes: *chance.choose(&[4_096, 8_192, 65_536]),
        memory_bytes: *chance.choose(&[8_192, 32_768, 1 << 20]),
        delay_ms_max: *chance.choose(&[2, 10, 60]),
        loss: *chance.choose(&[8, 20, 1_000]),
        drift_ppm: *chance.choose(&[0, 0, 500, -500, 20_000]),
        tend_ms: *chance.choose(&[50, 400, 3_000]),
        retain: Retain::default(),
    }
}

fn fault(chance: &mut Chance) -> Fault {
    let at = chance.below(LENGTH);
    let crash = |chance: &mut Chance| Befalls::Crash {
        crash: *chance.choose(&[Crash::Process, Crash::Power, Crash::Power]),
        torn: *chance.choose(&[Torn::Lost, Torn::Kept, Torn::Cut, Torn::Mixed]),
        after: (!chance.one_in(4)).then(|| chance.below(8)),
        again: chance.one_in(4).then(|| chance.below(6)),
        down_ms: 10 + chance.below(400),
    };
    let what = match chance.below(12) {
        0 => Befalls::Full { ms: 100 + chance.below(900) },
        1 => Befalls::SyncFails,
        2 => Befalls::Slow { sync_ms: 1 + chance.below(40), ms: 200 + chance.below(2_000) },
        3 => Befalls::ClockStep { by_ms: *chance.choose(&[-1_000, -150, 200, 5_000, 3_600_000]) },
        _ => crash(chance),
    };
    Fault { at, what }
}

fn deed(chance: &mut Chance) -> Deed {
    let at = chance.below(LENGTH);
    let client = chance.below(CLIENTS as u64) as usize;
    let attempts = *chance.choose(&[None, None, None, Some(1), Some(3)]);
    let number = |chance: &mut Chance, bound: u64| chance.below(bound).to_string();
    let send = |to: String, event: &'static str, data: String| What::Send { to, event, data };
    let what = match chance.below(40) {
        0..10 => {
            let kind = chance.choose(&["tally", "tally", "tally", "ticker", "gauge"]);
            let to = format!("{kind}/{}", number(chance, 3));
            match chance.below(8) {
                0 => send(to, "close", String::new()),
                1 => send(to, "open", String::new()),
                _ => send(to, "add", format!("{{\"n\":{}}}", 1 + chance.below(9))),
            }
        }
        10..16 => order(chance),
        16..20 => {
            let event = *chance.choose(&["hold", "hold", "renew", "drop"]);
            send(format!("lease/{}", number(chance, 3)), event, String::new())
        }
        20..26 => {
            let to = format!("relay/{}", number(chance, 2));
            let (other, n, ms) = (chance.below(3), 1 + chance.below(9), chance.below(900));
            let event = *chance.choose(&["pass", "pass", "later"]);
            send(to, event, format!("{{\"to\":\"{other}\",\"n\":{n},\"ms\":{ms}}}"))
        }
        26..28 => {
            let by = chance.choose(&["0", "1", "2"]);
            send(format!("mule/{}", number(chance, 2)), "lift", format!("{{\"by\":{by}}}"))
        }
        28..36 => {
            let to = format!("puppet/{}", number(chance, 4));
            send(to, "do", puppet(chance, at))
        }
        36 => What::Define(chance.below(2) as usize),
        37 => {
            let of = format!("puppet/{}", number(chance, 4));
            if chance.one_in(2) { What::Stop { of, kill: chance.one_in(2) } } else { What::Restart { of } }
        }
        38 => What::Delete { of: format!("{}/{}", chance.choose(&["tally", "lease"]), number(chance, 3)) },
        _ => What::Letters { retry: chance.one_in(2) },
    };
    Deed { at, client, attempts, what }
}

fn order(chance: &mut Chance) -> What {
    let to = format!("order/{}", chance.below(3));
    let event = *chance.choose(&["start", "submit", "submit", "approve", "refuse", "ship", "cancel"]);
    match event {
        "start" => What::Start { to },
        "submit" => {
            let amount = chance.choose(&["5", "50", "500"]);
            What::Send { to, event, data: format!("{{\"amount\":{amount}}}") }
        }
        _ => What::Send { to, event, data: String::new() },
    }
}

/// What a puppet shall do. No endpoint's name is used twice: a notice for the old one would be taken for one for the
/// new one, by the puppet and not by the node.
fn puppet(chance: &mut Chance, at: u64) -> String {
    let space = |chance: &mut Chance| (*chance.choose(&["", "hall"])).to_owned();
    let mut steps = Vec::new();
    for place in 0..1 + chance.below(3) {
        let pattern = (*chance.choose(&["x", "y", "x/y", "*", ">", "x/*"])).to_owned();
        steps.push(match chance.below(12) {
            0..6 => Step::Join(Mine {
                space: space(chance),
                name: format!("e{}-{at}-{place}", chance.below(1_000_000)),
                publisher: chance.one_in(2),
                interest: *chance.choose(&[
                    Interest::Participant,
                    Interest::Participant,
                    Interest::Observer,
                    Interest::Everything,
                ]),
                pattern,
            }),
            6..8 => Step::Leave(chance.below(8) as usize),
            8..10 => Step::Publish(space(chance), pattern),
            10 => Step::Fault,
            _ => Step::Done,
        });
    }
    serde_json::to_string(&steps).unwrap_or_default()
}

/// What befalls the children of the supervisors, each by a client of its own that never gives up.
fn failures(chance: &mut Chance) -> Vec<Deed> {
    let mut deeds = Vec::new();
    for (place, (name, ..)) in SUPERVISORS.iter().enumerate() {
        let client = CLIENTS + place;
        let mut at = chance.below(3_000);
        let start = What::Start { to: format!("{name}/1") };
        deeds.push(Deed { at, client, attempts: None, what: start });
        for _ in 0..chance.below(4) {
            at += FAILURES_APART_MS;
            let to = format!("crew/{name}{}", chance.below(CHILDREN as u64));
            let event = *chance.choose(&["break", "break", "finish"]);
            let what = What::Send { to, event, data: String::new() };
            deeds.push(Deed { at, client, attempts: None, what });
        }
    }
    deeds
}

impl Deed {
    /// How often it is sent at most. What has no id that tells a second one from the first is sent once.
    pub(crate) fn attempts(&self) -> Option<u32> {
        match self.what {
            What::Send { .. } | What::Start { .. } | What::Define(_) => self.attempts,
            _ => Some(1),
        }
    }

    /// How long its client rests after it.
    pub(crate) fn rest_ms(&self) -> u64 {
        match &self.what {
            What::Send { event: "break" | "finish", .. } => FAILURES_APART_MS,
            What::Start { to } if !to.starts_with("order/") => FAILURES_APART_MS,
            _ => 0,
        }
    }

    /// Whose event it is, if it is one.
    pub(crate) fn receiver(&self) -> Option<Address> {
        match &self.what {
            What::Send { to, .. } | What::Start { to } => Address::parse(to).ok(),
            _ => None,
        }
    }
}
