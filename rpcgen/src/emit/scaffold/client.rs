//! A client that calls every procedure once.

use proc_macro2::TokenStream;
use quote::quote;

use super::super::codec::Codec;
use super::super::ident;
use super::values::Values;
use super::{module, versions};
use crate::model::{Procedure, Program, Version};
use crate::naming::Scope;

pub(super) fn title(file: &str) -> String {
    format!(
        "//! Calls every procedure of `{file}` once, with simple arguments.\n//!\n\
         //! `client udp://HOST` asks that host's portmapper where the server is,\n\
         //! `client tcp://HOST:PORT` asks nobody.\n"
    )
}

pub(super) fn client(codec: &Codec<'_>) -> TokenStream {
    let all: Vec<_> = versions(codec.context.model).collect();
    let mut scope = Scope::reserving(&["main", "show"]);
    // Programs in several namespaces may be called the same.
    let name = |(program, version): &(&Program, &Version)| {
        let program = program.rust.trim_end_matches('_');
        ident(&scope.take(format!("{program}_v{}", version.number)))
    };
    let names: Vec<_> = all.iter().map(name).collect();
    let functions = all
        .iter()
        .zip(&names)
        .map(|((program, version), name)| function(codec, program, version, name));
    let mut procedures = all.iter().flat_map(|(_, version)| &version.procedures);
    let show = procedures.any(|one| arguments(codec, one).is_some()).then(show);
    quote! {
        fn main() -> Result<(), Box<dyn Error>> {
            let target = std::env::args().nth(1).unwrap_or_else(|| "udp://localhost".to_owned());
            #(#names(&target)?;)*
            Ok(())
        }
        #(#functions)*
        #show
    }
}

fn show() -> TokenStream {
    quote! {
        /// Prints how a call went.
        fn show<T: std::fmt::Debug>(name: &str, result: farcall::Result<T>) {
            match result {
                Ok(value) => println!("{name}: {value:?}"),
                Err(error) => println!("{name}: {error}"),
            }
        }
    }
}

fn function(
    codec: &Codec<'_>,
    program: &Program,
    version: &Version,
    name: &proc_macro2::Ident,
) -> TokenStream {
    let docs = format!(" Version {} of `{}`.", version.number, program.idl);
    let module = module(codec, program, version);
    let calls = version.procedures.iter().map(|procedure| call(codec, procedure));
    // A procedure 0 that does something wants its own arguments.
    let null = version.procedures.iter().all(|one| one.number != 0);
    let null = null.then(|| quote!(client.null()?;));
    quote! {
        #[doc = #docs]
        fn #name(target: &str) -> farcall::Result<()> {
            let client = #module::Client::connect(target)?;
            #null
            #(#calls)*
            Ok(())
        }
    }
}

fn call(codec: &Codec<'_>, procedure: &Procedure) -> TokenStream {
    let (name, idl) = (ident(&procedure.rust), &procedure.idl);
    if let Some(arguments) = arguments(codec, procedure) {
        // Traits that all scopes have take these by value, which comes before a reference.
        let is_taken = ["into", "try_into"].contains(&procedure.rust.as_str());
        let client = if is_taken { quote!((&client)) } else { quote!(client) };
        return quote!(show(#idl, #client.#name(#(#arguments),*)););
    }
    let message = format!("{idl}: not called, there are no simple values for it");
    quote!(println!(#message);)
}

/// Values for all arguments, if there are simple ones.
fn arguments(codec: &Codec<'_>, procedure: &Procedure) -> Option<Vec<TokenStream>> {
    let mut values = Values::of(codec);
    procedure.arguments.iter().map(|argument| values.argument(&argument.ty)).collect()
}
