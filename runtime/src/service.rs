//! What a server and the code generated for an interface say to each other.

use std::fmt;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::task::Waker;

use crate::proto::auth::{AuthSys, Flavor, OpaqueAuth};
use crate::proto::message::AuthStatus;
use crate::xdr::{Bytes, DecodeError, Decoder, EncodeError, Encoder};
use crate::{Interface, Netid, Procedure, Xid};

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
            Self::ProcUnavail => f.write_str("procedure unavailable"),
            Self::GarbageArgs => f.write_str("arguments cannot be decoded"),
            Self::SystemErr => f.write_str("system error"),
            Self::Auth(status) => write!(f, "authentication error: {status}"),
            Self::Silent => f.write_str("not answered"),
        }
    }
}

impl std::error::Error for Fault {}

/// Who sent a call, and over what.
///
/// IPv4 addresses that arrive over an IPv6 socket are given as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A datagram's source.
    Udp(SocketAddr),
    /// The other end of a TCP connection.
    Tcp(SocketAddr),
    /// The other end of a Unix socket, as the kernel knows it.
    Unix {
        /// Effective user id of the process that connected.
        uid: u32,
        /// Its effective group id.
        gid: u32,
        /// A number that no other connection of this server has or had.
        connection: u64,
    },
}

impl Peer {
    /// The transport's name in the portmapper's table.
    #[must_use]
    pub fn netid(&self) -> Netid {
        match self {
            Self::Udp(SocketAddr::V4(_)) => Netid::Udp,
            Self::Udp(SocketAddr::V6(_)) => Netid::Udp6,
            Self::Tcp(SocketAddr::V4(_)) => Netid::Tcp,
            Self::Tcp(SocketAddr::V6(_)) => Netid::Tcp6,
            Self::Unix { .. } => Netid::Local,
        }
    }

    /// The address, where the transport has one.
    #[must_use]
    pub fn addr(&self) -> Option<SocketAddr> {
        match *self {
            Self::Udp(addr) | Self::Tcp(addr) => Some(addr),
            Self::Unix { .. } => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(addr) => write!(f, "udp {addr}"),
            Self::Tcp(addr) => write!(f, "tcp {addr}"),
            Self::Unix { uid, .. } => write!(f, "unix uid {uid}"),
        }
    }
}

/// What a handler knows of a call besides its arguments.
#[derive(Debug)]
pub struct Context {
    pub(crate) peer: Peer,
    pub(crate) xid: Xid,
    pub(crate) procedure: Procedure,
    pub(crate) credential: OpaqueAuth,
    /// There is one if the interface says that the procedure may be answered later.
    pub(crate) route: Option<Route>,
}

impl Context {
    /// Who calls.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The call's transaction id.
    #[must_use]
    pub fn xid(&self) -> Xid {
        self.xid
    }

    /// The procedure called.
    #[must_use]
    pub fn procedure(&self) -> Procedure {
        self.procedure
    }

    /// The authentication flavor of the call.
    #[must_use]
    pub fn flavor(&self) -> Flavor {
        self.credential.flavor
    }

    /// The ids that the caller claims to have (AUTH_SYS, RFC 5531 appendix A): nothing proves them.
    #[must_use]
    pub fn auth_sys(&self) -> Option<AuthSys> {
        // A credential that cannot be decoded was refused before the call came here.
        AuthSys::from_credential(&self.credential)?.ok()
    }

    /// A reply to be sent later. For generated code.
    #[doc(hidden)]
    pub fn defer<T>(&self, encode: ResultEncoder<T>) -> Reply<T> {
        Reply { route: self.route.clone(), encode }
    }
}

/// How a procedure's result is written.
type ResultEncoder<T> = fn(&T, &mut Encoder) -> Result<(), EncodeError>;

/// Where a deferred reply goes: to the server that took the call.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// The server's own number for the call.
    pub(crate) call: u64,
    pub(crate) queue: Sender<Deferred>,
    pub(crate) waker: Waker,
}

/// The outcome of a call that was answered later.
#[derive(Debug)]
pub(crate) struct Deferred {
    pub(crate) call: u64,
    pub(crate) results: Result<Bytes, Fault>,
}

/// The answer to a call that a handler has put off (`@deferred`). It can be sent from any thread.
///
/// Dropped without an answer, it answers SYSTEM_ERR.
#[must_use = "the caller waits for it"]
pub struct Reply<T> {
    route: Option<Route>,
    encode: ResultEncoder<T>,
}

impl<T> Reply<T> {
    /// Sends the result, or says how the call failed.
    pub fn send(mut self, result: Result<T, Fault>) {
        let encoded = result.and_then(|value| {
            let mut e = Encoder::new();
            (self.encode)(&value, &mut e)?;
            Ok(e.into_bytes())
        });
        self.answer(encoded);
    }

    fn answer(&mut self, results: Result<Bytes, Fault>) {
        if let Some(route) = self.route.take() {
            // A server that has ended meanwhile has nobody to answer to.
            let _ = route.queue.send(Deferred { call: route.call, results });
            route.waker.wake();
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        self.answer(Err(Fault::SystemErr));
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("route", &self.route).finish_non_exhaustive()
    }
}
