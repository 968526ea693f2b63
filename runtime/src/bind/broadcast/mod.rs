//! Calls to every server of a program at once.

mod core;
mod sockets;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use self::core::{BroadcastCore, Called};
use self::sockets::Sockets;
use crate::error::Result;
use crate::net::client::seed;
use crate::xdr::{Bytes, DecodeError, Decoder, EncodeError, Encoder};
use crate::{Interface, Procedure};

/// The port of every portmapper.
const PORTMAPPER: u16 = 111;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(4);

/// The question is put again after this time, then after twice that, and so on.
const FIRST_REPEAT: Duration = Duration::from_millis(500);

/// A call to every server of a version of a program on this host's networks, by way of the
/// portmappers of their hosts, which pass it on (RFC 5531 §8.4.2, RFC 1833 §2.2.1 RPCBPROC_BCAST and
/// §3.2 PMAPPROC_CALLIT).
///
/// It goes out in version 2 and version 3 of the portmapper's protocol at once, over IPv4 to the
/// broadcast address of every interface, over IPv6 to the portmappers' multicast group, `ff02::202`.
/// Many portmappers refuse to pass calls on, and all refuse some programs; such a host is not heard
/// of.
///
/// ```no_run
/// use std::time::Duration;
///
/// use farcall::bind::Broadcast;
/// use farcall::{Interface, Procedure, Program, Version};
///
/// static YPBIND: Interface = Interface {
///     program: Program(100_007),
///     program_name: "YPBINDPROG",
///     version: Version(2),
///     version_name: "YPBINDVERS",
///     procedures: &[],
/// };
///
/// let broadcast = Broadcast::new(&YPBIND).timeout(Duration::from_secs(2));
/// for (responder, ()) in broadcast.call(Procedure::NULL, |_| Ok(()), |_| Ok(()))? {
///     println!("{}", responder.server);
/// }
/// # Ok::<(), farcall::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Broadcast {
    interface: &'static Interface,
    timeout: Duration,
    port: u16,
    targets: Vec<SocketAddr>,
}

/// Who has answered a [`Broadcast`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Responder {
    /// Where the server can be called directly.
    pub server: SocketAddr,
    /// Where the reply came from: the portmapper that passed the call on.
    pub portmapper: SocketAddr,
}

impl Broadcast {
    /// A call to every server of `interface`.
    #[must_use]
    pub fn new(interface: &'static Interface) -> Self {
        Self { interface, timeout: DEFAULT_TIMEOUT, port: PORTMAPPER, targets: Vec::new() }
    }

    /// How long replies are waited for. Default 4 s.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Where the portmappers listen. Default 111.
    #[must_use]
    pub fn portmapper_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Asks only there instead of everywhere: at a broadcast or multicast address, or at one host.
    #[must_use]
    pub fn target(mut self, addr: SocketAddr) -> Self {
        self.targets.push(addr);
        self
    }

    /// Calls a procedure. `args` writes the arguments, `results` reads each server's results.
    ///
    /// The replies come as they arrive; each server is there once, and one whose results cannot be
    /// read is left out. The iterator ends when the time is over.
    ///
    /// # Errors
    /// An argument that does not fit its type; no socket, or no network to ask on.
    pub fn call<T>(
        &self,
        procedure: Procedure,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
        results: fn(&mut Decoder<'_>) -> Result<T, DecodeError>,
    ) -> Result<Replies<T>> {
        let mut e = Encoder::new();
        args(&mut e)?;
        let Interface { program, version, .. } = *self.interface;
        let called = Called { program, version, procedure };
        let core = BroadcastCore::new(seed()?, called, e.into_bytes())?;
        let sockets = Sockets::open(&self.targets, self.port)?;
        let now = Instant::now();
        let until = now + self.timeout.min(LONGEST);
        let (again, wait) = (now, FIRST_REPEAT);
        Ok(Replies { core, sockets, results, until, again, wait, read: VecDeque::new() })
    }
}

/// A day is as good as for ever, and can be added to any clock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The replies to a [`Broadcast`], as they arrive.
#[derive(Debug)]
#[must_use = "nothing is sent before the first reply is asked for"]
pub struct Replies<T> {
    core: BroadcastCore,
    sockets: Sockets,
    results: fn(&mut Decoder<'_>) -> Result<T, DecodeError>,
    until: Instant,
    /// When the question is put again, and how long after that.
    again: Instant,
    wait: Duration,
    /// Datagrams that were read together with one that was a reply.
    read: VecDeque<(SocketAddr, Bytes)>,
}

impl<T> Iterator for Replies<T> {
    type Item = (Responder, T);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Some((from, datagram)) = self.read.pop_front() {
                if let Some((responder, results)) = self.core.handle(from, &datagram)
                    && let Ok(value) = whole(&results, self.results)
                {
                    return Some((responder, value));
                }
            }
            let now = Instant::now();
            if now >= self.until {
                return None;
            }
            self.ask(now);
            let left = self.until.min(self.again).saturating_duration_since(now);
            self.sockets.receive(left, &mut self.read);
        }
    }
}

impl<T> Replies<T> {
    fn ask(&mut self, now: Instant) {
        if now < self.again {
            return;
        }
        self.sockets.send(self.core.v2(), self.core.v3());
        self.again = now + self.wait;
        self.wait *= 2;
    }
}

fn whole<T>(
    results: &Bytes,
    decode: fn(&mut Decoder<'_>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut d = Decoder::new(results);
    let value = decode(&mut d)?;
    d.end()?;
    Ok(value)
}
