//! The systems that are explored, for the model checker `stateright`: two-phase commit as Gray and Lamport specify it, and
//! single-decree Paxos with a register's clients.
//!
//! It refuses to reduce anything but by symmetry, and that only when asked. Its one invariant: the counts are those that
//! stateright's own examples of these systems have; where what is ignored is consumed, as by any receiver, those that
//! Everstate has.
//!
//! `explored two-phase MANAGERS THREADS all|symmetric` and `explored paxos CLIENTS THREADS stays|consumed` print
//! `{"states": …, "steps": …, "seconds": …}`.

use stateright::{Checker, Model};
use std::time::Instant;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, system, size, threads, how] = &args[..] else { panic!("SYSTEM SIZE THREADS HOW") };
    let (size, threads) = (size.parse().expect("a size"), threads.parse().expect("a number of threads"));
    let began = Instant::now();
    let (states, steps) = match (system.as_str(), how.as_str()) {
        ("two-phase", "all") => counted(two_phase::TwoPhase(size).checker().threads(threads).spawn_dfs()),
        ("two-phase", "symmetric") => {
            counted(two_phase::TwoPhase(size).checker().threads(threads).symmetry().spawn_dfs())
        }
        ("paxos", how) => counted(paxos::model(size, how == "consumed").checker().threads(threads).spawn_bfs()),
        other => panic!("there is no {other:?}"),
    };
    let seconds = began.elapsed().as_secs_f64();
    println!("{{\"states\": {states}, \"steps\": {steps}, \"seconds\": {seconds}}}");
}

/// Runs to the end, in which nothing may be wrong.
fn counted<M: Model>(checker: impl Checker<M>) -> (usize, usize)
where
    M::State: std::hash::Hash + std::fmt::Debug + Clone + PartialEq,
    M::Action: std::fmt::Debug + Clone + PartialEq,
{
    let done = checker.join();
    done.assert_properties();
    (done.unique_state_count(), done.state_count())
}

mod two_phase {
    use stateright::{Model, Property, Representative};

    /// With so many resource managers.
    pub(super) struct TwoPhase(pub(super) usize);

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub(super) enum Manager {
        Working,
        Prepared,
        Committed,
        Aborted,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub(super) enum Decided {
        Nothing,
        Commit,
        Abort,
    }

    /// What was said stays said: a set of messages that are never consumed.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub(super) struct State {
        /// What each is, whether it has said that it is prepared, and whether that was heard.
        managers: Vec<(Manager, bool, bool)>,
        decided: Decided,
    }

    impl Representative for State {
        fn representative(&self) -> State {
            let mut managers = self.managers.clone();
            managers.sort();
            State { managers, decided: self.decided }
        }
    }

    #[derive(Clone, Debug, PartialEq)]
    pub(super) enum Action {
        Hear(usize),
        DecideCommit,
        DecideAbort,
        Prepare(usize),
        GiveUp(usize),
        Commit(usize),
        Abort(usize),
    }

    impl Model for TwoPhase {
        type State = State;
        type Action = Action;

        fn init_states(&self) -> Vec<State> {
            let managers = vec![(Manager::Working, false, false); self.0];
            vec![State { managers, decided: Decided::Nothing }]
        }

        fn actions(&self, state: &State, actions: &mut Vec<Action>) {
            if state.decided == Decided::Nothing {
                actions.push(Action::DecideAbort);
                if state.managers.iter().all(|(_, _, heard)| *heard) {
                    actions.push(Action::DecideCommit);
                }
            }
            for (n, (manager, said, _)) in state.managers.iter().enumerate() {
                if *said && state.decided == Decided::Nothing {
                    actions.push(Action::Hear(n));
                }
                if *manager == Manager::Working {
                    actions.extend([Action::Prepare(n), Action::GiveUp(n)]);
                }
                match state.decided {
                    Decided::Nothing => {}
                    Decided::Commit => actions.push(Action::Commit(n)),
                    Decided::Abort => actions.push(Action::Abort(n)),
                }
            }
        }

        fn next_state(&self, before: &State, action: Action) -> Option<State> {
            let mut state = before.clone();
            match action {
                Action::Hear(n) => state.managers[n].2 = true,
                Action::DecideCommit => state.decided = Decided::Commit,
                Action::DecideAbort => state.decided = Decided::Abort,
                Action::Prepare(n) => (state.managers[n].0, state.managers[n].1) = (Manager::Prepared, true),
                Action::GiveUp(n) | Action::Abort(n) => state.managers[n].0 = Manager::Aborted,
                Action::Commit(n) => state.managers[n].0 = Manager::Committed,
            }
            Some(state)
        }

