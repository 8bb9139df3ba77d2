//! A system played step by step in a world by hand: one production node that runs through, with real positions and
//! ids. What exploration found by looking up local steps is confirmed here by the kernel as production drives it.
//!
//! It refuses to choose. Its one invariant: a step that cannot happen now is refused, with what could.

use crate::canonical;
use crate::choice::WORKER;
use crate::locals::MarkKind;
use crate::property::Seen;
use crate::stand_in;
use crate::system::{System, Timers};
use crate::trace::{Happening, Posted, json, word};
use crate::world::{Step, World};
use everstate_kernel::{
    Address, Answer, Errand, Event, EventId, Json, Lease, Outcome, Refusal, Report, SESSION_KIND, Sender,
    Serial, Stage, Status, Time, TimerKey,
};
use std::collections::{BTreeMap, VecDeque};

/// A system that is being played.
#[derive(Debug, Clone)]
pub struct Play<'a> {
    system: &'a System,
    world: World,
    ways: BTreeMap<(String, Address), VecDeque<OnWay>>,
    environment: Vec<Option<u8>>,
    /// How often tasks may still end in each of the ways that are listed.
    answered: Vec<Option<u8>>,
    left: crate::system::Faults,
    ids: u64,
    /// How often the turn that each instance tries again had faulted before this step.
    attempts: BTreeMap<Address, u32>,
}

/// An event on its way.
#[derive(Debug, Clone)]
enum OnWay {
    /// From a machine.
    Sent(Serial, Event),
    /// From a client.
    Client(Event),
    /// From a client, once more.
    Again(Event),
    /// From a worker, once more.
    Late(Event, Lease, Report),
}

/// What a step has brought about.
#[derive(Debug, Clone)]
pub struct Told {
    /// What happened.
    pub happening: Happening,
    /// When.
    pub at: Time,
    /// Active states of whom it happened to, before.
    pub before: Vec<String>,
    /// What the node did; none when it was not the node's doing.
    pub step: Option<Step>,
    /// What built-in properties are about.
    pub wrong: Vec<(&'static str, String)>,
}

impl OnWay {
    fn event(&self) -> &Event {
        match self {
            OnWay::Sent(_, event) | OnWay::Client(event) | OnWay::Again(event) | OnWay::Late(event, ..) => {
                event
            }
        }
    }
}

impl<'a> Play<'a> {
    /// The system as it begins.
    pub fn begin(system: &'a System) -> Result<(Play<'a>, Vec<Told>), String> {
        let mut play = Play {
            system,
            world: World::at(1, system.begins),
            ways: BTreeMap::new(),
            environment: system.environment.iter().map(|may| may.times).collect(),
            answered: system.tasks.iter().map(|answer| answer.times).collect(),
            left: system.faults,
            ids: 0,
            attempts: BTreeMap::new(),
        };
        for (definition, source) in stand_in::replaced(&system.definitions, &system.stand_ins) {
            play.world.put_definition(definition, source).map_err(|error| error.to_string())?;
        }
        let mut told = Vec::new();
        for member in &system.cast {
            let Some(data) = &member.start else { continue };
            let mut steps = match system.standing(&member.address) {
                Some(standing) => play.world.stand(standing),
                None => vec![play.world.start(&member.address, data.clone())],
            };
            let Some(step) = steps.pop() else { continue };
            steps.iter().for_each(|step| play.note(&member.address, step));
            if let Some(Answer::Refused(refusal)) = &step.answer {
                return Err(format!("{} cannot be started: {refusal}", member.name));
            }
            let (from, to) = ("start".to_owned(), member.address.to_string());
            let posted = Posted { from, to, event: "start".into(), data: json(data), reaction: 0 };
            play.note(&member.address, &step);
            let wrong = play.wrong(&member.address, None, None, &step);
            let at = play.world.now();
            told.push(Told {
                happening: Happening::Deliver(posted),
                at,
                before: Vec::new(),
                step: Some(step),
                wrong,
            });
        }
        for (place, first) in system.first.iter().enumerate() {
            let id = EventId::parse(&format!("first-{}", place + 1))?;
            let (name, data, time) = (first.event.clone(), first.data.clone(), system.begins);
            let event = Event { id, name, data, sender: Sender::Client, time };
            let way = play.ways.entry((first.from.to_string(), first.to.clone())).or_default();
            way.push_back(OnWay::Client(event));
        }
        Ok((play, told))
    }

