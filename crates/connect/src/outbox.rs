//! What the way out needs of a server: its turns from a cursor on, and a place to keep the cursor.
//!
//! The history of the node is the outbox: nothing is copied, and nothing can be lost between a turn and a copy of it. The
//! cursor lies in an instance of a definition that the connector puts there, so it is as durable as what it points into,
//! and goes with it into an export and back.
//!
//! Its one invariant: a cursor that was kept is never followed by an older one.

use crate::trouble::Trouble;
use everstate_client::{Client, Follower, Retry, Subject, Told, api, json, value};
use serde_json::json;
use std::cell::Cell;
use std::time::Duration;

/// Where a destination begins that was never there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Begin {
    /// With what happens from now on.
    #[default]
    Now,
    /// With all that ever happened.
    Beginning,
}

/// One thing heard from the outbox.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A turn.
    Turn(Box<api::Turn>),
    /// The server is away; what comes next goes on where this was.
    Lost(String),
    /// It is back.
    Resumed,
}

/// The server, as the way out sees it.
pub trait Outbox {
    /// Opens it; answers the cursor that was kept last.
    async fn open(&self) -> Result<u64, Trouble>;

    /// The next turn after the cursor; waits for one.
    async fn next(&mut self) -> Result<Heard, Trouble>;

    /// A way to keep cursors while turns are waited for.
    fn shelf(&self) -> impl Shelf + 'static;
}

/// Keeps cursors.
pub trait Shelf {
    /// Keeps it for good.
    async fn keep(&self, cursor: u64) -> Result<(), Trouble>;
}

/// The kind of the instances that keep cursors. Their turns are told to nobody.
pub(crate) const KIND: &str = "connector-cursor";

/// What they do.
const DEFINITION: &str = "\
name: connector-cursor
version: v1
description: How far a destination of notifications has come; `everstate connect` keeps it.
context: {cursor: null}
initial: delivering
states:
  delivering:
    on:
      delivered:
        - guard: context.cursor == null || event.cursor > context.cursor
          actions: {assign: {cursor: event.cursor}}
        - guard: 'true'
";

/// The driver has the greater patience; the client's own is for hiccups.
const PATIENCE: Duration = Duration::from_secs(1);

/// The outbox of a server.
pub(crate) struct ServerOutbox {
    client: Client,
    address: String,
    id: String,
    begin: Begin,
    /// Where it was opened.
    cursor: Cell<u64>,
    follower: Option<Follower>,
}

impl ServerOutbox {
    /// For the destination of that name.
    pub(crate) fn new(client: &Client, name: &str, begin: Begin) -> ServerOutbox {
        ServerOutbox {
            client: client.with_retry(Retry { patience: PATIENCE, first_contact: PATIENCE }),
            cursor: Cell::new(0),
            address: format!("{KIND}/{name}"),
            id: name.to_owned(),
            begin,
            follower: None,
        }
    }

    /// The place where cursors are kept, made when it is not there yet.
    async fn instance(&self) -> Result<api::Instance, Trouble> {
        let request =
            api::StartInstanceRequest { kind: KIND.into(), id: self.id.clone(), ..Default::default() };
        match self.client.start(request).await {
            Ok(_) => {}
            Err(error) if error.code() == "instance-exists" => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.client.instance(&self.address).await?)
    }

    /// The position of the first turn of the place itself: what came after it is new.
    async fn birth(&self) -> Result<u64, Trouble> {
        let history = self.client.history(&self.address, 0, 1).await?;
        history.turns.first().map(|turn| turn.cursor).ok_or_else(|| {
            Trouble::lasting(format!(
                "{} has no history to begin with; delete it to begin anew",
                self.address
            ))
        })
    }
}

impl Outbox for ServerOutbox {
    async fn open(&self) -> Result<u64, Trouble> {
        self.client.put_definition("connector-cursor.yaml", DEFINITION).await?;
        let instance = self.instance().await?;
        let kept = instance.context.as_option().map(json).and_then(|context| context["cursor"].as_u64());
        let cursor = match (kept, self.begin) {
            (Some(cursor), _) => cursor,
            (None, Begin::Now) => self.birth().await?,
            (None, Begin::Beginning) => 0,
        };
        if kept.is_none() {
            self.shelf().keep(cursor).await?;
        }
        self.cursor.set(cursor);
        Ok(cursor)
    }

    async fn next(&mut self) -> Result<Heard, Trouble> {
        let follower = self.follower.get_or_insert_with(|| {
            let patient = Retry { patience: Duration::MAX, first_contact: Duration::MAX };
            self.client.with_retry(patient).follow(Subject::Everything, Some(self.cursor.get()))
        });
        loop {
            match follower.next().await? {
                Told::Turn(turn) => return Ok(Heard::Turn(turn)),
                Told::Lost(error) => return Ok(Heard::Lost(error.to_string())),
                Told::Resumed => return Ok(Heard::Resumed),
                Told::Snapshot(_) | Told::Live => {}
            }
        }
    }

    fn shelf(&self) -> impl Shelf + 'static {
        ServerShelf { client: self.client.clone(), address: self.address.clone() }
    }
}

struct ServerShelf {
    client: Client,
    address: String,
}

impl Shelf for ServerShelf {
    async fn keep(&self, cursor: u64) -> Result<(), Trouble> {
        let data =
            value(&json!({ "cursor": cursor })).map_err(|error| Trouble::lasting(error.to_string()))?;
        let event = api::Event { name: "delivered".into(), data: Some(data).into(), ..Default::default() };
        let answer = self.client.send(&self.address, event, None).await?;
        match answer.outcome.as_option().map(|outcome| (outcome.code.as_known(), &outcome.message)) {
            Some((Some(api::outcome::Code::CODE_OK), _)) => Ok(()),
            Some((_, message)) => Err(Trouble::again(format!("{}: {message}", self.address))),
            None => Err(Trouble::again(format!("{} did not answer", self.address))),
        }
    }
}
