//! The words of an expression, with the bytes where each stands.
//!
//! It refuses to know grammar. Its one invariant: it always gets forward, whatever the text, and its work is in
//! proportion to the text's length.

use super::ExpressionError;
use super::syntax::Span;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(Arc<str>),
    /// A name in backquotes, allowed as a field only.
    Quoted(Arc<str>),
    Int(u64),
    Uint(u64),
    Double(f64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    /// Punctuation and operators, as written.
    Sign(&'static str),
    End,
}

/// Longer ones first, so that `<=` is not taken for `<`.
const SIGNS: [&str; 26] = [
    "&&", "||", "==", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ".", ",", ":", "?", "+", "-", "*", "/",
    "%", "<", ">", "!", "=", "&",
];

pub(super) struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a str) -> Lexer<'a> {
        Lexer { source, at: 0 }
    }

    fn rest(&self) -> &'a [u8] {
        &self.source.as_bytes()[self.at..]
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.rest().get(ahead).copied().unwrap_or(0)
    }

    /// The next word.
    pub(super) fn next(&mut self) -> Result<(Token, Span), ExpressionError> {
        self.skip_space();
        let start = self.at;
        let token = match self.peek(0) {
            0 if self.rest().is_empty() => Token::End,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => match self.literal_prefix() {
                Some(prefix) => self.literal(prefix)?,
                None => self.name(),
            },
            b'"' | b'\'' => self.literal(Prefix::default())?,
            b'0'..=b'9' => self.number()?,
            b'.' if self.peek(1).is_ascii_digit() => self.number()?,
            b'`' => self.quoted_name()?,
            _ => self.sign()?,
        };
        Ok((token, Span::new(start, self.at)))
    }

    fn skip_space(&mut self) {
        loop {
            match self.peek(0) {
                b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' => self.at += 1,
                b'/' if self.peek(1) == b'/' => {
                    let line = self.rest().iter().position(|byte| *byte == b'\n');
                    self.at += line.unwrap_or(self.rest().len());
                }
                _ => return,
            }
        }
    }

    fn name(&mut self) -> Token {
        let length = count(self.rest(), |byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let name = &self.source[self.at..self.at + length];
        self.at += length;
        Token::Name(Arc::from(name))
    }

    fn quoted_name(&mut self) -> Result<Token, ExpressionError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/ ".contains(&byte);
        let length = count(&self.rest()[1..], fits);
        let span = Span::new(self.at, self.at + length + 1);
        if length == 0 || self.peek(length + 1) != b'`' {
            let hint = "it may hold letters, digits, space and _ . - /, and ends with a backquote";
            return Err(span.error("malformed name in backquotes", Some(hint.into())));
        }
        let name = &self.source[self.at + 1..self.at + 1 + length];
        self.at += length + 2;
        Ok(Token::Quoted(Arc::from(name)))
    }

    fn sign(&mut self) -> Result<Token, ExpressionError> {
        let rest = &self.source[self.at..];
        let span = Span::new(self.at, self.at + rest.chars().next().map_or(0, char::len_utf8));
        let found = SIGNS.iter().find(|sign| rest.starts_with(**sign));
        let hint = match found {
            Some(&"=") => "write '==' to compare; expressions cannot assign",
            Some(&"&") => "write '&&'",
            None if rest.starts_with('|') => "write '||'",
            None if rest.starts_with(['“', '”', '‘', '’']) => "write straight quotes",
            None => "it has no meaning in an expression",
            Some(sign) => {
                self.at += sign.len();
                return Ok(Token::Sign(sign));
            }
        };
        Err(span.error(format!("unexpected character: {:?}", &self.source[span.range()]), Some(hint.into())))
    }

    fn number(&mut self) -> Result<Token, ExpressionError> {
        let start = self.at;
        if self.peek(0) == b'0' && matches!(self.peek(1), b'x' | b'X') {
            let digits = count(&self.rest()[2..], |byte| byte.is_ascii_hexdigit());
            let text = &self.source[self.at + 2..self.at + 2 + digits];
            self.at += 2 + digits;
            return self.whole(start, u64::from_str_radix(text, 16).ok());
        }
        self.digits();
        let mut fraction = false;
        if self.peek(0) == b'.' && self.peek(1).is_ascii_digit() {
            fraction = true;
            self.at += 1;
            self.digits();
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                fraction = true;
                self.at += 1 + sign;
                self.digits();
            }
        }
        let text = &self.source[start..self.at];
        if !fraction {
            return self.whole(start, text.parse().ok());
        }
        self.ends_well(start)?;
        let number = text.parse().map_err(|_| Span::new(start, self.at).error("malformed number", None))?;
        Ok(Token::Double(number))
    }

    fn digits(&mut self) {
        self.at += count(self.rest(), |byte| byte.is_ascii_digit());
    }

    fn whole(&mut self, start: usize, number: Option<u64>) -> Result<Token, ExpressionError> {
        let unsigned = matches!(self.peek(0), b'u' | b'U');
        self.at += usize::from(unsigned);
        self.ends_well(start)?;
        let Some(number) = number else {
            let hint = "whole numbers have 64 bits; write a fraction, such as 1e30";
            return Err(Span::new(start, self.at).error("number is out of range", Some(hint.into())));
        };
        Ok(if unsigned { Token::Uint(number) } else { Token::Int(number) })
    }

    /// `12abc` is no number followed by a name, it is a mistake.
    fn ends_well(&self, start: usize) -> Result<(), ExpressionError> {
        if self.peek(0).is_ascii_alphanumeric() || self.peek(0) == b'_' {
            return Err(Span::new(start, self.at + 1).error("malformed number", None));
        }
        Ok(())
    }

    /// Is the name that begins here in truth the prefix of a text, as in `b'…'` and `r"…"`?
    fn literal_prefix(&self) -> Option<Prefix> {
        let mut prefix = Prefix::default();
        for ahead in 0..3 {
            match self.peek(ahead) {
                b'"' | b'\'' => return Some(prefix),
                b'b' | b'B' if !prefix.bytes => prefix.bytes = true,
                b'r' | b'R' if !prefix.raw => prefix.raw = true,
                _ => return None,
            }
            prefix.length += 1;
        }
        None
    }

    fn literal(&mut self, prefix: Prefix) -> Result<Token, ExpressionError> {
        let start = self.at;
        self.at += prefix.length;
        let quote = self.peek(0);
        let triple = self.peek(1) == quote && self.peek(2) == quote;
        let quotes = if triple { 3 } else { 1 };
        self.at += quotes;
        let mut bytes = Vec::new();
        loop {
            let byte = self.peek(0);
            if self.rest().is_empty() || (!triple && matches!(byte, b'\n' | b'\r')) {
                let hint = format!("end it with {}", char::from(quote).to_string().repeat(quotes));
                return Err(Span::new(start, self.at).error("text has no end", Some(hint)));
            }
            if byte == quote && (0..quotes).all(|ahead| self.peek(ahead) == quote) {
                self.at += quotes;
                break;
            }
            if byte == b'\\' && !prefix.raw {
                self.escape(prefix.bytes, &mut bytes)?;
            } else {
                bytes.push(byte);
                self.at += 1;
            }
        }
        if prefix.bytes {
            return Ok(Token::Bytes(Arc::from(bytes)));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Token::Text(Arc::from(text))),
            Err(_) => Err(Span::new(start, self.at).error("text is not UTF-8", None)),
        }
    }

    fn escape(&mut self, as_bytes: bool, out: &mut Vec<u8>) -> Result<(), ExpressionError> {
        let start = self.at;
        let kind = self.peek(1);
        self.at += 2;
        let plain = match kind {
            b'a' => 0x07,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            b'\\' | b'?' | b'"' | b'\'' | b'`' => kind,
            b'x' | b'X' => return self.code(start, 2, 16, as_bytes, out),
            b'u' if !as_bytes => return self.code(start, 4, 16, false, out),
            b'U' if !as_bytes => return self.code(start, 8, 16, false, out),
            b'0'..=b'3' => {
                self.at -= 1;
                return self.code(start, 3, 8, as_bytes, out);
            }
            _ => {
                let end = (start + 1..=self.source.len()).find(|at| self.source.is_char_boundary(*at + 1));
                let span = Span::new(start, end.map_or(self.source.len(), |end| end + 1));
                let hint = "write '\\\\' for a backslash, or put r before the quote";
                return Err(span.error("unknown escape in a text", Some(hint.into())));
            }
        };
        out.push(plain);
        Ok(())
    }

    /// A character, or in bytes a byte, written as a number of so many digits.
    fn code(
        &mut self,
        start: usize,
        digits: usize,
        radix: u32,
        as_bytes: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), ExpressionError> {
        let well_formed = |byte: &u8| char::from(*byte).is_digit(radix);
        let text = self.rest().get(..digits).filter(|text| text.iter().all(well_formed));
        let number = text
            .and_then(|text| std::str::from_utf8(text).ok())
            .and_then(|text| u32::from_str_radix(text, radix).ok());
        let span = Span::new(start, (start + 2).min(self.source.len()));
        let Some(number) = number else {
            return Err(span.error(format!("escape needs {digits} digits"), None));
        };
        self.at += digits;
        let span = Span::new(start, self.at);
        if as_bytes {
            let byte = u8::try_from(number).map_err(|_| span.error("escape is no byte", None))?;
            out.push(byte);
            return Ok(());
        }
        let character = char::from_u32(number).ok_or_else(|| span.error("escape is no character", None))?;
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }
}

#[derive(Clone, Copy, Default)]
struct Prefix {
    raw: bool,
    bytes: bool,
    length: usize,
}

fn count(bytes: &[u8], fits: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| fits(**byte)).count()
}
