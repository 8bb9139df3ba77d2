//! A server from start to stop: address, store, node, definitions, connections, and back in reverse order.
//!
//! Its one invariant: what was acknowledged before a stop is in the store after it.

use crate::auth::Tokens;
use crate::catalogue::Catalogue;
use crate::config::{Config, Engine};
use crate::export::{self, Exported};
use crate::http::{Gate, Offer};
use crate::rates::Rates;
use crate::service::{self, Service};
use crate::sessions::Sessions;
use crate::statemachine::Statemachine;
use crate::tls::{Certificates, Reload};
use crate::{definitions, http, http_worker, listen};
use connectrpc_health::StaticChecker;
use everstate_kernel::Definition;
use everstate_runtime::{Options, Runtime, StartError};
use everstate_store::{Store, StoreError};
use futures::future::BoxFuture;
use governor::clock::DefaultClock;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    statemachine_address: Option<SocketAddr>,
    certificates: Option<Arc<Certificates>>,
    put: Vec<Put>,
    stopping: watch::Sender<bool>,
    /// Those of each port.
    doors: Vec<Door>,
    /// The worker that makes requests, and how long it may take to finish them.
    requests: JoinSet<()>,
    stop_timeout: Duration,
    runtime: Runtime,
}

/// A definition that was put at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The file.
    pub file: PathBuf,
    /// As `name:version`.
    pub definition: String,
    /// False when the very same definition was there.
    pub fresh: bool,
}

/// Why a server could not start, or did not stop well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("{0}")]
    Listen(String),
    /// Certificates, keys or tokens cannot be used.
    #[error("{0}")]
    Credentials(String),
    /// The store cannot be opened, or did not close well.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A definition cannot be put.
    #[error("{}: {problem}", .file.display())]
    Definition {
        /// The file.
        file: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// What never happens, with its reason.
    #[error("{0}")]
    Internal(String),
}

/// A port that is listened on.
#[derive(Debug)]
struct Door {
    connections: JoinHandle<()>,
    health: StaticCheckerDebug,
}

/// The checker has no words for itself.
struct StaticCheckerDebug(Arc<StaticChecker>);

impl std::fmt::Debug for StaticCheckerDebug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StaticChecker")
    }
}

/// Starts a server, tells `started` of it, and runs it until SIGTERM or SIGINT. Then it finishes what is under
/// way; a second signal ends the process at once, which loses nothing that was acknowledged.
pub async fn serve(config: Config, started: impl FnOnce(&Server)) -> Result<(), ServeError> {
    let server = Server::start(config).await?;
    started(&server);
    signal().await;
    tracing::info!("stopping; a second signal stops at once");
    let impatient = tokio::spawn(async {
        signal().await;
        tracing::warn!("stopped at once");
        std::process::exit(130);
    });
    let stopped = server.stop().await;
    impatient.abort();
    stopped
}

