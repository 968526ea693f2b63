//! Names to what they stand for, and every rule that a grammar cannot say.

mod constants;
mod declarations;
mod programs;
mod recursion;
mod unions;

use std::collections::{BTreeMap, VecDeque};

use crate::ast::{self, Definition, Ident, Shape, TypeBody, TypeSpecifier, UnionBody};
use crate::code::Code;
use crate::diag::{Diagnostic, Diagnostics};
use crate::model::{Body, Item, Model, TypeId, TypeItem};
use crate::naming::{self, Scope};
use crate::source::Span;
use constants::Constants;

/// Resolves `definitions`. Something is in `diagnostics` unless the model is right.
pub(crate) fn resolve(definitions: &[Definition], diagnostics: &mut Diagnostics) -> Model {
    let constants = Constants::collect(definitions, diagnostics);
    let mut resolver = Resolver::new(constants, diagnostics);
    resolver.name_types(definitions);
    resolver.check_announced(definitions);
    resolver.lower_types(definitions);
    resolver.check_cycles();
    if !resolver.diagnostics.is_empty() {
        return resolver.model;
    }
    resolver.find_lists();
    resolver.mark_recursion();
    resolver.items(definitions);
    resolver.model
}

/// The state of one resolution.
struct Resolver<'a> {
    model: Model,
    constants: Constants<'a>,
    names: BTreeMap<&'a str, (TypeId, Span)>,
    /// Where each type's name is, for messages.
    places: Vec<Span>,
    /// What one file's types and modules are called.
    scope: Scope,
    modules: Scope,
    /// Unions that are not lowered yet.
    unions: VecDeque<(TypeId, &'a UnionBody)>,
    /// The bodies inside of each type.
    inner: BTreeMap<TypeId, Vec<TypeId>>,
    /// A type that is not in the file but known.
    netbuf: Option<TypeId>,
    diagnostics: &'a mut Diagnostics,
}

impl<'a> Resolver<'a> {
    fn new(constants: Constants<'a>, diagnostics: &'a mut Diagnostics) -> Self {
        Self {
            model: Model::default(),
            constants,
            names: BTreeMap::new(),
            places: Vec::new(),
            scope: Scope::default(),
            modules: Scope::default(),
            unions: VecDeque::new(),
            inner: BTreeMap::new(),
            netbuf: None,
            diagnostics,
        }
    }

    /// Gives every defined type its place in the model, so that they can name each other.
    fn name_types(&mut self, definitions: &'a [Definition]) {
        for def in type_defs(definitions) {
            let name = &def.name;
            if announces(def) {
                continue;
            }
            if let Some((_, first)) = self.names.get(name.name.as_str()) {
                let first = *first;
                self.error(duplicate("type", name, first));
                continue;
            }
            let rust = self.scope.take(naming::upper_camel(&name.name));
            // A placeholder: `lower_types` puts the body in.
            let body = Body::Alias(crate::model::Type::Bool);
            let item = TypeItem { idl: name.name.clone(), rust, body, docs: def.docs.clone() };
            self.model.types.push(item);
            self.places.push(name.span);
            self.names.insert(&name.name, (self.model.types.len() - 1, name.span));
        }
    }

    /// C's habit `typedef struct name name` says nothing here, but the name must exist.
    fn check_announced(&mut self, definitions: &[Definition]) {
        for def in type_defs(definitions).filter(|def| announces(def)) {
            if !self.names.contains_key(def.name.name.as_str()) {
                let message = format!("type `{}` is defined by itself", def.name.name);
                self.error(Diagnostic::new(Code::SelfDefined, def.name.span, message));
            }
        }
    }

    /// Unions last: they look into enums, by way of typedefs.
    fn lower_types(&mut self, definitions: &'a [Definition]) {
        for def in type_defs(definitions) {
            if let Some(id) = self.id_of(def) {
                self.lower_body(id, &def.body);
            }
        }
        while let Some((id, body)) = self.unions.pop_front() {
            self.lower_union(id, body);
        }
    }

    /// The type that `def` defines, unless it repeats a name.
    fn id_of(&self, def: &ast::TypeDef) -> Option<TypeId> {
        let (id, span) = self.names.get(def.name.name.as_str())?;
        (*span == def.name.span).then_some(*id)
    }

    fn items(&mut self, definitions: &'a [Definition]) {
        for definition in definitions {
            match definition {
                Definition::Constant(def) => {
                    let constant = self.constant(def);
                    self.model.items.extend(constant.map(Item::Constant));
                }
                Definition::Type(def) => {
                    if let Some(id) = self.id_of(def) {
                        self.type_item(id);
                    }
                }
                Definition::Program(def) => {
                    let program = self.program(def);
                    self.model.items.extend(program.map(Item::Program));
                }
            }
        }
        // What is known without a definition turns up as it is used.
        self.model.items.extend(self.netbuf.map(Item::Type));
        self.check_programs(definitions);
    }

    fn type_item(&mut self, id: TypeId) {
        self.model.items.push(Item::Type(id));
        for inner in self.inner.remove(&id).unwrap_or_default() {
            self.type_item(inner);
        }
    }

    fn error(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

fn type_defs(definitions: &[Definition]) -> impl Iterator<Item = &ast::TypeDef> {
    definitions.iter().filter_map(|definition| match definition {
        Definition::Type(def) => Some(def),
        _ => None,
    })
}

/// Whether it is `typedef struct name name`.
fn announces(def: &ast::TypeDef) -> bool {
    matches!(
        &def.body,
        TypeBody::Typedef(of) if matches!(
            (&of.specifier, &of.shape),
            (TypeSpecifier::Name(name), Shape::One) if name.name == def.name.name
        )
    )
}

/// The error for a name that is defined a second time.
fn duplicate(what: &str, name: &Ident, first: Span) -> Diagnostic {
    Diagnostic::new(Code::Duplicate, name.span, format!("{what} `{}` is defined twice", name.name))
        .label("second definition")
        .also(first, "first definition")
}

/// Of `names`, the one that `name` most likely was meant to be.
fn similar<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |other: &str| strsim::damerau_levenshtein(name, other);
    let best = names.min_by_key(|other| distance(other))?;
    (distance(best) <= (name.len() / 3).max(1)).then_some(best)
}
