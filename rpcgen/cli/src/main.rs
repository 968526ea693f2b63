//! `rpcgen`: the compiler as a command.

mod breaking;
mod build;
mod c_flags;
mod check;
mod completions;
mod describe;
mod diff;
mod explain;
mod fmt;
mod input;
mod lint;
mod manual;
mod new;
mod options;
mod screen;
mod status;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::screen::Screen;
use crate::status::Status;

/// Compiler for ONC RPC interface files (`.x`): Rust, and what else is made of them.
///
/// Without a command it builds, and takes the flags of C rpcgen too: `rpcgen -l kv.x`.
#[derive(Debug, Parser)]
#[command(name = "rpcgen", version, after_help = status::help())]
struct Cli {
    #[command(flatten)]
    screen: Screen,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(build::BuildArgs),
    Check(check::CheckArgs),
    Describe(describe::DescribeArgs),
    New(new::NewArgs),
    Fmt(fmt::FmtArgs),
    Lint(lint::LintArgs),
    Breaking(breaking::BreakingArgs),
    Explain(explain::ExplainArgs),
    Completions(completions::CompletionsArgs),
    Man(manual::ManArgs),
}

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    ExitCode::from(run(&args))
}

fn run(args: &[OsString]) -> Status {
    let mut notes = Vec::new();
    let args = if names_command(args) {
        args.to_vec()
    } else {
        match c_flags::translate(args) {
            Ok(translated) => {
                notes = translated.notes;
                translated.args
            }
            Err(cause) => return usage(&cause.to_string()),
        }
    };
    match Cli::try_parse_from([OsString::from("rpcgen")].into_iter().chain(args)) {
        Ok(cli) => {
            notes.iter().for_each(|note| cli.screen.note(note));
            cli.command.run(cli.screen)
        }
        Err(message) => {
            // It goes to standard output if it was asked for.
            let _ = message.print();
            if message.use_stderr() { Status::Usage } else { Status::Done }
        }
    }
}

/// Whether the line is for one of the commands, or about all of them.
fn names_command(args: &[OsString]) -> bool {
    let mut args = args.iter().filter_map(|arg| arg.to_str());
    while let Some(arg) = args.next() {
        match arg {
            "-q" | "--quiet" => {}
            "--color" => drop(args.next()),
            _ if arg.starts_with("--color=") => {}
            "-V" | "--version" | "--help" | "help" => return true,
            // C rpcgen's header, unless there is nothing to make one of.
            "-h" => return args.next().is_none(),
            _ => return Cli::command().find_subcommand(arg).is_some(),
        }
    }
    false
}

/// Says what is wrong with how the command is used.
fn usage(message: &str) -> Status {
    eprintln!("rpcgen: {message}\nTry `rpcgen --help`.");
    Status::Usage
}

impl Command {
    fn run(self, screen: Screen) -> Status {
        match self {
            Self::Build(args) => build::run(args, screen),
            Self::Check(args) => check::run(args, screen),
            Self::Describe(args) => describe::run(args, screen),
            Self::New(args) => new::run(&args, screen),
            Self::Fmt(args) => fmt::run(args, screen),
            Self::Lint(args) => lint::run(args, screen),
            Self::Breaking(args) => breaking::run(&args, screen),
            Self::Explain(args) => explain::run(&args),
            Self::Completions(args) => completions::run(&args),
            Self::Man(_) => manual::run(),
        }
    }
}
