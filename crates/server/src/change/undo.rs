//! A migration taken back: every instance that has made no turn since stands where it stood, in the old version.
//!
//! Where it stood is in the history entry of its migration, so it can be taken back for as long as that is kept.
//!
//! It refuses to work anything out. Its one invariant: an instance that has moved on is left alone and counted.

use super::migrate::read;
use super::report::{Ended, Teller, report, told};
use super::{chart, note};
use crate::failure::Failure;
use crate::service::Service;
use connectrpc::ConnectError;
use everstate_api::v1;
use everstate_api::v1::__buffa::view::UndoMigrationRequestView;
use everstate_chart::change::{Carried, Obstacle, ObstacleCode, Survey};
use everstate_kernel::{
    Becoming, Cause, HistoryEntry, Instance, Labels, Outcome, Refusal, Repaired, Standing,
};
use everstate_runtime::{CallError, Decision, Handle, Note};
use everstate_store::{Cursor, Query, Reader, StoreError};
use futures::Stream;
use futures::future::join_all;

/// Instances of a page.
const PAGE: usize = 500;

/// Entries of a history read at once.
const ENTRIES: usize = 1_000;

/// The stream of an answer to `UndoMigration`.
pub(crate) fn undo(
    service: &Service,
    request: &UndoMigrationRequestView<'_>,
) -> Result<impl Stream<Item = Result<v1::MigrateResponse, ConnectError>> + Send + use<>, Failure> {
    let note = note(request.audit.as_option(), false)?;
    chart(&service.node, request.kind, request.from_version, "from_version")?;
    chart(&service.node, request.kind, request.to_version, "to_version")?;
    let undoing = Undoing {
        node: service.node.clone(),
        kind: request.kind.to_owned(),
        from: request.from_version.to_owned(),
        to: request.to_version.to_owned(),
        note,
    };
    let dry_run = request.dry_run;
    Ok(told(move |teller| undoing.run(teller, dry_run)))
}

struct Undoing {
    node: Handle,
    kind: String,
    from: String,
    to: String,
    note: Note,
}

/// An instance that was migrated.
struct Migrated {
    row: Instance,
    /// Where it stood, and its active states there, when it can be put back.
    back: Result<(Standing, Labels), Obstacle>,
}

impl Undoing {
    async fn run(self, teller: Teller, dry_run: bool) -> Result<v1::MigrationReport, Ended> {
        let total = self.count().await?;
        let (mut after, mut done, mut applied, mut busy) = (None, 0, 0, 0);
        let mut survey = Survey::default();
        loop {
            let (migrated, next, looked_at) = self.page(after.take()).await?;
            done += looked_at;
            for one in &migrated {
                survey.count(&one.row.address, &one.row.labels, &found(one));
            }
            if !dry_run {
                for one in join_all(migrated.into_iter().map(|one| self.put_back(one))).await {
                    match one? {
                        Some(true) => applied += 1,
                        Some(false) => busy += 1,
                        None => {}
                    }
                }
            }
            teller.progress(done.min(total), total, !dry_run).await?;
            match next {
                Some(next) => after = Some(next),
                None => {
                    return Ok(v1::MigrationReport { applied, busy, ..report(&survey) });
                }
            }
        }
    }

    fn query(&self) -> Query {
        Query { kind: Some(self.kind.clone()), version: Some(self.to.clone()), ..Query::default() }
    }

    async fn count(&self) -> Result<u64, Failure> {
        let query = Query { count: true, limit: 0, ..self.query() };
        Ok(read(&self.node, move |reader| reader.list(&query)).await?.total.unwrap_or(0))
    }

    async fn page(&self, after: Option<Cursor>) -> Result<(Vec<Migrated>, Option<Cursor>, u64), Failure> {
        let query = Query { after, limit: PAGE, ..self.query() };
        let (from, to) = (self.from.clone(), self.to.clone());
        read(&self.node, move |reader| {
            let page = reader.list(&query)?;
            let looked_at = page.instances.len() as u64;
            let all = page.instances.into_iter().map(|row| migrated(row, reader, &from, &to));
            let all: Vec<Option<Migrated>> = all.collect::<Result<_, _>>()?;
            Ok((all.into_iter().flatten().collect(), page.next, looked_at))
        })
        .await
    }

    /// Puts an instance back. Says whether it was, or has moved on meanwhile; nothing when it is not to be.
    async fn put_back(&self, one: Migrated) -> Result<Option<bool>, Failure> {
        let Migrated { row, back: Ok((standing, _)) } = one else { return Ok(None) };
        let becoming = Becoming { expected: row.turns, standing, effects: Vec::new() };
        match self.node.become_other(row.address.clone(), becoming, &self.note).await {
            Ok(Decision::Decided { outcome: Outcome::Ok { .. }, .. }) => Ok(Some(true)),
            Ok(_) | Err(CallError::Refused(Refusal::MovedOn { .. })) => Ok(Some(false)),
            Err(error) => Err(error.into()),
        }
    }
}

fn found(one: &Migrated) -> Result<Carried, Vec<Obstacle>> {
    match &one.back {
        Err(obstacle) => Err(vec![obstacle.clone()]),
        Ok((standing, labels)) => Ok(Carried {
            state: standing.state.clone(),
            labels: labels.clone(),
            timers: standing.timers.clone(),
            effects: Vec::new(),
            notes: Vec::new(),
        }),
    }
}

/// The instance, if it was migrated from that version to this one and not back.
fn migrated(
    row: Instance,
    reader: &dyn Reader,
    from: &str,
    to: &str,
) -> Result<Option<Migrated>, StoreError> {
    let last = reader.history(&row.address, row.turns.saturating_sub(1), 1)?;
    if let Some((standing, labels, children)) = last.last().and_then(|entry| migration(entry, from, to)) {
        let back = match children {
            false => Ok((standing, labels)),
            true => Err(obstacle(
                ObstacleCode::Child,
                "machines were started or stopped when it was migrated, which cannot be taken back",
                "put it where it belongs with `everstate set-state`, or migrate it back with a mapping",
            )),
        };
        return Ok(Some(Migrated { row, back }));
    }
    let mut after = 0;
    loop {
        let entries = reader.history(&row.address, after, ENTRIES)?;
        if entries.iter().any(|entry| migration(entry, from, to).is_some()) {
            let back = Err(obstacle(
                ObstacleCode::State,
                "it has made turns since it was migrated",
                "leave it where it is, or migrate it back with a mapping",
            ));
            return Ok(Some(Migrated { row, back }));
        }
        match entries.last() {
            Some(last) if entries.len() == ENTRIES => after = last.sequence,
            _ => return Ok(None),
        }
    }
}

fn obstacle(code: ObstacleCode, what: &str, fix: &str) -> Obstacle {
    Obstacle { code, what: what.to_owned(), fix: fix.to_owned() }
}

/// Where the instance stood, if this entry is its migration, and whether children were started or stopped for it.
fn migration(entry: &HistoryEntry, from: &str, to: &str) -> Option<(Standing, Labels, bool)> {
    let Cause::Repair { done: Repaired::Became { before, after, children }, .. } = &entry.cause else {
        return None;
    };
    let Outcome::Ok { from: labels, .. } = &entry.outcome else { return None };
    let fits = *before.version == *from && *after.version == *to;
    fits.then(|| (Standing::clone(before), labels.clone(), *children))
}
