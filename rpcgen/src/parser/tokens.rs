//! Taking tokens, and going on where they were not what was wanted.

use super::{Failed, Parsed, Parser};
use crate::code::Code;
use crate::diag::Diagnostic;
use crate::lexer::{Kind, Token};
use crate::source::Span;

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> &'a Token {
        self.peek_at(0)
    }

    /// The token `count` tokens after the next one.
    pub(super) fn peek_at(&self, count: usize) -> &'a Token {
        // The last token is the end, and is never passed.
        &self.input.tokens[(self.at + count).min(self.input.tokens.len() - 1)]
    }

    pub(super) fn next(&mut self) -> &'a Token {
        let token = self.peek();
        if token.kind != Kind::End {
            self.at += 1;
        }
        token
    }

    pub(super) fn next_is(&self, text: &str) -> bool {
        let token = self.peek();
        token.text == text && matches!(token.kind, Kind::Word | Kind::Punct)
    }

    pub(super) fn accept(&mut self, text: &str) -> bool {
        let found = self.next_is(text);
        if found {
            self.next();
        }
        found
    }

    pub(super) fn expect(&mut self, text: &str) -> Parsed<()> {
        if self.accept(text) {
            return Ok(());
        }
        let Some(before) = self.at.checked_sub(1).map(|i| &self.input.tokens[i]) else {
            return Err(self.unexpected(&format!("`{text}`"), ""));
        };
        let found = self.peek();
        if text == ";" && (found.line > before.line || found.kind == Kind::End) {
            // It is most likely what was forgotten, and nothing else: go on as if it were there.
            let error =
                Diagnostic::new(Code::MissingSemicolon, self.end_of(before), "expected `;`")
                    .label("add `;` here");
            self.diagnostics.push(error);
            return Ok(());
        }
        Err(self.unexpected(&format!("`{text}`"), ""))
    }

    /// The last character of a token: a caret behind it may be on no line.
    fn end_of(&self, token: &Token) -> Span {
        let last = token.text.chars().next_back().map_or(0, char::len_utf8);
        Span { start: token.span.end.saturating_sub(last).max(token.span.start), ..token.span }
    }

    pub(super) fn unexpected(&mut self, wanted: &str, why: &str) -> Failed {
        let token = self.peek();
        let found = match token.kind {
            Kind::End => "the end of the file".to_owned(),
            _ => format!("`{}`", token.text),
        };
        let message = format!("expected {wanted}, found {found}");
        let error = Diagnostic::new(Code::Unexpected, token.span, message).label(why);
        self.fail(self.with_habits(wanted, error))
    }

    pub(super) fn fail(&mut self, diagnostic: Diagnostic) -> Failed {
        self.diagnostics.push(diagnostic);
        Failed
    }

    /// Skips what is left of a definition that began at token `start`: to the `;` outside of its
    /// braces, or to where another definition seems to begin.
    pub(super) fn recover(&mut self, start: usize) {
        self.skip_definition(start);
        self.excuse(start);
    }

    /// What was skipped since token `start` is not known now, but used all the same.
    fn excuse(&mut self, start: usize) {
        // A part of it may have been skipped before.
        let (from, to) = (self.skipped.start.max(start), self.skipped.end.min(self.at));
        let (from, to) = if from < to { (from, to) } else { (start, start) };
        for range in [start..from, to..self.at] {
            let words = self.input.tokens[range].iter().filter(|token| token.kind == Kind::Word);
            self.diagnostics.excuse(words.map(|token| token.text.as_str()));
        }
        self.skipped = start..self.at;
    }

    fn skip_definition(&mut self, start: usize) {
        self.hoisted.clear();
        let failed_at = self.at;
        self.at = start;
        let mut open = 0_usize;
        while self.peek().kind != Kind::End {
            let token = self.next();
            match token.text.as_str() {
                "{" => open += 1,
                "}" => open = open.saturating_sub(1),
                ";" if open == 0 && self.at > failed_at => return,
                _ => {}
            }
            if open == 0 && self.at > failed_at && self.at_definition() {
                return;
            }
        }
    }

    pub(super) fn at_definition(&self) -> bool {
        let token = self.peek();
        let first_on_line =
            self.at.checked_sub(1).is_none_or(|i| self.input.tokens[i].line < token.line);
        let starts = ["const", "typedef", "program"].contains(&token.text.as_str());
        starts && first_on_line
    }

    /// Skips what is left of a member that began at token `start`: to behind its `;`, or to the `}`
    /// of the body. Gives up where neither comes.
    pub(super) fn recover_in_body(&mut self, start: usize) -> Parsed<()> {
        self.skip_member(start)?;
        self.excuse(start);
        Ok(())
    }

    fn skip_member(&mut self, start: usize) -> Parsed<()> {
        let failed_at = self.at;
        self.at = start;
        let mut open = 0_usize;
        loop {
            if self.peek().kind == Kind::End || (open == 0 && self.at_definition()) {
                return Err(Failed);
            }
            match self.peek().text.as_str() {
                "{" => open += 1,
                "}" if open == 0 && self.at >= failed_at => return Ok(()),
                "}" => open = open.saturating_sub(1),
                ";" if open == 0 && self.at >= failed_at => {
                    self.next();
                    return Ok(());
                }
                _ => {}
            }
            self.next();
        }
    }
}
