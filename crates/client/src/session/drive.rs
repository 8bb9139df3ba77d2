//! What keeps a session connected: one task that pulses, passes acts and news on, and connects again.
//!
//! Its one invariant: acts that were not answered are sent again, in order and under their ids, before later ones.

use super::heard::Heard;
use super::{Attach, over};
use crate::client::{Client, seed};
use crate::connection::Transport;
use crate::error::{ClientError, Refusal};
use crate::retry::Backoff;
use connectrpc::client::{BidiRecvHalf, BidiSendHalf, ClientTransport};
use everstate_api::v1 as api;
use everstate_api::v1::__buffa::oneof::attach_request::What;
use everstate_api::v1::__buffa::oneof::attach_response::What as Answer;
use everstate_api::v1::__buffa::view::AttachResponseView;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

/// How long a connection may take to open the session.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Acts on their way at a time. It keeps a batch of the server's full; more would only lie in buffers.
const OPEN_MAX: usize = 128;

/// Answers read and not yet looked at.
const ANSWERS_MAX: usize = 64;

type Opened = oneshot::Sender<Result<api::attach_response::Opened, ClientError>>;
type Done = oneshot::Sender<Result<api::Outcome, ClientError>>;
type Closed = oneshot::Sender<Result<(), ClientError>>;

/// What the session is to do.
#[derive(Debug)]
pub(super) enum Command {
    Acts { acts: api::attach_request::Acts, done: Done },
    Close { done: Closed },
}

type Answers = mpsc::Receiver<Result<api::AttachResponse, ClientError>>;
type Reading = BidiRecvHalf<<Transport as ClientTransport>::ResponseBody, AttachResponseView<'static>>;

pub(super) struct Driver {
    client: Client,
    attach: Attach,
    commands: mpsc::Receiver<Command>,
    told: mpsc::Sender<Result<Heard, ClientError>>,
    /// Not answered yet, in the order in which they were given.
    open: VecDeque<(api::attach_request::Acts, Done)>,
    closing: Option<Closed>,
    /// After so long without a word from the server the connection is made anew.
    silent: Duration,
}

/// A connection that is open.
struct Line {
    sending: BidiSendHalf<api::AttachRequest>,
    answers: Answers,
    pulse: Duration,
}

/// Why a connection is served no more.
enum Over {
    /// It broke.
    Lost(ClientError),
    /// Nobody wants the session any more, or it is gone for good.
    Ended(Option<ClientError>),
}

impl Driver {
    pub(super) fn new(
        client: Client,
        attach: Attach,
        commands: mpsc::Receiver<Command>,
        told: mpsc::Sender<Result<Heard, ClientError>>,
    ) -> Driver {
        let silent = OPEN_TIMEOUT;
        Driver { client, attach, commands, told, open: VecDeque::new(), closing: None, silent }
    }

