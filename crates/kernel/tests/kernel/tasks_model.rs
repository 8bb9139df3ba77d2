//! Tasks beside a model so plain that it can be read in a minute: a list of tasks, and what each word of a worker and
//! each millisecond does to it. Random plans must come out alike: who has what, what each worker is answered, and what
//! each instance is told, in order.

use crate::world::{FAIR, Weather, World, address, failed};
use everstate_kernel::{Answer, Cause, Json, Lease, Refusal, Report, Stage, TaskStanding};
use proptest::prelude::*;

/// What is done.
#[derive(Debug, Clone)]
enum Deed {
    /// Ask for a task: whose, which, of which queue, attempts, timeout, deadline, heartbeat.
    Ask(usize, usize, usize, u32, i64, Option<i64>, Option<i64>),
    Cancel(usize, usize),
    Finish(usize),
    Kill(usize),
    Restart(usize),
    Lease(usize, usize),
    /// Report a lease that was given at some time.
    Report(usize, usize),
    Wait(u64),
    Crash,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let span = || prop::option::of(prop::sample::select(vec![70i64, 200, 400]));
    let deed = prop_oneof![
        4 => (0..3usize, 0..3usize, 0..2usize, 1..4u32, prop::sample::select(vec![50i64, 120, 300]), span(), span())
            .prop_map(|(of, name, queue, attempts, timeout, deadline, heartbeat)| {
                Deed::Ask(of, name, queue, attempts, timeout, deadline, heartbeat)
            }),
        1 => (0..3usize, 0..3usize).prop_map(|(of, name)| Deed::Cancel(of, name)),
        1 => (0..3usize).prop_map(Deed::Finish),
        1 => (0..3usize).prop_map(Deed::Kill),
        1 => (0..3usize).prop_map(Deed::Restart),
        6 => (0..2usize, 1..4usize).prop_map(|(queue, max)| Deed::Lease(queue, max)),
        8 => (0..5usize, 0..8usize).prop_map(|(what, which)| Deed::Report(what, which)),
        4 => (1..180u64).prop_map(Deed::Wait),
        1 => Just(Deed::Crash),
    ];
    prop::collection::vec(deed, 1..60)
}

const QUEUES: [&str; 2] = ["cards", "mails"];

/// A task of the model. Times are milliseconds.
#[derive(Debug, Clone, PartialEq)]
struct Open {
    of: usize,
    name: usize,
    queue: usize,
    left: u32,
    attempts: u32,
    leases: u32,
    timeout: i64,
    deadline: Option<i64>,
    heartbeat: Option<i64>,
    /// Ready since, leased since and heard, or waiting until.
    stands: (TaskStanding, i64, i64),
    /// In the order of asking.
    number: usize,
    failed_by_word: bool,
}

/// The model.
#[derive(Default)]
struct Model {
    open: Vec<Open>,
    asked: usize,
    now: i64,
    ended: [bool; 3],
    /// What each instance was told.
    told: [Vec<String>; 3],
    /// Tasks that were ended by a worker's word: number and lease, and the word.
    ended_by: Vec<(usize, u32, usize)>,
}

impl Model {
    fn ask(&mut self, deed: &Deed) {
        let Deed::Ask(of, name, queue, attempts, timeout, deadline, heartbeat) = deed else { return };
        self.open.retain(|open| (open.of, open.name) != (*of, *name));
        self.asked += 1;
        self.open.push(Open {
            of: *of,
            name: *name,
            queue: *queue,
            left: *attempts,
            attempts: 0,
            leases: 0,
            timeout: *timeout,
            deadline: deadline.map(|ms| self.now + ms),
            heartbeat: *heartbeat,
            stands: (TaskStanding::Ready, self.now, 0),
            number: self.asked,
            failed_by_word: false,
        });
    }

    /// The next thing that happens by itself until then.
    fn next(&self, until: i64) -> Option<(i64, usize, &'static str)> {
        let wake = |(place, open): (usize, &Open)| {
            let (standing, since, heard) = open.stands;
            let mut all = Vec::new();
            all.extend(open.deadline.map(|at| (at, 0, place, "deadline")));
            match standing {
                TaskStanding::Ready => {}
                TaskStanding::Waiting => all.push((since, 1, place, "again")),
                TaskStanding::Leased => {
                    all.push((since + open.timeout, 1, place, "timeout"));
                    all.extend(open.heartbeat.map(|span| (heard + span, 2, place, "heartbeat")));
                }
            }
            all.into_iter().min()
        };
        let soonest = |place: usize| (self.open[place].of, self.open[place].number);
        let all = self.open.iter().enumerate().filter_map(wake).filter(|(at, ..)| *at <= until);
        all.min_by_key(|(at, _, place, _)| (*at, soonest(*place)))
            .map(|(at, _, place, what)| (at, place, what))
    }

