//! Serving: sockets, services and the portmapper, put together.

use std::fmt;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::{fs, io};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::bind::{Portmapper, Registration, Uaddr};
use crate::error::{Doing, Error, Result};
use crate::net::server::{Bell, EventLoop, Listener, StreamLimits};
use crate::proto::drc::CacheLimits;
use crate::proto::record::RecordLimits;
use crate::proto::server::{ServerConfig, ServerCore};
use crate::service::Dispatch;
use crate::xdr::Limits;
use crate::{Netid, Program, Version};

/// Of the descriptors that the process may have, connections leave one in this many free.
const SPARE_ONE_IN: u64 = 5;

/// A server whose sockets are open. It serves once it runs.
///
/// ```no_run
/// # fn serve(service: impl farcall::Dispatch) -> farcall::Result<()> {
/// farcall::Server::builder()
///     .udp("[::]:0")
///     .tcp("[::]:0")
///     .service(service)
///     .register()
///     .run_until_signal()
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    inner: EventLoop,
    endpoints: Vec<Endpoint>,
    registered: Registered,
}

/// What a server listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Endpoint {
    Udp(SocketAddr),
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Collects what a [`Server`] is made of.
#[derive(Default)]
#[must_use = "nothing is served before it runs"]
pub struct ServerBuilder {
    sockets: Vec<Opening>,
    services: Vec<Arc<dyn Dispatch>>,
    portmapper: Option<Portmapper>,
    config: ServerConfig,
    records: RecordLimits,
    max_connections: Option<usize>,
    stop_on_signal: bool,
}

/// A socket to serve on: open already, or where to open it.
enum Opening {
    UdpAddr(String),
    TcpAddr(String),
    UnixPath(PathBuf),
    Udp(UdpSocket),
    Tcp(TcpListener),
}

impl Server {
    /// A server of nothing yet.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// The addresses of the UDP sockets, in the order in which they were asked for.
    pub fn udp_addrs(&self) -> impl Iterator<Item = SocketAddr> {
        udp_addrs(&self.endpoints)
    }

    /// The addresses of the TCP sockets, in the order in which they were asked for.
    pub fn tcp_addrs(&self) -> impl Iterator<Item = SocketAddr> {
        tcp_addrs(&self.endpoints)
    }

    /// What stops it, from any thread.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle(self.inner.bell())
    }

    /// Serves on this thread until stopped. Then it unregisters, takes in no more calls, sends the
    /// answers to those it has (for at most 5 s), and returns.
    ///
    /// # Errors
    /// The event loop failed.
    pub fn run(self) -> Result<()> {
        let Self { inner, endpoints, registered } = self;
        let result = inner.run(|| drop(registered));
        remove_sockets(&endpoints);
        result
    }

    /// Serves on a thread of its own.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(self) -> Result<Running> {
        let endpoints = self.endpoints.clone();
        let stop = self.stop_handle();
        let thread = thread::Builder::new()
            .name("farcall-server".to_owned())
            .spawn(move || self.run())
            .map_err(poll_error)?;
        Ok(Running { endpoints, stop, thread: Some(thread) })
    }
}

impl ServerBuilder {
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

