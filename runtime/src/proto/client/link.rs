//! The connection of a stream, as far as a client core knows it: what goes out on it, what becomes
//! of calls when it is lost, and when there is to be another one, or none.

use std::time::{Duration, Instant};

use super::{ClientCore, Repeat, count_sent};
use crate::proto::pending::Call;
use crate::proto::retry::jittered;
use crate::xdr::Encoder;
use crate::{Error, Xid};

/// Waiting before the second of several attempts to connect, doubled before each further one.
const RECONNECT_MIN: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(5);

/// How long an attempt to connect again may take: longer than a network needs, shorter than it takes
/// for somebody to mind.
pub const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How long a stream is taken to be as it was.
const QUIET: Duration = Duration::from_secs(1);

/// The connection of a stream.
#[derive(Debug)]
pub(super) enum Link {
    /// None yet.
    New,
    Up {
        /// Connections lost, or not made, since the last reply, or since one that lasted.
        failures: u32,
        since: Instant,
    },
    Down {
        failures: u32,
        /// When to connect again.
        retry: Instant,
    },
}

impl Link {
    pub(super) fn failures(&self, now: Instant) -> u32 {
        match *self {
            Self::New => 0,
            Self::Up { since, .. } if now.saturating_duration_since(since) >= RECONNECT_MAX => 0,
            Self::Up { failures, .. } | Self::Down { failures, .. } => failures,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }
}

/// How long to wait before connecting again after `failures` failures, at least one.
fn reconnect_wait(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(7);
    (RECONNECT_MIN * (1 << doublings)).min(RECONNECT_MAX)
}

/// What is about streams.
impl ClientCore {
    /// Has the stream kept, and made again when it is lost, although nothing is called: the server may
    /// call over it.
    pub fn keep_connection(&mut self) {
        self.kept = true;
    }

    /// The bytes for the stream. Say with [`handle_written`](Self::handle_written) how many of them
    /// it took.
    pub fn output(&mut self) -> &mut Encoder {
        &mut self.output
    }

    /// The stream took the first `n` bytes of the output. A call that it took nothing of before the
    /// connection was lost is one that was not sent.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn handle_written(&mut self, n: usize) {
        self.output.advance(n);
        self.written += n as u64;
    }

    /// Says that there was no room in the output for a call in time, which was not made then.
    pub fn handle_full(&mut self) {
        self.stats.timed_out += 1;
    }

    /// Says that there is a new connection. Everything unanswered that may be is sent again on it, with
    /// the same xids, so that the server can tell what it has executed already. If it cannot, say
    /// [`handle_forgotten`](Self::handle_forgotten) first.
    pub fn handle_connected(&mut self, now: Instant) {
        // What is over is not sent any more.
        self.handle_timeout(now);
        if !matches!(self.link, Link::New) {
            self.stats.reconnects += 1;
        }
        self.link = Link::Up { failures: self.link.failures(now), since: now };
        self.last_used = Some(now);
        self.output.clear();
        self.give_up(|call| !call.may_be_sent(now));
        for xid in self.pending.in_order() {
            if self.prepare(xid, now) {
                self.append(xid, now);
            }
        }
    }

    /// Says that the connection is lost, or that an attempt to connect has failed.
    pub fn handle_disconnected(&mut self, now: Instant) {
        let failures = self.link.failures(now);
        let wait = match failures {
            0 => Duration::ZERO,
            n => jittered(reconnect_wait(n), &mut self.random),
        };
        self.link = Link::Down { failures: failures.saturating_add(1), retry: now + wait };
        self.take_back_unwritten();
        self.output.clear();
        self.give_up(|call| !call.may_be_sent(now));
    }

    /// Says that the server knows nothing any more of what it was sent: it was started again, or it
    /// cannot tell that the next connection is by the same caller. Calls that were sent and that must
    /// not be executed twice end.
    pub fn handle_forgotten(&mut self) {
        self.give_up(|call| call.sent > 0 && call.repeat != Repeat::Always);
    }

    /// Says that the connection is gone and there will be no other: all calls end.
    pub fn handle_closed(&mut self) {
        self.output.clear();
        self.give_up(|_| true);
    }

    /// Whether a stream was quiet for so long that it should be looked at before the next call. If the
    /// server has ended it, say [`handle_disconnected`](Self::handle_disconnected).
    #[must_use]
    pub fn is_doubtful(&self, now: Instant) -> bool {
        let is_quiet = |used| now.saturating_duration_since(used) >= QUIET;
        self.link.is_up() && !self.is_busy() && self.last_used.is_some_and(is_quiet)
    }

    /// When a stream is to be closed if nothing is called on it until then: ask again at that time,
    /// and if it has come, close the stream and say
    /// [`handle_disconnected`](Self::handle_disconnected). `None` if there is no connection, or it is to
    /// be [kept](Self::keep_connection).
    #[must_use]
    pub fn idle_deadline(&self, now: Instant) -> Option<Instant> {
        let used = if self.is_busy() { now } else { self.last_used? };
        used.checked_add(self.idle).filter(|_| self.link.is_up() && !self.kept)
    }

    fn is_busy(&self) -> bool {
        self.pending.waiting() > 0 || !self.output.is_empty()
    }

    /// Whether it is time to connect again.
    #[must_use]
    pub fn wants_connection(&self, now: Instant) -> bool {
        matches!(self.link, Link::Down { retry, .. } if retry <= now) && self.is_wanted()
    }

    /// Whether a connection is of use.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.kept || self.pending.waiting() > 0
    }

    /// Puts a call on the stream, if there is a connection.
    pub(super) fn append(&mut self, xid: Xid, now: Instant) {
        if !self.link.is_up() {
            return;
        }
        let Some(call) = self.pending.get_mut(xid) else {
            return;
        };
        call.begins = self.written + self.output.len() as u64;
        self.output.append(&call.message);
        self.last_used = Some(now);
        count_sent(call, now, &mut self.stats);
        if call.unwanted {
            self.forget(xid);
        }
    }

    /// Calls that the stream took nothing of were not sent.
    fn take_back_unwritten(&mut self) {
        if self.output.is_empty() {
            return;
        }
        for xid in self.pending.in_order() {
            if let Some(call) = self.pending.get_mut(xid)
                && call.sent > 0
                && call.begins >= self.written
            {
                call.begins = 0;
                call.sent -= 1;
                match call.sent {
                    0 => self.stats.sent -= 1,
                    _ => self.stats.resent -= 1,
                }
            }
        }
    }

    /// Ends those calls of which nothing can be known any more.
    fn give_up(&mut self, is_lost: impl Fn(&Call) -> bool) {
        for xid in self.pending.in_order() {
            let call = self.pending.get(xid).filter(|call| is_lost(call));
            if let Some(sent) = call.map(|call| call.sent) {
                self.end(xid, Err(Error::Disconnected { sent }));
            }
        }
    }
}
