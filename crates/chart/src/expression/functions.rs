//! Which functions there are, what they take and what they give.
//!
//! It refuses to evaluate. Its one invariant: every function that an expression can call stands in this table.

use super::moments::Part;
use super::names::Type;

/// A function that is called with values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    Size,
    TypeOf,
    Dyn,
    ToInt,
    ToUint,
    ToDouble,
    ToText,
    ToBytes,
    ToBool,
    ToTimestamp,
    ToDuration,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Moment(Part),
    CharAt,
    IndexOf,
    LastIndexOf,
    Join,
    LowerAscii,
    UpperAscii,
    Replace,
    Split,
    Substring,
    Trim,
    Reverse,
    Format,
    Quote,
    Greatest,
    Least,
    Ceil,
    Floor,
    Round,
    Trunc,
    Abs,
    Sign,
    Sqrt,
    IsNan,
    IsInf,
    IsFinite,
    BitAnd,
    BitOr,
    BitXor,
    BitNot,
    ShiftLeft,
    ShiftRight,
    EncodeBase64,
    DecodeBase64,
    OptionalOf,
    OptionalOfNonZero,
    OptionalNone,
    HasValue,
    OptionalValue,
    Or,
    OrValue,
    Slice,
    Distinct,
    Sort,
    Flatten,
    Sum,
    First,
    Last,
}

/// How it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `f(x)`; a name with a point is called like `math.abs(x)`.
    Global,
    /// `x.f()`.
    Method,
    /// Both.
    Either,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Any,
    Int,
    Number,
    Whole,
    String,
    Bytes,
    List,
    Timestamp,
    Optional,
    OneOf(&'static [Takes]),
    Bool,
    Duration,
    Double,
    Map,
}

/// What a call gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    Type,
    Dyn,
    Texts,
    /// What the first argument is.
    First,
    /// The number type that all arguments have, or any number.
    Numbers,
    /// What the list in the first argument holds.
    ItemOfFirst,
    /// What the optional in the first argument holds, or the like.
    InsideOfFirst,
    OptionalOfFirst,
    OptionalOfItem,
}

pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) builtin: Builtin,
    pub(super) style: Style,
    /// With the receiver, if any, as the first.
    pub(super) takes: &'static [Takes],
    /// May the last one be repeated?
    pub(super) repeats: bool,
    pub(super) gives: Gives,
}

const SIZED: Takes = Takes::OneOf(&[Takes::String, Takes::Bytes, Takes::List, Takes::Map]);
const TIMED: Takes = Takes::OneOf(&[Takes::Timestamp, Takes::Duration]);
const SCALAR: Takes = Takes::OneOf(&[
    Takes::Number,
    Takes::String,
    Takes::Timestamp,
    Takes::Duration,
    Takes::Bool,
    Takes::Bytes,
]);
const NUMERIC: Takes = Takes::OneOf(&[Takes::Number, Takes::String]);
const INTEGRAL: Takes = Takes::OneOf(&[Takes::Number, Takes::String, Takes::Timestamp]);
const TEXT_OR_LIST: Takes = Takes::OneOf(&[Takes::String, Takes::List]);
const NUMBERS: Takes = Takes::OneOf(&[Takes::Number, Takes::List]);

const fn function(
    name: &'static str,
    builtin: Builtin,
    style: Style,
    takes: &'static [Takes],
    gives: Gives,
) -> Function {
    Function { name, builtin, style, takes, repeats: false, gives }
}

const fn part(name: &'static str, part: Part) -> Function {
    function(name, Builtin::Moment(part), Style::Method, &[Takes::Timestamp], Gives::Int)
}

const fn part_in_zone(name: &'static str, part: Part) -> Function {
    function(name, Builtin::Moment(part), Style::Method, &[Takes::Timestamp, Takes::String], Gives::Int)
}

const fn part_or_length(name: &'static str, part: Part) -> Function {
    function(name, Builtin::Moment(part), Style::Method, &[TIMED], Gives::Int)
}

use Builtin as B;
use Gives as G;
use Style::{Either, Global, Method};
use Takes as T;

