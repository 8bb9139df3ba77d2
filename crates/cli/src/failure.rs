//! What a command says when it cannot do what it was asked, and how it exits.
//!
//! Its one invariant: a failure is told as: what happened, then what to do about it.

use crate::output::Manner;
use everstate_api::Code;
use everstate_client::{ClientError, Refusal, TargetError};
use serde_json::{Value as Json, json};
use std::io;
use std::process::ExitCode;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, and all is well.
    Fine,
    /// There is a problem: findings, an event that was rejected or failed, something that is not there.
    Problem,
    /// The command line is wrong.
    Usage,
    /// The server cannot be reached.
    Unreachable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Problem => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
        })
    }
}

/// Why a command ended early.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Stable, such as `unknown-definition`.
    code: Box<str>,
    /// Lower case, the value at fault last.
    message: String,
    /// The field at fault.
    field: Box<str>,
    /// The next action.
    hints: Vec<String>,
    /// Anchor in docs/errors.md.
    help: Box<str>,
    broken_pipe: bool,
}

impl Failure {
    /// Something is not as it should be.
    pub(crate) fn problem(code: &str, message: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Problem,
            code: code.into(),
            message: message.into(),
            field: "".into(),
            hints: Vec::new(),
            help: "".into(),
            broken_pipe: false,
        }
    }

    /// The command line says something that cannot be meant.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Usage, ..Failure::problem("usage", message) }
    }

    /// What is to be spoken to cannot be reached.
    pub(crate) fn unreachable(code: &str, message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Unreachable, ..Failure::problem(code, message) }
    }

    /// With the next action.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// With the action that is nearer than those there are.
    pub(crate) fn first_hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.insert(0, hint.into());
        self
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(action: &str, file: &std::path::Path, error: &io::Error) -> Failure {
        Failure::problem("file", format!("cannot {action} {}: {}", file.display(), plain(error)))
    }

    pub(crate) fn writing(error: &io::Error) -> Failure {
        let failure = Failure::problem("output", format!("cannot write the output: {}", plain(error)));
        Failure { broken_pipe: error.kind() == io::ErrorKind::BrokenPipe, ..failure }
    }

    /// Has whoever read our output gone away?
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }

    pub(crate) fn refused(refusal: &Refusal) -> Failure {
        let mut failure = Failure::problem(&refusal.code, &refusal.message);
        failure.field = refusal.field.as_str().into();
        // Servers name the page or only its entry.
        let entry = refusal.help.rsplit('#').next().unwrap_or_default();
        failure.help = entry.into();
        match Code::parse(&refusal.code) {
            Some(Code::Unauthenticated) => {
                failure = failure.hint("give the token with --token-file FILE or in EVERSTATE_TOKEN");
            }
            Some(code) => failure = failure.hint(code.entry().remedy),
            None => {}
        }
        failure
    }

    pub(crate) fn render(&self, manner: &Manner) -> String {
        if manner.json {
            return format!("{}\n", json!({ "error": self.document() }));
        }
        let paint = manner.talk_paint;
        let mut text = format!("{} {}\n", paint.bad("error:"), self.message.trim_end());
        if !self.field.is_empty() && !self.message.contains(&*self.field) {
            text += &format!("  {} {}\n", paint.dim("in"), self.field);
        }
        for hint in &self.hints {
            text += &format!("{} {}\n", paint.name("hint:"), uncapped(hint.trim_end_matches('.')));
        }
        if !self.help.is_empty() {
            text += &format!("{} docs/errors.md#{}\n", paint.dim("help:"), self.help);
        }
        text
    }

    fn document(&self) -> Json {
        json!({
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "hints": self.hints,
            "help": self.help,
        })
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let told = error.to_string();
        match &error {
            ClientError::Refused(refusal) => Failure::refused(refusal),
            ClientError::Unreachable { .. } => {
                Failure { exit: Exit::Unreachable, ..Failure::problem("unreachable", told) }
                    .hint("start one with: everstate serve, or name another with --server URL")
            }
            ClientError::Interrupted { .. } => {
                Failure { exit: Exit::Unreachable, ..Failure::problem("interrupted", told) }
                    .hint("to repeat the command is safe when it names the event with --id")
            }
            ClientError::Foreign { .. } => {
                Failure { exit: Exit::Unreachable, ..Failure::problem("foreign", told) }
                    .hint("check the host and port of --server")
            }
        }
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Failure {
        Failure::usage(error.to_string())
    }
}

/// What the system said, in our manner: lower case, without its number.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    uncapped(&text[..end])
}

/// Lower case at the beginning, unless it begins with an abbreviation.
fn uncapped(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
