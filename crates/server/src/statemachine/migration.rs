//! What go-statemachine keeps in Redis, brought into a data folder that no server owns.
//!
//! It refuses to know Redis: keys and values are handed to it. And it refuses to make records of turns: the kernel does,
//! told to start each FSM where its history begins and to take the events of the history one by one, so that what is
//! imported is what would have come about here.
//!
//! Its one invariant: an FSM is there with all of its history or not at all, and a second run changes nothing that the
//! first one wrote.

mod keys;
mod machines;
mod outcomes;
mod report;

pub use keys::RedisKey;
pub use outcomes::RedisOutcome;
pub use report::{MIGRATION_REASONS, MigrationProblem, MigrationReport, Tally};

use super::{configurations, names, text};
use crate::catalogue;
use crate::service;
use buffa::view::MessageView;
use everstate_api::v1beta::__buffa::view::ConfigurationView;
use everstate_api::v1beta::Configuration;
use everstate_kernel::{
    Answer, DefinitionId, Durability, Input, Node, Out, Record, Refusal, Release, Ticket, Time,
};
use everstate_store::{Embedded, Options, Reader, Store, StoreError};
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher;
use std::path::Path;
use std::sync::Arc;

/// A migration under way. Call [`Migration::configurations`] first, then [`Migration::machines`] for all of them, then
/// the rest in any order.
pub struct Migration {
    node: Node,
    /// None for a dry run into a folder that is not there.
    store: Option<(Embedded, Arc<dyn Reader>)>,
    dry_run: bool,
    now: Time,
    /// By the id that FSMs have in Redis, `name:version`.
    known: HashMap<String, Arc<Known>>,
    hasher: RandomState,
    /// Hashes of the ids of all events in histories. Two that collide, once in ten thousand migrations of a million
    /// events each, only make one history be kept as told.
    ids: HashSet<u64>,
    /// Of those, the ones whose FSM is told as told, so that no turn has their outcome.
    told: HashSet<u64>,
    /// Hashes of the names of all FSMs, and the number of the state that each is in.
    places: HashMap<u64, u32>,
    states: HashMap<String, u32>,
    /// Hashes of the keys of outcomes and events, which Redis may tell twice.
    seen: HashSet<u64>,
    report: MigrationReport,
    problems: Vec<MigrationProblem>,
}

/// A configuration that FSMs may have.
struct Known {
    id: DefinitionId,
    configuration: Configuration,
    /// Where an event leads from a state.
    ways: HashMap<String, HashMap<String, String>>,
}

/// What lies under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisValue {
    /// A set.
    Set(Vec<Vec<u8>>),
    /// A string.
    Text(Vec<u8>),
    /// A type that go-statemachine does not use.
    Other(String),
}

/// Why a migration cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What never happens.
    #[error("{0}; this is a defect of Everstate")]
    Defect(String),
}

/// Nobody waits for an answer: the one of the last step is looked at.
const TICKET: Ticket = Ticket(0);

impl Migration {
    /// Into that data folder. A dry run writes nothing, and makes no folder.
    pub fn open(folder: &Path, dry_run: bool) -> Result<Migration, MigrationError> {
        let mut node = Node::new(uuid::Uuid::now_v7().as_u128() as u64);
        let is_empty = !folder.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        let store = match dry_run && is_empty {
            true => None,
            false => {
                let (store, _) = everstate_store::open(folder, &Options::default())?;
                let reader = store.reader();
                Some((store, reader))
            }
        };
        if let Some((_, reader)) = &store {
            let summary = reader.summary()?;
            node.restore(summary.last_position, reader.outbox(None, usize::MAX)?);
            for record in reader.definitions()? {
                let file = format!("{}.yaml", record.id.name);
                // One that a program brings along cannot be read here, and no FSM is of it.
                if let Some((definition, _)) = catalogue::read(&file, &record.source).definition {
                    node.restore_definition(definition, record.source);
                }
            }
        }
        Ok(Migration {
            node,
            store,
            dry_run,
            now: service::now(),
            known: HashMap::new(),
            hasher: RandomState::new(),
            ids: HashSet::new(),
            told: HashSet::new(),
            places: HashMap::new(),
            states: HashMap::new(),
            seen: HashSet::new(),
            report: MigrationReport { dry_run, ..MigrationReport::default() },
            problems: Vec::new(),
        })
    }

