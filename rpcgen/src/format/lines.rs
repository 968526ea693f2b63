//! What the layout makes of a file, before comments find their columns.

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Tokens, and comments between them.
    Code,
    /// Nothing but a comment.
    Comment,
    /// Nothing but a comment that goes on with the one behind the line above.
    Behind,
    /// As it was.
    Raw,
}

/// A line, or several if a comment in it has several.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) kind: Kind,
    /// An empty line comes before it.
    pub(super) blank: bool,
    /// Blanks at its start.
    pub(super) indent: usize,
    pub(super) code: String,
    /// The comments behind the code.
    pub(super) comment: String,
    /// Where these began.
    pub(super) column: usize,
    /// The lines that follow belong to it: it ends with `{`, or is a label.
    pub(super) opens: bool,
    /// It ends a definition with a body.
    pub(super) ends_body: bool,
    pub(super) arguments: Arguments,
}

impl Line {
    pub(super) fn new(kind: Kind, indent: usize, code: String) -> Self {
        Self {
            kind,
            blank: false,
            indent,
            code,
            comment: String::new(),
            column: 0,
            opens: false,
            ends_body: false,
            arguments: Arguments::default(),
        }
    }
}

/// Where a procedure's arguments are in the code of a line.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// Behind the `(`.
    pub(super) start: Option<usize>,
    /// Behind each `,`.
    pub(super) commas: Vec<usize>,
    /// Before the `)`.
    pub(super) end: Option<usize>,
}

impl Arguments {
    /// Where to break the line.
    pub(super) fn breaks(&self) -> Option<Vec<usize>> {
        let (start, end) = (self.start?, self.end?);
        Some([start].into_iter().chain(self.commas.iter().copied()).chain([end]).collect())
    }
}
