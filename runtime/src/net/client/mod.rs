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
mod waiters;

use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use socket2::Socket;

pub(crate) use self::deadline::{Deadline, Target};
use self::driver::Driver;
use self::reader::{Input, Reader, Reconnected, Wait};
use self::serving::Serving;
pub(crate) use self::socket::Remote;
use self::waiters::{Waiter, Waiters};
use crate::error::{Doing, Result};
use crate::proto::client::{ClientConfig, ClientCore, ClientStats, Transport, window};
use crate::proto::connection::write_record;
use crate::proto::limits::Limits;
use crate::proto::record::RecordLimits;
use crate::proto::retry::RetryPolicy;
use crate::proto::server::{Caller, ServerConfig, ServerCore};
use crate::service::{Dispatch, PeerAddr};
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

#[derive(Debug)]
struct State {
    core: ClientCore,
    /// For sending.
    socket: Option<Arc<Socket>>,
    /// For receiving; `None` while somebody leads.
    reader: Option<Box<Reader>>,
    waiters: Waiters,
    driver: Option<Driver>,
    /// What executes the server's calls; then there is always a driver.
    serving: Option<Serving>,
    /// What answers them if nothing is served, made when there is one.
    nobody: Option<Box<ServerCore>>,
    /// The number of the connection.
    connection: u64,
    /// It is going to be closed when nothing is called on it.
    watched: Option<idle::Watched>,
    /// A thread waits until more can be written.
    writing: bool,
    /// The socket did not take all there was.
    blocked: bool,
    /// The channel was dropped.
    closed: bool,
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
        let xid = state.call(target, args)?;
        self.0.wait(state, xid)
    }

    /// Calls without waiting.
    pub(crate) fn start(
        &self,
        target: &Target<'_>,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<Xid> {
        let mut state = self.0.lock();
        let xid = state.call(target, args)?;
        let now = Instant::now();
        if state.core.wants_connection(now)
            && let Some(reader) = state.reader.take()
        {
            state = self.0.lead(state, reader, Some(xid), None);
        } else if !self.0.corked || state.core.output().len() >= CORKED_MAX {
            state.send(now);
        }
        state.drive_output(&self.0);
        hand_over(state);
        Ok(xid)
    }

    /// Calls without ever asking for results.
    pub(crate) fn send(
        &self,
        target: &Target<'_>,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<()> {
        let xid = self.start(target, args)?;
        let mut state = self.0.lock();
        state.core.disown(xid);
        state.send_released();
        Ok(())
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
        self.0.wait(self.0.lock(), xid)
    }

    /// Takes the results of a call that was started, or has the task woken when they are there.
    pub(crate) fn poll(&self, xid: Xid, cx: &Context<'_>) -> Poll<Result<Bytes>> {
        let mut state = self.0.lock();
        if let Some(result) = state.result(xid) {
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
    fn wait<'a>(self: &'a Arc<Self>, mut state: Guard<'a>, xid: Xid) -> Result<Bytes> {
        loop {
            if let Some(result) = state.result(xid) {
                state.waiters.remove(xid);
                hand_over(state);
                return result;
            }
            state = match state.reader.take() {
                Some(reader) => {
                    state.waiters.remove(xid);
                    self.lead(state, reader, Some(xid), None)
                }
                None => self.follow(state, xid),
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
    ) -> Guard<'a> {
        let mut now = Instant::now();
        if state.core.wants_connection(now) {
            let timeout = state.core.connect_timeout(now, call);
            drop(state);
            let connected = reader.reconnect(timeout);
            state = self.lock();
            now = Instant::now();
            state.connected(connected, now);
            self.watch(&mut state, now);
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
        self.turn(state, now)
    }

    /// Sleeps until the leader has something for this call, or until its timer runs out: a leader
    /// does not know of calls that were made after it fell asleep.
    fn follow<'a>(&'a self, mut state: Guard<'a>, xid: Xid) -> Guard<'a> {
        state.waiters.insert(xid, Waiter::Thread(thread::current()));
        state.wake_to_connect(Instant::now());
        let timer = state.core.timer(xid).unwrap_or_else(Instant::now);
        self.sleep(state, timer)
    }

    /// Sleeps while another leads, who may not know that output is blocked.
    fn sleep<'a>(&'a self, mut state: Guard<'a>, until: Instant) -> Guard<'a> {
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
        self.turn(state, Instant::now())
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

impl State {
    fn call(
        &mut self,
        target: &Target<'_>,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<Xid> {
        let now = Instant::now();
        self.leave_stale(now);
        self.core.call(now, &target.params(now), args)
    }

    /// Gives up a connection that the server has ended while it was quiet.
    fn leave_stale(&mut self, now: Instant) {
        if self.core.is_doubtful(now)
            && self.reader.as_ref().is_some_and(|reader| reader.is_at_end())
        {
            self.leave(now);
        }
    }

    /// Closes a connection that no call waits on.
    fn leave(&mut self, now: Instant) {
        if let Some(mut reader) = self.reader.take() {
            self.close(&mut reader, now);
            self.reader = Some(reader);
        } else if let Some(socket) = &self.socket {
            // Whoever leads sees the end, and closes it.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// The result of a call, if it has ended. If not, it is going to be waited for, so that nothing
    /// is held back any longer.
    fn result(&mut self, xid: Xid) -> Option<Result<Bytes>> {
        let result = self.core.take_result(xid);
        if result.is_some() || !self.core.has_output() {
            return result;
        }
        self.send(Instant::now());
        self.core.take_result(xid)
    }

    /// Sends what can be sent without waiting.
    fn send(&mut self, now: Instant) {
        if !self.core.has_output() {
            return;
        }
        let Some(socket) = self.socket.clone() else {
            return;
        };
        if socket::write(&socket, &mut self.core).is_err() {
            // The reader sees the end of the stream then, and connects again.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.send_datagrams(&socket, now);
        self.blocked = self.core.has_output();
    }

    fn send_datagrams(&mut self, socket: &Socket, now: Instant) {
        let mut again = true;
        while let Some(message) = self.core.poll_transmit() {
            let Err(error) = socket::send_datagram(socket, message) else {
                self.core.handle_transmitted(now);
                continue;
            };
            match error.kind() {
                io::ErrorKind::WouldBlock => return,
                io::ErrorKind::Interrupted => {}
                _ if error.raw_os_error() == Some(nix::libc::EMSGSIZE) => {
                    self.core.handle_unsendable(error);
                }
                // It reports the fate of a datagram before, and this one was not sent. The next
                // report is the reader's.
                io::ErrorKind::ConnectionRefused if std::mem::take(&mut again) => {
                    self.core.handle_unreachable();
                }
                // As good as lost on the network.
                _ => {
                    self.core.handle_unreachable();
                    self.core.handle_transmitted(now);
                }
            }
        }
    }

    /// Deals with what a wait has brought.
    fn take_in(&mut self, reader: &mut Reader, input: &Input, now: Instant) {
        let core = &mut self.core;
        let mut calls = Vec::new();
        match (reader.transport(), input) {
            (_, Input::Nothing) => {}
            (Transport::Datagram, Input::Buffered(n)) => reader.take_datagram(*n, core, now),
            (Transport::Datagram, Input::Refused) => self.refused(reader),
            (Transport::Datagram, _) => self.core.handle_unreachable(),
            (Transport::Stream, Input::Buffered(n @ 1..)) => {
                if reader.take_stream(*n, core, now, &mut calls).is_err() {
                    core.handle_garbage();
                    self.disconnected(reader, now);
                }
            }
            (Transport::Stream, Input::InRecord(n @ 1..)) => {
                if reader.take_in_record(*n, core, now, &mut calls).is_err() {
                    core.handle_garbage();
                    self.disconnected(reader, now);
                }
            }
            (Transport::Stream, _) => self.disconnected(reader, now),
        }
        for call in calls {
            if self.socket.is_some() && !self.serve(call, now) {
                self.disconnected(reader, now);
            }
        }
    }

    /// Takes in what has come while nobody led, before what it answers is sent again.
    fn catch_up(&mut self, reader: &mut Reader, now: Instant) {
        for _ in 0..window::MOST {
            if reader.transport() == Transport::Stream || !self.is_due(now) {
                return;
            }
            match reader.receive_now() {
                Input::Nothing => return,
                input => self.take_in(reader, &input, now),
            }
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        self.core.poll_timeout().is_some_and(|due| due <= now)
    }

    /// Has a call executed that the server makes. `false` if it makes more than it takes answers.
    fn serve(&mut self, call: Bytes, now: Instant) -> bool {
        let executes = |serving: &Serving| serving.execute(self.connection, call.clone());
        if self.serving.as_ref().is_some_and(executes) {
            return true;
        }
        // Nothing is served, or too many calls wait already: then they are refused.
        let nobody = self.nobody.get_or_insert_with(|| {
            let config = ServerConfig::default();
            Box::new(ServerCore::new(config, std::task::Waker::noop().clone()))
        });
        let caller = Caller::new(PeerAddr::Udp(([0; 4], 0).into()), self.connection);
        let output = self.core.output();
        let _ = write_record(output, |out| nobody.handle_message(now, caller, &call.into(), out));
        output.len() <= Limits::DEFAULT.output
    }

    fn connected(&mut self, connected: io::Result<Reconnected>, now: Instant) {
        match connected {
            Ok(Reconnected { socket, is_same_caller }) => {
                if !is_same_caller {
                    self.core.handle_forgotten();
                }
                self.socket = Some(socket);
                self.core.handle_connected(now);
                if let Some(serving) = &self.serving {
                    serving.reconnected();
                }
            }
            Err(error) => {
                self.core.handle_unreachable();
                self.core.handle_disconnected(now);
                // Nobody listens: whoever does next is another server, or one that was started again.
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
                ) {
                    self.core.handle_forgotten();
                }
            }
        }
    }

    fn disconnected(&mut self, reader: &mut Reader, now: Instant) {
        reader.keep_port();
        self.close(reader, now);
    }

    fn close(&mut self, reader: &mut Reader, now: Instant) {
        self.socket = None;
        if let Some(serving) = &self.serving {
            serving.lost(self.connection);
        }
        self.connection += 1;
        reader.disconnect();
        self.core.handle_disconnected(now);
    }

    /// Nobody listens at the server's address. As long as nobody ever did, another of its addresses
    /// may be the right one.
    fn refused(&mut self, reader: &mut Reader) {
        let next = if self.core.stats().replies == 0 { reader.readdress() } else { None };
        let is_new = next.as_ref().is_some_and(|next| next.is_new);
        if let Some(next) = next {
            self.socket = Some(next.socket);
        }
        // Each is tried once: then nobody listens at any of them.
        if is_new {
            self.core.handle_readdressed();
        } else {
            self.core.handle_refused();
        }
    }

    /// The socket, if it takes no more output and no thread waits for it yet.
    fn blocked_socket(&self) -> Option<Arc<Socket>> {
        if self.writing || !self.core.has_output() {
            return None;
        }
        self.socket.clone()
    }

    /// Those who wait for calls that have ended.
    fn ended(&mut self) -> Vec<Waiter> {
        let (core, waiters) = (&mut self.core, &mut self.waiters);
        std::iter::from_fn(|| core.poll_ended()).filter_map(|xid| waiters.remove(xid)).collect()
    }

    fn forget(&mut self, xid: Xid) {
        self.core.forget(xid);
        self.waiters.remove(xid);
    }

    /// Sends calls that had to wait for others, and has those who wait for them know their timers.
    fn send_released(&mut self) {
        if self.core.has_output() && self.core.output().is_empty() {
            self.send(Instant::now());
            self.waiters.wake_threads();
            if let Some(driver) = &self.driver {
                driver.wake();
            }
        }
    }

    /// The thread to lead next, if nobody leads, or to write on, if nobody waits for that.
    fn successor(&self) -> Option<Thread> {
        let driver = || {
            let driver = self.driver.as_ref().filter(|_| self.is_driven());
            driver.map(Driver::thread)
        };
        match self.reader {
            Some(_) => self.waiters.thread().or_else(driver),
            None if self.is_blocked() && !self.writing => driver(),
            None => None,
        }
    }
}

/// Has another thread lead, if there is one and it is needed.
fn hand_over(state: Guard<'_>) {
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
