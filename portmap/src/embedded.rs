//! A portmapper for a host that may have none.

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use farcall::bind::Portmapper;
use farcall::{Doing, Error, Running};

use crate::holder;
use crate::hosts_access;
use crate::sockets;
use crate::{ListenError, PORT, Portmap, SOCKET};

pub use crate::holder::Holder;

/// How long a portmapper that is there may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The portmapper of this host.
#[derive(Debug)]
pub enum HostPortmapper {
    /// One that was running.
    System,
    /// This process, for as long as this value lives. What others have registered is lost with it;
    /// [`register`](farcall::ServerBuilder::register) does so again once there is another one.
    Embedded(Running),
}

/// Why this host has no portmapper to register with. The text says what to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum NoPortmapper {
    /// Somebody has its place, and does not answer.
    Silent {
        /// Who that is, as far as this process may know.
        holders: Vec<Holder>,
        /// What came instead of an answer.
        source: Error,
    },
    /// None is running, and this process cannot be one.
    CannotListen {
        /// Who has port 111, as far as this process may know, if that is why.
        holders: Vec<Holder>,
        /// What it cannot listen on.
        source: ListenError,
    },
}

/// Makes sure that this host has a portmapper: where none is running, this process becomes one, at
/// port 111 and at `/run/rpcbind.sock`, by a thread of its own. To register is another matter, and
/// as always:
///
/// ```no_run
/// # fn serve(service: impl farcall::Dispatch) -> Result<(), Box<dyn std::error::Error>> {
/// let _portmapper = farcall_portmap::system_or_embedded()?; // before the server, so that it ends later
/// farcall::Server::builder()
///     .udp("[::]:0")
///     .tcp("[::]:0")
///     .service(service)
///     .register()
///     .run_until_signal()?;
/// # Ok(())
/// # }
/// ```
///
/// The embedded one has the rules of `portmapd`, and keeps nothing: it is as good as what runs
/// beside it needs. It is for hosts and containers that have one service; on others `portmapd` or
/// rpcbind lives longer than any service.
///
/// Waits up to 5 s for an answer.
///
/// # Errors
/// See [`NoPortmapper`].
pub fn system_or_embedded() -> Result<HostPortmapper, NoPortmapper> {
    if is_running()? {
        return Ok(HostPortmapper::System);
    }
    match embed() {
        Ok(server) => Ok(HostPortmapper::Embedded(server)),
        // Somebody else was faster, or is none.
        Err(source) if source.is_in_use() && !is_running()? => {
            Err(NoPortmapper::CannotListen { holders: holder::of_port(PORT), source })
        }
        Err(source) if source.is_in_use() => Ok(HostPortmapper::System),
        Err(source) => Err(NoPortmapper::CannotListen { holders: Vec::new(), source }),
    }
}

/// That somebody listens, and is a portmapper.
fn is_running() -> Result<bool, NoPortmapper> {
    match Portmapper::local().timeout(PATIENCE).dump() {
        Ok(_) => Ok(true),
        Err(Error::Io { doing: Doing::Connect, .. }) => Ok(false),
        Err(source) => Err(NoPortmapper::Silent { holders: holder::of_port(PORT), source }),
    }
}

fn embed() -> Result<Running, ListenError> {
    let portmap = Portmap::default();
    portmap.prune();
    portmap.restrict(hosts_access::of_this_host());
    let server = sockets::bind(sockets::listen(&[], PORT)?, Some(Path::new(SOCKET)), &portmap)?;
    sockets::register_own(&portmap, &server);
    server.start().map_err(ListenError::Server)
}

impl fmt::Display for NoPortmapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holders = match self {
            Self::Silent { holders, source } => {
                write!(f, "the portmapper of this host does not answer: {source}; ")?;
                holders
            }
            Self::CannotListen { holders, source } => {
                write!(
                    f,
                    "this host has no portmapper, and this process cannot be it: {source}; "
                )?;
                holders
            }
        };
        holders.iter().try_for_each(|holder| write!(f, "{holder} has the port; "))?;
        f.write_str(self.remedy())
    }
}

impl NoPortmapper {
    fn remedy(&self) -> &'static str {
        match self {
            Self::Silent { .. } => "restart it (systemctl restart rpcbind)",
            Self::CannotListen { source, .. } if source.is_in_use() => {
                "stop that, and start a portmapper (systemctl start rpcbind) or this again"
            }
            Self::CannotListen { .. } => "start one (systemctl start rpcbind), or run this as root",
        }
    }
}

impl StdError for NoPortmapper {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Silent { source, .. } => Some(source),
            Self::CannotListen { source, .. } => Some(source),
        }
    }
}
