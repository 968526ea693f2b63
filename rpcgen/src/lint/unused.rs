//! Types that no procedure carries.

use std::collections::{BTreeMap, BTreeSet};

use super::is_here;
use crate::ast::{Definition, Sort};
use crate::names;

/// What a definition names.
#[derive(Debug, Default)]
struct Uses {
    types: BTreeSet<String>,
    constants: BTreeSet<String>,
}

/// The names of types in the file that nothing leads to from a program, without those that another
/// one of them names. None at all without a program: then the types are what the file is for.
pub(super) fn types(definitions: &mut [Definition]) -> BTreeSet<String> {
    let uses: Vec<_> = definitions.iter_mut().map(uses).collect();
    let is_program = |definition: &Definition| matches!(definition, Definition::Program(_));
    if !definitions.iter().any(is_program) {
        return BTreeSet::new();
    }
    let by_name: BTreeMap<_, _> = definitions
        .iter()
        .zip(&uses)
        .filter(|(definition, _)| matches!(definition, Definition::Type(_)))
        .map(|(definition, uses)| (definition.name().name.as_str(), uses))
        .collect();
    let constants: BTreeSet<_> = uses.iter().flat_map(|uses| &uses.constants).collect();
    let roots = definitions.iter().zip(&uses).flat_map(|(definition, uses)| {
        let own = is_enum_of(definition, &constants).then_some(definition.name().name.as_str());
        let used = is_program(definition).then_some(&uses.types).into_iter().flatten();
        used.map(String::as_str).chain(own)
    });
    let used = reached(roots.collect(), &by_name);
    let unused = by_name.iter().filter(|(name, _)| !used.contains(*name));
    let named_by_unused: BTreeSet<_> = unused
        .clone()
        .flat_map(|(name, uses)| uses.types.iter().filter(move |other| other.as_str() != *name))
        .collect();
    let here = definitions.iter().filter(|definition| is_here(definition.name().span));
    let here = here.map(|definition| definition.name().name.clone());
    let unused: BTreeSet<_> = unused.map(|(name, _)| *name).collect();
    here.filter(|name| unused.contains(name.as_str()) && !named_by_unused.contains(name)).collect()
}

fn uses(definition: &mut Definition) -> Uses {
    let mut uses = Uses::default();
    definition.visit_names(&mut |name, sort| {
        match sort {
            Sort::Type => uses.types.insert(name.name.clone()),
            Sort::Constant => uses.constants.insert(name.name.clone()),
        };
    });
    uses
}

/// Whether it defines one of the constants that are named somewhere, as an enum's member.
fn is_enum_of(definition: &Definition, constants: &BTreeSet<&String>) -> bool {
    let mut found = false;
    if let Definition::Type(_) = definition {
        names::defined_names(definition, &mut |name, sort| {
            found |= sort == Sort::Constant && constants.contains(&name);
        });
    }
    found
}

fn reached<'a>(roots: Vec<&'a str>, by_name: &BTreeMap<&'a str, &'a Uses>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut todo = roots;
    while let Some(name) = todo.pop() {
        if let Some(uses) = by_name.get(name)
            && reached.insert(name)
        {
            todo.extend(uses.types.iter().map(String::as_str));
        }
    }
    reached
}
