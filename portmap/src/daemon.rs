//! The daemon: sockets, and the portmapper on them until a signal.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Instant;

use farcall::{Server, ServerBuilder};

use crate::access::Access;
use crate::holder::{self, Holder};
use crate::hosts_access;
use crate::journal::FolderError;
use crate::notify::{self, Watchdog};
use crate::registry::Quotas;
use crate::rules::Rule;
use crate::sandbox;
use crate::sockets;
use crate::status::{Serving, StatusPage};
use crate::{ListenError, PORT, Portmap};

mod reload;
mod state;

pub use state::{export, import};

/// The folder where what is registered is kept, by default.
pub const STATE_DIR: &str = "/run/portmapd";

/// The user to serve as, by default: the one that Debian's rpcbind has.
pub const USER: &str = "_rpc";

/// What to serve where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The addresses to listen on besides those of the loopback interface. Empty for all.
    pub listen: Vec<IpAddr>,
    /// The port, over UDP and TCP; 0 for one that is free.
    pub port: u16,
    /// The Unix socket, if there is to be one.
    pub socket: Option<PathBuf>,
    /// The folder where what is registered is kept, if it is to be kept.
    pub state_dir: Option<PathBuf>,
    /// The folder where rpcbind has left what is registered and is to find it again, if it is to
    /// be taken over and left.
    pub warm_start: Option<PathBuf>,
    /// The user to serve as, once the sockets are open; `None` to stay as the process is.
    pub user: Option<String>,
    /// Whether this process gives up, for good, what serving does not need: to write elsewhere
    /// than in the folders above, to execute programs, and many system calls.
    pub sandbox: bool,
    /// The address of the status page, if there is to be one: only read, by everybody who reaches
    /// it.
    pub status: Option<SocketAddr>,
    /// Whether a registration whose address nobody has is removed.
    pub prune: bool,
    /// Whether what is registered over a Unix socket ends with the process that did so.
    pub bind_to_peer: bool,
    /// Whether calls are made on behalf of others.
    pub remote_calls: bool,
    /// Who may do what.
    pub access: Access,
    /// Which calls are let through at all. At port 111 those of `hosts.allow` and `hosts.deny` come after
    /// these.
    pub rules: Vec<Rule>,
    /// How much may be registered.
    pub quotas: Quotas,
}

impl Default for Options {
    fn default() -> Self {
        let (access, quotas) = (Access::default(), Quotas::default());
        Self {
            listen: Vec::new(),
            port: PORT,
            socket: None,
            state_dir: None,
            warm_start: None,
            user: None,
            sandbox: false,
            status: None,
            prune: true,
            bind_to_peer: false,
            remote_calls: false,
            access,
            rules: Vec::new(),
            quotas,
        }
    }
}

/// Why the daemon ended, or did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum DaemonError {
    /// The daemon cannot listen.
    Listen(ListenError),
    /// The process cannot become the user.
    User {
        /// The user's name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The folder cannot have what is registered.
    State {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: FolderError,
    },
    /// What is registered cannot be copied from or to a folder.
    Copy {
        /// The folder's path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The server failed.
    Server(farcall::Error),
    /// A thread cannot be started.
    Thread(io::Error),
    /// The addresses could not be printed.
    Output(io::Error),
}

impl fmt::Display for DaemonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => error.fmt(f),
            Self::User { name, source } => write!(f, "cannot serve as {name}: {source}"),
            Self::State { path, source } => {
                write!(f, "cannot keep registrations in {}: {source}", path.display())
            }
            Self::Copy { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Server(error) => error.fmt(f),
            Self::Thread(source) => write!(f, "cannot start a thread: {source}"),
            Self::Output(source) => write!(f, "cannot print the addresses: {source}"),
        }
    }
}

impl DaemonError {
    /// More lines for a person: who has the address that could not be had, and what to do.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Listen(error @ ListenError::Address { addr, .. }) if error.is_in_use() => {
                in_use(addr.port(), &holder::of_port(addr.port()))
            }
            _ => String::new(),
        }
    }
}

fn in_use(port: u16, holders: &[Holder]) -> String {
    let mut text: String = holders.iter().map(|holder| format!("\n  {holder} has it")).collect();
    let is_rpcbind = |holder: &Holder| holder.name == "rpcbind";
    // systemd has the sockets of rpcbind's unit.
    let is_systemd = |holder: &Holder| holder.pid == 1 && holder.name == "systemd";
    if port == PORT && holders.iter().any(|holder| is_rpcbind(holder) || is_systemd(holder)) {
        text.push_str(
            "\n  help: systemctl stop rpcbind.socket rpcbind.service, and start this again: \
             with -w,\n  what is registered with rpcbind is taken over",
        );
    }
    text
}

impl StdError for DaemonError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::User { source, .. }
            | Self::Copy { source, .. }
            | Self::Thread(source)
            | Self::Output(source) => Some(source),
            Self::Listen(error) => Some(error),
            Self::State { source, .. } => Some(source),
            Self::Server(error) => Some(error),
        }
    }
}

/// Listens, says on `out` where, and serves until SIGTERM or SIGINT.
///
/// Sockets that systemd passed are listened on, and then no others.
///
/// # Errors
/// See [`DaemonError`].
pub fn run(options: &Options, out: &mut impl Write) -> Result<(), DaemonError> {
    let same = options.clone();
    run_reloading(options, move || Ok(same.clone()), out)
}

