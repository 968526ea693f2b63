//! The client's side of the protocol: calls to one server over one transport.
//!
//! [`ClientCore`] encodes calls, matches replies to them, decides when to send again and when to
//! give up. What it wants sent is taken out of it: single datagrams by
//! [`poll_transmit`](ClientCore::poll_transmit), or bytes for a stream from
//! [`output`](ClientCore::output). After any `handle_*` and after [`call`](ClientCore::call), send
//! what is there, and take what [`poll_ended`](ClientCore::poll_ended) gives until it gives nothing.
//!
//! The promise: every call ends, by its deadline, with a result or with an error that says why,
//! provided that [`handle_timeout`](ClientCore::handle_timeout) is called when
//! [`poll_timeout`](ClientCore::poll_timeout) says so.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use bytes::Buf;

use super::auth::OpaqueAuth;
use super::message::{AcceptStatus, CallHeader, MessageType, ReplyHeader, ReplyStatus, peek};
use super::pending::{Call, Pending};
use super::retry::{Estimates, RetryBudget, RetryPolicy, jittered};
use super::xid::{Random, Xids};
use crate::error::{Doing, Refusal, Result};
use crate::xdr::{Bytes, Decoder, EncodeError, EncodeErrorKind, Encoder};
use crate::{Error, Procedure, Program, Version, Xid};

/// Results of at least this many bytes share the buffer they were received in. Smaller ones are
/// copied, which is cheap and lets the buffer be used again at once.
const SHARE_FROM: usize = 8 << 10;

/// A fragment's length is 31 bits, the top bit says that it is the last (RFC 5531 §11).
const LAST_FRAGMENT: u32 = 1 << 31;

/// Waiting before the second of several attempts to connect, doubled before each further one.
const RECONNECT_MIN: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(5);

/// What a server is reached over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams, each one message, that can get lost: calls are sent again.
    Datagram,
    /// A stream of records (RFC 5531 §11). Calls are sent again only on a new connection.
    Stream,
}

/// What a [`ClientCore`] is made of.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// What it talks over.
    pub transport: Transport,
    /// When it sends datagrams again.
    pub retry: RetryPolicy,
    /// All its randomness: the xids and the jitter of timers. From the operating system, but in
    /// tests.
    pub seed: u64,
}

/// What to call.
#[derive(Debug, Clone)]
pub struct CallParams<'a> {
    /// The program.
    pub program: Program,
    /// Its version.
    pub version: Version,
    /// The procedure.
    pub procedure: Procedure,
    /// Who calls.
    pub credential: &'a OpaqueAuth,
    /// When the call ends at the latest.
    pub deadline: Instant,
}

/// What a client did and met, counted since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClientStats {
    /// Calls made.
    pub calls: u64,
    /// Calls sent for the first time.
    pub sent: u64,
    /// Calls sent again.
    pub resent: u64,
    /// Replies that belonged to a call.
    pub replies: u64,
    /// Replies dropped because no call waits for their xid: they were late, sent twice, or forged.
    pub unknown_xid: u64,
    /// What came from the server and is no reply: no records, no message, or one that cannot be
    /// decoded.
    pub malformed: u64,
    /// Calls that ended without an answer.
    pub timed_out: u64,
    /// Resends put off because too many of the calls had to be sent again.
    pub held_back: u64,
    /// How often the network said that the server cannot be reached.
    pub unreachable: u64,
    /// Connections made after the first one.
    pub reconnects: u64,
}

/// Calls over datagrams that are under way at once. More would only overflow the receiving socket,
/// which by default has room for some two hundred small datagrams.
pub const WINDOW: usize = 128;

/// The longest message that a datagram can carry: what IPv4 leaves of 64 KiB.
pub const MAX_DATAGRAM: usize = 65_507;

/// Calls to one server over one transport.
#[derive(Debug)]
pub struct ClientCore {
    transport: Transport,
    pending: Pending,
    xids: Xids,
    random: Random,
    estimates: Estimates,
    budget: RetryBudget,
    /// Datagrams to be sent.
    due: VecDeque<Xid>,
    /// Calls that wait for room in the window before they are sent the first time.
    held: VecDeque<Xid>,
    /// Bytes for the stream.
    output: Encoder,
    link: Link,
    ended: VecDeque<Xid>,
    stats: ClientStats,
}

