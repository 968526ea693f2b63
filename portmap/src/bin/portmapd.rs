//! `portmapd`: the portmapper as a daemon, in place of rpcbind.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use env_logger::Env;
use farcall_portmap::daemon::{self, Options, PORT, SOCKET, STATE_DIR};
use lexopt::prelude::*;

const HELP: &str = "\
portmapd: where RPC services register and are found (portmap 2, rpcbind 3 and 4)

Usage: portmapd [OPTIONS]

  -f                    stay in the foreground; it always does
  -i                    insecure: SET and UNSET from any address
  -d                    log every registration
  -h, --listen ADDR     listen on this address and on loopback, not on all; repeatable
      --port N          port over UDP and TCP, 0 for one that is free [default: 111]
      --socket PATH     Unix socket to listen on; for root at port 111 the default is
                        /run/rpcbind.sock, for others there is none
      --state-dir DIR   folder to keep registrations in; for root at port 111 the default is
                        /run/portmapd, for others they are lost at the end
      --no-prune        keep registrations whose address nobody has any more
      --udp-dump full   answer large lists over UDP to other hosts too
      --help            this text
      --version         the version

RUST_LOG sets what is logged, as for every program that uses env_logger.
Exit status: 0 after SIGTERM or SIGINT, 1 after a failure, 2 for wrong usage.
";

enum Command {
    Run { options: Options, debug: bool },
    Print(&'static str),
}

fn main() -> ExitCode {
    match parse(std::env::args_os()) {
        Ok(Command::Print(text)) => match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Ok(Command::Run { options, debug }) => run(&options, debug),
        Err(error) => {
            eprintln!("portmapd: {error}\nTry 'portmapd --help'.");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options, debug: bool) -> ExitCode {
    let level = if debug { "debug" } else { "info" };
    env_logger::Builder::from_env(Env::default().default_filter_or(level)).init();
    match daemon::run(options, &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portmapd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, lexopt::Error> {
    let mut options = Options::default();
    let mut debug = false;
    let mut socket = None;
    let mut state_dir = None;
    let mut parser = lexopt::Parser::from_iter(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Short('f') => {}
            Short('i') => options.access.insecure = true,
            Short('d') => debug = true,
            Short('h') | Long("listen") => options.listen.push(parser.value()?.parse::<IpAddr>()?),
            Long("port") => options.port = parser.value()?.parse()?,
            Long("socket") => socket = Some(PathBuf::from(parser.value()?)),
            Long("state-dir") => state_dir = Some(PathBuf::from(parser.value()?)),
            Long("no-prune") => options.prune = false,
            Long("udp-dump") => match parser.value()?.string()?.as_str() {
                "full" => options.access.large_datagrams = true,
                other => return Err(format!("--udp-dump is full, not {other:?}").into()),
            },
            Long("help") => return Ok(Command::Print(HELP)),
            Long("version") => {
                return Ok(Command::Print(concat!("portmapd ", env!("CARGO_PKG_VERSION"), "\n")));
            }
            _ => return Err(arg.unexpected()),
        }
    }
    let is_system = options.port == PORT && nix::unistd::geteuid().is_root();
    options.socket = socket.or_else(|| is_system.then(|| PathBuf::from(SOCKET)));
    options.state_dir = state_dir.or_else(|| is_system.then(|| PathBuf::from(STATE_DIR)));
    Ok(Command::Run { options, debug })
}
