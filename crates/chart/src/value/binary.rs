//! Values as bytes, for stored contexts: compact, deterministic, one spelling for each value.
//!
//! It refuses to carry a version; who stores the bytes versions them. Its one invariant: identical values give
//! identical bytes, and bytes that no value gives are refused.
//!
//! | first byte | what follows |
//! |---|---|
//! | `00` `01` `02` | null, false, true |
//! | `03` | an `Int` as a zigzag variable-length number |
//! | `04` | a `Uint` as a variable-length number |
//! | `05` | a double as 8 bytes, least first |
//! | `06` | a text: its length, then its bytes |
//! | `07` | bytes: their length, then they |
//! | `08` | a list: its length, then its items |
//! | `09` | a map: its length, then keys and values, ascending by key |
//! | `0a` | a timestamp: seconds (zigzag), nanoseconds |
//! | `0b` | a duration: nanoseconds (zigzag) |
//! | `0c` | a type: its code |
//! | `0d` `0e` | an optional: nothing, a value |
//! | `10`–`17` | a double that is a whole number (zigzag) divided by 10 to the power of 0–7 |
//! | `20`–`2f` | a list of 0–15 items |
//! | `30`–`3f` | a map of 0–15 entries |
//! | `40`–`7f` | a text of 0–63 bytes |
//! | `80`–`ff` | an `Int` of 0–127 |

use super::{Duration, Key, Map, Timestamp, TypeName, VALUE_DEPTH_MAX, Value};
use std::sync::Arc;

/// Why bytes are no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end in the middle of a value.
    #[error("stored value ends too early")]
    Truncated,
    /// They are not what a value is written as.
    #[error("stored value is malformed: {0}")]
    Malformed(&'static str),
}

impl Value {
    /// Appends the value. For data that came from JSON this is about as long as the JSON, mostly shorter.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.push(0x00),
            Value::Bool(value) => out.push(0x01 + u8::from(*value)),
            Value::Int(number) => encode_int(*number, out),
            Value::Uint(number) => {
                out.push(0x04);
                write_number(*number, out);
            }
            Value::Double(number) => encode_double(*number, out),
            Value::String(text) => encode_text(text, out),
            Value::Bytes(bytes) => {
                out.push(0x07);
                write_number(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
            Value::List(items) => {
                encode_length(0x20, 0x08, items.len(), out);
                items.iter().for_each(|item| item.encode(out));
            }
            Value::Map(map) => {
                encode_length(0x30, 0x09, map.len(), out);
                for (key, value) in map.iter() {
                    encode_key(key, out);
                    value.encode(out);
                }
            }
            Value::Timestamp(time) => {
                out.push(0x0a);
                write_number(zigzag(time.seconds()), out);
                write_number(u64::from(time.nanoseconds()), out);
            }
            Value::Duration(length) => {
                out.push(0x0b);
                write_number(zigzag(length.nanoseconds()), out);
            }
            Value::Type(kind) => out.extend([0x0c, *kind as u8]),
            Value::Optional(None) => out.push(0x0d),
            Value::Optional(Some(value)) => {
                out.push(0x0e);
                value.encode(out);
            }
        }
    }

    /// Takes one value off the front of `bytes`.
    pub fn decode(bytes: &mut &[u8]) -> Result<Value, DecodeError> {
        decode_value(bytes, 0)
    }
}

fn encode_int(number: i64, out: &mut Vec<u8>) {
    match u8::try_from(number) {
        Ok(small @ 0..=127) => out.push(0x80 + small),
        _ => {
            out.push(0x03);
            write_number(zigzag(number), out);
        }
    }
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    if text.len() < 64 {
        out.push(0x40 + text.len() as u8);
    } else {
        out.push(0x06);
        write_number(text.len() as u64, out);
    }
    out.extend_from_slice(text.as_bytes());
}

fn encode_key(key: &Key, out: &mut Vec<u8>) {
    match key {
        Key::Bool(value) => out.push(0x01 + u8::from(*value)),
        Key::Int(number) => encode_int(*number, out),
        Key::Uint(number) => {
            out.push(0x04);
            write_number(*number, out);
        }
        Key::String(text) => encode_text(text, out),
    }
}

