//! What a new version of an interface takes from those who use the old one.

mod accepted;
mod bodies;
mod programs;
mod rules;
mod types;
mod unions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::Severity;
use crate::describe::{Body, Description, Place, TypeDef};

pub use accepted::{Accepted, BadLine};
pub use rules::{NoSuchRule, Rule};

/// What no longer works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Programs have to be changed when they are built anew; those that run go on.
    Source,
    /// A program of the old version and one of the new do not understand each other.
    Wire,
}

/// One change that takes something away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Which rule it is about.
    pub rule: Rule,
    /// What no longer works.
    pub level: Level,
    /// An error, or a warning if it depends on what is sent.
    pub severity: Severity,
    /// What has changed: `kv_entry.key`, `KV_PROG.1.KV_GET`.
    pub name: String,
    /// What has changed in which way.
    pub message: String,
    /// Where it is in the new file, or was in the old one.
    pub at: Place,
    /// Whether that is in the old file, because the new one does not have it.
    pub in_old: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let consequence = match (self.level, self.severity) {
            (Level::Wire, Severity::Error) => "wire-breaking",
            (Level::Wire, _) => "may break the wire",
            (Level::Source, _) => "wire-same, source-breaking",
        };
        write!(f, "{}: {}: {}   ({consequence})", self.at, self.rule, self.message)
    }
}

/// What `new` takes from those who use `old`, in the order of the places.
///
/// Only what a procedure can carry breaks the wire; where there are no programs, every type is taken
/// for such. A change is told where it is made, once, and not where it is used.
#[must_use]
pub fn compare(old: &Description, new: &Description) -> Vec<Finding> {
    let mut comparison = Comparison::new(old, new);
    comparison.programs();
    comparison.is_reachable = old.programs.is_empty() && new.programs.is_empty();
    comparison.other_types();
    comparison.constants();
    let mut findings = comparison.findings;
    findings.sort_by(|one, other| {
        (&one.at, one.rule, &one.message).cmp(&(&other.at, other.rule, &other.message))
    });
    findings.dedup();
    findings
}

/// A comparison that is being made.
struct Comparison<'a> {
    old: &'a Description,
    new: &'a Description,
    old_types: BTreeMap<&'a str, &'a TypeDef>,
    new_types: BTreeMap<&'a str, &'a TypeDef>,
    /// Types with bodies that are to be compared.
    todo: Vec<(&'a TypeDef, &'a TypeDef)>,
    /// Those that were in `todo`.
    seen: BTreeSet<(&'a str, &'a str)>,
    /// Names of `old` that are called otherwise in `new`.
    renamed: BTreeSet<&'a str>,
    /// Whether a procedure carries what is compared now.
    is_reachable: bool,
    findings: Vec<Finding>,
}

impl<'a> Comparison<'a> {
    fn new(old: &'a Description, new: &'a Description) -> Self {
        Self {
            old,
            new,
            old_types: by_name(old),
            new_types: by_name(new),
            todo: Vec::new(),
            seen: BTreeSet::new(),
            renamed: BTreeSet::new(),
            is_reachable: true,
            findings: Vec::new(),
        }
    }

    /// Compares the types that no procedure carries, and finds those that are gone.
    fn other_types(&mut self) {
        let old = self.old;
        for def in &old.types {
            if let Some(new) = self.new_types.get(def.name.as_str()) {
                self.pair(def, new);
            }
        }
        self.pairs();
        for def in &old.types {
            let name = def.name.as_str();
            let is_gone = !self.new_types.contains_key(name) && !self.renamed.contains(name);
            // A body inside of another goes with that.
            let is_inner = name.rsplit_once('.').is_some_and(|(outer, _)| {
                self.old_types.contains_key(outer) && !self.new_types.contains_key(outer)
            });
            if is_gone && !is_inner {
                let message = format!("type `{name}` is gone");
                self.report_old(Rule::TypeRemoved, Level::Source, name, &def.at, message);
            }
        }
    }

    fn constants(&mut self) {
        let (old, new) = (self.old, self.new);
        let now: BTreeMap<_, _> =
            new.constants.iter().map(|constant| (constant.name.as_str(), constant)).collect();
        for constant in &old.constants {
            let name = &constant.name;
            match now.get(name.as_str()) {
                None => {
                    let message = format!("constant `{name}` is gone");
                    let rule = Rule::ConstantRemoved;
                    self.report_old(rule, Level::Source, name, &constant.at, message);
                }
                Some(new) if new.value != constant.value => {
                    let message = format!("{name} {} -> {}", constant.value, new.value);
                    self.report(Rule::ConstantChanged, Level::Source, name, &new.at, message);
                }
                Some(_) => {}
            }
        }
    }

    /// Has two types compared, unless they were already.
    fn pair(&mut self, old: &'a TypeDef, new: &'a TypeDef) {
        if self.seen.insert((&old.name, &new.name)) {
            self.todo.push((old, new));
        }
    }

    /// Compares what is to be compared, and what that leads to.
    fn pairs(&mut self) {
        while let Some((old, new)) = self.todo.pop() {
            self.bodies(old, new);
        }
    }

    fn report(&mut self, rule: Rule, level: Level, name: &str, at: &Place, message: String) {
        self.push(rule, level, Severity::Error, name, at, message);
    }

    /// What breaks the wire only if it is used.
    fn warn(&mut self, rule: Rule, name: &str, at: &Place, message: String) {
        self.push(rule, Level::Wire, Severity::Warning, name, at, message);
    }

    fn report_old(&mut self, rule: Rule, level: Level, name: &str, at: &Place, message: String) {
        self.report(rule, level, name, at, message);
        if let Some(finding) = self.findings.last_mut() {
            finding.in_old = true;
        }
    }

    fn push(
        &mut self,
        rule: Rule,
        level: Level,
        severity: Severity,
        name: &str,
        at: &Place,
        message: String,
    ) {
        let level = if self.is_reachable { level } else { Level::Source };
        let (name, at) = (name.to_owned(), at.clone());
        self.findings.push(Finding { rule, level, severity, name, message, at, in_old: false });
    }

    /// A definition of `old` has another name in `new`.
    fn rename(&mut self, what: &str, old: &str, new: &str, at: &Place) {
        let message = format!("{what} `{old}` is called `{new}` now");
        self.report(Rule::Rename, Level::Source, old, at, message);
    }
}

fn by_name(description: &Description) -> BTreeMap<&str, &TypeDef> {
    description.types.iter().map(|def| (def.name.as_str(), def)).collect()
}

/// As the language calls a body.
fn kind(body: &Body) -> &'static str {
    match body {
        Body::Typedef { .. } => "typedef",
        Body::Enum { .. } => "enum",
        Body::Struct { .. } => "struct",
        Body::Union { .. } => "union",
    }
}
