//! Instances of one version carried over to another, in bulk: first all are looked at, then those that can be are carried
//! over, page by page.
//!
//! A second run goes on where the first one stopped, since what was carried over is no longer of the old version. An
//! instance that makes a turn meanwhile is looked at again.
//!
//! It refuses to hold more than a page of instances. Its one invariant: an instance is carried over from the very state
//! that was looked at, or not at all.

use super::repairs::LOOKS_MAX;
use super::report::{Ended, Teller, report, told};
use super::{becoming, chart, fields, note, occupant, written_wrong};
use crate::failure::Failure;
use crate::service::{Service, blocking, now};
use connectrpc::ConnectError;
use everstate_api::v1::__buffa::view::{MappingView, MigrateRequestView};
use everstate_api::{Code, v1};
use everstate_chart::change::{Carried, Mapping, Migration, Obstacle, Survey};
use everstate_kernel::{Address, Instance, Queued, Refusal};
use everstate_runtime::{CallError, Handle, Note};
use everstate_store::{Cursor, Page, Query, Reader, StoreError};
use futures::Stream;
use futures::future::join_all;
use std::sync::Arc;

/// Instances of a page: their states lie in memory together, and their changes are committed together.
const PAGE: usize = 500;

/// How often a full queue is tried again for one instance, a tenth of a second apart.
const CROWDED_MAX: usize = 100;

/// The stream of an answer to `Migrate`.
pub(crate) fn migrate(
    service: &Service,
    request: &MigrateRequestView<'_>,
) -> Result<impl Stream<Item = Result<v1::MigrateResponse, ConnectError>> + Send + use<>, Failure> {
    let note = note(request.audit.as_option(), false)?;
    let old = chart(&service.node, request.kind, request.from_version, "from_version")?;
    let new = chart(&service.node, request.kind, request.to_version, "to_version")?;
    if request.from_version == request.to_version {
        let problem = "both versions are the same, so there is nothing to carry over";
        return Err(Failure::new(Code::MalformedRequest, problem).at("to_version"));
    }
    let mapping = request.mapping.as_option().map(mapping).unwrap_or_default();
    let migration = Migration::new(old, new, &mapping).map_err(|errors| written_wrong(&errors, "mapping"))?;
    let work = Work {
        node: service.node.clone(),
        kind: request.kind.to_owned(),
        from: request.from_version.to_owned(),
        to: Arc::from(request.to_version),
        migration: Arc::new(migration),
        note,
    };
    let (dry_run, partial) = (request.dry_run, request.partial);
    Ok(told(move |teller| work.run(teller, dry_run, partial)))
}

fn mapping(wire: &MappingView<'_>) -> Mapping {
    Mapping {
        states: wire
            .states
            .iter()
            .map(|one| (one.from.to_owned(), one.to.iter().map(|to| (*to).to_owned()).collect()))
            .collect(),
        fields: fields(wire.set.iter()),
        drop: wire.drop.iter().map(|field| (*field).to_owned()).collect(),
        accept: wire.accept.iter().map(|word| (*word).to_owned()).collect(),
    }
}

/// A migration under way.
struct Work {
    node: Handle,
    kind: String,
    from: String,
    to: Arc<str>,
    migration: Arc<Migration>,
    note: Note,
}

/// An instance with what was found of it.
struct Looked {
    row: Instance,
    found: Result<Carried, Vec<Obstacle>>,
}

/// What became of an instance.
enum Done {
    CarriedOver,
    /// It has ended, or is of another version by now: there is nothing left to do.
    Gone,
    /// Something is in the way now that was not when it was looked at.
    Blocked,
    /// It never rested.
    Busy,
}

impl Work {
    async fn run(self, teller: Teller, dry_run: bool, partial: bool) -> Result<v1::MigrationReport, Ended> {
        let total = self.count(false).await?;
        let survey = self.survey(&teller, total).await?;
        let mut answer = report(&survey);
        answer.ended = self.count(true).await?;
        if dry_run {
            return Ok(answer);
        }
        if answer.blocked > 0 && !partial {
            answer.held_back = true;
            return Ok(answer);
        }
        let mut after = None;
        let (mut done, total) = (0, total);
        loop {
            let page = self.page(after.take()).await?;
            let (looked, next) = self.look(page).await?;
            done += looked.len() as u64;
            let clear = looked.into_iter().filter(|one| one.found.is_ok());
            for one in join_all(clear.map(|one| self.carry_over(one))).await {
                match one? {
                    Done::CarriedOver => answer.applied += 1,
                    Done::Busy => answer.busy += 1,
                    Done::Blocked => answer.blocked += 1,
                    Done::Gone => {}
                }
            }
            teller.progress(done.min(total), total, true).await?;
            match next {
                Some(next) => after = Some(next),
                None => return Ok(answer),
            }
        }
    }

