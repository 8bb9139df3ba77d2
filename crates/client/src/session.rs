//! A session: a program's body at the server. It holds endpoints in spaces like any machine, hears of its counterparts,
//! and outlives broken connections under the same identity.
//!
//! It refuses to know what the program adapts. Its one invariant: acts are done once and in order, and what the session
//! is told is told once and in order, whatever happens to connections in between.

mod drive;
mod heard;

pub use heard::{Counterpart, Heard, News};

use crate::api::attach_request as wire;
use crate::client::{Client, ensure_id};
use crate::error::ClientError;
use crate::json::{UnkeptNumber, value};
use drive::{Command, Driver};
use everstate_api::v1 as api;
use serde_json::Value as Json;
use tokio::sync::{mpsc, oneshot};

/// Acts on their way to the server. One more waits until there is room.
const COMMANDS_MAX: usize = 256;

/// What was told and is not taken yet. Beyond it nothing is read, so that a program that only acts must listen too.
const HEARD_MAX: usize = 1_024;

/// How to attach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attach {
    /// Where: `session/ID`, within a space `SPACE:session/ID`; empty for a fresh one in the outermost space.
    pub address: String,
    /// To take a session up again: its key.
    pub key: Option<String>,
    /// To take a session up again: what was told so far.
    pub cursor: u64,
}

/// Which way messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends messages, gets feedback.
    Publisher,
    /// Gets messages, sends feedback.
    Subscriber,
}

/// Whom an endpoint sees, and who sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interest {
    /// Takes part.
    #[default]
    Participant,
    /// Sees participants come and go, unseen by them.
    Observer,
    /// Sees observers too.
    Everything,
}

/// A part in conversations.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The topics: segments with `/`, `*` for any one, a final `>` for the rest.
    pub pattern: String,
    /// Which way.
    pub role: Role,
    /// Who sees whom.
    pub interest: Interest,
    /// What the endpoint asserts.
    pub value: Json,
    /// Tell when all that were present at first are told.
    pub mark: bool,
    /// Keep what the session publishes about these topics until a subscriber has given credit for it, by the feedback
    /// `{"credit": N}`. Only a publisher's endpoint can.
    pub waits: bool,
}

impl Part {
    /// Of a participant that asserts nothing.
    pub fn new(pattern: impl Into<String>, role: Role) -> Part {
        let interest = Interest::Participant;
        Part { pattern: pattern.into(), role, interest, value: Json::Null, mark: false, waits: false }
    }

    /// Of a publisher.
    pub fn publisher(pattern: impl Into<String>) -> Part {
        Part::new(pattern, Role::Publisher)
    }

    /// Of a subscriber.
    pub fn subscriber(pattern: impl Into<String>) -> Part {
        Part::new(pattern, Role::Subscriber)
    }

    /// The same with another interest.
    pub fn with_interest(self, interest: Interest) -> Part {
        Part { interest, ..self }
    }

    /// The same, waiting for credit.
    pub fn waiting(self) -> Part {
        Part { waits: true, ..self }
    }

    /// The same with a value to assert.
    pub fn with_value(self, value: Json) -> Part {
        Part { value, ..self }
    }
}

/// Something that a session does. Several given together are one turn: seen together, or not done at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Act(wire::Act);

impl Act {
    /// Join with an endpoint; joining again under the name replaces it.
    pub fn join(name: impl Into<String>, part: Part) -> Result<Act, UnkeptNumber> {
        let role = match part.role {
            Role::Publisher => wire::Role::ROLE_PUBLISHER,
            Role::Subscriber => wire::Role::ROLE_SUBSCRIBER,
        };
        let interest = match part.interest {
            Interest::Participant => wire::Interest::INTEREST_PARTICIPANT,
            Interest::Observer => wire::Interest::INTEREST_OBSERVER,
            Interest::Everything => wire::Interest::INTEREST_EVERYTHING,
        };
        Ok(Act::of(wire::Join {
            name: name.into(),
            pattern: part.pattern,
            role: role.into(),
            interest: interest.into(),
            value: Some(value(&part.value)?).into(),
            mark: part.mark,
            waits: part.waits,
            ..Default::default()
        }))
    }

    /// Leave with the endpoint of that name, if there is one.
    pub fn leave(name: impl Into<String>) -> Act {
        let what = Some(wire::act::What::Leave(name.into()));
        Act(wire::Act { what, ..Default::default() })
    }

    /// Let the endpoint assert another value.
    pub fn assert(name: impl Into<String>, asserted: &Json) -> Result<Act, UnkeptNumber> {
        let value = Some(value(asserted)?).into();
        Ok(Act::of(wire::Assert { name: name.into(), value, ..Default::default() }))
    }

