//! Tokens to definitions: one function for each rule of the grammars of RFC 4506 §6.3 and RFC 5531
//! §12.2, by the RFC's name.

mod declaration;
mod habits;
mod program;
mod tokens;
mod type_def;
mod value;

use crate::ast::{ConstantDef, ConstantValue, Definition, Ident};
use crate::code::Code;
use crate::diag::{Diagnostic, Diagnostics};
use crate::docs::Docs;
use crate::lexer::Kind;
use crate::preprocess::Input;
use crate::source::{SourceMap, Span};

/// Bodies inside of bodies, namespaces inside of namespaces, and parentheses inside of parentheses
/// end here.
const MAX_DEPTH: usize = 64;

/// A longer path of namespaces would make every name in it one.
const MAX_PATH: usize = 512;

/// Words that name nothing (RFC 4506 §6.4, RFC 5531 §12.3).
const KEYWORDS: [&str; 20] = [
    "bool",
    "case",
    "const",
    "default",
    "double",
    "enum",
    "float",
    "hyper",
    "int",
    "opaque",
    "program",
    "quadruple",
    "string",
    "struct",
    "switch",
    "typedef",
    "union",
    "unsigned",
    "version",
    "void",
];

/// A rule did not match; why is reported.
struct Failed;

type Parsed<T> = Result<T, Failed>;

/// Reads all definitions.
pub(crate) fn specification(
    input: &Input,
    sources: &SourceMap,
    diagnostics: &mut Diagnostics,
) -> Vec<Definition> {
    let mut parser = Parser::new(input, sources, diagnostics);
    while parser.peek().kind != Kind::End {
        let start = parser.at;
        parser.started = start;
        match parser.definition() {
            Ok(definition) => {
                parser.definitions.append(&mut parser.hoisted);
                parser.definitions.extend(definition);
            }
            Err(Failed) => parser.recover(start),
        }
    }
    if let Some((name, _)) = parser.namespaces.last() {
        let message = "this namespace has no `}`";
        let error = Diagnostic::new(Code::OpenNamespace, name.span, message);
        parser.diagnostics.push(error);
    }
    parser.definitions
}

struct Parser<'a> {
    input: &'a Input,
    sources: &'a SourceMap,
    diagnostics: &'a mut Diagnostics,
    at: usize,
    /// The first token of the definition that is being read.
    started: usize,
    depth: usize,
    /// The tokens that were skipped last, because they could not be read.
    skipped: std::ops::Range<usize>,
    definitions: Vec<Definition>,
    /// Types that are defined inside of the definition that is being read.
    hoisted: Vec<Definition>,
    /// The namespace of what is defined, with `::` behind it.
    path: String,
    /// The namespaces that are open, each with the path around it.
    namespaces: Vec<(Ident, String)>,
}

impl<'a> Parser<'a> {
    fn new(input: &'a Input, sources: &'a SourceMap, diagnostics: &'a mut Diagnostics) -> Self {
        Self {
            input,
            sources,
            diagnostics,
            at: 0,
            started: 0,
            depth: 0,
            skipped: 0..0,
            definitions: Vec::new(),
            hoisted: Vec::new(),
            path: String::new(),
            namespaces: Vec::new(),
        }
    }

    /// `None` for what defines nothing.
    fn definition(&mut self) -> Parsed<Option<Definition>> {
        match self.peek().text.as_str() {
            "const" => self.constant_def().map(|def| Some(Definition::Constant(def))),
            "typedef" | "enum" | "struct" | "union" => {
                self.type_def().map(|def| Some(Definition::Type(def)))
            }
            "program" => self.program_def().map(|def| Some(Definition::Program(def))),
            "namespace" => self.namespace().map(|()| None),
            "}" if !self.namespaces.is_empty() => {
                self.end_namespace();
                Ok(None)
            }
            "package" => self.package().map(|()| None),
            "pragma" => self.pragma().map(|()| None),
            // It ends no more than what has ended.
            ";" => {
                self.next();
                Ok(None)
            }
            _ => Err(self.unexpected(
                "a definition",
                "`const`, `typedef`, `enum`, `struct`, `union` or `program`",
            )),
        }
    }

    fn constant_def(&mut self) -> Parsed<ConstantDef> {
        let start = self.at;
        self.expect("const")?;
        let name = self.defined_name()?;
        self.expect("=")?;
        let value = if self.peek().kind == Kind::Text {
            ConstantValue::Text(self.text()?)
        } else {
            ConstantValue::Number(self.value()?)
        };
        self.expect(";")?;
        Ok(ConstantDef { name, value, docs: self.docs(start) })
    }