    /// The world as it is.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Lets something happen.
    pub fn step(&mut self, happening: &Happening) -> Result<Told, String> {
        let retrying =
            |kept: &crate::Kept| Some((kept.row.address.clone(), kept.row.retry.as_ref()?.attempts));
        self.attempts = self.world.tables().instances.values().filter_map(|kept| retrying(kept)).collect();
        let (to, from, event, before, step) = match happening {
            Happening::Deliver(posted) => stand_in::choosing(posted.reaction, || self.deliver(posted))?,
            Happening::Send { to, event, data, reaction } => {
                let address = Address::parse(to).map_err(|error| error.to_string())?;
                few(*reaction, stand_in::ways(&self.system.stand_ins, &address, event), &address)?;
                stand_in::choosing(*reaction, || self.send(to, event, data))?
            }
            Happening::Fire { at, timer } => self.fire(at, timer.as_deref())?,
            Happening::Lose(posted) => {
                self.spend(|left| &mut left.losses, "loss")?;
                let (key, place) = self.find(posted, true)?;
                match self.remove(&key, place) {
                    Some(OnWay::Sent(number, _)) => {
                        self.world.lose(number).map_err(|error| error.to_string())?;
                    }
                    Some(OnWay::Client(lost)) => self.renew(&key, place, &lost),
                    Some(OnWay::Again(_) | OnWay::Late(..)) | None => {}
                }
                return Ok(self.quiet(happening));
            }
            Happening::Duplicate(posted) => {
                self.duplicate(posted)?;
                return Ok(self.quiet(happening));
            }
            Happening::Answer { at, task, with, twice } => self.answer(at, task, with, *twice)?,
            Happening::Silence { session } => {
                self.spend(|left| &mut left.silences, "silence of a session")?;
                let (address, before) = self.session(session, false)?;
                let step = self.world.silence(&address);
                (address, None, None, before, step)
            }
            Happening::Return { session } => {
                self.spend(|left| &mut left.reconnections, "reconnection of a session")?;
                let (address, before) = self.session(session, true)?;
                let member = self.system.sessions().find(|member| member.address == address);
                let data = member.and_then(|member| member.start.clone()).unwrap_or(Json::NULL);
                let step = self.world.begin_anew(&address, data);
                (address, None, None, before, step)
            }
            Happening::ClockStep => {
                self.spend(|left| &mut left.clock_steps, "clock step")?;
                self.world.skip(self.system.faults.clock_step);
                return Ok(self.quiet(happening));
            }
        };
        self.note(&to, &step);
        let wrong = self.wrong(&to, from.as_ref(), event.as_ref(), &step);
        let at = self.world.now();
        Ok(Told { happening: happening.clone(), at, before, step: Some(step), wrong })
    }

    fn quiet(&self, happening: &Happening) -> Told {
        let (happening, at) = (happening.clone(), self.world.now());
        Told { happening, at, before: Vec::new(), step: None, wrong: Vec::new() }
    }

    fn spend(
        &mut self,
        of: impl Fn(&mut crate::system::Faults) -> &mut u8,
        what: &str,
    ) -> Result<(), String> {
        let left = of(&mut self.left);
        *left = left.checked_sub(1).ok_or_else(|| format!("the system allows no further {what}"))?;
        Ok(())
    }

    #[expect(clippy::type_complexity, reason = "what its one caller takes apart")]
    fn deliver(
        &mut self,
        posted: &Posted,
    ) -> Result<(Address, Option<OnWay>, Option<Event>, Vec<String>, Step), String> {
        let (key, place) = self.find(posted, true)?;
        let to = key.1.clone();
        if let Some(one) = self.ways.get(&key).and_then(|way| way.get(place)) {
            few(posted.reaction, self.reactions(one, &to), &to)?;
        }
        let before = self.labels(&to);
        let Some(on_way) = self.remove(&key, place) else { return Err("it is not on its way".into()) };
        let event = on_way.event().clone();
        let step = match &on_way {
            OnWay::Sent(number, _) => self.world.deliver(*number),
            OnWay::Client(event) | OnWay::Again(event) => {
                self.world.send_as(event.id.clone(), &to, &event.name, event.data.clone())
            }
            OnWay::Late(_, lease, report) => Ok(self.world.report(lease, report.clone())),
        };
        Ok((to, Some(on_way), Some(event), before, step.map_err(|error| error.to_string())?))
    }

