//! Waiting until an instance is where it is wanted.

use super::Subject;
use crate::convert;
use crate::failure::Failure;
use crate::instances::{look, shown};
use crate::service::Service;
use everstate_api::v1::__buffa::view::AwaitInstanceRequestView;
use everstate_api::v1::__buffa::view::oneof::await_instance_request::Condition as Wanted;
use everstate_api::{Code, v1};
use everstate_chart::expression::{Cost, EventMeta, Expression, InstanceMeta, Names, Scope};
use everstate_chart::value::Value;
use everstate_kernel::{Address, Instance, Time};
use everstate_runtime::Interrupted;
use std::sync::Arc;
use std::time::Duration;

/// How long is waited when the request does not say, and at most. Whoever waits longer follows.
const TIMEOUT: Duration = Duration::from_secs(60);
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// How often an expression is asked again without a turn: it may name `now`.
const ASK: Duration = Duration::from_secs(1);

/// What one evaluation may cost. As much as a whole turn may would let a loop of awaits slow the node down.
const COST_MAX: u64 = 100_000;

enum Condition {
    In(String),
    Where(Expression),
}

/// How an instance stands to a condition.
enum Standing {
    Met,
    NotYet(String),
    Never,
}

pub(crate) async fn await_instance(
    service: &Service,
    request: &AwaitInstanceRequestView<'_>,
) -> Result<v1::Instance, Failure> {
    let address = convert::address(request.address, "address")?;
    let condition = condition(request.condition.as_ref())?;
    let timeout = match request.timeout.as_option() {
        Some(timeout) => convert::span_in(timeout, TIMEOUT_MAX, "timeout")?,
        None => TIMEOUT,
    };
    if service.node.definitions().find(address.kind(), None).is_none() {
        let problem = format!("there is no definition {:?}, so there will be no {address}", address.kind());
        return Err(Failure::new(Code::UnknownDefinition, problem).at("address"));
    }
    let mut last = String::new();
    // Whoever gives no time asks how it is now.
    if let Some(found) = check(service, &address, &condition, &mut last).await? {
        return Ok(found);
    }
    let waiting = wait(service, &address, &condition, &mut last);
    match tokio::time::timeout(timeout, waiting).await {
        Ok(answer) => answer,
        Err(_) => {
            let problem = format!("{address} did not get there in {} s; {last}", timeout.as_secs_f64());
            Err(Failure::new(Code::NotInTime, problem))
        }
    }
}

fn condition(wanted: Option<&Wanted<'_>>) -> Result<Condition, Failure> {
    match wanted {
        Some(Wanted::In("")) | None => {
            let problem = "nothing to wait for is given; give a state in `in` or an expression in `where`";
            Err(Failure::new(Code::MalformedRequest, problem).at("in"))
        }
        Some(Wanted::In(state)) => Ok(Condition::In((*state).to_string())),
        Some(Wanted::Where(text)) => {
            let expression = Expression::compile(text, &Names::default()).map_err(|errors| {
                let problems: Vec<String> = errors.iter().map(ToString::to_string).collect();
                Failure::new(Code::MalformedExpression, problems.join("; ")).at("where")
            })?;
            if expression.presence_asked().next().is_some() {
                let problem =
                    "what an instance knows of who is present is its own; ask for its states or context";
                return Err(Failure::new(Code::MalformedExpression, problem).at("where"));
            }
            Ok(Condition::Where(expression))
        }
    }
}

/// Subscribes before it looks, so that a turn in between is heard.
async fn wait(
    service: &Service,
    address: &Address,
    condition: &Condition,
    last: &mut String,
) -> Result<v1::Instance, Failure> {
    let subject = Subject::Instance(address.clone());
    loop {
        let mut turns = service.node.follow();
        if let Some(found) = check(service, address, condition, last).await? {
            return Ok(found);
        }
        loop {
            let heard = tokio::select! {
                heard = turns.next() => heard,
                () = service.stopped() => Err(Interrupted::Closed),
                () = tokio::time::sleep(ASK) => break,
            };
            match heard {
                Ok(turned) if subject.is(&turned.address) => {
                    if let Some(found) = check(service, address, condition, last).await? {
                        return Ok(found);
                    }
                }
                Ok(_) => {}
                Err(Interrupted::Lagged(_)) => break,
                Err(Interrupted::Closed) => {
                    return Err(Failure::new(Code::Stopping, "the server is stopping; wait again"));
                }
            }
        }
    }
}

async fn check(
    service: &Service,
    address: &Address,
    condition: &Condition,
    last: &mut String,
) -> Result<Option<v1::Instance>, Failure> {
    let Some((row, _)) = look(service, address).await? else {
        *last = "there is no such instance".into();
        return Ok(None);
    };
    let instance = shown(service, &row);
    match standing(service, &row, condition)? {
        Standing::Met => Ok(Some(instance)),
        Standing::Never => {
            let problem = format!("{address} has reached its end in {}", row.labels.join(", "));
            Err(Failure::new(Code::Ended, problem))
        }
        Standing::NotYet(why) => {
            *last = why;
            Ok(None)
        }
    }
}

fn standing(service: &Service, row: &Instance, condition: &Condition) -> Result<Standing, Failure> {
    let ended = row.status.is_ended();
    let here = || format!("it is in {}", row.labels.join(", "));
    match condition {
        Condition::In(state) => Ok(match (is_in(row, state), ended) {
            (true, _) => Standing::Met,
            (false, true) => Standing::Never,
            (false, false) => Standing::NotYet(here()),
        }),
        Condition::Where(expression) => {
            let data = crate::instances::definition(service, &row.address, &row.version)
                .and_then(|definition| {
                    let state = definition.behaviour.decode(row.state.as_slice()).ok()?;
                    Some(definition.behaviour.describe(&state).data)
                })
                .unwrap_or_default();
            Ok(match holds(expression, row, &data, service.now()) {
                Ok(true) => Standing::Met,
                // Only turns change what it is, and there will be none.
                Ok(false) | Err(_) if ended => Standing::Never,
                Ok(false) => Standing::NotYet(here()),
                // A field may come to be there later.
                Err(why) => Standing::NotYet(format!("{}, and the expression has no value: {why}", here())),
            })
        }
    }
}

/// Is this state, or one below it, active?
fn is_in(row: &Instance, state: &str) -> bool {
    row.labels
        .iter()
        .any(|label| label.strip_prefix(state).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

fn holds(
    expression: &Expression,
    row: &Instance,
    context: &everstate_kernel::Json,
    now: Time,
) -> Result<bool, String> {
    let context = Value::from_json(context.as_str()).map_err(|error| error.to_string())?;
    let nothing: Arc<str> = Arc::from("");
    let scope = Scope {
        context: &context,
        event: &Value::Null,
        event_meta: &EventMeta { name: &nothing, id: "", sender: None, time: now, more: &Value::Null },
        instance: &InstanceMeta {
            address: &row.address,
            version: &row.version,
            incarnation: row.incarnation,
        },
        now,
        active: &|state| is_in(row, state),
        locals: &[],
        present: &[],
    };
    expression.evaluate_bool(&scope, &mut Cost::new(COST_MAX)).map_err(|error| error.to_string())
}
