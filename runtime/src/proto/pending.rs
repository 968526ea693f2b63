//! The calls of a client that are under way, and their timers.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use super::client::{CallState, KNOWN_FOR, Repeat};
use crate::error::Result;
use crate::xdr::{Bytes, Encoder};
use crate::{Procedure, Xid};

/// Buffers that are kept for later calls, and the largest of them.
const SPARE_BUFFERS: usize = 64;
const SPARE_CAPACITY: usize = 64 << 10;

/// Timers that may be out of date before they are swept out, besides as many as there are calls.
const STALE_TIMERS: usize = 64;

/// A call that has no result yet.
#[derive(Debug)]
pub(super) struct Call {
    /// The whole message, kept to be sent again: the same bytes under the same xid.
    pub(super) message: Encoder,
    pub(super) procedure: Procedure,
    pub(super) started: Instant,
    pub(super) deadline: Instant,
    /// How often it was sent, and when first and last.
    pub(super) sent: u32,
    pub(super) first_sent: Instant,
    pub(super) last_sent: Instant,
    /// Where it begins in all that ever was for the stream.
    pub(super) begins: u64,
    /// How long an answer is waited for before it is sent again.
    pub(super) timeout: Duration,
    /// Its place among all calls.
    pub(super) number: u64,
    pub(super) repeat: Repeat,
    /// Nobody wants its results: it is dropped as soon as it is sent.
    pub(super) unwanted: bool,
    /// What is special about its authentication.
    pub(super) state: Option<Box<CallState>>,
    /// The xid that it was made again with, so that answers to before are told apart.
    alias: Option<Xid>,
    timer: Instant,
}

impl Call {
    /// A call that was not sent yet; its timer is its deadline.
    pub(super) fn new(
        message: Encoder,
        procedure: Procedure,
        now: Instant,
        deadline: Instant,
        number: u64,
    ) -> Self {
        Self {
            message,
            procedure,
            started: now,
            deadline,
            sent: 0,
            first_sent: now,
            last_sent: now,
            begins: 0,
            timeout: Duration::ZERO,
            number,
            repeat: Repeat::Always,
            unwanted: false,
            state: None,
            alias: None,
            timer: deadline,
        }
    }

    /// Whether it may be sent at that time, seeing that the server may have it already.
    pub(super) fn may_be_sent(&self, at: Instant) -> bool {
        self.sent == 0
            || match self.repeat {
                Repeat::Never => false,
                Repeat::WhileKnown => at.saturating_duration_since(self.first_sent) < KNOWN_FOR,
                Repeat::Always => true,
            }
    }
}

#[derive(Debug)]
enum Slot {
    Waiting(Call),
    Done(Result<Bytes>),
}

/// All calls by xid: those that wait for an answer, and those whose result nobody took yet.
///
/// Every waiting call has one timer. The queue of timers also holds ones that are out of date,
/// which is cheaper than to search for them: a timer counts only if its call has the same.
#[derive(Debug, Default)]
pub(super) struct Pending {
    slots: HashMap<Xid, Slot, BuildHasherDefault<XidHasher>>,
    waiting: usize,
    /// Calls by the xids that they were made again with.
    aliases: HashMap<Xid, Xid, BuildHasherDefault<XidHasher>>,
    timers: BinaryHeap<Reverse<(Instant, Xid)>>,
    spare: Vec<Encoder>,
}

impl Pending {
    /// Calls that wait for an answer.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether the xid belongs to a call, answered or not.
    pub(super) fn contains(&self, xid: Xid) -> bool {
        self.slots.contains_key(&xid) || self.aliases.contains_key(&xid)
    }

    /// The waiting call that a reply with this xid is for.
    pub(super) fn find(&self, xid: Xid) -> Option<(Xid, &Call)> {
        if let Some(call) = self.get(xid) {
            return call.alias.is_none().then_some((xid, call));
        }
        if self.aliases.is_empty() {
            return None;
        }
        let xid = *self.aliases.get(&xid)?;
        self.get(xid).map(|call| (xid, call))
    }

    /// Has a waiting call answered under another xid from now on, which is not in use.
    pub(super) fn rename(&mut self, xid: Xid, alias: Xid) {
        if let Some(call) = self.get_mut(xid) {
            let former = call.alias.replace(alias);
            self.aliases.insert(alias, xid);
            former.map(|former| self.aliases.remove(&former));
        }
    }

