//! Declarations and the types in them.

use super::{KEYWORDS, Parsed, Parser};
use crate::ast::{Declaration, Definition, Ident, Shape, TypeBody, TypeDef, TypeSpecifier};
use crate::code::Code;
use crate::diag::Diagnostic;
use crate::docs::Docs;
use crate::lexer::Kind;
use crate::source::Span;

impl Parser<'_> {
    /// `None` for `void`.
    pub(super) fn declaration(&mut self) -> Parsed<Option<Declaration>> {
        let start = self.at;
        if self.accept("void") {
            return Ok(None);
        }
        let specifier = self.type_specifier()?;
        let optional = self.accept("*");
        self.check_pointer(start);
        self.only_one_shape(optional)?;
        let name = self.identifier()?;
        let shape = self.shape(&specifier, optional)?;
        self.check_shape(&specifier, &shape, &name.name, name.span)?;
        // The `;` that follows belongs to the rule that called.
        let docs = Docs::of(self.input, self.sources, start, self.at - 1);
        Ok(Some(Declaration { specifier, shape, name, docs }))
    }

    /// What comes behind a declaration's name. As an extension, a `string` may do without.
    pub(super) fn shape(&mut self, specifier: &TypeSpecifier, optional: bool) -> Parsed<Shape> {
        if optional {
            self.only_one_shape(true)?;
            return Ok(Shape::Optional);
        }
        let shape = self.brackets()?;
        self.only_one_shape(!matches!(shape, Shape::One))?;
        Ok(match (specifier, shape) {
            (TypeSpecifier::String, Shape::One) => Shape::Variable(None),
            (_, shape) => shape,
        })
    }

    fn brackets(&mut self) -> Parsed<Shape> {
        if self.accept("[") {
            let bound = self.value()?;
            self.expect("]")?;
            return Ok(Shape::Fixed(bound));
        }
        if self.accept("<") {
            let bound = if self.next_is(">") { None } else { Some(self.value()?) };
            self.expect(">")?;
            return Ok(Shape::Variable(bound));
        }
        Ok(Shape::One)
    }

    /// Reports a second one of `*`, `[]` and `<>`.
    fn only_one_shape(&mut self, has_one: bool) -> Parsed<()> {
        if !has_one || !["*", "[", "<"].iter().any(|text| self.next_is(text)) {
            return Ok(());
        }
        let message = "a declaration has only one `*`, `[]` or `<>`";
        let error = Diagnostic::new(Code::TwoShapes, self.peek().span, message)
            .label("second one")
            .help("give the inner type a name with `typedef`, and use that");
        Err(self.fail(error))
    }

    /// `opaque` and `string` exist only with a bound.
    pub(super) fn check_shape(
        &mut self,
        specifier: &TypeSpecifier,
        shape: &Shape,
        name: &str,
        span: Span,
    ) -> Parsed<()> {
        let (what, help) = match (specifier, shape) {
            (TypeSpecifier::String, Shape::Variable(_)) => return Ok(()),
            (TypeSpecifier::Opaque, Shape::Variable(_) | Shape::Fixed(_)) => return Ok(()),
            (TypeSpecifier::String, _) => {
                ("string", format!("string {name}<>` or `string {name}<MAX>"))
            }
            (TypeSpecifier::Opaque, _) => (
                "opaque",
                format!("opaque {name}<>`, `opaque {name}<MAX>` or `opaque {name}[SIZE]"),
            ),
            _ => return Ok(()),
        };
        let message = match shape {
            Shape::One => format!("`{what}` needs a length"),
            _ => format!("`{what}` has a length of its own"),
        };
        let error = Diagnostic::new(Code::NoLength, span, message).help(format!("write `{help}`"));
        Err(self.fail(error))
    }

    pub(super) fn type_specifier(&mut self) -> Parsed<TypeSpecifier> {
        let token = self.peek();
        if token.kind != Kind::Word {
            return Err(self.unexpected("a type", ""));
        }
        let specifier = match token.text.as_str() {
            "unsigned" => {
                self.next();
                return self.unsigned();
            }
            "signed" if self.c_type_follows() => {
                self.next();
                return self.type_specifier();
            }
            "long" | "short" | "char" => return self.c_type().map(|()| TypeSpecifier::Int),
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
            _ => return self.name().map(TypeSpecifier::Name),
        };
        self.next();
        Ok(specifier)
    }

    /// Sun's extension: `unsigned`, alone or before a C type.
    fn unsigned(&mut self) -> Parsed<TypeSpecifier> {
        if self.accept("hyper") {
            return Ok(TypeSpecifier::UnsignedHyper);
        }
        if !self.accept("int") && ["long", "short", "char"].iter().any(|word| self.next_is(word)) {
            self.c_type()?;
        }
        Ok(TypeSpecifier::UnsignedInt)
    }

    fn c_type_follows(&self) -> bool {
        ["int", "long", "short", "char", "hyper"].contains(&self.peek_at(1).text.as_str())
    }

    /// `long`, `short` or `char`, the first two also with `int`: all of 4 bytes.
    fn c_type(&mut self) -> Parsed<()> {
        let word = self.next();
        if word.text == "long" && self.next_is("long") {
            let error = Diagnostic::new(
                Code::LongLong,
                word.span.to(self.peek().span),
                "`long long` is C's name for a `hyper`",
            )
            .help("write `hyper`, or `unsigned hyper` for `unsigned long long`");
            return Err(self.fail(error));
        }
        if word.text != "char" {
            self.accept("int");
        }
        Ok(())
    }

    /// A body, or, as Sun has it, `struct name` for a type that is defined elsewhere. As C has it,
    /// the body may have a name itself.
    fn body_or_reference(&mut self) -> Parsed<TypeSpecifier> {
        let start = self.at;
        let keyword = self.next();
        let body_follows = if keyword.text == "union" { "switch" } else { "{" };
        let named = self.peek_at(1).text == body_follows && self.peek().kind == Kind::Word;
        if self.next_is(body_follows) {
            let body = self.deeper(|parser| parser.body(&keyword.text))?;
            return Ok(TypeSpecifier::Body(body));
        }
        if !named {
            return self.name().map(TypeSpecifier::Name);
        }
        let name = self.defined_name()?;
        let body = self.deeper(|parser| parser.body(&keyword.text))?;
        let reference = Ident { name: name.name.clone(), span: name.span };
        let docs = Docs::of(self.input, self.sources, start, self.at - 1);
        self.hoisted.push(Definition::Type(TypeDef { name, body, docs }));
        Ok(TypeSpecifier::Name(reference))
    }

    pub(super) fn body(&mut self, keyword: &str) -> Parsed<TypeBody> {
        match keyword {
            "enum" => self.enum_body().map(TypeBody::Enum),
            "struct" => self.struct_body().map(TypeBody::Struct),
            _ => self.union_body().map(|body| TypeBody::Union(Box::new(body))),
        }
    }
}
