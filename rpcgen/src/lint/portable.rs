//! What C's rpcgen does not take.

use super::{Linter, allow};
use crate::ast::{
    Declaration, Definition, EnumBody, ProcedureDef, Shape, TypeBody, TypeSpecifier, Value,
};
use crate::code::Code;
use crate::lexer::{Kind, Token};
use crate::source::Span;

impl<'a> Linter<'a> {
    pub(super) fn portability(&mut self) {
        let (tokens, comments) = allow::lexed(self.sources);
        // One says it all.
        let lines = comments.iter().find(|c| self.sources.text(c.span).starts_with("//"));
        if let Some(comment) = lines {
            let slashes = Span { end: comment.span.start + 2, ..comment.span };
            self.not_for_c(slashes, "a comment that begins with `//`", "write `/* ... */`");
        }
        self.marks(&tokens);
        let definitions: &'a [Definition] = self.definitions;
        for definition in definitions {
            self.definition_for_c(definition);
        }
    }

    fn not_for_c(&mut self, at: Span, what: &str, help: &str) {
        self.add(Code::NotForC, at, format!("C's rpcgen does not take {what}"), |warning| {
            warning.help(help)
        });
    }

    /// What only the tokens tell.
    fn marks(&mut self, tokens: &[Token]) {
        for (index, token) in tokens.iter().enumerate() {
            let before = index.checked_sub(1).map(|before| tokens[before].text.as_str());
            let next = tokens.get(index + 1).map(|next| next.text.as_str());
            let begins = matches!(before, None | Some(";" | "{" | "}"));
            match token.text.as_str() {
                "," if next == Some("}") => {
                    self.not_for_c(token.span, "a `,` behind the last member", "leave it out");
                }
                "namespace" | "package" | "pragma" if begins && token.kind == Kind::Word => {
                    let what = format!("a `{}`", token.text);
                    self.not_for_c(token.span, &what, "leave it out, and make all names different");
                }
                _ => {}
            }
        }
    }

    fn definition_for_c(&mut self, definition: &Definition) {
        match definition {
            Definition::Constant(_) => {}
            Definition::Type(def) => self.body_for_c(&def.body),
            Definition::Program(def) => {
                for procedure in def.versions.iter().flat_map(|version| &version.procedures) {
                    self.procedure_for_c(procedure);
                }
            }
        }
    }

    fn procedure_for_c(&mut self, procedure: &ProcedureDef) {
        if let [_, second, ..] = &procedure.arguments[..] {
            let help = "`rpcgen -N` does; or put the arguments in a struct";
            self.not_for_c(second.span, "several arguments", help);
        }
    }

    /// As deep as the parser lets bodies be inside of each other.
    fn body_for_c(&mut self, body: &TypeBody) {
        match body {
            TypeBody::Enum(body) => self.enum_for_c(body),
            TypeBody::Typedef(of) => self.declaration_for_c(of),
            TypeBody::Struct(body) => body.members.iter().for_each(|of| self.declaration_for_c(of)),
            TypeBody::Union(body) => {
                self.declaration_for_c(&body.discriminant);
                for case in body.cases.iter().chain(&body.default) {
                    case.labels.iter().for_each(|label| self.value_for_c(label));
                    case.declaration.iter().for_each(|of| self.declaration_for_c(of));
                }
            }
        }
    }

    fn enum_for_c(&mut self, body: &EnumBody) {
        let values = body.members.iter().filter_map(|member| member.value.as_ref());
        values.for_each(|value| self.value_for_c(value));
    }

    fn declaration_for_c(&mut self, of: &Declaration) {
        if let Shape::Fixed(value) | Shape::Variable(Some(value)) = &of.shape {
            self.value_for_c(value);
        }
        if let TypeSpecifier::Body(body) = &of.specifier {
            let what = "a body inside of a declaration";
            self.not_for_c(of.name.span, what, "give it a name of its own before this");
            self.body_for_c(body);
        }
    }

    fn value_for_c(&mut self, value: &Value) {
        if let Value::Expression(expression) = value {
            self.not_for_c(expression.span, "an expression", "write the number");
        }
    }
}
