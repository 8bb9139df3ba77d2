//! The tables of the embedded store: four log-structured merge trees, written in sorted runs only.
//!
//! It refuses to know records and journals. The trees have no journal of their own, so nothing is written twice.
//!
//! Its one invariant: a generation is in the tables when its run in [`Table::Rows`] is, which is written last and
//! holds the marker; a run is there whole or not at all. What the other trees hold beyond the marker is what
//! replaying the journal writes again under the same keys; so what a record takes away from one tree must not be known
//! from another that is written before it, or a replay would not find it any more.

use super::files::Disk;
use crate::codec;
use crate::contract::StoreError;
use crate::keys;
use crate::layers::{Counters, Generation, Slice, Write, reclaimable};
use crate::tables::{Pairs, Table, Tables};
use everstate_kernel::Time;
use lsm_tree::compaction::Leveled;
use lsm_tree::compaction::filter::{CompactionFilter, Context, Factory, ItemAccessor, Verdict};
use lsm_tree::config::{FilterPolicy, FilterPolicyEntry, PinningPolicy};
use lsm_tree::{
    AbstractTree, AnyTree, Cache, Config, DescriptorTable, Guard, SeqNo, SequenceNumberCounter, UserKey,
    UserValue,
};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Reads always want the newest version; a generation's run becomes visible all at once.
const NEWEST: SeqNo = SeqNo::MAX;

/// Runs in level 0 before the applier waits for compaction: every one of them is asked in a point read, about
/// 100 ns each. Half would make bulk loads wait more often, twice would double the cost of a read meanwhile.
const RUNS_MAX: usize = 24;

/// Sorted runs that are merged at a time. Each merge rewrites what it meets of the level below, which is all of it
/// when keys are random: at half, twice as much is rewritten for each turn; at twice, a point read asks twice as many
/// filters, about 50 ns each.
const RUNS_MERGED: u8 = 8;

/// How long a file of a table gets when everything is merged; what the trees do by themselves, too.
const FILE_BYTES: u64 = 64 << 20;

struct Tree {
    tree: AnyTree,
    sequence: SequenceNumberCounter,
    folder: PathBuf,
    strategy: Arc<Leveled>,
}

/// The four trees.
pub(crate) struct Trees {
    rows: Tree,
    history: Tree,
    outcomes: Tree,
    runs: Tree,
    latest: Arc<AtomicI64>,
}

impl Trees {
    /// Opens or makes the trees in `folder`.
    pub(crate) fn open(folder: &Path, cache_bytes: u64, files: usize) -> Result<Trees, StoreError> {
        let cache = Arc::new(Cache::with_capacity_bytes(cache_bytes));
        let descriptors = Arc::new(DescriptorTable::new(files));
        let latest = Arc::new(AtomicI64::new(i64::MIN));
        let config = |name: &str| {
            let sequence = SequenceNumberCounter::default();
            let folder = folder.join(name);
            let config = Config::new(&folder, sequence.clone(), SequenceNumberCounter::default())
                .use_cache(cache.clone())
                // What says where a key is stays in memory: without it a read of one row reads a file's whole
                // filter first. It is about 2 bytes a row.
                .filter_block_pinning_policy(PinningPolicy::all(true))
                .index_block_pinning_policy(PinningPolicy::all(true))
                .use_descriptor_table(Some(descriptors.clone()));
            (config, sequence, folder)
        };
        let without_filter = FilterPolicy::all(FilterPolicyEntry::None);
        let tree = |(config, sequence, folder): (Config, SequenceNumberCounter, PathBuf)| {
            let tree = config.open().map_err(|error| failed("opening", &folder, error))?;
            sequence.fetch_max(tree.get_highest_seqno().map_or(1, |highest| highest + 1));
            let strategy = Arc::new(Leveled::default().with_l0_threshold(RUNS_MERGED));
            Ok::<_, StoreError>(Tree { tree, sequence, folder, strategy })
        };
        let (history, sequence, place) = config("history");
        // History is read by ranges, and its files do not overlap: a filter would never say no.
        let history = history.filter_policy(without_filter.clone());
        // These, too, are read by ranges only.
        let (runs, runs_sequence, runs_place) = config("runs");
        let runs = runs.filter_policy(without_filter);
        let (outcomes, outcomes_sequence, outcomes_place) = config("outcomes");
        let expiry: Arc<dyn Factory> = Arc::new(Expiry { latest: latest.clone() });
        let outcomes = outcomes.with_compaction_filter_factory(Some(expiry));
        Ok(Trees {
            rows: tree(config("rows"))?,
            history: tree((history, sequence, place))?,
            outcomes: tree((outcomes, outcomes_sequence, outcomes_place))?,
            runs: tree((runs, runs_sequence, runs_place))?,
            latest,
        })
    }

