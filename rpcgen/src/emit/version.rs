//! Programs and versions: a module each.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

use super::codec::Codec;
use super::types::alias;
use super::{Context, client, docs, ident, number, server};
use crate::model::{Procedure, Program, Version};
use crate::naming;

pub(super) fn program(context: &Context<'_>, program: &Program) -> TokenStream {
    let docs = docs::item(&format!("The program `{}`.", program.idl), &[], &short(&program.docs));
    let (alias, name) = (alias(&program.idl, &program.rust), ident(&program.rust));
    let literal = program_number(program.number);
    let allow = context.allow(&["non_snake_case"]);
    let versions = program.versions.iter().map(|one| version(context, program, one));
    quote! {
        #docs
        #alias
        #allow
        #[allow(dead_code, clippy::module_inception)]
        pub mod #name {
            /// The program's number.
            pub const PROGRAM: ::farcall::codegen::Program = ::farcall::codegen::Program(#literal);
            #(#versions)*
        }
    }
}

/// Numbers that are not IANA's are better known in hexadecimal.
fn program_number(number: u32) -> Literal {
    let text = if number < 0x2000_0000 { number.to_string() } else { format!("{number:#x}") };
    text.parse().unwrap_or_else(|_| Literal::u32_unsuffixed(number))
}

/// The docs without the text: the procedures have theirs.
fn short(docs: &crate::docs::Docs) -> crate::docs::Docs {
    crate::docs::Docs { idl: Vec::new(), ..docs.clone() }
}

fn version(context: &Context<'_>, program: &Program, version: &Version) -> TokenStream {
    let options = context.options;
    let namespace = naming::namespace(&program.idl);
    let codec = Codec { context, root: quote!(super::super::), namespace, this: None };
    let title = format!("Version {} of the program, `{}`.", version.number, version.idl);
    let docs = docs::item(&title, &[], &short(&version.docs));
    let (name, literal) = (format_ident!("v{}", version.number), number(version.number));
    let alias = alias(&version.idl, &name.to_string());
    let interface = interface(program, version);
    let uses = !version.procedures.is_empty() && (options.server || options.client);
    let traits = uses.then(|| {
        quote!(
            #[allow(unused_imports)]
            use ::farcall::codegen::InField as _;
        )
    });
    let server = options.server.then(|| server::server(&codec, version));
    let client = options.client.then(|| client::client(&codec, version));
    quote! {
        #docs
        #alias
        #[allow(
            clippy::len_without_is_empty,
            clippy::should_implement_trait,
            clippy::too_many_arguments,
            clippy::type_complexity,
            clippy::wrong_self_convention
        )]
        pub mod #name {
            #traits
            /// The version's number.
            pub const VERSION: ::farcall::codegen::Version = ::farcall::codegen::Version(#literal);
            #interface
            #server
            #client
        }
    }
}

fn interface(program: &Program, version: &Version) -> TokenStream {
    let (program_name, version_name) = (&program.idl, &version.idl);
    let procedures = version.procedures.iter().map(|procedure| {
        let (literal, name) = (number(procedure.number), &procedure.idl);
        let Procedure { idempotent, deferred, .. } = procedure;
        quote! {
            ::farcall::codegen::ProcedureInfo {
                number: ::farcall::codegen::Procedure(#literal),
                name: #name,
                idempotent: #idempotent,
                deferred: #deferred,
            }
        }
    });
    quote! {
        /// The version as data.
        pub static INTERFACE: ::farcall::codegen::Interface = ::farcall::codegen::Interface {
            program: super::PROGRAM,
            program_name: #program_name,
            version: VERSION,
            version_name: #version_name,
            procedures: &[#(#procedures),*],
        };
    }
}

/// The doc comment of a procedure's method.
pub(super) fn method_docs(procedure: &Procedure) -> TokenStream {
    let title = format!("Procedure {}, `{}`.", procedure.number, procedure.idl);
    docs::item(&title, &[], &procedure.docs)
}
