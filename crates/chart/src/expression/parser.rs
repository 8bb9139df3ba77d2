//! From words to a tree, by precedence climbing.
//!
//! It refuses to know what names mean. Its one invariant: nesting is counted before it is entered, so no text can
//! exhaust the stack.
//!
//! It is our own because the parsers on offer (`cel` 0.15, `cel-parser` 0.10) bring the ANTLR runtime with
//! `parking_lot`, `uuid` and `nom` even when another parser is switched on, while the grammar is a screenful.

use super::ExpressionError;
use super::lexer::{Lexer, Token};
use super::syntax::{Item, Operator, SOURCE_BYTES_MAX, Span, TREE_DEPTH_MAX, Tree, TreeKind};
use crate::value::Value;
use std::sync::Arc;

/// How deep brackets, signs and conditions may nest while parsing, where a level costs several stack frames.
/// The language asks for at least 32.
const NESTING_MAX: usize = 100;

/// Words that the language keeps for later.
pub(crate) const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

pub(super) fn parse(source: &str) -> Result<Tree, ExpressionError> {
    if source.len() > SOURCE_BYTES_MAX {
        let message = format!("expression is {} bytes long, the limit is {SOURCE_BYTES_MAX}", source.len());
        return Err(ExpressionError { span: 0..0, message, hint: Some("split it into several".into()) });
    }
    let mut lexer = Lexer::new(source);
    let (token, span) = lexer.next()?;
    let mut parser = Parser { lexer, token, span, last: Span::default(), nesting: 0 };
    if parser.token == Token::End {
        let hint = "write a value, such as true or context.total";
        return Err(Span::new(0, source.len()).error("expression is empty", Some(hint.into())));
    }
    let tree = parser.expression()?;
    match parser.token {
        Token::End => Ok(tree),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token,
    span: Span,
    last: Span,
    nesting: usize,
}

type Parsed = Result<Tree, ExpressionError>;

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token, ExpressionError> {
        let (token, span) = self.lexer.next()?;
        self.last = std::mem::replace(&mut self.span, span);
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.token, Token::Sign(found) if found == sign)
    }

    fn is_name(&self, name: &str) -> bool {
        matches!(&self.token, Token::Name(found) if **found == *name)
    }

    fn take(&mut self, sign: &str) -> Result<bool, ExpressionError> {
        if self.is(sign) {
            self.advance()?;
            return Ok(true);
        }
        Ok(false)
    }

    fn expect(&mut self, sign: &str, open: Span) -> Result<(), ExpressionError> {
        if self.take(sign)? {
            return Ok(());
        }
        let mut error = self.unexpected(&format!("'{sign}'"));
        if self.token == Token::End {
            error.span = open.range();
            error.hint = Some(format!("add '{sign}'"));
        }
        Err(error)
    }

    fn unexpected(&self, expected: &str) -> ExpressionError {
        let found = match &self.token {
            Token::End => "the end".to_owned(),
            Token::Name(name) => format!("'{name}'"),
            Token::Quoted(name) => format!("`{name}`"),
            Token::Sign(sign) => format!("'{sign}'"),
            Token::Text(_) | Token::Bytes(_) => "a text".to_owned(),
            Token::Int(_) | Token::Uint(_) | Token::Double(_) => "a number".to_owned(),
        };
        let hint = match &self.token {
            Token::Name(name) => match &**name {
                "and" => Some("write '&&'".to_owned()),
                "or" => Some("write '||'".to_owned()),
                "not" => Some("write '!'".to_owned()),
                _ => None,
            },
            _ => None,
        };
        self.span.error(format!("expected {expected}, found {found}"), hint)
    }

    /// Makes a node, unless it would be too deep.
    fn tree(&self, span: Span, kind: TreeKind) -> Parsed {
        let depth = kind.depth_inside() + 1;
        if depth > TREE_DEPTH_MAX { Err(too_deep(span)) } else { Ok(Tree { span, depth, kind }) }
    }

    fn nested(&mut self, inside: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.nesting >= NESTING_MAX {
            return Err(too_deep(self.span));
        }
        self.nesting += 1;
        let tree = inside(self);
        self.nesting -= 1;
        tree
    }

    fn expression(&mut self) -> Parsed {
        self.nested(|parser| {
            let condition = parser.binary(0)?;
            if !parser.take("?")? {
                return Ok(condition);
            }
            let open = parser.last;
            let yes = parser.binary(0)?;
            parser.expect(":", open)?;
            let no = parser.expression()?;
            let span = condition.span.to(no.span);
            parser.tree(span, TreeKind::Conditional(Box::new([condition, yes, no])))
        })
    }

    /// Operators that bind at least as tightly as `level`, all from left to right.
    fn binary(&mut self, level: u8) -> Parsed {
        let mut left = self.unary()?;
        loop {
            let Some((operator, tightness)) = self.operator() else { return Ok(left) };
            if tightness < level {
                return Ok(left);
            }
            self.advance()?;
            let right = self.binary(tightness + 1)?;
            left = self.join(operator, left, right)?;
        }
    }

    fn operator(&self) -> Option<(Infix, u8)> {
        let sign = match &self.token {
            Token::Sign(sign) => sign,
            Token::Name(name) if **name == *"in" => "in",
            _ => return None,
        };
        Some(match sign {
            "||" => (Infix::Any, 1),
            "&&" => (Infix::All, 2),
            "==" => (Infix::Binary(Operator::Equal), 3),
            "!=" => (Infix::Binary(Operator::NotEqual), 3),
            "<" => (Infix::Binary(Operator::Less), 3),
            "<=" => (Infix::Binary(Operator::LessEqual), 3),
            ">" => (Infix::Binary(Operator::Greater), 3),
            ">=" => (Infix::Binary(Operator::GreaterEqual), 3),
            "in" => (Infix::Binary(Operator::In), 3),
            "+" => (Infix::Binary(Operator::Add), 4),
            "-" => (Infix::Binary(Operator::Subtract), 4),
            "*" => (Infix::Binary(Operator::Multiply), 5),
            "/" => (Infix::Binary(Operator::Divide), 5),
            "%" => (Infix::Binary(Operator::Remainder), 5),
            _ => return None,
        })
    }

    /// Chains of `&&` and of `||` become one node, however long.
    fn join(&self, operator: Infix, left: Tree, right: Tree) -> Parsed {
        let span = left.span.to(right.span);
        let kind = match (operator, left.kind) {
            (Infix::All, TreeKind::All(mut parts)) => {
                parts.push(right);
                TreeKind::All(parts)
            }
            (Infix::Any, TreeKind::Any(mut parts)) => {
                parts.push(right);
                TreeKind::Any(parts)
            }
            (operator, kind) => {
                let left = Tree { kind, ..left };
                match operator {
                    Infix::All => TreeKind::All(vec![left, right]),
                    Infix::Any => TreeKind::Any(vec![left, right]),
                    Infix::Binary(operator) => TreeKind::Binary(operator, Box::new([left, right])),
                }
            }
        };
        self.tree(span, kind)
    }

    fn unary(&mut self) -> Parsed {
        let start = self.span;
        if self.take("!")? {
            let operand = self.nested(Self::unary)?;
            return self.tree(start.to(operand.span), TreeKind::Not(Box::new(operand)));
        }
        if self.take("-")? {
            // The smallest number has no positive twin, so the sign belongs to the literal.
            if let Token::Int(number) = self.token
                && number == 1 << 63
            {
                self.advance()?;
                let literal = self.tree(start.to(self.last), TreeKind::Literal(Value::Int(i64::MIN)))?;
                return self.postfix(literal);
            }
            let operand = self.nested(Self::unary)?;
            return self.tree(start.to(operand.span), TreeKind::Negate(Box::new(operand)));
        }
        let primary = self.primary()?;
        self.postfix(primary)
    }

    fn postfix(&mut self, mut operand: Tree) -> Parsed {
        loop {
            if self.take(".")? {
                operand = self.select(operand)?;
            } else if self.take("[")? {
                let open = self.last;
                let optional = self.take("?")?;
                let index = self.expression()?;
                self.expect("]", open)?;
                let span = operand.span.to(self.last);
                let (operand_box, index) = (Box::new(operand), Box::new(index));
                operand = self.tree(span, TreeKind::Index { operand: operand_box, index, optional })?;
            } else if self.is("{") && matches!(operand.kind, TreeKind::Name { .. } | TreeKind::Select { .. })
            {
                let hint = "write a map with its keys in quotes: {'name': value}";
                return Err(self.span.error("typed objects are not supported", Some(hint.into())));
            } else {
                return Ok(operand);
            }
        }
    }

    fn select(&mut self, operand: Tree) -> Parsed {
        let optional = self.take("?")?;
        let (field, quoted) = match self.advance()? {
            Token::Name(name) if !matches!(&*name, "in" | "true" | "false" | "null") => (name, false),
            Token::Quoted(name) => (name, true),
            token => {
                self.token = token;
                self.span = self.last;
                return Err(self.unexpected("the name of a field"));
            }
        };
        let field_span = self.last;
        if self.is("(") && !quoted && !optional {
            let arguments = self.arguments()?;
            let span = operand.span.to(self.last);
            let receiver = Some(Box::new(operand));
            return self
                .tree(span, TreeKind::Call { receiver, name: field, name_span: field_span, arguments });
        }
        let span = operand.span.to(field_span);
        self.tree(span, TreeKind::Select { operand: Box::new(operand), field, field_span, optional })
    }

    fn arguments(&mut self) -> Result<Vec<Tree>, ExpressionError> {
        let open = self.span;
        self.advance()?;
        let mut arguments = Vec::new();
        while !self.is(")") {
            arguments.push(self.expression()?);
            if !self.take(",")? {
                break;
            }
        }
        self.expect(")", open)?;
        Ok(arguments)
    }

    fn primary(&mut self) -> Parsed {
        let start = self.span;
        let value = match &self.token {
            Token::Sign(sign) => {
                return match *sign {
                    "(" => {
                        self.advance()?;
                        let inside = self.expression()?;
                        self.expect(")", start)?;
                        Ok(Tree { span: start.to(self.last), ..inside })
                    }
                    "[" => self.list(),
                    "{" => self.map(),
                    "." => {
                        self.advance()?;
                        self.name(start, true)
                    }
                    _ => Err(self.unexpected("a value")),
                };
            }
            Token::Name(name) => match &**name {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => return self.name(start, false),
            },
            Token::Int(number) => match i64::try_from(*number) {
                Ok(number) => Value::Int(number),
                Err(_) => {
                    let hint = format!("write {number}u, or a fraction");
                    return Err(start.error("number is out of range", Some(hint)));
                }
            },
            Token::Uint(number) => Value::Uint(*number),
            Token::Double(number) => Value::Double(*number),
            Token::Text(text) => Value::String(text.clone()),
            Token::Bytes(bytes) => Value::Bytes(bytes.clone()),
            Token::Quoted(_) | Token::End => return Err(self.unexpected("a value")),
        };
        self.advance()?;
        self.tree(start, TreeKind::Literal(value))
    }

    /// A name or a call. `in` with no operand before it is the function that asks for a state.
    fn name(&mut self, start: Span, absolute: bool) -> Parsed {
        let in_alone = self.is_name("in");
        let Token::Name(name) = self.advance()? else {
            return Err(self.last.error("expected a name after '.'", None));
        };
        let span = start.to(self.last);
        if self.is("(") {
            let name_span = self.last;
            let arguments = self.arguments()?;
            let span = start.to(self.last);
            return self.tree(span, TreeKind::Call { receiver: None, name, name_span, arguments });
        }
        if in_alone {
            let hint = "write in('state') to ask for a state, or an operand before 'in'";
            return Err(span.error("'in' has no operand", Some(hint.into())));
        }
        if RESERVED.contains(&&*name) {
            return Err(
                span.error(format!("'{name}' is a reserved word"), Some("choose another name".into()))
            );
        }
        self.tree(span, TreeKind::Name { name, absolute })
    }

    fn list(&mut self) -> Parsed {
        let open = self.span;
        self.advance()?;
        let mut items = Vec::new();
        while !self.is("]") {
            let optional = self.take("?")?;
            items.push(Item { tree: self.expression()?, optional });
            if !self.take(",")? {
                break;
            }
        }
        self.expect("]", open)?;
        self.tree(open.to(self.last), TreeKind::List(items))
    }

    fn map(&mut self) -> Parsed {
        let open = self.span;
        self.advance()?;
        let mut entries = Vec::new();
        while !self.is("}") {
            let optional = self.take("?")?;
            let key = self.expression()?;
            self.expect(":", key.span)?;
            entries.push((key, Item { tree: self.expression()?, optional }));
            if !self.take(",")? {
                break;
            }
        }
        self.expect("}", open)?;
        self.tree(open.to(self.last), TreeKind::Map(entries))
    }
}

#[derive(Clone, Copy)]
enum Infix {
    All,
    Any,
    Binary(Operator),
}

fn too_deep(span: Span) -> ExpressionError {
    let hint = "split it, or put parts of it into the context";
    span.error(format!("expression nests deeper than {NESTING_MAX} levels"), Some(hint.into()))
}

/// Is it a word that a name may be? Shared with what declares names.
pub(super) fn as_text(tree: &Tree) -> Option<&Arc<str>> {
    match &tree.kind {
        TreeKind::Literal(Value::String(text)) => Some(text),
        _ => None,
    }
}
