//! What go-statemachine keeps in Redis, read in batches on a thread of its own.
//!
//! It refuses to read a value: which key is for what is the server's knowledge, and all values are handed on as they are.
//! It writes nothing into Redis.
//!
//! Its one invariant: every key that was there before the reading began is handed on at least once, or named.

use crate::failure::Failure;
use everstate_server::{RedisKey, RedisOutcome, RedisValue};
use redis::{Client, Cmd, Connection, ErrorKind, RedisError, RedisResult};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// A piece of what was read.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Everything under `configs` and `configs#…`.
    Configurations(Vec<(Vec<u8>, RedisValue)>),
    /// FSMs.
    Machines(Vec<(String, Vec<u8>)>),
    /// Members of the set of FSMs in a state.
    Listed(String, Vec<Vec<u8>>),
    /// Outcomes of events.
    Outcomes(Vec<RedisOutcome>),
    /// Events, and whether there is an outcome of each.
    Events(Vec<(String, bool)>),
    /// A key that cannot be handed on, with a reason and a message.
    Wrong(String, &'static str, String),
    /// So many more keys were looked at.
    Passed(u64),
}

/// The value of a string; none when the key is not there.
type Bytes = Option<Vec<u8>>;

/// Keys asked for at a time. Half makes twice the round trips, twice keeps Redis from others for longer.
const KEYS: usize = 2_000;

/// Pieces read ahead. What takes them is the slower side, so more would only lie in memory.
const AHEAD: usize = 4;

/// How long Redis may take to connect and to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// One node or more of a Redis: of a cluster, every master.
pub(crate) struct Source {
    nodes: Vec<Connection>,
}

impl Source {
    /// Connects.
    pub(crate) fn open(urls: &[String]) -> Result<Source, Failure> {
        let mut nodes = Vec::new();
        for url in urls {
            let client = Client::open(url.as_str()).map_err(|error| {
                // The URL may have a password in it, so it is not shown.
                Failure::usage(format!("that is no URL of a Redis: {error}"))
                    .hint("write redis://HOST:PORT, or rediss://USER:PASSWORD@HOST:PORT/DATABASE")
            })?;
            let place = client.get_connection_info().addr().to_string();
            let node = client
                .get_connection_with_timeout(PATIENCE)
                .and_then(|node| node.set_read_timeout(Some(PATIENCE)).map(|()| node))
                .map_err(|error| {
                    Failure::unreachable("redis", format!("cannot reach Redis on {place}: {error}"))
                })?;
            nodes.push(node);
        }
        Ok(Source { nodes })
    }

    /// How many keys there are.
    pub(crate) fn size(&mut self) -> Result<u64, Failure> {
        let mut size = 0;
        for node in &mut self.nodes {
            size += redis::cmd("DBSIZE").query::<u64>(node).map_err(|error| failure(&error))?;
        }
        Ok(size)
    }

    /// Reads all of it; the last piece is an error when something went wrong.
    pub(crate) fn read(mut self) -> Receiver<Result<Piece, Failure>> {
        let (sender, pieces) = sync_channel(AHEAD);
        std::thread::spawn(move || {
            let mut sink = Sink { sender, gone: false };
            if let Err(error) = self.all(&mut sink) {
                sink.send(Err(failure(&error)));
            }
        });
        pieces
    }

    fn all(&mut self, sink: &mut Sink) -> RedisResult<()> {
        self.configurations(sink)?;
        let mut lists = Vec::new();
        for node in 0..self.nodes.len() {
            self.machines(node, &mut lists, sink)?;
        }
        for (node, key) in lists {
            self.list(node, &key, sink)?;
        }
        for node in 0..self.nodes.len() {
            self.events(node, sink)?;
        }
        Ok(())
    }