/// As [`run`]; after SIGHUP, the rules on who may do what, the quotas and whether to prune are
/// those that `reload` returns. What else is other than before is named in the log.
///
/// # Errors
/// See [`DaemonError`].
pub fn run_reloading(
    options: &Options,
    reload: impl Fn() -> Result<Options, String> + Send + 'static,
    out: &mut impl Write,
) -> Result<(), DaemonError> {
    let portmap = Portmap::new(options.access, options.quotas);
    portmap.restrict(rules(options));
    let server = listen(options, &portmap)?;
    let status = options.status.map(bind_status).transpose()?;
    sockets::register_own(&portmap, &server);
    become_user(options)?;
    let kept = state::restore(&portmap, options)?;
    if options.sandbox {
        confine(options);
    }
    kept.map_or(Ok(()), |kept| kept.begin(&portmap)).map_err(DaemonError::Thread)?;
    reload::start(portmap.clone(), options.clone(), reload).map_err(DaemonError::Thread)?;
    if options.bind_to_peer {
        portmap.bind_to_peers().map_err(DaemonError::Thread)?;
    }
    if options.remote_calls {
        portmap.make_remote_calls().map_err(DaemonError::Thread)?;
    }
    announce(&server, status.as_ref(), out).map_err(DaemonError::Output)?;
    let status = status.map(|page| page.start(portmap.clone(), server.handle())).transpose();
    let status = status.map_err(DaemonError::Thread)?;
    serve(server, status.as_ref()).map_err(DaemonError::Server)?;
    state::leave(&portmap, options);
    Ok(())
}

/// Those of the options, and then, for the host's own portmapper, those that rpcbind obeys too.
fn rules(options: &Options) -> Vec<Rule> {
    let of_host = if options.port == PORT { hosts_access::of_this_host() } else { Vec::new() };
    options.rules.iter().cloned().chain(of_host).collect()
}

/// What is read, and who may write it, is the user's matter from now on.
fn become_user(options: &Options) -> Result<(), DaemonError> {
    if let Some(name) = &options.user {
        let folder = options.state_dir.as_deref();
        sandbox::find_user(name)
            .and_then(|user| sandbox::become_user(&user, folder))
            .map_err(|source| DaemonError::User { name: name.clone(), source })?;
        log::info!("serving as {name}");
    }
    if nix::unistd::geteuid().is_root() {
        log::warn!("serving as root: with --user another one can be had");
    }
    Ok(())
}

fn confine(options: &Options) {
    let folders = [&options.state_dir, &options.warm_start].into_iter().flatten();
    let writable: Vec<_> = folders.map(PathBuf::as_path).collect();
    // The server removes the socket that it has made.
    sandbox::confine(&writable, options.socket.as_deref().and_then(Path::parent));
}

/// Calls wait from now on, and are served when the table is there.
fn listen(options: &Options, portmap: &Portmap) -> Result<Server, DaemonError> {
    let passed = ServerBuilder::from_systemd().map_err(DaemonError::Server)?;
    let (builder, socket) = match passed {
        Some(builder) => (builder, None),
        None => {
            let builder = sockets::listen(&options.listen, options.port);
            (builder.map_err(DaemonError::Listen)?, options.socket.as_deref())
        }
    };
    sockets::bind(builder.stop_on_signal(), socket, portmap).map_err(DaemonError::Listen)
}

/// That it lives is said by the loop itself: one that hangs says nothing.
fn serve(mut server: Server, status: Option<&Serving>) -> farcall::Result<()> {
    let mut watchdog = Watchdog::start(Instant::now());
    notify::ready();
    loop {
        let now = Instant::now();
        let watchdog = watchdog.as_mut().map(|watchdog| watchdog.turn(now));
        let beat = status.map(|status| status.pulse.beat(now));
        if !server.poll_once([watchdog, beat].into_iter().flatten().min())? {
            break;
        }
    }
    notify::stopping();
    Ok(())
}

fn bind_status(addr: SocketAddr) -> Result<StatusPage, DaemonError> {
    StatusPage::bind(addr)
        .map_err(|source| DaemonError::Listen(ListenError::Address { addr, source }))
}

fn announce(server: &Server, status: Option<&StatusPage>, out: &mut impl Write) -> io::Result<()> {
    let mut text = String::new();
    let mut line = |addr: &dyn fmt::Display| {
        text.push_str(&format!("portmapd: listening on {addr}\n"));
    };
    status.into_iter().for_each(|page| line(&format_args!("http {}", page.addr())));
    server.udp_addrs().for_each(|addr| line(&format_args!("udp {addr}")));
    server.tcp_addrs().for_each(|addr| line(&format_args!("tcp {addr}")));
    server.unix_paths().for_each(|path| line(&format_args!("unix {}", path.display())));
    // At once: who reads may go after the first line.
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_port_is_named_with_what_to_do() {
        let holder = |name: &str, pid| Holder { name: name.to_owned(), pid };
        let rpcbind = in_use(PORT, &[holder("rpcbind", 812), holder("systemd", 1)]);
        let expected = "\n  rpcbind (pid 812) has it\n  systemd (pid 1) has it\n  help: systemctl \
                        stop rpcbind.socket rpcbind.service, and start this again: with -w,\n  \
                        what is registered with rpcbind is taken over";
        assert_eq!(rpcbind, expected);
        assert_eq!(in_use(PORT, &[holder("dnsmasq", 7)]), "\n  dnsmasq (pid 7) has it");
        assert_eq!(in_use(1111, &[holder("rpcbind", 7)]), "\n  rpcbind (pid 7) has it");
        assert_eq!(in_use(PORT, &[]), "");
    }
}
