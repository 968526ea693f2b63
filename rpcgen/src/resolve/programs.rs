//! Programs, their versions and procedures.

use std::collections::BTreeMap;

use crate::ast::{Definition, ProcedureDef, ProgramDef, VersionDef};
use crate::code::Code;
use crate::diag::Diagnostic;
use crate::model::{Argument, Procedure, Program, Type, Version};
use crate::naming::{self, Scope};
use crate::source::Span;

use super::Resolver;

/// What generated clients have beside a version's procedures.
const METHODS: [&str; 7] = ["clone", "connect", "connect_with", "new", "null", "start", "with"];

/// What generated methods name beside their arguments.
const VARIABLES: [&str; 9] =
    ["args", "cx", "d", "e", "procedure", "reply", "result", "results", "self"];

impl Resolver<'_> {
    pub(super) fn program(&mut self, def: &ProgramDef) -> Option<Program> {
        let number = self.unsigned(&def.number, "program number");
        let mut numbers = BTreeMap::new();
        let mut versions = Vec::new();
        for version in &def.versions {
            let resolved = self.version(def, version);
            if let Some(resolved) = resolved {
                self.check_number(
                    &mut numbers,
                    "version number",
                    resolved.number,
                    &version.name.name,
                    version.number.span(),
                );
                versions.push(resolved);
            }
        }
        let rust = self.modules.take(naming::snake(&def.name.name));
        let idl = def.name.name.clone();
        Some(Program { idl, rust, number: number?, versions, docs: def.docs.clone() })
    }

    fn version(&mut self, program: &ProgramDef, def: &VersionDef) -> Option<Version> {
        let number = self.unsigned(&def.number, "version number");
        let idl: Vec<_> = def.procedures.iter().map(|p| p.name.name.as_str()).collect();
        let names = match idl[..] {
            [only] => vec![naming::without_words(
                only,
                naming::words_shared_with(only, &program.name.name)
                    .max(naming::words_shared_with(only, &def.name.name)),
            )],
            _ => naming::members(&idl, ""),
        };
        let mut scope = Scope::reserving(&METHODS);
        let mut numbers = BTreeMap::new();
        let mut procedures = Vec::new();
        for (procedure, name) in def.procedures.iter().zip(names) {
            let Some(number) = self.unsigned(&procedure.number, "procedure number") else {
                continue;
            };
            self.check_number(
                &mut numbers,
                "procedure number",
                number,
                &procedure.name.name,
                procedure.number.span(),
            );
            let null = number == 0 && procedure.arguments.is_empty() && procedure.result.is_none();
            if !null {
                procedures.push(self.procedure(
                    program,
                    procedure,
                    number,
                    scope.take(naming::snake(&name)),
                ));
            }
        }
        procedures.sort_by_key(|procedure| procedure.number);
        let (idl, docs) = (def.name.name.clone(), def.docs.clone());
        Some(Version { idl, number: number?, procedures, docs })
    }

    fn procedure(
        &mut self,
        program: &ProgramDef,
        def: &ProcedureDef,
        number: u32,
        rust: String,
    ) -> Procedure {
        let types: Vec<_> = def
            .arguments
            .iter()
            .map(|of| {
                let ty = self.procedure_type(of);
                self.with_lists(&ty)
            })
            .collect();
        let result = def.result.as_ref().map(|of| self.procedure_type(of));
        let names = self.argument_names(program, def, &types);
        let arguments =
            names.into_iter().zip(types).map(|(rust, ty)| Argument { rust, ty }).collect();
        Procedure {
            idl: def.name.name.clone(),
            rust,
            number,
            arguments,
            result: result.map(|ty| self.with_lists(&ty)),
            idempotent: def.docs.has_tag("idempotent"),
            deferred: def.docs.has_tag("deferred"),
            docs: def.docs.clone(),
        }
    }

    /// An argument is called as its type is, without what that shares with the procedure's or the
    /// program's name. A built-in type, or one that is there twice, leaves only a number.
    fn argument_names(
        &self,
        program: &ProgramDef,
        def: &ProcedureDef,
        types: &[Type],
    ) -> Vec<String> {
        let own = |ty: &Type| match ty {
            Type::Named(id) | Type::Chain(id) => {
                let idl = &self.model.types[*id].idl;
                let shared = naming::words_shared_with(idl, &def.name.name)
                    .max(naming::words_shared_with(idl, &program.name.name));
                Some(naming::snake(&naming::without_words(idl, shared)))
            }
            _ => None,
        };
        let own: Vec<_> = types.iter().map(own).collect();
        let mut scope = Scope::reserving(&VARIABLES);
        let name = |(i, name): (usize, &Option<String>)| match name {
            Some(name) if own.iter().filter(|other| *other == &Some(name.clone())).count() == 1 => {
                name.clone()
            }
            _ if own.len() == 1 => "arg".to_owned(),
            _ => format!("arg{}", i + 1),
        };
        own.iter().enumerate().map(name).map(|name| scope.take(name)).collect()
    }

    fn check_number(
        &mut self,
        seen: &mut BTreeMap<u32, (Span, String)>,
        what: &str,
        number: u32,
        name: &str,
        span: Span,
    ) {
        if let Some((first, by)) = seen.get(&number) {
            let error = Diagnostic::new(
                Code::DuplicateNumber,
                span,
                format!("{what} {number} is used twice"),
            )
            .label("second use")
            .also(*first, format!("first used by `{by}`"));
            self.error(error);
        }
        seen.entry(number).or_insert_with(|| (span, name.to_owned()));
    }

    /// Reports what two programs may not share.
    pub(super) fn check_programs(&mut self, definitions: &[Definition]) {
        let mut names: BTreeMap<&str, Span> = BTreeMap::new();
        for definition in definitions {
            let Definition::Program(def) = definition else { continue };
            match names.get(def.name.name.as_str()) {
                Some(first) => self.error(super::duplicate("program", &def.name, *first)),
                None => drop(names.insert(&def.name.name, def.name.span)),
            }
        }
    }
}
