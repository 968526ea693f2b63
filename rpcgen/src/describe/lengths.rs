//! How many bytes values take on the wire.

use super::Lengths;
use crate::model::{Body, Model, Type, TypeId};

/// Nothing at all.
const NOTHING: Lengths = Lengths { min: 0, max: Some(0) };

/// What is not known, or leads back to itself.
const ANY: Lengths = Lengths { min: 0, max: None };

/// The lengths of all types of a model.
#[derive(Debug)]
pub(crate) struct TypeLengths(Vec<Option<Lengths>>);

impl TypeLengths {
    pub(crate) fn of(model: &Model) -> Self {
        let mut lengths = Self(vec![None; model.types.len()]);
        for id in inner_first(model) {
            lengths.0[id] = Some(lengths.body(&model.types[id].body));
        }
        lengths
    }

    pub(crate) fn named(&self, id: TypeId) -> Lengths {
        self.0[id].unwrap_or(ANY)
    }

    pub(crate) fn ty(&self, ty: &Type) -> Lengths {
        match ty {
            Type::I32 | Type::U32 | Type::F32 | Type::Bool => exactly(4),
            Type::I64 | Type::U64 | Type::F64 => exactly(8),
            Type::Quadruple => exactly(16),
            Type::OpaqueFixed(size) => exactly(u64::from(*size).next_multiple_of(4)),
            Type::Opaque(max) | Type::String(max) | Type::ByteString(max) => {
                up_to(bounded(*max).map(|max| max.next_multiple_of(4)))
            }
            Type::Named(id) => self.named(*id),
            Type::Fixed(inner, size) => times(self.ty(inner), u64::from(*size)),
            Type::Array(inner, max) => {
                let all = bounded(*max).and_then(|max| times(self.ty(inner), max).max);
                up_to(all)
            }
            Type::Option(inner) => up_to(self.ty(inner).max),
            Type::List(_) => up_to(None),
            // The node, and at least the end of the list.
            Type::Chain(id) => Lengths { max: None, ..self.named(*id) },
            Type::Boxed(inner) => self.ty(inner),
            Type::Nested(inner) => Lengths { max: None, ..self.ty(inner) },
        }
    }

    pub(crate) fn sum<'a>(&self, types: impl IntoIterator<Item = &'a Type>) -> Lengths {
        types.into_iter().map(|ty| self.ty(ty)).fold(NOTHING, plus)
    }

    fn body(&self, body: &Body) -> Lengths {
        match body {
            Body::Alias(ty) => self.ty(ty),
            Body::Enum(_) => exactly(4),
            Body::Struct(body) => {
                let fields = self.sum(body.fields.iter().map(|field| &field.ty));
                body.next.iter().fold(fields, |fields, _| plus(fields, up_to(None)))
            }
            Body::Union(body) => {
                let arms = body.arms.iter().chain(&body.default);
                let arms = arms.map(|arm| arm.field.as_ref().map_or(NOTHING, |f| self.ty(&f.ty)));
                plus(exactly(4), arms.reduce(either).unwrap_or(NOTHING))
            }
            Body::Extern => ANY,
        }
    }
}

/// All types, those behind the ones they contain, unless that goes round in a circle.
fn inner_first(model: &Model) -> Vec<TypeId> {
    let mut seen = vec![false; model.types.len()];
    let mut order = Vec::new();
    let mut todo: Vec<_> = (0..model.types.len()).rev().map(|id| (id, false)).collect();
    while let Some((id, done)) = todo.pop() {
        if done {
            order.push(id);
        } else if !std::mem::replace(&mut seen[id], true) {
            todo.push((id, true));
            todo.extend(contained(&model.types[id].body).into_iter().map(|id| (id, false)));
        }
    }
    order
}

/// The types that values of `body` contain.
pub(crate) fn contained(body: &Body) -> Vec<TypeId> {
    types_in(body).into_iter().filter_map(named_in).collect()
}

/// The types that a body is made of, a list's next node left out.
pub(crate) fn types_in(body: &Body) -> Vec<&Type> {
    match body {
        Body::Alias(ty) => vec![ty],
        Body::Enum(_) | Body::Extern => Vec::new(),
        Body::Struct(body) => body.fields.iter().map(|field| &field.ty).collect(),
        Body::Union(body) => {
            let arms = body.arms.iter().chain(&body.default);
            arms.filter_map(|arm| arm.field.as_ref()).map(|field| &field.ty).collect()
        }
    }
}

/// The type with a name in `ty`.
pub(crate) fn named_in(ty: &Type) -> Option<TypeId> {
    match ty {
        Type::Named(id) | Type::List(id) | Type::Chain(id) => Some(*id),
        Type::Fixed(inner, _) | Type::Array(inner, _) => named_in(inner),
        Type::Option(inner) | Type::Boxed(inner) | Type::Nested(inner) => named_in(inner),
        _ => None,
    }
}

fn bounded(max: u32) -> Option<u64> {
    (max != u32::MAX).then_some(max.into())
}

fn exactly(len: u64) -> Lengths {
    Lengths { min: len, max: Some(len) }
}

/// A count, and at most so much behind it.
fn up_to(max: Option<u64>) -> Lengths {
    Lengths { min: 4, max: max.and_then(|max| max.checked_add(4)) }
}

fn times(one: Lengths, count: u64) -> Lengths {
    let max = one.max.and_then(|max| max.checked_mul(count));
    Lengths { min: one.min.saturating_mul(count), max }
}

fn plus(one: Lengths, other: Lengths) -> Lengths {
    let max = one.max.zip(other.max).and_then(|(one, other)| one.checked_add(other));
    Lengths { min: one.min.saturating_add(other.min), max }
}

fn either(one: Lengths, other: Lengths) -> Lengths {
    let max = one.max.zip(other.max).map(|(one, other)| one.max(other));
    Lengths { min: one.min.min(other.min), max }
}