/// Ends with the next SIGTERM or SIGINT. When the system lets none be heard, never.
async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(mut terminate), Ok(mut interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            _ => std::future::pending().await,
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

impl Server {
    /// Listens, opens the store, starts the node, puts definitions, and takes calls, in this order.
    ///
    /// A boxed future, as of [`Server::stop`]: so the code of every handler is made in this crate, once, and not in each
    /// one that starts a server.
    pub fn start(config: Config) -> BoxFuture<'static, Result<Server, ServeError>> {
        Server::start_hosting(config, Vec::new())
    }

    /// The same with behaviours in Rust beside charts: definitions that the program brings along, made by
    /// `everstate::definition`. A store that needs others of the kind does not open, and the error names them.
    pub fn start_hosting(
        config: Config,
        natives: Vec<Arc<Definition>>,
    ) -> BoxFuture<'static, Result<Server, ServeError>> {
        Box::pin(Server::begin(config, natives))
    }

    async fn begin(config: Config, natives: Vec<Arc<Definition>>) -> Result<Server, ServeError> {
        let certificates = config.tls.as_ref().map(Certificates::load).transpose();
        let certificates = certificates.map_err(ServeError::Credentials)?.map(Arc::new);
        let tokens =
            config.tokens.as_deref().map(Tokens::load).transpose().map_err(ServeError::Credentials)?;
        let (listener, address) = bind(config.listen).await?;
        let statemachine_listener = match config.statemachine_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let (runtime, exported) = {
            let config = config.clone();
            service::blocking(move || node(&config, natives))
                .await
                .map_err(|failure| ServeError::Internal(failure.message))??
        };
        let (stopping, stopped) = watch::channel(false);
        let sessions = Arc::new(Sessions::new(
            runtime.handle(),
            stopped.clone(),
            config.session_pulse,
            config.session_silent,
        ));
        let service = Arc::new(Service {
            node: runtime.handle(),
            sessions: sessions.clone(),
            catalogue: Catalogue::default(),
            started: service::now(),
            data: if config.engine == Engine::Memory { PathBuf::new() } else { config.data.clone() },
            stopping: stopped.clone(),
            exported,
        });
        let restored = sessions.clone();
        service::blocking(move || restored.restore())
            .await
            .map_err(|failure| ServeError::Internal(failure.message))??;
        tokio::spawn(sessions.watch());
        let put = put_all(&service, &config.definitions).await?;
        let limit = &config.rate_limit;
        let gate = Arc::new(Gate {
            tokens: tokens.unwrap_or_default(),
            rates: (!limit.is_none()).then(|| Rates::new(limit, DefaultClock::default())),
            certificates: certificates.clone(),
        });
        if let Some(certificates) = &certificates {
            tokio::spawn(look_again(certificates.clone(), config.tls_reload, stopped.clone()));
        }
        let secure = certificates.is_some();
        let requests = match config.http_worker_allow.is_empty() {
            true => JoinSet::new(),
            false => http_worker::start(&service.node, config.http_worker_allow.clone(), &stopped)
                .map_err(ServeError::Internal)?,
        };
        let stop_timeout = config.stop_timeout;
        let statemachine = Arc::new(Statemachine::new(service.clone(), secure));
        let mut doors = Vec::new();
        let statemachine_address = statemachine_listener.as_ref().map(|(_, address)| *address);
        if let Some((listener, address)) = statemachine_listener {
            let offer = Offer::Statemachine(service.clone(), statemachine.clone());
            doors.push(Door::open(listener, offer, &gate, &config, &stopped)?);
            tracing::info!(%address, secure, "listening for clients of go-statemachine");
        }
        let offer = Offer::Everything(service, statemachine);
        doors.push(Door::open(listener, offer, &gate, &config, &stopped)?);
        tracing::info!(%address, secure, "listening");
        Ok(Server {
            address,
            statemachine_address,
            certificates,
            put,
            stopping,
            doors,
            requests,
            stop_timeout,
            runtime,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for clients of go-statemachine alone, if it does.
    pub fn statemachine_address(&self) -> Option<SocketAddr> {
        self.statemachine_address
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.certificates.is_some() { "https" } else { "http" }, self.address)
    }

    /// Looks at the files of the certificates now, instead of when it is time for it.
    pub fn reload_certificates(&self) -> Reload {
        self.certificates.as_ref().map_or(Reload::Unchanged, |certificates| certificates.reload())
    }

    /// The definitions that were put at the start.
    pub fn put(&self) -> &[Put] {
        &self.put
    }

    /// Takes no more connections, tells followers where to resume, lets calls finish, and closes the store.
    pub fn stop(self) -> BoxFuture<'static, Result<(), ServeError>> {
        Box::pin(self.end())
    }

    async fn end(self) -> Result<(), ServeError> {
        for door in &self.doors {
            door.health.0.shutdown();
        }
        // Nobody listening means that all connections are gone already.
        let _ = self.stopping.send(true);
        for door in self.doors {
            if let Err(error) = door.connections.await {
                tracing::error!(%error, "the listener panicked");
            }
        }
        let mut requests = self.requests;
        let finished = async { while requests.join_next().await.is_some() {} };
        // A request that is cut off here is made again after the timeout of its attempt.
        let _ = tokio::time::timeout(self.stop_timeout, finished).await;
        drop(requests);
        let runtime = self.runtime;
        service::blocking(move || runtime.stop())
            .await
            .map_err(|failure| ServeError::Internal(failure.message))??;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Looks for changed certificates until the server is told to stop.
async fn look_again(certificates: Arc<Certificates>, every: Duration, stopped: watch::Receiver<bool>) {
    let mut stopped = std::pin::pin!(service::stopped(stopped));
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(every) => {}
        }
        let certificates = certificates.clone();
        // A look that panicked has told so already.
        let _ = service::blocking(move || certificates.reload()).await;
    }
}

