//! Who has spawned whom, and what a supervisor decided.

use super::moment::second_of;
use super::states;
use crate::commands::tree::Node;
use crate::document::standing;
use crate::paint::Paint;
use crate::table::{Table, visible};
use serde_json::Value as Json;

/// One instance a line, those that it has spawned beneath it.
pub(crate) fn tree(root: &Node, paint: Paint) -> String {
    let mut text = line(root, paint);
    branches(root, "", paint, &mut text);
    text
}

fn branches(node: &Node, before: &str, paint: Paint, text: &mut String) {
    for (index, child) in node.children.iter().enumerate() {
        let last = index + 1 == node.children.len() && !node.cut;
        let (branch, beneath) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        *text += &format!("{before}{branch}{}", line(child, paint));
        branches(child, &format!("{before}{beneath}"), paint, text);
    }
    if node.cut {
        *text += &format!("{before}└─ {}\n", paint.dim("and more; ask for one of them by its address"));
    }
}

fn line(node: &Node, paint: Paint) -> String {
    let name = if node.name.is_empty() { String::new() } else { format!("{}  ", visible(&node.name)) };
    let state = match &node.instance {
        None => paint.dim("not there"),
        Some(one) => {
            let state = paint.good(&visible(&states(&one.states)));
            match standing(one) {
                "active" if node.stopping => format!("{state} (stopping)"),
                "active" => state,
                "final" => format!("{state} (done)"),
                "gave-up" => format!("{state} {}", paint.bad("(gave up)")),
                "paused" => format!("{state} {}", paint.odd("(paused)")),
                "parked" => format!("{state} {}", paint.bad("(parked)")),
                word => format!("{state} ({word})"),
            }
        }
    };
    format!("{name}{}  {state}\n", paint.bold(&visible(&node.address)))
}

/// The children of a supervisor in the order of its plan, and its decisions, oldest first. Takes the context that a
/// supervisor shows.
pub(crate) fn restarts(context: &Json, paint: Paint) -> String {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Json| value.as_u64().unwrap_or_default().to_string();
    let list = |value: &Json| value.as_array().cloned().unwrap_or_default();
    let mut children = Table::new(&["child", "address", "state", "restarts", "faults", "last reason"])
        .right(3)
        .right(4)
        .colour(0, Paint::bold);
    for child in list(&context["children"]) {
        let parked = if child["parked"] == true { " (parked)" } else { "" };
        children.row(vec![
            text(&child["name"]),
            text(&child["address"]),
            format!("{}{parked}", text(&child["state"])),
            number(&child["restarts"]),
            number(&child["faults"]),
            text(&child["reason"]),
        ]);
    }
    let mut shown = children.render(paint);
    let decisions = list(&context["decisions"]);
    if decisions.is_empty() {
        return shown;
    }
    let mut table = Table::new(&["time", "child", "decision"]).colour(1, Paint::bold);
    for decision in decisions {
        let time = second_of(decision["time"].as_f64().unwrap_or_default() as i64);
        table.row(vec![time, text(&decision["child"]), text(&decision["decision"])]);
    }
    shown.push('\n');
    shown += &table.render(paint);
    shown
}
