//! The outbox at its receiver's door: what is no event makes and undoes links, and what tells of a link is let in only
//! while the link is the one that it tells of.
//!
//! | errand | the receiver | what happens |
//! |---|---|---|
//! | spawn | nobody | it is started; the parent is told `started`, or `faulted` when it cannot be |
//! | | an ended child of the same parent | it begins anew; told likewise |
//! | | anybody else, and be it the parent itself | the parent is told `faulted`, with the reason `address-in-use` |
//! | restart | the child of that link | it is restarted; told `started`, or `faulted` |
//! | | anybody else | the parent is told `faulted`, with the reason `no-such-child` |
//! | stop, orphaned | the child of that link | it stops, or goes on alone |
//! | | anybody else | nothing: it has told what became of it, or will |
//! | told | the parent with that link | the link is brought up to date, and the event handed over |
//! | | anybody else | nothing: the link is over |
//! | monitor | somebody alive, with room | the watch is noted |
//! | | anybody else | the watcher is told at once |
//! | demonitor | somebody alive | the watch is taken out |
//! | watched | the watcher with that watch | the event is handed over |
//! | | anybody else | nothing: it did not want to be told any more |

use super::Node;
use super::awaited::Keys;
use super::delivery::{new_instance, nobody};
use super::lifecycle::{Ending, Wish};
use super::numbers::FAILURE_OFFSET;
use super::residents::Live;
use super::ties::watched;
use super::turn::{Attempt, Beginning, Delivery, sent};
use crate::address::Address;
use crate::behaviour::Fault;
use crate::definition::{Definition, Durability};
use crate::event::{Event, Rejection, Sender};
use crate::input::Out;
use crate::json::Json;
use crate::limits::MONITORS_MAX;
use crate::link::{Errand, News, Orphan, Parent, RestartFrom, Restarting, Spawning, Watch};
use crate::record::{Record, Sent, Serial, Source};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

/// An errand that has arrived, apart from what it is.
pub(super) struct Arrived {
    pub(super) number: Serial,
    pub(super) to: Address,
    pub(super) event: Event,
}

/// Why there is no child.
struct Unmade {
    reason: &'static str,
    message: String,
    place: String,
    /// Is there an instance that goes on being a child?
    alive: bool,
}

impl Unmade {
    fn because(reason: &'static str, message: String) -> Unmade {
        Unmade { reason, message, place: String::new(), alive: false }
    }

    fn faulted(fault: Fault, alive: bool) -> Unmade {
        Unmade { reason: "start-faulted", message: fault.message, place: fault.place, alive }
    }
}

impl Node {
    /// Carries out what arrived. Exactly one record takes its number out of the outbox.
    pub(super) fn run_errand(&mut self, arrived: Arrived, errand: Errand, out: &mut Out) {
        let number = arrived.number;
        let Sender::Instance(from) = arrived.event.sender.clone() else {
            // Only a watcher is told in the name of the kernel.
            let Arrived { to, event, .. } = arrived;
            return match errand {
                Errand::Notice { space, endpoint, since } => {
                    self.notice(Arrived { number, to, event }, (&space, &endpoint), since, out);
                }
                Errand::Watched { number: watch } => self.watched(number, &to, watch, event, out),
                _ => self.done(number, out),
            };
        };
        match errand {
            Errand::Event | Errand::Answer(_) | Errand::Watched { .. } | Errand::Notice { .. } => {
                self.done(number, out);
            }
            Errand::Spawn(spawning) => self.spawn(arrived, &from, *spawning, out),
            Errand::Restart(wanted) => self.restart_child(arrived, &from, *wanted, out),
            Errand::Stop { link, kill } => self.stop_child(arrived, &from, link, kill, out),
            Errand::Orphaned { link, orphan } => self.orphan_child(arrived, &from, link, orphan, out),
            Errand::Told { link, news } => self.told(arrived, link, news, out),
            Errand::Monitor => self.monitor(number, &arrived.to, from, out),
            Errand::Demonitor { number: watch } => self.demonitor(number, &arrived.to, watch, out),
            Errand::Act(acting) => self.act(arrived, &from, *acting, out),
            Errand::Enter => self.enter(arrived, from, out),
            Errand::Withdraw { reason, departs } => self.withdraw(arrived, &from, (reason, departs), out),
            Errand::Evict => self.evict(arrived, from, out),
        }
    }

    /// It is carried out, or there was nothing to do.
    pub(super) fn done(&self, number: Serial, out: &mut Out) {
        out.require(Durability::Process);
        out.records.push(Record::SentGone(number));
    }

