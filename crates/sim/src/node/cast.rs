//! The machines of the workload: charts of several kinds, supervisors, and a puppet that acts in spaces.
//!
//! It refuses to know what happens to them. Its one invariant: every definition of it compiles from the text that the
//! store keeps, as the runtime's do.

use super::puppet::{PUPPET, Puppet};
use super::whole::Whole;
use everstate_kernel::{Create, Definition, DefinitionId, DefinitionRecord, Instance, Policy};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Adds up; while it is closed, what comes waits.
const TALLY: &str = "
create: on-demand
context: {sum: 0, count: 0}
initial: open
states:
  open:
    on:
      add:
        actions:
          - assign: {sum: context.sum + event.n, count: context.count + 1}
          - reply: context.sum
      close: closed
  closed:
    unhandled: defer
    on: {open: open}
";

/// Two guarded ways and one without a guard, in this order; an order in review is forgotten after a while.
const ORDER: &str = "
initial: draft
context: {amount: 0}
states:
  draft:
    on:
      submit:
        - {guard: event.amount >= 100, target: review, actions: {assign: {amount: event.amount}}}
        - {guard: event.amount >= 10, target: accepted, actions: {assign: {amount: event.amount}}}
        - {actions: {reply: \"'too little'\"}}
      cancel: cancelled
  review:
    after: {700ms: draft}
    on: {approve: accepted, refuse: draft, cancel: cancelled}
  accepted:
    on: {ship: shipped}
  shipped: {type: final}
  cancelled: {type: final}
";

/// Held for a time, unless renewed or dropped; warns before.
const LEASE: &str = "
create: on-demand
unhandled: ignore
context: {held: 0, expired: 0, warned: 0}
initial: free
states:
  free: {on: {hold: held}}
  held:
    entry:
      - assign: {held: context.held + 1}
      - send: {event: warn, delay: 300ms, id: warning}
    exit: {cancel: warning}
    after: {800ms: {target: free, actions: {assign: {expired: context.expired + 1}}}}
    on:
      renew: {target: held, reenter: true}
      drop: free
      warn: {actions: {assign: {warned: context.warned + 1}}}
";

/// Sends on: at once and later, to one and to several.
const RELAY: &str = "
create: on-demand
unhandled: ignore
context: {sent: 0}
initial: here
states:
  here:
    on:
      pass:
        actions:
          - assign: {sent: context.sent + 2}
          - send: {to: 'tally/${event.to}', event: add, data: {n: event.n}}
          - send: {to: 'tally/${event.to}', event: add, data: {n: 1}}
          - send: {to: 'relay/${event.to}', event: hear, data: {n: event.n}}
      later:
        actions:
          - send: {to: 'tally/${event.to}', event: add, data: {n: event.n}, delay: '${event.ms}'}
";

/// Faults when told to, and is tried again before the event is given up.
const MULE: &str = "
create: on-demand
retry: {attempts: 3, backoff: 100ms, max: 200ms}
context: {lifted: 0}
initial: here
states:
  here:
    on:
      lift: {actions: {assign: {lifted: context.lifted + 10 / event.by}}}
";

/// A child: breaks or comes to its end when told to.
const CREW: &str = "
park: instance
context: {done: 0}
initial: working
states:
  working:
    on:
      work: {actions: {assign: {done: context.done + 1}}}
      break: {actions: {assign: {done: 1 / 0}}}
      finish: over
  over: {type: final}
";

/// How many children each supervisor has.
pub(crate) const CHILDREN: usize = 3;

/// The supervisors: name, strategy, and how many restarts each bears. The period is longer than any run.
pub(crate) const SUPERVISORS: [(&str, &str, usize); 4] = [
    ("keeper", "one_for_one", 50),
    ("band", "one_for_all", 50),
    ("chain", "rest_for_one", 50),
    ("frail", "one_for_one", 1),
];

fn supervisor(name: &str, strategy: &str, intensity: usize) -> String {
    let children: String = (0..CHILDREN)
        .map(|place| format!("  - {{name: c{place}, kind: crew, id: {name}{place}, restart: permanent}}\n"))
        .collect();
    format!(
        "type: supervisor\nstrategy: {strategy}\nintensity: {intensity}\nperiod: 30d\n\
         backoff: {{initial: 100ms, max: 100ms, jitter: 0}}\nchildren:\n{children}"
    )
}

fn chart(name: &str, version: &str, more: &str, body: &str) -> (DefinitionId, Arc<str>) {
    let text = format!("name: {name}\nversion: {version}\n{more}{body}");
    let id = DefinitionId::new(name, version).expect("a name and a version");
    (id, Arc::from(text))
}

/// Every definition that is put before the run begins.
pub(crate) fn first() -> Vec<(DefinitionId, Arc<str>)> {
    let mut all = vec![
        chart("tally", "v1", "", TALLY),
        chart("ticker", "v1", "durability: process", TALLY),
        chart("gauge", "v1", "durability: none", TALLY),
        chart("order", "v1", "", ORDER),
        chart("lease", "v1", "", LEASE),
        chart("relay", "v1", "", RELAY),
        chart("mule", "v1", "", MULE),
        chart("crew", "v1", "", CREW),
        chart(PUPPET, "v1", "", ""),
    ];
    let supervisors = SUPERVISORS.iter();
    all.extend(supervisors.map(|(name, how, bears)| chart(name, "v1", "", &supervisor(name, how, *bears))));
    all
}

/// Definitions that may be put while the node runs.
pub(crate) fn later() -> Vec<(DefinitionId, Arc<str>)> {
    vec![chart("tally", "v2", "", TALLY), chart("order", "v2", "", ORDER)]
}

/// The definition of a text, as it is or as `altered` has it.
pub(crate) fn compile(
    id: &DefinitionId,
    source: &Arc<str>,
    altered: &str,
) -> Result<Arc<Definition>, String> {
    if &*id.name == PUPPET {
        let policy = Policy { create: Create::OnDemand, ..Policy::default() };
        return Ok(Arc::new(Definition { id: id.clone(), behaviour: Arc::new(Puppet), policy }));
    }
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(definition) = compiled.get(altered) {
        return Ok(definition.clone());
    }
    let (machine, findings) = everstate_chart::machine(&format!("{}.yaml", id.name), altered);
    match machine.filter(|machine| machine.id() == id) {
        Some(machine) => {
            let definition = Arc::new(machine.to_definition());
            compiled.insert(altered.to_owned(), definition.clone());
            Ok(definition)
        }
        None => {
            let problem = findings.first().map_or("no reason given", |finding| &finding.message);
            Err(format!("definition {id} does not compile: {problem}\n{source}"))
        }
    }
}

/// Definitions by their texts, which name them. They never change, and runs by the thousand compile the same few.
static COMPILED: Mutex<BTreeMap<String, Arc<Definition>>> = Mutex::new(BTreeMap::new());

/// The definition of a record.
pub(crate) fn compile_record(record: &DefinitionRecord) -> Result<Arc<Definition>, String> {
    compile(&record.id, &record.source, &record.source)
}

/// What a machine holds, as its behaviour describes it.
pub(crate) fn context(whole: &Whole, row: &Instance) -> Result<serde_json::Value, String> {
    let is_its = |record: &&DefinitionRecord| {
        &*record.id.name == row.address.kind() && record.id.version == row.version
    };
    let record = whole.definitions.iter().find(is_its);
    let definition = compile_record(record.ok_or_else(|| format!("{} has no definition", row.address))?)?;
    let state = definition.behaviour.decode(row.state.as_slice()).map_err(|fault| fault.message)?;
    let described = definition.behaviour.describe(&state);
    serde_json::from_str(described.data.as_str()).map_err(|problem| problem.to_string())
}
