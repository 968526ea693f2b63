//! `portmapd`: the portmapper as a daemon, in place of rpcbind.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{self, AddrParseError, IpAddr, Ipv4Addr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use env_logger::Env;
use farcall_portmap::config::Config;
use farcall_portmap::daemon::{self, DaemonError, Options, STATE_DIR, USER};
use farcall_portmap::{PORT, SOCKET, rpcbind};
use lexopt::prelude::*;

const HELP: &str = "\
portmapd: where RPC services register and are found (portmap 2, rpcbind 3 and 4)

Usage: portmapd [OPTIONS]
       portmapd export|import DIR [--state-dir DIR]

export: write what is kept to DIR, where rpcbind -w reads it; import: the other way

Called as rpcbind, it goes into the background without -f, and reports wrong usage as rpcbind does.

  -f                    stay in the foreground; as portmapd, it always does
  -i                    insecure: SET and UNSET from any address
  -L                    SET and UNSET by loopback from any port, not only from root's
  -d                    log what is of use to find faults
  -l                    log every registration
  -s                    serve as another user than root: _rpc, or else daemon
  -r                    make calls for others (CALLIT, BCAST, INDIRECT): for broadcasts, and risky
  -a                    accepted, without effect
  -w                    take over what rpcbind has left in /run/rpcbind, and leave it there
  -h, --listen ADDR     listen on this address and on loopback, not on all; repeatable
      --port N          port over UDP and TCP, 0 for one that is free [default: 111]
      --socket PATH     Unix socket to listen on; for root at port 111 the default is
                        /run/rpcbind.sock, for others there is none
      --state-dir DIR   folder to keep registrations in; for root at port 111 the default is
                        /run/portmapd, for others they are lost at the end
      --any-registration
                        who may SET registers what they like; else NFS, NIS and the like, root's
                        ports, and addresses of other hosts are for root
      --max-per-uid N   how much a user may register; root may without bound [default: 64]
      --user NAME       user to serve as, once the sockets are open; for root at port 111 the
                        default is _rpc
      --config FILE     take options from a TOML file; those that come after it go first
      --check-config    say whether the options and the file are sound, and do no more
      --status ADDR     serve a status page, metrics and health over HTTP on ADDR:PORT, or on
                        PORT of loopback
      --no-sandbox      stay able to do what serving does not need
      --bind-to-peer    what is registered over the Unix socket ends with the process that did so
      --no-prune        keep registrations whose address nobody has any more
      --udp-dump full   answer large lists over UDP to other hosts too
      --help            this text
      --version         the version

After SIGHUP, the rules, -i, -L, --any-registration, --max-per-uid, --no-prune and --udp-dump are
read again from FILE.
RUST_LOG sets what is logged, as for every program that uses env_logger.
Exit status: 0 after SIGTERM or SIGINT, 1 after a failure, 2 for wrong usage.
";

enum Command {
    Run {
        options: Options,
        filter: &'static str,
    },
    /// Runs the same with `-f`.
    Background,
    Export {
        state_dir: PathBuf,
        dir: PathBuf,
    },
    Import {
        dir: PathBuf,
        state_dir: PathBuf,
    },
    Print(&'static str),
}

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let is_rpcbind =
        args.first().is_some_and(|name| Path::new(name).file_name() == Some("rpcbind".as_ref()));
    // It is another user later, when the options are read again.
    let is_root = nix::unistd::geteuid().is_root();
    match parse(&args, is_rpcbind, is_root) {
        Ok(Command::Print(text)) => match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Ok(Command::Run { options, filter }) => {
            run(&options, filter, move || match parse(&args, is_rpcbind, is_root) {
                Ok(Command::Run { options, .. }) => Ok(options),
                Ok(_) => Err("the options are for something else".to_owned()),
                Err(error) => Err(error.to_string()),
            })
        }
        Ok(Command::Background) => background(&args).unwrap_or_else(|error| {
            eprintln!("rpcbind: cannot go into the background: {error}");
            ExitCode::FAILURE
        }),
        Ok(Command::Export { state_dir, dir }) => report(daemon::export(&state_dir, &dir)),
        Ok(Command::Import { dir, state_dir }) => report(daemon::import(&dir, &state_dir)),
        Err(error) if is_rpcbind => {
            eprintln!("rpcbind: {}\nusage: rpcbind [-adhilswfr]", as_getopt(&error));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("portmapd: {error}\nTry 'portmapd --help'.");
            ExitCode::from(2)
        }
    }
}

/// What rpcbind says of a wrong option.
fn as_getopt(error: &lexopt::Error) -> String {
    let letter = |option: &str| option.trim_start_matches('-').to_owned();
    match error {
        lexopt::Error::UnexpectedOption(option) => {
            format!("invalid option -- '{}'", letter(option))
        }
        lexopt::Error::MissingValue { option: Some(option) } => {
            format!("option requires an argument -- '{}'", letter(option))
        }
        error => error.to_string(),
    }
}