    fn pass(&mut self, ms: u64) {
        let until = self.now + ms as i64;
        while let Some((at, place, what)) = self.next(until) {
            self.now = at;
            match what {
                "again" => self.open[place].stands = (TaskStanding::Ready, at, 0),
                "deadline" => self.end(place, "deadline"),
                _ => {
                    self.fail(place, true, what);
                }
            }
        }
        self.now = until;
    }

    fn end(&mut self, place: usize, word: &str) {
        let open = self.open.remove(place);
        self.told[open.of].push(format!("{word} t{}", open.name));
    }

    /// An attempt failed; is there another?
    fn fail(&mut self, place: usize, retryable: bool, word: &str) -> bool {
        let now = self.now;
        let open = &mut self.open[place];
        let until = now + if open.attempts == 1 { 100 } else { 150 };
        if retryable && open.attempts < open.left && open.deadline.is_none_or(|at| until < at) {
            open.stands = (TaskStanding::Waiting, until, 0);
            open.failed_by_word = word == "failed";
            return true;
        }
        self.end(place, word);
        false
    }

    fn lease(&mut self, queue: usize, max: usize) -> Vec<(usize, u32)> {
        let mut ready: Vec<usize> = (0..self.open.len())
            .filter(|place| {
                self.open[*place].queue == queue && self.open[*place].stands.0 == TaskStanding::Ready
            })
            .collect();
        ready.sort_by_key(|place| (self.open[*place].stands.1, self.open[*place].number));
        ready.truncate(max);
        let mut leased = Vec::new();
        for place in ready {
            let open = &mut self.open[place];
            open.attempts += 1;
            open.leases += 1;
            open.stands = (TaskStanding::Leased, self.now, self.now);
            leased.push((open.number, open.leases));
        }
        leased
    }

    /// A word about a lease: was it taken?
    fn report(&mut self, what: usize, (number, lease): (usize, u32)) -> bool {
        if what <= 2
            && let Some((_, _, word)) = self.ended_by.iter().find(|(n, l, _)| (*n, *l) == (number, lease))
        {
            return *word == what;
        }
        let Some(place) = self.open.iter().position(|open| open.number == number) else { return false };
        let open = &mut self.open[place];
        let current = open.leases == lease;
        if open.stands.0 != TaskStanding::Leased {
            return (what == 1 || what == 2) && current && open.failed_by_word;
        }
        if !current {
            return false;
        }
        match what {
            0 => {
                self.end(place, "done");
                self.ended_by.push((number, lease, what));
            }
            1 | 2 => {
                if !self.fail(place, what == 1, "failed") {
                    self.ended_by.push((number, lease, what));
                }
            }
            3 => {
                if open.heartbeat.is_some() {
                    open.stands.2 = self.now;
                }
            }
            _ => {
                open.attempts -= 1;
                open.failed_by_word = false;
                open.stands = (TaskStanding::Ready, self.now, 0);
            }
        }
        true
    }
}

