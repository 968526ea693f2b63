//! What a server is made of.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io, thread};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::endpoint::{Endpoint, Opening};
use super::registrar::Registrar;
use super::{Follower, Running, Server, ServerHandle, poll_error, systemd};
use crate::Limits;
use crate::bind::{Portmapper, Registration};
use crate::error::{Doing, Error, Result};
use crate::net::server::{EventLoop, Pool, connections_allowed, now, share_out};
use crate::proto::server::flavor::Authenticate;
use crate::proto::server::{ServerConfig, ServerCore, short};
use crate::service::{Dispatch, Interceptor};

/// How often the portmapper is asked whether it still knows what was registered.
const WATCH: Duration = Duration::from_secs(30);

/// Collects what a [`Server`] is made of.
#[must_use = "nothing is served before it runs"]
pub struct ServerBuilder {
    sockets: Vec<Opening>,
    services: Vec<Offer>,
    portmapper: Option<Portmapper>,
    watch: Duration,
    config: ServerConfig,
    loops: usize,
    spin: Duration,
    stop_on_signal: bool,
}

/// A service, and how many workers execute its calls: none if the loops do.
#[derive(Clone)]
struct Offer {
    service: Arc<dyn Dispatch>,
    workers: usize,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        let config = ServerConfig { clock: Some(now), ..ServerConfig::default() };
        Self {
            sockets: Vec::new(),
            services: Vec::new(),
            portmapper: None,
            watch: WATCH,
            config,
            loops: 1,
            spin: Duration::ZERO,
            stop_on_signal: false,
        }
    }
}

impl ServerBuilder {
    /// A server on the sockets that systemd, or another supervisor with its protocol, opened for
    /// this process: UDP, TCP and Unix stream sockets (`ListenDatagram=` and `ListenStream=` of a
    /// socket unit with `Accept=no`). `None` if it passed none.
    ///
    /// ```no_run
    /// # fn main() -> farcall::Result<()> {
    /// let server = match farcall::ServerBuilder::from_systemd()? {
    ///     Some(server) => server,
    ///     None => farcall::Server::builder().udp("[::]:0").tcp("[::]:0"),
    /// };
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Call it before there are other threads: it takes `LISTEN_FDS` and `LISTEN_PID` out of the
    /// environment, so that a second call, and children, find none.
    ///
    /// # Errors
    /// [`Error::Io`] with [`Doing::Listen`]: a descriptor is something else.
    pub fn from_systemd() -> Result<Option<Self>> {
        let sockets = systemd::take_sockets();
        let sockets = sockets.map_err(|source| Error::Io { doing: Doing::Listen, source })?;
        Ok((!sockets.is_empty()).then(|| Self { sockets, ..Self::default() }))
    }

    /// Serves UDP on this address and port; port 0 is any that is free. `[::]` takes IPv4 too,
    /// where the system does.
    pub fn udp(mut self, addr: impl Into<String>) -> Self {
        self.sockets.push(Opening::UdpAddr(addr.into()));
        self
    }

    /// Serves TCP on this address and port; port 0 is any that is free. `[::]` takes IPv4 too,
    /// where the system does.
    pub fn tcp(mut self, addr: impl Into<String>) -> Self {
        self.sockets.push(Opening::TcpAddr(addr.into()));
        self
    }

