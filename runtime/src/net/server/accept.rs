//! Listening sockets, and how many connections they may bring.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Instant;
use std::{fs, io};

use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token, event};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use super::sources::{Crowded, Sources};
use super::stream::{Next, Socket, Stream};
use super::{ACCEPT_AGAIN, Bell, Caller, EventLoop, PeerAddr, SWEEP, Source, generation, origin};

/// Connections accepted from one listener before the others get their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// Connections that may wait for another loop. One more is closed: a loop that is stuck must not use
/// up the descriptors of the others.
const ARRIVALS: usize = 128;

/// A connection that was accepted, and its address if it has one.
type Accepted = (Socket, Option<SocketAddr>);

/// Connections for a loop, from the one that accepts.
pub(super) type Arrivals = Receiver<Accepted>;

/// The loops that connections are spread over besides the one that accepts.
#[derive(Debug)]
pub(super) struct Spread {
    others: Vec<(SyncSender<Accepted>, Arc<Bell>)>,
    hasher: RandomState,
    next: usize,
}

impl Spread {
    /// Which of them a connection is for; `None` for the one that accepts.
    fn choose(&mut self, addr: Option<SocketAddr>) -> Option<&(SyncSender<Accepted>, Arc<Bell>)> {
        let loops = self.others.len() as u64 + 1;
        let hash = match addr {
            Some(addr) => self.hasher.hash_one(addr),
            None => {
                self.next = self.next.wrapping_add(1);
                self.next as u64
            }
        };
        let at = usize::try_from(hash % loops).unwrap_or(0);
        self.others.get(at.wrapping_sub(1))
    }
}

/// Has the first of the loops give connections to the others.
pub(crate) fn share_out(first: &mut EventLoop, others: &mut [EventLoop]) {
    let others = others.iter_mut().map(|other| {
        let (sender, arrivals) = sync_channel(ARRIVALS);
        other.arrivals = Some(arrivals);
        (sender, other.bell())
    });
    first.spread = Some(Spread { others: others.collect(), hasher: RandomState::new(), next: 0 });
}

#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix {
        /// If the server has made it. Dropped first, so that it is never another one's.
        _file: Option<SocketFile>,
        listener: UnixListener,
    },
}

/// The file of a Unix socket. It goes with the listener, and not when the server has drained: by then
/// there may be another server's in its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Its device and inode.
    id: (u64, u64),
}

impl SocketFile {
    /// The file that was just made at `path`.
    pub(crate) fn made_at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), id: id(path)? })
    }
}

/// Which file is at `path`.
fn id(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let path = self.path.display();
        if id(&self.path).is_ok_and(|id| id != self.id) {
            log::info!("{path} stays: it is another server's");
            return;
        }
        match fs::remove_file(&self.path) {
            // Who opened it is another user by now. The next server replaces it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                log::info!("{path} stays: {error}");
            }
            Err(error) => log::warn!("cannot remove {path}: {error}"),
            Ok(()) => {}
        }
    }
}

impl Listener {
    /// The next connection, and its address if it has one.
    fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => listener.accept().map(|(stream, addr)| {
                // Without it every answer waits for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                (Socket::Tcp(stream), Some(addr))
            }),
            Self::Unix { listener, .. } => {
                listener.accept().map(|(stream, _)| (Socket::Unix(stream), None))
            }
        }
    }

    /// Whether there is a connection to be accepted.
    fn has_waiting(&self) -> bool {
        let fd = match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix { listener, .. } => listener.as_fd(),
        };
        poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::ZERO) != Ok(0)
    }
}

impl event::Source for Listener {
    fn register(&mut self, registry: &Registry, token: Token, on: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.register(registry, token, on),
            Self::Unix { listener, .. } => listener.register(registry, token, on),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, on: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.reregister(registry, token, on),
            Self::Unix { listener, .. } => listener.reregister(registry, token, on),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.deregister(registry),
            Self::Unix { listener, .. } => listener.deregister(registry),
        }
    }
}

