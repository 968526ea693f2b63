//! Calls that were made and are not answered yet, whatever they were made with.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use farcall::proto::message::{AcceptStatus, ReplyHeader, ReplyStatus};
use farcall::proto::xid::Xids;
use farcall::xdr::{Bytes, Decoder};
use farcall::{Fault, Xid};

/// The most at once, as with rpcbind: one more takes the place of the oldest, so that those that
/// nobody answers are in nobody's way.
pub(super) const MAX_CALLS: usize = 64;

/// How long an answer is waited for: as long as callers wait by custom.
const PATIENCE: Duration = Duration::from_secs(25);

#[derive(Debug)]
pub(super) struct Calls<T> {
    xids: Xids,
    /// By age: a number is not given twice.
    waiting: BTreeMap<usize, Waiting<T>>,
    next: usize,
}

#[derive(Debug)]
struct Waiting<T> {
    xid: Xid,
    until: Instant,
    call: T,
}

impl<T> Calls<T> {
    /// None yet. The xids follow from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self { xids: Xids::new(seed), waiting: BTreeMap::new(), next: 0 }
    }

    /// The number and xid of a call that is about to be made.
    pub(super) fn draw(&mut self) -> (usize, Xid) {
        let number = self.next;
        self.next += 1;
        (number, self.xids.draw())
    }

    /// A call was made. Returns the one that is not waited for any more, if there are too many.
    pub(super) fn add(&mut self, now: Instant, (number, xid): (usize, Xid), call: T) -> Option<T> {
        self.waiting.insert(number, Waiting { xid, until: now + PATIENCE, call });
        if self.waiting.len() > MAX_CALLS { self.pop() } else { None }
    }

    /// What was added under this number.
    pub(super) fn get(&self, number: usize) -> Option<&T> {
        self.waiting.get(&number).map(|waiting| &waiting.call)
    }

    /// The end of a call, if this datagram, which is from the service that was called, is the reply:
    /// its results as they came, whatever they are, or that it failed.
    pub(super) fn handle(
        &mut self,
        number: usize,
        datagram: &Bytes,
    ) -> Option<(T, Result<Bytes, Fault>)> {
        let mut d = Decoder::new(datagram);
        let reply = ReplyHeader::decode(&mut d).ok()?;
        if self.waiting.get(&number)?.xid != reply.xid {
            return None;
        }
        let results = match reply.status {
            ReplyStatus::Accepted { status: AcceptStatus::Success, .. } => Ok(d.rest(0)),
            _ => Err(Fault::SystemErr),
        };
        Some((self.remove(number)?, results))
    }

    /// Forgets a call.
    pub(super) fn remove(&mut self, number: usize) -> Option<T> {
        self.waiting.remove(&number).map(|waiting| waiting.call)
    }

    /// When [`expire`](Self::expire) is to be called.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, oldest)| oldest.until)
    }

    /// A call that was waited for long enough, until there is none.
    pub(super) fn expire(&mut self, now: Instant) -> Option<T> {
        if self.due()? <= now { self.pop() } else { None }
    }

    fn pop(&mut self) -> Option<T> {
        self.waiting.pop_first().map(|(_, oldest)| oldest.call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u32]) -> Bytes {
        words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>().into()
    }

    fn made(calls: &mut Calls<u32>, now: Instant, call: u32) -> (usize, u32, Option<u32>) {
        let (number, xid) = calls.draw();
        (number, xid.0, calls.add(now, (number, xid), call))
    }

    #[test]
    fn only_the_reply_ends_a_call() {
        let mut calls = Calls::new(1);
        let (number, xid, _) = made(&mut calls, Instant::now(), 7);
        let no_replies = [
            words(&[]),
            words(&[xid]),
            words(&[xid, 0, 2, 100_000, 2, 0, 0, 0, 0, 0]),
            words(&[xid ^ 1, 1, 0, 0, 0, 0]),
            words(&[xid, 1, 0, 0, 0]),
            words(&[xid, 1, 0, 0, 500, 0]),
            words(&[xid, 1, 2]),
        ];
        for datagram in no_replies {
            assert_eq!(calls.handle(number, &datagram), None, "{datagram:?}");
        }
        let reply = words(&[xid, 1, 0, 0, 0, 0, 42]);
        assert_eq!(calls.handle(number + 1, &reply), None, "another call's socket");
        assert_eq!(calls.handle(number, &reply), Some((7, Ok(words(&[42])))));
        assert_eq!(calls.handle(number, &reply), None, "answered already");
    }

    #[test]
    fn every_failure_is_the_same() {
        let table: [&[u32]; 7] = [
            &[0, 0, 0, 1],
            &[0, 0, 0, 2, 1, 3],
            &[0, 0, 0, 3],
            &[0, 0, 0, 4],
            &[0, 0, 0, 5],
            &[1, 0, 2, 2],
            &[1, 1, 5],
        ];
        for status in table {
            let mut calls = Calls::new(1);
            let (number, xid, _) = made(&mut calls, Instant::now(), 7);
            let reply = words(&[&[xid, 1], status].concat());
            assert_eq!(calls.handle(number, &reply), Some((7, Err(Fault::SystemErr))));
        }
    }

    #[test]
    fn a_verifier_is_no_part_of_the_results_and_odd_results_are_as_they_came() {
        let mut calls = Calls::new(1);
        let (number, xid, _) = made(&mut calls, Instant::now(), 7);
        let reply = [&words(&[xid, 1, 0, 1, 4, 99, 0])[..], b"abcde"].concat();
        let ended = calls.handle(number, &reply.into());
        assert_eq!(ended, Some((7, Ok(Bytes::from_static(b"abcde")))));
    }

    #[test]
    fn no_answer_is_waited_for_for_ever() {
        let mut calls = Calls::new(1);
        let start = Instant::now();
        assert_eq!(calls.due(), None);
        made(&mut calls, start, 1);
        made(&mut calls, start + Duration::from_secs(1), 2);
        let due = start + PATIENCE;
        assert_eq!(calls.due(), Some(due));
        assert_eq!(calls.expire(due - Duration::from_nanos(1)), None);
        assert_eq!((calls.expire(due), calls.expire(due)), (Some(1), None));
        assert_eq!(calls.due(), Some(due + Duration::from_secs(1)));
    }

    #[test]
    fn one_too_many_takes_the_place_of_the_oldest() {
        let mut calls = Calls::new(1);
        let now = Instant::now();
        let gone: Vec<_> = (0..70).filter_map(|call| made(&mut calls, now, call).2).collect();
        assert_eq!(gone, [0, 1, 2, 3, 4, 5]);
        assert_eq!(calls.waiting.len(), MAX_CALLS);
    }
}
