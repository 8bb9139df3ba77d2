//! Reads the variant of an enum from a name and JSON. It refuses every type that is no enum.

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::cell::Cell;
use std::fmt;

/// What is not read here.
#[derive(Debug)]
pub(super) enum Error {
    /// The type is no enum.
    NoVariant,
    /// The enum has no variant of that name.
    Unknown,
    /// It has, and the data is not what it carries.
    Data(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoVariant => f.write_str("no variant of an enum"),
            Error::Unknown => f.write_str("no variant of that name"),
            Error::Data(problem) => f.write_str(problem),
        }
    }
}
impl std::error::Error for Error {}
impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Error {
        Error::Data(message.to_string())
    }
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Error {
        Error::Unknown
    }
}
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        Error::Data(error.to_string())
    }
}

/// Reads one variant.
#[derive(Clone, Copy)]
pub(super) struct Variant<'a> {
    pub(super) name: &'a str,
    pub(super) data: &'a str,
}

impl<'de> Deserializer<'de> for Variant<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::NoVariant)
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let name = de::value::StrDeserializer::<Error>::new(self.name);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if self.data == "null" {
            Ok(())
        } else {
            Err(Error::Data(format!("{} comes without data", self.name)))
        }
    }
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        whole(self.data, |json| seed.deserialize(json))
    }
    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        whole(self.data, |json| json.deserialize_tuple(length, visitor))
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        whole(self.data, |json| json.deserialize_struct("", fields, visitor))
    }
}

type Reader<'de> = serde_json::Deserializer<serde_json::de::StrRead<'de>>;

/// Reads a text to its end.
fn whole<'de, T>(
    text: &'de str,
    read: impl FnOnce(&mut Reader<'de>) -> Result<T, serde_json::Error>,
) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = read(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// The variants of a type, if it is an enum.
pub(super) fn variants<M: DeserializeOwned>() -> Option<&'static [&'static str]> {
    let found = Cell::new(None);
    // It never reads anything; what it was asked for is what is wanted.
    let _ = M::deserialize(Asked(&found));
    found.get()
}

/// Listens to what is asked of it and answers nothing.
struct Asked<'a>(&'a Cell<Option<&'static [&'static str]>>);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::NoVariant)
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.set(Some(variants));
        Err(Error::NoVariant)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
