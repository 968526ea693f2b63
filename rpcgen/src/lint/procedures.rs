//! Procedures: what they carry, and what they promise.

use super::{Linter, is_here, start};
use crate::code::Code;
use crate::describe::TypeLengths;
use crate::model::{Body, Procedure, Type, TypeId};
use crate::source::Span;

/// No bound.
const UNBOUNDED: u32 = u32::MAX;

/// What a datagram holds unless both sides are told otherwise, without the 24 bytes of a reply before
/// its results.
const MAX_RESULTS: u64 = 8800 - 24;

impl Linter<'_> {
    pub(super) fn procedures(&mut self) {
        let lengths = TypeLengths::of(self.model);
        let mut seen = vec![false; self.model.types.len()];
        for program in self.model_programs() {
            for procedure in program.versions.iter().flat_map(|version| &version.procedures) {
                self.unbounded(procedure, &mut seen);
                self.large_reply(procedure, &lengths);
                self.not_idempotent(procedure);
            }
        }
    }

    /// Finds what has no bound in the arguments. `seen` are types that were looked at.
    fn unbounded(&mut self, procedure: &Procedure, seen: &mut [bool]) {
        let spans = self.arguments.get(&start(procedure.docs.span)).cloned().unwrap_or_default();
        for (argument, span) in procedure.arguments.iter().zip(spans) {
            let mut todo = Vec::new();
            self.look_at(&argument.ty, span, span, &mut todo);
            while let Some(id) = todo.pop() {
                if !std::mem::replace(&mut seen[id], true) {
                    self.look_into(id, span, &mut todo);
                }
            }
        }
    }

    fn look_into(&mut self, id: TypeId, argument: Span, todo: &mut Vec<TypeId>) {
        match &self.model.types[id].body {
            Body::Alias(ty) => {
                self.look_at(ty, self.model.types[id].docs.span, argument, todo);
            }
            Body::Enum(_) | Body::Extern => {}
            Body::Struct(body) => {
                for field in &body.fields {
                    self.look_at(&field.ty, field.docs.span, argument, todo);
                }
            }
            Body::Union(body) => {
                let fields =
                    body.arms.iter().chain(&body.default).filter_map(|arm| arm.field.as_ref());
                for field in fields {
                    self.look_at(&field.ty, field.docs.span, argument, todo);
                }
            }
        }
    }

    /// Looks at a type that is declared at `span`, and puts those that it names in `todo`.
    fn look_at(&mut self, ty: &Type, span: Span, argument: Span, todo: &mut Vec<TypeId>) {
        let (is_unbounded, inner) = match ty {
            Type::Opaque(max) | Type::String(max) | Type::ByteString(max) => {
                (*max == UNBOUNDED, None)
            }
            Type::Array(inner, max) => (*max == UNBOUNDED, Some(inner)),
            Type::Fixed(inner, _) | Type::Option(inner) => (false, Some(inner)),
            Type::Boxed(inner) | Type::Nested(inner) => (false, Some(inner)),
            Type::Named(id) | Type::List(id) | Type::Chain(id) => {
                todo.push(*id);
                (false, None)
            }
            _ => (false, None),
        };
        if is_unbounded {
            let at = if is_here(span) { span } else { argument };
            let message = "a request can be of any length".to_owned();
            self.add(Code::UnboundedRequest, at, message, |warning| {
                warning.label("has no bound").help(
                    "a bound (`<1024>`) lets a server refuse what is too long before it reads it",
                )
            });
        }
        if let Some(inner) = inner {
            self.look_at(inner, span, argument, todo);
        }
    }

    fn large_reply(&mut self, procedure: &Procedure, lengths: &TypeLengths) {
        let size = match lengths.sum(&procedure.result).max {
            Some(max) if max <= MAX_RESULTS => return,
            Some(max) => format!("{max} bytes long"),
            None => "of any length".to_owned(),
        };
        let message = format!("a result of `{}` can be {size}", procedure.idl);
        self.add(Code::LargeReply, self.name(&procedure.docs), message, |warning| {
            warning.label(format!("a UDP datagram holds {MAX_RESULTS} bytes of results"))
        });
    }

    fn not_idempotent(&mut self, procedure: &Procedure) {
        if procedure.idempotent {
            return;
        }
        let message = format!("`{}` is not marked `@idempotent`", procedure.idl);
        self.add(Code::NotIdempotent, self.name(&procedure.docs), message, |warning| {
            warning.help(
                "if doing it twice is as good as once, say so in a comment: `/* @idempotent */`",
            )
        });
    }
}
