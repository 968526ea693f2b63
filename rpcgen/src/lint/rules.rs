//! The rules, as data.

use std::collections::BTreeSet;
use std::fmt;

use crate::code::Code;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// As it is printed: `W07`. [`explain`](crate::explain) tells more.
    pub code: &'static str,
    /// What it finds, in one line.
    pub summary: &'static str,
    /// Whether it is on unless it is turned off.
    pub default: bool,
}

const fn rule(code: Code, default: bool, summary: &'static str) -> Rule {
    Rule { code: code.id(), summary, default }
}

const RULES: [Rule; 13] = [
    rule(Code::UnboundedRequest, true, "a request can be of any length"),
    rule(Code::ProgramNumber, true, "a program number is not free for private use"),
    rule(Code::BusyNull, true, "procedure 0 takes or returns something"),
    rule(Code::NoDefault, true, "a union over a number has no default"),
    rule(Code::UnusedType, true, "no procedure carries a type"),
    rule(Code::NameClash, true, "a name gets a `_` in Rust, because another one is the same there"),
    rule(Code::TextPath, true, "a name of a file is a `string`, which Rust takes only as UTF-8"),
    rule(Code::Recursion, true, "a type contains itself other than as a list"),
    rule(Code::LargeReply, false, "a result may not fit a UDP datagram"),
    rule(Code::NotIdempotent, false, "a procedure is not marked `@idempotent`"),
    rule(Code::NotForC, false, "C's rpcgen does not take this"),
    rule(Code::MixedStyle, true, "a name is written otherwise than its like"),
    rule(Code::VersionZero, true, "a version has the number 0"),
];

/// All rules, by code.
#[must_use]
pub fn rules() -> &'static [Rule] {
    &RULES
}

/// The rules that are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules(BTreeSet<&'static str>);

/// Those that are on by default.
impl Default for Rules {
    fn default() -> Self {
        Self(RULES.iter().filter(|rule| rule.default).map(|rule| rule.code).collect())
    }
}

/// There is no rule of this code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchRule(pub String);

impl fmt::Display for NoSuchRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no rule `{}`: they are W01 to W{:02}", self.0, RULES.len())
    }
}

impl std::error::Error for NoSuchRule {}

impl Rules {
    /// None of them.
    #[must_use]
    pub fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self(RULES.iter().map(|rule| rule.code).collect())
    }

    /// With this rule.
    ///
    /// # Errors
    /// There is no such rule.
    pub fn warn(mut self, code: &str) -> Result<Self, NoSuchRule> {
        self.0.insert(find(code)?);
        Ok(self)
    }

    /// Without this rule.
    ///
    /// # Errors
    /// There is no such rule.
    pub fn allow(mut self, code: &str) -> Result<Self, NoSuchRule> {
        self.0.remove(find(code)?);
        Ok(self)
    }

    pub(super) fn has(&self, code: Code) -> bool {
        self.0.contains(code.id())
    }
}

fn find(code: &str) -> Result<&'static str, NoSuchRule> {
    let found = RULES.iter().find(|rule| rule.code.eq_ignore_ascii_case(code));
    found.map(|rule| rule.code).ok_or_else(|| NoSuchRule(code.to_owned()))
}
