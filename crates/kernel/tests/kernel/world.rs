//! A world around one node: a disk, a clock that moves when told, and a driver that keeps the node's contract. It
//! writes down what happens as a transcript. It refuses to know the kernel's rules, and audits after every step.

use crate::disk::Disk;
use crate::script::{Scripted, data, program};
use everstate_kernel::{
    Address, Answer, Cause, Create, DeadlineReason, Definition, DefinitionId, Durability, Event, EventId,
    Input, Json, Lease, Leased, Node, Out, Outcome, Park, Policy, Record, Refusal, Release, Remedy, Repaired,
    Report, RestartFrom, Retain, Retry, Sender, Span, Status, Ticket, Time,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How a world treats its node. None of it may be seen in what becomes true.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    /// Steps in one commit.
    pub(crate) batch: usize,
    /// Instances that stay in memory after a commit.
    pub(crate) resident_max: usize,
    /// Timers read at once.
    pub(crate) refill: usize,
    /// After every so many commits (those of nothing apart) the node is dropped and restored; never for 0.
    pub(crate) crash_every: usize,
    /// Commits, counted from 0, that fail; the node is restored.
    pub(crate) failing: BTreeSet<usize>,
    /// Is the node audited after every step, and the disk after every commit?
    pub(crate) audit: bool,
}

pub(crate) const FAIR: Weather = Weather {
    batch: 1,
    resident_max: 1000,
    refill: 1000,
    crash_every: 0,
    failing: BTreeSet::new(),
    audit: true,
};

pub(crate) struct World {
    pub(crate) node: Node,
    pub(crate) disk: Disk,
    pub(crate) now: Time,
    /// Everything committed, in order.
    pub(crate) records: Vec<Record>,
    /// Answers by ticket.
    pub(crate) answers: BTreeMap<Ticket, Answer>,
    pub(crate) durabilities: Vec<Durability>,
    pub(crate) transcript: Vec<String>,
    /// The last task that each worker got.
    pub(crate) leases: BTreeMap<String, Leased>,
    pub(crate) weather: Weather,
    out: Out,
    steps: usize,
    commits: usize,
    names: BTreeMap<Ticket, String>,
    told: Time,
}

impl World {
    /// A world at time 0 with the kinds `pot` (created by `start` alone), `cup` (on demand), `mule` (on demand, three
    /// attempts), `fly` (on demand, with outcomes remembered for a second) and `crab` (on demand, parked by a fault).
    pub(crate) fn new(weather: Weather) -> World {
        let mut world = World {
            node: Node::new(7),
            disk: Disk::default(),
            now: Time(0),
            records: Vec::new(),
            answers: BTreeMap::new(),
            durabilities: Vec::new(),
            transcript: Vec::new(),
            leases: BTreeMap::new(),
            weather: FAIR,
            out: Out::default(),
            steps: 0,
            commits: 0,
            names: BTreeMap::new(),
            told: Time(0),
        };
        for kind in ["pot", "cup", "mule", "fly", "crab"] {
            world.define(kind, "v1", "as written");
        }
        (world.weather, world.commits) = (weather, 0);
        world.transcript.clear();
        world
    }

    /// A name for the next ticket.
    pub(crate) fn ticket(&mut self, name: &str) -> Ticket {
        let ticket = Ticket(self.names.len() as u64);
        self.names.insert(ticket, name.to_owned());
        ticket
    }

    pub(crate) fn define(&mut self, kind: &str, version: &str, source: &str) {
        let ticket = self.ticket(&format!("{kind}:{version}"));
        let definition = definition(kind, version);
        self.feed(Input::Define { ticket, definition, source: Arc::from(source) });
        self.commit();
    }

    /// Starts an instance and commits.
    pub(crate) fn start(&mut self, to: &str, id: &str, version: Option<&str>, text: &str) -> Ticket {
        let ticket = self.ticket(id);
        let (address, version) = (address(to), version.map(Arc::from));
        self.feed(Input::Start {
            ticket,
            address,
            version,
            id: EventId::parse(id).unwrap(),
            data: data(&program(text)),
        });
        ticket
    }

    /// Sends an event from outside.
    pub(crate) fn send(&mut self, to: &str, name: &str, id: &str, text: &str) -> Ticket {
        self.send_json(to, name, id, data(&program(text)))
    }