/// All functions. Calls with other numbers of arguments are other lines.
pub(super) const FUNCTIONS: &[Function] = &[
    function("size", B::Size, Either, &[SIZED], G::Int),
    function("type", B::TypeOf, Global, &[T::Any], G::Type),
    function("dyn", B::Dyn, Global, &[T::Any], G::Dyn),
    function("int", B::ToInt, Global, &[INTEGRAL], G::Int),
    function("uint", B::ToUint, Global, &[NUMERIC], G::Uint),
    function("double", B::ToDouble, Global, &[NUMERIC], G::Double),
    function("string", B::ToText, Global, &[SCALAR], G::String),
    function("bytes", B::ToBytes, Global, &[T::OneOf(&[T::String, T::Bytes])], G::Bytes),
    function("bool", B::ToBool, Global, &[T::OneOf(&[T::Bool, T::String])], G::Bool),
    function(
        "timestamp",
        B::ToTimestamp,
        Global,
        &[T::OneOf(&[T::Timestamp, T::String, T::Int])],
        G::Timestamp,
    ),
    function("duration", B::ToDuration, Global, &[T::OneOf(&[T::Duration, T::String])], G::Duration),
    function("contains", B::Contains, Method, &[T::String, T::String], G::Bool),
    function("startsWith", B::StartsWith, Method, &[T::String, T::String], G::Bool),
    function("endsWith", B::EndsWith, Method, &[T::String, T::String], G::Bool),
    function("matches", B::Matches, Either, &[T::String, T::String], G::Bool),
    part("getFullYear", Part::Year),
    part_in_zone("getFullYear", Part::Year),
    part("getMonth", Part::Month),
    part_in_zone("getMonth", Part::Month),
    part("getDate", Part::Date),
    part_in_zone("getDate", Part::Date),
    part("getDayOfMonth", Part::DayOfMonth),
    part_in_zone("getDayOfMonth", Part::DayOfMonth),
    part("getDayOfWeek", Part::DayOfWeek),
    part_in_zone("getDayOfWeek", Part::DayOfWeek),
    part("getDayOfYear", Part::DayOfYear),
    part_in_zone("getDayOfYear", Part::DayOfYear),
    part_or_length("getHours", Part::Hours),
    part_in_zone("getHours", Part::Hours),
    part_or_length("getMinutes", Part::Minutes),
    part_in_zone("getMinutes", Part::Minutes),
    part_or_length("getSeconds", Part::Seconds),
    part_in_zone("getSeconds", Part::Seconds),
    part_or_length("getMilliseconds", Part::Milliseconds),
    part_in_zone("getMilliseconds", Part::Milliseconds),
    function("charAt", B::CharAt, Method, &[T::String, T::Int], G::String),
    function("indexOf", B::IndexOf, Method, &[T::String, T::String], G::Int),
    function("indexOf", B::IndexOf, Method, &[T::String, T::String, T::Int], G::Int),
    function("lastIndexOf", B::LastIndexOf, Method, &[T::String, T::String], G::Int),
    function("lastIndexOf", B::LastIndexOf, Method, &[T::String, T::String, T::Int], G::Int),
    function("join", B::Join, Method, &[T::List], G::String),
    function("join", B::Join, Method, &[T::List, T::String], G::String),
    function("lowerAscii", B::LowerAscii, Method, &[T::String], G::String),
    function("upperAscii", B::UpperAscii, Method, &[T::String], G::String),
    function("replace", B::Replace, Method, &[T::String, T::String, T::String], G::String),
    function("replace", B::Replace, Method, &[T::String, T::String, T::String, T::Int], G::String),
    function("split", B::Split, Method, &[T::String, T::String], G::Texts),
    function("split", B::Split, Method, &[T::String, T::String, T::Int], G::Texts),
    function("substring", B::Substring, Method, &[T::String, T::Int], G::String),
    function("substring", B::Substring, Method, &[T::String, T::Int, T::Int], G::String),
    function("trim", B::Trim, Method, &[T::String], G::String),
    function("reverse", B::Reverse, Method, &[TEXT_OR_LIST], G::First),
    function("format", B::Format, Method, &[T::String, T::List], G::String),
    function("strings.quote", B::Quote, Global, &[T::String], G::String),
    Function {
        name: "math.greatest",
        builtin: B::Greatest,
        style: Global,
        takes: &[NUMBERS],
        repeats: true,
        gives: G::Numbers,
    },
    Function {
        name: "math.least",
        builtin: B::Least,
        style: Global,
        takes: &[NUMBERS],
        repeats: true,
        gives: G::Numbers,
    },
    function("math.ceil", B::Ceil, Global, &[T::Double], G::Double),
    function("math.floor", B::Floor, Global, &[T::Double], G::Double),
    function("math.round", B::Round, Global, &[T::Double], G::Double),
    function("math.trunc", B::Trunc, Global, &[T::Double], G::Double),
    function("math.abs", B::Abs, Global, &[T::Number], G::First),
    function("math.sign", B::Sign, Global, &[T::Number], G::First),
    function("math.sqrt", B::Sqrt, Global, &[T::Number], G::Double),
    function("math.isNaN", B::IsNan, Global, &[T::Double], G::Bool),
    function("math.isInf", B::IsInf, Global, &[T::Double], G::Bool),
    function("math.isFinite", B::IsFinite, Global, &[T::Double], G::Bool),
    function("math.bitAnd", B::BitAnd, Global, &[T::Whole, T::Whole], G::First),
    function("math.bitOr", B::BitOr, Global, &[T::Whole, T::Whole], G::First),
    function("math.bitXor", B::BitXor, Global, &[T::Whole, T::Whole], G::First),
    function("math.bitNot", B::BitNot, Global, &[T::Whole], G::First),
    function("math.bitShiftLeft", B::ShiftLeft, Global, &[T::Whole, T::Int], G::First),
    function("math.bitShiftRight", B::ShiftRight, Global, &[T::Whole, T::Int], G::First),
    function("base64.encode", B::EncodeBase64, Global, &[T::Bytes], G::String),
    function("base64.decode", B::DecodeBase64, Global, &[T::String], G::Bytes),
    function("optional.of", B::OptionalOf, Global, &[T::Any], G::OptionalOfFirst),
    function("optional.ofNonZeroValue", B::OptionalOfNonZero, Global, &[T::Any], G::OptionalOfFirst),
    function("optional.none", B::OptionalNone, Global, &[], G::OptionalOfFirst),
    function("hasValue", B::HasValue, Method, &[T::Optional], G::Bool),
    function("value", B::OptionalValue, Method, &[T::Optional], G::InsideOfFirst),
    function("or", B::Or, Method, &[T::Optional, T::Optional], G::First),
    function("orValue", B::OrValue, Method, &[T::Optional, T::Any], G::InsideOfFirst),
    function("slice", B::Slice, Method, &[T::List, T::Int, T::Int], G::First),
    function("distinct", B::Distinct, Method, &[T::List], G::First),
    function("sort", B::Sort, Method, &[T::List], G::First),
    function("flatten", B::Flatten, Method, &[T::List], G::Dyn),
    function("sum", B::Sum, Method, &[T::List], G::ItemOfFirst),
    function("first", B::First, Method, &[T::List], G::OptionalOfItem),
    function("last", B::Last, Method, &[T::List], G::OptionalOfItem),
];

