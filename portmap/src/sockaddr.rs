//! Socket addresses as this host has them in memory, which UADDR2TADDR and TADDR2UADDR carry
//! (RFC 1833 §2.2.1): of use only to callers on hosts of the same kind.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use farcall::bind::{Family, Uaddr};
use nix::libc::{AF_INET, AF_INET6, AF_UNIX, sa_family_t};

/// `sizeof(struct sockaddr_in)`.
const INET_LEN: usize = 16;
/// `sizeof(struct sockaddr_in6)`.
const INET6_LEN: usize = 28;
/// `sizeof(struct sockaddr_un)`.
const UNIX_LEN: usize = 110;
/// Where a path begins, and where a port does.
const FAMILY_LEN: usize = size_of::<sa_family_t>();

/// The socket address, and the size of the C type that holds it. `None` for a path that does not
/// fit.
#[must_use]
pub fn to_native(address: &Uaddr) -> Option<(usize, Vec<u8>)> {
    match address {
        Uaddr::Ip(SocketAddr::V4(addr)) => Some((INET_LEN, inet(*addr))),
        Uaddr::Ip(SocketAddr::V6(addr)) => Some((INET6_LEN, inet6(*addr))),
        Uaddr::Unix(path) => Some((UNIX_LEN, unix(path)?)),
    }
}

/// The universal address of a socket address of a family. `None` for what is none.
#[must_use]
pub fn from_native(native: &[u8], family: Family) -> Option<Uaddr> {
    match family {
        Family::Inet => from_inet(native),
        Family::Inet6 => from_inet6(native),
        Family::Loopback => from_unix(native),
    }
}

fn begin(family: i32, len: usize) -> Vec<u8> {
    let mut native = Vec::with_capacity(len);
    // The constants are small numbers.
    let family = sa_family_t::try_from(family).unwrap_or_default();
    native.extend(family.to_ne_bytes());
    native
}

fn inet(addr: SocketAddrV4) -> Vec<u8> {
    let mut native = begin(AF_INET, INET_LEN);
    native.extend(addr.port().to_be_bytes());
    native.extend(addr.ip().octets());
    native.resize(INET_LEN, 0);
    native
}

fn inet6(addr: SocketAddrV6) -> Vec<u8> {
    let mut native = begin(AF_INET6, INET6_LEN);
    native.extend(addr.port().to_be_bytes());
    native.extend(addr.flowinfo().to_ne_bytes());
    native.extend(addr.ip().octets());
    native.extend(addr.scope_id().to_ne_bytes());
    native
}

fn unix(path: &Path) -> Option<Vec<u8>> {
    let mut native = begin(AF_UNIX, UNIX_LEN);
    let path = path.as_os_str().as_bytes();
    match path.strip_prefix(b"@") {
        Some(name) => {
            native.push(0);
            native.extend(name);
        }
        None => native.extend(path),
    }
    (native.len() < UNIX_LEN).then_some(native)
}

fn from_inet(native: &[u8]) -> Option<Uaddr> {
    let [_, _, p1, p2, a, b, c, d, ..] = *native.get(..INET_LEN)? else { return None };
    let port = u16::from_be_bytes([p1, p2]);
    Some(Uaddr::Ip(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port).into()))
}

fn from_inet6(native: &[u8]) -> Option<Uaddr> {
    let native = native.get(..INET6_LEN)?;
    let port = u16::from_be_bytes(native.get(2..4)?.try_into().ok()?);
    let octets: [u8; 16] = native.get(8..24)?.try_into().ok()?;
    Some(Uaddr::Ip(SocketAddrV6::new(Ipv6Addr::from(octets), port, 0, 0).into()))
}

fn from_unix(native: &[u8]) -> Option<Uaddr> {
    let path = native.get(FAMILY_LEN..)?;
    let (prefix, path) = match path.strip_prefix(b"\0") {
        Some(name) => (&b"@"[..], name),
        None => (&b""[..], path),
    };
    let end = path.iter().position(|&b| b == 0).unwrap_or(path.len());
    let text = [prefix, path.get(..end)?].concat();
    (text.len() > prefix.len()).then(|| Uaddr::Unix(PathBuf::from(OsStr::from_bytes(&text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uaddr(text: &str) -> Uaddr {
        text.parse().expect("a universal address")
    }

    #[cfg(all(target_os = "linux", target_endian = "little"))]
    #[test]
    fn the_bytes_are_those_of_linux() {
        // As Debian's rpcbind answers.
        let inet = b"\x02\0\0\x6f\x01\x02\x03\x04\0\0\0\0\0\0\0\0".to_vec();
        assert_eq!(to_native(&uaddr("1.2.3.4.0.111")), Some((16, inet)));
        let mut inet6 = b"\x0a\0\0\x6f".to_vec();
        inet6.extend([0; 19]);
        inet6.extend([1, 0, 0, 0, 0]);
        assert_eq!(to_native(&uaddr("::1.0.111")), Some((28, inet6)));
        assert_eq!(to_native(&uaddr("/tmp/abc")), Some((110, b"\x01\0/tmp/abc".to_vec())));
    }

    #[test]
    fn both_ways_give_the_same() {
        for text in ["1.2.3.4.0.111", "0.0.0.0.0.0", "2001:db8::7.8.1", "/tmp/abc", "@name"] {
            let (_, native) = to_native(&uaddr(text)).expect("short enough");
            assert_eq!(from_native(&native, uaddr(text).family()), Some(uaddr(text)));
        }
    }

    #[test]
    fn what_is_too_short_or_too_long_is_no_address() {
        for len in 0..INET_LEN {
            assert_eq!(from_native(&[1; 40][..len], Family::Inet), None, "{len}");
        }
        for len in 0..INET6_LEN {
            assert_eq!(from_native(&[1; 40][..len], Family::Inet6), None, "{len}");
        }
        for native in [&b""[..], b"\x01", b"\x01\0", b"\x01\0\0", b"\x01\0\0\0x"] {
            assert_eq!(from_native(native, Family::Loopback), None, "{native:?}");
        }
        let path = |len: usize| Uaddr::Unix(format!("/{}", "p".repeat(len - 1)).into());
        assert!(to_native(&path(107)).is_some());
        assert_eq!(to_native(&path(108)), None);
    }
}
