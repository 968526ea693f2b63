use std::error::Error as StdError;
use std::time::Duration;
use std::{fmt, io};

use crate::proto::message::{AcceptStatus, AuthStatus, RejectStatus};
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
    /// The peer answered that it did not execute the call (RFC 5531 §9). Of one that was sent more
    /// than once that is known of one sending only: a server that was started again refuses what the
    /// one before may have executed.
    Refused {
        /// Why.
        refusal: Refusal,
        /// How often the call was sent.
        sent: u32,
    },
    /// The flavor of authentication failed at this end: with
    /// [`AuthStatus::InvalidResp`] at the answer, which is not the server's.
    Auth(AuthStatus),
    /// No answer by the deadline. Whether the call was executed is not known, unless `sent` is 0.
    TimedOut {
        /// How long was waited.
        after: Duration,
        /// How often the call was sent.
        sent: u32,
    },
    /// The server's host said that nobody listens at the port (ICMP). It does not say at which call:
    /// one that was sent once and was alone was not executed.
    Unreachable {
        /// How often the call was sent.
        sent: u32,
        /// Whether no other call was sent and not answered then, waited for or not.
        alone: bool,
    },
    /// The connection is lost, or the server does not take the call's authentication any more, and
    /// the call is not sent again: it was not to be, the server could not tell that it is a repeat, or
    /// its flavor failed to seal it.
    Disconnected {
        /// How often the call was sent.
        sent: u32,
    },
    /// The call does not fit into a datagram. Nothing was sent.
    TooLarge {
        /// The length of the message in bytes.
        len: usize,
        /// The longest that can be sent.
        max: usize,
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
    /// another address's, is there (RFC 1833 §2.2.1), or only root may register it.
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

    /// Whether the server may have executed the call, so that to make it again may be to do it
    /// twice. `false` is certain; an error after which nothing is known is `true`.
    #[must_use]
    pub fn may_have_executed(&self) -> bool {
        match self {
            Self::Decode(_) => true,
            Self::Refused { refusal, sent } => {
                *sent > 1 || *refusal == Refusal::Accepted(AcceptStatus::SystemErr)
            }
            Self::Auth(status) => *status == AuthStatus::InvalidResp,
            Self::TimedOut { sent, .. } | Self::Disconnected { sent } => *sent > 0,
            Self::Unreachable { sent, alone } => *sent > 1 || !alone,
            Self::Io { doing, .. } => *doing == Doing::Poll,
            Self::Encode(_)
            | Self::TooLarge { .. }
            | Self::NotRegistered { .. }
            | Self::NotAccepted { .. }
            | Self::BadTarget(_) => false,
        }
    }

    /// Whether the same call may succeed later, with nothing changed but the time: the server or
    /// the network may be well again. Whether it is safe to make it again is another question:
    /// [`may_have_executed`](Self::may_have_executed).
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TimedOut { .. }
            | Self::Unreachable { .. }
            | Self::Disconnected { .. }
            | Self::NotRegistered { .. }
            | Self::Io { .. } => true,
            Self::Refused { refusal, .. } => matches!(
                refusal,
                Refusal::Accepted(AcceptStatus::ProgUnavail | AcceptStatus::SystemErr)
            ),
            Self::Encode(_)
            | Self::Decode(_)
            | Self::Auth(_)
            | Self::TooLarge { .. }
            | Self::NotAccepted { .. }
            | Self::BadTarget(_) => false,
        }
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

/// Of a call that was not sent.
impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { refusal, sent: 0 }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(error) => write!(f, "RPC: Can't encode arguments: {error}"),
            Self::Decode(error) => write!(f, "RPC: Can't decode result: {error}"),
            Self::Refused { refusal, .. } => refusal.fmt(f),
            Self::Auth(status) => {
                write!(f, "RPC: Authentication error; at this end: why = {status}")
            }
            Self::TimedOut { after, sent } => {
                write!(f, "RPC: Timed out; no answer in {after:.1?}, {}", Sent(*sent))
            }
            Self::Unreachable { sent, .. } => write!(
                f,
                "RPC: Unable to receive; connection refused: nobody listens at the server's port, \
                 {}",
                Sent(*sent)
            ),
            Self::Disconnected { sent } => {
                write!(f, "RPC: Unable to receive; the connection is lost, {}", Sent(*sent))
            }
            Self::TooLarge { len, max } => write!(
                f,
                "RPC: Unable to send; the call takes {len} bytes, and a datagram holds {max}: use \
                 TCP"
            ),
            Self::NotRegistered { program, version, netid } => write!(
                f,
                "RPC: Program not registered; the portmapper has no program {program} version \
                 {version} over {netid}. Is the server running?"
            ),
            Self::NotAccepted { program, version } => write!(
                f,
                "RPC: Port mapper failure; program {program} version {version} was not accepted: it \
                 is somebody else's, or for root"
            ),
            Self::BadTarget(what) => what.fmt(f),
            Self::Io { doing, source } => write!(f, "{doing}: {source}"),
        }
    }
}

