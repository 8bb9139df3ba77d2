//! What holds for every picture. How one looks is shown by `everstate draw`.

use super::*;
use crate::read;

fn chart(text: &str) -> Arc<Chart> {
    let outcome = read("machine.yaml", text);
    outcome.definition.unwrap_or_else(|| panic!("{:?}", outcome.findings)).chart
}

fn svg(chart: &Chart, marks: &Marks) -> String {
    draw(chart, Picture::Svg, marks).expect("a picture")
}

#[test]
fn random_charts_have_pictures_that_are_xml() {
    let mut drawn = 0;
    for seed in 0..120 {
        let text = crate::property_tests::random_definition(seed);
        let Some(definition) = read("random.yaml", &text).definition else { continue };
        let chart = definition.chart;
        let one = svg(&chart, &Marks::default());
        assert_eq!(one, svg(&chart, &Marks::default()), "the same picture every time");
        assert!(!one.contains("NaN") && !one.contains("inf"), "{text}");
        let document = roxmltree::Document::parse(&one).expect("XML");
        let names = document.descendants().filter(|node| node.attribute("class") == Some("es-name")).count();
        let histories = chart.states().filter(|one| matches!(one.kind, crate::StateKind::History { .. }));
        assert_eq!(names + histories.count(), chart.states().len(), "{text}");
        for picture in [Picture::Mermaid, Picture::Dot] {
            assert!(draw(&chart, picture, &Marks::default()).is_ok());
        }
        drawn += 1;
    }
    assert!(drawn > 80, "{drawn}");
}

#[test]
fn boxes_lie_inside_of_their_parents_and_beside_each_other() {
    for seed in 0..120 {
        let text = crate::property_tests::random_definition(seed);
        let Some(definition) = read("random.yaml", &text).definition else { continue };
        let chart = definition.chart;
        let arrows = arrows::of(&chart);
        let wires = wires::of(&chart, &arrows.all);
        let places = layout::of(&chart, &arrows, &wires).expect("places");
        for at in 1..chart.states.len() {
            let (own, outer) = (places.states[at], places.states[usize::from(chart.states[at].parent)]);
            let within = own.x >= outer.x - 0.1
                && own.y >= outer.y - 0.1
                && own.x + own.width <= outer.x + outer.width + 0.1
                && own.y + own.height <= outer.y + outer.height + 0.1;
            assert!(within, "{own:?} in {outer:?}\n{text}");
            for beside in (1..at).filter(|one| chart.states[*one].parent == chart.states[at].parent) {
                let other = places.states[beside];
                let apart = own.x >= other.x + other.width - 0.1
                    || other.x >= own.x + own.width - 0.1
                    || own.y >= other.y + other.height - 0.1
                    || other.y >= own.y + own.height - 0.1;
                assert!(apart, "{own:?} and {other:?}\n{text}");
            }
        }
        assert!(places.arrows.iter().all(|points| points.len() >= 2), "{text}");
    }
}

#[test]
fn text_cannot_break_out() {
    let text = r#"{name: a, initial: "<b>&\"'", states: {"<b>&\"'": {description: "</title>", on: {"<x>": c, "y;z": {actions: {log: "]]> # {"}}}}, c: {type: final}}}"#;
    let chart = chart(text);
    let picture = svg(&chart, &Marks::default());
    roxmltree::Document::parse(&picture).expect("XML");
    assert!(picture.contains("&lt;b&gt;&amp;&quot;&#39;"));
    let mermaid = draw(&chart, Picture::Mermaid, &Marks::default()).expect("a picture");
    assert!(mermaid.contains("#60;b#62;#38;#34;'"), "{mermaid}");
}

#[test]
fn active_states_and_missed_transitions_are_marked() {
    let chart =
        chart("{name: a, initial: b, states: {b: {initial: c, states: {c: {on: {x: d}}, d: {on: {y: c}}}}}}");
    let marks = Marks { active: vec![Arc::from("b.d")], fired: None };
    let picture = svg(&chart, &marks);
    assert_eq!(picture.matches("es-leaf es-on").count(), 1);
    assert_eq!(picture.matches("es-box es-on-box").count(), 1);
    let missed = Marks { active: Vec::new(), fired: Some(BTreeMap::new()) };
    assert_eq!(svg(&chart, &missed).matches("es-line es-missed").count(), 2);
}

#[test]
fn charts_of_thousands_of_states_are_refused() {
    let states: Vec<String> =
        (0..900).map(|at| format!("s{at}: {{on: {{go: s{}}}}}", (at * 7 + 1) % 900)).collect();
    let nine = chart(&format!("{{name: a, initial: s0, states: {{{}}}}}", states.join(", ")));
    let result = draw(&nine, Picture::Dot, &Marks::default());
    assert!(result.is_ok());
    let states: Vec<String> =
        (0..DRAWN_STATES_MAX + 1).map(|at| format!("s{at}: {{on: {{go: s0}}}}")).collect();
    let chart = chart(&format!("{{name: a, initial: s0, states: {{{}}}}}", states.join(", ")));
    assert!(matches!(draw(&chart, Picture::Svg, &Marks::default()), Err(DrawError::TooLarge(_))));
}
