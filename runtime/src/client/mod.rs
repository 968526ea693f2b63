mod intercept;
mod options;
mod pending;
mod target;
mod way;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

pub use self::intercept::{CallInterceptor, CallOutcome, OutgoingCall};
use self::intercept::{Interceptors, Watch};
use self::options::Credential;
pub use self::options::{Auth, CallOptions, ClientOptions};
pub use self::pending::Pending;
use self::target::{IpTransport, Target, lookup};
use self::way::Way;
use crate::bind::{Portmapper, Uaddr};
use crate::error::{Doing, Refusal, Result};
use crate::net::client::{self as net, Channel, Deadline, Remote};
use crate::proto::client::{ClientStats, Repeat};
use crate::proto::message::AcceptStatus;
use crate::proto::record::RecordLimits;
use crate::service::Line;
use crate::xdr::{Bytes, DecodeError, Decoder, EncodeError, Encoder};
use crate::{Error, Interface, Procedure, Version};

/// A client of one version of a program at one server.
///
/// Any number of threads may call on it at once, and on its clones: all use the same socket, and
/// each call ends by its own deadline. A thread that waits drives the socket itself, so that no
/// other thread is needed.
///
/// Generated clients wrap it; by itself it is for calls whose types are known only at run time.
///
/// ```no_run
/// use farcall::{Client, ClientOptions, Interface, Procedure, Program, Version};
///
/// static NFS: Interface = Interface {
///     program: Program(100_003),
///     program_name: "NFS_PROGRAM",
///     version: Version(3),
///     version_name: "NFS_V3",
///     procedures: &[],
/// };
///
/// let nfs = Client::connect("tcp://db1:2049", &NFS, &ClientOptions::new())?;
/// nfs.null()?;
/// # Ok::<(), farcall::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    way: Way,
    interface: &'static Interface,
    settings: Arc<Settings>,
}

#[derive(Debug)]
struct Settings {
    timeout: Duration,
    retransmit: bool,
    /// What the `.x` file says, if nothing.
    idempotent: Option<bool>,
    /// An error shows at the calls, because [`Client::with`] has no way to tell of it.
    credential: Result<Credential, EncodeError>,
    interceptors: Interceptors,
}

impl Settings {
    fn new(options: &ClientOptions, credential: Credential) -> Self {
        Self {
            timeout: options.timeout,
            retransmit: true,
            idempotent: None,
            credential: Ok(credential),
            interceptors: options.interceptors.clone(),
        }
    }
}

impl Client {
    /// Connects to a server: `udp://host:port`, `tcp://host:port` or `unix:///path`. Without a port
    /// the portmapper of the host is asked for it. Of several addresses of a host the first that
    /// can be connected to is taken.
    ///
    /// Over UDP nothing is sent yet, unless the portmapper is asked.
    ///
    /// # Errors
    /// The target cannot be understood; the host is not known; the program is not registered
    /// there; nobody listens; the time is over; a credential is too long.
    pub fn connect(
        target: &str,
        interface: &'static Interface,
        options: &ClientOptions,
    ) -> Result<Self> {
        let deadline = Deadline::after(options.timeout);
        let credential = options.auth.credential()?;
        let remotes = match Target::parse(target).map_err(Error::BadTarget)? {
            Target::Unix(path) => vec![Remote::Unix(path)],
            Target::Ip { transport, host, port: Some(port) } => {
                let addrs = lookup(&host, port, &deadline)?;
                addrs.into_iter().map(|addr| remote(transport, addr)).collect()
            }
            Target::Ip { transport, host, port: None } => {
                ask_portmapper(transport, &host, interface, options, &deadline)?
            }
        };
        let config = net::Config {
            retry: options.retry,
            records: RecordLimits::default().with_bytes(options.max_reply),
            spin: options.spin,
            corked: options.corked,
            reserved_port: options.reserved_port,
            idle: options.idle_timeout,
            services: options.services.0.clone(),
        };
        let way = Way::Socket(Arc::new(Channel::open(remotes, &config, &deadline)?));
        Ok(Self { way, interface, settings: Arc::new(Settings::new(options, credential)) })
    }

    /// A client of the peer of a server's connection.
    pub(crate) fn back(
        line: Arc<Line>,
        interface: &'static Interface,
        options: &ClientOptions,
    ) -> Result<Self> {
        let settings = Settings::new(options, options.auth.credential()?);
        Ok(Self { way: Way::Back(line), interface, settings: Arc::new(settings) })
    }

