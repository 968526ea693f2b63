//! Simple values: zeros, empty text, the first of an enum.

use proc_macro2::TokenStream;
use quote::quote;

use super::super::codec::Codec;
use super::super::{ident, number};
use crate::model::{Arm, Body, Discriminant, Type, TypeId, Union};

/// A larger value is no longer simple.
const MAX_PARTS: usize = 100;

/// Longer arrays are not for an example.
const MAX_LEN: u32 = 1 << 16;

/// Writes expressions for values.
pub(super) struct Values<'a> {
    codec: &'a Codec<'a>,
    /// The types that the value is inside of.
    open: Vec<TypeId>,
    parts: usize,
}

impl<'a> Values<'a> {
    pub(super) fn of(codec: &'a Codec<'a>) -> Self {
        Self { codec, open: Vec::new(), parts: 0 }
    }

    /// A value of the type; none if it has no simple ones.
    pub(super) fn value(&mut self, ty: &Type) -> Option<TokenStream> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return None;
        }
        let is_large = self.codec.context.facts.is_large(ty);
        Some(match ty {
            Type::I32 | Type::U32 | Type::I64 | Type::U64 => quote!(0),
            Type::F32 | Type::F64 => quote!(0.0),
            Type::Bool => quote!(false),
            Type::Quadruple => quote!(::farcall::codegen::Quadruple([0; 16])),
            Type::String(_) => quote!(String::new()),
            Type::Opaque(_) | Type::ByteString(_) => quote!(::farcall::codegen::Bytes::new()),
            Type::OpaqueFixed(len) => {
                let bytes = zeros(*len, is_large)?;
                if is_large { quote!(::farcall::codegen::Bytes::from(#bytes)) } else { bytes }
            }
            Type::Fixed(inner, len) => {
                let (value, len) = (self.value(inner)?, fitting(*len)?);
                if is_large {
                    quote!(vec![#value; #len])
                } else if is_number(self.codec.context.model.expand(inner)) {
                    quote!([#value; #len])
                } else {
                    quote!(std::array::from_fn(|_| #value))
                }
            }
            Type::Array(..) | Type::List(_) => quote!(Vec::new()),
            Type::Option(_) => quote!(None),
            Type::Chain(id) => {
                let node = self.named(*id)?;
                quote!((#node, Vec::new()))
            }
            Type::Boxed(inner) => {
                let inner = self.value(inner)?;
                quote!(Box::new(#inner))
            }
            Type::Nested(inner) => self.value(inner)?,
            Type::Named(id) => self.named(*id)?,
        })
    }

    /// What a client's method takes for a value of the type.
    pub(super) fn argument(&mut self, ty: &Type) -> Option<TokenStream> {
        let ty = self.codec.context.model.expand(ty);
        let is_large = self.codec.context.facts.is_large(ty);
        Some(match ty {
            Type::String(_) => quote!(""),
            Type::Opaque(_) | Type::ByteString(_) => quote!(b""),
            Type::Array(..) | Type::List(_) => quote!(&[]),
            Type::OpaqueFixed(len) => {
                let bytes = zeros(*len, is_large)?;
                quote!(&#bytes)
            }
            Type::Nested(inner) => self.argument(inner)?,
            Type::Fixed(..) | Type::Chain(_) => {
                let value = self.value(ty)?;
                quote!(&#value)
            }
            Type::Named(_) if !self.codec.is_enum(ty) => {
                let value = self.value(ty)?;
                quote!(&#value)
            }
            scalar => self.value(scalar)?,
        })
    }

    fn named(&mut self, id: TypeId) -> Option<TokenStream> {
        let context = self.codec.context;
        if self.open.contains(&id) {
            return None;
        }
        let name = self.codec.name(id);
        self.open.push(id);
        let value = match &context.model.types[id].body {
            Body::Alias(ty) => self.value(ty),
            Body::Enum(body) => body.members.first().map(|member| {
                let member = ident(&member.rust);
                quote!(#name::#member)
            }),
            Body::Struct(_) if context.facts.has_default(id) => Some(quote!(#name::default())),
            Body::Struct(body) => {
                let fields = body.fields.iter().map(|field| {
                    let (field_name, value) = (ident(&field.rust), self.value(&field.ty)?);
                    Some(quote!(#field_name: #value))
                });
                let fields: Option<Vec<_>> = fields.collect();
                fields.map(|fields| quote!(#name { #(#fields),* }))
            }
            Body::Union(body) => self.union(&name, body),
            Body::Extern => None,
        };
        self.open.pop();
        value
    }

    /// The first arm that has a simple value.
    fn union(&mut self, name: &TokenStream, body: &Union) -> Option<TokenStream> {
        body.arms.iter().chain(&body.default).find_map(|arm| {
            let held =
                if arm.holds_discriminant() { Some(self.discriminant(body, arm)?) } else { None };
            let field = match &arm.field {
                Some(field) => Some(self.value(&field.ty)?),
                None => None,
            };
            let variant = ident(&arm.rust);
            let parts: Vec<_> = held.into_iter().chain(field).collect();
            Some(if parts.is_empty() {
                quote!(#name::#variant)
            } else {
                quote!(#name::#variant(#(#parts),*))
            })
        })
    }

    /// A discriminant that selects the arm.
    fn discriminant(&self, body: &Union, arm: &Arm) -> Option<TokenStream> {
        let taken = |value: &i128| body.arms.iter().any(|arm| arm.labels.contains(value));
        let first = arm.labels.first().copied();
        match body.discriminant {
            Discriminant::Int | Discriminant::Unsigned => {
                let value = first.or_else(|| (0..).find(|value| !taken(value)))?;
                let value = number(value);
                Some(quote!(#value))
            }
            Discriminant::Bool => {
                let value = first.or_else(|| (0..2).find(|value| !taken(value)))? != 0;
                Some(quote!(#value))
            }
            Discriminant::Enum(id) => {
                let Body::Enum(members) = &self.codec.context.model.types[id].body else {
                    return None;
                };
                let member = match first {
                    Some(value) => members.member(value),
                    None => members.members.iter().find(|member| !taken(&member.value.into())),
                }?;
                let (name, member) = (self.codec.name(id), ident(&member.rust));
                Some(quote!(#name::#member))
            }
        }
    }
}

/// Whether an array can be written as copies of one.
fn is_number(ty: &Type) -> bool {
    matches!(ty, Type::I32 | Type::U32 | Type::I64 | Type::U64 | Type::F32 | Type::F64 | Type::Bool)
}

fn zeros(len: u32, on_heap: bool) -> Option<TokenStream> {
    let len = fitting(len)?;
    Some(if on_heap { quote!(vec![0; #len]) } else { quote!([0; #len]) })
}

fn fitting(len: u32) -> Option<proc_macro2::Literal> {
    (len <= MAX_LEN).then(|| number(len))
}
