//! What the portmapper is doing, over HTTP: a page for people, and metrics, health and the table
//! for programs. Everything is only read, and by everybody who reaches the address.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use farcall::ServerHandle;

use self::http::{Request, Response, Status};
use self::server::{Listener, Running};
use self::sockets::Ports;
use self::view::{Row, View};
use crate::programs::Programs;
use crate::{Portmap, Snapshot};

mod http;
mod json;
mod metrics;
mod page;
mod server;
mod sockets;
mod view;

/// How often the daemon's loop shows that it turns.
const BEAT: Duration = Duration::from_secs(1);

/// When the daemon's loop last turned.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    start: Instant,
    millis: Arc<AtomicU64>,
}

impl Pulse {
    fn new() -> Self {
        Self { start: Instant::now(), millis: Arc::default() }
    }

    /// The loop turns. Returns when it should at the latest, for nothing else.
    pub(crate) fn beat(&self, now: Instant) -> Duration {
        self.millis.store(self.millis_at(now), Ordering::Relaxed);
        BEAT
    }

    fn silent(&self, now: Instant) -> Duration {
        let millis = self.millis_at(now).saturating_sub(self.millis.load(Ordering::Relaxed));
        Duration::from_millis(millis)
    }

    fn millis_at(&self, now: Instant) -> u64 {
        let millis = now.duration_since(self.start).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX)
    }
}

/// The address where the page will be.
#[derive(Debug)]
pub(crate) struct StatusPage {
    listener: Listener,
    addr: SocketAddr,
    programs: Programs,
    host: String,
}

/// The page, which is there as long as this value.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) pulse: Pulse,
    _thread: Running,
}

impl StatusPage {
    /// Who asks waits until it is served.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(crate) fn bind(addr: SocketAddr) -> io::Result<Self> {
        let listener = Listener::bind(addr)?;
        let addr = listener.addr()?;
        if !addr.ip().is_loopback() {
            log::info!("other hosts can read the status page at {addr}");
        }
        // A confined process may ask for less.
        Ok(Self { listener, addr, programs: Programs::of_this_host(), host: host_name() })
    }

    /// With the port that it has.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves it on a thread of its own.
    ///
    /// # Errors
    /// There can be no such thread.
    pub(crate) fn start(self, portmap: Portmap, server: ServerHandle) -> io::Result<Serving> {
        let pulse = Pulse::new();
        let site = Site {
            portmap,
            server,
            pulse: pulse.clone(),
            started: SystemTime::now(),
            programs: self.programs,
            host: self.host,
            is_loopback: self.addr.ip().is_loopback(),
        };
        let thread = self.listener.start(move |request| site.answer(request))?;
        Ok(Serving { pulse, _thread: thread })
    }
}

fn host_name() -> String {
    let name = nix::unistd::gethostname();
    name.map_or_else(|_| "this host".to_owned(), |name| name.to_string_lossy().into_owned())
}

struct Site {
    portmap: Portmap,
    server: ServerHandle,
    pulse: Pulse,
    started: SystemTime,
    programs: Programs,
    host: String,
    is_loopback: bool,
}

impl Site {
    fn answer(&self, request: &Request) -> Response {
        // What only this host can reach is not for pages of others in a browser on it.
        if self.is_loopback && !request.is_for_loopback() {
            return Response::of(Status::Forbidden);
        }
        match request.path.as_str() {
            "/" => {
                let html = page::text(&self.view(), &self.host);
                Response::new("text/html; charset=utf-8", html)
            }
            "/page.css" => Response::new("text/css; charset=utf-8", include_str!("page.css")),
            "/page.js" => Response::new("text/javascript; charset=utf-8", include_str!("page.js")),
            "/metrics" => Response::new(
                "text/plain; version=0.0.4; charset=utf-8",
                metrics::text(&self.view()),
            ),
            "/healthz" => self.health(),
            "/api/registrations.json" => {
                Response::new("application/json", json::text(&self.view()))
            }
            _ => Response::of(Status::NotFound),
        }
    }

    fn health(&self) -> Response {
        let trouble = view::trouble(self.pulse.silent(Instant::now()), self.portmap.keeps());
        let response = Response::new("text/plain; charset=utf-8", "");
        match trouble {
            None => Response { body: "ok\n".to_owned(), ..response },
            Some(text) => {
                Response { status: Status::Unavailable, body: format!("{text}\n"), ..response }
            }
        }
    }

    fn view(&self) -> View {
        let Snapshot { entries, stats, activity, keeps } = self.portmap.snapshot();
        let ports = Ports::of_this_host();
        let row = |entry: crate::registry::Entry| Row {
            name: self.programs.name(entry.program).map(str::to_owned),
            health: ports.health(&entry),
            entry,
        };
        View {
            now: SystemTime::now(),
            started: self.started,
            silent: self.pulse.silent(Instant::now()),
            keeps,
            rows: entries.into_iter().map(row).collect(),
            stats,
            activity,
            server: self.server.stats(),
        }
    }
}

#[cfg(test)]
mod tests {
    use farcall::Server;

    use super::*;
    use crate::journal::{Disk, Journal};

    /// A disk that is full.
    #[derive(Debug)]
    struct Full;

    impl Disk for Full {
        fn load(&mut self) -> io::Result<Vec<u8>> {
            Ok(Vec::new())
        }

        fn append(&mut self, _: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn cut(&mut self, _: u64) -> io::Result<()> {
            Ok(())
        }

        fn replace(&mut self, _: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn settle(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn set_aside(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn site(portmap: Portmap) -> Site {
        let server = Server::builder().bind().expect("nothing to open");
        Site {
            portmap,
            server: server.handle(),
            pulse: Pulse::new(),
            started: SystemTime::UNIX_EPOCH,
            programs: Programs::default(),
            host: "test".to_owned(),
            is_loopback: true,
        }
    }

    fn health(site: &Site) -> (Status, String) {
        let Response { status, body, .. } = site.health();
        (status, body)
    }

    #[test]
    fn a_journal_that_cannot_be_written_is_trouble() {
        let portmap = Portmap::default();
        let site = site(portmap.clone());
        assert_eq!(health(&site), (Status::Ok, "ok\n".to_owned()));
        let (journal, _) = Journal::open(Box::new(Full));
        portmap.keep_in(journal).expect("a thread");
        let trouble = "changes are refused: the journal cannot be written";
        assert_eq!(health(&site), (Status::Unavailable, format!("{trouble}\n")));
        assert!(page::text(&site.view(), "test").contains(trouble));
        assert!(metrics::text(&site.view()).contains("\nportmapd_up 0\n"));
    }

    #[test]
    fn a_loop_that_hangs_is_trouble() {
        let site = site(Portmap::default());
        let start = site.pulse.start;
        assert_eq!(site.pulse.beat(start + Duration::from_secs(1)), BEAT);
        assert_eq!(site.pulse.silent(start + Duration::from_secs(12)), Duration::from_secs(11));
        assert_eq!(view::trouble(Duration::from_secs(10), None), None);
        let trouble = view::trouble(Duration::from_millis(10_001), None);
        assert_eq!(trouble, Some("the daemon does not answer calls"));
    }
}
