//! The directives that `.x` files have: conditions, `#define`, `#include`.
//!
//! They are handled on the way from text to tokens, so that every token still knows its place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::code::Code;
use crate::condition;
use crate::diag::{Diagnostic, Diagnostics};
use crate::lexer::{Comment, Item, Kind, Lexer, Token};
use crate::source::{SourceMap, Span};

/// Files that include each other end here.
const MAX_INCLUDE_DEPTH: usize = 32;

/// Names that stand for names end here.
const MAX_DEFINE_DEPTH: usize = 64;

/// A compilation's tokens in order, and the comments of each file.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pub(crate) tokens: Vec<Token>,
    pub(crate) comments: BTreeMap<usize, Vec<Comment>>,
    /// The included files.
    pub(crate) included: Vec<PathBuf>,
}

/// Reads the tokens of `file`, whose path is `path`, and of what it includes. `defines` are names
/// that have a value from the start.
pub(crate) fn preprocess(
    sources: &mut SourceMap,
    file: usize,
    path: &Path,
    defines: &[(String, String)],
    diagnostics: &mut Diagnostics,
) -> Input {
    let input = Input::default();
    let mut state =
        Preprocessor { sources, diagnostics, defines: BTreeMap::new(), input, depth: 0 };
    for (name, value) in defines {
        let tokens = state.tokens_of(value, Span { file, start: 0, end: 0 });
        state.defines.insert(name.clone(), tokens);
    }
    state.file(file, path);
    let end = end_of(state.sources, file);
    state.input.tokens.push(end);
    state.input
}

fn end_of(sources: &SourceMap, file: usize) -> Token {
    let source = sources.file(file);
    let end = source.text.trim_end().len();
    let span = Span { file, start: end, end };
    Token { kind: Kind::End, text: String::new(), span, line: source.line(end) }
}

struct Preprocessor<'a> {
    sources: &'a mut SourceMap,
    diagnostics: &'a mut Diagnostics,
    defines: BTreeMap<String, Vec<Token>>,
    input: Input,
    depth: usize,
}

/// An `#if` that is open.
struct Branch {
    opened: Span,
    /// The lines here count.
    active: bool,
    /// One of its branches was active already, or it is inside of one that is not.
    done: bool,
}

