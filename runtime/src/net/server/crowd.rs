//! What all connections together have in buffers, and what is done when it is too much.

use super::stream::Stream;
use super::{EventLoop, Source};
use mio::Token;

/// The sum of what connections have in buffers.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// In bytes.
    buffered: usize,
    /// There is so much that calls are held up.
    pub(super) squeezed: bool,
}

impl Crowd {
    /// Counts what a connection has now.
    pub(super) fn grow(&mut self, stream: &mut Stream) {
        self.buffered = self.buffered.saturating_add_signed(stream.growth());
    }

    /// A connection is no more.
    pub(super) fn leave(&mut self, stream: &Stream) {
        self.buffered = self.buffered.saturating_sub(stream.counted());
    }
}

impl EventLoop {
    /// Sees to it that there is not too much in buffers, after a turn of a connection: which is not
    /// closed, so that one alone may have an answer of any length.
    pub(super) fn weigh(&mut self, latest: Token) {
        let most = self.limits.total_buffered;
        if self.crowd.buffered > most / 2 {
            if !std::mem::replace(&mut self.crowd.squeezed, true) {
                self.core.counters().buffers_full.add(1);
            }
        } else if self.crowd.buffered <= most / 3 {
            self.crowd.squeezed = false;
        }
        if self.crowd.buffered > most {
            self.trim_all();
        }
        while self.crowd.buffered > most
            && let Some(token) = self.longest_waited_for(latest)
        {
            self.core.counters().crowded_out.add(1);
            self.close(token);
        }
    }

    /// Gives back buffers that are only kept for the next answers.
    fn trim_all(&mut self) {
        for (_, entry) in &mut self.entries {
            if let Source::Stream(stream) = &mut entry.source {
                stream.trim();
                self.crowd.grow(stream);
            }
        }
    }

    fn longest_waited_for(&self, but: Token) -> Option<Token> {
        let others = self.streams().filter(|&(token, _)| token != but);
        let waiting = others.filter_map(|(token, stream)| Some((stream.waiting_since()?, token)));
        waiting.min_by_key(|&(since, _)| since).map(|(_, token)| token)
    }
}
