//! The values of constants.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::ast::{
    self, ConstantDef, Definition, EnumBody, Expression, Ident, Part, TypeBody, TypeSpecifier,
    Value,
};
use crate::code::Code;
use crate::diag::{Diagnostic, Diagnostics};
use crate::model::{Constant, ConstantValue};
use crate::naming::{self, Scope, similar};
use crate::source::Span;
use crate::value;

use super::{Resolver, duplicate};

/// Everything that a value can name.
#[derive(Debug, Default)]
pub(super) struct Constants<'a> {
    names: BTreeMap<String, usize>,
    entries: Vec<Entry<'a>>,
    /// Where the types are defined, for messages.
    types: BTreeMap<&'a str, Span>,
    /// How many unknown names were compared with all others.
    compared: Cell<usize>,
    /// The names of constants in Rust, by namespace.
    scopes: BTreeMap<String, Scope>,
}

#[derive(Debug)]
struct Entry<'a> {
    name: &'a Ident,
    meaning: Meaning<'a>,
    state: State,
    /// It is the number of a program, or of something in one.
    of_program: bool,
}

#[derive(Debug, Clone, Copy)]
enum Meaning<'a> {
    /// What the value stands for, plus a number.
    Value(&'a Value, i128),
    Number(i128),
    Text,
}

/// How far the computation of an entry's number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// What it needs is being computed.
    Open,
    /// `None` if there is none, which is reported.
    Done(Option<i128>),
}

impl<'a> Constants<'a> {
    pub(super) fn collect(definitions: &'a [Definition], diagnostics: &mut Diagnostics) -> Self {
        let mut all = Self::default();
        for definition in definitions {
            let path = naming::namespace(&definition.name().name);
            match definition {
                Definition::Constant(def) => {
                    let meaning = match &def.value {
                        ast::ConstantValue::Number(value) => Meaning::Value(value, 0),
                        ast::ConstantValue::Text(_) => Meaning::Text,
                    };
                    all.add("", &def.name, meaning, diagnostics);
                }
                Definition::Type(def) => {
                    all.types.insert(&def.name.name, def.name.span);
                    all.add_body(path, &def.body, diagnostics);
                }
                Definition::Program(_) => {}
            }
        }
        // What is defined as a constant is one, though a procedure may have the same name.
        for definition in definitions {
            if let Definition::Program(def) = definition {
                all.add_program(def);
            }
        }
        all.compute(diagnostics);
        all
    }

    fn add(
        &mut self,
        path: &str,
        name: &'a Ident,
        meaning: Meaning<'a>,
        diagnostics: &mut Diagnostics,
    ) {
        let full = format!("{path}{}", name.name);
        if let Some(first) = self.names.get(&full) {
            diagnostics.push(duplicate("constant", name, self.entries[*first].name.span));
            return;
        }
        self.insert(full, Entry { name, meaning, state: State::New, of_program: false });
    }

    fn insert(&mut self, full: String, entry: Entry<'a>) {
        self.names.insert(full, self.entries.len());
        self.entries.push(entry);
    }

    fn add_body(&mut self, path: &str, body: &'a TypeBody, diagnostics: &mut Diagnostics) {
        match body {
            TypeBody::Enum(body) => self.add_enum(path, body, diagnostics),
            TypeBody::Struct(body) => {
                for member in &body.members {
                    self.add_specifier(path, &member.specifier, diagnostics);
                }
            }
            TypeBody::Union(body) => {
                self.add_specifier(path, &body.discriminant.specifier, diagnostics);
                let cases = body.cases.iter().chain(&body.default);
                for declaration in cases.filter_map(|case| case.declaration.as_ref()) {
                    self.add_specifier(path, &declaration.specifier, diagnostics);
                }
            }
            TypeBody::Typedef(declaration) => {
                self.add_specifier(path, &declaration.specifier, diagnostics)
            }
        }
    }

    fn add_specifier(
        &mut self,
        path: &str,
        specifier: &'a TypeSpecifier,
        diagnostics: &mut Diagnostics,
    ) {
        if let TypeSpecifier::Body(body) = specifier {
            self.add_body(path, body, diagnostics);
        }
    }

    fn add_enum(&mut self, path: &str, body: &'a EnumBody, diagnostics: &mut Diagnostics) {
        let mut base = None;
        let mut steps = 0;
        for member in &body.members {
            if let Some(value) = &member.value {
                base = Some(value);
                steps = 0;
            }
            let meaning = base.map_or(Meaning::Number(steps), |value| Meaning::Value(value, steps));
            self.add(path, &member.name, meaning, diagnostics);
            steps += 1;
        }
    }

