//! Spaces of the node beside the reference: a list of endpoints, all pairs compared. Random members join, move, leave,
//! publish, restart, end and crash in three spaces, one within another that ends now and then, several of them before any
//! space hears of it; every member is told the same presences, absences and messages in the same order. `SPACE_STORIES=5000` for a longer run.

use crate::world::{FAIR, Weather, World, play};
use everstate_kernel::{Cause, Record};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn of<'a>(&mut self, these: &[&'a str]) -> &'a str {
        these[self.below(these.len() as u64) as usize]
    }
}

const SPACES: [&str; 3] = ["", "a", "a/b"];
const MEMBERS: [&str; 5] = ["cup/1", "cup/2", "a:cup/3", "a:cup/4", "a/b:cup/5"];
const PATTERNS: [&str; 8] = ["x", "y", "*", ">", "x/1", "x/*", "*/1", "x/>"];

/// An endpoint as the reference has it.
#[derive(Debug, Clone, PartialEq)]
struct Held {
    member: String,
    name: String,
    role: String,
    interest: String,
    pattern: String,
    /// Which turn of the story joined with it.
    since: u64,
}

/// A line for an endpoint of a member, which has held it in that space since that turn.
type Line = (String, String, String, u64, String);

/// The reference: a list for each space, and what each member was told.
#[derive(Default)]
struct Reference {
    lists: BTreeMap<String, Vec<Held>>,
    ended: BTreeSet<String>,
    told: BTreeMap<String, Vec<String>>,
    /// Since when each member holds which endpoint in which space, which it knows before the space does.
    holds: BTreeMap<(String, String, String), u64>,
    /// What spaces tell before anybody gets it.
    lines: Vec<Line>,
}

impl Reference {
    /// Changes a list, and tells everybody in it of the difference and of what is said.
    fn change(&mut self, space: &str, change: impl FnOnce(&mut Vec<Held>), said: &[String], reason: &str) {
        let list = self.lists.entry(space.to_owned()).or_default();
        let before = list.clone();
        change(list);
        let seen = |local: &Held, remote: &Held| {
            let earlier = before.iter().find(|held| same(held, local))?;
            before.iter().find(|held| same(held, remote)).and_then(|remote| sees(earlier, remote))
        };
        let mut say = |to: &Held, line| {
            let (member, name) = (to.member.clone(), to.name.clone());
            self.lines.push((member, space.to_owned(), name, to.since, line));
        };
        for local in list.iter() {
            for remote in list.iter().filter(|remote| seen(local, remote).is_none()) {
                if let Some(pattern) = sees(local, remote) {
                    say(
                        local,
                        format!("presence.{} {} {} {pattern}", local.name, remote.member, remote.name),
                    );
                }
            }
        }
        for local in list.iter() {
            for remote in list.iter().filter(|remote| seen(local, remote).is_some()) {
                // As it was, and as it is, from where the one who sees it stands now.
                let was = before.iter().find(|held| same(held, remote)).expect("it was seen");
                let before =
                    common(&local.pattern, &was.pattern).map(|pattern| (pattern, &was.role, &was.interest));
                if let Some(pattern) = sees(local, remote)
                    && before != Some((pattern.clone(), &remote.role, &remote.interest))
                {
                    say(local, format!("changed.{} {} {} {pattern}", local.name, remote.member, remote.name));
                }
            }
        }
        for line in said {
            let (role, topic) = line.split_once(' ').expect("a role and a topic");
            let word = if role == "sub" { "message" } else { "feedback" };
            let takes = |held: &&Held| held.role == role && common(&held.pattern, topic).is_some();
            list.iter().filter(takes).for_each(|to| say(to, format!("{word}.{} {topic}", to.name)));
        }
        for local in list.iter() {
            for remote in &before {
                let now = list.iter().find(|other| same(other, remote));
                let Some(pattern) = seen(local, remote) else { continue };
                if now.is_none_or(|now| sees(local, now).is_none()) {
                    let why = if now.is_none() { reason } else { "left" };
                    let (member, name) = (&remote.member, &remote.name);
                    say(local, format!("absence.{} {member} {name} {pattern} {why}", local.name));
                }
            }
        }
    }

