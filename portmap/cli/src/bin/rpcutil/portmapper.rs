//! Which portmapper is asked.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use farcall::bind::{Entry, Portmapper};
use farcall::{Doing, Error};
use farcall_portmap::{PORT, SOCKET};

use crate::error::ToolError;

/// A portmapper anywhere.
#[derive(Debug, Args)]
pub(crate) struct PortmapperArgs {
    /// The host; without one, this host, by its portmapper's Unix socket.
    host: Option<String>,
    /// The port of the portmapper, of this host if none is named.
    #[arg(long, value_name = "N")]
    portmapper_port: Option<u16>,
    /// Ask the portmapper at this Unix socket.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["host", "portmapper_port"])]
    socket: Option<PathBuf>,
}

impl PortmapperArgs {
    pub(crate) fn asked(&self, timeout: Duration) -> Result<Asked, ToolError> {
        let host = self.host.as_deref().unwrap_or("localhost");
        Ok(match (&self.socket, &self.host, self.portmapper_port) {
            (Some(path), ..) => Asked::unix(path, timeout),
            (None, None, None) => Asked::this_host(timeout),
            (None, _, port) => {
                let at = At::Ip(resolve(host, port.unwrap_or(PORT))?);
                Asked { name: host.to_owned(), at, timeout }
            }
        })
    }
}

/// This host's portmapper.
#[derive(Debug, Args)]
pub(crate) struct LocalArgs {
    /// Ask the portmapper at this Unix socket.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl LocalArgs {
    pub(crate) fn asked(&self, timeout: Duration) -> Asked {
        match &self.socket {
            Some(path) => Asked::unix(path, timeout),
            None => Asked::this_host(timeout),
        }
    }
}

/// A portmapper to ask.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// What it is called in messages: a host, or a path.
    pub(crate) name: String,
    at: At,
    /// How long to wait for each answer.
    pub(crate) timeout: Duration,
}

#[derive(Debug, Clone)]
enum At {
    ThisHost,
    Unix(PathBuf),
    Ip(SocketAddr),
}

impl Asked {
    fn this_host(timeout: Duration) -> Self {
        Self { name: "this host".to_owned(), at: At::ThisHost, timeout }
    }

    fn unix(path: &Path, timeout: Duration) -> Self {
        Self { name: path.display().to_string(), at: At::Unix(path.to_owned()), timeout }
    }

    pub(crate) fn portmapper(&self) -> Portmapper {
        let portmapper = match &self.at {
            At::ThisHost => Portmapper::local(),
            At::Unix(path) => Portmapper::unix(path),
            At::Ip(addr) => Portmapper::at(*addr),
        };
        portmapper.timeout(self.timeout)
    }

    /// What is registered there.
    pub(crate) fn dump(&self) -> Result<Vec<Entry>, ToolError> {
        self.portmapper().dump().map_err(|error| self.failed(error))
    }

    /// Asking it has failed.
    pub(crate) fn failed(&self, error: Error) -> ToolError {
        ToolError::portmapper(&self.name, error)
    }

    /// Where a client of the portmapper's own program is to connect to.
    pub(crate) fn target(&self) -> String {
        match &self.at {
            At::ThisHost => format!("unix://{SOCKET}"),
            At::Unix(path) => format!("unix://{}", path.display()),
            At::Ip(addr) => format!("tcp://{addr}"),
        }
    }

    /// Its host's address, if that is another host.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        match self.at {
            At::Ip(addr) if !addr.ip().is_loopback() => Some(addr),
            _ => None,
        }
    }
}

/// The first address of a host.
///
/// # Errors
/// The host is not known.
pub(crate) fn resolve(host: &str, port: u16) -> Result<SocketAddr, ToolError> {
    let unknown = |source| ToolError::Call {
        asked: host.to_owned(),
        error: Error::Io { doing: Doing::Resolve, source },
    };
    let mut addrs = (host, port).to_socket_addrs().map_err(unknown)?;
    addrs.next().ok_or_else(|| unknown(io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_an_address_or_there_is_none() {
        let found = resolve("127.0.0.1", 7).map(|addr| addr.to_string());
        assert_eq!(found.ok().as_deref(), Some("127.0.0.1:7"));
        assert_eq!(resolve("", 7).expect_err("no host").status(), 3);
    }
}
