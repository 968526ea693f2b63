//! Where there is a blank between two tokens of a line.

use super::scan::{Kind, Piece};

/// What was written last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last<'a> {
    /// The last token.
    text: &'a str,
    /// Nothing comes between it and the next token.
    glue: bool,
    /// An operator behind it has two operands.
    operand: bool,
    /// A comment comes behind it.
    comment: bool,
}

impl Default for Last<'_> {
    fn default() -> Self {
        Self { text: "", glue: true, operand: false, comment: false }
    }
}

const OPERATORS: [&str; 12] = ["*", "+", "-", "/", "%", "&", "|", "^", "<<", ">>", "~", "?"];

impl<'a> Last<'a> {
    /// What is written last once `piece` is. `expression` is whether it is part of a constant's
    /// value.
    pub(super) fn then(self, piece: &Piece<'a>, expression: bool) -> Self {
        let text = piece.text;
        let operator = OPERATORS.contains(&text);
        let binary = self.operand && (expression || text != "*");
        Self {
            text,
            glue: matches!(text, "(" | "[" | "<" | "::") || operator && !binary,
            operand: match piece.kind {
                Kind::Word => text != "case",
                _ => matches!(text, ")" | "]" | ">"),
            },
            comment: false,
        }
    }

    pub(super) fn then_comment(self) -> Self {
        Self { comment: true, ..self }
    }

    /// Whether there is a blank before `piece`.
    pub(super) fn blank_before(self, piece: &Piece<'_>) -> bool {
        let ends = matches!(piece.text, ";" | "," | ")" | "]" | ">" | ":");
        if self.comment {
            return !ends;
        }
        let opens = match piece.text {
            "::" | "<" | "[" => true,
            "}" => self.text == "{",
            "(" => self.operand && self.text != "switch",
            _ => false,
        };
        would_join(self.text, piece.text) || !(self.glue || ends || opens)
    }

    /// Whether there is a blank before a comment.
    pub(super) fn blank_before_comment(self) -> bool {
        self.comment || !matches!(self.text, "(" | "[" | "<")
    }
}

/// Whether the lexer would find other tokens if nothing came between these.
fn would_join(left: &str, right: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match (left.chars().next_back(), right.chars().next()) {
        (Some(left), Some(right)) if word(left) && word(right) => true,
        (Some('/'), Some('/' | '*')) => true,
        (Some(left @ ('<' | '>' | ':')), Some(right)) => left == right,
        _ => false,
    }
}
