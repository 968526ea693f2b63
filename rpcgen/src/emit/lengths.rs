//! Expressions for the encoded length of a value.

use proc_macro2::TokenStream;
use quote::quote;

use super::codec::{Codec, Place};
use super::number;
use crate::model::{Body, Type, TypeId};

/// A sum: what is known now, and what only the value tells.
#[derive(Debug, Default)]
pub(super) struct Length {
    known: u64,
    terms: Vec<TokenStream>,
}

impl Length {
    fn known(known: u64) -> Self {
        Self { known, terms: Vec::new() }
    }

    fn with(known: u64, term: TokenStream) -> Self {
        Self { known, terms: vec![term] }
    }

    pub(super) fn plus(mut self, other: Self) -> Self {
        self.known = self.known.saturating_add(other.known);
        self.terms.extend(other.terms);
        self
    }

    pub(super) fn is_known(&self) -> bool {
        self.terms.is_empty()
    }

    /// As one expression.
    pub(super) fn sum(&self) -> TokenStream {
        let (known, terms) = (number(self.known), &self.terms);
        match (self.known, &terms[..]) {
            (0, [first, rest @ ..]) => quote!(#first #(+ #rest)*),
            _ => quote!(#known #(+ #terms)*),
        }
    }
}

impl Codec<'_> {
    pub(super) fn length(&self, ty: &Type, place: &Place) -> Length {
        if let Some(len) = self.context.facts.fixed_len(ty) {
            return Length::known(len);
        }
        let x = place.receiver();
        match ty {
            Type::Opaque(_) | Type::String(_) | Type::ByteString(_) => {
                Length::with(4, quote!(::farcall::codegen::padded(#x.len())))
            }
            Type::Named(id) => match &self.context.model.types[*id].body {
                Body::Alias(target) => self.length(target, place),
                _ => Length::with(0, encoded_len(place)),
            },
            Type::Array(inner, _) => Length::known(4).plus(self.elements(inner, x)),
            Type::Fixed(inner, _) => self.elements(inner, x),
            Type::Option(inner) => self.optional(inner, place),
            Type::List(id) => Length::known(4).plus(self.nodes(*id, x)),
            Type::Chain(id) => {
                let first = self.length(&Type::Named(*id), &Place::Value(quote!(#x.0)));
                first.plus(Length::known(4)).plus(self.nodes(*id, &quote!(#x.1)))
            }
            Type::Boxed(inner) | Type::Nested(inner) => self.length(inner, place),
            // Everything else has a fixed length.
            _ => Length::default(),
        }
    }

    fn elements(&self, inner: &Type, x: &TokenStream) -> Length {
        let each = self.length(inner, &Place::Ref(quote!(item)));
        Length::with(0, self.each_of(x, &each, Some(inner)))
    }

    fn optional(&self, inner: &Type, place: &Place) -> Length {
        let each = self.length(inner, &Place::Ref(quote!(item)));
        let sum = each.sum();
        if each.is_known() {
            let x = place.receiver();
            return Length::with(4, quote!(#sum * usize::from(#x.is_some())));
        }
        let value = place.optional(inner);
        let function = self.function(&each, Some(inner));
        Length::with(4, quote!(#value.map_or(0, #function)))
    }

    fn nodes(&self, id: TypeId, x: &TokenStream) -> Length {
        let node = self.length(&Type::Named(id), &Place::Ref(quote!(item)));
        Length::with(0, self.each_of(x, &Length::known(4).plus(node), None))
    }

    fn each_of(&self, x: &TokenStream, each: &Length, ty: Option<&Type>) -> TokenStream {
        if each.is_known() {
            let sum = each.sum();
            return quote!(#sum * #x.len());
        }
        let function = self.function(each, ty);
        quote!(#x.iter().map(#function).sum::<usize>())
    }

    /// The length of an `item` as a function; `ty` if it is that of a whole value.
    fn function(&self, each: &Length, ty: Option<&Type>) -> TokenStream {
        let mut ty = ty;
        while let Some(Type::Boxed(inner) | Type::Nested(inner)) = ty {
            ty = Some(inner);
        }
        if let Some(Type::Named(_)) = ty.map(|ty| self.context.model.expand(ty)) {
            return quote!(::farcall::codegen::Encode::encoded_len);
        }
        let sum = each.sum();
        quote!(|item| #sum)
    }
}

fn encoded_len(place: &Place) -> TokenStream {
    match place {
        Place::Value(x) => quote!(::farcall::codegen::Encode::encoded_len(&#x)),
        Place::Ref(x) | Place::OptionRef(x) => quote!(::farcall::codegen::Encode::encoded_len(#x)),
    }
}
