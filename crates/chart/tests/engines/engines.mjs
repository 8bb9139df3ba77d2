// Random machines in SCION and XState. Reads a file of cases, prints for each what both engines show.
// Arguments: a file with a list of {"states": [...], "events": [...]}; states are in document order, the first is the
// machine itself.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createActor, createMachine, not, raise, stateIn } from "xstate";
const scion = createRequire(import.meta.url)("@scion-scxml/core");

const STEPS_MAX = 1_000;
const id = (at) => `s${at}`;
const sorted = (ids) => ids.filter((one) => /^s[1-9]\d*$/.test(one)).sort();

function byScion({ states, events }) {
  let log = [];
  const make = (raiseIn, isIn) => {
    const actions = (list) =>
      list.map((one) => function () {
        if (one.log !== undefined) log.push(one.log);
        else this.raise({ name: one.raise, data: null });
      });
    const state = (at) => {
      const { kind, children, initial, transitions, entry, exit } = states[at];
      const made = { id: id(at), onEntry: actions(entry), onExit: actions(exit), transitions: [] };
      if (kind === "final") made.$type = "final";
      for (const { event, guard, target, internal, actions: list } of transitions) {
        const row = { onTransition: actions(list) };
        if (event !== null) row.event = event;
        if (target !== null) row.target = id(target);
        if (internal) row.type = "internal";
        if (guard !== null) row.cond = () => isIn(id(guard.state)) !== guard.negated;
        made.transitions.push(row);
      }
      if (children.length > 0) {
        made.states = children.map(state);
        if (initial !== null) {
          const begins = { target: id(initial.target), onTransition: actions(initial.actions) };
          made.states.unshift({ $type: "initial", transitions: [begins] });
        }
      }
      return made;
    };
    const { states: inner } = state(0);
    return { states: inner };
  };
  const chart = new scion.Statechart((_x, _session, _processors, isIn) => make(null, isIn));
  const trace = [];
  const show = () => {
    trace.push([chart.isFinal() ? [] : sorted(chart.getFullConfiguration()), log]);
    log = [];
  };
  chart.start();
  show();
  for (const event of events) {
    if (!chart.isFinal()) chart.gen(event, null);
    show();
  }
  return trace;
}

function byXstate({ states, events }) {
  let log = [];
  const actions = (list) =>
    list.map((one) => (one.log !== undefined ? () => { log.push(one.log); } : raise({ type: one.raise })));
  const isInside = (inner, outer) => {
    for (let at = inner; at !== 0; ) {
      at = states[at].parent;
      if (at === outer) return true;
    }
    return false;
  };
  const state = (at) => {
    const { kind, children, initial, transitions, entry, exit } = states[at];
    const made = { id: at === 0 ? "root" : id(at), entry: actions(entry), exit: actions(exit), on: {}, always: [] };
    if (kind === "final") return { ...made, type: "final", on: undefined, always: undefined };
    for (const { event, guard, target, internal, actions: list } of transitions) {
      const row = { actions: actions(list) };
      if (target !== null) {
        row.target = `#${id(target)}`;
        const stays = internal && children.length > 0 && isInside(target, at);
        row.reenter = !stays && (target === at || isInside(target, at));
      }
      if (guard !== null) row.guard = guard.negated ? not(stateIn(`#${id(guard.state)}`)) : stateIn(`#${id(guard.state)}`);
      if (event === null) made.always.push(row);
      else for (const one of event.split(" ")) {
        // SCXML takes every name as a prefix.
        const name = one.replace(/\.\*$/, "");
        for (const key of one === "*" ? ["*"] : [name, `${name}.*`]) (made.on[key] ??= []).push(row);
      }
    }
    if (children.length > 0) {
      made.states = Object.fromEntries(children.map((child) => [id(child), state(child)]));
      made.initial = initial === null ? id(children[0])
        : at === 0 ? id(initial.target) : { target: id(initial.target), actions: actions(initial.actions) };
    }
    return made;
  };
  const machine = createMachine({ ...state(0), options: { maxIterations: STEPS_MAX } });
  const actor = createActor(machine);
  actor.subscribe({ error: () => {} });
  const trace = [];
  const show = () => {
    const snapshot = actor.getSnapshot();
    if (snapshot.status === "error") throw snapshot.error;
    trace.push([snapshot.status === "done" ? [] : sorted(snapshot._nodes.map((node) => node.id)), log]);
    log = [];
  };
  actor.start();
  show();
  for (const event of events) {
    if (actor.getSnapshot().status === "active") actor.send({ type: event });
    show();
  }
  return trace;
}

const attempt = (work, one) => {
  try {
    return { trace: work(one) };
  } catch (error) {
    return { error: String(error?.message ?? error?.data ?? error) };
  }
};
for (const one of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  console.log(JSON.stringify({ scion: attempt(byScion, one), xstate: attempt(byXstate, one) }));
}
