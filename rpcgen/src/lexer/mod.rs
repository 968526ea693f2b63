//! Text to tokens and comments.

mod skip;

use crate::code::Code;
use crate::diag::{Diagnostic, Diagnostics};
use crate::source::{Source, Span};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or a keyword.
    Word,
    /// A number as it stands, without a sign: `10`, `0x1f`, `017`.
    Number,
    /// A string in double quotes, quotes included: only Sun's constants have them.
    Text,
    /// One of [`PUNCTUATION`].
    Punct,
    /// The end of all input.
    End,
}

/// What is no word, number or text. The longer ones come first.
const PUNCTUATION: [&str; 25] = [
    "<<", ">>", "::", "{", "}", "(", ")", "[", "]", "<", ">", "*", "=", ",", ";", ":", "+", "-",
    "/", "%", "&", "|", "^", "~", "?",
];

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
    /// A line that begins with `#`, without the line's end, and what continues it.
    Directive(Span),
    /// A line that begins with `%`, likewise: it is for the C compiler.
    Passed(Span),
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
    /// No comment ends from here on.
    no_more_ends: bool,
    pub(crate) comments: Vec<Comment>,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(source: &'a Source, file: usize) -> Self {
        Self { source, file, at: 0, token_line: None, no_more_ends: false, comments: Vec::new() }
    }

    /// The next token or line that is none of the grammar's. What is no token is reported, and left
    /// out.
    pub(crate) fn next(&mut self, diagnostics: &mut Diagnostics) -> Item {
        loop {
            self.skip_space();
            let start = self.at;
            match self.rest().as_bytes() {
                [] => return Item::End,
                [b'%', ..] if self.first_on_line() => {
                    self.skip_continued_line();
                    return Item::Passed(self.span(start));
                }
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

    fn token(&mut self, start: usize) -> Result<Token, Diagnostic> {
        let rest = self.rest();
        let (kind, len) = match rest.as_bytes().first() {
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => (Kind::Word, word_len(rest)),
            Some(b'0'..=b'9') => (Kind::Number, word_len(rest)),
            Some(b'"') => (Kind::Text, text_len(rest)),
            _ => match PUNCTUATION.iter().find(|punct| rest.starts_with(**punct)) {
                Some(punct) => (Kind::Punct, punct.len()),
                None => return Err(self.unknown(start)),
            },
        };
        self.at += len;
        let span = self.span(start);
        let line = self.source.line(start);
        self.token_line = Some(line);
        Ok(Token { kind, text: rest[..len].to_owned(), span, line })
    }

    /// The error for a character that begins nothing.
    fn unknown(&mut self, start: usize) -> Diagnostic {
        let character = self.rest().chars().next();
        self.at += character.map_or(1, char::len_utf8);
        let message = format!("unknown character {:?}", character.unwrap_or_default());
        Diagnostic::new(Code::UnknownCharacter, self.span(start), message)
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
}

fn word_len(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// To the closing quote, or the rest of the line without one.
fn text_len(text: &str) -> usize {
    let end = text[1..].find(['"', '\n']).map_or(text.len(), |end| 1 + end);
    if text[end..].starts_with('"') { end + 1 } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;

    /// The tokens of `text`, lines with `#` or `%` as they are; and how many comments there are.
    fn lex(text: &str) -> (Vec<String>, usize) {
        let mut sources = SourceMap::default();
        let file = sources.add("a.x".into(), text.into());
        let source = sources.file(file).clone();
        let mut lexer = Lexer::new(&source, file);
        let mut diagnostics = Diagnostics::default();
        let mut found = Vec::new();
        loop {
            match lexer.next(&mut diagnostics) {
                Item::Token(token) => found.push(token.text),
                Item::Directive(span) | Item::Passed(span) => {
                    found.push(sources.text(span).to_owned());
                }
                Item::End => break,
            }
        }
        assert!(!diagnostics.has_errors(), "{text}");
        (found, lexer.comments.len())
    }

    #[test]
    fn tokens() {
        let table: [(&str, &[&str], usize); 22] = [
            ("int a<N>;", &["int", "a", "<", "N", ">", ";"], 0),
            ("-1+0x1F", &["-", "1", "+", "0x1F"], 0),
            ("a<1<<2>", &["a", "<", "1", "<<", "2", ">"], 0),
            ("a<N>>1>", &["a", "<", "N", ">>", "1", ">"], 0),
            ("case a::b:", &["case", "a", "::", "b", ":"], 0),
            ("\"a // b\";", &["\"a // b\"", ";"], 0),
            ("a/**/b", &["a", "b"], 1),
            ("a // b /* c\nd", &["a", "d"], 1),
            ("a /* b // c */ d", &["a", "d"], 1),
            ("/* a\n# b\n%c\n*/d", &["d"], 1),
            ("a % b", &["a", "%", "b"], 0),
            ("%a\nb", &["%a", "b"], 0),
            ("  %a\nb", &["%a", "b"], 0),
            ("%a \\\nb\nc", &["%a \\\nb", "c"], 0),
            ("%a \\\r\nb\r\nc", &["%a \\\r\nb\r", "c"], 0),
            ("%/* a\n b */\nc", &["%/* a\n b */", "c"], 0),
            ("%a \"/*\"\nb", &["%a \"/*\"", "b"], 0),
            ("%a // /*\nb", &["%a // /*", "b"], 0),
            ("%/* never closed\nb", &["%/* never closed", "b"], 0),
            ("# 1 \"a.x\"\nb", &["# 1 \"a.x\"", "b"], 0),
            ("#define A /* b\nc */ d\ne", &["#define A /* b\nc */ d", "e"], 0),
            ("\u{feff}a\u{c}b\rc\r\n\u{1a}", &["a", "b", "c"], 0),
        ];
        for (text, tokens, comments) in table {
            let (found, count) = lex(text);
            assert_eq!((found, count), (tokens.iter().map(|t| (*t).into()).collect(), comments));
        }
    }
}
