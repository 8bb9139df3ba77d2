//! What is done in spaces and to children, and what is invoked, in the native format.
//!
//! It refuses to know states. Its one invariant: what is the default is not written.

use super::yaml::retry;
use super::yaml_actions::Contents;
use super::yaml_text::Tree;
use crate::code::{Acting, Formula, Template};
use crate::endpoint::{Act, Endpoint, Within};
use crate::link::{Link, Spawn};
use crate::presence::{interest_word, role_word};
use crate::task::{Asked, HTTP_QUEUE, Task};
use crate::value::Value;
use everstate_kernel::space::Interest;
use everstate_kernel::{Orphan, TaskPolicy};

type Entries = Vec<(String, Tree)>;

fn yes() -> Tree {
    Tree::Plain("true".to_owned())
}

impl Contents<'_, '_> {
    /// What a state holds, by name.
    pub(super) fn endpoints(&mut self, list: &[Acting]) -> Tree {
        let mut all = Entries::new();
        for acting in list {
            let Act::Join(endpoint) = &acting.act else { continue };
            let mut entries = Entries::new();
            self.endpoint(endpoint, &mut entries);
            self.within(&acting.within, &mut entries);
            all.push((self.template(&endpoint.name), Tree::Map(entries)));
        }
        Tree::Map(all)
    }

    pub(super) fn acting(&mut self, acting: &Acting) -> Tree {
        let mut entries = Entries::new();
        let word = match &acting.act {
            Act::Join(endpoint) => {
                self.add("name", &endpoint.name, &mut entries);
                self.endpoint(endpoint, &mut entries);
                "join"
            }
            Act::Leave(name) => {
                self.add("name", name, &mut entries);
                "leave"
            }
            Act::Move(name, pattern) => {
                self.add("name", name, &mut entries);
                self.add("pattern", pattern, &mut entries);
                "move"
            }
            Act::Assert(name, value) => {
                self.add("name", name, &mut entries);
                self.add_value("value", value, &mut entries);
                "assert"
            }
            Act::Publish(topic, data) | Act::Feedback(topic, data) => {
                self.add("topic", topic, &mut entries);
                self.add_value("data", data, &mut entries);
                if matches!(acting.act, Act::Publish(..)) { "publish" } else { "feedback" }
            }
        };
        self.within(&acting.within, &mut entries);
        let what = match (word, entries.len()) {
            ("leave", 1) => entries.remove(0).1,
            _ => Tree::Map(entries),
        };
        Tree::Map(vec![(word.to_owned(), what)])
    }

    fn endpoint(&mut self, endpoint: &Endpoint, entries: &mut Entries) {
        self.add("pattern", &endpoint.pattern, entries);
        entries.push(("role".to_owned(), Tree::text(role_word(endpoint.role))));
        if endpoint.interest != Interest::Participant {
            entries.push(("interest".to_owned(), Tree::text(interest_word(endpoint.interest))));
        }
        self.add_value("value", &endpoint.value, entries);
        if endpoint.mark {
            entries.push(("mark".to_owned(), yes()));
        }
        if endpoint.waits {
            entries.push(("waits".to_owned(), yes()));
        }
    }

    fn within(&mut self, within: &Within, entries: &mut Entries) {
        match within {
            Within::Here => {}
            Within::Outer => entries.push(("outer".to_owned(), yes())),
            Within::Path(path) => self.add("space", path, entries),
        }
    }

    fn add(&mut self, key: &str, text: &Template, entries: &mut Entries) {
        entries.push((key.to_owned(), Tree::Text(self.template(text))));
    }

    fn add_value(&mut self, key: &str, value: &Formula, entries: &mut Entries) {
        if !matches!(value, Formula::Literal(Value::Null)) {
            entries.push((key.to_owned(), self.formula(value)));
        }
    }

