//! A machine that does what its events say. An event's data is a JSON string holding a program:
//!
//! ```text
//! mode open; send pot/1 go { reply 1 }; timer t 100 tick { log late }
//! ```
//!
//! Steps are parted by `;`, a program in braces goes with what is sent. Data that is no string is an empty program.
//! It refuses to know the kernel's rules; equal arguments give equal answers.

use everstate_kernel::{
    Address, Behaviour, Child, Description, Effect, Event, Fault, FaultCode, Handled, Json, Labels, Next,
    Orphan, RestartFrom, Retry, Span, State, TaskPolicy, Time, Turn, Waiting,
};
use std::fmt;
use std::sync::Arc;

/// One thing that a program does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// `send TO EVENT {PROGRAM}`
    Send(String, String, Vec<Step>),
    /// `timer NAME DELAY EVENT {PROGRAM}`: for itself.
    Timer(String, u64, String, Vec<Step>),
    /// `later TO NAME DELAY EVENT {PROGRAM}`: a timer for another instance.
    Later(String, String, u64, String, Vec<Step>),
    /// `cancel NAME`
    Cancel(String),
    /// `task NAME QUEUE ATTEMPTS TIMEOUT DEADLINE HEARTBEAT`: `-` for none; from 100 to 150 ms between attempts. The
    /// input is the name.
    Task(Vec<String>),
    /// `cancel-task NAME`
    CancelTask(String),
    /// `reply JSON`, without spaces.
    Reply(String),
    /// `log WORD`
    Log(String),
    /// `seed`: logs the turn's seed and time.
    Seed,
    /// `mode WORD`: the active state.
    Mode(String),
    /// `done JSON`
    Done(String),
    /// `reject`
    Reject,
    /// `ignore`
    Ignore,
    /// `bad WORD`
    Bad(String),
    /// `defer-in MODE`: deferred in this state.
    DeferIn(String),
    /// `reject-in MODE`: rejected in this state.
    RejectIn(String),
    /// `fault-until TIME`
    FaultUntil(i64),
    /// `fault`
    Fault,
    /// `unhandled`: faults as a chart does whose definition says so.
    Unhandled,
    /// `spawn NAME KIND ID ORPHAN {PROGRAM}`: `-` for an id of the kernel's; `stop` or `keep`.
    Spawn(String, String, String, String, Vec<Step>),
    /// `stop NAME`
    Stop(String),
    /// `kill NAME`
    Kill(String),
    /// `restart NAME {PROGRAM}`
    Restart(String, Vec<Step>),
    /// `resume NAME`
    Resume(String),
    /// `monitor ADDRESS`
    Monitor(String),
    /// `demonitor ADDRESS`
    Demonitor(String),
    /// `give-up WORD`
    GiveUp(String),
    /// `family`: logs parent and children.
    Family,
    /// `on-stop WORD`: from here on, `slow` goes on when asked to stop until it is `done`, `fault` faults.
    OnStop(String),
    /// An act in a space; see [`crate::acts`].
    Act(Vec<String>),
    /// `wide N`: a state of N bytes.
    Wide(usize),
    /// `many N`: N log lines of one letter.
    Many(usize),
}

