//! What the node counts, as Prometheus reads it (text format 0.0.4).
//!
//! It refuses to count: numbers are the runtime's. Its one invariant: a name once released keeps its meaning.

use crate::http::Gate;
use everstate_kernel::TaskStanding;
use everstate_runtime::{Handle, Histogram};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// The media type of the text.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How many units of a histogram of times are a second: they are counted in microseconds.
const MICROSECONDS: f64 = 1e-6;

/// All metrics.
pub(crate) fn text(node: &Handle, gate: &Gate) -> String {
    let metrics = node.metrics();
    let mut page = Page(String::with_capacity(16 * 1024));
    page.about("everstate_turns_total", "counter", "Turns by outcome.");
    for (outcome, count) in
        [("ok", &metrics.turns_ok), ("rejected", &metrics.turns_rejected), ("failed", &metrics.turns_failed)]
    {
        page.line("everstate_turns_total", &format!("{{outcome=\"{outcome}\"}}"), read(count));
    }
    page.counter(
        "everstate_duplicates_total",
        "Events answered with an earlier outcome.",
        &metrics.duplicates,
    );
    page.counter("everstate_refused_total", "Calls refused, by rule or for lack of room.", &metrics.refused);
    page.counter("everstate_mailbox_events_total", "Events put into a mailbox.", &metrics.queued);
    page.counter(
        "everstate_expired_total",
        "Instances of which something was let go of because its time was over.",
        &metrics.expired,
    );
    page.counter("everstate_dead_letters_total", "Events that became dead letters.", &metrics.dead_letters);
    page.histogram(
        "everstate_commit_seconds",
        "From the start of a commit until it is durable, its sync included.",
        &metrics.commit_seconds,
        MICROSECONDS,
    );
    page.histogram("everstate_commit_records", "Records in a commit.", &metrics.commit_records, 1.0);
    page.histogram("everstate_batch_inputs", "Inputs in a batch.", &metrics.batch_inputs, 1.0);
    page.histogram(
        "everstate_timer_late_seconds",
        "By how much timers fired after their time.",
        &metrics.timer_late_seconds,
        MICROSECONDS,
    );
    page.gauge(
        "everstate_timers_late",
        "Timers that are due and have not fired.",
        read(&metrics.timers_late),
    );
    page.gauge("everstate_outbox_events", "Events on their way between instances.", read(&metrics.outbox));
    page.gauge("everstate_instances_cached", "Instances in memory.", read(&metrics.instances_cached));
    page.gauge("everstate_queue_inputs", "Inputs waiting for the shard.", node.queue_len() as u64);
    tasks(node, &mut page);
    census(node, &mut page);
    page.gauge("everstate_followers", "Streams of turns that are followed.", node.followers() as u64);
    page.gauge(
        "everstate_up",
        "1 while events are taken in, 0 once the store has failed.",
        node.failure().is_none().into(),
    );
    gated(gate, &mut page);
    page.0
}

/// What is counted before a call reaches a handler.
fn gated(gate: &Gate, page: &mut Page) {
    if let Some(rates) = &gate.rates {
        page.counter(
            "everstate_rate_limited_total",
            "Calls refused because their client had used up its rate.",
            &rates.refused,
        );
    }
    if let Some(certificates) = &gate.certificates {
        page.about("everstate_tls_reloads_total", "counter", "Changed certificates by what became of them.");
        for (outcome, count) in [("taken", &certificates.reloads), ("refused", &certificates.failures)] {
            page.line("everstate_tls_reloads_total", &format!("{{outcome=\"{outcome}\"}}"), read(count));
        }
        page.gauge(
            "everstate_tls_current",
            "1 while the certificates are those of the files, 0 while the files cannot be used.",
            certificates.are_current().into(),
        );
    }
}

/// Kinds and states that are told one by one; more would fill the page.
const STATES_MAX: usize = 2_000;

fn census(node: &Handle, page: &mut Page) {
    page.about("everstate_instances", "gauge", "Instances by kind and atomic state, ended ones included.");
    let mut census = node.reader().census();
    census.truncate(STATES_MAX);
    for (kind, state, count) in census {
        // Kinds are names; states are whatever a definition says.
        let state = state.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        page.line("everstate_instances", &format!("{{kind=\"{kind}\",state=\"{state}\"}}"), count);
    }
}

/// Queues that are told one by one; those of a machine that makes up names would fill the page.
const QUEUES_MAX: usize = 200;

fn tasks(node: &Handle, page: &mut Page) {
    let mut queues = node.task_queues();
    queues.truncate(QUEUES_MAX);
    page.about("everstate_tasks", "gauge", "Open tasks by queue and where they stand.");
    for (queue, depth) in &queues {
        for (state, count) in [("ready", depth.ready), ("leased", depth.leased), ("waiting", depth.waiting)] {
            page.line("everstate_tasks", &format!("{{queue=\"{queue}\",state=\"{state}\"}}"), count);
        }
    }
    page.about(
        "everstate_tasks_oldest_seconds",
        "gauge",
        "How long the oldest ready task of a queue has waited.",
    );
    let (reader, now) = (node.reader(), crate::service::now());
    for (queue, _) in queues.iter().filter(|(_, depth)| depth.ready > 0) {
        let oldest = reader.tasks(Some(queue), Some(TaskStanding::Ready), None, 1).unwrap_or_default();
        if let Some(key) = oldest.first() {
            let seconds = (now - key.since).0 as f64 / 1e3;
            page.line("everstate_tasks_oldest_seconds", &format!("{{queue=\"{queue}\"}}"), seconds);
        }
    }
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

struct Page(String);

impl Page {
    fn about(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn counter(&mut self, name: &str, help: &str, count: &AtomicU64) {
        self.about(name, "counter", help);
        self.line(name, "", read(count));
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.about(name, "gauge", help);
        self.line(name, "", value);
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram, unit: f64) {
        self.about(name, "histogram", help);
        let mut total = 0;
        for (bound, count) in histogram.cumulative() {
            let bound = bound.map_or("+Inf".to_string(), |bound| (bound as f64 * unit).to_string());
            self.line(&format!("{name}_bucket"), &format!("{{le=\"{bound}\"}}"), count);
            total = count;
        }
        self.line(&format!("{name}_sum"), "", histogram.sum() as f64 * unit);
        self.line(&format!("{name}_count"), "", total);
    }
}
