//! What holds for every chart and every mapping: what is carried over is legal, what is the same stays the same, and
//! there and back is nothing.

use super::*;
use crate::property_tests::random_definition;
use crate::stored;
use proptest::prelude::*;

/// An instance of a random chart after random events; none when the chart is no good or the instance has ended.
fn random_instance(text: &str, events: &[u8]) -> Option<Instance> {
    let definition = read("random.yaml", text).definition?;
    let names: Vec<String> = events.iter().map(|event| format!("e{event}")).collect();
    let chart = definition.chart.clone();
    let mut instance = Instance {
        address: Address::parse("random/1").expect("an address"),
        definition,
        state: Vec::new(),
        timers: Vec::new(),
        tasks: Vec::new(),
        now: Time(1_000),
        turns: 0,
    };
    let address = instance.address.clone();
    let mut turn = Turn {
        now: Time(1_000),
        seed: 1,
        instance: &address,
        version: "v1",
        incarnation: 1,
        parent: None,
        children: &[],
        effects: Vec::new(),
    };
    chart.start(&Json::NULL, &mut turn).ok().filter(|next| next.done.is_none())?;
    instance.turn(None);
    for name in names {
        let event = Event {
            id: EventId::parse("e").expect("an id"),
            name: Arc::from(name.as_str()),
            data: Json::NULL,
            sender: Sender::Client,
            time: Time(1_000),
        };
        let state = chart.decode(&instance.state).expect("it is its own");
        turn.effects.clear();
        match chart.handle(&state, &event, &mut turn) {
            Ok(Handled::Took(next)) if next.done.is_some() => break,
            Ok(Handled::Took(_)) => instance.turn(Some(&name)),
            _ => {}
        }
    }
    Some(instance)
}

/// The same chart with every state called otherwise.
fn renamed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    for (at, c) in text.char_indices() {
        let digit = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        let begins = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        out.push(if c == 's' && digit && begins { 'z' } else { c });
    }
    out
}

