//! One connection of a session: what arrives is done in the order of its arrival, what the session is told goes out in
//! the order of its turns, and neither waits for the other.
//!
//! Its one invariant: whoever is answered `done` can trust that the turn is committed.

use super::inbox::Inbox;
use super::{Opened, Sessions, ended, gone, open};
use crate::convert;
use crate::failure::Failure;
use crate::service::{FreshNames, now, stopped};
use connectrpc::{ConnectError, InboundStream, StreamMessage};
use everstate_api::v1::__buffa::oneof::attach_response::What;
use everstate_api::v1::__buffa::view::oneof::attach_request::What as WhatView;
use everstate_api::{Code, v1};
use everstate_kernel::{Address, Cause, Event, EventId, HistoryEntry, SESSION_ACT, Sender};
use everstate_runtime::{CallError, Decision};
use futures::channel::mpsc;
use futures::{SinkExt, Stream, StreamExt};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Answers made and not yet asked for. Half would halt the reading for every slow packet.
const ANSWERS_MAX: usize = 64;

/// Answers that wait for a client that does not read, before no more is read from it.
const READY_MAX: usize = 1_024;

/// Requests that are done in one go when they have arrived together.
const REQUESTS_MAX: usize = 128;

/// How long one who attaches may take to say with what.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

type Request = Result<StreamMessage<v1::AttachRequest>, ConnectError>;
type Answers = mpsc::Sender<Result<v1::AttachResponse, ConnectError>>;

/// The stream of an answer to `Attach`.
pub(crate) fn attach(
    sessions: Arc<Sessions>,
    requests: InboundStream<v1::AttachRequest>,
) -> impl Stream<Item = Result<v1::AttachResponse, ConnectError>> + Send {
    let (mut answers, stream) = mpsc::channel(ANSWERS_MAX);
    tokio::spawn(async move {
        if let Err(failure) = run(&sessions, requests, &mut answers).await {
            // Nobody listening means that the connection is gone; its session has its wait to come back.
            let _ = answers.send(Err(failure.into())).await;
        }
    });
    stream
}

async fn run(
    sessions: &Sessions,
    mut requests: InboundStream<v1::AttachRequest>,
    answers: &mut Answers,
) -> Result<(), Failure> {
    let first = tokio::time::timeout(OPEN_TIMEOUT, requests.next()).await;
    let Some(first) = first.map_err(|_| not_opened("nothing was sent"))? else { return Ok(()) };
    let first = first.map_err(broken)?;
    let Some(WhatView::Open(request)) = &first.view().what else {
        return Err(not_opened("the first request opens nothing"));
    };
    let opened = open(sessions, request).await?;
    drop(first);
    let answer = v1::attach_response::Opened {
        address: opened.address.to_string(),
        key: opened.key.clone(),
        pulse: Some(sessions.pulse.into()).into(),
        silent: Some(sessions.silent.into()).into(),
        resumed: opened.resumed,
        cursor: opened.after,
        ..Default::default()
    };
    if answers.send(Ok(response(answer))).await.is_err() {
        return Ok(());
    }
    serve(sessions, &opened, requests, answers).await
}