    #[expect(clippy::type_complexity, reason = "what its one caller takes apart")]
    fn send(
        &mut self,
        to: &str,
        event: &str,
        data: &serde_json::Value,
    ) -> Result<(Address, Option<OnWay>, Option<Event>, Vec<String>, Step), String> {
        let entries = self.system.environment.iter();
        let place = entries.enumerate().position(|(place, may)| {
            may.to.as_str() == to
                && *may.event == *event
                && json(&may.data) == *data
                && self.environment[place] != Some(0)
        });
        let Some(place) = place else {
            return Err(format!("the environment does not send `{event}` to {to}, or not that often"));
        };
        let may = &self.system.environment[place];
        if let Some(left) = &mut self.environment[place] {
            *left -= 1;
        }
        self.ids += 1;
        let id = EventId::parse(&format!("environment-{}", self.ids))?;
        let (to, before) = (may.to.clone(), self.labels(&may.to));
        let step =
            self.world.send_as(id, &to, &may.event, may.data.clone()).map_err(|error| error.to_string())?;
        Ok((to, None, None, before, step))
    }

    #[expect(clippy::type_complexity, reason = "what its one caller takes apart")]
    fn fire(
        &mut self,
        at: &str,
        timer: Option<&str>,
    ) -> Result<(Address, Option<OnWay>, Option<Event>, Vec<String>, Step), String> {
        let timers = self.world.timers();
        let is_meant = |key: &&TimerKey| key.address.as_str() == at && self.name_of(key).as_deref() == timer;
        let Some(key) = timers.iter().find(is_meant).cloned() else {
            return Err(format!("{at} has no timer {}", timer.unwrap_or("for a retry")));
        };
        let soonest = timers.first().map_or(key.due, |first| first.due);
        if key.due > soonest {
            return Err(format!("another timer is due before that of {at}"));
        }
        if self.system.timers == Timers::Wait && self.ways.values().any(|way| !way.is_empty()) {
            return Err("events are on their way, and in this system timers wait for them".into());
        }
        if key.due > self.world.now() {
            self.world.skip(key.due - self.world.now());
        }
        let before = self.labels(&key.address);
        let step = self.world.fire(&key).map_err(|error| error.to_string())?;
        Ok((key.address, None, None, before, step))
    }

    fn name_of(&self, key: &TimerKey) -> Option<String> {
        let kept = self.world.instance(&key.address)?;
        let timer = kept.row.timers.iter().find(|timer| Some(timer.generation) == key.generation);
        let task = || kept.row.tasks.iter().find(|task| Some(task.number) == key.generation);
        timer.map(|timer| timer.name.to_string()).or_else(|| Some(format!("task {}", task()?.name)))
    }

    /// Every way in which a task may end now: its place among those of its instance, how, and as a trace has it.
    fn answers(&self) -> impl Iterator<Item = (usize, usize, Happening)> {
        let open = self.world.tables().instances.values().flat_map(|kept| {
            let tasks = kept.row.tasks.iter().enumerate().filter(|(_, task)| task.stage != Stage::Ended);
            tasks.map(|(place, task)| (kept.row.address.to_string(), place, task))
        });
        open.flat_map(move |(at, place, task)| {
            let ends = self.system.tasks.iter().enumerate().filter(|(end, answer)| {
                let fits = answer.is_for(&task.queue) && answer.end.fits(&task.policy);
                fits && self.answered[*end] != Some(0)
            });
            let ends: Vec<(usize, bool)> = ends
                .flat_map(|(end, answer)| {
                    let twice = (answer.end.is_said() && self.left.duplicates > 0).then_some((end, true));
                    std::iter::once((end, false)).chain(twice)
                })
                .collect();
            ends.into_iter().map(move |(end, twice)| {
                let with = self.system.tasks[end].end.to_value();
                let task = task.name.to_string();
                (place, end, Happening::Answer { at: at.clone(), task, with, twice })
            })
        })
    }

