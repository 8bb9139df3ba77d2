//! The rest of a request that was answered before it was read to its end.
//!
//! A connection that is closed with bytes unread is reset, and the answer that says what was wrong with the request
//! may be lost on its way. So what is left of the body is read and thrown away, within bounds.
//!
//! It refuses to know what is asked. Its one invariant: no request holds a task for longer than [`SECONDS_MAX`] or for
//! more than [`BYTES_MAX`] after its answer.

use axum::body::{Body, Bytes, HttpBody};
use futures::StreamExt;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How much more is read after the answer. Enough for a definition of 100 MB; at half, a client that sends that much
/// sees a broken connection instead of the answer; at twice, a hostile one may make this server read twice as much.
const BYTES_MAX: usize = 128 << 20;

/// How long it is read for. At half, a slow line may lose the answer; at twice, a stalled one stays open as long.
const SECONDS_MAX: u64 = 10;

/// A body that is read to its end, if not by whoever answers then by this.
pub(crate) struct Drained(Option<Incoming>);

impl Drained {
    pub(crate) fn new(body: Incoming) -> Drained {
        Drained(Some(body))
    }
}

impl HttpBody for Drained {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let Some(rest) = self.0.take().filter(|body| !body.is_end_stream()) else { return };
        // Without a runtime the server is going, and the connection with it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(tokio::time::timeout(Duration::from_secs(SECONDS_MAX), read_away(rest)));
    }
}

async fn read_away(rest: Incoming) {
    let mut rest = Body::new(rest).into_data_stream();
    let mut bytes = 0;
    while let Some(Ok(chunk)) = rest.next().await {
        bytes += chunk.len();
        if bytes > BYTES_MAX {
            return;
        }
    }
}
