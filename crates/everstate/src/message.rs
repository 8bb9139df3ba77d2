//! Messages as events: the variant of an enum is the event's name, what it carries is the data.
//!
//! It refuses to know machines. Its one invariant: what is written here is read back here as the same message.

mod read;
mod write;

use everstate_kernel::Json;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(test)]
mod tests;

/// The name of an event whose message is no variant of an enum.
pub(crate) const PLAIN: &str = "message";

/// Why an event is no message of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoMessage {
    /// The type has none of that name.
    Unknown,
    /// It has, and the data is not what comes with it.
    Data(String),
}

/// A message as the name and data of an event.
pub(crate) fn write<M: Serialize>(message: &M) -> Result<(&'static str, Json), String> {
    let written = match message.serialize(write::Variant) {
        Ok(written) => Ok(written),
        Err(write::Error::NoVariant) => serde_json::to_string(message).map(|text| (PLAIN, text)),
        Err(write::Error::Json(error)) => return Err(error),
    };
    let (name, text) = written.map_err(|error| error.to_string())?;
    Ok((name, Json::trusted(text)))
}

/// The message that an event is.
pub(crate) fn read<M: DeserializeOwned>(name: &str, data: &Json) -> Result<M, NoMessage> {
    match M::deserialize(read::Variant { name, data: data.as_str() }) {
        Ok(message) => Ok(message),
        Err(read::Error::Unknown) => Err(NoMessage::Unknown),
        Err(read::Error::Data(problem)) => Err(NoMessage::Data(problem)),
        Err(read::Error::NoVariant) if name == PLAIN => {
            serde_json::from_str(data.as_str()).map_err(|error| NoMessage::Data(error.to_string()))
        }
        Err(read::Error::NoVariant) => Err(NoMessage::Unknown),
    }
}

/// The names of the events that are messages of the type.
pub(crate) fn names<M: DeserializeOwned>() -> &'static [&'static str] {
    read::variants::<M>().unwrap_or(&[PLAIN])
}
