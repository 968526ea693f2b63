//! Rules of the operator on who may call what.
//!
//! They come before all others and only take away: who is let through here may still change only
//! what [`Access`](crate::access::Access) has it change. Who is not gets AUTH_TOOWEAK, as rpcbind
//! answers whom `hosts.deny` names. NULL is answered to everybody, as there.

use std::error::Error as StdError;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use farcall::bind::proto::pmap_prot::pmap_prog::v2;
use farcall::bind::proto::rpcb_prot::rpcbprog::{v3, v4};
use farcall::{PeerAddr, Procedure};

/// What holds for some callers and some procedures. Of several, the first that fits decides; if
/// none does, the call is let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The callers; `None` for all.
    pub from: Option<Vec<Source>>,
    /// Of these callers, those whom it is not about.
    pub except: Vec<Source>,
    /// The procedures; `None` for all.
    pub procedures: Option<Vec<Named>>,
    /// Whether the call is let through.
    pub allow: bool,
}

impl Rule {
    fn fits(&self, peer: &PeerAddr, procedure: Procedure) -> bool {
        let is_from = |from: &Vec<Source>| from.iter().any(|source| source.has(peer));
        let is_named = |named: &Vec<Named>| named.contains(&Named(procedure));
        self.from.as_ref().is_none_or(is_from)
            && !is_from(&self.except)
            && self.procedures.as_ref().is_none_or(is_named)
    }
}

/// Whether these rules let a call through.
#[must_use]
pub fn allow(rules: &[Rule], peer: &PeerAddr, procedure: Procedure) -> bool {
    procedure == Procedure::NULL
        || rules.iter().find(|rule| rule.fits(peer, procedure)).is_none_or(|rule| rule.allow)
}

/// Some callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Whoever comes by a Unix socket: `unix`.
    Unix,
    /// Whoever comes from 127.0.0.0/8 or ::1: `local`.
    Local,
    /// Whoever comes from a network: `192.0.2.0/24`, `2001:db8::/32`, or one address. A caller whose
    /// IPv4 address is mapped into IPv6 comes from the IPv4 network.
    Network(Network),
}

impl Source {
    fn has(self, peer: &PeerAddr) -> bool {
        match (self, peer.ip()) {
            (Self::Unix, addr) => addr.is_none(),
            (_, None) => false,
            (Self::Local, Some(addr)) => addr.ip().to_canonical().is_loopback(),
            (Self::Network(network), Some(addr)) => network.has(addr.ip().to_canonical()),
        }
    }
}

impl FromStr for Source {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        match text {
            "unix" => Ok(Self::Unix),
            "local" => Ok(Self::Local),
            _ => text.parse().map(Self::Network),
        }
    }
}

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    /// In bits.
    prefix: u32,
}

impl Network {
    fn has(self, ip: IpAddr) -> bool {
        match (self.first, ip) {
            (IpAddr::V4(first), IpAddr::V4(ip)) => {
                (first.to_bits() ^ ip.to_bits()).leading_zeros() >= self.prefix
            }
            (IpAddr::V6(first), IpAddr::V6(ip)) => {
                (first.to_bits() ^ ip.to_bits()).leading_zeros() >= self.prefix
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = RuleError;

    /// An address that is not the first of its network is an error: another length was meant. So is
    /// an IPv4 network that is mapped into IPv6: no caller is taken to come from there.
    fn from_str(text: &str) -> Result<Self, RuleError> {
        let error = || RuleError::Source(text.to_owned());
        let (first, prefix) =
            text.split_once('/').map_or((text, None), |(first, prefix)| (first, Some(prefix)));
        let first: IpAddr = first.parse().map_err(|_| error())?;
        let (bits, free) = match first {
            IpAddr::V4(ip) => (32, ip.to_bits().trailing_zeros()),
            IpAddr::V6(ip) => (128, ip.to_bits().trailing_zeros()),
        };
        let prefix = prefix.map_or(Ok(bits), str::parse).map_err(|_| error())?;
        let is_first = prefix <= bits && free >= bits - prefix;
        if is_first && first == first.to_canonical() {
            Ok(Self { first, prefix })
        } else {
            Err(error())
        }
    }
}

/// A procedure by its name in RFC 1833, without the prefix, in whatever version has it. What one
/// asks is the same by either name of a number: GETPORT and GETADDR, CALLIT and BCAST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named(Procedure);

/// All names and what they stand for. Those of several versions are in it more than once.
fn names() -> impl Iterator<Item = (&'static str, Procedure)> {
    let versions = [&v2::INTERFACE, &v3::INTERFACE, &v4::INTERFACE];
    versions.into_iter().flat_map(|version| version.procedures).map(|procedure| {
        let name = procedure.name.split_once('_').map_or(procedure.name, |(_, name)| name);
        (name, procedure.number)
    })
}

impl FromStr for Named {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let found = names().find(|&(name, _)| name == text);
        found.map_or_else(
            || Err(RuleError::Procedure(text.to_owned())),
            |(_, number)| Ok(Self(number)),
        )
    }
}

/// Text that stands for no callers, or for no procedure.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleError {
    /// See [`Source`].
    Source(String),
    /// See [`Named`].
    Procedure(String),
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(text) => write!(
                f,
                "{text:?} is neither \"unix\" nor \"local\", nor a network that begins with its \
                 address, like \"192.0.2.0/24\""
            ),
            Self::Procedure(text) => {
                let mut known: Vec<_> = names().map(|(name, _)| name).collect();
                known.sort_unstable();
                known.dedup();
                write!(f, "{text:?} is none of {}", known.join(", "))
            }
        }
    }
}

impl StdError for RuleError {}
