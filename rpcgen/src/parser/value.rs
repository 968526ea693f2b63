//! Values: numbers, names, and what is computed from them.

use super::{MAX_DEPTH, Parsed, Parser};
use crate::ast::{Expression, Part, Value};
use crate::code::Code;
use crate::diag::Diagnostic;
use crate::lexer::Kind;
use crate::value;

/// The operators that stand between two values, the strongest first.
const LEVELS: [&[&str]; 6] = [&["*", "/", "%"], &["+", "-"], &["<<", ">>"], &["&"], &["^"], &["|"]];

impl Parser<'_> {
    /// A constant or the name of one; as an extension, an expression of them.
    pub(super) fn value(&mut self) -> Parsed<Value> {
        let first = self.peek().span;
        let mut parts = Vec::new();
        self.binary(LEVELS.len(), &mut parts)?;
        let span = first.to(self.input.tokens[self.at - 1].span);
        Ok(match &mut parts[..] {
            [Part::Constant(number)] => Value::Constant(*number, span),
            [Part::Name(_)] => match parts.pop() {
                Some(Part::Name(name)) => Value::Name(name),
                _ => Value::Constant(0, span),
            },
            _ => Value::Expression(Expression { parts, span }),
        })
    }

    /// Values joined by operators of the first `count` levels.
    fn binary(&mut self, count: usize, parts: &mut Vec<Part>) -> Parsed<()> {
        let Some(level) = count.checked_sub(1) else { return self.operand(parts) };
        self.binary(level, parts)?;
        while let Some(operator) = LEVELS[level].iter().find(|text| self.next_is(text)) {
            self.next();
            self.binary(level, parts)?;
            parts.push(Part::Binary(operator));
        }
        Ok(())
    }

    fn operand(&mut self, parts: &mut Vec<Part>) -> Parsed<()> {
        let token = self.peek();
        match (token.kind, token.text.as_str()) {
            (Kind::Number, _) => self.constant(false, parts),
            (Kind::Word, _) => {
                parts.push(Part::Name(self.name()?));
                Ok(())
            }
            (Kind::Punct, "-") if self.peek_at(1).kind == Kind::Number => {
                self.next();
                self.constant(true, parts)
            }
            (Kind::Punct, "-") => self.unary(Some("-"), parts),
            (Kind::Punct, "~") => self.unary(Some("~"), parts),
            (Kind::Punct, "+") => self.unary(None, parts),
            (Kind::Punct, "(") => self.deeper(|parser| {
                parser.next();
                parser.binary(LEVELS.len(), parts)?;
                parser.expect(")")
            }),
            _ => Err(self.unexpected("a number or the name of a constant", "")),
        }
    }

    fn unary(&mut self, operator: Option<&'static str>, parts: &mut Vec<Part>) -> Parsed<()> {
        self.deeper(|parser| {
            parser.next();
            parser.operand(parts)?;
            parts.extend(operator.map(Part::Unary));
            Ok(())
        })
    }

    fn constant(&mut self, negative: bool, parts: &mut Vec<Part>) -> Parsed<()> {
        let token = self.next().clone();
        let text = format!("{}{}", if negative { "-" } else { "" }, token.text);
        match value::parse(&text) {
            Some(number) => {
                parts.push(Part::Constant(number));
                Ok(())
            }
            None => {
                let message = format!("`{text}` is not a number of 64 bits");
                let error = Diagnostic::new(Code::BadNumber, token.span, message);
                Err(self.fail(super::habits::with_number_help(&token.text, error)))
            }
        }
    }

    /// What may be inside of itself, but not without end.
    pub(super) fn deeper<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            let error =
                Diagnostic::new(Code::TooDeep, self.peek().span, "this is nested too deeply");
            return Err(self.fail(error));
        }
        self.depth += 1;
        let parsed = rule(self);
        self.depth -= 1;
        parsed
    }
}
