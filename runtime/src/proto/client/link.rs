//! The connection of a stream, as far as a client core knows it.

use std::time::{Duration, Instant};

/// Waiting before the second of several attempts to connect, doubled before each further one.
const RECONNECT_MIN: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(5);

/// The connection of a stream.
#[derive(Debug)]
pub(super) enum Link {
    /// None yet.
    New,
    Up {
        /// Connections lost, or not made, since the last reply, or since one that lasted.
        failures: u32,
        since: Instant,
    },
    Down {
        failures: u32,
        /// When to connect again.
        retry: Instant,
    },
}

impl Link {
    pub(super) fn failures(&self, now: Instant) -> u32 {
        match *self {
            Self::New => 0,
            Self::Up { since, .. } if now.saturating_duration_since(since) >= RECONNECT_MAX => 0,
            Self::Up { failures, .. } | Self::Down { failures, .. } => failures,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }
}

/// How long to wait before connecting again after `failures` failures, at least one.
pub(super) fn reconnect_wait(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(7);
    (RECONNECT_MIN * (1 << doublings)).min(RECONNECT_MAX)
}
