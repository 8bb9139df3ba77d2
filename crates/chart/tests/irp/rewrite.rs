//! From the datamodel-neutral form of the W3C's tests to `datamodel="cel"`: elements and attributes of the `conf`
//! namespace are replaced by what they stand for.
//!
//! It refuses to know what the tests test. Its one invariant: what it has no rule for is an error, never left out.

use roxmltree::{Attribute, Document, Node};
use std::fmt::Write;

const CONF: &str = "http://www.w3.org/2005/scxml-conformance";
const PROCESSOR: &str = "http://www.w3.org/TR/scxml/#SCXMLEventProcessor";

/// The test for the data model `cel`, or what has no rule.
pub(crate) fn rewrite(text: &str) -> Result<String, String> {
    let document = Document::parse(text).map_err(|error| error.to_string())?;
    let mut out = String::new();
    element(document.root_element(), &mut out)?;
    Ok(out)
}

fn element(node: Node<'_, '_>, out: &mut String) -> Result<(), String> {
    if node.tag_name().namespace() == Some(CONF) {
        return own_element(node, out);
    }
    let name = node.tag_name().name();
    let _ = write!(out, "<{name}");
    if name == "scxml" {
        out.push_str(" xmlns=\"http://www.w3.org/2005/07/scxml\"");
    }
    for one in node.attributes() {
        let (name, value) = match one.namespace() {
            Some(CONF) => attribute(&one)?,
            // Tests of the other data model whose expressions mean the same in this one.
            _ if one.name() == "datamodel" => ("datamodel", "cel".to_owned()),
            _ => (one.name(), one.value().to_owned()),
        };
        let _ = write!(out, " {name}=\"{}\"", escaped(&value));
    }
    out.push('>');
    for child in node.children() {
        if child.is_element() {
            element(child, out)?;
        } else if let (true, Some(text)) = (child.is_text(), child.text()) {
            out.push_str(&escaped(text));
        }
    }
    let _ = write!(out, "</{name}>");
    Ok(())
}

fn own_element(node: Node<'_, '_>, out: &mut String) -> Result<(), String> {
    let of = |name: &str| node.attribute(name).unwrap_or("");
    let text = match node.tag_name().name() {
        name @ ("pass" | "fail") => {
            format!(
                "<final id=\"{name}\"><onentry><log label=\"Outcome\" expr=\"'{name}'\"/></onentry></final>"
            )
        }
        "incrementID" => format!("<assign location=\"Var{0}\" expr=\"Var{0} + 1\"/>", of("id")),
        "sumVars" | "concatVars" => {
            format!("<assign location=\"Var{0}\" expr=\"Var{0} + Var{1}\"/>", of("id1"), of("id2"))
        }
        "extendArray" => format!("<assign location=\"Var{0}\" expr=\"Var{0} + [4]\"/>", of("id")),
        "array123" => "[1, 2, 3]".to_owned(),
        "someInlineVal" => "123".to_owned(),
        "contentFoo" => "<content>foo</content>".to_owned(),
        "sendToSender" => format!(
            "<send event=\"{}\" targetexpr=\"_event.origin\" typeexpr=\"_event.origintype\"/>",
            of("name")
        ),
        other => return Err(format!("no rule for the element conf:{other}")),
    };
    out.push_str(&text);
    Ok(())
}

