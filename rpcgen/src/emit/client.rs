//! Clients: a method for each procedure that waits, and one that does not.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::codec::{self, Codec, Place};
use super::types::alias;
use super::version::method_docs;
use super::{ident, number};
use crate::model::{Argument, Body, Procedure, Type, Version};

pub(super) fn client(codec: &Codec<'_>, version: &Version) -> TokenStream {
    let calls = version.procedures.iter().map(|procedure| {
        let result = result_type(codec, procedure);
        let returns = quote!(::farcall::codegen::Result<#result, ::farcall::codegen::Error>);
        method(codec, procedure, &returns, &quote!(self.0.call))
    });
    let starts = version.procedures.iter().map(|procedure| {
        let result = result_type(codec, procedure);
        let returns = quote!(::farcall::codegen::Pending<#result>);
        method(codec, procedure, &returns, &quote!(self.0.0.start))
    });
    let connection = connection();
    let start = (!version.procedures.is_empty()).then(|| {
        quote! {
            /// The same calls, without waiting for the answer.
            #[must_use]
            pub fn start(&self) -> Start<'_> {
                Start(self)
            }
        }
    });
    let start_type = start.is_some().then(|| {
        quote! {
            /// The calls of a [`Client`], made without waiting.
            #[derive(Debug, Clone, Copy)]
            pub struct Start<'a>(&'a Client);
            impl Start<'_> {
                #(#starts)*
            }
        }
    });
    quote! {
        /// A client of this version. Clones share its connection.
        #[derive(Debug, Clone)]
        pub struct Client(::farcall::codegen::Client);
        impl Client {
            #connection
            #start
            #(#calls)*
        }
        #start_type
    }
}

/// What every client has.
fn connection() -> TokenStream {
    quote! {
        /// Connects to `target`: `udp://HOST`, `tcp://HOST:PORT`, `unix:///PATH`. Without a port,
        /// the portmapper of that host is asked for it.
        pub fn connect(
            target: &str,
        ) -> ::farcall::codegen::Result<Self, ::farcall::codegen::Error> {
            Self::connect_with(target, &<::farcall::codegen::ClientOptions as Default>::default())
        }
        /// Connects as [`connect`](Self::connect) does, with other options than the defaults.
        pub fn connect_with(
            target: &str,
            options: &::farcall::codegen::ClientOptions,
        ) -> ::farcall::codegen::Result<Self, ::farcall::codegen::Error> {
            ::farcall::codegen::Client::connect(target, &INTERFACE, options).map(Self)
        }
        /// The calls of this version over what there is already: a client that took this version
        /// (`farcall::Client::negotiate`), or a peer that is called back
        /// (`farcall::Context::peer_client`). It must be for this [`INTERFACE`].
        #[must_use]
        pub fn over(client: ::farcall::codegen::Client) -> Self {
            Self(client)
        }
        /// The same client, over the same connection, with other options for its calls.
        #[must_use]
        pub fn with(&self, options: ::farcall::codegen::CallOptions) -> Self {
            Self(self.0.with(options))
        }
        /// Calls procedure 0, which does nothing: is the server there?
        pub fn null(&self) -> ::farcall::codegen::Result<(), ::farcall::codegen::Error> {
            self.0.null()
        }
        /// What happened on the connection so far, for this client and its clones.
        #[must_use]
        pub fn stats(&self) -> ::farcall::codegen::ClientStats {
            self.0.stats()
        }
        /// The client without the types of this version.
        #[must_use]
        pub fn inner(&self) -> &::farcall::codegen::Client {
            &self.0
        }
    }
}

fn result_type(codec: &Codec<'_>, procedure: &Procedure) -> TokenStream {
    match &procedure.result {
        Some(ty) => codec.ty(codec.context.model.expand(ty)),
        None => quote!(()),
    }
}

