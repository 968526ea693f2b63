//! The rules of RFC 5531 §12.2.

use super::{Failed, Parsed, Parser};
use crate::ast::{ProcedureDef, ProcedureType, ProgramDef, Shape, TypeSpecifier, VersionDef};

impl Parser<'_> {
    pub(super) fn program_def(&mut self) -> Parsed<ProgramDef> {
        let start = self.at;
        self.expect("program")?;
        let name = self.identifier()?;
        self.expect("{")?;
        let mut versions = vec![self.version_def()?];
        while self.peek().text == "version" {
            versions.push(self.version_def()?);
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
        if self.accept("void") { Ok(None) } else { self.procedure_type().map(Some) }
    }

    fn arguments(&mut self) -> Parsed<Vec<ProcedureType>> {
        let mut arguments = Vec::new();
        if self.accept("void") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.procedure_type()?);
            if !self.accept(",") {
                return Ok(arguments);
            }
        }
    }

    /// A type specifier; as an extension, `string` and `opaque` with an optional bound.
    fn procedure_type(&mut self) -> Parsed<ProcedureType> {
        let first = self.peek().span;
        let specifier = self.type_specifier()?;
        let shape = match specifier {
            TypeSpecifier::String | TypeSpecifier::Opaque => match self.shape()? {
                Shape::One => Shape::Variable(None),
                shape => shape,
            },
            _ => Shape::One,
        };
        let span = first.to(self.input.tokens[self.at - 1].span);
        Ok(ProcedureType { specifier, shape, span })
    }
}