    /// What was told arrives where the endpoint is still held that it was told to.
    fn arrive(&mut self) {
        for (member, space, name, since, line) in std::mem::take(&mut self.lines) {
            if self.holds.get(&(member.clone(), space, name)) == Some(&since) {
                self.told.entry(member).or_default().push(line);
            }
        }
    }

    /// A machine is gone from every space, in the order in which it came to them.
    fn gone(&mut self, member: &str, places: &[String], reason: &str) {
        self.holds.retain(|(holder, _, _), _| holder != member);
        for space in places {
            if !self.ended.contains(space) {
                self.change(space, |list| list.retain(|held| held.member != member), &[], reason);
            }
        }
    }
}

fn same(a: &Held, b: &Held) -> bool {
    (&a.member, &a.name) == (&b.member, &b.name)
}

fn sees(local: &Held, remote: &Held) -> Option<String> {
    let told = remote.interest == "part" || local.interest == "all";
    if local.role == remote.role || !told { None } else { common(&local.pattern, &remote.pattern) }
}

/// What two patterns have in common, segment by segment.
fn common(a: &str, b: &str) -> Option<String> {
    let split = |text: &'_ str| match text.split_once('/') {
        Some((first, rest)) => (first.to_owned(), Some(rest.to_owned())),
        None => (text.to_owned(), None),
    };
    if a == ">" || b == ">" {
        return Some(if a == ">" { b } else { a }.to_owned());
    }
    let ((x, more_x), (y, more_y)) = (split(a), split(b));
    let first = if x == "*" { &y } else { &x };
    if x != y && x != "*" && y != "*" {
        return None;
    }
    match (more_x, more_y) {
        (None, None) => Some(first.clone()),
        (Some(x), Some(y)) => Some(format!("{first}/{}", common(&x, &y)?)),
        _ => None,
    }
}

/// What each member was told, as the records have it.
fn told(world: &World) -> BTreeMap<String, Vec<String>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in &world.records {
        let Record::Turn(turn) = record else { continue };
        let Cause::Event(event) = &turn.entry.cause else { continue };
        let address = turn.instance.address.as_str();
        let Some(what) = event.name.strip_prefix("space.").filter(|_| MEMBERS.contains(&address)) else {
            continue;
        };
        if what.starts_with("ended.") {
            continue;
        }
        let data: serde_json::Value = serde_json::from_str(event.data.as_str()).expect("JSON");
        let text = |field: &str| data[field].as_str().unwrap_or_default().to_owned();
        let fields: &[&str] = match what.split('.').next() {
            Some("presence" | "changed") => &["address", "endpoint", "pattern"],
            Some("absence") => &["address", "endpoint", "pattern", "reason"],
            _ => &["topic"],
        };
        let words: Vec<String> = fields.iter().map(|field| text(field)).collect();
        told.entry(address.to_owned()).or_default().push(format!("{what} {}", words.join(" ")));
    }
    told
}

/// One story, told to the reference as it is written.
fn live(seed: u64, turns: u64) -> (String, Reference) {
    let (mut dice, mut reference) = (Dice(seed), Reference::default());
    let (mut story, mut places) = (String::new(), BTreeMap::<&str, Vec<String>>::new());
    let mut dead = BTreeSet::new();
    for number in 0..turns {
        let member = dice.of(&MEMBERS);
        if dead.contains(member) {
            continue;
        }
        // The next turn is made before anything of this one has arrived anywhere.
        let held = if dice.below(3) == 0 { "+ " } else { "" };
        match dice.below(24) {
            0 => {
                dead.insert(member);
                story += &format!("{held}send {member} end {{ done 1 }}\n");
                reference.gone(member, &places.remove(member).unwrap_or_default(), "exited");
            }
            1 => {
                dead.insert(member);
                story += &format!("{held}send {member} end {{ give-up tired }}\n");
                reference.gone(member, &places.remove(member).unwrap_or_default(), "faulted");
            }
            2 => {
                story += &format!("+ send {member} here\n{held}restart {member} {{ }}\n");
                reference.gone(member, &places.remove(member).unwrap_or_default(), "exited");
            }
            3 if seed.is_multiple_of(3) && !reference.ended.contains("a/b") => {
                story += "send a/b:cup/5 here\nstop a:space/b\n";
                reference.arrive();
                reference.ended.insert("a/b".to_owned());
                reference.lists.remove("a/b");
                if dead.insert("a/b:cup/5") {
                    reference.gone("a/b:cup/5", &places.remove("a/b:cup/5").unwrap_or_default(), "exited");
                }
            }
            _ => {
                let places = places.entry(member).or_default();
                story += &turn(&mut dice, (number, held), member, &mut reference, places);
            }
        }
        if held.is_empty() {
            reference.arrive();
        }
    }
    story += "send cup/0 rest\n";
    reference.arrive();
    (story, reference)
}

