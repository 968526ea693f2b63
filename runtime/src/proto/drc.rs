//! The duplicate request cache: a repeated call is answered again, not executed again.
//!
//! RFC 5531 §5 leaves it to the server to remember calls. A call is the same if peer, xid,
//! program, version, procedure, length and checksum are. Calls that have ended are bounded by their
//! number, by that of one peer, by bytes and by age. One that is being executed is never forgotten,
//! or a repeat of it would be executed beside it; there are as many as the server lets wait.

use std::collections::hash_map::Entry as Place;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::service::PeerAddr;
use crate::xdr::Bytes;
use crate::{Procedure, Program, Version, Xid};

/// How many bytes of a call, from its start, the checksum covers.
const CHECKED_BYTES: usize = 256;

/// The bounds of a [`DuplicateCache`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheLimits {
    /// Calls remembered after their end. Default 65,536.
    pub entries: usize,
    /// Calls of one peer remembered. Default 1,024.
    pub per_peer: usize,
    /// Bytes of replies kept. Default 64 MiB.
    pub bytes: usize,
    /// The longest reply kept. Of a call with a longer one it is known only that it was executed,
    /// and its repeats are dropped. Default 64 KiB.
    pub reply_bytes: usize,
    /// How long a call is remembered after its end. Default 120 s.
    pub age: Duration,
}

impl CacheLimits {
    /// The defaults of the fields.
    pub const DEFAULT: Self = Self {
        entries: 65_536,
        per_peer: 1024,
        bytes: 64 << 20,
        reply_bytes: 64 << 10,
        age: Duration::from_secs(120),
    };
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What makes two calls the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallKey {
    peer: PeerAddr,
    xid: Xid,
    program: Program,
    version: Version,
    procedure: Procedure,
    len: usize,
    checksum: u32,
}

impl CallKey {
    /// The key of the call `message`, header included: or without it, where the header of a repeat
    /// is another one, and then with the `principal` that it named.
    #[must_use]
    pub fn new(
        peer: PeerAddr,
        xid: Xid,
        (program, version, procedure): (Program, Version, Procedure),
        principal: &[u8],
        message: &[u8],
    ) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(principal);
        hasher.update(&message[..message.len().min(CHECKED_BYTES)]);
        let checksum = hasher.finalize();
        Self { peer, xid, program, version, procedure, len: message.len(), checksum }
    }
}

/// What the cache knows of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing: it is to be executed, and is in progress from now on.
    New,
    /// It is being executed: drop the repeat. The number under which it was
    /// [put off](DuplicateCache::put_off), if it was.
    InProgress(Option<u64>),
    /// It was executed and the reply is not kept: drop the repeat.
    Drop,
    /// It was executed; the reply.
    Replay(Bytes),
}

#[derive(Debug)]
enum State {
    /// With the number under which it was put off.
    InProgress(Option<u64>),
    Done {
        reply: Option<Bytes>,
        /// Tells this entry from an earlier one of the same key in the queues.
        generation: u64,
    },
}

#[derive(Debug)]
struct Entry {
    key: CallKey,
    state: State,
}

/// What one peer has called with one xid.
#[derive(Debug)]
struct SameXid {
    entry: Entry,
    /// Other calls, of a peer that uses an xid again.
    others: Vec<Entry>,
}

impl SameXid {
    fn find(&mut self, key: &CallKey) -> Option<&mut Entry> {
        let mut all = std::iter::once(&mut self.entry).chain(&mut self.others);
        all.find(|entry| entry.key == *key)
    }
}

#[derive(Debug, Clone, Copy)]
struct Ticket {
    key: CallKey,
    generation: u64,
    at: Instant,
}

/// Remembers calls, the oldest of them forgotten first.
#[derive(Debug)]
pub struct DuplicateCache {
    limits: CacheLimits,
    entries: HashMap<(PeerAddr, Xid), SameXid>,
    /// How many of them are done.
    len: usize,
    reused: u64,
    /// Those in the order of their end; also ones that are gone, which their generation tells.
    order: VecDeque<Ticket>,
    /// The same for each peer.
    peers: HashMap<PeerAddr, VecDeque<(CallKey, u64)>>,
    bytes: usize,
    generation: u64,
}

