//! Events as clients of go-statemachine send them: one call to send, one for the outcome.
//!
//! It refuses to count what was not applied. Its one invariant: a send is over when its outcome is known to be `Ok`.

use super::{Size, median};
use crate::http::{Connection, post};
use crate::load::{Bound, Load, Sender, block_on, waiting};
use crate::node::{Among, fresh_id};
use crate::report::{Section, per_second, time};
use crate::served::Served;
use anyhow::{Context, Result, ensure};
use buffa::Message;
use everstate_api::v1beta::event_outcome::StatusCode;
use everstate_api::v1beta::{
    Configuration, Event, EventRequest, EventResponse, FiniteStateMachine, PutFsmRequest, PutResponse,
    Transition,
};
use std::time::Duration;

/// Clients at a time.
const CLIENTS: [u64; 3] = [1, 16, 64];

/// What was measured of the original on 2 cores, at its best.
const ORIGINAL: f64 = 940.0;

/// Events of one look at what a history costs. So few that a short history stays short.
const LOOK: u64 = 300;

const CONFIG: &str = "lamp";

pub(crate) fn run(size: &Size) -> Result<Section> {
    let served = Served::start()?;
    block_on(prepare(&served, size.instances))?;
    let mut section = Section::new("As go-statemachine's clients send");
    let among = Among::scattered(size.instances);
    for clients in CLIENTS {
        let mut rates = Vec::new();
        let (mut p50, mut p99) = (Vec::new(), Vec::new());
        for _ in 0..size.rounds {
            let callers = (0..clients).map(|number| Wanted::Among(among.from(number, clients)));
            let load = load(&served, callers.collect(), Bound::time(size.time))?;
            rates.push(load.per_second());
            p50.push(load.quantile(0.5));
            p99.push(load.quantile(0.99));
        }
        let (rate, p50, p99) = (median(rates), median(p50), median(p99));
        let what = format!("{clients} clients, send to outcome (p50 {}, p99 {})", time(p50), time(p99));
        let row =
            section.row(what, per_second(rate, "events")).times(rate / ORIGINAL, "the original at its best");
        if clients == 64 {
            row.at_least(rate / ORIGINAL, 20.0, "20");
        }
    }
    history(&served, size, &mut section)?;
    section.note(format!(
        "{} FSMs, durability `power`, one connection for each client, HTTP/1.1 with protobuf messages. Every event is \
         two calls: SendEvent, then GetEventOutcome, which always knows. The server runs in a process of its own; \
         the load takes one thread of the same machine. The original was measured at 400 to {ORIGINAL} events/s, 2.1 ms \
         p50 and 12.5 ms p99, on another machine of 2 cores.",
        size.instances
    ));
    Ok(section)
}

/// An event for an FSM with a long history, beside one for an FSM with a short one.
fn history(served: &Served, size: &Size, section: &mut Section) -> Result<()> {
    let long = size.chart_turns.min(100_000);
    block_on(start(served, "long"))?;
    let each = long.div_ceil(64);
    let all = (0..64).map(|_| Wanted::One("long".into())).collect();
    load(served, all, Bound { sends: each, ..Bound::time(Duration::from_secs(600)) })?;
    let look = Bound { sends: LOOK, ..Bound::time(Duration::from_secs(60)) };
    let (mut short_times, mut long_times) = (Vec::new(), Vec::new());
    for round in 0..size.rounds * 3 {
        let id = format!("short-{round}");
        block_on(start(served, &id))?;
        let few = Bound { sends: 10, ..look };
        load(served, vec![Wanted::One(id.clone())], few)?;
        short_times.push(load(served, vec![Wanted::One(id)], look)?.quantile(0.5));
        long_times.push(load(served, vec![Wanted::One("long".into())], look)?.quantile(0.5));
    }
    let (short_time, long_time) = (median(short_times), median(long_times));
    section.row("an event after 10 others, p50", time(short_time));
    section
        .row(format!("an event after {long} others, p50"), time(long_time))
        .times(long_time / short_time, "after 10")
        .at_most(long_time / short_time, 1.1, "1.1");
    Ok(())
}

/// Whom a client sends to.
enum Wanted {
    Among(Among),
    One(String),
}

/// A client with a connection of its own.
struct Caller {
    connection: Connection,
    wanted: Wanted,
}

impl Sender for Caller {
    async fn send(&mut self) -> Result<u64> {
        let id = match &mut self.wanted {
            Wanted::One(id) => id.clone(),
            Wanted::Among(among) => {
                let id = among.first.to_string();
                among.first = (among.first + among.stride) % among.count;
                id
            }
        };
        let transition = Transition { event: "flip".into(), ..Default::default() };
        let event = Event { event_id: fresh_id(), transition: Some(transition).into(), ..Default::default() };
        let request =
            EventRequest { event: Some(event).into(), config: CONFIG.into(), id, ..Default::default() };
        let answer: EventResponse = call(&mut self.connection, "SendEvent", &request).await?;
        let asked = EventRequest { config: CONFIG.into(), id: answer.event_id, ..Default::default() };
        let answer: EventResponse = call(&mut self.connection, "GetEventOutcome", &asked).await?;
        ensure!(answer.outcome.is_set() && answer.outcome.code == StatusCode::Ok, "not applied: {answer:?}");
        Ok(1)
    }
}

fn load(served: &Served, wanted: Vec<Wanted>, bound: Bound) -> Result<Load> {
    block_on(async {
        let mut callers = Vec::new();
        for wanted in wanted {
            callers.push(Caller { connection: served.connection().await?, wanted });
        }
        waiting(callers, bound).await
    })
}

/// The configuration, and FSMs with numbers for ids.
async fn prepare(served: &Served, fsms: u64) -> Result<()> {
    let transition = |from: &str, to: &str| Transition {
        from: from.into(),
        to: to.into(),
        event: "flip".into(),
        ..Default::default()
    };
    let lamp = Configuration {
        name: CONFIG.into(),
        version: "v1".into(),
        states: vec!["off".into(), "on".into()],
        starting_state: "off".into(),
        transitions: vec![transition("off", "on"), transition("on", "off")],
        ..Default::default()
    };
    let mut connection = served.connection().await?;
    let _: PutResponse = call(&mut connection, "PutConfiguration", &lamp).await?;
    for id in 0..fsms {
        put(&mut connection, id.to_string()).await?;
    }
    Ok(())
}

async fn start(served: &Served, id: &str) -> Result<()> {
    put(&mut served.connection().await?, id.into()).await
}

async fn put(connection: &mut Connection, id: String) -> Result<()> {
    let fsm = FiniteStateMachine { config_id: format!("{CONFIG}:v1"), ..Default::default() };
    let request = PutFsmRequest { id, fsm: Some(fsm).into(), ..Default::default() };
    let _: PutResponse = call(connection, "PutFiniteStateMachine", &request).await?;
    Ok(())
}

async fn call<A: Message>(connection: &mut Connection, method: &str, request: &impl Message) -> Result<A> {
    let path = format!("/statemachine.v1beta.StatemachineService/{method}");
    let request = post(&path, "application/proto", &request.encode_to_vec());
    let answer = connection.send(&request).await.with_context(|| format!("calling {method}"))?;
    Ok(A::decode_from_slice(answer)?)
}