/// Names that look like functions but rule over the evaluation of their arguments.
pub(super) const MACROS: [&str; 16] = [
    "has",
    "in",
    "present",
    "presences",
    "all",
    "exists",
    "exists_one",
    "existsOne",
    "map",
    "filter",
    "transformList",
    "transformMap",
    "cel.bind",
    "optMap",
    "optFlatMap",
    "In",
];

impl Function {
    /// May it be called so with that many arguments, the receiver included?
    pub(super) fn is_called(&self, name: &str, method: bool, count: usize) -> bool {
        let style = match self.style {
            Style::Global => !method,
            Style::Method => method,
            Style::Either => true,
        };
        let fits = if self.repeats { count >= self.takes.len() } else { count == self.takes.len() };
        style && fits && self.name == name
    }

    /// What the parameter at a place takes.
    pub(super) fn takes_at(&self, at: usize) -> Takes {
        self.takes.get(at).or(self.takes.last()).copied().unwrap_or(Takes::Any)
    }
}

impl Takes {
    /// May a value of this type be given?
    pub(super) fn fits(self, kind: &Type) -> bool {
        match (self, kind) {
            (Takes::Any, _) | (_, Type::Dyn) => true,
            (Takes::OneOf(several), kind) => several.iter().any(|takes| takes.fits(kind)),
            // Whole numbers are taken for fractions and found out to be whole only when evaluated.
            (Takes::Int | Takes::Whole, Type::Int | Type::Number) => true,
            (Takes::Whole, Type::Uint) => true,
            (Takes::Number, Type::Int | Type::Uint | Type::Double | Type::Number) => true,
            (Takes::Double, Type::Double | Type::Number) => true,
            (_, kind) if super::deduce::is_open(kind) => true,
            (Takes::String, Type::String) => true,
            (Takes::Bytes, Type::Bytes) => true,
            (Takes::Bool, Type::Bool) => true,
            (Takes::List, Type::List(_)) => true,
            (Takes::Map, Type::Map(..) | Type::Object(_)) => true,
            (Takes::Timestamp, Type::Timestamp) => true,
            (Takes::Duration, Type::Duration) => true,
            (Takes::Optional, Type::Optional(_)) => true,
            _ => false,
        }
    }

    /// In words, for a message.
    pub(super) fn words(self) -> String {
        let word = match self {
            Takes::Any => "anything",
            Takes::Int => "an int",
            Takes::Whole => "an int or uint",
            Takes::Number => "a number",
            Takes::Double => "a double",
            Takes::String => "a string",
            Takes::Bytes => "bytes",
            Takes::Bool => "a bool",
            Takes::List => "a list",
            Takes::Map => "a map",
            Takes::Timestamp => "a timestamp",
            Takes::Duration => "a duration",
            Takes::Optional => "an optional",
            Takes::OneOf(several) => {
                return several.iter().map(|takes| takes.words()).collect::<Vec<_>>().join(" or ");
            }
        };
        word.to_owned()
    }
}
