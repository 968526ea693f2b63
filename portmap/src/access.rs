//! Who may change the table, and under which name: the rules of rpcbind, in one place.
//!
//! | caller | may SET and UNSET | as owner |
//! |---|---|---|
//! | Unix socket, uid 0 | yes | `superuser` |
//! | Unix socket, another uid | yes | the uid in decimal |
//! | 127.0.0.1 or ::1, port below [`Access::first_unreserved`] | yes | `superuser` |
//! | 127.0.0.1 or ::1, another port | only if [`Access::loopback`] | `unknown` |
//! | any other address, 127.0.0.2 too | only if [`Access::insecure`] | `unknown` |
//!
//! Who is not the superuser may register what is not the host's own
//! ([`Access::any_registration`]), and remove what has the same owner.
//!
//! Everybody may look up, and have calls made, if any are
//! ([`Portmap::make_remote_calls`](crate::Portmap::make_remote_calls)), that do nobody harm.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use farcall::proto::message::AuthStatus;
use farcall::{Fault, PeerAddr, Procedure, Program};

use crate::address::{Interface, on_this_host};
use crate::registry::{Entry, SetError};
use crate::reserved;

/// Who registered something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// Root: may remove what others registered.
    Superuser,
    /// The user with this id.
    Uid(u32),
    /// Somebody on this host, by a connection that does not say who.
    Unknown,
}

impl Owner {
    /// The owner that a list names; [`Unknown`](Self::Unknown) for a name that is none of ours.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "superuser" => Self::Superuser,
            _ => name.parse().map_or(Self::Unknown, Self::Uid),
        }
    }
}

impl fmt::Display for Owner {
    /// As rpcbind lists it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superuser => f.write_str("superuser"),
            Self::Uid(uid) => uid.fmt(f),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// The rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// SET and UNSET from any port of this host, as rpcbind has it. Any user can then do so as
    /// somebody that nobody knows. The Unix socket says who it is, and all C libraries use it.
    pub loopback: bool,
    /// SET and UNSET from any address, as with rpcbind's `-i`. Whoever reaches the portmapper can
    /// then take the place of any service that is not registered.
    pub insecure: bool,
    /// Whoever may SET registers what they like, as with rpcbind. If not, only root registers NFS,
    /// NIS and what else stands for the host, ports below [`first_unreserved`](Self::first_unreserved),
    /// addresses of other hosts, and transports that are not known here.
    pub any_registration: bool,
    /// Replies over UDP of any size to anybody. If not, a large one goes to this host only, because
    /// the source of a datagram can be forged and its owner would be flooded.
    pub large_datagrams: bool,
    /// The first port that any user can have: by default what this host has, at most 1024. It is less
    /// in most containers.
    pub first_unreserved: u16,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            loopback: false,
            insecure: false,
            any_registration: false,
            large_datagrams: false,
            first_unreserved: reserved::first_unreserved(),
        }
    }
}

/// How many times larger than the call a reply over UDP to a stranger may be.
const AMPLIFICATION: usize = 3;

/// The most that is sent to anybody over UDP, as rpcbind has it.
pub(crate) const LARGEST_DATAGRAM: usize = 9000;

const PORTMAPPER: u32 = 100_000;
const NFS: u32 = 100_003;
const YP: u32 = 100_004;
const YP_MATCH: u32 = 3;
const YP_FIRST: u32 = 4;
const YP_NEXT: u32 = 5;
const YP_ALL: u32 = 8;
const MOUNT: u32 = 100_005;
const MOUNT_MNT: u32 = 1;
const MOUNT_UMNT: u32 = 3;
const YPBIND: u32 = 100_007;
const YPBIND_SETDOM: u32 = 2;
const YPPASSWD: u32 = 100_009;
const RQUOTA: u32 = 100_011;

impl Access {
    /// Whether the caller may SET and UNSET, and as which owner.
    ///
    /// # Errors
    /// It may not: AUTH_TOOWEAK.
    pub fn change(self, peer: &PeerAddr) -> Result<Owner, Fault> {
        let local = match *peer {
            PeerAddr::Unix { .. } => true,
            PeerAddr::Udp(addr) | PeerAddr::Tcp(addr) => {
                is_this_host(addr) && (self.loopback || addr.port() < self.first_unreserved)
            }
        };
        if local || self.insecure {
            Ok(self.owner(peer))
        } else {
            Err(Fault::Auth(AuthStatus::TooWeak))
        }
    }

