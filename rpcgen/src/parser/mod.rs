//! Tokens to definitions: one function for each rule of the grammars of RFC 4506 §6.3 and RFC 5531
//! §12.2, by the RFC's name.

mod program;

use crate::ast::{
    CaseSpec, ConstantDef, ConstantValue, Declaration, Definition, EnumBody, EnumMember, Ident,
    Shape, StructBody, TypeBody, TypeDef, TypeSpecifier, UnionBody, Value,
};
use crate::code::Code;
use crate::diag::{Diagnostic, Diagnostics};
use crate::docs::Docs;
use crate::lexer::{Kind, Token};
use crate::preprocess::Input;
use crate::source::{SourceMap, Span};
use crate::value;

/// Bodies inside of bodies end here.
const MAX_DEPTH: usize = 64;

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
    let mut parser = Parser { input, sources, diagnostics, at: 0, depth: 0 };
    let mut definitions = Vec::new();
    while parser.peek().kind != Kind::End {
        let start = parser.at;
        match parser.definition() {
            Ok(definition) => definitions.push(definition),
            Err(Failed) => parser.recover(start),
        }
    }
    definitions
}

struct Parser<'a> {
    input: &'a Input,
    sources: &'a SourceMap,
    diagnostics: &'a mut Diagnostics,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn definition(&mut self) -> Parsed<Definition> {
        match self.peek().text.as_str() {
            "const" => self.constant_def().map(Definition::Constant),
            "typedef" | "enum" | "struct" | "union" => self.type_def().map(Definition::Type),
            "program" => self.program_def().map(Definition::Program),
            _ => Err(self.unexpected(
                "a definition",
                "`const`, `typedef`, `enum`, `struct`, `union` or `program`",
            )),
        }
    }

    fn constant_def(&mut self) -> Parsed<ConstantDef> {
        let start = self.at;
        self.expect("const")?;
        let name = self.identifier()?;
        self.expect("=")?;
        let value = if self.peek().kind == Kind::Text {
            ConstantValue::Text(self.text()?)
        } else {
            ConstantValue::Number(self.value()?)
        };
        self.expect(";")?;
        Ok(ConstantDef { name, value, docs: self.docs(start) })
    }

    fn type_def(&mut self) -> Parsed<TypeDef> {
        let start = self.at;
        let (name, body) = match self.next().text.as_str() {
            "enum" => (self.identifier()?, TypeBody::Enum(self.enum_body()?)),
            "struct" => (self.identifier()?, TypeBody::Struct(self.struct_body()?)),
            "union" => (self.identifier()?, TypeBody::Union(Box::new(self.union_body()?))),
            _ => self.typedef(start)?,
        };
        self.expect(";")?;
        Ok(TypeDef { name, body, docs: self.docs(start) })
    }

    fn typedef(&mut self, start: usize) -> Parsed<(Ident, TypeBody)> {
        let Some(declaration) = self.declaration()? else {
            let error = Diagnostic::new(
                Code::TypedefVoid,
                self.input.tokens[start].span,
                "`typedef void` names no type",
            );
            return Err(self.fail(error));
        };
        Ok((declaration.name.clone(), TypeBody::Typedef(Box::new(declaration))))
    }

    /// `None` for `void`.
    fn declaration(&mut self) -> Parsed<Option<Declaration>> {
        let start = self.at;
        if self.accept("void") {
            return Ok(None);
        }
        let specifier = self.type_specifier()?;
        let optional = self.accept("*");
        let name = self.identifier()?;
        let shape = if optional { Shape::Optional } else { self.shape()? };
        self.check_shape(&specifier, &shape, &name)?;
        // The `;` that follows belongs to the rule that called.
        let docs = Docs::of(self.input, self.sources, start, self.at - 1);
        Ok(Some(Declaration { specifier, shape, name, docs }))
    }

    fn shape(&mut self) -> Parsed<Shape> {
        if self.accept("[") {
            let bound = self.value()?;
            self.expect("]")?;
            return Ok(Shape::Fixed(bound));
        }
        if self.accept("<") {
            let bound = if self.peek().text == ">" { None } else { Some(self.value()?) };
            self.expect(">")?;
            return Ok(Shape::Variable(bound));
        }
        Ok(Shape::One)
    }

    /// `opaque` and `string` exist only with a bound.
    fn check_shape(
        &mut self,
        specifier: &TypeSpecifier,
        shape: &Shape,
        name: &Ident,
    ) -> Parsed<()> {
        let (what, help) = match (specifier, shape) {
            (TypeSpecifier::String, Shape::Variable(_)) => return Ok(()),
            (TypeSpecifier::Opaque, Shape::Variable(_) | Shape::Fixed(_)) => return Ok(()),
            (TypeSpecifier::String, _) => {
                ("string", format!("string {0}<>` or `string {0}<MAX>", name.name))
            }
            (TypeSpecifier::Opaque, _) => (
                "opaque",
                format!("opaque {0}<>`, `opaque {0}<MAX>` or `opaque {0}[SIZE]", name.name),
            ),
            _ => return Ok(()),
        };
        let error = Diagnostic::new(Code::NoLength, name.span, format!("`{what}` needs a length"))
            .help(format!("write `{help}`"));
        Err(self.fail(error))
    }

    fn type_specifier(&mut self) -> Parsed<TypeSpecifier> {
        let token = self.peek().clone();
        if token.kind != Kind::Word {
            return Err(self.unexpected("a type", ""));
        }
        let specifier = match token.text.as_str() {
            "unsigned" => {
                self.next();
                return Ok(self.unsigned());
            }
            "enum" | "struct" | "union" => return self.body_or_reference(),
            "int" => TypeSpecifier::Int,
            "hyper" => TypeSpecifier::Hyper,
            "float" => TypeSpecifier::Float,
            "double" => TypeSpecifier::Double,
            "quadruple" => TypeSpecifier::Quadruple,
            "bool" => TypeSpecifier::Bool,
            "opaque" => TypeSpecifier::Opaque,
            "string" => TypeSpecifier::String,
            word if KEYWORDS.contains(&word) => return Err(self.unexpected("a type", "")),
            _ => TypeSpecifier::Name(Ident { name: token.text, span: token.span }),
        };
        self.next();
        Ok(specifier)
    }

    fn unsigned(&mut self) -> TypeSpecifier {
        // Sun's extension: `unsigned`, alone or before a C type.
        if self.accept("hyper") {
            return TypeSpecifier::UnsignedHyper;
        }
        let _ = ["int", "long", "short", "char"].into_iter().any(|word| self.accept(word));
        TypeSpecifier::UnsignedInt
    }

    /// A body, or, as Sun has it, `struct name` for a type that is defined elsewhere.
    fn body_or_reference(&mut self) -> Parsed<TypeSpecifier> {
        let keyword = self.next().clone();
        if self.depth == MAX_DEPTH {
            return Err(self.fail(Diagnostic::new(
                Code::TooDeep,
                keyword.span,
                "bodies are nested too deeply",
            )));
        }
        let body_follows = if keyword.text == "union" { "switch" } else { "{" };
        if self.peek().text != body_follows {
            return self.identifier().map(TypeSpecifier::Name);
        }
        self.depth += 1;
        let body = match keyword.text.as_str() {
            "enum" => self.enum_body().map(TypeBody::Enum),
            "struct" => self.struct_body().map(TypeBody::Struct),
            _ => self.union_body().map(|body| TypeBody::Union(Box::new(body))),
        };
        self.depth -= 1;
        Ok(TypeSpecifier::Body(body?))
    }

    fn enum_body(&mut self) -> Parsed<EnumBody> {
        self.expect("{")?;
        let mut members = Vec::new();
        loop {
            let start = self.at;
            let name = self.identifier()?;
            let value = if self.accept("=") { Some(self.value()?) } else { None };
            let more = self.accept(",");
            members.push(EnumMember { name, value, docs: self.docs(start) });
            if !more || self.peek().text == "}" {
                break;
            }
        }
        self.expect("}")?;
        Ok(EnumBody { members })
    }

    fn struct_body(&mut self) -> Parsed<StructBody> {
        self.expect("{")?;
        let mut members = Vec::new();
        while !self.accept("}") {
            let start = self.at;
            match self.struct_member() {
                Ok(member) => members.extend(member),
                Err(Failed) => self.recover_in_body(start)?,
            }
        }
        Ok(StructBody { members })
    }

    fn struct_member(&mut self) -> Parsed<Option<Declaration>> {
        let start = self.at;
        let declaration = self.declaration()?;
        self.expect(";")?;
        Ok(declaration.map(|declaration| Declaration { docs: self.docs(start), ..declaration }))
    }

    fn union_body(&mut self) -> Parsed<UnionBody> {
        self.expect("switch")?;
        self.expect("(")?;
        let open = self.peek().span;
        let Some(discriminant) = self.declaration()? else {
            return Err(self.fail(Diagnostic::new(
                Code::NoDiscriminant,
                open,
                "a union needs a discriminant",
            )));
        };
        self.expect(")")?;
        self.expect("{")?;
        let mut cases = Vec::new();
        while self.peek().text == "case" {
            let start = self.at;
            match self.case_spec() {
                Ok(case) => cases.push(case),
                Err(Failed) => self.recover_in_body(start)?,
            }
        }
        let default = if self.peek().text == "default" { Some(self.default_case()?) } else { None };
        if self.peek().text != "}" {
            return Err(self.unexpected("`case`, `default` or `}`", "the default comes last"));
        }
        self.next();
        Ok(UnionBody { discriminant, cases, default })
    }

    fn case_spec(&mut self) -> Parsed<CaseSpec> {
        let start = self.at;
        let mut labels = Vec::new();
        while self.accept("case") {
            labels.push(self.value()?);
            self.expect(":")?;
        }
        let declaration = self.declaration()?;
        self.expect(";")?;
        Ok(CaseSpec { labels, declaration, docs: self.docs(start) })
    }

    fn default_case(&mut self) -> Parsed<CaseSpec> {
        let start = self.at;
        self.expect("default")?;
        self.expect(":")?;
        let declaration = self.declaration()?;
        self.expect(";")?;
        Ok(CaseSpec { labels: Vec::new(), declaration, docs: self.docs(start) })
    }

    /// A constant or the name of one.
    fn value(&mut self) -> Parsed<Value> {
        let token = self.peek();
        match token.kind {
            Kind::Number => self.constant(),
            Kind::Word => self.identifier().map(Value::Name),
            _ => Err(self.unexpected("a number or the name of a constant", "")),
        }
    }

    fn constant(&mut self) -> Parsed<Value> {
        let token = self.next().clone();
        match value::parse(&token.text) {
            Some(number) => Ok(Value::Constant(number, token.span)),
            None => {
                let message = format!("`{}` is not a number of 64 bits", token.text);
                Err(self.fail(Diagnostic::new(Code::BadNumber, token.span, message)))
            }
        }
    }

    fn identifier(&mut self) -> Parsed<Ident> {
        let token = self.peek().clone();
        if token.kind != Kind::Word {
            return Err(self.unexpected("a name", ""));
        }
        if KEYWORDS.contains(&token.text.as_str()) {
            return Err(self.unexpected("a name", "it is a keyword"));
        }
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

    fn peek(&self) -> &'a Token {
        // The last token is the end, and is never passed.
        &self.input.tokens[self.at.min(self.input.tokens.len() - 1)]
    }

    fn next(&mut self) -> &'a Token {
        let token = self.peek();
        if token.kind != Kind::End {
            self.at += 1;
        }
        token
    }

    fn accept(&mut self, text: &str) -> bool {
        let token = self.peek();
        let found = token.text == text && matches!(token.kind, Kind::Word | Kind::Punct);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, text: &str) -> Parsed<()> {
        if self.accept(text) {
            return Ok(());
        }
        let Some(before) = self.at.checked_sub(1).map(|i| &self.input.tokens[i]) else {
            return Err(self.unexpected(&format!("`{text}`"), ""));
        };
        let found = self.peek();
        if text == ";" && (found.line > before.line || found.kind == Kind::End) {
            // It is most likely what was forgotten, and nothing else: go on as if it were there.
            let error =
                Diagnostic::new(Code::MissingSemicolon, self.end_of(before), "expected `;`")
                    .label("add `;` here");
            self.diagnostics.push(error);
            return Ok(());
        }
        Err(self.unexpected(&format!("`{text}`"), ""))
    }

    /// The last character of a token: a caret behind it may be on no line.
    fn end_of(&self, token: &Token) -> Span {
        let last = token.text.chars().next_back().map_or(0, char::len_utf8);
        Span { start: token.span.end.saturating_sub(last).max(token.span.start), ..token.span }
    }

    fn unexpected(&mut self, wanted: &str, why: &str) -> Failed {
        let token = self.peek();
        let found = match token.kind {
            Kind::End => "the end of the file".to_owned(),
            _ => format!("`{}`", token.text),
        };
        let message = format!("expected {wanted}, found {found}");
        self.fail(Diagnostic::new(Code::Unexpected, token.span, message).label(why))
    }

    fn fail(&mut self, diagnostic: Diagnostic) -> Failed {
        self.diagnostics.push(diagnostic);
        Failed
    }

    /// Skips what is left of a definition that began at token `start`: to the `;` outside of its
    /// braces, or to where another definition seems to begin.
    fn recover(&mut self, start: usize) {
        let failed_at = self.at;
        self.at = start;
        let mut open = 0_usize;
        while self.peek().kind != Kind::End {
            let token = self.next();
            match token.text.as_str() {
                "{" => open += 1,
                "}" => open = open.saturating_sub(1),
                ";" if open == 0 && self.at > failed_at => return,
                _ => {}
            }
            if open == 0 && self.at > failed_at && self.at_definition() {
                return;
            }
        }
    }

    fn at_definition(&self) -> bool {
        let token = self.peek();
        let first_on_line =
            self.at.checked_sub(1).is_none_or(|i| self.input.tokens[i].line < token.line);
        let starts = ["const", "typedef", "program"].contains(&token.text.as_str());
        starts && first_on_line
    }

    /// Skips what is left of a member that began at token `start`: to behind its `;`, or to the `}`
    /// of the body. Gives up where neither comes.
    fn recover_in_body(&mut self, start: usize) -> Parsed<()> {
        let failed_at = self.at;
        self.at = start;
        let mut open = 0_usize;
        loop {
            if self.peek().kind == Kind::End || (open == 0 && self.at_definition()) {
                return Err(Failed);
            }
            match self.peek().text.as_str() {
                "{" => open += 1,
                "}" if open == 0 && self.at >= failed_at => return Ok(()),
                "}" => open = open.saturating_sub(1),
                ";" if open == 0 && self.at >= failed_at => {
                    self.next();
                    return Ok(());
                }
                _ => {}
            }
            self.next();
        }
    }
}
