//! The trait that a server's user implements, and what decodes, calls and encodes.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::codec::{Codec, Place};
use super::types::alias;
use super::version::method_docs;
use super::{ident, number};
use crate::model::{Argument, Procedure, Type, Version};

pub(super) fn server(codec: &Codec<'_>, version: &Version) -> TokenStream {
    let methods = version.procedures.iter().map(|procedure| {
        let (docs, alias) = (method_docs(procedure), alias(&procedure.idl, &procedure.rust));
        let signature = signature(codec, procedure);
        quote!(#docs #alias #signature;)
    });
    let forwards = version.procedures.iter().map(|procedure| {
        let (signature, name) = (signature(codec, procedure), ident(&procedure.rust));
        let arguments = procedure.arguments.iter().map(|argument| ident(&argument.rust));
        let reply = procedure.deferred.then(|| quote!(, reply));
        quote!(#signature { S::#name(self, cx #(, #arguments)* #reply) })
    });
    let dispatch = dispatch(codec, version);
    quote! {
        /// What a server of this version does.
        pub trait Service: Send + Sync + 'static {
            #(#methods)*
        }
        impl<S: Service + ?Sized> Service for ::farcall::codegen::Arc<S> {
            #(#forwards)*
        }
        /// A [`Service`] as a server calls it.
        #[derive(Debug, Clone)]
        pub struct Server<S>(S);
        impl<S> Server<S> {
            /// Serves with `service`.
            pub fn new(service: S) -> Self { Self(service) }
        }
        #dispatch
    }
}

fn result_type(codec: &Codec<'_>, procedure: &Procedure) -> TokenStream {
    match &procedure.result {
        Some(ty) => codec.ty(codec.context.model.expand(ty)),
        None => quote!(()),
    }
}

pub(super) fn signature(codec: &Codec<'_>, procedure: &Procedure) -> TokenStream {
    let name = ident(&procedure.rust);
    let result = result_type(codec, procedure);
    let arguments = procedure.arguments.iter().map(|Argument { rust, ty }| {
        let (name, ty) = (ident(rust), codec.ty(codec.context.model.expand(ty)));
        quote!(, #name: #ty)
    });
    let cx = quote!(cx: &::farcall::codegen::Context);
    if procedure.deferred {
        quote!(fn #name(&self, #cx #(#arguments)*, reply: ::farcall::codegen::Reply<#result>))
    } else {
        let fault = quote!(::farcall::codegen::Fault);
        quote!(fn #name(&self, #cx #(#arguments)*) -> ::farcall::codegen::Result<#result, #fault>)
    }
}

fn dispatch(codec: &Codec<'_>, version: &Version) -> TokenStream {
    let used = !version.procedures.is_empty();
    let writes = version.procedures.iter().any(|p| p.result.is_some() && !p.deferred);
    let parameter = |name: &str, used| ident(&format!("{}{name}", if used { "" } else { "_" }));
    let (cx, number) = (parameter("cx", used), parameter("procedure", used));
    let (args, results) = (parameter("args", used), parameter("results", writes));
    let body = if used {
        let arms = version.procedures.iter().map(|procedure| arm(codec, procedure));
        quote! {
            match procedure.0 {
                #(#arms)*
                _ => Err(::farcall::codegen::Fault::ProcUnavail),
            }
        }
    } else {
        quote!(Err(::farcall::codegen::Fault::ProcUnavail))
    };
    quote! {
        impl<S: Service> ::farcall::codegen::Dispatch for Server<S> {
            fn interface(&self) -> &'static ::farcall::codegen::Interface { &INTERFACE }
            fn dispatch(
                &self,
                #cx: &::farcall::codegen::Context,
                #number: ::farcall::codegen::Procedure,
                #args: &mut ::farcall::codegen::Decoder<'_>,
                #results: &mut ::farcall::codegen::Encoder,
            ) -> ::farcall::codegen::Result<::farcall::codegen::Answer, ::farcall::codegen::Fault> {
                #body
            }
        }
    }
}

fn arm(codec: &Codec<'_>, procedure: &Procedure) -> TokenStream {
    let literal = number(procedure.number);
    let decodes = procedure.arguments.iter().map(|argument| decode_argument(codec, argument));
    let call = call(codec, procedure);
    quote! {
        #literal => {
            #(#decodes)*
            args.end()?;
            #call
        }
    }
}

fn decode_argument(codec: &Codec<'_>, Argument { rust, ty }: &Argument) -> TokenStream {
    let ty = codec.context.model.expand(ty);
    let name = ident(rust);
    let value = codec.decode(ty, &format_ident!("args"));
    // What the decoder's method does not tell must be said.
    let ty = match ty {
        Type::Named(_)
        | Type::Fixed(..)
        | Type::Array(..)
        | Type::Option(_)
        | Type::OpaqueFixed(_)
        | Type::List(_)
        | Type::Chain(_)
        | Type::Nested(_) => {
            let ty = codec.ty(ty);
            Some(quote!(: #ty))
        }
        _ => None,
    };
    quote!(let #name #ty = #value.field(#rust)?;)
}

fn call(codec: &Codec<'_>, procedure: &Procedure) -> TokenStream {
    let name = ident(&procedure.rust);
    let arguments: Vec<_> = procedure.arguments.iter().map(|a| ident(&a.rust)).collect();
    if procedure.deferred {
        let encoder = encoder(codec, procedure.result.as_ref());
        return quote! {
            let reply = cx.defer(#encoder);
            S::#name(&self.0, cx #(, #arguments)*, reply);
            Ok(::farcall::codegen::Answer::Later)
        };
    }
    let Some(ty) = &procedure.result else {
        return quote! {
            S::#name(&self.0, cx #(, #arguments)*)?;
            Ok(::farcall::codegen::Answer::Now)
        };
    };
    let place = Place::Value(quote!(result));
    let encode =
        match codec.encode(codec.context.model.expand(ty), &place, &format_ident!("results")) {
            super::codec::Encoding::Plain(x) => quote!(#x;),
            super::codec::Encoding::Fallible(x) => quote!(#x?;),
        };
    quote! {
        let result = S::#name(&self.0, cx #(, #arguments)*)?;
        #encode
        Ok(::farcall::codegen::Answer::Now)
    }
}

/// A function that encodes a result when it comes.
fn encoder(codec: &Codec<'_>, result: Option<&Type>) -> TokenStream {
    let Some(ty) = result else { return quote!(|_, _| Ok(())) };
    let ty = codec.context.model.expand(ty);
    if matches!(ty, Type::Named(_)) && !codec.is_enum(ty) {
        return quote!(::farcall::codegen::Encode::encode);
    }
    let body = codec.encode(ty, &Place::Ref(quote!(result)), &format_ident!("e")).body();
    let ty = codec.ty(ty);
    quote!(|result: &#ty, e| #body)
}
