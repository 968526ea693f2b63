//! What is wrong with a file, shown at its place.

mod render;
mod report;

use std::collections::{BTreeMap, BTreeSet};

use crate::code::Code;
use crate::naming;
use crate::source::{SourceMap, Span};

pub use report::{Finding, Report, Severity};

/// One finding: a message, the place, other places that matter, and what to do.
///
/// Boxed, so that a `Result` with it stays small.
#[derive(Debug)]
#[must_use]
pub(crate) struct Diagnostic(Box<Parts>);

#[derive(Debug)]
struct Parts {
    code: Code,
    message: String,
    span: Span,
    /// The name without a definition that it is about.
    unknown: Option<String>,
    label: String,
    others: Vec<(Span, String)>,
    help: Option<String>,
    patch: Option<Replacement>,
}

/// Text that could stand in the file instead, and why.
#[derive(Debug)]
struct Replacement {
    span: Span,
    text: String,
    why: String,
}

impl Diagnostic {
    pub(crate) fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code,
            message: message.into(),
            span,
            unknown: None,
            label: String::new(),
            others: Vec::new(),
            help: None,
            patch: None,
        }))
    }

    /// Says that it is about a name without a definition, which is said once for each name, and only
    /// if nothing failed that may have defined it.
    pub(crate) fn unknown(mut self, name: impl Into<String>) -> Self {
        self.0.unknown = Some(name.into());
        self
    }

    /// Says it at the caret too.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.0.label = label.into();
        self
    }

    /// Shows another place.
    pub(crate) fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.0.others.push((span, label.into()));
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    fn shows(&self, span: Span) -> bool {
        self.0.others.iter().any(|(other, _)| *other == span)
    }

    /// Shows the line as it could be, with `text` in the place of the error.
    pub(crate) fn replace_by(self, text: impl Into<String>, why: impl Into<String>) -> Self {
        let span = self.0.span;
        self.patch(span, text, why)
    }

    /// Shows the line as it could be, with `text` in the place of `span`, which may be empty.
    pub(crate) fn patch(
        mut self,
        span: Span,
        text: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        self.0.patch = Some(Replacement { span, text: text.into(), why: why.into() });
        self
    }
}

/// Collects findings, so that one run shows all of them.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    kept: Vec<Diagnostic>,
    /// Code and start of each.
    seen: BTreeSet<(&'static str, usize, usize)>,
    /// File and start of each place where a definition's text was put, and where that is.
    expanded: BTreeMap<(usize, usize), Span>,
    /// Codes and names of what is reported as unknown.
    unknown: BTreeSet<(&'static str, String)>,
    /// The words in what could not be read.
    skipped: BTreeSet<String>,
    /// Whether there are files or lines that were not read at all.
    incomplete: bool,
    counts: Counts,
}

/// How many of each severity there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    errors: usize,
    warnings: usize,
    notes: usize,
}

/// More than these are only counted: no one reads them, and a file of garbage has millions.
const MAX_KEPT: usize = 1000;

impl Diagnostics {
    /// Says that what is at `span` stands at `definition`: a finding shows both.
    pub(crate) fn expand(&mut self, span: Span, definition: Span) {
        self.expanded.insert((span.file, span.start), definition);
    }

    pub(crate) fn push(&mut self, mut diagnostic: Diagnostic) {
        let Parts { code, span, .. } = *diagnostic.0;
        if self.is_consequence(&diagnostic.0) || !self.is_new(code, span) {
            return;
        }
        self.incomplete |= code.loses_definitions();
        *match code.severity() {
            Severity::Error => &mut self.counts.errors,
            Severity::Warning => &mut self.counts.warnings,
            Severity::Note => &mut self.counts.notes,
        } += 1;
        if self.kept.len() >= MAX_KEPT {
            return;
        }
        if let Some(definition) = self.expanded.get(&(span.file, span.start))
            && !diagnostic.shows(*definition)
        {
            diagnostic = diagnostic.also(*definition, "defined here");
        }
        self.kept.push(diagnostic);
    }

    /// What several rules stumble over is said once.
    fn is_new(&mut self, code: Code, span: Span) -> bool {
        self.kept.len() >= MAX_KEPT || self.seen.insert((code.id(), span.file, span.start))
    }

    /// Whether it is about a name that is only unknown because of another error.
    fn is_consequence(&mut self, parts: &Parts) -> bool {
        let Some(name) = &parts.unknown else { return false };
        self.incomplete
            || self.skipped.contains(naming::last(name))
            || !self.unknown.insert((parts.code.id(), name.clone()))
    }

    /// Takes these words for names of what may be defined in a place that could not be read.
    pub(crate) fn excuse<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        for word in words {
            if !self.skipped.contains(word) {
                self.skipped.insert(word.to_owned());
            }
        }
    }

    /// Whether there is something that could not be read, so that what is empty may not be.
    pub(crate) fn have_skipped(&self) -> bool {
        !self.skipped.is_empty() || self.incomplete
    }

    /// Whether there are so many that finding out more about one is not worth the time.
    pub(crate) fn are_many(&self) -> bool {
        self.kept.len() >= report::MAX_SHOWN
    }

    /// Whether there is anything that stops the compilation: warnings and notes do not.
    pub(crate) fn has_errors(&self) -> bool {
        self.counts.errors > 0
    }

    /// All of them, in the order of their places.
    pub(crate) fn report(mut self, sources: &SourceMap) -> Report {
        self.kept.sort_by_key(|d| (d.0.span.file, d.0.span.start));
        Report::new(self.kept, self.counts, sources.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: usize) -> Diagnostic {
        Diagnostic::new(Code::Unexpected, Span { file: 0, start, end: start + 1 }, "no")
    }

    #[test]
    fn what_several_rules_find_is_said_once() {
        let mut diagnostics = Diagnostics::default();
        assert!(!diagnostics.has_errors());
        diagnostics.push(at(1));
        diagnostics.push(at(1));
        diagnostics.push(at(0));
        assert!(diagnostics.has_errors());
        let mut sources = SourceMap::default();
        sources.add("a.x".into(), "ab\n".into());
        let report = diagnostics.report(&sources);
        assert_eq!((report.errors(), report.warnings(), report.notes()), (2, 0, 0));
        let columns: Vec<_> = report.findings().map(|finding| finding.column).collect();
        assert_eq!(columns, [1, 2]);
    }

    #[test]
    fn a_thousand_are_kept_and_a_hundred_shown() {
        let mut sources = SourceMap::default();
        sources.add("a.x".into(), "a".repeat(5000));
        let mut diagnostics = Diagnostics::default();
        (0..5000).for_each(|start| diagnostics.push(at(start)));
        let report = diagnostics.report(&sources);
        assert_eq!(report.errors(), 5000);
        assert_eq!(report.findings().count(), 1000);
        let text = report.to_string();
        assert_eq!(text.matches("error[").count(), 100);
        assert!(text.ends_with("\n\nand 4900 more"), "{}", &text[text.len() - 20..]);
    }
}
