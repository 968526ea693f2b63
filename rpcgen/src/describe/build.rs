//! The model to a description.

use super::lengths::TypeLengths;
use super::{
    Arm, Body, Constant, ConstantValue, Description, Discriminant, EnumMember, Length, Member,
    Place, Procedure, Program, Type, TypeDef, Version,
};
use crate::docs::Docs;
use crate::model::{self, Item, Model, TypeId};
use crate::naming;
use crate::source::{SourceMap, Span};

pub(super) fn description(model: &Model, sources: &SourceMap) -> Description {
    let describer = Describer { model, sources, lengths: TypeLengths::of(model) };
    let mut description = Description {
        format: 1,
        file: sources.file(0).name.clone(),
        constants: Vec::new(),
        types: Vec::new(),
        programs: Vec::new(),
    };
    for item in &model.items {
        match item {
            Item::Constant(constant) => description.constants.push(describer.constant(constant)),
            Item::Type(id) => description.types.extend(describer.type_def(*id)),
            Item::Program(program) => description.programs.push(describer.program(program)),
        }
    }
    description
}

struct Describer<'a> {
    model: &'a Model,
    sources: &'a SourceMap,
    lengths: TypeLengths,
}

impl Describer<'_> {
    fn constant(&self, constant: &model::Constant) -> Constant {
        Constant {
            name: constant.idl.clone(),
            rust: self.path(&constant.idl, &constant.rust),
            value: constant_value(&constant.value),
            at: self.at(constant.docs.span),
            doc: doc(&constant.docs),
        }
    }

    fn type_def(&self, id: TypeId) -> Option<TypeDef> {
        let item = &self.model.types[id];
        Some(TypeDef {
            name: item.idl.clone(),
            rust: self.path(&item.idl, &item.rust),
            at: self.at(item.docs.span),
            doc: doc(&item.docs),
            encoded_len: self.lengths.named(id),
            body: self.body(&item.body)?,
        })
    }

    /// `None` for what is elsewhere.
    fn body(&self, body: &model::Body) -> Option<Body> {
        Some(match body {
            model::Body::Alias(ty) => Body::Typedef { ty: self.ty(ty) },
            model::Body::Enum(body) => Body::Enum { members: self.enum_members(body) },
            model::Body::Struct(body) => {
                let fields = body.fields.iter().chain(&body.next);
                Body::Struct { members: fields.map(|field| self.member(field)).collect() }
            }
            model::Body::Union(body) => self.union(body),
            model::Body::Extern => return None,
        })
    }

    fn enum_members(&self, body: &model::Enum) -> Vec<EnumMember> {
        let mut all: Vec<_> = body.members.iter().chain(&body.aliases).collect();
        all.sort_by_key(|member| member.docs.span.start);
        let member = |member: &&model::Member| EnumMember {
            name: member.idl.clone(),
            rust: member.rust.clone(),
            value: member.value,
            at: self.at(member.docs.span),
            doc: doc(&member.docs),
        };
        all.iter().map(member).collect()
    }

    fn member(&self, field: &model::Field) -> Member {
        Member {
            name: field.idl.clone(),
            rust: field.rust.clone(),
            ty: self.ty(&field.ty),
            at: self.at(field.docs.span),
            doc: doc(&field.docs),
        }
    }

    fn union(&self, body: &model::Union) -> Body {
        let ty = match body.discriminant {
            model::Discriminant::Int => Type::Int,
            model::Discriminant::Unsigned => Type::UnsignedInt,
            model::Discriminant::Bool => Type::Bool,
            model::Discriminant::Enum(id) => self.named(id),
        };
        let arms = body.arms.iter().chain(&body.default);
        Body::Union {
            discriminant: Discriminant { name: body.idl.clone(), ty },
            arms: arms.map(|arm| self.arm(arm)).collect(),
        }
    }

    fn arm(&self, arm: &model::Arm) -> Arm {
        Arm {
            // A label fits an `int` or an `unsigned int`.
            labels: arm.labels.iter().filter_map(|label| i64::try_from(*label).ok()).collect(),
            default: arm.labels.is_empty(),
            name: arm.field.as_ref().map(|field| field.idl.clone()),
            ty: arm.field.as_ref().map(|field| self.ty(&field.ty)),
            rust: arm.rust.clone(),
            at: self.at(arm.docs.span),
            doc: doc(&arm.docs),
        }
    }

    fn program(&self, program: &model::Program) -> Program {
        Program {
            name: program.idl.clone(),
            rust: self.path(&program.idl, &program.rust),
            number: program.number,
            at: self.at(program.docs.span),
            doc: doc(&program.docs),
            versions: program.versions.iter().map(|version| self.version(version)).collect(),
        }
    }

    fn version(&self, version: &model::Version) -> Version {
        let procedures = version.null.iter().chain(&version.procedures);
        Version {
            name: version.idl.clone(),
            number: version.number,
            at: self.at(version.docs.span),
            doc: doc(&version.docs),
            procedures: procedures.map(|procedure| self.procedure(procedure)).collect(),
        }
    }

    fn procedure(&self, procedure: &model::Procedure) -> Procedure {
        let arguments = || procedure.arguments.iter().map(|argument| &argument.ty);
        Procedure {
            name: procedure.idl.clone(),
            rust: procedure.rust.clone(),
            number: procedure.number,
            at: self.at(procedure.docs.span),
            doc: doc(&procedure.docs),
            arguments: arguments().map(|ty| self.ty(ty)).collect(),
            arguments_len: self.lengths.sum(arguments()),
            result: procedure.result.as_ref().map(|ty| self.ty(ty)),
            result_len: self.lengths.sum(&procedure.result),
            idempotent: procedure.idempotent,
            deferred: procedure.deferred,
        }
    }

    fn ty(&self, ty: &model::Type) -> Type {
        match ty {
            model::Type::I32 => Type::Int,
            model::Type::U32 => Type::UnsignedInt,
            model::Type::I64 => Type::Hyper,
            model::Type::U64 => Type::UnsignedHyper,
            model::Type::F32 => Type::Float,
            model::Type::F64 => Type::Double,
            model::Type::Quadruple => Type::Quadruple,
            model::Type::Bool => Type::Bool,
            model::Type::OpaqueFixed(size) => Type::Opaque(Length::Fixed(*size)),
            model::Type::Opaque(max) => Type::Opaque(Length::Max(bound(*max))),
            model::Type::String(max) | model::Type::ByteString(max) => {
                Type::String { max: bound(*max) }
            }
            model::Type::Named(id) | model::Type::Chain(id) => self.named(*id),
            model::Type::Fixed(inner, size) => self.array(inner, Length::Fixed(*size)),
            model::Type::Array(inner, max) => self.array(inner, Length::Max(bound(*max))),
            model::Type::Option(inner) => Type::Optional { of: Box::new(self.ty(inner)) },
            model::Type::List(id) => Type::Optional { of: Box::new(self.named(*id)) },
            model::Type::Boxed(inner) | model::Type::Nested(inner) => self.ty(inner),
        }
    }

    fn array(&self, inner: &model::Type, length: Length) -> Type {
        Type::Array { of: Box::new(self.ty(inner)), length }
    }

    fn named(&self, id: TypeId) -> Type {
        Type::Named { name: self.model.types[id].idl.clone() }
    }

    /// The path of an item in the generated code.
    fn path(&self, idl: &str, rust: &str) -> String {
        let modules = self.model.namespaces.get(naming::namespace(idl));
        let modules = modules.into_iter().flatten().map(String::as_str);
        modules.chain([rust]).collect::<Vec<_>>().join("::")
    }

    fn at(&self, span: Span) -> Place {
        let source = self.sources.file(span.file);
        let (line, column) = source.position(span.start);
        Place { file: source.name.clone(), line, column }
    }
}

fn constant_value(value: &model::ConstantValue) -> ConstantValue {
    match value {
        model::ConstantValue::Text(text) => ConstantValue::Text(text.clone()),
        model::ConstantValue::Number(number) => {
            match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => ConstantValue::Number(number),
                (_, Ok(number)) => ConstantValue::Large(number),
                // No constant has more than 64 bits.
                _ => ConstantValue::Text(number.to_string()),
            }
        }
    }
}

fn bound(max: u32) -> Option<u32> {
    (max != u32::MAX).then_some(max)
}

fn doc(docs: &Docs) -> Option<String> {
    (!docs.comment.is_empty()).then(|| docs.comment.join("\n"))
}
