use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::utsname::uname;
use nix::unistd::{getegid, geteuid, getgroups};

use super::intercept::{CallInterceptor, Interceptors};
use crate::proto::auth::{AuthSys, OpaqueAuth};
use crate::proto::client::flavor::{CallAuth, Initiate};
use crate::proto::retry::RetryPolicy;
use crate::service::Dispatch;
use crate::xdr::EncodeError;

/// As long as the stubs that C's rpcgen writes wait.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(25);

/// The port of every portmapper.
const PORTMAPPER: u16 = 111;

/// A minute less than servers, so that no call meets their closing.
const DEFAULT_IDLE: Duration = Duration::from_secs(300);

const DEFAULT_MAX_REPLY: usize = 64 << 20;

/// Who a client says it is.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Auth {
    /// Nobody in particular (AUTH_NONE).
    #[default]
    None,
    /// The ids of a user on a host (AUTH_SYS, RFC 5531 appendix A). Nothing proves them.
    ///
    /// A server may answer with a short hand for them (AUTH_SHORT), which later calls then send.
    Sys(AuthSys),
    /// Whom a flavor of another kind stands for.
    Flavor(Arc<dyn Initiate>),
}

/// What calls are made with.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    Fixed(OpaqueAuth),
    Flavor(Arc<dyn Initiate>),
}

impl Credential {
    pub(super) fn as_call_auth(&self) -> CallAuth<'_> {
        match self {
            Self::Fixed(credential) => CallAuth::Credential(credential),
            Self::Flavor(flavor) => CallAuth::Flavor(flavor),
        }
    }
}

impl Auth {
    /// The effective ids of this process, and this host's name. Of other groups it names the first
    /// 16, as C clients do: the protocol has no room for more.
    #[must_use]
    pub fn sys() -> Self {
        let mut machine_name =
            uname().map(|uname| uname.nodename().as_encoded_bytes().to_vec()).unwrap_or_default();
        machine_name.truncate(AuthSys::MAX_MACHINE_NAME as usize);
        let groups = getgroups().unwrap_or_default();
        let gids = groups.into_iter().take(AuthSys::MAX_GROUPS as usize);
        Self::Sys(AuthSys {
            stamp: 0,
            machine_name,
            uid: geteuid().as_raw(),
            gid: getegid().as_raw(),
            gids: gids.map(|gid| gid.as_raw()).collect(),
        })
    }

    /// A flavor of authentication that is not built in.
    #[must_use]
    pub fn flavor(flavor: Arc<dyn Initiate>) -> Self {
        Self::Flavor(flavor)
    }

    pub(super) fn credential(&self) -> Result<Credential, EncodeError> {
        Ok(match self {
            Self::None => Credential::Fixed(OpaqueAuth::NONE),
            Self::Sys(sys) => Credential::Fixed(sys.to_credential()?),
            Self::Flavor(flavor) => Credential::Flavor(Arc::clone(flavor)),
        })
    }
}

impl From<AuthSys> for Auth {
    fn from(sys: AuthSys) -> Self {
        Self::Sys(sys)
    }
}

/// How a [`Client`](crate::Client) is connected, and how it calls.
///
/// ```
/// use std::time::Duration;
///
/// use farcall::{Auth, ClientOptions};
///
/// let options = ClientOptions::new().timeout(Duration::from_secs(5)).auth(Auth::sys());
/// ```
#[derive(Debug, Clone)]
pub struct ClientOptions {
    pub(super) timeout: Duration,
    pub(super) auth: Auth,
    pub(super) portmapper_port: u16,
    pub(super) retry: RetryPolicy,
    pub(super) max_reply: usize,
    pub(super) spin: Duration,
    pub(super) corked: bool,
    pub(super) reserved_port: bool,
    pub(super) idle_timeout: Duration,
    pub(super) interceptors: Interceptors,
    pub(super) services: Services,
}