/// The connection of a stream.
#[derive(Debug)]
enum Link {
    /// None yet.
    New,
    Up {
        /// Connections lost, or not made, since the last reply.
        failures: u32,
    },
    Down {
        failures: u32,
        /// When to connect again.
        retry: Instant,
    },
}

impl Link {
    fn failures(&self) -> u32 {
        match *self {
            Self::New => 0,
            Self::Up { failures } | Self::Down { failures, .. } => failures,
        }
    }
}

impl ClientCore {
    /// A client without calls. One over a stream has no connection yet.
    #[must_use]
    pub fn new(config: &ClientConfig) -> Self {
        let mut random = Random::new(config.seed);
        Self {
            transport: config.transport,
            pending: Pending::default(),
            xids: Xids::new(random.u64()),
            random,
            estimates: Estimates::new(config.retry),
            budget: RetryBudget::new(),
            due: VecDeque::new(),
            held: VecDeque::new(),
            output: Encoder::new(),
            link: Link::New,
            ended: VecDeque::new(),
            stats: ClientStats::default(),
        }
    }

    /// Makes a call; `args` writes the arguments.
    ///
    /// # Errors
    /// What `args` returns, a credential above its bound, or a message that is too long for a
    /// record or a datagram. Nothing is sent then.
    pub fn call(
        &mut self,
        now: Instant,
        params: &CallParams<'_>,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<Xid> {
        let xid = self.unused_xid();
        let mut message = self.pending.buffer();
        if let Err(error) = encode(xid, params, self.transport, &mut message, args) {
            self.pending.recycle(message);
            return Err(error);
        }
        self.stats.calls += 1;
        self.budget.earn();
        let call = Call::new(message, params.procedure, now, params.deadline, self.stats.calls);
        let is_new = self.pending.insert(xid, call);
        debug_assert!(is_new, "the xid was not in use");
        match self.transport {
            Transport::Datagram => {
                self.held.push_back(xid);
                self.release();
            }
            Transport::Stream => self.append(xid, now),
        }
        Ok(xid)
    }

    /// Takes in a message from the server, whole and without record marks. `to_bytes` gives it as
    /// [`Bytes`], which a large result then shares.
    ///
    /// A message that is no reply, or to none of the waiting calls, is counted and has no other
    /// effect: above all, it makes nothing be sent. Over datagrams it is the caller's duty that
    /// only messages from the server's address come here.
    pub fn handle_reply(&mut self, now: Instant, message: &[u8], to_bytes: impl FnOnce() -> Bytes) {
        let Some((xid, MessageType::Reply)) = peek(message) else {
            self.stats.malformed += 1;
            return;
        };
        let Some(call) = self.pending.get(xid) else {
            self.stats.unknown_xid += 1;
            return;
        };
        let since = now.saturating_duration_since(call.last_sent);
        match (self.transport, call.sent) {
            (Transport::Stream, _) => self.link = Link::Up { failures: 0 },
            (Transport::Datagram, 1) => self.estimates.sample(call.procedure, since),
            (Transport::Datagram, _) => {
                self.estimates.answered_late(call.procedure, since, call.timeout);
            }
        }
        self.stats.replies += 1;
        let result = results(message, to_bytes);
        self.stats.malformed += u64::from(matches!(result, Err(Error::Decode(_))));
        self.end(xid, result);
    }

