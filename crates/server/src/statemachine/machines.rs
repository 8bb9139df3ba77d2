//! FSMs: put, shown with their history, listed by state.

use super::text::joined;
use super::{Statemachine, invalid, names, shown};
use crate::convert::{self, Names};
use crate::failure::Failure;
use crate::service::FreshNames;
use connectrpc::ConnectError;
use everstate_api::v1beta::__buffa::view::oneof::get_fsm_request::Query as Wanted;
use everstate_api::v1beta::__buffa::view::{EventView, GetFsmRequestView, PutFsmRequestView};
use everstate_api::v1beta::put_response::EntityResponse;
use everstate_api::v1beta::{Event, FiniteStateMachine, ListResponse, PutResponse, Transition};
use everstate_kernel::{Address, Cause, HistoryEntry, Instance, Json, Outcome, Time};
use everstate_store::{Query, Reader, StoreError};
use futures::Stream;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Turns read at a time for a history, and FSMs for a list.
const PAGE: usize = 1_000;

/// FSMs in one answer. Clients take 4 MB at a time unless told otherwise, which is a tenth of this; whoever has more
/// uses the stream.
const LIST_MAX: usize = 1_000_000;

/// What an instance of a configuration is started with.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Begin {
    /// The state that it begins in; empty for the starting state.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) begin: String,
    /// What had happened to it before it was put here, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) history: Vec<Past>,
}

impl Begin {
    /// As the data of a start.
    pub(super) fn data(&self) -> Result<Json, Failure> {
        if self.begin.is_empty() && self.history.is_empty() {
            return Ok(Json::NULL);
        }
        let text = serde_json::to_string(self).map_err(|_| Failure::internal())?;
        Json::parse(&text).map_err(Failure::from)
    }
}

/// An event of the time before.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Past {
    pub(super) id: String,
    pub(super) time: i64,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) event: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) originator: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) details: String,
}

/// What comes with an event.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) originator: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) details: String,
}

impl Said {
    /// As the data of an event.
    pub(super) fn data(originator: &str, details: &str) -> Result<Json, Failure> {
        if originator.is_empty() && details.is_empty() {
            return Ok(Json::NULL);
        }
        let said = Said { originator: originator.into(), details: details.into() };
        let text = serde_json::to_string(&said).map_err(|_| Failure::internal())?;
        Json::parse(&text).map_err(Failure::from)
    }
}

pub(super) async fn put(
    service: &Statemachine,
    request: &PutFsmRequestView<'_>,
) -> Result<PutResponse, ConnectError> {
    let Some(fsm) = request.fsm.as_option() else {
        return Err(invalid("fsm is missing; it needs a config_id, such as orders:v1, at least"));
    };
    let record = service.wanted_configuration(fsm.config_id)?;
    let known = service.known(&record);
    let id = if request.id.is_empty() { FreshNames.fresh() } else { request.id.to_owned() };
    let address = Address::new(&record.id.name, &names::id(&id)).map_err(Failure::from)?;
    let mut begin = Begin::default();
    if !fsm.state.is_empty() && fsm.state != known.configuration.starting_state {
        if !known.is_configuration {
            return Err(invalid(format!(
                "{} was not put as a configuration, so its FSMs begin in {}; leave the state empty",
                shown(fsm.config_id),
                shown(&known.configuration.starting_state)
            )));
        }
        if !known.configuration.states.iter().any(|state| state == fsm.state) {
            let (state, config) = (shown(fsm.state), shown(fsm.config_id));
            return Err(invalid(format!("there is no state {state} in configuration {config}")));
        }
        begin.begin = names::state(fsm.state).into_owned();
    }
    if !fsm.history.is_empty() && !known.is_configuration {
        return Err(invalid(
            "an FSM with a history can only be put under a configuration put through this API",
        ));
    }
    let now = service.service.now();
    begin.history = fsm.history.iter().map(|event| past(event, now)).collect::<Result<_, _>>()?;
    let data = begin.data()?;
    let request_id = convert::event_id("", "id", &FreshNames)?;
    let version = Some(record.id.version.clone());
    service.service.node.start(address.clone(), version, request_id, data).await.map_err(Failure::from)?;
    let put = service.service.read(move |reader| whole(reader, &address)).await?;
    // Gone again already, which another client may do: it was put all the same.
    let fsm = put.unwrap_or_default();
    Ok(PutResponse { id, entity_response: Some(EntityResponse::Fsm(Box::new(fsm))), ..Default::default() })
}

