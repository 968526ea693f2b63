//! Definitions of types, and the bodies in them.

use super::{Failed, Parsed, Parser};
use crate::ast::{
    CaseSpec, Declaration, EnumBody, EnumMember, Ident, StructBody, TypeBody, TypeDef, UnionBody,
};
use crate::code::Code;
use crate::diag::Diagnostic;

impl Parser<'_> {
    pub(super) fn type_def(&mut self) -> Parsed<TypeDef> {
        let start = self.at;
        let (name, body) = match self.next().text.as_str() {
            "typedef" => self.typedef(start)?,
            keyword => (self.defined_name()?, self.body(keyword)?),
        };
        self.expect(";")?;
        Ok(TypeDef { name, body, docs: self.docs(start) })
    }

    fn typedef(&mut self, start: usize) -> Parsed<(Ident, TypeBody)> {
        let Some(declaration) = self.declaration()? else {
            let error = Diagnostic::new(
                Code::TypedefVoid,
                self.input.tokens[start].span,
                "`typedef void` names no type",
            );
            return Err(self.fail(error));
        };
        let Ident { name, span } = &declaration.name;
        let name = Ident { name: format!("{}{name}", self.path), span: *span };
        Ok((name, TypeBody::Typedef(Box::new(declaration))))
    }

    pub(super) fn enum_body(&mut self) -> Parsed<EnumBody> {
        self.expect("{")?;
        let mut members = Vec::new();
        loop {
            let start = self.at;
            let name = self.identifier()?;
            let value = if self.accept("=") { Some(self.value()?) } else { None };
            let more = self.accept(",");
            members.push(EnumMember { name, value, docs: self.docs(start) });
            if !more || self.next_is("}") {
                break;
            }
        }
        if !self.accept("}") {
            return Err(self.unexpected("`,` or `}`", ""));
        }
        Ok(EnumBody { members })
    }

    pub(super) fn struct_body(&mut self) -> Parsed<StructBody> {
        self.expect("{")?;
        let mut members = Vec::new();
        while !self.accept("}") {
            let start = self.at;
            match self.struct_member() {
                Ok(member) => members.extend(member),
                Err(Failed) => self.recover_in_body(start)?,
            }
        }
        Ok(StructBody { members })
    }

    fn struct_member(&mut self) -> Parsed<Option<Declaration>> {
        let start = self.at;
        let declaration = self.declaration()?;
        self.expect(";")?;
        Ok(declaration.map(|declaration| Declaration { docs: self.docs(start), ..declaration }))
    }

    pub(super) fn union_body(&mut self) -> Parsed<UnionBody> {
        self.expect("switch")?;
        self.expect("(")?;
        let open = self.peek().span;
        let Some(discriminant) = self.declaration()? else {
            return Err(self.fail(Diagnostic::new(
                Code::NoDiscriminant,
                open,
                "a union needs a discriminant",
            )));
        };
        self.expect(")")?;
        self.expect("{")?;
        let mut cases = Vec::new();
        while self.next_is("case") {
            let start = self.at;
            match self.case_spec() {
                Ok(case) => cases.push(case),
                Err(Failed) => self.recover_in_body(start)?,
            }
        }
        let default = if self.next_is("default") { Some(self.default_case()?) } else { None };
        if !self.next_is("}") {
            return Err(self.unexpected("`case`, `default` or `}`", ""));
        }
        self.next();
        Ok(UnionBody { discriminant, cases, default })
    }

    fn case_spec(&mut self) -> Parsed<CaseSpec> {
        let start = self.at;
        let mut labels = Vec::new();
        while self.accept("case") {
            labels.push(self.value()?);
            self.expect(":")?;
        }
        let declaration = self.declaration()?;
        self.expect(";")?;
        Ok(CaseSpec { labels, declaration, docs: self.docs(start) })
    }

    fn default_case(&mut self) -> Parsed<CaseSpec> {
        let start = self.at;
        self.expect("default")?;
        self.expect(":")?;
        let declaration = self.declaration()?;
        self.expect(";")?;
        Ok(CaseSpec { labels: Vec::new(), declaration, docs: self.docs(start) })
    }
}
