//! Namespaces: modules inside of modules.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::quote;

use super::{Context, ident, item};
use crate::model::{Item, Model};
use crate::naming;

/// The items of the whole file: those without a namespace, and a module for each namespace.
pub(super) fn items(context: &Context<'_>) -> TokenStream {
    let model = context.model;
    let mut modules = Modules { context, items: BTreeMap::new(), inner: BTreeMap::new() };
    for item in &model.items {
        let namespace = naming::namespace(name(model, item));
        modules.items.entry(namespace).or_default().push(item);
    }
    for namespace in model.namespaces.keys() {
        modules.inner.entry(outer(namespace)).or_default().push(namespace);
    }
    modules.inside("")
}

/// What each namespace holds, by its name as before its definitions.
struct Modules<'a> {
    context: &'a Context<'a>,
    items: BTreeMap<&'a str, Vec<&'a Item>>,
    inner: BTreeMap<&'a str, Vec<&'a str>>,
}

impl Modules<'_> {
    fn inside(&self, namespace: &str) -> TokenStream {
        let items = self.items.get(namespace).into_iter().flatten();
        let items = items.map(|of| item(self.context, of));
        let inner = self.inner.get(namespace).into_iter().flatten();
        let inner = inner.map(|namespace| self.module(namespace));
        quote!(#(#items)* #(#inner)*)
    }

    fn module(&self, namespace: &str) -> TokenStream {
        let path = self.context.model.namespaces.get(namespace);
        let name = path.and_then(|path| path.last()).map(|name| ident(name));
        let docs = format!(" The namespace `{}`.", without_end(namespace));
        let items = self.inside(namespace);
        let allow = self.context.allow(&["non_snake_case"]);
        quote! {
            #[doc = #docs]
            #allow
            #[allow(clippy::module_inception)]
            pub mod #name {
                #[allow(unused_imports)]
                use ::farcall::codegen::InField as _;
                #items
            }
        }
    }
}

/// The path from inside of the namespace `from` to the item with the path `to`, without its name.
pub(super) fn path(model: &Model, from: &str, to: &str) -> TokenStream {
    let to = naming::namespace(to);
    let words = from.split_terminator("::").zip(to.split_terminator("::"));
    let shared = words.take_while(|(from, to)| from == to).count();
    let up = (shared..from.matches("::").count()).map(|_| quote!(super::));
    let modules = model.namespaces.get(to).into_iter().flatten();
    let down = modules.skip(shared).map(|name| {
        let name = ident(name);
        quote!(#name::)
    });
    quote!(#(#up)* #(#down)*)
}

fn name<'a>(model: &'a Model, item: &'a Item) -> &'a str {
    match item {
        Item::Constant(constant) => &constant.idl,
        Item::Type(id) => &model.types[*id].idl,
        Item::Program(program) => &program.idl,
    }
}

/// The namespace around a namespace.
fn outer(namespace: &str) -> &str {
    naming::namespace(without_end(namespace))
}

fn without_end(namespace: &str) -> &str {
    namespace.strip_suffix("::").unwrap_or(namespace)
}
