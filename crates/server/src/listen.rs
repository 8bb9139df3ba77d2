//! Connections: taken in, wrapped in TLS where told, served in HTTP/1.1 or HTTP/2, and let go in good order.
//!
//! It refuses to know what is served: requests go to a tower service, whole.
//!
//! Its one invariant: there are never more than `connections_max`, and none can stay without saying what it wants
//! within `header_timeout`.

use crate::config::Config;
use crate::drained::Drained;
use crate::rates::Peer;
use crate::tls::Certificates;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// What is known of each connection for as long as it lasts.
#[derive(Clone)]
struct Door {
    app: Router,
    tls: Option<Arc<Certificates>>,
    header_timeout: Duration,
    http: Builder<TokioExecutor>,
}

/// A peer that has gone without a word is noticed after this and as much again: HTTP/2 pings are sent at this
/// distance. Half would wake phones, twice would keep dead followers for a minute.
const PING: Duration = Duration::from_secs(20);

/// Bytes of all headers of one request. Tokens may have 4 KiB; proxies add as much.
const HEADER_BYTES_MAX: u32 = 32 * 1024;

/// How long the listener rests when the system has no more descriptors or memory for connections.
const REST: Duration = Duration::from_millis(50);

/// Takes the address; says what to do when it is taken.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "{address} is in use by another program; stop that one, or listen elsewhere with --listen"
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "the system does not let this user listen on {address}; use a port above 1023 with --listen"
            )
        }
        _ => format!("cannot listen on {address}: {error}; choose another address with --listen"),
    })
}

/// Serves connections until `stop`, then lets the requests under way finish, but no longer than
/// `config.stop_timeout`.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    tls: Option<Arc<Certificates>>,
    config: &Config,
    stop: impl Future<Output = ()>,
) {
    let door = Door { app, tls, header_timeout: config.header_timeout, http: http(config) };
    let open = Arc::new(Semaphore::new(config.connections_max));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        // A full house leaves newcomers in the system's backlog instead of turning them away.
        let permit = tokio::select! {
            () = &mut stop => break,
            permit = open.clone().acquire_owned() => permit,
        };
        let (stream, address) = tokio::select! {
            () = &mut stop => break,
            taken = listener.accept() => match taken {
                Ok((stream, peer)) => (stream, peer.ip()),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken in");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            },
        };
        let (door, watcher) = (door.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _permit = permit;
            door.open(stream, address, watcher).await;
        });
    }
    drop(listener);
    if tokio::time::timeout(config.stop_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("some calls did not finish in time and were cut off");
    }
}

fn http(config: &Config) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(config.header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.streams_max)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

impl Door {
    async fn open(self, stream: TcpStream, address: IpAddr, watcher: hyper_util::server::graceful::Watcher) {
        // Answers are small and go out at once.
        let _ = stream.set_nodelay(true);
        let mut peer = Peer { address, certificate: None };
        let Some(certificates) = &self.tls else { return self.talk(stream, peer, watcher).await };
        let acceptor = TlsAcceptor::from(certificates.current());
        match tokio::time::timeout(self.header_timeout, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let chain = stream.get_ref().1.peer_certificates();
                peer.certificate = chain.and_then(|chain| chain.first()).map(|leaf| digest(leaf));
                self.talk(stream, peer, watcher).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "TLS was not agreed on"),
            Err(_) => tracing::debug!("TLS was not agreed on in time"),
        }
    }

    async fn talk(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        watcher: hyper_util::server::graceful::Watcher,
    ) {
        let app = self.app.clone();
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            app.clone().oneshot(request.map(|body| Body::new(Drained::new(body))))
        });
        let stream = Prompt::new(stream, self.header_timeout);
        let connection = self.http.serve_connection(TokioIo::new(stream), service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended");
        }
    }
}

/// The beginning of the digest of a certificate: enough to tell clients apart.
fn digest(certificate: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
    digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A stream that must bring its first bytes in time: enough of them to tell HTTP/1.1 from HTTP/2, which is before
/// hyper's own timeouts begin.
struct Prompt<S> {
    stream: S,
    /// None once enough has come.
    waiting: Option<(Pin<Box<Sleep>>, usize)>,
}

/// The preface of HTTP/2.
const PREFACE_BYTES: usize = 24;

impl<S> Prompt<S> {
    fn new(stream: S, within: Duration) -> Prompt<S> {
        let deadline = Box::pin(tokio::time::sleep_until(Instant::now() + within));
        Prompt { stream, waiting: Some((deadline, 0)) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prompt<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let Some((deadline, come)) = &mut this.waiting else {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        };
        if let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            *come += buffer.filled().len() - before;
            if *come >= PREFACE_BYTES {
                this.waiting = None;
            }
            return Poll::Ready(result);
        }
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the connection did not say what it wants")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prompt<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
