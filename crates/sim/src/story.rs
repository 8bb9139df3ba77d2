//! A violation as a story: who received what in which state, what it then did, and what that broke.
//!
//! It refuses to find violations. Its one invariant: every sentence is read off what the production kernel did when
//! the trace was played once more.

use crate::play::{Play, Told};
use crate::property::Claim;
use crate::system::System;
use crate::trace::{Happening, Posted, Trace};
use everstate_kernel::{Answer, Outcome};

/// Something that is wrong, with the shortest trace to it that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What happened.
    pub trace: Trace,
    story: String,
}

impl Violation {
    /// Plays a trace and tells it.
    pub(crate) fn told(system: &System, trace: Trace) -> Violation {
        let story = tell(system, &trace).unwrap_or_else(|problem| {
            // Exploration and the node that runs through disagree: a mistake of ours, which must not be hidden.
            format!(
                "{}: {}\nplaying the trace once more went another way: {problem}\n",
                trace.property, trace.what
            )
        });
        Violation { trace, story }
    }

    /// The name of the property that is broken.
    pub fn property(&self) -> &str {
        &self.trace.property
    }

    /// How.
    pub fn what(&self) -> &str {
        &self.trace.what
    }

    /// The whole story.
    pub fn story(&self) -> &str {
        &self.story
    }
}

/// Tells a trace of this system.
pub fn tell(system: &System, trace: &Trace) -> Result<String, String> {
    let mut text = format!("{} is broken: {}\n", trace.property, trace.what);
    match &trace.other {
        None => text += &chapter(system, &trace.steps, trace.circle)?,
        Some(other) => {
            text += "\none order:\n";
            text += &chapter(system, &trace.steps, None)?;
            text += "\nanother order:\n";
            text += &chapter(system, other, None)?;
        }
    }
    Ok(text)
}

fn chapter(system: &System, steps: &[Happening], circle: Option<usize>) -> Result<String, String> {
    let (mut play, starts) = Play::begin(system)?;
    let mut text = String::new();
    let begun: Vec<String> = starts.iter().map(begin_line).collect();
    if !begun.is_empty() {
        text += &format!("     at the beginning: {}\n", begun.join(", "));
    }
    for (place, happening) in steps.iter().enumerate() {
        if circle == Some(place) {
            text += "     from here on, over and over:\n";
        }
        let told = play.step(happening).map_err(|problem| format!("step {}: {problem}", place + 1))?;
        text += &format!("{:>4} {}\n", place + 1, sentence(&told));
    }
    text += "     in the end:";
    for (member, seen) in system.cast.iter().zip(play.seen()) {
        let value = seen.to_json();
        let states = match value["exists"].as_bool() {
            Some(true) => seen.labels().join(" and "),
            _ => "not there".into(),
        };
        text += &format!("\n       {} {states}", member.name);
        if value["context"].as_object().is_some_and(|context| !context.is_empty()) {
            text += &format!(" {}", value["context"]);
        }
    }
    text.push('\n');
    Ok(text)
}

fn begin_line(told: &Told) -> String {
    let Some((address, turn)) = told.step.as_ref().and_then(|step| step.turns.first()) else {
        return String::new();
    };
    let sent = sent_by(told);
    match &turn.outcome {
        Outcome::Ok { to, .. } => format!("{address} in {}{sent}", to.join(" and ")),
        _ => format!("{address}{sent}"),
    }
}

impl Told {
    /// One step in words.
    pub fn sentence(&self) -> String {
        sentence(self)
    }
}

fn sentence(told: &Told) -> String {
    let posted = |posted: &Posted| {
        let data = if posted.data.is_null() { String::new() } else { format!(" {}", posted.data) };
        format!("`{}`{data} from {}", posted.event, posted.from)
    };
    let state = match told.before.is_empty() {
        true => String::new(),
        false => format!(", in {},", told.before.join(" and ")),
    };
    let happened = match &told.happening {
        Happening::Deliver(one) => format!("{}{state} receives {}", one.to, posted(one)),
        Happening::Send { to, event, data, .. } => {
            let data = if data.is_null() { String::new() } else { format!(" {data}") };
            format!("{to}{state} receives `{event}`{data} from outside")
        }
        Happening::Fire { at, timer: Some(timer) } => {
            format!("{at}{state} is woken by its timer {timer}, at {}", told.at)
        }
        Happening::Fire { at, timer: None } => format!("{at}{state} tries again, at {}", told.at),
        Happening::Lose(one) => format!("{} to {} is lost", posted(one), one.to),
        Happening::Duplicate(one) => format!("{} to {} is doubled", posted(one), one.to),
        Happening::Answer { at, task, with, twice } => {
            let more = if *twice { ", and will be told again" } else { "" };
            format!("{at}{state} is told that its task {task} {}{more}", ended(with))
        }
        Happening::Silence { session } => format!("{session} falls silent"),
        Happening::Return { session } => format!("{session} is begun anew by whoever held it"),
        Happening::ClockStep => format!("the clock steps ahead to {}; timers are late", told.at),
    };
    let did = did(told);
    if did.is_empty() { happened } else { format!("{happened}: {}", did.join("; ")) }
}

