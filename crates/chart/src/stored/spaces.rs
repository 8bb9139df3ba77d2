//! The endpoints that an instance holds and who is present for them, as bytes.
//!
//! It refuses to know the rest of a stored state. Its one invariant: both are in their order, so that equal states have
//! equal bytes.

use super::{read, read_text, write, write_text};
use crate::code::StateIndex;
use crate::endpoint::Held;
use crate::presence::{PRESENT_MAX, Presence, interest, interest_word, role, role_word};
use crate::value::Value;
use everstate_kernel::limits::HELD_MAX;
use everstate_kernel::space::{Interest, Part, Pattern, Role};
use everstate_kernel::{Address, Json};

const UNKNOWN: &str = "stored endpoint is unknown";

pub(super) fn write_spaces(out: &mut Vec<u8>, held: &[Held], present: &[Presence]) {
    write(out, held.len() as u64);
    for one in held {
        write_text(out, &one.space);
        write_text(out, &one.name);
        write_text(out, one.part.pattern.as_str());
        write_text(out, role_word(one.part.role));
        write_text(out, interest_word(one.part.interest));
        write_text(out, one.part.value.as_str());
        write(out, u64::from(one.part.mark) + 2 * u64::from(one.part.waits));
        write(out, one.owner.map_or(0, |owner| u64::from(owner) + 1));
    }
    write(out, present.len() as u64);
    for one in present {
        write_text(out, &one.space);
        write_text(out, one.address.as_str());
        write_text(out, &one.endpoint);
        write_text(out, &one.ours);
        write_text(out, one.pattern.as_str());
        write_text(out, role_word(one.role));
        write_text(out, interest_word(one.interest));
        one.value.encode(out);
    }
}

pub(super) fn read_spaces(input: &mut &[u8]) -> Result<(Vec<Held>, Vec<Presence>), &'static str> {
    let (mut held, mut present): (Vec<Held>, Vec<Presence>) = (Vec::new(), Vec::new());
    let count = read(input)?;
    if count > HELD_MAX as u64 {
        return Err("stored state holds too many endpoints");
    }
    for _ in 0..count {
        let (space, name) = (read_text(input)?, read_text(input)?);
        let (pattern, role, interest) = read_part(input)?;
        let value = Json::parse(&read_text(input)?).map_err(|_| UNKNOWN)?;
        let (mark, waits) = match read(input)? {
            told @ 0..4 => (told & 1 == 1, told & 2 == 2),
            _ => return Err(UNKNOWN),
        };
        let owner = match read(input)? {
            0 => None,
            owner => Some(StateIndex::try_from(owner - 1).map_err(|_| UNKNOWN)?),
        };
        if held.last().is_some_and(|last| (&last.space, &last.name) >= (&space, &name)) {
            return Err("stored endpoints are not in order");
        }
        let part = Part { pattern, role, interest, value, mark, waits };
        held.push(Held { space, name, part, owner });
    }
    let count = read(input)?;
    if count > PRESENT_MAX as u64 {
        return Err("stored state knows of too many");
    }
    for _ in 0..count {
        let space = read_text(input)?;
        let address = Address::parse(&read_text(input)?).map_err(|_| "stored address is malformed")?;
        let (endpoint, ours) = (read_text(input)?, read_text(input)?);
        let (pattern, role, interest) = read_part(input)?;
        let value = Value::decode(input).map_err(|_| "stored value is malformed")?;
        let one = Presence { space, address, endpoint, ours, pattern, role, interest, value };
        if present.last().is_some_and(|last| last.key() >= one.key()) {
            return Err("stored presences are not in order");
        }
        present.push(one);
    }
    Ok((held, present))
}

fn read_part(input: &mut &[u8]) -> Result<(Pattern, Role, Interest), &'static str> {
    let pattern = Pattern::parse(&read_text(input)?).map_err(|_| UNKNOWN)?;
    let role = role(&read_text(input)?).ok_or(UNKNOWN)?;
    let interest = interest(&read_text(input)?).ok_or(UNKNOWN)?;
    Ok((pattern, role, interest))
}
