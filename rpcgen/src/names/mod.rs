//! Names to the definitions that they mean: in namespaces, and in what C gets from elsewhere.
//!
//! A name that is defined nowhere in a file and its includes is looked for where C's compiler finds
//! it, and what defines it is taken from there, with what that needs itself and nothing else:
//! - in the file's lines `%#define NAME VALUE`;
//! - for a line `%#include "name.h"`, in the file `name.x`, if there is one beside the file or in an
//!   include folder, with the header's own folders or without them; and in what that includes;
//! - in `known.x`, which has what C's own headers for RPC define.

mod elsewhere;

use std::collections::BTreeSet;

use crate::ast::{Definition, Ident, Sort, TypeBody, TypeSpecifier};
use crate::diag::Diagnostics;
use crate::naming;
use crate::preprocess::{Input, Setup};
use crate::source::SourceMap;
use elsewhere::Elsewhere;

/// Makes every name in `definitions`, which are those of `input`, the full name of what it means.
/// What is taken from elsewhere comes before them. `is_known` tells what types need no definition.
///
/// The files that it is taken from are added to those that `input` includes.
pub(crate) fn link(
    definitions: Vec<Definition>,
    input: &mut Input,
    setup: &Setup,
    is_known: &dyn Fn(&str) -> bool,
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
) -> Vec<Definition> {
    let mut linker = Linker {
        defined: Defined::default(),
        elsewhere: Elsewhere::new(input, setup, sources, diagnostics),
        is_known,
        taken: Vec::new(),
    };
    linker.definitions(definitions)
}

/// The full names of what is defined.
#[derive(Debug, Default)]
struct Defined {
    types: BTreeSet<String>,
    constants: BTreeSet<String>,
}

struct Linker<'a> {
    defined: Defined,
    elsewhere: Elsewhere<'a>,
    is_known: &'a dyn Fn(&str) -> bool,
    /// Definitions from elsewhere, each with the place to sort it by, whose names are not linked.
    taken: Vec<(usize, Definition)>,
}

impl Linker<'_> {
    fn definitions(&mut self, mut own: Vec<Definition>) -> Vec<Definition> {
        own.iter().for_each(|definition| self.define(definition));
        own.iter_mut().for_each(|definition| self.link(definition));
        let mut linked = Vec::new();
        while let Some((place, mut definition)) = self.taken.pop() {
            self.link(&mut definition);
            linked.push((place, definition));
        }
        linked.sort_by_key(|(place, _)| *place);
        linked.into_iter().map(|(_, definition)| definition).chain(own).collect()
    }

    fn define(&mut self, definition: &Definition) {
        defined_names(definition, &mut |name, sort| {
            match sort {
                Sort::Type => self.defined.types.insert(name),
                Sort::Constant => self.defined.constants.insert(name),
            };
        });
    }

    fn link(&mut self, definition: &mut Definition) {
        let namespace = naming::namespace(&definition.name().name).to_owned();
        definition.visit_names(&mut |name, sort| self.link_name(&namespace, name, sort));
    }

    fn link_name(&mut self, namespace: &str, name: &mut Ident, sort: Sort) {
        let candidates = candidates(namespace, &name.name);
        let defined = match sort {
            Sort::Type => &self.defined.types,
            Sort::Constant => &self.defined.constants,
        };
        if let Some(found) = candidates.iter().find(|full| defined.contains(*full)) {
            name.name.clone_from(found);
            return;
        }
        let is_known = match sort {
            Sort::Type => (self.is_known)(&name.name),
            Sort::Constant => ["TRUE", "FALSE"].contains(&name.name.as_str()),
        };
        if is_known {
            return;
        }
        if let Some(taken) = self.elsewhere.take(&candidates, sort) {
            self.define(&taken.definition);
            self.taken.push((taken.place, taken.definition));
            name.name = taken.name;
        }
    }
}

/// What `name` may mean in `namespace`: the innermost first.
fn candidates(namespace: &str, name: &str) -> Vec<String> {
    let mut namespace = namespace;
    let mut found = vec![format!("{namespace}{name}")];
    while let Some(outer) = namespace.strip_suffix("::") {
        namespace = &outer[..outer.len() - naming::last(outer).len()];
        found.push(format!("{namespace}{name}"));
    }
    found
}

/// Calls `found` with the full name of everything that `definition` defines.
pub(crate) fn defined_names(definition: &Definition, found: &mut dyn FnMut(String, Sort)) {
    let full = &definition.name().name;
    let namespace = naming::namespace(full);
    match definition {
        Definition::Constant(_) => found(full.clone(), Sort::Constant),
        Definition::Type(def) => {
            found(full.clone(), Sort::Type);
            members(&def.body, namespace, found);
        }
        Definition::Program(def) => {
            found(full.clone(), Sort::Constant);
            for version in &def.versions {
                found(format!("{namespace}{}", version.name.name), Sort::Constant);
                for procedure in &version.procedures {
                    found(format!("{namespace}{}", procedure.name.name), Sort::Constant);
                }
            }
        }
    }
}

/// The members of the enums in a body.
fn members(body: &TypeBody, namespace: &str, found: &mut dyn FnMut(String, Sort)) {
    let mut inside = |specifier: &TypeSpecifier| {
        if let TypeSpecifier::Body(body) = specifier {
            members(body, namespace, found);
        }
    };
    match body {
        TypeBody::Typedef(declaration) => inside(&declaration.specifier),
        TypeBody::Struct(body) => body.members.iter().for_each(|of| inside(&of.specifier)),
        TypeBody::Union(body) => {
            inside(&body.discriminant.specifier);
            let cases = body.cases.iter().chain(&body.default);
            cases.filter_map(|case| case.declaration.as_ref()).for_each(|of| inside(&of.specifier));
        }
        TypeBody::Enum(body) => {
            for member in &body.members {
                found(format!("{namespace}{}", member.name.name), Sort::Constant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_namespace_comes_first() {
        assert_eq!(candidates("", "x"), ["x"]);
        assert_eq!(candidates("a::b::", "x"), ["a::b::x", "a::x", "x"]);
        assert_eq!(candidates("a::", "b::x"), ["a::b::x", "b::x"]);
    }
}
