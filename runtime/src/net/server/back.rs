//! What a handler's threads do with calls back to a peer. The loop does the rest.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::error::{Doing, Result};
use crate::net::client::{Target, seed};
use crate::proto::client::ClientStats;
use crate::service::{Back, Line};
use crate::xdr::{Bytes, EncodeError, Encoder};
use crate::{Error, Xid};

impl Back {
    /// The line to the peer, which may be gone.
    pub(crate) fn line(&self) -> Result<Arc<Line>> {
        Ok(self.lines.open(self.origin, seed()?, Instant::now()))
    }
}

impl Line {
    /// Calls without waiting.
    pub(crate) fn start(
        &self,
        target: &Target<'_>,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<Xid> {
        let mut calls = self.lock();
        if calls.closed {
            return Err(Error::Disconnected { sent: 0 });
        }
        let now = Instant::now();
        let xid = calls.core.call(now, &target.params(now), args)?;
        drop(calls);
        self.note();
        Ok(xid)
    }

    /// Waits for the results of a call that was started.
    pub(crate) fn wait_for(&self, xid: Xid) -> Result<Bytes> {
        let is_here = self.is_here();
        let mut calls = self.lock();
        loop {
            if let Some(result) = calls.core.take_result(xid) {
                return result;
            }
            if is_here {
                calls.core.forget(xid);
                let source = io::ErrorKind::Deadlock.into();
                return Err(Error::Io { doing: Doing::Poll, source });
            }
            let now = Instant::now();
            let until = calls.core.timer(xid).unwrap_or(now);
            calls = self.wait(calls, until.saturating_duration_since(now));
            calls.core.handle_timeout(Instant::now());
        }
    }

    /// Takes the results of a call that was started, or has the task woken when they are there.
    pub(crate) fn poll(&self, xid: Xid, cx: &Context<'_>) -> Poll<Result<Bytes>> {
        let mut calls = self.lock();
        if let Some(result) = calls.core.take_result(xid) {
            calls.tasks.remove(&xid);
            return Poll::Ready(result);
        }
        calls.tasks.insert(xid, cx.waker().clone());
        Poll::Pending
    }

    /// Drops a call that was started.
    pub(crate) fn forget(&self, xid: Xid) {
        let mut calls = self.lock();
        calls.core.forget(xid);
        calls.tasks.remove(&xid);
    }

    /// Drops a call whose results nobody wants.
    pub(crate) fn disown(&self, xid: Xid) {
        self.lock().core.disown(xid);
    }

    pub(crate) fn stats(&self) -> ClientStats {
        self.lock().core.stats()
    }
}
