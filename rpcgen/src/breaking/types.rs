//! Types where they are used.

use std::collections::BTreeSet;

use super::{Comparison, Level, Rule};
use crate::describe::{Arm, Body, Length, Place, Type, TypeDef};

/// Where a type is used.
pub(super) struct Site<'s> {
    /// For a change that no other rule is about.
    pub(super) rule: Rule,
    pub(super) name: &'s str,
    /// As messages call it.
    pub(super) what: &'s str,
    /// In the new file.
    pub(super) at: &'s Place,
}

/// How two types differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Bound(Option<u32>, Option<u32>),
    FixedLen,
    Optionality,
    /// In what they mean to Rust; the bytes are the same.
    Source,
    Wire,
}

impl<'a> Comparison<'a> {
    /// Compares two types; reports how they differ themselves, and has those compared that they name.
    pub(super) fn types(&mut self, old: &'a Type, new: &'a Type, site: &Site<'_>) {
        let Some(change) = self.change(old, new) else { return };
        let Site { rule, name, what, at } = *site;
        let whole = format!("{what} changed from {} to {}", show(old), show(new));
        match change {
            Change::Bound(old, new) if shrinks(old, new) => {
                let (old, new) = (bound(old), bound(new));
                let message = format!("{what} {old} -> {new}; those who send more are refused");
                self.report(Rule::BoundShrunk, Level::Wire, name, at, message);
            }
            Change::Bound(old, new) => {
                let (old, new) = (bound(old), bound(new));
                let message = format!("{what} {old} -> {new}; those of before refuse more");
                self.warn(Rule::BoundGrown, name, at, message);
            }
            Change::FixedLen => self.report(Rule::FixedLen, Level::Wire, name, at, whole),
            Change::Optionality => self.report(Rule::Optionality, Level::Wire, name, at, whole),
            Change::Source => self.report(rule, Level::Source, name, at, whole),
            Change::Wire => self.report(rule, Level::Wire, name, at, whole),
        }
    }

    fn change(&mut self, old: &'a Type, new: &'a Type) -> Option<Change> {
        if let (Type::Named { name: old }, Type::Named { name: new }) = (old, new)
            && self.are_one(old, new)
        {
            return None;
        }
        let (old, new) = (self.old_meaning(old), self.new_meaning(new));
        match (old, new) {
            (Type::Array { of: old, length: from }, Type::Array { of: new, length: to }) => {
                self.change(old, new).or_else(|| lengths(*from, *to))
            }
            (Type::Optional { of: old }, Type::Optional { of: new }) => self.change(old, new),
            // RFC 4506 section 4.19: they are the same bytes.
            (Type::Optional { of: old }, Type::Array { of: new, length: Length::Max(Some(1)) })
            | (Type::Array { of: old, length: Length::Max(Some(1)) }, Type::Optional { of: new }) => {
                self.change(old, new).or(Some(Change::Source))
            }
            (Type::Optional { .. }, Type::Array { .. }) => Some(Change::Wire),
            (Type::Array { .. }, Type::Optional { .. }) => Some(Change::Wire),
            (Type::Optional { .. }, _) | (_, Type::Optional { .. }) => Some(Change::Optionality),
            (Type::Named { name: old }, Type::Named { name: new }) => {
                if self.are_one(old, new) {
                    return None;
                }
                let same = self.same_bytes(old, new);
                Some(if same { Change::Source } else { Change::Wire })
            }
            _ => self.plain(old, new),
        }
    }

    /// Whether two names mean the same, as far as is known before their definitions are compared,
    /// which is then done.
    fn are_one(&mut self, old: &'a str, new: &'a str) -> bool {
        let (Some(&before), Some(&after)) = (self.old_types.get(old), self.new_types.get(new))
        else {
            // What is defined elsewhere is not known.
            return old == new;
        };
        if old != new {
            let is_rename = !self.new_types.contains_key(old)
                && !self.old_types.contains_key(new)
                && super::kind(&before.body) == super::kind(&after.body);
            if !is_rename {
                return false;
            }
            self.renamed_type(before, after);
        }
        self.pair(before, after);
        true
    }