    /// The xid that a call is sent under.
    pub(super) fn sent_as(&self, xid: Xid) -> Xid {
        self.get(xid).and_then(|call| call.alias).unwrap_or(xid)
    }

    /// Adds a call. Says whether it did: not if there is one of this xid already.
    pub(super) fn insert(&mut self, xid: Xid, call: Call) -> bool {
        let Entry::Vacant(slot) = self.slots.entry(xid) else {
            return false;
        };
        self.timers.push(Reverse((call.timer, xid)));
        self.waiting += 1;
        slot.insert(Slot::Waiting(call));
        true
    }

    /// The call, if it waits for an answer.
    pub(super) fn get(&self, xid: Xid) -> Option<&Call> {
        match self.slots.get(&xid) {
            Some(Slot::Waiting(call)) => Some(call),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, xid: Xid) -> Option<&mut Call> {
        match self.slots.get_mut(&xid) {
            Some(Slot::Waiting(call)) => Some(call),
            _ => None,
        }
    }

    /// The waiting calls, in the order in which they were made.
    pub(super) fn in_order(&self) -> Vec<Xid> {
        let mut calls: Vec<(u64, Xid)> = self
            .slots
            .iter()
            .filter_map(|(&xid, slot)| match slot {
                Slot::Waiting(call) => Some((call.number, xid)),
                Slot::Done(_) => None,
            })
            .collect();
        calls.sort_unstable();
        calls.into_iter().map(|(_, xid)| xid).collect()
    }

    /// Ends a waiting call; one whose results nobody wants is forgotten. Whether there is a result
    /// to be taken now.
    pub(super) fn finish(&mut self, xid: Xid, result: Result<Bytes>) -> bool {
        let Some(slot) = self.slots.get_mut(&xid) else {
            return false;
        };
        let Slot::Waiting(call) = slot else {
            return false;
        };
        if call.unwanted {
            self.forget(xid);
            return false;
        }
        let (message, alias) = (std::mem::take(&mut call.message), call.alias);
        *slot = Slot::Done(result);
        self.retire(message, alias);
        true
    }

    /// The result of a call that has ended; the call is forgotten then.
    pub(super) fn take(&mut self, xid: Xid) -> Option<Result<Bytes>> {
        let Entry::Occupied(slot) = self.slots.entry(xid) else {
            return None;
        };
        if matches!(slot.get(), Slot::Waiting(_)) {
            return None;
        }
        match slot.remove() {
            Slot::Done(result) => Some(result),
            Slot::Waiting(_) => None,
        }
    }

    /// Drops a call, ended or not.
    pub(super) fn forget(&mut self, xid: Xid) {
        if let Some(Slot::Waiting(call)) = self.slots.remove(&xid) {
            self.retire(call.message, call.alias);
        }
    }

    /// Sets a waiting call's timer.
    pub(super) fn arm(&mut self, xid: Xid, at: Instant) {
        if let Some(call) = self.get_mut(xid) {
            call.timer = at;
            self.timers.push(Reverse((at, xid)));
        }
    }

    /// When a waiting call's timer runs out.
    pub(super) fn timer(&self, xid: Xid) -> Option<Instant> {
        self.get(xid).map(|call| call.timer)
    }

    /// When the first timer of all runs out.
    pub(super) fn next_timer(&mut self) -> Option<Instant> {
        while let Some(&Reverse((at, xid))) = self.timers.peek() {
            if self.timer(xid) == Some(at) {
                return Some(at);
            }
            self.timers.pop();
        }
        None
    }

    /// A call whose timer has run out. It has none then, until [`arm`](Self::arm).
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Xid> {
        if self.next_timer()? > now {
            return None;
        }
        self.timers.pop().map(|Reverse((_, xid))| xid)
    }

    /// An empty buffer for a message.
    pub(super) fn buffer(&mut self) -> Encoder {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(super) fn recycle(&mut self, mut buffer: Encoder) {
        if self.spare.len() < SPARE_BUFFERS && buffer.capacity() <= SPARE_CAPACITY {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    fn retire(&mut self, message: Encoder, alias: Option<Xid>) {
        self.waiting -= 1;
        alias.map(|alias| self.aliases.remove(&alias));
        self.recycle(message);
        self.sweep();
    }

    /// Drops timers out of date when they are the most, so that one costs nothing on average, or all.
    fn sweep(&mut self) {
        if self.waiting == 0 {
            return self.timers.clear();
        }
        if self.timers.len() <= STALE_TIMERS + 2 * self.waiting {
            return;
        }
        let mut timers = std::mem::take(&mut self.timers);
        timers.retain(|&Reverse((at, xid))| self.timer(xid) == Some(at));
        self.timers = timers;
    }
}

/// Spreads xids. They are ours, and in no order that a peer could choose: one multiplication does.
#[derive(Debug, Default)]
pub(super) struct XidHasher(u64);

impl Hasher for XidHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, xid: u32) {
        let mixed = (self.0.rotate_left(32) ^ u64::from(xid)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Clock(Instant);

    impl Clock {
        fn at(&self, millis: u64) -> Instant {
            self.0 + Duration::from_millis(millis)
        }

        fn call(&self, deadline: u64, number: u64) -> Call {
            Call::new(Encoder::new(), Procedure(1), self.0, self.at(deadline), number)
        }
    }

    fn table(deadlines: &[u64]) -> (Clock, Pending) {
        let clock = Clock(crate::epoch::epoch());
        let mut pending = Pending::default();
        for (xid, &deadline) in (1..).zip(deadlines) {
            let call = clock.call(deadline, u64::from(xid));
            assert!(pending.insert(Xid(xid), call));
        }
        (clock, pending)
    }

    #[test]
    fn an_xid_is_taken_until_its_result_is() {
        let (clock, mut pending) = table(&[10]);
        assert!(!pending.insert(Xid(1), clock.call(20, 2)));
        assert!(pending.take(Xid(1)).is_none());
        pending.finish(Xid(1), Ok(Bytes::from_static(b"done")));
        assert_eq!((pending.waiting(), pending.contains(Xid(1))), (0, true));
        assert!(pending.get(Xid(1)).is_none());
        assert_eq!(pending.take(Xid(1)).and_then(Result::ok).as_deref(), Some(&b"done"[..]));
        assert!(!pending.contains(Xid(1)));
        assert!(pending.take(Xid(1)).is_none());
    }

    #[test]
    fn only_the_first_end_counts() {
        let (_, mut pending) = table(&[10]);
        pending.finish(Xid(1), Ok(Bytes::from_static(b"first")));
        pending.finish(Xid(1), Ok(Bytes::from_static(b"second")));
        pending.finish(Xid(2), Ok(Bytes::new()));
        assert_eq!(pending.take(Xid(1)).and_then(Result::ok).as_deref(), Some(&b"first"[..]));
        assert!(pending.take(Xid(2)).is_none());
    }

    #[test]
    fn timers_run_out_in_order_and_only_the_last_set() {
        let (clock, mut pending) = table(&[30, 10, 20]);
        pending.arm(Xid(2), clock.at(40));
        assert_eq!(pending.next_timer(), Some(clock.at(20)));
        assert_eq!(pending.pop_due(clock.at(19)), None);
        let due: Vec<Xid> = std::iter::from_fn(|| pending.pop_due(clock.at(40))).collect();
        assert_eq!(due, [Xid(3), Xid(1), Xid(2)]);
        assert_eq!(pending.next_timer(), None);
    }

    #[test]
    fn what_has_ended_or_is_forgotten_has_no_timer() {
        let (clock, mut pending) = table(&[10, 20, 30]);
        pending.finish(Xid(1), Ok(Bytes::new()));
        pending.forget(Xid(2));
        assert_eq!((pending.waiting(), pending.next_timer()), (1, Some(clock.at(30))));
        pending.forget(Xid(1));
        pending.forget(Xid(1));
        assert_eq!(pending.waiting(), 1);
    }

    #[test]
    fn calls_keep_their_order() {
        let (_, mut pending) = table(&[30, 10, 20, 5]);
        pending.finish(Xid(2), Ok(Bytes::new()));
        assert_eq!(pending.in_order(), [Xid(1), Xid(3), Xid(4)]);
    }

    #[test]
    fn answered_calls_leave_few_timers_and_one_buffer() {
        let (clock, mut pending) = table(&[]);
        for xid in 0..10_000 {
            let message = pending.buffer();
            let call =
                Call::new(message, Procedure(1), clock.at(0), clock.at(25_000), u64::from(xid));
            assert!(pending.insert(Xid(xid), call));
            pending.finish(Xid(xid), Ok(Bytes::new()));
            assert!(pending.take(Xid(xid)).is_some());
            assert!(pending.timers.len() <= STALE_TIMERS + 1);
        }
        assert_eq!((pending.spare.len(), pending.slots.len()), (1, 0));
    }
}
