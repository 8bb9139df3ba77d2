// One virtual object for each machine: the same turn as everywhere, its state kept by Restate.
// Arguments: the port to listen on.

// The SDK is written for a newer Node than Debian's; this is all it misses.
Promise.withResolvers ??= () => {
  let resolve, reject;
  const promise = new Promise((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
};
const restate = await import("@restatedev/restate-sdk");

const turn = restate.object({
  name: "turn",
  handlers: {
    step: async (context, event) => {
      const machine = (await context.get("machine")) ?? { state: "outer.middle.left.idle", count: 0, limit: 1e9 };
      if (machine.count >= machine.limit) return { outcome: "rejected" };
      const from = machine.state;
      machine.state = from === "outer.middle.left.idle" ? "outer.middle.right.busy" : "outer.middle.left.idle";
      machine.count += event.n;
      context.set("machine", machine);
      return { outcome: "ok", from, to: machine.state };
    },
  },
});

restate.serve({ services: [turn], port: Number(process.argv[2]) });
