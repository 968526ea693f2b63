//! Findings that are meant.

use std::fmt;

use super::{Finding, Rule};

/// The changes that are meant, each on a line of its own: a rule, and the name of what has changed,
/// or no name for all changes under that rule. `#` starts a comment.
///
/// ```text
/// # No client of the first version is left.
/// VERSION_REMOVED KV_PROG.1
/// RENAME
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted(Vec<(Rule, Option<String>)>);

/// A line that is no rule and no name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    /// What it says.
    pub text: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: `{}` is not a rule and a name", self.line, self.text)
    }
}

impl std::error::Error for BadLine {}

impl Accepted {
    /// Reads such lines.
    ///
    /// # Errors
    /// The first line that is none.
    pub fn parse(text: &str) -> Result<Self, BadLine> {
        let mut accepted = Self::default();
        for (at, line) in text.lines().enumerate() {
            let said = line.split('#').next().unwrap_or_default();
            let words: Vec<_> = said.split_whitespace().collect();
            let entry = match words[..] {
                [] => continue,
                [rule] => rule.parse().ok().map(|rule| (rule, None)),
                [rule, name] => rule.parse().ok().map(|rule| (rule, Some(name.to_owned()))),
                _ => None,
            };
            let bad = || BadLine { line: at + 1, text: line.trim().to_owned() };
            accepted.0.push(entry.ok_or_else(bad)?);
        }
        Ok(accepted)
    }

    /// Whether a change is meant.
    #[must_use]
    pub fn has(&self, finding: &Finding) -> bool {
        self.0.iter().any(|(rule, name)| {
            *rule == finding.rule && name.as_ref().is_none_or(|name| *name == finding.name)
        })
    }

    /// The line that accepts this change.
    #[must_use]
    pub fn line(finding: &Finding) -> String {
        format!("{} {}", finding.rule, finding.name)
    }
}
