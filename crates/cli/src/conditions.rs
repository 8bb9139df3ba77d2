//! Conditions on instances as they are typed: the same words for lists and for what is done in bulk.
//!
//! It refuses to know what is done with those that match, and in which order: by time, one that makes a turn between two
//! pages may be passed over, so what is done in bulk goes by address. Its one invariant: what is typed and what the server is asked are
//! the same conditions, whoever asks.

use crate::failure::Failure;
use crate::meant;
use crate::output::now;
use clap::Args;
use everstate_client::api;

/// Which instances of a kind; every condition given must hold.
#[derive(Debug, Args)]
pub(crate) struct Conditions {
    /// Of this version
    #[arg(long, value_name = "V")]
    version: Option<String>,
    /// In this state, or one below it
    #[arg(long, short)]
    state: Option<String>,
    /// With their last turn at or after this: a time, a date, or how long ago (2h). With --event, who received it since
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Who received an event of this name, whatever became of it
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// With this value in a field of the context that the definition indexes; may be given several times
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    fields: Vec<String>,
}

impl Conditions {
    /// What the server is asked; how long pages are, and what else is wanted of them, is for whoever asks.
    pub(crate) fn request(&self, kind: &str) -> Result<api::ListInstancesRequest, Failure> {
        Ok(api::ListInstancesRequest {
            kind: kind.to_owned(),
            version: self.version.clone().unwrap_or_default(),
            state: self.state.clone().unwrap_or_default(),
            since: self.since.as_deref().map(|text| meant::since(text, now())).transpose()?.into(),
            event: self.event.clone().unwrap_or_default(),
            fields: self.fields.iter().map(|text| field(text)).collect::<Result<_, _>>()?,
            ..Default::default()
        })
    }

    /// Is any of them given?
    pub(crate) fn are_given(&self) -> bool {
        let texts = [&self.version, &self.state, &self.since, &self.event];
        texts.iter().any(|text| text.is_some()) || !self.fields.is_empty()
    }
}

/// A condition on a field as it is typed.
fn field(text: &str) -> Result<api::FieldMatch, Failure> {
    match text.split_once('=') {
        Some((path, value)) if !path.trim().is_empty() => {
            Ok(api::FieldMatch { path: path.trim().into(), value: value.into(), ..Default::default() })
        }
        _ => Err(Failure::usage(format!("not a condition: {text:?}")).hint("write --where FIELD=VALUE")),
    }
}