    async fn survey(&self, teller: &Teller, total: u64) -> Result<Survey, Ended> {
        let mut survey = Survey::default();
        let (mut after, mut done) = (None, 0);
        loop {
            let page = self.page(after.take()).await?;
            let (looked, next) = self.look(page).await?;
            done += looked.len() as u64;
            for one in &looked {
                survey.count(&one.row.address, &one.row.labels, &one.found);
            }
            teller.progress(done.min(total), total, false).await?;
            match next {
                Some(next) => after = Some(next),
                None => return Ok(survey),
            }
        }
    }

    fn query(&self) -> Query {
        Query {
            kind: Some(self.kind.clone()),
            version: Some(self.from.clone()),
            done: Some(false),
            ..Query::default()
        }
    }

    async fn count(&self, done: bool) -> Result<u64, Failure> {
        let query = Query { done: Some(done), count: true, limit: 0, ..self.query() };
        Ok(read(&self.node, move |reader| reader.list(&query)).await?.total.unwrap_or(0))
    }

    async fn page(&self, after: Option<Cursor>) -> Result<Page, Failure> {
        let query = Query { after, limit: PAGE, ..self.query() };
        read(&self.node, move |reader| reader.list(&query)).await
    }

    /// Works out what would become of each instance of a page.
    async fn look(&self, page: Page) -> Result<(Vec<Looked>, Option<Cursor>), Failure> {
        let (node, migration, to) = (self.node.clone(), self.migration.clone(), self.to.clone());
        let Page { instances, next, .. } = page;
        let looked = blocking(move || {
            let reader = node.reader();
            let all = instances.into_iter().map(|row| looked(row, &*reader, &migration, &to));
            all.collect::<Result<Vec<_>, _>>()
        });
        let looked: Vec<Option<Looked>> = looked.await?.map_err(Failure::from)?;
        Ok((looked.into_iter().flatten().collect(), next))
    }

    async fn carry_over(&self, looked: Looked) -> Result<Done, Failure> {
        let mut looked = looked;
        for _ in 0..LOOKS_MAX {
            let Looked { row, found } = looked;
            let Ok(carried) = found else { return Ok(Done::Blocked) };
            let address = row.address.clone();
            match self.ask(&address, becoming(&row, &self.to, carried)).await {
                Ok(decision) => {
                    return Ok(match decision {
                        everstate_runtime::Decision::Decided {
                            outcome: everstate_kernel::Outcome::Ok { .. },
                            ..
                        } => Done::CarriedOver,
                        _ => Done::Gone,
                    });
                }
                Err(CallError::Refused(Refusal::UnknownInstance(_))) => return Ok(Done::Gone),
                Err(CallError::Refused(Refusal::MovedOn { .. })) => {}
                Err(error) => return Err(error.into()),
            }
            match self.look_again(&address).await? {
                Some(again) => looked = again,
                None => return Ok(Done::Gone),
            }
        }
        Ok(Done::Busy)
    }

    /// Asks the node, again and again while its queue is full.
    async fn ask(
        &self,
        address: &Address,
        becoming: everstate_kernel::Becoming,
    ) -> Result<everstate_runtime::Decision, CallError> {
        for _ in 0..CROWDED_MAX {
            match self.node.become_other(address.clone(), becoming.clone(), &self.note).await {
                Err(CallError::Overloaded { retry_after }) => tokio::time::sleep(retry_after).await,
                answer => return answer,
            }
        }
        self.node.become_other(address.clone(), becoming, &self.note).await
    }

    /// The instance as it is now; none when it is gone, has ended, or is of another version.
    async fn look_again(&self, address: &Address) -> Result<Option<Looked>, Failure> {
        let (migration, to, from) = (self.migration.clone(), self.to.clone(), self.from.clone());
        let address = address.clone();
        read(&self.node, move |reader| {
            let found = reader.instance(&address)?;
            let found = found.filter(|(row, _)| *row.version == *from && !row.status.is_ended());
            Ok(found.map(|(row, mailbox)| look_at(row, &mailbox, &migration, &to)))
        })
        .await
    }
}

/// Reads from the store without holding up other calls.
pub(super) async fn read<T: Send + 'static>(
    node: &Handle,
    read: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Failure> {
    let reader = node.reader();
    blocking(move || read(&*reader)).await?.map_err(Failure::from)
}

/// What would become of an instance; none when it has gone since it was listed.
fn looked(
    row: Instance,
    reader: &dyn Reader,
    migration: &Migration,
    to: &str,
) -> Result<Option<Looked>, StoreError> {
    if row.mailbox_len == 0 {
        return Ok(Some(look_at(row, &[], migration, to)));
    }
    // The mailbox is not in the row; both are read anew, so that they fit together.
    let found = reader.instance(&row.address)?;
    let found = found.filter(|(again, _)| again.version == row.version && !again.status.is_ended());
    Ok(found.map(|(row, mailbox)| look_at(row, &mailbox, migration, to)))
}

fn look_at(row: Instance, mailbox: &[Queued], migration: &Migration, to: &str) -> Looked {
    let waiting: Vec<Arc<str>> = mailbox.iter().map(|queued| queued.event.name.clone()).collect();
    let found = migration.carry(&occupant(&row, to, &waiting, now()));
    Looked { row, found }
}
