//! Answers that come later.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::task::Waker;

use super::Fault;
use crate::xdr::{Bytes, EncodeError, Encoder};

/// How a procedure's result is written.
pub(super) type ResultEncoder<T> = fn(&T, &mut Encoder) -> Result<(), EncodeError>;

/// Where a deferred reply goes: to the server that took the call.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// The server's own number for the call.
    pub(crate) call: u64,
    pub(crate) queue: Sender<Deferred>,
    pub(crate) waker: Waker,
    /// The connection that the call came over is gone.
    pub(crate) gone: Arc<AtomicBool>,
}

impl Route {
    pub(crate) fn send(self, outcome: Outcome) {
        // A server that has ended meanwhile has nobody to answer to.
        let _ = self.queue.send(Deferred { call: self.call, outcome });
        self.waker.wake();
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

/// The answer to a call that was put off.
#[derive(Debug)]
pub(crate) struct Deferred {
    pub(crate) call: u64,
    pub(crate) outcome: Outcome,
}

/// How a call ended that was put off.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A handler has answered.
    Answered(Result<Bytes, Fault>),
    /// A worker has executed it.
    Executed {
        results: Result<Bytes, Fault>,
        /// There were bytes after the arguments.
        trailing: bool,
    },
    /// Its handler panicked on a worker.
    Panicked,
    /// It was not executed: it had waited too long, or its peer is gone.
    Expired,
}

/// The answer to a call that a handler has put off (`@deferred`). It can be sent from any thread.
///
/// Dropped without an answer, it answers SYSTEM_ERR.
#[must_use = "the caller waits for it"]
pub struct Reply<T> {
    route: Option<Route>,
    encode: ResultEncoder<T>,
}

impl<T> Reply<T> {
    pub(super) fn new(route: Option<Route>, encode: ResultEncoder<T>) -> Self {
        Self { route, encode }
    }

    /// Sends the result, or says how the call failed.
    pub fn send(mut self, result: Result<T, Fault>) {
        let encoded = result.and_then(|value| {
            let mut e = Encoder::new();
            (self.encode)(&value, &mut e)?;
            Ok(e.into_bytes())
        });
        self.answer(encoded);
    }

    /// Whether the connection that the call came over is gone, so that nobody waits for the answer.
    /// Of callers over UDP it is not known.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.route.as_ref().is_some_and(Route::is_gone)
    }

    fn answer(&mut self, results: Result<Bytes, Fault>) {
        if let Some(route) = self.route.take() {
            route.send(Outcome::Answered(results));
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        self.answer(Err(Fault::SystemErr));
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("route", &self.route).finish_non_exhaustive()
    }
}
