//! Unions: an enum with data, whose variants tell the discriminant.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::codec::{Codec, Place};
use super::lengths::Length;
use super::types::{derives, header, implementation, max_len};
use super::{docs, ident, number};
use crate::model::{Arm, Body, Discriminant, TypeId, TypeItem, Union};

/// What differs between the kinds of discriminants.
struct Switch<'a> {
    codec: &'a Codec<'a>,
    discriminant: Discriminant,
}

impl Switch<'_> {
    fn ty(&self) -> TokenStream {
        match self.discriminant {
            Discriminant::Int => quote!(i32),
            Discriminant::Unsigned => quote!(u32),
            Discriminant::Bool => quote!(bool),
            Discriminant::Enum(id) => self.codec.name(id),
        }
    }

    /// A value, as a pattern and as an expression.
    fn value(&self, value: i128) -> TokenStream {
        let literal = number(value);
        match self.discriminant {
            Discriminant::Int | Discriminant::Unsigned => quote!(#literal),
            Discriminant::Bool if value == 0 => quote!(false),
            Discriminant::Bool => quote!(true),
            Discriminant::Enum(id) => {
                let name = self.codec.name(id);
                let Body::Enum(body) = &self.codec.context.model.types[id].body else {
                    return quote!(#literal);
                };
                let member = body.member(value).map(|member| ident(&member.rust));
                quote!(#name::#member)
            }
        }
    }

    /// A pattern for any of the values.
    fn pattern(&self, labels: &[i128]) -> TokenStream {
        let (Discriminant::Int | Discriminant::Unsigned) = self.discriminant else {
            let values = labels.iter().map(|value| self.value(*value));
            return quote!(#(#values)|*);
        };
        integers(labels)
    }

    /// Whether `held` is one of the values.
    fn is_one_of(&self, labels: &[i128]) -> TokenStream {
        if let Discriminant::Enum(id) = self.discriminant
            && let Body::Enum(body) = &self.codec.context.model.types[id].body
            && body.unknown.is_some()
        {
            // The variant for all others can hold any value.
            let labels = labels.iter().map(|label| number(*label));
            let value = self.codec.number(id, &quote!(*held));
            return quote!([#(#labels),*].contains(&#value));
        }
        let values = self.pattern(labels);
        quote!(matches!(held, #values))
    }

    fn encode(&self, value: &TokenStream) -> TokenStream {
        match self.discriminant {
            Discriminant::Int => quote!(e.i32(#value)),
            Discriminant::Unsigned => quote!(e.u32(#value)),
            Discriminant::Bool => quote!(e.bool(#value)),
            Discriminant::Enum(id) => {
                let number = self.codec.number(id, value);
                quote!(e.i32(#number))
            }
        }
    }

    fn decode(&self) -> TokenStream {
        match self.discriminant {
            Discriminant::Int => quote!(d.i32()),
            Discriminant::Unsigned => quote!(d.u32()),
            Discriminant::Bool => quote!(d.bool()),
            Discriminant::Enum(_) => {
                let ty = self.ty();
                quote!(<#ty as ::farcall::codegen::Decode>::decode(d))
            }
        }
    }

    /// The value of the variable `name` as errors show it.
    fn shown(&self, name: &TokenStream, is_reference: bool) -> TokenStream {
        let value = if is_reference { quote!(*#name) } else { name.clone() };
        match self.discriminant {
            Discriminant::Int => value,
            Discriminant::Unsigned => quote!(#name.cast_signed()),
            Discriminant::Bool => quote!(i32::from(#value)),
            Discriminant::Enum(id) => self.codec.number(id, &value),
        }
    }
}

/// A pattern for any of the numbers.
fn integers(values: &[i128]) -> TokenStream {
    let runs = runs(values).into_iter().map(|run| {
        let (first, last) = (number(run[0]), number(run[run.len() - 1]));
        if run.len() > 2 {
            return quote!(#first..=#last);
        }
        let values = run.iter().map(|value| number(*value));
        quote!(#(#values)|*)
    });
    quote!(#(#runs)|*)
}

/// The values in order, in runs that follow each other.
fn runs(values: &[i128]) -> Vec<Vec<i128>> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.chunk_by(|a, b| a + 1 == *b).map(<[i128]>::to_vec).collect()
}

pub(super) fn union(codec: &Codec<'_>, id: TypeId, item: &TypeItem, body: &Union) -> TokenStream {
    let switch = Switch { codec, discriminant: body.discriminant };
    let header = header(codec, item, "union", &[]);
    let name = ident(&item.rust);
    let derives = derives(codec, id);
    let arms: Vec<_> = body.arms.iter().chain(&body.default).collect();
    let variants = arms.iter().map(|arm| variant(codec, &switch, arm));
    let max_len = max_len(codec, id);
    let accessor = discriminant(&switch, body, &arms);
    let len = union_len(codec, &arms);
    let encodes = arms.iter().map(|arm| encode_arm(&switch, item, body, arm));
    let encode = quote!(match self { #(#encodes)* });
    let decode = decode_union(&switch, item, body);
    let implementation = implementation(&quote!(#name), &len, &encode, &decode);
    quote! {
        #header
        #derives
        #[allow(clippy::enum_variant_names, clippy::large_enum_variant)]
        pub enum #name { #(#variants),* }
        #[allow(dead_code)]
        impl #name {
            #max_len
            #accessor
        }
        #implementation
    }
}

fn variant(codec: &Codec<'_>, switch: &Switch<'_>, arm: &Arm) -> TokenStream {
    let (docs, name) = (docs::part(&arm.docs), ident(&arm.rust));
    let held = arm.holds_discriminant().then(|| switch.ty());
    let field = arm.field.as_ref().map(|field| codec.ty(&field.ty));
    let parts: Vec<_> = held.into_iter().chain(field).collect();
    if parts.is_empty() { quote!(#docs #name) } else { quote!(#docs #name(#(#parts),*)) }
}

/// The pattern of an arm: `held` for the discriminant, `value` for what is in it.
fn pattern(arm: &Arm, held: &TokenStream, value: &TokenStream) -> TokenStream {
    let name = ident(&arm.rust);
    match (arm.holds_discriminant(), arm.field.is_some()) {
        (false, false) => quote!(Self::#name),
        (false, true) => quote!(Self::#name(#value)),
        (true, false) => quote!(Self::#name(#held)),
        (true, true) => quote!(Self::#name(#held, #value)),
    }
}

fn discriminant(switch: &Switch<'_>, body: &Union, arms: &[&Arm]) -> TokenStream {
    let (name, ty) = (ident(&body.rust), switch.ty());
    let arms = arms.iter().map(|arm| {
        let pattern = pattern(arm, &quote!(held), &quote!(_));
        if arm.holds_discriminant() {
            return quote!(#pattern => *held);
        }
        let value = switch.pattern(&arm.labels);
        quote!(#pattern => #value)
    });
    let allow = switch.codec.context.allow(&["non_snake_case"]);
    let lints = method_lints(&body.rust);
    quote! {
        /// The discriminant.
        #[must_use]
        #allow
        #lints
        pub fn #name(&self) -> #ty {
            match self { #(#arms,)* }
        }
    }
}

/// The lints that mind a method of this name, off: it is the interface's.
fn method_lints(name: &str) -> Option<TokenStream> {
    let lint = match name {
        "len" => quote!(clippy::len_without_is_empty),
        "as_ref" | "borrow" | "clone" | "deref" => quote!(clippy::should_implement_trait),
        _ if name.starts_with("from_") || name.starts_with("into_") => {
            quote!(clippy::wrong_self_convention)
        }
        _ => return None,
    };
    Some(quote!(#[allow(#lint)]))
}

fn union_len(codec: &Codec<'_>, arms: &[&Arm]) -> TokenStream {
    if arms.iter().all(|arm| arm.field.is_none()) {
        return quote!(4);
    }
    let arms = arms.iter().map(|arm| {
        let length = arm.field.as_ref().map_or_else(Length::default, |field| {
            codec.length(&field.ty, &Place::Ref(quote!(value)))
        });
        let value = if length.is_known() { quote!(_) } else { quote!(value) };
        let (pattern, sum) = (pattern(arm, &quote!(_), &value), length.sum());
        quote!(#pattern => #sum)
    });
    quote!(4 + match self { #(#arms,)* })
}

fn encode_arm(switch: &Switch<'_>, item: &TypeItem, body: &Union, arm: &Arm) -> TokenStream {
    let pattern = pattern(arm, &quote!(held), &quote!(value));
    let check = arm.holds_discriminant().then(|| check_held(switch, item, body, arm));
    let discriminant = if arm.holds_discriminant() {
        switch.encode(&quote!(*held))
    } else {
        let value = switch.pattern(&arm.labels);
        switch.encode(&value)
    };
    let tail = arm.field.as_ref().map_or_else(
        || quote!(Ok(())),
        |field| {
            let place = Place::Ref(quote!(value));
            switch.codec.encode(&field.ty, &place, &format_ident!("e")).tail(Some(&field.idl))
        },
    );
    quote!(#pattern => { #check #discriminant; #tail })
}

/// Refuses a held discriminant that belongs to another arm.
fn check_held(switch: &Switch<'_>, item: &TypeItem, body: &Union, arm: &Arm) -> TokenStream {
    let idl = &item.idl;
    let labels: Vec<_> = body.arms.iter().flat_map(|arm| &arm.labels).copied().collect();
    let wrong = match (&labels[..], &arm.labels[..]) {
        ([], _) => return TokenStream::new(),
        (_, []) => switch.is_one_of(&labels),
        _ => {
            let own = switch.is_one_of(&arm.labels);
            quote!(!#own)
        }
    };
    let shown = switch.shown(&quote!(held), true);
    let error =
        quote!(::farcall::codegen::EncodeErrorKind::BadUnion { ty: #idl, discriminant: #shown });
    quote! {
        if #wrong {
            return Err(::farcall::codegen::EncodeError::new(#error));
        }
    }
}

fn decode_union(switch: &Switch<'_>, item: &TypeItem, body: &Union) -> TokenStream {
    let (idl, name) = (&item.idl, &body.idl);
    let discriminant = switch.decode();
    if let ([], Some(arm)) = (&body.arms[..], &body.default) {
        let value = decoded_arm(switch.codec, arm);
        return quote!(let held = #discriminant.field(#name)?; #value);
    }
    let arms = body.arms.iter().map(|arm| {
        let values = switch.pattern(&arm.labels);
        let held = arm.holds_discriminant().then(|| quote!(held @));
        let pattern = if arm.labels.len() > 1 { quote!((#values)) } else { values };
        let value = decoded_arm(switch.codec, arm);
        quote!(#held #pattern => #value)
    });
    let other = match &body.default {
        Some(arm) => {
            let value = decoded_arm(switch.codec, arm);
            Some(quote!(held => #value))
        }
        None if body.covered => None,
        None => {
            let shown = switch.shown(&quote!(other), false);
            Some(quote!(other => Err(d.bad_union(#idl, #shown)).field(#name)))
        }
    };
    quote! {
        match #discriminant.field(#name)? {
            #(#arms,)*
            #other
        }
    }
}

fn decoded_arm(codec: &Codec<'_>, arm: &Arm) -> TokenStream {
    let name = ident(&arm.rust);
    let Some(field) = &arm.field else {
        return if arm.holds_discriminant() {
            quote!(Ok(Self::#name(held)))
        } else {
            quote!(Ok(Self::#name))
        };
    };
    let (value, idl) = (codec.decode(&field.ty, &format_ident!("d")), &field.idl);
    if arm.holds_discriminant() {
        quote!(#value.field(#idl).map(|value| Self::#name(held, value)))
    } else {
        quote!(#value.field(#idl).map(Self::#name))
    }
}
