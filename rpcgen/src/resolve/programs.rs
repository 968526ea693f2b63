//! Programs, their versions and procedures.

use crate::ast::{ProcedureDef, ProcedureType, ProgramDef, VersionDef};
use crate::model::{Argument, Procedure, Program, Type, Version};
use crate::naming::{self, Scope};

use super::Resolver;

/// What generated clients have beside a version's procedures.
const METHODS: [&str; 10] =
    ["clone", "connect", "connect_with", "inner", "new", "null", "over", "start", "stats", "with"];

/// What generated methods name beside their arguments.
const VARIABLES: [&str; 15] = [
    "Client",
    "INTERFACE",
    "S",
    "Server",
    "Start",
    "VERSION",
    "args",
    "cx",
    "d",
    "e",
    "procedure",
    "reply",
    "result",
    "results",
    "self",
];

impl<'a> Resolver<'a> {
    pub(super) fn program(&mut self, def: &'a ProgramDef) -> Option<Program> {
        let number = self.unsigned(&def.number, "program number");
        let versions = def.versions.iter().filter_map(|version| self.version(def, version));
        let versions = versions.collect();
        let rust = self.style.snake(naming::last(&def.name.name));
        let rust = self.scope_of(&def.name.name).take(rust);
        let idl = def.name.name.clone();
        Some(Program { idl, rust, number: number?, versions, docs: def.docs.clone() })
    }

    fn version(&mut self, program: &ProgramDef, def: &'a VersionDef) -> Option<Version> {
        let number = self.unsigned(&def.number, "version number");
        let idl: Vec<_> = def.procedures.iter().map(|p| p.name.name.as_str()).collect();
        let names = match idl[..] {
            _ if self.options.keeps_prefix(&def.name.name) => naming::members(&idl, "", true),
            [only] => vec![naming::without_words(
                only,
                naming::words_shared_with(only, naming::last(&program.name.name))
                    .max(naming::words_shared_with(only, &def.name.name)),
            )],
            _ => naming::members(&idl, "", false),
        };
        let mut scope = Scope::reserving(&METHODS);
        let (mut procedures, mut null) = (Vec::new(), None);
        for (procedure, name) in def.procedures.iter().zip(names) {
            let Some(number) = self.unsigned(&procedure.number, "procedure number") else {
                continue;
            };
            let is_null =
                number == 0 && procedure.arguments.is_empty() && procedure.result.is_none();
            if is_null {
                null = Some(self.procedure(program, procedure, number, "null".to_owned()));
            } else {
                let name = scope.take(self.style.snake(&name));
                procedures.push(self.procedure(program, procedure, number, name));
            }
        }
        procedures.sort_by_key(|procedure| procedure.number);
        let (idl, docs) = (def.name.name.clone(), def.docs.clone());
        Some(Version { idl, number: number?, procedures, null, docs })
    }

    fn procedure(
        &mut self,
        program: &ProgramDef,
        def: &'a ProcedureDef,
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

    /// An argument without a name is called as its type is, without what that shares with the
    /// procedure's or the program's name. A built-in type, or one that is there twice, leaves only a number.
    fn argument_names(
        &self,
        program: &ProgramDef,
        def: &ProcedureDef,
        types: &[Type],
    ) -> Vec<String> {
        let own = |ty: &Type| match ty {
            Type::Named(id) | Type::Chain(id) => {
                let idl = naming::last(&self.model.types[*id].idl);
                let shared = naming::words_shared_with(idl, &def.name.name)
                    .max(naming::words_shared_with(idl, naming::last(&program.name.name)));
                Some(naming::snake(&naming::without_words(idl, shared)))
            }
            _ => None,
        };
        let given = |of: &ProcedureType| of.name.as_ref().map(|name| naming::snake(&name.name));
        let own = def.arguments.iter().zip(types).map(|(of, ty)| given(of).or_else(|| own(ty)));
        let own: Vec<_> = own.collect();
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
}
