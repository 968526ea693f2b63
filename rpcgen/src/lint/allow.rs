//! `@allow(W07)` in comments.

use crate::code::Code;
use crate::diag::Diagnostics;
use crate::docs::Docs;
use crate::lexer::{Comment, Item, Lexer, Token};
use crate::model::{self, Body, Model};
use crate::source::{SourceMap, Span};

/// What is allowed where.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    everywhere: Vec<String>,
    items: Vec<(Span, String)>,
}

impl Allowed {
    pub(super) fn of(model: &Model, sources: &SourceMap) -> Self {
        let mut allowed = Self::default();
        for item in &model.types {
            allowed.item(&item.docs);
            allowed.body(&item.body);
        }
        for item in &model.items {
            match item {
                model::Item::Constant(constant) => allowed.item(&constant.docs),
                model::Item::Type(_) => {}
                model::Item::Program(program) => allowed.program(program),
            }
        }
        allowed.everywhere = header(sources).iter().flat_map(|text| codes(text)).collect();
        allowed
    }

    pub(super) fn has(&self, code: Code, at: Span) -> bool {
        let is_it = |allowed: &String| allowed.eq_ignore_ascii_case(code.id());
        let inside =
            |span: &Span| span.file == at.file && span.start <= at.start && at.end <= span.end;
        self.everywhere.iter().any(is_it)
            || self.items.iter().any(|(span, code)| is_it(code) && inside(span))
    }

    fn item(&mut self, docs: &Docs) {
        for tag in &docs.tags {
            self.items.extend(codes(&format!("@{tag}")).into_iter().map(|code| (docs.span, code)));
        }
    }

    fn body(&mut self, body: &Body) {
        match body {
            Body::Alias(_) | Body::Extern => {}
            Body::Enum(body) => {
                body.members.iter().chain(&body.aliases).for_each(|member| self.item(&member.docs));
            }
            Body::Struct(body) => {
                body.fields.iter().chain(&body.next).for_each(|field| self.item(&field.docs));
            }
            Body::Union(body) => {
                body.arms.iter().chain(&body.default).for_each(|arm| self.item(&arm.docs));
            }
        }
    }

    fn program(&mut self, program: &model::Program) {
        self.item(&program.docs);
        for version in &program.versions {
            self.item(&version.docs);
            let procedures = version.null.iter().chain(&version.procedures);
            procedures.for_each(|procedure| self.item(&procedure.docs));
        }
    }
}

/// `W07` and `W08` for `@allow(W07,W08)`, wherever it is in the text.
fn codes(text: &str) -> Vec<String> {
    let tags = text.split("@allow(").skip(1).filter_map(|rest| rest.split_once(')'));
    let codes = tags.flat_map(|(codes, _)| codes.split(','));
    codes.map(|code| code.trim().to_owned()).collect()
}

/// The comments at the start of the file that are not those of its first item.
fn header(sources: &SourceMap) -> Vec<String> {
    let (tokens, mut comments) = lexed(sources);
    let mut line = tokens.first().map_or(usize::MAX, |token| token.line);
    let first = tokens.first().map_or(usize::MAX, |token| token.span.start);
    comments.retain(|comment| comment.span.start < first);
    while comments.last().is_some_and(|comment| comment.last_line + 1 >= line) {
        line = comments.pop().map_or(0, |comment| comment.first_line);
    }
    comments.iter().map(|comment| sources.text(comment.span).to_owned()).collect()
}

/// The file's own tokens and comments, whatever its conditions leave out.
pub(super) fn lexed(sources: &SourceMap) -> (Vec<Token>, Vec<Comment>) {
    let source = sources.file(0).clone();
    let mut lexer = Lexer::new(&source, 0);
    // What is wrong in them was reported, or is left out.
    let mut ignored = Diagnostics::default();
    let mut tokens = Vec::new();
    loop {
        match lexer.next(&mut ignored) {
            Item::Token(token) => tokens.push(token),
            Item::Directive(_) | Item::Passed(_) => {}
            Item::End => return (tokens, lexer.comments),
        }
    }
}
