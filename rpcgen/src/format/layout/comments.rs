//! Comments, and lines that stay as they are.

use super::{Layout, Next};
use crate::format::comment::{self, column_behind, moved};
use crate::format::lines::{self, Line};
use crate::format::scan::{Kind, Piece};

impl Layout<'_> {
    pub(super) fn comment(&mut self, at: usize) {
        let piece = &self.pieces[at];
        // Nothing is missing before a `}`: the last member of an enum has no `,`.
        let ends = self.state.statement.begun && !self.in_bracket() && self.is_before_brace(at);
        if ends && self.state.next != Next::Fresh {
            self.state.next = Next::Fresh;
        }
        let same_line = piece.newlines == 0 && self.line.is_some();
        match self.state.next {
            Next::Fresh if same_line => self.comment_behind(piece),
            Next::Fresh => self.comment_before(at),
            Next::Same | Next::Continued => self.comment_inside(at),
        }
    }

    fn is_before_brace(&self, at: usize) -> bool {
        self.ahead[at].token.is_some_and(|token| self.pieces[token].text == "}")
    }

    /// Nothing else follows on the line.
    fn is_last_on_line(&self, at: usize) -> bool {
        self.pieces.get(at + 1).is_none_or(|next| next.newlines > 0)
    }

    fn comment_behind(&mut self, piece: &Piece<'_>) {
        let Some(line) = &mut self.line else { return };
        if line.comment.is_empty() {
            line.column = piece.column;
        } else {
            line.comment.push(' ');
        }
        line.comment.push_str(&comment::behind(piece.text));
    }

    /// A comment between definitions or members.
    fn comment_before(&mut self, at: usize) {
        let piece = &self.pieces[at];
        let whole = self.is_last_on_line(at) || piece.text.contains('\n');
        self.flush();
        if whole && self.goes_on(piece) {
            self.push_behind(piece);
            return;
        }
        self.begin_statement(at);
        self.append_comment(piece);
        self.state.next = if whole { Next::Fresh } else { Next::Same };
        if whole {
            self.end_comment_line();
        }
    }

    /// Whether a comment stands below the one that is behind the last line.
    fn goes_on(&self, piece: &Piece<'_>) -> bool {
        let below = |line: &Line| !line.comment.is_empty() && line.column == piece.column;
        piece.newlines == 1 && self.lines.last().is_some_and(below)
    }

    fn push_behind(&mut self, piece: &Piece<'_>) {
        let line = Line::new(lines::Kind::Behind, 0, String::new());
        let comment = comment::behind(piece.text);
        self.lines.push(Line { comment, column: piece.column, ..line });
    }

    /// A comment between the tokens of a definition or member, or before them on their line.
    fn comment_inside(&mut self, at: usize) {
        let piece = &self.pieces[at];
        let last = self.is_last_on_line(at);
        // Before an argument, it is on a line of its own only because the line was too long.
        let before_argument = self.in_arguments() && !last;
        let own_line = piece.newlines > 0 && !before_argument || self.line.is_none();
        if own_line {
            self.state.next = Next::Continued;
        }
        if piece.kind == Kind::Line && !own_line {
            self.comment_behind(piece);
        } else {
            self.place(at);
            self.append_comment(piece);
        }
        if last && !self.state.statement.begun {
            self.state.next = Next::Fresh;
            self.end_comment_line();
        } else if last && (own_line || piece.kind == Kind::Line || piece.text.contains('\n')) {
            self.state.next = Next::Continued;
        }
    }

    /// Appends a comment to the code of the line.
    fn append_comment(&mut self, piece: &Piece<'_>) {
        let Some(line) = &mut self.line else { return };
        if !line.code.is_empty() && self.state.last.blank_before_comment() {
            line.code.push(' ');
        }
        if piece.text.contains('\n') {
            let to = column_behind(&line.code, line.indent);
            line.code.push_str(&moved(piece.text, piece.column, to));
        } else {
            line.code.push_str(piece.text.trim_end());
        }
        self.state.last = self.state.last.then_comment();
    }

    fn end_comment_line(&mut self) {
        if let Some(line) = &mut self.line {
            line.kind = lines::Kind::Comment;
        }
        self.flush();
    }

    pub(super) fn raw(&mut self, at: usize) {
        let piece = &self.pieces[at];
        self.flush();
        let last = self.lines.last_mut().filter(|line| line.kind == lines::Kind::Raw);
        if let Some(line) = last.filter(|_| piece.newlines == 0) {
            line.code.push_str(&trimmed(piece.text));
            return;
        }
        let blank = self.blank_before(at);
        let line = Line::new(lines::Kind::Raw, 0, trimmed(piece.text));
        self.lines.push(Line { blank, ..line });
        if self.state.next != Next::Fresh {
            self.state.next = Next::Continued;
        }
    }
}

/// Without blanks at the ends of lines.
fn trimmed(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(trimmed_line).collect();
    lines.join("\n")
}

fn trimmed_line(line: &str) -> String {
    let trimmed = line.trim_end();
    // A backslash continues a line only if nothing follows it.
    let continues = line.trim_end_matches('\r').len() == trimmed.len();
    let blank = if trimmed.ends_with('\\') && !continues { " " } else { "" };
    format!("{trimmed}{blank}")
}
