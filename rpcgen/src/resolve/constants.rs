//! The values of constants.

use std::collections::BTreeMap;

use crate::ast::{self, ConstantDef, Definition, EnumBody, Ident, TypeBody, TypeSpecifier, Value};
use crate::code::Code;
use crate::diag::{Diagnostic, Diagnostics};
use crate::model::{Constant, ConstantValue};
use crate::naming::{self, Scope};
use crate::source::Span;

use super::{Resolver, duplicate, similar};

/// Constants that refer to each other end here: longer chains are circles.
const MAX_CHAIN: usize = 256;

/// Everything that a value can name.
#[derive(Debug)]
pub(super) struct Constants<'a> {
    names: BTreeMap<&'a str, (Meaning<'a>, Span)>,
    /// Names of programs, versions and procedures: Sun's files use them as constants.
    numbers: BTreeMap<&'a str, &'a Value>,
    scope: Scope,
}

#[derive(Debug, Clone, Copy)]
enum Meaning<'a> {
    /// What the value stands for, plus a number.
    Value(&'a Value, i128),
    Number(i128),
    Text,
}

impl<'a> Constants<'a> {
    pub(super) fn collect(definitions: &'a [Definition], diagnostics: &mut Diagnostics) -> Self {
        let mut all =
            Self { names: BTreeMap::new(), numbers: BTreeMap::new(), scope: Scope::default() };
        for definition in definitions {
            match definition {
                Definition::Constant(def) => {
                    let meaning = match &def.value {
                        ast::ConstantValue::Number(value) => Meaning::Value(value, 0),
                        ast::ConstantValue::Text(_) => Meaning::Text,
                    };
                    all.add(&def.name, meaning, diagnostics);
                }
                Definition::Type(def) => all.add_body(&def.body, diagnostics),
                Definition::Program(def) => all.add_program(def),
            }
        }
        all
    }

    fn add(&mut self, name: &'a Ident, meaning: Meaning<'a>, diagnostics: &mut Diagnostics) {
        if let Some((_, first)) = self.names.get(name.name.as_str()) {
            diagnostics.push(duplicate("constant", name, *first));
            return;
        }
        self.names.insert(&name.name, (meaning, name.span));
    }

    fn add_body(&mut self, body: &'a TypeBody, diagnostics: &mut Diagnostics) {
        match body {
            TypeBody::Enum(body) => self.add_enum(body, diagnostics),
            TypeBody::Struct(body) => {
                for member in &body.members {
                    self.add_specifier(&member.specifier, diagnostics);
                }
            }
            TypeBody::Union(body) => {
                self.add_specifier(&body.discriminant.specifier, diagnostics);
                let cases = body.cases.iter().chain(&body.default);
                for declaration in cases.filter_map(|case| case.declaration.as_ref()) {
                    self.add_specifier(&declaration.specifier, diagnostics);
                }
            }
            TypeBody::Typedef(declaration) => {
                self.add_specifier(&declaration.specifier, diagnostics)
            }
        }
    }

    fn add_specifier(&mut self, specifier: &'a TypeSpecifier, diagnostics: &mut Diagnostics) {
        if let TypeSpecifier::Body(body) = specifier {
            self.add_body(body, diagnostics);
        }
    }

    fn add_enum(&mut self, body: &'a EnumBody, diagnostics: &mut Diagnostics) {
        let mut base = None;
        let mut steps = 0;
        for member in &body.members {
            if let Some(value) = &member.value {
                base = Some(value);
                steps = 0;
            }
            let meaning = base.map_or(Meaning::Number(steps), |value| Meaning::Value(value, steps));
            self.add(&member.name, meaning, diagnostics);
            steps += 1;
        }
    }

    fn add_program(&mut self, def: &'a ast::ProgramDef) {
        self.numbers.entry(&def.name.name).or_insert(&def.number);
        for version in &def.versions {
            self.numbers.entry(&version.name.name).or_insert(&version.number);
            for procedure in &version.procedures {
                self.numbers.entry(&procedure.name.name).or_insert(&procedure.number);
            }
        }
    }

    /// The number that `value` stands for.
    pub(super) fn evaluate(&self, value: &Value) -> Result<i128, Diagnostic> {
        let mut current = value;
        let mut sum = 0;
        for _ in 0..MAX_CHAIN {
            let name = match current {
                Value::Constant(number, _) => return Ok(sum + number),
                Value::Name(name) => name,
            };
            current = match self.names.get(name.name.as_str()) {
                Some((Meaning::Value(value, plus), _)) => {
                    sum += plus;
                    value
                }
                Some((Meaning::Number(number), _)) => return Ok(sum + number),
                Some((Meaning::Text, place)) => return Err(text_as_number(name, *place)),
                None => match self.numbers.get(name.name.as_str()) {
                    Some(value) => value,
                    None => return self.boolean(name).map(|number| sum + number),
                },
            };
        }
        let error =
            Diagnostic::new(Code::SelfDefined, value.span(), "this constant is defined by itself");
        Err(error)
    }

    fn boolean(&self, name: &Ident) -> Result<i128, Diagnostic> {
        match name.name.as_str() {
            "TRUE" => Ok(1),
            "FALSE" => Ok(0),
            _ => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, name: &Ident) -> Diagnostic {
        let error = Diagnostic::new(
            Code::UnknownConstant,
            name.span,
            format!("cannot find constant `{}`", name.name),
        )
        .label("not defined in this file or its includes");
        match similar(&name.name, self.names.keys().copied()) {
            Some(other) => error.replace_by(other, "a constant has a similar name"),
            None => error,
        }
    }
}

fn text_as_number(name: &Ident, place: Span) -> Diagnostic {
    Diagnostic::new(
        Code::NotANumber,
        name.span,
        format!("constant `{}` is not a number", name.name),
    )
    .label("a number is needed here")
    .also(place, "defined here")
}

impl Resolver<'_> {
    pub(super) fn constant(&mut self, def: &ConstantDef) -> Option<Constant> {
        let value = match &def.value {
            ast::ConstantValue::Text(text) => ConstantValue::Text(text.clone()),
            ast::ConstantValue::Number(value) => ConstantValue::Number(self.number(value)?),
        };
        let rust = self.constants.scope.take(naming::shouty(&def.name.name));
        Some(Constant { idl: def.name.name.clone(), rust, value, docs: def.docs.clone() })
    }

    /// The number that `value` stands for; reports why there is none.
    pub(super) fn number(&mut self, value: &Value) -> Option<i128> {
        self.constants.evaluate(value).map_err(|error| self.error(error)).ok()
    }

    /// A number of 32 bits without sign, for a bound or a program's, version's or procedure's number.
    pub(super) fn unsigned(&mut self, value: &Value, what: &str) -> Option<u32> {
        let number = self.number(value)?;
        let fits = u32::try_from(number).ok();
        if fits.is_none() {
            let message = format!("{what} {number} is out of range");
            self.error(
                Diagnostic::new(Code::OutOfRange, value.span(), message)
                    .label("must be 0 to 4294967295"),
            );
        }
        fits
    }
}
