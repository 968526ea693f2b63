//! Listening sockets, and how many connections they may bring.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token, event};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use super::stream::{Next, Socket, Stream};
use super::{ACCEPT_AGAIN, Caller, EventLoop, Peer, SWEEP, Source, origin};

/// Connections accepted from one listener before the others get their turn.
const ACCEPTS_PER_TURN: usize = 64;

#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// The next connection, and its address if it has one.
    fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => listener.accept().map(|(stream, addr)| {
                // Without it every answer waits for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                (Socket::Tcp(stream), Some(addr))
            }),
            Self::Unix(listener) => {
                listener.accept().map(|(stream, _)| (Socket::Unix(stream), None))
            }
        }
    }
}

impl event::Source for Listener {
    fn register(&mut self, registry: &Registry, token: Token, on: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.register(registry, token, on),
            Self::Unix(listener) => listener.register(registry, token, on),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, on: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.reregister(registry, token, on),
            Self::Unix(listener) => listener.reregister(registry, token, on),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.deregister(registry),
            Self::Unix(listener) => listener.deregister(registry),
        }
    }
}

impl EventLoop {
    pub(super) fn accept(&mut self, now: Instant, token: Token) -> Next {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(entry) = self.entry(token) else {
                return Next::Wait;
            };
            let Source::Listener(listener) = &entry.source else {
                return Next::Wait;
            };
            match listener.accept() {
                Ok((socket, addr)) => self.welcome(now, socket, addr),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Next::Wait,
                // A connection that is closed makes room for the one that waits.
                Err(e) if is_exhausted(&e) && self.evict() => {}
                Err(e) if is_exhausted(&e) => {
                    // No event tells when descriptors are free again.
                    self.accept_again = Some(now + ACCEPT_AGAIN);
                    return Next::Wait;
                }
                // The peer was gone before it was accepted, or a signal came.
                Err(_) => {}
            }
        }
        Next::Again
    }

    /// Every listener gets a turn.
    pub(super) fn accept_all(&mut self) {
        let listeners: Vec<Token> = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry.source, Source::Listener(_)))
            .map(|(key, entry)| super::token(key, entry.generation))
            .collect();
        for token in listeners {
            self.look_again(token);
        }
    }

    fn welcome(&mut self, now: Instant, socket: Socket, addr: Option<SocketAddr>) {
        if self.connections >= self.limits.connections {
            self.evict();
        }
        let peer = match self.peer(&socket, addr) {
            Ok(peer) => peer,
            Err(error) => {
                log::debug!("cannot tell who connected: {error}");
                return;
            }
        };
        let limits = self.limits.records;
        let inserted = self.insert(|token| {
            let caller = Caller { peer, origin: origin(token) };
            Ok(Source::Stream(Box::new(Stream::new(now, socket, caller, limits))))
        });
        match inserted {
            Ok(token) => {
                self.connections += 1;
                self.again.push(token);
                self.next_sweep.get_or_insert(now + SWEEP);
            }
            Err(error) => log::debug!("cannot watch a connection: {error}"),
        }
    }

    fn peer(&mut self, socket: &Socket, addr: Option<SocketAddr>) -> io::Result<Peer> {
        match (socket, addr) {
            (Socket::Unix(stream), _) => {
                let who = getsockopt(stream, PeerCredentials)?;
                self.unix_connections += 1;
                Ok(Peer::Unix { uid: who.uid(), gid: who.gid(), connection: self.unix_connections })
            }
            (Socket::Tcp(_), Some(addr)) => {
                let ip = addr.ip().to_canonical();
                let same = ip == addr.ip();
                Ok(Peer::Tcp(if same { addr } else { SocketAddr::new(ip, addr.port()) }))
            }
            (Socket::Tcp(stream), None) => Ok(Peer::Tcp(stream.peer_addr()?)),
        }
    }

    /// Closes the connection that has been silent longest. `false` if there is none.
    fn evict(&mut self) -> bool {
        let oldest = self.streams().min_by_key(|(_, stream)| stream.last_input());
        let Some((token, _)) = oldest else {
            return false;
        };
        self.core.stats_mut().too_many_connections += 1;
        self.close(token);
        true
    }
}

fn is_exhausted(error: &io::Error) -> bool {
    use nix::libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
    error.raw_os_error().is_some_and(|code| [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(&code))
}