    /// Ends what is over and sends again what is due. Spurious calls do no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(xid) = self.pending.pop_due(now) {
            match self.pending.get(xid).map(|call| call.deadline) {
                Some(deadline) if deadline <= now => self.time_out(xid, now),
                Some(deadline) if self.budget.spend(now) => {
                    self.due.push_back(xid);
                    self.pending.arm(xid, deadline);
                }
                Some(deadline) => {
                    self.stats.held_back += 1;
                    self.pending.arm(xid, deadline.min(now + self.budget.refill()));
                }
                None => {}
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) or a new connection is due next. May change
    /// with every call of another method; asking is cheap.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let timer = self.pending.next_timer()?;
        match self.link {
            Link::Down { retry, .. } => Some(timer.min(retry)),
            _ => Some(timer),
        }
    }

    /// When this call wants [`handle_timeout`](Self::handle_timeout); `None` if it has ended.
    #[must_use]
    pub fn timer(&self, xid: Xid) -> Option<Instant> {
        self.pending.timer(xid)
    }

    /// The datagram to be sent next. Stays the same until one of
    /// [`handle_transmitted`](Self::handle_transmitted) and
    /// [`handle_unsendable`](Self::handle_unsendable) says what became of it.
    pub fn poll_transmit(&mut self) -> Option<&Encoder> {
        let pending = &self.pending;
        while self.due.front().is_some_and(|&xid| pending.get(xid).is_none()) {
            self.due.pop_front();
        }
        self.due.front().and_then(|&xid| pending.get(xid)).map(|call| &call.message)
    }

    /// Says that the datagram was sent, or may as well get lost on the network.
    pub fn handle_transmitted(&mut self, now: Instant) {
        let Some(xid) = self.due.pop_front() else {
            return;
        };
        let Some(call) = self.pending.get_mut(xid) else {
            return;
        };
        call.timeout = match call.sent {
            0 => self.estimates.timeout(call.procedure),
            _ => self.estimates.backoff(call.timeout),
        };
        let resend = now + jittered(call.timeout, &mut self.random);
        let timer = call.deadline.min(resend);
        count_sent(call, now, &mut self.stats);
        self.pending.arm(xid, timer);
    }

    /// Says that the datagram cannot be sent, now or later, because of what it is.
    pub fn handle_unsendable(&mut self, source: io::Error) {
        if let Some(xid) = self.due.pop_front() {
            self.end(xid, Err(Error::Io { doing: Doing::Send, source }));
        }
    }

    /// Says that the network reported the server as not reachable, which may change: no call ends
    /// of it.
    pub fn handle_unreachable(&mut self) {
        self.stats.unreachable += 1;
    }

    /// Says that the server's host reported that nobody listens there. It does not say to which of
    /// the datagrams, so that all calls end that were sent.
    pub fn handle_refused(&mut self) {
        self.stats.unreachable += 1;
        for xid in self.pending.in_order() {
            if let Some(sent @ 1..) = self.pending.get(xid).map(|call| call.sent) {
                self.end(xid, Err(Error::Unreachable { sent }));
            }
        }
    }

    /// Says that what came over the stream is not made of records. What follows is the end of the
    /// connection.
    pub fn handle_garbage(&mut self) {
        self.stats.malformed += 1;
    }

    /// Says that datagrams go to another address of the server from now on: what is unanswered is
    /// to be sent there at once.
    pub fn handle_readdressed(&mut self) {
        self.due.clear();
        self.held = self.pending.in_order().into();
        self.release();
    }

    /// The bytes for the stream. Drop from it what was written.
    pub fn output(&mut self) -> &mut Encoder {
        &mut self.output
    }

    /// Whether something is to be sent that was not taken yet.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.output.is_empty() || !self.due.is_empty()
    }

    /// Says that there is a new connection. Everything unanswered is sent again on it, with the
    /// same xids, so that the server can tell what it has executed already.
    pub fn handle_connected(&mut self, now: Instant) {
        if !matches!(self.link, Link::New) {
            self.stats.reconnects += 1;
        }
        self.link = Link::Up { failures: self.link.failures() };
        self.output.clear();
        for xid in self.pending.in_order() {
            self.append(xid, now);
        }
    }

    /// Says that the connection is lost, or that an attempt to connect has failed.
    pub fn handle_disconnected(&mut self, now: Instant) {
        let failures = self.link.failures();
        let wait = match failures {
            0 => Duration::ZERO,
            n => jittered(reconnect_wait(n), &mut self.random),
        };
        self.link = Link::Down { failures: failures.saturating_add(1), retry: now + wait };
        self.output.clear();
    }

    /// Whether it is time to connect again.
    #[must_use]
    pub fn wants_connection(&self, now: Instant) -> bool {
        matches!(self.link, Link::Down { retry, .. } if retry <= now) && self.pending.waiting() > 0
    }

    /// A call that has ended, once for each.
    pub fn poll_ended(&mut self) -> Option<Xid> {
        self.ended.pop_front()
    }

    /// The result of a call, once it has ended; for a success, the bytes after the reply's header.
    pub fn take_result(&mut self, xid: Xid) -> Option<Result<Bytes>> {
        self.pending.take(xid)
    }

    /// Drops a call: nobody waits for it any more.
    pub fn forget(&mut self, xid: Xid) {
        self.pending.forget(xid);
        self.release();
    }

    /// Calls that wait for an answer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pending.waiting()
    }

    /// The server's smoothed round-trip time over datagrams, if it is known.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.estimates.rtt()
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.stats
    }

    fn unused_xid(&mut self) -> Xid {
        loop {
            let xid = self.xids.draw();
            if !self.pending.contains(xid) {
                return xid;
            }
        }
    }

    /// Puts a call on the stream, if there is a connection.
    fn append(&mut self, xid: Xid, now: Instant) {
        if !matches!(self.link, Link::Up { .. }) {
            return;
        }
        if let Some(call) = self.pending.get_mut(xid) {
            self.output.append(&call.message);
            count_sent(call, now, &mut self.stats);
        }
    }

    fn time_out(&mut self, xid: Xid, now: Instant) {
        if let Some(call) = self.pending.get(xid) {
            let after = now.saturating_duration_since(call.started);
            let error = Error::TimedOut { after, sent: call.sent };
            self.stats.timed_out += 1;
            self.end(xid, Err(error));
        }
    }

    fn end(&mut self, xid: Xid, result: Result<Bytes>) {
        self.pending.finish(xid, result);
        self.ended.push_back(xid);
        self.release();
    }

    /// Lets calls go that were held, as far as the window has room. Those that have ended since
    /// are still among the held ones until their turn comes: that errs on the side of sending.
    fn release(&mut self) {
        while self.pending.waiting().saturating_sub(self.held.len()) < WINDOW {
            let Some(xid) = self.held.pop_front() else {
                return;
            };
            if self.pending.get(xid).is_some() {
                self.due.push_back(xid);
            }
        }
    }
}

