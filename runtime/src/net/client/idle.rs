//! Closing streams that nothing is called on.
//!
//! One thread does it for all clients of the process. It starts with the first stream and ends when
//! it finds none left, and it keeps no client alive. It holds only one lock at a time: a client may
//! be locked when its stream is [watched](watch), not the other way round.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Instant;

use super::Shared;

/// The streams of the process.
static STREAMS: Mutex<Streams> =
    Mutex::new(Streams { by_time: BTreeMap::new(), numbered: 0, wakes: None });

/// One of them is to be looked at before the thread would wake.
static SOONER: Condvar = Condvar::new();

#[derive(Debug)]
struct Streams {
    /// By when they are to be looked at. The number tells apart those of one moment.
    by_time: BTreeMap<(Instant, u64), Weak<Shared>>,
    numbered: u64,
    /// When the thread wakes, if there is one.
    wakes: Option<Instant>,
}

/// A stream that is going to be looked at. Dropped, it is not.
#[derive(Debug)]
pub(super) struct Watched((Instant, u64));

impl Drop for Watched {
    fn drop(&mut self) {
        lock().by_time.remove(&self.0);
    }
}

/// Has [`Shared::leave_if_idle`] called at that time, from another thread.
pub(super) fn watch(stream: &Arc<Shared>, at: Instant) -> Watched {
    let mut streams = lock();
    streams.numbered += 1;
    let key = (at, streams.numbered);
    streams.by_time.insert(key, Arc::downgrade(stream));
    match streams.wakes {
        Some(wakes) if wakes <= at => {}
        Some(_) => SOONER.notify_one(),
        None => {
            let thread = thread::Builder::new().name("farcall-idle".to_owned());
            // Without it the stream stays until the server closes it.
            streams.wakes = thread.spawn(run).ok().map(|_| at);
        }
    }
    Watched(key)
}

fn lock() -> MutexGuard<'static, Streams> {
    // Nothing under the lock leaves it half done.
    STREAMS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run() {
    let mut streams = lock();
    while let Some(first) = streams.by_time.first_entry() {
        let (at, _) = *first.key();
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let stream = first.remove();
            drop(streams);
            if let Some(stream) = stream.upgrade() {
                stream.leave_if_idle();
            }
            streams = lock();
        } else {
            streams.wakes = Some(at);
            let waited = SOONER.wait_timeout(streams, left);
            streams = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
    streams.wakes = None;
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;
    use crate::net::client::{Channel, Config, Deadline, Remote};
    use crate::proto::record::RecordLimits;
    use crate::proto::retry::RetryPolicy;

    fn open(listener: &TcpListener, idle: Duration) -> Channel {
        let remote = Remote::Tcp(listener.local_addr().expect("it is bound"));
        let config = Config {
            retry: RetryPolicy::default(),
            records: RecordLimits::default(),
            spin: Duration::ZERO,
            corked: false,
            reserved_port: false,
            idle,
            services: Vec::new(),
        };
        let deadline = Deadline::after(Duration::from_secs(20));
        Channel::open(vec![remote], &config, &deadline).expect("it listens")
    }

    /// No other test of this program has streams that can be idle.
    #[test]
    fn there_is_a_thread_as_long_as_there_are_streams() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let accept = || listener.accept().expect("a client").0;
        let (_forever, _its_end) = (open(&listener, Duration::MAX), accept());
        assert_eq!(lock().wakes, None);
        let (late, _its_end) = (open(&listener, Duration::from_secs(300)), accept());
        let (_soon, mut its_end) = (open(&listener, Duration::from_millis(1)), accept());
        assert_eq!(its_end.read(&mut [0]).ok(), Some(0), "closed before the one that is late");
        assert_eq!(lock().by_time.len(), 1);
        drop(late);
        assert_eq!(lock().by_time.len(), 0);
        // It wakes for the next one, if not before.
        let (_next, mut its_end) = (open(&listener, Duration::from_millis(1)), accept());
        assert_eq!(its_end.read(&mut [0]).ok(), Some(0));
        let patience = Deadline::after(Duration::from_secs(20));
        while lock().wakes.is_some() {
            assert!(!patience.left().is_zero(), "there are no streams");
            thread::yield_now();
        }
    }
}
