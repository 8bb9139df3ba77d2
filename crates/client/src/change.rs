//! Change and repair from Rust: instances paused, put elsewhere, forked, rehearsed, carried over to another version.
//!
//! Its one invariant: what a broken connection may have done already is not done again unasked.

use crate::client::{BATCH_TIMEOUT, CALL_TIMEOUT, Client};
use crate::connection::Transport;
use crate::error::ClientError;
use connectrpc::client::ClientTransport;
use connectrpc::{ConnectError, ErrorCode, ServerStream};
use everstate_api::v1 as api;
use everstate_api::v1::__buffa::oneof::migrate_response::What as Told;
use everstate_api::v1::__buffa::view::MigrateResponseView;

impl Client {
    /// Lets an instance take no events for now.
    pub async fn pause(&self, request: api::PauseInstanceRequest) -> Result<api::Instance, ClientError> {
        self.call(CALL_TIMEOUT, async |options| {
            Ok(self.calls.pause_instance_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// Lets an instance that is paused or parked take events again. Tried once: a second time it is neither.
    pub async fn resume(&self, request: api::ResumeInstanceRequest) -> Result<api::Instance, ClientError> {
        self.once(async |options| {
            Ok(self.calls.resume_instance_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// Tries the event of an instance that faulted now. Tried once, as [`Client::resume`].
    pub async fn retry(
        &self,
        request: api::RetryInstanceRequest,
    ) -> Result<api::RetryInstanceResponse, ClientError> {
        self.once(async |options| {
            Ok(self.calls.retry_instance_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// Puts an instance into states of its definition. To do it again changes nothing more, but stands in the history.
    pub async fn set_state(
        &self,
        request: api::SetInstanceStateRequest,
    ) -> Result<api::SetInstanceStateResponse, ClientError> {
        self.once(async |options| {
            Ok(self.calls.set_instance_state_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// Begins an instance at a point of the history of another. Tried once: a second time somebody is there.
    pub async fn fork(&self, request: api::ForkInstanceRequest) -> Result<api::Instance, ClientError> {
        self.once(async |options| {
            Ok(self.calls.fork_instance_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// Plays the history of an instance by another definition.
    pub async fn rehearse(
        &self,
        request: api::RehearseInstanceRequest,
    ) -> Result<api::RehearseInstanceResponse, ClientError> {
        self.call(BATCH_TIMEOUT, async |options| {
            Ok(self.calls.rehearse_instance_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// Carries instances over to another version; `progress` is told how far it is. When the connection breaks, the same
    /// call goes on where it stopped, so whoever called may call again.
    pub async fn migrate(
        &self,
        request: api::MigrateRequest,
        progress: impl FnMut(&api::MigrationProgress),
    ) -> Result<api::MigrationReport, ClientError> {
        let stream = self.noted(self.calls.migrate(request).await)?;
        self.reported(stream, progress).await
    }

    /// Takes a migration back, told as [`Client::migrate`].
    pub async fn undo_migration(
        &self,
        request: api::UndoMigrationRequest,
        progress: impl FnMut(&api::MigrationProgress),
    ) -> Result<api::MigrationReport, ClientError> {
        let stream = self.noted(self.calls.undo_migration(request).await)?;
        self.reported(stream, progress).await
    }

    async fn reported(
        &self,
        mut stream: ServerStream<<Transport as ClientTransport>::ResponseBody, MigrateResponseView<'static>>,
        mut progress: impl FnMut(&api::MigrationProgress),
    ) -> Result<api::MigrationReport, ClientError> {
        while let Some(message) = self.noted(stream.message::<api::MigrateResponse>().await)? {
            match message.to_owned_message().what {
                Some(Told::Progress(told)) => progress(&told),
                Some(Told::Report(report)) => return Ok(*report),
                None => {}
            }
        }
        let broken = ConnectError::new(ErrorCode::Unavailable, "the answer ended before its report");
        self.noted(Err(broken))
    }
}
