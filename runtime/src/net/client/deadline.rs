//! What a call is, and until when it takes.

use std::time::{Duration, Instant};

use crate::proto::client::flavor::CallAuth;
use crate::proto::client::{CallParams, Repeat};
use crate::{Error, Interface, Procedure};

/// A timeout that the clock cannot count is one of a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What a call is, besides its arguments.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) interface: &'static Interface,
    pub(crate) procedure: Procedure,
    pub(crate) auth: CallAuth<'a>,
    pub(crate) timeout: Duration,
    pub(crate) repeat: Repeat,
}

impl<'a> Target<'a> {
    /// The call as a core takes it.
    pub(crate) fn params(&self, now: Instant) -> CallParams<'a> {
        CallParams {
            program: self.interface.program,
            version: self.interface.version,
            procedure: self.procedure,
            auth: self.auth,
            repeat: self.repeat,
            deadline: later(now, self.timeout),
        }
    }
}

/// A moment by which something is to have happened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    started: Instant,
    at: Instant,
}

impl Deadline {
    /// The moment `timeout` from now.
    pub(crate) fn after(timeout: Duration) -> Self {
        let started = Instant::now();
        Self { started, at: later(started, timeout) }
    }

    /// The time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// The error for something that was not done by then.
    pub(crate) fn missed(&self) -> Error {
        Error::TimedOut { after: self.started.elapsed(), sent: 0 }
    }
}

fn later(now: Instant, timeout: Duration) -> Instant {
    now.checked_add(timeout).unwrap_or_else(|| now + LONGEST)
}