/// A process of its own goes on; this one ends when that one serves, or has failed to.
fn background(args: &[OsString]) -> io::Result<ExitCode> {
    let mut child = std::process::Command::new(std::env::current_exe()?)
        .arg0("rpcbind")
        .arg("-f")
        .args(args.iter().skip(1))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut addresses = [0; 4096];
    let serves = match &mut child.stdout {
        Some(stdout) => stdout.read(&mut addresses)? > 0,
        None => false,
    };
    Ok(if serves || child.wait()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(copied: Result<usize, DaemonError>) -> ExitCode {
    match copied {
        Ok(registrations) => {
            eprintln!("portmapd: {registrations} registrations");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("portmapd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(
    options: &Options,
    filter: &str,
    reload: impl Fn() -> Result<Options, String> + Send + 'static,
) -> ExitCode {
    env_logger::Builder::from_env(Env::default().default_filter_or(filter)).init();
    match daemon::run_reloading(options, reload, &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portmapd: {error}{}", error.help());
            ExitCode::FAILURE
        }
    }
}

fn parse(args: &[OsString], is_rpcbind: bool, is_root: bool) -> Result<Command, lexopt::Error> {
    let mut options = Options { sandbox: true, ..Options::default() };
    let mut filter = "info";
    let mut foreground = !is_rpcbind;
    let mut leave_root = false;
    let mut socket = None;
    let mut state_dir = None;
    let mut words = Vec::new();
    let mut check = false;
    let mut parser = lexopt::Parser::from_iter(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Short('f') => foreground = true,
            // To dump core on an error is not for a service.
            Short('a') => {}
            Short('r') => options.remote_calls = true,
            Short('s') => leave_root = true,
            Short('i') => options.access.insecure = true,
            Short('L') => options.access.loopback = true,
            Short('w') => options.warm_start = Some(PathBuf::from(rpcbind::DIR)),
            Short('d') => filter = "debug",
            Short('l') => filter = "info,farcall_portmap::portmap=debug",
            Short('h') | Long("listen") => options.listen.push(parser.value()?.parse::<IpAddr>()?),
            Long("port") => options.port = parser.value()?.parse()?,
            Long("socket") => socket = Some(PathBuf::from(parser.value()?)),
            Long("state-dir") => state_dir = Some(PathBuf::from(parser.value()?)),
            Long("any-registration") => options.access.any_registration = true,
            Long("max-per-uid") => options.quotas.per_owner = parser.value()?.parse()?,
            Long("user") => options.user = Some(parser.value()?.string()?),
            Long("no-sandbox") => options.sandbox = false,
            Long("status") => options.status = Some(parser.value()?.parse_with(status_addr)?),
            Long("config") => {
                let path = PathBuf::from(parser.value()?);
                let config = Config::read(&path).map_err(|error| error.to_string())?;
                config.apply(&mut options);
            }
            Long("check-config") => check = true,
            Long("bind-to-peer") => options.bind_to_peer = true,
            Long("no-prune") => options.prune = false,
            Long("udp-dump") => match parser.value()?.string()?.as_str() {
                "full" => options.access.large_datagrams = true,
                other => return Err(format!("--udp-dump is full, not {other:?}").into()),
            },
            // As rpcbind, which looks at no words.
            Value(_) if is_rpcbind => {}
            Value(word) => words.push(word),
            Long("help") => return Ok(Command::Print(HELP)),
            Long("version") => {
                return Ok(Command::Print(concat!("portmapd ", env!("CARGO_PKG_VERSION"), "\n")));
            }
            _ => return Err(arg.unexpected()),
        }
    }
    if let Some((verb, rest)) = words.split_first() {
        let state_dir = state_dir.unwrap_or_else(|| PathBuf::from(STATE_DIR));
        return match (verb.to_str(), rest) {
            (Some("export"), [dir]) => Ok(Command::Export { state_dir, dir: dir.into() }),
            (Some("import"), [dir]) => Ok(Command::Import { dir: dir.into(), state_dir }),
            (Some("export" | "import"), _) => Err("export and import need one folder".into()),
            _ => Err(lexopt::Error::UnexpectedArgument(verb.clone())),
        };
    }
    if check {
        return Ok(Command::Print("portmapd: the options are sound\n"));
    }
    let is_system = options.port == PORT && is_root;
    options.socket = socket.or(options.socket).or_else(|| is_system.then(|| PathBuf::from(SOCKET)));
    options.state_dir =
        state_dir.or(options.state_dir).or_else(|| is_system.then(|| PathBuf::from(STATE_DIR)));
    if options.user.is_none() && (is_system || leave_root) {
        options.user = first_user(if leave_root { &[USER, "daemon"] } else { &[USER] });
    }
    if options.user.is_none() && leave_root {
        return Err(format!("-s: there is no user {USER} or daemon; name one with --user").into());
    }
    Ok(if foreground { Command::Run { options, filter } } else { Command::Background })
}

/// The first of these users that this host has.
fn first_user(names: &[&str]) -> Option<String> {
    let is_there = |name: &&&str| matches!(nix::unistd::User::from_name(name), Ok(Some(_)));
    names.iter().find(is_there).map(|&name| name.to_owned())
}

/// A port alone is one of loopback.
fn status_addr(text: &str) -> Result<net::SocketAddr, AddrParseError> {
    match text.parse() {
        Ok(port) => Ok(net::SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        Err(_) => text.parse(),
    }
}
