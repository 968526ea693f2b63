//! What is passed over without becoming a token.

use super::{Item, Lexer};
use crate::diag::Diagnostics;

impl Lexer<'_> {
    /// Skips to the next directive, or to the end: for text that `#if` leaves out.
    pub(crate) fn next_directive(&mut self, diagnostics: &mut Diagnostics) -> Item {
        loop {
            self.skip_space();
            let start = self.at;
            match self.rest().as_bytes() {
                [] => return Item::End,
                [b'#', ..] if self.first_on_line() => {
                    self.skip_continued_line();
                    return Item::Directive(self.span(start));
                }
                [b'%', ..] if self.first_on_line() => self.skip_continued_line(),
                [b'/', b'/', ..] => self.skip_line(),
                [b'/', b'*', ..] => {
                    self.comment(diagnostics);
                    self.comments.pop();
                }
                _ => self.skip_rest_of_line_to_comment(),
            }
        }
    }

    pub(super) fn skip_space(&mut self) {
        // The last one ends files of DOS.
        let space = |c: char| c.is_whitespace() || c == '\u{feff}' || c == '\u{1a}';
        self.at += self.rest().len() - self.rest().trim_start_matches(space).len();
    }

    fn line_end(&self) -> usize {
        self.rest().find('\n').map_or(self.source.text.len(), |len| self.at + len)
    }

    pub(super) fn skip_line(&mut self) {
        self.at = self.line_end();
    }

    /// Skips a directive or a line for C: a backslash continues it on the next line, and a comment
    /// that starts on it belongs to it to the comment's end.
    pub(super) fn skip_continued_line(&mut self) {
        loop {
            let line_end = self.line_end();
            let line = &self.source.text[self.at..line_end];
            let comment = comment_start(line).and_then(|open| self.comment_end(self.at + open + 2));
            if let Some(end) = comment {
                self.at = end;
            } else if line.trim_end_matches('\r').ends_with('\\')
                && line_end < self.source.text.len()
            {
                self.at = line_end + 1;
            } else {
                self.at = line_end;
                return;
            }
        }
    }

    /// Where the comment with the body that begins at `body` ends.
    fn comment_end(&mut self, body: usize) -> Option<usize> {
        if self.no_more_ends {
            return None;
        }
        let close = self.source.text[body..].find("*/");
        self.no_more_ends = close.is_none();
        Some(body + close? + 2)
    }

    fn skip_rest_of_line_to_comment(&mut self) {
        let rest = self.rest();
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let line = rest[first..].find('\n').map_or(rest.len(), |len| first + len);
        // A comment must be seen, for what it holds is no directive.
        let comment = rest[first..line].find("/*").map_or(line, |at| first + at);
        self.at += comment;
    }

    pub(super) fn first_on_line(&self) -> bool {
        let before = &self.source.text[..self.at];
        let blank = |c: char| c != '\n' && c.is_whitespace() || c == '\u{feff}';
        before.trim_end_matches(blank).chars().next_back().is_none_or(|c| c == '\n')
    }
}

/// Where a `/*` is in a line, outside of text in quotes and of a comment that ends with the line.
fn comment_start(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    let mut quoted = false;
    for (at, byte) in bytes.iter().enumerate() {
        match (byte, bytes.get(at + 1)) {
            (b'"', _) => quoted = !quoted,
            (b'/', Some(b'/')) if !quoted => return None,
            (b'/', Some(b'*')) if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}
