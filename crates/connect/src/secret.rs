//! What nobody may see: read from the environment or from a file, never from a connector file, and never shown.

use std::fmt;
use std::path::PathBuf;

/// Where a secret is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// In this variable of the environment.
    Environment(String),
    /// In this file, white space around it left out.
    File(PathBuf),
}

impl Secret {
    /// The secret itself, or why there is none.
    pub fn read(&self) -> Result<String, String> {
        let text = match self {
            Secret::Environment(name) => {
                std::env::var(name).map_err(|_| format!("the environment has no {name}"))?
            }
            Secret::File(file) => std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read the secret in {}: {error}", file.display()))?,
        };
        match text.trim() {
            "" => Err(format!("there is no secret in {self:?}")),
            text => Ok(text.to_owned()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Environment(name) => write!(f, "the environment's {name}"),
            Secret::File(file) => write!(f, "the file {}", file.display()),
        }
    }
}
