//! What is said on standard error, and how.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use clap::{Args, ValueEnum};
use farcall_rpcgen::{Error, Report};
use serde::Serialize;

use crate::status::Status;

/// Options of every command.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Screen {
    /// When diagnostics are coloured.
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value = "auto")]
    color: Color,
    /// Say nothing about what is no error.
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

impl Screen {
    /// Whether diagnostics are coloured.
    pub(crate) fn color(self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !unwanted && io::stderr().is_terminal()
            }
        }
    }

    /// Says what is wrong, and what that makes of the command.
    pub(crate) fn error(self, error: &Error) -> Status {
        match error {
            Error::Source(report) => eprintln!("{}\n", report.render(self.color())),
            other => eprintln!("rpcgen: {other}"),
        }
        Status::from(error)
    }

    /// Shows warnings and notes.
    pub(crate) fn report(self, report: &Report) {
        if !self.quiet && !report.is_empty() {
            eprintln!("{}\n", report.render(self.color()));
        }
    }

    /// Shows a difference.
    pub(crate) fn diff(self, diff: &str) {
        if !self.quiet {
            eprint!("{diff}");
        }
    }

    /// Says something that is no error.
    pub(crate) fn note(self, note: impl Display) {
        if !self.quiet {
            eprintln!("rpcgen: {note}");
        }
    }
}

/// Writes to standard output. Whoever has stopped reading wants no more.
pub(crate) fn print(text: &str) -> Status {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("rpcgen: cannot write to standard output: {cause}");
            Status::Io
        }
        _ => Status::Done,
    }
}

/// Prints a value in JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Status {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(&(text + "\n")),
        Err(cause) => {
            eprintln!("rpcgen: cannot write JSON: {cause}");
            Status::Failed
        }
    }
}

/// What is found, as all commands that find something print it.
#[derive(Serialize)]
struct Findings<'a, T> {
    format: u32,
    findings: &'a [T],
}

/// Prints findings in JSON.
pub(crate) fn print_findings(findings: &[impl Serialize]) -> Status {
    print_json(&Findings { format: 1, findings })
}
