//! Names to what they stand for, and every rule that a grammar cannot say.

mod constants;
mod declarations;
mod nesting;
mod programs;
mod recursion;
mod rules;
mod unions;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::ast::{self, Definition, Ident, Shape, TypeBody, TypeSpecifier, UnionBody};
use crate::code::Code;
use crate::diag::{Diagnostic, Diagnostics};
use crate::docs::Docs;
use crate::model::{Body, Item, Model, Type, TypeId, TypeItem};
use crate::naming::{self, Scope, Style, similar};
use crate::options::Options;
use crate::source::Span;
use constants::Constants;

pub(crate) use declarations::is_built_in;

/// Resolves `definitions`. Something is in `diagnostics` unless the model is right.
pub(crate) fn resolve(
    definitions: &[Definition],
    options: &Options,
    diagnostics: &mut Diagnostics,
) -> Model {
    let constants = Constants::collect(definitions, diagnostics);
    let mut resolver = Resolver::new(constants, options, diagnostics);
    resolver.name_namespaces(definitions);
    resolver.name_types(definitions);
    resolver.check_announced(definitions);
    resolver.check_reserved();
    resolver.lower_types(definitions);
    resolver.check_cycles();
    resolver.check_nesting();
    if !resolver.diagnostics.has_errors() {
        resolver.find_lists();
        resolver.mark_recursion();
    }
    resolver.items(definitions);
    if !resolver.diagnostics.has_errors() {
        options.apply(&mut resolver.model);
    }
    resolver.model
}

/// The state of one resolution.
struct Resolver<'a> {
    options: &'a Options,
    style: Style,
    model: Model,
    constants: Constants<'a>,
    names: BTreeMap<&'a str, (TypeId, Span)>,
    /// Where each type's name is, for messages.
    places: Vec<Span>,
    /// What the types and modules of each namespace are called.
    scopes: BTreeMap<String, Scope>,
    /// Unions that are not lowered yet.
    unions: VecDeque<(TypeId, &'a UnionBody)>,
    /// The bodies inside of each type.
    inner: BTreeMap<TypeId, Vec<TypeId>>,
    /// Arrays of other types than bytes: where, and of what.
    arrays: Vec<(Span, Type)>,
    /// What stands for each name that is defined nowhere.
    unknown: BTreeSet<TypeId>,
    /// A type that is not in the file but known.
    netbuf: Option<TypeId>,
    diagnostics: &'a mut Diagnostics,
}

impl<'a> Resolver<'a> {
    fn new(
        constants: Constants<'a>,
        options: &'a Options,
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        Self {
            options,
            style: Style { c_names: options.c_names },
            model: Model::default(),
            constants,
            names: BTreeMap::new(),
            places: Vec::new(),
            scopes: BTreeMap::new(),
            unions: VecDeque::new(),
            inner: BTreeMap::new(),
            arrays: Vec::new(),
            unknown: BTreeSet::new(),
            netbuf: None,
            diagnostics,
        }
    }

    /// Gives every namespace its module.
    fn name_namespaces(&mut self, definitions: &[Definition]) {
        for definition in definitions {
            let full = naming::namespace(&definition.name().name);
            for (end, _) in full.match_indices("::") {
                let (path, outer) = (&full[..end], naming::namespace(&full[..end]));
                let namespace = &full[..end + 2];
                if self.model.namespaces.contains_key(namespace) {
                    continue;
                }
                let mut module = self.model.namespaces.get(outer).cloned().unwrap_or_default();
                let name = self.style.snake(naming::last(path));
                module.push(self.scope_of(path).take(name));
                self.model.namespaces.insert(namespace.to_owned(), module);
            }
        }
    }

    /// The names taken in Rust where the definition of `idl` is.
    fn scope_of(&mut self, idl: &str) -> &mut Scope {
        self.scopes.entry(naming::namespace(idl).to_owned()).or_insert_with(naming::types)
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
            self.check_other_kind(name);
            let id = match self.options.extern_type(&name.name) {
                Some(path) => self.extern_type(name, path),
                None => self.new_type(name, &def.docs),
            };
            self.names.insert(&name.name, (id, name.span));
        }
    }

    /// Reports a type's or program's name that is a constant's too: RFC 4506 §6.4 and RFC 5531 §12.3
    /// have one scope for all.
    fn check_other_kind(&mut self, name: &Ident) {
        if let Some(first) = self.constants.defined_at(&name.name) {
            let message = format!("`{}` is a constant already", name.name);
            let error = Diagnostic::new(Code::Duplicate, name.span, message)
                .label("second definition")
                .also(first, "first definition");
            self.error(error);
        }
    }

    fn new_type(&mut self, name: &Ident, docs: &Docs) -> TypeId {
        let rust = self.style.upper_camel(naming::last(&name.name));
        let rust = self.scope_of(&name.name).take(rust);
        // A placeholder: `lower_types` puts the body in.
        let body = Body::Alias(Type::Bool);
        let item = TypeItem { idl: name.name.clone(), rust, body, docs: docs.clone() };
        self.push_type(item, name.span)
    }

    /// A type that is not to be generated, because there is a Rust type for it at `path`.
    fn extern_type(&mut self, name: &Ident, path: &str) -> TypeId {
        let (idl, rust) = (name.name.clone(), path.to_owned());
        let item = TypeItem { idl, rust, body: Body::Extern, docs: Docs::default() };
        self.push_type(item, name.span)
    }

    fn push_type(&mut self, item: TypeItem, place: Span) -> TypeId {
        self.model.types.push(item);
        self.places.push(place);
        self.model.types.len() - 1
    }

    /// C's habit `typedef struct name name` says nothing here, but the name must exist.
    fn check_announced(&mut self, definitions: &[Definition]) {
        for def in type_defs(definitions).filter(|def| announces(def)) {
            if !self.names.contains_key(def.name.name.as_str()) {
                let message = format!("type `{}` is defined by itself", def.name.name);
                let error = Diagnostic::new(Code::SelfDefined, def.name.span, message)
                    .label("this is the only definition")
                    .unknown(&def.name.name);
                self.error(error);
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

    /// The type that `def` defines, unless it repeats a name or is not to be generated.
    fn id_of(&self, def: &ast::TypeDef) -> Option<TypeId> {
        let (id, span) = self.names.get(def.name.name.as_str())?;
        let is_extern = matches!(self.model.types[*id].body, Body::Extern);
        (*span == def.name.span && !is_extern).then_some(*id)
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
