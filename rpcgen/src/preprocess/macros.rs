//! What `#define` has defined.

use std::collections::{BTreeMap, BTreeSet};

use crate::code::Code;
use crate::diag::{Diagnostic, Diagnostics};
use crate::lexer::{Item, Kind, Lexer, Token};
use crate::source::{SourceMap, Span};

/// Names that stand for names end here.
const MAX_DEPTH: usize = 128;

/// Tokens that definitions may become, all together: a few lines can ask for any number of them.
const MAX_TOKENS: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Macros {
    all: BTreeMap<String, Macro>,
    /// How many tokens were made.
    made: usize,
}

#[derive(Debug)]
struct Macro {
    body: Vec<Token>,
    /// It has parameters, and is not understood.
    function: bool,
    /// `None` if it is not from a file.
    span: Option<Span>,
}

impl Macros {
    pub(super) fn define(&mut self, name: &str, body: &str, function: bool, span: Option<Span>) {
        let body = tokens(body);
        self.all.insert(name.to_owned(), Macro { body, function, span });
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.all.remove(name);
    }

    pub(super) fn is_defined(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    /// Where the name is defined, if that is in a file.
    pub(super) fn place(&self, name: &str) -> Option<Span> {
        self.all.get(name)?.span
    }

    /// Appends what `token` stands for, at the place of `token`, to `out`.
    pub(super) fn expand(&mut self, token: Token, out: &mut Vec<Token>) -> Result<(), Diagnostic> {
        self.expand_inside(token, &mut BTreeSet::new(), out)
    }

    fn expand_inside(
        &mut self,
        token: Token,
        open: &mut BTreeSet<String>,
        out: &mut Vec<Token>,
    ) -> Result<(), Diagnostic> {
        // As in C, a name inside of what it stands for is itself.
        let found = (token.kind == Kind::Word && !open.contains(&token.text))
            .then(|| self.all.get(&token.text))
            .flatten();
        let Some(found) = found else {
            out.push(token);
            return Ok(());
        };
        if found.function {
            return Err(with_parameters(&token, found.span));
        }
        // A definition that becomes nothing costs time all the same.
        self.made += found.body.len() + 1;
        if self.made > MAX_TOKENS || open.len() == MAX_DEPTH {
            return Err(too_much(&token, found.span));
        }
        let body = found.body.clone();
        open.insert(token.text.clone());
        for part in body {
            self.expand_inside(Token { span: token.span, line: token.line, ..part }, open, out)?;
        }
        open.remove(&token.text);
        Ok(())
    }
}

fn with_parameters(token: &Token, defined: Option<Span>) -> Diagnostic {
    let message = format!("`{}` has parameters, which are not understood", token.text);
    let error = Diagnostic::new(Code::MacroParameters, token.span, message)
        .help("write what it stands for, or define a name without parameters");
    defined.into_iter().fold(error, |error, place| error.also(place, "defined here"))
}

fn too_much(token: &Token, defined: Option<Span>) -> Diagnostic {
    let message = "definitions that stand for definitions become too long";
    let error = Diagnostic::new(Code::MacroSize, token.span, message);
    defined.into_iter().fold(error, |error, place| error.also(place, "one of them"))
}

/// The tokens of a definition's body. What is none is left out: it may be for C, and never used.
pub(super) fn tokens(body: &str) -> Vec<Token> {
    let mut scratch = SourceMap::default();
    let file = scratch.add(String::new(), body.to_owned());
    let source = scratch.file(file).clone();
    let mut lexer = Lexer::new(&source, file);
    let mut ignored = Diagnostics::default();
    let mut tokens = Vec::new();
    while let Item::Token(token) = lexer.next(&mut ignored) {
        tokens.push(token);
    }
    tokens
}
