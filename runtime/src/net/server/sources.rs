//! How many connections there are, and whose.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::proto::limits::Limits;
use crate::service::PeerAddr;

/// Of the descriptors that the process may have, connections leave one in this many free.
const SPARE_ONE_IN: u64 = 5;

/// Of all connections, one source has at most one in this many.
const SHARE_OF_ONE: usize = 4;

/// Who connections are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Ip(IpAddr),
    Uid(u32),
}

impl Key {
    fn of(peer: &PeerAddr) -> Self {
        match peer {
            PeerAddr::Udp(addr) | PeerAddr::Tcp(addr) => Self::Ip(addr.ip()),
            PeerAddr::Unix { uid, .. } => Self::Uid(*uid),
        }
    }
}

/// Connections by source.
#[derive(Debug)]
pub(super) struct Sources {
    counts: HashMap<Key, usize>,
    total: usize,
    most: usize,
    most_of_one: usize,
}

/// Why a connection has to go before another one may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crowded {
    /// There are too many.
    All,
    /// There are too many of its source.
    Source,
}

impl Sources {
    pub(super) fn new(limits: &Limits) -> Self {
        let allowed = connections_allowed();
        let most = limits.connections.map_or(allowed, |most| most.min(allowed));
        let most_of_one =
            limits.connections_per_source.unwrap_or_else(|| most.div_ceil(SHARE_OF_ONE));
        Self { counts: HashMap::new(), total: 0, most, most_of_one }
    }

    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// What keeps a connection of this peer out.
    pub(super) fn crowded(&self, peer: &PeerAddr) -> Option<Crowded> {
        if self.counts.get(&Key::of(peer)).is_some_and(|&count| count >= self.most_of_one) {
            return Some(Crowded::Source);
        }
        (self.total >= self.most).then_some(Crowded::All)
    }

    pub(super) fn are_same(one: &PeerAddr, other: &PeerAddr) -> bool {
        Key::of(one) == Key::of(other)
    }

    pub(super) fn add(&mut self, peer: &PeerAddr) {
        self.total += 1;
        *self.counts.entry(Key::of(peer)).or_default() += 1;
    }

    pub(super) fn remove(&mut self, peer: &PeerAddr) {
        self.total -= 1;
        let key = Key::of(peer);
        if let Some(count) = self.counts.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&key);
            }
        }
    }
}

/// How many connections a process may have by its descriptors.
pub(crate) fn connections_allowed() -> usize {
    use nix::sys::resource::{Resource, getrlimit};
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    usize::try_from(soft - soft.div_ceil(SPARE_ONE_IN)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_its_share() {
        let limits = Limits { connections: Some(8), ..Limits::DEFAULT };
        let mut sources = Sources::new(&limits);
        let peer = |host, port| PeerAddr::Tcp(([192, 0, 2, host], port).into());
        sources.add(&peer(1, 1));
        assert_eq!(sources.crowded(&peer(1, 2)), None);
        sources.add(&peer(1, 2));
        assert_eq!(sources.crowded(&peer(1, 3)), Some(Crowded::Source));
        for host in 2..8 {
            assert_eq!(sources.crowded(&peer(host, 1)), None);
            sources.add(&peer(host, 1));
        }
        assert_eq!(sources.crowded(&peer(9, 1)), Some(Crowded::All));
        sources.remove(&peer(1, 1));
        assert_eq!(sources.crowded(&peer(1, 3)), None);
        assert_eq!((sources.total(), sources.counts.len()), (7, 7));
    }
}
