//! The sockets of a server, and what is registered of them.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use socket2::{Domain, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use crate::Netid;
use crate::bind::Uaddr;
use crate::net::server::{EventLoop, Listener, SocketFile};

/// What a server listens on.
#[derive(Debug)]
pub(super) enum Endpoint {
    Udp(SocketAddr),
    Tcp(SocketAddr),
    /// There is no path of a socket without a name.
    Unix(Option<PathBuf>),
}

/// Connections that wait to be accepted; the system may allow fewer. One that finds no room tries
/// again after a second, which a thousand clients that start together would all do.
const BACKLOG: i32 = 4096;

/// A socket to serve on: open already, or where to open it.
pub(super) enum Opening {
    UdpAddr(String),
    TcpAddr(String),
    UnixPath(PathBuf),
    Udp(UdpSocket),
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Opening {
    /// Opens it for `loops`, of which there is at least one: of UDP, each has a socket.
    pub(super) fn open(self, loops: &mut [EventLoop]) -> io::Result<Endpoint> {
        match self {
            Self::UdpAddr(addr) => open_datagrams(resolve(&addr)?, loops),
            Self::TcpAddr(addr) => {
                let listener = TcpListener::bind(resolve(&addr)?)?;
                SockRef::from(&listener).listen(BACKLOG)?;
                Self::Tcp(listener).open(loops)
            }
            Self::UnixPath(path) => {
                let (listener, file) = listen_at(&path)?;
                listen(unix(listener, Some(file))?, loops)?;
                Ok(Endpoint::Unix(Some(path)))
            }
            Self::Udp(socket) => {
                let addr = socket.local_addr()?;
                loops.iter_mut().take(1).try_for_each(|first| add_datagrams(first, &socket))?;
                Ok(Endpoint::Udp(addr))
            }
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                // Accepted connections inherit it.
                SockRef::from(&listener).set_tcp_keepalive(&keepalive())?;
                let addr = listener.local_addr()?;
                listen(Listener::Tcp(mio::net::TcpListener::from_std(listener)), loops)?;
                Ok(Endpoint::Tcp(addr))
            }
            Self::Unix(listener) => {
                let path = listener.local_addr()?.as_pathname().map(Path::to_owned);
                listen(unix(listener, None)?, loops)?;
                Ok(Endpoint::Unix(path))
            }
        }
    }
}

impl Endpoint {
    /// What to register: an IPv6 socket on all addresses serves IPv4 as well.
    pub(super) fn addresses(&self) -> Vec<(Netid, Uaddr)> {
        match self {
            Self::Udp(addr) => ip_addresses(*addr, Netid::Udp, Netid::Udp6),
            Self::Tcp(addr) => ip_addresses(*addr, Netid::Tcp, Netid::Tcp6),
            Self::Unix(path) => {
                path.iter().map(|path| (Netid::Local, Uaddr::Unix(path.clone()))).collect()
            }
        }
    }
}

fn ip_addresses(addr: SocketAddr, v4: Netid, v6: Netid) -> Vec<(Netid, Uaddr)> {
    let any_v4 = SocketAddr::from(([0, 0, 0, 0], addr.port()));
    match addr {
        SocketAddr::V4(_) => vec![(v4, Uaddr::Ip(addr))],
        SocketAddr::V6(_) if addr.ip().is_unspecified() => {
            vec![(v4, Uaddr::Ip(any_v4)), (v6, Uaddr::Ip(addr))]
        }
        SocketAddr::V6(_) => vec![(v6, Uaddr::Ip(addr))],
    }
}

pub(super) fn udp_addrs(endpoints: &[Endpoint]) -> impl Iterator<Item = SocketAddr> {
    endpoints.iter().filter_map(|endpoint| match endpoint {
        Endpoint::Udp(addr) => Some(*addr),
        _ => None,
    })
}

pub(super) fn tcp_addrs(endpoints: &[Endpoint]) -> impl Iterator<Item = SocketAddr> {
    endpoints.iter().filter_map(|endpoint| match endpoint {
        Endpoint::Tcp(addr) => Some(*addr),
        _ => None,
    })
}

pub(super) fn unix_paths(endpoints: &[Endpoint]) -> impl Iterator<Item = &Path> {
    endpoints.iter().filter_map(|endpoint| match endpoint {
        Endpoint::Unix(path) => path.as_deref(),
        _ => None,
    })
}

/// How soon a peer that an answer is owed to is noticed to be gone: in two minutes.
fn keepalive() -> TcpKeepalive {
    let (after, every) = (Duration::from_secs(60), Duration::from_secs(20));
    TcpKeepalive::new().with_time(after).with_interval(every).with_retries(3)
}

/// The kernel has each peer's datagrams go to the same of several sockets.
fn open_datagrams(mut addr: SocketAddr, loops: &mut [EventLoop]) -> io::Result<Endpoint> {
    let shared = loops.len() > 1;
    for one in loops {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, None)?;
        socket.set_reuse_port(shared)?;
        socket.bind(&addr.into())?;
        let socket = UdpSocket::from(socket);
        addr = socket.local_addr()?;
        add_datagrams(one, &socket)?;
    }
    Ok(Endpoint::Udp(addr))
}

fn add_datagrams(to: &mut EventLoop, socket: &UdpSocket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    to.add_datagrams(mio::net::UdpSocket::from_std(socket.try_clone()?))
}

fn listen(listener: Listener, loops: &mut [EventLoop]) -> io::Result<()> {
    loops.first_mut().map_or(Ok(()), |first| first.add_listener(listener))
}

fn unix(listener: UnixListener, file: Option<SocketFile>) -> io::Result<Listener> {
    listener.set_nonblocking(true)?;
    Ok(Listener::Unix { _file: file, listener: mio::net::UnixListener::from_std(listener) })
}

fn resolve(addr: &str) -> io::Result<SocketAddr> {
    addr.to_socket_addrs()?.next().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// Whether a socket is there that nobody listens on. Other failures to connect say nothing of it.
fn is_left(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(false);
    }
    let client = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Where too many wait already, somebody listens who is not to be waited for.
    client.set_nonblocking(true)?;
    let connected = client.connect(&SockAddr::unix(path)?);
    Ok(connected.is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused))
}

/// A socket at `path`. What a server that is gone left there is replaced; one that lives is not.
fn listen_at(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let addr = SockAddr::unix(path)?;
    match socket.bind(&addr) {
        Err(e) if e.kind() == io::ErrorKind::AddrInUse && is_left(path)? => {
            fs::remove_file(path)?;
            socket.bind(&addr)?;
        }
        bound => bound?,
    }
    let file = SocketFile::made_at(path)?;
    socket.listen(BACKLOG)?;
    Ok((socket.into(), file))
}
