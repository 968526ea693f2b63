//! Sockets to one server, and sending on them. They stay in blocking mode: a caller that waits
//! blocks in the receive itself, and whatever must not block says so by a flag.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use nix::libc;
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use super::Deadline;
use super::reader::wait_writable;
use crate::proto::client::{ClientCore, Transport};
use crate::xdr::Encoder;

/// How long a receive blocks at most. Set once for each socket, as it takes a system call.
pub(super) const RECEIVE_SLICE: Duration = Duration::from_millis(8);

/// A dead server is noticed after this time, and three questions more.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_RETRIES: u32 = 3;

/// Slices that are written at once.
const MAX_SLICES: usize = 16;

const DONT_WAIT: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// Where a server is, and over what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remote {
    /// By datagrams.
    Udp(SocketAddr),
    /// By a TCP connection.
    Tcp(SocketAddr),
    /// By a Unix stream socket.
    Unix(PathBuf),
}

impl Remote {
    /// The kind of transport.
    pub(super) fn transport(&self) -> Transport {
        match self {
            Self::Udp(_) => Transport::Datagram,
            Self::Tcp(_) | Self::Unix(_) => Transport::Stream,
        }
    }

    /// Connects within `timeout`, from `local`. The kernel then drops datagrams that come from
    /// anywhere else.
    pub(super) fn connect(&self, local: Local, timeout: Duration) -> io::Result<Socket> {
        let socket = match self {
            Self::Udp(addr) => local.try_each(*addr, |from| connect_udp(*addr, from))?,
            Self::Tcp(addr) => return Attempt::begin(*addr, local)?.within(timeout),
            Self::Unix(path) => connect_unix(&SockAddr::unix(path)?, timeout)?,
        };
        set_receive_slice(&socket)?;
        Ok(socket)
    }
}

/// Where a socket calls from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Local {
    /// Wherever the system likes.
    Any,
    /// Some port that only the superuser can have: what some servers take for a proof.
    Reserved,
}

impl Local {
    /// Connects to `addr` from one port after the other, until one is not taken.
    fn try_each(
        self,
        addr: SocketAddr,
        mut connect: impl FnMut(Option<SocketAddr>) -> io::Result<Socket>,
    ) -> io::Result<Socket> {
        match self {
            Self::Any => connect(None),
            Self::Reserved => RESERVED
                .rev()
                .map(|port| connect(Some(unspecified(addr, port))))
                .find(|connected| !connected.as_ref().is_err_and(is_taken))
                .unwrap_or_else(|| Err(io::ErrorKind::AddrInUse.into())),
        }
    }
}

/// The reserved ports that servers are not known by.
const RESERVED: std::ops::RangeInclusive<u16> = 600..=1023;

fn set_receive_slice(socket: &Socket) -> io::Result<()> {
    socket.set_read_timeout(Some(RECEIVE_SLICE))
}

fn unspecified(addr: SocketAddr, port: u16) -> SocketAddr {
    let ip =
        if addr.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    SocketAddr::new(ip, port)
}

fn connect_udp(addr: SocketAddr, local: Option<SocketAddr>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if let Some(local) = local {
        socket.bind(&local.into())?;
    }
    socket.connect(&addr.into())?;
    Ok(socket)
}

/// A TCP connection that is being made.
#[derive(Debug)]
pub(super) struct Attempt {
    socket: Socket,
    /// If it is from the port of a former connection: how often that was found in use.
    taken: Option<u32>,
}

impl Attempt {
    /// Begins to connect from `local`.
    pub(super) fn begin(addr: SocketAddr, local: Local) -> io::Result<Self> {
        let socket = local.try_each(addr, |from| {
            let socket = tcp(Domain::for_address(addr))?;
            let socket = match from {
                Some(from) => socket.bind(&from.into()).map(|()| socket)?,
                None => with_own_port(socket, unspecified(addr, 0))?,
            };
            begin_from(&socket, addr)?;
            Ok(socket)
        })?;
        Ok(Self { socket, taken: None })
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Whether it is from the same port as the connection before.
    pub(super) fn is_same_caller(&self) -> bool {
        self.taken.is_some()
    }

    /// Whether the connection is made.
    ///
    /// # Errors
    /// It cannot be.
    pub(super) fn is_made(&self) -> io::Result<bool> {
        let failed = self.socket.take_error()?;
        failed.map_or_else(|| Ok(self.socket.peer_addr().is_ok()), Err)
    }

    /// The connection, which was made.
    pub(super) fn finish(self) -> io::Result<Socket> {
        let Self { socket, .. } = self;
        socket.set_nonblocking(false)?;
        socket.set_tcp_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
        socket.set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_RETRIES))?;
        set_receive_slice(&socket)?;
        Ok(socket)
    }

    /// The port that it is from, for another attempt, if it is that of a former connection; unless it
    /// has been in use each time: by a copy of that connection that another process has.
    pub(super) fn port(&self, error: &io::Error) -> Option<Port> {
        let taken = self.taken? + u32::from(is_taken(error));
        let next = Port::shared_with(&self.socket).ok().filter(|_| taken < TAKEN_MOST);
        next.map(|next| Port { taken, ..next })
    }

    /// Waits for the connection.
    fn within(self, timeout: Duration) -> io::Result<Socket> {
        let deadline = Deadline::after(timeout);
        while !self.is_made()? {
            let left = deadline.left();
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            wait_writable(&self.socket, left);
        }
        self.finish()
    }
}

