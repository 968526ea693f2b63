//! Options and tags that change a model once it is complete.

use super::{ALL, Options, What};
use crate::model::{Arm, Body, Field, Item, Model, Procedure, Program, Type};

impl Options {
    /// Makes `model` what the options and its tags say.
    pub(crate) fn apply(&self, model: &mut Model) {
        for item in &mut model.types {
            let tagged = item.docs.has_tag("bytes");
            match &mut item.body {
                Body::Alias(ty) => self.bytes(ty, &item.idl, tagged),
                Body::Struct(body) => self.fields(&item.idl, body.fields.iter_mut()),
                Body::Union(body) => {
                    let arms = body.arms.iter_mut().chain(&mut body.default);
                    self.arms(&item.idl, arms);
                }
                Body::Enum(_) | Body::Extern => {}
            }
        }
        for item in &mut model.items {
            if let Item::Program(program) = item {
                self.program(program);
            }
        }
    }

    fn fields<'a>(&self, owner: &str, fields: impl Iterator<Item = &'a mut Field>) {
        for field in fields {
            let name = format!("{owner}.{}", field.idl);
            self.bytes(&mut field.ty, &name, field.docs.has_tag("bytes"));
        }
    }

    fn arms<'a>(&self, owner: &str, arms: impl Iterator<Item = &'a mut Arm>) {
        for arm in arms {
            if arm.docs.has_tag("bytes")
                && let Some(field) = &mut arm.field
            {
                self.bytes(&mut field.ty, "", true);
            }
            self.fields(owner, arm.field.iter_mut());
        }
    }

    /// A string declared under this name, as bytes if it is to be.
    fn bytes(&self, ty: &mut Type, name: &str, tagged: bool) {
        if let Type::String(max) = *ty
            && (tagged || self.has(What::BytesStrings, name))
        {
            *ty = Type::ByteString(max);
        }
    }

    fn program(&self, program: &mut Program) {
        let all = self.of(What::BytesStrings).any(|entry| entry.name == ALL);
        for version in &mut program.versions {
            for procedure in &mut version.procedures {
                let name = format!("{}.{}.{}", program.idl, version.idl, procedure.idl);
                procedure.deferred |= self.has(What::Deferred, &name);
                procedure.idempotent |= self.has(What::Idempotent, &name);
                if all {
                    self.unnamed(procedure);
                }
            }
        }
    }

    /// The strings that a procedure has without a typedef.
    fn unnamed(&self, procedure: &mut Procedure) {
        let arguments = procedure.arguments.iter_mut().map(|argument| &mut argument.ty);
        for ty in arguments.chain(&mut procedure.result) {
            self.bytes(ty, ALL, false);
        }
    }
}