    /// Connects to a server that has any of `interfaces`, which are versions of one program, and
    /// takes the highest version that both have; see [`interface`](Self::interface).
    ///
    /// # Errors
    /// As [`connect`](Self::connect). [`Refusal::Accepted`](crate::Refusal::Accepted) with
    /// PROG_MISMATCH says which versions the server has, if it is none of these.
    pub fn negotiate(
        target: &str,
        interfaces: &[&'static Interface],
        options: &ClientOptions,
    ) -> Result<Self> {
        let highest = |versions: RangeInclusive<Version>| {
            let known = interfaces.iter().filter(|known| versions.contains(&known.version));
            known.copied().max_by_key(|known| known.version)
        };
        let all = Version(0)..=Version(u32::MAX);
        let first = highest(all).ok_or(Refusal::Accepted(AcceptStatus::ProgUnavail))?;
        let client = Self::connect(target, first, options)?;
        match client.null() {
            Ok(()) => Ok(client),
            Err(Error::Refused {
                refusal: Refusal::Accepted(AcceptStatus::ProgMismatch { low, high }),
                ..
            }) => {
                let refused = Refusal::Accepted(AcceptStatus::ProgMismatch { low, high });
                let interface = highest(low..=high).ok_or(refused)?;
                Ok(Self { interface, ..client })
            }
            Err(error) => Err(error),
        }
    }

    /// A client over the same socket with other options for its calls.
    ///
    /// ```no_run
    /// # fn f(client: &farcall::Client) -> farcall::Result<()> {
    /// use std::time::Duration;
    ///
    /// use farcall::CallOptions;
    ///
    /// client.with(CallOptions::new().timeout(Duration::from_secs(1))).null()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with(&self, options: CallOptions) -> Self {
        let former = &self.settings;
        let settings = Settings {
            timeout: options.timeout.unwrap_or(former.timeout),
            retransmit: options.retransmit.unwrap_or(former.retransmit),
            idempotent: options.idempotent.or(former.idempotent),
            credential: options
                .auth
                .map_or_else(|| former.credential.clone(), |auth| auth.credential()),
            interceptors: former.interceptors.clone(),
        };
        Self { settings: Arc::new(settings), ..self.clone() }
    }

