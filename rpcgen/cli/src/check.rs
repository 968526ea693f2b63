//! `rpcgen check`: what is wrong with `.x` files.

use std::path::PathBuf;

use clap::Args;
use farcall_rpcgen::{Config, Error, Report};

use crate::input::Input;
use crate::options::SourceOptions;
use crate::screen::{self, Screen};
use crate::status::Status;

/// Say what is wrong with `.x` files, and write nothing.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// `-`, or none at all, is standard input.
    #[arg(value_name = "FILE.x")]
    files: Vec<PathBuf>,
    /// Print what is found as JSON: `{"format": 1, "findings": [...]}`.
    #[arg(long)]
    json: bool,
    /// Exit with 4 if there are warnings.
    #[arg(long)]
    deny_warnings: bool,
    #[command(flatten)]
    source: SourceOptions,
}

pub(crate) fn run(args: CheckArgs, screen: Screen) -> Status {
    let inputs = match Input::all(args.files) {
        Ok(inputs) => inputs,
        Err(message) => return crate::usage(message),
    };
    let config = args.source.config();
    let mut status = Status::Done;
    let mut findings = Vec::new();
    for input in &inputs {
        match report(&config, input) {
            Ok(report) => {
                if args.deny_warnings && report.warnings() > 0 {
                    status = status.max(Status::Found);
                }
                findings.extend(report.findings());
                if !args.json {
                    screen.report(&report);
                }
            }
            Err(Error::Source(report)) if args.json => {
                findings.extend(report.findings());
                status = status.max(Status::Failed);
            }
            Err(error) => status = status.max(screen.error(&error)),
        }
    }
    if args.json { status.max(screen::print_findings(&findings)) } else { status }
}

fn report(config: &Config, input: &Input) -> Result<Report, Error> {
    input.read(|path| config.check(path), |name, text| config.check_text(name, text))
}
