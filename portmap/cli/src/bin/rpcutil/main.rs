//! `rpcutil`: asks portmappers and services. Called as `rpcinfo`, it is that.

mod cli;
mod manual;
mod tool;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::cli::{Cli, Command, PROGRAMS};
use self::tool::ToolError;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if let Some(args) = as_rpcinfo(&args) {
        return rpcinfo(args);
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(message) => {
            // It goes to standard output if it was asked for.
            let _ = message.print();
            return ExitCode::from(if message.use_stderr() { 2 } else { 0 });
        }
    };
    match run(cli, &mut io::stdout().lock()) {
        Ok(status) => status,
        // Whoever has stopped reading wants no more.
        Err(ToolError::Output(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            if !matches!(error, ToolError::Shown { .. }) {
                eprintln!("rpcutil: {error}");
            }
            ExitCode::from(error.status())
        }
    }
}

/// The arguments of `rpcinfo`, if it is called by that name or by `rpcutil rpcinfo`.
fn as_rpcinfo(args: &[OsString]) -> Option<Vec<OsString>> {
    let name = args.first()?;
    if Path::new(name).file_name() == Some("rpcinfo".as_ref()) {
        return Some(args.to_vec());
    }
    (args.get(1)? == "rpcinfo").then(|| args[1..].to_vec())
}

fn rpcinfo(args: Vec<OsString>) -> ExitCode {
    ExitCode::from(tool::rpcinfo(args, &mut io::stdout().lock(), &mut io::stderr().lock()))
}

fn run(cli: Cli, out: &mut impl Write) -> Result<ExitCode, ToolError> {
    let timeout = cli.timeout;
    match cli.command {
        Command::List(args) => {
            let asked = args.portmapper.asked(timeout)?;
            match args.watch {
                Some(interval) => tool::watch(&asked, interval, &PROGRAMS, out)?,
                None => tool::list(&asked, args.form(), &PROGRAMS, out)?,
            }
        }
        Command::Ping(args) => tool::ping(&args.ping(timeout), out)?,
        Command::Discover(args) => tool::discover(&args.discover()?, out)?,
        Command::Set(args) => tool::set(&args.local.asked(timeout), &args.registration()?)?,
        Command::Unset(args) => {
            tool::unset(
                &args.local.asked(timeout),
                args.program.program,
                args.version,
                args.netid,
            )?;
        }
        Command::Stats(args) => {
            let (target, name) = args.portmapper.target()?;
            let options = farcall::ClientOptions::new().timeout(timeout);
            tool::stats(&target, &name, &options, args.json, &PROGRAMS, out)?;
        }
        Command::Doctor(args) => tool::doctor(&args.doctor(timeout), out)?,
        Command::Rpcinfo { args } => {
            let name = OsString::from("rpcinfo");
            return Ok(rpcinfo([name].into_iter().chain(args).collect()));
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "rpcutil", &mut script);
            out.write_all(&script)?;
        }
        Command::Man => out.write_all(&manual::page()?)?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
