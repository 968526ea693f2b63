//! Constants and types, with their codec.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::codec::{Codec, Place};
use super::facts::Facts;
use super::lengths::Length;
use super::{docs, ident, number, unions};
use crate::model::{
    Body, Constant, ConstantValue, Enum, Field, Member, Model, Struct, Type, TypeId, TypeItem,
};

pub(super) fn constant(constant: &Constant) -> TokenStream {
    let docs = docs::part(&constant.docs);
    let name = ident(&constant.rust);
    let alias = alias(&constant.idl, &constant.rust);
    match &constant.value {
        ConstantValue::Text(text) => quote!(#docs #alias pub const #name: &str = #text;),
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
            quote!(#docs #alias pub const #name: #ty = #value;)
        }
    }
}

pub(super) fn item(model: &Model, facts: &Facts, id: TypeId) -> TokenStream {
    let item = &model.types[id];
    let this = (!matches!(item.body, Body::Alias(_))).then_some(id);
    let codec = Codec { model, facts, root: TokenStream::new(), this };
    match &item.body {
        Body::Alias(ty) => typedef(&codec, item, ty),
        Body::Enum(body) => enumeration(&codec, id, item, body),
        Body::Struct(body) => structure(&codec, id, item, body),
        Body::Union(body) => unions::union(&codec, id, item, body),
    }
}

/// The name in the `.x` file, for those who search for it.
pub(super) fn alias(idl: &str, rust: &str) -> Option<TokenStream> {
    (idl != rust).then(|| quote!(#[doc(alias = #idl)]))
}

pub(super) fn header(item: &TypeItem, what: &str, more: &[&str]) -> TokenStream {
    let docs = docs::item(&format!("The {what} `{}`.", item.idl), more, &item.docs);
    let alias = alias(&item.idl, &item.rust);
    quote!(#docs #alias)
}

fn typedef(codec: &Codec<'_>, item: &TypeItem, ty: &Type) -> TokenStream {
    let header = header(item, "type", &[]);
    let (name, ty) = (ident(&item.rust), codec.ty(ty));
    quote!(#header pub type #name = #ty;)
}

pub(super) fn derives(codec: &Codec<'_>, id: TypeId) -> TokenStream {
    let facts = codec.facts;
    let copy = facts.is_copy(id).then(|| quote!(Copy,));
    let default = facts.has_default(id).then(|| quote!(, Default));
    let exact = (!facts.has_float(id)).then(|| quote!(, Eq, Hash));
    quote!(#[derive(Debug, Clone, #copy PartialEq #exact #default)])
}

pub(super) fn max_len(codec: &Codec<'_>, id: TypeId) -> Option<TokenStream> {
    let len = number(codec.facts.max_len(id)?);
    Some(quote! {
        /// The most bytes that a value takes on the wire.
        pub const MAX_ENCODED_LEN: usize = #len;
    })
}

fn enumeration(codec: &Codec<'_>, id: TypeId, item: &TypeItem, body: &Enum) -> TokenStream {
    let header = header(item, "enum", &[]);
    let name = ident(&item.rust);
    let derives = derives(codec, id);
    let members = body.members.iter().map(|member| {
        let (docs, name) = (docs::part(&member.docs), ident(&member.rust));
        let (alias, value) = (alias(&member.idl, &member.rust), number(member.value));
        quote!(#docs #alias #name = #value)
    });
    let aliases = body.aliases.iter().map(|other| enum_alias(body, other));
    let max_len = max_len(codec, id);
    let codec = enum_codec(item, body);
    quote! {
        #header
        #derives
        #[allow(clippy::enum_variant_names)]
        #[repr(i32)]
        pub enum #name { #(#members),* }
        impl #name {
            #max_len
            #(#aliases)*
        }
        #codec
    }
}

/// A second name for a value, which an enum of Rust cannot have.
fn enum_alias(body: &Enum, other: &Member) -> TokenStream {
    let member = body.member(other.value.into()).map(|member| ident(&member.rust));
    let (docs, name) = (docs::part(&other.docs), ident(&other.rust));
    let alias = alias(&other.idl, &other.rust);
    quote!(#docs #alias pub const #name: Self = Self::#member;)
}

fn enum_codec(item: &TypeItem, body: &Enum) -> TokenStream {
    let (name, idl) = (ident(&item.rust), &item.idl);
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
    let header = header(item, "struct", if body.next.is_some() { &node } else { &[] });
    let name = ident(&item.rust);
    let derives = derives(codec, id);
    let fields = body.fields.iter().map(|field| {
        let (docs, name) = (docs::part(&field.docs), ident(&field.rust));
        let (alias, ty) = (alias(&field.idl, &field.rust), codec.ty(&field.ty));
        quote!(#docs #alias pub #name: #ty)
    });
    let max_len = max_len(codec, id).filter(|_| body.next.is_none());
    let constants = max_len.map(|max_len| quote!(impl #name { #max_len }));
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
