//! The client's socket, and the threads that share it.
//!
//! There is no thread of its own between a caller and its socket. Of the threads that wait for an
//! answer one *leads*: it receives for all of them, and wakes those whose answers have come. When
//! it leaves it hands over to another. Only if a future is polled, which nobody drives, a thread is
//! started that takes its turn as leader ([`driver`]).
//!
//! To lead is to hold the [`Reader`], which otherwise lies in the [`State`]. It is taken and put
//! back under the state's lock, under which waiters also register. So a leader that leaves sees
//! every waiter that did not see the reader.

mod deadline;
mod driver;
mod idle;
mod reader;
mod serving;
mod socket;
mod state;
mod waiters;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use self::deadline::{Deadline, Target};
use self::reader::{Reader, Wait};
use self::serving::Serving;
pub(crate) use self::socket::Remote;
use self::state::State;
use self::waiters::{Waiter, Waiters};
use crate::error::{Doing, Result};
use crate::proto::client::{ClientConfig, ClientCore, ClientStats, Transport};
use crate::proto::record::RecordLimits;
use crate::proto::retry::RetryPolicy;
use crate::service::Dispatch;
use crate::xdr::{Bytes, EncodeError, Encoder};
use crate::{Error, Xid};

/// Bytes of calls that are held back at most.
const CORKED_MAX: usize = 32 << 10;

/// How often a thread that waits to write on looks whether its answer has come meanwhile.
const WRITE_SLICE: Duration = Duration::from_millis(10);

/// How a channel is made.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) retry: RetryPolicy,
    pub(crate) records: RecordLimits,
    pub(crate) spin: Duration,
    pub(crate) corked: bool,
    /// Call from a port below 1024.
    pub(crate) reserved_port: bool,
    /// How long a stream is kept that nothing is called on.
    pub(crate) idle: Duration,
    /// What is served to the server, over a stream.
    pub(crate) services: Vec<Arc<dyn Dispatch>>,
}

/// A socket to one server, shared by all that call there. When it is dropped, so is the socket.
#[derive(Debug)]
pub(crate) struct Channel(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    spin: Duration,
    /// Calls that are started go out only when somebody waits, or when they are many.
    corked: bool,
}

type Guard<'a> = MutexGuard<'a, State>;

impl Channel {
    /// Connects to the first of `remotes` that can be connected to.
    pub(crate) fn open(remotes: Vec<Remote>, config: &Config, deadline: &Deadline) -> Result<Self> {
        let connect_error = |source: io::Error| match source.kind() {
            io::ErrorKind::TimedOut => deadline.missed(),
            _ => Error::Io { doing: Doing::Connect, source },
        };
        let reader = Reader::connect(remotes, config, deadline).map_err(connect_error)?;
        let seed = seed()?;
        let (transport, peer) = (reader.transport(), reader.peer());
        let &Config { retry, idle, .. } = config;
        let mut core = ClientCore::new(&ClientConfig { transport, retry, idle, seed });
        if transport == Transport::Stream {
            core.handle_connected(Instant::now());
        }
        if !config.services.is_empty() {
            core.keep_connection();
        }
        let state = State {
            core,
            socket: reader.socket.clone(),
            reader: Some(Box::new(reader)),
            waiters: Waiters::default(),
            driver: None,
            serving: None,
            nobody: None,
            connection: 0,
            watched: None,
            writing: false,
            blocked: false,
            closed: false,
        };
        let corked = config.corked && transport == Transport::Stream;
        let (state, spin) = (Mutex::new(state), config.spin);
        let channel = Self(Arc::new(Shared { state, spin, corked }));
        channel.0.watch(&mut channel.0.lock(), Instant::now());
        if let Some(peer) = peer.filter(|_| !config.services.is_empty()) {
            let mut state = channel.0.lock();
            let failed = |source| Error::Io { doing: Doing::Connect, source };
            let serving = Serving::start(&channel.0, &config.services, peer).map_err(failed)?;
            state.serving = Some(serving);
            state.start_driver(&channel.0).map_err(failed)?;
        }
        Ok(channel)
    }

    /// Calls, and waits for the results.
    pub(crate) fn call(
        &self,
        target: &Target<'_>,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<Bytes> {
        let mut state = self.0.lock();
        let now = Instant::now();
        let xid = state.call(now, target, args)?;
        self.0.wait(state, xid, now)
    }

