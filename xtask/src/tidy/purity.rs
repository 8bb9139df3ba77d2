//! Words that may not stand in the pure crates: with them comes the world.

use super::Text;

const PURE: &[&str] = &["crates/kernel/src/", "crates/chart/src/"];

/// A word, and what comes in with it.
const FORBIDDEN: &[(&str, &str)] = &[
    ("std::time", "a clock"),
    ("Instant::now", "a clock"),
    ("SystemTime", "a clock"),
    ("std::fs", "files"),
    ("std::net", "the network"),
    ("std::env", "the environment"),
    ("std::process", "processes"),
    ("std::thread", "threads"),
    ("thread_local", "threads"),
    ("HashMap", "the order of a hash"),
    ("HashSet", "the order of a hash"),
    ("async fn", "a scheduler"),
    ("tokio", "a scheduler"),
    ("rand::", "chance"),
    ("static mut", "a global"),
    ("Mutex", "a global or a thread"),
    ("RwLock", "a global or a thread"),
    ("OnceLock", "a global"),
];

pub fn check(files: &[Text], problems: &mut Vec<String>) {
    let pure =
        |file: &&Text| PURE.iter().any(|folder| file.path.starts_with(folder)) && file.path.ends_with(".rs");
    for file in files.iter().filter(pure).filter(|file| !is_test(&file.path)) {
        for (number, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for (word, what) in FORBIDDEN.iter().filter(|(word, _)| stands_in(code, word)) {
                problems.push(format!(
                    "{}:{}: {word} brings {what} into a pure crate",
                    file.path,
                    number + 1
                ));
            }
        }
    }
}

/// Does the word stand there by itself, and not at the end of a longer one?
fn stands_in(code: &str, word: &str) -> bool {
    let begins = |place: usize| !code[..place].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    code.match_indices(word).any(|(place, _)| begins(place))
}

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/")
}
