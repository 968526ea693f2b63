//! How many calls over datagrams may be under way.

use std::time::Instant;

/// So many may be in any case. A dozen clients that begin together do not overflow the receiving
/// socket, which by default has room for some two hundred small datagrams.
pub const LEAST: usize = 16;

/// More than so many would only overflow that socket.
pub const MOST: usize = 128;

/// The congestion window, counted in calls: congestion avoidance of RFC 5681 §3.1. There is no slow
/// start: it would outrun what the retry budget lets go again when a receiving socket overflows.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    /// Answers since it last grew.
    answers: usize,
    reduced: Option<Instant>,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { size: LEAST, answers: 0, reduced: None }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn answered(&mut self) {
        self.answers += 1;
        if self.answers >= self.size {
            self.answers = 0;
            self.size = MOST.min(self.size + 1);
        }
    }

    /// A call sent at that time is taken for lost. Of those lost together only the first counts.
    pub(super) fn lost(&mut self, sent: Instant, now: Instant) {
        if self.reduced.is_none_or(|reduced| sent > reduced) {
            self.size = LEAST.max(self.size / 2);
            self.answers = 0;
            self.reduced = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn after(window: &mut Window, answers: usize) -> usize {
        (0..answers).for_each(|_| window.answered());
        window.size()
    }

    #[test]
    fn it_grows_by_one_with_each_full_of_answers_and_halves_when_some_are_lost() {
        let at = |millis| crate::epoch::epoch() + Duration::from_millis(millis);
        let mut window = Window::new();
        assert_eq!([15, 1, 16, 1].map(|answers| after(&mut window, answers)), [16, 17, 17, 18]);
        assert_eq!(after(&mut window, (18..80).sum()), 80);
        window.lost(at(0), at(10));
        assert_eq!(window.size(), 40);
        window.lost(at(5), at(20));
        assert_eq!(window.size(), 40, "sent before it was known");
        window.lost(at(11), at(30));
        window.lost(at(31), at(40));
        assert_eq!(window.size(), 16);
        assert_eq!(after(&mut window, 100_000), 128);
    }
}
