//! Calls back: from a server to its peers, over the connections that they opened.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::Xid;
use crate::proto::client::{ClientConfig, ClientCore, Transport};
use crate::proto::connection::Replies;
use crate::proto::record::Message;
use crate::proto::retry::RetryPolicy;
use crate::xdr::Encoder;

/// The lines of one loop's connections.
#[derive(Debug)]
pub(crate) struct Lines {
    open: Mutex<Open>,
    /// There was one ever.
    used: AtomicBool,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Open {
    by_origin: HashMap<u64, Arc<Line>>,
    /// Those that have something to be sent, or a timer.
    changed: Vec<u64>,
    /// The thread that the loop runs on.
    thread: Option<ThreadId>,
}

impl Lines {
    /// `waker` wakes the loop.
    pub(crate) fn new(waker: Waker) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), used: AtomicBool::new(false), waker })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line of a connection. If the connection is gone, the loop ends the line.
    pub(crate) fn open(self: &Arc<Self>, origin: u64, seed: u64, now: Instant) -> Arc<Line> {
        self.used.store(true, Ordering::Release);
        let mut open = self.lock();
        let line = open.by_origin.entry(origin);
        let line = Arc::clone(line.or_insert_with(|| Line::new(self, origin, seed, now)));
        drop(open);
        self.note(origin);
        line
    }

    fn note(&self, origin: u64) {
        self.lock().changed.push(origin);
        self.waker.wake_by_ref();
    }

    /// This thread runs the loop: calls back that it waited for would wait for itself.
    pub(crate) fn run_on(&self, thread: ThreadId) {
        self.lock().thread = Some(thread);
    }

    fn is_here(&self) -> bool {
        self.lock().thread == Some(thread::current().id())
    }

    /// The lines that have something to be sent, by the connections that they are for.
    pub(crate) fn changed(&self) -> Vec<(u64, Arc<Line>)> {
        if !self.used.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut open = self.lock();
        let changed = std::mem::take(&mut open.changed);
        let line = |origin| Some((origin, Arc::clone(open.by_origin.get(&origin)?)));
        changed.into_iter().filter_map(line).collect()
    }

    /// Ends the line of a connection that is gone.
    pub(crate) fn close(&self, origin: u64) {
        if self.used.load(Ordering::Acquire) {
            let line = self.lock().by_origin.remove(&origin);
            if let Some(line) = line {
                line.close();
            }
        }
    }

    /// Ends calls that are over. When it is to be called again.
    pub(crate) fn handle_timeout(&self, now: Instant) -> Option<Instant> {
        if !self.used.load(Ordering::Acquire) {
            return None;
        }
        let lines: Vec<_> = self.lock().by_origin.values().cloned().collect();
        lines.iter().filter_map(|line| line.handle_timeout(now)).min()
    }
}

/// The calls to one peer.
#[derive(Debug)]
pub(crate) struct Line {
    lines: Arc<Lines>,
    origin: u64,
    calls: Mutex<Calls>,
    /// One of the calls that threads wait for may have ended.
    ended: Condvar,
}

/// What is under a line's lock.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) core: ClientCore,
    /// Futures that were polled.
    pub(crate) tasks: HashMap<Xid, Waker>,
    /// The connection is gone.
    pub(crate) closed: bool,
}

impl Line {
    fn new(lines: &Arc<Lines>, origin: u64, seed: u64, now: Instant) -> Arc<Self> {
        let (transport, retry) = (Transport::Stream, RetryPolicy::default());
        let idle = Duration::MAX;
        let mut core = ClientCore::new(&ClientConfig { transport, retry, idle, seed });
        core.handle_connected(now);
        let calls = Mutex::new(Calls { core, tasks: HashMap::new(), closed: false });
        Arc::new(Self { lines: Arc::clone(lines), origin, calls, ended: Condvar::new() })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the loop that there is something to be sent.
    pub(crate) fn note(&self) {
        self.lines.note(self.origin);
    }

    /// Whether this thread is the one that would have to bring the answer.
    pub(crate) fn is_here(&self) -> bool {
        self.lines.is_here()
    }

    /// Waits until a call may have ended.
    pub(crate) fn wait<'a>(
        &'a self,
        calls: MutexGuard<'a, Calls>,
        timeout: Duration,
    ) -> MutexGuard<'a, Calls> {
        let waited = self.ended.wait_timeout(calls, timeout);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Moves what is to be sent to `out`.
    pub(crate) fn take_output(&self, out: &mut Encoder) {
        let mut calls = self.lock();
        let output = calls.core.output();
        out.append(output);
        output.clear();
    }

    fn handle_timeout(&self, now: Instant) -> Option<Instant> {
        let mut calls = self.lock();
        calls.core.handle_timeout(now);
        let next = calls.core.poll_timeout();
        self.wake(calls);
        next
    }

    /// No more answers will come: all calls end.
    pub(crate) fn close(&self) {
        let mut calls = self.lock();
        calls.closed = true;
        calls.core.handle_closed();
        self.wake(calls);
    }

    /// Wakes those whose calls have ended.
    fn wake(&self, mut calls: MutexGuard<'_, Calls>) {
        let Calls { core, tasks, .. } = &mut *calls;
        let mut any = false;
        let ended = std::iter::from_fn(|| core.poll_ended()).inspect(|_| any = true);
        let tasks: Vec<Waker> = ended.filter_map(|xid| tasks.remove(&xid)).collect();
        drop(calls);
        tasks.into_iter().for_each(Waker::wake);
        if any {
            self.ended.notify_all();
        }
    }
}

impl Replies for &Line {
    fn handle_reply(&mut self, now: Instant, message: &Message<'_>) {
        let mut calls = self.lock();
        calls.core.handle_reply(now, message.bytes(), || message.to_bytes());
        self.wake(calls);
    }
}

/// The way back to whoever sent a call.
#[derive(Debug, Clone)]
pub(crate) struct Back {
    pub(crate) lines: Arc<Lines>,
    pub(crate) origin: u64,
}