    fn send_json(&mut self, to: &str, name: &str, id: &str, data: Json) -> Ticket {
        let ticket = self.ticket(id);
        let event = Event {
            id: EventId::parse(id).unwrap(),
            name: Arc::from(name),
            data,
            sender: Sender::Client,
            time: Time(0),
        };
        self.feed(Input::Event { ticket, to: address(to), event });
        ticket
    }

    pub(crate) fn delete(&mut self, of: &str) {
        let ticket = self.ticket(&format!("delete {of}"));
        self.feed(Input::Delete { ticket, address: address(of) });
    }

    pub(crate) fn stop(&mut self, of: &str, kill: bool) {
        let ticket = self.ticket(&format!("stop {of}"));
        self.feed(Input::Stop { ticket, address: address(of), kill });
    }

    pub(crate) fn silence(&mut self, of: &str) {
        let ticket = self.ticket(&format!("silent {of}"));
        self.feed(Input::Silence { ticket, address: address(of) });
    }

    pub(crate) fn restart(&mut self, of: &str, from: RestartFrom) {
        let ticket = self.ticket(&format!("restart {of}"));
        self.feed(Input::Restart { ticket, address: address(of), from });
    }

    /// Lets a worker take tasks from a queue.
    pub(crate) fn lease(&mut self, worker: &str, queue: &str, max: usize) -> Ticket {
        let ticket = self.ticket(worker);
        let candidates = self.disk.ready_tasks(queue);
        self.feed(Input::Lease { ticket, worker: Arc::from(worker), max, candidates });
        ticket
    }

    /// Lets a worker report the last task that it got.
    pub(crate) fn report(&mut self, worker: &str, report: Report) {
        let lease = self.leases[worker].lease.clone();
        self.report_lease(worker, lease, report);
    }

    pub(crate) fn report_lease(&mut self, worker: &str, lease: Lease, report: Report) -> Ticket {
        let ticket = self.ticket(worker);
        self.feed(Input::Report { ticket, lease, report });
        ticket
    }

    /// Retries or discards all dead letters, those that come back meanwhile left alone.
    pub(crate) fn take_letters(&mut self, retry: bool) {
        let letters: Vec<_> = self.disk.letters.values().cloned().collect();
        for letter in letters {
            let ticket = self.ticket(&format!("letter {}", letter.number.0));
            self.feed(match retry {
                true => Input::RetryDeadLetter { ticket, letter },
                false => Input::DiscardDeadLetter { ticket, letter },
            });
        }
    }

    /// One input by the contract: touch, hydrate, step; and a commit when the batch is full.
    pub(crate) fn feed(&mut self, input: Input) {
        let touches = self.node.touches(&input);
        self.node.hydrate(self.disk.hydrate(&touches));
        self.node.step(self.now, input, &mut self.out);
        if self.weather.audit {
            self.audit();
        }
        self.steps += 1;
        if self.steps >= self.weather.batch {
            self.commit();
        }
    }

    pub(crate) fn audit(&self) {
        if let Err(violation) = self.node.audit() {
            panic!("{violation}\n{}", self.transcript.join("\n"));
        }
    }

    /// Commits what the steps since the last commit want.
    pub(crate) fn commit(&mut self) {
        let Out { records, releases, durability } = std::mem::take(&mut self.out);
        if std::mem::take(&mut self.steps) == 0 {
            return;
        }
        self.commits += usize::from(!records.is_empty());
        if !records.is_empty() && self.weather.failing.contains(&(self.commits - 1)) {
            self.transcript.push("commit failed".to_owned());
            let outbox = self.disk.outbox.values().cloned().collect();
            return self.node.restore(self.disk.position, outbox);
        }
        self.disk.apply(&records);
        if self.weather.audit {
            self.disk.check();
        }
        let wrote = !records.is_empty();
        self.durabilities.extend(durability.filter(|_| wrote));
        assert!(!wrote || durability.is_some(), "what is recorded has a durability");
        self.node.settle(self.weather.resident_max);
        assert!(self.node.resident_len() <= self.weather.resident_max);
        self.write_down(&records, releases);
        self.records.extend(records);
        if wrote && self.weather.crash_every > 0 && self.commits.is_multiple_of(self.weather.crash_every) {
            self.crash();
        }
    }

    /// Drops the node and what is not committed, and restores another one from the disk.
    pub(crate) fn crash(&mut self) {
        (self.out, self.steps) = (Out::default(), 0);
        self.node = Node::new(7);
        self.node.restore(self.disk.position, self.disk.outbox.values().cloned().collect());
        for put in &self.disk.definitions {
            self.node.restore_definition(definition(&put.id.name, &put.id.version), put.source.clone());
        }
    }