    /// Calls without waiting.
    pub(crate) fn start(
        &self,
        target: &Target<'_>,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<Xid> {
        let mut state = self.0.lock();
        let now = Instant::now();
        let xid = state.call(now, target, args)?;
        if state.core.wants_connection(now)
            && let Some(reader) = state.reader.take()
        {
            (state, _) = self.0.lead(state, reader, Some(xid), None, now);
        } else if !self.0.corked || state.core.output().len() >= CORKED_MAX {
            state.send(now);
        }
        state.drive_output(&self.0);
        hand_over(state);
        Ok(xid)
    }

    /// Calls without ever asking for results, which would slow down who calls more than the server
    /// takes: so it waits for room, and until the call is sent.
    pub(crate) fn send(
        &self,
        target: &Target<'_>,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<()> {
        self.0.wait_for_room(target.timeout)?;
        let xid = self.start(target, args)?;
        self.0.wait_until_sent(xid)
    }

    /// Sends what is held back, as far as that takes no waiting.
    pub(crate) fn flush(&self) {
        let mut state = self.0.lock();
        state.send(Instant::now());
        state.drive_output(&self.0);
        hand_over(state);
    }

    /// Waits for the results of a call that was started.
    pub(crate) fn wait(&self, xid: Xid) -> Result<Bytes> {
        self.0.wait(self.0.lock(), xid, Instant::now())
    }

    /// Takes the results of a call that was started, or has the task woken when they are there.
    pub(crate) fn poll(&self, xid: Xid, cx: &Context<'_>) -> Poll<Result<Bytes>> {
        let mut state = self.0.lock();
        if let Some(result) = state.result(xid, Instant::now()) {
            state.waiters.remove(xid);
            return Poll::Ready(result);
        }
        state.waiters.insert(xid, Waiter::Task(cx.waker().clone()));
        match state.drive(&self.0, xid) {
            Ok(()) => Poll::Pending,
            Err(source) => {
                state.forget(xid);
                Poll::Ready(Err(Error::Io { doing: Doing::Poll, source }))
            }
        }
    }

    /// Drops a call that was started.
    pub(crate) fn forget(&self, xid: Xid) {
        let mut state = self.0.lock();
        state.forget(xid);
        // Its place under way is another's now.
        state.send_released();
    }

    /// Says what to do, on the thread that serves, when a connection was made again.
    pub(crate) fn on_reconnect(&self, then: impl Fn() + Send + 'static) {
        if let Some(serving) = &self.0.lock().serving {
            serving.on_reconnect(Box::new(then));
        }
    }

    pub(crate) fn stats(&self) -> ClientStats {
        self.0.lock().core.stats()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        if let Some(serving) = &state.serving {
            serving.close();
        }
        if let Some(driver) = &state.driver {
            driver.wake();
        }
    }
}

