//! `rpcgen lint`: what is allowed, and better not done.

use std::path::PathBuf;

use clap::Args;
use farcall_rpcgen::lint::{self, NoSuchRule, Rules};
use farcall_rpcgen::{Config, Error, Report};

use crate::input::Input;
use crate::options::SourceOptions;
use crate::screen::{self, Screen};
use crate::status::Status;

/// Find what is allowed in a `.x` file and better not done.
///
/// Exits with 4 if anything is found. `@allow(W07)` in a comment lets that pass in the item that the
/// comment is at, or in the whole file if it stands at its start with an empty line behind it.
#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// `-`, or none at all, is standard input.
    #[arg(value_name = "FILE.x")]
    files: Vec<PathBuf>,
    /// Look for this too, though it is off by default.
    #[arg(long, value_name = "RULE")]
    deny: Vec<String>,
    /// Do not look for this.
    #[arg(long, value_name = "RULE")]
    allow: Vec<String>,
    /// Look for all there is, but for what --allow names.
    #[arg(long)]
    all: bool,
    /// Print what is found as JSON: `{"format": 1, "findings": [...]}`.
    #[arg(long)]
    json: bool,
    /// Say what a rule is about, with an example.
    #[arg(long, value_name = "RULE", conflicts_with = "files")]
    explain: Option<String>,
    /// List the rules; those in parentheses are off by default.
    #[arg(long, conflicts_with_all = ["files", "explain"])]
    list: bool,
    #[command(flatten)]
    source: SourceOptions,
}

pub(crate) fn run(args: LintArgs, screen: Screen) -> Status {
    if args.list {
        return screen::print(&list());
    }
    if let Some(rule) = &args.explain {
        return crate::explain::one(rule);
    }
    let rules = match rules(&args) {
        Ok(rules) => rules,
        Err(error) => return crate::usage(&error.to_string()),
    };
    let inputs = match Input::all(args.files) {
        Ok(inputs) => inputs,
        Err(message) => return crate::usage(message),
    };
    let config = args.source.config();
    let mut status = Status::Done;
    let mut findings = Vec::new();
    for input in &inputs {
        match look(&config, &rules, input) {
            Ok(report) if report.is_empty() => {}
            Ok(report) => {
                status = status.max(Status::Found);
                findings.extend(report.findings());
                if !args.json {
                    screen.report(&report);
                }
            }
            Err(error) => status = status.max(screen.error(&error)),
        }
    }
    if args.json { status.max(screen::print_findings(&findings)) } else { status }
}

fn look(config: &Config, rules: &Rules, input: &Input) -> Result<Report, Error> {
    input.read(|path| config.lint(path, rules), |name, text| config.lint_text(name, text, rules))
}

fn rules(args: &LintArgs) -> Result<Rules, NoSuchRule> {
    let rules = if args.all { Rules::all() } else { Rules::default() };
    let rules = args.deny.iter().try_fold(rules, |rules, code| rules.warn(code))?;
    args.allow.iter().try_fold(rules, |rules, code| rules.allow(code))
}

fn list() -> String {
    let line = |rule: &lint::Rule| {
        let code = if rule.default { rule.code.to_owned() } else { format!("({})", rule.code) };
        format!("{code:<5}  {}\n", rule.summary)
    };
    lint::rules().iter().map(line).collect()
}
