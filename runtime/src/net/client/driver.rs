//! The thread that drives a client's socket while there are futures, or bytes that the socket did not
//! take, that nobody else drives.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::{Shared, State, hand_over};
use crate::Xid;

/// How long it stays when there are no more futures.
const IDLE: Duration = Duration::from_secs(1);

/// How long it sleeps when no call is waited for.
const NAP: Duration = Duration::from_secs(60);

/// What interrupts a leading driver.
pub(super) type Wake = UnixStream;

/// A driver that runs.
#[derive(Debug)]
pub(super) struct Driver {
    thread: Thread,
    /// The other end of what it waits on while it leads.
    wake: Wake,
    /// It leads, and sleeps until then if nothing comes.
    asleep: Option<Instant>,
}

impl Driver {
    pub(super) fn thread(&self) -> Thread {
        self.thread.clone()
    }

    /// Interrupts it, whatever it does.
    pub(super) fn wake(&self) {
        self.thread.unpark();
        if self.asleep.is_some() {
            // If there is no room for the byte, then there are others to wake it.
            let _ = io::Write::write(&mut &self.wake, &[0]);
        }
    }
}

impl State {
    /// Sees to it that a driver runs, and knows of the call.
    pub(super) fn drive(&mut self, shared: &Arc<Shared>, xid: Xid) -> io::Result<()> {
        let Some(driver) = &self.driver else {
            return self.start_driver(shared);
        };
        let timer = self.core.timer(xid);
        let in_time = driver.asleep.is_some_and(|until| Some(until) <= timer);
        if !in_time || self.core.has_output() || self.core.wants_connection(Instant::now()) {
            driver.wake();
        }
        Ok(())
    }

    /// Has a driver write what the socket did not take: whoever called may not wait for anything.
    pub(super) fn drive_output(&mut self, shared: &Arc<Shared>) {
        if !self.is_blocked() {
            return;
        }
        match &self.driver {
            Some(driver) => driver.wake(),
            // Without a thread for it, it goes out with what is called or waited for next.
            None => drop(self.start_driver(shared)),
        }
    }

    /// Whether the socket has yet to take what it did not take.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked && self.core.has_output()
    }

    pub(super) fn start_driver(&mut self, shared: &Arc<Shared>) -> io::Result<()> {
        self.driver = Some(start(Arc::clone(shared))?);
        Ok(())
    }

    /// Whether there is something to do for a driver.
    pub(super) fn is_driven(&self) -> bool {
        self.waiters.has_tasks() || self.serving.is_some() || self.is_blocked()
    }

    /// Until when to wait if no call does.
    pub(super) fn nap(&self, now: Instant) -> Instant {
        if self.is_driven() { now + NAP } else { now }
    }

    /// Has a leading driver make the connection that a call waits for.
    pub(super) fn wake_to_connect(&self, now: Instant) {
        if let Some(driver) = &self.driver
            && self.core.wants_connection(now)
        {
            driver.wake();
        }
    }
}

fn start(shared: Arc<Shared>) -> io::Result<Driver> {
    let (wake, woken) = UnixStream::pair()?;
    wake.set_nonblocking(true)?;
    let thread = thread::Builder::new().name("farcall-client".to_owned());
    let thread = thread.spawn(move || drive(&shared, &woken))?.thread().clone();
    Ok(Driver { thread, wake, asleep: None })
}

fn drive(shared: &Arc<Shared>, woken: &Wake) {
    let mut state = shared.lock();
    let mut idle_since = None;
    while !state.closed {
        let now = Instant::now();
        if !state.is_driven() {
            let since = *idle_since.get_or_insert(now);
            let left = (since + IDLE).saturating_duration_since(now);
            if left.is_zero() {
                break;
            }
            hand_over(state);
            thread::park_timeout(left);
            state = shared.lock();
            continue;
        }
        idle_since = None;
        let timer = state.timer(now, None);
        if let Some(reader) = state.reader.take() {
            state.sleeps_until(Some(timer));
            (state, _) = shared.lead(state, reader, None, Some(woken), now);
            state.sleeps_until(None);
        } else {
            (state, _) = shared.sleep(state, timer);
        }
    }
    state.driver = None;
    hand_over(state);
}

impl State {
    fn sleeps_until(&mut self, timer: Option<Instant>) {
        if let Some(driver) = &mut self.driver {
            driver.asleep = timer;
        }
    }
}
