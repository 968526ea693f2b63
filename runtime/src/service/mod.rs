//! What a server and the code generated for an interface say to each other.

mod context;
mod intercept;
mod line;
mod peer;
mod reply;

use std::fmt;

pub use self::context::Context;
pub use self::intercept::Interceptor;
pub(crate) use self::line::{Back, Line, Lines};
pub use self::peer::{Identity, Peer, PeerAddr};
pub use self::reply::Reply;
pub(crate) use self::reply::{Deferred, Outcome, Route};
use crate::proto::message::AuthStatus;
use crate::xdr::{DecodeError, Decoder, EncodeError, Encoder};
use crate::{Interface, Procedure, Version};

/// One version of a program, ready to be served: what a generated `Server<S>` is.
pub trait Dispatch: Send + Sync + 'static {
    /// Program, version and procedures.
    fn interface(&self) -> &'static Interface;

    /// Executes a call: decodes `args`, calls the handler, encodes into `results`.
    ///
    /// Procedure 0 comes here only if the interface lists it. What was written to `results` is
    /// taken back if this fails.
    ///
    /// # Errors
    /// The [`Fault`] that the caller is answered with.
    fn dispatch(
        &self,
        cx: &Context,
        procedure: Procedure,
        args: &mut Decoder<'_>,
        results: &mut Encoder,
    ) -> Result<Answer, Fault>;
}

/// Whether a call that did not fail has its results already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// They are encoded.
    Now,
    /// A [`Reply`] will bring them.
    Later,
}

/// How a call fails, as its caller is told (RFC 5531 §9).
///
/// Failures that are the program's own (no such key, no space) belong into its results instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The program is not served after all: PROG_UNAVAIL.
    ProgUnavail,
    /// The version is not served after all: PROG_MISMATCH.
    ProgMismatch {
        /// The lowest version that is.
        low: Version,
        /// The highest version that is.
        high: Version,
    },
    /// The version has no such procedure: PROC_UNAVAIL.
    ProcUnavail,
    /// The arguments could not be decoded: GARBAGE_ARGS.
    GarbageArgs,
    /// The server failed at it: SYSTEM_ERR.
    SystemErr,
    /// The caller may not do that: AUTH_ERROR.
    Auth(AuthStatus),
    /// No answer at all. The caller of a datagram will ask again.
    Silent,
}

impl From<DecodeError> for Fault {
    fn from(_: DecodeError) -> Self {
        Self::GarbageArgs
    }
}

impl From<EncodeError> for Fault {
    fn from(_: EncodeError) -> Self {
        Self::SystemErr
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProgUnavail => f.write_str("program unavailable"),
            Self::ProgMismatch { low, high } => {
                write!(f, "version unavailable, those from {low} to {high} are")
            }
            Self::ProcUnavail => f.write_str("procedure unavailable"),
            Self::GarbageArgs => f.write_str("arguments cannot be decoded"),
            Self::SystemErr => f.write_str("system error"),
            Self::Auth(status) => write!(f, "authentication error: {status}"),
            Self::Silent => f.write_str("not answered"),
        }
    }
}

impl std::error::Error for Fault {}
