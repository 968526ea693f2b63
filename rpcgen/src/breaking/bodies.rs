//! Types with names: structs and enums.

use std::collections::{BTreeMap, BTreeSet};

use super::types::Site;
use super::{Comparison, Level, Rule, kind};
use crate::describe::{Body, ConstantValue, EnumMember, Member, TypeDef};

impl<'a> Comparison<'a> {
    pub(super) fn bodies(&mut self, old: &'a TypeDef, new: &'a TypeDef) {
        let name = &old.name;
        match (&old.body, &new.body) {
            (Body::Typedef { ty: from }, Body::Typedef { ty: to }) => {
                let site = Site { rule: Rule::TypeChanged, name, what: name, at: &new.at };
                self.types(from, to, &site);
            }
            (Body::Enum { members: from }, Body::Enum { members: to }) => {
                self.enums(old, from, new, to)
            }
            (Body::Struct { members: from }, Body::Struct { members: to }) => {
                self.structs(old, from, new, to)
            }
            (
                Body::Union { discriminant: from, arms: old_arms },
                Body::Union { discriminant: to, arms: new_arms },
            ) => {
                let what = format!("{name} discriminant");
                let rule = Rule::UnionDiscriminant;
                self.types(&from.ty, &to.ty, &Site { rule, name, what: &what, at: &new.at });
                self.unions(old, old_arms, new, new_arms);
            }
            (from, to) => {
                let message = format!("{name} changed from a {} to a {}", kind(from), kind(to));
                self.report(Rule::TypeChanged, Level::Wire, name, &new.at, message);
            }
        }
    }

    fn enums(
        &mut self,
        old: &'a TypeDef,
        old_members: &'a [EnumMember],
        new: &'a TypeDef,
        new_members: &'a [EnumMember],
    ) {
        let before: BTreeMap<_, _> = old_members.iter().map(|m| (&*m.name, m.value)).collect();
        let after: BTreeMap<_, _> = new_members.iter().map(|m| (&*m.name, m)).collect();
        for member in old_members {
            let path = format!("{}.{}", old.name, member.name);
            match after.get(&*member.name) {
                Some(now) if now.value != member.value => {
                    let message = format!("{path} {} -> {}", member.value, now.value);
                    self.report(Rule::EnumValueChanged, Level::Wire, &path, &now.at, message);
                }
                Some(_) => {}
                None => {
                    let now = new_members.iter().find(|other| other.value == member.value);
                    self.no_such_member(&path, member, now, &before);
                }
            }
        }
        for member in new_members {
            let is_known = before.values().any(|value| *value == member.value);
            if !is_known && !before.contains_key(&*member.name) {
                let path = format!("{}.{}", old.name, member.name);
                let message = format!(
                    "{} gained `{}` = {}; those of before refuse it",
                    new.name, member.name, member.value
                );
                self.warn(Rule::EnumValueAdded, &path, &member.at, message);
            }
        }
    }

    /// A name of an enum is gone; `now` has its value.
    fn no_such_member(
        &mut self,
        path: &str,
        old: &EnumMember,
        now: Option<&EnumMember>,
        before: &BTreeMap<&str, i32>,
    ) {
        match now {
            Some(now) if !before.contains_key(&*now.name) => {
                let message = format!("{path} is called `{}` now", now.name);
                self.report(Rule::Rename, Level::Source, path, &now.at, message);
            }
            Some(_) => {
                let message = format!("{path} is gone; its value has another name");
                self.report_old(Rule::EnumValueRemoved, Level::Source, path, &old.at, message);
            }
            None => {
                let message = format!("{path} = {} is gone", old.value);
                self.report_old(Rule::EnumValueRemoved, Level::Wire, path, &old.at, message);
            }
        }
    }