    fn spawn(&mut self, arrived: Arrived, from: &Address, spawning: Spawning, out: &mut Out) {
        let Arrived { number, to, event } = arrived;
        let to = &to;
        let Spawning { version, name, depth } = spawning;
        let parent = Parent { address: from.clone(), name: name.clone(), link: number, live: true };
        let data = event.data.clone();
        let source = Source::Outbox(number);
        let made = match (self.kind_of_child(to, version.as_deref()), self.residents.live(to)) {
            (Err(unmade), _) => Err(unmade),
            (Ok(definition), None) => {
                let mut live = new_instance(to, definition);
                let links = live.row.links.get_or_insert_default();
                (links.parent, links.depth) = (Some(parent), depth);
                let beginning =
                    Beginning { id: event.id.clone(), data, source, fingerprint: 0, remembered: false };
                self.begin(live, beginning, out).map(drop).map_err(|fault| Unmade::faulted(fault, false))
            }
            (Ok(definition), Some(live)) => {
                let former = live.row.links.as_ref().and_then(|links| links.parent.as_ref());
                if live.row.status.is_ended() && former.is_some_and(|former| former.address == *from) {
                    let wish = Wish { by: Some(from.clone()), id: event.id.clone(), source };
                    self.restart(to, wish, RestartFrom::Initial(data), Some(parent), definition, out)
                        .map_err(|fault| Unmade::faulted(fault, false))
                } else {
                    Err(Unmade::because(
                        "address-in-use",
                        format!("{to} is in use, and not a child that has ended"),
                    ))
                }
            }
        };
        self.tell_made(number, to, (from, number, &name), made, out);
    }

    fn kind_of_child(&self, to: &Address, version: Option<&str>) -> Result<Arc<Definition>, Unmade> {
        let definition = self.definition(to.kind(), version).cloned();
        definition.ok_or_else(|| match version {
            Some(version) if self.definition(to.kind(), None).is_some() => {
                let message = format!("there is no version {version:?} of definition {:?}", to.kind());
                Unmade::because("unknown-version", message)
            }
            _ => {
                let message = format!("there is no definition {:?}; put it first", to.kind());
                Unmade::because("unknown-kind", message)
            }
        })
    }

    /// Tells the parent of a spawn or restart what became of it.
    fn tell_made(
        &mut self,
        number: Serial,
        to: &Address,
        (parent, link, name): (&Address, Serial, &str),
        made: Result<(), Unmade>,
        out: &mut Out,
    ) {
        let answer = Serial(number.0 + FAILURE_OFFSET);
        let Err(unmade) = made else { return self.tell_started(answer, to, out) };
        self.done(number, out);
        let data = serde_json::json!({
            "address": to.as_str(), "reason": unmade.reason, "message": unmade.message, "place": unmade.place,
            "event": null, "id": null, "attempt": 1, "parked": unmade.alive, "alive": unmade.alive,
        });
        let event = Arc::from(format!("child.faulted.{name}"));
        let news = if unmade.alive { News::Faulted } else { News::Over };
        let (data, sender) = (Json::trusted(data.to_string()), Sender::Instance(to.clone()));
        let sent = sent(answer, parent.clone(), event, data, sender, self.now);
        self.post(Sent { errand: Errand::Told { link, news }, ..sent }, out);
    }

    fn restart_child(&mut self, arrived: Arrived, from: &Address, wanted: Restarting, out: &mut Out) {
        let Arrived { number, to, event } = arrived;
        let Restarting { link, name, from: begin } = wanted;
        let anew = matches!(begin, RestartFrom::Initial(_));
        let link_now = if anew { number } else { link };
        let known = self.residents.live(&to).filter(|live| {
            let parent = live.row.links.as_ref().and_then(|links| links.parent.as_ref());
            let is_child = parent.is_some_and(|parent| parent.link == link && parent.address == *from);
            // One that has ended since, and was restarted by an operator perhaps, is no longer what was to go on.
            is_child && (anew || live.is_child_by(link))
        });
        let Some(live) = known else {
            let message = format!("{to} is not there to be restarted");
            let unmade = Unmade::because("no-such-child", message);
            return self.tell_made(number, &to, (from, link_now, &name), Err(unmade), out);
        };
        let (ended, definition) = (live.row.status.is_ended(), live.definition.clone());
        let parent = Parent { address: from.clone(), name: name.clone(), link: link_now, live: true };
        let wish = Wish { by: Some(from.clone()), id: event.id, source: Source::Outbox(number) };
        let made = self.restart(&to, wish, begin, Some(parent), definition, out);
        let made = made.map_err(|fault| Unmade::faulted(fault, !ended));
        self.tell_made(number, &to, (from, link_now, &name), made, out);
    }

    fn stop_child(&mut self, arrived: Arrived, from: &Address, link: Serial, kill: bool, out: &mut Out) {
        let Arrived { number, to, event } = arrived;
        let stops = self.residents.live(&to).is_some_and(|live| {
            let links = live.row.links.as_deref();
            let is_child = live.is_child_by(link);
            let asked = links.is_some_and(|links| links.stopping);
            is_child && !live.row.status.is_ended() && (kill || !asked)
        });
        if !stops {
            return self.done(number, out);
        }
        let wish = Wish { by: Some(from.clone()), id: event.id, source: Source::Outbox(number) };
        let reason = if kill { "its parent killed it" } else { "its parent stopped it" };
        self.stop(&to, wish, Ending { kill, reason, exit: None }, out);
    }

