//! The sockets of a portmapper, and its own entries in the table.

use std::error::Error as StdError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use farcall::bind::{Family, Uaddr};
use farcall::{Limits, Netid, Server, ServerBuilder};
use socket2::{Domain, Socket, Type};

use crate::Portmap;
use crate::access::LARGEST_DATAGRAM;

/// The port that every portmapper has.
pub const PORT: u16 = 111;

/// The Unix socket where C programs register.
pub const SOCKET: &str = "/run/rpcbind.sock";

/// How often another port is tried until one is free for all addresses, over UDP and TCP.
const PORT_TRIES: u32 = 64;

/// Why a portmapper cannot listen.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenError {
    /// An address cannot be had.
    Address {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// This host has none of the addresses.
    NoAddress,
    /// The Unix socket cannot be made.
    Socket {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What has nothing to do with one of its sockets.
    Server(farcall::Error),
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { addr, source } => write!(f, "cannot listen on {addr}: {source}"),
            Self::NoAddress => f.write_str("there is no address to listen on"),
            Self::Socket { path, source } => {
                write!(f, "cannot listen on {}: {source}", path.display())
            }
            Self::Server(error) => error.fmt(f),
        }
    }
}

impl ListenError {
    /// Whether somebody else has it.
    pub(crate) fn is_in_use(&self) -> bool {
        match self {
            Self::Address { source, .. } | Self::Socket { source, .. } => {
                source.kind() == io::ErrorKind::AddrInUse
            }
            Self::NoAddress | Self::Server(_) => false,
        }
    }
}

impl StdError for ListenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Address { source, .. } | Self::Socket { source, .. } => Some(source),
            Self::NoAddress => None,
            Self::Server(error) => Some(error),
        }
    }
}

/// UDP and TCP on these addresses and on loopback, or on all if none is given, at one port.
pub(crate) fn listen(listen: &[IpAddr], port: u16) -> Result<ServerBuilder, ListenError> {
    let pairs = bind_all(listen, port)?;
    Ok(pairs.into_iter().fold(Server::builder(), |builder, pair| pair.serve(builder)))
}

/// A portmapper on the sockets that a builder has, and on a Unix socket.
pub(crate) fn bind(
    mut builder: ServerBuilder,
    socket: Option<&Path>,
    portmap: &Portmap,
) -> Result<Server, ListenError> {
    if let Some(path) = socket {
        builder = builder.unix(path);
    }
    let builder = portmap.services().into_iter().fold(builder, ServerBuilder::shared_service);
    let server = builder.limits(limits()).bind().map_err(|error| socket_error(socket, error))?;
    socket.map_or(Ok(()), open_to_all)?;
    Ok(server)
}

/// Calls are short, and so are answers but for lists: whatever strangers do takes 16 MiB at most (T23).
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.records.bytes = 16 << 10;
    limits.datagram = LARGEST_DATAGRAM;
    limits.connections = Some(512);
    limits.output = 64 << 10;
    limits.total_buffered = 2 << 20;
    limits.calls_per_connection = 64;
    limits.calls = 1024;
    limits.call_bytes = 1 << 20;
    limits.cache.entries = 2048;
    limits.cache.bytes = 1 << 20;
    limits
}

/// The IP sockets are open already, so that only the Unix socket can fail to be.
fn socket_error(socket: Option<&Path>, error: farcall::Error) -> ListenError {
    match (error, socket) {
        (farcall::Error::Io { source, .. }, Some(path)) => {
            ListenError::Socket { path: path.to_owned(), source }
        }
        (error, _) => ListenError::Server(error),
    }
}

/// Everybody may connect: the kernel says who does.
fn open_to_all(path: &Path) -> Result<(), ListenError> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))
        .map_err(|source| ListenError::Socket { path: path.to_owned(), source })
}

/// In rpcbind's order, and with the addresses that it registers: the wildcard, which every caller
/// is told as the address that it reaches.
pub(crate) fn register_own(portmap: &Portmap, server: &Server) {
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
fn bind_all(listen: &[IpAddr], port: u16) -> Result<Vec<Pair>, ListenError> {
    let wanted = wanted(listen);
    let mut tries = if port == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match bind_each(&wanted, port) {
            Err(ListenError::Address { source, .. })
                if tries > 0 && source.kind() == io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
}

fn bind_each(wanted: &[Wanted], mut port: u16) -> Result<Vec<Pair>, ListenError> {
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
            Err(source) => return Err(ListenError::Address { addr, source }),
        }
    }
    if pairs.is_empty() { Err(ListenError::NoAddress) } else { Ok(pairs) }
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
