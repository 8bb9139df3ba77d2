//! A real Redis, and a writer of what go-statemachine keeps in one.
//!
//! It refuses to share code with what reads it: the keys are written out as go-statemachine documents them.

use super::outside;
use buffa::Message;
use buffa_types::google::protobuf::Timestamp;
use everstate_api::v1beta::event_outcome::StatusCode;
use everstate_api::v1beta::{Configuration, Event, EventOutcome, FiniteStateMachine, Transition};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The way of an order, without its beginning.
pub(crate) const WAY: [(&str, &str); 5] = [
    ("accept", "pending"),
    ("ship", "shipping"),
    ("deliver", "delivered"),
    ("sign", "completed"),
    ("close", "closed"),
];

pub(crate) struct Redis {
    process: Child,
    pub(crate) url: String,
    pub(crate) connection: redis::Connection,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Is there a redis-server, installed now when it was not? Otherwise why not.
fn installed() -> Result<(), String> {
    let runs = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).env("DEBIAN_FRONTEND", "noninteractive").output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr))),
            Err(error) => Err(format!("{program}: {error}")),
        }
    };
    if runs("redis-server", &["--version"]).is_ok() {
        return Ok(());
    }
    let _alone = outside::alone();
    if runs("redis-server", &["--version"]).is_ok() {
        return Ok(());
    }
    let wait = "DPkg::Lock::Timeout=300";
    runs("apt-get", &["-o", wait, "update"])?;
    runs("apt-get", &["-o", wait, "install", "-y", "redis-server"])?;
    runs("redis-server", &["--version"])
}

/// One that keeps nothing on disk, on a socket in that folder; none where it cannot be installed.
#[allow(clippy::print_stderr, reason = "whoever runs this shall see that nothing was tried")]
pub(crate) fn start(folder: &Path) -> Option<Redis> {
    if let Err(problem) = installed() {
        eprintln!("SKIPPED: redis-server could not be installed, so nothing was imported:\n{problem}");
        return None;
    }
    let socket = folder.join("redis.sock");
    let mut process = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let ready =
        lines.by_ref().map_while(Result::ok).find(|line| line.contains("ready to accept connections"));
    assert!(ready.is_some(), "redis-server did not start");
    std::thread::spawn(move || lines.count());
    let url = format!("redis+unix://{}", socket.display());
    let connection = redis::Client::open(url.as_str()).unwrap().get_connection().unwrap();
    Some(Redis { process, url, connection })
}

pub(crate) fn orders(version: &str) -> Configuration {
    let mut from = "start";
    let transitions = WAY.iter().map(|(event, to)| {
        let transition = transition(from, to, event);
        from = to;
        transition
    });
    let transitions = transitions.collect();
    Configuration {
        name: "test.orders".into(),
        version: version.into(),
        states: ["start"].into_iter().chain(WAY.map(|(_, to)| to)).map(String::from).collect(),
        starting_state: "start".into(),
        transitions,
        ..Default::default()
    }
}

pub(crate) fn transition(from: &str, to: &str, event: &str) -> Transition {
    Transition { from: from.into(), to: to.into(), event: event.into(), ..Default::default() }
}

pub(crate) fn event(id: &str, transition: Transition, at: i64) -> Event {
    Event {
        event_id: id.into(),
        timestamp: Some(Timestamp { seconds: at, ..Default::default() }).into(),
        transition: Some(transition).into(),
        originator: "shop".into(),
        details: format!("{{\"at\":{at}}}"),
        ..Default::default()
    }
}

/// An order that has gone so many steps of its way, with its events under ids that begin with its own.
pub(crate) fn order(version: &str, id: &str, steps: usize) -> FiniteStateMachine {
    let mut fsm = FiniteStateMachine {
        config_id: format!("test.orders:{version}"),
        state: "start".into(),
        ..Default::default()
    };
    for (step, (name, to)) in WAY.iter().take(steps).enumerate() {
        let taken = transition(&fsm.state, to, name);
        fsm.history.push(event(&format!("{id}-{name}"), taken, 1_700_000_000 + step as i64));
        fsm.state = (*to).into();
    }
    fsm
}

/// Commands on their way to Redis.
pub(crate) struct Writer<'a> {
    redis: &'a mut Redis,
    pipe: redis::Pipeline,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(redis: &'a mut Redis) -> Writer<'a> {
        Writer { redis, pipe: redis::Pipeline::new() }
    }

    pub(crate) fn set(&mut self, key: &str, value: &impl Message) {
        self.raw(key, &value.encode_to_vec());
    }

    pub(crate) fn raw(&mut self, key: &str, value: &[u8]) {
        self.pipe.cmd("SET").arg(key).arg(value).ignore();
    }

    pub(crate) fn add(&mut self, key: &str, member: &str) {
        self.pipe.cmd("SADD").arg(key).arg(member).ignore();
    }

    pub(crate) fn put(&mut self, configuration: &Configuration) {
        let id = format!("{}:{}", configuration.name, configuration.version);
        self.add("configs", &configuration.name);
        self.add(&format!("configs#{}", configuration.name), &id);
        self.set(&format!("configs#{id}"), configuration);
    }

    /// An FSM with its list, and every event of its history with its outcome.
    pub(crate) fn machine(&mut self, id: &str, fsm: &FiniteStateMachine) {
        let name = fsm.config_id.split(':').next().unwrap();
        self.set(&format!("fsm:{name}#{id}"), fsm);
        self.add(&format!("fsm:{name}:state#{}", fsm.state), id);
        for event in &fsm.history {
            let outcome = self.outcome_of(name, id, StatusCode::Ok, "");
            self.set(&format!("events:{name}#{}", event.event_id), event);
            self.set(&format!("events:{name}:outcome#{}", event.event_id), &outcome);
        }
    }

    pub(crate) fn outcome_of(&self, name: &str, id: &str, code: StatusCode, details: &str) -> EventOutcome {
        EventOutcome {
            code: code.into(),
            details: details.into(),
            id: id.into(),
            config: name.into(),
            ..Default::default()
        }
    }

    pub(crate) fn flush(&mut self) {
        let pipe = std::mem::take(&mut self.pipe);
        let () = pipe.query(&mut self.redis.connection).unwrap();
    }
}