    /// Lets everything happen that can happen now.
    pub(crate) fn run(&mut self) {
        for _ in 0..20_000 {
            if self.node.next_deadline().is_some_and(|deadline| deadline.reason == DeadlineReason::Refill) {
                let (timers, complete) =
                    self.disk.timers_after(self.node.refill_after(), self.weather.refill);
                self.feed(Input::Refill { timers, complete });
                continue;
            }
            match self.node.ready(self.now) {
                Some(input) => self.feed(input),
                None if self.steps > 0 => self.commit(),
                None => return,
            }
        }
        panic!("it never comes to rest\n{}", self.transcript.join("\n"));
    }

    /// Lets time pass, and everything happen on time.
    pub(crate) fn advance(&mut self, ms: u64) {
        let end = self.now + Span(ms);
        loop {
            self.run();
            match self.node.next_deadline() {
                Some(deadline) if deadline.at <= end => self.now = self.now.max(deadline.at),
                _ => break,
            }
        }
        self.now = end;
    }

    fn write_down(&mut self, records: &[Record], releases: Vec<Release>) {
        let mut decided = BTreeSet::new();
        let told = self.transcript.len();
        for record in records {
            match record {
                Record::Turn(turn) => {
                    let entry = &turn.entry;
                    decided.insert(entry.cause.id().clone());
                    let (what, data) = match &entry.cause {
                        Cause::Start { .. } => ("start", None),
                        Cause::Restart { from: RestartFrom::Initial(_), .. } => ("restart", None),
                        Cause::Restart { from: RestartFrom::LastGood, .. } => ("resume", None),
                        Cause::Stop { .. } => ("stop", None),
                        Cause::Event(event) => (&*event.name, Some(event.data.as_str())),
                        Cause::Repair { done, .. } => (repair(done), None),
                    };
                    let audited = match &entry.cause {
                        Cause::Repair { by, reason, .. } => format!(" ({reason} by {by})"),
                        _ => String::new(),
                    };
                    let words = if what.starts_with("space.") { crate::acts::summary } else { reason };
                    let reason = data.and_then(words).map(|reason| format!(" ({reason})")).unwrap_or(audited);
                    let log: String = entry.log.iter().map(|line| format!(" {line:?}")).collect();
                    let outcome = outcome(&entry.outcome);
                    let address = &turn.instance.address;
                    let done = match &turn.instance.status {
                        Status::Active => "",
                        Status::Final(_) => " ended",
                        Status::Parked(_) => " parked",
                        Status::Stopped(_) => " stopped",
                        Status::Paused(_) => " paused",
                        Status::GaveUp(_) => " gave up",
                    };
                    self.transcript.push(format!("{address} {what}{reason}: {outcome}{done}{log}"));
                }
                Record::DeadLetter(letter) => {
                    let (to, name) = (&letter.to, &letter.event.name);
                    self.transcript.push(format!("dead letter {to} {name}: {}", outcome(&letter.outcome)));
                }
                _ => {}
            }
        }
        for release in releases {
            match release {
                Release::Decided(id, result) => {
                    self.transcript.push(format!("{id} decided: {}", outcome(&result)));
                }
                Release::Answer(ticket, answer) => {
                    let name = &self.names[&ticket];
                    let fresh = EventId::parse(name).is_ok_and(|id| decided.contains(&id));
                    if let Answer::Leased(all) = &answer {
                        self.leases.extend(all.iter().map(|leased| (name.clone(), leased.clone())));
                    }
                    self.transcript.extend(answered(name, fresh, &answer));
                    assert!(self.answers.insert(ticket, answer).is_none(), "{name} is answered twice");
                }
            }
        }
        if self.transcript.len() > told && self.told != self.now {
            self.told = self.now;
            self.transcript.insert(told, format!("@{}", self.now.0));
        }
    }
}

fn repair(done: &Repaired) -> &'static str {
    match done {
        Repaired::Became { .. } => "become",
        Repaired::Began { .. } => "fork",
        Repaired::Paused => "pause",
        Repaired::Resumed => "go-on",
    }
}

