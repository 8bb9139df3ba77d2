//! The methods of a server as Rust functions.
//!
//! Its one invariant: a call that changes something is safe to repeat before it is made: events and starts carry
//! their idempotency key from the first attempt on, and the others are absolute (put, delete).

use crate::connection::{Target, TargetError, Transport, transport};
use crate::error::ClientError;
use crate::follow::{Follower, Subject};
use crate::retry::{Backoff, Retry};
use buffa_types::google::protobuf::Duration as Span;
use connectrpc::ConnectError;
use connectrpc::client::CallOptions;
use everstate_api::v1 as api;
use everstate_api::v1::__buffa::oneof::await_instance_request::Condition as WireCondition;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A server to speak to. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) calls: api::EverstateClient<Transport>,
    server: Arc<str>,
    retry: Retry,
    /// Whether the server has ever answered.
    reached: Arc<AtomicBool>,
}

/// What to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// This state, or one below it, is active.
    In(String),
    /// An expression over the instance holds.
    Where(String),
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// One for each event, in their order.
    pub results: Vec<api::send_events_response::Result>,
    /// How often the batch or a part of it was sent again. Some of its own events may then be told as duplicates.
    pub repeats: u32,
}

/// Bounds one attempt of an ordinary call: far above what any takes, so that only a server that hangs meets it.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Bounds one attempt of a batch.
pub(crate) const BATCH_TIMEOUT: Duration = Duration::from_secs(120);
/// What a call that waits at the server gets on top, so that the server's own answer comes first.
const WAIT_MARGIN: Duration = Duration::from_secs(10);

impl Client {
    /// A client for the target. Connects with the first call.
    pub fn new(target: &Target) -> Result<Client, TargetError> {
        let (transport, config) = transport(target)?;
        Ok(Client {
            calls: api::EverstateClient::new(transport, config),
            server: target.server.as_str().into(),
            retry: target.retry,
            reached: Arc::new(AtomicBool::new(false)),
        })
    }

    /// The same server with another patience.
    pub fn with_retry(&self, retry: Retry) -> Client {
        Client { retry, ..self.clone() }
    }

