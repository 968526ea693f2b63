//! What a server counts: everything it did, and everything it refused, by reason.

/// Counters of a server, from its start on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerStats {
    /// Calls that were executed and answered with success, those answered later included.
    pub executed: u64,
    /// Calls answered from the duplicate request cache.
    pub replayed: u64,
    /// Repeats dropped because the first is still being executed, or its answer was not kept.
    pub repeats_dropped: u64,
    /// Messages that are replies, or nothing that RFC 5531 knows.
    pub not_a_call: u64,
    /// Calls whose header cannot be decoded.
    pub malformed: u64,
    /// Calls of another RPC version than 2.
    pub rpc_mismatch: u64,
    /// Calls refused for their credential.
    pub auth_errors: u64,
    /// Calls of a program that is not served.
    pub prog_unavail: u64,
    /// Calls of a version that is not served.
    pub prog_mismatch: u64,
    /// Calls of a procedure that does not exist.
    pub proc_unavail: u64,
    /// Calls whose arguments cannot be decoded.
    pub garbage_args: u64,
    /// Calls that the server failed at.
    pub system_errors: u64,
    /// Handlers that panicked; part of `system_errors`.
    pub panics: u64,
    /// Calls with bytes after the arguments.
    pub trailing_bytes: u64,
    /// Calls that a handler chose not to answer.
    pub silent: u64,
    /// Streams closed because of a record that is over the limits.
    pub bad_records: u64,
    /// Streams closed because part of a record, or the room for answers, was waited for too long.
    pub stalled: u64,
    /// Streams closed because nothing was said for too long.
    pub idle: u64,
    /// Connections refused or closed because there were too many.
    pub too_many_connections: u64,
}
