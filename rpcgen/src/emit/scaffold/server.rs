//! A server that answers every procedure with a simple value.

use proc_macro2::TokenStream;
use quote::quote;

use super::super::codec::Codec;
use super::super::{ident, server};
use super::values::Values;
use super::{module, versions};
use crate::model::{Procedure, Version};

pub(super) fn title(file: &str) -> String {
    format!(
        "//! Serves what is in `{file}`: put what a procedure does in the place of its value.\n//!\n\
         //! Registers with this host's portmapper, or with none if it is told a port:\n\
         //! `server --port 0` serves on any that is free.\n"
    )
}

pub(super) fn server(codec: &Codec<'_>) -> TokenStream {
    let all: Vec<_> = versions(codec.context.model).collect();
    let services = all.iter().map(|(program, version)| {
        let module = module(codec, program, version);
        quote!(.service(#module::Server::new(Handler)))
    });
    let implementations = all.iter().map(|(program, version)| {
        let (module, methods) = (module(codec, program, version), methods(codec, version));
        quote!(impl #module::Service for Handler { #(#methods)* })
    });
    quote! {
        /// What answers the calls.
        struct Handler;
        #(#implementations)*
        fn main() -> Result<(), Box<dyn Error>> {
            let port = port()?;
            let addr = format!("[::]:{}", port.unwrap_or(0));
            let mut server = ::farcall::codegen::Server::builder()
                .udp(addr.as_str())
                .tcp(addr)
                #(#services)*;
            if port.is_none() {
                server = server.register();
            }
            let server = server.stop_on_signal().bind()?;
            server.udp_addrs().for_each(|addr| println!("udp://{addr}"));
            server.tcp_addrs().for_each(|addr| println!("tcp://{addr}"));
            println!("ready");
            Ok(server.run()?)
        }
        /// The port that the command line names.
        fn port() -> Result<Option<u16>, Box<dyn Error>> {
            let args: Vec<String> = std::env::args().skip(1).collect();
            match &args[..] {
                [] => Ok(None),
                [option, port] if option == "--port" => Ok(Some(port.parse()?)),
                _ => Err("usage: server [--port PORT]".into()),
            }
        }
    }
}

fn methods(codec: &Codec<'_>, version: &Version) -> impl Iterator<Item = TokenStream> {
    version.procedures.iter().map(|procedure| {
        let docs = format!(" Procedure {}, `{}`.", procedure.number, procedure.idl);
        let (signature, body) = (server::signature(codec, procedure), body(codec, procedure));
        quote!(#[doc = #docs] #signature { #body })
    })
}

fn body(codec: &Codec<'_>, procedure: &Procedure) -> TokenStream {
    let arguments = procedure.arguments.iter().map(|argument| ident(&argument.rust));
    let shown = vec!["{:?}"; procedure.arguments.len()].join(", ");
    let shown = format!("{{}}: {}({shown})", procedure.idl);
    let value = match &procedure.result {
        None => Some(quote!(())),
        Some(ty) => Values::of(codec).value(ty),
    };
    let fault = quote!(::farcall::codegen::Fault::SystemErr);
    let answer = value.map_or_else(|| quote!(Err(#fault)), |value| quote!(Ok(#value)));
    let answer = if procedure.deferred { quote!(reply.send(#answer);) } else { answer };
    quote!(println!(#shown, cx.peer() #(, #arguments)*); #answer)
}
