//! One run of a plan: clients, a network that delays, loses and repeats, faults, and the node among them, in the order of
//! virtual time.
//!
//! It refuses to judge; that is for the checks. Its one invariant: equal plans give equal runs, line by line.

use super::bugs::Bug;
use super::checks;
use super::ledger::{Ledger, Told};
use super::plan::{Befalls, Deed, Plan, What};
use super::site::{Broken, FULL_PAUSE, Site, Worked, data, summary};
use super::{Failure, Verdict, cast};
use crate::chance::Chance;
use everstate_kernel::{Address, Answer, Event, EventId, Input, Json, Release, RestartFrom, Sender, Ticket};
use everstate_store::{Crash, Torn};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// How long after the last deed and fault everything must have come to rest, in milliseconds.
const REST_MS_MAX: u64 = 120_000;
/// How long an armed crash waits for an operation of the disk.
const ARMED_MS: u64 = 300;
/// Turns of the loop; more are a sign that something never rests.
const TURNS_MAX: usize = 200_000;

/// What happens at a time.
#[derive(Debug, Clone)]
enum Happening {
    /// A client looks for what it is to do.
    Begin(usize),
    /// A request of the deed at this place arrives.
    Arrive(usize),
    /// The answer to a deed arrives.
    Answered(usize),
    /// A client has waited long enough for the answer to this attempt.
    Timeout(usize, u32),
    Fault(usize),
    /// The crash that was armed comes now, whatever the disk does.
    Force(u64),
    Reopen,
    RoomAgain,
    FastAgain,
    Tend,
}

#[derive(Debug, Default)]
struct Client {
    todo: VecDeque<usize>,
    /// The deed that it is at, and how often it was sent.
    current: Option<(usize, u32)>,
}

/// A crash that is to come with an operation of the disk.
#[derive(Debug, Clone, Copy)]
struct Armed {
    number: u64,
    crash: Crash,
    torn: Torn,
    again: Option<u64>,
    down_ms: u64,
}

pub(super) struct Run<'a> {
    plan: &'a Plan,
    site: Site<'a>,
    ledger: Ledger,
    clients: Vec<Client>,
    queue: BTreeMap<(u64, u64), Happening>,
    scheduled: u64,
    at_ms: u64,
    busy_until: u64,
    inbound: VecDeque<usize>,
    armed: Option<Armed>,
    /// What happened to the disk since the process ended.
    ended: Option<Armed>,
    /// Deeds that were answered.
    answered: Vec<bool>,
    crashes: usize,
    story: Vec<String>,
}

/// Runs a plan in `folder`, which is empty, with a bug or without.
pub(super) fn run(plan: &Plan, folder: &Path, bug: Option<Bug>) -> Verdict {
    let mut run = Run::new(plan, folder, bug);
    let outcome = run.live().and_then(|()| run.judge());
    let (steps, commits) = (run.scheduled as usize, run.ledger.commits.len());
    let digest = xxh3_64(run.story.join("\n").as_bytes()) ^ run.site.disk.digest();
    let failure = outcome.err().map(|(check, what)| Failure { check, what });
    let (crashes, lost, expired) = (run.crashes, run.ledger.lost, run.ledger.expired());
    Verdict { steps, commits, crashes, lost, expired, digest, story: run.story, failure }
}

