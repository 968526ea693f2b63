//! The rules of RFC 5531 §12.3: what is unique in programs.

use std::collections::BTreeMap;

use crate::ast::{Definition, Ident, ProgramDef, Value, VersionDef};
use crate::code::Code;
use crate::diag::Diagnostic;
use crate::source::Span;

use super::{Resolver, duplicate};

/// Who has a number, and where.
type Numbers<K> = BTreeMap<K, (Span, String)>;

impl Resolver<'_> {
    /// Reports what two programs, versions or procedures may not share.
    pub(super) fn check_programs(&mut self, definitions: &[Definition]) {
        let mut names = BTreeMap::new();
        let mut numbers = Numbers::new();
        for definition in definitions {
            let Definition::Program(def) = definition else { continue };
            if self.is_unique(&mut names, "program", &def.name) {
                self.check_program_name(def);
                self.check_versions(def, &mut numbers);
            }
        }
    }

    /// Reports a name that is there already.
    fn is_unique<'n>(
        &mut self,
        names: &mut BTreeMap<&'n str, Span>,
        what: &str,
        name: &'n Ident,
    ) -> bool {
        if let Some(first) = names.get(name.name.as_str()) {
            let error = duplicate(what, name, *first);
            self.error(error);
            return false;
        }
        names.insert(&name.name, name.span);
        true
    }

    /// Programs have names in the scope of types and constants. A constant with the program's number
    /// does no harm.
    fn check_program_name(&mut self, def: &ProgramDef) {
        let name = &def.name;
        if let Some((id, place)) = self.names.get(name.name.as_str())
            && !self.unknown.contains(id)
        {
            let message = format!("`{}` is a type already", name.name);
            let error = Diagnostic::new(Code::Duplicate, name.span, message)
                .label("second definition")
                .also(*place, "first definition");
            self.error(error);
        } else if self.constants.computed(&name.name) != self.number(&def.number) {
            self.check_other_kind(name);
        }
    }

    fn check_versions(&mut self, def: &ProgramDef, all: &mut Numbers<(u32, u32)>) {
        let program = self.unsigned(&def.number, "program number");
        let mut names = BTreeMap::new();
        let mut numbers = Numbers::new();
        for version in &def.versions {
            self.is_unique(&mut names, "version", &version.name);
            self.check_procedures(version);
            let Some(number) = self.unsigned(&version.number, "version number") else { continue };
            let what = format!("version number {number}");
            let own =
                self.check_number(&mut numbers, number, &what, &version.name, &version.number);
            if let Some(program) = program
                && own
            {
                let what = format!("version {number} of program {program:#x}");
                self.check_number(all, (program, number), &what, &def.name, &def.number);
            }
        }
    }

    fn check_procedures(&mut self, def: &VersionDef) {
        if def.procedures.is_empty() && !self.diagnostics.have_skipped() {
            let message = format!("version `{}` has no procedures", def.name.name);
            let error = Diagnostic::new(Code::NoProcedures, def.name.span, message)
                .help("procedure 0 does nothing: `void NULL(void) = 0;`");
            self.error(error);
        }
        let mut names = BTreeMap::new();
        let mut numbers = Numbers::new();
        for of in &def.procedures {
            self.is_unique(&mut names, "procedure", &of.name);
            if let Some(number) = self.unsigned(&of.number, "procedure number") {
                let what = format!("procedure number {number}");
                self.check_number(&mut numbers, number, &what, &of.name, &of.number);
            }
        }
    }

    /// Reports a number that is there already.
    fn check_number<K: Ord>(
        &mut self,
        numbers: &mut Numbers<K>,
        number: K,
        what: &str,
        name: &Ident,
        value: &Value,
    ) -> bool {
        if let Some((first, by)) = numbers.get(&number) {
            let message = format!("{what} is used twice");
            let error = Diagnostic::new(Code::DuplicateNumber, value.span(), message)
                .label("second use")
                .also(*first, format!("first used by `{by}`"));
            self.error(error);
            return false;
        }
        numbers.insert(number, (value.span(), name.name.clone()));
        true
    }
}
