//! A network in virtual time that loses, repeats, delays and reorders datagrams as a seed says.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::{Duration, Instant};

use farcall::proto::xid::Random;
use farcall::xdr::Bytes;

/// How bad a network is, one way as the other.
#[derive(Debug, Clone)]
pub(crate) struct Conditions {
    /// Datagrams lost, of 1000.
    pub(crate) lost: u32,
    /// Datagrams that arrive a second time, of 1000.
    pub(crate) repeated: u32,
    /// How long a datagram takes: evenly spread, so that they overtake each other.
    pub(crate) delay: Range<Duration>,
    /// Datagrams that are stuck somewhere on the way, of 1000, and for how long at most.
    pub(crate) stuck: u32,
    pub(crate) stuck_for: Duration,
    /// How long nothing gets through out of every [`CUT_EVERY`].
    pub(crate) cut: Duration,
}

/// How often the network is cut in two.
pub(crate) const CUT_EVERY: Duration = Duration::from_secs(30);

impl Conditions {
    /// Nothing happens but that each way takes this long.
    pub(crate) fn perfect(delay: Duration) -> Self {
        Self {
            lost: 0,
            repeated: 0,
            delay: delay..delay,
            stuck: 0,
            stuck_for: Duration::ZERO,
            cut: Duration::ZERO,
        }
    }
}

/// Which way a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

/// The datagrams that are under way.
#[derive(Debug)]
pub(crate) struct Network {
    start: Instant,
    conditions: Conditions,
    random: Random,
    /// By arrival. The number tells apart those that arrive together.
    under_way: BinaryHeap<Reverse<(Instant, u64, Way, Bytes)>>,
    numbered: u64,
}

impl Network {
    pub(crate) fn new(start: Instant, seed: u64, conditions: Conditions) -> Self {
        let random = Random::new(seed);
        Self { start, conditions, random, under_way: BinaryHeap::new(), numbered: 0 }
    }

    pub(crate) fn send(&mut self, now: Instant, way: Way, datagram: &Bytes) {
        if self.is_cut(now) {
            return;
        }
        if !self.happens(self.conditions.lost) {
            self.deliver(now, way, datagram.clone());
        }
        if self.happens(self.conditions.repeated) {
            self.deliver(now, way, datagram.clone());
        }
    }

    /// When the next datagram arrives.
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse((at, ..))| *at)
    }

    /// A datagram that has arrived.
    pub(crate) fn arrived(&mut self, now: Instant) -> Option<(Way, Bytes)> {
        if self.next_arrival()? > now {
            return None;
        }
        self.under_way.pop().map(|Reverse((_, _, way, datagram))| (way, datagram))
    }

    fn deliver(&mut self, now: Instant, way: Way, datagram: Bytes) {
        let mut delay = self.between(self.conditions.delay.clone());
        if self.happens(self.conditions.stuck) {
            delay += self.between(Duration::ZERO..self.conditions.stuck_for);
        }
        self.numbered += 1;
        self.under_way.push(Reverse((now + delay, self.numbered, way, datagram)));
    }

    fn is_cut(&self, now: Instant) -> bool {
        let since = (now - self.start).as_nanos() % CUT_EVERY.as_nanos();
        // Not at the start of a run, which would all be the same then.
        since >= (CUT_EVERY - self.conditions.cut).as_nanos()
    }

    fn happens(&mut self, per_mille: u32) -> bool {
        self.random.u64() % 1000 < u64::from(per_mille)
    }

    fn between(&mut self, range: Range<Duration>) -> Duration {
        let span = u64::try_from((range.end - range.start).as_nanos()).expect("centuries");
        range.start + Duration::from_nanos(self.random.u64() % span.max(1))
    }
}
