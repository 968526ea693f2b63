//! Who calls.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::Netid;
use crate::proto::auth::{AuthSys, Flavor};

/// Where a call came from, and over what.
///
/// IPv4 addresses that arrive over an IPv6 socket are given as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerAddr {
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
        /// Its process id.
        pid: i32,
        /// A number that no other connection of this server has or had.
        connection: u64,
    },
}

impl PeerAddr {
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

    /// Address and port, where the transport has them.
    #[must_use]
    pub fn ip(&self) -> Option<SocketAddr> {
        match *self {
            Self::Udp(addr) | Self::Tcp(addr) => Some(addr),
            Self::Unix { .. } => None,
        }
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(addr) => write!(f, "udp {addr}"),
            Self::Tcp(addr) => write!(f, "tcp {addr}"),
            Self::Unix { uid, .. } => write!(f, "unix uid {uid}"),
        }
    }
}

/// Who sent a call: from where, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub(crate) addr: PeerAddr,
    pub(crate) flavor: Flavor,
    pub(crate) identity: Identity,
}

/// As whom a peer calls, by its flavor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Identity {
    /// Nobody in particular (AUTH_NONE).
    #[default]
    Nobody,
    /// The ids that the caller claims to have (AUTH_SYS, AUTH_SHORT): nothing proves them.
    Sys(Arc<AuthSys>),
    /// A name that the flavor has proved, such as a Kerberos principal. Its credentials and
    /// verifiers are expected to differ from call to call, in repeats too.
    Principal(Arc<str>),
}

impl Peer {
    /// From where and over what.
    #[must_use]
    pub fn addr(&self) -> &PeerAddr {
        &self.addr
    }

    /// The authentication flavor of the call.
    #[must_use]
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// As whom.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The ids that the caller claims to have (RFC 5531 appendix A): nothing proves them.
    #[must_use]
    pub fn auth_sys(&self) -> Option<&AuthSys> {
        match &self.identity {
            Identity::Sys(sys) => Some(sys),
            _ => None,
        }
    }

    /// The user id: over a Unix socket the one that the kernel vouches for, else the one that the
    /// caller claims to have.
    #[must_use]
    pub fn uid(&self) -> Option<u32> {
        match self.addr {
            PeerAddr::Unix { uid, .. } => Some(uid),
            _ => self.auth_sys().map(|sys| sys.uid),
        }
    }

    /// The group id, as [`uid`](Self::uid).
    #[must_use]
    pub fn gid(&self) -> Option<u32> {
        match self.addr {
            PeerAddr::Unix { gid, .. } => Some(gid),
            _ => self.auth_sys().map(|sys| sys.gid),
        }
    }

    /// The other groups that the caller claims to be in.
    #[must_use]
    pub fn groups(&self) -> &[u32] {
        self.auth_sys().map_or(&[], |sys| &sys.gids)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)?;
        match &self.identity {
            Identity::Nobody => Ok(()),
            Identity::Sys(sys) => write!(f, " as uid {}", sys.uid),
            // The name is of a peer's making.
            Identity::Principal(name) => write!(f, " as {}", name.escape_debug()),
        }
    }
}
