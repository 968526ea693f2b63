//! Unions: labels against the discriminant's type, and the arms' names.

use std::collections::BTreeMap;

use crate::ast::{CaseSpec, UnionBody, Value};
use crate::code::Code;
use crate::diag::Diagnostic;
use crate::model::{Arm, Body, Discriminant, Type, TypeId, TypeItem, Union};
use crate::naming::{self, Scope};
use crate::source::Span;

use super::Resolver;

impl<'a> Resolver<'a> {
    pub(super) fn lower_union(&mut self, id: TypeId, body: &'a UnionBody) {
        let ty = self.declaration(id, &body.discriminant);
        let Some(discriminant) = self.discriminant(&ty) else {
            self.bad_discriminant(&ty, body.discriminant.name.span);
            return self.rest_of_union(id, body);
        };
        self.check_arm_names(body);
        let labels = self.labels(discriminant, body);
        let names = self.arm_names(discriminant, body, &labels);
        let mut seen = BTreeMap::new();
        let mut arms = Vec::new();
        for ((case, labels), name) in body.cases.iter().zip(labels).zip(names) {
            arms.push(self.arm(id, case, labels, name, &mut seen));
        }
        if let Some(case) = &body.default
            && let Some(left) = only_left(discriminant, &arms)
        {
            let name = self.label_name(discriminant, None, Some(left), 0);
            arms.push(self.arm(id, case, vec![left], name, &mut seen));
        }
        let covered = self.covers(discriminant, &arms);
        let mut scope = Scope::default();
        for arm in &mut arms {
            arm.rust = scope.take(std::mem::take(&mut arm.rust));
        }
        // A default that is never taken needs no variant.
        let default =
            body.default.as_ref().filter(|_| !covered).map(|case| {
                self.arm(id, case, Vec::new(), scope.take("Other".to_owned()), &mut seen)
            });
        let idl = body.discriminant.name.name.clone();
        self.model.types[id].body = Body::Union(Box::new(Union {
            discriminant,
            rust: Scope::reserving(&naming::ASSOCIATED).take(self.style.snake(&idl)),
            idl,
            arms,
            default,
            covered,
        }));
    }

    fn bad_discriminant(&mut self, ty: &Type, span: Span) {
        // Why nothing is known of its type is said already.
        if matches!(ty, Type::Named(id) if self.unknown.contains(id)) {
            return;
        }
        let error = Diagnostic::new(Code::BadDiscriminant, span, "a union cannot switch on this")
            .label("must be `int`, `unsigned int`, `bool` or an enum");
        self.error(error);
    }

    /// Finds the errors in a union of which the discriminant is one.
    fn rest_of_union(&mut self, id: TypeId, body: &'a UnionBody) {
        let mut seen = BTreeMap::new();
        for case in body.cases.iter().chain(&body.default) {
            for label in &case.labels {
                self.number(label);
            }
            self.arm(id, case, Vec::new(), String::new(), &mut seen);
        }
        self.model.types[id].body = Body::Extern;
    }

