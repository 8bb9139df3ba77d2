// The machine of tour.yaml in two interpreters of statecharts. Prints nanoseconds for each event as JSON.
// Arguments: how many events.
import { createRequire } from "node:module";
import { assign, createActor, createMachine } from "xstate";
const scion = createRequire(import.meta.url)("@scion-scxml/core");

const LIMIT = 1e9;

function xstate() {
  const entry = assign({ entered: ({ context }) => context.entered + 1 });
  const exit = assign({ exited: ({ context }) => context.exited + 1 });
  const guard = ({ context }) => context.entered < LIMIT;
  const leaf = (target) => ({ entry, exit, on: { step: { target, guard } } });
  const machine = createMachine({
    id: "tour",
    context: { entered: 0, exited: 0 },
    initial: "outer",
    states: {
      outer: { initial: "middle", states: { middle: { initial: "left", states: {
        left: { initial: "idle", entry, exit, states: { idle: leaf("#tour.outer.middle.right") } },
        right: { initial: "busy", entry, exit, states: { busy: leaf("#tour.outer.middle.left") } },
      } } } },
    },
  });
  const actor = createActor(machine).start();
  return {
    step: () => actor.send({ type: "step" }),
    entered: () => actor.getSnapshot().context.entered,
  };
}

function scxml() {
  const context = { entered: 0, exited: 0 };
  const onEntry = () => { context.entered += 1; };
  const onExit = () => { context.exited += 1; };
  const leaf = (id, target) =>
    ({ id, onEntry, onExit, transitions: [{ event: "step", target, cond: () => context.entered < LIMIT }] });
  const machine = new scion.Statechart(() => ({ states: [{ id: "outer", states: [{ id: "middle", states: [
    { id: "left", onEntry, onExit, states: [leaf("idle", "right")] },
    { id: "right", onEntry, onExit, states: [leaf("busy", "left")] },
  ] }] }] }));
  machine.start();
  return { step: () => machine.gen("step"), entered: () => context.entered };
}

// Nanoseconds for each event, in the best of many slices.
function measure(make, count) {
  const machine = make();
  const run = (events) => { for (let i = 0; i < events; i++) machine.step(); };
  run(Math.max(10, count / 10)); // lets the compiler see what is hot
  const before = machine.entered();
  const slice = Math.max(1, Math.ceil(count / 100));
  let [done, best] = [0, Infinity];
  for (; done < count; done += slice) {
    const started = process.hrtime.bigint();
    run(slice);
    best = Math.min(best, Number(process.hrtime.bigint() - started) / slice);
  }
  if (machine.entered() - before !== 2 * done) throw new Error(`entered ${machine.entered() - before} states`);
  return best;
}

const count = Number(process.argv[2]);
console.log(JSON.stringify({ scion: measure(scxml, count), xstate: measure(xstate, count) }));
