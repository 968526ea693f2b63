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

mod authentication;
pub mod flavor;
mod link;
mod message;
mod params;
pub mod window;

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

pub(super) use self::authentication::CallState;
use self::authentication::{Sealed, ShortHands, UnderWay};
use self::flavor::CallAuth;
pub use self::link::CONNECT_MAX;
use self::link::Link;
use self::message::Answer;
pub use self::params::{CallParams, ClientConfig, ClientStats, Repeat, Transport};
use self::window::Window;
use super::auth::{Flavor, OpaqueAuth};
use super::message::{CallHeader, MessageType, peek};
use super::pending::{Call, Pending};
use super::retry::{Estimates, RetryBudget, jittered};
use super::xid::{Random, Xids};
use crate::error::{Doing, Result};
use crate::xdr::{Bytes, EncodeError, Encoder};
use crate::{Error, Xid};

/// What keeps a stream that is in use from being looked at all the time.
const IDLE_MIN: Duration = Duration::from_millis(1);

/// How long after its first sending a call is sent again that must not be executed twice. Servers'
/// duplicate request caches, ours and the Linux kernel's among them, remember for 120 s, of which
/// this leaves more than a minute to a repeat that is late.
pub const KNOWN_FOR: Duration = Duration::from_secs(45);

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
    /// A datagram was sent since the last answer of a call that nobody waits for any more: the
    /// network may have yet to report what became of it.
    stray: bool,
    window: Window,
    /// Bytes for the stream.
    output: Encoder,
    /// Bytes that the stream took, of all connections.
    written: u64,
    link: Link,
    idle: Duration,
    /// There is to be a connection although nothing is called.
    kept: bool,
    /// When something last went over the stream.
    last_used: Option<Instant>,
    /// Flavors that are being set up.
    under_way: Vec<UnderWay>,
    short_hands: ShortHands,
    ended: VecDeque<Xid>,
    stats: ClientStats,
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
            stray: false,
            window: Window::new(),
            output: Encoder::new(),
            written: 0,
            link: Link::New,
            idle: config.idle.max(IDLE_MIN),
            kept: false,
            last_used: None,
            under_way: Vec::new(),
            short_hands: ShortHands::default(),
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
        let call = match params.auth {
            CallAuth::Credential(credential) => self.plain(xid, now, params, credential, args)?,
            CallAuth::Flavor(flavor) => {
                let sealed = Sealed::new(flavor, (params.program, params.version), args)?;
                let mut call = self.new_call(Encoder::new(), now, params);
                call.state = Some(Box::new(CallState::Sealed(sealed)));
                call
            }
        };
        let is_ready = !matches!(params.auth, CallAuth::Flavor(_));
        self.stats.calls += 1;
        self.budget.earn();
        let is_new = self.pending.insert(xid, call);
        debug_assert!(is_new, "the xid was not in use");
        if is_ready || self.prepare(xid, now) {
            self.submit(xid, now);
        }
        Ok(xid)
    }

    /// A call with a fixed credential.
    fn plain(
        &mut self,
        xid: Xid,
        now: Instant,
        params: &CallParams<'_>,
        credential: &OpaqueAuth,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<Call> {
        let short = self.short_hands.of(credential);
        let header = CallHeader {
            xid,
            program: params.program,
            version: params.version,
            procedure: params.procedure,
            credential: short.as_ref().unwrap_or(credential).clone(),
            verifier: OpaqueAuth::NONE,
        };
        let mut message = self.pending.buffer();
        if let Err(error) = write(self.transport, &header, args, &mut message) {
            self.pending.recycle(message);
            return Err(error);
        }
        let mut call = self.new_call(message, now, params);
        call.state = short.map(|_| Box::new(CallState::Short(credential.clone())));
        Ok(call)
    }

    fn new_call(&self, message: Encoder, now: Instant, params: &CallParams<'_>) -> Call {
        let number = self.stats.calls + 1;
        let mut call = Call::new(message, params.procedure, now, params.deadline, number);
        call.repeat = params.repeat;
        call
    }

    /// Has a call sent that is ready for it.
    fn submit(&mut self, xid: Xid, now: Instant) {
        match self.transport {
            Transport::Datagram => {
                self.held.push_back(xid);
                self.release();
            }
            Transport::Stream => self.append(xid, now),
        }
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
        let Some((xid, call)) = self.pending.find(xid) else {
            self.stats.unknown_xid += 1;
            return;
        };
        let is_special = call.state.is_some();
        let answer = Answer::read(message, to_bytes);
        if let Some(verifier) = &answer.verifier
            && verifier.flavor == Flavor::SHORT
        {
            self.learn(xid, verifier);
        }
        if is_special {
            self.handle_special(xid, answer, now);
        } else {
            self.answered(xid, answer.result, now);
        }
    }

    /// An answer to a call has come.
    fn received(&mut self, xid: Xid, now: Instant) {
        let Some(call) = self.pending.get(xid) else {
            return;
        };
        let since = now.saturating_duration_since(call.last_sent);
        match (self.transport, call.sent) {
            (Transport::Stream, _) => {
                self.link = Link::Up { failures: 0, since: now };
                self.last_used = Some(now);
            }
            (Transport::Datagram, 1) => self.estimates.sample(call.procedure, since),
            (Transport::Datagram, _) => {
                self.estimates.answered_late(call.procedure, since, call.timeout);
            }
        }
        self.stray = false;
        self.window.answered();
        self.stats.replies += 1;
    }

    /// A call has been answered.
    fn answered(&mut self, xid: Xid, result: Result<Bytes>, now: Instant) {
        self.received(xid, now);
        self.stats.malformed += u64::from(matches!(result, Err(Error::Decode(_))));
        let result = result.map_err(|error| match error {
            // It is of one sending, and does not say of which.
            Error::Refused { refusal, .. } => {
                let sent = self.pending.get(xid).map_or(0, |call| call.sent);
                Error::Refused { refusal, sent }
            }
            error => error,
        });
        self.end(xid, result);
    }

    /// Ends what is over and sends again what is due. Spurious calls do no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(xid) = self.pending.pop_due(now) {
            match self.pending.get(xid).map(|call| call.deadline) {
                Some(deadline) if deadline <= now => self.time_out(xid, now),
                Some(deadline) if !self.may_be_sent(xid, now) => self.pending.arm(xid, deadline),
                Some(deadline) if self.budget.spend(now) => {
                    self.lost(xid, now);
                    self.pending.arm(xid, deadline);
                    if self.prepare(xid, now) {
                        self.due.push_back(xid);
                    }
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
        let timer = self.pending.next_timer();
        match self.link {
            Link::Down { retry, .. } if self.is_wanted() => timer.into_iter().chain([retry]).min(),
            _ => timer,
        }
    }

    /// When the first of all calls wants [`handle_timeout`](Self::handle_timeout); `None` if there is
    /// none. Other than [`poll_timeout`](Self::poll_timeout), this says nothing of connections.
    pub fn first_timer(&mut self) -> Option<Instant> {
        self.pending.next_timer()
    }

    /// When this call wants [`handle_timeout`](Self::handle_timeout); `None` if it has ended.
    #[must_use]
    pub fn timer(&self, xid: Xid) -> Option<Instant> {
        let timer = self.pending.timer(xid)?;
        Some(self.set_up_timer(xid).map_or(timer, |set_up| timer.min(set_up)))
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
        count_sent(call, now, &mut self.stats);
        let timer =
            if call.may_be_sent(resend) { call.deadline.min(resend) } else { call.deadline };
        if call.unwanted {
            return self.forget(xid);
        }
        self.pending.arm(xid, timer);
    }

    /// Says that the datagram cannot be sent, now or later, because of what it is. A call that was
    /// sent before may still be answered.
    pub fn handle_unsendable(&mut self, source: io::Error) {
        if let Some(xid) = self.due.pop_front()
            && self.pending.get(xid).is_some_and(|call| call.sent == 0)
        {
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
        let calls = self.pending.in_order().into_iter();
        let sent = calls.filter_map(|xid| Some((xid, self.pending.get(xid)?.sent)));
        let sent: Vec<_> = sent.filter(|&(_, sent)| sent > 0).collect();
        let alone = sent.len() == 1 && !self.stray;
        for (xid, sent) in sent {
            self.end(xid, Err(Error::Unreachable { sent, alone }));
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
        self.short_hands.clear();
        let pending = &self.pending;
        // Those that wait for their flavor have no message yet.
        let is_ready = |xid: &Xid| pending.get(*xid).is_some_and(|call| !call.message.is_empty());
        self.held = pending.in_order().into_iter().filter(is_ready).collect();
        self.release();
    }

    /// Whether something is to be sent that was not taken yet.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.output.is_empty() || !self.due.is_empty()
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
        self.stray |= self.pending.get(xid).is_some_and(|call| call.sent > 0);
        self.pending.forget(xid);
        self.release();
    }

    /// Whether a call waits to be sent the first time.
    #[must_use]
    pub fn is_unsent(&self, xid: Xid) -> bool {
        self.pending.get(xid).is_some_and(|call| call.sent == 0)
    }

    /// Drops a call whose results nobody wants: when it is sent, if it is not yet.
    pub fn disown(&mut self, xid: Xid) {
        match self.pending.get_mut(xid) {
            Some(call) if call.sent == 0 => call.unwanted = true,
            _ => self.forget(xid),
        }
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

    fn lost(&mut self, xid: Xid, now: Instant) {
        if let Some(call) = self.pending.get(xid) {
            self.window.lost(call.last_sent, now);
        }
    }

    fn may_be_sent(&self, xid: Xid, now: Instant) -> bool {
        self.pending.get(xid).is_some_and(|call| call.may_be_sent(now))
    }

    fn time_out(&mut self, xid: Xid, now: Instant) {
        if let Some(call) = self.pending.get(xid) {
            let after = now.saturating_duration_since(call.started);
            let error = Error::TimedOut { after, sent: call.sent };
            self.stray |= call.sent > 0;
            self.stats.timed_out += 1;
            self.end(xid, Err(error));
        }
    }

    fn end(&mut self, xid: Xid, result: Result<Bytes>) {
        if self.under_way.iter().any(|under_way| under_way.is(xid)) {
            return self.set_up_failed(xid, result);
        }
        if self.pending.finish(xid, result) {
            self.ended.push_back(xid);
        }
        self.release();
    }

    /// Lets calls go that were held, as far as the window has room. Those that have ended since
    /// are still among the held ones until their turn comes: that errs on the side of sending.
    fn release(&mut self) {
        while self.pending.waiting().saturating_sub(self.held.len()) < self.window.size() {
            let Some(xid) = self.held.pop_front() else {
                return;
            };
            if self.pending.get(xid).is_some() {
                self.due.push_back(xid);
            }
        }
    }
}

fn write(
    transport: Transport,
    header: &CallHeader,
    args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    e: &mut Encoder,
) -> Result<()> {
    let mark = message::begin(transport, e);
    header.encode(e)?;
    args(e)?;
    message::end(transport, mark, e)
}

fn count_sent(call: &mut Call, now: Instant, stats: &mut ClientStats) {
    match call.sent {
        0 => {
            call.first_sent = now;
            stats.sent += 1;
        }
        _ => stats.resent += 1,
    }
    call.sent = call.sent.saturating_add(1);
    call.last_sent = now;
}
