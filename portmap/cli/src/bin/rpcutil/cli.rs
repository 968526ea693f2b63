//! The command line of `rpcutil`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use crate::tool::{self, Asked, Discover, Doctor, Form, Ping, Service, ToolError, Transport};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use farcall::bind::{Portmapper, Registration};
use farcall::{Netid, Version};
use farcall_portmap::programs::Programs;
use farcall_portmap::{PORT, SOCKET};

/// Names of programs on this host.
pub(crate) static PROGRAMS: LazyLock<Programs> = LazyLock::new(Programs::of_this_host);

pub(crate) const STATUSES: [(u8, &str); 4] = [
    (0, "fine"),
    (1, "the answer is no: not registered, refused, not accepted"),
    (2, "wrong usage"),
    (3, "no answer"),
];

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
pub(crate) struct Cli {
    /// How long to wait for each answer.
    #[arg(long, global = true, value_name = "SECS", default_value = "5", value_parser = seconds)]
    pub(crate) timeout: Duration,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what is registered at a host, or at this one.
    List(ListArgs),
    /// Show whether a service answers, and how fast.
    ///
    /// Without a version, all versions that are registered are called.
    Ping(PingArgs),
    /// Find the hosts of this host's networks that have a service, by broadcast.
    ///
    /// The portmappers of the hosts pass the call on; many are set up not to.
    Discover(DiscoverArgs),
    /// Register a service at this host's portmapper.
    Set(SetArgs),
    /// Remove a registration at this host's portmapper.
    Unset(UnsetArgs),
    /// Show what a portmapper has counted.
    Stats(StatsArgs),
    /// Find out why a service cannot be reached, and what to do.
    Doctor(DoctorArgs),
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
    Completions { shell: Shell },
    /// Write the manual's page, rpcutil(1): `rpcutil man | man -l -`.
    Man,
}

/// A portmapper anywhere.
#[derive(Debug, Args)]
pub(crate) struct PortmapperArgs {
    /// The host; without one, this host, by its portmapper's Unix socket.
    host: Option<String>,
    /// The port of the portmapper, of this host if none is named.
    #[arg(long, value_name = "N")]
    portmapper_port: Option<u16>,
    /// Ask the portmapper at this Unix socket.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["host", "portmapper_port"])]
    socket: Option<PathBuf>,
}

impl PortmapperArgs {
    pub(crate) fn asked(&self, timeout: Duration) -> Result<Asked, ToolError> {
        let (portmapper, name) = match (&self.socket, &self.host, self.portmapper_port) {
            (Some(path), ..) => (Portmapper::unix(path), path.display().to_string()),
            (None, None, None) => (Portmapper::local(), "this host".to_owned()),
            (None, host, port) => {
                let host = host.as_deref().unwrap_or("localhost");
                (Portmapper::at(tool::resolve(host, port.unwrap_or(PORT))?), host.to_owned())
            }
        };
        Ok(Asked { portmapper: portmapper.timeout(timeout), name })
    }

    /// Where a client is to connect to, and its name.
    pub(crate) fn target(&self) -> Result<(String, String), ToolError> {
        let unix = |path: &str| format!("unix://{path}");
        Ok(match (&self.socket, &self.host, self.portmapper_port) {
            (Some(path), ..) => (unix(&path.display().to_string()), path.display().to_string()),
            (None, None, None) => (unix(SOCKET), "this host".to_owned()),
            (None, host, port) => {
                let host = host.as_deref().unwrap_or("localhost");
                let addr = tool::resolve(host, port.unwrap_or(PORT))?;
                (format!("tcp://{addr}"), host.to_owned())
            }
        })
    }
}

/// This host's portmapper.
#[derive(Debug, Args)]
pub(crate) struct LocalArgs {
    /// Ask the portmapper at this Unix socket.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl LocalArgs {
    pub(crate) fn asked(&self, timeout: Duration) -> Asked {
        let (portmapper, name) = match &self.socket {
            Some(path) => (Portmapper::unix(path), path.display().to_string()),
            None => (Portmapper::local(), "this host".to_owned()),
        };
        Asked { portmapper: portmapper.timeout(timeout), name }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) portmapper: PortmapperArgs,
    /// Go on, and print what comes (`+`) and goes (`-`); look every SECS.
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true,
          default_missing_value = "2", value_parser = seconds, conflicts_with_all = ["json", "short"])]
    pub(crate) watch: Option<Duration>,
    /// Print JSON, an object for each registration.
    #[arg(long)]
    json: bool,
    /// Print a line per program: name, versions, transports.
    #[arg(long, conflicts_with = "json")]
    short: bool,
}