    /// Serves a Unix stream socket, made at this path and removed when the server stops to listen. A
    /// socket that nobody listens on any more is replaced.
    pub fn unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.sockets.push(Opening::UnixPath(path.into()));
        self
    }

    /// Serves on a UDP socket that is open already, by the first loop.
    pub fn udp_socket(mut self, socket: UdpSocket) -> Self {
        self.sockets.push(Opening::Udp(socket));
        self
    }

    /// Serves on a TCP socket that listens already, such as one that systemd has opened.
    pub fn tcp_listener(mut self, listener: TcpListener) -> Self {
        self.sockets.push(Opening::Tcp(listener));
        self
    }

    /// Serves on a Unix socket that listens already. It is not removed at the end.
    pub fn unix_listener(mut self, listener: UnixListener) -> Self {
        self.sockets.push(Opening::Unix(listener));
        self
    }

    /// Serves one version of a program: a generated `Server` with the implementation in it.
    pub fn service(self, service: impl Dispatch) -> Self {
        self.shared_service(Arc::new(service))
    }

    /// As [`service`](Self::service), of one that is shared or of a type that is not known.
    pub fn shared_service(mut self, service: Arc<dyn Dispatch>) -> Self {
        self.services.push(Offer { service, workers: 0 });
        self
    }

    /// Has so many threads execute the calls of the service that was added last, so that those that
    /// take long delay no others. Otherwise the loops that read the calls execute them.
    pub fn workers(mut self, workers: usize) -> Self {
        if let Some(offer) = self.services.last_mut() {
            offer.workers = workers;
        }
        self
    }

    /// Reads calls and writes answers on so many threads. Default 1: the one that runs the server.
    ///
    /// Each has a UDP socket of its own for every address (SO_REUSEPORT), and its part of the
    /// connections and of the [`Limits`].
    pub fn loops(mut self, loops: usize) -> Self {
        self.loops = loops.max(1);
        self
    }

    /// Has a loop ask for more calls, instead of sleeping, for so long after the last ones. Waking up
    /// takes longer than most calls do; the price is a processor that is busy meanwhile. Default 0.
    pub fn spin(mut self, spin: Duration) -> Self {
        self.spin = spin;
        self
    }

    /// Registers every service and socket with this host's portmapper at the start, in place of
    /// what an earlier run left there, and unregisters them at the end. What a portmapper that was
    /// restarted does not know any more is registered again.
    pub fn register(self) -> Self {
        self.register_with(Portmapper::local())
    }

    /// As [`register`](Self::register), with another portmapper. It may be one that this server
    /// serves itself.
    pub fn register_with(mut self, portmapper: Portmapper) -> Self {
        self.portmapper = Some(portmapper);
        self
    }

    /// How often the portmapper is asked whether it still knows what was registered. Default 30 s.
    pub fn watch_registration(mut self, every: Duration) -> Self {
        self.watch = every;
        self
    }

    /// Other bounds of what peers can make it hold and do.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Refuses padding that is not zero, booleans other than 0 and 1, and bytes after the
    /// arguments, which C servers take.
    pub fn strict(mut self, strict: bool) -> Self {
        self.config.strict = strict;
        self
    }

    /// Authenticates calls of another flavor, or of AUTH_NONE or AUTH_SYS in another way.
    pub fn flavor(mut self, flavor: Arc<dyn Authenticate>) -> Self {
        self.config.flavors.push(flavor);
        self
    }

    /// Answers AUTH_SYS with a short hand (AUTH_SHORT, RFC 5531 appendix A) that callers may use
    /// instead from then on.
    pub fn auth_short(mut self) -> Self {
        self.config.flavors.extend(short::auth_short(|bytes| getrandom::fill(bytes).is_ok()));
        self
    }

    /// Has every call and its outcome pass through this, after those that were added before.
    pub fn intercept(mut self, interceptor: impl Interceptor) -> Self {
        self.config.interceptors.push(Arc::new(interceptor));
        self
    }

    /// SIGTERM and SIGINT stop the server, from the moment it is bound: whatever it registers is
    /// unregistered.
    pub fn stop_on_signal(mut self) -> Self {
        self.stop_on_signal = true;
        self
    }

    /// Opens the sockets and registers. Calls are served meanwhile, so that the portmapper may be
    /// among the services.
    ///
    /// # Errors
    /// A socket cannot be opened, or the portmapper cannot be reached or refuses. Nothing stays
    /// registered then.
    pub fn bind(mut self) -> Result<Server> {
        let mut loops = self.make_loops().map_err(poll_error)?;
        let endpoints = self.open_sockets(&mut loops)?;
        let ledgers = loops.iter_mut().map(|one| Arc::clone(one.core().ledger())).collect();
        let watched = loops.iter().flat_map(EventLoop::watched).collect();
        // There is at least one.
        let mut lead = loops.remove(0);
        if self.stop_on_signal {
            lead.add_signals(signals().map_err(poll_error)?).map_err(poll_error)?;
        }
        let others = loops.into_iter().map(follow).collect::<io::Result<Vec<_>>>();
        let others = others.map_err(poll_error)?;
        let registrar = self.portmapper.take().map(|portmapper| {
            let registrations = self.registrations(&endpoints);
            Registrar::start(portmapper, registrations, self.watch, lead.bell())
        });
        let registrar = registrar.transpose().map_err(poll_error)?;
        lead.set_before_drain(leave(registrar.as_ref(), &others));
        let handle = ServerHandle { bell: lead.bell(), endpoints: endpoints.into(), ledgers };
        let mut server = Server { lead, others, watched, handle, registrar };
        server.await_registration()?;
        Ok(server)
    }

    /// Binds and serves on a thread of its own.
    ///
    /// # Errors
    /// As [`bind`](Self::bind) and [`Server::start`].
    pub fn start(self) -> Result<Running> {
        self.bind()?.start()
    }

    /// Binds and serves on this thread until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// As [`bind`](Self::bind) and [`Server::run`].
    pub fn run_until_signal(self) -> Result<()> {
        self.stop_on_signal().bind()?.run()
    }

    fn open_sockets(&mut self, loops: &mut [EventLoop]) -> Result<Vec<Endpoint>> {
        let sockets = std::mem::take(&mut self.sockets).into_iter();
        let endpoints = sockets.map(|socket| socket.open(loops)).collect::<io::Result<_>>();
        endpoints.map_err(|source| Error::Io { doing: Doing::Listen, source })
    }

    /// As many as there are to be: at least one.
    fn make_loops(&self) -> io::Result<Vec<EventLoop>> {
        let config = ServerConfig { limits: self.share(), ..self.config.clone() };
        let services = self.pools(&config)?;
        let make = |number| {
            let core = |waker| ServerCore::new(config.clone(), waker);
            let mut made = EventLoop::new(config.limits, number, core)?;
            made.set_spin(self.spin);
            for service in &services {
                service.add_to(&mut made);
            }
            Ok(made)
        };
        let mut loops = (0..self.loops).map(make).collect::<io::Result<Vec<_>>>()?;
        if let [first, others @ ..] = &mut loops[..]
            && !others.is_empty()
        {
            share_out(first, others);
        }
        Ok(loops)
    }

    fn pools(&self, config: &ServerConfig) -> io::Result<Vec<Served>> {
        let serve = |offer: &Offer| {
            let service = Arc::clone(&offer.service);
            if offer.workers == 0 {
                return Ok(Served::Inline(service));
            }
            let pool = Pool::start(service, offer.workers, &config.limits, config.strict)?;
            Ok(Served::Pooled(Arc::new(pool)))
        };
        self.services.iter().map(serve).collect()
    }

    /// The part of the limits that one loop has.
    fn share(&self) -> Limits {
        let mut limits = self.config.limits;
        let part = |total: usize| total.div_ceil(self.loops);
        let connections = limits.connections.unwrap_or_else(connections_allowed);
        limits.connections = Some(part(connections));
        limits.connections_per_source = limits.connections_per_source.map(part);
        limits.total_buffered = part(limits.total_buffered);
        limits.calls = part(limits.calls);
        limits.call_bytes = part(limits.call_bytes);
        limits.cache.entries = part(limits.cache.entries);
        limits.cache.bytes = part(limits.cache.bytes);
        limits
    }

    fn registrations(&self, endpoints: &[Endpoint]) -> Vec<Registration> {
        let interfaces = self.services.iter().map(|offer| offer.service.interface());
        let each = interfaces.flat_map(|interface| {
            let addresses = endpoints.iter().flat_map(Endpoint::addresses);
            addresses.map(move |(netid, address)| {
                Registration::new(interface.program, interface.version, netid, address)
            })
        });
        each.collect()
    }
}

