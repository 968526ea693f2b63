//! Programs to begin with: a server that answers every procedure, a client that calls each.

mod client;
mod server;
mod values;

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;

use super::codec::Codec;
use super::{Context, facts, ident, namespaces, spaced};
use crate::model::{Item, Model, Program, Version};
use crate::options::Options;

/// The sources of two programs for a `.x` file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Samples {
    /// A server that answers every procedure with a simple value.
    pub server: String,
    /// A client that calls every procedure once.
    pub client: String,
}

/// Samples for the `.x` file called `file`, whose code is the crate `krate`; none if it has no
/// program.
///
/// # Errors
/// The compiler has generated what is no Rust: a fault of its own.
pub(crate) fn samples(
    model: &Model,
    file: &str,
    krate: &str,
    options: &Options,
) -> syn::Result<Option<Samples>> {
    let facts = facts::Facts::of(model);
    let context = Context { model, facts: &facts, options };
    let root = ident(krate);
    let codec = Codec { context: &context, root: quote!(#root::), namespace: "", this: None };
    if versions(model).next().is_none() {
        return Ok(None);
    }
    let server = text(&server::title(file), server::server(&codec))?;
    let client = text(&client::title(file), client::client(&codec))?;
    Ok(Some(Samples { server, client }))
}

/// All versions of all programs.
fn versions(model: &Model) -> impl Iterator<Item = (&Program, &Version)> {
    let programs = model.items.iter().filter_map(|item| match item {
        Item::Program(program) => Some(program),
        _ => None,
    });
    programs.flat_map(|program| program.versions.iter().map(move |version| (program, version)))
}

/// The path to a version's module.
fn module(codec: &Codec<'_>, program: &Program, version: &Version) -> TokenStream {
    let (root, program_name) = (&codec.root, ident(&program.rust));
    let path = namespaces::path(codec.context.model, "", &program.idl);
    let version = quote::format_ident!("v{}", version.number);
    quote!(#root #path #program_name::#version)
}

/// A program's text, with names that people write.
fn text(title: &str, tokens: TokenStream) -> syn::Result<String> {
    let mut used = BTreeSet::new();
    let parsed = syn::parse2(shortened(tokens, &mut used))?;
    let body = spaced(&prettyplease::unparse(&parsed));
    let codec = import("farcall::xdr", &["Bytes", "Quadruple"], &used);
    let root = import("farcall", &["Context", "Fault", "Reply", "Server"], &used);
    let gap = if codec.is_empty() && root.is_empty() { "" } else { "\n" };
    Ok(format!("{title}\nuse std::error::Error;\n\n{codec}{root}{gap}{body}"))
}

/// A `use` for those of the names that are used.
fn import(path: &str, names: &[&str], used: &BTreeSet<String>) -> String {
    let names: Vec<_> = names.iter().copied().filter(|name| used.contains(*name)).collect();
    match &names[..] {
        [] => String::new(),
        [only] => format!("use {path}::{only};\n"),
        all => format!("use {path}::{{{}}};\n", all.join(", ")),
    }
}

/// The tokens without the path of what generated code names, and the names that had it.
fn shortened(tokens: TokenStream, used: &mut BTreeSet<String>) -> TokenStream {
    const PATH: [&str; 8] = [":", ":", "farcall", ":", ":", "codegen", ":", ":"];
    let all: Vec<_> = tokens.into_iter().collect();
    let mut short = Vec::new();
    let mut at = 0;
    while let Some(token) = all.get(at) {
        let is_path = all[at..].len() > PATH.len()
            && all[at..].iter().zip(PATH).all(|(token, text)| is(token, text));
        if is_path {
            at += PATH.len();
            used.insert(all[at].to_string());
        }
        short.push(match &all[at] {
            TokenTree::Group(group) if !is_path => {
                let inner = shortened(group.stream(), used);
                TokenTree::Group(proc_macro2::Group::new(group.delimiter(), inner))
            }
            _ if is_path => all[at].clone(),
            _ => token.clone(),
        });
        at += 1;
    }
    short.into_iter().collect()
}

fn is(token: &TokenTree, text: &str) -> bool {
    match token {
        TokenTree::Ident(ident) => ident == text,
        TokenTree::Punct(punct) => text.starts_with(punct.as_char()),
        _ => false,
    }
}