/// One turn of one member in one space: some changes and some messages, all seen together.
fn turn(
    dice: &mut Dice,
    (number, held): (u64, &str),
    member: &str,
    reference: &mut Reference,
    places: &mut Vec<String>,
) -> String {
    let space = dice.of(&SPACES);
    if reference.ended.contains(space) {
        return format!("{held}send {member} rest\n");
    }
    let key = |name: &str| (member.to_owned(), space.to_owned(), name.to_owned());
    let since = ["p", "q"].map(|name| reference.holds.get(&key(name)).copied().unwrap_or(number));
    let (mut program, mut joined, mut left, mut said) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // An endpoint comes where it was first asked for in the turn, whatever becomes of it before the end.
    let mut first = Vec::new();
    for _ in 0..1 + dice.below(3) {
        let (name, pattern) = (dice.of(&["p", "q"]), dice.of(&PATTERNS));
        match dice.below(7) {
            0..4 => {
                let (role, interest) = (dice.of(&["pub", "sub"]), dice.of(&["part", "part", "see", "all"]));
                program.push(format!("join @{space} {name} {role} {interest} {pattern}"));
                let [member, name, role, interest, pattern] =
                    [member, name, role, interest, pattern].map(str::to_owned);
                if !first.contains(&name) {
                    first.push(name.clone());
                }
                left.retain(|other| *other != name);
                joined.retain(|held: &Held| held.name != name);
                let since = since[usize::from(name == "q")];
                joined.push(Held { member, name, role, interest, pattern, since });
            }
            4 => {
                program.push(format!("leave @{space} {name}"));
                joined.retain(|held: &Held| held.name != name);
                left.push(name.to_owned());
            }
            way => {
                let (word, role) = if way == 5 { ("publish", "sub") } else { ("feedback", "pub") };
                program.push(format!("{word} @{space} {pattern} 1"));
                said.push(format!("{role} {pattern}"));
            }
        }
    }
    joined.sort_by_key(|held| first.iter().position(|name| *name == held.name));
    for name in &left {
        let _ = reference.holds.remove(&key(name));
    }
    reference.holds.extend(joined.iter().map(|held| (key(&held.name), held.since)));
    let change = |list: &mut Vec<Held>| {
        list.retain(|held| held.member != member || !left.contains(&held.name));
        for held in &joined {
            match list.iter_mut().find(|other| same(other, held)) {
                Some(other) => *other = held.clone(),
                None => list.push(held.clone()),
            }
        }
    };
    reference.change(space, change, &said, "left");
    let holds = reference.lists[space].iter().any(|held| held.member == member);
    match places.iter().position(|place| place == space) {
        None if holds => places.push(space.to_owned()),
        Some(place) if !holds => drop(places.remove(place)),
        _ => {}
    }
    format!("{held}send {member} do {{ {} }}\n", program.join("; "))
}

#[test]
fn everybody_is_told_what_the_reference_tells() {
    let weathers = [
        FAIR,
        Weather { crash_every: 2, resident_max: 1, ..FAIR },
        Weather { batch: 5, audit: false, ..FAIR },
    ];
    let stories = std::env::var("SPACE_STORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(90);
    for seed in 0..stories {
        let (story, reference) = live(seed, 40);
        let world = play(&story, weathers[(seed % 3) as usize].clone());
        let found = told(&world);
        for member in MEMBERS {
            let (found, expected) = (found.get(member), reference.told.get(member));
            assert_eq!(
                found, expected,
                "{member} was told, and should be told, with seed {seed} in\n{story}"
            );
        }
    }
}