    /// xdrpp's extension: what is inside of the braces is in a namespace.
    fn namespace(&mut self) -> Parsed<()> {
        let start = self.next().span;
        let name = self.name()?;
        self.expect("{")?;
        let inner = format!("{}{}::", self.path, name.name);
        self.check_path(&inner, start)?;
        self.namespaces.push((name, std::mem::replace(&mut self.path, inner)));
        Ok(())
    }

    fn check_path(&mut self, path: &str, span: Span) -> Parsed<()> {
        if path.matches("::").count() <= MAX_DEPTH && path.len() <= MAX_PATH {
            return Ok(());
        }
        let error = Diagnostic::new(Code::TooDeep, span, "namespaces are nested too deeply");
        Err(self.fail(error))
    }

    fn end_namespace(&mut self) {
        self.next();
        if let Some((_, outer)) = self.namespaces.pop() {
            self.path = outer;
        }
        self.accept(";");
    }

    /// `package "a.b";` or `package a::b;`: all that follows is in a namespace.
    fn package(&mut self) -> Parsed<()> {
        let span = self.next().span;
        let name = if self.peek().kind == Kind::Text {
            self.text()?.replace('.', "::")
        } else {
            self.name()?.name
        };
        self.expect(";")?;
        if !name.split("::").all(is_name) {
            let message = "a package is called by names with dots between them";
            return Err(self.fail(Diagnostic::new(Code::BadPackage, span, message)));
        }
        let path = format!("{name}::");
        self.check_path(&path, span)?;
        self.path = path;
        Ok(())
    }

    /// For the Linux kernel's xdrgen: it says nothing about what is on the wire.
    fn pragma(&mut self) -> Parsed<()> {
        self.next();
        while self.peek().kind == Kind::Word {
            self.next();
        }
        self.expect(";")
    }

    /// The name of a definition, with its namespace's.
    fn defined_name(&mut self) -> Parsed<Ident> {
        let Ident { name, span } = self.identifier()?;
        Ok(Ident { name: format!("{}{name}", self.path), span })
    }

    /// A name that may have namespaces before it.
    fn name(&mut self) -> Parsed<Ident> {
        let mut name = self.identifier()?;
        while self.accept("::") {
            let part = self.identifier()?;
            name.name.push_str("::");
            name.name.push_str(&part.name);
            name.span = name.span.to(part.span);
        }
        Ok(name)
    }

    fn identifier(&mut self) -> Parsed<Ident> {
        let token = self.peek().clone();
        if token.kind != Kind::Word {
            return Err(self.unexpected("a name", ""));
        }
        if KEYWORDS.contains(&token.text.as_str()) {
            let failed = self.unexpected("a name", "it is a keyword");
            if !self.is_meant_as_name() {
                return Err(failed);
            }
        }
        self.check_name_length(&token);
        self.next();
        Ok(Ident { name: token.text, span: token.span })
    }

    fn text(&mut self) -> Parsed<String> {
        let token = self.next().clone();
        match token.text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(text) => Ok(text.to_owned()),
            None => Err(self.fail(Diagnostic::new(
                Code::OpenString,
                token.span,
                "this string does not end",
            ))),
        }
    }

    fn docs(&self, first: usize) -> Docs {
        Docs::of(self.input, self.sources, first, self.at - 1)
    }
}

fn is_name(text: &str) -> bool {
    let word = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    word && text.starts_with(|c: char| !c.is_ascii_digit()) && !KEYWORDS.contains(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<Definition> {
        let mut sources = SourceMap::default();
        let file = sources.add("a.x".into(), text.into());
        let mut diagnostics = Diagnostics::default();
        let setup = crate::preprocess::Setup::default();
        let path = std::path::Path::new("a.x");
        let input =
            crate::preprocess::preprocess(&mut sources, file, path, &setup, &mut diagnostics);
        let definitions = specification(&input, &sources, &mut diagnostics);
        assert!(!diagnostics.has_errors(), "{text}");
        definitions
    }

    #[test]
    fn trees_are_equal_whatever_the_text_looks_like() {
        for (one, other, equal) in [
            ("const A=1+N;", "const A = /* one */ 1 + N; // more", true),
            ("const A = 0x10;", "const A = 16;", true),
            ("const A = 1 + N;", "const A = N + 1;", false),
            ("const A = (1 + 2) * 3;", "const A = 1 + 2 * 3;", false),
            ("struct s { int a; };", "struct s {\n%c\n    long a;\n};;", true),
            ("struct s { int a; };", "struct s { unsigned a; };", false),
            ("namespace a { const B = 1; }", "package \"a\";\nconst B = 1;", true),
            ("namespace a { const B = 1; }", "const B = 1;", false),
            (
                "program P { version V { int A(int a) = 1; } = 1; } = 1;",
                "program P { version V { int A(int b) = 1; } = 1; } = 1;",
                false,
            ),
        ] {
            assert_eq!(parse(one) == parse(other), equal, "{one} {other}");
        }
    }
}