    fn structs(
        &mut self,
        old: &'a TypeDef,
        old_members: &'a [Member],
        new: &'a TypeDef,
        new_members: &'a [Member],
    ) {
        let places = positions(new_members);
        let before = positions(old_members);
        let (mut common, mut known) = (Vec::new(), BTreeSet::new());
        for (index, member) in old_members.iter().enumerate() {
            let path = format!("{}.{}", old.name, member.name);
            // Of as many members, one at the same place with a name that is new is the same.
            let renamed = (old_members.len() == new_members.len())
                .then(|| &new_members[index])
                .filter(|now| !before.contains_key(&*now.name));
            let now = match (places.get(&*member.name), renamed) {
                (Some(place), _) => {
                    common.push((member, *place));
                    known.insert(*place);
                    &new_members[*place]
                }
                (None, Some(now)) => {
                    known.insert(index);
                    let message = format!("member {path} is called `{}` now", now.name);
                    self.report(Rule::Rename, Level::Source, &path, &now.at, message);
                    now
                }
                (None, None) => {
                    let message = format!("{} lost `{}`", old.name, member.name);
                    let rule = Rule::StructFieldRemoved;
                    self.report_old(rule, Level::Wire, &path, &member.at, message);
                    continue;
                }
            };
            let site = Site { rule: Rule::StructFieldType, name: &path, what: &path, at: &now.at };
            self.types(&member.ty, &now.ty, &site);
        }
        self.moved(old, &common, new_members);
        self.added(old, &known, new, new_members);
    }

    /// Reports the members that are not in the order that they were in.
    fn moved(&mut self, old: &TypeDef, common: &[(&Member, usize)], new: &[Member]) {
        let places: Vec<_> = common.iter().map(|(_, place)| *place).collect();
        let kept = longest_rising(&places);
        for (member, place) in common.iter().filter(|(_, place)| kept.binary_search(place).is_err())
        {
            let path = format!("{}.{}", old.name, member.name);
            let message = format!("{path} is member {} of the struct now", place + 1);
            self.report(Rule::StructFieldMoved, Level::Wire, &path, &new[*place].at, message);
        }
    }

    fn added(&mut self, old: &TypeDef, known: &BTreeSet<usize>, new: &TypeDef, members: &[Member]) {
        for (index, member) in members.iter().enumerate() {
            if known.contains(&index) {
                continue;
            }
            let path = format!("{}.{}", old.name, member.name);
            let at_end =
                if known.last().is_none_or(|last| index > *last) { " at the end" } else { "" };
            let message = format!(
                "{} gained `{}`{at_end}; XDR has no members that may be missing",
                new.name, member.name
            );
            self.report(Rule::StructFieldAdded, Level::Wire, &path, &member.at, message);
        }
    }
}

fn positions(members: &[Member]) -> BTreeMap<&str, usize> {
    members.iter().enumerate().map(|(place, member)| (&*member.name, place)).collect()
}

/// Of numbers that differ, as many as possible that are in rising order.
fn longest_rising(numbers: &[usize]) -> Vec<usize> {
    // For each length, the index of the number that ends the best run of it; and what is before.
    let mut ends: Vec<usize> = Vec::new();
    let mut before = vec![None; numbers.len()];
    for (index, number) in numbers.iter().enumerate() {
        let at = ends.partition_point(|end| numbers[*end] < *number);
        before[index] = at.checked_sub(1).map(|at| ends[at]);
        match ends.get_mut(at) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut run = Vec::new();
    let mut next = ends.last().copied();
    while let Some(index) = next {
        run.push(numbers[index]);
        next = before[index];
    }
    run.reverse();
    run
}

impl std::fmt::Display for ConstantValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Large(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::longest_rising;

    #[test]
    fn as_many_as_possible_stay() {
        assert_eq!(longest_rising(&[]), []);
        assert_eq!(longest_rising(&[0, 1, 2]), [0, 1, 2]);
        assert_eq!(longest_rising(&[2, 0, 1]), [0, 1]);
        assert_eq!(longest_rising(&[1, 2, 0, 3]), [1, 2, 3]);
        assert_eq!(longest_rising(&[3, 2, 1]), [1]);
    }
}
