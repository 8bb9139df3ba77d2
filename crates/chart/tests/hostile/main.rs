//! What is hostile has a defined answer: every item that a definition could do harm with, by name (`definitions.rs`),
//! and the fuzz targets over their corpus and over deterministic mutations of it.
//!
//! `EVERSTATE_MUTATIONS=100000` sets how many mutations of each target are tried.

mod definitions;
#[path = "../../fuzz/targets.rs"]
mod targets;

use std::path::Path;

/// Mutations of each target in a normal run: together about a second of work.
const MUTATIONS: u64 = 800;

/// Bytes that a mutated input has at most.
const BYTES_MAX: usize = 16 << 10;

/// What means something to one of the readers.
const WORDS: &[&str] = &[
    "initial",
    "states",
    "type: parallel",
    "type: history",
    "on:",
    "after:",
    "always",
    "target",
    "guard",
    "#",
    ".",
    "*",
    "&a",
    "*a",
    "<<: ",
    "!!str ",
    "---\n",
    "\u{feff}",
    "\t",
    "\r\n",
    "\0",
    "\u{10ffff}",
    "é",
    "${",
    "}",
    "{",
    "[",
    "]",
    "<!DOCTYPE x>",
    "<!ENTITY a 'b'>",
    "&a;",
    "&#x0;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "<scxml",
    "<state id='a'>",
    "</state>",
    "<history type='deep'>",
    "<invoke src='x'/>",
    "datamodel=\"cel\"",
    "9223372036854775807",
    "-9223372036854775808",
    "1e999",
    "0x",
    "0o8",
    "NaN",
    "context.n",
    "event",
    "in('a')",
    "size(",
    ".all(x, ",
    ".matches('",
    "(((((((((",
    "?:",
    "&&",
    "||",
    "'",
    "\"",
    "\\u0000",
    "\\",
    "timestamp('",
    "duration('",
    "% 0",
    "/ 0",
    "\u{80}",
];

/// The same numbers on every machine and in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % below.max(1)
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("an input")).collect()
}

/// A few changes of an input: bits, pieces taken out, doubled, put in from another one or from the words.
fn mutated(inputs: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = inputs[dice.roll(inputs.len())].clone();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len() + 1);
        let to = at + dice.roll(40).min(bytes.len() - at);
        match dice.roll(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            1 if at < bytes.len() => bytes[at] = dice.roll(256) as u8,
            2 => _ = bytes.drain(at..to),
            3 => {
                let piece = bytes[at..to].to_vec();
                let times = 1 + dice.roll(20);
                bytes.splice(at..at, piece.repeat(times));
            }
            4 => {
                let other = &inputs[dice.roll(inputs.len())];
                let from = dice.roll(other.len() + 1);
                let end = from + dice.roll(80).min(other.len() - from);
                bytes.splice(at..to, other[from..end].iter().copied());
            }
            _ => {
                let word = WORDS[dice.roll(WORDS.len())];
                bytes.splice(at..at, word.bytes());
            }
        }
        bytes.truncate(BYTES_MAX);
    }
    bytes
}

fn fuzzed(name: &str, target: fn(&[u8])) {
    let mutations =
        std::env::var("EVERSTATE_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(MUTATIONS);
    let inputs = corpus(name);
    assert!(inputs.len() > 2, "the corpus of {name} is not there");
    inputs.iter().for_each(|input| target(input));
    for seed in 0..mutations {
        let input = mutated(&inputs, &mut Dice(seed));
        let ended = std::panic::catch_unwind(|| target(&input));
        assert!(ended.is_ok(), "mutation {seed} of {name}: {:?}", String::from_utf8_lossy(&input));
    }
}

#[test]
fn yaml_of_any_sort_has_an_answer() {
    fuzzed("yaml", targets::yaml);
}

#[test]
fn scxml_of_any_sort_has_an_answer() {
    fuzzed("scxml", targets::scxml);
}

#[test]
fn flat_lists_of_any_sort_have_an_answer() {
    fuzzed("flat", targets::flat);
}

#[test]
fn expressions_of_any_sort_have_an_answer() {
    fuzzed("expression", targets::expression);
}

#[test]
fn stored_states_of_any_sort_have_an_answer() {
    fuzzed("state", targets::state);
}

#[test]
#[ignore = "writes the corpus of stored states anew; run it when their form changes"]
fn the_corpus_of_stored_states_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/state");
    std::fs::create_dir_all(&folder).expect("the folder");
    for (name, bytes) in targets::stored_states() {
        std::fs::write(folder.join(name), bytes).expect("a state");
    }
}
