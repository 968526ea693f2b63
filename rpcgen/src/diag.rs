//! What is wrong with a file, shown at its place.

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use crate::code::Code;
use crate::source::{SourceMap, Span};

/// One error: a message, the place, other places that matter, and what to do.
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
    label: String,
    others: Vec<(Span, String)>,
    help: Option<String>,
    replacement: Option<(String, String)>,
}

impl Diagnostic {
    pub(crate) fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code,
            message: message.into(),
            span,
            label: String::new(),
            others: Vec::new(),
            help: None,
            replacement: None,
        }))
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

    /// Shows the line as it could be, with `text` in the place of the error.
    pub(crate) fn replace_by(mut self, text: impl Into<String>, why: impl Into<String>) -> Self {
        self.0.replacement = Some((text.into(), why.into()));
        self
    }
}

impl Parts {
    fn render(&self, sources: &SourceMap) -> String {
        let mut groups = vec![self.report(sources)];
        if let Some((text, why)) = &self.replacement {
            let snippet = snippet(sources, self.span.file)
                .patch(Patch::new(self.span.range(), text.as_str()));
            groups.push(Level::HELP.secondary_title(why.as_str()).element(snippet));
        }
        Renderer::plain().render(&groups)
    }

    fn report<'a>(&'a self, sources: &'a SourceMap) -> Group<'a> {
        let label = (!self.label.is_empty()).then_some(self.label.as_str());
        let primary = AnnotationKind::Primary.span(self.span.range()).label(label);
        let mut main = snippet(sources, self.span.file).annotation(primary);
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            self.others.iter().partition(|(span, _)| span.file == self.span.file);
        for (span, label) in here {
            let other = AnnotationKind::Context.span(span.range()).label(label.as_str());
            main = main.annotation(other);
        }
        let mut group =
            Level::ERROR.primary_title(self.message.as_str()).id(self.code.id()).element(main);
        for (span, label) in elsewhere {
            let other = AnnotationKind::Context.span(span.range()).label(label.as_str());
            group = group.element(snippet(sources, span.file).annotation(other));
        }
        match &self.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        }
    }
}

fn snippet<'a, T: Clone>(sources: &'a SourceMap, file: usize) -> Snippet<'a, T> {
    let source = sources.file(file);
    Snippet::source(source.text.as_str()).path(source.name.as_str())
}

/// Collects errors, so that one run shows all of them.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        // What several rules stumble over is said once.
        let same = |other: &Diagnostic| {
            other.0.span == diagnostic.0.span && other.0.message == diagnostic.0.message
        };
        if !self.0.iter().any(same) {
            self.0.push(diagnostic);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them as text, in the order of their places.
    pub(crate) fn report(mut self, sources: &SourceMap) -> Report {
        self.0.sort_by_key(|d| (d.0.span.file, d.0.span.start));
        let rendered: Vec<_> = self.0.iter().map(|d| d.0.render(sources)).collect();
        Report { text: rendered.join("\n\n"), count: self.0.len() }
    }
}

/// The errors found in a `.x` file, as text for a terminal.
#[derive(Clone, PartialEq, Eq)]
pub struct Report {
    text: String,
    count: usize,
}

impl Report {
    /// How many errors.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n{self}")
    }
}
