//! Programs, versions and procedures.

use super::types::{Site, show};
use super::{Comparison, Level, Rule};
use crate::describe::{Procedure, Program, Type, Version};

impl<'a> Comparison<'a> {
    pub(super) fn programs(&mut self) {
        let (old, new) = (self.old, self.new);
        for program in &old.programs {
            let by_number = new.programs.iter().find(|other| other.number == program.number);
            let by_name = new.programs.iter().find(|other| other.name == program.name);
            match by_number.or(by_name) {
                Some(now) => self.program(program, now),
                None => {
                    let name = &program.name;
                    let message = format!("program `{name}` is gone");
                    let rule = Rule::ProgramRemoved;
                    self.report_old(rule, Level::Wire, name, &program.at, message);
                }
            }
        }
        self.pairs();
    }

    fn program(&mut self, old: &'a Program, new: &'a Program) {
        if old.number != new.number {
            let message = format!("{} {:#x} -> {:#x}", old.name, old.number, new.number);
            self.report(Rule::ProgramNumber, Level::Wire, &old.name, &new.at, message);
        } else if old.name != new.name {
            self.rename("program", &old.name, &new.name, &new.at);
        }
        for version in &old.versions {
            let path = format!("{}.{}", old.name, version.number);
            match new.versions.iter().find(|other| other.number == version.number) {
                Some(now) => self.version(&path, version, now),
                None => {
                    let message = format!("version {} of {} is gone", version.number, old.name);
                    let rule = Rule::VersionRemoved;
                    self.report_old(rule, Level::Wire, &path, &version.at, message);
                }
            }
        }
    }

    fn version(&mut self, path: &str, old: &'a Version, new: &'a Version) {
        if old.name != new.name {
            let message = format!("version `{}` of {path} is called `{}` now", old.name, new.name);
            self.report(Rule::Rename, Level::Source, path, &new.at, message);
        }
        // Procedure 0 without arguments and results is there whether it is declared or not.
        for procedure in old.procedures.iter().filter(|procedure| !is_null(procedure)) {
            let path = format!("{path}.{}", procedure.name);
            match counterpart(old, procedure, new) {
                Some(now) => self.procedure(&path, procedure, now),
                None => {
                    let message = format!("procedure {path} is gone");
                    let rule = Rule::ProcRemoved;
                    self.report_old(rule, Level::Wire, &path, &procedure.at, message);
                }
            }
        }
    }

    fn procedure(&mut self, path: &str, old: &'a Procedure, new: &'a Procedure) {
        if old.number != new.number {
            let message = format!("{path} {} -> {}", old.number, new.number);
            self.report(Rule::ProcNumber, Level::Wire, path, &new.at, message);
        } else if old.name != new.name {
            let message = format!("procedure {path} is called `{}` now", new.name);
            self.report(Rule::Rename, Level::Source, path, &new.at, message);
        }
        for index in 0..old.arguments.len().max(new.arguments.len()) {
            let what = format!("{path} argument {}", index + 1);
            let site = Site { rule: Rule::ProcArgType, name: path, what: &what, at: &new.at };
            self.or_void(old.arguments.get(index), new.arguments.get(index), &site);
        }
        let what = format!("{path} result");
        let site = Site { rule: Rule::ProcResultType, name: path, what: &what, at: &new.at };
        self.or_void(old.result.as_ref(), new.result.as_ref(), &site);
    }

    /// Compares two types, each of which may be `void`.
    pub(super) fn or_void(
        &mut self,
        old: Option<&'a Type>,
        new: Option<&'a Type>,
        site: &Site<'_>,
    ) {
        match (old, new) {
            (Some(old), Some(new)) => self.types(old, new, site),
            (None, None) => {}
            (old, new) => {
                let shown = |ty: Option<&Type>| ty.map_or_else(|| "void".to_owned(), show);
                let message =
                    format!("{} changed from {} to {}", site.what, shown(old), shown(new));
                self.report(site.rule, Level::Wire, site.name, site.at, message);
            }
        }
    }
}

/// What a procedure of the version `old` has become in `new`: the one of its name, or else the one
/// of its number, unless that had another name before.
fn counterpart<'a>(old: &Version, of: &Procedure, new: &'a Version) -> Option<&'a Procedure> {
    let by_name = new.procedures.iter().find(|other| other.name == of.name);
    let by_number = || new.procedures.iter().find(|other| other.number == of.number);
    let is_new = |other: &&Procedure| old.procedures.iter().all(|before| before.name != other.name);
    by_name.or_else(|| by_number().filter(is_new))
}

fn is_null(procedure: &Procedure) -> bool {
    procedure.number == 0 && procedure.arguments.is_empty() && procedure.result.is_none()
}
