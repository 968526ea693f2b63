//! Where a service is called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use farcall::bind::{Entry, Uaddr};
use farcall::{Client, ClientOptions, Error, Netid, Program, Version};

use crate::service::interface;

/// The address of a service, and the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Udp(SocketAddr),
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Place {
    pub(crate) fn at(address: Uaddr, netid: Netid) -> Option<Self> {
        if !address.suits(netid) {
            return None;
        }
        Some(match (address, netid) {
            (Uaddr::Unix(path), _) => Self::Unix(path),
            (Uaddr::Ip(addr), Netid::Udp | Netid::Udp6) => Self::Udp(addr),
            (Uaddr::Ip(addr), _) => Self::Tcp(addr),
        })
    }

    /// Where to call what is registered at a host: at this one, unless it is `remote`. A remote
    /// portmapper names ports of its own host only: what it lists is not for calling others.
    pub(crate) fn of(entry: &Entry, remote: Option<SocketAddr>) -> Option<Self> {
        let netid = entry.netid()?;
        let address = match (entry.uaddr().ok()?, remote) {
            (Uaddr::Unix(path), None) => Uaddr::Unix(path),
            (Uaddr::Ip(addr), None) => Uaddr::Ip(here(addr)),
            (Uaddr::Ip(addr), Some(mut host)) => {
                host.set_port(addr.port());
                let is_its = addr.ip().is_unspecified() || addr.ip() == host.ip();
                Uaddr::Ip(Some(host).filter(|_| is_its)?)
            }
            (Uaddr::Unix(_), Some(_)) => return None,
        };
        Self::at(address, netid)
    }

    pub(crate) fn is_stream(&self) -> bool {
        !matches!(self, Self::Udp(_))
    }

    pub(crate) fn target(&self) -> String {
        match self {
            Self::Udp(addr) => format!("udp://{addr}"),
            Self::Tcp(addr) => format!("tcp://{addr}"),
            Self::Unix(path) => format!("unix://{}", path.display()),
        }
    }
}

/// What listens at all addresses of this host, at one of them.
fn here(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

pub(crate) fn connect(
    place: &Place,
    program: Program,
    version: Version,
    timeout: Duration,
) -> Result<Client, Error> {
    let options = ClientOptions::new().timeout(timeout);
    Client::connect(&place.target(), interface(program, version), &options)
}

/// Calls procedure 0, and returns how long the answer took.
pub(crate) fn null(
    place: &Place,
    program: Program,
    version: Version,
    timeout: Duration,
) -> Result<Duration, Error> {
    let client = connect(place, program, version, timeout)?;
    let started = Instant::now();
    client.null()?;
    Ok(started.elapsed())
}

/// Whether a server hangs up on each call over a stream: it was called again on other connections
/// until the time was over. Over one that stands, a call is sent once.
pub(crate) fn hangs_up(error: &Error) -> bool {
    matches!(error, Error::TimedOut { sent: 2.., .. } | Error::Disconnected { .. })
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(netid: &str, address: &str, remote: Option<&str>) -> Option<String> {
        let entry = Entry {
            program: Program(7),
            version: Version(1),
            netid: netid.to_owned(),
            address: address.to_owned(),
            owner: String::new(),
        };
        let remote = remote.map(|addr| addr.parse().expect("an address"));
        Place::of(&entry, remote).map(|place| place.target())
    }

    #[test]
    fn what_is_registered_is_called_at_its_host() {
        let (v4, v6) = (Some("192.0.2.7:111"), Some("[2001:db8::7]:111"));
        let table = [
            // At this host, whatever address it has.
            ("udp", "0.0.0.0.8.1", None, Some("udp://127.0.0.1:2049")),
            ("tcp", "192.0.2.1.8.1", None, Some("tcp://192.0.2.1:2049")),
            ("tcp6", "::.8.1", None, Some("tcp://[::1]:2049")),
            ("local", "/run/kv", None, Some("unix:///run/kv")),
            // At another one, its own addresses, of the family by which it was asked.
            ("tcp", "0.0.0.0.8.1", v4, Some("tcp://192.0.2.7:2049")),
            ("udp", "192.0.2.7.8.1", v4, Some("udp://192.0.2.7:2049")),
            ("udp", "192.0.2.8.8.1", v4, None),
            ("udp", "127.0.0.1.8.1", v4, None),
            ("tcp6", "::.8.1", v4, None),
            ("local", "/run/kv", v4, None),
            ("tcp6", "::.8.1", v6, Some("tcp://[2001:db8::7]:2049")),
            ("tcp", "0.0.0.0.8.1", v6, None),
            // No addresses of these transports.
            ("udp6", "0.0.0.0.8.1", None, None),
            ("local", "0.0.0.0.8.1", None, None),
            ("sctp", "0.0.0.0.8.1", None, None),
            ("tcp", "garbage", None, None),
        ];
        for (netid, address, remote, expected) in table {
            let found = place(netid, address, remote);
            assert_eq!(found.as_deref(), expected, "{netid} {address} at {remote:?}");
        }
    }
}
