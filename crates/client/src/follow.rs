//! Following: a snapshot, then every turn, over any number of connections.
//!
//! Its one invariant: every turn after the snapshot (or after the cursor it began with) is told once, in order,
//! whatever happens to connections in between.

use crate::client::{Client, seed};
use crate::connection::Transport;
use crate::error::ClientError;
use crate::retry::Backoff;
use connectrpc::ServerStream;
use connectrpc::client::ClientTransport;
use everstate_api::v1 as api;
use everstate_api::v1::__buffa::oneof::follow_response::What;
use everstate_api::v1::__buffa::view::FollowResponseView;
use std::collections::HashMap;
use std::time::Instant;

/// What is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One instance.
    Address(String),
    /// All instances of a definition.
    Kind(String),
    /// The whole node.
    Everything,
}

/// One thing told by a [`Follower`].
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// An instance as it was when the following began. One that was told already is told again only when it has
    /// changed since, which can happen when the connection broke amid the snapshot.
    Snapshot(Box<api::Instance>),
    /// The snapshot is complete; turns follow.
    Live,
    /// A turn.
    Turn(Box<api::Turn>),
    /// The connection broke and is being made again; nothing is lost.
    Lost(ClientError),
    /// The connection is there again.
    Resumed,
}

/// Follows what it was told to, for ever.
pub struct Follower {
    client: Client,
    place: Place,
    stream: Option<ServerStream<<Transport as ClientTransport>::ResponseBody, FollowResponseView<'static>>>,
    /// Since when the connection is broken, with the waits of this break.
    broken: Option<(Instant, Backoff)>,
}

impl Follower {
    pub(crate) fn new(client: Client, subject: Subject, cursor: Option<u64>) -> Follower {
        Follower { client, place: Place::new(subject, cursor), stream: None, broken: None }
    }

    /// Where a later follower goes on after what was told so far; none while the snapshot is not complete.
    pub fn cursor(&self) -> Option<u64> {
        self.place.cursor
    }

    /// The next thing to be told. An error is final.
    pub async fn next(&mut self) -> Result<Told, ClientError> {
        loop {
            if let Some(held) = self.place.held.take()
                && let Some(told) = self.place.take(held)
            {
                return Ok(told);
            }
            let answer = match &mut self.stream {
                None => match self.client.noted(self.client.calls.follow(self.place.request()).await) {
                    Ok(stream) => {
                        self.stream = Some(stream);
                        continue;
                    }
                    Err(error) => Err(error),
                },
                Some(stream) => self.client.noted(stream.message::<api::FollowResponse>().await),
            };
            match answer {
                // A server that stops ends its streams; the next one goes on.
                Ok(None) => {
                    let problem = "the server ended the stream".to_owned();
                    let server = self.client.server().to_owned();
                    if let Some(told) = self.lost(ClientError::Interrupted { server, problem }).await? {
                        return Ok(told);
                    }
                }
                Err(error) => {
                    if let Some(told) = self.lost(error).await? {
                        return Ok(told);
                    }
                }
                Ok(Some(message)) => {
                    let message = message.to_owned_message();
                    if self.broken.take().is_some() {
                        self.place.held = Some(message);
                        return Ok(Told::Resumed);
                    }
                    if let Some(told) = self.place.take(message) {
                        return Ok(told);
                    }
                }
            }
        }
    }

    /// After a break: tells of it the first time, and waits before the next attempt at later ones.
    async fn lost(&mut self, error: ClientError) -> Result<Option<Told>, ClientError> {
        self.stream = None;
        if !error.is_retryable() {
            return Err(error);
        }
        let patience = self.client.patience();
        let first = self.broken.is_none();
        let (since, backoff) = self.broken.get_or_insert_with(|| (Instant::now(), Backoff::new(seed())));
        let Some(wait) = backoff.wait(since.elapsed(), patience, error.retry_after()) else {
            return Err(error);
        };
        if first {
            return Ok(Some(Told::Lost(error)));
        }
        tokio::time::sleep(wait).await;
        Ok(None)
    }
}

/// Where a follower stands. Pure, so that resuming can be tested without a network.
#[derive(Debug)]
struct Place {
    subject: Subject,
    /// Everything up to here is told; none until the snapshot is complete.
    cursor: Option<u64>,
    /// While the snapshot is not complete: the turns of each instance told, so that a second snapshot after a
    /// broken connection repeats nothing.
    told: HashMap<String, u64>,
    /// Received with the news that the connection is back, and told after it.
    held: Option<api::FollowResponse>,
}

impl Place {
    fn new(subject: Subject, cursor: Option<u64>) -> Place {
        Place { subject, cursor, told: HashMap::new(), held: None }
    }

    fn request(&self) -> api::FollowRequest {
        let (address, kind) = match &self.subject {
            Subject::Address(address) => (address.clone(), String::new()),
            Subject::Kind(kind) => (String::new(), kind.clone()),
            Subject::Everything => (String::new(), String::new()),
        };
        api::FollowRequest { address, kind, cursor: self.cursor, ..Default::default() }
    }

    /// What of a message is to be told; nothing when it was told before.
    fn take(&mut self, message: api::FollowResponse) -> Option<Told> {
        match message.what? {
            What::Snapshot(instance) => {
                let before = self.told.insert(instance.address.clone(), instance.turns);
                (before != Some(instance.turns)).then_some(Told::Snapshot(instance))
            }
            What::Live(_) => {
                let first = self.cursor.is_none();
                self.cursor = Some(self.cursor.unwrap_or(0).max(message.cursor));
                self.told = HashMap::new();
                first.then_some(Told::Live)
            }
            What::Turn(turn) => {
                let at = message.cursor.max(turn.cursor);
                if self.cursor.is_some_and(|cursor| turn.cursor <= cursor) {
                    return None;
                }
                self.cursor = Some(at);
                Some(Told::Turn(turn))
            }
        }
    }
}

#[cfg(test)]
mod tests;
