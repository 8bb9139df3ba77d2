//! Configurations: put, listed, shown.

use super::text::{self, Known};
use super::{Statemachine, invalid, names, precondition, shown};
use crate::definitions;
use crate::failure::Failure;
use buffa_types::google::protobuf::__buffa::view::StringValueView;
use connectrpc::ConnectError;
use everstate_api::v1beta::__buffa::view::ConfigurationView;
use everstate_api::v1beta::put_response::EntityResponse;
use everstate_api::v1beta::{Configuration, ListResponse, PutResponse, Transition};
use everstate_api::{Code, v1beta};
use everstate_kernel::{DefinitionId, DefinitionRecord};
use futures::Stream;
use std::sync::{Arc, PoisonError};

/// Given to a configuration that has none.
const VERSION: &str = "v1";

pub(super) async fn put(
    service: &Statemachine,
    request: &ConfigurationView<'_>,
) -> Result<PutResponse, ConnectError> {
    let configuration = owned(request);
    let invalid = |problem: String| invalid(format!("invalid configuration: {problem}"));
    // A large one takes its time, and holds up no other call.
    let (configuration, written) = crate::service::blocking(move || {
        let written = match text::problem(&configuration) {
            None => Ok(text::written(&configuration)),
            Some(problem) => Err(problem),
        };
        (configuration, written)
    })
    .await?;
    let source = written.map_err(invalid)?;
    let (kind, version) = (names::kind(&configuration.name), names::version(&configuration.version));
    DefinitionId::new(&kind, &version).map_err(|problem| invalid(short(&problem)))?;
    let id = format!("{}:{}", configuration.name, configuration.version);
    let exists = || {
        let problem = format!(
            "configuration {} exists already, and configurations never change; put it with another version",
            shown(&id)
        );
        ConnectError::from(Failure::new(Code::DefinitionExists, problem))
    };
    if service.service.node.definitions().find(&kind, Some(&version)).is_some() {
        return Err(exists());
    }
    match definitions::put_text(&service.service, "configuration.yaml", &source).await {
        Ok(put) if put.fresh => {}
        Ok(_) => return Err(exists()),
        Err(failure) if failure.code == Code::DefinitionExists => return Err(exists()),
        Err(failure) if failure.code == Code::MalformedDefinition => {
            return Err(invalid(failure.message));
        }
        Err(failure) => return Err(failure.into()),
    }
    let entity_response = Some(EntityResponse::Config(Box::new(configuration)));
    Ok(PutResponse { id, entity_response, ..Default::default() })
}

pub(super) fn owned(request: &ConfigurationView<'_>) -> Configuration {
    let transition = |one: &v1beta::__buffa::view::TransitionView<'_>| Transition {
        from: one.from.into(),
        to: one.to.into(),
        event: one.event.into(),
        ..Default::default()
    };
    Configuration {
        states: request.states.iter().map(|state| (*state).to_owned()).collect(),
        transitions: request.transitions.iter().map(transition).collect(),
        starting_state: request.starting_state.into(),
        name: request.name.into(),
        version: if request.version.is_empty() { VERSION.into() } else { request.version.into() },
        ..Default::default()
    }
}

/// Errors travel in headers, and quote names that may be of any length.
fn short(problem: &str) -> String {
    problem.chars().take(400).collect()
}

pub(super) async fn list(
    service: &Statemachine,
    request: &StringValueView<'_>,
) -> Result<ListResponse, ConnectError> {
    let ids = if request.value.is_empty() {
        let mut names: Vec<String> = service
            .service
            .node
            .definitions()
            .all()
            .iter()
            .map(|(definition, _)| names::plain(&definition.id.name).into_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    } else {
        service.versions(request.value).iter().map(|record| plain_id(&record.id)).collect()
    };
    Ok(ListResponse { ids, ..Default::default() })
}

/// The stream of an answer to `StreamAllConfigurations`.
pub(super) fn stream(
    service: &Statemachine,
    request: &StringValueView<'_>,
) -> Result<impl Stream<Item = Result<Configuration, ConnectError>> + Send + use<>, ConnectError> {
    if request.value.is_empty() {
        return Err(invalid("the name of a configuration is missing; GetAllConfigurations lists them"));
    }
    let known: Vec<_> = service.versions(request.value).iter().map(|record| service.known(record)).collect();
    Ok(futures::stream::iter(known.into_iter().map(|known| Ok(known.configuration.clone()))))
}

pub(super) async fn get(
    service: &Statemachine,
    request: &StringValueView<'_>,
) -> Result<Configuration, ConnectError> {
    match service.configuration(request.value) {
        Some(record) => Ok(service.known(&record).configuration.clone()),
        None => Err(ConnectError::not_found(service.no_configuration(request.value))),
    }
}

/// `name:version`, as clients write it.
pub(super) fn plain_id(id: &DefinitionId) -> String {
    format!("{}:{}", names::plain(&id.name), names::plain(&id.version))
}

impl Statemachine {
    /// The kind of a configuration's FSMs. Definitions put otherwise may have names that this API would not give.
    pub(super) fn kind(&self, name: &str) -> String {
        let kind = names::kind(name);
        let definitions = self.service.node.definitions();
        if *kind != *name && definitions.find(&kind, None).is_none() && definitions.find(name, None).is_some()
        {
            return name.to_owned();
        }
        kind.into_owned()
    }

    /// All versions of a configuration, ascending.
    fn versions(&self, name: &str) -> Vec<DefinitionRecord> {
        let kind = self.kind(name);
        let all = self.service.node.definitions().all().into_iter().map(|(_, record)| record);
        all.filter(|record| *record.id.name == *kind).collect()
    }

    /// The configuration `name:version`.
    pub(super) fn configuration(&self, id: &str) -> Option<DefinitionRecord> {
        let (name, version) = id.rsplit_once(':')?;
        let (kind, definitions) = (self.kind(name), self.service.node.definitions());
        let written = names::version(version);
        definitions.record(&kind, Some(&written)).or_else(|| definitions.record(&kind, Some(version)))
    }

    /// Why there is no such configuration, and which there are.
    pub(super) fn no_configuration(&self, id: &str) -> String {
        let name = id.rsplit_once(':').map_or(id, |(name, _)| name);
        let versions: Vec<_> = self.versions(name).iter().map(|record| plain_id(&record.id)).collect();
        match versions.is_empty() {
            true => format!("there is no configuration {}; put it first", shown(id)),
            false => format!("there is no configuration {}, but {}", shown(id), short(&versions.join(", "))),
        }
    }

    /// What a definition says.
    pub(super) fn known(&self, record: &DefinitionRecord) -> Arc<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&record.id).cloned();
        known.unwrap_or_else(|| {
            let known = Arc::new(text::read(record));
            let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(record.id.clone(), known.clone());
            known
        })
    }

    /// The configuration that an FSM shall be put under.
    pub(super) fn wanted_configuration(&self, id: &str) -> Result<DefinitionRecord, ConnectError> {
        self.configuration(id).ok_or_else(|| precondition(self.no_configuration(id)))
    }
}
