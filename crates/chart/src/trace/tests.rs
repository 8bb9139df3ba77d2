//! Small documents, and what a trace shows of them.

use super::answer;

#[track_caller]
fn check(scxml: &str, events: &str, expected: &str) {
    let line = serde_json::json!({
        "id": 1,
        "scxml": scxml,
        "events": serde_json::from_str::<serde_json::Value>(events).expect("JSON"),
    });
    let actual: serde_json::Value = serde_json::from_str(&answer(&line.to_string())).expect("JSON");
    let mut lines = Vec::new();
    for step in actual["trace"].as_array().unwrap_or_else(|| panic!("{actual}")) {
        let text = |key: &str| {
            let words: Vec<&str> =
                step[key].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
            words.join(" ")
        };
        let event = step["event"].as_str().unwrap_or("-");
        lines.push(format!("{event}: {} | {}", text("configuration"), text("log")).trim().to_owned());
    }
    let expected: Vec<&str> = expected.trim().lines().map(str::trim).collect();
    assert_eq!(lines, expected, "{actual}");
}

#[test]
fn a_machine_is_seen_from_its_start_to_its_end() {
    check(
        r#"<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" datamodel="cel" initial="a">
             <datamodel><data id="n" expr="1"/></datamodel>
             <parallel id="p"><state id="a"><onentry><log expr="'in a'"/></onentry>
               <transition event="go" target="z"/>
               <transition event="later"><send event="tick" delay="1s" id="t"/><assign location="n" expr="n + 1"/></transition>
               <transition event="tick"><log label="n" expr="n"/></transition></state>
               <state id="b"/></parallel>
             <final id="z"><onentry><log label="end"/></onentry></final>
           </scxml>"#,
        r#"[{"event": "later"}, {"advance": 999}, {"advance": 1}, {"event": "what"}, {"event": "go.now"}, {"event": "x"}]"#,
        "-: a b p | in a
         later: a b p |
         @+999: a b p |
         @+1: a b p | n: 2
         what: a b p |
         go.now:  | end
         x:  |",
    );
}

#[test]
fn what_cannot_be_traced_is_told() {
    let line = |scxml: &str| answer(&serde_json::json!({"id": "x", "scxml": scxml}).to_string());
    for (scxml, part) in [
        ("<scxml datamodel='ecmascript'><state/></scxml>", "\"unsupported\""),
        ("<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><scxml>&e;</scxml>", "\"unsupported\""),
        ("<scxml><state id='a'><transition target='a'/></state></scxml>", "\"stuck\""),
        (
            "<scxml><state id='a'><onentry><send event='e'/></onentry><transition event='e' target='a'/></state></scxml>",
            "\"stuck\"",
        ),
        (
            "<scxml><state id='a'><onentry><raise event='e'/></onentry><transition event='e' target='a'/></state></scxml>",
            "\"stuck\"",
        ),
        ("<scxml><state id='a'><transition event='e' target='b'/></state></scxml>", "\"error\""),
        ("<scxml>", "\"error\""),
        ("name: x", "\"error\""),
    ] {
        let answer = line(scxml);
        assert!(answer.contains(part) && answer.contains("\"id\":\"x\""), "{scxml}: {answer}");
    }
    assert!(answer("nonsense").contains("\"error\""));
}
