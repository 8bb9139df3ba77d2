//! Random documents: genes that shrink well, the machine that they stand for, and its SCXML.
//!
//! It refuses to know how machines run. Its one invariant: every document it makes is a legal one.

use proptest::prelude::*;
use std::fmt::Write;

/// What random numbers decide of a state.
#[derive(Debug, Clone)]
pub(crate) struct Genes {
    kind: u8,
    children: Vec<Genes>,
    initial: Option<(Vec<u16>, Vec<ActionGenes>)>,
    transitions: Vec<TransitionGenes>,
    entry: Vec<ActionGenes>,
    exit: Vec<ActionGenes>,
}

#[derive(Debug, Clone)]
struct TransitionGenes {
    event: Option<u8>,
    guard: Option<(u16, bool)>,
    targets: Vec<u16>,
    internal: bool,
    actions: Vec<ActionGenes>,
}

#[derive(Debug, Clone)]
enum ActionGenes {
    Log,
    Raise(u8),
    Send(u8, u8, u8),
    Cancel(u8),
    If(u16, u8),
}

/// A machine; states are in document order, the first is the machine itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Document {
    pub(crate) states: Vec<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Machine,
    State,
    Parallel,
    Final,
    History { deep: bool },
}

#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) kind: Kind,
    pub(crate) parent: usize,
    pub(crate) children: Vec<usize>,
    /// Also what a history stands for without memory.
    pub(crate) initial: Option<Transition>,
    /// Is it left to the processor to find where the state begins?
    pub(crate) implied: bool,
    pub(crate) transitions: Vec<Transition>,
    pub(crate) entry: Vec<Action>,
    pub(crate) exit: Vec<Action>,
}

#[derive(Debug, Clone)]
pub(crate) struct Transition {
    pub(crate) source: usize,
    pub(crate) event: Option<String>,
    pub(crate) guard: Option<(usize, bool)>,
    pub(crate) targets: Vec<usize>,
    pub(crate) internal: bool,
    pub(crate) actions: Vec<Action>,
}

#[derive(Debug, Clone)]
pub(crate) enum Action {
    Log(String),
    Raise(String),
    Send {
        event: String,
        delay: u64,
        id: Option<String>,
    },
    Cancel(String),
    /// Raises an event if the state is active, else logs.
    If(usize, String, String),
}

/// Something that happens to a machine.
#[derive(Debug, Clone)]
pub(crate) enum Stimulus {
    Event(String),
    Advance(u64),
}

const EVENTS: [&str; 5] = ["a", "b", "a.b", "c", "a.b.c"];

pub(crate) fn event(gene: u8) -> String {
    EVENTS[usize::from(gene) % EVENTS.len()].to_owned()
}

pub(crate) fn genes() -> impl Strategy<Value = Genes> {
    let leaf = state_genes(Just(Vec::new()).boxed());
    let tree = leaf.prop_recursive(4, 24, 4, |inner| state_genes(prop::collection::vec(inner, 0..4).boxed()));
    (prop::collection::vec(tree, 1..4), initial_genes()).prop_map(|(children, initial)| Genes {
        kind: 0,
        children,
        initial,
        transitions: Vec::new(),
        entry: Vec::new(),
        exit: Vec::new(),
    })
}

fn initial_genes() -> impl Strategy<Value = Option<(Vec<u16>, Vec<ActionGenes>)>> {
    prop::option::of((prop::collection::vec(any::<u16>(), 1..3), actions(1)))
}

fn state_genes(children: BoxedStrategy<Vec<Genes>>) -> impl Strategy<Value = Genes> {
    (
        0u8..12,
        children,
        initial_genes(),
        prop::collection::vec(transition_genes(), 0..3),
        actions(2),
        actions(2),
    )
        .prop_map(|(kind, children, initial, transitions, entry, exit)| Genes {
            kind,
            children,
            initial,
            transitions,
            entry,
            exit,
        })
}