/// An answer in a line; none when the turn of it is told already.
fn answered(name: &str, fresh: bool, answer: &Answer) -> Option<String> {
    match answer {
        Answer::Decided { duplicate: false, .. } if fresh => None,
        Answer::Decided { duplicate: false, outcome: result } => Some(format!("{name}: {}", outcome(result))),
        Answer::Decided { duplicate: true, outcome: result } => {
            Some(format!("{name} again: {}", outcome(result)))
        }
        Answer::Kept { duplicate: false } => Some(format!("{name}: kept")),
        Answer::Kept { duplicate: true } => Some(format!("{name} again: kept")),
        Answer::Put { fresh } => Some(format!("{name}: put{}", if *fresh { "" } else { " before" })),
        Answer::Gone => Some(format!("{name}: gone")),
        Answer::Leased(all) if all.is_empty() => Some(format!("{name} gets nothing")),
        Answer::Leased(all) => {
            let lines: Vec<String> = all.iter().map(|leased| leased_line(name, leased)).collect();
            Some(lines.join("\n"))
        }
        Answer::Noted { until } => Some(format!("{name}: noted until {}", until.0)),
        Answer::Refused(Refusal::LeaseOver { why, .. }) => Some(format!("{name}: over: {why}")),
        Answer::Refused(refusal) => Some(format!("{name}: refused: {refusal}")),
    }
}

/// What a worker got, in a line each.
fn leased_line(worker: &str, leased: &Leased) -> String {
    let Leased { lease, name, attempt, until, .. } = leased;
    let until = if *until == Time::END { "ever".into() } else { until.0.to_string() };
    format!("{worker} gets {name} of {}, attempt {attempt}, until {until}", lease.address)
}

fn reason(data: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(data).ok()?;
    let text =
        |field: &str| value.get(field).and_then(|value| value.as_str()).filter(|text| !text.is_empty());
    let words: Vec<&str> = [text("how"), text("reason")].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// An outcome in a few words.
pub(crate) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ok { from, to, reply } => {
            let path = if from == to { to.join("+") } else { format!("{}>{}", from.join("+"), to.join("+")) };
            if reply.is_null() { format!("ok {path}") } else { format!("ok {path} = {reply}") }
        }
        Outcome::Rejected { reason, state, detail, .. } => {
            let state = if state.is_empty() { String::new() } else { format!(" in {}", state.join("+")) };
            let detail = if *detail == reason.to_string() || detail.is_empty() {
                String::new()
            } else {
                format!(": {detail}")
            };
            format!("rejected {}{state}{detail}", reason.code())
        }
        Outcome::Failed { fault, attempts } => format!("failed after {attempts}: {}", fault.message),
    }
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub(crate) fn definition(kind: &str, version: &str) -> Arc<Definition> {
    let default = Policy::default();
    let on_demand = Policy { create: Create::OnDemand, ..default.clone() };
    let policy = match kind {
        "pot" => default,
        "mule" => Policy {
            retry: Retry { attempts: 3, backoff: Span(100), backoff_max: Span(150) },
            durability: Durability::Process,
            ..on_demand
        },
        "crab" => Policy { park: Park::Instance, ..on_demand },
        "fly" => Policy {
            retain: Retain { outcomes: Some(Span(1000)), ..Retain::default() },
            durability: Durability::None,
            ..on_demand
        },
        "moth" => Policy {
            retain: Retain { outcomes: None, history: Some(Span(1600)), finished: Some(Span(500)) },
            index: vec!["size".into()],
            ..on_demand
        },
        _ => on_demand,
    };
    let id = DefinitionId::new(kind, version).unwrap();
    if let Some(behaviour) = crate::supervisors::behaviour(kind) {
        return Arc::new(Definition { id, behaviour: Arc::new(behaviour), policy: Policy::default() });
    }
    Arc::new(Definition { id, behaviour: Arc::new(Scripted), policy })
}

