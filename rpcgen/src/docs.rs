//! What goes from a `.x` file into the documentation of the generated code.

use crate::lexer::{Comment, Token};
use crate::preprocess::Input;
use crate::source::{SourceMap, Span};

/// An item's comments and its text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Docs {
    /// The comments right above it and after it on its line, as lines without decoration and tags.
    pub(crate) comment: Vec<String>,
    /// The names after `@` in the comments.
    pub(crate) tags: Vec<String>,
    /// The item itself, without comments.
    pub(crate) idl: Vec<String>,
    /// Where the item is.
    #[cfg_attr(not(feature = "tools"), allow(dead_code))]
    pub(crate) span: Span,
}

impl Docs {
    /// Collects them for the tokens `first..=last` of `input`.
    pub(crate) fn of(input: &Input, sources: &SourceMap, first: usize, last: usize) -> Self {
        let (first_token, last_token) = (&input.tokens[first], &input.tokens[last]);
        let before = first.checked_sub(1).map(|i| &input.tokens[i]);
        let next = input.tokens.get(last + 1);
        let mut docs = Self::default();
        for comment in above(input, before, first_token) {
            docs.add_comment(sources.text(comment.span));
        }
        for comment in behind(input, last_token, next) {
            docs.add_comment(sources.text(comment.span));
        }
        docs.span = first_token.span.to(last_token.span);
        docs.idl = idl(input, sources, docs.span);
        docs
    }

    fn add_comment(&mut self, text: &str) {
        let body = text
            .strip_prefix("//")
            .or_else(|| text.strip_prefix("/*").map(|text| text.strip_suffix("*/").unwrap_or(text)))
            .unwrap_or(text);
        for line in body.lines() {
            let line = line.trim().trim_start_matches(['*', '/']).trim();
            self.add_line(line.trim_end_matches('*').trim_end());
        }
        while self.comment.last().is_some_and(String::is_empty) {
            self.comment.pop();
        }
    }

    fn add_line(&mut self, line: &str) {
        let mut words = Vec::new();
        for word in line.split_whitespace() {
            match tag(word) {
                Some(tag) => self.tags.push(tag.to_owned()),
                None => words.push(word),
            }
        }
        let decoration = !line.is_empty() && !line.contains(|c: char| c.is_alphanumeric());
        let only_tags = words.is_empty() && !line.is_empty();
        if decoration || only_tags || (words.is_empty() && self.comment.is_empty()) {
            return;
        }
        self.comment.push(words.join(" "));
    }

    pub(crate) fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|t| t == tag)
    }
}

/// `idempotent` for `@idempotent` and `@idempotent,`.
fn tag(word: &str) -> Option<&str> {
    let name = word.strip_prefix('@')?.trim_end_matches([',', ';', '.']);
    let known = ["bytes", "deferred", "idempotent", "open"].contains(&name);
    // What `lint` is to let pass.
    let allows = name.starts_with("allow(") && name.ends_with(')');
    (known || allows).then_some(name)
}

/// The comments on the lines right above `first`, none of which has anything else on it.
fn above<'a>(input: &'a Input, before: Option<&Token>, first: &Token) -> Vec<&'a Comment> {
    let from = before.filter(|t| t.span.file == first.span.file).map_or(0, |t| t.span.end);
    let mut line = first.line;
    let mut found = Vec::new();
    for comment in comments(input, first.span.file, from, first.span.start).iter().rev() {
        let touches = comment.last_line + 1 == line || comment.last_line == line;
        if !comment.alone || !touches {
            break;
        }
        line = comment.first_line;
        found.push(comment);
    }
    found.reverse();
    found
}

/// The comments that start on the line of `last`, before the token that follows.
fn behind<'a>(
    input: &'a Input,
    last: &'a Token,
    next: Option<&Token>,
) -> impl Iterator<Item = &'a Comment> {
    let same_file = next.filter(|t| t.span.file == last.span.file);
    let to = same_file.map_or(usize::MAX, |t| t.span.start);
    let found = comments(input, last.span.file, last.span.end, to);
    found.iter().take_while(|comment| comment.first_line == last.line)
}

fn comments(input: &Input, file: usize, from: usize, to: usize) -> &[Comment] {
    let all = input.comments.get(&file).map_or(&[][..], Vec::as_slice);
    let start = all.partition_point(|c| c.span.start < from);
    let end = all.partition_point(|c| c.span.start < to).max(start);
    &all[start..end]
}

/// The lines of `span` without comments, directives, lines for C and empty lines.
fn idl(input: &Input, sources: &SourceMap, span: Span) -> Vec<String> {
    let source = &sources.file(span.file).text;
    let mut plain = String::new();
    let mut at = span.start;
    for comment in comments(input, span.file, span.start, span.end) {
        plain.push_str(&source[at..comment.span.start]);
        at = comment.span.end.min(span.end);
    }
    plain.push_str(&source[at..span.end]);
    let kept = plain.lines().map(|line| line.replace('\t', "    ").trim_end().to_owned());
    dedent(kept.filter(|line| !line.is_empty() && !line.starts_with(['%', '#'])).collect())
}

/// Moves the lines after the first one left by what all of them have.
fn dedent(mut lines: Vec<String>) -> Vec<String> {
    let indent = |line: &String| line.len() - line.trim_start_matches(' ').len();
    let common = lines.iter().skip(1).map(indent).min().unwrap_or(0);
    for line in lines.iter_mut().skip(1) {
        line.drain(..common);
    }
    lines
}
