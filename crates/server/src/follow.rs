//! Watching instances: a snapshot and then every turn, or until one is where it is wanted.
//!
//! It refuses to hold turns for a slow client: a stream is read at the client's pace, from the node while the
//! client keeps up and from the store when it does not.
//!
//! Its one invariant: after a snapshot, or after a cursor, every turn is told once, in the order of its position.

mod awaiting;
mod snapshot;
mod stream;

pub(crate) use awaiting::await_instance;

use crate::convert;
use crate::failure::Failure;
use crate::service::Service;
use connectrpc::ConnectError;
use everstate_api::v1::__buffa::view::FollowRequestView;
use everstate_api::{Code, v1};
use everstate_kernel::Address;
use futures::Stream;
use stream::Following;

/// Whose turns are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Those of one instance.
    Instance(Address),
    /// Those of a kind.
    Kind(String),
    /// All.
    Everything,
}

impl Subject {
    fn is(&self, address: &Address) -> bool {
        match self {
            Subject::Instance(one) => one == address,
            Subject::Kind(kind) => address.kind() == kind,
            Subject::Everything => true,
        }
    }
}

/// The stream of an answer to `Follow`.
pub(crate) fn follow(
    service: &Service,
    request: &FollowRequestView<'_>,
) -> Result<impl Stream<Item = Result<v1::FollowResponse, ConnectError>> + Send + use<>, Failure> {
    let subject = match (request.address, request.kind) {
        ("", "") => Subject::Everything,
        ("", kind) => {
            if service.node.definitions().find(kind, None).is_none() {
                let problem = format!("there is no definition {kind:?}, so it has no instances");
                return Err(Failure::new(Code::UnknownDefinition, problem).at("kind"));
            }
            Subject::Kind(kind.to_string())
        }
        (address, "") => Subject::Instance(convert::address(address, "address")?),
        _ => {
            let problem = "address and kind are both given; follow one instance or one kind";
            return Err(Failure::new(Code::MalformedRequest, problem).at("kind"));
        }
    };
    let following = Following::new(service.node.clone(), service.stopping.clone(), subject, request.cursor);
    Ok(futures::stream::unfold(Some(following), |following| async move {
        let mut following = following?;
        match following.next().await {
            Ok(message) => Some((Ok(message), Some(following))),
            // An error ends the stream.
            Err(failure) => Some((Err(failure.into()), None)),
        }
    }))
}
