//! Regular expressions in linear time, with a price.
//!
//! It refuses patterns that are large once compiled. Its one invariant: a byte looked at is paid for in proportion
//! to the size of the compiled pattern.

use super::Cost;
use super::evaluate::Trouble;
use super::node::Pattern;
use regex::RegexBuilder;

/// The smallest size tried, in bytes of the compiled pattern. What fits costs one unit a byte of text.
const SIZE_MIN: usize = 4 * 1024;

/// The largest size. Half would refuse Unicode classes with a repetition, twice would let one byte of text cost
/// 128 units.
const SIZE_MAX: usize = 256 * 1024;

/// Compiles a pattern. Its size is found by trying limits that double, so the work is at most twice that of
/// compiling it once.
pub(super) fn compile(text: &str, cost: &mut Cost) -> Result<Pattern, Trouble> {
    let mut size = SIZE_MIN;
    loop {
        cost.pay(size as u64 / 16)?;
        match RegexBuilder::new(text).size_limit(size).nest_limit(50).build() {
            Ok(regex) => return Ok(Pattern { regex, weight: (size / SIZE_MIN) as u64 }),
            Err(regex::Error::CompiledTooBig(_)) if size < SIZE_MAX => size *= 2,
            Err(regex::Error::CompiledTooBig(_)) => {
                return Err(Trouble::new("pattern is too large; use fewer repetitions"));
            }
            Err(error) => {
                let message = error.to_string();
                let reason = message.lines().last().unwrap_or("").trim_start_matches("error: ");
                return Err(Trouble::new(format!("malformed pattern: {reason}")));
            }
        }
    }
}

/// Does the pattern match anywhere in the text?
pub(super) fn matches(pattern: &Pattern, text: &str, cost: &mut Cost) -> Result<bool, Trouble> {
    cost.pay((text.len() as u64 + 1).saturating_mul(pattern.weight))?;
    Ok(pattern.regex.is_match(text))
}