    /// The server's address as given.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Checks the text of a definition at the server.
    pub async fn check_definition(
        &self,
        file_name: &str,
        source: &str,
    ) -> Result<api::CheckDefinitionResponse, ClientError> {
        let request = api::CheckDefinitionRequest {
            source: source.into(),
            file_name: file_name.into(),
            ..Default::default()
        };
        self.call(CALL_TIMEOUT, async |options| {
            Ok(self.calls.check_definition_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// Keeps a definition.
    pub async fn put_definition(
        &self,
        file_name: &str,
        source: &str,
    ) -> Result<api::PutDefinitionResponse, ClientError> {
        let request = api::PutDefinitionRequest {
            source: source.into(),
            file_name: file_name.into(),
            ..Default::default()
        };
        self.call(CALL_TIMEOUT, async |options| {
            Ok(self.calls.put_definition_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// A definition with its source; the greatest version when `version` is empty.
    pub async fn definition(&self, name: &str, version: &str) -> Result<api::Definition, ClientError> {
        let request =
            api::GetDefinitionRequest { name: name.into(), version: version.into(), ..Default::default() };
        self.call(CALL_TIMEOUT, async |options| {
            Ok(self.calls.get_definition_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// The greatest version of every definition, or all versions of the one named.
    pub async fn definitions(&self, name: &str) -> Result<Vec<api::Definition>, ClientError> {
        let request = api::ListDefinitionsRequest { name: name.into(), ..Default::default() };
        self.call(CALL_TIMEOUT, async |options| {
            let answer = self.calls.list_definitions_with_options(request.clone(), options).await?;
            Ok(answer.into_owned().definitions)
        })
        .await
    }

    /// Starts an instance. Without a request id it gets one, so that a retry is no second start.
    pub async fn start(
        &self,
        mut request: api::StartInstanceRequest,
    ) -> Result<api::StartInstanceResponse, ClientError> {
        ensure_id(&mut request.request_id);
        self.call(CALL_TIMEOUT, async |options| {
            Ok(self.calls.start_instance_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// Sends one event. Without an id it gets one, so that a retry is no second event.
    pub async fn send(
        &self,
        address: &str,
        mut event: api::Event,
        wait: Option<Duration>,
    ) -> Result<api::SendEventResponse, ClientError> {
        ensure_id(&mut event.id);
        let request = api::SendEventRequest {
            address: address.into(),
            event: event.into(),
            wait: wait.map(span).into(),
            ..Default::default()
        };
        let timeout = wait.map_or(CALL_TIMEOUT, |wait| wait + WAIT_MARGIN);
        self.call(timeout, async |options| {
            Ok(self.calls.send_event_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// Sends a batch in order. Events that the server cannot take at present are sent again, in order and with
    /// the same ids, until the patience is over; their last error is then their result.
    pub async fn send_all(
        &self,
        mut items: Vec<api::send_events_request::Item>,
    ) -> Result<Delivery, ClientError> {
        for item in &mut items {
            ensure_id(&mut item.event.get_or_insert_default().id);
        }
        let started = Instant::now();
        let mut backoff = Backoff::new(seed());
        let mut results = vec![api::send_events_response::Result::default(); items.len()];
        let mut open: Vec<usize> = (0..items.len()).collect();
        let mut repeats = 0;
        loop {
            let request = api::SendEventsRequest {
                events: open.iter().map(|index| items[*index].clone()).collect(),
                ..Default::default()
            };
            let (answered, attempts) = self.send_batch(request).await?;
            repeats += attempts - 1;
            let mut asked = None;
            let mut again = Vec::new();
            for (index, result) in open.into_iter().zip(answered) {
                if let Some(error) = result.error.as_option().filter(|error| error.retryable) {
                    let refusal = crate::error::Refusal::from(error.clone());
                    asked = asked.max(refusal.retry_after);
                    again.push(index);
                }
                results[index] = result;
            }
            open = again;
            if open.is_empty() {
                return Ok(Delivery { results, repeats });
            }
            match backoff.wait(started.elapsed(), self.retry.patience, asked) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Ok(Delivery { results, repeats }),
            }
            repeats += 1;
        }
    }

    async fn send_batch(
        &self,
        request: api::SendEventsRequest,
    ) -> Result<(Vec<api::send_events_response::Result>, u32), ClientError> {
        let expected = request.events.len();
        let attempts = std::sync::atomic::AtomicU32::new(0);
        let results = self
            .call(BATCH_TIMEOUT, async |options| {
                attempts.fetch_add(1, Ordering::Relaxed);
                let answer = self.calls.send_events_with_options(request.clone(), options).await?;
                Ok(answer.into_owned().results)
            })
            .await?;
        if results.len() != expected {
            let problem = format!("{} results for {expected} events", results.len());
            return Err(ClientError::Foreign { server: self.server.to_string(), problem });
        }
        Ok((results, attempts.into_inner()))
    }

    /// What became of an event.
    pub async fn outcome(&self, event_id: &str) -> Result<api::GetOutcomeResponse, ClientError> {
        let request = api::GetOutcomeRequest { event_id: event_id.into(), ..Default::default() };
        self.call(CALL_TIMEOUT, async |options| {
            Ok(self.calls.get_outcome_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// An instance as it is now.
    pub async fn instance(&self, address: &str) -> Result<api::Instance, ClientError> {
        let request = api::GetInstanceRequest { address: address.into(), ..Default::default() };
        self.call(CALL_TIMEOUT, async |options| {
            Ok(self.calls.get_instance_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// Ends an instance with all that it has spawned: at once, or when it has tidied up.
    pub async fn stop(&self, address: &str, kill: bool) -> Result<api::Instance, ClientError> {
        let request = api::StopInstanceRequest { address: address.into(), kill, ..Default::default() };
        self.call(CALL_TIMEOUT, async |options| {
            Ok(self.calls.stop_instance_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// Lets an instance begin again. It is asked once: a restart that is repeated is another one.
    pub async fn restart(&self, request: api::RestartInstanceRequest) -> Result<api::Instance, ClientError> {
        self.once(async |options| {
            Ok(self.calls.restart_instance_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// A page of an instance's turns: those with a sequence above `after`.
    pub async fn history(
        &self,
        address: &str,
        after: u64,
        limit: u32,
    ) -> Result<api::GetHistoryResponse, ClientError> {
        let request = api::GetHistoryRequest { address: address.into(), after, limit, ..Default::default() };
        self.call(CALL_TIMEOUT, async |options| {
            Ok(self.calls.get_history_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// A page of the instances that match.
    pub async fn instances(
        &self,
        request: api::ListInstancesRequest,
    ) -> Result<api::ListInstancesResponse, ClientError> {
        self.call(CALL_TIMEOUT, async |options| {
            Ok(self.calls.list_instances_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// Follows an instance, a kind or everything; from a cursor when one is given, otherwise from a snapshot.
    pub fn follow(&self, subject: Subject, cursor: Option<u64>) -> Follower {
        Follower::new(self.clone(), subject, cursor)
    }

    /// Waits until the condition holds. A server that goes away meanwhile is waited for as well.
    pub async fn await_instance(
        &self,
        address: &str,
        condition: &Condition,
        timeout: Duration,
    ) -> Result<api::Instance, ClientError> {
        let started = Instant::now();
        self.call(timeout + WAIT_MARGIN, async |options| {
            let left = timeout.saturating_sub(started.elapsed()).max(Duration::from_millis(1));
            let request = api::AwaitInstanceRequest {
                address: address.into(),
                timeout: span(left).into(),
                condition: Some(match condition {
                    Condition::In(state) => WireCondition::In(state.clone()),
                    Condition::Where(expression) => WireCondition::Where(expression.clone()),
                }),
                ..Default::default()
            };
            Ok(self.calls.await_instance_with_options(request, options).await?.into_owned())
        })
        .await
    }

    /// Deletes an instance. After a broken connection, that it is not there any more is what was wanted.
    pub async fn delete(&self, address: &str) -> Result<(), ClientError> {
        let request = api::DeleteInstanceRequest { address: address.into(), ..Default::default() };
        let attempts = std::sync::atomic::AtomicU32::new(0);
        let answer = self
            .call(CALL_TIMEOUT, async |options| {
                attempts.fetch_add(1, Ordering::Relaxed);
                self.calls.delete_instance_with_options(request.clone(), options).await?;
                Ok(())
            })
            .await;
        match answer {
            Err(ClientError::Refused(refusal))
                if refusal.status == "not_found" && attempts.into_inner() > 1 =>
            {
                Ok(())
            }
            answer => answer,
        }
    }

    /// What an instance waits for.
    pub async fn explain(&self, address: &str) -> Result<api::ExplainInstanceResponse, ClientError> {
        let request = api::ExplainInstanceRequest { address: address.into(), ..Default::default() };
        self.call(CALL_TIMEOUT, async |options| {
            Ok(self.calls.explain_instance_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// A page of the dead letters, oldest first.
    pub async fn dead_letters(
        &self,
        page_size: u32,
        page_token: &str,
    ) -> Result<api::ListDeadLettersResponse, ClientError> {
        let request =
            api::ListDeadLettersRequest { page_size, page_token: page_token.into(), ..Default::default() };
        self.call(CALL_TIMEOUT, async |options| {
            Ok(self.calls.list_dead_letters_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// Sends a dead letter's event once more. Tried once: whether a broken attempt did it shows in the list.
    pub async fn retry_dead_letter(&self, number: u64) -> Result<api::RetryDeadLetterResponse, ClientError> {
        let request = api::RetryDeadLetterRequest { number, ..Default::default() };
        self.once(async |options| {
            Ok(self.calls.retry_dead_letter_with_options(request.clone(), options).await?.into_owned())
        })
        .await
    }

    /// Forgets a dead letter. Tried once, as [`Client::retry_dead_letter`].
    pub async fn discard_dead_letter(&self, number: u64) -> Result<(), ClientError> {
        let request = api::DiscardDeadLetterRequest { number, ..Default::default() };
        self.once(async |options| {
            self.calls.discard_dead_letter_with_options(request.clone(), options).await?;
            Ok(())
        })
        .await
    }

    /// Everything in the store as JSON lines, handed to `take` in pieces of whole lines. Not repeated when the
    /// connection breaks: half an export and a second one are no export.
    pub async fn export<E: From<ClientError>>(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: ConnectError| ClientError::from_call(&self.server, &error);
        let mut stream = self.calls.export(api::ExportRequest::default()).await.map_err(failed)?;
        while let Some(piece) = stream.message::<api::ExportResponse>().await.map_err(failed)? {
            take(&piece.to_owned_message().lines)?;
        }
        Ok(())
    }

    /// How the server is.
    pub async fn status(&self) -> Result<api::GetStatusResponse, ClientError> {
        self.call(CALL_TIMEOUT, async |options| {
            let request = api::GetStatusRequest::default();
            Ok(self.calls.get_status_with_options(request, options).await?.into_owned())
        })
        .await
    }

    /// Makes a call until it has an answer, an error that will not go away, or the patience is over.
    pub(crate) async fn call<Answer>(
        &self,
        timeout: Duration,
        attempt: impl AsyncFn(CallOptions) -> Result<Answer, ConnectError>,
    ) -> Result<Answer, ClientError> {
        let started = Instant::now();
        let mut backoff = Backoff::new(seed());
        loop {
            let error = match self.noted(attempt(CallOptions::default().with_timeout(timeout)).await) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !error.is_retryable() {
                return Err(error);
            }
            match backoff.wait(started.elapsed(), self.patience(), error.retry_after()) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    pub(crate) async fn once<Answer>(
        &self,
        attempt: impl AsyncFn(CallOptions) -> Result<Answer, ConnectError>,
    ) -> Result<Answer, ClientError> {
        self.noted(attempt(CallOptions::default().with_timeout(CALL_TIMEOUT)).await)
    }

    /// How long to wait for the server, which depends on whether it was ever there.
    pub(crate) fn patience(&self) -> Duration {
        if self.reached.load(Ordering::Relaxed) { self.retry.patience } else { self.retry.first_contact }
    }

    /// Remembers that the server answered.
    pub(crate) fn noted<T>(&self, answer: Result<T, ConnectError>) -> Result<T, ClientError> {
        let answer = answer.map_err(|error| ClientError::from_call(&self.server, &error));
        if !matches!(answer, Err(ClientError::Unreachable { .. } | ClientError::Foreign { .. })) {
            self.reached.store(true, Ordering::Relaxed);
        }
        answer
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.server)
    }
}

/// Ids that sort by time, which keeps the server's index of them dense.
fn ensure_id(id: &mut String) {
    if id.is_empty() {
        *id = Uuid::now_v7().to_string();
    }
}

pub(crate) fn seed() -> u64 {
    Uuid::now_v7().as_u64_pair().1
}

fn span(length: Duration) -> Span {
    Span {
        seconds: i64::try_from(length.as_secs()).unwrap_or(i64::MAX),
        nanos: length.subsec_nanos().cast_signed(),
        ..Default::default()
    }
}