    fn renamed_type(&mut self, old: &'a TypeDef, new: &'a TypeDef) {
        if !self.renamed.insert(&old.name) && self.seen.contains(&(&*old.name, &*new.name)) {
            return;
        }
        // A body inside of another is called after that.
        let outer = |name: &'a str| name.rsplit_once('.').map(|(outer, _)| outer);
        let with_outer = match (outer(&old.name), outer(&new.name)) {
            (Some(old), Some(new)) => old != new,
            _ => false,
        };
        if !with_outer {
            self.rename("type", &old.name, &new.name, &new.at);
        }
    }

    /// What is neither an array, nor optional, nor named on both sides.
    fn plain(&self, old: &Type, new: &Type) -> Option<Change> {
        let source = Some(Change::Source);
        match (old, new) {
            (Type::Opaque(from), Type::Opaque(to)) => lengths(*from, *to),
            (Type::String { max: from }, Type::String { max: to }) => {
                (from != to).then_some(Change::Bound(*from, *to))
            }
            (Type::String { max }, Type::Opaque(Length::Max(other)))
            | (Type::Opaque(Length::Max(max)), Type::String { max: other }) => {
                if max == other {
                    source
                } else {
                    Some(Change::Wire)
                }
            }
            (Type::Int, Type::UnsignedInt) | (Type::UnsignedInt, Type::Int) => source,
            (Type::Hyper, Type::UnsignedHyper) | (Type::UnsignedHyper, Type::Hyper) => source,
            (Type::Bool, Type::Int | Type::UnsignedInt) => source,
            (Type::Named { name }, Type::Int | Type::UnsignedInt) => {
                let body = self.old_types.get(name.as_str()).map(|def| &def.body);
                Some(match body {
                    Some(Body::Enum { .. }) => Change::Source,
                    _ => Change::Wire,
                })
            }
            _ => (old != new).then_some(Change::Wire),
        }
    }

    /// Whether all values of two types with names are the same bytes.
    fn same_bytes(&self, old: &str, new: &str) -> bool {
        let mut assumed = BTreeSet::new();
        let mut todo = Vec::new();
        let (Some(old), Some(new)) = (self.old_types.get(old), self.new_types.get(new)) else {
            return false;
        };
        let mut pairs = vec![(*old, *new)];
        while let Some((old, new)) = pairs.pop() {
            if !assumed.insert((&*old.name, &*new.name)) {
                continue;
            }
            if !same_body(&old.body, &new.body, &mut todo) {
                return false;
            }
            while let Some((old, new)) = todo.pop() {
                match (self.old_meaning(old), self.new_meaning(new)) {
                    (Type::Named { name: old }, Type::Named { name: new }) => {
                        let (old, new) = (self.old_types.get(&**old), self.new_types.get(&**new));
                        let (Some(old), Some(new)) = (old, new) else { return false };
                        pairs.push((*old, *new));
                    }
                    (Type::Array { of: old, length: a }, Type::Array { of: new, length: b })
                        if a == b =>
                    {
                        todo.push((&**old, &**new));
                    }
                    (Type::Optional { of: old }, Type::Optional { of: new }) => {
                        todo.push((&**old, &**new));
                    }
                    (old, new) => match self.plain(old, new) {
                        None | Some(Change::Source) => {}
                        Some(_) => return false,
                    },
                }
            }
        }
        true
    }

    fn old_meaning(&self, ty: &'a Type) -> &'a Type {
        meaning(ty, |name| self.old_types.get(name).copied(), self.old.types.len())
    }

    fn new_meaning(&self, ty: &'a Type) -> &'a Type {
        meaning(ty, |name| self.new_types.get(name).copied(), self.new.types.len())
    }
}

/// `ty` with a typedef's name replaced by what it stands for.
fn meaning<'a>(
    mut ty: &'a Type,
    find: impl Fn(&str) -> Option<&'a TypeDef>,
    count: usize,
) -> &'a Type {
    // Descriptions that were made by others may go round in a circle.
    for _ in 0..count {
        let Type::Named { name } = ty else { break };
        let Some(Body::Typedef { ty: target }) = find(name).map(|def| &def.body) else { break };
        ty = target;
    }
    ty
}