    /// What the tables say of themselves.
    pub(crate) fn counters(&self) -> Result<Counters, StoreError> {
        match self.row(Table::Rows, keys::MARKER)? {
            Some(row) => codec::read_row(&row).map_err(|error| error.at(&self.rows.folder, 0)),
            None => Ok(Counters::default()),
        }
    }

    /// Moves a generation into the tables. When it fails, it can be tried again.
    pub(crate) fn move_in(&self, generation: &Generation, disk: &dyn Disk) -> Result<(), StoreError> {
        self.before_run(&self.history, disk)?;
        self.history.ingest(|write| {
            generation
                .history
                .iter()
                .try_for_each(|(key, row)| write(key.as_ref(), row.as_ref().map(Slice::as_slice)))
        })?;
        self.before_run(&self.outcomes, disk)?;
        self.outcomes.ingest(|write| generation.table_outcomes(write))?;
        self.before_run(&self.runs, disk)?;
        self.runs.ingest(|write| generation.table_runs(write))?;
        self.before_run(&self.rows, disk)?;
        self.rows.ingest(|write| generation.table_rows(write))?;
        self.latest.store(generation.counters.latest.0, Ordering::Relaxed);
        Ok(())
    }

    fn before_run(&self, tree: &Tree, disk: &dyn Disk) -> Result<(), StoreError> {
        let name = tree.folder.file_name().map_or_else(Default::default, |name| name.to_string_lossy());
        let action = || format!("writing table {}", tree.folder.display());
        disk.before_run(&name).map_err(|source| StoreError::Io { action: action(), source })
    }

    /// Merges what should be merged, one step of each tree; answers whether there may be more to do.
    pub(crate) fn compact(&self) -> Result<bool, StoreError> {
        let mut more = false;
        for tree in self.all() {
            let before = tree.tree.current_version().id();
            tree.tree
                .compact(tree.strategy.clone(), tree.sequence.get())
                .map_err(|error| failed("compacting", &tree.folder, error))?;
            more |= tree.tree.current_version().id() != before;
        }
        Ok(more)
    }

    /// Merges everything into the last level.
    pub(crate) fn merge_fully(&self) -> Result<(), StoreError> {
        for tree in self.all() {
            tree.tree
                .major_compact(FILE_BYTES, tree.sequence.get())
                .map_err(|error| failed("compacting", &tree.folder, error))?;
        }
        Ok(())
    }

    /// Must moving in wait until runs are merged?
    pub(crate) fn is_behind(&self) -> bool {
        self.all().iter().any(|tree| tree.tree.l0_run_count() > RUNS_MAX)
    }

    /// How many sorted runs each tree has.
    pub(crate) fn runs(&self) -> [usize; 4] {
        self.all().map(|tree| tree.tree.current_version().iter_levels().map(|level| level.run_count()).sum())
    }

    fn all(&self) -> [&Tree; 4] {
        [&self.rows, &self.history, &self.outcomes, &self.runs]
    }

    fn tree(&self, table: Table) -> &Tree {
        match table {
            Table::Rows => &self.rows,
            Table::History => &self.history,
            Table::Outcomes => &self.outcomes,
            Table::Runs => &self.runs,
        }
    }
}

