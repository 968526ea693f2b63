//! The daemon: sockets, and the portmapper on them until a signal.

use std::error::Error as StdError;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fmt, fs};

use farcall::bind::{Family, Uaddr};
use farcall::{Limits, Netid, Server, ServerBuilder};
use socket2::{Domain, Socket, Type};

use crate::Portmap;
use crate::access::Access;
use crate::holder::{self, Holder};
use crate::journal::FolderError;
use crate::notify::{self, Watchdog};
use crate::registry::Quotas;
use crate::sandbox;
use crate::status::{Serving, StatusPage};

mod reload;
mod state;

pub use state::{export, import};

/// The port that every portmapper has.
pub const PORT: u16 = 111;

/// The Unix socket where C programs register.
pub const SOCKET: &str = "/run/rpcbind.sock";

/// The folder where what is registered is kept, by default.
pub const STATE_DIR: &str = "/run/portmapd";

/// The user to serve as, by default: the one that Debian's rpcbind has.
pub const USER: &str = "_rpc";

/// The largest call over a stream: a registration is far smaller.
const MAX_RECORD: usize = 64 << 10;

/// How often another port is tried until one is free for all addresses, over UDP and TCP.
const PORT_TRIES: u32 = 64;

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
    /// Who may do what.
    pub access: Access,
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
            access,
            quotas,
        }
    }
}

