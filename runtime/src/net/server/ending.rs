//! How a server ends: first it unregisters and serves on, then it drains.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::Token;

use super::{Bell, EventLoop, Source, token};

/// What is to happen between being told to stop and the drain: called over and over, whenever the
/// bell rings, until it is done.
type BeforeDrain = Box<dyn FnMut() -> bool + Send>;

/// How far a loop has got with ending.
#[derive(Default)]
pub(super) struct Ending {
    before: Option<BeforeDrain>,
    /// When `before` was first called.
    told: Option<Instant>,
    draining: bool,
    over: bool,
}

impl Ending {
    /// Whether there is to be a next step, without an event.
    pub(super) fn is_due(&self, bell: &Bell) -> bool {
        self.over || bell.stop.load(Ordering::Acquire) && self.told.is_none()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining
    }

    /// When the next step is due, whatever is still waited for. `None` as well if that is never.
    pub(super) fn until(&self, drain: Duration) -> Option<Instant> {
        self.told?.checked_add(if self.draining { drain } else { drain / 2 })
    }

    /// Whether the drain may begin. What is to be done before has half of the time.
    fn may_drain(&mut self, now: Instant, drain: Duration) -> bool {
        let told = *self.told.get_or_insert(now);
        let ready = self.before.as_mut().is_none_or(|before| before());
        ready || now.saturating_duration_since(told) >= drain / 2
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ending").field("draining", &self.draining).finish_non_exhaustive()
    }
}

impl EventLoop {
    /// `before` is called when this is told to stop.
    pub(crate) fn set_before_drain(&mut self, before: Box<dyn FnMut() -> bool + Send>) {
        self.ending.before = Some(before);
    }

    /// Goes on with ending, if it was told to stop. `true` once all is done.
    pub(super) fn end(&mut self) -> bool {
        if !self.bell.stop.load(Ordering::Acquire) {
            return false;
        }
        let now = Instant::now();
        if !self.ending.is_draining() && self.ending.may_drain(now, self.limits.drain) {
            self.drain();
        }
        if self.is_drained() && !std::mem::replace(&mut self.ending.over, true) {
            self.part();
        }
        self.ending.over
    }

    /// Takes in nothing more; what was read is still answered.
    fn drain(&mut self) {
        self.ending.draining = true;
        for token in self.tokens(|source| matches!(source, Source::Listener(_))) {
            self.close(token);
        }
    }

    fn is_drained(&self) -> bool {
        let until = self.ending.until(self.limits.drain);
        let is_over = until.is_some_and(|until| Instant::now() >= until);
        let waits =
            self.core.outstanding() > 0 || self.streams().any(|(_, stream)| stream.is_busy());
        self.ending.draining && (is_over || !waits)
    }

    fn part(&mut self) {
        for token in self.tokens(|source| matches!(source, Source::Stream(_))) {
            if let Some(entry) = self.entries.get_mut(super::key(token))
                && let Source::Stream(stream) = &mut entry.source
            {
                stream.part(&mut self.scratch);
            }
            self.close(token);
        }
    }

    pub(super) fn tokens(&self, of: impl Fn(&Source) -> bool) -> Vec<Token> {
        let entries = self.entries.iter().filter(|(_, entry)| of(&entry.source));
        entries.map(|(key, entry)| token(key, entry.generation)).collect()
    }
}
