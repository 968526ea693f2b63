//! Pieces to lines.

mod ahead;
mod comments;
mod frames;

use super::INDENT;
use super::lines::{self, Line};
use super::scan::{Kind, Piece};
use super::spacing::Last;
use ahead::Ahead;
use frames::{Body, Frame};

/// The lines of a file.
pub(super) fn lines(pieces: &[Piece<'_>]) -> Vec<Line> {
    let mut layout = Layout::new(pieces);
    for (at, piece) in pieces.iter().enumerate() {
        if piece.newlines > 0 || at == 0 {
            layout.line_column = piece.column;
        }
        layout.enter_or_leave(piece.skipped);
        match piece.kind {
            Kind::Word | Kind::Punct => layout.token(at),
            Kind::Block | Kind::Line => layout.comment(at),
            Kind::Raw => layout.raw(at),
        }
    }
    layout.flush();
    layout.lines
}

/// Where the next piece comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// On the line that is being written.
    Same,
    /// On another line of the same definition or member.
    Continued,
    /// On the first line of another definition or member.
    Fresh,
}

/// A definition, a member or a label, as far as it was seen.
#[derive(Debug, Clone, Copy, Default)]
struct Statement<'a> {
    /// The indentation of its first line.
    indent: usize,
    /// It has tokens.
    begun: bool,
    /// What the next `{` opens.
    opener: &'a str,
    /// It is a label, until its `:`.
    label: bool,
    /// What follows is part of a constant's value.
    expression: bool,
    /// It has had a body.
    body: bool,
}

/// What the tokens so far mean for those that follow.
#[derive(Debug, Clone)]
struct State<'a> {
    frames: Vec<Frame>,
    /// Where the line of the last label of each open union begins.
    labels: Vec<usize>,
    statement: Statement<'a>,
    next: Next,
    last: Last<'a>,
}

struct Layout<'a> {
    pieces: &'a [Piece<'a>],
    ahead: Vec<Ahead>,
    lines: Vec<Line>,
    /// The line that is being written.
    line: Option<Line>,
    state: State<'a>,
    /// The state before the text that `#if` leaves out.
    outside: Option<State<'a>>,
    /// Where the line of the last piece begins.
    line_column: usize,
}

