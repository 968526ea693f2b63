//! The expressions of `#if`.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::vec::IntoIter;

use crate::lexer::{Kind, Token};
use crate::value;

type Defines = BTreeMap<String, Vec<Token>>;

/// Parentheses and `!` inside of each other end here.
const MAX_DEPTH: usize = 64;

/// Whether the condition holds; `None` if it is not understood.
pub(crate) fn evaluate(text: &str, defines: &Defines) -> Option<bool> {
    let tokens = split(text)?.into_iter().peekable();
    let mut parser = Condition { tokens, defines, depth: 0 };
    let value = parser.any()?;
    parser.tokens.next().is_none().then_some(value != 0)
}

struct Condition<'a> {
    tokens: Peekable<IntoIter<String>>,
    defines: &'a Defines,
    depth: usize,
}

impl Condition<'_> {
    fn any(&mut self) -> Option<i128> {
        let mut value = self.all()?;
        while self.tokens.next_if_eq("||").is_some() {
            let right = self.all()?;
            value = i128::from(value != 0 || right != 0);
        }
        Some(value)
    }

    fn all(&mut self) -> Option<i128> {
        let mut value = self.comparison()?;
        while self.tokens.next_if_eq("&&").is_some() {
            let right = self.comparison()?;
            value = i128::from(value != 0 && right != 0);
        }
        Some(value)
    }

    fn comparison(&mut self) -> Option<i128> {
        let left = self.operand()?;
        if self.tokens.next_if_eq("==").is_some() {
            return Some(i128::from(left == self.operand()?));
        }
        if self.tokens.next_if_eq("!=").is_some() {
            return Some(i128::from(left != self.operand()?));
        }
        Some(left)
    }

    fn operand(&mut self) -> Option<i128> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let value = match self.tokens.next()?.as_str() {
            "!" => Some(i128::from(self.operand()? == 0)),
            "(" => {
                let value = self.any()?;
                self.tokens.next_if_eq(")")?;
                Some(value)
            }
            "defined" => self.defined(),
            word if word.starts_with(|c: char| c.is_ascii_digit()) => value::parse(word),
            // As in C, a name that is not defined is 0.
            word => Some(self.value_of(word)),
        };
        self.depth -= 1;
        value
    }

    fn defined(&mut self) -> Option<i128> {
        let open = self.tokens.next_if_eq("(").is_some();
        let name = self.tokens.next()?;
        if open {
            self.tokens.next_if_eq(")")?;
        }
        Some(i128::from(self.defines.contains_key(&name)))
    }

    fn value_of(&self, word: &str) -> i128 {
        match self.defines.get(word).map(Vec::as_slice) {
            Some([Token { kind: Kind::Number, text, .. }]) => value::parse(text).unwrap_or(0),
            _ => 0,
        }
    }
}

fn split(text: &str) -> Option<Vec<String>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '!' if rest.starts_with("!=") => 2,
            '!' | '(' | ')' => 1,
            '&' if rest.starts_with("&&") => 2,
            '|' if rest.starts_with("||") => 2,
            '=' if rest.starts_with("==") => 2,
            c if c.is_ascii_alphanumeric() || c == '_' => {
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            _ => return None,
        };
        tokens.push(rest[..len].to_owned());
        rest = rest[len..].trim_start();
    }
    Some(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let number = |text: &str| {
            let span = crate::source::Span { file: 0, start: 0, end: 0 };
            vec![Token { kind: Kind::Number, text: text.into(), span, line: 0 }]
        };
        let defines = Defines::from([("A".into(), number("1")), ("B".into(), Vec::new())]);
        for (text, expected) in [
            ("0", Some(false)),
            ("1", Some(true)),
            ("A", Some(true)),
            ("B", Some(false)),
            ("NOWHERE", Some(false)),
            ("defined(B)", Some(true)),
            ("!defined B", Some(false)),
            ("A == 1 && !NOWHERE", Some(true)),
            ("0 || (A != 1 || defined(A))", Some(true)),
            ("A + 1", None),
            ("(A", None),
            ("A A", None),
            ("", None),
        ] {
            assert_eq!(evaluate(text, &defines), expected, "{text}");
        }
        assert_eq!(evaluate(&"!".repeat(1000), &defines), None);
    }
}
