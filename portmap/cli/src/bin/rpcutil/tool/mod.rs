//! What `rpcutil` does, apart from its command line.

mod change;
mod discover;
mod doctor;
mod list;
mod ping;
mod rpcinfo;
mod stats;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use farcall::bind::Portmapper;
use farcall::{Doing, Error, Interface, Netid, Program, Version};

use farcall_portmap::programs::Programs;

pub(crate) use change::{address, set, unset};
pub(crate) use discover::{Discover, discover};
pub(crate) use doctor::{Doctor, doctor};
pub(crate) use list::{Form, list, watch};
pub(crate) use ping::{Ping, ping};
pub(crate) use rpcinfo::rpcinfo;
pub(crate) use stats::stats;

/// Why a command of the tool failed, by what its exit status says.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum ToolError {
    /// The answer is no: status 1.
    No(String),
    /// A call failed: status 1 if the server answered, 3 if nobody did.
    Call {
        /// What was asked.
        asked: String,
        /// How it failed.
        error: Error,
    },
    /// Nobody answered: status 3.
    Silence(String),
    /// What is wrong has been printed.
    Shown {
        /// The exit status that it makes.
        status: u8,
    },
    /// The result could not be printed: status 1.
    Output(io::Error),
}

impl ToolError {
    fn portmapper(asked: &str, error: Error) -> Self {
        Self::Call { asked: format!("portmapper at {asked}"), error }
    }

    /// The exit status: 1 for a no, 3 if nobody answered.
    #[must_use]
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Call { error, .. } => status_of(error),
            Self::Silence(_) => 3,
            Self::Shown { status } => *status,
            Self::No(_) | Self::Output(_) => 1,
        }
    }
}

/// 3 if nobody answered.
fn status_of(error: &Error) -> u8 {
    match error {
        Error::TimedOut { .. }
        | Error::Unreachable { .. }
        | Error::Disconnected { .. }
        | Error::Io { .. } => 3,
        _ => 1,
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No(text) | Self::Silence(text) => f.write_str(text),
            Self::Call { asked, error } => write!(f, "{asked}: {error}"),
            Self::Shown { .. } => f.write_str("see above"),
            Self::Output(error) => write!(f, "cannot print: {error}"),
        }
    }
}

impl std::error::Error for ToolError {}

impl From<io::Error> for ToolError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// A portmapper, and what it is called in messages.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Whom to ask.
    pub(crate) portmapper: Portmapper,
    /// A host, or a path.
    pub(crate) name: String,
}

/// A program, and maybe one of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    /// The program.
    pub(crate) program: Program,
    /// Its name, or its number, as it was given.
    pub(crate) name: String,
    /// The version; if none is given, all that there are.
    pub(crate) version: Option<Version>,
}

impl Service {
    /// `nfs`, `nfs/3` or `100003/3`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str, programs: &Programs) -> Result<Self, String> {
        let (name, version) = match text.split_once('/') {
            Some((name, version)) => {
                let version = version.parse().map_err(|_| "a version is a number".to_owned())?;
                (name, Some(Version(version)))
            }
            None => (text, None),
        };
        let unknown = || format!("no program is named {name:?}");
        let program = programs.number(name).ok_or_else(unknown)?;
        Ok(Self { program, name: name.to_owned(), version })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "{} v{version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// How to call a service: over UDP or TCP, of whichever family the host's address is, or at a Unix
/// socket of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// A Unix socket.
    Local,
}

impl Transport {
    fn netid(self, host: IpAddr) -> Netid {
        match (self, host) {
            (Self::Udp, IpAddr::V4(_)) => Netid::Udp,
            (Self::Tcp, IpAddr::V4(_)) => Netid::Tcp,
            (Self::Udp, IpAddr::V6(_)) => Netid::Udp6,
            (Self::Tcp, IpAddr::V6(_)) => Netid::Tcp6,
            (Self::Local, _) => Netid::Local,
        }
    }
}

impl FromStr for Transport {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "udp" => Ok(Self::Udp),
            "tcp" => Ok(Self::Tcp),
            "local" | "unix" => Ok(Self::Local),
            _ => Err("a transport is udp, tcp or local"),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Local => "local",
        })
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

/// A version of a program that is known only now.
fn interface(program: Program, version: Version) -> &'static Interface {
    // Interfaces are static; this one is for the rest of a process that ends soon.
    Box::leak(Box::new(Interface {
        program,
        program_name: "",
        version,
        version_name: "",
        procedures: &[],
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use farcall::Refusal;
    use farcall::proto::message::AcceptStatus;

    use super::*;

    #[test]
    fn the_status_says_whether_anybody_answered() {
        let status = |error| ToolError::Call { asked: "h".to_owned(), error }.status();
        let (low, high) = (Version(2), Version(4));
        let mismatch = Refusal::Accepted(AcceptStatus::ProgMismatch { low, high });
        assert_eq!(status(mismatch.into()), 1);
        assert_eq!(status(Error::TimedOut { after: Duration::from_secs(1), sent: 1 }), 3);
        assert_eq!(status(Error::Unreachable { sent: 1 }), 3);
        let refused = io::ErrorKind::ConnectionRefused.into();
        assert_eq!(status(Error::Io { doing: Doing::Connect, source: refused }), 3);
        assert_eq!(ToolError::No("no".to_owned()).status(), 1);
        assert_eq!(
            resolve("127.0.0.1", 7).map(|a| a.to_string()).ok().as_deref(),
            Some("127.0.0.1:7")
        );
        let unknown = resolve("", 7).expect_err("no host");
        assert_eq!(unknown.status(), 3);
    }

    #[test]
    fn a_service_is_a_program_and_maybe_a_version() {
        let parse = |text: &str| Service::parse(text, &Programs::default());
        let text = |text: &str| parse(text).map(|s| (s.program.0, s.to_string()));
        assert_eq!(text("nfs"), Ok((100_003, "nfs".to_owned())));
        assert_eq!(text("100003/3"), Ok((100_003, "100003 v3".to_owned())));
        assert_eq!(text("nosuch"), Err("no program is named \"nosuch\"".to_owned()));
        assert_eq!(text("nfs/x"), Err("a version is a number".to_owned()));
    }
}
