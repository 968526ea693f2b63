//! `rpcutil`: asks portmappers and services. Called as `rpcinfo`, it is that.

mod change;
mod discover;
mod doctor;
mod error;
mod health;
mod list;
mod networks;
mod ping;
mod place;
mod portmapper;
mod rpcinfo;
mod service;
mod stats;
mod table;
mod watch;
mod words;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anstream::AutoStream;
use clap::{ColorChoice, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use self::error::{STATUSES, ToolError};
use self::words::seconds;

const MANUAL: &[u8] = include_bytes!("../../../man/rpcutil.1");

fn after_help() -> String {
    let lines = STATUSES.map(|(status, meaning)| format!("\n  {status}  {meaning}"));
    format!(
        "A PROGRAM is a number or a name, as compiled in or in /etc/rpc.\n\nExit status:{}",
        lines.concat()
    )
}

/// Asks portmappers (RFC 1833) and ONC RPC services.
#[derive(Debug, Parser)]
#[command(name = "rpcutil", version, after_help = after_help())]
struct Cli {
    /// How long to wait for each answer.
    #[arg(long, global = true, display_order = 100, value_name = "SECS", default_value = "5", value_parser = seconds)]
    timeout: Duration,
    /// When the output is coloured: auto, on a terminal and unless NO_COLOR is set; always; never.
    #[arg(long, global = true, display_order = 100, value_name = "WHEN", default_value_t = ColorChoice::Auto, hide_possible_values = true)]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::ListArgs),
    Ping(ping::PingArgs),
    Doctor(doctor::DoctorArgs),
    Discover(discover::DiscoverArgs),
    Set(change::SetArgs),
    Unset(change::UnsetArgs),
    Stats(stats::StatsArgs),
    /// Take the options of rpcinfo and print what it prints, byte for byte.
    ///
    /// The same happens when this program is called by the name of rpcinfo.
    #[command(disable_help_flag = true)]
    Rpcinfo {
        /// As for rpcinfo(8).
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Write the completions for a shell.
    ///
    /// For bash: `rpcutil completions bash > ~/.local/share/bash-completion/completions/rpcutil`.
    Completions {
        shell: Shell,
    },
    /// Write the manual's page, rpcutil(1): `rpcutil man | man -l -`.
    Man,
}

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if args.first().is_some_and(|name| Path::new(name).file_name() == Some("rpcinfo".as_ref())) {
        let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
        return ExitCode::from(rpcinfo::run(args, &mut out, &mut err));
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(message) => {
            // It goes to standard output if it was asked for.
            let _ = message.print();
            return ExitCode::from(if message.use_stderr() { 2 } else { 0 });
        }
    };
    let mut out = AutoStream::new(io::stdout().lock(), when(cli.color));
    match cli.command.run(cli.timeout, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
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

fn when(color: ColorChoice) -> anstream::ColorChoice {
    match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
}

impl Command {
    fn run(self, timeout: Duration, out: &mut impl Write) -> Result<(), ToolError> {
        match self {
            Self::List(args) => list::run(&args, timeout, out)?,
            Self::Ping(args) => ping::run(&args, timeout, out)?,
            Self::Doctor(args) => doctor::run(&args, timeout, out)?,
            Self::Discover(args) => discover::run(&args, out)?,
            Self::Set(args) => change::set(&args, timeout)?,
            Self::Unset(args) => change::unset(&args, timeout)?,
            Self::Stats(args) => stats::run(&args, timeout, out)?,
            Self::Rpcinfo { args } => {
                let args = [OsString::from("rpcinfo")].into_iter().chain(args).collect();
                match rpcinfo::run(args, out, &mut io::stderr().lock()) {
                    0 => {}
                    status => return Err(ToolError::Shown { status }),
                }
            }
            Self::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "rpcutil", &mut script);
                out.write_all(&script)?;
            }
            Self::Man => out.write_all(MANUAL)?,
        }
        Ok(out.flush()?)
    }
}