/// Plays a story and compares what happens with what is expected, line by line. It is played in several weathers,
/// which must not be seen in it.
///
/// ```text
/// start ADDRESS [#ID] [@VERSION] {PROGRAM}
/// send ADDRESS EVENT [#ID] {PROGRAM}
/// ask ADDRESS EVENT [#ID] {JSON}
/// stop ADDRESS | kill ADDRESS | silent ADDRESS | resume ADDRESS | restart ADDRESS {PROGRAM}
/// pause ADDRESS | go-on ADDRESS | retry ADDRESS | become ADDRESS [@VERSION] MODE
/// delete ADDRESS | letters retry | letters discard
/// define KIND VERSION SOURCE
/// lease WORKER QUEUE [MAX]
/// done WORKER {PROGRAM} | fail WORKER CODE | fail-for-good WORKER CODE | beat WORKER [PROGRESS] | return WORKER
/// advance MS       time passes, timers on time
/// sleep MS         time passes and nothing happens
/// crash
/// ```
///
/// After each line everything happens that can, unless it begins with `+`. Ids are e1, e2… unless given. Of each commit
/// the turns are told first, then the answers.
#[track_caller]
pub(crate) fn check(story: &str, expected: &str) {
    let clean = |text: &str| text.trim().lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let weathers = [
        ("fair", FAIR),
        ("forgetful", Weather { resident_max: 0, refill: 1, ..FAIR }),
        ("crashing", Weather { crash_every: 1, ..FAIR }),
        ("crashing now and then", Weather { crash_every: 3, resident_max: 1, ..FAIR }),
    ];
    for (name, weather) in weathers {
        let world = play(story, weather);
        assert_eq!(world.transcript.join("\n"), clean(expected), "in {name} weather");
    }
}

/// What a worker says of an attempt that has failed.
pub(crate) fn failed(code: &str, retryable: bool) -> Report {
    Report::Failed { code: code.to_owned(), message: format!("it says {code}"), retryable }
}

/// Plays a story.
pub(crate) fn play(story: &str, weather: Weather) -> World {
    let mut world = World::new(weather);
    let mut count = 0;
    for line in story.trim().lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (held, line) = line.strip_prefix('+').map_or((false, line), |line| (true, line.trim()));
        let (line, script) = line.split_once(" {").unwrap_or((line, "}"));
        let script = script.strip_suffix('}').expect("a story's line ends with its program");
        let (mut words, mut id, mut version) = (Vec::new(), None, None);
        for word in line.split_whitespace() {
            match (word.strip_prefix('#'), word.strip_prefix('@')) {
                (Some(text), _) => id = Some(text.to_owned()),
                (_, Some(text)) => version = Some(text),
                _ => words.push(word),
            }
        }
        let mut id = || {
            id.take().unwrap_or_else(|| {
                count += 1;
                format!("e{count}")
            })
        };
        match words[..] {
            ["start", to] => drop(world.start(to, &id(), version, script)),
            ["ask", to, name] => {
                let text = if script.is_empty() { String::new() } else { format!("{{{script}}}") };
                let _ = world.send_json(to, name, &id(), Json::parse(&text).unwrap());
            }
            ["send", to, name] => drop(world.send(to, name, &id(), script)),
            ["delete", of] => world.delete(of),
            ["stop", of] => world.stop(of, false),
            ["kill", of] => world.stop(of, true),
            ["silent", of] => world.silence(of),
            ["resume", of] => world.restart(of, RestartFrom::LastGood),
            ["restart", of] => world.restart(of, RestartFrom::Initial(data(&program(script)))),
            ["pause", of] => drop(world.repair(of, "pause", Remedy::Pause)),
            ["go-on", of] => drop(world.repair(of, "go-on", Remedy::Resume)),
            ["retry", of] => {
                let letter = world.letter_of(&address(of)).map(Box::new);
                world.repair(of, "retry", Remedy::Retry(letter));
            }
            ["become", of, mode] => world.become_mode(of, mode, version),
            ["letters", "retry"] => world.take_letters(true),
            ["letters", "discard"] => world.take_letters(false),
            ["define", kind, version, source] => world.define(kind, version, source),
            ["lease", worker, queue] => drop(world.lease(worker, queue, 1)),
            ["lease", worker, queue, max] => drop(world.lease(worker, queue, max.parse().unwrap())),
            ["done", worker] => world.report(worker, Report::Done(data(&program(script)))),
            ["fail", worker, word] => world.report(worker, failed(word, true)),
            ["fail-for-good", worker, word] => world.report(worker, failed(word, false)),
            ["beat", worker] => world.report(worker, Report::Beat { progress: None }),
            ["beat", worker, word] => {
                let progress = Some(Json::trusted(format!("{word:?}")));
                world.report(worker, Report::Beat { progress });
            }
            ["return", worker] => world.report(worker, Report::Return),
            ["advance", ms] => world.advance(ms.parse().unwrap()),
            ["sleep", ms] => {
                world.now = world.now + Span(ms.parse().unwrap());
                continue;
            }
            ["crash"] => world.crash(),
            _ => panic!("no such line: {line}"),
        }
        if !held {
            world.run();
        }
    }
    world.run();
    world
}