fn encode_length(short: u8, long: u8, length: usize, out: &mut Vec<u8>) {
    if length < 16 {
        out.push(short + length as u8);
    } else {
        out.push(long);
        write_number(length as u64, out);
    }
}

/// Most doubles that people write have few decimal places: `19.99` is 1999 / 10², three bytes instead of nine.
fn encode_double(number: f64, out: &mut Vec<u8>) {
    for places in 0..8u8 {
        let Some(whole) = decimal(number, places) else { continue };
        out.push(0x10 + places);
        write_number(zigzag(whole), out);
        return;
    }
    out.push(0x05);
    out.extend_from_slice(&number.to_le_bytes());
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 8] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];

/// The whole number that, divided by 10 to the power of `places`, is exactly `number`; only below 2^40, where it
/// is shorter than the double itself.
fn decimal(number: f64, places: u8) -> Option<i64> {
    let whole = (number * POWERS[usize::from(places)]).round();
    if whole.is_nan() || whole.abs() >= (1u64 << 40) as f64 {
        return None;
    }
    let back = whole as i64 as f64 / POWERS[usize::from(places)];
    (back.to_bits() == number.to_bits()).then_some(whole as i64)
}

fn decode_value(bytes: &mut &[u8], level: usize) -> Result<Value, DecodeError> {
    let value = match take_byte(bytes)? {
        0x00 => Value::Null,
        0x01 => Value::Bool(false),
        0x02 => Value::Bool(true),
        0x03 => Value::Int(decode_int(bytes)?),
        0x04 => Value::Uint(read_number(bytes)?),
        0x05 => decode_raw_double(bytes)?,
        0x06 => Value::String(long_text(bytes)?),
        0x07 => {
            let length = read_length(bytes)?;
            Value::Bytes(Arc::from(take(bytes, length)?))
        }
        0x08 => {
            let length = long_length(bytes)?;
            decode_list(bytes, length, level)?
        }
        0x09 => {
            let length = long_length(bytes)?;
            decode_map(bytes, length, level)?
        }
        0x0a => {
            let seconds = unzigzag(read_number(bytes)?);
            let nanoseconds = u32::try_from(read_number(bytes)?).ok();
            let time = nanoseconds.and_then(|nanoseconds| Timestamp::new(seconds, nanoseconds).ok());
            Value::Timestamp(time.ok_or(DecodeError::Malformed("timestamp out of range"))?)
        }
        0x0b => Value::Duration(Duration::from_nanoseconds(unzigzag(read_number(bytes)?))),
        0x0c => {
            let code = usize::from(take_byte(bytes)?);
            Value::Type(*TypeName::ALL.get(code).ok_or(DecodeError::Malformed("unknown type"))?)
        }
        0x0d => Value::Optional(None),
        0x0e => Value::Optional(Some(Arc::new(decode_value(bytes, deeper(level)?)?))),
        places @ 0x10..=0x17 => decode_decimal(bytes, places - 0x10)?,
        length @ 0x20..=0x2f => decode_list(bytes, usize::from(length - 0x20), level)?,
        length @ 0x30..=0x3f => decode_map(bytes, usize::from(length - 0x30), level)?,
        length @ 0x40..=0x7f => Value::String(text(bytes, usize::from(length - 0x40))?),
        small @ 0x80..=0xff => Value::Int(i64::from(small - 0x80)),
        _ => return Err(DecodeError::Malformed("unknown first byte")),
    };
    Ok(value)
}

fn deeper(level: usize) -> Result<usize, DecodeError> {
    if level > VALUE_DEPTH_MAX { Err(DecodeError::Malformed("nested too deep")) } else { Ok(level + 1) }
}

fn decode_int(bytes: &mut &[u8]) -> Result<i64, DecodeError> {
    match unzigzag(read_number(bytes)?) {
        0..=127 => Err(DecodeError::Malformed("number written too long")),
        number => Ok(number),
    }
}

fn decode_raw_double(bytes: &mut &[u8]) -> Result<Value, DecodeError> {
    let (raw, rest) = bytes.split_first_chunk::<8>().ok_or(DecodeError::Truncated)?;
    *bytes = rest;
    let number = f64::from_le_bytes(*raw);
    if (0..8).any(|places| decimal(number, places).is_some()) {
        return Err(DecodeError::Malformed("double written too long"));
    }
    Ok(Value::Double(number))
}