    #[expect(clippy::type_complexity, reason = "what its one caller takes apart")]
    fn answer(
        &mut self,
        at: &str,
        task: &str,
        with: &serde_json::Value,
        twice: bool,
    ) -> Result<(Address, Option<OnWay>, Option<Event>, Vec<String>, Step), String> {
        let (with, name) = (with.clone(), task.to_owned());
        let wanted = Happening::Answer { at: at.to_owned(), task: name, with: with.clone(), twice };
        let Some((place, end, _)) = self.answers().find(|(_, _, happening)| *happening == wanted) else {
            return Err(format!("{at} has no task {task} that may end so now: {with}"));
        };
        if let Some(left) = &mut self.answered[end] {
            *left -= 1;
        }
        let address = Address::parse(at).map_err(|error| error.to_string())?;
        let (before, end) = (self.labels(&address), self.system.tasks[end].end.clone());
        let (step, said) = self.world.end_task(&address, place, &end);
        if twice {
            self.spend(|left| &mut left.duplicates, "duplicate")?;
            if let (Some((lease, report)), Some((name, data))) = (said, end.again(task)) {
                let id = EventId::parse("again")?;
                let event = Event { id, name, data, sender: Sender::Client, time: self.system.begins };
                let way = self.ways.entry((WORKER.to_owned(), address.clone())).or_default();
                way.push_back(OnWay::Late(event, lease, report));
            }
        }
        Ok((address, None, None, before, step))
    }

    /// A session that has ended, or has not, and its active states.
    fn session(&self, session: &str, ended: bool) -> Result<(Address, Vec<String>), String> {
        let member = self.system.sessions().find(|member| member.address.as_str() == session);
        let found = member.and_then(|member| self.world.instance(&member.address));
        match found.filter(|kept| kept.row.status.is_ended() == ended) {
            Some(kept) => Ok((kept.row.address.clone(), self.labels(&kept.row.address))),
            None if ended => Err(format!("{session} is no session that has ended")),
            None => Err(format!("{session} is no session that is there")),
        }
    }

    fn duplicate(&mut self, posted: &Posted) -> Result<(), String> {
        self.spend(|left| &mut left.duplicates, "duplicate")?;
        let (key, place) = self.find(posted, true)?;
        let way = self.ways.entry(key).or_default();
        let copy = match &way[place] {
            OnWay::Client(event) | OnWay::Again(event) => OnWay::Again(event.clone()),
            OnWay::Late(..) => return Err("what a worker says comes twice at most".into()),
            OnWay::Sent(number, event) => {
                let copy = self.world.duplicate(*number).map_err(|error| error.to_string())?;
                OnWay::Sent(copy, event.clone())
            }
        };
        way.insert(place + 1, copy);
        Ok(())
    }

    /// Where an event is. Unless the way reorders it must be the first.
    fn find(&self, posted: &Posted, first: bool) -> Result<((String, Address), usize), String> {
        let to = Address::parse(&posted.to).map_err(|error| error.to_string())?;
        let key = (posted.from.clone(), to);
        let way = self.ways.get(&key).filter(|way| !way.is_empty());
        let Some(way) = way else {
            return Err(format!("nothing is on its way from {} to {}", posted.from, posted.to));
        };
        let is_meant = |one: &OnWay| {
            let event = canonical::event(one.event(), false);
            *event.name == *posted.event && json(&event.data) == posted.data
        };
        let Some(place) = way.iter().position(is_meant) else {
            return Err(format!(
                "`{}` is not on its way from {} to {}",
                posted.event, posted.from, posted.to
            ));
        };
        let reorders = posted.from == WORKER
            || Address::parse(&posted.from)
                .is_ok_and(|from| self.system.link(&from, &key.1).is_some_and(|link| link.reorder));
        if first && place > 0 && !reorders {
            let before = &way[0].event().name;
            return Err(format!("`{before}` is before `{}` on the way from {}", posted.event, posted.from));
        }
        Ok((key, place))
    }

