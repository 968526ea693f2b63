//! The rules of RFC 5531 §12.2.

use super::{Failed, Parsed, Parser};
use crate::ast::{ProcedureDef, ProcedureType, ProgramDef, Shape, TypeSpecifier, VersionDef};
use crate::lexer::Kind;

impl Parser<'_> {
    pub(super) fn program_def(&mut self) -> Parsed<ProgramDef> {
        let start = self.at;
        self.expect("program")?;
        let name = self.defined_name()?;
        self.expect("{")?;
        let mut versions = Vec::new();
        loop {
            let start = self.at;
            match self.version_def() {
                Ok(version) => versions.push(version),
                Err(Failed) => self.recover_in_body(start)?,
            }
            if !self.next_is("version") {
                break;
            }
        }
        self.expect("}")?;
        self.expect("=")?;
        let number = self.value()?;
        self.expect(";")?;
        Ok(ProgramDef { name, versions, number, docs: self.docs(start) })
    }

    fn version_def(&mut self) -> Parsed<VersionDef> {
        let start = self.at;
        self.expect("version")?;
        let name = self.identifier()?;
        self.expect("{")?;
        let mut procedures = Vec::new();
        while !self.accept("}") {
            let start = self.at;
            match self.procedure_def() {
                Ok(procedure) => procedures.push(procedure),
                Err(Failed) => self.recover_in_body(start)?,
            }
        }
        self.expect("=")?;
        let number = self.value()?;
        self.expect(";")?;
        Ok(VersionDef { name, procedures, number, docs: self.docs(start) })
    }

    fn procedure_def(&mut self) -> Parsed<ProcedureDef> {
        let start = self.at;
        let result = self.proc_return()?;
        let name = self.identifier()?;
        self.expect("(")?;
        let arguments = self.arguments()?;
        self.expect(")")?;
        self.expect("=")?;
        let number = self.value()?;
        self.expect(";")?;
        Ok(ProcedureDef { name, result, arguments, number, docs: self.docs(start) })
    }

    fn proc_return(&mut self) -> Parsed<Option<ProcedureType>> {
        if self.accept("void") { Ok(None) } else { self.procedure_type(false).map(Some) }
    }

    /// As C has it, `void` may be left out.
    fn arguments(&mut self) -> Parsed<Vec<ProcedureType>> {
        let mut arguments = Vec::new();
        if self.accept("void") || self.next_is(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.procedure_type(true)?);
            if !self.accept(",") {
                return Ok(arguments);
            }
        }
    }

    /// A type specifier; as extensions, what makes it optional or an array, and an argument's name.
    fn procedure_type(&mut self, is_argument: bool) -> Parsed<ProcedureType> {
        let first = self.peek().span;
        let specifier = self.type_specifier()?;
        let optional = self.accept("*");
        let has_name = is_argument && self.peek().kind == Kind::Word;
        let name = if has_name { Some(self.identifier()?) } else { None };
        let shape = match (&specifier, self.shape(&specifier, optional)?) {
            (TypeSpecifier::Opaque, Shape::One) => Shape::Variable(None),
            (_, shape) => shape,
        };
        let span = first.to(self.input.tokens[self.at - 1].span);
        let called = name.as_ref().map_or("", |name| name.name.as_str());
        self.check_shape(&specifier, &shape, called, span)?;
        Ok(ProcedureType { specifier, shape, name, span })
    }
}