/// A service as the loops have it.
enum Served {
    Inline(Arc<dyn Dispatch>),
    Pooled(Arc<Pool>),
}

impl Served {
    fn add_to(&self, one: &mut EventLoop) {
        match self {
            Self::Inline(service) => one.serve(Arc::clone(service)),
            Self::Pooled(pool) => one.core().add_pooled(Arc::clone(pool) as Arc<dyn Dispatch>),
        }
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("sockets", &self.sockets.len())
            .field("services", &self.services.len())
            .field("portmapper", &self.portmapper)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// What the first loop does before it drains: it leaves the portmapper, and has the others drain.
fn leave(
    registrar: Option<&Registrar>,
    others: &[Follower],
) -> Box<dyn FnMut() -> bool + Send + 'static> {
    let leaving = registrar.map(Registrar::leaving);
    let bells: Vec<_> = others.iter().map(|other| Arc::clone(&other.bell)).collect();
    Box::new(move || {
        let left = leaving.as_ref().is_none_or(|leaving| leaving());
        if left {
            bells.iter().for_each(|bell| bell.stop());
        }
        left
    })
}

fn follow(one: EventLoop) -> io::Result<Follower> {
    let bell = one.bell();
    let builder = thread::Builder::new().name("farcall-loop".to_owned());
    Ok(Follower { bell, thread: builder.spawn(move || one.run())? })
}

/// A pipe that a byte comes out of at SIGTERM and SIGINT.
fn signals() -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    Ok(read)
}