    fn configurations(&mut self, sink: &mut Sink) -> RedisResult<()> {
        let mut found = Vec::new();
        for node in 0..self.nodes.len() {
            let mut scan = Scan::of("configs*");
            while let Some(keys) = scan.next(&mut self.nodes[node])? {
                sink.passed(keys.len());
                for key in keys {
                    if key != b"configs" && !key.starts_with(b"configs#") {
                        continue;
                    }
                    let kind: String = redis::cmd("TYPE").arg(&key).query(&mut self.nodes[node])?;
                    let value = match kind.as_str() {
                        "set" => {
                            RedisValue::Set(redis::cmd("SMEMBERS").arg(&key).query(&mut self.nodes[node])?)
                        }
                        "string" => {
                            RedisValue::Text(redis::cmd("GET").arg(&key).query(&mut self.nodes[node])?)
                        }
                        _ => RedisValue::Other(kind),
                    };
                    found.push((key, value));
                }
            }
        }
        sink.send(Ok(Piece::Configurations(found)));
        Ok(())
    }

    /// FSMs; the keys of sets are left for later, since all FSMs must be known then.
    fn machines(
        &mut self,
        node: usize,
        lists: &mut Vec<(usize, String)>,
        sink: &mut Sink,
    ) -> RedisResult<()> {
        let mut scan = Scan::of("fsm:*");
        while let Some(keys) = scan.next(&mut self.nodes[node])? {
            sink.passed(keys.len());
            let mut machines = Vec::with_capacity(keys.len());
            for key in keys.into_iter().filter_map(|key| sink.text(key)) {
                match RedisKey::parse(&key) {
                    Some(RedisKey::Machine(_)) => machines.push(key),
                    Some(RedisKey::Listed { .. }) => lists.push((node, key)),
                    _ => {}
                }
            }
            let values = self.values(node, &machines)?;
            let mut found = Vec::with_capacity(machines.len());
            for (key, value) in machines.into_iter().zip(values) {
                match value {
                    // Gone since it was listed: whoever deleted it wanted it so.
                    Ok(None) => {}
                    Ok(Some(value)) => found.push((key, value)),
                    Err(problem) => sink.wrong(key, "wrong-type", problem),
                }
            }
            sink.send(Ok(Piece::Machines(found)));
            if sink.gone {
                break;
            }
        }
        Ok(())
    }

