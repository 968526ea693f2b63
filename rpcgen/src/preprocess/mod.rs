//! The directives that `.x` files have: conditions, `#define`, `#include`.
//!
//! They are handled on the way from text to tokens, so that every token still knows its place.

mod directives;
mod include;
mod macros;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::code::Code;
use crate::diag::{Diagnostic, Diagnostics};
use crate::lexer::{Comment, Item, Kind, Lexer, Token};
use crate::source::{SourceMap, Span};
use directives::Branch;
use macros::Macros;

pub(crate) use include::candidates;

/// What C rpcgen defines for each of the files it writes: here it is all one. Its `RPC_TBL` is for
/// files that it writes only on request.
const SYMBOLS: [&str; 4] = ["RPC_HDR", "RPC_XDR", "RPC_SVC", "RPC_CLNT"];

/// What the preprocessor is told from outside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    /// Names with a value, and names without a meaning, in the order in which they were given.
    pub(crate) symbols: Vec<(String, Option<String>)>,
    /// Where included files are looked for if they are not beside the file that includes them.
    pub(crate) include_dirs: Vec<PathBuf>,
    /// Only this file's grammar counts: nothing is included, and `#error` is none.
    pub(crate) alone: bool,
}

/// A compilation's tokens in order, and the comments of each file.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pub(crate) tokens: Vec<Token>,
    pub(crate) comments: BTreeMap<usize, Vec<Comment>>,
    /// The included files.
    pub(crate) included: Vec<PathBuf>,
    /// All files that were read, by paths that tell them apart.
    pub(crate) read: BTreeSet<PathBuf>,
    /// What C gets from elsewhere.
    pub(crate) passed: Passed,
    /// The text between directives that `#if` leaves out.
    #[cfg(feature = "tools")]
    pub(crate) skipped: Vec<Span>,
}

/// The lines that begin with `%`.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// How many there are.
    pub(crate) lines: usize,
    /// The first of them.
    pub(crate) first: Option<Span>,
    /// The names on `%#include` lines.
    pub(crate) headers: Vec<Header>,
    /// For each `%#define` line, the tokens of a constant's definition that says the same.
    pub(crate) constants: Vec<Vec<Token>>,
}

/// A file that only C includes.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) name: String,
    /// The file that includes it.
    pub(crate) from: PathBuf,
}

/// Reads the tokens of `file`, whose path is `path`, and of what it includes.
pub(crate) fn preprocess(
    sources: &mut SourceMap,
    file: usize,
    path: &Path,
    setup: &Setup,
    diagnostics: &mut Diagnostics,
) -> Input {
    let mut state = Preprocessor {
        sources,
        diagnostics,
        setup,
        macros: Macros::default(),
        input: Input::default(),
        depth: 0,
    };
    let symbols = SYMBOLS.iter().map(|name| (*name, Some("1")));
    let given = setup.symbols.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
    for (name, value) in symbols.chain(given) {
        match value {
            Some(value) => state.macros.define(name, value, false, None),
            None => state.macros.remove(name),
        }
    }
    state.input.read.extend(path.canonicalize());
    state.file(file, path);
    let end = end_of(state.sources, file);
    state.input.tokens.push(end);
    state.note_passed();
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
    setup: &'a Setup,
    macros: Macros,
    input: Input,
    depth: usize,
}

impl Preprocessor<'_> {
    fn file(&mut self, file: usize, path: &Path) {
        let source = self.sources.file(file).clone();
        let mut lexer = Lexer::new(&source, file);
        let mut branches: Vec<Branch> = Vec::new();
        #[cfg(feature = "tools")]
        let mut from = 0;
        loop {
            let active = branches.last().is_none_or(|branch| branch.active);
            let item = if active {
                lexer.next(self.diagnostics)
            } else {
                lexer.next_directive(self.diagnostics)
            };
            #[cfg(feature = "tools")]
            if !active {
                let end =
                    if let Item::Directive(span) = item { span.start } else { source.text.len() };
                self.input.skipped.push(Span { file, start: from, end });
            }
            #[cfg(feature = "tools")]
            if let Item::Directive(span) = item {
                from = span.end;
            }
            match item {
                Item::Token(token) => self.token(token),
                Item::Directive(span) => self.directive(span, path, &mut branches),
                Item::Passed(span) => self.passed(span, path),
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

    fn note_passed(&mut self) {
        let Passed { lines, first: Some(first), .. } = self.input.passed else { return };
        let what = if lines == 1 { "line" } else { "lines" };
        let message = format!("{lines} {what} for C (`%…`) left out");
        self.diagnostics.push(Diagnostic::new(Code::PassedLines, first, message));
    }

    /// Appends a token, or what `#define` has put in its place.
    fn token(&mut self, token: Token) {
        if let Some(span) = self.macros.place(&token.text) {
            self.diagnostics.expand(token.span, span);
        }
        let before = self.input.tokens.len();
        let one = Token { kind: Kind::Number, text: "1".to_owned(), ..token.clone() };
        if let Err(error) = self.macros.expand(token, &mut self.input.tokens) {
            self.diagnostics.push(error);
            if self.input.tokens.len() > before {
                // A part of what it stands for would only be wrong in other ways.
                self.input.tokens.truncate(before);
                self.input.tokens.push(one);
            }
        }
    }
}
