//! Expressions that encode and decode a value of a given type.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::{Context, ident, namespaces, number};
use crate::model::{Body, Type, TypeId};

/// Writes expressions for one place in the output.
#[derive(Debug)]
pub(super) struct Codec<'a> {
    pub(super) context: &'a Context<'a>,
    /// The path from there to where the types of its namespace are: nothing, or `super::super::`.
    pub(super) root: TokenStream,
    /// The namespace, named as before its definitions.
    pub(super) namespace: &'a str,
    /// The type that `Self` is there.
    pub(super) this: Option<TypeId>,
}

/// How an expression gives a value.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// It is the value.
    Value(TokenStream),
    /// It is a reference to the value.
    Ref(TokenStream),
    /// It is an `Option` of a reference to what is in the value.
    OptionRef(TokenStream),
}

impl Place {
    fn item() -> Self {
        Self::Ref(quote!(item))
    }

    fn value(&self) -> TokenStream {
        match self {
            Self::Value(x) | Self::OptionRef(x) => x.clone(),
            Self::Ref(x) => quote!(*#x),
        }
    }

    fn reference(&self) -> TokenStream {
        match self {
            Self::Value(x) => quote!(&#x),
            Self::Ref(x) | Self::OptionRef(x) => x.clone(),
        }
    }

    /// What a method is called on.
    pub(super) fn receiver(&self) -> &TokenStream {
        match self {
            Self::Value(x) | Self::Ref(x) | Self::OptionRef(x) => x,
        }
    }

    /// An optional as an `Option` of a reference to what is in it.
    pub(super) fn optional(&self, inner: &Type) -> TokenStream {
        match (self, inner) {
            (Self::OptionRef(x), _) => x.clone(),
            (Self::Value(x) | Self::Ref(x), Type::Boxed(_)) => quote!(#x.as_deref()),
            (Self::Value(x) | Self::Ref(x), _) => quote!(#x.as_ref()),
        }
    }
}

/// What encodes a value.
#[derive(Debug)]
pub(super) enum Encoding {
    /// An expression that cannot fail.
    Plain(TokenStream),
    /// An expression that is a `Result`.
    Fallible(TokenStream),
}

impl Encoding {
    /// As a statement that returns an error with `name` in its path.
    pub(super) fn statement(self, name: &str) -> TokenStream {
        match self {
            Self::Plain(x) => quote!(#x;),
            Self::Fallible(x) => quote!(#x.field(#name)?;),
        }
    }

    /// As the expression that ends a function.
    pub(super) fn tail(self, name: Option<&str>) -> TokenStream {
        match (self, name) {
            (Self::Plain(x), _) => quote!(#x; Ok(())),
            (Self::Fallible(x), None) => x,
            (Self::Fallible(x), Some(name)) => quote!(#x.field(#name)),
        }
    }

    /// As the body of a closure.
    pub(super) fn body(self) -> TokenStream {
        match self {
            Self::Plain(x) => quote!({ #x; Ok(()) }),
            Self::Fallible(x) => x,
        }
    }
}

impl Codec<'_> {
    /// The type's Rust, typedefs by their name.
    pub(super) fn ty(&self, ty: &Type) -> TokenStream {
        match ty {
            Type::I32 => quote!(i32),
            Type::U32 => quote!(u32),
            Type::I64 => quote!(i64),
            Type::U64 => quote!(u64),
            Type::F32 => quote!(f32),
            Type::F64 => quote!(f64),
            Type::Bool => quote!(bool),
            Type::Quadruple => quote!(::farcall::codegen::Quadruple),
            Type::OpaqueFixed(size) if !self.context.facts.is_large(ty) => {
                fixed(&quote!(u8), *size)
            }
            Type::OpaqueFixed(_) | Type::Opaque(_) | Type::ByteString(_) => {
                quote!(::farcall::codegen::Bytes)
            }
            Type::String(_) => quote!(::farcall::codegen::String),
            Type::Named(id) => self.name(*id),
            Type::Fixed(inner, size) if !self.context.facts.is_large(ty) => {
                fixed(&self.ty(inner), *size)
            }
            Type::Fixed(inner, _) | Type::Array(inner, _) => vec(&self.ty(inner)),
            Type::Option(inner) => {
                let inner = self.ty(inner);
                quote!(::farcall::codegen::Option<#inner>)
            }
            Type::List(id) => vec(&self.name(*id)),
            Type::Chain(id) => {
                let (node, rest) = (self.name(*id), vec(&self.name(*id)));
                quote!((#node, #rest))
            }
            Type::Boxed(inner) => {
                let inner = self.ty(inner);
                quote!(::farcall::codegen::Box<#inner>)
            }
            Type::Nested(inner) => self.ty(inner),
        }
    }

    pub(super) fn name(&self, id: TypeId) -> TokenStream {
        if self.this == Some(id) {
            return quote!(Self);
        }
        let item = &self.context.model.types[id];
        if let Body::Extern = item.body {
            return super::path(&item.rust);
        }
        let path = namespaces::path(self.context.model, self.namespace, &item.idl);
        let (root, name) = (&self.root, ident(&item.rust));
        quote!(#root #path #name)
    }

    /// An enum's value as an `i32`.
    pub(super) fn number(&self, id: TypeId, value: &TokenStream) -> TokenStream {
        match &self.context.model.types[id].body {
            Body::Enum(body) if body.unknown.is_some() => quote!(i32::from(#value)),
            _ => quote!(#value as i32),
        }
    }

    pub(super) fn is_enum(&self, ty: &Type) -> bool {
        matches!(ty, Type::Named(id) if matches!(self.context.model.types[*id].body, Body::Enum(_)))
    }

    /// Whether the `Encode` and `Decode` of the type's Rust do all that the declaration says.
    pub(super) fn is_plain(&self, ty: &Type) -> bool {
        match ty {
            Type::Opaque(max) | Type::String(max) | Type::ByteString(max) => *max == u32::MAX,
            Type::OpaqueFixed(_) => !self.context.facts.is_large(ty),
            Type::Array(inner, max) => *max == u32::MAX && self.is_plain(inner),
            Type::Fixed(inner, _) => !self.context.facts.is_large(ty) && self.is_plain(inner),
            Type::Option(inner) | Type::Boxed(inner) => self.is_plain(inner),
            Type::Named(id) => match &self.context.model.types[*id].body {
                Body::Alias(target) => self.is_plain(target),
                _ => true,
            },
            Type::List(_) | Type::Chain(_) | Type::Nested(_) => false,
            _ => true,
        }
    }

    /// Encodes the value at `place` with the encoder `e`.
    pub(super) fn encode(&self, ty: &Type, place: &Place, e: &Ident) -> Encoding {
        let reference = place.reference();
        match ty {
            Type::OpaqueFixed(size) if self.context.facts.is_large(ty) => {
                let size = number(*size);
                Encoding::Fallible(quote!(#e.opaque_exact(#reference, #size)))
            }
            Type::OpaqueFixed(_) => Encoding::Plain(quote!(#e.opaque_fixed(#reference))),
            Type::Opaque(max) | Type::ByteString(max) => {
                let max = bound(*max);
                Encoding::Fallible(quote!(#e.opaque(#reference, #max)))
            }
            Type::String(max) => {
                let max = bound(*max);
                Encoding::Fallible(quote!(#e.string(#reference, #max)))
            }
            Type::Named(id) => self.encode_named(*id, place, e),
            Type::Fixed(inner, size) if self.context.facts.is_large(ty) => {
                let size = number(*size);
                Encoding::Fallible(if self.is_plain(inner) {
                    quote!(#e.array_exact(#reference, #size))
                } else {
                    let each = self.encode(inner, &Place::item(), &format_ident!("e")).body();
                    quote!(#e.array_exact_with(#reference, #size, |e, item| #each))
                })
            }
            Type::Fixed(inner, _) => Encoding::Fallible(if self.is_plain(inner) {
                quote!(#e.array_fixed(#reference))
            } else {
                let each = self.encode(inner, &Place::item(), &format_ident!("e")).body();
                quote!(#e.array_fixed_with(#reference, |e, item| #each))
            }),
            Type::Array(inner, max) => {
                let max = bound(*max);
                Encoding::Fallible(if self.is_plain(inner) {
                    quote!(#e.array(#reference, #max))
                } else {
                    let each = self.encode(inner, &Place::item(), &format_ident!("e")).body();
                    quote!(#e.array_with(#reference, #max, |e, item| #each))
                })
            }
            Type::Option(inner) => self.encode_option(inner, place, e),
            Type::List(_) => Encoding::Fallible(quote!(#e.list(#reference))),
            Type::Chain(_) => {
                let x = place.receiver();
                Encoding::Fallible(quote! {
                    ::farcall::codegen::Encode::encode(&#x.0, #e).and_then(|()| #e.list(&#x.1))
                })
            }
            Type::Boxed(inner) | Type::Nested(inner) => self.encode(inner, place, e),
            scalar => {
                let (method, value) = (scalar_method(scalar), place.value());
                Encoding::Plain(quote!(#e.#method(#value)))
            }
        }
    }

    fn encode_named(&self, id: TypeId, place: &Place, e: &Ident) -> Encoding {
        match &self.context.model.types[id].body {
            Body::Alias(target) => self.encode(target, place, e),
            Body::Enum(_) => {
                let value = self.number(id, &place.value());
                Encoding::Plain(quote!(#e.i32(#value)))
            }
            Body::Struct(_) | Body::Union(_) | Body::Extern => {
                let reference = place.reference();
                Encoding::Fallible(quote!(::farcall::codegen::Encode::encode(#reference, #e)))
            }
        }
    }

    fn encode_option(&self, inner: &Type, place: &Place, e: &Ident) -> Encoding {
        let value = place.optional(inner);
        Encoding::Fallible(if self.is_plain(inner) {
            quote!(#e.option(#value))
        } else {
            let each = self.encode(inner, &Place::item(), &format_ident!("e")).body();
            quote!(#e.option_with(#value, |e, item| #each))
        })
    }

    /// A `Result` of a value read from the decoder `d`.
    pub(super) fn decode(&self, ty: &Type, d: &Ident) -> TokenStream {
        let with = |inner| self.decode(inner, &format_ident!("d"));
        match ty {
            Type::OpaqueFixed(size) if self.context.facts.is_large(ty) => {
                let size = number(*size);
                quote!(#d.opaque_exact(#size))
            }
            Type::OpaqueFixed(_) => quote!(#d.opaque_fixed()),
            Type::Opaque(max) | Type::ByteString(max) => {
                let max = bound(*max);
                quote!(#d.opaque(#max))
            }
            Type::String(max) => {
                let max = bound(*max);
                quote!(#d.string(#max))
            }
            Type::Named(id) => match &self.context.model.types[*id].body {
                Body::Alias(target) => self.decode(target, d),
                _ => quote!(::farcall::codegen::Decode::decode(#d)),
            },
            Type::Fixed(inner, size) if self.context.facts.is_large(ty) => {
                let size = number(*size);
                if self.is_plain(inner) {
                    return quote!(#d.array_exact(#size));
                }
                let each = with(inner);
                quote!(#d.array_exact_with(#size, |d| #each))
            }
            Type::Fixed(inner, _) if self.is_plain(inner) => quote!(#d.array_fixed()),
            Type::Fixed(inner, _) => {
                let each = with(inner);
                quote!(#d.array_fixed_with(|d| #each))
            }
            Type::Array(inner, max) => {
                let max = bound(*max);
                if self.is_plain(inner) {
                    return quote!(#d.array(#max));
                }
                let each = with(inner);
                quote!(#d.array_with(#max, |d| #each))
            }
            Type::Option(inner) if self.is_plain(inner) => quote!(#d.option()),
            Type::Option(inner) => {
                let each = with(inner);
                quote!(#d.option_with(|d| #each))
            }
            Type::List(_) => quote!(#d.list()),
            Type::Chain(_) => quote! {
                ::farcall::codegen::Decode::decode(#d)
                    .and_then(|first| #d.list().map(|rest| (first, rest)))
            },
            Type::Boxed(inner) => {
                let value = self.decode(inner, d);
                quote!(#value.map(::farcall::codegen::Box::new))
            }
            Type::Nested(inner) => {
                let value = with(inner);
                quote!(#d.nested(|d| #value))
            }
            scalar => {
                let method = scalar_method(scalar);
                quote!(#d.#method())
            }
        }
    }

    /// The same as a function of a decoder `d`.
    pub(super) fn decoder(&self, ty: &Type) -> TokenStream {
        let expanded = self.context.model.expand(ty);
        if let Type::Named(_) = expanded {
            return quote!(::farcall::codegen::Decode::decode);
        }
        let value = self.decode(expanded, &format_ident!("d"));
        quote!(|d| #value)
    }
}

/// The method of encoder and decoder that is called like the type.
fn scalar_method(ty: &Type) -> Ident {
    format_ident!(
        "{}",
        match ty {
            Type::I32 => "i32",
            Type::U32 => "u32",
            Type::I64 => "i64",
            Type::U64 => "u64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Quadruple => "quadruple",
            _ => "bool",
        }
    )
}

fn bound(max: u32) -> TokenStream {
    if max == u32::MAX {
        return quote!(::farcall::codegen::UNBOUNDED);
    }
    let max = number(max);
    quote!(#max)
}

pub(super) fn fixed(inner: &TokenStream, size: u32) -> TokenStream {
    let size = number(size);
    quote!([#inner; #size])
}

fn vec(inner: &TokenStream) -> TokenStream {
    quote!(::farcall::codegen::Vec<#inner>)
}
