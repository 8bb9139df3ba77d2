//! Writes the variant of an enum as a name and JSON. It refuses everything that is no variant.

use serde::ser::{Impossible, SerializeStructVariant, SerializeTupleVariant, Serializer};
use serde::{Serialize, ser};
use std::fmt;

/// What is not written here.
#[derive(Debug)]
pub(super) enum Error {
    /// It is no variant of an enum.
    NoVariant,
    /// What it carries cannot be written as JSON.
    Json(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoVariant => f.write_str("no variant of an enum"),
            Error::Json(problem) => f.write_str(problem),
        }
    }
}
impl std::error::Error for Error {}
impl ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Error {
        Error::Json(message.to_string())
    }
}

/// Writes one variant.
pub(super) struct Variant;

/// A variant with several parts, while it is written.
pub(super) struct Parts {
    variant: &'static str,
    text: String,
    close: char,
}

type Written = (&'static str, String);

fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Json(error.to_string()))
}

impl Parts {
    fn new(variant: &'static str, open: char, close: char) -> Parts {
        Parts { variant, text: String::from(open), close }
    }

    fn part<T: Serialize + ?Sized>(&mut self, key: Option<&str>, value: &T) -> Result<(), Error> {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        if let Some(key) = key {
            self.text.push_str(&json(key)?);
            self.text.push(':');
        }
        self.text.push_str(&json(value)?);
        Ok(())
    }

    fn finished(mut self) -> Written {
        self.text.push(self.close);
        (self.variant, self.text)
    }
}

impl SerializeTupleVariant for Parts {
    type Ok = Written;
    type Error = Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.part(None, value)
    }
    fn end(self) -> Result<Written, Error> {
        Ok(self.finished())
    }
}

impl SerializeStructVariant for Parts {
    type Ok = Written;
    type Error = Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.part(Some(key), value)
    }
    fn end(self) -> Result<Written, Error> {
        Ok(self.finished())
    }
}

/// Methods that take one value and write none.
macro_rules! no_variant {
    ($($method:ident($kind:ty)),* $(,)?) => {
        $(fn $method(self, _: $kind) -> Result<Written, Error> {
            Err(Error::NoVariant)
        })*
    };
}

impl Serializer for Variant {
    type Ok = Written;
    type Error = Error;
    type SerializeSeq = Impossible<Written, Error>;
    type SerializeTuple = Impossible<Written, Error>;
    type SerializeTupleStruct = Impossible<Written, Error>;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Impossible<Written, Error>;
    type SerializeStruct = Impossible<Written, Error>;
    type SerializeStructVariant = Parts;

    fn serialize_unit_variant(self, _: &str, _: u32, variant: &'static str) -> Result<Written, Error> {
        Ok((variant, String::new()))
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Written, Error> {
        Ok((variant, json(value)?))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts, Error> {
        Ok(Parts::new(variant, '[', ']'))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts, Error> {
        Ok(Parts::new(variant, '{', '}'))
    }

    no_variant! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_i128(i128), serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64),
        serialize_u128(u128), serialize_f32(f32), serialize_f64(f64), serialize_char(char), serialize_str(&str),
        serialize_bytes(&[u8]), serialize_unit_struct(&'static str),
    }
    fn serialize_none(self) -> Result<Written, Error> {
        Err(Error::NoVariant)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Written, Error> {
        Err(Error::NoVariant)
    }
    fn serialize_unit(self) -> Result<Written, Error> {
        Err(Error::NoVariant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<Written, Error> {
        Err(Error::NoVariant)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        Err(Error::NoVariant)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        Err(Error::NoVariant)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        Err(Error::NoVariant)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        Err(Error::NoVariant)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Error> {
        Err(Error::NoVariant)
    }
}