/// Plays a plan in the world and in the model, and compares them after each deed.
fn compare(deeds: &[Deed], weather: Weather) {
    let mut world = World::new(weather);
    let mut model = Model::default();
    for of in 0..3 {
        world.start(&cup(of), &format!("s{of}"), None, "");
    }
    world.commit();
    let mut leases: Vec<((usize, u32), Lease)> = Vec::new();
    let mut ids = 0;
    let mut numbers: Vec<everstate_kernel::Serial> = Vec::new();
    for deed in deeds {
        ids += 1;
        let id = format!("e{ids}");
        match deed {
            Deed::Ask(of, name, queue, attempts, timeout, deadline, heartbeat) => {
                let program = program(*name, *queue, *attempts, *timeout, [deadline, heartbeat]);
                world.send(&cup(*of), "go", &id, &program);
                if !model.ended[*of] {
                    model.ask(deed);
                    let row = &world.disk.instances[&address(&cup(*of))];
                    numbers.push(row.tasks.last().expect("it was asked for").number);
                }
            }
            Deed::Cancel(of, name) => {
                world.send(&cup(*of), "go", &id, &format!("cancel-task t{name}"));
                model.open.retain(|open| (open.of, open.name) != (*of, *name));
            }
            Deed::Finish(of) => {
                world.send(&cup(*of), "go", &id, "done 1");
                model.open.retain(|open| open.of != *of);
                model.ended[*of] = true;
            }
            Deed::Kill(of) => {
                world.stop(&cup(*of), true);
                model.open.retain(|open| open.of != *of);
                model.ended[*of] = true;
            }
            Deed::Restart(of) => {
                world.restart(&cup(*of), everstate_kernel::RestartFrom::Initial(Json::NULL));
                model.open.retain(|open| open.of != *of);
                model.ended[*of] = false;
            }
            Deed::Lease(queue, max) => {
                let ticket = world.lease("w", QUEUES[*queue], *max);
                let Answer::Leased(given) = &world.answers[&ticket] else { panic!("leased") };
                let expected = model.lease(*queue, *max);
                let of =
                    |lease: &Lease| numbers.iter().position(|n| *n == lease.number).expect("asked for") + 1;
                let found: Vec<(usize, u32)> =
                    given.iter().map(|leased| (of(&leased.lease), leased.lease.lease)).collect();
                assert_eq!(found, expected, "leased");
                leases.extend(expected.into_iter().zip(given.iter().map(|leased| leased.lease.clone())));
            }
            Deed::Report(what, which) => {
                // Mostly one of the last few leases.
                let Some(((number, lease), real)) = leases.iter().rev().nth(*which).cloned() else {
                    continue;
                };
                let ticket = world.report_lease("w", real, word(*what));
                let taken = !matches!(&world.answers[&ticket], Answer::Refused(Refusal::LeaseOver { .. }));
                assert_eq!(taken, model.report(*what, (number, lease)), "report {what} of {number}.{lease}");
            }
            Deed::Wait(ms) => {
                world.advance(*ms);
                model.pass(*ms);
            }
            Deed::Crash => world.crash(),
        }
        world.run();
        check_alike(&world, &model);
    }
}

fn program(name: usize, queue: usize, attempts: u32, timeout: i64, spans: [&Option<i64>; 2]) -> String {
    let [until, beat] = spans.map(|span| span.map_or("-".to_owned(), |ms| ms.to_string()));
    format!("task t{name} {} {attempts} {timeout} {until} {beat}", QUEUES[queue])
}

fn check_alike(world: &World, model: &Model) {
    for of in 0..3 {
        let row = &world.disk.instances[&address(&cup(of))];
        let found: Vec<(String, TaskStanding, i64, u32)> = row
            .tasks
            .iter()
            .map(|task| {
                let (standing, since) = match &task.stage {
                    Stage::Ready { since } => (TaskStanding::Ready, since),
                    Stage::Leased { since, .. } => (TaskStanding::Leased, since),
                    Stage::Waiting { until } => (TaskStanding::Waiting, until),
                    Stage::Ended => panic!("a cup takes everything at once"),
                };
                (task.name.to_string(), standing, since.0, task.attempts)
            })
            .collect();
        let open = model.open.iter().filter(|open| open.of == of);
        let expected: Vec<_> = open
            .map(|open| (format!("t{}", open.name), open.stands.0, open.stands.1, open.attempts))
            .collect();
        assert_eq!(found, expected, "tasks of {}", cup(of));
        let told: Vec<String> = world.disk.history[&address(&cup(of))]
            .iter()
            .filter_map(|entry| match &entry.cause {
                Cause::Event(event) => told(&event.name, &event.data),
                _ => None,
            })
            .collect();
        assert_eq!(told, model.told[of], "what {} is told", cup(of));
    }
}

fn told(name: &str, data: &Json) -> Option<String> {
    if let Some(task) = name.strip_prefix("done.task.") {
        return Some(format!("done {task}"));
    }
    let task = name.strip_prefix("error.task.")?;
    let data: serde_json::Value = serde_json::from_str(data.as_str()).unwrap();
    Some(format!("{} {task}", data["reason"].as_str().unwrap()))
}

fn word(what: usize) -> Report {
    match what {
        0 => Report::Done(Json::NULL),
        1 => failed("x", true),
        2 => failed("x", false),
        3 => Report::Beat { progress: None },
        _ => Report::Return,
    }
}

fn cup(of: usize) -> String {
    format!("cup/{of}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn tasks_go_as_the_model_says(deeds in deeds(), crash_every in 0..3usize, resident_max in 0..3usize) {
        compare(&deeds, Weather { crash_every, resident_max, ..FAIR });
    }
}
