use std::error::Error as StdError;
use std::time::Duration;
use std::{fmt, io};

use crate::proto::message::{AcceptStatus, RejectStatus};
use crate::xdr::{DecodeError, EncodeError};
use crate::{Netid, Program, Version};

/// The result of a call, or of setting up a client or server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call or a registration failed, by who is at fault.
///
/// Its text begins with the words that C programs print (`RPC: Timed out`), because people search
/// for them.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A value given to this library does not fit its declaration. Nothing was sent.
    Encode(EncodeError),
    /// What the peer sent as the result is not one.
    Decode(DecodeError),
    /// The peer answered that it did not execute the call (RFC 5531 §9).
    Refused(Refusal),
    /// No answer by the deadline. Whether the call was executed is not known, unless `sent` is 0.
    TimedOut {
        /// How long was waited.
        after: Duration,
        /// How often the call was sent.
        sent: u32,
    },
    /// The portmapper that was asked does not know the program over this transport.
    NotRegistered {
        /// The program asked for.
        program: Program,
        /// The version asked for.
        version: Version,
        /// The transport asked for.
        netid: Netid,
    },
    /// The portmapper did not accept a registration, or the removal of one: another user's, or
    /// another address's, is there (RFC 1833 §2.2.1).
    NotAccepted {
        /// The program to be registered or unregistered.
        program: Program,
        /// Its version.
        version: Version,
    },
    /// A target such as `udp://host` cannot be understood.
    BadTarget(BadTarget),
    /// The operating system refused.
    Io {
        /// What was being done.
        doing: Doing,
        /// What the system said.
        source: io::Error,
    },
}

/// What an [`Error::Io`] interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// Looking up a host's address.
    Resolve,
    /// Connecting to a server.
    Connect,
    /// Sending a call.
    Send,
    /// Receiving a reply.
    Receive,
    /// Opening a socket to serve on.
    Listen,
    /// Running the event loop.
    Poll,
}

/// The status of a call that the server did not execute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It passed authentication, but. Never [`AcceptStatus::Success`].
    Accepted(AcceptStatus),
    /// It was denied.
    Denied(RejectStatus),
}

/// What is wrong with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadTarget {
    /// It does not start with `udp://`, `tcp://` or `unix://`.
    Scheme,
    /// It has no host, or no path.
    Empty,
    /// What follows the host is not a port.
    Port,
}

impl Error {
    /// Whether the deadline passed without an answer.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut { .. })
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(error) => write!(f, "RPC: Can't encode arguments: {error}"),
            Self::Decode(error) => write!(f, "RPC: Can't decode result: {error}"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::TimedOut { after, sent } => {
                write!(f, "RPC: Timed out; no answer in {after:.1?}, sent {sent} times")
            }
            Self::NotRegistered { program, version, netid } => write!(
                f,
                "RPC: Program not registered; the portmapper has no program {program} version \
                 {version} over {netid}. Is the server running?"
            ),
            Self::NotAccepted { program, version } => write!(
                f,
                "RPC: Port mapper failure; program {program} version {version} is registered by \
                 somebody else"
            ),
            Self::BadTarget(what) => what.fmt(f),
            Self::Io { doing, source } => write!(f, "{doing}: {source}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Encode(error) => Some(error),
            Self::Decode(error) => Some(error),
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "RPC: Unknown host",
            Self::Connect => "RPC: Remote system error; cannot connect",
            Self::Send => "RPC: Unable to send",
            Self::Receive => "RPC: Unable to receive",
            Self::Listen => "RPC: Can't open a socket to serve on",
            Self::Poll => "RPC: The event loop failed",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(status) => match status {
                AcceptStatus::Success => f.write_str("RPC: Success"),
                AcceptStatus::ProgUnavail => f.write_str("RPC: Program unavailable"),
                AcceptStatus::ProgMismatch { low, high } => write!(
                    f,
                    "RPC: Program/version mismatch; low version = {low}, high version = {high}"
                ),
                AcceptStatus::ProcUnavail => f.write_str("RPC: Procedure unavailable"),
                AcceptStatus::GarbageArgs => f.write_str("RPC: Server can't decode arguments"),
                AcceptStatus::SystemErr => f.write_str("RPC: Remote system error"),
            },
            Self::Denied(RejectStatus::RpcMismatch { low, high }) => write!(
                f,
                "RPC: Incompatible versions of RPC; low version = {low}, high version = {high}"
            ),
            Self::Denied(RejectStatus::AuthError(status)) => {
                write!(f, "RPC: Authentication error; why = {status}")
            }
        }
    }
}

impl fmt::Display for BadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RPC: Unknown protocol; ")?;
        f.write_str(match self {
            Self::Scheme => "a target starts with udp://, tcp:// or unix://",
            Self::Empty => "the target names no host or path",
            Self::Port => "the target's port is not a number from 1 to 65535",
        })
    }
}
