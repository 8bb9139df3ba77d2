//! Histories of instances, played once more: what `everstate history --json` printed, a turn a line.
//!
//! It refuses to guess: a history that is not that of this definition is refused at the first turn that shows it. Its
//! one invariant: every turn leads where the history says that it led.

use everstate_chart::{ChartDefinition, Coverage};
use everstate_client::timestamp;
use everstate_kernel::{Address, Event, EventId, Handled, Json, Sender, State, Time, Turn};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Instances whose histories are played.
pub(crate) struct Replay<'d> {
    definition: &'d ChartDefinition,
    instances: BTreeMap<String, State>,
    coverage: Coverage,
}

impl<'d> Replay<'d> {
    pub(crate) fn new(definition: &'d ChartDefinition) -> Replay<'d> {
        Replay { definition, instances: BTreeMap::new(), coverage: Coverage::default() }
    }

    /// What all of them went through.
    pub(crate) fn into_coverage(self) -> Coverage {
        self.coverage
    }

    /// Plays a line of a history, or says why it cannot be meant.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), String> {
        let turn: Value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
        let text = |value: &Value, what: &str| -> Result<String, String> {
            value
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("{what} is missing; give `everstate history --json`"))
        };
        let name = text(&turn["address"], "\"address\"")?;
        if turn["outcome"]["code"].as_str() != Some("ok") {
            // Nothing was taken, or all of it undone.
            return Ok(());
        }
        let address = Address::parse(&name).map_err(|error| error.to_string())?;
        let stamp = timestamp(&text(&turn["time"], "\"time\"")?).ok_or("\"time\" is no time")?;
        let now =
            Time(stamp.seconds.saturating_mul(1_000).saturating_add(i64::from(stamp.nanos) / 1_000_000));
        let mut world = Turn {
            now,
            seed: 1,
            instance: &address,
            version: &self.definition.id.version,
            incarnation: 1,
            parent: None,
            children: &[],
            effects: Vec::new(),
        };
        let chart = &self.definition.chart;
        let data = |value: &Value| Json::parse(&value.to_string()).map_err(|error| error.to_string());
        let next = if turn["event"].is_null() {
            let started = chart.start_counted(&data(&turn["start_data"])?, &mut world, &mut self.coverage);
            started.map_err(|fault| format!("{name} cannot start: {}", fault.message))?
        } else {
            let state = self.instances.get(&name).ok_or_else(|| {
                format!(
                    "the history of {name} does not begin with its start; give all of it, as --limit allows"
                )
            })?;
            let event = Event {
                id: EventId::parse(&text(&turn["event"]["id"], "the event's id")?)?,
                name: Arc::from(text(&turn["event"]["name"], "the event's name")?),
                data: data(&turn["event"]["data"])?,
                sender: sender(&text(&turn["sender"], "\"sender\"")?)?,
                time: now,
            };
            match chart.handle_counted(state, &event, &mut world, &mut self.coverage) {
                Ok(Handled::Took(next)) => next,
                // Taken all the same: an event that is ignored is `ok`.
                Ok(_) => return Ok(()),
                Err(fault) => return Err(format!("{name} faults at {}: {}", event.name, fault.message)),
            }
        };
        let told = turn["outcome"]["to"].as_array();
        if told
            .is_some_and(|told| !told.iter().map(Value::as_str).eq(next.labels.iter().map(|at| Some(&**at))))
        {
            return Err(format!(
                "turn {} of {name} leads to {}, where the history says {}: it is the history of another definition",
                turn["sequence"],
                next.labels.join(" "),
                turn["outcome"]["to"]
            ));
        }
        self.instances.insert(name, next.state);
        Ok(())
    }
}

fn sender(text: &str) -> Result<Sender, String> {
    Ok(match text {
        "client" => Sender::Client,
        "timer" => Sender::Timer,
        "system" => Sender::System,
        address => Sender::Instance(Address::parse(address).map_err(|error| error.to_string())?),
    })
}