/// Serves the connection until it breaks, or the session ends.
async fn serve(
    sessions: &Sessions,
    opened: &Opened,
    requests: InboundStream<v1::AttachRequest>,
    answers: &mut Answers,
) -> Result<(), Failure> {
    let address = &opened.address;
    let mut requests = requests.ready_chunks(REQUESTS_MAX);
    let mut inbox = Inbox::new(sessions.node.clone(), address.clone(), opened.after);
    // What is answered waits for room here, and not in the way of pulses.
    let mut ready: VecDeque<v1::AttachResponse> = VecDeque::new();
    loop {
        tokio::select! {
            () = opened.replaced.notified() => {
                return Err(if sessions.is_held(address) { taken_up(address) } else { gone(address) });
            }
            () = stopped(sessions.stopping.clone()) => {
                return Err(Failure::new(Code::Stopping, "the server is stopping; attach again with the key"));
            }
            chunk = requests.next(), if ready.len() < READY_MAX => {
                let Some(chunk) = chunk else { return Ok(()) };
                if !sessions.heard(address, opened.holder) {
                    return Err(gone(address));
                }
                if !take(sessions, address, chunk, &mut ready).await? {
                    return Ok(());
                }
            }
            entry = inbox.next(), if ready.is_empty() => {
                let entry = entry?;
                if matches!(entry.cause, Cause::Stop { .. } | Cause::Restart { .. }) {
                    sessions.let_go(address);
                    return Err(gone(address));
                }
                ready.extend(tell(&entry));
            }
            room = futures::future::poll_fn(|context| answers.poll_ready(context)), if !ready.is_empty() => {
                let Some(answer) = ready.pop_front() else { continue };
                if room.is_err() || answers.start_send(Ok(answer)).is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// Does what has arrived. False when the connection is to end.
async fn take(
    sessions: &Sessions,
    address: &Address,
    chunk: Vec<Request>,
    ready: &mut VecDeque<v1::AttachResponse>,
) -> Result<bool, Failure> {
    let (mut results, mut events) = (Vec::new(), Vec::new());
    let (mut pulsed, mut closed, mut gone_away) = (false, false, false);
    for request in chunk {
        let Ok(request) = request else {
            gone_away = true;
            break;
        };
        match &request.view().what {
            Some(WhatView::Acts(acts)) => match acts_of(acts) {
                Ok(event) => {
                    results.push((event.id.clone(), None));
                    events.push((address.clone(), event));
                }
                Err((id, failure)) => results.push((id, Some(failure))),
            },
            Some(WhatView::Pulse(_)) => pulsed = true,
            Some(WhatView::Close(_)) => closed = true,
            Some(WhatView::Open(_)) => return Err(not_opened("the session is open already")),
            None => return Err(not_opened("the request says nothing")),
        }
    }
    let mut decided = if events.is_empty() {
        Vec::new().into_iter()
    } else {
        sessions.node.send_many(events).await?.into_iter()
    };
    for (id, failure) in results {
        let result = match failure {
            Some(failure) => Err(failure),
            None => decided.next().unwrap_or(Err(CallError::Stopping)).map_err(Failure::from),
        };
        if result.as_ref().is_ok_and(ended) {
            return Err(gone(address));
        }
        ready.push_back(response(done(&id, result)));
    }
    ready.extend(pulsed.then(pulse));
    if closed {
        sessions.node.stop_instance(address.clone(), true).await?;
        sessions.let_go(address);
    }
    Ok(!closed && !gone_away)
}

/// Acts as the event that the session gets.
fn acts_of(acts: &v1::__buffa::view::attach_request::ActsView<'_>) -> Result<Event, (EventId, Failure)> {
    let fresh = || EventId::parse(&convert::Names::fresh(&FreshNames)).expect("a fresh name is an id");
    let id = convert::event_id(acts.id, "acts.id", &FreshNames).map_err(|failure| (fresh(), failure))?;
    match convert::acts(acts) {
        Ok(data) => Ok(Event { id, name: SESSION_ACT.into(), data, sender: Sender::Client, time: now() }),
        Err(failure) => Err((id, failure)),
    }
}

fn done(id: &EventId, result: Result<Decision, Failure>) -> v1::attach_response::Done {
    let mut done = v1::attach_response::Done { id: id.to_string(), ..Default::default() };
    match result {
        Ok(Decision::Decided { outcome, duplicate }) => {
            done.outcome = Some(convert::outcome(&outcome, duplicate)).into();
        }
        Ok(Decision::Kept { duplicate }) => done.outcome = Some(convert::pending(duplicate)).into(),
        Err(failure) => done.error = Some(failure.into_message()).into(),
    }
    done
}

/// What a turn of the session tells whoever holds it; nothing when it was its own doing.
fn tell(entry: &HistoryEntry) -> Option<v1::AttachResponse> {
    let Cause::Event(event) = &entry.cause else { return None };
    if &*event.name == SESSION_ACT {
        return None;
    }
    let told = v1::attach_response::Told {
        cursor: entry.sequence,
        event: Some(convert::queued_event(event)).into(),
        sender: convert::sender(&event.sender),
        ..Default::default()
    };
    Some(response(told))
}

fn response(what: impl Into<What>) -> v1::AttachResponse {
    v1::AttachResponse { what: Some(what.into()), ..Default::default() }
}

fn pulse() -> v1::AttachResponse {
    v1::AttachResponse { what: Some(What::Pulse(true)), ..Default::default() }
}

fn not_opened(problem: &str) -> Failure {
    let problem = format!("{problem}; send `open` first and once, then acts, pulses and `close`");
    Failure::new(Code::MalformedRequest, problem).at("what")
}

fn taken_up(address: &Address) -> Failure {
    let problem = format!("{address} was taken up by another connection with its key");
    Failure::new(Code::SessionHeld, problem)
}

fn broken(error: ConnectError) -> Failure {
    Failure::new(Code::MalformedRequest, error.to_string())
}
