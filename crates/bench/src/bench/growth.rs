//! What more instances cost: for an event, at the opening, in memory, and for a page of a list.
//!
//! It refuses to measure memory in this process, which remembers other benches: a store is opened by a process of
//! its own. Its one invariant: both sizes go through the very same steps.

use super::{Size, median};
use crate::child;
use crate::load::Bound;
use crate::node::{Among, Node};
use crate::report::{Section, per_second, thousands, time};
use crate::scratch::Scratch;
use anyhow::Result;

/// What was found at one size.
struct Grown {
    instances: u64,
    populated_per_second: f64,
    bulk_per_second: f64,
    waiting_per_second: f64,
    opened: child::Opened,
}

pub(crate) fn run(size: &Size) -> Result<Section> {
    let [small, large] = size.growth;
    let (small, large) = (grow(size, small)?, grow(size, large)?);
    let mut section = Section::new("Growth");
    for grown in [&small, &large] {
        let with = format!("{} instances", thousands(grown.instances as f64));
        section.row(
            format!("{with}: made by their first event"),
            per_second(grown.populated_per_second, "instances"),
        );
        section
            .row(format!("{with}: events in bulk, scattered"), per_second(grown.bulk_per_second, "events"));
        section.row(format!("{with}: 64 waiting senders"), per_second(grown.waiting_per_second, "events"));
        section
            .row(format!("{with}: disk"), format!("{} MB", thousands(grown.opened.disk_bytes as f64 / 1e6)));
    }
    let with = format!(
        "{} against {} instances",
        thousands(large.instances as f64),
        thousands(small.instances as f64)
    );
    let cost = small.bulk_per_second / large.bulk_per_second;
    section.row(format!("{with}: an event in bulk"), "").times(cost, "the cost").at_most(cost, 1.3, "1.3");
    let cost = small.waiting_per_second / large.waiting_per_second;
    section.row(format!("{with}: an event waited for"), "").times(cost, "the cost").at_most(cost, 1.3, "1.3");
    let with = format!("{} instances", thousands(large.instances as f64));
    let opened = &large.opened;
    section
        .row(format!("{with}: opening until the first outcome"), time(opened.opening))
        .times(opened.opening / small.opened.opening, "the small store")
        .at_most(opened.opening, 3e9, "3 s");
    section
        .row(
            format!("{with}: memory at rest"),
            format!("{} MB", thousands(opened.resident_bytes as f64 / 1e6)),
        )
        .times(opened.resident_bytes as f64 / small.opened.resident_bytes as f64, "the small store")
        .at_most(opened.resident_bytes as f64, 300e6, "300 MB");
    section
        .row(format!("{with}: first page of those in a state, cold"), time(opened.first_page_cold))
        .times(opened.first_page_cold / small.opened.first_page_cold, "the small store")
        .at_most(opened.first_page_cold, 20e6, "20 ms");
    section
        .row(format!("{with}: first page of those in a state, again"), time(opened.first_page))
        .times(opened.first_page / small.opened.first_page, "the small store")
        .at_most(opened.first_page, 20e6, "20 ms");
    section
        .row(format!("{with}: the same by time, the last turn first"), time(opened.newest_page))
        .times(opened.newest_page / small.opened.newest_page, "the small store")
        .at_most(opened.newest_page, 20e6, "20 ms");
    section
        .row(format!("{with}: how many are in a state"), time(opened.count))
        .times(opened.count / small.opened.count, "the small store")
        .at_most(opened.count, 20e6, "20 ms");
    Ok(section)
}

fn grow(size: &Size, instances: u64) -> Result<Grown> {
    let scratch = Scratch::new("growth")?;
    let node = Node::open(scratch.path())?;
    let populated_per_second = node.populate(instances)?.per_second();
    let among = Among::scattered(instances);
    let (mut bulk, mut waiting) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        bulk.push(node.load(8, 512, among, Bound::time(size.time))?.per_second());
        waiting.push(node.load(64, 1, among, Bound::time(size.time))?.per_second());
    }
    node.stop()?;
    let opened = child::open(scratch.path(), instances)?;
    Ok(Grown {
        instances,
        populated_per_second,
        bulk_per_second: median(bulk),
        waiting_per_second: median(waiting),
        opened,
    })
}
