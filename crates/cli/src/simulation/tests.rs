//! Time, and going back in it.

use super::*;

fn orders() -> Simulation {
    let text = "{name: a, context: {n: 0}, initial: b, states: {
        b: {after: {5m: c}, on: {x: {actions: [{assign: {n: context.n + 1}}, {send: y}]}, y: {actions: {log: heard}}}},
        c: {unhandled: defer, on: {back: d}}, d: {on: {x: e}}, e: {type: final, output: context.n}}}";
    let definition = everstate_chart::read("a.yaml", text).definition.unwrap();
    Simulation::start(definition, &Json::NULL).unwrap().0
}

fn place(simulation: &Simulation) -> String {
    let description = simulation.description().unwrap();
    format!("{} {} at {}", description.labels.join(" "), description.data, simulation.now().0)
}

#[test]
fn steps_can_be_taken_back() {
    let mut simulation = orders();
    assert_eq!(place(&simulation), "b {\"n\":0} at 0");
    assert_eq!(simulation.send("x", Json::NULL), ["log heard"]);
    assert_eq!(simulation.pass(Some(60_000)), Vec::<String>::new());
    assert_eq!(simulation.timers()[0].due, Time(300_000));
    assert_eq!(simulation.pass(None), ["timer after.5m.b"]);
    assert_eq!(place(&simulation), "c {\"n\":1} at 300000");
    assert!(simulation.go(-3));
    assert_eq!(place(&simulation), "b {\"n\":0} at 0");
    assert!(!simulation.go(-1));
    assert!(simulation.go(3));
    assert_eq!(simulation.send("x", Json::NULL), ["x: deferred until the active states change"]);
    // What was kept is taken as soon as it can be.
    simulation.send("back", Json::NULL);
    assert_eq!(place(&simulation), "e {\"n\":1} at 300000");
    assert_eq!(simulation.output().unwrap().to_string(), "1");
    assert_eq!(simulation.send("x", Json::NULL), ["x: the machine is done"]);
    assert!(simulation.go(-3));
    simulation.send("nothing", Json::NULL);
    assert_eq!(simulation.position(), (4, 4), "a new way takes the place of the old one");
}