/// Reads a program.
pub(crate) fn program(text: &str) -> Vec<Step> {
    let spaced = text.replace(';', " ; ").replace('{', " { ").replace('}', " } ");
    let mut words = spaced.split_whitespace().peekable();
    let steps = steps(&mut words);
    assert_eq!(words.next(), None, "a closing brace too many in {text:?}");
    steps
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn steps(words: &mut Words<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some(word) = words.next_if(|word| *word != "}") {
        if word != ";" {
            steps.push(step(word, words));
        }
    }
    steps
}

fn step(word: &str, words: &mut Words<'_>) -> Step {
    let mut next = || words.next().unwrap_or_else(|| panic!("{word} lacks a word")).to_owned();
    match word {
        "send" => Step::Send(next(), next(), block(words)),
        "timer" => Step::Timer(next(), next().parse().unwrap(), next(), block(words)),
        "later" => Step::Later(next(), next(), next().parse().unwrap(), next(), block(words)),
        "cancel" => Step::Cancel(next()),
        "task" => Step::Task((0..6).map(|_| next()).collect()),
        "cancel-task" => Step::CancelTask(next()),
        "reply" => Step::Reply(next()),
        "log" => Step::Log(next()),
        "seed" => Step::Seed,
        "mode" => Step::Mode(next()),
        "done" => Step::Done(next()),
        "reject" => Step::Reject,
        "ignore" => Step::Ignore,
        "bad" => Step::Bad(next()),
        "defer-in" => Step::DeferIn(next()),
        "reject-in" => Step::RejectIn(next()),
        "fault-until" => Step::FaultUntil(next().parse().unwrap()),
        "fault" => Step::Fault,
        "unhandled" => Step::Unhandled,
        "spawn" => Step::Spawn(next(), next(), next(), next(), block(words)),
        "stop" => Step::Stop(next()),
        "kill" => Step::Kill(next()),
        "restart" => Step::Restart(next(), block(words)),
        "resume" => Step::Resume(next()),
        "monitor" => Step::Monitor(next()),
        "demonitor" => Step::Demonitor(next()),
        "give-up" => Step::GiveUp(next()),
        "family" => Step::Family,
        "on-stop" => Step::OnStop(next()),
        "wide" => Step::Wide(next().parse().unwrap()),
        "many" => Step::Many(next().parse().unwrap()),
        act => {
            let count = crate::acts::words_after(act).unwrap_or_else(|| panic!("no such step: {act}"));
            Step::Act(std::iter::once(act.to_owned()).chain((0..count).map(|_| next())).collect())
        }
    }
}

fn block(words: &mut Words<'_>) -> Vec<Step> {
    if words.next_if_eq(&"{").is_none() {
        return Vec::new();
    }
    let steps = steps(words);
    assert_eq!(words.next(), Some("}"), "a brace is not closed");
    steps
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Send(to, event, then) => write!(f, "send {to} {event} {{ {} }}", text(then)),
            Step::Timer(name, delay, event, then) => {
                write!(f, "timer {name} {delay} {event} {{ {} }}", text(then))
            }
            Step::Later(to, name, delay, event, then) => {
                write!(f, "later {to} {name} {delay} {event} {{ {} }}", text(then))
            }
            Step::Cancel(name) => write!(f, "cancel {name}"),
            Step::Task(words) => write!(f, "task {}", words.join(" ")),
            Step::CancelTask(name) => write!(f, "cancel-task {name}"),
            Step::Reply(json) => write!(f, "reply {json}"),
            Step::Log(word) => write!(f, "log {word}"),
            Step::Seed => f.write_str("seed"),
            Step::Mode(mode) => write!(f, "mode {mode}"),
            Step::Done(json) => write!(f, "done {json}"),
            Step::Reject => f.write_str("reject"),
            Step::Ignore => f.write_str("ignore"),
            Step::Bad(word) => write!(f, "bad {word}"),
            Step::DeferIn(mode) => write!(f, "defer-in {mode}"),
            Step::RejectIn(mode) => write!(f, "reject-in {mode}"),
            Step::FaultUntil(time) => write!(f, "fault-until {time}"),
            Step::Fault => f.write_str("fault"),
            Step::Unhandled => f.write_str("unhandled"),
            Step::Spawn(name, kind, id, orphan, then) => {
                write!(f, "spawn {name} {kind} {id} {orphan} {{ {} }}", text(then))
            }
            Step::Stop(name) => write!(f, "stop {name}"),
            Step::Kill(name) => write!(f, "kill {name}"),
            Step::Restart(name, then) => write!(f, "restart {name} {{ {} }}", text(then)),
            Step::Resume(name) => write!(f, "resume {name}"),
            Step::Monitor(address) => write!(f, "monitor {address}"),
            Step::Demonitor(address) => write!(f, "demonitor {address}"),
            Step::GiveUp(word) => write!(f, "give-up {word}"),
            Step::Family => f.write_str("family"),
            Step::OnStop(word) => write!(f, "on-stop {word}"),
            Step::Act(words) => f.write_str(&words.join(" ")),
            Step::Wide(bytes) => write!(f, "wide {bytes}"),
            Step::Many(lines) => write!(f, "many {lines}"),
        }
    }
}

/// A program as text.
pub(crate) fn text(steps: &[Step]) -> String {
    steps.iter().map(Step::to_string).collect::<Vec<_>>().join("; ")
}

/// A program as the data of an event.
pub(crate) fn data(steps: &[Step]) -> Json {
    if steps.is_empty() { Json::NULL } else { Json::trusted(serde_json::to_string(&text(steps)).unwrap()) }
}

/// The state of a scripted machine.
#[derive(Debug, Clone, PartialEq)]
struct Script {
    mode: String,
    count: u64,
    width: usize,
    on_stop: String,
}