fn method(
    codec: &Codec<'_>,
    procedure: &Procedure,
    returns: &TokenStream,
    call: &TokenStream,
) -> TokenStream {
    let (docs, alias) = (method_docs(procedure), alias(&procedure.idl, &procedure.rust));
    let (name, literal) = (ident(&procedure.rust), number(procedure.number));
    let parameters = procedure.arguments.iter().map(|argument| {
        let (name, ty) = (ident(&argument.rust), parameter(codec, &argument.ty));
        quote!(, #name: #ty)
    });
    let encode = encode_arguments(codec, &procedure.arguments);
    let decode = match &procedure.result {
        Some(ty) => codec.decoder(ty),
        None => quote!(|_| Ok(())),
    };
    quote! {
        #docs
        #alias
        pub fn #name(&self #(#parameters)*) -> #returns {
            #call(::farcall::codegen::Procedure(#literal), #encode, #decode)
        }
    }
}

/// The type of a client's parameter: what can be read from is borrowed.
fn parameter(codec: &Codec<'_>, ty: &Type) -> TokenStream {
    let ty = codec.context.model.expand(ty);
    match ty {
        Type::String(_) => quote!(&str),
        Type::OpaqueFixed(_) if codec.context.facts.is_large(ty) => opaque(),
        Type::Opaque(_) | Type::ByteString(_) => opaque(),
        Type::OpaqueFixed(size) => {
            let bytes = codec::fixed(&quote!(u8), *size);
            quote!(&#bytes)
        }
        Type::Array(inner, _) => slice(codec, inner),
        Type::Fixed(inner, _) if codec.context.facts.is_large(ty) => slice(codec, inner),
        Type::List(id) => {
            let node = codec.name(*id);
            quote!(&[#node])
        }
        Type::Option(inner) => {
            let inner = match &**inner {
                Type::Boxed(inner) => codec.ty(inner),
                inner => codec.ty(inner),
            };
            quote!(::farcall::codegen::Option<&#inner>)
        }
        Type::Nested(inner) => parameter(codec, inner),
        _ if by_value(codec, ty) => codec.ty(ty),
        _ => {
            let ty = codec.ty(ty);
            quote!(&#ty)
        }
    }
}

fn opaque() -> TokenStream {
    quote!(&(impl ::farcall::codegen::AsOpaque + ?Sized))
}

fn slice(codec: &Codec<'_>, inner: &Type) -> TokenStream {
    let inner = codec.ty(inner);
    quote!(&[#inner])
}

fn by_value(codec: &Codec<'_>, ty: &Type) -> bool {
    match ty {
        Type::Named(id) => matches!(codec.context.model.types[*id].body, Body::Enum(_)),
        Type::Fixed(..) | Type::Chain(_) => false,
        _ => true,
    }
}

fn place(codec: &Codec<'_>, argument: &Argument) -> Place {
    let name = ident(&argument.rust);
    let ty = codec.context.model.expand(&argument.ty);
    let inner = if let Type::Nested(inner) = ty { inner } else { ty };
    match inner {
        Type::Option(_) => Place::OptionRef(quote!(#name)),
        Type::String(_)
        | Type::Opaque(_)
        | Type::ByteString(_)
        | Type::OpaqueFixed(_)
        | Type::Array(..)
        | Type::List(_) => Place::Ref(quote!(#name)),
        ty if by_value(codec, ty) => Place::Value(quote!(#name)),
        _ => Place::Ref(quote!(#name)),
    }
}

/// A function that encodes the arguments.
fn encode_arguments(codec: &Codec<'_>, arguments: &[Argument]) -> TokenStream {
    let e = format_ident!("e");
    let encode = |argument: &Argument| {
        codec.encode(codec.context.model.expand(&argument.ty), &place(codec, argument), &e)
    };
    match arguments {
        [] => quote!(|_| Ok(())),
        [only] => match encode(only) {
            codec::Encoding::Fallible(x) => {
                let name = &only.rust;
                quote!(|e| #x.field(#name))
            }
            plain => {
                let body = plain.body();
                quote!(|e| #body)
            }
        },
        _ => {
            let statements = arguments.iter().map(|a| encode(a).statement(&a.rust));
            quote!(|e| { #(#statements)* Ok(()) })
        }
    }
}