impl DuplicateCache {
    /// An empty cache.
    #[must_use]
    pub fn new(limits: CacheLimits) -> Self {
        Self {
            limits,
            entries: HashMap::new(),
            len: 0,
            reused: 0,
            order: VecDeque::new(),
            peers: HashMap::new(),
            bytes: 0,
            generation: 0,
        }
    }

    /// Calls remembered that have ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Calls that had the peer and xid of another one that is remembered.
    #[must_use]
    pub fn reused(&self) -> u64 {
        self.reused
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Looks a call up, and notes it as in progress if it is new.
    pub fn begin(&mut self, now: Instant, key: CallKey) -> Seen {
        self.expire(now);
        match self.find(&key).map(|entry| &entry.state) {
            Some(State::InProgress(number)) => Seen::InProgress(*number),
            Some(State::Done { reply: None, .. }) => Seen::Drop,
            Some(State::Done { reply: Some(reply), .. }) => Seen::Replay(reply.clone()),
            None => {
                self.add(Entry { key, state: State::InProgress(None) });
                Seen::New
            }
        }
    }

    /// The call goes on under this number, which its repeats are told.
    pub fn put_off(&mut self, key: &CallKey, number: u64) {
        if let Some(entry) = self.find(key) {
            entry.state = State::InProgress(Some(number));
        }
    }

    /// The call was executed; `reply`, of `len` bytes, answers its repeats.
    pub fn finish(
        &mut self,
        now: Instant,
        key: &CallKey,
        reply: impl FnOnce() -> Bytes,
        len: usize,
    ) {
        let kept = len <= self.limits.reply_bytes;
        self.end(now, key, || kept.then(reply));
    }

    /// The call was executed, and its reply cannot be sent again: repeats are dropped.
    pub fn finish_without_reply(&mut self, now: Instant, key: &CallKey) {
        self.end(now, key, || None);
    }

    /// The call was not executed after all: a repeat of it may be.
    pub fn forget(&mut self, key: &CallKey) {
        self.remove(key);
    }

    fn end(&mut self, now: Instant, key: &CallKey, reply: impl FnOnce() -> Option<Bytes>) {
        let generation = self.generation + 1;
        let Some(entry) = self.find(key) else {
            return;
        };
        let reply = reply();
        let bytes = reply.as_ref().map_or(0, Bytes::len);
        entry.state = State::Done { reply, generation };
        self.generation = generation;
        self.len += 1;
        self.bytes += bytes;
        self.queue(Ticket { key: *key, generation, at: now });
        while self.is_over() && self.drop_oldest() {}
    }

    fn is_over(&self) -> bool {
        self.len > self.limits.entries || self.bytes > self.limits.bytes
    }

    fn queue(&mut self, ticket: Ticket) {
        self.order.push_back(ticket);
        self.sweep();
        let mine = self.peers.entry(ticket.key.peer).or_default();
        mine.push_back((ticket.key, ticket.generation));
        if mine.len() > self.limits.per_peer
            && let Some((oldest, generation)) = mine.pop_front()
        {
            self.remove_generation(&oldest, generation);
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some(ticket) = self.order.front()
            && now.saturating_duration_since(ticket.at) >= self.limits.age
        {
            self.drop_oldest();
        }
    }

    /// Takes out what is gone from the order, once it is the larger part of it.
    fn sweep(&mut self) {
        if self.order.len() > 2 * self.limits.entries.max(self.limits.per_peer) {
            let mut order = std::mem::take(&mut self.order);
            order.retain(|ticket| self.is_there(&ticket.key, ticket.generation));
            self.order = order;
        }
    }

    /// Forgets what ended first. `false` if nothing has.
    fn drop_oldest(&mut self) -> bool {
        let Some(ticket) = self.order.pop_front() else {
            return false;
        };
        self.remove_generation(&ticket.key, ticket.generation);
        if let Some(mine) = self.peers.get_mut(&ticket.key.peer) {
            // Queues are in the same order, so the peer's own is either there or already gone.
            if mine.front().is_some_and(|&(_, generation)| generation == ticket.generation) {
                mine.pop_front();
            }
            if mine.is_empty() {
                self.peers.remove(&ticket.key.peer);
            }
        }
        true
    }

    fn find(&mut self, key: &CallKey) -> Option<&mut Entry> {
        self.entries.get_mut(&(key.peer, key.xid))?.find(key)
    }

    fn is_there(&mut self, key: &CallKey, generation: u64) -> bool {
        let state = self.find(key).map(|entry| &entry.state);
        matches!(state, Some(State::Done { generation: of, .. }) if *of == generation)
    }

    fn add(&mut self, entry: Entry) {
        match self.entries.entry((entry.key.peer, entry.key.xid)) {
            Place::Vacant(place) => {
                place.insert(SameXid { entry, others: Vec::new() });
            }
            Place::Occupied(mut place) => {
                self.reused += 1;
                place.get_mut().others.push(entry);
            }
        }
    }

    fn remove_generation(&mut self, key: &CallKey, generation: u64) {
        if self.is_there(key, generation) {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: &CallKey) {
        let Place::Occupied(mut place) = self.entries.entry((key.peer, key.xid)) else {
            return;
        };
        let same = place.get_mut();
        let removed = if same.entry.key == *key {
            match same.others.pop() {
                Some(other) => std::mem::replace(&mut same.entry, other),
                None => place.remove().entry,
            }
        } else if let Some(at) = same.others.iter().position(|entry| entry.key == *key) {
            same.others.swap_remove(at)
        } else {
            return;
        };
        if let State::Done { reply, .. } = removed.state {
            self.len -= 1;
            self.bytes -= reply.map_or(0, |reply| reply.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> PeerAddr {
        PeerAddr::Udp(([127, 0, 0, 1], port).into())
    }

    fn key(peer: PeerAddr, xid: u32, message: &[u8]) -> CallKey {
        CallKey::new(peer, Xid(xid), (Program(1), Version(1), Procedure(1)), b"", message)
    }

    fn finish(cache: &mut DuplicateCache, now: Instant, key: &CallKey, reply: &'static [u8]) {
        cache.finish(now, key, || Bytes::from_static(reply), reply.len());
    }

    /// Ends a call that was not seen before.
    fn execute(cache: &mut DuplicateCache, now: Instant, key: CallKey, reply: &'static [u8]) {
        assert_eq!(cache.begin(now, key), Seen::New);
        finish(cache, now, &key, reply);
    }

    #[test]
    fn a_repeat_is_dropped_and_then_replayed() {
        let now = crate::epoch::epoch();
        let mut cache = DuplicateCache::new(CacheLimits::DEFAULT);
        let call = key(peer(1), 7, b"args");
        assert_eq!(cache.begin(now, call), Seen::New);
        assert_eq!(cache.begin(now, call), Seen::InProgress(None));
        cache.put_off(&call, 9);
        assert_eq!(cache.begin(now, call), Seen::InProgress(Some(9)));
        finish(&mut cache, now, &call, b"reply");
        assert_eq!(cache.begin(now, call), Seen::Replay(Bytes::from_static(b"reply")));
    }

    #[test]
    fn another_peer_xid_or_message_is_another_call() {
        let now = crate::epoch::epoch();
        let mut cache = DuplicateCache::new(CacheLimits::DEFAULT);
        assert_eq!(cache.begin(now, key(peer(1), 7, b"args")), Seen::New);
        assert_eq!(cache.begin(now, key(peer(2), 7, b"args")), Seen::New);
        assert_eq!(cache.begin(now, key(peer(1), 8, b"args")), Seen::New);
        assert_eq!(cache.begin(now, key(peer(1), 7, b"argt")), Seen::New);
        assert_eq!(cache.begin(now, key(peer(1), 7, b"args ")), Seen::New);
        assert_eq!((cache.len(), cache.reused()), (0, 2));
        // Each of them is forgotten by itself.
        for message in [b"args", b"argt", b"args"] {
            cache.forget(&key(peer(1), 7, message));
        }
        assert_eq!(cache.begin(now, key(peer(1), 7, b"args ")), Seen::InProgress(None));
        assert_eq!(cache.begin(now, key(peer(1), 7, b"argt")), Seen::New);
    }

    #[test]
    fn age_entries_and_bytes_are_bounded() {
        let now = crate::epoch::epoch();
        let limits = CacheLimits { entries: 3, bytes: 10, reply_bytes: 6, ..CacheLimits::DEFAULT };
        let mut cache = DuplicateCache::new(limits);
        let keys: Vec<CallKey> = (1..=5).map(|i| key(peer(1), i, b"")).collect();
        for call in &keys[..4] {
            execute(&mut cache, now, *call, b"");
        }
        assert_eq!(cache.len(), 3);
        assert_eq!(cache.begin(now, keys[1]), Seen::Replay(Bytes::new()), "still there");
        assert_eq!(cache.begin(now, keys[0]), Seen::New, "forgotten");
        finish(&mut cache, now, &keys[0], b"123456");
        execute(&mut cache, now, keys[1], b"12345");
        assert_eq!((cache.len(), cache.bytes), (1, 5), "the older ones went for the bytes");
        execute(&mut cache, now, keys[4], b"too long to keep");
        assert_eq!(cache.begin(now, keys[4]), Seen::Drop, "known to be executed");
        let later = now + limits.age;
        assert_eq!(cache.begin(later, keys[4]), Seen::New, "forgotten by age");
        assert_eq!((cache.len(), cache.bytes, cache.peers.len()), (0, 0, 0));
    }

    #[test]
    fn what_is_being_executed_is_never_forgotten() {
        let now = crate::epoch::epoch();
        let limits = CacheLimits { entries: 5, per_peer: 3, ..CacheLimits::DEFAULT };
        let mut cache = DuplicateCache::new(limits);
        let call = key(peer(1), 7, b"args");
        assert_eq!(cache.begin(now, call), Seen::New);
        for xid in 8..20 {
            execute(&mut cache, now, key(peer(1), xid, b""), b"reply");
            execute(&mut cache, now, key(peer(2), xid, b""), b"reply");
        }
        let end = now + 2 * limits.age;
        assert_eq!(cache.begin(end, call), Seen::InProgress(None));
        assert_eq!(cache.len(), 0, "the others are too old");
        // It is remembered from its end on.
        finish(&mut cache, end, &call, b"reply");
        let last = end + limits.age - Duration::from_nanos(1);
        assert_eq!(cache.begin(last, call), Seen::Replay(Bytes::from_static(b"reply")));
        assert_eq!(cache.begin(end + limits.age, call), Seen::New);
    }

    #[test]
    fn t16_a_flood_of_one_peer_leaves_the_others_alone() {
        let now = crate::epoch::epoch();
        let mut cache = DuplicateCache::new(CacheLimits { per_peer: 10, ..CacheLimits::DEFAULT });
        let call = key(peer(1), 7, b"args");
        execute(&mut cache, now, call, b"reply");
        for xid in 0..1000 {
            execute(&mut cache, now, key(peer(2), xid, b""), b"");
        }
        assert_eq!(cache.begin(now, call), Seen::Replay(Bytes::from_static(b"reply")));
        assert_eq!(cache.len(), 11);
    }

    #[test]
    fn a_forgotten_call_may_be_executed() {
        let now = crate::epoch::epoch();
        let mut cache = DuplicateCache::new(CacheLimits::DEFAULT);
        let call = key(peer(1), 7, b"args");
        cache.begin(now, call);
        cache.forget(&call);
        assert!(cache.entries.is_empty(), "nothing is left of it");
        assert_eq!(cache.begin(now, call), Seen::New);
    }
}