/// A listener and where it is.
async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let listener = listen::bind(address).await.map_err(ServeError::Listen)?;
    let address = listener.local_addr().map_err(|error| ServeError::Listen(error.to_string()))?;
    Ok((listener, address))
}

impl Door {
    /// Takes connections in until the server is told to stop.
    fn open(
        listener: TcpListener,
        offer: Offer,
        gate: &Arc<Gate>,
        config: &Config,
        stopped: &watch::Receiver<bool>,
    ) -> Result<Door, ServeError> {
        let (app, health) = http::app(offer, gate.clone(), config).map_err(ServeError::Internal)?;
        let (config, certificates, stopped) = (config.clone(), gate.certificates.clone(), stopped.clone());
        let connections = tokio::spawn(async move {
            listen::serve(listener, app, certificates, &config, service::stopped(stopped)).await
        });
        Ok(Door { connections, health: StaticCheckerDebug(health) })
    }
}

/// The node on its store.
fn node(config: &Config, natives: Vec<Arc<Definition>>) -> Result<(Runtime, Arc<dyn Exported>), ServeError> {
    let (store, exported): (Box<dyn Store>, Arc<dyn Exported>) = match config.engine {
        Engine::Memory => {
            let store = everstate_store::Memory::new();
            let exported = export::Memory(store.share());
            (Box::new(store), Arc::new(exported))
        }
        Engine::Embedded => {
            let (store, recovery) =
                everstate_store::open(&config.data, &everstate_store::Options::default())?;
            if let Some(dropped) = &recovery.dropped {
                tracing::warn!(
                    file = %dropped.file.display(),
                    offset = dropped.offset,
                    problem = %dropped.problem,
                    "the end of the journal was not whole; the store is back at its last good commit"
                );
            }
            tracing::info!(folder = %config.data.display(), replayed = recovery.replayed, "the store is open");
            let exported = export::Embedded { store: store.handle(), folder: config.data.clone() };
            (Box::new(store), Arc::new(exported))
        }
    };
    let options = Options {
        queue_events_max: config.queue_max,
        instances_cached_max: config.instances_cached_max,
        // Turns of two runs shall not draw the same chances.
        seed: uuid::Uuid::now_v7().as_u128() as u64,
        natives,
        retain: config.retain,
        archive: config.retain_export.clone(),
        ..Options::default()
    };
    Ok((Runtime::start(store, options)?, exported))
}

/// Puts what is found, in the order given, folders by file name.
async fn put_all(service: &Service, paths: &[PathBuf]) -> Result<Vec<Put>, ServeError> {
    let mut all = Vec::new();
    for path in paths {
        for file in files(path)? {
            let problem = |problem: String| ServeError::Definition { file: file.clone(), problem };
            let source = tokio::fs::read_to_string(&file)
                .await
                .map_err(|error| problem(format!("cannot be read: {error}")))?;
            let put = definitions::put_text(service, &file.display().to_string(), &source)
                .await
                .map_err(|failure| problem(failure.message))?;
            let definition = format!("{}:{}", put.definition.name, put.definition.version);
            tracing::info!(%definition, fresh = put.fresh, file = %file.display(), "definition");
            all.push(Put { file, definition, fresh: put.fresh });
        }
    }
    Ok(all)
}

/// A file itself; of a folder, its YAML and JSON files.
fn files(path: &Path) -> Result<Vec<PathBuf>, ServeError> {
    let problem = |error: std::io::Error| ServeError::Definition {
        file: path.to_path_buf(),
        problem: format!("cannot be read: {error}; give a definition or a folder of them"),
    };
    if !std::fs::metadata(path).map_err(problem)?.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(problem)? {
        let file = entry.map_err(problem)?.path();
        let kind = file.extension().and_then(|extension| extension.to_str());
        if matches!(kind, Some("yaml" | "yml" | "json" | "scxml")) && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
