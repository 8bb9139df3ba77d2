//! `snapshot`: live instances as the beginning of a system that can be explored.

use crate::arguments::Shared;
use crate::document::standing;
use crate::failure::{Exit, Failure};
use crate::meant;
use crate::output::{Output, now};
use clap::Args;
use everstate_client::{api, json as wire_json, millis};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write;

/// Write instances as they are into a system file, to explore what can happen from here
///
/// Nothing is asked of the instances but how they are. The file holds their definitions, states, contexts and timers; what
/// may come from outside, what stands in for others, and what must hold is for you to add, as `everstate explore` takes it.
/// What cannot be taken along (events that wait, children, attempts at tasks) is noted in it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstate snapshot orders/42 > world.yaml
  everstate snapshot orders/42 payments/42 > world.yaml && everstate explore world.yaml")]
pub(crate) struct Snapshot {
    /// The instances, KIND/ID
    #[arg(required = true, value_name = "ADDRESS")]
    addresses: Vec<String>,
}

impl Snapshot {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let mut world = World::default();
        for address in &self.addresses {
            let instance = client.instance(meant::address(address)?).await?;
            let kind = kind_of(&instance.address).to_owned();
            let version = (kind, instance.version.clone());
            if let Entry::Vacant(vacant) = world.definitions.entry(version) {
                let (kind, version) = vacant.key();
                let definition = client.definition(kind, version).await?;
                vacant.insert(definition.source);
            }
            world.member(&instance, now())?;
        }
        output.data(&world.text())?;
        Ok(Exit::Fine)
    }
}

fn kind_of(address: &str) -> &str {
    let local = address.rsplit(':').next().unwrap_or(address);
    local.split('/').next().unwrap_or(local)
}

/// A system file in the making.
#[derive(Debug, Default)]
struct World {
    definitions: BTreeMap<(String, String), String>,
    members: Vec<(String, String)>,
}

impl World {
    fn member(&mut self, instance: &api::Instance, now: i64) -> Result<(), Failure> {
        let address = &instance.address;
        if standing(instance) != "active" {
            let message =
                format!("{address} is {}, and nothing can happen to it from here", standing(instance));
            return Err(Failure::problem("unfit", message).hint("leave it out"));
        }
        let mut text = format!("    is: {}\n    as:\n", quoted(address));
        let _ = writeln!(text, "      version: {}", quoted(&instance.version));
        let _ = writeln!(text, "      states: {}", Json::from(instance.states.clone()));
        if let Some(context) = instance.context.as_option().map(wire_json) {
            let _ = writeln!(text, "      context: {context}");
        }
        let mut timers = String::new();
        for timer in &instance.timers {
            let left = timer.due_time.as_option().map_or(0, |due| millis(due).saturating_sub(now).max(0));
            let to = if timer.to.is_empty() { String::new() } else { format!(", to: {}", quoted(&timer.to)) };
            let (name, event) = (quoted(&timer.name), quoted(&timer.event));
            let _ = writeln!(timers, "        - {{name: {name}, left: {left}ms, event: {event}{to}}}");
        }
        if !timers.is_empty() {
            let _ = write!(text, "      timers:\n{timers}");
        }
        for note in notes(instance) {
            let _ = writeln!(text, "      # {note}");
        }
        let name = self.fresh_name(address);
        self.members.push((name, text));
        Ok(())
    }

    /// A name for expressions, such as `orders_42`.
    fn fresh_name(&self, address: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name: String = address.chars().map(plain).collect();
        let name = if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name };
        let taken = |name: &str| self.members.iter().any(|(other, _)| other == name);
        let mut fresh = name.clone();
        for number in 2.. {
            if !taken(&fresh) {
                break;
            }
            fresh = format!("{name}_{number}");
        }
        fresh
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "# What can happen from here: add `environment`, `tasks`, `replace` and `properties`, then `everstate explore`.\n\
             name: a snapshot\ndefinitions:\n",
        );
        for source in self.definitions.values() {
            text += &definition(source);
        }
        text += "cast:\n";
        for (name, member) in &self.members {
            let _ = write!(text, "  {name}:\n{member}");
        }
        text
    }
}

/// What is not taken along.
fn notes(instance: &api::Instance) -> Vec<String> {
    let mut notes = Vec::new();
    if instance.waiting_events > 0 {
        notes.push(format!(
            "{} events wait in its mailbox; they are not taken along",
            instance.waiting_events
        ));
    }
    if !instance.children.is_empty() {
        let children: Vec<&str> = instance.children.iter().map(|child| child.address.as_str()).collect();
        notes.push(format!("its children are not taken along: {}", children.join(", ")));
    }
    if !instance.tasks.is_empty() {
        notes.push("its tasks are asked for anew; say under `tasks` how they may end".to_owned());
    }
    if instance.timers.iter().any(|timer| !timer.name.starts_with("after.")) {
        notes.push("data of timers is not known here; add `data` where it matters".to_owned());
    }
    notes
}

/// A definition as an item of `definitions`, readable where it can be.
fn definition(source: &str) -> String {
    let readable = |c: char| c == '\n' || !c.is_control();
    if source.is_empty() || source.starts_with('\u{feff}') || !source.chars().all(readable) {
        return format!("  - {{text: {}}}\n", quoted(source));
    }
    let mut text = String::from("  - text: |2\n");
    for line in source.lines() {
        text += if line.is_empty() { "" } else { "      " };
        text += line;
        text.push('\n');
    }
    text
}

fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_a_system_that_can_be_read() {
        let source = "# orders\nname: orders\ncontext: {total: 0, note: null}\ninitial: open\nstates:\n  open:\n    after: {30m: late}\n    on: {pay: paid}\n\n  late: {on: {pay: paid}}\n  paid: {type: final}\n";
        let mut world = World::default();
        world.definitions.insert(("orders".into(), "v1".into()), source.to_owned());
        let timer = api::Timer {
            name: "after.30m.open".into(),
            event: "after.30m.open".into(),
            ..Default::default()
        };
        let instance = api::Instance {
            address: "orders/4-2".into(),
            version: "v1".into(),
            states: vec!["open".into()],
            timers: vec![timer],
            status: api::instance::Status::STATUS_ACTIVE.into(),
            waiting_events: 2,
            ..Default::default()
        };
        world.member(&instance, 0).unwrap();
        let text = world.text() + "properties: [{reachable: in('orders_4_2.late')}]\n";
        let system =
            everstate_sim::System::parse(&text).unwrap_or_else(|problem| panic!("{problem}\n{text}"));
        let report = everstate_sim::explore(&system);
        assert_eq!((report.assert().worlds, report.ends), (2, 1));
        assert!(text.contains("# 2 events wait in its mailbox"), "{text}");
        let ended = api::Instance { status: api::instance::Status::STATUS_FINAL.into(), ..instance };
        assert!(world.member(&ended, 0).is_err());
    }
}
