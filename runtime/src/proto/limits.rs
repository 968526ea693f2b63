//! Everything that bounds what peers can make a server hold or do, in one place.

use std::time::Duration;

use super::drc::CacheLimits;
use super::record::RecordLimits;
use crate::xdr;

/// Calls that wait are copied up to this length: shared, they would keep the buffer that they were
/// read into, which is as large as many calls.
pub(crate) const COPIED: usize = 16 << 10;

/// The bounds of a server. What is over one of them is refused and counted in
/// [`Stats`](super::stats::Stats).
///
/// ```
/// let mut limits = farcall::Limits::default();
/// limits.records.bytes = 64 << 10;
/// limits.connections = Some(100);
/// let server = farcall::Server::builder().limits(limits);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// One call over a stream: at most 1 MiB in at most 4,096 fragments.
    pub records: RecordLimits,
    /// The body of a credential and of a verifier, in bytes. Default 400, the most that RFC 5531
    /// §8.2 allows: above, a call is malformed. A credential over a lower limit is answered with
    /// AUTH_BADCRED.
    pub credential: usize,
    /// What decoding the arguments of one call may cost: at most 128 levels and 64 MiB.
    pub decode: xdr::Limits,
    /// The longest reply over UDP, in bytes, header included. Default 8,800: C clients have room for
    /// no more, unless they were told to. IPv4 carries 65,507. A longer one becomes SYSTEM_ERR.
    pub datagram: usize,
    /// Connections at once. Above, the one that was silent longest is closed. Default, and at most:
    /// four fifths of the descriptors that the process may have.
    pub connections: Option<usize>,
    /// Connections of one IP address, or of one user over Unix sockets. Above, the one of them that
    /// was silent longest is closed. Default: a quarter of `connections`.
    pub connections_per_source: Option<usize>,
    /// How long the rest of a record, or room for output, is waited for. Default 30 s.
    pub stalled: Duration,
    /// How long a peer to whom no answer is owed may say nothing, unless a handler has kept a client
    /// [of it](crate::Context::peer_client). Default 360 s: clients close idle connections a minute
    /// before.
    pub idle: Duration,
    /// Unsent output of one connection above which no more of its calls are taken, in bytes.
    /// Default 1 MiB.
    pub output: usize,
    /// What all connections together have in buffers: unsent output, and input that is not whole or
    /// waits for room in the output, in bytes. Above half of it, and until a third of it is left, no
    /// calls are taken from a connection with output. Above all of it, those are closed whose
    /// output, or rest of a record, was waited for longest. Default 64 MiB.
    pub total_buffered: usize,
    /// Calls of one connection whose answer was put off. At so many no more are read.
    /// Default 1,024.
    pub calls_per_connection: usize,
    /// Calls whose answer was put off. Above, calls that would be put off are refused: with
    /// SYSTEM_ERR over streams, without an answer over UDP. Default 65,536.
    pub calls: usize,
    /// The same in bytes of those calls. Default 64 MiB.
    pub call_bytes: usize,
    /// How long a call over UDP may wait for a worker. Then it is dropped, because its caller has
    /// asked again or gone. Default 2 s.
    pub queue_age: Duration,
    /// The duplicate request cache: at most 65,536 calls, 1,024 of one peer, 64 MiB of replies, for
    /// 120 s.
    pub cache: CacheLimits,
    /// How long a server that was told to stop goes on to answer what it has read. Default 5 s.
    pub drain: Duration,
}

impl Limits {
    /// The defaults of the fields.
    pub const DEFAULT: Self = Self {
        records: RecordLimits::DEFAULT,
        credential: 400,
        decode: xdr::Limits::DEFAULT,
        datagram: 8800,
        connections: None,
        connections_per_source: None,
        stalled: Duration::from_secs(30),
        idle: Duration::from_secs(360),
        output: 1 << 20,
        total_buffered: 64 << 20,
        calls_per_connection: 1024,
        calls: 65_536,
        call_bytes: 64 << 20,
        queue_age: Duration::from_secs(2),
        cache: CacheLimits::DEFAULT,
        drain: Duration::from_secs(5),
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