        fn properties(&self) -> Vec<Property<TwoPhase>> {
            vec![
                Property::always("consistent", |_: &TwoPhase, state: &State| {
                    let any = |wanted| state.managers.iter().any(|(is, ..)| *is == wanted);
                    !(any(Manager::Committed) && any(Manager::Aborted))
                }),
                Property::sometimes("all commit", |_: &TwoPhase, state: &State| {
                    state.managers.iter().all(|(is, ..)| *is == Manager::Committed)
                }),
            ]
        }
    }
}

mod paxos {
    use stateright::Expectation;
    use stateright::actor::{Actor, ActorModel, Envelope, Id, Network, Out, majority, model_peers};
    use std::borrow::Cow;
    use std::collections::{BTreeMap, BTreeSet};

    type Ballot = (u32, Id);

    /// What was accepted, by the number of the client who wanted it.
    type Accepted = (Ballot, usize);

    #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub(super) enum Say {
        Put(usize),
        Get(usize),
        IsPut,
        Got(usize),
        Prepare(Ballot),
        Prepared(Ballot, Option<Accepted>),
        Accept(Ballot, usize),
        Accepted(Ballot),
        Decided(Ballot, usize),
    }

    #[derive(Clone)]
    pub(super) enum Node {
        Acceptor { peers: Vec<Id>, consumes: bool },
        Client { number: usize, consumes: bool },
    }

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub(super) enum State {
        Acceptor(Acceptor),
        /// How many of its two wishes were answered.
        Client(u8),
    }

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub(super) struct Acceptor {
        ballot: Ballot,
        proposal: Option<usize>,
        prepares: BTreeMap<Id, Option<Accepted>>,
        accepts: BTreeSet<Id>,
        accepted: Option<Accepted>,
        decided: bool,
    }

    /// What clients have seen: enough to tell whether it is linearizable.
    #[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
    pub(super) struct History(Vec<Past>);

    #[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
    struct Past {
        /// How many wishes were answered.
        done: u8,
        /// How many of each client's were when it asked for the value.
        seen: Vec<u8>,
        got: Option<usize>,
    }

    const ACCEPTORS: usize = 3;

    impl Actor for Node {
        type Msg = Say;
        type State = State;
        type Timer = ();
        type Random = ();
        type Storage = ();

        fn on_start(&self, _: Id, _: &Option<()>, out: &mut Out<Node>) -> State {
            match self {
                Node::Acceptor { .. } => State::Acceptor(Acceptor {
                    ballot: (0, Id::from(0)),
                    proposal: None,
                    prepares: BTreeMap::new(),
                    accepts: BTreeSet::new(),
                    accepted: None,
                    decided: false,
                }),
                Node::Client { number, .. } => {
                    out.send(Id::from(number % ACCEPTORS), Say::Put(*number));
                    State::Client(0)
                }
            }
        }

        fn on_msg(&self, id: Id, state: &mut Cow<'_, State>, from: Id, say: Say, out: &mut Out<Node>) {
            let consumes = match (self, &**state) {
                (Node::Acceptor { peers, consumes }, State::Acceptor(acceptor)) => {
                    if let Some(next) = hears(acceptor.clone(), id, peers, from, say, out) {
                        *state.to_mut() = State::Acceptor(next);
                        return;
                    }
                    *consumes
                }
                (Node::Client { number, consumes }, State::Client(done)) => {
                    match (done, say) {
                        (0, Say::IsPut) => {
                            out.send(Id::from((number + 1) % ACCEPTORS), Say::Get(*number));
                            *state.to_mut() = State::Client(1);
                            return;
                        }
                        (1, Say::Got(_)) => {
                            *state.to_mut() = State::Client(2);
                            return;
                        }
                        _ => {}
                    }
                    *consumes
                }
                _ => false,
            };
            if consumes {
                // A state that was touched counts as changed, so the message is taken off the network.
                state.to_mut();
            }
        }
    }

    /// The acceptor afterwards; none when it ignores what is said.
    fn hears(
        mut acceptor: Acceptor,
        id: Id,
        peers: &[Id],
        from: Id,
        say: Say,
        out: &mut Out<Node>,
    ) -> Option<Acceptor> {
        let enough = majority(peers.len() + 1);
        if acceptor.decided {
            let (Say::Get(_), Some((_, client))) = (say, acceptor.accepted) else { return None };
            out.send(from, Say::Got(client));
            return Some(acceptor);
        }
        match say {
            Say::Put(client) if acceptor.proposal.is_none() => {
                acceptor.proposal = Some(client);
                acceptor.ballot = (acceptor.ballot.0 + 1, id);
                acceptor.prepares = BTreeMap::from([(id, acceptor.accepted)]);
                acceptor.accepts = BTreeSet::new();
                out.broadcast(peers, &Say::Prepare(acceptor.ballot));
            }
            Say::Prepare(ballot) if acceptor.ballot < ballot => {
                acceptor.ballot = ballot;
                out.send(from, Say::Prepared(ballot, acceptor.accepted));
            }
            Say::Prepared(ballot, accepted) if ballot == acceptor.ballot => {
                acceptor.prepares.insert(from, accepted);
                if acceptor.prepares.len() == enough {
                    let known = acceptor.prepares.values().max().copied().flatten().map(|(_, client)| client);
                    let client = known.or(acceptor.proposal)?;
                    acceptor.proposal = Some(client);
                    acceptor.accepted = Some((ballot, client));
                    acceptor.accepts.insert(id);
                    out.broadcast(peers, &Say::Accept(ballot, client));
                }
            }
            Say::Accept(ballot, client) if acceptor.ballot <= ballot => {
                acceptor.ballot = ballot;
                acceptor.accepted = Some((ballot, client));
                out.send(from, Say::Accepted(ballot));
            }
            Say::Accepted(ballot) if ballot == acceptor.ballot => {
                acceptor.accepts.insert(from);
                if acceptor.accepts.len() == enough {
                    let client = acceptor.proposal?;
                    acceptor.decided = true;
                    out.broadcast(peers, &Say::Decided(ballot, client));
                    out.send(Id::from(ACCEPTORS + client), Say::IsPut);
                }
            }
            Say::Decided(ballot, client) => {
                acceptor.ballot = ballot;
                acceptor.accepted = Some((ballot, client));
                acceptor.decided = true;
            }
            _ => return None,
        }
        Some(acceptor)
    }

    /// What a client is told goes into the history, when it waits for that.
    fn told(history: &History, say: &Envelope<&Say>) -> Option<History> {
        let client = usize::from(say.dst).checked_sub(ACCEPTORS)?;
        let mut history = history.clone();
        let done: Vec<u8> = history.0.iter().map(|past| past.done).collect();
        let past = history.0.get_mut(client)?;
        match (past.done, say.msg) {
            (0, Say::IsPut) => (past.done, past.seen) = (1, done),
            (1, Say::Got(value)) => (past.done, past.got) = (2, Some(*value)),
            _ => return None,
        }
        Some(history)
    }

    /// Is there an order of what was wanted that explains what was got?
    fn is_linearizable(past: &[Past], at: &mut Vec<u8>, value: Option<usize>) -> bool {
        if past.iter().zip(&*at).all(|(past, at)| *at >= past.done) {
            return true;
        }
        (0..past.len()).any(|client| {
            let one = &past[client];
            let next = match at[client] {
                0 => Some(client),
                1 if one.done == 2 && one.got == value && one.seen.iter().zip(&*at).all(|(seen, at)| at >= seen) => {
                    value
                }
                _ => return false,
            };
            at[client] += 1;
            let explains = is_linearizable(past, at, next);
            at[client] -= 1;
            explains
        })
    }

    pub(super) fn model(clients: usize, consumes: bool) -> ActorModel<Node, (), History> {
        let history = History(vec![Past::default(); clients]);
        let acceptors =
            (0..ACCEPTORS).map(|n| Node::Acceptor { peers: model_peers(n, ACCEPTORS), consumes });
        let clients = (0..clients).map(|number| Node::Client { number, consumes });
        ActorModel::new((), history)
            .actors(acceptors.chain(clients))
            .init_network(Network::new_unordered_nonduplicating([]))
            .record_msg_in(|_, history, say| told(history, &say))
            .property(Expectation::Always, "linearizable", |_, state| {
                let past = &state.history.0;
                is_linearizable(past, &mut vec![0; past.len()], None)
            })
            .property(Expectation::Sometimes, "chosen", |_, state| {
                state.history.0.iter().any(|past| past.got.is_some())
            })
    }
}
