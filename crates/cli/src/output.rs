//! Where data and talk go, and in which manner.
//!
//! Its one invariant: stdout carries nothing but data, so that it can be piped at any time.

use crate::failure::Failure;
use crate::paint::Paint;
use serde_json::Value as Json;
use std::io::{BufWriter, IsTerminal, Write};

/// How to speak.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// For machines.
    pub(crate) json: bool,
    /// No talk but failures.
    pub(crate) quiet: bool,
    /// Colour on stdout.
    pub(crate) data_paint: Paint,
    /// Colour on stderr.
    pub(crate) talk_paint: Paint,
    /// Somebody may be watching stderr.
    pub(crate) watched: bool,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Manner {
    pub(crate) fn new(json: bool, quiet: bool, colour: Colour) -> Manner {
        let (data, talk) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        // https://no-color.org: present and not empty.
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let paint = |terminal: bool| match colour {
            Colour::Auto => Paint(terminal && !unwanted),
            Colour::Always => Paint(true),
            Colour::Never => Paint(false),
        };
        Manner { json, quiet, data_paint: paint(data), talk_paint: paint(talk), watched: talk && !quiet }
    }
}

/// Stdout and stderr.
pub(crate) struct Output {
    data: Box<dyn Write>,
    talk: Box<dyn Write>,
    manner: Manner,
}

impl Output {
    pub(crate) fn new(manner: &Manner) -> Output {
        let data = BufWriter::with_capacity(64 << 10, std::io::stdout());
        Output { data: Box::new(data), talk: Box::new(std::io::stderr()), manner: *manner }
    }

    pub(crate) fn manner(&self) -> &Manner {
        &self.manner
    }

    /// Is the answer for a machine?
    pub(crate) fn json(&self) -> bool {
        self.manner.json
    }

    /// Colour for data.
    pub(crate) fn paint(&self) -> Paint {
        self.manner.data_paint
    }

    /// Text for people, as it stands.
    pub(crate) fn data(&mut self, text: &str) -> Result<(), Failure> {
        self.raw(text.as_bytes())
    }

    /// Bytes, as they stand.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.data.write_all(bytes).map_err(|error| Failure::writing(&error))
    }

    /// One document for a machine: indented when it is the whole answer.
    pub(crate) fn document(&mut self, document: &Json) -> Result<(), Failure> {
        self.data(&format!("{document:#}\n"))
    }

    /// One of many documents: a line each.
    pub(crate) fn line(&mut self, document: &Json) -> Result<(), Failure> {
        self.data(&format!("{document}\n"))
    }

    /// Words beside the data; one or more lines.
    pub(crate) fn talk(&mut self, text: &str) -> Result<(), Failure> {
        if self.manner.quiet {
            return Ok(());
        }
        // What was said before must be seen before.
        self.flush()?;
        writeln!(self.talk, "{}", text.trim_end_matches('\n')).map_err(|error| Failure::writing(&error))
    }

    pub(crate) fn talk_writer(&mut self) -> &mut dyn Write {
        &mut *self.talk
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.data.flush().map_err(|error| Failure::writing(&error))
    }
}

/// The time in milliseconds since 1970, for "how long ago".
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
