//! What a space is asked about its routes. Asking sends nothing to anybody in it.
//!
//! It refuses to know who matches whom; the space answers that.

use crate::failure::Failure;
use crate::meant;
use everstate_client::{Client, api};
use everstate_kernel::Address;
use everstate_kernel::space::Pattern;
use serde_json::{Value, json};

/// The address of the space at this path.
pub(crate) fn address(path: &str) -> Result<String, Failure> {
    match Address::of_space(path) {
        Ok(address) => Ok(address.to_string()),
        Err(error) => Err(Failure::usage(format!("there can be no space {path:?}: {error}"))
            .hint("write its path, such as tenant-a/order-42; without --space it is the outermost")),
    }
}

/// Is it a pattern? What is wrong is told before anything is asked.
pub(crate) fn pattern(text: &str) -> Result<&str, Failure> {
    match Pattern::parse(text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::usage(error.to_string())),
    }
}

/// The rows of the answer, and whether these are all.
pub(crate) async fn ask(
    client: &Client,
    space: &str,
    event: &str,
    question: Value,
) -> Result<(Vec<Value>, bool), Failure> {
    let event = api::Event {
        name: event.to_owned(),
        data: meant::data(Some(&question.to_string()))?.into(),
        ..Default::default()
    };
    let answer = client.send(space, event, None).await?;
    let outcome = answer.outcome.as_option().cloned().unwrap_or_default();
    let told = crate::document::outcome(&outcome);
    let reply = &told["reply"];
    let rows = reply.as_object().and_then(|reply| reply.values().find_map(Value::as_array));
    match rows {
        Some(rows) => Ok((rows.clone(), reply["all"] == json!(true))),
        None => {
            let problem = format!("{space} does not answer: {}", told["reason"]);
            Err(Failure::problem("no-answer", problem).hint(format!("everstate why {space}")))
        }
    }
}