impl Tree {
    /// Writes a sorted run of what `rows` tells.
    fn ingest(&self, rows: impl FnOnce(Write<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let failed = |error| failed("writing", &self.folder, error);
        let mut run = self.tree.ingestion().map_err(failed)?;
        rows(&mut |key, row| {
            match row {
                Some(row) => run.write(UserKey::from(key), UserValue::from(row)),
                None => run.write_tombstone(UserKey::from(key)),
            }
            .map_err(failed)
        })?;
        run.finish().map_err(failed)
    }
}

impl Tables for Trees {
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let tree = self.tree(table);
        let row = tree.tree.get(key, NEWEST).map_err(|error| failed("reading", &tree.folder, error))?;
        Ok(row.map(|row| row.to_vec()))
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8]) -> Pairs<'_> {
        let tree = self.tree(table);
        let pairs = tree.tree.range(from.to_vec()..to.to_vec(), NEWEST, None);
        Box::new(pairs.map(|guard| {
            let (key, row) = guard.into_inner().map_err(|error| failed("reading", &tree.folder, error))?;
            Ok((key.to_vec(), row.to_vec()))
        }))
    }

    fn scan_back(&self, table: Table, from: &[u8], to: &[u8]) -> Pairs<'_> {
        let tree = self.tree(table);
        let pairs = tree.tree.range(from.to_vec()..to.to_vec(), NEWEST, None).rev();
        Box::new(pairs.map(|guard| {
            let (key, row) = guard.into_inner().map_err(|error| failed("reading", &tree.folder, error))?;
            Ok((key.to_vec(), row.to_vec()))
        }))
    }

    fn last(&self, table: Table, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let tree = self.tree(table);
        let last = tree.tree.range(from.to_vec()..to.to_vec(), NEWEST, None).next_back();
        match last {
            None => Ok(None),
            Some(guard) => {
                let key = guard.key().map_err(|error| failed("reading", &tree.folder, error))?;
                Ok(Some(key.to_vec()))
            }
        }
    }

    fn bytes(&self) -> u64 {
        self.all().iter().map(|tree| tree.tree.disk_space()).sum()
    }

    fn engine(&self) -> &'static str {
        "embedded"
    }

    fn place(&self, table: Table) -> PathBuf {
        self.tree(table).folder.clone()
    }
}

fn failed(what: &str, folder: &Path, error: lsm_tree::Error) -> StoreError {
    let action = format!("{what} table {}", folder.display());
    match error {
        lsm_tree::Error::Io(source) => StoreError::Io { action, source },
        error => StoreError::Damaged {
            file: folder.to_path_buf(),
            offset: 0,
            problem: format!("{what} failed with {error:?}; restore the folder from a backup"),
        },
    }
}

/// Is it the disk that is full?
pub(crate) fn is_full(error: &StoreError) -> bool {
    match error {
        StoreError::Full => true,
        StoreError::Io { source, .. } => {
            super::files::is_full(source) || source.kind() == io::ErrorKind::StorageFull
        }
        _ => false,
    }
}

/// Takes outcomes away that have expired, while their tree is merged anyway.
struct Expiry {
    latest: Arc<AtomicI64>,
}

impl Factory for Expiry {
    fn name(&self) -> &str {
        "expired outcomes"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(ExpiryFilter { latest: Time(self.latest.load(Ordering::Relaxed)) })
    }
}

struct ExpiryFilter {
    latest: Time,
}

impl CompactionFilter for ExpiryFilter {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> lsm_tree::Result<Verdict> {
        // A row that cannot be read is kept: whoever asks for it shall be told.
        let until = codec::outcome_until(&item.value()?);
        let expired = until.is_some_and(|until| reclaimable(until, self.latest));
        // `Remove` leaves a tombstone, so an older row of the same id further down stays hidden.
        Ok(if expired { Verdict::Remove } else { Verdict::Keep })
    }
}
