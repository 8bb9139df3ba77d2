//! Which instances a request asks for.
//!
//! It refuses to know how they are found. Its one invariant: a condition that nothing can fulfil because of a mistake, such
//! as an unknown definition or a path that is not indexed, is an error and not an empty list.

use crate::convert;
use crate::failure::Failure;
use crate::service::Service;
use everstate_api::v1::__buffa::view::ListInstancesRequestView;
use everstate_api::v1::list_instances_request::Order as Wanted;
use everstate_api::{Code, v1};
use everstate_kernel::{Address, Time};
use everstate_store::{Cursor, Order, Query};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Entries of a page when the request does not say, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1_000;

/// Conditions on fields in one request. More than a definition can have indexed make no sense.
const FIELDS_MAX: usize = everstate_kernel::limits::INDEX_MAX;

/// Lists instances.
pub(crate) async fn list(
    service: &Service,
    request: &ListInstancesRequestView<'_>,
) -> Result<v1::ListInstancesResponse, Failure> {
    let query = query(service, request)?;
    let order = query.order;
    let page = service.read(move |reader| reader.list(&query)).await?;
    let instances = page.instances.iter().map(|row| crate::instances::shown(service, row)).collect();
    Ok(v1::ListInstancesResponse {
        instances,
        next_page_token: page.next.map(|next| token(&next, order)).unwrap_or_default(),
        total: page.total,
        ..Default::default()
    })
}

fn query(service: &Service, request: &ListInstancesRequestView<'_>) -> Result<Query, Failure> {
    if !request.kind.is_empty() && service.node.definitions().find(request.kind, None).is_none() {
        let problem = format!("there is no definition {:?}, so it has no instances", request.kind);
        return Err(Failure::new(Code::UnknownDefinition, problem).at("kind"));
    }
    let given = |text: &str| (!text.is_empty()).then(|| text.to_string());
    let order = match request.order.as_known() {
        Some(Wanted::Unspecified) => Order::Address,
        Some(Wanted::Newest) => Order::Newest,
        Some(Wanted::Oldest) => Order::Oldest,
        None => {
            let problem = "the order is not known; say ORDER_NEWEST, ORDER_OLDEST or nothing";
            return Err(Failure::new(Code::MalformedRequest, problem).at("order"));
        }
    };
    let mut fields = Vec::new();
    for field in request.fields.iter() {
        if fields.len() == FIELDS_MAX {
            let problem = format!("more than {FIELDS_MAX} fields are asked for, which is the limit");
            return Err(Failure::new(Code::MalformedRequest, problem).at("fields"));
        }
        check_indexed(service, request.kind, field.path)?;
        fields.push((field.path.to_string(), everstate_kernel::indexed_text(field.value).to_string()));
    }
    Ok(Query {
        kind: given(request.kind),
        version: given(request.version),
        state: given(request.state),
        since: request.since.as_option().map(|since| convert::time_in(since, "since")).transpose()?,
        done: request.done,
        event: given(request.event),
        fields,
        order,
        after: cursor(request.page_token, order)?,
        limit: convert::limit(request.page_size, PAGE, PAGE_MAX, "page_size")?,
        count: request.count,
    })
}

/// Is the path indexed by some version of the definition, or of any definition when none is said?
fn check_indexed(service: &Service, kind: &str, path: &str) -> Result<(), Failure> {
    let definitions = service.node.definitions().all();
    let concerned = definitions.iter().filter(|(put, _)| kind.is_empty() || &*put.id.name == kind);
    let indexed: BTreeSet<Arc<str>> =
        concerned.flat_map(|(put, _)| put.policy.index.iter().cloned()).collect();
    if indexed.contains(path) {
        return Ok(());
    }
    let of = if kind.is_empty() { "any definition".to_string() } else { format!("definition {kind:?}") };
    let hint = match indexed.is_empty() {
        true => "it indexes none; put a version that says `index: [PATH, …]`".to_string(),
        false => format!("indexed are {}", indexed.iter().map(|path| &**path).collect::<Vec<_>>().join(", ")),
    };
    let problem = format!("field {path:?} is not indexed by {of}; {hint}");
    Err(Failure::new(Code::MalformedRequest, problem).at("fields"))
}

/// Where a page has ended, as a client gives it back.
fn token(cursor: &Cursor, order: Order) -> String {
    match order {
        Order::Address => cursor.address.to_string(),
        Order::Newest | Order::Oldest => format!("{}@{}", cursor.at.0, cursor.address),
    }
}

fn cursor(text: &str, order: Order) -> Result<Option<Cursor>, Failure> {
    if order == Order::Address {
        let address = convert::page_token(text)?;
        return Ok(address.map(|address| Cursor { address, at: Time(0) }));
    }
    if text.is_empty() {
        return Ok(None);
    }
    let parts = text.split_once('@');
    let parts = parts.and_then(|(at, address)| Some((at.parse().ok()?, Address::parse(address).ok()?)));
    let (at, address) = parts.ok_or_else(|| convert::not_a_token(text))?;
    Ok(Some(Cursor { address, at: Time(at) }))
}