impl Shared {
    fn lock(&self) -> Guard<'_> {
        // Of what runs under the lock only the encoding of arguments is not ours, and that does
        // not touch the state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leads or follows until the call has ended.
    fn wait<'a>(
        self: &'a Arc<Self>,
        mut state: Guard<'a>,
        xid: Xid,
        mut now: Instant,
    ) -> Result<Bytes> {
        loop {
            if let Some(result) = state.result(xid, now) {
                state.waiters.remove(xid);
                hand_over(state);
                return result;
            }
            (state, now) = match state.reader.take() {
                Some(reader) => {
                    state.waiters.remove(xid);
                    self.lead(state, reader, Some(xid), None, now)
                }
                None => self.follow(state, xid, now),
            };
        }
    }

    /// Receives once, or connects, and does what is due: for a call, or, as the driver, for all.
    fn lead<'a>(
        self: &'a Arc<Self>,
        mut state: Guard<'a>,
        mut reader: Box<Reader>,
        call: Option<Xid>,
        driver: Option<&driver::Wake>,
        mut now: Instant,
    ) -> (Guard<'a>, Instant) {
        if state.core.wants_connection(now) {
            let until = state.timer(now, call);
            drop(state);
            let connected = reader.reconnect(now, until, driver);
            state = self.lock();
            now = Instant::now();
            if let Some(connected) = connected {
                state.connected(connected, now);
                self.watch(&mut state, now);
            }
        } else {
            let until = state.core.poll_timeout().unwrap_or_else(|| state.nap(now));
            let writable = state.core.has_output();
            drop(state);
            let wait = Wait { now, until, writable, spin: self.spin };
            let input = reader.wait(&wait, driver);
            state = self.lock();
            now = Instant::now();
            state.take_in(&mut reader, &input, now);
            state.catch_up(&mut reader, now);
        }
        state.reader = Some(reader);
        (self.turn(state, now), now)
    }

    /// Sleeps until the leader has something for this call, or until its timer runs out: a leader
    /// does not know of calls that were made after it fell asleep.
    fn follow<'a>(&'a self, mut state: Guard<'a>, xid: Xid, now: Instant) -> (Guard<'a>, Instant) {
        state.waiters.insert(xid, Waiter::Thread(thread::current()));
        state.wake_to_connect(now);
        let timer = state.core.timer(xid).unwrap_or(now);
        self.sleep(state, timer)
    }

    /// Sleeps while another leads, who may not know that output is blocked.
    fn sleep<'a>(&'a self, mut state: Guard<'a>, until: Instant) -> (Guard<'a>, Instant) {
        let blocked = state.blocked_socket();
        state.writing |= blocked.is_some();
        drop(state);
        let left = until.saturating_duration_since(Instant::now());
        match &blocked {
            Some(socket) => reader::wait_writable(socket, left.min(WRITE_SLICE)),
            None => thread::park_timeout(left),
        }
        state = self.lock();
        state.writing &= blocked.is_none();
        let now = Instant::now();
        (self.turn(state, now), now)
    }

    /// Waits until little enough is to be sent.
    fn wait_for_room(&self, timeout: Duration) -> Result<()> {
        let mut state = self.lock();
        if state.has_room() {
            return Ok(());
        }
        let deadline = Deadline::after(timeout);
        while !state.has_room() {
            let left = deadline.left();
            if left.is_zero() {
                state.core.handle_full();
                return Err(deadline.missed());
            }
            (state, _) = self.sleep(state, Instant::now() + left.min(WRITE_SLICE));
        }
        Ok(())
    }

    /// Leads or follows until the call is sent, whose results nobody wants.
    fn wait_until_sent(self: &Arc<Self>, xid: Xid) -> Result<()> {
        let (mut state, mut now) = (self.lock(), Instant::now());
        while state.core.is_unsent(xid) {
            (state, now) = match state.reader.take() {
                Some(reader) => self.lead(state, reader, Some(xid), None, now),
                None => self.follow(state, xid, now),
            };
        }
        state.waiters.remove(xid);
        let ended = state.core.take_result(xid);
        state.core.disown(xid);
        state.send_released();
        hand_over(state);
        ended.map_or(Ok(()), |result| result.map(drop))
    }

    /// Has the connection closed when nothing is called on it for long enough.
    fn watch(self: &Arc<Self>, state: &mut State, now: Instant) {
        if state.watched.is_none()
            && let Some(at) = state.core.idle_deadline(now)
        {
            state.watched = Some(idle::watch(self, at));
        }
    }

    /// The time has come to look whether the connection is idle.
    fn leave_if_idle(self: &Arc<Self>) {
        let mut state = self.lock();
        let now = Instant::now();
        state.watched = None;
        if state.core.idle_deadline(now).is_some_and(|at| at <= now) {
            state.leave(now);
        } else {
            self.watch(&mut state, now);
        }
    }

    /// Does what is due, and wakes those whose calls have ended.
    fn turn<'a>(&'a self, mut state: Guard<'a>, now: Instant) -> Guard<'a> {
        if state.is_due(now) {
            state.core.handle_timeout(now);
        }
        state.send(now);
        let ended = state.ended();
        if ended.is_empty() {
            return state;
        }
        // Without the lock, which they want first of all.
        drop(state);
        ended.into_iter().for_each(Waiter::wake);
        self.lock()
    }
}

/// Has another thread lead, if there is one and it is needed.
fn hand_over(mut state: Guard<'_>) {
    state.abandon_unwanted();
    let successor = state.successor();
    drop(state);
    if let Some(thread) = successor {
        thread.unpark();
    }
}

/// Randomness from the operating system.
pub(crate) fn seed() -> Result<u64> {
    getrandom::u64().map_err(|error| {
        let code = error.raw_os_error();
        let source =
            code.map_or_else(|| io::ErrorKind::Unsupported.into(), io::Error::from_raw_os_error);
        Error::Io { doing: Doing::Connect, source }
    })
}

#[cfg(test)]
mod tests;
