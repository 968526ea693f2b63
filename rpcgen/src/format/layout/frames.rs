//! Braces and brackets.

use super::{Layout, Next, Statement};

/// More than the parser takes, namespaces and text that `#if` leaves out included. More can be open
/// only where `#define` names stand for what closes them.
const MAX_OPEN: usize = 256;

/// What is open.
#[derive(Debug, Clone, Copy)]
pub(super) enum Frame {
    /// A body, and the indentation of the line that it began on.
    Body(Body, usize),
    /// A bracket in a constant's value or not; whether it holds a procedure's arguments.
    Bracket { expression: bool, arguments: bool },
}

/// What has members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Enum,
    Struct,
    Union,
    Program,
    Version,
    Namespace,
}

impl Frame {
    pub(super) fn is_enum(&self) -> bool {
        matches!(self, Self::Body(Body::Enum, _))
    }
}

impl Layout<'_> {
    pub(super) fn in_bracket(&self) -> bool {
        matches!(self.state.frames.last(), Some(Frame::Bracket { .. }))
    }

    pub(super) fn in_arguments(&self) -> bool {
        matches!(self.state.frames.last(), Some(Frame::Bracket { arguments: true, .. }))
    }

    /// The innermost body, unless a bracket is open in it.
    pub(super) fn body(&self) -> Option<Body> {
        self.innermost().map(|(body, _)| body)
    }

    /// With the indentation of the line that it began on.
    pub(super) fn innermost(&self) -> Option<(Body, usize)> {
        match self.state.frames.last() {
            Some(Frame::Body(body, indent)) => Some((*body, *indent)),
            _ => None,
        }
    }

    fn open(&mut self, frame: Frame) {
        if self.state.frames.len() == MAX_OPEN {
            self.state.frames.clear();
            self.state.labels.clear();
        }
        self.state.frames.push(frame);
    }

    pub(super) fn open_body(&mut self) {
        self.close_brackets();
        let body = match self.state.statement.opener {
            "enum" => Body::Enum,
            "union" => Body::Union,
            "program" => Body::Program,
            "version" => Body::Version,
            "namespace" => Body::Namespace,
            _ => Body::Struct,
        };
        self.open(Frame::Body(body, self.state.statement.indent));
        if body == Body::Union {
            self.state.labels.push(usize::MAX);
        }
        self.end_line_that_opens();
    }

    /// Begins the line of a `}`, unless nothing is in the braces.
    pub(super) fn close_body(&mut self, at: usize) {
        self.close_brackets();
        let Some((body, indent)) = self.innermost() else { return };
        self.state.frames.pop();
        if body == Body::Union {
            self.state.labels.pop();
        }
        let namespace = body == Body::Namespace;
        let empty = at.checked_sub(1).is_some_and(|before| self.pieces[before].text == "{");
        if !empty {
            self.flush();
            let closed = self.lines.last().is_some_and(|line| line.code == "}");
            self.begin_line(indent, namespace && !closed);
        } else if let Some(line) = &mut self.line {
            line.opens = false;
        }
        let opener = if namespace { "namespace" } else { "" };
        let begun = Statement { indent, begun: true, opener, ..Statement::default() };
        self.state.statement = Statement { body: !empty, ..begun };
        self.state.next = Next::Same;
    }

    pub(super) fn open_parenthesis(&mut self) {
        let Statement { expression, .. } = self.state.statement;
        let arguments = self.body() == Some(Body::Version) && !expression;
        self.open(Frame::Bracket { expression, arguments });
        if let Some(line) = self.line.as_mut().filter(|_| arguments) {
            line.arguments.start = Some(line.code.len());
        }
    }

    pub(super) fn open_bracket(&mut self) {
        let Statement { expression, .. } = self.state.statement;
        self.open(Frame::Bracket { expression, arguments: false });
        self.state.statement.expression = true;
    }

    pub(super) fn close_bracket(&mut self) {
        let Some(Frame::Bracket { expression, arguments }) = self.state.frames.last().copied()
        else {
            return;
        };
        self.state.frames.pop();
        self.state.statement.expression = expression;
        if let Some(line) = self.line.as_mut().filter(|_| arguments) {
            line.arguments.end = Some(line.code.len());
        }
    }

    /// Ends what would end here in a file with as many brackets of one kind as of the other.
    pub(super) fn close_brackets(&mut self) {
        while self.in_bracket() {
            self.state.frames.pop();
        }
    }
}
