//! Types: what they leave open, and what they do to those who decode them.

use std::collections::BTreeSet;

use super::Linter;
use crate::code::Code;
use crate::model::{Body, Discriminant, Field, Type, TypeId, Union};
use crate::naming;
use crate::source::Span;

/// Words of names that are likely to be those of files.
const PATHS: [&str; 12] = [
    "dir",
    "directory",
    "dirname",
    "dirpath",
    "file",
    "filename",
    "filepath",
    "fname",
    "path",
    "pathname",
    "symlink",
    "linkpath",
];

impl Linter<'_> {
    pub(super) fn types(&mut self, unused: &BTreeSet<String>) {
        for (id, item) in self.model.types.iter().enumerate() {
            if unused.contains(&item.idl) {
                self.unused(id);
            }
            match &item.body {
                Body::Alias(ty) => {
                    self.text_path(&item.idl, ty, self.type_name(id));
                    self.recursion(id, ty, self.type_name(id));
                }
                Body::Struct(body) => self.fields(id, body.fields.iter().collect()),
                Body::Union(body) => {
                    self.no_default(id, body);
                    let arms = body.arms.iter().chain(&body.default);
                    self.fields(id, arms.filter_map(|arm| arm.field.as_ref()).collect());
                }
                Body::Enum(_) | Body::Extern => {}
            }
        }
    }

    fn fields(&mut self, owner: TypeId, fields: Vec<&Field>) {
        for field in &fields {
            self.text_path(&field.idl, &field.ty, self.name(&field.docs));
        }
        // One way back is enough.
        if let Some(field) = fields.iter().find(|field| matches!(field.ty, Type::Nested(_))) {
            self.recursion(owner, &field.ty, self.name(&field.docs));
        }
    }

    fn unused(&mut self, id: TypeId) {
        let message = format!("no procedure carries `{}`", self.model.types[id].idl);
        self.add(Code::UnusedType, self.type_name(id), message, |warning| warning);
    }

    fn no_default(&mut self, id: TypeId, body: &Union) {
        let over = match body.discriminant {
            Discriminant::Int => "an `int`",
            Discriminant::Unsigned => "an `unsigned int`",
            Discriminant::Bool | Discriminant::Enum(_) => return,
        };
        if body.default.is_some() {
            return;
        }
        let message = format!("union `{}` over {over} has no default", self.model.types[id].idl);
        self.add(Code::NoDefault, self.type_name(id), message, |warning| {
            warning
                .label("every other value is refused")
                .help("with `default: void;`, or over an enum, it is clear what other values mean")
        });
    }

    fn text_path(&mut self, idl: &str, ty: &Type, at: Span) {
        let snake = naming::snake(naming::last(idl));
        let is_path = snake == "name" || snake.split('_').any(|word| PATHS.contains(&word));
        if !is_path || !matches!(ty, Type::String(_)) {
            return;
        }
        let message =
            format!("`{}` may be a file's name, which need not be UTF-8", naming::last(idl));
        self.add(Code::TextPath, at, message, |warning| {
            warning.label("is a `String` in Rust").help(
                "`/* @bytes */` in a comment makes it bytes in Rust, and changes nothing on the wire",
            )
        });
    }

    fn recursion(&mut self, owner: TypeId, ty: &Type, at: Span) {
        if !matches!(ty, Type::Nested(_)) {
            return;
        }
        let name = &self.model.types[owner].idl;
        let message = format!("`{name}` contains itself other than as a list");
        self.add(Code::Recursion, at, message, |warning| {
            warning.label(format!("leads back to `{name}`")).help(
                "values that are deep are refused; a list, with `*next` as its last member, has no limit",
            )
        });
    }
}