impl EventLoop {
    pub(super) fn accept(&mut self, now: Instant, token: Token) -> Next {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(Source::Listener(listener)) = self.entry(token).map(|entry| &entry.source)
            else {
                return Next::Wait;
            };
            match listener.accept() {
                Ok(accepted) => self.pass_on(now, accepted),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Next::Wait,
                // The peer was gone before it was accepted, or a signal came.
                Err(e) if is_passing(&e) => {}
                // The system says so even if nobody waits; then somebody who comes is an event.
                Err(e) if is_exhausted(&e) && !listener.has_waiting() => return Next::Wait,
                // A connection that is closed makes room for the one that waits.
                Err(e) if is_exhausted(&e) && self.free_a_descriptor() => {}
                // No event tells when it can be done again.
                Err(_) => {
                    self.accept_again = Some(now + ACCEPT_AGAIN);
                    return Next::Wait;
                }
            }
        }
        Next::Again
    }

    /// Closes a connection for want of descriptors. `false` if there is none.
    fn free_a_descriptor(&mut self) -> bool {
        self.core.counters().exhausted.add(1);
        self.evict(|_| true)
    }

    /// Every listener gets a turn.
    pub(super) fn accept_all(&mut self) {
        for token in self.tokens(|source| matches!(source, Source::Listener(_))) {
            self.look_again(token);
        }
    }

    /// Takes in connections that another loop has accepted.
    pub(super) fn take_arrivals(&mut self, now: Instant) {
        while let Some(accepted) = self.arrivals.as_ref().and_then(|some| some.try_recv().ok()) {
            self.welcome(now, accepted);
        }
    }

    fn pass_on(&mut self, now: Instant, accepted: Accepted) {
        match self.spread.as_mut().and_then(|spread| spread.choose(accepted.1)) {
            Some((other, bell)) => {
                // A loop that has ended takes no more, and neither will this one.
                if let Err(TrySendError::Full(_)) = other.try_send(accepted) {
                    self.core.counters().too_many_connections.add(1);
                }
                bell.ring();
            }
            None => self.welcome(now, accepted),
        }
    }

    fn welcome(&mut self, now: Instant, (socket, addr): Accepted) {
        let peer = match self.peer(&socket, addr) {
            Ok(peer) => peer,
            Err(error) => {
                log::debug!("cannot tell who connected: {error}");
                return;
            }
        };
        self.make_room(&peer);
        let limits = self.limits;
        let inserted = self.insert(|token| {
            let caller = Caller::new(peer, origin(token));
            Ok(Source::Stream(Box::new(Stream::new(now, socket, caller, &limits))))
        });
        match inserted {
            Ok(token) => {
                self.sources.add(&peer);
                self.again.push(token);
                self.next_sweep.get_or_insert(now + SWEEP);
            }
            Err(error) => log::debug!("cannot watch a connection: {error}"),
        }
    }

    fn make_room(&mut self, peer: &PeerAddr) {
        match self.sources.crowded(peer) {
            None => {}
            Some(Crowded::All) => {
                self.evict(|_| true);
            }
            Some(Crowded::Source) => {
                self.core.counters().too_many_of_one.add(1);
                self.evict(|other| Sources::are_same(other, peer));
            }
        }
    }

    fn peer(&mut self, socket: &Socket, addr: Option<SocketAddr>) -> io::Result<PeerAddr> {
        match (socket, addr) {
            (Socket::Unix(stream), _) => {
                let who = getsockopt(stream, PeerCredentials)?;
                self.unix_connections += 1;
                let (uid, gid, pid) = (who.uid(), who.gid(), who.pid());
                Ok(PeerAddr::Unix { uid, gid, pid, connection: self.unix_connections })
            }
            (Socket::Tcp(_), Some(addr)) => {
                let ip = addr.ip().to_canonical();
                let same = ip == addr.ip();
                Ok(PeerAddr::Tcp(if same { addr } else { SocketAddr::new(ip, addr.port()) }))
            }
            (Socket::Tcp(stream), None) => Ok(PeerAddr::Tcp(stream.peer_addr()?)),
        }
    }

    /// Closes the connection that has been silent longest, of those of some peers. `false` if there
    /// is none.
    fn evict(&mut self, of: impl Fn(&PeerAddr) -> bool) -> bool {
        // Of those accepted in one turn, which are of the same time, the first one was there first.
        let those = self.streams().filter(|(_, stream)| of(stream.peer()));
        let Some((token, _)) =
            those.min_by_key(|(token, stream)| (stream.last_input(), generation(*token)))
        else {
            return false;
        };
        self.core.counters().too_many_connections.add(1);
        self.close(token);
        true
    }
}

/// Whether the next connection may be accepted all the same.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

fn is_exhausted(error: &io::Error) -> bool {
    use nix::libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
    error.raw_os_error().is_some_and(|code| [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(&code))
}