/// How often a call was sent, in words.
struct Sent(u32);

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("not sent"),
            1 => f.write_str("sent once"),
            n => write!(f, "sent {n} times"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xdr::{Decoder, EncodeErrorKind};

    fn decode_error() -> Error {
        Decoder::from_slice(&[]).u32().expect_err("nothing is there").into()
    }

    /// All names, as [`name`] gives them.
    const NAMES: [&str; 12] = [
        "Auth",
        "BadTarget",
        "Decode",
        "Disconnected",
        "Encode",
        "Io",
        "NotAccepted",
        "NotRegistered",
        "Refused",
        "TimedOut",
        "TooLarge",
        "Unreachable",
    ];

    /// One that is new has to be named here, and is missed in the table then.
    fn name(error: &Error) -> &'static str {
        match error {
            Error::Encode(_) => "Encode",
            Error::Decode(_) => "Decode",
            Error::Refused { .. } => "Refused",
            Error::Auth(_) => "Auth",
            Error::TimedOut { .. } => "TimedOut",
            Error::Unreachable { .. } => "Unreachable",
            Error::Disconnected { .. } => "Disconnected",
            Error::TooLarge { .. } => "TooLarge",
            Error::NotRegistered { .. } => "NotRegistered",
            Error::NotAccepted { .. } => "NotAccepted",
            Error::BadTarget(_) => "BadTarget",
            Error::Io { .. } => "Io",
        }
    }

    /// What C programs print, and what may be done after: (words, executed, retryable).
    #[test]
    fn errors_say_what_is_known_of_the_call() {
        let accepted = |status| Error::from(Refusal::Accepted(status));
        let denied = |status| Error::from(Refusal::Denied(status));
        let refused =
            |sent| Error::Refused { refusal: Refusal::Accepted(AcceptStatus::ProcUnavail), sent };
        let io = |doing| Error::Io { doing, source: io::ErrorKind::ConnectionReset.into() };
        let timed_out = |sent| Error::TimedOut { after: Duration::from_secs(1), sent };
        let unreachable = |sent, alone| Error::Unreachable { sent, alone };
        let (program, version, netid) = (Program(7), Version(1), Netid::Udp);
        let table = [
            (
                EncodeError::new(EncodeErrorKind::TooLong { len: 2, max: 1 }).into(),
                "RPC: Can't encode arguments",
                false,
                false,
            ),
            (decode_error(), "RPC: Can't decode result", true, false),
            (accepted(AcceptStatus::ProgUnavail), "RPC: Program unavailable", false, true),
            (
                accepted(AcceptStatus::ProgMismatch { low: Version(2), high: Version(4) }),
                "RPC: Program/version mismatch; low version = 2, high version = 4",
                false,
                false,
            ),
            (accepted(AcceptStatus::ProcUnavail), "RPC: Procedure unavailable", false, false),
            (accepted(AcceptStatus::GarbageArgs), "RPC: Server can't decode", false, false),
            (accepted(AcceptStatus::SystemErr), "RPC: Remote system error", true, true),
            (
                denied(RejectStatus::RpcMismatch { low: 2, high: 2 }),
                "RPC: Incompatible versions of RPC; low version = 2",
                false,
                false,
            ),
            (
                denied(RejectStatus::AuthError(AuthStatus::TooWeak)),
                "RPC: Authentication error; why = ",
                false,
                false,
            ),
            (refused(1), "RPC: Procedure unavailable", false, false),
            (refused(2), "RPC: Procedure unavailable", true, false),
            (Error::Auth(AuthStatus::InvalidResp), "RPC: Authentication error", true, false),
            (Error::Auth(AuthStatus::Failed), "RPC: Authentication error", false, false),
            (timed_out(0), "RPC: Timed out; no answer in 1.0s, not sent", false, true),
            (timed_out(1), "RPC: Timed out; no answer in 1.0s, sent once", true, true),
            (timed_out(2), "RPC: Timed out; no answer in 1.0s, sent 2 times", true, true),
            (unreachable(1, true), "RPC: Unable to receive", false, true),
            (unreachable(1, false), "RPC: Unable to receive", true, true),
            (unreachable(2, true), "RPC: Unable to receive", true, true),
            (Error::Disconnected { sent: 0 }, "RPC: Unable to receive", false, true),
            (Error::Disconnected { sent: 1 }, "RPC: Unable to receive", true, true),
            (Error::TooLarge { len: 2, max: 1 }, "RPC: Unable to send", false, false),
            (
                Error::NotRegistered { program, version, netid },
                "RPC: Program not registered",
                false,
                true,
            ),
            (Error::NotAccepted { program, version }, "RPC: Port mapper failure", false, false),
            (Error::BadTarget(BadTarget::Port), "RPC: Unknown protocol", false, false),
            (io(Doing::Resolve), "RPC: Unknown host", false, true),
            (io(Doing::Connect), "RPC: Remote system error; cannot connect", false, true),
            (io(Doing::Send), "RPC: Unable to send", false, true),
            (io(Doing::Listen), "RPC: Can't open a socket", false, true),
            (io(Doing::Poll), "RPC: The event loop failed", true, true),
        ];
        let mut names: Vec<&str> = table.iter().map(|(error, ..)| name(error)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names, NAMES);
        for (error, words, executed, retryable) in table {
            assert!(error.to_string().starts_with(words), "{error}");
            assert_eq!(error.may_have_executed(), executed, "{error}");
            assert_eq!(error.is_retryable(), retryable, "{error}");
            assert_eq!(error.is_timeout(), matches!(error, Error::TimedOut { .. }));
        }
    }
}
