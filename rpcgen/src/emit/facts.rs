//! What is true of whole types, found once: sizes, and which traits they can have.

use crate::model::{Body, Field, Model, Type, TypeId};

/// The longest array that has `Default`.
const MAX_DEFAULT_LEN: u32 = 32;

/// What is true of one type.
#[derive(Debug, Clone, Copy)]
struct Fact {
    /// The encoded length, if all values have the same.
    fixed_len: Option<u64>,
    /// The longest encoded length, if there is one.
    max_len: Option<u64>,
    copy: bool,
    default: bool,
}

/// Where a type leads back to itself, which only an optional or a list does.
const AGAIN: Fact = Fact { fixed_len: None, max_len: None, copy: false, default: true };

/// The facts of all types of a model.
#[derive(Debug)]
pub(super) struct Facts {
    types: Vec<Fact>,
    floats: Vec<bool>,
}

impl Facts {
    pub(super) fn of(model: &Model) -> Self {
        let mut finder = Finder { model, found: vec![None; model.types.len()] };
        let types = (0..model.types.len()).map(|id| finder.item(id)).collect();
        let floats = (0..model.types.len()).map(|id| has_float(model, id)).collect();
        Self { types, floats }
    }

    /// The longest encoded length of a named type, if there is one that any machine can count.
    pub(super) fn max_len(&self, id: TypeId) -> Option<u32> {
        self.types[id].max_len.and_then(|len| u32::try_from(len).ok())
    }

    pub(super) fn fixed_len(&self, ty: &Type) -> Option<u64> {
        of_type(ty, &mut |id| self.types[id]).fixed_len
    }

    pub(super) fn is_copy(&self, id: TypeId) -> bool {
        self.types[id].copy
    }

    pub(super) fn has_default(&self, id: TypeId) -> bool {
        self.types[id].default
    }

    pub(super) fn has_float(&self, id: TypeId) -> bool {
        self.floats[id]
    }
}

struct Finder<'a> {
    model: &'a Model,
    found: Vec<Option<Fact>>,
}

impl Finder<'_> {
    fn item(&mut self, id: TypeId) -> Fact {
        if let Some(fact) = self.found[id] {
            return fact;
        }
        self.found[id] = Some(AGAIN);
        let model = self.model;
        let fact = match &model.types[id].body {
            Body::Alias(ty) => of_type(ty, &mut |id| self.item(id)),
            Body::Enum(_) => scalar(4, false),
            Body::Struct(body) => self.fields(&body.fields),
            Body::Union(body) => {
                let arms = body.arms.iter().chain(&body.default);
                let lens = arms.map(|arm| match &arm.field {
                    Some(field) => of_type(&field.ty, &mut |id| self.item(id)).max_len,
                    None => Some(0),
                });
                let longest =
                    lens.collect::<Option<Vec<_>>>().and_then(|lens| lens.into_iter().max());
                let max_len = longest.and_then(|len| len.checked_add(4));
                Fact { fixed_len: None, max_len, copy: false, default: false }
            }
        };
        self.found[id] = Some(fact);
        fact
    }

    fn fields(&mut self, fields: &[Field]) -> Fact {
        let mut all = Fact { fixed_len: Some(0), max_len: Some(0), copy: true, default: true };
        for field in fields {
            let one = of_type(&field.ty, &mut |id| self.item(id));
            all.fixed_len = sum(all.fixed_len, one.fixed_len);
            all.max_len = sum(all.max_len, one.max_len);
            all.copy &= one.copy;
            all.default &= one.default;
        }
        all
    }
}

fn scalar(len: u64, default: bool) -> Fact {
    Fact { fixed_len: Some(len), max_len: Some(len), copy: true, default }
}

/// A type that takes memory of its own.
fn heap(max_len: Option<u64>) -> Fact {
    Fact { fixed_len: None, max_len, copy: false, default: true }
}

fn of_type(ty: &Type, item: &mut dyn FnMut(TypeId) -> Fact) -> Fact {
    match ty {
        Type::I32 | Type::U32 | Type::F32 | Type::Bool => scalar(4, true),
        Type::I64 | Type::U64 | Type::F64 => scalar(8, true),
        Type::Quadruple => scalar(16, true),
        Type::OpaqueFixed(size) => Fact {
            copy: false,
            default: *size <= MAX_DEFAULT_LEN,
            ..scalar(u64::from(*size).next_multiple_of(4), true)
        },
        Type::Opaque(max) | Type::String(max) => {
            heap(bounded(*max).map(|max| 4 + max.next_multiple_of(4)))
        }
        Type::Named(id) => item(*id),
        Type::Fixed(inner, size) => {
            let one = item_of(inner, item);
            let times = |len: Option<u64>| len.and_then(|len| len.checked_mul(u64::from(*size)));
            Fact {
                fixed_len: times(one.fixed_len),
                max_len: times(one.max_len),
                copy: false,
                default: one.default && *size <= MAX_DEFAULT_LEN,
            }
        }
        Type::Array(inner, max) => {
            let one = item_of(inner, item).max_len;
            let all = one.zip(bounded(*max)).and_then(|(one, max)| one.checked_mul(max));
            heap(sum(all, Some(4)))
        }
        Type::Option(inner) => {
            let one = item_of(inner, item).max_len;
            heap(sum(one, Some(4)))
        }
        Type::Chain(id) => Fact { default: item(*id).default, ..heap(None) },
        Type::List(_) | Type::Nested(_) | Type::Boxed(_) => heap(None),
    }
}

fn item_of(inner: &Type, item: &mut dyn FnMut(TypeId) -> Fact) -> Fact {
    of_type(inner, item)
}

fn bounded(max: u32) -> Option<u64> {
    (max != u32::MAX).then_some(max.into())
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a?.checked_add(b?)
}

/// Whether there is a floating-point number somewhere inside of the type.
fn has_float(model: &Model, id: TypeId) -> bool {
    let mut seen = vec![false; model.types.len()];
    let mut todo = vec![id];
    while let Some(id) = todo.pop() {
        if std::mem::replace(&mut seen[id], true) {
            continue;
        }
        let mut float = false;
        let mut see = |ty: &Type| float |= see_type(ty, &mut todo);
        match &model.types[id].body {
            Body::Alias(ty) => see(ty),
            Body::Enum(_) => {}
            Body::Struct(body) => body.fields.iter().for_each(|field| see(&field.ty)),
            Body::Union(body) => {
                let arms = body.arms.iter().chain(&body.default);
                arms.filter_map(|arm| arm.field.as_ref()).for_each(|field| see(&field.ty));
            }
        }
        if float {
            return true;
        }
    }
    false
}

/// Whether the type is such a number; the types that it names go into `todo`.
fn see_type(ty: &Type, todo: &mut Vec<TypeId>) -> bool {
    match ty {
        Type::F32 | Type::F64 => true,
        Type::Named(id) | Type::List(id) | Type::Chain(id) => {
            todo.push(*id);
            false
        }
        Type::Fixed(inner, _) | Type::Array(inner, _) => see_type(inner, todo),
        Type::Option(inner) | Type::Boxed(inner) | Type::Nested(inner) => see_type(inner, todo),
        _ => false,
    }
}