/// Writes a call's message; for a stream as a record of one fragment, because some servers take no
/// others.
fn encode(
    xid: Xid,
    params: &CallParams<'_>,
    transport: Transport,
    e: &mut Encoder,
    args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
) -> Result<()> {
    let header = CallHeader {
        xid,
        program: params.program,
        version: params.version,
        procedure: params.procedure,
        credential: params.credential.clone(),
        verifier: OpaqueAuth::NONE,
    };
    let mark = e.mark();
    if transport == Transport::Stream {
        e.u32(0);
    }
    let start = e.mark();
    header.encode(e)?;
    args(e)?;
    let len = e.since(start);
    match transport {
        Transport::Stream => e.set_u32(mark, LAST_FRAGMENT | fragment_len(len)?),
        Transport::Datagram if len > MAX_DATAGRAM => {
            return Err(Error::TooLarge { len, max: MAX_DATAGRAM });
        }
        Transport::Datagram => {}
    }
    Ok(())
}

fn fragment_len(len: usize) -> Result<u32, EncodeError> {
    let max = LAST_FRAGMENT - 1;
    u32::try_from(len)
        .ok()
        .filter(|&len| len <= max)
        .ok_or_else(|| EncodeError::new(EncodeErrorKind::TooLong { len, max }))
}

/// The results in a reply, or what the server says instead.
fn results(message: &[u8], to_bytes: impl FnOnce() -> Bytes) -> Result<Bytes> {
    let mut d = Decoder::from_slice(message);
    match ReplyHeader::decode(&mut d)?.status {
        ReplyStatus::Accepted { status: AcceptStatus::Success, .. } => {
            let (at, len) = (d.offset(), d.remaining());
            if len < SHARE_FROM {
                return Ok(Bytes::copy_from_slice(&message[at..]));
            }
            let mut bytes = to_bytes();
            bytes.advance(at.min(bytes.len()));
            Ok(bytes)
        }
        ReplyStatus::Accepted { status, .. } => Err(Refusal::Accepted(status).into()),
        ReplyStatus::Denied(status) => Err(Refusal::Denied(status).into()),
    }
}

fn count_sent(call: &mut Call, now: Instant, stats: &mut ClientStats) {
    match call.sent {
        0 => stats.sent += 1,
        _ => stats.resent += 1,
    }
    call.sent = call.sent.saturating_add(1);
    call.last_sent = now;
}

/// How long to wait before connecting again after `failures` failures.
fn reconnect_wait(failures: u32) -> Duration {
    let doublings = (failures - 1).min(7);
    (RECONNECT_MIN * (1 << doublings)).min(RECONNECT_MAX)
}
