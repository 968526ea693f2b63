//! Findings as text.

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::report::Severity;
use super::{Diagnostic, Parts};
use crate::source::SourceMap;

pub(super) fn render(diagnostic: &Diagnostic, sources: &SourceMap, renderer: &Renderer) -> String {
    let parts = &diagnostic.0;
    let mut groups = vec![report(parts, sources)];
    if let Some(patch) = &parts.patch {
        let snippet = snippet(sources, patch.span.file)
            .patch(Patch::new(patch.span.range(), patch.text.as_str()));
        groups.push(Level::HELP.secondary_title(patch.why.as_str()).element(snippet));
    }
    renderer.render(&groups)
}

fn report<'a>(parts: &'a Parts, sources: &'a SourceMap) -> Group<'a> {
    let label = (!parts.label.is_empty()).then_some(parts.label.as_str());
    let primary = AnnotationKind::Primary.span(parts.span.range()).label(label);
    let mut main = snippet(sources, parts.span.file).annotation(primary);
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        parts.others.iter().partition(|(span, _)| span.file == parts.span.file);
    for (span, label) in here {
        let other = AnnotationKind::Context.span(span.range()).label(label.as_str());
        main = main.annotation(other);
    }
    let level = match parts.code.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut group = level.primary_title(parts.message.as_str()).id(parts.code.id()).element(main);
    for (span, label) in elsewhere {
        let other = AnnotationKind::Context.span(span.range()).label(label.as_str());
        group = group.element(snippet(sources, span.file).annotation(other));
    }
    match &parts.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

fn snippet<'a, T: Clone>(sources: &'a SourceMap, file: usize) -> Snippet<'a, T> {
    let source = sources.file(file);
    Snippet::source(source.text.as_str()).path(source.name.as_str())
}
