//! What a script does in spaces, and what it is told there in a few words.

use everstate_kernel::space::{Act, Interest, Part, Pattern, Place, Role};
use everstate_kernel::{Effect, Json};
use std::sync::Arc;

/// How many words follow the one that names the act; none for a word that names none.
///
/// ```text
/// join PLACE NAME ROLE INTEREST PATTERN    leave PLACE NAME    assert PLACE NAME JSON
/// publish PLACE TOPIC JSON                 feedback PLACE TOPIC JSON    credit PLACE TOPIC N
/// ```
/// A place is `here`, `outer` or `@PATH`; a role `pub` or `sub`; an interest `part`, `see`, `all`, `mark` for an
/// observer that wants to be told when it has been told all, and `wait` for a participant that waits for credit.
pub(crate) fn words_after(word: &str) -> Option<usize> {
    match word {
        "join" => Some(5),
        "leave" => Some(2),
        "assert" | "publish" | "feedback" | "credit" => Some(3),
        _ => None,
    }
}

/// The effect of an act.
pub(crate) fn effect(words: &[String]) -> Effect {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let place = match words[1] {
        "here" => Place::Here,
        "outer" => Place::Outer,
        path => Place::At(Arc::from(path.strip_prefix('@').expect("a place"))),
    };
    let json = |text: &str| Json::parse(text).expect("JSON");
    let act = match words[..] {
        ["join", _, name, role, interest, pattern] => {
            let (mark, waits) = (interest == "mark", interest == "wait");
            let interest = match interest {
                "part" | "wait" => Interest::Participant,
                "see" | "mark" => Interest::Observer,
                "all" => Interest::Everything,
                other => panic!("no such interest: {other}"),
            };
            let role = if role == "pub" { Role::Publisher } else { Role::Subscriber };
            let part = Part { mark, waits, ..Part::new(topic(pattern), role, interest) };
            Act::Join { name: Arc::from(name), part }
        }
        ["leave", _, name] => Act::Leave { name: Arc::from(name) },
        ["assert", _, name, value] => Act::Assert { name: Arc::from(name), value: json(value) },
        ["publish", _, about, data] => Act::Publish { topic: topic(about), data: json(data) },
        ["feedback", _, about, data] => Act::Feedback { topic: topic(about), data: json(data) },
        ["credit", _, about, n] => {
            Act::Feedback { topic: topic(about), data: json(&format!("{{\"credit\":{n}}}")) }
        }
        _ => panic!("no such act: {words:?}"),
    };
    Effect::Act(place, act)
}

fn topic(text: &str) -> Pattern {
    Pattern::parse(text).expect("a pattern")
}

/// What an event of a space says, in a few words.
pub(crate) fn summary(data: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(data).ok()?;
    let shown = |field: &str| {
        let value = value.get(field).filter(|value| !value.is_null())?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (!text.is_empty()).then_some(text)
    };
    let fields = ["address", "endpoint", "from", "topic", "pattern", "data", "value", "reason", "detail"];
    let words: Vec<String> = fields.into_iter().filter_map(shown).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