/// The behaviour: a script in each event.
#[derive(Debug)]
pub(crate) struct Scripted;

impl Scripted {
    /// Does what the program says, as far as it goes.
    fn perform(&self, mut at: Script, data: &Json, turn: &mut Turn<'_>) -> Result<Handled, Fault> {
        let text: String = serde_json::from_str(data.as_str()).unwrap_or_default();
        let fault = |code, message: &str| Fault { code, message: message.to_owned(), place: String::new() };
        let mut done = None;
        at.count += 1;
        let before = at.mode.clone();
        for step in program(&text) {
            match step {
                Step::Send(to, event, then) => turn.effects.push(Effect::Send {
                    to: Address::parse(&to).map_err(|error| fault(FaultCode::Action, &error.to_string()))?,
                    event: Arc::from(event),
                    data: self::data(&then),
                }),
                Step::Timer(name, delay, event, then) => {
                    turn.effects.push(timer(&name, delay, None, &event, &then));
                }
                Step::Later(to, name, delay, event, then) => {
                    turn.effects.push(timer(&name, delay, Some(&to), &event, &then));
                }
                Step::Cancel(name) => turn.effects.push(Effect::CancelTimer(Arc::from(name))),
                Step::Task(words) => turn.effects.push(task(&words)),
                Step::CancelTask(name) => turn.effects.push(Effect::CancelTask(Arc::from(name))),
                Step::Reply(json) => turn.effects.push(Effect::Reply(Json::parse(&json).unwrap())),
                Step::Log(word) => turn.effects.push(Effect::Log(word)),
                Step::Seed => turn.effects.push(Effect::Log(format!("{} at {}", turn.seed, turn.now))),
                Step::Mode(mode) => at.mode = mode,
                Step::Done(json) => done = Some(Json::parse(&json).unwrap()),
                Step::Reject => return Ok(Handled::Rejected),
                Step::Ignore => return Ok(Handled::Ignored),
                Step::Bad(word) => return Ok(Handled::BadData(word)),
                Step::DeferIn(mode) if mode == before => return Ok(Handled::Deferred),
                Step::RejectIn(mode) if mode == before => return Ok(Handled::Rejected),
                Step::FaultUntil(time) if turn.now < Time(time) => {
                    return Err(fault(FaultCode::Action, "not yet"));
                }
                Step::DeferIn(_) | Step::RejectIn(_) | Step::FaultUntil(_) => {}
                Step::Fault => return Err(fault(FaultCode::Action, "as told")),
                Step::Unhandled => return Err(fault(FaultCode::Unhandled, "nobody takes it")),
                Step::OnStop(word) => at.on_stop = word,
                Step::Family => turn.effects.push(Effect::Log(family(turn))),
                Step::GiveUp(word) => turn.effects.push(Effect::GiveUp(fault(FaultCode::Action, &word))),
                step @ (Step::Spawn(..)
                | Step::Stop(_)
                | Step::Kill(_)
                | Step::Restart(..)
                | Step::Resume(_)
                | Step::Monitor(_)
                | Step::Demonitor(_)) => turn.effects.push(link(step)),
                Step::Act(words) => turn.effects.push(crate::acts::effect(&words)),
                Step::Wide(bytes) => at.width = bytes,
                Step::Many(lines) => (0..lines).for_each(|_| turn.effects.push(Effect::Log("x".into()))),
            }
        }
        let labels = labels(&at);
        Ok(Handled::Took(Next { state: Arc::new(at), labels, done }))
    }
}

/// Parent and children in a few words.
fn family(turn: &Turn<'_>) -> String {
    let child = |child: &Child| {
        let known = if child.born > 0 { "" } else { " starting" };
        let stopping = if child.stopping { " stopping" } else { "" };
        format!("{}{known}{stopping}", child.name)
    };
    let children: Vec<String> = turn.children.iter().map(child).collect();
    format!("{} [{}]", turn.parent.map_or("none", Address::as_str), children.join(", "))
}

