//! `rpcutil`: asks portmappers and services.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use farcall::Version;
use farcall::bind::Portmapper;
use farcall_portmap::daemon::PORT;
use farcall_portmap::programs::Programs;
use farcall_portmap::tool::{self, Ping, ToolError};
use lexopt::prelude::*;

const HELP: &str = "\
rpcutil: asks portmappers and services

Usage: rpcutil list [HOST]
       rpcutil ping HOST PROGRAM[/VERSION]

list: what is registered at a host, or at this one: by its Unix socket, unless a port is given
      --port N          port of the portmapper [default: 111]
      --socket PATH     Unix socket of this host's portmapper, instead of a host
ping: whether a service answers; without a version, all versions that are registered
  -T, --transport udp|tcp  [default: udp where it is registered]
  -c, --count N         calls to each version [default: 1]
      --port N          port of the portmapper [default: 111]
both:
      --timeout SECS    how long to wait for each answer [default: 5]
      --help            this text
      --version         the version

A PROGRAM is a number, or a name from /etc/rpc.
Exit status: 0 fine, 1 the answer is no, 2 wrong usage, 3 no answer.
";

enum Command {
    List { portmapper: Place },
    Ping(Ping),
    Print(&'static str),
}

/// Which portmapper to list.
enum Place {
    Local,
    Socket(PathBuf),
    Host(String, u16),
}

struct Parsed {
    command: Command,
    timeout: Duration,
}

fn main() -> ExitCode {
    let programs = Programs::of_this_host();
    let parsed = match parse(std::env::args_os(), &programs) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("rpcutil: {error}\nTry 'rpcutil --help'.");
            return ExitCode::from(2);
        }
    };
    match run(&parsed, &programs) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rpcutil: {error}");
            ExitCode::from(error.status())
        }
    }
}

fn run(parsed: &Parsed, programs: &Programs) -> Result<(), ToolError> {
    let out = &mut io::stdout().lock();
    match &parsed.command {
        Command::Print(text) => {
            io::Write::write_all(out, text.as_bytes())?;
            Ok(())
        }
        Command::Ping(ping) => tool::ping(ping, out),
        Command::List { portmapper } => {
            let (portmapper, asked) = match portmapper {
                Place::Local => (Portmapper::local(), "this host".to_owned()),
                Place::Socket(path) => (Portmapper::unix(path), path.display().to_string()),
                Place::Host(host, port) => {
                    (Portmapper::at(tool::resolve(host, *port)?), host.clone())
                }
            };
            tool::list(&portmapper.timeout(parsed.timeout), &asked, programs, out)
        }
    }
}

/// Everything that may be on the command line.
struct Args {
    words: Vec<String>,
    port: Option<u16>,
    socket: Option<PathBuf>,
    tcp: Option<bool>,
    count: Option<u32>,
    timeout: Duration,
}

fn parse(
    args: impl IntoIterator<Item = OsString>,
    programs: &Programs,
) -> Result<Parsed, lexopt::Error> {
    let mut args_left = lexopt::Parser::from_iter(args);
    let (words, timeout) = (Vec::new(), Duration::from_secs(5));
    let mut args = Args { words, port: None, socket: None, tcp: None, count: None, timeout };
    while let Some(arg) = args_left.next()? {
        match arg {
            Value(word) => args.words.push(word.string()?),
            Long("port") => args.port = Some(args_left.value()?.parse()?),
            Long("socket") => args.socket = Some(PathBuf::from(args_left.value()?)),
            Short('T') | Long("transport") => {
                args.tcp = Some(args_left.value()?.parse_with(|name| match name {
                    "udp" => Ok(false),
                    "tcp" => Ok(true),
                    _ => Err("a transport is udp or tcp"),
                })?);
            }
            Short('c') | Long("count") => args.count = Some(args_left.value()?.parse()?),
            Long("timeout") => {
                args.timeout = args_left.value()?.parse_with(|text| {
                    text.parse()
                        .map_err(drop)
                        .and_then(|s| Duration::try_from_secs_f64(s).map_err(drop))
                        .map_err(|()| "a timeout is a number of seconds")
                })?;
            }
            Long("help") => return Ok(print(HELP)),
            Long("version") => {
                return Ok(print(concat!("rpcutil ", env!("CARGO_PKG_VERSION"), "\n")));
            }
            _ => return Err(arg.unexpected()),
        }
    }
    let timeout = args.timeout;
    Ok(Parsed { command: command(args, programs)?, timeout })
}

fn print(text: &'static str) -> Parsed {
    Parsed { command: Command::Print(text), timeout: Duration::ZERO }
}

fn command(args: Args, programs: &Programs) -> Result<Command, lexopt::Error> {
    let words: Vec<_> = args.words.iter().map(String::as_str).collect();
    match (words.as_slice(), &args) {
        (["list"], Args { socket: Some(path), port: None, tcp: None, count: None, .. }) => {
            Ok(Command::List { portmapper: Place::Socket(path.clone()) })
        }
        (["list"], Args { socket: None, port, tcp: None, count: None, .. }) => {
            let here = |port| Place::Host("localhost".to_owned(), port);
            Ok(Command::List { portmapper: port.map_or(Place::Local, here) })
        }
        (["list", host], Args { socket: None, port, tcp: None, count: None, .. }) => {
            let port = port.unwrap_or(PORT);
            Ok(Command::List { portmapper: Place::Host((*host).to_owned(), port) })
        }
        (["ping", host, service], Args { socket: None, .. }) => {
            ping(host, service, &args, programs).map(Command::Ping)
        }
        _ => Err("the command is 'list [HOST]' or 'ping HOST PROGRAM[/VERSION]'".into()),
    }
}

fn ping(
    host: &str,
    service: &str,
    args: &Args,
    programs: &Programs,
) -> Result<Ping, lexopt::Error> {
    let (name, version) = match service.split_once('/') {
        Some((name, version)) => {
            let version = version.parse().map_err(|_| "a version is a number")?;
            (name, Some(Version(version)))
        }
        None => (service, None),
    };
    let unknown = || lexopt::Error::from(format!("no program is named {name:?}"));
    Ok(Ping {
        host: host.to_owned(),
        program: programs.number(name).ok_or_else(unknown)?,
        name: name.to_owned(),
        version,
        tcp: args.tcp,
        port: args.port.unwrap_or(PORT),
        count: args.count.unwrap_or(1),
        timeout: args.timeout,
    })
}
