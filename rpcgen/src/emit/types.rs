//! Constants and types, with their codec.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::codec::{Codec, Place};
use super::lengths::Length;
use super::{Context, docs, ident, number, path, unions};
use crate::model::{
    Body, Constant, ConstantValue, Enum, Field, Member, Struct, Type, TypeId, TypeItem,
};
use crate::naming;

pub(super) fn constant(context: &Context<'_>, constant: &Constant) -> TokenStream {
    let docs = docs::part(&constant.docs);
    let name = ident(&constant.rust);
    let alias = alias(&constant.idl, &constant.rust);
    let allow = context.allow_unused(&["non_upper_case_globals"]);
    match &constant.value {
        ConstantValue::Text(text) => quote!(#docs #alias #allow pub const #name: &str = #text;),
        ConstantValue::Number(value) => {
            let ty = if u32::try_from(*value).is_ok() {
                quote!(u32)
            } else if i32::try_from(*value).is_ok() {
                quote!(i32)
            } else if i64::try_from(*value).is_ok() {
                quote!(i64)
            } else {
                quote!(u64)
            };
            let value = number(*value);
            quote!(#docs #alias #allow pub const #name: #ty = #value;)
        }
    }
}

pub(super) fn item(context: &Context<'_>, id: TypeId) -> TokenStream {
    let item = &context.model.types[id];
    let this = (!matches!(item.body, Body::Alias(_))).then_some(id);
    let namespace = naming::namespace(&item.idl);
    let codec = Codec { context, root: TokenStream::new(), namespace, this };
    match &item.body {
        Body::Alias(ty) => typedef(&codec, item, ty),
        Body::Enum(body) => enumeration(&codec, id, item, body),
        Body::Struct(body) => structure(&codec, id, item, body),
        Body::Union(body) => unions::union(&codec, id, item, body),
        Body::Extern => TokenStream::new(),
    }
}

/// The name in the `.x` file, for those who search for it.
pub(super) fn alias(idl: &str, rust: &str) -> Option<TokenStream> {
    let idl = naming::last(idl);
    (idl != rust).then(|| quote!(#[doc(alias = #idl)]))
}

pub(super) fn header(codec: &Codec<'_>, item: &TypeItem, what: &str, more: &[&str]) -> TokenStream {
    let docs = docs::item(&format!("The {what} `{}`.", item.idl), more, &item.docs);
    let alias = alias(&item.idl, &item.rust);
    let allow = codec.context.allow_unused(&[
        "non_camel_case_types",
        "non_snake_case",
        "clippy::upper_case_acronyms",
    ]);
    quote!(#docs #alias #allow)
}

/// What the Rust type of an array of fixed length does not say if it is a large one.
fn exact(codec: &Codec<'_>, ty: &Type) -> Option<String> {
    let ty = codec.context.model.expand(ty);
    match ty {
        _ if !codec.context.facts.is_large(ty) => None,
        Type::OpaqueFixed(size) => Some(format!(" Exactly {size} bytes.")),
        Type::Fixed(_, size) => Some(format!(" Exactly {size} elements.")),
        _ => None,
    }
}

fn typedef(codec: &Codec<'_>, item: &TypeItem, ty: &Type) -> TokenStream {
    let exact = exact(codec, ty);
    let more: Vec<_> = exact.iter().flat_map(|line| ["", line.trim_start()]).collect();
    let header = header(codec, item, "type", &more);
    let (name, ty) = (ident(&item.rust), codec.ty(ty));
    quote!(#header pub type #name = #ty;)
}

pub(super) fn derives(codec: &Codec<'_>, id: TypeId) -> TokenStream {
    let (facts, options) = (codec.context.facts, codec.context.options);
    let mut names = vec!["Debug", "Clone"];
    names.extend(facts.is_copy(id).then_some("Copy"));
    names.push("PartialEq");
    names.extend(facts.is_exact(id).then_some(["Eq", "Hash"]).into_iter().flatten());
    names.extend(facts.has_default(id).then_some("Default"));
    for more in options.derives(&codec.context.model.types[id].idl) {
        let last = more.rsplit("::").next().unwrap_or_default();
        if !names.contains(&last) {
            names.push(more);
        }
    }
    let names = names.into_iter().map(path);
    quote!(#[derive(#(#names),*)])
}

pub(super) fn max_len(codec: &Codec<'_>, id: TypeId) -> Option<TokenStream> {
    let len = number(codec.context.facts.max_len(id)?);
    Some(quote! {
        /// The most bytes that a value takes on the wire.
        pub const MAX_ENCODED_LEN: usize = #len;
    })
}

fn enumeration(codec: &Codec<'_>, id: TypeId, item: &TypeItem, body: &Enum) -> TokenStream {
    let header = header(codec, item, "enum", &[]);
    let name = ident(&item.rust);
    let derives = derives(codec, id);
    let members = body.members.iter().map(|member| {
        let (docs, name) = (docs::part(&member.docs), ident(&member.rust));
        let (alias, value) = (alias(&member.idl, &member.rust), number(member.value));
        let value = body.unknown.is_none().then(|| quote!(= #value));
        quote!(#docs #alias #name #value,)
    });
    let unknown = body.unknown.as_deref().map(unknown);
    let repr = body.unknown.is_none().then(|| quote!(#[repr(i32)]));
    let aliases = body.aliases.iter().map(|other| enum_alias(codec, body, other));
    let max_len = max_len(codec, id);
    let conversions = body.unknown.as_deref().map(|unknown| conversions(item, body, unknown));
    let codec = enum_codec(item, body);
    quote! {
        #header
        #derives
        #[allow(clippy::enum_variant_names)]
        #repr
        pub enum #name { #(#members)* #unknown }
        #[allow(dead_code)]
        impl #name {
            #max_len
            #(#aliases)*
        }
        #conversions
        #codec
    }
}

/// The variant for values that the enum does not name.
fn unknown(name: &str) -> TokenStream {
    let name = ident(name);
    quote! {
        /// A value that the interface does not name.
        #name(i32),
    }
}

/// From and to the value on the wire.
fn conversions(item: &TypeItem, body: &Enum, unknown: &str) -> TokenStream {
    let (name, unknown) = (ident(&item.rust), ident(unknown));
    let names: Vec<_> = body.members.iter().map(|member| ident(&member.rust)).collect();
    let values: Vec<_> = body.members.iter().map(|member| number(member.value)).collect();
    quote! {
        impl ::farcall::codegen::From<i32> for #name {
            #[inline]
            fn from(value: i32) -> Self {
                match value {
                    #(#values => Self::#names,)*
                    other => Self::#unknown(other),
                }
            }
        }
        impl ::farcall::codegen::From<#name> for i32 {
            #[inline]
            fn from(value: #name) -> Self {
                match value {
                    #(#name::#names => #values,)*
                    #name::#unknown(other) => other,
                }
            }
        }
    }
}

/// A second name for a value, which an enum of Rust cannot have.
fn enum_alias(codec: &Codec<'_>, body: &Enum, other: &Member) -> TokenStream {
    let member = body.member(other.value.into()).map(|member| ident(&member.rust));
    let (docs, name) = (docs::part(&other.docs), ident(&other.rust));
    let alias = alias(&other.idl, &other.rust);
    let allow = codec.context.allow(&["non_upper_case_globals"]);
    quote!(#docs #alias #allow pub const #name: Self = Self::#member;)
}

fn enum_codec(item: &TypeItem, body: &Enum) -> TokenStream {
    let (name, idl) = (ident(&item.rust), &item.idl);
    if body.unknown.is_some() {
        let encode = quote!(e.i32(i32::from(*self)); Ok(()));
        return implementation(
            &quote!(#name),
            &quote!(4),
            &encode,
            &quote!(d.i32().map(Self::from)),
        );
    }
    let values = body.members.iter().map(|member| number(member.value));
    let names = body.members.iter().map(|member| ident(&member.rust));
    let encode = quote!(e.i32(*self as i32); Ok(()));
    let decode = quote! {
        match d.i32()? {
            #(#values => Ok(Self::#names),)*
            other => Err(d.bad_enum(#idl, other)),
        }
    };
    implementation(&quote!(#name), &quote!(4), &encode, &decode)
}

/// `Encode` and `Decode` of a type.
pub(super) fn implementation(
    name: &TokenStream,
    len: &TokenStream,
    encode: &TokenStream,
    decode: &TokenStream,
) -> TokenStream {
    quote! {
        impl ::farcall::codegen::Encode for #name {
            #[inline]
            fn encoded_len(&self) -> usize { #len }
            #[inline]
            fn encode(
                &self,
                e: &mut ::farcall::codegen::Encoder,
            ) -> ::farcall::codegen::Result<(), ::farcall::codegen::EncodeError> { #encode }
        }
        impl ::farcall::codegen::Decode for #name {
            #[inline]
            fn decode(
                d: &mut ::farcall::codegen::Decoder<'_>,
            ) -> ::farcall::codegen::Result<Self, ::farcall::codegen::DecodeError> { #decode }
        }
    }
}

fn structure(codec: &Codec<'_>, id: TypeId, item: &TypeItem, body: &Struct) -> TokenStream {
    let node = [
        "",
        "A node of a linked list, which is a `Vec` here: without the member that points to the next.",
    ];
    let header = header(codec, item, "struct", if body.next.is_some() { &node } else { &[] });
    let name = ident(&item.rust);
    let derives = derives(codec, id);
    let fields = body.fields.iter().map(|field| {
        let (docs, name) = (docs::part(&field.docs), ident(&field.rust));
        let exact = exact(codec, &field.ty).map(|line| quote!(#[doc = ""] #[doc = #line]));
        let (alias, ty) = (alias(&field.idl, &field.rust), codec.ty(&field.ty));
        quote!(#docs #exact #alias pub #name: #ty)
    });
    let max_len = max_len(codec, id).filter(|_| body.next.is_none());
    let constants = max_len.map(|max_len| quote!(#[allow(dead_code)] impl #name { #max_len }));
    let implementation = struct_codec(codec, &name, &body.fields);
    quote! {
        #header
        #derives
        pub struct #name { #(#fields),* }
        #constants
        #implementation
    }
}

fn struct_codec(codec: &Codec<'_>, name: &proc_macro2::Ident, fields: &[Field]) -> TokenStream {
    let (e, d) = (format_ident!("e"), format_ident!("d"));
    if fields.is_empty() {
        let (encode, decode) = (quote!(let _ = e; Ok(())), quote!(let _ = d; Ok(Self {})));
        return implementation(&quote!(#name), &quote!(0), &encode, &decode);
    }
    let place = |field: &Field| {
        let name = ident(&field.rust);
        Place::Value(quote!(self.#name))
    };
    let lengths = fields.iter().map(|field| codec.length(&field.ty, &place(field)));
    let len = lengths.fold(Length::default(), Length::plus).sum();
    let encode =
        fields.iter().map(|field| codec.encode(&field.ty, &place(field), &e).statement(&field.idl));
    let decode = fields.iter().map(|field| {
        let (name, idl, value) = (ident(&field.rust), &field.idl, codec.decode(&field.ty, &d));
        quote!(#name: #value.field(#idl)?)
    });
    let (encode, decode) = (quote!(#(#encode)* Ok(())), quote!(Ok(Self { #(#decode),* })));
    implementation(&quote!(#name), &len, &encode, &decode)
}