/// The effect of a step that is about links.
fn link(step: Step) -> Effect {
    let parsed = |text: &str| Address::parse(text).expect("scripts name addresses");
    match step {
        Step::Spawn(name, kind, id, orphan, then) => Effect::Spawn {
            name: Arc::from(name),
            kind: Arc::from(kind),
            version: None,
            id: (id != "-").then(|| Arc::from(id)),
            data: data(&then),
            orphan: if orphan == "keep" { Orphan::Keep } else { Orphan::Stop },
        },
        Step::Stop(name) => Effect::Stop { child: Arc::from(name), kill: false },
        Step::Kill(name) => Effect::Stop { child: Arc::from(name), kill: true },
        Step::Restart(name, then) => {
            Effect::Restart { child: Arc::from(name), from: RestartFrom::Initial(data(&then)) }
        }
        Step::Resume(name) => Effect::Restart { child: Arc::from(name), from: RestartFrom::LastGood },
        Step::Monitor(address) => Effect::Monitor(parsed(&address)),
        Step::Demonitor(address) => Effect::Demonitor(parsed(&address)),
        other => panic!("{other} is not about links"),
    }
}

fn task(words: &[String]) -> Effect {
    let span = |text: &str| (text != "-").then(|| Span(text.parse().expect("scripts give milliseconds")));
    let retry = Retry {
        attempts: words[2].parse().expect("scripts count attempts"),
        backoff: Span(100),
        backoff_max: Span(150),
    };
    Effect::Task {
        name: Arc::from(&*words[0]),
        queue: Arc::from(&*words[1]),
        input: Json::trusted(format!("{:?}", words[0])),
        policy: TaskPolicy {
            retry,
            timeout: span(&words[3]).expect("an attempt has a timeout"),
            deadline: span(&words[4]),
            heartbeat: span(&words[5]),
        },
    }
}

fn timer(name: &str, delay: u64, to: Option<&str>, event: &str, then: &[Step]) -> Effect {
    let to = to.map(|to| Address::parse(to).expect("scripts name addresses"));
    Effect::SetTimer {
        name: Arc::from(name),
        delay: Span(delay),
        to,
        event: Arc::from(event),
        data: data(then),
    }
}

fn labels(at: &Script) -> Labels {
    Labels::from([Arc::from(at.mode.as_str())])
}

fn script(state: &State) -> &Script {
    state.downcast_ref().expect("a state of this behaviour")
}

impl Behaviour for Scripted {
    fn start(&self, data: &Json, turn: &mut Turn<'_>) -> Result<Next, Fault> {
        let fresh = Script { mode: "idle".into(), count: 0, width: 0, on_stop: "now".into() };
        match self.perform(fresh, data, turn)? {
            Handled::Took(next) => Ok(next),
            _ => Err(Fault { code: FaultCode::Action, message: "no start".into(), place: String::new() }),
        }
    }

    fn handle(&self, state: &State, event: &Event, turn: &mut Turn<'_>) -> Result<Handled, Fault> {
        self.perform(script(state).clone(), &event.data, turn)
    }

    fn stop(&self, state: &State, turn: &mut Turn<'_>) -> Result<Option<Next>, Fault> {
        let mut at = script(state).clone();
        turn.effects.push(Effect::Log(format!("asked to stop in {}", at.mode)));
        match &*at.on_stop {
            "slow" => {
                at.mode = "stopping".into();
                let labels = labels(&at);
                Ok(Some(Next { state: Arc::new(at), labels, done: None }))
            }
            "fault" => Err(Fault { code: FaultCode::Action, message: "no".into(), place: String::new() }),
            _ => Ok(None),
        }
    }

    fn encode(&self, state: &State) -> Vec<u8> {
        let at = script(state);
        let mut bytes = format!("{} {} {} {} ", at.mode, at.count, at.width, at.on_stop).into_bytes();
        bytes.resize(bytes.len() + at.width, b'.');
        bytes
    }

    fn decode(&self, bytes: &[u8]) -> Result<State, Fault> {
        let damaged =
            || Fault { code: FaultCode::State, message: "not a script".into(), place: String::new() };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged())?;
        let mut words = text.split(' ');
        let mut next = || words.next().ok_or_else(damaged);
        let (mode, count, width, on_stop) = (next()?.to_owned(), next()?, next()?, next()?.to_owned());
        let count = count.parse().map_err(|_| damaged())?;
        let width = width.parse().map_err(|_| damaged())?;
        Ok(Arc::new(Script { mode, count, width, on_stop }))
    }

    fn describe(&self, state: &State) -> Description {
        Description { labels: labels(script(state)), data: Json::NULL }
    }

    fn waiting(&self, _: &State, _: &Address, _: Time) -> Waiting {
        Waiting { accepts: vec![Arc::from("go")], guarded: Vec::new() }
    }
}
