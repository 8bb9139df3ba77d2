//! The service of `everstate.v1`: every method handed to the file of its group.
//!
//! It refuses to hold anything of a call: what it has is the node, and what is known of this server.
//!
//! Its one invariant: a method that answers has been answered by the node or its store.

use crate::catalogue::Catalogue;
use crate::convert::Names;
use crate::export::Exported;
use crate::failure::Failure;
use crate::sessions::{self, Sessions};
use crate::{change, dead_letters, definitions, events, follow, instances, operations, queries, tasks};
use connectrpc::{RequestContext, Response, ServiceRequest, ServiceResult, ServiceStream};
use everstate_api::v1;
use everstate_kernel::Time;
use everstate_runtime::Handle;
use everstate_store::{Reader, StoreError};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::watch;

/// What every handler has.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) node: Handle,
    pub(crate) catalogue: Catalogue,
    pub(crate) started: Time,
    /// Where the data lies; empty for an engine in memory.
    pub(crate) data: PathBuf,
    /// What `Export` writes.
    pub(crate) exported: Arc<dyn Exported>,
    /// Who holds which session.
    pub(crate) sessions: Arc<Sessions>,
    /// Turns true when the server is told to stop.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Names that sort by time: UUIDs of version 7.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FreshNames;

impl Names for FreshNames {
    fn fresh(&self) -> String {
        uuid::Uuid::now_v7().to_string()
    }
}

impl Service {
    /// The time of this machine.
    pub(crate) fn now(&self) -> Time {
        now()
    }

    /// Reads from the store without holding up other calls.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let reader = self.node.reader();
        blocking(move || read(&*reader)).await?.map_err(Failure::from)
    }

    /// Ends when the server is told to stop.
    pub(crate) async fn stopped(&self) {
        stopped(self.stopping.clone()).await;
    }
}

/// Ends when the server is told to stop, or is gone.
pub(crate) async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error says that whoever could tell is gone, which is a stop as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// The time of this machine.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Runs what takes long or waits for the disk where it holds up no other call.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a piece of work panicked");
        Failure::internal()
    })
}

/// The methods of the trait are alike: hand the request over, wrap the answer.
macro_rules! service {
    ($($method:ident $handler:path, $request:ident -> $answer:ident;)*) => {
        impl v1::Everstate for Service {
            $(
                async fn $method<'a>(
                    &'a self,
                    _context: RequestContext,
                    request: ServiceRequest<'_, v1::$request>,
                ) -> ServiceResult<impl connectrpc::Encodable<v1::$answer> + Send + use<'a>> {
                    let answer: v1::$answer = $handler(self, request.view()).await?;
                    Response::ok(answer)
                }
            )*

            async fn follow(
                &self,
                _context: RequestContext,
                request: ServiceRequest<'_, v1::FollowRequest>,
            ) -> ServiceResult<ServiceStream<impl connectrpc::Encodable<v1::FollowResponse> + Send + use<>>> {
                Ok(Response::stream(follow::follow(self, request.view())?))
            }

            async fn attach(
                &self,
                _context: RequestContext,
                requests: connectrpc::InboundStream<v1::AttachRequest>,
            ) -> ServiceResult<ServiceStream<impl connectrpc::Encodable<v1::AttachResponse> + Send + use<>>> {
                Ok(Response::stream(sessions::attach(self.sessions.clone(), requests)))
            }

            async fn migrate(
                &self,
                _context: RequestContext,
                request: ServiceRequest<'_, v1::MigrateRequest>,
            ) -> ServiceResult<ServiceStream<impl connectrpc::Encodable<v1::MigrateResponse> + Send + use<>>> {
                Ok(Response::stream(change::migrate(self, request.view())?))
            }

            async fn undo_migration(
                &self,
                _context: RequestContext,
                request: ServiceRequest<'_, v1::UndoMigrationRequest>,
            ) -> ServiceResult<ServiceStream<impl connectrpc::Encodable<v1::MigrateResponse> + Send + use<>>> {
                Ok(Response::stream(change::undo(self, request.view())?))
            }

            async fn export(
                &self,
                _context: RequestContext,
                _request: ServiceRequest<'_, v1::ExportRequest>,
            ) -> ServiceResult<ServiceStream<impl connectrpc::Encodable<v1::ExportResponse> + Send + use<>>> {
                Ok(Response::stream(operations::export(self)))
            }
        }
    };
}

service! {
    check_definition definitions::check, CheckDefinitionRequest -> CheckDefinitionResponse;
    put_definition definitions::put, PutDefinitionRequest -> PutDefinitionResponse;
    get_definition definitions::get, GetDefinitionRequest -> Definition;
    list_definitions definitions::list, ListDefinitionsRequest -> ListDefinitionsResponse;
    start_instance instances::start, StartInstanceRequest -> StartInstanceResponse;
    get_instance instances::get, GetInstanceRequest -> Instance;
    get_history instances::history, GetHistoryRequest -> GetHistoryResponse;
    list_instances queries::list, ListInstancesRequest -> ListInstancesResponse;
    delete_instance instances::delete, DeleteInstanceRequest -> DeleteInstanceResponse;
    stop_instance instances::stop, StopInstanceRequest -> Instance;
    restart_instance instances::restart, RestartInstanceRequest -> Instance;
    pause_instance change::pause, PauseInstanceRequest -> Instance;
    resume_instance change::resume, ResumeInstanceRequest -> Instance;
    retry_instance change::retry, RetryInstanceRequest -> RetryInstanceResponse;
    set_instance_state change::set_state, SetInstanceStateRequest -> SetInstanceStateResponse;
    fork_instance change::fork, ForkInstanceRequest -> Instance;
    rehearse_instance change::rehearse, RehearseInstanceRequest -> RehearseInstanceResponse;
    explain_instance instances::explain, ExplainInstanceRequest -> ExplainInstanceResponse;
    await_instance follow::await_instance, AwaitInstanceRequest -> Instance;
    send_event events::send, SendEventRequest -> SendEventResponse;
    send_events events::send_many, SendEventsRequest -> SendEventsResponse;
    get_outcome events::outcome, GetOutcomeRequest -> GetOutcomeResponse;
    lease_tasks tasks::lease, LeaseTasksRequest -> LeaseTasksResponse;
    complete_task tasks::complete, CompleteTaskRequest -> CompleteTaskResponse;
    fail_task tasks::fail, FailTaskRequest -> FailTaskResponse;
    heartbeat_task tasks::heartbeat, HeartbeatTaskRequest -> HeartbeatTaskResponse;
    return_task tasks::give_back, ReturnTaskRequest -> ReturnTaskResponse;
    list_tasks tasks::list, ListTasksRequest -> ListTasksResponse;
    list_dead_letters dead_letters::list, ListDeadLettersRequest -> ListDeadLettersResponse;
    retry_dead_letter dead_letters::retry, RetryDeadLetterRequest -> RetryDeadLetterResponse;
    discard_dead_letter dead_letters::discard, DiscardDeadLetterRequest -> DiscardDeadLetterResponse;
    get_status operations::status, GetStatusRequest -> GetStatusResponse;
}