    /// Serves a Unix stream socket, made at this path and removed at the end. A socket that nobody
    /// listens on any more is replaced.
    pub fn unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.sockets.push(Opening::UnixPath(path.into()));
        self
    }

    /// Serves on a UDP socket that is open already.
    pub fn udp_socket(mut self, socket: UdpSocket) -> Self {
        self.sockets.push(Opening::Udp(socket));
        self
    }

    /// Serves on a TCP socket that listens already.
    pub fn tcp_listener(mut self, listener: TcpListener) -> Self {
        self.sockets.push(Opening::Tcp(listener));
        self
    }

    /// Serves one version of a program: a generated `Server` with the implementation in it.
    pub fn service(self, service: impl Dispatch) -> Self {
        self.shared_service(Arc::new(service))
    }

    /// As [`service`](Self::service), of one that is shared or of a type that is not known.
    pub fn shared_service(mut self, service: Arc<dyn Dispatch>) -> Self {
        self.services.push(service);
        self
    }

    /// Registers every service and socket with this host's portmapper at the start, in place of
    /// what an earlier run left there, and unregisters them at the end.
    pub fn register(self) -> Self {
        self.register_with(Portmapper::local())
    }

    /// As [`register`](Self::register), with another portmapper.
    pub fn register_with(mut self, portmapper: Portmapper) -> Self {
        self.portmapper = Some(portmapper);
        self
    }

    /// Other bounds of the duplicate request cache.
    pub fn cache(mut self, limits: CacheLimits) -> Self {
        self.config.cache = limits;
        self
    }

    /// Other bounds of what decoding one call's arguments may cost.
    pub fn decode_limits(mut self, limits: Limits) -> Self {
        self.config.decode = limits;
        self
    }

    /// Refuses padding that is not zero, booleans other than 0 and 1, and bytes after the
    /// arguments, which C servers take.
    pub fn strict(mut self, strict: bool) -> Self {
        self.config.strict = strict;
        self
    }

    /// Other bounds of one call over a stream. Default: 1 MiB.
    pub fn record_limits(mut self, limits: RecordLimits) -> Self {
        self.records = limits;
        self
    }

    /// How many connections there may be at once; above, the one that was silent longest is closed.
    /// Default: four fifths of the descriptors that the process may have.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = Some(connections);
        self
    }

    /// SIGTERM and SIGINT stop the server, from the moment it is bound: whatever it registers is
    /// unregistered.
    pub fn stop_on_signal(mut self) -> Self {
        self.stop_on_signal = true;
        self
    }

    /// Opens the sockets and registers.
    ///
    /// # Errors
    /// A socket cannot be opened, or the portmapper cannot be reached or refuses. Nothing stays
    /// registered then.
    pub fn bind(self) -> Result<Server> {
        let limits = StreamLimits {
            records: self.records,
            connections: self.max_connections.unwrap_or_else(connections_allowed),
        };
        let config = self.config;
        let mut inner =
            EventLoop::new(limits, |waker| ServerCore::new(config, waker)).map_err(poll_error)?;
        if self.stop_on_signal {
            inner.add_signals(signals().map_err(poll_error)?).map_err(poll_error)?;
        }
        for service in &self.services {
            inner.core().add(Arc::clone(service));
        }
        let endpoints = self
            .sockets
            .into_iter()
            .map(|socket| open(socket, &mut inner))
            .collect::<io::Result<Vec<_>>>()
            .map_err(|source| Error::Io { doing: Doing::Listen, source })?;
        let mut registered = Registered::default();
        if let Some(portmapper) = self.portmapper {
            registered.add_all(portmapper, &self.services, &endpoints)?;
        }
        Ok(Server { inner, endpoints, registered })
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

/// Stops a server, from any thread.
#[derive(Debug, Clone)]
pub struct StopHandle(Arc<Bell>);

impl StopHandle {
    /// Stops it as [`Server::run`] says. Does not wait.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// A server that runs on a thread of its own. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    endpoints: Vec<Endpoint>,
    stop: StopHandle,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Running {
    /// The addresses of the UDP sockets, in the order in which they were asked for.
    pub fn udp_addrs(&self) -> impl Iterator<Item = SocketAddr> {
        udp_addrs(&self.endpoints)
    }

    /// The addresses of the TCP sockets, in the order in which they were asked for.
    pub fn tcp_addrs(&self) -> impl Iterator<Item = SocketAddr> {
        tcp_addrs(&self.endpoints)
    }

    /// What stops it, from any thread.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Stops it and waits for its end.
    ///
    /// # Errors
    /// Its event loop failed.
    pub fn stop(mut self) -> Result<()> {
        self.stop.stop();
        self.join()
    }

    fn join(&mut self) -> Result<()> {
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(poll_error(io::Error::other("the server's thread panicked"))),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        if let Err(error) = self.join() {
            log::error!("{error}");
        }
    }
}

/// What is registered, until this is dropped.
#[derive(Debug, Default)]
struct Registered {
    portmapper: Option<Portmapper>,
    entries: Vec<(Program, Version, Netid)>,
}

impl Registered {
    fn add_all(
        &mut self,
        portmapper: Portmapper,
        services: &[Arc<dyn Dispatch>],
        endpoints: &[Endpoint],
    ) -> Result<()> {
        let portmapper = self.portmapper.insert(portmapper);
        for service in services {
            let (program, version) = (service.interface().program, service.interface().version);
            for (netid, address) in endpoints.iter().flat_map(Endpoint::addresses) {
                // What an earlier run left would refuse the new address.
                portmapper.unset(program, version, Some(netid))?;
                portmapper.set(&Registration::new(program, version, netid, address))?;
                self.entries.push((program, version, netid));
            }
        }
        Ok(())
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let Some(portmapper) = &self.portmapper else {
            return;
        };
        for &(program, version, netid) in &self.entries {
            if let Err(error) = portmapper.unset(program, version, Some(netid)) {
                log::warn!("cannot unregister program {program} version {version}: {error}");
            }
        }
    }
}

impl Endpoint {
    /// What to register: an IPv6 socket on all addresses serves IPv4 as well.
    fn addresses(&self) -> Vec<(Netid, Uaddr)> {
        match self {
            Self::Udp(addr) => ip_addresses(*addr, Netid::Udp, Netid::Udp6),
            Self::Tcp(addr) => ip_addresses(*addr, Netid::Tcp, Netid::Tcp6),
            Self::Unix(path) => vec![(Netid::Local, Uaddr::Unix(path.clone()))],
        }
    }
}

fn ip_addresses(addr: SocketAddr, v4: Netid, v6: Netid) -> Vec<(Netid, Uaddr)> {
    let any_v4 = SocketAddr::from(([0, 0, 0, 0], addr.port()));
    match addr {
        SocketAddr::V4(_) => vec![(v4, Uaddr::Ip(addr))],
        SocketAddr::V6(_) if addr.ip().is_unspecified() => {
            vec![(v4, Uaddr::Ip(any_v4)), (v6, Uaddr::Ip(addr))]
        }
        SocketAddr::V6(_) => vec![(v6, Uaddr::Ip(addr))],
    }
}

fn udp_addrs(endpoints: &[Endpoint]) -> impl Iterator<Item = SocketAddr> {
    endpoints.iter().filter_map(|endpoint| match endpoint {
        Endpoint::Udp(addr) => Some(*addr),
        _ => None,
    })
}

fn tcp_addrs(endpoints: &[Endpoint]) -> impl Iterator<Item = SocketAddr> {
    endpoints.iter().filter_map(|endpoint| match endpoint {
        Endpoint::Tcp(addr) => Some(*addr),
        _ => None,
    })
}

fn open(socket: Opening, inner: &mut EventLoop) -> io::Result<Endpoint> {
    match socket {
        Opening::UdpAddr(addr) => open(Opening::Udp(UdpSocket::bind(resolve(&addr)?)?), inner),
        Opening::TcpAddr(addr) => open(Opening::Tcp(TcpListener::bind(resolve(&addr)?)?), inner),
        Opening::UnixPath(path) => {
            let listener = listen_at(&path)?;
            listener.set_nonblocking(true)?;
            inner.add_listener(Listener::Unix(mio::net::UnixListener::from_std(listener)))?;
            Ok(Endpoint::Unix(path))
        }
        Opening::Udp(socket) => {
            socket.set_nonblocking(true)?;
            let addr = socket.local_addr()?;
            inner.add_datagrams(mio::net::UdpSocket::from_std(socket))?;
            Ok(Endpoint::Udp(addr))
        }
        Opening::Tcp(listener) => {
            listener.set_nonblocking(true)?;
            let addr = listener.local_addr()?;
            inner.add_listener(Listener::Tcp(mio::net::TcpListener::from_std(listener)))?;
            Ok(Endpoint::Tcp(addr))
        }
    }
}

fn resolve(addr: &str) -> io::Result<SocketAddr> {
    addr.to_socket_addrs()?.next().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// A socket at `path`. What a server that is gone left there is replaced; one that lives is not.
fn listen_at(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(e) if e.kind() == io::ErrorKind::AddrInUse && UnixStream::connect(path).is_err() => {
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        result => result,
    }
}

fn remove_sockets(endpoints: &[Endpoint]) {
    for endpoint in endpoints {
        if let Endpoint::Unix(path) = endpoint
            && let Err(error) = fs::remove_file(path)
        {
            log::warn!("cannot remove {}: {error}", path.display());
        }
    }
}

fn connections_allowed() -> usize {
    use nix::sys::resource::{Resource, getrlimit};
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    usize::try_from(soft - soft.div_ceil(SPARE_ONE_IN)).unwrap_or(usize::MAX)
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

fn poll_error(source: io::Error) -> Error {
    Error::Io { doing: Doing::Poll, source }
}
