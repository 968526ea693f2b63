//! The expressions of `#if`.

use std::iter::Peekable;
use std::slice::Iter;

use crate::value;

/// Parentheses, signs and choices inside of each other end here.
const MAX_DEPTH: usize = 64;

/// What a condition is not allowed to be.
type Value = Result<i128, &'static str>;

/// The operators that stand between two values, the strongest first.
const LEVELS: [&[&str]; 10] = [
    &["*", "/", "%"],
    &["+", "-"],
    &["<<", ">>"],
    &["<", ">", "<=", ">="],
    &["==", "!="],
    &["&"],
    &["^"],
    &["|"],
    &["&&"],
    &["||"],
];

/// The value of a condition, in which names that are left are 0.
pub(crate) fn evaluate(tokens: &[String]) -> Value {
    let mut parser = Condition { tokens: tokens.iter().peekable(), depth: 0, idle: 0 };
    let value = parser.choice()?;
    match parser.tokens.next() {
        None => Ok(value),
        Some(_) => Err("something is left behind the expression"),
    }
}

struct Condition<'a> {
    tokens: Peekable<Iter<'a, String>>,
    depth: usize,
    /// How many operators around this one have made their choice: nothing here counts.
    idle: usize,
}

impl Condition<'_> {
    fn choice(&mut self) -> Value {
        let condition = self.binary(LEVELS.len())?;
        if !self.accept("?") {
            return Ok(condition);
        }
        self.deeper(|parser| {
            let yes = parser.while_idle(condition == 0, Self::choice)?;
            if !parser.accept(":") {
                return Err("`?` needs a `:`");
            }
            let no = parser.while_idle(condition != 0, Self::choice)?;
            Ok(if condition != 0 { yes } else { no })
        })
    }

    /// Values joined by operators of the first `count` levels.
    fn binary(&mut self, count: usize) -> Value {
        let Some(level) = count.checked_sub(1) else { return self.operand() };
        let mut left = self.binary(level)?;
        loop {
            let is_here = |token: &&String| LEVELS[level].contains(&token.as_str());
            let Some(operator) = self.tokens.next_if(is_here) else { return Ok(left) };
            let decided = match operator.as_str() {
                "&&" => left == 0,
                "||" => left != 0,
                _ => false,
            };
            let right = self.while_idle(decided, |parser| parser.binary(level))?;
            left = match apply(operator, left, right) {
                Err(_) if self.idle > 0 => 0,
                value => value?,
            };
        }
    }

    fn operand(&mut self) -> Value {
        let token = self.tokens.next().ok_or("a value is missing")?;
        match token.as_str() {
            "!" => self.deeper(|parser| Ok(i128::from(parser.operand()? == 0))),
            "-" => self.deeper(|parser| Ok(-parser.operand()?)),
            "+" => self.deeper(Self::operand),
            "~" => self.deeper(|parser| Ok(!parser.operand()?)),
            "(" => self.deeper(|parser| {
                let value = parser.choice()?;
                if parser.accept(")") { Ok(value) } else { Err("a parenthesis is open") }
            }),
            word if word.starts_with(|c: char| c.is_ascii_digit()) => {
                value::parse(word).ok_or("a number is none")
            }
            // As in C.
            word if word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') => Ok(0),
            _ => Err("a value is missing"),
        }
    }

    fn deeper(&mut self, rule: impl FnOnce(&mut Self) -> Value) -> Value {
        if self.depth == MAX_DEPTH {
            return Err("it is nested too deeply");
        }
        self.depth += 1;
        let value = rule(self);
        self.depth -= 1;
        value
    }

    fn while_idle(&mut self, idle: bool, rule: impl FnOnce(&mut Self) -> Value) -> Value {
        self.idle += usize::from(idle);
        let value = rule(self);
        self.idle -= usize::from(idle);
        value
    }

    fn accept(&mut self, text: &str) -> bool {
        self.tokens.next_if(|token| *token == text).is_some()
    }
}

fn apply(operator: &str, left: i128, right: i128) -> Value {
    let truth = |holds: bool| Ok(i128::from(holds));
    match operator {
        "<" => truth(left < right),
        ">" => truth(left > right),
        "<=" => truth(left <= right),
        ">=" => truth(left >= right),
        "==" => truth(left == right),
        "!=" => truth(left != right),
        "&&" => truth(left != 0 && right != 0),
        "||" => truth(left != 0 || right != 0),
        operator => value::apply(operator, left, right),
    }
}

/// The words, numbers and operators of a condition.
pub(crate) fn split(text: &str) -> Vec<String> {
    const LONG: [&str; 8] = ["&&", "||", "==", "!=", "<=", ">=", "<<", ">>"];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let len = if word(first) {
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        } else if LONG.iter().any(|long| rest.starts_with(long)) {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(rest[..len].to_owned());
        rest = rest[len..].trim_start();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("1", Ok(1)),
            ("NOWHERE", Ok(0)),
            ("1 + 2 * 3", Ok(7)),
            ("(1 + 2) * 3", Ok(9)),
            ("7 / 2 % 2 - 1", Ok(0)),
            ("-1 < 0 && +1 >= 1", Ok(1)),
            ("1 << 3 >> 1", Ok(4)),
            ("0xF & ~1 ^ 2 | 1", Ok(13)),
            ("!0 == 1 != 0", Ok(1)),
            ("0 || 1 && 0", Ok(0)),
            ("1 ? 2 : 3", Ok(2)),
            ("0 ? 2 : 0 ? 3 : 4", Ok(4)),
            ("0 && 1 / 0", Ok(0)),
            ("1 || 1 % 0", Ok(1)),
            ("1 ? 5 : 1 / 0", Ok(5)),
            ("017 == 15 && 10L == 10", Ok(1)),
            ("1 / 0", Err("a division by zero")),
            ("1 << 64", Err("a shift by more than 63 bits")),
            ("1 +", Err("a value is missing")),
            ("(1", Err("a parenthesis is open")),
            ("1 1", Err("something is left behind the expression")),
            ("1 ? 2", Err("`?` needs a `:`")),
            ("09", Err("a number is none")),
            ("@", Err("a value is missing")),
            ("", Err("a value is missing")),
        ] {
            assert_eq!(evaluate(&split(text)), expected, "{text}");
        }
        for deep in ["!", "(", "-", "1 ? "] {
            assert_eq!(evaluate(&split(&deep.repeat(10_000))), Err("it is nested too deeply"));
        }
        let long = format!("1{}", " + 1".repeat(100_000));
        assert_eq!(evaluate(&split(&long)), Ok(100_001));
    }
}
