//! What is told of a migration while it goes on and at its end.
//!
//! It refuses to know what is migrated. Its one invariant: a stream ends with one report, or with one failure.

use crate::failure::Failure;
use connectrpc::ConnectError;
use everstate_api::v1;
use everstate_chart::change::Survey;
use futures::Stream;
use tokio::sync::mpsc;
use v1::__buffa::oneof::migrate_response::What;

/// Messages made ahead of the client.
const AHEAD: usize = 16;

/// Where messages go.
pub(super) struct Teller {
    sender: mpsc::Sender<Result<v1::MigrateResponse, Failure>>,
}

/// Nobody listens any more.
pub(super) struct Deaf;

impl Teller {
    /// Tells how far it is. When nobody listens any more, the work ends here: the client went, and can come again.
    pub(super) async fn progress(&self, done: u64, total: u64, applying: bool) -> Result<(), Deaf> {
        let progress = v1::MigrationProgress { done, total, applying, ..Default::default() };
        self.tell(What::Progress(Box::new(progress))).await
    }

    async fn tell(&self, what: What) -> Result<(), Deaf> {
        let message = v1::MigrateResponse { what: Some(what), ..Default::default() };
        self.sender.send(Ok(message)).await.map_err(|_| Deaf)
    }
}

/// Why work on a migration ends before its report.
pub(super) enum Ended {
    Deaf,
    Failed(Failure),
}

impl From<Deaf> for Ended {
    fn from(Deaf: Deaf) -> Ended {
        Ended::Deaf
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Ended {
        Ended::Failed(failure)
    }
}

/// The stream of what work tells.
pub(super) fn told<W>(
    work: impl FnOnce(Teller) -> W,
) -> impl Stream<Item = Result<v1::MigrateResponse, ConnectError>> + Send
where
    W: Future<Output = Result<v1::MigrationReport, Ended>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(AHEAD);
    let work = work(Teller { sender: sender.clone() });
    tokio::spawn(async move {
        let last = match work.await {
            Ok(report) => {
                Ok(v1::MigrateResponse { what: Some(What::Report(Box::new(report))), ..Default::default() })
            }
            Err(Ended::Failed(failure)) => Err(failure),
            Err(Ended::Deaf) => return,
        };
        // When the client has gone, nobody hears this, and nobody needs to.
        let _ = sender.send(last).await;
    });
    futures::stream::unfold(receiver, |mut receiver| async move {
        let message = receiver.recv().await?;
        Some((message.map_err(ConnectError::from), receiver))
    })
}

/// A survey for the wire.
pub(super) fn report(survey: &Survey) -> v1::MigrationReport {
    let groups = survey.groups().map(|group| v1::migration_report::Group {
        from: group.from.iter().map(ToString::to_string).collect(),
        to: group.to.iter().map(ToString::to_string).collect(),
        obstacles: group
            .obstacles
            .iter()
            .map(|one| v1::migration_report::Obstacle {
                code: one.code.as_str().into(),
                what: one.what.clone(),
                fix: one.fix.clone(),
                acceptable: one.code.is_acceptable(),
                ..Default::default()
            })
            .collect(),
        notes: group.notes.iter().map(ToString::to_string).collect(),
        count: group.count,
        examples: group.examples.iter().map(ToString::to_string).collect(),
        ..Default::default()
    });
    v1::MigrationReport {
        groups: groups.collect(),
        clear: survey.clear(),
        blocked: survey.blocked(),
        ..Default::default()
    }
}
