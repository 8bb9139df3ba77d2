//! A file of settings: TOML or YAML, by its name. Keys and values with their places.
//!
//! It refuses to know which settings there are. Its one invariant: every key of the file comes out once, as a text, or
//! the file is refused with the line and the column of what is wrong.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::path::Path;

/// Bytes of a file of settings; what is larger is another file.
const FILE_BYTES_MAX: usize = 1 << 20;

/// A key and its value as written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) place: Place,
}

/// A line and a column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// Reads a text; what is wrong with it otherwise, with its place.
pub(super) fn read(text: &str, path: &Path) -> Result<Vec<Line>, String> {
    if text.len() > FILE_BYTES_MAX {
        return Err(format!("{} is larger than {FILE_BYTES_MAX} bytes", path.display()));
    }
    let is_yaml =
        path.extension().is_some_and(|extension| matches!(extension.to_str(), Some("yaml" | "yml" | "json")));
    let read = if is_yaml { yaml(text) } else { toml(text) };
    let problem = |(place, problem): (Place, String)| {
        format!("{}:{}:{}: {problem}", path.display(), place.line, place.column)
    };
    let lines = read.map_err(problem)?;
    for (index, line) in lines.iter().enumerate() {
        if lines[..index].iter().any(|before| before.key == line.key) {
            return Err(problem((line.place, format!("{} is given a second time", line.key))));
        }
    }
    Ok(lines)
}

fn toml(text: &str) -> Result<Vec<Line>, (Place, String)> {
    use toml::de::{DeTable, DeValue};
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        (place(text, at), format!("it is not TOML: {}", error.message()))
    })?;
    let mut lines = Vec::new();
    for (key, value) in table.get_ref() {
        let at = place(text, key.span().start);
        let value = match value.get_ref() {
            DeValue::String(value) => value.to_string(),
            DeValue::Integer(value) => value.to_string(),
            DeValue::Float(value) => value.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            _ => {
                return Err((at, format!("{} is no single value; write {0} = …", key.get_ref())));
            }
        };
        lines.push(Line { key: key.get_ref().to_string(), value, place: at });
    }
    Ok(lines)
}

fn yaml(text: &str) -> Result<Vec<Line>, (Place, String)> {
    let mut lines = Vec::new();
    // The key whose value comes next.
    let mut key: Option<(String, Place)> = None;
    let mut within = false;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let at = Place { line: error.marker().line(), column: error.marker().col() + 1 };
            (at, format!("it is not YAML: {}", error.info()))
        })?;
        let at = begin(&span);
        match (event, key.take()) {
            (Event::MappingStart(..), None) if !within => within = true,
            (Event::Scalar(name, ..), None) if within => key = Some((name.into_owned(), at)),
            (Event::Scalar(value, style, ..), Some((name, at))) => {
                let empty = style == ScalarStyle::Plain && matches!(&*value, "" | "~" | "null");
                let value = if empty { String::new() } else { value.into_owned() };
                lines.push(Line { key: name, value, place: at });
            }
            (
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::MappingEnd,
                None,
            ) => {}
            // An empty file.
            (Event::Scalar(value, ScalarStyle::Plain, ..), None) if value.is_empty() || &*value == "~" => {}
            (_, Some((name, at))) => {
                return Err((at, format!("{name} is no single value; write {name}: …")));
            }
            (_, None) => return Err((at, "settings are written as KEY: VALUE, one a line".into())),
        }
    }
    Ok(lines)
}

fn begin(span: &Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}

/// The place of a byte of a text.
fn place(text: &str, at: usize) -> Place {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    Place { line, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str) -> String {
        match read(text, Path::new(name)) {
            Ok(lines) => {
                let shown = |line: Line| {
                    format!("{}={}@{}:{}", line.key, line.value, line.place.line, line.place.column)
                };
                lines.into_iter().map(shown).collect::<Vec<_>>().join(" ")
            }
            Err(problem) => problem,
        }
    }

    #[test]
    fn both_say_the_same() {
        let toml = "# settings\nlisten = \"127.0.0.1:1\"\nqueue-max = 7\n  insecure = true\n";
        assert_eq!(check("e.toml", toml), "insecure=true@4:3 listen=127.0.0.1:1@2:1 queue-max=7@3:1");
        let yaml = "# settings\nlisten: 127.0.0.1:1\nqueue-max: 7\n\ninsecure: true\ntokens:\n";
        assert_eq!(
            check("e.yaml", yaml),
            "listen=127.0.0.1:1@2:1 queue-max=7@3:1 insecure=true@5:1 tokens=@6:1"
        );
        assert_eq!(check("e.yml", "{\"listen\": \"x\"}"), "listen=x@1:2");
        assert_eq!((check("e.yaml", ""), check("e.toml", "")), (String::new(), String::new()));
        assert_eq!(check("e.yaml", "# nothing\n"), "");
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        assert!(
            check("e.toml", "\nlisten = ").starts_with("e.toml:2:"),
            "{}",
            check("e.toml", "\nlisten = ")
        );
        assert_eq!(check("e.toml", "a = 1\nb = [1]"), "e.toml:2:1: b is no single value; write b = …");
        assert_eq!(check("e.yaml", "a: 1\nb: [1]"), "e.yaml:2:1: b is no single value; write b: …");
        assert_eq!(check("e.yaml", "a: 1\nb: {c: 1}"), "e.yaml:2:1: b is no single value; write b: …");
        assert_eq!(check("e.yaml", "a: 1\na: 2"), "e.yaml:2:1: a is given a second time");
        let lists = "e.yaml:1:1: settings are written as KEY: VALUE, one a line";
        assert_eq!(check("e.yaml", "- a"), lists);
        assert_eq!(check("e.yaml", "text"), lists);
        assert!(check("e.yaml", "a: \"").contains("it is not YAML"));
        assert!(check("e.yaml", &"#".repeat(FILE_BYTES_MAX + 1)).contains("is larger than"));
    }
}
