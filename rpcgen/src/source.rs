//! The files that were read, and places in them.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

/// A place in one of the files of a [`SourceMap`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

    /// The line and the character in it of the byte at `offset`, both counted from 1.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let before = self.text.get(self.line_starts[line]..offset).unwrap_or_default();
        (line + 1, before.chars().count() + 1)
    }
}

/// All files of one compilation.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceMap(Vec<Arc<Source>>);

impl SourceMap {
    pub(crate) fn add(&mut self, name: String, text: String) -> usize {
        self.0.push(Arc::new(Source::new(name, lines_that_end(text))));
        self.0.len() - 1
    }

    pub(crate) fn file(&self, file: usize) -> &Arc<Source> {
        &self.0[file]
    }

    pub(crate) fn text(&self, span: Span) -> &str {
        &self.0[span.file].text[span.range()]
    }
}

/// The largest file that is read.
const MAX_LEN: u64 = 64 << 20;

/// The text of a file: UTF-8, or else Latin-1, as old comments are.
///
/// # Errors
/// It is no file, is larger than any `.x` file, or cannot be read.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let metadata = fs::metadata(path)?;
    // A device or a pipe may never end.
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    if metadata.len() > MAX_LEN {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than 64 MiB"));
    }
    fs::read(path).map(decode)
}

/// The text that `bytes` are: UTF-8, or else Latin-1.
pub(crate) fn decode(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect())
}

/// Makes a CR that stands alone, as old files have it, the end of a line. Places stay as they are.
fn lines_that_end(text: String) -> String {
    let bytes = text.as_bytes();
    let alone = |at: usize| bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    if !(0..bytes.len()).any(alone) {
        return text;
    }
    let ends = text.char_indices().map(|(at, c)| if alone(at) { '\n' } else { c });
    ends.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin_1_and_lone_carriage_returns() {
        assert_eq!(decode(b"\xe4".to_vec()), "\u{e4}");
        assert_eq!(decode("\u{e4}".into()), "\u{e4}");
        assert_eq!(lines_that_end("\u{e4}\rb\r\nc\r".into()), "\u{e4}\nb\r\nc\n");
        assert_eq!(lines_that_end("a\r\n".into()), "a\r\n");
    }

    #[test]
    fn only_files_are_read() {
        let error = read(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_err();
        assert_eq!(error.to_string(), "not a file");
    }

    #[test]
    fn a_line_holds_its_newline() {
        let source = Source::new("a.x".into(), "ab\n\u{e4}c\n".into());
        assert_eq!([0, 2, 3, 5, 7].map(|offset| source.line(offset)), [0, 0, 1, 1, 2]);
        assert_eq!([0, 2, 3, 5].map(|o| source.position(o)), [(1, 1), (1, 3), (2, 1), (2, 2)]);
    }
}
