//! The files that were read, and places in them.

use std::ops::Range;
use std::rc::Rc;

/// A place in one of the files of a [`SourceMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) file: usize,
    /// Bytes from the start of the file.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    /// From the start of `self` to the end of `last`, or only `self` if that is in another file.
    pub(crate) fn to(self, last: Self) -> Self {
        if self.file == last.file && self.start <= last.end {
            Self { end: last.end, ..self }
        } else {
            self
        }
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// One file.
#[derive(Debug)]
pub(crate) struct Source {
    /// As messages name it.
    pub(crate) name: String,
    pub(crate) text: String,
    line_starts: Vec<usize>,
}

impl Source {
    fn new(name: String, text: String) -> Self {
        let after_newlines = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        let line_starts = [0].into_iter().chain(after_newlines.map(|(i, _)| i + 1)).collect();
        Self { name, text, line_starts }
    }

    /// The line that holds the byte at `offset`, counted from 0.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset) - 1
    }
}

/// All files of one compilation.
#[derive(Debug, Default)]
pub(crate) struct SourceMap(Vec<Rc<Source>>);

impl SourceMap {
    pub(crate) fn add(&mut self, name: String, text: String) -> usize {
        self.0.push(Rc::new(Source::new(name, text)));
        self.0.len() - 1
    }

    pub(crate) fn file(&self, file: usize) -> &Rc<Source> {
        &self.0[file]
    }

    pub(crate) fn text(&self, span: Span) -> &str {
        &self.0[span.file].text[span.range()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_its_newline() {
        let source = Source::new("a.x".into(), "ab\n\u{e4}c\n".into());
        assert_eq!([0, 2, 3, 5, 7].map(|offset| source.line(offset)), [0, 0, 1, 1, 2]);
    }
}
