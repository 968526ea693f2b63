//! What is true of whole types, found once: sizes, and which traits they can have.

use crate::model::{Body, Field, Model, Type, TypeId};

/// More bytes than this are no array of Rust, which would be on the stack while it is decoded.
const MAX_ARRAY: u64 = 16 << 10;

/// The longest array that has `Default`.
const MAX_DEFAULT_LEN: u32 = 32;

/// What is true of one type.
#[derive(Debug, Clone, Copy)]
struct Fact {
    /// The encoded length, if all values have the same.
    fixed_len: Option<u64>,
    /// The longest encoded length, if there is one.
    max_len: Option<u64>,
    /// About how many bytes a value takes in memory, without what is behind pointers.
    size: u64,
    copy: bool,
    default: bool,
}

/// Where a type leads back to itself, which only an optional or a list does.
const AGAIN: Fact = Fact { fixed_len: None, max_len: None, size: 0, copy: false, default: true };

/// A type of which nothing is known.
const FOREIGN: Fact =
    Fact { fixed_len: None, max_len: None, size: 64, copy: false, default: false };

/// The facts of all types of a model.
#[derive(Debug)]
pub(super) struct Facts {
    types: Vec<Fact>,
    exact: Vec<bool>,
}

impl Facts {
    pub(super) fn of(model: &Model) -> Self {
        let mut finder = Finder { model, found: vec![None; model.types.len()] };
        let types = (0..model.types.len()).map(|id| finder.item(id)).collect();
        let exact = (0..model.types.len()).map(|id| is_exact(model, id)).collect();
        Self { types, exact }
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

    /// Whether the type has `Eq` and `Hash`.
    pub(super) fn is_exact(&self, id: TypeId) -> bool {
        self.exact[id]
    }

    /// Whether an array of fixed length, or opaque data, is too large for an array of Rust.
    pub(super) fn is_large(&self, ty: &Type) -> bool {
        is_large(ty, &mut |id| self.types[id])
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
            Body::Extern => FOREIGN,
            Body::Struct(body) => self.fields(&body.fields),
            Body::Union(body) => {
                let arms = body.arms.iter().chain(&body.default);
                let (mut longest, mut largest) = (Some(0), 0);
                for field in arms.filter_map(|arm| arm.field.as_ref()) {
                    let one = of_type(&field.ty, &mut |id| self.item(id));
                    longest = longest.zip(one.max_len).map(|(a, b): (u64, u64)| a.max(b));
                    largest = one.size.max(largest);
                }
                let max_len = sum(longest, Some(4));
                let size = largest.saturating_add(8);
                Fact { fixed_len: None, max_len, size, copy: false, default: false }
            }
        };
        self.found[id] = Some(fact);
        fact
    }

    fn fields(&mut self, fields: &[Field]) -> Fact {
        let mut all = Fact { size: 0, ..scalar(0, true) };
        for field in fields {
            let one = of_type(&field.ty, &mut |id| self.item(id));
            all.fixed_len = sum(all.fixed_len, one.fixed_len);
            all.max_len = sum(all.max_len, one.max_len);
            all.size = all.size.saturating_add(one.size);
            all.copy &= one.copy;
            all.default &= one.default;
        }
        all
    }
}

fn scalar(len: u64, default: bool) -> Fact {
    Fact { fixed_len: Some(len), max_len: Some(len), size: len, copy: true, default }
}

/// A type that takes memory of its own.
fn heap(max_len: Option<u64>) -> Fact {
    Fact { fixed_len: None, max_len, size: 24, copy: false, default: true }
}

fn is_large(ty: &Type, item: &mut dyn FnMut(TypeId) -> Fact) -> bool {
    let size = match ty {
        Type::OpaqueFixed(size) => u64::from(*size),
        Type::Fixed(inner, size) => of_type(inner, item).size.saturating_mul(u64::from(*size)),
        _ => 0,
    };
    size > MAX_ARRAY
}

fn of_type(ty: &Type, item: &mut dyn FnMut(TypeId) -> Fact) -> Fact {
    if is_large(ty, item) {
        // A `Vec` or `Bytes`: empty is not its right length.
        let fact = fixed_type(ty, item);
        return Fact { fixed_len: fact.fixed_len, default: false, ..heap(fact.max_len) };
    }
    fixed_type(ty, item)
}

/// The same, arrays of Rust for all arrays of fixed length.
fn fixed_type(ty: &Type, item: &mut dyn FnMut(TypeId) -> Fact) -> Fact {
    match ty {
        Type::I32 | Type::U32 | Type::F32 | Type::Bool => scalar(4, true),
        Type::I64 | Type::U64 | Type::F64 => scalar(8, true),
        Type::Quadruple => scalar(16, true),
        Type::OpaqueFixed(size) => Fact {
            copy: false,
            default: *size <= MAX_DEFAULT_LEN,
            ..scalar(u64::from(*size).next_multiple_of(4), true)
        },
        Type::Opaque(max) | Type::String(max) | Type::ByteString(max) => {
            heap(bounded(*max).map(|max| 4 + max.next_multiple_of(4)))
        }
        Type::Named(id) => item(*id),
        Type::Fixed(inner, size) => {
            let one = item_of(inner, item);
            let times = |len: Option<u64>| len.and_then(|len| len.checked_mul(u64::from(*size)));
            Fact {
                fixed_len: times(one.fixed_len),
                max_len: times(one.max_len),
                size: one.size.saturating_mul(u64::from(*size)),
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
            let one = item_of(inner, item);
            Fact { size: one.size.saturating_add(8), ..heap(sum(one.max_len, Some(4))) }
        }
        Type::Chain(id) => {
            let node = item(*id);
            let size = node.size.saturating_add(24);
            Fact { size, default: node.default, ..heap(None) }
        }
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

/// Whether equality is exact: no floating-point number, and nothing unknown, is inside of the type.
fn is_exact(model: &Model, id: TypeId) -> bool {
    let mut seen = vec![false; model.types.len()];
    let mut todo = vec![id];
    while let Some(id) = todo.pop() {
        if std::mem::replace(&mut seen[id], true) {
            continue;
        }
        let mut inexact = false;
        let mut see = |ty: &Type| inexact |= see_type(ty, &mut todo);
        match &model.types[id].body {
            Body::Alias(ty) => see(ty),
            Body::Enum(_) => {}
            Body::Extern => return false,
            Body::Struct(body) => body.fields.iter().for_each(|field| see(&field.ty)),
            Body::Union(body) => {
                let arms = body.arms.iter().chain(&body.default);
                arms.filter_map(|arm| arm.field.as_ref()).for_each(|field| see(&field.ty));
            }
        }
        if inexact {
            return false;
        }
    }
    true
}

/// Whether the type is a floating-point number; the types that it names go into `todo`.
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
