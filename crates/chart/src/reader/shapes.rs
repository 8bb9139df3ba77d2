//! Shapes of event data as they are written.
//!
//! It refuses to know how data is checked. Its one invariant: a shape is at most as deep as the text.

use super::fields::{Fields, one_or_more};
use super::{Reader, join};
use crate::document::{Kind, Node};
use crate::finding::{Code, nearest};
use crate::format::{self, SHAPE_TYPES};
use crate::shape::{Additional, Shape};
use std::sync::Arc;

impl<'a> Reader<'a> {
    pub(super) fn shape(&mut self, node: &'a Node, path: &str) -> Option<Shape> {
        let fields = self.fields(node, &format::SHAPE, path)?;
        let mut shape = Shape::default();
        if let Some(entry) = fields.find("type") {
            for item in one_or_more(&entry.value) {
                // `type: null` is read as nothing, and means the type of that name.
                let name = if matches!(item.kind, Kind::Null) { Some("null") } else { item.text() };
                match name.and_then(Shape::type_named) {
                    Some(name) => shape.types.push(name),
                    None => self.unknown_type(item, &join(path, "type")),
                }
            }
        }
        if let Some(entry) = fields.find("properties") {
            let path = join(path, "properties");
            for property in self.entries(&entry.value, &path, "a map from properties to their shapes") {
                if let Some(inner) = self.shape(&property.value, &join(&path, &property.key)) {
                    shape.properties.insert(Arc::from(property.key.as_str()), inner);
                }
            }
        }
        if let Some(entry) = fields.find("required") {
            for item in one_or_more(&entry.value) {
                match item.text() {
                    Some(name) => shape.required.push(Arc::from(name)),
                    None => self.wrong_type(item, &join(path, "required"), "the name of a property"),
                }
            }
        }
        if let Some(entry) = fields.find("additionalProperties") {
            shape.additional = match entry.value.kind {
                Kind::Bool(true) => Additional::Allowed,
                Kind::Bool(false) => Additional::Refused,
                _ => match self.shape(&entry.value, &join(path, "additionalProperties")) {
                    Some(inner) => Additional::Shaped(Box::new(inner)),
                    None => Additional::Allowed,
                },
            };
        }
        if let Some(entry) = fields.find("items") {
            shape.items = self.shape(&entry.value, &join(path, "items")).map(Box::new);
        }
        if let Some(entry) = fields.find("enum") {
            shape.allowed = Some(one_or_more(&entry.value).iter().map(Node::to_value).collect());
        }
        if let Some(entry) = fields.find("const") {
            shape.allowed = Some(vec![entry.value.to_value()]);
        }
        shape.minimum = self.number(&fields, "minimum", path);
        shape.maximum = self.number(&fields, "maximum", path);
        shape.above = self.number(&fields, "exclusiveMinimum", path);
        shape.below = self.number(&fields, "exclusiveMaximum", path);
        shape.length = (self.count(&fields, "minLength", path), self.count(&fields, "maxLength", path));
        shape.count = (self.count(&fields, "minItems", path), self.count(&fields, "maxItems", path));
        Some(shape)
    }

    fn unknown_type(&mut self, item: &Node, path: &str) {
        let text = item.text().unwrap_or_default();
        let message = format!("the type of data is one of {}, this is {:?}", SHAPE_TYPES.join(", "), text);
        let hint = nearest(text, SHAPE_TYPES.iter().copied()).map(|near| format!("did you mean {near:?}?"));
        self.report(Code::BadValue, item.span.clone(), path, message, hint.unwrap_or_default());
    }

    fn number(&mut self, fields: &Fields<'a>, key: &str, path: &str) -> Option<f64> {
        let entry = fields.find(key)?;
        match entry.value.kind {
            Kind::Int(value) => Some(value as f64),
            Kind::Double(value) => Some(value),
            _ => {
                self.wrong_type(&entry.value, &join(path, key), "a number");
                None
            }
        }
    }

    fn count(&mut self, fields: &Fields<'a>, key: &str, path: &str) -> Option<u64> {
        let entry = fields.find(key)?;
        match entry.value.kind {
            Kind::Int(value @ 0..) => Some(value as u64),
            _ => {
                self.wrong_type(&entry.value, &join(path, key), "a whole number, not negative");
                None
            }
        }
    }
}