/// What a client serves.
#[derive(Clone, Default)]
pub(super) struct Services(pub(super) Vec<Arc<dyn Dispatch>>);

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|service| service.interface())).finish()
    }
}

impl ClientOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            timeout: DEFAULT_TIMEOUT,
            auth: Auth::None,
            portmapper_port: PORTMAPPER,
            retry: RetryPolicy::default(),
            max_reply: DEFAULT_MAX_REPLY,
            spin: Duration::ZERO,
            corked: false,
            reserved_port: false,
            idle_timeout: DEFAULT_IDLE,
            interceptors: Interceptors::default(),
            services: Services::default(),
        }
    }

    /// How long connecting takes at most, and each call. Default 25 s.
    ///
    /// It covers everything, the lookup of a host's name included.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Who calls. Default [`Auth::None`].
    #[must_use]
    pub fn auth(self, auth: Auth) -> Self {
        Self { auth, ..self }
    }

    /// Where the portmapper of a host listens, for targets without a port. Default 111.
    #[must_use]
    pub fn portmapper_port(self, port: u16) -> Self {
        Self { portmapper_port: port, ..self }
    }

    /// How long to wait before a datagram is sent again while the server's round-trip time is not
    /// known. Default 1 s.
    #[must_use]
    pub fn initial_rto(mut self, timeout: Duration) -> Self {
        self.retry.initial = timeout;
        self
    }

    /// How long to wait at least before a datagram is sent again. Default 10 ms. With less than
    /// that, a call takes a system call more.
    #[must_use]
    pub fn min_rto(mut self, timeout: Duration) -> Self {
        self.retry.min = timeout;
        self
    }

    /// How long to wait at most before a datagram is sent again. Default 60 s.
    #[must_use]
    pub fn max_rto(mut self, timeout: Duration) -> Self {
        self.retry.max = timeout;
        self
    }

    /// The largest reply over a stream, in bytes. Default 64 MiB. A larger one ends the connection.
    #[must_use]
    pub fn max_reply(self, bytes: usize) -> Self {
        Self { max_reply: bytes, ..self }
    }

    /// How long a thread that waits for a reply asks for it over and over, before it sleeps.
    /// Default 0.
    ///
    /// A reply that comes meanwhile comes without the cost of waking up, which is most of a call
    /// between two processors of one machine. The price is a processor that is busy while it waits.
    #[must_use]
    pub fn spin(self, spin: Duration) -> Self {
        Self { spin, ..self }
    }

    /// Whether calls that are [started](crate::Client::start) are held back until a thread waits or
    /// a future is polled, until [`flush`](crate::Client::flush), or until there are many. Default
    /// no.
    ///
    /// With many calls under way over a stream, that is one write for all that were started since
    /// the last wait instead of one for each. A call that is started and never waited for may not
    /// be sent at all.
    #[must_use]
    pub fn corked(self, corked: bool) -> Self {
        Self { corked, ..self }
    }

    /// Whether to call from a port below 1024, which only a privileged process can have. Default no.
    ///
    /// Some servers, of NFS above all, take that for a proof that a caller's ids are its host's. A
    /// process that may not have one cannot connect.
    #[must_use]
    pub fn reserved_port(self, reserved_port: bool) -> Self {
        Self { reserved_port, ..self }
    }

    /// How long a stream is kept that nothing is called on. Default 300 s.
    ///
    /// It is closed then, by a thread that all clients of a process share, and the next call is made on
    /// a new connection. There is no such thread while no client has a stream, or with
    /// [`Duration::MAX`]. A client that [serves](Self::serve) keeps its connection.
    #[must_use]
    pub fn idle_timeout(self, idle_timeout: Duration) -> Self {
        Self { idle_timeout, ..self }
    }

    /// Serves a program to the server, which may call it over the connection that this client opens:
    /// callbacks, as [`Context::peer_client`](crate::Context::peer_client) makes them. Over UDP
    /// nobody can.
    ///
    /// A client that serves has two threads of its own, one that receives and one that executes, and
    /// so its own calls take a hop between threads more. Its connection is kept when nothing is called
    /// on it, and made again when it is lost: at once, and then every 50 ms, 100 ms and so on up to 5 s;
    /// see [`Client::on_reconnect`](crate::Client::on_reconnect).
    ///
    /// Up to 1,024 of the server's calls, of 64 MiB together, wait to be executed; more are refused
    /// with PROG_UNAVAIL.
    #[must_use]
    pub fn serve(mut self, service: impl Dispatch) -> Self {
        self.services.0.push(Arc::new(service));
        self
    }

    /// Has calls pass through `interceptor`, after those that were named before.
    #[must_use]
    pub fn intercept(mut self, interceptor: impl CallInterceptor) -> Self {
        self.interceptors.push(Arc::new(interceptor));
        self
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What is different for some calls of a client: see [`Client::with`](crate::Client::with).
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    pub(super) timeout: Option<Duration>,
    pub(super) auth: Option<Auth>,
    pub(super) retransmit: Option<bool>,
    pub(super) idempotent: Option<bool>,
}