    /// Everything under `configs` and `configs#…`, at once.
    pub fn configurations(&mut self, found: Vec<(Vec<u8>, RedisValue)>) -> Result<(), MigrationError> {
        let (mut named, mut listed, mut texts) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        for (key, value) in found {
            let Some(key) = self.text_of(&key) else { continue };
            let id = key.strip_prefix("configs#");
            match (id, value) {
                (None, RedisValue::Set(names)) => {
                    named.extend(names.iter().filter_map(|name| self.text_of(name)))
                }
                (Some(_), RedisValue::Set(ids)) => {
                    listed.extend(ids.iter().filter_map(|id| self.text_of(id)))
                }
                (Some(id), RedisValue::Text(value)) => {
                    texts.insert(id.to_owned(), value);
                }
                (None, RedisValue::Text(_)) => {
                    self.problem(&key, "wrong-type", "it is a string, not a set", false)
                }
                (_, RedisValue::Other(kind)) => {
                    self.problem(&key, "wrong-type", format!("it is a {kind}, not a set or a string"), false);
                }
            }
        }
        for name in named.iter().filter(|name| !listed.iter().any(|id| name_of(id) == name.as_str())) {
            let problem = format!("configs names {name:?}, which has no versions");
            self.problem(&format!("configs#{name}"), "configuration-missing", problem, false);
        }
        for id in listed.iter().filter(|id| !texts.contains_key(*id)) {
            let problem = format!("configs#{} names it, but it is not there", name_of(id));
            self.problem(&format!("configs#{id}"), "configuration-missing", problem, false);
        }
        for id in texts.keys().filter(|id| !listed.contains(*id)) {
            let problem = "it is not in the set of its versions; imported all the same";
            self.problem(&format!("configs#{id}"), "configuration-unlisted", problem, false);
        }
        let mut out = Out::default();
        // One without a version becomes `v1`, unless there is one already.
        let (whole, lacking): (Vec<_>, Vec<_>) = texts.into_iter().partition(|(id, _)| !id.ends_with(':'));
        for (id, value) in whole.into_iter().chain(lacking) {
            self.report.configurations.found += 1;
            self.configuration(id, &value, &mut out);
        }
        self.commit(&mut out)
    }

    fn configuration(&mut self, id: String, value: &[u8], out: &mut Out) {
        let key = format!("configs#{id}");
        let refused = match self.read_configuration(&id, value, out) {
            Ok(known) => {
                self.known.insert(id, Arc::new(known));
                return;
            }
            Err(refused) => refused,
        };
        self.report.configurations.skipped += 1;
        self.problem(&key, refused.0, refused.1, true);
    }

