//! `rpcgen breaking`: what a change takes from those who use the old interface.

mod revision;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use farcall_rpcgen::breaking::{self, Accepted, Finding, Level};
use farcall_rpcgen::{Config, Description, Error, Severity};

use crate::input::Input;
use crate::options::SourceOptions;
use crate::screen::{self, Screen};
use crate::status::Status;
use revision::Revision;

/// Say what a change of a `.x` file takes from those who use it as it was.
///
/// Exits with 4 if there is anything. What only may break something (a value more in an enum, say)
/// is a warning.
#[derive(Debug, Args)]
pub(crate) struct BreakingArgs {
    /// As it is now; `-` is standard input.
    #[arg(value_name = "FILE.x")]
    file: PathBuf,
    /// As it was: a file, or `git:REV` for the same file in that revision.
    #[arg(long, value_name = "FILE|git:REV")]
    against: String,
    /// What counts: only what breaks the wire, or also what breaks code.
    #[arg(long, value_name = "LEVEL", value_enum, default_value = "source")]
    level: Breaks,
    /// Leave out what FILE lists: a rule and a name on each line.
    #[arg(long, value_name = "FILE")]
    accepted: Option<PathBuf>,
    /// Add what is found to that file, and exit with 0.
    #[arg(long, requires = "accepted")]
    accept: bool,
    /// Exit with 4 if there are only warnings, too.
    #[arg(long)]
    deny_warnings: bool,
    /// Print what is found as JSON: `{"format": 1, "findings": [...]}`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: SourceOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Breaks {
    Wire,
    Source,
}

/// Why there is no comparison.
enum Failure {
    Library(Error),
    /// Something else than a `.x` file cannot be read.
    Io(String),
    Usage(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

pub(crate) fn run(args: &BreakingArgs, screen: Screen) -> Status {
    let findings = match find(args) {
        Ok(findings) => findings,
        Err(Failure::Library(error)) => return screen.error(&error),
        Err(Failure::Usage(message)) => return crate::usage(&message),
        Err(Failure::Io(message)) => {
            eprintln!("rpcgen: {message}");
            return Status::Io;
        }
    };
    let shown =
        if args.json { screen::print_findings(&findings) } else { screen::print(&text(&findings)) };
    if let (true, Some(path)) = (args.accept, &args.accepted) {
        return shown.max(record(path, &findings));
    }
    let counts = |one: &Finding| args.deny_warnings || one.severity == Severity::Error;
    shown.max(if findings.iter().any(counts) { Status::Found } else { Status::Done })
}

fn find(args: &BreakingArgs) -> Result<Vec<Finding>, Failure> {
    let accepted = args.accepted.as_deref().map(accepted).transpose()?.unwrap_or_default();
    let config = args.source.config();
    let input = Input::new(args.file.clone());
    let new = describe(&config, &input)?;
    let mut findings = match args.against.strip_prefix("git:") {
        None => breaking::compare(&config.describe(&args.against)?, &new),
        Some(name) => {
            let Input::File(path) = &input else {
                return Err(Failure::Usage("standard input is in no revision".to_owned()));
            };
            let revision = Revision::check_out(name, path).map_err(Failure::Io)?;
            let old = args.source.config_in(|dir| revision.place(dir));
            let old = old.describe(revision.place(path))?;
            let mut findings = breaking::compare(&old, &new);
            let gone = findings.iter_mut().filter(|finding| finding.in_old);
            gone.for_each(|finding| finding.at.file = revision.name(&finding.at.file));
            findings.sort_by(|one, other| {
                (&one.at, one.rule, &one.message).cmp(&(&other.at, other.rule, &other.message))
            });
            findings
        }
    };
    let wire = args.level == Breaks::Wire;
    findings.retain(|one| !accepted.has(one) && (!wire || one.level == Level::Wire));
    Ok(findings)
}

fn describe(config: &Config, input: &Input) -> Result<Description, Error> {
    input.read(|path| config.describe(path), |name, text| config.describe_text(name, text))
}

/// What a file says is meant; a file that is not there yet says nothing.
fn accepted(path: &Path) -> Result<Accepted, Failure> {
    if !path.exists() {
        return Ok(Accepted::default());
    }
    let text =
        fs::read_to_string(path).map_err(|cause| Error::Read { path: path.to_owned(), cause })?;
    let usage = |bad| Failure::Usage(format!("`{}`, {bad}", path.display()));
    Accepted::parse(&text).map_err(usage)
}

fn record(path: &Path, findings: &[Finding]) -> Status {
    let mut text = fs::read_to_string(path).unwrap_or_default();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let lines = findings.iter().map(|finding| Accepted::line(finding) + "\n");
    text.extend(lines);
    match fs::write(path, text) {
        Ok(()) => Status::Done,
        Err(cause) => {
            eprintln!("rpcgen: cannot write `{}`: {cause}", path.display());
            Status::Io
        }
    }
}

fn text(findings: &[Finding]) -> String {
    let mut text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    let is_broken = |one: &&Finding| one.level == Level::Wire && one.severity == Severity::Error;
    let broken = findings.iter().filter(is_broken).count();
    let count = match findings.len() {
        0 => return text,
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    };
    text += &match broken {
        0 => format!("{count}, none of them wire-breaking.\n"),
        _ => format!(
            "{count}, {broken} of them wire-breaking. Add a new `version` instead, or record them \
             with --accept.\n"
        ),
    };
    text
}
