//! A call that failed: a code of the table, a message, the field at fault. Every handler ends with one of these,
//! and here alone they become the wire's errors.
//!
//! It refuses to know transports: the RPC library writes the status as each protocol wants it.
//!
//! Its one invariant: the status is that of the code, and the detail says the same as the status.

use connectrpc::{ConnectError, ErrorDetail};
use everstate_api::{Code, v1};
use everstate_kernel::{AddressError, Fault, FaultCode, JsonError, Refusal, Rejection};
use everstate_runtime::CallError;
use everstate_store::StoreError;
use http::HeaderValue;
use std::time::Duration;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) field: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) cursor: Option<u64>,
}

/// How long a client shall wait before it sends again to a full mailbox or outbox. Turns take well under a
/// millisecond, so a tenth of a second drains a hundred; half would hammer, twice would idle.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// A disk is made free by people: seconds, not milliseconds.
const RETRY_AFTER_DISK: Duration = Duration::from_secs(5);

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), field: String::new(), retry_after: None, cursor: None }
    }

    /// Something of ours went wrong, and the log has it.
    pub(crate) fn internal() -> Failure {
        Failure::new(Code::Internal, "the server did not do what it should; its log says more")
    }

    /// Names the field of the request at fault.
    pub(crate) fn at(mut self, field: impl Into<String>) -> Failure {
        self.field = field.into();
        self
    }

    /// Says when to try again.
    pub(crate) fn after(mut self, wait: Duration) -> Failure {
        self.retry_after = Some(wait);
        self
    }

    /// Says where a follower goes on.
    pub(crate) fn resume(mut self, cursor: u64) -> Failure {
        self.cursor = Some(cursor);
        self
    }

    /// The failure as the wire's message.
    pub(crate) fn into_message(self) -> v1::Error {
        v1::Error {
            code: self.code.as_str().into(),
            message: self.message,
            field: self.field,
            help: format!("docs/errors.md#{}", self.code),
            retryable: self.code.entry().retryable,
            retry_after: self.retry_after.map(buffa_types::google::protobuf::Duration::from).into(),
            cursor: self.cursor,
            ..Default::default()
        }
    }
}

impl From<Failure> for ConnectError {
    fn from(failure: Failure) -> ConnectError {
        let mut error = ConnectError::new(failure.code.status(), failure.message.clone());
        if let Some(wait) = failure.retry_after {
            // The header counts whole seconds; a detail has it exactly.
            let seconds = wait.as_secs().max(1);
            error.response_headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        error.details.push(ErrorDetail::from_message("everstate.v1.Error", &failure.into_message()));
        error
    }
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Failure {
        Failure::new(Code::MalformedAddress, error.to_string())
    }
}

impl From<JsonError> for Failure {
    fn from(error: JsonError) -> Failure {
        let code = match error {
            JsonError::Malformed(_) | JsonError::TooDeep => Code::MalformedData,
            JsonError::TooLarge(_) => Code::TooLarge,
        };
        Failure::new(code, error.to_string())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let (code, field) = match &refusal {
            Refusal::Conflict(_) => (Code::Conflict, "event.id"),
            Refusal::InstanceExists(_) => (Code::InstanceExists, "id"),
            Refusal::DefinitionExists(_) => (Code::DefinitionExists, "source"),
            // It exists before all others, and cannot be put.
            Refusal::BuiltIn(_) => (Code::DefinitionExists, "source"),
            Refusal::UnknownInstance(_) => (Code::UnknownInstance, "address"),
            Refusal::UnknownKind(_) => (Code::UnknownDefinition, "kind"),
            Refusal::UnknownVersion(..) => (Code::UnknownVersion, "version"),
            Refusal::UnknownDeadLetter(_) => (Code::UnknownDeadLetter, "number"),
            Refusal::LeaseOver { .. } => (Code::LeaseOver, "lease"),
            Refusal::BadReport(_) => (Code::MalformedRequest, ""),
            Refusal::MailboxFull(_) => (Code::MailboxFull, ""),
            Refusal::Overloaded => (Code::Overloaded, ""),
            Refusal::StartFaulted(_) => (Code::StartFaulted, "data"),
            Refusal::MovedOn { .. } => (Code::MovedOn, "address"),
            Refusal::Unfit(..) => (Code::Unfit, "address"),
            Refusal::BadState(..) => (Code::Unfit, "state"),
        };
        let failure =
            Failure::new(code, start_fault(&refusal).unwrap_or_else(|| refusal.to_string())).at(field);
        if code.entry().retryable { failure.after(RETRY_AFTER) } else { failure }
    }
}

/// A fault in a start names its place as well, since there is no history to look it up in.
fn start_fault(refusal: &Refusal) -> Option<String> {
    match refusal {
        Refusal::StartFaulted(fault) if !fault.place.is_empty() => {
            Some(format!("{refusal} (at {})", fault.place))
        }
        _ => None,
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Failure {
        let message = error.to_string();
        match error {
            CallError::Refused(refusal) => Failure::from(refusal),
            CallError::Overloaded { retry_after } => {
                Failure::new(Code::Overloaded, message).after(retry_after)
            }
            CallError::Full => Failure::new(Code::DiskFull, message).after(RETRY_AFTER_DISK),
            CallError::Stopping => Failure::new(Code::Stopping, message),
            CallError::Failed(_) => Failure::new(Code::StoreFailed, message),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        match &error {
            StoreError::Full => Failure::new(Code::DiskFull, error.to_string()).after(RETRY_AFTER_DISK),
            StoreError::Poisoned(_) => Failure::new(Code::StoreFailed, error.to_string()),
            _ => {
                // What the store says may name paths of the server; its log is the place for that.
                tracing::error!(%error, "reading the store failed");
                Failure::new(Code::Internal, "the server could not read its store; its log says more")
            }
        }
    }
}

/// The stable code of a fault.
pub(crate) fn fault_code(fault: &Fault) -> Code {
    match fault.code {
        FaultCode::Expression => Code::FaultExpression,
        FaultCode::Action => Code::FaultAction,
        FaultCode::Unhandled => Code::FaultUnhandled,
        FaultCode::Limit => Code::FaultLimit,
        FaultCode::Panic => Code::FaultPanic,
        FaultCode::State => Code::FaultState,
    }
}

/// The stable code of a rejection.
pub(crate) fn rejection_code(reason: Rejection) -> Code {
    match reason {
        Rejection::NotAccepted => Code::NotAccepted,
        Rejection::Final => Code::Final,
        Rejection::UnknownAddress => Code::UnknownAddress,
        Rejection::UnknownKind => Code::UnknownKind,
        Rejection::MailboxFull => Code::MailboxFull,
        Rejection::Gone => Code::Gone,
        Rejection::BadData => Code::BadData,
        Rejection::Refused => Code::Refused,
    }
}