    fn read_configuration(
        &mut self,
        id: &str,
        value: &[u8],
        out: &mut Out,
    ) -> Result<Known, (&'static str, String)> {
        let wire = ConfigurationView::decode_view(value)
            .map_err(|error| ("malformed-value", format!("it is no Configuration: {error}")))?;
        if format!("{}:{}", wire.name, wire.version) != id {
            let problem =
                format!("it says of itself that it is {:?}", format!("{}:{}", wire.name, wire.version));
            return Err(("malformed-value", problem));
        }
        let invalid = |problem: String| ("invalid-configuration", problem);
        let configuration = configurations::owned(&wire);
        if wire.name.contains(':') {
            return Err(invalid("its name has a ':', so that no FSM could be found by it".into()));
        }
        if let Some(problem) = text::problem(&configuration) {
            return Err(invalid(problem));
        }
        let source = text::written(&configuration);
        let (kind, version) = (names::kind(&configuration.name), names::version(&configuration.version));
        DefinitionId::new(&kind, &version).map_err(invalid)?;
        let read = catalogue::read("configuration.yaml", &source);
        let Some((definition, _)) = read.definition else {
            let first = read.findings.into_iter().next().map(|finding| finding.message);
            return Err(invalid(first.unwrap_or_else(|| "no reason is given".into())));
        };
        let id = definition.id.clone();
        self.node.step(
            self.now,
            Input::Define { ticket: TICKET, definition, source: Arc::from(source) },
            out,
        );
        match answer(out) {
            Some(Answer::Put { fresh: true }) => self.report.configurations.imported += 1,
            Some(Answer::Put { fresh: false }) => self.report.configurations.already += 1,
            Some(Answer::Refused(Refusal::DefinitionExists(id))) => {
                let problem = format!("the definition {id} is another one");
                return Err(("configuration-differs", problem));
            }
            _ => return Err(invalid("its name is one of Everstate's own".into())),
        }
        let ways = text::ways(&configuration).into_iter().map(|(from, ways)| {
            let ways = ways.into_iter().map(|(event, to)| (event.to_owned(), to.to_owned()));
            (from.to_owned(), ways.collect())
        });
        Ok(Known { id, ways: ways.collect(), configuration })
    }

    /// Keeps what was stepped; in a dry run only forgets it.
    fn commit(&mut self, out: &mut Out) -> Result<(), MigrationError> {
        let records = std::mem::take(&mut out.records);
        self.keep(&records)?;
        self.node.settle(0);
        *out = Out::default();
        Ok(())
    }

    fn keep(&mut self, records: &[Record]) -> Result<(), MigrationError> {
        match &mut self.store {
            Some((store, _)) if !self.dry_run => Ok(store.commit(records, Durability::Power)?),
            _ => Ok(()),
        }
    }

    /// What has been found to be wrong since this was called last.
    pub fn take_problems(&mut self) -> Vec<MigrationProblem> {
        std::mem::take(&mut self.problems)
    }

    /// How far it is.
    pub fn report(&self) -> &MigrationReport {
        &self.report
    }

    /// Makes all durable, and lets go of the folder.
    pub fn close(self) -> Result<MigrationReport, MigrationError> {
        if let Some((store, reader)) = self.store {
            drop(reader);
            Box::new(store).close()?;
        }
        Ok(self.report)
    }

    /// Names a problem that whoever reads Redis has met.
    pub fn problem(&mut self, key: &str, reason: &'static str, message: impl Into<String>, skipped: bool) {
        *self.report.problems.entry(reason).or_default() += 1;
        self.report.skipped += u64::from(skipped);
        self.problems.push(MigrationProblem { key: key.into(), reason, message: message.into(), skipped });
    }

    /// A key or a member as a text.
    fn text_of(&mut self, bytes: &[u8]) -> Option<String> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text.to_owned()),
            Err(_) => {
                let key = String::from_utf8_lossy(bytes).into_owned();
                self.problem(&key, "malformed-key", "it is not UTF-8", true);
                None
            }
        }
    }

    fn hash(&self, parts: &[&str]) -> u64 {
        self.hasher.hash_one(parts)
    }

    fn number_of(&mut self, state: &str) -> u32 {
        if let Some(number) = self.states.get(state) {
            return *number;
        }
        let number = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
        self.states.insert(state.to_owned(), number);
        number
    }
}

/// The name in `name:version`, as the original takes it.
fn name_of(id: &str) -> &str {
    id.split(':').next().unwrap_or(id)
}

/// The answer to the last step.
fn answer(out: &Out) -> Option<&Answer> {
    match out.releases.last() {
        Some(Release::Answer(_, answer)) => Some(answer),
        _ => None,
    }
}