pub(super) fn past(event: &EventView<'_>, now: Time) -> Result<Past, Failure> {
    let time = match event.timestamp.as_option() {
        Some(time) => convert::time_in(time, "fsm.history.timestamp")?,
        None => now,
    };
    let transition = event.transition.as_option();
    let part = |part: Option<&str>| part.unwrap_or_default().to_owned();
    Ok(Past {
        id: event.event_id.into(),
        time: time.0,
        from: part(transition.map(|one| one.from)),
        to: part(transition.map(|one| one.to)),
        event: part(transition.map(|one| one.event)),
        originator: event.originator.into(),
        details: event.details.into(),
    })
}

pub(super) async fn get(
    service: &Statemachine,
    request: &GetFsmRequestView<'_>,
) -> Result<FiniteStateMachine, ConnectError> {
    let id = match request.query.as_ref() {
        Some(Wanted::Id(id)) if !id.is_empty() => *id,
        _ => return Err(invalid("the id of the FSM is missing")),
    };
    if request.config.is_empty() {
        return Err(invalid("the name of the configuration is missing"));
    }
    // A name that no FSM can have names none.
    let found = match Address::new(&service.kind(request.config), &names::id(id)) {
        Ok(address) => service.service.read(move |reader| whole(reader, &address)).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| {
        ConnectError::not_found(format!("there is no FSM {}#{}", shown(request.config), shown(id)))
    })
}

/// An FSM with its history; none when there is no such instance.
fn whole(reader: &dyn Reader, address: &Address) -> Result<Option<FiniteStateMachine>, StoreError> {
    let Some((row, _)) = reader.instance(address)? else { return Ok(None) };
    with_history(reader, &row).map(Some)
}

/// An FSM as its row says, with the events that were applied until then.
fn with_history(reader: &dyn Reader, row: &Instance) -> Result<FiniteStateMachine, StoreError> {
    let mut history = Vec::new();
    let mut after = 0;
    while after < row.turns {
        let entries = reader.history(&row.address, after, PAGE)?;
        let Some(last) = entries.last() else { break };
        after = last.sequence;
        for entry in entries.iter().filter(|entry| entry.sequence <= row.turns) {
            tell(entry, &mut history);
        }
    }
    let config_id = format!("{}:{}", names::plain(row.address.kind()), names::plain(&row.version));
    Ok(FiniteStateMachine { config_id, state: joined(&row.labels), history, ..Default::default() })
}

/// Adds the events that a turn applied: none when it was refused.
fn tell(entry: &HistoryEntry, history: &mut Vec<Event>) {
    let Outcome::Ok { from, to, .. } = &entry.outcome else { return };
    match &entry.cause {
        // Nothing that the original's clients know: they neither stop an FSM nor restart one.
        Cause::Restart { .. } | Cause::Stop { .. } | Cause::Repair { .. } => {}
        Cause::Start { data, .. } => {
            let begin: Begin = serde_json::from_str(data.as_str()).unwrap_or_default();
            history.extend(begin.history.into_iter().map(|past| Event {
                event_id: past.id,
                timestamp: Some(convert::time_out(Time(past.time))).into(),
                transition: Some(transition(past.from, past.to, past.event)).into(),
                originator: past.originator,
                details: past.details,
                ..Default::default()
            }));
        }
        Cause::Event(event) => {
            let said: Said = serde_json::from_str(event.data.as_str()).unwrap_or_default();
            let name = names::plain(&event.name).into_owned();
            history.push(Event {
                event_id: names::plain(event.id.as_str()).into_owned(),
                timestamp: Some(convert::time_out(event.time)).into(),
                transition: Some(transition(joined(from), joined(to), name)).into(),
                originator: said.originator,
                details: said.details,
                ..Default::default()
            });
        }
    }
}