/// Begins to connect a TCP socket that may be bound.
fn begin_from(socket: &Socket, addr: SocketAddr) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    match socket.connect(&addr.into()) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
        begun => begun,
    }
}

/// Binds a socket to a port that the next connection can have: nobody calls elsewhere from it, as
/// from one that the system picks in connecting.
fn with_own_port(socket: Socket, any: SocketAddr) -> io::Result<Socket> {
    match socket.bind(&any.into()) {
        // Asked for by its number, it stays taken when the connection is reset. Without a descriptor
        // for that, this one has it until then.
        Ok(()) => Ok(Port::shared_with(&socket).map_or(socket, |port| port.socket)),
        // There is none left, but to share one will do.
        Err(error) if is_taken(&error) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// A TCP socket. One that comes after it may have its port.
fn tcp(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// The port of a connection that is lost, kept for the next one: by it a server knows its caller.
#[derive(Debug)]
pub(super) struct Port {
    /// Has the port, and nothing else.
    socket: Socket,
    /// How often the system would not have it used.
    taken: u32,
}

impl Port {
    /// Takes over the port of a connection, which is then reset when it is closed: one that ends in
    /// order has its addresses until the server has said that it does.
    pub(super) fn of(lost: &Socket) -> io::Result<Self> {
        let port = Self::shared_with(lost)?;
        lost.set_linger(Some(Duration::ZERO))?;
        Ok(port)
    }

    fn shared_with(socket: &Socket) -> io::Result<Self> {
        let local = socket.local_addr()?;
        let socket = tcp(local.domain())?;
        socket.bind(&local)?;
        Ok(Self { socket, taken: 0 })
    }

    /// Begins to connect from it. If that fails, it may be there for another attempt.
    pub(super) fn begin(self, addr: SocketAddr) -> Result<Attempt, (io::Error, Option<Self>)> {
        let Self { socket, taken } = self;
        let attempt = Attempt { socket, taken: Some(taken) };
        match begin_from(&attempt.socket, addr) {
            Ok(()) => Ok(attempt),
            Err(error) => {
                let port = attempt.port(&error);
                Err((error, port))
            }
        }
    }
}

/// How often a port may be found in use before another one is taken.
const TAKEN_MOST: u32 = 5;

fn connect_unix(addr: &SockAddr, timeout: Duration) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // It bounds the connect too, which waits while the listener's queue is full.
    socket.set_write_timeout(Some(at_least_some(timeout)))?;
    match socket.connect(addr) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::ErrorKind::TimedOut.into())
        }
        connected => connected.map(|()| socket),
    }
}

/// 0 would mean no timeout at all.
fn at_least_some(timeout: Duration) -> Duration {
    timeout.max(Duration::from_millis(1))
}

/// Whether a local port is the reason that a connection cannot be made.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}

/// Writes what fits of a stream's output.
pub(super) fn write(socket: &Socket, core: &mut ClientCore) -> io::Result<()> {
    while !core.output().is_empty() {
        match send(socket, core.output()) {
            Ok(written) => core.handle_written(written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sends a datagram.
pub(super) fn send_datagram(socket: &Socket, message: &Encoder) -> io::Result<()> {
    if message.contiguous().is_some() || message.chunks().nth(MAX_SLICES).is_none() {
        return send(socket, message).map(drop);
    }
    let whole: Vec<u8> = message.chunks().flatten().copied().collect();
    socket.send_with_flags(&whole, DONT_WAIT).map(drop)
}

/// Writes the first slices with one system call.
fn send(socket: &Socket, output: &Encoder) -> io::Result<usize> {
    if let Some(all) = output.contiguous() {
        return socket.send_with_flags(all, DONT_WAIT);
    }
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    let mut count = 0;
    for (slice, chunk) in slices.iter_mut().zip(output.chunks()) {
        *slice = IoSlice::new(chunk);
        count += 1;
    }
    socket.send_vectored_with_flags(&slices[..count], DONT_WAIT)
}
