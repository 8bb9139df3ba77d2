//! stub
use crate::finding::Code;
use crate::model::Model;
use std::ops::Range;

pub(crate) type Report<'r> = &'r mut dyn FnMut(Code, Range<usize>, &str, String, String);
pub(crate) fn check(_model: &Model, _report: Report<'_>) {}