    /// Sun's files use the names of programs, versions and procedures as constants. Of those in
    /// several versions, the first counts.
    fn add_program(&mut self, def: &'a ast::ProgramDef) {
        let path = naming::namespace(&def.name.name);
        self.add_number(def.name.name.clone(), &def.name, &def.number);
        for version in &def.versions {
            self.add_number(format!("{path}{}", version.name.name), &version.name, &version.number);
            for of in &version.procedures {
                self.add_number(format!("{path}{}", of.name.name), &of.name, &of.number);
            }
        }
    }

    fn add_number(&mut self, full: String, name: &'a Ident, number: &'a Value) {
        if !self.names.contains_key(&full) {
            let meaning = Meaning::Value(number, 0);
            self.insert(full, Entry { name, meaning, state: State::New, of_program: true });
        }
    }

    /// Computes the number of every entry, each once and after those that it needs.
    fn compute(&mut self, diagnostics: &mut Diagnostics) {
        let mut stack: Vec<usize> = (0..self.entries.len()).rev().collect();
        while let Some(&entry) = stack.last() {
            match self.entries[entry].state {
                State::New => {
                    self.entries[entry].state = State::Open;
                    self.visit(entry, &mut stack, diagnostics);
                }
                State::Open => {
                    let number = self.entry_number(entry);
                    self.entries[entry].state = State::Done(number.as_ref().ok().copied());
                    if let Err(Some(error)) = number {
                        diagnostics.push(error);
                    }
                    stack.pop();
                }
                State::Done(_) => drop(stack.pop()),
            }
        }
    }

    /// Puts what `entry` needs on the stack. What is open already needs `entry` itself.
    fn visit(&self, entry: usize, stack: &mut Vec<usize>, diagnostics: &mut Diagnostics) {
        let Meaning::Value(value, _) = self.entries[entry].meaning else { return };
        let own = stack.len();
        for name in names(value) {
            let Some(&needed) = self.names.get(&name.name) else { continue };
            match self.entries[needed].state {
                State::New => stack.push(needed),
                State::Open => diagnostics.push(self.circle(needed, &stack[..own])),
                State::Done(_) => {}
            }
        }
    }

    /// The error for constants that need each other: `first`, and those of the stack that are open
    /// since then.
    fn circle(&self, first: usize, stack: &[usize]) -> Diagnostic {
        let mut circle: Vec<usize> = Vec::new();
        for entry in stack.iter().rev().take(MAX_SHOWN) {
            if self.entries[*entry].state == State::Open && !circle.contains(entry) {
                circle.push(*entry);
            }
            if *entry == first {
                break;
            }
        }
        let name = self.entries[first].name;
        let message = format!("constant `{}` is defined by itself", name.name);
        let mut error = Diagnostic::new(Code::SelfDefined, name.span, message);
        let mut needed = name;
        for entry in circle {
            let by = self.entries[entry].name;
            let label = format!("needs `{}`", needed.name);
            error = if entry == first { error.label(label) } else { error.also(by.span, label) };
            needed = by;
        }
        error
    }

    fn entry_number(&self, entry: usize) -> Result<i128, Option<Diagnostic>> {
        let Entry { name, meaning, .. } = &self.entries[entry];
        let number = match meaning {
            Meaning::Value(value, plus) => self.evaluate(value)? + plus,
            Meaning::Number(number) => *number,
            Meaning::Text => return Err(None),
        };
        if i64::try_from(number).is_ok() || u64::try_from(number).is_ok() {
            return Ok(number);
        }
        let message = format!("constant {number} is out of range");
        let error = Diagnostic::new(Code::OutOfRange, name.span, message).label("must fit 64 bits");
        Err(Some(error))
    }

    /// The number that `value` stands for. The error is `None` if it is reported elsewhere.
    fn evaluate(&self, value: &Value) -> Result<i128, Option<Diagnostic>> {
        match value {
            Value::Constant(number, _) => Ok(*number),
            Value::Name(name) => self.named(name),
            Value::Expression(expression) => self.expression(expression),
        }
    }

    fn expression(&self, of: &Expression) -> Result<i128, Option<Diagnostic>> {
        let no_value = |why: &str| {
            let error =
                Diagnostic::new(Code::BadExpression, of.span, "this expression has no value");
            Some(error.label(why))
        };
        let mut stack = Vec::new();
        let pop = |stack: &mut Vec<i128>| stack.pop().ok_or_else(|| no_value("nothing"));
        for part in &of.parts {
            let number = match part {
                Part::Constant(number) => *number,
                Part::Name(name) => self.named(name)?,
                Part::Unary("-") => -pop(&mut stack)?,
                Part::Unary(_) => !pop(&mut stack)?,
                Part::Binary(operator) => {
                    let right = pop(&mut stack)?;
                    let left = pop(&mut stack)?;
                    value::apply(operator, left, right).map_err(no_value)?
                }
            };
            stack.push(number);
        }
        pop(&mut stack)
    }

