use std::error::Error as StdError;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::Netid;

/// A universal address: where a service is, as text (RFC 5665 §5.2).
///
/// `192.0.2.7.8.1` is port 2049 of 192.0.2.7, `::1.0.111` is port 111 of `::1`, and a Unix socket
/// is its path, or `@` and its name where that is an abstract one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Uaddr {
    /// An IPv4 or IPv6 address and a port. The text has no place for an IPv6 scope.
    Ip(SocketAddr),
    /// A Unix socket's path; if it begins with `@`, the rest is a name in the abstract namespace.
    Unix(PathBuf),
}

/// Why a text is not a universal address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UaddrError {
    /// It is empty: what a portmapper answers for "not registered".
    Empty,
    /// It does not end with two numbers from 0 to 255.
    Port,
    /// What precedes the port is no IPv4 or IPv6 address.
    Host,
}

/// A protocol family, by its name in the portmapper's answers (RFC 1833 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
    /// Unix sockets.
    Loopback,
}

impl Family {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Inet6 => "inet6",
            Self::Loopback => "loopback",
        }
    }

    /// The family of a transport.
    #[must_use]
    pub const fn of(netid: Netid) -> Self {
        match netid {
            Netid::Udp | Netid::Tcp => Self::Inet,
            Netid::Udp6 | Netid::Tcp6 => Self::Inet6,
            Netid::Local => Self::Loopback,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Uaddr {
    /// The family, that is the transports that this address can belong to.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Ip(SocketAddr::V4(_)) => Family::Inet,
            Self::Ip(SocketAddr::V6(_)) => Family::Inet6,
            Self::Unix(_) => Family::Loopback,
        }
    }

    /// Whether a service can be at this address over this transport.
    #[must_use]
    pub fn suits(&self, netid: Netid) -> bool {
        self.family() == Family::of(netid)
    }

    /// The IP address and port, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<SocketAddr> {
        match *self {
            Self::Ip(addr) => Some(addr),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Uaddr {
    fn from(addr: SocketAddr) -> Self {
        Self::Ip(addr)
    }
}

impl FromStr for Uaddr {
    type Err = UaddrError;

    fn from_str(text: &str) -> Result<Self, UaddrError> {
        match text.as_bytes().first() {
            None => Err(UaddrError::Empty),
            Some(b'/' | b'@') => Ok(Self::Unix(PathBuf::from(text))),
            Some(_) => parse_ip(text).map(Self::Ip),
        }
    }
}

/// From the right, because the text of an IPv6 address may hold dots too.
fn parse_ip(text: &str) -> Result<SocketAddr, UaddrError> {
    let (rest, low) = text.rsplit_once('.').ok_or(UaddrError::Port)?;
    let (host, high) = rest.rsplit_once('.').ok_or(UaddrError::Port)?;
    let port = u16::from_be_bytes([port_byte(high)?, port_byte(low)?]);
    let ip = if host.contains(':') {
        IpAddr::V6(host.parse::<Ipv6Addr>().map_err(|_| UaddrError::Host)?)
    } else {
        IpAddr::V4(host.parse::<Ipv4Addr>().map_err(|_| UaddrError::Host)?)
    };
    Ok(SocketAddr::new(ip, port))
}

/// Digits only, unlike `u8::from_str`, which takes a sign.
fn port_byte(text: &str) -> Result<u8, UaddrError> {
    if text.len() > 3 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(UaddrError::Port);
    }
    text.parse().map_err(|_| UaddrError::Port)
}

impl fmt::Display for Uaddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => {
                let [high, low] = addr.port().to_be_bytes();
                write!(f, "{}.{high}.{low}", addr.ip())
            }
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Display for UaddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the universal address is empty",
            Self::Port => "a universal address ends with a port as two numbers from 0 to 255",
            Self::Host => "what precedes the port is not an IPv4 or IPv6 address",
        })
    }
}

impl StdError for UaddrError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Uaddr {
        Uaddr::Ip(text.parse().expect("a socket address"))
    }

    #[test]
    fn text_and_address_are_the_same() {
        let table = [
            ("127.0.0.1.0.111", ip("127.0.0.1:111"), Family::Inet),
            ("0.0.0.0.8.1", ip("0.0.0.0:2049"), Family::Inet),
            ("255.255.255.255.255.255", ip("255.255.255.255:65535"), Family::Inet),
            ("::1.0.111", ip("[::1]:111"), Family::Inet6),
            ("::.0.0", ip("[::]:0"), Family::Inet6),
            ("fe80::1.2.3", ip("[fe80::1]:515"), Family::Inet6),
            ("::ffff:192.0.2.1.2.188", ip("[::ffff:192.0.2.1]:700"), Family::Inet6),
            ("/run/rpcbind.sock", Uaddr::Unix("/run/rpcbind.sock".into()), Family::Loopback),
            ("@/run/rpcbind.sock", Uaddr::Unix("@/run/rpcbind.sock".into()), Family::Loopback),
        ];
        for (text, address, family) in table {
            assert_eq!(text.parse().as_ref(), Ok(&address), "{text}");
            assert_eq!(address.to_string(), text);
            assert_eq!(address.family(), family, "{text}");
        }
    }

    #[test]
    fn other_spellings_are_read() {
        assert_eq!("0:0:0:0:0:0:0:1.0.111".parse(), Ok(ip("[::1]:111")));
        assert_eq!("FE80::A.000.007".parse(), Ok(ip("[fe80::a]:7")));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let table = [
            ("", UaddrError::Empty),
            ("localhost", UaddrError::Port),
            ("0.111", UaddrError::Port),
            ("1.2.3.4.5", UaddrError::Host),
            ("1.2.3.4.0.256", UaddrError::Port),
            ("1.2.3.4.999.1", UaddrError::Port),
            ("1.2.3.4.0.", UaddrError::Port),
            ("1.2.3.4..1", UaddrError::Port),
            ("1.2.3.4.+1.1", UaddrError::Port),
            ("1.2.3.4.-1.1", UaddrError::Port),
            ("1.2.3.4.0.0001", UaddrError::Port),
            ("1.2.3.4.0. 1", UaddrError::Port),
            ("1.2.3.256.0.111", UaddrError::Host),
            ("1.2.3.4.5.6.7", UaddrError::Host),
            ("localhost.0.111", UaddrError::Host),
            ("fe80::1%eth0.0.111", UaddrError::Host),
            ("[::1].0.111", UaddrError::Host),
            (":::.0.111", UaddrError::Host),
        ];
        for (text, error) in table {
            assert_eq!(text.parse::<Uaddr>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_address_suits_the_transports_of_its_family() {
        let suiting = |address: &Uaddr| Netid::ALL.map(|netid| address.suits(netid));
        assert_eq!(suiting(&ip("1.2.3.4:5")), [true, true, false, false, false]);
        assert_eq!(suiting(&ip("[::1]:5")), [false, false, true, true, false]);
        assert_eq!(suiting(&Uaddr::Unix("/s".into())), [false, false, false, false, true]);
    }
}
