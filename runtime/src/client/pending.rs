use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};

use super::decode;
use super::intercept::{self, Watch};
use super::way::Way;
use crate::error::Result;
use crate::xdr::{Bytes, DecodeError, Decoder};
use crate::{Error, Xid};

/// A call that was started: its result is to come.
///
/// Either [`wait`](Self::wait) for it or await it as a future, in whatever executor. Dropped, the
/// call is forgotten: its answer is not waited for, but the server may well execute it.
#[must_use = "its result would be lost"]
pub struct Pending<T> {
    call: Call,
    results: fn(&mut Decoder<'_>) -> Result<T, DecodeError>,
    watch: Option<Box<Watch>>,
}

#[derive(Debug)]
enum Call {
    Sent(Way, Xid),
    Failed(Error),
    Ended,
}

impl<T> Pending<T> {
    pub(super) fn new(
        way: &Way,
        xid: Result<Xid>,
        results: fn(&mut Decoder<'_>) -> Result<T, DecodeError>,
        watch: Option<Box<Watch>>,
    ) -> Self {
        let call = match xid {
            Ok(xid) => Call::Sent(way.clone(), xid),
            Err(error) => Call::Failed(error),
        };
        Self { call, results, watch }
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// As [`Client::call`](crate::Client::call).
    ///
    /// # Panics
    /// If it was polled as a future, and has given the result already.
    pub fn wait(mut self) -> Result<T> {
        let results = match std::mem::replace(&mut self.call, Call::Ended) {
            Call::Sent(way, xid) => way.wait(xid),
            Call::Failed(error) => Err(error),
            Call::Ended => panic!("the result was taken already"),
        };
        self.end(results)
    }

    fn end(&mut self, results: Result<Bytes>) -> Result<T> {
        let result = results.and_then(|results| decode(&results, self.results));
        intercept::end(self.watch.take(), &result);
        result
    }

    fn poll_results(&mut self, cx: &task::Context<'_>) -> Poll<Result<Bytes>> {
        if let Call::Sent(way, xid) = &self.call {
            let results = task::ready!(way.poll(*xid, cx));
            self.call = Call::Ended;
            return Poll::Ready(results);
        }
        match std::mem::replace(&mut self.call, Call::Ended) {
            Call::Failed(error) => Poll::Ready(Err(error)),
            _ => panic!("polled after it was ready"),
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let results = task::ready!(self.poll_results(cx));
        Poll::Ready(self.end(results))
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        if let Call::Sent(way, xid) = &self.call {
            way.forget(*xid);
        }
    }
}

impl<T> std::fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let xid = match &self.call {
            Call::Sent(_, xid) => Some(xid),
            Call::Failed(_) | Call::Ended => None,
        };
        f.debug_struct("Pending").field("xid", &xid).finish_non_exhaustive()
    }
}
