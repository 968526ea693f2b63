//! A file as a row of pieces, with nothing but white space between them.

use crate::diag::Diagnostics;
use crate::lexer::{self, Item, Lexer};
use crate::source::{SourceMap, Span};

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word, a number or a text in quotes.
    Word,
    Punct,
    /// `/* … */`
    Block,
    /// `// …`
    Line,
    /// Whole lines that stay as they are: a directive, text for C, or text that `#if` leaves out.
    Raw,
}

/// A piece, and how it stands behind the one before.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// How many lines end between the piece before and this one.
    pub(super) newlines: usize,
    /// Where it begins on its line, with a tab stop at every eighth column.
    pub(super) column: usize,
    /// `#if` leaves it out.
    pub(super) skipped: bool,
}

impl Piece<'_> {
    pub(super) fn is_comment(&self) -> bool {
        matches!(self.kind, Kind::Block | Kind::Line)
    }
}

/// Text that `#if` leaves out is not laid out if brackets in it are nested more deeply. The parser
/// takes no more elsewhere.
const MAX_DEPTH: usize = 64;

/// A piece's kind and its bytes.
type Found = (Kind, usize, usize);

/// The pieces of `text`, of which `#if` leaves out `skipped`.
pub(super) fn pieces<'a>(text: &'a str, skipped: &[Span]) -> Vec<Piece<'a>> {
    let mut found = Vec::new();
    lex(&without(text, skipped), 0, &mut found);
    for span in skipped {
        left_out(text, *span, &mut found);
    }
    found.sort_by_key(|(_, start, _)| *start);
    let mut pieces = placed(text, &found);
    for (piece, (_, start, _)) in pieces.iter_mut().zip(&found) {
        let before = skipped.partition_point(|span| span.start <= *start);
        piece.skipped = skipped[..before].last().is_some_and(|span| *start < span.end);
    }
    pieces
}

/// `text` with blanks in the place of `spans`, so that all else stays at its place.
fn without(text: &str, spans: &[Span]) -> String {
    let mut plain = String::with_capacity(text.len());
    for span in spans {
        plain.push_str(&text[plain.len()..span.start]);
        let blank = text[span.range()].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' });
        plain.extend(blank);
    }
    plain.push_str(&text[plain.len()..]);
    plain
}

/// Appends what the lexer finds in `text`, which begins at `offset`. `false` if it complains, or
/// finds directives.
fn lex(text: &str, offset: usize, found: &mut Vec<Found>) -> bool {
    let mut sources = SourceMap::default();
    let file = sources.add(String::new(), text.to_owned());
    let source = sources.file(file).clone();
    let mut lexer = Lexer::new(&source, file);
    let mut diagnostics = Diagnostics::default();
    let mut only_tokens = true;
    loop {
        let (kind, span) = match lexer.next(&mut diagnostics) {
            Item::Token(token) => {
                let punct = token.kind == lexer::Kind::Punct;
                (if punct { Kind::Punct } else { Kind::Word }, token.span)
            }
            Item::Directive(span) | Item::Passed(span) => {
                only_tokens &= text[span.start..].starts_with('%');
                (Kind::Raw, span)
            }
            Item::End => break,
        };
        found.push((kind, offset + span.start, offset + span.end));
    }
    for comment in &lexer.comments {
        let line = text[comment.span.range()].starts_with("//");
        let kind = if line { Kind::Line } else { Kind::Block };
        found.push((kind, offset + comment.span.start, offset + comment.span.end));
    }
    only_tokens && !diagnostics.has_errors()
}

/// Appends text that `#if` leaves out: in pieces if it looks like whole definitions or members, as
/// it is if not.
fn left_out(text: &str, span: Span, found: &mut Vec<Found>) {
    let before = found.len();
    let part = &text[span.range()];
    if lex(part, span.start, found) && is_whole(text, &found[before..]) {
        return;
    }
    found.truncate(before);
    if let Some((start, end)) = lines_of(part) {
        found.push((Kind::Raw, span.start + start, span.start + end));
    }
}

/// Whether every bracket has its other half, and nothing is missing at the end.
fn is_whole(text: &str, found: &[Found]) -> bool {
    let tokens = found.iter().filter(|(kind, ..)| matches!(kind, Kind::Word | Kind::Punct));
    let mut open = Vec::new();
    let mut last = ";";
    for (_, start, end) in tokens {
        last = &text[*start..*end];
        let opening = match last {
            "{" | "(" | "[" if open.len() < MAX_DEPTH => {
                open.push(last);
                continue;
            }
            "}" => "{",
            ")" => "(",
            "]" => "[",
            "{" | "(" | "[" => return false,
            // The two ways to lex see different comments where quotes are.
            quoted if quoted.starts_with('"') => return false,
            _ => continue,
        };
        if open.pop() != Some(opening) {
            return false;
        }
    }
    open.is_empty() && matches!(last, ";" | "," | "}")
}

/// Without empty lines at both ends and blanks at the end. `None` if nothing is left.
fn lines_of(text: &str) -> Option<(usize, usize)> {
    let end = text.trim_end().len();
    let first = end.min(text.len() - text.trim_start().len());
    let start = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
    (first < end).then_some((start, end))
}

/// Says how each piece stands behind the one before.
fn placed<'a>(text: &'a str, found: &[Found]) -> Vec<Piece<'a>> {
    let mut at = 0;
    let mut column = 0;
    let mut pieces = Vec::with_capacity(found.len());
    for (kind, start, end) in found {
        let gap = &text[at..*start];
        column = column_after(gap, column);
        let newlines = gap.bytes().filter(|byte| *byte == b'\n').count();
        let text = &text[*start..*end];
        pieces.push(Piece { kind: *kind, text, newlines, column, skipped: false });
        column = column_after(text, column);
        at = *end;
    }
    pieces
}

/// The column behind `text`, which begins at `column`.
pub(super) fn column_after(text: &str, column: usize) -> usize {
    text.chars().fold(column, |column, c| match c {
        '\n' => 0,
        '\t' => (column / 8 + 1) * 8,
        '\r' | '\u{feff}' => column,
        _ => column + 1,
    })
}