fn transition_genes() -> impl Strategy<Value = TransitionGenes> {
    let event = prop_oneof![5 => (0u8..14).prop_map(Some), 1 => Just(None)];
    let guard = prop::option::weighted(0.3, (any::<u16>(), any::<bool>()));
    let targets = prop::collection::vec(any::<u16>(), 0..4);
    (event, guard, targets, any::<bool>(), actions(2)).prop_map(
        |(event, guard, targets, internal, actions)| TransitionGenes {
            event,
            guard,
            targets,
            internal,
            actions,
        },
    )
}

fn actions(most: usize) -> impl Strategy<Value = Vec<ActionGenes>> {
    let action = prop_oneof![
        6 => Just(ActionGenes::Log),
        1 => any::<u8>().prop_map(ActionGenes::Raise),
        1 => (any::<u8>(), 0u8..5, 0u8..4).prop_map(|(event, delay, id)| ActionGenes::Send(event, delay, id)),
        1 => (0u8..3).prop_map(ActionGenes::Cancel),
        1 => (any::<u16>(), any::<u8>()).prop_map(|(state, event)| ActionGenes::If(state, event)),
    ];
    prop::collection::vec(action, 0..=most)
}

impl Document {
    pub(crate) fn of(genes: &Genes) -> Document {
        let mut document = Document::default();
        let mut bodies = Vec::new();
        document.add(genes, 0, Kind::Machine, &mut bodies);
        for (at, body) in bodies.iter().enumerate() {
            document.fill(at, body);
        }
        document
    }

