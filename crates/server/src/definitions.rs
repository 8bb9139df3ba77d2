//! Definitions: checked, put, shown.

use crate::catalogue::{self, Text};
use crate::convert;
use crate::failure::Failure;
use crate::service::{Service, blocking};
use everstate_api::v1::__buffa::view::{
    CheckDefinitionRequestView, GetDefinitionRequestView, ListDefinitionsRequestView,
    PutDefinitionRequestView,
};
use everstate_api::{Code, v1};
use everstate_kernel::DefinitionRecord;
use std::sync::Arc;

/// Bytes of all findings in the message of a refused definition; `CheckDefinition` has them whole. Errors travel
/// in headers, for which 8 KiB is the least that every proxy passes.
const MESSAGE_BYTES_MAX: usize = 4096;

pub(crate) async fn check(
    _service: &Service,
    request: &CheckDefinitionRequestView<'_>,
) -> Result<v1::CheckDefinitionResponse, Failure> {
    let text = read(request.file_name, request.source).await?;
    let id = text.definition.map(|(definition, _)| definition.id.clone());
    Ok(v1::CheckDefinitionResponse {
        findings: text.findings,
        name: id.as_ref().map(|id| id.name.to_string()).unwrap_or_default(),
        version: id.as_ref().map(|id| id.version.to_string()).unwrap_or_default(),
        ..Default::default()
    })
}

/// Reading a hostile text takes its time, and holds up no other call.
async fn read(file_name: &str, source: &str) -> Result<Text, Failure> {
    let (file_name, source) = (file_name.to_string(), source.to_string());
    blocking(move || catalogue::read(&file_name, &source)).await
}

pub(crate) async fn put(
    service: &Service,
    request: &PutDefinitionRequestView<'_>,
) -> Result<v1::PutDefinitionResponse, Failure> {
    put_text(service, request.file_name, request.source).await
}

/// Puts a text that may come from a client or from a file of the server.
pub(crate) async fn put_text(
    service: &Service,
    file_name: &str,
    source: &str,
) -> Result<v1::PutDefinitionResponse, Failure> {
    let text = read(file_name, source).await?;
    let Some((definition, facts)) = text.definition else {
        return Err(refused(&text.findings));
    };
    let id = definition.id.clone();
    let fresh = service.node.put(definition, Arc::from(source)).await?;
    service.catalogue.remember(&id, facts);
    let record =
        service.node.definitions().record(&id.name, Some(&id.version)).ok_or_else(Failure::internal)?;
    Ok(v1::PutDefinitionResponse {
        definition: Some(shown(service, &record, true)).into(),
        fresh,
        findings: text.findings,
        ..Default::default()
    })
}

/// All errors in one message, each with its place, as far as a message goes.
fn refused(findings: &[v1::Finding]) -> Failure {
    let errors: Vec<_> =
        findings.iter().filter(|finding| finding.severity == v1::finding::Severity::Error).collect();
    let mut message = format!("the definition has {} errors", errors.len());
    for (index, finding) in errors.iter().enumerate() {
        let line = format!(
            "\n{}:{}: {} [{}]{}{}",
            finding.line,
            finding.column,
            finding.message,
            finding.code,
            if finding.hint.is_empty() { "" } else { "; " },
            finding.hint
        );
        if message.len() + line.len() > MESSAGE_BYTES_MAX {
            message.push_str(&format!("\nand {} more", errors.len() - index));
            break;
        }
        message.push_str(&line);
    }
    Failure::new(Code::MalformedDefinition, message).at("source")
}

pub(crate) async fn get(
    service: &Service,
    request: &GetDefinitionRequestView<'_>,
) -> Result<v1::Definition, Failure> {
    let definitions = service.node.definitions();
    let version = convert::version(request.version);
    match definitions.record(request.name, version) {
        Some(record) => Ok(shown(service, &record, true)),
        None if definitions.find(request.name, None).is_some() => {
            let problem =
                format!("there is no version {:?} of definition {:?}", request.version, request.name);
            Err(Failure::new(Code::UnknownVersion, problem).at("version"))
        }
        None => Err(unknown(request.name)),
    }
}

fn unknown(name: &str) -> Failure {
    let problem = format!("there is no definition {name:?}; put it first");
    Failure::new(Code::UnknownDefinition, problem).at("name")
}

pub(crate) async fn list(
    service: &Service,
    request: &ListDefinitionsRequestView<'_>,
) -> Result<v1::ListDefinitionsResponse, Failure> {
    let mut records: Vec<DefinitionRecord> =
        service.node.definitions().all().into_iter().map(|(_, record)| record).collect();
    if request.name.is_empty() {
        // They come by name and then by version, so the last of a name is its greatest.
        records.reverse();
        records.dedup_by(|later, kept| later.id.name == kept.id.name);
        records.reverse();
    } else {
        records.retain(|record| *record.id.name == *request.name);
        if records.is_empty() {
            return Err(unknown(request.name));
        }
    }
    let definitions = records.iter().map(|record| shown(service, record, false)).collect();
    Ok(v1::ListDefinitionsResponse { definitions, ..Default::default() })
}

fn shown(service: &Service, record: &DefinitionRecord, whole: bool) -> v1::Definition {
    let facts = service.catalogue.facts(&record.id, &record.source);
    v1::Definition {
        name: record.id.name.to_string(),
        version: record.id.version.to_string(),
        source: if whole { record.source.to_string() } else { String::new() },
        put_time: Some(convert::time_out(record.put_at)).into(),
        description: facts.description.clone(),
        states: facts.states.clone(),
        events: facts.events.clone(),
        ..Default::default()
    }
}