impl<'a> Layout<'a> {
    fn new(pieces: &'a [Piece<'a>]) -> Self {
        Self {
            pieces,
            ahead: ahead::of(pieces),
            lines: Vec::new(),
            line: None,
            state: State {
                frames: Vec::new(),
                labels: Vec::new(),
                statement: Statement::default(),
                next: Next::Fresh,
                last: Last::default(),
            },
            outside: None,
            line_column: 0,
        }
    }

    /// Text that `#if` leaves out means nothing for the tokens behind it.
    fn enter_or_leave(&mut self, skipped: bool) {
        if !skipped {
            if let Some(state) = self.outside.take() {
                self.flush();
                self.state = state;
            }
        } else if self.outside.is_none() {
            self.outside = Some(self.state.clone());
        }
    }

    fn token(&mut self, at: usize) {
        let piece = &self.pieces[at];
        match piece.text {
            "}" => self.close_body(at),
            ";" if self.has_line_for(at) => self.state.next = Next::Same,
            _ => {}
        }
        self.place(at);
        self.before_token(piece);
        self.append(piece.text, self.state.last.blank_before(piece));
        self.state.last = self.state.last.then(piece, self.state.statement.expression);
        self.after_token(at);
    }

    /// What a token means that is about to be written.
    fn before_token(&mut self, piece: &Piece<'a>) {
        let first = !self.state.statement.begun;
        self.state.statement.begun = true;
        match piece.text {
            "program" | "version" | "namespace" if first => {
                self.state.statement.opener = piece.text
            }
            "enum" | "struct" | "union" if !self.in_bracket() => {
                self.state.statement.opener = piece.text;
            }
            "case" | "default" if first && self.body() == Some(Body::Union) => self.label(),
            ")" | "]" | ">" => self.close_bracket(),
            _ => {}
        }
    }

    /// What a token means that was written.
    fn after_token(&mut self, at: usize) {
        match self.pieces[at].text {
            "{" => self.open_body(),
            "(" => self.open_parenthesis(),
            "[" | "<" => self.open_bracket(),
            "=" => self.state.statement.expression = true,
            "," => self.after_comma(at),
            ":" if self.state.statement.label && !self.in_bracket() => self.end_line_that_opens(),
            ";" => self.end_statement(),
            "}" if self.state.statement.opener == "namespace" => self.end_statement(),
            _ => {}
        }
    }

    fn label(&mut self) {
        self.state.statement.label = true;
        self.state.statement.expression = true;
        if let Some(column) = self.state.labels.last_mut() {
            *column = self.line_column;
        }
    }

    fn after_comma(&mut self, at: usize) {
        if self.state.frames.last().is_some_and(Frame::is_enum) {
            let alone = self.line.as_ref().is_some_and(|line| line.code == ",");
            let next = self.pieces.get(at + 1);
            let goes_on = next.is_some_and(|next| next.newlines == 0 && !next.is_comment());
            self.state.next = if alone && goes_on { Next::Same } else { Next::Fresh };
        } else if let Some(line) = &mut self.line {
            line.arguments.commas.push(line.code.len());
        }
    }

    fn end_line_that_opens(&mut self) {
        if let Some(line) = &mut self.line {
            line.opens = true;
        }
        self.state.next = Next::Fresh;
    }

    fn end_statement(&mut self) {
        self.close_brackets();
        if let Some(line) = &mut self.line {
            line.ends_body = self.state.statement.body;
        }
        self.state.next = Next::Fresh;
    }

    /// Begins a line, if the piece begins one.
    fn place(&mut self, at: usize) {
        match self.state.next {
            Next::Fresh => self.begin_statement(at),
            Next::Same if self.line.is_some() => {}
            Next::Same | Next::Continued => {
                let blank = self.pieces[at].newlines > 1;
                self.begin_line(self.indent_inside(at), blank);
            }
        }
        self.state.next = Next::Same;
    }

    fn begin_statement(&mut self, at: usize) {
        self.flush();
        let blank = self.blank_before(at);
        let indent = self.indent(at);
        self.begin_line(indent, blank);
        self.state.statement = Statement { indent, ..Statement::default() };
        self.state.last = Last::default();
    }

    fn begin_line(&mut self, indent: usize, blank: bool) {
        self.flush();
        let line = Line::new(lines::Kind::Code, indent, String::new());
        self.line = Some(Line { blank, ..line });
    }

    fn flush(&mut self) {
        self.lines.extend(self.line.take());
    }

    fn append(&mut self, text: &str, blank: bool) {
        let Some(line) = &mut self.line else { return };
        if blank && !line.code.is_empty() {
            line.code.push(' ');
        }
        line.code.push_str(text);
    }

    /// Whether a `;` that ends nothing can stand behind the token before it.
    fn has_line_for(&self, at: usize) -> bool {
        let open = self.line.as_ref().is_some_and(|line| line.comment.is_empty());
        open && at.checked_sub(1).is_some_and(|before| self.pieces[before].text == "}")
    }

    /// Whether an empty line comes before a definition or member that begins with piece `at`.
    fn blank_before(&self, at: usize) -> bool {
        let Some(last) = self.lines.last() else { return false };
        // The last line of a comment would become one on what follows.
        let comment = last.kind != lines::Kind::Code || last.comment.contains('\n');
        if last.opens && !comment {
            let namespace = self.body() == Some(Body::Namespace);
            return namespace && self.pieces[at].text != "namespace";
        }
        self.pieces[at].newlines > 1 || !comment && self.stands_apart(last, at)
    }

    /// Whether one of the two has a body, and both are on the outer levels.
    fn stands_apart(&self, last: &Line, at: usize) -> bool {
        let outer = matches!(self.body(), None | Some(Body::Namespace | Body::Program));
        let body = last.ends_body || self.ahead[at].body;
        outer && body && self.pieces[at].kind != Kind::Raw
    }

    /// The indentation of what begins with piece `at`.
    fn indent(&self, at: usize) -> usize {
        match self.innermost() {
            None => 0,
            Some((Body::Namespace, indent)) => indent,
            Some((Body::Union, indent)) if self.is_beside_label(at) => indent,
            Some((_, indent)) => indent + INDENT,
        }
    }

    /// Whether piece `at` of a union is a label, or a comment that stands where one would.
    fn is_beside_label(&self, at: usize) -> bool {
        let ahead = &self.ahead[at];
        let column = self.state.labels.last().copied().unwrap_or_default();
        let comment = self.pieces[at].is_comment();
        match ahead.token.map(|token| self.pieces[token].text) {
            Some("case" | "default") if ahead.near => true,
            Some("case" | "default" | "}") => comment && self.pieces[at].column <= column,
            _ => false,
        }
    }

    /// The indentation of another line of a definition or member.
    fn indent_inside(&self, at: usize) -> usize {
        let ends = matches!(self.pieces[at].text, "{" | "}" | ")" | ";" | ",");
        self.state.statement.indent + if ends { 0 } else { INDENT }
    }
}
