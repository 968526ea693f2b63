//! Lines that begin with `#`, and what is understood of those that begin with `%`.

use std::path::Path;

use super::{Header, Preprocessor};
use crate::code::Code;
use crate::condition;
use crate::diag::Diagnostic;
use crate::lexer::{Kind, Token};
use crate::naming::similar;
use crate::source::Span;

/// For similar names.
const DIRECTIVES: [&str; 9] =
    ["define", "elif", "else", "endif", "if", "ifdef", "ifndef", "include", "undef"];

/// An `#if` that is open.
pub(super) struct Branch {
    pub(super) opened: Span,
    /// The lines here count.
    pub(super) active: bool,
    /// One of its branches was active already, or it is inside of one that is not.
    done: bool,
    /// Where its `#else` is.
    last: Option<Span>,
}

impl Preprocessor<'_> {
    pub(super) fn directive(&mut self, span: Span, path: &Path, branches: &mut Vec<Branch>) {
        let text = self.plain(span);
        let (name, rest) = split_word(text[1..].trim());
        let active = branches.last().is_none_or(|branch| branch.active);
        match name {
            "ifdef" | "ifndef" | "if" => self.open_branch(name, rest, span, branches),
            "elif" | "else" | "endif" => self.close_branch(name, rest, span, branches),
            _ if !active => {}
            "include" | "error" | "warning" if self.setup.alone => {}
            "define" => self.define(rest, span),
            "undef" => self.macros.remove(split_word(rest).0),
            "include" => self.include(rest, span, path),
            "error" => self.report(Code::UserError, span, rest),
            "warning" => self.report(Code::UserWarning, span, rest),
            "ident" | "sccs" | "pragma" | "line" | "" => {}
            // A line that a C preprocessor has left: `# 1 "file.x"`.
            number if number.starts_with(|c: char| c.is_ascii_digit()) => {}
            other => {
                let message = format!("unknown directive `#{other}`");
                let error = Diagnostic::new(Code::UnknownDirective, span, message);
                let offset = self.sources.text(span).find(other).unwrap_or(0);
                let start = span.start + offset;
                let word = Span { start, end: start + other.len(), ..span };
                self.diagnostics.push(match similar(other, DIRECTIVES.into_iter()) {
                    Some(known) => {
                        error.patch(word, known, "there is a directive of a similar name")
                    }
                    None => {
                        error.help("put what is for the C compiler on lines that begin with `%`")
                    }
                });
            }
        }
    }

    fn report(&mut self, code: Code, span: Span, text: &str) {
        let text = text.trim_matches('"');
        let message = if text.is_empty() { "the file says so" } else { text };
        self.diagnostics.push(Diagnostic::new(code, span, message));
    }

    fn open_branch(&mut self, name: &str, rest: &str, span: Span, branches: &mut Vec<Branch>) {
        let active = branches.last().is_none_or(|branch| branch.active);
        let holds = active && self.holds(name, rest, span);
        branches.push(Branch { opened: span, active: holds, done: holds || !active, last: None });
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
        if let Some(last) = branch.last {
            let message = format!("`#{name}` after `#else`");
            let error = Diagnostic::new(Code::NoCondition, span, message)
                .also(last, "this was the last branch");
            self.diagnostics.push(error);
        }
        let is_else = name == "else";
        let active = !branch.done && (is_else || self.holds("if", rest, span));
        let last = branch.last.or_else(|| is_else.then_some(span));
        branches.push(Branch { active, done: branch.done || active, last, ..branch });
    }

    fn holds(&mut self, name: &str, rest: &str, span: Span) -> bool {
        match name {
            "ifdef" => self.macros.is_defined(split_word(rest).0),
            "ifndef" => !self.macros.is_defined(split_word(rest).0),
            _ => self.condition(rest, span),
        }
    }

    fn condition(&mut self, text: &str, span: Span) -> bool {
        let value = self.condition_tokens(text, span).and_then(|tokens| {
            condition::evaluate(&tokens).map_err(|why| {
                Diagnostic::new(Code::BadCondition, span, "this condition is not understood")
                    .label(why)
                    .help("it must be an expression of integers as in C")
            })
        });
        value.map_err(|error| self.diagnostics.push(error)).is_ok_and(|value| value != 0)
    }

    /// The words and operators of a condition, with everything that is defined in its place.
    fn condition_tokens(&mut self, text: &str, span: Span) -> Result<Vec<String>, Diagnostic> {
        let mut out = Vec::new();
        let mut asked = false;
        let mut open = false;
        for text in condition::split(text) {
            if asked && text == "(" {
                open = true;
            } else if asked {
                out.push(if self.macros.is_defined(&text) { "1" } else { "0" }.to_owned());
                asked = false;
            } else if open && text == ")" {
                open = false;
            } else if text == "defined" {
                asked = true;
            } else if !text.is_empty() {
                let kind = if is_word(&text) { Kind::Word } else { Kind::Punct };
                let token = Token { kind, text, span, line: 0 };
                let mut tokens = Vec::new();
                self.macros.expand(token, &mut tokens)?;
                out.extend(tokens.into_iter().map(|token| token.text));
            }
        }
        Ok(out)
    }

    fn define(&mut self, rest: &str, span: Span) {
        let (name, _) = split_word(rest);
        if !is_word(name) {
            let error =
                Diagnostic::new(Code::BadDefine, span, "only `#define NAME VALUE` is understood")
                    .help("put what is for the C compiler on lines that begin with `%`");
            self.diagnostics.push(error);
            return;
        }
        let body = &rest[name.len()..];
        self.macros.define(name, body, body.starts_with('('), Some(span));
    }

    /// What the generated C gets from lines that begin with `%`: other files, and constants.
    pub(super) fn passed(&mut self, span: Span, path: &Path) {
        let source = self.sources.file(span.file);
        let last = span.end.saturating_sub(1).max(span.start);
        self.input.passed.lines += source.line(last) - source.line(span.start) + 1;
        self.input.passed.first.get_or_insert(span);
        let text = self.plain(span);
        let Some(directive) = text[1..].trim_start().strip_prefix('#') else { return };
        match split_word(directive.trim_start()) {
            ("include", rest) => {
                let name = rest.trim_matches(['"', '<', '>']).to_owned();
                self.input.passed.headers.push(Header { name, from: path.to_owned() });
            }
            ("define", rest) => self.passed_constant(rest, span),
            _ => {}
        }
    }

    /// As `const NAME = VALUE;`.
    fn passed_constant(&mut self, rest: &str, span: Span) {
        let (name, _) = split_word(rest);
        let body = &rest[name.len()..];
        if !is_word(name) || body.trim().is_empty() || body.starts_with('(') {
            return;
        }
        let line = self.sources.file(span.file).line(span.start);
        let token = |kind, text: &str| Token { kind, text: text.to_owned(), span, line };
        let value =
            super::macros::tokens(body).into_iter().map(|part| Token { span, line, ..part });
        let mut tokens =
            vec![token(Kind::Word, "const"), token(Kind::Word, name), token(Kind::Punct, "=")];
        tokens.extend(value);
        tokens.push(token(Kind::Punct, ";"));
        tokens.push(token(Kind::End, ""));
        self.input.passed.constants.push(tokens);
    }

    /// A line's text on one line and without comments.
    fn plain(&self, span: Span) -> String {
        without_comments(self.sources.text(span))
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

pub(super) fn split_word(text: &str) -> (&str, &str) {
    let len = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    (&text[..len], text[len..].trim())
}

fn without_comments(text: &str) -> String {
    let mut plain = String::new();
    let mut quoted = false;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '"' => {
                quoted = !quoted;
                1
            }
            '\\' if rest[1..].starts_with("\r\n") => 3,
            '\\' if rest[1..].starts_with('\n') => 2,
            '/' if !quoted && rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if !quoted && rest.starts_with("/*") => {
                rest[2..].find("*/").map_or(rest.len(), |close| 2 + close + 2)
            }
            other => other.len_utf8(),
        };
        let kept = len == first.len_utf8();
        plain.push_str(if kept { &rest[..len] } else { " " });
        rest = &rest[len..];
    }
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_is_one_line_without_comments() {
        for (text, expected) in [
            ("#define A 1 /* one */", "#define A 1"),
            ("#define A /* a\n b */ 1", "#define A   1"),
            ("#define A \\\n 1 + \\\r\n 2", "#define A   1 +   2"),
            ("#define A 1 // one", "#define A 1"),
            ("#include \"a//b.x\"", "#include \"a//b.x\""),
            ("#define A \"/*\" /**/", "#define A \"/*\""),
            ("%# define A 1", "%# define A 1"),
            ("#if 1 /* open", "#if 1"),
        ] {
            assert_eq!(without_comments(text), expected);
        }
    }
}
