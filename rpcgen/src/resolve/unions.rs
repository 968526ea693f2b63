//! Unions: labels against the discriminant's type, and the arms' names.

use std::collections::BTreeMap;

use crate::ast::{CaseSpec, UnionBody, Value};
use crate::code::Code;
use crate::diag::Diagnostic;
use crate::model::{Arm, Body, Discriminant, Type, TypeId, Union};
use crate::naming::{self, Scope};
use crate::source::Span;

use super::Resolver;

impl<'a> Resolver<'a> {
    pub(super) fn lower_union(&mut self, id: TypeId, body: &'a UnionBody) {
        let ty = self.declaration(id, &body.discriminant);
        let Some(discriminant) = self.discriminant(&ty) else {
            let error = Diagnostic::new(
                Code::BadDiscriminant,
                body.discriminant.name.span,
                "a union cannot switch on this",
            )
            .label("must be `int`, `unsigned int`, `bool` or an enum");
            return self.error(error);
        };
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
            rust: naming::snake(&idl),
            idl,
            arms,
            default,
            covered,
        }));
    }

    fn discriminant<'t>(&'t self, mut ty: &'t Type) -> Option<Discriminant> {
        // Typedefs that go round in a circle are found later; here they must only end.
        for _ in 0..=self.model.types.len() {
            match ty {
                Type::I32 => return Some(Discriminant::Int),
                Type::U32 => return Some(Discriminant::Unsigned),
                Type::Bool => return Some(Discriminant::Bool),
                Type::Named(id) => match &self.model.types[*id].body {
                    Body::Enum(_) => return Some(Discriminant::Enum(*id)),
                    Body::Alias(target) => ty = target,
                    Body::Struct(_) | Body::Union(_) => return None,
                },
                _ => return None,
            }
        }
        None
    }

    /// The values of each case's labels, those left out that are reported as wrong.
    fn labels(&mut self, discriminant: Discriminant, body: &UnionBody) -> Vec<Vec<i128>> {
        let mut first_uses: BTreeMap<i128, Span> = BTreeMap::new();
        let mut labels = Vec::new();
        for case in &body.cases {
            let mut values = Vec::new();
            for label in &case.labels {
                let Some(value) = self.label(discriminant, label) else { continue };
                if let Some(first) = first_uses.get(&value) {
                    let error = Diagnostic::new(
                        Code::DuplicateCase,
                        label.span(),
                        format!("case {} is there twice", shown(label, value)),
                    )
                    .label("second use")
                    .also(*first, "first use");
                    self.error(error);
                }
                first_uses.entry(value).or_insert_with(|| label.span());
                values.push(value);
            }
            labels.push(values);
        }
        labels
    }

    fn label(&mut self, discriminant: Discriminant, label: &Value) -> Option<i128> {
        let value = self.number(label)?;
        let (fits, wanted) = match discriminant {
            Discriminant::Int => (i32::try_from(value).is_ok(), "an `int`".to_owned()),
            Discriminant::Unsigned => {
                (u32::try_from(value).is_ok(), "an `unsigned int`".to_owned())
            }
            Discriminant::Bool => (value == 0 || value == 1, "TRUE or FALSE".to_owned()),
            Discriminant::Enum(id) => {
                let item = &self.model.types[id];
                let has = matches!(&item.body, Body::Enum(body) if body.member(value).is_some());
                (has, format!("a member of `{}`", item.idl))
            }
        };
        if !fits {
            let message = format!("case {} is not {wanted}", shown(label, value));
            self.error(Diagnostic::new(Code::BadCase, label.span(), message));
        }
        fits.then_some(value)
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
                matches!(&self.model.types[id].body, Body::Enum(body) if covered == body.members.len())
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
        let strip = naming::common_words(&named);
        let cases = body.cases.iter().zip(labels);
        cases
            .map(|(case, values)| match (&case.labels[..], &case.declaration) {
                ([_, _, ..], Some(declaration)) => naming::upper_camel(&declaration.name.name),
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
            (Some(name), _) => naming::upper_camel(&naming::without_words(name, strip)),
            (None, Some(value)) if value < 0 => format!("CaseMinus{}", value.unsigned_abs()),
            (None, value) => format!("Case{}", value.unwrap_or_default()),
        }
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
        Value::Name(name) => Some(&name.name),
        Value::Constant(..) => None,
    }
}