fn attribute(one: &Attribute<'_, '_>) -> Result<(&'static str, String), String> {
    let value = one.value();
    let variable = || format!("Var{value}");
    let text = |text: &str| text.to_owned();
    Ok(match one.name() {
        "datamodel" => ("datamodel", text("cel")),
        "targetpass" => ("target", text("pass")),
        "targetfail" => ("target", text("fail")),
        "id" => ("id", variable()),
        "name" => ("name", variable()),
        "location" => ("location", variable()),
        "idlocation" => ("idlocation", variable()),
        "namelist" => ("namelist", variable()),
        "item" => ("item", variable()),
        "index" => ("index", variable()),
        "expr" => ("expr", text(value)),
        "quoteExpr" => ("expr", format!("'{value}'")),
        "varExpr" | "varChildExpr" => ("expr", variable()),
        "targetVar" | "targetExpr" => ("targetexpr", variable()),
        "eventExpr" => ("eventexpr", variable()),
        "typeExpr" => ("typeexpr", variable()),
        "srcExpr" => ("srcexpr", variable()),
        "sendIDExpr" => ("sendidexpr", variable()),
        "delayFromVar" => ("delayexpr", variable()),
        "delay" => ("delay", format!("{value}s")),
        "systemVarExpr" => ("expr", text(value)),
        "systemVarLocation" => ("location", text(value)),
        "arrayVar" | "arrayTextVar" => ("array", variable()),
        "invalidLocation" => ("location", text("nothing.of.that.name")),
        "illegalExpr" => ("expr", text("nothing.of.that.name")),
        "varNonexistentStruct" => ("expr", format!("Var{value}.nothing")),
        "illegalArray" => ("expr", text("7")),
        "illegalItem" => ("item", text("'continue'")),
        "invalidNamelist" => ("namelist", text("nothing")),
        "invalidSendType" => ("type", text("27")),
        "invalidSendTypeExpr" => ("typeexpr", text("'27'")),
        "invalidSessionID" => ("expr", text("'#_scxml_nobody'")),
        "illegalTarget" => ("target", text("nobody at all")),
        "illegalTargetExpr" => ("targetexpr", text("'nobody at all'")),
        "unreachableTarget" => ("target", text("#_scxml_nobody")),
        "scxmlEventIOLocation" => ("expr", format!("_ioprocessors['{PROCESSOR}'].location")),
        "eventName" => ("expr", text("_event.name")),
        "eventType" => ("expr", text("_event.type")),
        "eventSendid" => ("expr", text("_event.sendid")),
        "eventField" => ("expr", format!("_event.{value}")),
        "eventRaw" => ("expr", text("_event")),
        "eventDataFieldValue" | "eventDataParamValue" => ("expr", format!("_event.data.{value}")),
        "eventDataNamelistValue" => ("expr", format!("_event.data.Var{value}")),
        name => return condition(name, value).map(|guard| ("cond", guard)),
    })
}

fn condition(name: &str, value: &str) -> Result<String, String> {
    let two = || value.split_once(' ').ok_or_else(|| format!("conf:{name} needs two variables: {value:?}"));
    Ok(match name {
        "true" | "false" => name.to_owned(),
        "nonBoolean" => "'neither'".to_owned(),
        "idVal" | "namelistIdVal" => {
            let (variable, operator, other) = compared(value)?;
            format!("Var{variable} {operator} {other}")
        }
        "compareIDVal" => {
            let (variable, operator, other) = compared(value)?;
            format!("Var{variable} {operator} Var{other}")
        }
        "idQuoteVal" => {
            let (variable, operator, other) = compared(value)?;
            format!("Var{variable} {operator} '{other}'")
        }
        "idSystemVarVal" => {
            let (variable, operator, other) = compared(value)?;
            format!("Var{variable} {operator} {other}")
        }
        "eventvarVal" => {
            let (variable, operator, other) = compared(value)?;
            format!("_event.data.Var{variable} {operator} {other}")
        }
        "VarEqVar" | "VarEqVarStruct" => two().map(|(one, other)| format!("Var{one} == Var{other}"))?,
        "varPrefix" => two().map(|(one, other)| format!("Var{other}.startsWith(Var{one})"))?,
        "idSomeVal" => format!("Var{value} == 123"),
        "eventNameVal" => format!("_event.name == '{value}'"),
        "eventdataVal" => format!("_event.data == {value}"),
        "eventdataSomeVal" => "_event.data == 123".to_owned(),
        "emptyEventData" => "_event.data == null".to_owned(),
        "eventFieldHasNoValue" => format!("_event.{value} == null"),
        "originTypeEq" => format!("_event.origintype == '{value}'"),
        "eventFieldsAreBound" => {
            let fields = ["name", "type", "sendid", "origin", "origintype", "invokeid", "data"];
            fields.map(|field| format!("'{field}' in _event")).join(" && ")
        }
        "isBound" => format!("Var{value} != null"),
        "unboundVar" | "noValue" => format!("Var{value} == null"),
        "systemVarIsBound" => format!("{value} != null"),
        "nameVarVal" => format!("_name == '{value}'"),
        "inState" => format!("In('{value}')"),
        other => return Err(format!("no rule for conf:{other}")),
    })
}

/// Variable, operator and the other side.
fn compared(value: &str) -> Result<(&str, &str, &str), String> {
    let at = value.find(['=', '<', '>']).ok_or_else(|| format!("no comparison: {value:?}"))?;
    let end = at + value[at..].find(|c| !matches!(c, '=' | '<' | '>')).unwrap_or(1);
    let operator = if &value[at..end] == "=" { "==" } else { &value[at..end] };
    Ok((value[..at].trim(), operator, value[end..].trim()))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
