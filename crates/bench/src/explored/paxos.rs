//! Single-decree Paxos: three acceptors that are proposers as well, and clients that each want their own value and then
//! ask for the one that was chosen.
//!
//! It refuses to know how messages travel: any may overtake any other. Its one invariant: what a machine does about a
//! message depends on its state and the message alone.

use everstate::simulation::Simulation;
use everstate::{Address, Behaviour, Context};
use everstate_sim::{Link, Who};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A round, and who leads it.
type Ballot = (u32, u8);
/// What was accepted, by the number of the client who wants it.
type Accepted = (Ballot, u8);

const ACCEPTORS: u8 = 3;
const MAJORITY: usize = 2;

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Acceptor {
    number: u8,
    ballot: Ballot,
    proposal: Option<u8>,
    prepares: BTreeMap<u8, Option<Accepted>>,
    accepts: BTreeSet<u8>,
    accepted: Option<Accepted>,
    decided: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Say {
    Put(u8),
    Get(u8),
    Prepare(Ballot),
    Prepared(u8, Ballot, Option<Accepted>),
    Accept(Ballot, u8),
    Accepted(u8, Ballot),
    Decided(Ballot, u8),
}

impl Behaviour for Acceptor {
    const NAME: &str = "acceptor";
    type Message = Say;
    type Reply = ();
    type Error = ();

    fn handle(&mut self, say: Say, context: &mut Context<'_, Self>) -> Result<(), ()> {
        match say {
            Say::Get(client) => {
                if let Some((_, value)) = self.accepted.filter(|_| self.decided) {
                    context.send(&clients(), Answer::Got(client, value));
                }
            }
            _ if self.decided => {}
            Say::Put(client) if self.proposal.is_none() => {
                self.proposal = Some(client);
                self.ballot = (self.ballot.0 + 1, self.number);
                self.prepares.insert(self.number, self.accepted);
                self.tell_others(context, Say::Prepare(self.ballot));
            }
            Say::Prepare(ballot) if self.ballot < ballot => {
                self.ballot = ballot;
                context.send(&acceptor(ballot.1), Say::Prepared(self.number, ballot, self.accepted));
            }
            Say::Prepared(from, ballot, accepted) if ballot == self.ballot => {
                self.prepares.insert(from, accepted);
                if self.prepares.len() == MAJORITY {
                    self.accept(ballot, context);
                }
            }
            Say::Accept(ballot, client) if self.ballot <= ballot => {
                (self.ballot, self.accepted) = (ballot, Some((ballot, client)));
                context.send(&acceptor(ballot.1), Say::Accepted(self.number, ballot));
            }
            Say::Accepted(from, ballot) if ballot == self.ballot => {
                self.accepts.insert(from);
                if let Some(client) = self.proposal.filter(|_| self.accepts.len() == MAJORITY) {
                    self.decided = true;
                    self.tell_others(context, Say::Decided(ballot, client));
                    context.send(&clients(), Answer::IsPut(client));
                }
            }
            Say::Decided(ballot, client) => {
                (self.ballot, self.accepted, self.decided) = (ballot, Some((ballot, client)), true);
            }
            // Too old, or already known.
            _ => {}
        }
        Ok(())
    }
}

impl Acceptor {
    /// A majority follows: what one of them has accepted already must be proposed again.
    fn accept(&mut self, ballot: Ballot, context: &mut Context<'_, Acceptor>) {
        let known = self.prepares.values().max().copied().flatten().map(|(_, client)| client);
        let Some(client) = known.or(self.proposal) else { return };
        (self.proposal, self.accepted) = (Some(client), Some((ballot, client)));
        self.accepts.insert(self.number);
        self.tell_others(context, Say::Accept(ballot, client));
    }

    fn tell_others(&self, context: &mut Context<'_, Acceptor>, say: Say) {
        for other in (0..ACCEPTORS).filter(|other| *other != self.number) {
            context.send(&acceptor(other), say.clone());
        }
    }
}

/// All clients, and what they have seen: one machine, since who has seen what before whom is a part of the world.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Clients {
    each: Vec<Past>,
    linearizable: bool,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Past {
    /// How many of its two wishes were answered.
    done: u8,
    /// How many of each client's were when it asked for the value.
    seen: Vec<u8>,
    got: Option<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    IsPut(u8),
    Got(u8, u8),
}

impl Behaviour for Clients {
    const NAME: &str = "clients";
    type Message = Answer;
    type Reply = ();
    type Error = String;

    fn started(&mut self, context: &mut Context<'_, Self>) {
        for client in 0..self.each.len() as u8 {
            context.send(&acceptor(client % ACCEPTORS), Say::Put(client));
        }
    }

    fn handle(&mut self, answer: Answer, context: &mut Context<'_, Self>) -> Result<(), String> {
        let done: Vec<u8> = self.each.iter().map(|past| past.done).collect();
        let (Answer::IsPut(client) | Answer::Got(client, _)) = answer;
        let past = self.each.get_mut(usize::from(client)).ok_or("there is no such client")?;
        match (past.done, answer) {
            (0, Answer::IsPut(_)) => {
                (past.done, past.seen) = (1, done);
                context.send(&acceptor((client + 1) % ACCEPTORS), Say::Get(client));
            }
            (1, Answer::Got(_, value)) => (past.done, past.got) = (2, Some(value)),
            // Two leaders may bring about the same value.
            _ => {}
        }
        self.linearizable = is_linearizable(&self.each, &mut vec![0; self.each.len()], None);
        Ok(())
    }
}

/// Is there an order of what was wanted that explains what was got? `at` is how far each client has come in it.
fn is_linearizable(past: &[Past], at: &mut Vec<u8>, value: Option<u8>) -> bool {
    if past.iter().zip(&*at).all(|(past, at)| *at >= past.done) {
        return true;
    }
    (0..past.len()).any(|client| {
        let one = &past[client];
        let sees_all = one.seen.iter().zip(&*at).all(|(seen, at)| at >= seen);
        let next = match at[client] {
            0 => Some(client as u8),
            1 if one.done == 2 && one.got == value && sees_all => value,
            _ => return false,
        };
        at[client] += 1;
        let explains = is_linearizable(past, at, next);
        at[client] -= 1;
        explains
    })
}

fn acceptor(number: u8) -> Address<Acceptor> {
    Address::new(&number.to_string()).expect("a digit is an id")
}

fn clients() -> Address<Clients> {
    Address::new("all").expect("a word is an id")
}

/// With so many clients. `overtaking`: any message may overtake any other, as on a network; otherwise those from one
/// machine to another keep their order, as Everstate delivers them.
pub(crate) fn system(size: usize, overtaking: bool) -> Simulation {
    let mut system = Simulation::new("single-decree Paxos").behaviour::<Acceptor>().behaviour::<Clients>();
    for number in 0..ACCEPTORS {
        let machine = Acceptor { number, ..Acceptor::default() };
        system = system.there(&format!("acceptor{number}"), &acceptor(number), &machine);
    }
    let all = Clients { each: vec![Past::default(); size], linearizable: true };
    system
        .there("clients", &clients(), &all)
        .always("linearizable", "clients.context.linearizable")
        .reachable("chosen", "clients.context.each.exists(client, client.got != null)")
        .with(|system| {
            // No machine here looks at the clock.
            system.clock = false;
            system.mailbox_max = 1;
            if overtaking {
                system.links.push(Link { from: Who::Anyone, to: Who::Anyone, reorder: true });
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use everstate_sim::{Limits, Report, explore_within};

    fn explored(size: usize, overtaking: bool, reduce: bool) -> Report {
        let system = system(size, overtaking).system().expect("it is one");
        let limits = Limits { reduce, threads: 2, ..Limits::default() };
        let report = explore_within(&system, &limits, &|_| {}).expect("it begins");
        report.assert();
        report
    }

    #[test]
    fn paxos_has_the_states_that_stateright_counts() {
        // As `explored paxos 1 1 consumed` and `explored paxos 2 1 consumed` count them; the second in the bench, since it
        // takes a while without optimization.
        assert_eq!(explored(1, true, false).worlds, 701);
        let (all, reduced) = (explored(1, false, false), explored(1, false, true));
        assert!(reduced.worlds <= all.worlds && all.worlds <= 701);
    }
}
