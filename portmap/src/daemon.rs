//! The daemon: sockets, and the portmapper on them until a signal.

use std::error::Error as StdError;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use farcall::bind::{Family, Uaddr};
use farcall::{Limits, Netid, Server, ServerBuilder};
use socket2::{Domain, Socket, Type};

use crate::Portmap;
use crate::access::Access;
use crate::journal::FolderError;
use crate::registry::Quotas;

mod state;

/// The port that every portmapper has.
pub const PORT: u16 = 111;

/// The Unix socket where C programs register.
pub const SOCKET: &str = "/run/rpcbind.sock";

/// The folder where what is registered is kept, by default.
pub const STATE_DIR: &str = "/run/portmapd";

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
    /// The folder cannot have what is registered.
    State {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: FolderError,
    },
    /// The server failed.
    Server(farcall::Error),
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
            Self::State { path, source } => {
                write!(f, "cannot keep registrations in {}: {source}", path.display())
            }
            Self::Server(error) => error.fmt(f),
            Self::Output(source) => write!(f, "cannot print the addresses: {source}"),
        }
    }
}

impl StdError for DaemonError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Listen { source, .. } | Self::Socket { source, .. } | Self::Output(source) => {
                Some(source)
            }
            Self::State { source, .. } => Some(source),
            Self::Server(error) => Some(error),
            Self::NoAddress => None,
        }
    }
}

/// Listens, says on `out` where, and serves until SIGTERM or SIGINT.
///
/// # Errors
/// See [`DaemonError`].
pub fn run(options: &Options, out: &mut impl Write) -> Result<(), DaemonError> {
    let portmap = Portmap::new(options.access, options.quotas);
    let mut limits = Limits::default();
    limits.records.bytes = MAX_RECORD;
    let mut builder = Server::builder().limits(limits);
    for service in portmap.services() {
        builder = builder.shared_service(service);
    }
    let pairs = bind_all(&options.listen, options.port)?;
    if let Some(path) = &options.socket {
        builder = builder.unix(path);
    }
    let mut lines = Vec::new();
    register_own(&portmap, options.socket.as_deref(), &pairs);
    state::restore(&portmap, options)?;
    for pair in pairs {
        lines.push(format!("udp {}", pair.addr));
        lines.push(format!("tcp {}", pair.addr));
        builder = pair.serve(builder);
    }
    let server = builder.stop_on_signal().bind().map_err(|error| socket_error(options, error))?;
    if let Some(path) = &options.socket {
        open_to_all(path)?;
        lines.push(format!("unix {}", path.display()));
    }
    announce(&lines, out).map_err(DaemonError::Output)?;
    server.run().map_err(DaemonError::Server)
}

/// The IP sockets are open already, so that only the Unix socket can fail to be.
fn socket_error(options: &Options, error: farcall::Error) -> DaemonError {
    match (error, &options.socket) {
        (farcall::Error::Io { source, .. }, Some(path)) => {
            DaemonError::Socket { path: path.clone(), source }
        }
        (error, _) => DaemonError::Server(error),
    }
}

fn announce(lines: &[String], out: &mut impl Write) -> io::Result<()> {
    for line in lines {
        writeln!(out, "portmapd: listening on {line}")?;
    }
    out.flush()
}

/// Everybody may connect: the kernel says who does.
fn open_to_all(path: &Path) -> Result<(), DaemonError> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(|source| {
        // The server would have removed it at its end.
        let _ = fs::remove_file(path);
        DaemonError::Socket { path: path.to_owned(), source }
    })
}

/// In rpcbind's order, and with the addresses that it registers: the wildcard, which every caller
/// is told as the address that it reaches.
fn register_own(portmap: &Portmap, socket: Option<&Path>, pairs: &[Pair]) {
    if let Some(path) = socket {
        portmap.set_own(Netid::Local, &Uaddr::Unix(path.to_owned()));
    }
    for netid in [Netid::Udp, Netid::Tcp, Netid::Udp6, Netid::Tcp6] {
        let of_family = |pair: &&Pair| Uaddr::Ip(pair.addr).family() == Family::of(netid);
        if let Some(pair) = pairs.iter().find(of_family) {
            let any: IpAddr = match pair.addr {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            portmap.set_own(netid, &Uaddr::Ip((any, pair.addr.port()).into()));
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
}
