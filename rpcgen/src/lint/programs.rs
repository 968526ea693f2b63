//! Programs: their numbers and those of their versions, and what procedure 0 is for.

use super::registry::{self, Range};
use super::{Linter, start};
use crate::ast::{Definition, ProgramDef};
use crate::code::Code;
use crate::model::{Item, Procedure, Program};
use crate::naming;

impl<'a> Linter<'a> {
    pub(super) fn programs(&mut self) {
        for program in self.model_programs() {
            self.program_number(program);
            self.version_zero(program);
            for version in &program.versions {
                version.procedures.iter().for_each(|procedure| self.busy_null(procedure));
            }
        }
    }

    pub(super) fn model_programs(&self) -> Vec<&'a Program> {
        let of_program = |item: &'a Item| match item {
            Item::Program(program) => Some(program),
            _ => None,
        };
        self.model.items.iter().filter_map(of_program).collect()
    }

    fn definition(&self, program: &Program) -> Option<&'a ProgramDef> {
        let same = |def: &&ProgramDef| start(def.docs.span) == start(program.docs.span);
        let of_program = |definition: &'a Definition| match definition {
            Definition::Program(def) => Some(def),
            _ => None,
        };
        self.definitions.iter().filter_map(of_program).find(same)
    }

    fn program_number(&mut self, program: &Program) {
        let number = program.number;
        let Some(def) = self.definition(program) else { return };
        let owner = registry::owner(number);
        if owner.is_some_and(|owner| owner.is_called(naming::last(&program.idl))) {
            return;
        }
        let shown = self.sources.text(def.number.span()).to_owned();
        let message = match (owner, Range::of(number)) {
            (Some(owner), _) => {
                format!("program number {number} belongs to `{}` in the IANA registry", owner.name)
            }
            (None, Range::Private) => return,
            (None, Range::Assigned) => format!("program number {shown} is IANA's to assign"),
            (None, Range::Transient) => {
                format!("program number {shown} is for programs that take a number as they start")
            }
            (None, Range::Reserved) => format!("program number {shown} is reserved"),
        };
        self.add(Code::ProgramNumber, def.number.span(), message, |warning| {
            warning.label("use 0x20000000 to 0x3fffffff for private programs")
        });
    }

    fn version_zero(&mut self, program: &Program) {
        let Some(def) = self.definition(program) else { return };
        for (version, def) in program.versions.iter().zip(&def.versions) {
            if version.number == 0 {
                let message = format!("version 0 of `{}`", program.idl);
                self.add(Code::VersionZero, def.number.span(), message, |warning| {
                    warning.label("the first one is usually 1").help(
                        "clients call version 0 to be told which versions there are (RFC 5531 §8.1)",
                    )
                });
            }
        }
    }

    fn busy_null(&mut self, procedure: &Procedure) {
        if procedure.number != 0 {
            return;
        }
        let message = format!("procedure 0 is for `void {}(void)`", procedure.idl);
        self.add(Code::BusyNull, self.name(&procedure.docs), message, |warning| {
            warning.label("takes or returns something").help(
                "by custom it does nothing, so that everyone can ask whether the server is there",
            )
        });
    }
}