    fn orphan_child(
        &mut self,
        arrived: Arrived,
        from: &Address,
        link: Serial,
        orphan: Orphan,
        out: &mut Out,
    ) {
        let Arrived { number, to, event } = arrived;
        let Some(live) = self.residents.live_mut(&to).filter(|live| live.is_child_by(link)) else {
            return self.done(number, out);
        };
        if live.row.status.is_ended() {
            return self.done(number, out);
        }
        let links = live.row.links.get_or_insert_default();
        let stopping = links.stopping;
        if orphan == Orphan::Keep {
            links.parent = None;
        } else if let Some(parent) = &mut links.parent {
            parent.live = false;
        }
        if orphan == Orphan::Keep || stopping {
            return self.changed(number, &to, out);
        }
        let wish = Wish { by: Some(from.clone()), id: event.id, source: Source::Outbox(number) };
        let how = Ending { kill: false, reason: "its parent is no more", exit: None };
        self.stop(&to, wish, how, out);
    }

    /// A parent is told of a child. What it means for the link is true at once; the behaviour may come to it later.
    fn told(&mut self, arrived: Arrived, link: Serial, news: News, out: &mut Out) {
        let Arrived { number, to, event } = arrived;
        let links = self.residents.live_mut(&to).and_then(|live| live.row.links.as_deref_mut());
        let Some(links) = links.filter(|links| links.children.iter().any(|child| child.link == link)) else {
            return self.done(number, out);
        };
        match news {
            News::Started(born) => {
                links
                    .children
                    .iter_mut()
                    .filter(|child| child.link == link)
                    .for_each(|child| child.born = born);
            }
            News::Faulted => {}
            News::Over => links.children.retain(|child| child.link != link),
        }
        // The parent has another child of that name by now, and would take this for that one's.
        let name = event.child_name().unwrap_or_default();
        if links.child(name).is_some_and(|child| child.link != link) {
            return self.changed(number, &to, out);
        }
        self.hand_over_told(number, &to, event, out);
    }

    fn watched(&mut self, number: Serial, to: &Address, watch: Serial, event: Event, out: &mut Out) {
        let links = self.residents.live_mut(to).and_then(|live| live.row.links.as_deref_mut());
        let Some(links) = links.filter(|links| links.watched.iter().any(|other| other.number == watch))
        else {
            return self.done(number, out);
        };
        links.watched.retain(|other| other.number != watch);
        self.hand_over_told(number, to, event, out);
    }

    /// Hands over what an instance is told of its links, after these have changed.
    pub(super) fn hand_over_told(&mut self, number: Serial, to: &Address, event: Event, out: &mut Out) {
        let live = self.residents.live_mut(to).expect("it has links");
        live.row.links = live.row.links.take().filter(|links| !links.is_empty());
        let delivery = Delivery::of(event.clone(), Source::Outbox(number));
        if matches!(self.hand_over(to, delivery, out), Attempt::MailboxFull) {
            self.changed(number, to, out);
            self.undeliverable(number, to.clone(), event, nobody(Rejection::MailboxFull), out);
        }
    }

    fn monitor(&mut self, number: Serial, to: &Address, from: Address, out: &mut Out) {
        let watch = Watch { address: from, number };
        let (how, reason) = match self.residents.live_mut(to) {
            None => ("unknown", "there is no such instance"),
            Some(live) if live.row.status.is_ended() => {
                (live.row.status.exit().word(), "it had ended before")
            }
            Some(live) => {
                let links = live.row.links.get_or_insert_default();
                if links.watchers.len() < MONITORS_MAX {
                    links.watchers.push(watch);
                    return self.changed(number, to, out);
                }
                ("refused", "as many as may watch it do")
            }
        };
        self.done(number, out);
        let data = serde_json::json!({
            "address": to.as_str(), "name": null, "how": how, "output": null, "reason": reason,
        });
        let answer = Serial(number.0 + FAILURE_OFFSET);
        let sent = watched(answer, watch, Json::trusted(data.to_string()), self.now);
        self.post(sent, out);
    }

    fn demonitor(&mut self, number: Serial, to: &Address, watch: Serial, out: &mut Out) {
        let links = self.residents.live_mut(to).and_then(|live| live.row.links.as_deref_mut());
        let Some(links) = links.filter(|links| links.watchers.iter().any(|other| other.number == watch))
        else {
            return self.done(number, out);
        };
        links.watchers.retain(|other| other.number != watch);
        self.changed(number, to, out);
    }

    /// It is carried out by a change of the row alone.
    pub(super) fn changed(&mut self, number: Serial, to: &Address, out: &mut Out) {
        let live = self.residents.live_mut(to).expect("its row has changed");
        live.row.links = live.row.links.take().filter(|links| !links.is_empty());
        out.require(live.definition.policy.durability);
        self.done(number, out);
        self.write_row(to, Keys::default(), out);
    }
}

impl Live {
    fn is_child_by(&self, link: Serial) -> bool {
        let parent = self.row.links.as_ref().and_then(|links| links.parent.as_ref());
        parent.is_some_and(|parent| parent.link == link && parent.live)
    }
}