fn all_renamed(of: &ChartDefinition, from: char, to: char) -> Mapping {
    let paths = of.chart.states.iter().skip(1).map(|state| state.path.to_string());
    let states = paths.map(|path| {
        let other: String = path.chars().map(|c| if c == from { to } else { c }).collect();
        (path, vec![other])
    });
    Mapping { states: states.collect(), ..Mapping::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_carried_over_is_legal(
        seeds in (0..400u64, 0..400u64),
        events in prop::collection::vec(0..4u8, 0..12),
        routes in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<prop::sample::Index>(), 1..3)), 0..8),
        accepting in any::<bool>(),
    ) {
        let Some(instance) = random_instance(&random_definition(seeds.0), &events) else { return Ok(()) };
        let Some(new) = read("random.yaml", &random_definition(seeds.1)).definition else { return Ok(()) };
        let old = instance.definition.chart.clone();
        let path = |chart: &crate::Chart, index: &prop::sample::Index| {
            chart.states[1 + index.index(chart.states.len() - 1)].path.to_string()
        };
        let mut states: Vec<(String, Vec<String>)> = Vec::new();
        for (from, to) in &routes {
            let route = (path(&old, from), to.iter().map(|to| path(&new.chart, to)).collect::<Vec<_>>());
            let alone = Mapping { states: vec![route.clone()], ..Mapping::default() };
            let fits = Migration::new(old.clone(), new.chart.clone(), &alone).is_ok();
            if fits && states.iter().all(|(other, _)| *other != route.0) {
                states.push(route);
            }
        }
        let words = crate::change::ObstacleCode::acceptable().map(|code| code.as_str().to_owned());
        let accept = if accepting { words.collect() } else { Vec::new() };
        let mapping = Mapping { states, accept, ..Mapping::default() };
        let migration = Migration::new(old, new.chart.clone(), &mapping).expect("each entry fits");
        match migration.carry(&instance.occupant(&[])) {
            Err(obstacles) => prop_assert!(!obstacles.is_empty()),
            Ok(carried) => {
                let state = stored::decode(&new.chart, carried.state.as_slice()).expect("it is read back");
                prop_assert!(state.configuration.is_legal(&new.chart));
                prop_assert_eq!(&state.labels, &carried.labels);
                let names: std::collections::BTreeSet<_> = carried.timers.iter().map(|timer| timer.name.clone()).collect();
                prop_assert_eq!(names.len(), carried.timers.len());
                // A state's timer is set exactly while the state is active.
                for timer in carried.timers.iter().filter(|timer| timer.name.starts_with("after.")) {
                    let of_active = state.configuration.0.iter().any(|at| new.chart.state(*at).after.iter().any(|after| after.name == timer.name));
                    prop_assert!(of_active, "{}", timer.name);
                }
            }
        }
    }

    #[test]
    fn to_the_same_chart_nothing_changes(seed in any::<u64>(), events in prop::collection::vec(0..4u8, 0..20)) {
        let text = random_definition(seed);
        let Some(instance) = random_instance(&text, &events) else { return Ok(()) };
        let new = definition(&text);
        let old = instance.definition.chart.clone();
        let migration = Migration::new(old, new.chart, &Mapping::default()).expect("nothing is said");
        let carried = migration.carry(&instance.occupant(&[])).expect("it is the same");
        prop_assert_eq!(carried.state.as_slice(), &instance.state[..]);
        prop_assert_eq!(&carried.timers, &instance.timers);
        prop_assert_eq!((carried.effects, carried.notes), (Vec::new(), Vec::new()));
    }

    #[test]
    fn there_and_back_is_nothing(seed in any::<u64>(), events in prop::collection::vec(0..4u8, 0..20)) {
        let text = random_definition(seed);
        let Some(mut instance) = random_instance(&text, &events) else { return Ok(()) };
        let (old, new) = (definition(&text), definition(&renamed(&text)));
        let there = Migration::new(old.chart.clone(), new.chart.clone(), &all_renamed(&old, 's', 'z')).expect("all names are there");
        let back = Migration::new(new.chart.clone(), old.chart.clone(), &all_renamed(&new, 'z', 's')).expect("all names are there");
        let carried = there.carry(&instance.occupant(&[])).expect("only names differ");
        let (state, timers) = (instance.state.clone(), instance.timers.clone());
        (instance.state, instance.timers) = (carried.state.as_slice().to_vec(), carried.timers);
        let carried = back.carry(&instance.occupant(&[])).expect("only names differ");
        prop_assert_eq!(carried.state.as_slice(), &state[..]);
        prop_assert_eq!(carried.timers, timers);
    }

    #[test]
    fn a_placement_is_legal(seed in any::<u64>(), events in prop::collection::vec(0..4u8, 0..12), to in prop::collection::vec(any::<prop::sample::Index>(), 1..3)) {
        let Some(instance) = random_instance(&random_definition(seed), &events) else { return Ok(()) };
        let chart = instance.definition.chart.clone();
        let states: Vec<String> = to.iter().map(|to| chart.states[1 + to.index(chart.states.len() - 1)].path.to_string()).collect();
        let Ok(placement) = Placement::new(chart.clone(), &states, &[]) else { return Ok(()) };
        if let Ok(placed) = placement.place(&instance.occupant(&[])) {
            let state = stored::decode(&chart, placed.state.as_slice()).expect("it is read back");
            prop_assert!(state.configuration.is_legal(&chart));
            for path in &states {
                prop_assert!(state.labels.iter().any(|label| **label == **path || label.starts_with(&format!("{path}."))), "{path}");
            }
        }
    }

    #[test]
    fn a_chart_differs_from_itself_in_nothing(seed in any::<u64>()) {
        let text = random_definition(seed);
        let Some(one) = read("random.yaml", &text).definition else { return Ok(()) };
        let other = definition(&text);
        prop_assert!(crate::change::diff(&one, &other).is_empty());
        let renamed = definition(&renamed(&text));
        prop_assert!(!crate::change::diff(&one, &renamed).is_empty());
    }
}
