// Charts that are given as JSON, in two interpreters of statecharts. Prints, for each, nanoseconds an event by SCION and
// by XState, and what reading the large one takes.
// Arguments: a file with {"turns", "rounds", "large", "cases": [{"machine", "events": [[NAME, DATA]…], "adds", "weight"}]}.
// Guards and assignments become functions of JavaScript, which suits both better than what they interpret themselves.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { assign, createActor, createMachine } from "xstate";
const scion = createRequire(import.meta.url)("@scion-scxml/core");

const list = (value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);
const formula = (text) => new Function("context", "event", "item", `return ${text}`);

// An action as a function that changes the context, which all are made of.
function change(action) {
  if (action.foreach !== undefined) {
    const over = formula(action.foreach);
    const body = list(action.do).map(change);
    return (context, event) => {
      for (const item of over(context, event)) for (const one of body) one(context, event, item);
    };
  }
  const fields = Object.entries(action.assign).map(([key, text]) => [key, formula(text)]);
  return (context, event, item) => {
    for (const [key, value] of fields) context[key] = value(context, event, item);
  };
}

const transition = (written) => (typeof written === "string" ? { target: written } : written);

function xstate(machine) {
  const action = (one) => {
    const work = change(one);
    return assign(({ context, event }) => {
      const next = { ...context };
      work(next, event);
      return next;
    });
  };
  const state = (written) => {
    const { states, on, entry, initial, type, history, target } = written;
    const made = { initial, type, history, target, entry: list(entry).map(action), on: {} };
    for (const [name, one] of Object.entries(on ?? {})) {
      const { target, guard, actions } = transition(one);
      const test = guard && formula(guard);
      made.on[name] = { target, actions: list(actions).map(action) };
      if (test) made.on[name].guard = ({ context, event }) => test(context, event);
    }
    if (states) {
      made.states = {};
      for (const [name, inner] of Object.entries(states)) made.states[name] = state(inner);
    }
    return made;
  };
  const actor = createActor(createMachine({ id: machine.id, context: machine.context, ...state(machine) })).start();
  return {
    send: (name, data) => actor.send({ type: name, ...data }),
    count: () => actor.getSnapshot().context.n,
  };
}

function scxml(machine) {
  const context = structuredClone(machine.context);
  const action = (one) => {
    const work = change(one);
    return (event) => work(context, event?.data);
  };
  const state = (id, written) => {
    const { states, on, entry, initial, type, history, target } = written;
    if (type === "history") {
      return { id, $type: "history", isDeep: history === "deep", transitions: [{ target }] };
    }
    const made = { id, onEntry: list(entry).map(action), transitions: [] };
    if (type === "parallel") made.$type = "parallel";
    for (const [event, one] of Object.entries(on ?? {})) {
      const { target, guard, actions } = transition(one);
      const test = guard && formula(guard);
      const row = { event, onTransition: list(actions).map(action) };
      if (target) row.target = target.split(".").at(-1);
      if (test) row.cond = (event) => test(context, event.data);
      made.transitions.push(row);
    }
    if (states) {
      made.states = Object.entries(states).map(([name, inner]) => state(name, inner));
      // Where nothing is said it begins in the first sub-state.
      const first = made.states.findIndex((inner) => inner.id === initial);
      if (first > 0) made.states.unshift(...made.states.splice(first, 1));
    }
    return made;
  };
  const chart = new scion.Statechart(() => ({ states: state(machine.id, machine).states }));
  chart.start();
  return { send: (name, data) => chart.gen(name, data), count: () => context.n };
}

// At most about this many milliseconds for each machine: one event that a hundred regions take is seconds of work.
const LONGEST = 3000;

function measure(make, { machine, events, adds, weight, name }, turns) {
  const made = make(machine);
  let next = 0;
  // Sends that many events in slices, or fewer when they take long; nanoseconds for each in the best slice.
  const run = (count, longest) => {
    const before = made.count();
    const started = performance.now();
    let [done, best] = [0, Infinity];
    while (done < count && (done === 0 || performance.now() - started < longest)) {
      const slice = Math.ceil(count / 100);
      const from = process.hrtime.bigint();
      for (let i = 0; i < slice; i++) {
        const [name, data] = events[next];
        next = (next + 1) % events.length;
        made.send(name, data ?? undefined);
      }
      best = Math.min(best, Number(process.hrtime.bigint() - from) / slice);
      done += slice;
    }
    const added = made.count() - before;
    if (added !== done * adds) throw new Error(`${name}: ${done} events added ${added} instead of ${done * adds}`);
    return best;
  };
  const first = run(1, LONGEST);
  if (first > LONGEST * 1e6) return first;
  const count = Math.max(20, Math.ceil(turns / weight));
  run(Math.max(10, Math.ceil(count / 5)), LONGEST / 3); // lets the compiler see what is hot
  return run(count, LONGEST);
}

function reading(make, text, rounds) {
  let least = Infinity;
  for (let round = 0; round < rounds; round++) {
    const started = process.hrtime.bigint();
    make(JSON.parse(text));
    least = Math.min(least, Number(process.hrtime.bigint() - started));
  }
  return least;
}

const asked = JSON.parse(readFileSync(process.argv[2], "utf8"));
const large = JSON.stringify(asked.large);
const both = (work) => ({ scion: work(scxml), xstate: work(xstate) });
console.log(JSON.stringify({
  cases: asked.cases.map((one) => both((make) => measure(make, one, asked.turns))),
  large: both((make) => reading(make, large, asked.rounds)),
}));