    /// Calls procedure 0, which does nothing: whether the server is there and has the program.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn null(&self) -> Result<()> {
        self.call(Procedure::NULL, |_| Ok(()), |_| Ok(()))
    }

    /// Calls a procedure and waits for its results. `args` writes the arguments, `results` reads
    /// the results.
    ///
    /// # Errors
    /// An argument that does not fit its type, results that are not what they should be, a refusal
    /// of the server, or no answer in time. What goes wrong on a connection is no error by itself:
    /// it is made again, and the call is sent again, unless the server could execute it twice then,
    /// which it must not; see [`CallOptions::idempotent`].
    pub fn call<T>(
        &self,
        procedure: Procedure,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
        results: impl FnOnce(&mut Decoder<'_>) -> Result<T, DecodeError>,
    ) -> Result<T> {
        let watch = self.begin(procedure)?;
        let result = self.target(procedure).and_then(|target| self.way.call(&target, args));
        let result = result.and_then(|bytes| decode(&bytes, results));
        intercept::end(watch, &result);
        result
    }

    /// Calls a procedure without waiting for its results.
    ///
    /// The call is on its way when this returns, unless the client is
    /// [corked](ClientOptions::corked) or cannot reach the server. Over UDP it is sent again only while somebody
    /// waits for it or for another call of the same client.
    pub fn start<T>(
        &self,
        procedure: Procedure,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
        results: fn(&mut Decoder<'_>) -> Result<T, DecodeError>,
    ) -> Pending<T> {
        let watch = match self.begin(procedure) {
            Ok(watch) => watch,
            Err(error) => return Pending::new(&self.way, Err(error), results, None),
        };
        let xid = self.target(procedure).and_then(|target| self.way.start(&target, args));
        Pending::new(&self.way, xid, results, watch)
    }

    /// Calls a procedure whose results nobody wants, and does not wait for it (RFC 5531 §8.4.1): the
    /// next call that is waited for tells that the server has got this far.
    ///
    /// Over a stream the call arrives unless the connection is lost; a client that is
    /// [corked](ClientOptions::corked) sends many such calls at once. Over UDP it may get lost and
    /// is not sent again. What the server answers, if it does, is dropped.
    ///
    /// It waits where a call cannot be sent yet: while a lost connection is made again, and while more
    /// than 1 MiB is to be sent over a stream of which the server takes less than is called.
    ///
    /// # Errors
    /// An argument that does not fit its type, or a call that does not fit into a datagram;
    /// [`Error::TimedOut`] if it could not be sent within the call's timeout.
    pub fn send(
        &self,
        procedure: Procedure,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<()> {
        let watch = self.begin(procedure)?;
        let sent = self.target(procedure).and_then(|target| self.way.send(&target, args));
        if sent.is_err() {
            intercept::end(watch, &sent);
        }
        sent
    }

    /// Sends the calls that a [corked](ClientOptions::corked) client holds back, and does not wait:
    /// a thread that is about to wait for another client leaves nothing behind.
    pub fn flush(&self) {
        self.way.flush();
    }

    /// Has `then` called whenever this client, which [serves](ClientOptions::serve), has lost its
    /// connection and made another one.
    ///
    /// The server learns of a new connection by the first call over it. What it has of the former one,
    /// by [`Context::peer_client`](crate::Context::peer_client), is of no more use. So this is the place
    /// to make the call again that asks to be called back.
    ///
    /// It runs on the thread that executes the server's calls, which wait meanwhile. What is said last
    /// counts, for all clones; a client that does not serve has no such thread.
    pub fn on_reconnect(&self, then: impl Fn(&Self) + Send + 'static) {
        let Way::Socket(channel) = &self.way else {
            return;
        };
        let Self { interface, settings, .. } = self.clone();
        let client = Arc::downgrade(channel);
        channel.on_reconnect(move || {
            if let Some(channel) = client.upgrade() {
                let (way, settings) = (Way::Socket(channel), Arc::clone(&settings));
                then(&Self { way, interface, settings });
            }
        });
    }

    /// The program and version that it calls.
    #[must_use]
    pub fn interface(&self) -> &'static Interface {
        self.interface
    }

    /// What happened on the socket so far, for this client and its clones.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.way.stats()
    }

    fn begin(&self, procedure: Procedure) -> Result<Option<Box<Watch>>> {
        let (interface, timeout) = (self.interface, self.settings.timeout);
        self.settings.interceptors.begin(OutgoingCall { interface, procedure, timeout })
    }

    fn target(&self, procedure: Procedure) -> Result<net::Target<'_>> {
        let settings = &*self.settings;
        let credential = settings.credential.as_ref().map_err(Clone::clone)?;
        Ok(net::Target {
            interface: self.interface,
            procedure,
            auth: credential.as_call_auth(),
            timeout: settings.timeout,
            repeat: self.repeat(procedure),
        })
    }

    fn repeat(&self, procedure: Procedure) -> Repeat {
        let Settings { retransmit, idempotent, .. } = *self.settings;
        let is_idempotent =
            || idempotent.unwrap_or_else(|| self.interface.is_idempotent(procedure));
        match retransmit {
            false => Repeat::Never,
            true if is_idempotent() => Repeat::Always,
            true => Repeat::WhileKnown,
        }
    }
}

fn decode<T>(
    results: &Bytes,
    decode: impl FnOnce(&mut Decoder<'_>) -> Result<T, DecodeError>,
) -> Result<T> {
    let mut d = Decoder::new(results);
    let value = decode(&mut d)?;
    d.end()?;
    Ok(value)
}

fn remote(transport: IpTransport, addr: SocketAddr) -> Remote {
    match transport {
        IpTransport::Udp => Remote::Udp(addr),
        IpTransport::Tcp => Remote::Tcp(addr),
    }
}

/// Where the program is, as the portmapper at the first of the host's addresses says that has it.
fn ask_portmapper(
    transport: IpTransport,
    host: &str,
    interface: &Interface,
    options: &ClientOptions,
    deadline: &Deadline,
) -> Result<Vec<Remote>> {
    let mut result =
        Err(Error::Io { doing: Doing::Resolve, source: std::io::ErrorKind::NotFound.into() });
    for addr in lookup(host, options.portmapper_port, deadline)? {
        let netid = transport.netid(addr.ip());
        let (program, version) = (interface.program, interface.version);
        let portmapper = Portmapper::at(addr).timeout(deadline.left());
        match portmapper.getaddr(program, version, netid) {
            Ok(Some(Uaddr::Ip(found))) => return Ok(vec![remote(transport, found)]),
            Ok(_) => result = Err(Error::NotRegistered { program, version, netid }),
            Err(error) => result = Err(error),
        }
    }
    result
}
