//! What is allowed in a `.x` file and most likely not meant, or not wise.

mod allow;
mod names;
mod portable;
mod procedures;
mod programs;
mod registry;
mod rules;
mod types;
mod unused;

use std::collections::BTreeMap;
use std::path::Path;

use crate::ast::{Definition, TypeBody, TypeSpecifier};
use crate::code::Code;
use crate::config::Resolved;
use crate::diag::{Diagnostic, Diagnostics};
use crate::docs::Docs;
use crate::model::{Model, TypeId};
use crate::source::{SourceMap, Span};
use crate::{Config, Error, Report};

pub use rules::{NoSuchRule, Rule, Rules, rules};

impl Config {
    /// What `rules` find in a `.x` file: warnings. What it includes is not looked at for itself.
    ///
    /// A comment with `@allow(W07)` lets that pass in the item that it is at, or in the whole file if
    /// it stands at the file's start with an empty line behind it.
    ///
    /// # Errors
    /// What is wrong in the file, with every place; or a file that cannot be read.
    pub fn lint(&self, path: impl AsRef<Path>, rules: &Rules) -> Result<Report, Error> {
        self.resolved(path.as_ref()).map(|resolved| lint(resolved, rules))
    }

    /// What `rules` find in the text of a `.x` file that messages call `name`.
    ///
    /// # Errors
    /// What is wrong in the text, with every place; or an included file that cannot be read.
    pub fn lint_text(&self, name: &str, text: &str, rules: &Rules) -> Result<Report, Error> {
        let resolved = self.resolved_text(Path::new(name), text.to_owned())?;
        Ok(lint(resolved, rules))
    }
}

fn lint(mut resolved: Resolved, rules: &Rules) -> Report {
    let unused = unused::types(&mut resolved.definitions);
    let Resolved { model, definitions, sources, .. } = &resolved;
    let mut linter = Linter {
        model,
        definitions,
        sources,
        types: BTreeMap::new(),
        names: BTreeMap::new(),
        arguments: BTreeMap::new(),
        found: Vec::new(),
    };
    linter.find_names();
    linter.programs();
    linter.procedures();
    linter.types(&unused);
    linter.names();
    linter.portability();
    let allowed = allow::Allowed::of(model, sources);
    let mut diagnostics = Diagnostics::default();
    for Found { code, span, diagnostic } in linter.found {
        if rules.has(code) && !allowed.has(code, span) {
            diagnostics.push(diagnostic);
        }
    }
    diagnostics.report(sources)
}

/// The file that is looked at, and what was found.
struct Linter<'a> {
    model: &'a Model,
    definitions: &'a [Definition],
    sources: &'a SourceMap,
    /// Where the name is of the type that begins here.
    types: BTreeMap<(usize, usize), Span>,
    /// Where the name is of the program, version, procedure or member that begins here.
    names: BTreeMap<(usize, usize), Span>,
    /// Where the arguments are of the procedure that begins here.
    arguments: BTreeMap<(usize, usize), Vec<Span>>,
    found: Vec<Found>,
}

struct Found {
    code: Code,
    span: Span,
    diagnostic: Diagnostic,
}

impl<'a> Linter<'a> {
    /// Adds a finding, unless its place is in another file.
    fn add(
        &mut self,
        code: Code,
        span: Span,
        message: String,
        more: impl FnOnce(Diagnostic) -> Diagnostic,
    ) {
        if is_here(span) {
            let diagnostic = more(Diagnostic::new(code, span, message));
            self.found.push(Found { code, span, diagnostic });
        }
    }

    /// Where the name of a type is.
    fn type_name(&self, id: TypeId) -> Span {
        let span = self.model.types[id].docs.span;
        let name = self.types.get(&start(span)).or_else(|| self.names.get(&start(span)));
        name.copied().unwrap_or(span)
    }

    /// Where the name is of what has these docs and is no type.
    fn name(&self, docs: &Docs) -> Span {
        self.names.get(&start(docs.span)).copied().unwrap_or(docs.span)
    }

    fn find_names(&mut self) {
        let definitions: &'a [Definition] = self.definitions;
        for definition in definitions {
            match definition {
                Definition::Constant(def) => self.found_name(&def.docs, def.name.span),
                Definition::Type(def) => {
                    self.types.insert(start(def.docs.span), def.name.span);
                    self.names_in(&def.body);
                }
                Definition::Program(def) => {
                    self.found_name(&def.docs, def.name.span);
                    for version in &def.versions {
                        self.found_name(&version.docs, version.name.span);
                        for procedure in &version.procedures {
                            self.found_name(&procedure.docs, procedure.name.span);
                            let spans = procedure.arguments.iter().map(|of| of.span).collect();
                            self.arguments.insert(start(procedure.docs.span), spans);
                        }
                    }
                }
            }
        }
    }

    fn found_name(&mut self, docs: &Docs, name: Span) {
        self.names.insert(start(docs.span), name);
    }

    /// As deep as the parser lets bodies be inside of each other.
    fn names_in(&mut self, body: &TypeBody) {
        let declarations: Vec<_> = match body {
            TypeBody::Typedef(of) => vec![&**of],
            TypeBody::Enum(body) => {
                for member in &body.members {
                    self.found_name(&member.docs, member.name.span);
                }
                Vec::new()
            }
            TypeBody::Struct(body) => body.members.iter().collect(),
            TypeBody::Union(body) => {
                let cases = body.cases.iter().chain(&body.default);
                let declared = cases.filter_map(|case| case.declaration.as_ref());
                [&body.discriminant].into_iter().chain(declared).collect()
            }
        };
        for declaration in declarations {
            self.found_name(&declaration.docs, declaration.name.span);
            if let TypeSpecifier::Body(body) = &declaration.specifier {
                self.names_in(body);
            }
        }
    }
}

/// Whether a place is in the file itself. What is known without a file has none.
fn is_here(span: Span) -> bool {
    span.file == 0 && span.end > 0
}

fn start(span: Span) -> (usize, usize) {
    (span.file, span.start)
}
