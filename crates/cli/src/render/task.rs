//! Open tasks: a table of them, and one in a line.

use crate::document::task_state;
use crate::paint::Paint;
use crate::render::moment::ago;
use crate::table::Table;
use everstate_client::{api, millis};

/// One task a line.
pub(crate) fn tasks(tasks: &[api::Task], now: i64, paint: Paint) -> String {
    let mut table = Table::new(&["task", "of", "queue", "state", "attempts", "last failure"])
        .right(4)
        .colour(0, Paint::bold);
    for task in tasks {
        let failure = task.failure.as_option().map(failed).unwrap_or_default();
        table.row(vec![
            task.name.clone(),
            task.address.clone(),
            task.queue.clone(),
            standing(task, now),
            format!("{} of {}", task.attempts, task.attempts_max),
            failure,
        ]);
    }
    table.render(paint)
}

/// `charge  ready 3 min ago, for a worker of charge-card; attempt 1 of 10 failed: no route`.
pub(super) fn task(task: &api::Task, now: i64) -> String {
    let tried = match task.failure.as_option() {
        Some(failure) => format!("; attempt {} of {}: {}", task.attempts, task.attempts_max, failed(failure)),
        None => String::new(),
    };
    format!("{}  {}, queue {}{tried}", task.name, standing(task, now), task.queue)
}

fn standing(task: &api::Task, now: i64) -> String {
    let since = task.since_time.as_option().map_or(String::new(), |since| ago(millis(since), now));
    match task_state(task) {
        "leased" => format!("with {} since {since}", task.worker),
        "waiting" => format!("again {since}"),
        word => format!("{word} since {since}"),
    }
}

fn failed(failure: &api::TaskFailure) -> String {
    match failure.code.as_str() {
        "" => format!("{}: {}", failure.reason, failure.message),
        code => format!("{code}: {}", failure.message),
    }
}