    /// Runs until the session ends.
    pub(super) async fn run(mut self, opened: Opened) {
        let mut opened = Some(opened);
        let mut backoff = Backoff::new(seed());
        let mut broken = Instant::now();
        let error = loop {
            let error = match self.connect().await {
                Ok((line, answer)) => {
                    if let Some(opened) = opened.take() {
                        // Nobody waiting means that nobody wants it, which ends it below.
                        let _ = opened.send(Ok(answer));
                    }
                    backoff = Backoff::new(seed());
                    let over = self.serve(line).await;
                    broken = Instant::now();
                    match over {
                        Over::Lost(error) => error,
                        Over::Ended(error) => break error,
                    }
                }
                Err(error) => error,
            };
            if !error.is_retryable() {
                break Some(error);
            }
            // As long as the server waits for this session, and as long again: it may be the one that is away.
            let patience = if opened.is_some() { self.client.patience() } else { self.silent * 2 };
            match backoff.wait(broken.elapsed(), patience, error.retry_after()) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => break Some(error),
            }
        };
        self.end(opened, error).await;
    }

    /// Tells everybody who waits that it is over.
    async fn end(mut self, opened: Option<Opened>, error: Option<ClientError>) {
        let reason = error.clone().unwrap_or_else(|| over(&self.client));
        for (_, done) in self.open.drain(..) {
            drop(done.send(Err(reason.clone())));
        }
        if let Some(closing) = self.closing.take() {
            drop(closing.send(Ok(())));
        } else if let Some(opened) = opened {
            drop(opened.send(Err(reason)));
        } else if let Some(error) = error {
            drop(self.told.send(Err(error)).await);
        }
    }

    /// Makes a connection and opens the session on it.
    async fn connect(&mut self) -> Result<(Line, api::attach_response::Opened), ClientError> {
        let stream = self.client.noted(self.client.duplex.attach().await)?;
        let (mut sending, reading) = stream.into_split();
        let (heard, mut answers) = mpsc::channel(ANSWERS_MAX);
        tokio::spawn(read(self.client.clone(), reading, heard));
        let open = api::attach_request::Open {
            address: self.attach.address.clone(),
            key: self.attach.key.clone().unwrap_or_default(),
            cursor: self.attach.cursor,
            ..Default::default()
        };
        // Why something could not be sent is told by what is read; so for all sends here.
        let _ = sending.send(request(open)).await;
        let first = tokio::time::timeout(OPEN_TIMEOUT, answers.recv()).await;
        let first = first.map_err(|_| self.broken("the session was not opened in time"))?;
        let first = first.unwrap_or_else(|| Err(self.broken("the server ended the stream")))?;
        let Some(Answer::Opened(opened)) = first.what else {
            let problem = "the first answer does not open the session".to_owned();
            return Err(ClientError::Foreign { server: self.client.server().into(), problem });
        };
        self.attach.address.clone_from(&opened.address);
        self.attach.key = Some(opened.key.clone());
        self.attach.cursor = self.attach.cursor.max(opened.cursor);
        let pulse = span(opened.pulse.as_option()).unwrap_or(Duration::from_secs(2));
        self.silent = span(opened.silent.as_option()).unwrap_or(Duration::from_secs(10));
        for (acts, _) in &self.open {
            let _ = sending.send(request(acts.clone())).await;
        }
        if self.closing.is_some() {
            let _ = sending.send(close()).await;
        }
        Ok((Line { sending, answers, pulse }, *opened))
    }

    fn broken(&self, problem: &str) -> ClientError {
        ClientError::Interrupted { server: self.client.server().into(), problem: problem.to_owned() }
    }

    /// Serves one connection.
    async fn serve(&mut self, mut line: Line) -> Over {
        let mut pulses = tokio::time::interval(line.pulse);
        pulses.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard_at = Instant::now();
        loop {
            // What cannot be passed on waits at the server, in the store.
            let room = self.told.capacity() > 0;
            tokio::select! {
                command = self.commands.recv(), if self.closing.is_none() && self.open.len() < OPEN_MAX => match command {
                    Some(Command::Acts { acts, done }) => {
                        self.open.push_back((acts.clone(), done));
                        let _ = line.sending.send(request(acts)).await;
                    }
                    Some(Command::Close { done }) => {
                        self.closing = Some(done);
                        let _ = line.sending.send(close()).await;
                    }
                    None => return Over::Ended(None),
                },
                _ = pulses.tick() => {
                    if heard_at.elapsed() > self.silent && room {
                        return Over::Lost(self.broken("the server is silent"));
                    }
                    let pulse = api::AttachRequest { what: Some(What::Pulse(true)), ..Default::default() };
                    let _ = line.sending.send(pulse).await;
                }
                answer = line.answers.recv(), if room => {
                    heard_at = Instant::now();
                    match answer {
                        Some(Ok(answer)) => self.take(answer),
                        Some(Err(error)) => return self.lost(error),
                        None => return self.lost(self.broken("the server ended the stream")),
                    }
                }
            }
        }
    }

    /// The connection is gone; after a close that is what was wanted.
    fn lost(&self, error: ClientError) -> Over {
        let refused = matches!(&error, ClientError::Refused(refusal) if refusal.code != "session-gone");
        if self.closing.is_some() && !refused {
            return Over::Ended(None);
        }
        if error.is_retryable() { Over::Lost(error) } else { Over::Ended(Some(error)) }
    }

    fn take(&mut self, answer: api::AttachResponse) {
        match answer.what {
            Some(Answer::Told(told)) if told.cursor > self.attach.cursor => {
                self.attach.cursor = told.cursor;
                // There is room: it was looked for, and nobody else sends. A receiver that is gone misses nothing.
                let _ = self.told.try_send(Ok(Heard::read(&told)));
            }
            Some(Answer::Done(done)) => {
                let place = self.open.iter().position(|(acts, _)| acts.id == done.id);
                let Some((_, waiting)) = place.and_then(|place| self.open.remove(place)) else { return };
                let result = match (done.error.as_option(), done.outcome.as_option()) {
                    (Some(error), _) => Err(ClientError::Refused(Box::new(Refusal::from(error.clone())))),
                    (None, Some(outcome)) => Ok(outcome.clone()),
                    (None, None) => Err(self.broken("the server gave no outcome")),
                };
                // Whoever asked may not wait any more.
                drop(waiting.send(result));
            }
            Some(Answer::Told(_) | Answer::Pulse(_) | Answer::Opened(_)) | None => {}
        }
    }
}

/// Reads a connection to its end.
async fn read(
    client: Client,
    mut reading: Reading,
    heard: mpsc::Sender<Result<api::AttachResponse, ClientError>>,
) {
    loop {
        let message = tokio::select! {
            message = reading.message::<api::AttachResponse>() => message,
            () = heard.closed() => return,
        };
        let answer = match client.noted(message) {
            Ok(Some(message)) => Ok(message.to_owned_message()),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        let last = answer.is_err();
        if heard.send(answer).await.is_err() || last {
            return;
        }
    }
}

fn span(given: Option<&buffa_types::google::protobuf::Duration>) -> Option<Duration> {
    let span = given.map(|given| Duration::new(given.seconds.unsigned_abs(), given.nanos.unsigned_abs()))?;
    (!span.is_zero()).then_some(span)
}

fn request(what: impl Into<What>) -> api::AttachRequest {
    api::AttachRequest { what: Some(what.into()), ..Default::default() }
}

fn close() -> api::AttachRequest {
    api::AttachRequest { what: Some(What::Close(true)), ..Default::default() }
}