/// Whether two bodies are the same bytes, if the types that are put in `todo` are.
fn same_body<'a>(old: &'a Body, new: &'a Body, todo: &mut Vec<(&'a Type, &'a Type)>) -> bool {
    match (old, new) {
        (Body::Typedef { ty: old }, Body::Typedef { ty: new }) => {
            todo.push((old, new));
            true
        }
        (Body::Enum { members: old }, Body::Enum { members: new }) => {
            let old: BTreeSet<_> = old.iter().map(|member| member.value).collect();
            old == new.iter().map(|member| member.value).collect()
        }
        (Body::Struct { members: old }, Body::Struct { members: new }) => {
            let types = old.iter().zip(new).map(|(old, new)| (&old.ty, &new.ty));
            todo.extend(types);
            old.len() == new.len()
        }
        (
            Body::Union { discriminant: from, arms: old },
            Body::Union { discriminant: to, arms: new },
        ) => {
            todo.push((&from.ty, &to.ty));
            same_arms(old, new, todo)
        }
        _ => false,
    }
}

fn same_arms<'a>(old: &'a [Arm], new: &'a [Arm], todo: &mut Vec<(&'a Type, &'a Type)>) -> bool {
    let mut old: Vec<_> = old.iter().flat_map(by_label).collect();
    let mut new: Vec<_> = new.iter().flat_map(by_label).collect();
    old.sort_by_key(|(label, _)| *label);
    new.sort_by_key(|(label, _)| *label);
    let alike = old.iter().zip(&new).all(|(old, new)| {
        let types = old.1.ty.as_ref().zip(new.1.ty.as_ref());
        todo.extend(types);
        old.0 == new.0 && old.1.ty.is_some() == new.1.ty.is_some()
    });
    old.len() == new.len() && alike
}

/// The arm under each of its labels, the default under none.
fn by_label(arm: &Arm) -> Vec<(Option<i64>, &Arm)> {
    let labels = arm.labels.iter().map(|label| (Some(*label), arm));
    labels.chain(arm.default.then_some((None, arm))).collect()
}

fn lengths(old: Length, new: Length) -> Option<Change> {
    match (old, new) {
        _ if old == new => None,
        (Length::Max(old), Length::Max(new)) => Some(Change::Bound(old, new)),
        _ => Some(Change::FixedLen),
    }
}

fn shrinks(old: Option<u32>, new: Option<u32>) -> bool {
    new.is_some_and(|new| old.is_none_or(|old| new < old))
}

fn bound(max: Option<u32>) -> String {
    max.map_or_else(|| "unbounded".to_owned(), |max| max.to_string())
}

/// A type as the language has it, without the name that is declared.
pub(super) fn show(ty: &Type) -> String {
    let max = |max: &Option<u32>| max.map(|max| max.to_string()).unwrap_or_default();
    let length = |length: &Length| match length {
        Length::Fixed(size) => format!("[{size}]"),
        Length::Max(bound) => format!("<{}>", max(bound)),
    };
    match ty {
        Type::Int => "int".to_owned(),
        Type::UnsignedInt => "unsigned int".to_owned(),
        Type::Hyper => "hyper".to_owned(),
        Type::UnsignedHyper => "unsigned hyper".to_owned(),
        Type::Float => "float".to_owned(),
        Type::Double => "double".to_owned(),
        Type::Quadruple => "quadruple".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Opaque(size) => format!("opaque{}", length(size)),
        Type::String { max: bound } => format!("string<{}>", max(bound)),
        Type::Array { of, length: size } => format!("{}{}", show(of), length(size)),
        Type::Optional { of } => format!("{} *", show(of)),
        Type::Named { name } => name.clone(),
    }
}
