//! What systemd is told of the daemon, if it started it as `Type=notify` (sd_notify(3)).

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// All that is waited for is there: units that come after this one may start.
pub(crate) fn ready() {
    send(&NotifyState::Ready);
}

/// The end has begun.
pub(crate) fn stopping() {
    send(&NotifyState::Stopping);
}

/// Says again and again that the daemon lives, where systemd is to restart one that does not.
#[derive(Debug)]
pub(crate) struct Watchdog {
    every: Duration,
    next: Instant,
}

impl Watchdog {
    /// `None` if nobody waits for it.
    pub(crate) fn start(now: Instant) -> Option<Self> {
        // Twice as often as it is waited for, as the manual advises.
        let every = sd_notify::watchdog_enabled()? / 2;
        (!every.is_zero()).then_some(Self { every, next: now })
    }

    /// Says it if it is time to, and returns when it will be the next time.
    pub(crate) fn turn(&mut self, now: Instant) -> Duration {
        if self.next <= now {
            send(&NotifyState::Watchdog);
            self.next = now + self.every;
        }
        self.next - now
    }
}

fn send(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        log::warn!("cannot tell systemd {state}: {error}");
    }
}