impl ListArgs {
    pub(crate) fn form(&self) -> Form {
        match (self.json, self.short) {
            (true, _) => Form::Json,
            (false, true) => Form::Short,
            (false, false) => Form::Table,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PingArgs {
    host: String,
    #[arg(value_name = "PROGRAM[/VERSION]", value_parser = service)]
    service: Service,
    /// Over udp, tcp or local; without it, over the first of these that is registered.
    #[arg(short = 'T', long, value_name = "TRANSPORT")]
    transport: Option<Transport>,
    /// The port of the service: the portmapper is not asked.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Calls to each version.
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    count: u32,
    /// From one call to the next.
    #[arg(short, long, value_name = "SECS", default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// The port of the portmapper.
    #[arg(long, value_name = "N", default_value_t = PORT)]
    portmapper_port: u16,
}

impl PingArgs {
    pub(crate) fn ping(self, timeout: Duration) -> Ping {
        let Self { host, service, transport, port, count, interval, portmapper_port } = self;
        Ping { host, service, transport, portmapper_port, port, count, interval, timeout }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DiscoverArgs {
    #[arg(value_name = "PROGRAM/VERSION", value_parser = service)]
    service: Service,
    /// How long to listen.
    #[arg(long, value_name = "SECS", default_value = "4", value_parser = seconds)]
    listen: Duration,
    /// Ask only this host, or this broadcast or multicast address; repeatable.
    #[arg(long, value_name = "HOST")]
    at: Vec<String>,
    /// The port of the portmappers.
    #[arg(long, value_name = "N", default_value_t = PORT)]
    portmapper_port: u16,
}

impl DiscoverArgs {
    pub(crate) fn discover(&self) -> Result<Discover, ToolError> {
        let version = self.service.version;
        let missing = || ToolError::No("discover needs a version: PROGRAM/VERSION".to_owned());
        let at = self.at.iter().map(|host| tool::resolve(host, self.portmapper_port));
        Ok(Discover {
            program: self.service.program,
            version: version.ok_or_else(missing)?,
            listen: self.listen,
            portmapper_port: self.portmapper_port,
            at: at.collect::<Result<_, _>>()?,
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    #[arg(value_parser = program)]
    program: Service,
    #[arg(value_parser = version)]
    version: Version,
    /// The transport: udp, tcp, udp6, tcp6 or local.
    #[arg(value_parser = netid)]
    netid: Netid,
    /// A universal address such as 192.0.2.7.8.1, the path of a Unix socket, or just a port: then at
    /// all of this host's addresses.
    address: String,
    #[command(flatten)]
    pub(crate) local: LocalArgs,
}

impl SetArgs {
    pub(crate) fn registration(&self) -> Result<Registration, ToolError> {
        let address = tool::address(&self.address, self.netid).map_err(ToolError::No)?;
        Ok(Registration::new(self.program.program, self.version, self.netid, address))
    }
}

#[derive(Debug, Args)]
pub(crate) struct UnsetArgs {
    #[arg(value_parser = program)]
    pub(crate) program: Service,
    #[arg(value_parser = version)]
    pub(crate) version: Version,
    /// The transport; without one, all.
    #[arg(value_parser = netid)]
    pub(crate) netid: Option<Netid>,
    #[command(flatten)]
    pub(crate) local: LocalArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) portmapper: PortmapperArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    host: String,
    #[arg(value_name = "PROGRAM[/VERSION]", value_parser = service)]
    service: Service,
    /// The port of the portmapper.
    #[arg(long, value_name = "N", default_value_t = PORT)]
    portmapper_port: u16,
}

impl DoctorArgs {
    pub(crate) fn doctor(self, timeout: Duration) -> Doctor {
        let Self { host, service, portmapper_port } = self;
        Doctor { host, service, portmapper_port, timeout }
    }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().map_err(|_| "a number of seconds is wanted")?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "a number of seconds is wanted")
}

fn service(text: &str) -> Result<Service, String> {
    Service::parse(text, &PROGRAMS)
}

fn program(text: &str) -> Result<Service, String> {
    service(text).and_then(|service| match service.version {
        None => Ok(service),
        Some(_) => Err("the version is a word of its own".to_owned()),
    })
}

fn version(text: &str) -> Result<Version, &'static str> {
    text.parse().map(Version).map_err(|_| "a version is a number")
}

fn netid(text: &str) -> Result<Netid, &'static str> {
    Netid::from_name(text).ok_or("a transport is udp, tcp, udp6, tcp6 or local")
}