impl CallOptions {
    /// Nothing is different.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a call takes at most.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Who calls.
    #[must_use]
    pub fn auth(self, auth: Auth) -> Self {
        Self { auth: Some(auth), ..self }
    }

    /// Whether a call is sent again if it may be that the server has it already: over UDP after
    /// some time without an answer, over a stream on a new connection. Default yes.
    ///
    /// A server with a duplicate request cache executes it only once nevertheless. Say no for calls
    /// that must not be executed twice, and a server that has none. They end with
    /// [`Error::Disconnected`](crate::Error::Disconnected) when their connection is lost.
    #[must_use]
    pub fn retransmit(self, retransmit: bool) -> Self {
        Self { retransmit: Some(retransmit), ..self }
    }

    /// Whether to execute a call twice does no more than to execute it once. Default: what the `.x`
    /// file says of its procedure (`@idempotent`), and no where there is none; procedure 0 is.
    ///
    /// One that is, is sent until it is answered or its deadline comes. One that is not, is sent again
    /// only where a server with a duplicate request cache (RFC 5531 §5) knows it for a repeat: within
    /// 45 s of its first sending, and on a new connection only from the same port, to a server that
    /// was there all the time. Otherwise it ends, over a stream with
    /// [`Error::Disconnected`](crate::Error::Disconnected) at once, over UDP with
    /// [`Error::TimedOut`](crate::Error::TimedOut) by its deadline, and
    /// [`may_have_executed`](crate::Error::may_have_executed) is true.
    #[must_use]
    pub fn idempotent(self, idempotent: bool) -> Self {
        Self { idempotent: Some(idempotent), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xdr::EncodeErrorKind;

    #[test]
    fn this_process_fits_into_a_credential() {
        let Auth::Sys(sys) = Auth::sys() else { panic!("AUTH_SYS") };
        assert_eq!((sys.uid, sys.gid), (geteuid().as_raw(), getegid().as_raw()));
        assert!(sys.gids.len() <= 16 && !sys.machine_name.is_empty());
        let Ok(Credential::Fixed(credential)) = Auth::Sys(sys.clone()).credential() else {
            panic!("it fits");
        };
        assert_eq!(AuthSys::from_credential(&credential), Some(Ok(sys)));
    }

    #[test]
    fn too_many_groups_are_an_error() {
        let sys = AuthSys { gids: vec![0; 17], ..AuthSys::default() };
        let error = Auth::from(sys).credential().expect_err("17 groups");
        assert_eq!(error.kind(), EncodeErrorKind::TooLong { len: 17, max: 16 });
        let none = Auth::None.credential();
        assert!(
            matches!(&none, Ok(Credential::Fixed(none)) if *none == OpaqueAuth::NONE),
            "{none:?}"
        );
    }
}