    fn discriminant<'t>(&'t self, mut ty: &'t Type) -> Option<Discriminant> {
        // Typedefs that go round in a circle are found later; here they must only end.
        for _ in 0..=super::nesting::MAX_DEPTH {
            match ty {
                Type::I32 => return Some(Discriminant::Int),
                Type::U32 => return Some(Discriminant::Unsigned),
                Type::Bool => return Some(Discriminant::Bool),
                Type::Named(id) => match &self.model.types[*id].body {
                    Body::Enum(_) => return Some(Discriminant::Enum(*id)),
                    Body::Alias(target) => ty = target,
                    Body::Struct(_) | Body::Union(_) | Body::Extern => return None,
                },
                _ => return None,
            }
        }
        None
    }

    /// The values of each case's labels, those left out that are reported as wrong.
    fn labels(&mut self, discriminant: Discriminant, body: &UnionBody) -> Vec<Vec<i128>> {
        let legal = Legal::new(discriminant, &self.model.types);
        let mut first_uses = BTreeMap::new();
        let values = |case: &CaseSpec| {
            let labels = case.labels.iter();
            labels.filter_map(|label| self.label(&legal, label, &mut first_uses)).collect()
        };
        body.cases.iter().map(values).collect()
    }

    fn label(
        &mut self,
        legal: &Legal,
        label: &Value,
        first_uses: &mut BTreeMap<i128, Span>,
    ) -> Option<i128> {
        let value = self.number(label)?;
        if let Some(finding) = legal.check(label, value) {
            self.error(finding);
        }
        if !legal.contains(value) {
            return None;
        }
        if let Some(first) = first_uses.get(&value) {
            let message = format!("case {} is there twice", shown(label, value));
            let error = Diagnostic::new(Code::DuplicateCase, label.span(), message)
                .label("second use")
                .also(*first, "first use");
            self.error(error);
        }
        first_uses.entry(value).or_insert_with(|| label.span());
        Some(value)
    }

    /// C has the arms in a union of their own, but there is one scope for all in RFC 4506 §6.4.
    fn check_arm_names(&mut self, body: &UnionBody) {
        let name = &body.discriminant.name;
        let arms = body.cases.iter().chain(&body.default);
        let same = arms
            .filter_map(|case| case.declaration.as_ref())
            .find(|declaration| declaration.name == *name);
        if let Some(same) = same {
            let message = format!("this arm has the name of the discriminant, `{}`", name.name);
            let warning = Diagnostic::new(Code::SameAsDiscriminant, same.name.span, message)
                .also(name.span, "the discriminant");
            self.error(warning);
        }
    }

    fn arm(
        &mut self,
        id: TypeId,
        case: &'a CaseSpec,
        labels: Vec<i128>,
        rust: String,
        seen: &mut BTreeMap<String, Span>,
    ) -> Arm {
        let field = case.declaration.as_ref().map(|declaration| {
            self.check_member(seen, &declaration.name);
            self.field(id, declaration, &mut Scope::default())
        });
        Arm { labels, rust, field, docs: case.docs.clone() }
    }

    fn covers(&self, discriminant: Discriminant, arms: &[Arm]) -> bool {
        let covered: usize = arms.iter().map(|arm| arm.labels.len()).sum();
        match discriminant {
            Discriminant::Bool => covered == 2,
            Discriminant::Enum(id) => {
                let Body::Enum(body) = &self.model.types[id].body else { return false };
                covered == body.members.len() && body.unknown.is_none()
            }
            Discriminant::Int | Discriminant::Unsigned => false,
        }
    }

    /// One label names its arm. Several leave that to what the arm holds, if anything.
    fn arm_names(
        &self,
        discriminant: Discriminant,
        body: &UnionBody,
        labels: &[Vec<i128>],
    ) -> Vec<String> {
        let named: Vec<&str> =
            body.cases.iter().flat_map(|case| &case.labels).filter_map(name_of).collect();
        let strip = if self.style.c_names { 0 } else { naming::common_words(&named) };
        let cases = body.cases.iter().zip(labels);
        cases
            .map(|(case, values)| match (&case.labels[..], &case.declaration) {
                ([_, _, ..], Some(declaration)) => self.style.upper_camel(&declaration.name.name),
                (labels, _) => {
                    let names = labels.iter().zip(values).map(|(label, value)| {
                        self.label_name(discriminant, Some(label), Some(*value), strip)
                    });
                    joined(&names.collect::<Vec<_>>())
                }
            })
            .collect()
    }

    fn label_name(
        &self,
        discriminant: Discriminant,
        label: Option<&Value>,
        value: Option<i128>,
        strip: usize,
    ) -> String {
        match (discriminant, value) {
            (Discriminant::Bool, Some(1)) => return "True".to_owned(),
            (Discriminant::Bool, _) => return "False".to_owned(),
            (Discriminant::Enum(id), Some(value)) => {
                if let Body::Enum(body) = &self.model.types[id].body
                    && let Some(member) = body.member(value)
                {
                    return member.rust.clone();
                }
            }
            _ => {}
        }
        match (label.and_then(name_of), value) {
            (Some(name), _) => self.style.upper_camel(&naming::without_words(name, strip)),
            (None, Some(value)) if value < 0 => format!("CaseMinus{}", value.unsigned_abs()),
            (None, value) => format!("Case{}", value.unwrap_or_default()),
        }
    }
}

