//! JSON under other names.
//!
//! It refuses to know whose names they are. Its one invariant: an object that has a name among its keys has its entries in
//! order of keys, as the kernel writes them; nothing else changes its place.

use everstate_kernel::{Json, Rename};
use std::ops::Range;

/// An object or a list that has not ended yet.
struct Open {
    is_object: bool,
    /// Is a key of it a name?
    is_named: bool,
    /// Where its entries are in what was written.
    entries: Vec<Range<usize>>,
}

pub(super) fn renamed(json: &Json, rename: Rename<'_>) -> Json {
    let (mut rest, mut out) = (json.as_str(), String::new());
    let (mut open, mut is_key): (Vec<Open>, bool) = (Vec::new(), false);
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' { text_end(rest) } else { first.len_utf8() };
        let (token, after) = rest.split_at(length);
        rest = after;
        match first {
            '"' => {
                let begin = out.len();
                let other = serde_json::from_str::<String>(token).ok().and_then(|text| rename(&text));
                let written = other.as_ref().and_then(|other| serde_json::to_string(&**other).ok());
                out.push_str(written.as_deref().unwrap_or(token));
                if let Some(object) = open.last_mut().filter(|_| is_key) {
                    object.is_named |= other.is_some();
                    object.entries.push(begin..begin);
                }
                is_key = false;
            }
            '}' | ']' => {
                if let Some(object) = open.pop().filter(|object| object.is_named) {
                    put_in_order(&mut out, &object.entries);
                }
                out.push(first);
            }
            _ => out.push_str(token),
        }
        if matches!(first, '{' | '[') {
            open.push(Open { is_object: first == '{', is_named: false, entries: Vec::new() });
            is_key = first == '{';
        } else if first == ',' {
            is_key = open.last().is_some_and(|one| one.is_object);
        } else if !first.is_whitespace()
            && let Some(entry) = open.last_mut().and_then(|one| one.entries.last_mut())
        {
            entry.end = out.len();
        }
    }
    Json::trusted(out)
}

/// Orders entries by their keys; what is between them stays.
fn put_in_order(out: &mut String, entries: &[Range<usize>]) {
    let Some(first) = entries.first() else { return };
    let key = |entry: &str| serde_json::from_str::<String>(&entry[..text_end(entry)]).unwrap_or_default();
    let mut ordered: Vec<&str> = entries.iter().map(|entry| &out[entry.clone()]).collect();
    ordered.sort_by_cached_key(|entry| (key(entry), *entry));
    let (mut text, mut at) = (String::new(), first.start);
    for (entry, other) in entries.iter().zip(ordered) {
        text += &out[at..entry.start];
        text += other;
        at = entry.end;
    }
    out.replace_range(first.start..at, &text);
}

/// How long a text is that begins with its quotation mark.
fn text_end(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().enumerate().skip(1).find_map(|(at, byte)| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends.then_some(at + 1)
    });
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::renamed;
    use everstate_kernel::Json;
    use std::sync::Arc;

    /// Ann and cid with names exchanged.
    fn exchanged(text: &str) -> String {
        let rename = |text: &str| match text {
            "ann" => Some(Arc::from("cid")),
            "bob" => Some(Arc::from("bob")),
            "cid" => Some(Arc::from("ann")),
            _ => None,
        };
        renamed(&Json::parse(text).unwrap(), &rename).to_string()
    }

    #[test]
    fn entries_with_names_are_in_order_and_nothing_else_moves() {
        for (one, other) in [
            (r#"{"ann":1,"bob":2,"cid":3}"#, r#"{"ann":3,"bob":2,"cid":1}"#),
            (
                r#"{"z":["cid","ann"],"a":{"ann": {"x":"\",}"}, "an!":[1,2]}}"#,
                r#"{"z":["ann","cid"],"a":{"an!": [1,2], "cid":{"x":"\",}"}}}"#,
            ),
            (r#"[{"y":1,"x":"ann"}]"#, r#"[{"y":1,"x":"cid"}]"#),
            (r#""ann""#, r#""cid""#),
        ] {
            let plain = |text: &str| text.replace("\": ", "\":");
            assert_eq!(plain(&exchanged(one)), plain(other));
            assert_eq!(plain(&exchanged(&exchanged(one))), plain(&exchanged_in_place(one)));
        }
    }

    /// Exchanging twice leaves what there was, in order.
    fn exchanged_in_place(text: &str) -> String {
        let rename = |text: &str| matches!(text, "ann" | "bob" | "cid").then(|| Arc::from(text));
        renamed(&Json::parse(text).unwrap(), &rename).to_string()
    }
}