    /// When the first of two copies of a client's event is lost, the other is the first one to come.
    fn renew(&mut self, key: &(String, Address), place: usize, lost: &Event) {
        let Some(next) = self.ways.get_mut(key).and_then(|way| way.get_mut(place)) else { return };
        if matches!(next, OnWay::Again(event) if event.id == lost.id) {
            *next = OnWay::Client(lost.clone());
        }
    }

    fn remove(&mut self, key: &(String, Address), place: usize) -> Option<OnWay> {
        self.ways.get_mut(key)?.remove(place)
    }

    /// Puts what was sent on its way.
    fn note(&mut self, by: &Address, step: &Step) {
        let mut all: Vec<_> = step.sent.iter().collect();
        all.sort_by_key(|sent| sent.number);
        for sent in all {
            let way = self.ways.entry((by.to_string(), sent.to.clone())).or_default();
            way.push_back(OnWay::Sent(sent.number, sent.event.clone()));
        }
    }

    fn labels(&self, address: &Address) -> Vec<String> {
        let kept = self.world.instance(address);
        kept.map_or_else(Vec::new, |kept| kept.row.labels.iter().map(|label| label.to_string()).collect())
    }

    /// What is seen of the cast, in its order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let member = |member: &crate::system::Member| match self.world.instance(&member.address) {
            None => Seen::nobody(),
            Some(kept) => Seen::of(&kept.row, kept.mailbox.len(), self.world.describe(&member.address)),
        };
        self.system.cast.iter().map(member).collect()
    }

    /// All that can happen next; of ways that reorder, everything on them.
    pub fn possible(&self) -> Vec<Happening> {
        let mut all = Vec::new();
        let posted = |key: &(String, Address), one: &OnWay| {
            let event = canonical::event(one.event(), false);
            let (from, to) = (key.0.clone(), key.1.to_string());
            Posted { from, to, event: event.name.to_string(), data: json(&event.data), reaction: 0 }
        };
        for (key, way) in self.ways.iter().filter(|(_, way)| !way.is_empty()) {
            let link = Address::parse(&key.0).ok().and_then(|from| self.system.link(&from, &key.1));
            let late = key.0 == WORKER;
            let open = if late || link.is_some_and(|link| link.reorder) { way.len() } else { 1 };
            let is_edge = link.is_some() || !(late || matches!(way[0], OnWay::Sent(..)));
            for one in way.iter().take(open) {
                all.extend(
                    (0..self.reactions(one, &key.1))
                        .map(|reaction| Happening::Deliver(Posted { reaction, ..posted(key, one) })),
                );
                if is_edge && self.left.losses > 0 {
                    all.push(Happening::Lose(posted(key, one)));
                }
                if is_edge && self.left.duplicates > 0 {
                    all.push(Happening::Duplicate(posted(key, one)));
                }
            }
        }
        all.extend(self.answers().map(|(_, _, happening)| happening));
        let events_wait = !all.is_empty() && self.system.timers == Timers::Wait;
        let timers = self.world.timers();
        let soonest = timers.first().map(|key| key.due);
        let mut last = None;
        for key in timers.iter().filter(|key| Some(key.due) == soonest && !events_wait) {
            if last != Some(&key.address) {
                all.push(Happening::Fire { at: key.address.to_string(), timer: self.name_of(key) });
            }
            last = Some(&key.address);
        }
        for (may, left) in self.system.environment.iter().zip(&self.environment) {
            if *left != Some(0) {
                let (to, event, data) = (may.to.to_string(), may.event.to_string(), json(&may.data));
                for reaction in 0..stand_in::ways(&self.system.stand_ins, &may.to, &event) {
                    let (to, event, data) = (to.clone(), event.clone(), data.clone());
                    all.push(Happening::Send { to, event, data, reaction });
                }
            }
        }
        if self.left.clock_steps > 0 && !timers.is_empty() {
            all.push(Happening::ClockStep);
        }
        for member in self.system.sessions() {
            let ended = self.world.instance(&member.address).map(|kept| kept.row.status.is_ended());
            let session = member.address.to_string();
            match ended {
                Some(false) if self.left.silences > 0 => all.push(Happening::Silence { session }),
                Some(true) if self.left.reconnections > 0 => all.push(Happening::Return { session }),
                _ => {}
            }
        }
        all
    }

    /// How many things may be done about what is on its way.
    fn reactions(&self, one: &OnWay, to: &Address) -> u16 {
        let is_event = match one {
            OnWay::Sent(number, _) => {
                let sent = self.world.tables().outbox.get(number);
                sent.is_some_and(|sent| matches!(sent.errand, Errand::Event | Errand::Answer(_)))
            }
            OnWay::Client(_) => true,
            OnWay::Again(_) | OnWay::Late(..) => false,
        };
        if is_event { stand_in::ways(&self.system.stand_ins, to, &one.event().name) } else { 1 }
    }

    /// What built-in properties are about, read off the node's own doing.
    fn wrong(
        &self,
        to: &Address,
        on_way: Option<&OnWay>,
        event: Option<&Event>,
        step: &Step,
    ) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        for letter in &step.dead_letters {
            let (name, to) = (&letter.event.name, &letter.to);
            match &letter.outcome {
                Outcome::Failed { fault, .. } => {
                    wrong.push((MarkKind::Fault, format!("{to} faulted over `{name}`: {}", fault.message)));
                }
                _ => wrong.push((MarkKind::DeadLetter, format!("nobody took `{name}` for {to}"))),
            }
        }
        if let Some(Answer::Refused(Refusal::StartFaulted(fault))) = &step.answer {
            wrong.push((MarkKind::Fault, format!("{to} faulted while it started: {}", fault.message)));
        }
        let silent = to.kind() == SESSION_KIND
            && self.world.instance(to).is_some_and(|kept| kept.row.status.is_ended());
        if matches!(on_way, Some(OnWay::Client(_))) && !silent {
            match &step.answer {
                Some(Answer::Decided { outcome: Outcome::Rejected { reason, .. }, .. }) => {
                    wrong.push((MarkKind::Refusal, format!("{to} refused: {reason}")));
                }
                Some(Answer::Refused(refusal)) if wrong.is_empty() => {
                    wrong.push((MarkKind::Refusal, format!("{to} refused: {refusal}")));
                }
                _ => {}
            }
        }
        let told =
            event.filter(|event| event.sender == Sender::System && &*event.name == "error.communication");
        if let Some(kept) = self.world.instance(to) {
            let active = matches!(kept.row.status, Status::Active);
            let nothing_done = step.turns.iter().all(|(_, turn)| match &turn.outcome {
                Outcome::Ok { from, to, .. } => from == to,
                _ => true,
            });
            let waiting = self.world.waiting(to).unwrap_or_default();
            let takes = waiting.accepts.iter().any(|known| {
                let prefix = known.trim_end_matches('*').trim_end_matches('.');
                "error.communication".starts_with(prefix)
            });
            if told.is_some() && active && nothing_done && !takes && step.sent.is_empty() {
                wrong.push((MarkKind::Refusal, format!("{to} does not expect to be refused")));
            }
            let told = crate::kernel_step::is_told_of_others(kept);
            let idle =
                kept.row.timers.is_empty() && kept.row.tasks.is_empty() && kept.row.retry.is_none() && !told;
            if active && idle && waiting.accepts.is_empty() && waiting.guarded.is_empty() {
                wrong.push((MarkKind::Stuck, format!("{to} is stuck")));
            }
            let tried = self.attempts.get(to).copied();
            if let Some(retry) = kept.row.retry.as_ref().filter(|retry| Some(retry.attempts) != tried) {
                wrong.push((MarkKind::Fault, format!("{to} faulted: {}", retry.fault.message)));
            }
            if kept.mailbox.len() > self.system.mailbox_max {
                wrong.push((MarkKind::Mailbox, format!("{} events wait for {to}", kept.mailbox.len())));
            }
        }
        let asked = |(kind, _): &(MarkKind, String)| crate::explore::is_asked(self.system, *kind);
        wrong.into_iter().filter(asked).map(|(kind, text)| (word(kind), text)).collect()
    }
}

/// Is the reaction one that there is?
fn few(reaction: u16, ways: u16, to: &Address) -> Result<(), String> {
    match reaction < ways {
        true => Ok(()),
        false => {
            Err(format!("{to} may do only {ways} things about this, and reaction {reaction} is none of them"))
        }
    }
}
