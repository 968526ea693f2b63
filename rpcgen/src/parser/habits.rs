//! Mistakes that people make, most of them from habits of C, and what to write instead.

use super::{KEYWORDS, Parser};
use crate::code::Code;
use crate::diag::Diagnostic;
use crate::lexer::{Kind, Token};
use crate::naming;
use crate::source::Span;

/// The keywords that begin a definition.
const STARTS: [&str; 7] = ["const", "typedef", "enum", "struct", "union", "program", "namespace"];

/// No name is longer.
const MAX_NAME: usize = 1000;

/// Built-in types.
const TYPES: [&str; 8] =
    ["int", "unsigned", "hyper", "float", "double", "bool", "opaque", "string"];

impl Parser<'_> {
    /// `error` for the next token, where `wanted` was expected, with what may help.
    pub(super) fn with_habits(&self, wanted: &str, error: Diagnostic) -> Diagnostic {
        let (before, found) = (self.before(1), self.peek());
        // Looking for it takes time, which a file full of errors is not worth.
        let open = Some(self).filter(|_| !self.diagnostics.are_many());
        let error = match open.and_then(Self::open_brace) {
            Some(open) if found.kind == Kind::End || self.at_definition() => {
                return error.also(open, "this `{` has no `}`");
            }
            _ => error,
        };
        match (wanted, before, found.text.as_str()) {
            ("a definition", ..) => in_place_of_definition(found, error),
            ("a name", _, word) if KEYWORDS.contains(&word) => {
                error.replace_by(format!("{word}_"), "another name would do")
            }
            ("a name", _, "[" | "<") => self.length_before_name(error),
            ("a name", ..) if found.kind == Kind::Number => {
                error.label("a name begins with a letter or `_`")
            }
            ("a name", _, ";") if self.starts_with("typedef") => {
                error.help("write `typedef TYPE NAME;`")
            }
            ("a type", _, "void") => error.help("`void` stands alone, for nothing at all"),
            ("`)`", "void", ",") => error.help("`void` stands alone, for nothing at all"),
            ("a number or the name of a constant", "[", "]") => error.patch(
                self.before_span(1).to(found.span),
                "<>",
                "an array of any length has angle brackets",
            ),
            ("`;`", _, ",") => self.one_name_each(error),
            ("`;`", _, "=") => {
                error.help("there are no default values: only what is sent is defined here")
            }
            ("`:`", _, ",") => error.replace_by(": case", "each value has a `case` of its own"),
            ("`,` or `}`", _, ";") => error.replace_by(",", "commas separate the members"),
            ("`,` or `}`", _, _) if found.kind == Kind::Word => {
                error.patch(self.behind(1), ",", "commas separate the members")
            }
            ("`switch`", ..) => error.help(
                "a union says which value selects an arm: \
                 `union NAME switch (int which) { case 0: TYPE NAME; default: void; }`",
            ),
            ("`(`", _, "=") => {
                error.patch(self.behind(1), "(void)", "a procedure has arguments, or `void`")
            }
            ("`{`", _, "=") => error.help("the number comes behind the braces: `{ ... } = 1;`"),
            ("`=`", ")", ";") => error.patch(self.behind(1), " = 1", "a procedure needs a number"),
            ("`=`", "}", ";") if self.open_brace().is_some() => {
                error.patch(self.behind(1), " = 1", "a version needs a number")
            }
            ("`=`", "}", ";") => error.patch(
                self.behind(1),
                " = 0x20000001",
                "a program needs a number: 0x20000000 to 0x3fffffff are for private use",
            ),
            ("`case`, `default` or `}`", _, "case") => {
                error.label("the default comes last").help("move the default behind all cases")
            }
            ("`case`, `default` or `}`", _, "default") => {
                error.label("second default").help("a union has one default")
            }
            _ => self.other_mark(wanted, error),
        }
    }

    /// Whether the keyword that is next stands where only a name makes sense, so that reading can go
    /// on as if it were one.
    pub(super) fn is_meant_as_name(&self) -> bool {
        let after = self.peek_at(1);
        after.kind == Kind::Punct
            && [";", "{", "[", "<", "=", "(", ")", ",", "}"].contains(&after.text.as_str())
    }

    /// Reports a name that nobody wrote by hand: working with it would take time as its square.
    pub(super) fn check_name_length(&mut self, token: &Token) {
        if token.text.len() > MAX_NAME {
            let message = format!("this name has more than {MAX_NAME} characters");
            let span = Span { end: token.span.start + 8, ..token.span };
            self.diagnostics.push(Diagnostic::new(Code::LongName, span, message));
        }
    }

    /// For `int[5] a`.
    fn length_before_name(&self, error: Diagnostic) -> Diagnostic {
        let (open, name) = (self.peek(), self.peek_at(3));
        let close = self.peek_at(2);
        let empty = close.kind == Kind::Word;
        let name = if empty { close } else { name };
        if name.kind != Kind::Word || name.span.file != open.span.file {
            return error.help("the length comes behind the name");
        }
        let brackets = open.span.to(self.peek_at(if empty { 1 } else { 2 }).span);
        let text = format!(" {}{}", name.text, self.sources.text(brackets));
        let span = Span { start: self.before_span(1).end.min(open.span.start), ..open.span };
        error.patch(span.to(name.span), text, "the length comes behind the name")
    }

    /// For `int a, b;`.
    fn one_name_each(&self, error: Diagnostic) -> Diagnostic {
        let (name, found) = (self.before_span(1), self.peek());
        let ends = |i: &usize| [";", "{", "}", ":", ","].contains(&self.before(*i));
        let first = (2..self.at).find(ends).map(|i| self.before_span(i - 1));
        let why = "each name has a declaration of its own";
        match first {
            Some(first) if first.file == name.file && first.start < name.start => {
                let ty = self.sources.text(Span { end: name.start, ..first }).trim();
                error.replace_by(format!("; {ty}"), why)
            }
            _ => error.help(format!("{why}, `{}` too", found.text)),
        }
    }

    /// Where one mark stands in the place of another, or one is missing before a value.
    fn other_mark(&self, wanted: &str, error: Diagnostic) -> Diagnostic {
        const ALIKE: [&[&str]; 2] = [&["=", ":", ";", ","], &["}", ")", "]", ">"]];
        let (found, mark) = (self.peek(), wanted.trim_matches('`'));
        let alike = |group: &&&[&str]| group.contains(&mark) && group.contains(&&*found.text);
        if ALIKE.iter().any(|group| alike(&group)) {
            return error.replace_by(mark, format!("it is `{mark}` here"));
        }
        if ["=", ":"].contains(&mark) && matches!(found.kind, Kind::Number | Kind::Word) {
            let at = Span { end: found.span.start, ..found.span };
            return error.patch(at, format!("{mark} "), format!("a `{mark}` is missing"));
        }
        error
    }

    /// Warns of C's text in a place where it is one number.
    pub(super) fn check_pointer(&mut self, start: usize) {
        if self.before(1) != "*" || self.before(2) != "char" {
            return;
        }
        let span = self.input.tokens[start].span.to(self.before_span(1));
        let message = "`char *` is one number that may be absent, not a text";
        let warning = Diagnostic::new(Code::CharPointer, span, message)
            .help("write `string NAME<>` for text, `opaque NAME<>` for bytes");
        self.diagnostics.push(warning);
    }

    /// The text of the token `count` before the next one.
    fn before(&self, count: usize) -> &str {
        self.at.checked_sub(count).map_or("", |i| &self.input.tokens[i].text)
    }

    fn before_span(&self, count: usize) -> Span {
        self.input.tokens[self.at.saturating_sub(count)].span
    }

    /// The place behind the token `count` before the next one.
    fn behind(&self, count: usize) -> Span {
        let span = self.before_span(count);
        Span { start: span.end, ..span }
    }

    fn starts_with(&self, text: &str) -> bool {
        self.input.tokens[self.started].text == text
    }

    /// The innermost `{` of this definition that is open.
    fn open_brace(&self) -> Option<Span> {
        let mut closed = 0_usize;
        for token in self.input.tokens[self.started..self.at].iter().rev() {
            match token.text.as_str() {
                "}" => closed += 1,
                "{" if closed == 0 => return Some(token.span),
                "{" => closed -= 1,
                _ => {}
            }
        }
        None
    }
}

fn in_place_of_definition(found: &Token, error: Diagnostic) -> Diagnostic {
    if found.text == "}" {
        return error.label("").help("there is a `}` too many");
    }
    if TYPES.contains(&found.text.as_str()) {
        return error.help("a type gets a name with `typedef`");
    }
    match naming::similar(&found.text, STARTS.into_iter()) {
        Some(start) if found.kind == Kind::Word => {
            error.replace_by(start, "a keyword has a similar name")
        }
        _ => error,
    }
}

/// `error` for a number that is none.
pub(super) fn with_number_help(text: &str, error: Diagnostic) -> Diagnostic {
    if text.starts_with("0x") || text.starts_with("0X") {
        error.help("a number that begins with `0x` has up to 16 of the digits 0 to 9 and a to f")
    } else if text.starts_with('0') && text.chars().all(|c| c.is_ascii_digit()) {
        error.help("a number that begins with `0` is octal, and has digits from 0 to 7")
    } else if text.chars().all(|c| c.is_ascii_digit()) {
        error.help("the largest is 18446744073709551615")
    } else {
        error.help("a number has digits only; a name begins with a letter or `_`")
    }
}
