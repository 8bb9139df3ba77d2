//! Who may call: bearer tokens from a file.
//!
//! It refuses to print a token, whole or in part, and keeps none that it was only shown.
//!
//! Its one invariant: how long a check takes does not tell how much of a token was right.

use crate::failure::Failure;
use everstate_api::Code;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::fmt;
use std::path::Path;
use subtle::ConstantTimeEq;

/// The tokens that open the server. With none, everybody may call.
#[derive(Default)]
pub(crate) struct Tokens(Vec<Token>);

struct Token {
    /// For the log; the number of its line when it was given no name.
    name: String,
    secret: Box<[u8]>,
}

/// The shortest token. 16 characters of a random token are beyond guessing over a network.
const TOKEN_BYTES_MIN: usize = 16;

/// The longest. A line beyond it is no token but a file of another kind.
const TOKEN_BYTES_MAX: usize = 4096;

impl Tokens {
    /// Reads the file of tokens.
    pub(crate) fn load(path: &Path) -> Result<Tokens, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read the tokens in {}: {error}", path.display()))?;
        Tokens::parse(&text).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    /// One token a line, alone or as `name:token`. Empty lines and those that begin with `#` are passed over.
    fn parse(text: &str) -> Result<Tokens, String> {
        let mut tokens = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, secret) = match line.split_once(':') {
                Some((name, secret)) => (name.trim().to_string(), secret.trim()),
                None => (format!("line {}", index + 1), line),
            };
            if !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&secret.len()) {
                return Err(format!(
                    "the token in line {} has {} characters; use {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX}, such as from `openssl rand -hex 32`",
                    index + 1,
                    secret.len()
                ));
            }
            if !secret.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(format!("the token in line {} has characters that no header carries", index + 1));
            }
            tokens.push(Token { name, secret: secret.as_bytes().into() });
        }
        if tokens.is_empty() {
            return Err("there is no token in it; write one a line, or leave --tokens out".into());
        }
        Ok(Tokens(tokens))
    }

    /// The name of the token that a request brings. Every known token is compared, whichever matches.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<Option<&str>, Failure> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let Some(shown) = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes())) else {
            let problem = "this server wants a token; send the header Authorization: Bearer TOKEN";
            return Err(Failure::new(Code::Unauthenticated, problem));
        };
        let mut found = None;
        for token in &self.0 {
            if bool::from(token.secret.as_ref().ct_eq(shown)) {
                found = Some(token.name.as_str());
            }
        }
        match found {
            Some(name) => Ok(Some(name)),
            None => Err(Failure::new(Code::Unauthenticated, "the token is not one that this server knows")),
        }
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