impl Preprocessor<'_> {
    fn file(&mut self, file: usize, path: &Path) {
        let source = self.sources.file(file).clone();
        let mut lexer = Lexer::new(&source, file);
        let mut branches: Vec<Branch> = Vec::new();
        loop {
            let active = branches.last().is_none_or(|branch| branch.active);
            let item = if active {
                lexer.next(self.diagnostics)
            } else {
                lexer.next_directive(self.diagnostics)
            };
            match item {
                Item::Token(token) => self.expand(token, &mut BTreeSet::new()),
                Item::Directive(span) => self.directive(span, path, &mut branches),
                Item::End => break,
            }
        }
        for branch in branches {
            self.diagnostics.push(Diagnostic::new(
                Code::OpenCondition,
                branch.opened,
                "this condition has no `#endif`",
            ));
        }
        self.input.comments.insert(file, lexer.comments);
    }

    /// Appends a token, or what `#define` has put in its place.
    fn expand(&mut self, token: Token, open: &mut BTreeSet<String>) {
        // As in C, a name inside of what it stands for is itself.
        let ends = open.contains(&token.text) || open.len() == MAX_DEFINE_DEPTH;
        let Some(body) = self.defines.get(&token.text).filter(|_| !ends) else {
            self.input.tokens.push(token);
            return;
        };
        open.insert(token.text.clone());
        for part in body.clone() {
            self.expand(Token { span: token.span, line: token.line, ..part }, open);
        }
        open.remove(&token.text);
    }

    fn directive(&mut self, span: Span, path: &Path, branches: &mut Vec<Branch>) {
        let source = self.sources.file(span.file).clone();
        let text = without_comments(&source.text[span.range()]);
        let (name, rest) = split_word(text[1..].trim());
        let active = branches.last().is_none_or(|branch| branch.active);
        match name {
            "ifdef" | "ifndef" | "if" => {
                let holds = active && self.holds(name, rest, span);
                branches.push(Branch { opened: span, active: holds, done: holds || !active });
            }
            "elif" | "else" | "endif" => self.close_branch(name, rest, span, branches),
            _ if !active => {}
            "define" => self.define(rest, span),
            "undef" => drop(self.defines.remove(rest)),
            "include" => self.include(rest, span, path),
            "ident" | "pragma" | "line" | "" => {}
            other => {
                let message = format!("unknown directive `#{other}`");
                self.diagnostics.push(Diagnostic::new(Code::UnknownDirective, span, message));
            }
        }
    }

    fn close_branch(&mut self, name: &str, rest: &str, span: Span, branches: &mut Vec<Branch>) {
        let Some(branch) = branches.pop() else {
            let message = format!("`#{name}` without `#if`");
            self.diagnostics.push(Diagnostic::new(Code::NoCondition, span, message));
            return;
        };
        if name == "endif" {
            return;
        }
        let active = !branch.done && (name == "else" || self.holds("if", rest, span));
        branches.push(Branch { active, done: branch.done || active, ..branch });
    }

    fn holds(&mut self, name: &str, rest: &str, span: Span) -> bool {
        let defined = |word: &str| self.defines.contains_key(word);
        match name {
            "ifdef" => defined(rest),
            "ifndef" => !defined(rest),
            _ => condition::evaluate(rest, &self.defines).unwrap_or_else(|| {
                let error = Diagnostic::new(
                    Code::BadCondition,
                    span,
                    "this condition is not understood",
                )
                .help("names, numbers, `defined`, `!`, `&&`, `||`, `==`, `!=` and parentheses are");
                self.diagnostics.push(error);
                false
            }),
        }
    }

    fn define(&mut self, rest: &str, span: Span) {
        let (name, body) = split_word(rest);
        if name.is_empty() || body.starts_with('(') && rest[name.len()..].starts_with('(') {
            let error =
                Diagnostic::new(Code::BadDefine, span, "only `#define NAME VALUE` is understood")
                    .help("put what is for the C compiler on lines that begin with `%`");
            self.diagnostics.push(error);
            return;
        }
        let tokens = self.tokens_of(body, span);
        self.defines.insert(name.to_owned(), tokens);
    }

    /// The tokens of a definition's body, which all report the definition's place.
    fn tokens_of(&mut self, body: &str, span: Span) -> Vec<Token> {
        let mut scratch = SourceMap::default();
        let file = scratch.add(String::new(), body.to_owned());
        let source = scratch.file(file).clone();
        let mut lexer = Lexer::new(&source, file);
        let mut ignored = Diagnostics::default();
        let mut tokens = Vec::new();
        while let Item::Token(token) = lexer.next(&mut ignored) {
            tokens.push(Token { span, ..token });
        }
        tokens
    }

    fn include(&mut self, rest: &str, span: Span, path: &Path) {
        let Some(name) = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
            let error =
                Diagnostic::new(Code::BadInclude, span, "only `#include \"FILE\"` is understood")
                    .help("put what is for the C compiler on lines that begin with `%`");
            self.diagnostics.push(error);
            return;
        };
        let path = path.with_file_name(name);
        if self.depth == MAX_INCLUDE_DEPTH {
            self.diagnostics.push(Diagnostic::new(
                Code::IncludeDepth,
                span,
                "files include each other without end",
            ));
            return;
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let file = self.sources.add(path.display().to_string(), text);
                self.depth += 1;
                self.file(file, &path);
                self.depth -= 1;
                self.input.included.push(path);
            }
            Err(cause) => {
                let message = format!("cannot read `{}`: {cause}", path.display());
                self.diagnostics.push(Diagnostic::new(Code::Unreadable, span, message));
            }
        }
    }
}

fn split_word(text: &str) -> (&str, &str) {
    let len = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    (&text[..len], text[len..].trim())
}

/// A directive's text on one line and without comments.
fn without_comments(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(open) = rest.find("/*") {
        plain.push_str(&rest[..open]);
        plain.push(' ');
        let body = &rest[open + 2..];
        rest = body.find("*/").map_or("", |close| &body[close + 2..]);
    }
    plain.push_str(rest);
    let plain = plain.replace("\\\r\n", " ").replace("\\\n", " ");
    plain.split("//").next().unwrap_or_default().trim().to_owned()
}