    fn named(&self, name: &Ident) -> Result<i128, Option<Diagnostic>> {
        let Some(&entry) = self.names.get(&name.name) else { return self.boolean(name) };
        let entry = &self.entries[entry];
        match (entry.meaning, entry.state) {
            (Meaning::Text, _) => Err(Some(text_as_number(name, entry.name.span))),
            (_, State::Done(Some(number))) => Ok(number),
            _ => Err(None),
        }
    }

    fn boolean(&self, name: &Ident) -> Result<i128, Option<Diagnostic>> {
        match name.name.as_str() {
            "TRUE" => Ok(1),
            "FALSE" => Ok(0),
            _ => Err(Some(self.unknown(name))),
        }
    }

    /// Where the constant or enumerator is defined; numbers of programs and what is in them are none.
    pub(super) fn defined_at(&self, name: &str) -> Option<Span> {
        let entry = &self.entries[*self.names.get(name)?];
        (!entry.of_program).then_some(entry.name.span)
    }

    pub(super) fn computed(&self, name: &str) -> Option<i128> {
        match self.entries[*self.names.get(name)?].state {
            State::Done(number) => number,
            State::New | State::Open => None,
        }
    }

    fn unknown(&self, name: &Ident) -> Diagnostic {
        if let Some(place) = self.types.get(name.name.as_str()) {
            let message = format!("`{}` is a type, not a constant", name.name);
            return Diagnostic::new(Code::UnknownConstant, name.span, message)
                .label("a number is needed here")
                .also(*place, "defined here");
        }
        let message = format!("cannot find constant `{}`", name.name);
        let error = Diagnostic::new(Code::UnknownConstant, name.span, message)
            .label("not defined in this file or its includes")
            .unknown(&name.name);
        match self.similar(&name.name) {
            Some(other) => error.replace_by(other, "a constant has a similar name"),
            None => error.help(format!(
                "if C gets it from a header, say what it is: `-D {}=VALUE`",
                name.name
            )),
        }
    }

    /// Comparing takes time: of very many unknown names, not all are worth it.
    fn similar(&self, name: &str) -> Option<&str> {
        let compared = self.compared.replace(self.compared.get() + 1);
        let names = self.names.keys().map(String::as_str);
        similar(name, names.filter(|_| compared < MAX_COMPARED))
    }
}

/// More unknown names are compared with no others.
const MAX_COMPARED: usize = 200;

/// Of a long circle of constants, no more are shown.
const MAX_SHOWN: usize = 64;

fn names(value: &Value) -> impl Iterator<Item = &Ident> {
    let (one, parts) = match value {
        Value::Constant(..) => (None, &[][..]),
        Value::Name(name) => (Some(name), &[][..]),
        Value::Expression(expression) => (None, &expression.parts[..]),
    };
    let inside = parts.iter().filter_map(|part| match part {
        Part::Name(name) => Some(name),
        _ => None,
    });
    one.into_iter().chain(inside)
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
        let (idl, docs) = (def.name.name.clone(), def.docs.clone());
        let namespace = naming::namespace(&idl).to_owned();
        let scope = self.constants.scopes.entry(namespace).or_insert_with(naming::constants);
        let rust = scope.take(self.style.shouty(naming::last(&idl)));
        Some(Constant { idl, rust, value, docs })
    }

    /// The number that `value` stands for; reports why there is none.
    pub(super) fn number(&mut self, value: &Value) -> Option<i128> {
        match self.constants.evaluate(value) {
            Ok(number) => Some(number),
            Err(error) => {
                error.into_iter().for_each(|error| self.error(error));
                None
            }
        }
    }

    /// Reports a `TRUE` or `FALSE` that is not what everyone takes it for.
    pub(super) fn check_reserved(&mut self) {
        for (name, expected) in [("FALSE", 0), ("TRUE", 1)] {
            let number = self.constants.defined_at(name).zip(self.constants.computed(name));
            if let Some((place, number)) = number
                && number != expected
            {
                let message = format!("`{name}` is {expected}, and cannot be {number}");
                self.error(Diagnostic::new(Code::Reserved, place, message));
            }
        }
    }

    /// The number of a member of an enum in the namespace `path`.
    pub(super) fn member_number(&self, path: &str, name: &str) -> Option<i128> {
        self.constants.computed(&format!("{path}{name}"))
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
