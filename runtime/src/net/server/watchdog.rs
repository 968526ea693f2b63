//! Tells of a handler that does not return: whatever else its loop serves waits for it.
//!
//! A loop that waits for a handler cannot tell, so a thread of its own looks at what the loops
//! execute. It is woken by the clock only, and takes nothing from a call but two stores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use crate::service::{Answer, Context, Dispatch, Fault};
use crate::xdr::{Decoder, Encoder};
use crate::{Interface, Procedure};

/// How often it looks. A call that it sees twice has taken as long, and is told of within a second.
const EVERY: Duration = Duration::from_millis(400);

/// A service as one loop has it, whose calls are watched.
pub(crate) struct Watched {
    service: Arc<dyn Dispatch>,
    current: Arc<Current>,
}

/// What one loop executes of one service.
#[derive(Debug)]
pub(crate) struct Current {
    interface: &'static Interface,
    /// The procedure in the lower half, and above it a number that tells the call from the next
    /// one. 0 between calls.
    call: AtomicU64,
    /// The number of the last call.
    number: AtomicU64,
}

impl Watched {
    pub(crate) fn new(service: Arc<dyn Dispatch>) -> Self {
        let (interface, call, number) = (service.interface(), AtomicU64::new(0), AtomicU64::new(0));
        Self { service, current: Arc::new(Current { interface, call, number }) }
    }

    pub(crate) fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current)
    }
}

impl Dispatch for Watched {
    fn interface(&self) -> &'static Interface {
        self.current.interface
    }

    fn dispatch(
        &self,
        cx: &Context,
        procedure: Procedure,
        args: &mut Decoder<'_>,
        results: &mut Encoder,
    ) -> Result<Answer, Fault> {
        let _executing = self.current.enter(procedure);
        self.service.dispatch(cx, procedure, args, results)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("interface", &self.current.interface)
            .finish_non_exhaustive()
    }
}

impl Current {
    /// Notes a call, until what is returned is dropped. Called by one thread only.
    fn enter(&self, procedure: Procedure) -> Executing<'_> {
        let number = self.number.load(Ordering::Relaxed) + 1;
        self.number.store(number, Ordering::Relaxed);
        self.call.store(number << 32 | u64::from(procedure.0), Ordering::Release);
        Executing(self)
    }
}

/// Ends with a handler that panics, too.
struct Executing<'a>(&'a Current);

impl Drop for Executing<'_> {
    fn drop(&mut self) {
        self.0.call.store(0, Ordering::Release);
    }
}

/// The thread that looks. It ends with this.
#[derive(Debug)]
pub(crate) struct Watchdog {
    /// Nothing is sent: it is closed.
    ends: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Watches what the loops execute.
    pub(crate) fn start(watched: Vec<Arc<Current>>) -> io::Result<Self> {
        let (ends, ended) = channel();
        let builder = thread::Builder::new().name("farcall-watchdog".to_owned());
        let thread = builder.spawn(move || watch(&watched, &ended))?;
        Ok(Self { ends: Some(ends), thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.ends = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, nothing is left to be done by it.
            let _ = thread.join();
        }
    }
}

fn watch(watched: &[Arc<Current>], ended: &Receiver<()>) {
    let mut seen = vec![Seen::default(); watched.len()];
    while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        for (current, seen) in watched.iter().zip(&mut seen) {
            seen.look(current);
        }
    }
}

/// What was seen of one service.
#[derive(Debug, Clone, Default)]
struct Seen {
    call: u64,
    is_told: bool,
}

impl Seen {
    fn look(&mut self, current: &Current) {
        let call = current.call.load(Ordering::Acquire);
        if call == 0 || call != self.call {
            *self = Self { call, is_told: false };
        } else if !std::mem::replace(&mut self.is_told, true) {
            current.tell(call);
        }
    }
}

impl Current {
    fn tell(&self, call: u64) {
        let Interface { program_name, version_name, .. } = self.interface;
        let number = Procedure(u32::try_from(call & 0xffff_ffff).unwrap_or(u32::MAX));
        let name = self.interface.procedure(number).map_or("NULL", |info| info.name);
        log::warn!(
            "{program_name} {version_name} {name} has taken {EVERY:?} and goes on; \
             nothing else is served by its loop meanwhile"
        );
    }
}