    fn owner(self, peer: &PeerAddr) -> Owner {
        match *peer {
            PeerAddr::Unix { uid: 0, .. } => Owner::Superuser,
            PeerAddr::Unix { uid, .. } => Owner::Uid(uid),
            PeerAddr::Udp(addr) | PeerAddr::Tcp(addr)
                if is_this_host(addr) && addr.port() < self.first_unreserved =>
            {
                Owner::Superuser
            }
            PeerAddr::Udp(_) | PeerAddr::Tcp(_) => Owner::Unknown,
        }
    }

    /// Whether it may be registered, on a host with these interfaces.
    ///
    /// # Errors
    /// Only by root: [`SetError::Reserved`] and [`SetError::Elsewhere`].
    pub fn registration(self, entry: &Entry, interfaces: &[Interface]) -> Result<(), SetError> {
        if self.any_registration || entry.owner == Owner::Superuser {
            return Ok(());
        }
        reserved::check(entry, self.first_unreserved, interfaces)
    }

    /// Whether a call on behalf of the caller (CALLIT, BCAST, INDIRECT) is let through.
    ///
    /// # Errors
    /// Over a stream, no answer at all. Over UDP, AUTH_TOOWEAK for what would do somebody harm.
    pub fn remote_call(
        self,
        peer: &PeerAddr,
        program: Program,
        procedure: Procedure,
    ) -> Result<(), Fault> {
        match peer {
            PeerAddr::Tcp(_) | PeerAddr::Unix { .. } => Err(Fault::Silent),
            PeerAddr::Udp(_) if self.denies_call(program, procedure) => {
                Err(Fault::Auth(AuthStatus::TooWeak))
            }
            PeerAddr::Udp(_) => Ok(()),
        }
    }

    /// rpcbind's list of what is not called for others: it would come from this host then.
    fn denies_call(self, program: Program, procedure: Procedure) -> bool {
        match (program.0, procedure.0) {
            (_, 0) => false,
            (PORTMAPPER, _) => !self.insecure,
            (NFS | YPPASSWD | RQUOTA, _)
            | (MOUNT, MOUNT_MNT | MOUNT_UMNT)
            | (YPBIND, YPBIND_SETDOM)
            | (YP, YP_MATCH | YP_FIRST | YP_NEXT | YP_ALL) => true,
            _ => false,
        }
    }

    /// Whether a call of `call` bytes may be answered by `reply` bytes, headers included, by a host
    /// with these interfaces.
    ///
    /// # Errors
    /// Those are too many for a datagram to this caller: SYSTEM_ERR, and TCP is to be used.
    pub fn reply(
        self,
        peer: &PeerAddr,
        call: usize,
        reply: usize,
        interfaces: &[Interface],
    ) -> Result<(), Fault> {
        if !matches!(peer, PeerAddr::Udp(_)) {
            return Ok(());
        }
        let amplified = amplified(peer, call, reply, interfaces).is_some() && !self.large_datagrams;
        if amplified || reply > LARGEST_DATAGRAM { Err(Fault::SystemErr) } else { Ok(()) }
    }
}

/// Where a reply of `reply` bytes to a call of `call` bytes would go, if that is another host, by
/// a datagram, and so large that it would be of use to flood it.
pub(crate) fn amplified(
    peer: &PeerAddr,
    call: usize,
    reply: usize,
    interfaces: &[Interface],
) -> Option<IpAddr> {
    let PeerAddr::Udp(addr) = *peer else { return None };
    let ip = addr.ip().to_canonical();
    // What this host sends to an address of its own stays here; that of one link may be another
    // host's on another.
    let is_of_link = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let is_elsewhere = is_of_link || on_this_host((ip, addr.port()).into(), interfaces).is_none();
    (is_elsewhere && reply > call * AMPLIFICATION).then_some(ip)
}

/// Exactly 127.0.0.1 and ::1; not the rest of 127.0.0.0/8, which rpcbind does not take either.
fn is_this_host(addr: SocketAddr) -> bool {
    match addr.ip().to_canonical() {
        IpAddr::V4(ip) => ip == Ipv4Addr::LOCALHOST,
        IpAddr::V6(ip) => ip == Ipv6Addr::LOCALHOST,
    }
}
