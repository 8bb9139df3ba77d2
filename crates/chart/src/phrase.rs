//! Guards, actions and triggers as short phrases for people: what stands beside an arrow.
//!
//! It refuses to know where phrases are shown. Its one invariant: a phrase is one line, and no longer than asked for.

use crate::chart::{Chart, Transition};
use crate::code::{Acting, Action, Code, Delay, Formula, Guard, Part, Template};
use crate::endpoint::Act;
use crate::link::Link;
use crate::model::Descriptor;
use crate::presence::role_word;

/// What fires a transition: its events, its time, or nothing.
pub(crate) fn trigger(chart: &Chart, transition: &Transition) -> String {
    let source = chart.state(transition.source);
    if transition.timed {
        let named = |after: &&crate::chart::After| matches!(transition.descriptors.first(), Some(Descriptor::Exact(name)) if *name == after.name);
        let delay = source.after.iter().find(named).map(|after| crate::duration::format(after.delay));
        return format!("after {}", delay.unwrap_or_default());
    }
    let events: Vec<String> = transition
        .descriptors
        .iter()
        .map(|descriptor| match descriptor {
            Descriptor::Exact(name) if *name == source.done => "done".to_owned(),
            // In SCXML every name is a prefix, and nobody writes so.
            Descriptor::Prefix(name) if chart.rules.is_some() => name.to_string(),
            other => other.text().to_string(),
        })
        .collect();
    events.join(", ")
}

/// A guard in one line.
pub(crate) fn guard(chart: &Chart, guard: &Guard) -> String {
    match guard {
        Guard::Constant(value) => value.to_string(),
        Guard::Code(code) => one_line(code.expression.source()),
        Guard::Not(inner) => format!("!({})", self::guard(chart, inner)),
        Guard::All(parts) => joined(chart, parts, " && "),
        Guard::Any(parts) => joined(chart, parts, " || "),
        Guard::In(state) => format!("in('{}')", chart.state(*state).path),
        Guard::Named(at) => chart.guard_names[usize::from(*at)].to_string(),
    }
}

fn joined(chart: &Chart, parts: &[Guard], between: &str) -> String {
    let parts: Vec<String> = parts.iter().map(|part| guard(chart, part)).collect();
    parts.join(between)
}

/// Actions in one line, divided by semicolons.
pub(crate) fn actions(chart: &Chart, list: &[Action]) -> String {
    let all: Vec<String> =
        list.iter().map(|one| action(chart, one)).filter(|text| !text.is_empty()).collect();
    all.join("; ")
}

fn action(chart: &Chart, action: &Action) -> String {
    match action {
        Action::Assign(fields) => match &fields[..] {
            [(key, value)] => format!("{} := {}", key.as_str().unwrap_or("…"), formula(value)),
            fields => {
                let keys: Vec<&str> = fields.iter().filter_map(|(key, _)| key.as_str()).collect();
                format!("assign {}", keys.join(", "))
            }
        },
        Action::Raise { event, .. } => format!("raise {}", template(event)),
        Action::Send(send) => match &send.to {
            Some(to) => format!("send {} to {}", template(&send.event), template(to)),
            None => format!("send {}{}", template(&send.event), delay(send.delay.as_ref())),
        },
        Action::Cancel(id) | Action::Recall(id) => format!("cancel {}", template(id)),
        Action::Reply(value) => format!("reply {}", formula(value)),
        Action::Log(text) => format!("log {}", template(text)),
        Action::If { guard: condition, .. } => format!("if {} …", guard(chart, condition)),
        Action::Foreach(each) => format!("foreach {} …", one_line(each.over.expression.source())),
        Action::Named(at) => chart.action_names[usize::from(*at)].to_string(),
        Action::Block(block) => actions(chart, block),
        Action::Set(set) => format!("{} := {}", set.location.text, formula(&set.value)),
        Action::Dispatch(send) => {
            let event = send.event.as_ref().map_or_else(|| "…".to_owned(), template);
            let to = send.target.as_ref().map(|to| format!(" to {}", template(to))).unwrap_or_default();
            format!("send {event}{to}{}", delay(send.delay.as_ref()))
        }
        Action::Note(note) => match &note.value {
            Some(value) if note.label.is_empty() => format!("log {}", formula(value)),
            _ => format!("log {}", note.label),
        },
        Action::Each(each) => format!("foreach {} …", formula(&each.over)),
        Action::Act(one) => acting(one),
        Action::Link(one) => linking(&one.link),
        Action::Task(task) => format!("task {}", task.asked.queue),
        Action::Mistake { .. } => String::new(),
    }
}

/// What is done in a space.
pub(crate) fn acting(one: &Acting) -> String {
    match &one.act {
        Act::Join(endpoint) => {
            format!("join {} {}", template(&endpoint.pattern), role_word(endpoint.role))
        }
        Act::Leave(name) => format!("leave {}", template(name)),
        Act::Move(name, pattern) => format!("move {} to {}", template(name), template(pattern)),
        Act::Assert(name, value) => format!("assert {} {}", template(name), formula(value)),
        Act::Publish(topic, _) => format!("publish {}", template(topic)),
        Act::Feedback(topic, _) => format!("feedback {}", template(topic)),
    }
}

fn linking(link: &Link) -> String {
    match link {
        Link::Spawn(spawn) => format!("spawn {}", template(&spawn.source)),
        Link::Stop { child, .. } => format!("stop {}", template(child)),
        Link::Restart { child, .. } => format!("restart {}", template(child)),
        Link::Monitor(address) => format!("monitor {}", template(address)),
        Link::Demonitor(address) => format!("demonitor {}", template(address)),
        Link::GiveUp(reason) => format!("give up: {}", template(reason)),
    }
}

fn delay(delay: Option<&Delay>) -> String {
    match delay {
        Some(Delay::Fixed(span)) => format!(" after {}", crate::duration::format(*span)),
        Some(Delay::Text(text)) => format!(" after {}", template(text)),
        None => String::new(),
    }
}

fn source(code: &Code) -> String {
    one_line(code.expression.source())
}

/// A value in one line.
pub(crate) fn formula(formula: &Formula) -> String {
    match formula {
        Formula::Literal(value) => one_line(&crate::behaviour::json_text(value).unwrap_or_default()),
        Formula::Code(code) => source(code),
        Formula::List(items) => {
            let items: Vec<String> = items.iter().map(self::formula).collect();
            format!("[{}]", items.join(", "))
        }
        Formula::Map(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", key.as_str().unwrap_or("…"), self::formula(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// A text with holes in one line.
pub(crate) fn template(text: &Template) -> String {
    match text {
        Template::Fixed(text) => one_line(text),
        Template::Parts(parts) => {
            let parts = parts.iter().map(|part| match part {
                Part::Text(text) => one_line_keeping_ends(text),
                Part::Code(code) => format!("${{{}}}", source(code)),
            });
            parts.collect()
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn one_line_keeping_ends(text: &str) -> String {
    text.replace(['\n', '\r', '\t'], " ")
}

/// A text of at most so many characters; what was cut off is shown by an ellipsis.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
