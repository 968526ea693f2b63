//! Whether anybody has the address of a registration.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use farcall::bind::Uaddr;
use farcall::{Netid, Program, Version};
use socket2::{Domain, Socket, Type};

use crate::holder;
use crate::registry::Entry;

/// Whether it is certain that nobody on this host has the address: it could be bound, or, if that
/// is for root, the system lists no socket at its port. What is no IP address is not certain.
pub(crate) fn is_dead(entry: &Entry) -> bool {
    let (ty, sockets) = match Netid::from_name(&entry.netid) {
        Some(Netid::Udp | Netid::Udp6) => (Type::DGRAM, "udp"),
        Some(Netid::Tcp | Netid::Tcp6) => (Type::STREAM, "tcp"),
        _ => return false,
    };
    let Ok(Uaddr::Ip(addr)) = entry.address.parse() else { return false };
    if addr.port() == 0 {
        return false;
    }
    match bind(addr, ty) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            holder::is_held(sockets, addr.port()) == Some(false)
        }
        Err(_) => false,
    }
}

fn bind(addr: SocketAddr, ty: Type) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(addr), ty, None)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if ty == Type::STREAM {
        // A listener is in the way nevertheless; connections that a dead one has left are not.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&addr.into())
}

/// How long an address that somebody has is not looked at again: a lookup is to be cheap.
const INTERVAL: Duration = Duration::from_millis(100);

/// Probes that are not made again at once.
#[derive(Debug)]
pub(crate) struct Probes {
    until: Instant,
    alive: HashSet<(Program, Version, Netid)>,
}

impl Probes {
    pub(crate) fn new(now: Instant) -> Self {
        Self { until: now, alive: HashSet::new() }
    }

    /// As [`is_dead`], as it was a tenth of a second ago at most.
    pub(crate) fn is_dead(&mut self, now: Instant, entry: &Entry) -> bool {
        let Some(netid) = Netid::from_name(&entry.netid) else { return false };
        if now >= self.until {
            self.alive.clear();
            self.until = now + INTERVAL;
        }
        let key = (entry.program, entry.version, netid);
        if self.alive.contains(&key) {
            return false;
        }
        let is_dead = is_dead(entry);
        if !is_dead {
            self.alive.insert(key);
        }
        is_dead
    }
}