    /// A task that an action asks for.
    pub(super) fn task(&mut self, task: &Task) -> Tree {
        let queue = if task.asked.http.is_some() { HTTP_QUEUE } else { &*task.asked.queue };
        let is_given = !matches!(&task.id, Template::Fixed(id) if **id == *queue);
        let id = is_given.then(|| Tree::Text(self.template(&task.id)));
        let asked = self.asked("queue", &task.asked, id, Some(&task.input));
        Tree::Map(vec![("task".to_owned(), asked)])
    }

    /// What is asked of a worker; its queue stands under the key `queue`.
    pub(super) fn asked(
        &mut self,
        queue: &str,
        asked: &Asked,
        id: Option<Tree>,
        input: Option<&Formula>,
    ) -> Tree {
        let mut entries: Entries = Vec::new();
        let mut add = |key: &str, tree: Tree| entries.push((key.to_owned(), tree));
        let span = |span| Tree::Text(crate::duration::format(span));
        match &asked.http {
            None => add(queue, Tree::text(&*asked.queue)),
            Some(http) => {
                let mut request = vec![("url".to_owned(), Tree::Text(self.template(&http.url)))];
                if http.method != crate::format::METHODS[0] {
                    request.push(("method".to_owned(), Tree::text(http.method)));
                }
                let headers = http.headers.iter();
                let headers = headers.map(|(name, text)| (name.to_string(), Tree::Text(self.template(text))));
                let headers: Entries = headers.collect();
                if !headers.is_empty() {
                    request.push(("headers".to_owned(), Tree::Map(headers)));
                }
                add("http", Tree::Map(request));
            }
        }
        id.into_iter().for_each(|id| add("id", id));
        match input {
            None | Some(Formula::Literal(Value::Null)) => {}
            Some(input) => add("input", self.formula(input)),
        }
        let (policy, default) = (&asked.policy, TaskPolicy::default());
        if policy.retry != default.retry {
            add("retry", retry(&policy.retry));
        }
        if policy.timeout != default.timeout {
            add("timeout", span(policy.timeout));
        }
        policy.deadline.iter().for_each(|deadline| add("deadline", span(*deadline)));
        policy.heartbeat.iter().for_each(|heartbeat| add("heartbeat", span(*heartbeat)));
        Tree::Map(entries)
    }

    pub(super) fn linking(&mut self, link: &Link) -> Tree {
        let (word, what) = match link {
            Link::Spawn(spawn) => ("spawn", self.spawn(spawn)),
            Link::Stop { child, kill: false } => ("stop", Tree::Text(self.template(child))),
            Link::Stop { child, kill: true } => {
                let child = Tree::Text(self.template(child));
                ("stop", Tree::Map(vec![("child".to_owned(), child), ("kill".to_owned(), yes())]))
            }
            Link::Restart { child, input } => ("restart", self.restart(child, input.as_ref())),
            Link::Monitor(address) => ("monitor", Tree::Text(self.template(address))),
            Link::Demonitor(address) => ("demonitor", Tree::Text(self.template(address))),
            Link::GiveUp(reason) => ("giveUp", Tree::Text(self.template(reason))),
        };
        Tree::Map(vec![(word.to_owned(), what)])
    }

    fn spawn(&mut self, spawn: &Spawn) -> Tree {
        let mut entries = Entries::new();
        self.add("name", &spawn.name, &mut entries);
        self.add("src", &spawn.source, &mut entries);
        if let Some(id) = &spawn.id {
            self.add("id", id, &mut entries);
        }
        self.add_value("input", &spawn.input, &mut entries);
        if spawn.orphan == Orphan::Keep {
            entries.push(("orphan".to_owned(), Tree::text("keep")));
        }
        Tree::Map(entries)
    }

    fn restart(&mut self, child: &Template, input: Option<&Formula>) -> Tree {
        let mut entries = Entries::new();
        self.add("child", child, &mut entries);
        match input {
            Some(input) => self.add_value("input", input, &mut entries),
            None => entries.push(("from".to_owned(), Tree::text("last-good"))),
        }
        match entries.len() {
            1 => entries.remove(0).1,
            _ => Tree::Map(entries),
        }
    }
}