/// How a task has ended.
fn ended(with: &serde_json::Value) -> String {
    match (with.as_str(), with.get("failed")) {
        (Some("timeout"), _) => "has taken too long".into(),
        (Some(_), _) => "is with a worker that is not heard of any more".into(),
        (None, Some(failed)) => {
            format!(
                "has failed: {}",
                failed["code"].as_str().filter(|code| !code.is_empty()).unwrap_or("no code")
            )
        }
        (None, None) if with["done"].is_null() => "is done".into(),
        (None, None) => format!("is done: {}", with["done"]),
    }
}

/// What came of it.
fn did(told: &Told) -> Vec<String> {
    let Some(step) = &told.step else { return Vec::new() };
    let mut did = Vec::new();
    match &step.answer {
        Some(Answer::Refused(refusal)) => did.push(format!("refused, {refusal}")),
        Some(Answer::Kept { .. }) => did.push("it waits in the mailbox".into()),
        Some(Answer::Decided { duplicate: true, .. }) => {
            did.push("it is known already and changes nothing".into());
        }
        _ => {}
    }
    let silent = matches!(told.happening, Happening::Silence { .. });
    for (address, turn) in step.turns.iter().filter(|_| !silent) {
        did.push(match &turn.outcome {
            Outcome::Ok { from, to, .. } if from.is_empty() => {
                format!("{address} begins in {}", to.join(" and "))
            }
            Outcome::Ok { from, to, .. } if from == to => "stays".to_owned(),
            Outcome::Ok { to, .. } => format!("goes to {}", to.join(" and ")),
            Outcome::Rejected { reason, .. } => format!("rejects it: {reason}"),
            Outcome::Failed { fault, .. } => format!("faults: {}", fault.message),
        });
        did.extend(turn.log.iter().map(|line| format!("says {line:?}")));
    }
    if step.turns.is_empty() && step.answer.is_none() && !step.waiting.is_empty() {
        did.push("it waits in the mailbox".into());
    }
    did.extend(
        step.dead_letters.iter().map(|letter| format!("`{}` becomes a dead letter", letter.event.name)),
    );
    let sent = sent_by(told);
    did.extend((!sent.is_empty()).then(|| sent.trim_start_matches([',', ' ']).to_owned()));
    did
}

fn sent_by(told: &Told) -> String {
    let sent = told.step.iter().flat_map(|step| step.sent.iter());
    let each: Vec<String> = sent.map(|sent| format!("`{}` to {}", sent.event.name, sent.to)).collect();
    if each.is_empty() { String::new() } else { format!(", sends {}", each.join(" and ")) }
}

/// Plays a trace once more and says whether it still breaks its property; the story when it does.
pub fn replay(system: &System, trace: &Trace) -> Result<Option<String>, String> {
    trace.check(system)?;
    let story = tell(system, trace)?;
    Ok(is_broken(system, trace)?.then_some(story))
}

/// Is the property of a trace broken at its end?
pub(crate) fn is_broken(system: &System, trace: &Trace) -> Result<bool, String> {
    let (mut play, starts) = Play::begin(system)?;
    let mut wrong: Vec<_> = starts.into_iter().flat_map(|told| told.wrong).collect();
    let mut met = false;
    let goal = system.properties.iter().find(|property| *property.name == *trace.property);
    let holds = |play: &Play<'_>, condition: &crate::property::Condition| {
        let seen = play.seen();
        condition.holds(&seen.iter().collect::<Vec<_>>())
    };
    for (place, happening) in trace.steps.iter().enumerate() {
        if let Some(Claim::Eventually(goal) | Claim::Until(_, goal)) = goal.map(|property| &property.claim) {
            met |= holds(&play, goal).unwrap_or(true);
        }
        wrong = play.step(happening).map_err(|problem| format!("step {}: {problem}", place + 1))?.wrong;
    }
    Ok(match goal.map(|property| &property.claim) {
        None if trace.property.starts_with("no ") => wrong.iter().any(|(word, _)| *word == trace.property),
        // Compared ends and what cannot be seen from one run: that it plays is all that can be said.
        None | Some(Claim::Reachable(_)) => true,
        Some(Claim::Always(condition)) => !holds(&play, condition).unwrap_or(false),
        Some(Claim::Never(condition)) => holds(&play, condition).unwrap_or(true),
        Some(Claim::Eventually(goal) | Claim::Until(_, goal)) => !met && !holds(&play, goal).unwrap_or(false),
    })
}
