//! What a client core is given, and what it tells.

use std::time::{Duration, Instant};

use super::flavor::CallAuth;
use crate::proto::retry::RetryPolicy;
use crate::{Procedure, Program, Version};

/// What a server is reached over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams, each one message, that can get lost: calls are sent again.
    Datagram,
    /// A stream of records (RFC 5531 §11). Calls are sent again only on a new connection.
    Stream,
}

/// What a [`ClientCore`](super::ClientCore) is made of.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// What it talks over.
    pub transport: Transport,
    /// When it sends datagrams again.
    pub retry: RetryPolicy,
    /// How long a stream is kept that nothing is called on, at least 1 ms; see
    /// [`ClientCore::idle_deadline`](super::ClientCore::idle_deadline).
    pub idle: Duration,
    /// All its randomness: the xids and the jitter of timers. From the operating system, but in
    /// tests.
    pub seed: u64,
}

/// What to call.
#[derive(Debug, Clone)]
pub struct CallParams<'a> {
    /// The program.
    pub program: Program,
    /// Its version.
    pub version: Version,
    /// The procedure.
    pub procedure: Procedure,
    /// Who calls.
    pub auth: CallAuth<'a>,
    /// When it is sent a second time, if the server may have it already.
    pub repeat: Repeat,
    /// When the call ends at the latest.
    pub deadline: Instant,
}

/// When a call is sent that the server may have already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Never.
    Never,
    /// As long as a server with a duplicate request cache knows it for a repeat: for
    /// [`KNOWN_FOR`](super::KNOWN_FOR), until
    /// [`handle_forgotten`](super::ClientCore::handle_forgotten).
    WhileKnown,
    /// Whenever it is not answered: to execute it twice does no harm.
    Always,
}

/// What a client did and met, counted since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClientStats {
    /// Calls made.
    pub calls: u64,
    /// Calls sent for the first time.
    pub sent: u64,
    /// Calls sent again.
    pub resent: u64,
    /// Replies that belonged to a call.
    pub replies: u64,
    /// Replies dropped because no call waits for their xid: they were late, sent twice, or forged.
    pub unknown_xid: u64,
    /// Replies dropped because their verifier, or what they wrap, is not the server's.
    pub unverified: u64,
    /// What came from the server and is no reply: no records, no message, or one that cannot be
    /// decoded.
    pub malformed: u64,
    /// Calls that ended without an answer, or that found no room to be sent in time.
    pub timed_out: u64,
    /// Resends put off because too many of the calls had to be sent again.
    pub held_back: u64,
    /// How often the network said that the server cannot be reached, or no connection could be made.
    pub unreachable: u64,
    /// Connections made after the first one.
    pub reconnects: u64,
}