/// What the labels of a union may be.
struct Legal {
    discriminant: Discriminant,
    /// The members of the enum, with their values, and the enum's name.
    members: BTreeMap<String, i128>,
    values: BTreeMap<i128, String>,
    name: String,
}

impl Legal {
    fn new(discriminant: Discriminant, types: &[TypeItem]) -> Self {
        let (mut members, mut values) = (BTreeMap::new(), BTreeMap::new());
        let mut name = String::new();
        if let Discriminant::Enum(id) = discriminant
            && let Body::Enum(body) = &types[id].body
        {
            name.clone_from(&types[id].idl);
            for member in body.members.iter().chain(&body.aliases) {
                members.insert(member.idl.clone(), member.value.into());
                values.entry(member.value.into()).or_insert_with(|| member.idl.clone());
            }
        }
        Self { discriminant, members, values, name }
    }

    fn contains(&self, value: i128) -> bool {
        match self.discriminant {
            Discriminant::Int => i32::try_from(value).is_ok(),
            Discriminant::Unsigned => u32::try_from(value).is_ok(),
            Discriminant::Bool => value == 0 || value == 1,
            Discriminant::Enum(_) => self.values.contains_key(&value),
        }
    }

    /// What is wrong with a label, or only odd.
    fn check(&self, label: &Value, value: i128) -> Option<Diagnostic> {
        let name = name_of(label).map(naming::last);
        let is_member = name.is_some_and(|name| self.members.contains_key(name));
        match (self.contains(value), self.values.get(&value), name) {
            (false, ..) => Some(self.illegal(label, value)),
            (true, Some(member), Some(name)) if !is_member => Some(self.other(label, name, member)),
            _ => None,
        }
    }

    fn illegal(&self, label: &Value, value: i128) -> Diagnostic {
        let wanted = match self.discriminant {
            Discriminant::Int => "an `int`".to_owned(),
            Discriminant::Unsigned => "an `unsigned int`".to_owned(),
            Discriminant::Bool => "TRUE or FALSE".to_owned(),
            Discriminant::Enum(_) => format!("a member of `{}`", self.name),
        };
        let message = format!("case {} is not {wanted}", shown(label, value));
        let error = Diagnostic::new(Code::BadCase, label.span(), message);
        let names = self.members.keys().map(String::as_str);
        match name_of(label).and_then(|name| naming::similar(naming::last(name), names)) {
            Some(other) => error.replace_by(other, format!("`{}` has a similar name", self.name)),
            None if self.members.is_empty() => error,
            None => error.help(format!("`{}` has {}", self.name, self.some_members())),
        }
    }

    fn other(&self, label: &Value, name: &str, member: &str) -> Diagnostic {
        let message = format!("case `{name}` is not a member of `{}`", self.name);
        Diagnostic::new(Code::OtherEnum, label.span(), message)
            .label("has the value of one")
            .replace_by(member, "the member with this value")
    }

    fn some_members(&self) -> String {
        let names: Vec<_> = self.values.values().take(4).map(|name| format!("`{name}`")).collect();
        let etc = if self.values.len() > names.len() { ", …" } else { "" };
        format!("{}{etc}", names.join(", "))
    }
}

/// The other value of a `bool` of which one has an arm: a default for it needs not hold it.
fn only_left(discriminant: Discriminant, arms: &[Arm]) -> Option<i128> {
    match (discriminant, arms) {
        (Discriminant::Bool, [arm]) if arm.labels.len() == 1 => Some(1 - arm.labels[0]),
        _ => None,
    }
}

/// The name of an arm with these labels and nothing else to be named after.
fn joined(names: &[String]) -> String {
    match names {
        [first, _, _, _, ..] => format!("{first}Etc"),
        few => few.join("Or"),
    }
}

/// A label as it stands in the file.
fn shown(label: &Value, value: i128) -> String {
    name_of(label).map_or_else(|| value.to_string(), |name| format!("`{name}`"))
}

fn name_of(label: &Value) -> Option<&str> {
    match label {
        Value::Name(name) => Some(naming::last(&name.name)),
        Value::Constant(..) | Value::Expression(_) => None,
    }
}
