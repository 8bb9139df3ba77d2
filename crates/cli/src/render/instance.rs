//! Instances: one in full, many in a table.

use super::{compact, counted, indented, moment, states, worth_showing};
use crate::document::standing;
use crate::paint::Paint;
use crate::render::moment::{ago, second};
use crate::table::{Table, pairs, visible};
use everstate_client::{api, millis};

/// One instance in full.
pub(crate) fn instance(instance: &api::Instance, now: i64, paint: Paint) -> String {
    let mut state = paint.good(&visible(&states(&instance.states)));
    match standing(instance) {
        "paused" => state += &format!(" {}", paint.odd("(paused)")),
        "parked" => state += &format!(" {}", paint.bad("(parked)")),
        "stopped" => state += " (stopped)",
        "gave-up" => state += &format!(" {}", paint.bad("(gave up)")),
        _ if instance.done => state += " (done)",
        _ => {}
    }
    let mut rows = vec![("state", state), ("version", instance.version.clone())];
    if let Some(output) = worth_showing(instance.output.as_option()) {
        rows.push(("output", indented(output)));
    }
    if let Some(context) = worth_showing(instance.context.as_option()) {
        rows.push(("context", indented(context)));
    }
    if !instance.timers.is_empty() {
        let lines: Vec<_> = instance.timers.iter().map(|one| timer(one, now)).collect();
        rows.push(("timers", visible_lines(&lines)));
    }
    if instance.waiting_events > 0 {
        rows.push(("mailbox", counted(instance.waiting_events.into(), "waiting event")));
    }
    if !instance.status_reason.is_empty() {
        rows.insert(1, ("because", visible(&instance.status_reason)));
    }
    if !instance.parent.is_empty() {
        rows.push(("parent", instance.parent.clone()));
    }
    if !instance.children.is_empty() {
        let lines: Vec<_> =
            instance.children.iter().map(|child| format!("{}  {}", child.name, child.address)).collect();
        rows.push(("children", visible_lines(&lines)));
    }
    rows.push(("turns", instance.turns.to_string()));
    if instance.incarnation > 1 {
        rows.push(("incarnation", instance.incarnation.to_string()));
    }
    rows.push(("created", moment(instance.created_time.as_option(), now)));
    rows.push(("last event", moment(instance.last_event_time.as_option(), now)));
    format!("{}\n{}", paint.bold(&visible(&instance.address)), pairs(&rows, paint))
}

/// `expire fires in 29 min`, or `remind sends wake to orders/7 in 2 h`.
pub(super) fn timer(timer: &api::Timer, now: i64) -> String {
    let due = timer.due_time.as_option().map_or(String::new(), |due| ago(millis(due), now));
    let due = if due.ends_with("ago") { format!("{due} (late)") } else { due };
    match timer.to.as_str() {
        "" => format!("{}  {due}", timer.name),
        to => format!("{}  {due}, to {to}", timer.name),
    }
}

fn visible_lines(lines: &[String]) -> String {
    lines.iter().map(|line| visible(line)).collect::<Vec<_>>().join("\n")
}

/// Many instances.
pub(crate) fn instances(instances: &[api::Instance], now: i64, paint: Paint) -> String {
    let mut table = Table::new(&["address", "version", "state", "turns", "last event", "context"])
        .right(3)
        .colour(0, Paint::bold)
        .colour(2, Paint::good)
        .colour(5, Paint::dim);
    for instance in instances {
        let last = instance.last_event_time.as_option();
        let state = states(&instance.states);
        table.row(vec![
            instance.address.clone(),
            instance.version.clone(),
            if instance.done { format!("{state} (done)") } else { state },
            instance.turns.to_string(),
            last.map_or(String::new(), |time| format!("{} ({})", second(time), ago(millis(time), now))),
            worth_showing(instance.context.as_option()).map_or(String::new(), |value| cut(&compact(value))),
        ]);
    }
    table.render(paint)
}

/// What a table cuts is shown whole by the command for one thing: a context by `get`, events by `definition`.
pub(super) fn cut(text: &str) -> String {
    const SHOWN: usize = 40;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN - 1).chain(['…']).collect()
}
