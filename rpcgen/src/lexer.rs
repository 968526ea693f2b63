//! Text to tokens and comments.

use crate::code::Code;
use crate::diag::{Diagnostic, Diagnostics};
use crate::source::{Source, Span};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or a keyword.
    Word,
    /// A number as it stands: `10`, `-1`, `0x1f`, `017`.
    Number,
    /// A string in double quotes, quotes included: only Sun's constants have them.
    Text,
    /// One of `{}()[]<>*=,;:`.
    Punct,
    /// The end of all input.
    End,
}

/// One token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) span: Span,
    /// Counted from 0.
    pub(crate) line: usize,
}

/// One comment.
#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) span: Span,
    pub(crate) first_line: usize,
    pub(crate) last_line: usize,
    /// No token stands before it on its line.
    pub(crate) alone: bool,
}

/// What [`Lexer::next`] found.
#[derive(Debug)]
pub(crate) enum Item {
    Token(Token),
    /// A line that begins with `#`, without the line's end.
    Directive(Span),
    End,
}

/// Reads one file.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    source: &'a Source,
    file: usize,
    at: usize,
    /// The line of the last token.
    token_line: Option<usize>,
    pub(crate) comments: Vec<Comment>,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(source: &'a Source, file: usize) -> Self {
        Self { source, file, at: 0, token_line: None, comments: Vec::new() }
    }

    /// The next token or directive. What is no token is reported, and left out.
    pub(crate) fn next(&mut self, diagnostics: &mut Diagnostics) -> Item {
        loop {
            self.skip_space();
            let start = self.at;
            match self.rest().as_bytes() {
                [] => return Item::End,
                [b'%', ..] if self.first_on_line() => self.skip_line(),
                [b'#', ..] if self.first_on_line() => {
                    self.skip_continued_line();
                    return Item::Directive(self.span(start));
                }
                [b'/', b'*', ..] | [b'/', b'/', ..] => self.comment(diagnostics),
                _ => match self.token(start) {
                    Ok(token) => return Item::Token(token),
                    Err(diagnostic) => diagnostics.push(diagnostic),
                },
            }
        }
    }

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
                [b'%', ..] if self.first_on_line() => self.skip_line(),
                [b'/', b'/', ..] => self.skip_line(),
                [b'/', b'*', ..] => {
                    self.comment(diagnostics);
                    self.comments.pop();
                }
                _ => self.skip_rest_of_line_to_comment(),
            }
        }
    }

    fn token(&mut self, start: usize) -> Result<Token, Diagnostic> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Err(Diagnostic::new(
                Code::Unexpected,
                self.span(start),
                "unexpected end of file",
            ));
        };
        let (kind, len) = match first {
            'a'..='z' | 'A'..='Z' | '_' => (Kind::Word, word_len(rest)),
            '0'..='9' => (Kind::Number, word_len(rest)),
            '-' => (Kind::Number, 1 + word_len(&rest[1..])),
            '"' => (Kind::Text, text_len(rest)),
            '{' | '}' | '(' | ')' | '[' | ']' | '<' | '>' | '*' | '=' | ',' | ';' | ':' => {
                (Kind::Punct, 1)
            }
            other => {
                self.at += other.len_utf8();
                return Err(Diagnostic::new(
                    Code::UnknownCharacter,
                    self.span(start),
                    format!("unknown character {other:?}"),
                ));
            }
        };
        self.at += len;
        let span = self.span(start);
        let line = self.source.line(start);
        self.token_line = Some(line);
        Ok(Token { kind, text: rest[..len].to_owned(), span, line })
    }

    fn comment(&mut self, diagnostics: &mut Diagnostics) {
        let start = self.at;
        let rest = self.rest();
        if rest.starts_with("//") {
            self.skip_line();
        } else if let Some(end) = rest[2..].find("*/") {
            self.at += 2 + end + 2;
        } else {
            self.at += rest.len();
            let open = Span { end: start + 2, ..self.span(start) };
            diagnostics.push(Diagnostic::new(Code::OpenComment, open, "this comment does not end"));
        }
        let first_line = self.source.line(start);
        self.comments.push(Comment {
            span: self.span(start),
            first_line,
            last_line: self.source.line(self.at.saturating_sub(1)),
            alone: self.token_line != Some(first_line),
        });
    }

    fn rest(&self) -> &'a str {
        &self.source.text[self.at..]
    }

    fn span(&self, start: usize) -> Span {
        Span { file: self.file, start, end: self.at }
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn line_end(&self) -> usize {
        self.rest().find('\n').map_or(self.source.text.len(), |len| self.at + len)
    }

    fn skip_line(&mut self) {
        self.at = self.line_end();
    }

    /// Skips a directive: a backslash continues it on the next line, a comment that starts on it
    /// belongs to it to its end.
    fn skip_continued_line(&mut self) {
        loop {
            let line_end = self.line_end();
            let line = &self.source.text[self.at..line_end];
            if let Some(open) = line.find("/*") {
                let body = &self.source.text[self.at + open + 2..];
                let closed = body
                    .find("*/")
                    .map_or(self.source.text.len(), |close| self.at + open + 2 + close + 2);
                self.at = closed;
                if closed > line_end {
                    return;
                }
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

    fn skip_rest_of_line_to_comment(&mut self) {
        let rest = self.rest();
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let line = rest.find('\n').unwrap_or(rest.len());
        // A comment must be seen, for what it holds is no directive.
        let comment = rest[first..].find("/*").map_or(line, |at| first + at);
        self.at += line.min(comment).max(first);
    }

    fn first_on_line(&self) -> bool {
        let before = &self.source.text[..self.at];
        before.trim_end_matches([' ', '\t']).chars().next_back().is_none_or(|c| c == '\n')
    }
}

fn word_len(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// To the closing quote, or the rest of the line without one.
fn text_len(text: &str) -> usize {
    let end = text[1..].find(['"', '\n']).map_or(text.len(), |end| 1 + end);
    if text[end..].starts_with('"') { end + 1 } else { end }
}
