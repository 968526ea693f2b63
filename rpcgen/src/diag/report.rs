//! What was found, for people and for programs.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::Renderer;

use super::{Counts, Diagnostic, render};
use crate::source::SourceMap;

/// More than these are not shown, only counted.
pub(super) const MAX_SHOWN: usize = 100;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "tools", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Severity {
    /// Good to know.
    Note,
    /// Most likely not what was meant; there is code all the same.
    Warning,
    /// There is no code.
    Error,
}

/// One error, warning or note.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "tools", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Finding {
    /// Which rule it is about: `E0301`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// The file, as it was named.
    pub file: String,
    /// The line where it begins, from 1.
    pub line: usize,
    /// The character where it begins, from 1.
    pub column: usize,
    /// The line where it ends.
    pub end_line: usize,
    /// The character behind its end.
    pub end_column: usize,
    /// What to do, if that is known.
    pub help: Option<String>,
}

/// What was found in a `.x` file and in what it includes, in the order of the places.
#[derive(Clone)]
pub struct Report {
    diagnostics: Arc<[Diagnostic]>,
    counts: Counts,
    sources: SourceMap,
}

impl Report {
    pub(super) fn new(kept: Vec<Diagnostic>, counts: Counts, sources: SourceMap) -> Self {
        Self { diagnostics: kept.into(), counts, sources }
    }

    /// How many errors.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.counts.errors
    }

    /// How many warnings.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.counts.warnings
    }

    /// How many notes.
    #[must_use]
    pub fn notes(&self) -> usize {
        self.counts.notes
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// The findings as data; of very many, only the first thousand.
    pub fn findings(&self) -> impl Iterator<Item = Finding> + '_ {
        self.diagnostics.iter().map(|diagnostic| self.finding(diagnostic))
    }

    fn finding(&self, diagnostic: &Diagnostic) -> Finding {
        let parts = &diagnostic.0;
        let source = self.sources.file(parts.span.file);
        let (line, column) = source.position(parts.span.start);
        let (end_line, end_column) = source.position(parts.span.end);
        let patch = parts.patch.as_ref();
        let help = parts.help.clone();
        Finding {
            code: parts.code.id(),
            severity: parts.code.severity(),
            message: parts.message.clone(),
            file: source.name.clone(),
            line,
            column,
            end_line,
            end_column,
            help: help.or_else(|| patch.map(|patch| format!("{}: `{}`", patch.why, patch.text))),
        }
    }

    /// The findings as text for a terminal, which may be able to show colours.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let shown = self.diagnostics.iter().take(MAX_SHOWN);
        let mut texts: Vec<_> =
            shown.map(|diagnostic| render::render(diagnostic, &self.sources, &renderer)).collect();
        let all = self.counts.errors + self.counts.warnings + self.counts.notes;
        if all > texts.len() {
            texts.push(format!("and {} more", all - texts.len()));
        }
        texts.join("\n\n")
    }
}

/// Compares what can be read.
impl PartialEq for Report {
    fn eq(&self, other: &Self) -> bool {
        self.counts == other.counts && self.render(false) == other.render(false)
    }
}

impl Eq for Report {}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}
