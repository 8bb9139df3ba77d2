//! What went wrong with a call, sorted by what the caller can do about it.
//!
//! Its one invariant: [`ClientError::Refused`] is the word of an Everstate server; everything else is the network's.

use buffa::Message;
use connectrpc::{ConnectError, ErrorCode};
use everstate_api::v1 as api;
use std::error::Error as _;
use std::time::Duration;

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// No connection could be made, so nothing was done.
    #[error("cannot reach the server at {server}: {problem}")]
    Unreachable {
        /// The address that was tried.
        server: String,
        /// What the system said.
        problem: String,
    },
    /// The connection broke during the call; whether the call was carried out is not known. To repeat it is safe.
    #[error("lost the connection to the server at {server}: {problem}")]
    Interrupted {
        /// The address.
        server: String,
        /// What broke.
        problem: String,
    },
    /// The server said no.
    #[error("{}", .0.message)]
    Refused(Box<Refusal>),
    /// Something answered that does not speak as Everstate does.
    #[error("what answers at {server} does not look like an everstate server: {problem}")]
    Foreign {
        /// The address.
        server: String,
        /// What it said.
        problem: String,
    },
}

/// The server's own error.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The class of the error in words of the protocol, such as `not_found`.
    pub status: &'static str,
    /// Stable, such as `unknown-definition`; has an entry in docs/errors.md.
    pub code: String,
    /// For a person.
    pub message: String,
    /// The field at fault; empty when it is none in particular.
    pub field: String,
    /// Anchor in docs/errors.md.
    pub help: String,
    /// May the same call succeed later?
    pub retryable: bool,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl ClientError {
    /// The stable code of a refusal; empty for trouble with the network.
    pub fn code(&self) -> &str {
        match self {
            ClientError::Refused(refusal) => &refusal.code,
            _ => "",
        }
    }

    /// May the same call succeed later?
    pub fn is_retryable(&self) -> bool {
        match self {
            ClientError::Unreachable { .. } | ClientError::Interrupted { .. } => true,
            ClientError::Refused(refusal) => refusal.retryable,
            ClientError::Foreign { .. } => false,
        }
    }

    /// When the server asked to be tried again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            ClientError::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }

    pub(crate) fn from_call(server: &str, error: &ConnectError) -> ClientError {
        let server = server.to_owned();
        if let Some(detail) = everstate_detail(error) {
            let mut refusal = refusal(error.code.as_str(), detail);
            // The time that the caller gave is over: trying again is for the caller to say.
            refusal.retryable &= error.code != ErrorCode::DeadlineExceeded;
            return ClientError::Refused(Box::new(refusal));
        }
        let problem = root_cause(error);
        if connecting(error) {
            return ClientError::Unreachable { server, problem };
        }
        match error.code {
            // The protocol's own refusals, made before our handlers see the call.
            ErrorCode::Unauthenticated
            | ErrorCode::PermissionDenied
            | ErrorCode::ResourceExhausted
            | ErrorCode::InvalidArgument
            | ErrorCode::DeadlineExceeded => ClientError::Refused(Box::new(Refusal {
                status: error.code.as_str(),
                code: error.code.as_str().replace('_', "-"),
                message: problem,
                field: String::new(),
                help: String::new(),
                retryable: false,
                retry_after: None,
            })),
            ErrorCode::NotFound | ErrorCode::Unimplemented | ErrorCode::Unknown => {
                ClientError::Foreign { server, problem }
            }
            _ => ClientError::Interrupted { server, problem },
        }
    }
}

impl From<api::Error> for Refusal {
    fn from(error: api::Error) -> Refusal {
        refusal("", error)
    }
}

fn refusal(status: &'static str, error: api::Error) -> Refusal {
    Refusal {
        status,
        code: error.code,
        message: error.message,
        field: error.field,
        help: error.help,
        retryable: error.retryable,
        retry_after: error.retry_after.as_option().map(|span| {
            let seconds = Duration::from_secs(u64::try_from(span.seconds).unwrap_or(0));
            seconds + Duration::from_nanos(u64::try_from(span.nanos).unwrap_or(0))
        }),
    }
}

/// The detail that every error of an Everstate server carries.
fn everstate_detail(error: &ConnectError) -> Option<api::Error> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    let detail = error.details.iter().find(|detail| detail.type_url.ends_with("everstate.v1.Error"))?;
    let text = detail.value.as_deref()?;
    let bytes = STANDARD_NO_PAD.decode(text).or_else(|_| STANDARD.decode(text)).ok()?;
    api::Error::decode_from_slice(&bytes).ok()
}

/// Whether it failed while the connection was being made, so that nothing was sent.
fn connecting(error: &ConnectError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect();
        }
        cause = error.source();
    }
    false
}

/// The innermost cause: what the system said, without the layers it came through.
fn root_cause(error: &ConnectError) -> String {
    let mut cause = error.source();
    let mut text = None;
    while let Some(inner) = cause {
        text = Some(inner.to_string());
        cause = inner.source();
    }
    let text = text.or_else(|| error.message.clone()).unwrap_or_else(|| error.code.as_str().to_owned());
    plain(text)
}

/// What the system said without its number, such as `(os error 111)`, which tells a person nothing.
pub(crate) fn plain(text: String) -> String {
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