    fn add<'g>(&mut self, genes: &'g Genes, parent: usize, kind: Kind, bodies: &mut Vec<&'g Genes>) {
        let at = self.states.len();
        self.states.push(State {
            kind,
            parent,
            children: Vec::new(),
            initial: None,
            implied: false,
            transitions: Vec::new(),
            entry: Vec::new(),
            exit: Vec::new(),
        });
        bodies.push(genes);
        if matches!(kind, Kind::Final | Kind::History { .. }) {
            return;
        }
        // Whoever is the last one may have to be the state that a history needs beside it.
        let count = genes.children.len();
        for (number, child) in genes.children.iter().enumerate() {
            let beside = number + 1 < count
                || self.states[at]
                    .children
                    .iter()
                    .any(|one| !matches!(self.states[*one].kind, Kind::History { .. }));
            let inner = match child.kind {
                6 | 7 if child.children.iter().any(|one| one.kind != 9) => Kind::Parallel,
                8 if kind != Kind::Parallel => Kind::Final,
                9 | 10 if kind != Kind::Machine && beside && number + 1 < count => {
                    Kind::History { deep: child.kind == 10 }
                }
                _ => Kind::State,
            };
            let index = self.states.len();
            self.states[at].children.push(index);
            self.add(child, at, inner, bodies);
        }
    }

    fn fill(&mut self, at: usize, genes: &Genes) {
        let kind = self.states[at].kind;
        let entry = self.actions(&genes.entry, &format!("+{at}"));
        let exit = self.actions(&genes.exit, &format!("-{at}"));
        if !matches!(kind, Kind::Machine | Kind::History { .. }) {
            (self.states[at].entry, self.states[at].exit) = (entry, exit);
        }
        let default = genes.initial.clone().unwrap_or_default();
        let actions = self.actions(&default.1, &format!("i{at}"));
        let transition = |targets, actions| {
            Some(Transition { source: at, event: None, guard: None, targets, internal: false, actions })
        };
        match kind {
            Kind::History { deep } => {
                let parent = self.states[at].parent;
                let candidates = (0..self.states.len()).filter(|one| {
                    let inside =
                        if deep { self.is_inside(*one, parent) } else { self.states[*one].parent == parent };
                    inside && *one != 0 && !self.is_history(*one)
                });
                let targets = self.pick(&default.0, &candidates.collect::<Vec<_>>());
                self.states[at].initial = transition(targets, actions);
            }
            Kind::Machine | Kind::State if self.is_compound(at) => {
                let inside: Vec<usize> =
                    (1..self.states.len()).filter(|one| self.is_inside(*one, at)).collect();
                let mut targets = self.pick(&default.0, &inside);
                let implied = genes.initial.is_none();
                if implied {
                    let first = self.states[at].children.iter().find(|one| !self.is_history(**one));
                    targets = first.copied().into_iter().collect();
                }
                // The machine's own initial states are an attribute, which has no actions.
                let actions = if implied || at == 0 { Vec::new() } else { actions };
                self.states[at].implied = implied;
                self.states[at].initial = transition(targets, actions);
            }
            _ => {}
        }
        if matches!(kind, Kind::State | Kind::Parallel) {
            for (number, one) in genes.transitions.iter().enumerate() {
                let transition = self.transition(at, number, one);
                self.states[at].transitions.extend(transition);
            }
        }
    }

    fn transition(&self, at: usize, number: usize, genes: &TransitionGenes) -> Option<Transition> {
        let all: Vec<usize> = (1..self.states.len()).collect();
        let any = |gene: u16| all[usize::from(gene) % all.len()];
        let event = genes.event.map(|gene| match gene {
            0..=5 => event(gene),
            6 => "a b".to_owned(),
            7 => "*".to_owned(),
            8 => "a.*".to_owned(),
            9 => "done.state".to_owned(),
            _ => format!("done.state.s{}", any(u16::from(gene) * 7 + at as u16)),
        });
        let guard = genes.guard.map(|(state, negated)| (any(state), negated));
        // One without event and guard would mostly go in circles.
        let guard = if event.is_none() && guard.is_none() { Some((at, true)) } else { guard };
        let targets = if genes.targets.is_empty() { Vec::new() } else { self.pick(&genes.targets, &all) };
        if event.is_none() && targets.is_empty() {
            return None;
        }
        let actions = self.actions(&genes.actions, &format!("t{at}.{number}"));
        Some(Transition { source: at, event, guard, targets, internal: genes.internal, actions })
    }

    /// States that can be active together: the first one, and those that fit to it.
    fn pick(&self, genes: &[u16], candidates: &[usize]) -> Vec<usize> {
        let mut picked: Vec<usize> = Vec::new();
        if candidates.is_empty() {
            return picked;
        }
        let genes = if genes.is_empty() { &[0][..] } else { genes };
        for gene in genes {
            let one = candidates[usize::from(*gene) % candidates.len()];
            if picked.iter().all(|other| self.together(one, *other)) {
                picked.push(one);
            }
        }
        picked
    }

    fn together(&self, one: usize, other: usize) -> bool {
        // A history stands for what is in its parent.
        let meant = |at: usize| if self.is_history(at) { self.states[at].parent } else { at };
        let (one, other) = (meant(one), meant(other));
        if one == other || self.is_inside(one, other) || self.is_inside(other, one) {
            return false;
        }
        let mut common = one;
        while !self.is_inside(other, common) {
            common = self.states[common].parent;
        }
        self.states[common].kind == Kind::Parallel
    }

    fn actions(&self, genes: &[ActionGenes], place: &str) -> Vec<Action> {
        let state = |gene: u16| 1 + usize::from(gene) % (self.states.len() - 1);
        let act = |(number, gene): (usize, &ActionGenes)| match gene {
            ActionGenes::Log => Action::Log(format!("{place}.{number}")),
            ActionGenes::Raise(one) => Action::Raise(event(*one)),
            ActionGenes::Send(one, delay, id) => Action::Send {
                event: event(*one),
                delay: u64::from(*delay) * 10,
                id: (*id < 3).then(|| format!("id{id}")),
            },
            ActionGenes::Cancel(id) => Action::Cancel(format!("id{id}")),
            ActionGenes::If(one, raised) => {
                Action::If(state(*one), event(*raised), format!("{place}.{number}?"))
            }
        };
        genes.iter().enumerate().map(act).collect()
    }

    pub(crate) fn is_inside(&self, inner: usize, outer: usize) -> bool {
        let mut at = inner;
        while at != 0 {
            at = self.states[at].parent;
            if at == outer {
                return true;
            }
        }
        false
    }

    pub(crate) fn is_history(&self, at: usize) -> bool {
        matches!(self.states[at].kind, Kind::History { .. })
    }

    pub(crate) fn is_compound(&self, at: usize) -> bool {
        matches!(self.states[at].kind, Kind::Machine | Kind::State)
            && self.states[at].children.iter().any(|one| !self.is_history(*one))
    }

    /// The document as SCXML.
    pub(crate) fn to_scxml(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out
    }

    fn write(&self, at: usize, out: &mut String) {
        let state = &self.states[at];
        let ids =
            |targets: &[usize]| targets.iter().map(|one| format!("s{one}")).collect::<Vec<_>>().join(" ");
        let tag = match state.kind {
            Kind::Machine => {
                out.push_str(
                    "<scxml xmlns=\"http://www.w3.org/2005/07/scxml\" version=\"1.0\" datamodel=\"cel\"",
                );
                if let Some(initial) = state.initial.as_ref().filter(|_| !state.implied) {
                    let _ = write!(out, " initial=\"{}\"", ids(&initial.targets));
                }
                "scxml"
            }
            Kind::State => "state",
            Kind::Parallel => "parallel",
            Kind::Final => "final",
            Kind::History { .. } => "history",
        };
        match state.kind {
            Kind::Machine => {}
            Kind::History { deep: true } => {
                let _ = write!(out, "<history id=\"s{at}\" type=\"deep\"");
            }
            _ => {
                let _ = write!(out, "<{tag} id=\"s{at}\"");
            }
        }
        out.push('>');
        if let Some(initial) = &state.initial {
            let transition = || format!("<transition target=\"{}\">", ids(&initial.targets));
            match state.kind {
                Kind::State if !state.implied => {
                    let _ = write!(out, "<initial>{}", transition());
                    write_actions(&initial.actions, out);
                    out.push_str("</transition></initial>");
                }
                Kind::History { .. } => {
                    out.push_str(&transition());
                    write_actions(&initial.actions, out);
                    out.push_str("</transition>");
                }
                _ => {}
            }
        }
        for (tag, actions) in [("onentry", &state.entry), ("onexit", &state.exit)] {
            if !actions.is_empty() {
                let _ = write!(out, "<{tag}>");
                write_actions(actions, out);
                let _ = write!(out, "</{tag}>");
            }
        }
        for one in &state.transitions {
            out.push_str("<transition");
            if let Some(event) = &one.event {
                let _ = write!(out, " event=\"{event}\"");
            }
            if let Some((state, negated)) = one.guard {
                let _ = write!(out, " cond=\"{}In('s{state}')\"", if negated { "!" } else { "" });
            }
            if !one.targets.is_empty() {
                let _ = write!(out, " target=\"{}\"", ids(&one.targets));
            }
            if one.internal {
                out.push_str(" type=\"internal\"");
            }
            out.push('>');
            write_actions(&one.actions, out);
            out.push_str("</transition>");
        }
        state.children.iter().for_each(|child| self.write(*child, out));
        let _ = writeln!(out, "</{tag}>");
    }
}

fn write_actions(actions: &[Action], out: &mut String) {
    for action in actions {
        let _ = match action {
            Action::Log(text) => write!(out, "<log expr=\"'{text}'\"/>"),
            Action::Raise(event) => write!(out, "<raise event=\"{event}\"/>"),
            Action::Send { event, delay, id } => {
                let id = id.as_ref().map_or(String::new(), |id| format!(" id=\"{id}\""));
                write!(out, "<send event=\"{event}\" delay=\"{delay}ms\"{id}/>")
            }
            Action::Cancel(id) => write!(out, "<cancel sendid=\"{id}\"/>"),
            Action::If(state, event, text) => write!(
                out,
                "<if cond=\"In('s{state}')\"><raise event=\"{event}\"/><else/><log expr=\"'{text}'\"/></if>"
            ),
        };
    }
}
