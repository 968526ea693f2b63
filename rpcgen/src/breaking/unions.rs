//! Unions: by label, since only the discriminant is on the wire.

use std::collections::{BTreeMap, BTreeSet};

use super::types::Site;
use super::{Comparison, Level, Rule};
use crate::describe::{Arm, Body, Type, TypeDef};

/// An arm before and after.
type Pair<'a> = (&'a Arm, &'a Arm);

impl<'a> Comparison<'a> {
    pub(super) fn unions(
        &mut self,
        old: &'a TypeDef,
        old_arms: &'a [Arm],
        new: &'a TypeDef,
        new_arms: &'a [Arm],
    ) {
        let (before, after) = (labels(old_arms), labels(new_arms));
        let mut pairs: Vec<Pair<'a>> = Vec::new();
        for (label, arm) in &before {
            match after.get(label) {
                Some(now) => pairs.push((arm, now)),
                None => self.arm_gone(old, *label, arm, default(new_arms)),
            }
        }
        for (label, arm) in &after {
            if !before.contains_key(label) {
                self.arm_added(old, *label, arm, default(old_arms));
            }
        }
        match (default(old_arms), default(new_arms)) {
            (Some(old), Some(new)) => pairs.push((old, new)),
            (Some(arm), None) => self.default_gone(old, arm, new, &after),
            (None, Some(arm)) => {
                let message = format!("{} gained a default; those of before refuse it", old.name);
                self.warn(Rule::UnionArmAdded, &format!("{}.default", old.name), &arm.at, message);
            }
            (None, None) => {}
        }
        // An arm may have many labels.
        pairs.sort_by_key(|(old, new)| (std::ptr::from_ref(*old), std::ptr::from_ref(*new)));
        pairs.dedup_by_key(|(old, new)| (std::ptr::from_ref(*old), std::ptr::from_ref(*new)));
        for (before, now) in pairs {
            self.arm(old, before, now);
        }
    }

    fn arm(&mut self, owner: &TypeDef, old: &'a Arm, new: &'a Arm) {
        let path = path(owner, old);
        if let (Some(before), Some(now)) = (&old.name, &new.name)
            && before != now
        {
            let message = format!("arm {path} is called `{now}` now");
            self.report(Rule::Rename, Level::Source, &path, &new.at, message);
        }
        let site = Site { rule: Rule::UnionArmType, name: &path, what: &path, at: &new.at };
        self.or_void(old.ty.as_ref(), new.ty.as_ref(), &site);
    }

    /// No arm of the new union has this label; `now` takes its values, if there is one.
    fn arm_gone(&mut self, owner: &TypeDef, label: i64, arm: &Arm, now: Option<&Arm>) {
        let level = level(now.is_some_and(|now| alike(arm.ty.as_ref(), now.ty.as_ref())));
        let message = format!("{} lost the arm for {label}", owner.name);
        self.report_old(Rule::UnionArmRemoved, level, &path(owner, arm), &arm.at, message);
    }

    /// No arm of the old union has this label; `before` took its values, if there was one.
    fn arm_added(&mut self, owner: &TypeDef, label: i64, arm: &Arm, before: Option<&Arm>) {
        let path = path(owner, arm);
        let gained = format!("{} gained an arm for {label}", owner.name);
        match before {
            None => {
                let message = format!("{gained}; those of before refuse it");
                self.warn(Rule::UnionArmAdded, &path, &arm.at, message);
            }
            Some(before) => {
                let level = level(alike(before.ty.as_ref(), arm.ty.as_ref()));
                let message = format!("{gained}, which the default was for");
                self.report(Rule::UnionArmAdded, level, &path, &arm.at, message);
            }
        }
    }

    fn default_gone(
        &mut self,
        old: &TypeDef,
        arm: &Arm,
        new: &TypeDef,
        after: &BTreeMap<i64, &Arm>,
    ) {
        let level = level(self.is_covered(new, after));
        let message = format!("{} lost its default", old.name);
        let path = format!("{}.default", old.name);
        self.report_old(Rule::DefaultArmRemoved, level, &path, &arm.at, message);
    }

    /// Whether every value of the discriminant has an arm.
    fn is_covered(&self, union: &TypeDef, arms: &BTreeMap<i64, &Arm>) -> bool {
        let Body::Union { discriminant, .. } = &union.body else { return false };
        match &discriminant.ty {
            Type::Bool => arms.len() == 2,
            Type::Named { name } => match self.new_types.get(&**name).map(|def| &def.body) {
                Some(Body::Enum { members }) => {
                    let values: BTreeSet<_> = members.iter().map(|m| i64::from(m.value)).collect();
                    values.iter().all(|value| arms.contains_key(value))
                }
                _ => false,
            },
            _ => false,
        }
    }
}

fn labels(arms: &[Arm]) -> BTreeMap<i64, &Arm> {
    arms.iter().flat_map(|arm| arm.labels.iter().map(move |label| (*label, arm))).collect()
}

fn default(arms: &[Arm]) -> Option<&Arm> {
    arms.iter().find(|arm| arm.default)
}

/// That of a change of an arm that another one of the same type stands in for, or none.
fn level(same: bool) -> Level {
    if same { Level::Source } else { Level::Wire }
}

fn alike(old: Option<&Type>, new: Option<&Type>) -> bool {
    old == new
}

fn path(owner: &TypeDef, arm: &Arm) -> String {
    match (&arm.name, arm.labels.first()) {
        (Some(name), _) => format!("{}.{name}", owner.name),
        (None, Some(label)) => format!("{}.{label}", owner.name),
        (None, None) => format!("{}.default", owner.name),
    }
}