fn decode_decimal(bytes: &mut &[u8], places: u8) -> Result<Value, DecodeError> {
    let whole = unzigzag(read_number(bytes)?);
    let number = whole as f64 / POWERS[usize::from(places)];
    let first = (0..8).find_map(|places| decimal(number, places).map(|whole| (places, whole)));
    if first != Some((places, whole)) {
        return Err(DecodeError::Malformed("double written in another way"));
    }
    Ok(Value::Double(number))
}

fn decode_list(bytes: &mut &[u8], length: usize, level: usize) -> Result<Value, DecodeError> {
    let inside = deeper(level)?;
    // An item has at least one byte, so a false length cannot make this reserve more than the input is long.
    if length > bytes.len() {
        return Err(DecodeError::Truncated);
    }
    let mut items = Vec::with_capacity(length);
    for _ in 0..length {
        items.push(decode_value(bytes, inside)?);
    }
    Ok(Value::list(items))
}

fn decode_map(bytes: &mut &[u8], length: usize, level: usize) -> Result<Value, DecodeError> {
    let inside = deeper(level)?;
    if length > bytes.len() / 2 {
        return Err(DecodeError::Truncated);
    }
    let mut entries: Vec<(Key, Value)> = Vec::with_capacity(length);
    for _ in 0..length {
        let key = decode_key(bytes)?;
        if entries.last().is_some_and(|(last, _)| *last >= key) {
            return Err(DecodeError::Malformed("keys do not ascend"));
        }
        entries.push((key, decode_value(bytes, inside)?));
    }
    Ok(Value::Map(Arc::new(Map::from_entries(entries))))
}

fn decode_key(bytes: &mut &[u8]) -> Result<Key, DecodeError> {
    Ok(match take_byte(bytes)? {
        0x01 => Key::Bool(false),
        0x02 => Key::Bool(true),
        0x03 => Key::Int(decode_int(bytes)?),
        0x04 => Key::Uint(read_number(bytes)?),
        0x06 => Key::String(long_text(bytes)?),
        length @ 0x40..=0x7f => Key::String(text(bytes, usize::from(length - 0x40))?),
        small @ 0x80..=0xff => Key::Int(i64::from(small - 0x80)),
        _ => return Err(DecodeError::Malformed("not a key")),
    })
}

fn long_text(bytes: &mut &[u8]) -> Result<Arc<str>, DecodeError> {
    let length = read_length(bytes)?;
    if length < 64 {
        return Err(DecodeError::Malformed("length written too long"));
    }
    text(bytes, length)
}

fn text(bytes: &mut &[u8], length: usize) -> Result<Arc<str>, DecodeError> {
    let raw = take(bytes, length)?;
    std::str::from_utf8(raw).map(Arc::from).map_err(|_| DecodeError::Malformed("text is not UTF-8"))
}

fn long_length(bytes: &mut &[u8]) -> Result<usize, DecodeError> {
    match read_length(bytes)? {
        0..16 => Err(DecodeError::Malformed("length written too long")),
        length => Ok(length),
    }
}

fn read_length(bytes: &mut &[u8]) -> Result<usize, DecodeError> {
    usize::try_from(read_number(bytes)?).map_err(|_| DecodeError::Truncated)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], DecodeError> {
    let (front, rest) = bytes.split_at_checked(length).ok_or(DecodeError::Truncated)?;
    *bytes = rest;
    Ok(front)
}

fn take_byte(bytes: &mut &[u8]) -> Result<u8, DecodeError> {
    take(bytes, 1).map(|front| front[0])
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Seven bits a byte, least first; the highest bit says that more follow.
fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Result<u64, DecodeError> {
    let mut number = 0u64;
    for place in 0..10 {
        let byte = take_byte(bytes)?;
        if place == 9 && byte > 1 {
            break;
        }
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            if byte == 0 && place > 0 {
                break;
            }
            return Ok(number);
        }
    }
    Err(DecodeError::Malformed("number written too long"))
}
