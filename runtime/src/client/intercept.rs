//! What calls pass through on their way out and back.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::{Error, Interface, Procedure};

/// Sees every call of a client before it is made, and what became of it: for logging, authorisation
/// and measuring that is written once. The counterpart of the server's
/// [`Interceptor`](crate::Interceptor).
///
/// It runs on the thread that calls or takes the result, and outside of all locks.
pub trait CallInterceptor: Send + Sync + 'static {
    /// A call is about to be made.
    ///
    /// # Errors
    /// It is not made, and ends with this.
    fn before(&self, call: &OutgoingCall) -> Result<()> {
        let _ = call;
        Ok(())
    }

    /// A call that [`before`](Self::before) let through has ended. Of several interceptors the last
    /// is told first. `took` is the time since it was made.
    fn after(&self, call: &OutgoingCall, outcome: CallOutcome<'_>, took: Duration) {
        let _ = (call, outcome, took);
    }
}

/// What a [`CallInterceptor`] knows of a call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OutgoingCall {
    /// The program and version called.
    pub interface: &'static Interface,
    /// The procedure.
    pub procedure: Procedure,
    /// How long it takes at most.
    pub timeout: Duration,
}

/// What became of a call, as a [`CallInterceptor`] is told.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum CallOutcome<'a> {
    /// It has results.
    Answered,
    /// It has failed.
    Failed(&'a Error),
    /// Nobody waits for its results: it goes one way, or its
    /// [`Pending`](crate::Pending) was dropped.
    Forgotten,
}

/// The interceptors of a client, in the order in which calls pass through.
#[derive(Clone, Default)]
pub(super) struct Interceptors(Vec<Arc<dyn CallInterceptor>>);

impl Interceptors {
    pub(super) fn push(&mut self, interceptor: Arc<dyn CallInterceptor>) {
        self.0.push(interceptor);
    }

    /// Asks all of them. Those before one that refuses are told.
    pub(super) fn begin(&self, call: OutgoingCall) -> Result<Option<Box<Watch>>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (passed, started) = (Vec::with_capacity(self.0.len()), Instant::now());
        let mut watch = Box::new(Watch { passed, call, started });
        for interceptor in &self.0 {
            if let Err(error) = interceptor.before(&watch.call) {
                watch.end(CallOutcome::Failed(&error));
                return Err(error);
            }
            watch.passed.push(Arc::clone(interceptor));
        }
        Ok(Some(watch))
    }
}

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interceptors").field(&self.0.len()).finish()
    }
}

/// A call that was let through. Dropped, it is forgotten.
pub(super) struct Watch {
    /// Those that are to be told.
    passed: Vec<Arc<dyn CallInterceptor>>,
    call: OutgoingCall,
    started: Instant,
}

impl Watch {
    fn end(&mut self, outcome: CallOutcome<'_>) {
        let took = self.started.elapsed();
        while let Some(interceptor) = self.passed.pop() {
            interceptor.after(&self.call, outcome, took);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end(CallOutcome::Forgotten);
    }
}

/// Tells what became of a call, if anybody wants to know.
pub(super) fn end<T>(watch: Option<Box<Watch>>, result: &Result<T>) {
    if let Some(mut watch) = watch {
        watch.end(match result {
            Ok(_) => CallOutcome::Answered,
            Err(error) => CallOutcome::Failed(error),
        });
    }
}
