//! Serving: sockets, services and the portmapper, put together.

mod builder;
mod endpoint;
mod registrar;
mod systemd;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use self::builder::ServerBuilder;
use self::endpoint::Endpoint;
use self::registrar::Registrar;
use crate::error::{Doing, Error, Result};
use crate::net::server::{Bell, Current, EventLoop, Watchdog};
use crate::proto::stats::{Ledger, Stats};

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
///
/// It can be part of a loop of one's own: its descriptor ([`AsFd`]) is readable when
/// [`poll_once`](Self::poll_once) has something to do.
#[derive(Debug)]
pub struct Server {
    lead: EventLoop,
    others: Vec<Follower>,
    /// What the loops execute.
    watched: Vec<Arc<Current>>,
    handle: ServerHandle,
    /// After the loop, so that a server that is dropped has closed its sockets by then.
    registrar: Option<Registrar>,
}

/// A loop on a thread of its own, beside the server's first one.
#[derive(Debug)]
struct Follower {
    bell: Arc<Bell>,
    thread: JoinHandle<Result<()>>,
}

/// What is known of a server, whether it runs on a thread of its own or not.
macro_rules! facts {
    ($server:ident) => {
        impl $server {
            /// The addresses of the UDP sockets, in the order in which they were asked for.
            pub fn udp_addrs(&self) -> impl Iterator<Item = SocketAddr> {
                endpoint::udp_addrs(&self.handle.endpoints)
            }

            /// The addresses of the TCP sockets, in the order in which they were asked for.
            pub fn tcp_addrs(&self) -> impl Iterator<Item = SocketAddr> {
                endpoint::tcp_addrs(&self.handle.endpoints)
            }

            /// The paths of the Unix sockets, in the order in which they were asked for.
            pub fn unix_paths(&self) -> impl Iterator<Item = &Path> {
                endpoint::unix_paths(&self.handle.endpoints)
            }

            /// What stops it and knows what it did, from any thread.
            #[must_use]
            pub fn handle(&self) -> ServerHandle {
                self.handle.clone()
            }

            /// What it did so far.
            #[must_use]
            pub fn stats(&self) -> Stats {
                self.handle.stats()
            }
        }
    };
}

facts!(Server);
facts!(Running);

impl Server {
    /// A server of nothing yet.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Serves on this thread until stopped. Then it unregisters, takes in no more calls, sends the
    /// answers to those it has (for at most [`Limits::drain`](crate::Limits::drain), with the
    /// unregistering), and returns.
    ///
    /// A handler that keeps a loop for a second is logged as a warning, while it does: all other
    /// calls of the loop wait for it, unless the service has [`workers`](ServerBuilder::workers).
    ///
    /// # Errors
    /// The event loop failed, or there can be no thread that watches the handlers.
    pub fn run(mut self) -> Result<()> {
        let watched = std::mem::take(&mut self.watched);
        let watchdog = (!watched.is_empty()).then(|| Watchdog::start(watched));
        let _watchdog = watchdog.transpose().map_err(poll_error)?;
        while self.poll_once(None)? {}
        self.finish()
    }

    /// Serves what there is to serve, and waits for it if there is nothing: at most `timeout`, or
    /// until a thing of its own is due. `false` once it was stopped and has ended.
    ///
    /// # Errors
    /// The event loop failed.
    pub fn poll_once(&mut self, timeout: Option<Duration>) -> Result<bool> {
        self.lead.poll_once(timeout)
    }

    /// When [`poll_once`](Self::poll_once) is to be called at the latest, though the descriptor is
    /// not readable. `None` for never.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.lead.timeout()
    }

    /// Serves on a thread of its own.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(self) -> Result<Running> {
        let handle = self.handle();
        let thread = thread::Builder::new()
            .name("farcall-server".to_owned())
            .spawn(move || self.run())
            .map_err(poll_error)?;
        Ok(Running { handle, thread: Some(thread) })
    }

    fn finish(&mut self) -> Result<()> {
        let mut result = Ok(());
        for Follower { bell, thread } in self.others.drain(..) {
            bell.stop();
            let joined = join(thread);
            result = result.and(joined);
        }
        result
    }
}

impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lead.registry().as_fd()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            log::error!("{error}");
        }
    }
}

/// Stops a server and knows what it did, from any thread.
#[derive(Debug, Clone)]
pub struct ServerHandle {
    bell: Arc<Bell>,
    endpoints: Arc<[Endpoint]>,
    ledgers: Arc<[Arc<Ledger>]>,
}

impl ServerHandle {
    /// Stops it as [`Server::run`] says. Does not wait.
    pub fn stop(&self) {
        self.bell.stop();
    }

    /// What it did so far. Does not wait for anything either.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        self.ledgers.iter().for_each(|ledger| ledger.add_to(&mut stats));
        stats
    }
}

/// A server that runs on a thread of its own. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    handle: ServerHandle,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Running {
    /// Stops it and waits for its end.
    ///
    /// # Errors
    /// Its event loop failed.
    pub fn stop(mut self) -> Result<()> {
        self.handle.stop();
        self.join()
    }

    fn join(&mut self) -> Result<()> {
        self.thread.take().map_or(Ok(()), join)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.stop();
        if let Err(error) = self.join() {
            log::error!("{error}");
        }
    }
}

fn join(thread: JoinHandle<Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|_| Err(poll_error(io::Error::other("a server thread panicked"))))
}

fn poll_error(source: io::Error) -> Error {
    Error::Io { doing: Doing::Poll, source }
}