/// Why the daemon ended, or did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum DaemonError {
    /// An address cannot be listened on.
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No address can be listened on.
    NoAddress,
    /// The Unix socket cannot be made.
    Socket {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
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
            Self::Listen { addr, source } => write!(f, "cannot listen on {addr}: {source}"),
            Self::NoAddress => f.write_str("there is no address to listen on"),
            Self::Socket { path, source } => {
                write!(f, "cannot listen on {}: {source}", path.display())
            }
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
            Self::Listen { addr, source } if source.kind() == io::ErrorKind::AddrInUse => {
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
            Self::Listen { source, .. }
            | Self::Socket { source, .. }
            | Self::User { source, .. }
            | Self::Copy { source, .. }
            | Self::Thread(source)
            | Self::Output(source) => Some(source),
            Self::State { source, .. } => Some(source),
            Self::Server(error) => Some(error),
            Self::NoAddress => None,
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

/// As [`run`]; after SIGHUP, the rules on who may do what and the quotas are those that `reload`
/// returns.
///
/// # Errors
/// See [`DaemonError`].
pub fn run_reloading(
    options: &Options,
    reload: impl Fn() -> Result<Options, String> + Send + 'static,
    out: &mut impl Write,
) -> Result<(), DaemonError> {
    let portmap = Portmap::new(options.access, options.quotas);
    let server = listen(options, &portmap)?;
    let status = options.status.map(bind_status).transpose()?;
    register_own(&portmap, &server);
    become_user(options)?;
    let kept = state::restore(&portmap, options)?;
    if options.sandbox {
        confine(options);
    }
    kept.map_or(Ok(()), |kept| kept.begin(&portmap)).map_err(DaemonError::Thread)?;
    reload::start(portmap.clone(), reload).map_err(DaemonError::Thread)?;
    announce(&server, status.as_ref(), out).map_err(DaemonError::Output)?;
    let status = status.map(|page| page.start(portmap.clone(), server.handle())).transpose();
    let status = status.map_err(DaemonError::Thread)?;
    serve(server, status.as_ref()).map_err(DaemonError::Server)?;
    state::leave(&portmap, options);
    Ok(())
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
    let mut limits = Limits::default();
    limits.records.bytes = MAX_RECORD;
    let passed = ServerBuilder::from_systemd().map_err(DaemonError::Server)?;
    let own_socket = options.socket.as_deref().filter(|_| passed.is_none());
    let mut builder = match passed {
        Some(builder) => builder,
        None => own_sockets(options)?,
    };
    for service in portmap.services() {
        builder = builder.shared_service(service);
    }
    let server = builder.limits(limits).stop_on_signal().bind();
    let server = server.map_err(|error| socket_error(own_socket, error))?;
    own_socket.map_or(Ok(()), open_to_all)?;
    Ok(server)
}

fn own_sockets(options: &Options) -> Result<ServerBuilder, DaemonError> {
    let pairs = bind_all(&options.listen, options.port)?;
    let builder = pairs.into_iter().fold(Server::builder(), |builder, pair| pair.serve(builder));
    Ok(match &options.socket {
        Some(path) => builder.unix(path),
        None => builder,
    })
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

/// The IP sockets are open already, so that only the Unix socket can fail to be.
fn socket_error(own_socket: Option<&Path>, error: farcall::Error) -> DaemonError {
    match (error, own_socket) {
        (farcall::Error::Io { source, .. }, Some(path)) => {
            DaemonError::Socket { path: path.to_owned(), source }
        }
        (error, _) => DaemonError::Server(error),
    }
}

fn bind_status(addr: SocketAddr) -> Result<StatusPage, DaemonError> {
    StatusPage::bind(addr).map_err(|source| DaemonError::Listen { addr, source })
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

/// Everybody may connect: the kernel says who does.
fn open_to_all(path: &Path) -> Result<(), DaemonError> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))
        .map_err(|source| DaemonError::Socket { path: path.to_owned(), source })
}

/// In rpcbind's order, and with the addresses that it registers: the wildcard, which every caller
/// is told as the address that it reaches.
fn register_own(portmap: &Portmap, server: &Server) {
    if let Some(path) = server.unix_paths().next() {
        portmap.set_own(Netid::Local, &Uaddr::Unix(path.to_owned()));
    }
    let (udp, tcp): (Vec<_>, Vec<_>) = (server.udp_addrs().collect(), server.tcp_addrs().collect());
    for (netid, addrs) in
        [(Netid::Udp, &udp), (Netid::Tcp, &tcp), (Netid::Udp6, &udp), (Netid::Tcp6, &tcp)]
    {
        let of_family = |addr: &&SocketAddr| Uaddr::Ip(**addr).family() == Family::of(netid);
        if let Some(addr) = addrs.iter().find(of_family) {
            let any: IpAddr = match addr {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            portmap.set_own(netid, &Uaddr::Ip((any, addr.port()).into()));
        }
    }
}

/// UDP and TCP at the same address and port.
#[derive(Debug)]
struct Pair {
    addr: SocketAddr,
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Pair {
    fn bind(addr: SocketAddr) -> io::Result<Self> {
        let udp: UdpSocket = open(addr, Type::DGRAM)?.into();
        let addr = udp.local_addr()?;
        let tcp = open(addr, Type::STREAM)?;
        tcp.listen(1024)?;
        Ok(Self { addr, udp, tcp: tcp.into() })
    }

    fn serve(self, builder: ServerBuilder) -> ServerBuilder {
        builder.udp_socket(self.udp).tcp_listener(self.tcp)
    }
}

fn open(addr: SocketAddr, ty: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), ty, None)?;
    if addr.is_ipv6() {
        // IPv4 has sockets of its own, and a transport of its own in the table.
        socket.set_only_v6(true)?;
    }
    if ty == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// An address, and whether it may be missing.
type Wanted = (IpAddr, bool);

/// With addresses given, those of the loopback interface are there too, as with rpcbind: services
/// register by them.
fn wanted(listen: &[IpAddr]) -> Vec<Wanted> {
    if listen.is_empty() {
        return vec![(Ipv4Addr::UNSPECIFIED.into(), false), (Ipv6Addr::UNSPECIFIED.into(), true)];
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let given = listen.iter().map(|&ip| (ip, false));
    for (ip, optional) in given.chain(loopback.map(|ip| (ip, true))) {
        let covers = |&(other, _): &Wanted| {
            other == ip || (other.is_unspecified() && other.is_ipv4() == ip.is_ipv4())
        };
        if !wanted.iter().any(covers) {
            wanted.push((ip, optional));
        }
    }
    wanted
}

/// Binds every address to the same port.
fn bind_all(listen: &[IpAddr], port: u16) -> Result<Vec<Pair>, DaemonError> {
    let wanted = wanted(listen);
    let mut tries = if port == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match bind_each(&wanted, port) {
            Err(DaemonError::Listen { source, .. })
                if tries > 0 && source.kind() == io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
}

fn bind_each(wanted: &[Wanted], mut port: u16) -> Result<Vec<Pair>, DaemonError> {
    let mut pairs = Vec::with_capacity(wanted.len());
    for &(ip, optional) in wanted {
        let addr = SocketAddr::new(ip, port);
        match Pair::bind(addr) {
            Ok(pair) => {
                port = pair.addr.port();
                pairs.push(pair);
            }
            Err(error) if optional && error.kind() != io::ErrorKind::AddrInUse => {
                log::warn!("not listening on {addr}: {error}");
            }
            Err(source) => return Err(DaemonError::Listen { addr, source }),
        }
    }
    if pairs.is_empty() { Err(DaemonError::NoAddress) } else { Ok(pairs) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|ip| ip.parse().expect("an IP address")).collect()
    }

    #[test]
    fn loopback_is_listened_on_in_any_case() {
        let table = [
            ("", "0.0.0.0 ::?"),
            ("127.0.0.1", "127.0.0.1 ::1?"),
            ("192.0.2.7", "192.0.2.7 127.0.0.1? ::1?"),
            ("::1 ::1", "::1 127.0.0.1?"),
            ("0.0.0.0", "0.0.0.0 ::1?"),
            (":: 0.0.0.0", ":: 0.0.0.0"),
        ];
        for (listen, expected) in table {
            let listen: Vec<_> = listen.split_whitespace().collect();
            let shown =
                |&(ip, optional): &Wanted| format!("{ip}{}", if optional { "?" } else { "" });
            let wanted: Vec<_> = wanted(&ips(&listen)).iter().map(shown).collect();
            assert_eq!(wanted.join(" "), expected, "{listen:?}");
        }
    }

    #[test]
    fn all_addresses_have_the_same_port() {
        let pairs = bind_all(&ips(&["127.0.0.1", "127.0.0.2"]), 0).expect("free ports");
        let port = pairs[0].addr.port();
        assert_ne!(port, 0);
        for pair in &pairs {
            assert_eq!(pair.udp.local_addr().ok(), Some(pair.addr));
            assert_eq!(pair.tcp.local_addr().ok(), Some(pair.addr));
            assert_eq!(pair.addr.port(), port);
        }
        let taken = bind_all(&ips(&["127.0.0.1"]), port).expect_err("it is in use");
        let in_use = "Address already in use (os error 98)";
        assert_eq!(taken.to_string(), format!("cannot listen on 127.0.0.1:{port}: {in_use}"));
    }

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