    /// A message to subscribers.
    pub fn publish(topic: impl Into<String>, data: &Json) -> Result<Act, UnkeptNumber> {
        let what = wire::act::What::Publish(Box::new(message(topic.into(), data)?));
        Ok(Act(wire::Act { what: Some(what), ..Default::default() }))
    }

    /// A message back to publishers.
    pub fn feedback(topic: impl Into<String>, data: &Json) -> Result<Act, UnkeptNumber> {
        let what = wire::act::What::Feedback(Box::new(message(topic.into(), data)?));
        Ok(Act(wire::Act { what: Some(what), ..Default::default() }))
    }

    /// An event to an instance; its reply is heard as an event.
    pub fn send(
        address: impl Into<String>,
        event: impl Into<String>,
        data: &Json,
    ) -> Result<Act, UnkeptNumber> {
        let (address, event, data) = (address.into(), event.into(), Some(value(data)?).into());
        Ok(Act::of(wire::Send { address, event, data, ..Default::default() }))
    }

    /// The same in another space: a path, or `~` for the outermost.
    pub fn within(mut self, space: impl Into<String>) -> Act {
        self.0.space = space.into();
        self
    }

    fn of(what: impl Into<wire::act::What>) -> Act {
        Act(wire::Act { what: Some(what.into()), ..Default::default() })
    }
}

fn message(topic: String, data: &Json) -> Result<wire::Message, UnkeptNumber> {
    Ok(wire::Message { topic, data: Some(value(data)?).into(), ..Default::default() })
}

/// An open session. Dropping it leaves the server waiting for it until it counts as silent; [`Session::close`] ends it.
#[derive(Debug)]
pub struct Session {
    hand: Hand,
    heard: mpsc::Receiver<Result<Heard, ClientError>>,
    address: String,
    key: String,
    cursor: u64,
}

/// What acts for a session, from any task. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hand {
    commands: mpsc::Sender<Command>,
}

impl Client {
    /// Attaches with a session, new or taken up again.
    pub async fn attach(&self, attach: Attach) -> Result<Session, ClientError> {
        let (commands, queue) = mpsc::channel(COMMANDS_MAX);
        let (told, heard) = mpsc::channel(HEARD_MAX);
        let (opened, answer) = oneshot::channel();
        let cursor = attach.cursor;
        tokio::spawn(Driver::new(self.clone(), attach, queue, told).run(opened));
        let opened = answer.await.unwrap_or_else(|_| Err(over(self)))?;
        let (address, key) = (opened.address, opened.key);
        let cursor = cursor.max(opened.cursor);
        Ok(Session { hand: Hand { commands }, heard, address, key, cursor })
    }
}

impl Session {
    /// Where it is: machines may send to it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What takes it up again. Whoever has it can act as the session.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What was taken from [`Session::next`] so far: to take the session up again after it.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// What acts for it.
    pub fn hand(&self) -> Hand {
        self.hand.clone()
    }

    /// Acts: see [`Hand::act`].
    pub async fn act(&self, acts: Vec<Act>) -> Result<api::Outcome, ClientError> {
        self.hand.act(acts).await
    }

    /// The next thing that the session is told. An error is final: the session is gone, or cannot be reached.
    pub async fn next(&mut self) -> Option<Result<Heard, ClientError>> {
        let heard = self.heard.recv().await?;
        if let Ok(heard) = &heard {
            self.cursor = heard.cursor;
        }
        Some(heard)
    }

    /// Ends it: counterparts are told that it has gone.
    pub async fn close(mut self) -> Result<(), ClientError> {
        let (done, answer) = oneshot::channel();
        if self.hand.commands.send(Command::Close { done }).await.is_err() {
            return Ok(());
        }
        // What is still told must not keep the end from being heard.
        let drained = async {
            while self.heard.recv().await.is_some() {}
            std::future::pending::<()>().await
        };
        tokio::select! {
            answer = answer => answer.unwrap_or(Ok(())),
            () = drained => Ok(()),
        }
    }
}

impl Hand {
    /// One turn with all of these, or with none; at most 256. Answers once it is committed; when the connection breaks, it
    /// is sent again under the same id.
    pub async fn act(&self, acts: Vec<Act>) -> Result<api::Outcome, ClientError> {
        let mut id = String::new();
        ensure_id(&mut id);
        let acts = wire::Acts { id, acts: acts.into_iter().map(|act| act.0).collect(), ..Default::default() };
        let (done, answer) = oneshot::channel();
        self.commands.send(Command::Acts { acts, done }).await.map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}

fn over(client: &Client) -> ClientError {
    ClientError::Interrupted { server: client.server().into(), problem: "the session ended".into() }
}

fn ended() -> ClientError {
    ClientError::Interrupted { server: String::new(), problem: "the session has ended".into() }
}
