//! Lays a `.x` file out in the one style.
//!
//! Only white space moves: the tokens, the comments, the directives and the lines for C stay as
//! they are, in their order. So it works on what the lexer finds, not on what the parser makes of
//! it, and the branches that `#if` leaves out are laid out too.

mod comment;
mod layout;
mod lines;
mod render;
mod scan;
mod spacing;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::Error;
use crate::diag::Diagnostics;
use crate::parser;
use crate::preprocess::{self, Input, Setup};
use crate::source::SourceMap;
use scan::Piece;

/// Blanks for each level of braces.
const INDENT: usize = 4;

/// Procedures with longer lines have their arguments on lines of their own.
const MAX_WIDTH: usize = 100;

/// The text of a `.x` file in the one style that all of them can have; messages call the file
/// `name`.
///
/// - Four blanks for each level; the members of a body on a line each; a procedure on one line
///   unless that would be longer than 100 columns. `case` is below the `u` of `union`, its
///   declaration on a line of its own. What is in a `namespace` is not indented.
/// - One blank between words, around `=` and around the operators of constant expressions; none
///   before `;` and `,`, inside of brackets, and between `*` and a name.
/// - Comments behind members begin in one column, until a blank line or a line with nothing but a
///   comment. The lines of a comment move together.
/// - At most one blank line anywhere, none at the start and the end of a body, one between a
///   definition with a body and its neighbours.
/// - `#` and `%` lines begin at the left, and are otherwise as they were; so is text that `#if`
///   leaves out and that is not made of whole definitions or members.
/// - Lines end with `\n`, and with nothing else that is blank.
///
/// Only blanks and ends of lines change. What is formatted already stays as it is.
///
/// ```
/// let text = "enum color { RED=0, /* as blood */ GREEN=1 /* as grass */ };";
/// assert_eq!(
///     farcall_rpcgen::format(text, "color.x")?,
///     "enum color {\n    RED = 0,  /* as blood */\n    GREEN = 1 /* as grass */\n};\n",
/// );
/// # Ok::<(), farcall_rpcgen::Error>(())
/// ```
///
/// # Errors
/// What is wrong with the grammar, with every place. Names need not be defined, and files that are
/// included are not read.
pub fn format(text: &str, name: &str) -> Result<String, Error> {
    let before = File::read(text, name)?;
    let pieces = before.pieces();
    let lines = layout::lines(&pieces);
    let formatted = render::text(&lines);
    let after = File::read(&formatted, name).map_err(|_| fault())?;
    if before.same_tokens(&after) && same_pieces(&pieces, &after.pieces()) {
        Ok(formatted)
    } else {
        Err(fault())
    }
}

/// A file whose grammar is right.
struct File {
    sources: SourceMap,
    file: usize,
    input: Input,
}

impl File {
    fn read(text: &str, name: &str) -> Result<Self, Error> {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let file = sources.add(name.to_owned(), text.to_owned());
        let setup = Setup { alone: true, ..Setup::default() };
        let path = Path::new(name);
        let input = preprocess::preprocess(&mut sources, file, path, &setup, &mut diagnostics);
        parser::specification(&input, &sources, &mut diagnostics);
        if diagnostics.has_errors() {
            return Err(Error::Source(diagnostics.report(&sources)));
        }
        Ok(Self { sources, file, input })
    }

    fn pieces(&self) -> Vec<Piece<'_>> {
        scan::pieces(&self.sources.file(self.file).text, &self.input.skipped)
    }

    /// Whether the parser gets the same from both.
    fn same_tokens(&self, other: &Self) -> bool {
        let texts = |file: &Self| {
            let tokens = file.input.tokens.iter();
            tokens.map(|token| (token.kind, token.text.clone())).collect::<Vec<_>>()
        };
        texts(self) == texts(other)
    }
}

/// Whether nothing but white space differs.
fn same_pieces(before: &[Piece<'_>], after: &[Piece<'_>]) -> bool {
    let same = |(a, b): (&Piece<'_>, &Piece<'_>)| {
        a.kind == b.kind && a.text.split_whitespace().eq(b.text.split_whitespace())
    };
    before.len() == after.len() && before.iter().zip(after).all(same)
}

/// A wrong file is worse than none.
fn fault() -> Error {
    let message = "formatting would change more than white space";
    Error::Bug(syn::Error::new(proc_macro2::Span::call_site(), message))
}