/// Which check does not hold, and what is wrong.
type Judged = Result<(), (&'static str, String)>;

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, folder: &'a Path, bug: Option<Bug>) -> Run<'a> {
        let site = Site::new(folder, plan.seed, &plan.sizes, bug);
        site.disk.set_lying(bug == Some(Bug::SkipSync));
        let count = plan.deeds.iter().map(|(_, deed)| deed.client + 1).max().unwrap_or(0);
        let mut clients: Vec<Client> = (0..count).map(|_| Client::default()).collect();
        for (index, (_, deed)) in plan.deeds.iter().enumerate() {
            clients[deed.client].todo.push_back(index);
        }
        Run {
            plan,
            site,
            ledger: Ledger::default(),
            clients,
            queue: BTreeMap::new(),
            scheduled: 0,
            at_ms: 0,
            busy_until: 0,
            inbound: VecDeque::new(),
            armed: None,
            ended: None,
            answered: vec![false; plan.deeds.len()],
            crashes: 0,
            story: Vec::new(),
        }
    }

    fn schedule(&mut self, at_ms: u64, happening: Happening) {
        self.scheduled += 1;
        self.queue.insert((at_ms, self.scheduled), happening);
    }

    fn tell(&mut self, line: String) {
        self.story.push(format!("{:6} {line}", self.at_ms));
    }

    /// Lets everything happen until nothing is left to happen.
    fn live(&mut self) -> Judged {
        let broken = |what: Broken| ("contract", what);
        if !self.site.begin().map_err(broken)? {
            return Err(("contract", "a fresh store does not open".into()));
        }
        self.site.furnish(&mut self.ledger).map_err(broken)?;
        for client in 0..self.clients.len() {
            self.schedule(0, Happening::Begin(client));
        }
        for index in 0..self.plan.faults.len() {
            self.schedule(self.plan.faults[index].1.at, Happening::Fault(index));
        }
        self.schedule(self.plan.sizes.tend_ms, Happening::Tend);
        for _ in 0..TURNS_MAX {
            let first = self.queue.first_key_value().map(|(key, _)| *key);
            let wakes = self.wakes_at();
            let at_ms = match (first, wakes) {
                (None, None) => return Ok(()),
                (Some((at, _)), Some(wakes)) => at.min(wakes),
                (Some((at, _)), None) => at,
                (None, Some(wakes)) => wakes,
            };
            if at_ms > self.plan.length_ms() + REST_MS_MAX {
                break;
            }
            self.at_ms = at_ms.max(self.at_ms);
            match first.filter(|(at, _)| *at <= self.at_ms) {
                Some(key) => {
                    if let Some(happening) = self.queue.remove(&key) {
                        self.happen(happening)?;
                    }
                }
                None => self.work()?,
            }
        }
        Err(("rest", format!("it does not come to rest: {}", self.restless())))
    }

    fn restless(&self) -> String {
        let (late, on_the_way) = self.site.restless(self.site.clock.now(self.at_ms));
        let waiting: Vec<String> = self
            .clients
            .iter()
            .filter_map(|client| client.current)
            .map(|(index, sent)| format!("{} sent {sent} times", id_of(self.plan.deeds[index].0)))
            .collect();
        format!("{late} timers late, {on_the_way} events on their way, waiting: {}", waiting.join(", "))
    }

    fn wakes_at(&self) -> Option<u64> {
        if !self.site.is_up() {
            return None;
        }
        let own = if self.inbound.is_empty() { self.site.wakes_at(self.at_ms)? } else { self.at_ms };
        Some(own.max(self.busy_until))
    }

    fn happen(&mut self, happening: Happening) -> Judged {
        match happening {
            Happening::Begin(client) => self.begin(client),
            Happening::Arrive(index) => {
                if self.site.is_up() {
                    self.inbound.push_back(index);
                }
            }
            Happening::Answered(index) => {
                self.answered[index] = true;
                self.done(index);
            }
            Happening::Timeout(index, sent) => self.timeout(index, sent),
            Happening::Fault(index) => self.befall(index),
            Happening::Force(number) => {
                if self.armed.is_some_and(|armed| armed.number == number) {
                    self.site.kill();
                    self.down();
                }
            }
            Happening::Reopen => self.reopen()?,
            Happening::RoomAgain => self.site.disk.set_full(false),
            Happening::FastAgain => self.site.disk.set_sync_ms(0),
            Happening::Tend => {
                let was_up = self.site.is_up();
                self.site.tend();
                if was_up && !self.site.is_up() {
                    self.down();
                }
                if self.at_ms < self.plan.length_ms() {
                    self.schedule(self.at_ms + self.plan.sizes.tend_ms, Happening::Tend);
                }
            }
        }
        Ok(())
    }

    fn deed(&self, index: usize) -> &'a Deed {
        &self.plan.deeds[index].1
    }

    /// A client that is free begins its next deed, when its time has come.
    fn begin(&mut self, client: usize) {
        let state = &mut self.clients[client];
        let Some(&index) = state.todo.front().filter(|_| state.current.is_none()) else { return };
        let at = self.plan.deeds[index].1.at;
        if at > self.at_ms {
            return self.schedule(at, Happening::Begin(client));
        }
        state.todo.pop_front();
        state.current = Some((index, 0));
        self.send(index);
    }

    /// Sends the request of a deed, once more or for the first time.
    fn send(&mut self, index: usize) {
        let client = self.deed(index).client;
        let Some((_, sent)) = &mut self.clients[client].current else { return };
        *sent += 1;
        let sent = *sent;
        let arrivals = self.network(index, u64::from(sent) * 2);
        for delay in arrivals {
            self.schedule(self.at_ms + delay, Happening::Arrive(index));
        }
        let patience = 300 + 2 * self.plan.sizes.delay_ms_max;
        self.schedule(self.at_ms + patience, Happening::Timeout(index, sent));
    }

    /// When the copies of a message arrive: usually one, sometimes none or two. Each message has its own chance, so that
    /// leaving out a deed changes nothing for the others.
    fn network(&self, index: usize, what: u64) -> Vec<u64> {
        let sizes = &self.plan.sizes;
        let place = self.plan.deeds[index].0 as u64;
        let mut chance = Chance::new(self.plan.seed ^ (place << 32) ^ (what << 8) ^ 0x6e77);
        let copies = match chance.below(sizes.loss) {
            0 => 0,
            1 => 2,
            _ => 1,
        };
        (0..copies).map(|_| 1 + chance.below(sizes.delay_ms_max)).collect()
    }

    fn timeout(&mut self, index: usize, sent: u32) {
        let deed = self.deed(index);
        if self.clients[deed.client].current != Some((index, sent)) {
            return;
        }
        if deed.attempts().is_some_and(|most| sent >= most) { self.done(index) } else { self.send(index) }
    }

    /// A client is done with a deed, or has given it up.
    fn done(&mut self, index: usize) {
        let client = self.deed(index).client;
        let state = &mut self.clients[client];
        if state.current.is_some_and(|(current, _)| current == index) {
            state.current = None;
            // Failures of one supervisor's children are apart, however long it took to get the last one through.
            let wait = if self.deed(index).attempts().is_none() { self.deed(index).rest_ms() } else { 0 };
            self.schedule(self.at_ms + wait, Happening::Begin(client));
        }
    }

    fn befall(&mut self, index: usize) {
        let what = &self.plan.faults[index].1.what;
        self.tell(format!("{what:?}"));
        match *what {
            Befalls::Crash { crash, torn, after, again, down_ms } => {
                if !self.site.is_up() {
                    return;
                }
                self.scheduled += 1;
                self.armed = Some(Armed { number: self.scheduled, crash, torn, again, down_ms });
                match after {
                    Some(operations) => {
                        self.site.disk.die_after(operations);
                        self.schedule(self.at_ms + ARMED_MS, Happening::Force(self.scheduled));
                    }
                    None => {
                        self.site.kill();
                        self.down();
                    }
                }
            }
            Befalls::Full { ms } => {
                self.site.disk.set_full(true);
                self.schedule(self.at_ms + ms, Happening::RoomAgain);
            }
            Befalls::SyncFails => self.site.disk.fail_next_sync(),
            Befalls::Slow { sync_ms, ms } => {
                self.site.disk.set_sync_ms(sync_ms);
                self.schedule(self.at_ms + ms, Happening::FastAgain);
            }
            Befalls::ClockStep { by_ms } => self.site.clock.step(by_ms),
        }
    }

    /// The process has ended: by the crash that was armed, or by itself.
    fn down(&mut self) {
        let number = self.scheduled;
        let by_itself = Armed { number, crash: Crash::Process, torn: Torn::Kept, again: None, down_ms: 20 };
        let ended = self.armed.take().unwrap_or(by_itself);
        self.crashes += 1;
        self.inbound.clear();
        self.tell(format!("down: {:?}", ended.crash));
        // What happens to the disk while nobody has it is the worst of it.
        let worst = self.ended.map_or(ended.crash, |before| before.crash.max(ended.crash));
        self.ended = Some(Armed { crash: worst, ..ended });
        self.site.crash(ended.crash, ended.torn);
        self.schedule(self.at_ms + ended.down_ms, Happening::Reopen);
    }

    fn reopen(&mut self) -> Judged {
        let Some(ended) = self.ended.filter(|_| !self.site.is_up()) else { return Ok(()) };
        if let Some(operations) = ended.again {
            self.site.disk.die_after(operations);
            self.armed = Some(Armed { again: None, down_ms: 20, ..ended });
        }
        if !self.site.begin().map_err(|what| ("recovery", what))? {
            self.site.kill();
            self.down();
            return Ok(());
        }
        let found = match self.site.read(&self.ledger) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            Err(error) => return Err(("recovery", format!("the store does not answer: {error}"))),
        };
        self.ledger.recovered(ended.crash, &found).map_err(|what| ("acknowledged", what))?;
        self.tell(format!("up with {} commits", self.ledger.commits.len()));
        self.ended = None;
        self.busy_until = self.at_ms;
        if let Some(store) = self.site.store() {
            checks::indexes(&found, store).map_err(|what| ("indexes", what))?;
        }
        Ok(())
    }

    /// One batch of the node.
    fn work(&mut self) -> Judged {
        let count = self.inbound.len().min(self.plan.sizes.batch_max);
        let asked: Vec<usize> = self.inbound.drain(..count).collect();
        let inputs = asked.iter().enumerate().filter_map(|(ticket, index)| self.input(ticket as u64, *index));
        let inputs: Vec<Input> = inputs.collect();
        let before = self.ledger.commits.len();
        let worked =
            self.site.work(inputs, self.at_ms, &mut self.ledger).map_err(|what| ("contract", what))?;
        self.busy_until = self.at_ms + self.site.disk.take_waited_ms();
        if let Some(commit) = self.ledger.commits.get(before) {
            let line = format!("commit {}: {}", before + 1, summary(&commit.records));
            self.tell(line);
        }
        match worked {
            Worked::Released(releases) => self.release(&asked, releases),
            Worked::Full => {
                self.tell("full".into());
                self.busy_until = self.at_ms + FULL_PAUSE.0;
            }
            Worked::Down => {}
        }
        if !self.site.is_up() {
            self.down();
        }
        Ok(())
    }

    fn release(&mut self, asked: &[usize], releases: Vec<Release>) {
        let commits = self.ledger.commits.len();
        for release in releases {
            match release {
                Release::Decided(id, outcome) => self.ledger.decided.push((id, outcome, commits)),
                Release::Answer(Ticket(ticket), answer) => {
                    let Some(&index) = asked.get(ticket as usize) else { continue };
                    let (place, sent) = (self.plan.deeds[index].0, self.sent_of(index));
                    self.tell(format!("{} is told {}", id_of(place), short(&answer)));
                    // What an operator asks for has an id of the kernel's own.
                    if self.deed(index).receiver().is_some() {
                        let told = Told { id: id_of(place), deed: place, answer: answer.clone(), commits };
                        self.ledger.told.push(told);
                    }
                    if matches!(&answer, Answer::Refused(refusal) if is_passing(refusal)) {
                        continue;
                    }
                    for delay in self.network(index, u64::from(sent) * 2 + 1) {
                        self.schedule(self.at_ms + delay, Happening::Answered(index));
                    }
                }
            }
        }
    }

    fn sent_of(&self, index: usize) -> u32 {
        self.clients[self.deed(index).client].current.map_or(0, |(_, sent)| sent)
    }

    /// The input that the request of a deed is.
    fn input(&self, ticket: u64, index: usize) -> Option<Input> {
        let (place, deed) = &self.plan.deeds[index];
        let ticket = Ticket(ticket);
        let address = |text: &str| Address::parse(text).expect("plans name addresses");
        let id = id_of(*place);
        Some(match &deed.what {
            What::Send { to, event, data: text } => {
                let time = self.site.clock.now(self.at_ms);
                let event =
                    Event { id, name: Arc::from(*event), data: data(text), sender: Sender::Client, time };
                Input::Event { ticket, to: address(to), event }
            }
            What::Start { to } => {
                Input::Start { ticket, address: address(to), version: None, id, data: Json::NULL }
            }
            What::Define(which) => {
                let (id, source) = cast::later().swap_remove(*which);
                let definition = cast::compile(&id, &source, &self.site.seam.text(&source)).ok()?;
                Input::Define { ticket, definition, source }
            }
            What::Stop { of, kill } => Input::Stop { ticket, address: address(of), kill: *kill },
            What::Restart { of } => {
                Input::Restart { ticket, address: address(of), from: RestartFrom::Initial(Json::NULL) }
            }
            What::Delete { of } => Input::Delete { ticket, address: address(of) },
            What::Letters { retry } => {
                let letter = self.site.oldest_letter()?;
                if *retry {
                    Input::RetryDeadLetter { ticket, letter }
                } else {
                    Input::DiscardDeadLetter { ticket, letter }
                }
            }
        })
    }

    /// Everything is at rest: does everything hold that was promised?
    fn judge(&mut self) -> Judged {
        let store = |error| ("recovery", format!("the store does not answer: {error}"));
        self.compare("at rest")?;
        // What was to befall the disk and did not until now would come when nobody looks after the node any more.
        self.site.disk.spare();
        self.site.settle().map_err(store)?;
        self.compare("with everything in the tables")?;
        self.site.kill();
        self.site.crash(Crash::Power, Torn::Mixed);
        if !self.site.begin().map_err(|what| ("recovery", what))? {
            return Err(("recovery", "the store does not open in the end".into()));
        }
        let found = self.site.read(&self.ledger).map_err(store)?.unwrap_or_default();
        self.ledger.recovered(Crash::Power, &found).map_err(|what| ("acknowledged", what))?;
        self.ledger.whole();
        let Some(open) = self.site.store() else { return Ok(()) };
        let evidence = checks::Evidence {
            plan: self.plan,
            ledger: &self.ledger,
            whole: &found,
            answered: &self.answered,
            store: open,
            now: self.site.clock.now(self.at_ms),
        };
        for (name, check) in checks::ALL {
            check(&evidence).map_err(|what| (*name, what))?;
        }
        Ok(())
    }

    fn compare(&mut self, when: &str) -> Judged {
        let found = self.site.read(&self.ledger);
        let found = found.map_err(|error| ("contract", format!("the store does not answer: {error}")))?;
        let Some(found) = found else { return Err(("rest", "in the end the node is down".into())) };
        match self.ledger.whole().difference(&found) {
            Some(what) => Err(("kept", format!("{when} the store does not hold what was committed: {what}"))),
            None => Ok(()),
        }
    }
}

/// The id of the event of a deed.
pub(super) fn id_of(place: usize) -> EventId {
    EventId::parse(&format!("d{place}")).expect("made of visible characters")
}

/// Does a refusal mean that it may be sent again?
fn is_passing(refusal: &everstate_kernel::Refusal) -> bool {
    use everstate_kernel::Refusal;
    matches!(refusal, Refusal::Overloaded | Refusal::MailboxFull(_))
}

fn short(answer: &Answer) -> String {
    let text = format!("{answer:?}");
    text.chars().take(120).collect()
}
