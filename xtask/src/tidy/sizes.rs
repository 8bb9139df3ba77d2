//! How long files and functions are. A file over the limit needs a reason in the list; the list only shrinks: an
//! entry that is no longer needed, or allows more than is needed, is a problem too.

use super::Text;

/// Lines of a file that need no reason.
const FILE_LINES_MAX: usize = 600;

/// Lines of a function, its signature included.
const FUNCTION_LINES_MAX: usize = 80;

/// A file, how many lines it may have at most, and why it is one thing.
const LONGER_FILES: &[(&str, usize, &str)] = &[
    ("crates/chart/src/expression/check.rs", 780, "one pass over one tree: a type for every kind of node"),
    (
        "crates/chart/src/expression/evaluate.rs",
        840,
        "one pass over one tree: a value for every kind of node",
    ),
    ("crates/chart/src/semantics_tests.rs", 900, "one list of charts with what they do"),
];

/// A function (`file:name`), how many lines it may have at most, and why.
const LONGER_FUNCTIONS: &[(&str, usize, &str)] = &[];

pub fn check(files: &[Text], problems: &mut Vec<String>) {
    let mut used = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let lines = file.text.lines().count();
        judge(&file.path, lines, FILE_LINES_MAX, LONGER_FILES, &mut used, problems);
        let says_itself = file.path.ends_with("build.rs") || file.path.ends_with("/tests.rs");
        if !file.text.starts_with("//!") && !says_itself {
            problems.push(format!("{}: does not say at the top what it is for", file.path));
        }
        for (name, lines) in functions(&file.text) {
            let place = format!("{}:{name}", file.path);
            judge(&place, lines, FUNCTION_LINES_MAX, LONGER_FUNCTIONS, &mut used, problems);
        }
    }
    for (place, ..) in LONGER_FILES.iter().chain(LONGER_FUNCTIONS) {
        if !used.contains(place) {
            problems.push(format!("{place}: is in the list of exceptions and needs none; take it out"));
        }
    }
}

fn judge(
    place: &str,
    lines: usize,
    max: usize,
    exceptions: &'static [(&str, usize, &str)],
    used: &mut Vec<&'static str>,
    problems: &mut Vec<String>,
) {
    if lines <= max {
        return;
    }
    match exceptions.iter().find(|(exception, ..)| *exception == place) {
        None => problems.push(format!("{place}: {lines} lines, the limit is {max}")),
        Some((exception, allowed, _)) => {
            used.push(exception);
            if lines > *allowed {
                problems.push(format!("{place}: {lines} lines, its exception allows {allowed}"));
            } else if lines + 50 < *allowed {
                problems.push(format!("{place}: {lines} lines, lower its exception of {allowed}"));
            }
        }
    }
}

/// Names and lengths of all functions, as rustfmt lays them out: from `fn` to the brace at the same indentation.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        let Some(name) = function_name(code) else { continue };
        let end = format!("{indent}}}");
        let length = lines[start..].iter().position(|line| {
            *line == end || line.trim_end().ends_with(';') && line.starts_with(&format!("{indent})"))
        });
        if let Some(length) = length {
            found.push((name.to_owned(), length + 1));
        }
    }
    found
}

fn function_name(code: &str) -> Option<&str> {
    let mut rest = code;
    for word in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async ", "unsafe "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let rest = rest.strip_prefix("fn ")?;
    if code.ends_with(';') || code.ends_with('}') {
        return None;
    }
    rest.split(['(', '<']).next()
}