fn transition(from: String, to: String, event: String) -> Transition {
    Transition { from, to, event, ..Default::default() }
}

/// FSMs of a configuration: all of them, or those in a state, by the names that the state can have in charts.
fn queries(service: &Statemachine, request: &GetFsmRequestView<'_>) -> Result<Vec<Query>, ConnectError> {
    if request.config.is_empty() {
        return Err(invalid("the name of the configuration is missing"));
    }
    let of_kind = Query { kind: Some(service.kind(request.config)), limit: PAGE, ..Default::default() };
    match request.query.as_ref() {
        Some(Wanted::Id(id)) => {
            let problem = format!("FSMs are listed by state, and the id {} is given", shown(id));
            Err(invalid(format!("{problem}; GetFiniteStateMachine asks for one")))
        }
        None | Some(Wanted::State("")) => Ok(vec![of_kind]),
        Some(Wanted::State(state)) => {
            let names: BTreeSet<String> = [names::state(state).into_owned(), (*state).to_owned()].into();
            Ok(names.into_iter().map(|state| Query { state: Some(state), ..of_kind.clone() }).collect())
        }
    }
}

pub(super) async fn list(
    service: &Statemachine,
    request: &GetFsmRequestView<'_>,
) -> Result<ListResponse, ConnectError> {
    let mut ids = Vec::new();
    for mut query in queries(service, request)? {
        loop {
            let asked = query.clone();
            let page = service.service.read(move |reader| reader.list(&asked)).await?;
            ids.extend(page.instances.iter().map(|row| names::plain(row.address.id()).into_owned()));
            if ids.len() > LIST_MAX {
                let problem = format!("more than {LIST_MAX} FSMs match; use StreamAllInstate");
                return Err(ConnectError::resource_exhausted(problem));
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
    }
    Ok(ListResponse { ids, ..Default::default() })
}

/// What is left of an answer to `StreamAllInstate`.
struct Left {
    service: Arc<crate::service::Service>,
    /// The last is being read.
    queries: Vec<Query>,
    /// Rows read and not told yet, the next one last.
    rows: Vec<Instance>,
}

/// The stream of an answer to `StreamAllInstate`, read as fast as the client takes it.
pub(super) fn stream(
    service: &Statemachine,
    request: &GetFsmRequestView<'_>,
) -> Result<impl Stream<Item = Result<PutResponse, ConnectError>> + Send + use<>, ConnectError> {
    let mut queries = queries(service, request)?;
    queries.reverse();
    let left = Left { service: service.service.clone(), queries, rows: Vec::new() };
    Ok(futures::stream::unfold(Some(left), |left| async move {
        let mut left = left?;
        match left.next().await {
            Ok(next) => next.map(|next| (Ok(next), Some(left))),
            // An error ends the stream.
            Err(failure) => Some((Err(ConnectError::from(failure)), None)),
        }
    }))
}

impl Left {
    async fn next(&mut self) -> Result<Option<PutResponse>, Failure> {
        while self.rows.is_empty() {
            let Some(query) = self.queries.last_mut() else { return Ok(None) };
            let asked = query.clone();
            let page = self.service.read(move |reader| reader.list(&asked)).await?;
            self.rows = page.instances;
            self.rows.reverse();
            query.after = page.next;
            if query.after.is_none() {
                self.queries.pop();
            }
        }
        let Some(row) = self.rows.pop() else { return Ok(None) };
        let id = names::plain(row.address.id()).into_owned();
        let fsm = self.service.read(move |reader| with_history(reader, &row)).await?;
        let entity_response = Some(EntityResponse::Fsm(Box::new(fsm)));
        Ok(Some(PutResponse { id, entity_response, ..Default::default() }))
    }
}