    fn list(&mut self, node: usize, key: &str, sink: &mut Sink) -> RedisResult<()> {
        let mut cursor = 0u64;
        loop {
            let page =
                redis::cmd("SSCAN").arg(key).arg(cursor).arg("COUNT").arg(KEYS).query(&mut self.nodes[node]);
            let (next, members): (u64, Vec<Vec<u8>>) = match page {
                Ok(page) => page,
                Err(error) if error.code() == Some("WRONGTYPE") => {
                    sink.wrong(key.to_owned(), "wrong-type", "it is not a set".into());
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            sink.send(Ok(Piece::Listed(key.to_owned(), members)));
            cursor = next;
            if cursor == 0 || sink.gone {
                return Ok(());
            }
        }
    }

    fn events(&mut self, node: usize, sink: &mut Sink) -> RedisResult<()> {
        let mut scan = Scan::of("events:*");
        while let Some(keys) = scan.next(&mut self.nodes[node])? {
            sink.passed(keys.len());
            let (mut outcomes, mut of, mut events, mut their) =
                (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for key in keys.into_iter().filter_map(|key| sink.text(key)) {
                match RedisKey::parse(&key) {
                    Some(RedisKey::Outcome { config, id }) => {
                        of.push(RedisKey::event(config, id));
                        outcomes.push(key);
                    }
                    Some(RedisKey::Event { config, id }) => {
                        their.push(RedisKey::outcome(config, id));
                        events.push(key);
                    }
                    _ => {}
                }
            }
            let values = self.values(node, &outcomes)?;
            let mut spoken_of = self.values(node, &of)?.into_iter();
            let mut found = Vec::with_capacity(outcomes.len());
            for (key, value) in outcomes.into_iter().zip(values) {
                let event = spoken_of.next().and_then(Result::ok).flatten();
                match value {
                    Ok(None) => {}
                    Ok(Some(value)) => found.push(RedisOutcome { key, value, event }),
                    Err(problem) => sink.wrong(key, "wrong-type", problem),
                }
            }
            sink.send(Ok(Piece::Outcomes(found)));
            let decided = self.exist(node, &their)?;
            sink.send(Ok(Piece::Events(events.into_iter().zip(decided).collect())));
            if sink.gone {
                break;
            }
        }
        Ok(())
    }

    /// Values of strings, none for a key that is gone, or what is wrong with a key.
    fn values(&mut self, node: usize, keys: &[String]) -> RedisResult<Vec<Result<Bytes, String>>> {
        let told: Vec<RedisResult<Bytes>> = self.ask(node, "GET", keys)?;
        Ok(told.into_iter().map(|value| value.map_err(|error| error.to_string())).collect())
    }

    fn exist(&mut self, node: usize, keys: &[String]) -> RedisResult<Vec<bool>> {
        let told: Vec<RedisResult<bool>> = self.ask(node, "EXISTS", keys)?;
        told.into_iter().collect()
    }

    /// One command for each key in one go. What another node of the cluster has, that one is asked for.
    fn ask<T: redis::FromRedisValue>(
        &mut self,
        node: usize,
        command: &str,
        keys: &[String],
    ) -> RedisResult<Vec<RedisResult<T>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::Pipeline::with_capacity(keys.len());
        for key in keys {
            pipe.cmd(command).arg(key);
        }
        let mut told: Vec<RedisResult<T>> = pipe.ignore_errors().query(&mut self.nodes[node])?;
        for (told, key) in told.iter_mut().zip(keys) {
            for other in (0..self.nodes.len()).filter(|other| *other != node) {
                if !told.as_ref().is_err_and(|error| error.code() == Some("MOVED")) {
                    break;
                }
                *told = redis::cmd(command).arg(key).query(&mut self.nodes[other]);
            }
        }
        Ok(told)
    }
}

/// A walk over the keys that begin alike.
struct Scan {
    pattern: &'static str,
    /// None at the end.
    cursor: Option<u64>,
}

impl Scan {
    fn of(pattern: &'static str) -> Scan {
        Scan { pattern, cursor: Some(0) }
    }

    fn next(&mut self, node: &mut Connection) -> RedisResult<Option<Vec<Vec<u8>>>> {
        let Some(cursor) = self.cursor else { return Ok(None) };
        let mut command: Cmd = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(self.pattern).arg("COUNT").arg(KEYS);
        let (next, keys): (u64, Vec<Vec<u8>>) = command.query(node)?;
        self.cursor = (next != 0).then_some(next);
        Ok(Some(keys))
    }
}

/// Where pieces go.
struct Sink {
    sender: SyncSender<Result<Piece, Failure>>,
    /// Nobody takes them any more.
    gone: bool,
}

impl Sink {
    fn send(&mut self, piece: Result<Piece, Failure>) {
        self.gone |= self.sender.send(piece).is_err();
    }

    fn passed(&mut self, keys: usize) {
        self.send(Ok(Piece::Passed(keys as u64)));
    }

    fn wrong(&mut self, key: String, reason: &'static str, problem: String) {
        self.send(Ok(Piece::Wrong(key, reason, problem)));
    }

    fn text(&mut self, key: Vec<u8>) -> Option<String> {
        String::from_utf8(key)
            .map_err(|error| {
                let key = String::from_utf8_lossy(error.as_bytes()).into_owned();
                self.wrong(key, "malformed-key", "it is not UTF-8".into());
            })
            .ok()
    }
}

fn failure(error: &RedisError) -> Failure {
    let failure = Failure::problem("redis", format!("Redis could not be read: {error}"));
    match error.kind() {
        ErrorKind::AuthenticationFailed => {
            failure.hint("give the password in the URL: redis://:PASSWORD@HOST:PORT")
        }
        _ => failure.hint("run the same command again: what is there already stays as it is"),
    }
}
