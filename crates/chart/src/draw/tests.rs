//! Pictures of the examples, and what holds for every picture.

use super::*;
use crate::read;

fn chart(text: &str) -> Arc<Chart> {
    let outcome = read("machine.yaml", text);
    outcome.definition.unwrap_or_else(|| panic!("{:?}", outcome.findings)).chart
}

#[test]
fn pictures_to_look_at() {
    let Ok(folder) = std::env::var("EVERSTATE_PICTURES") else { return };
    for entry in std::fs::read_dir(&folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|end| end != "yaml" && end != "scxml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a file");
        let chart = chart(&text);
        let active = chart.initial();
        let marks = Marks { active, fired: None };
        let svg = draw(&chart, Picture::Svg, &marks).expect("a picture");
        std::fs::write(path.with_extension("svg"), svg).expect("written");
    }
}
