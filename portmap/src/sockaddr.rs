//! Socket addresses as this host has them in memory, which UADDR2TADDR and TADDR2UADDR carry
//! (RFC 1833 §2.2.1): of use only to callers on hosts of the same kind.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

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

/// The socket address of a universal address of a family, and the size of the C type that holds it,
/// as C libraries read the text: a port's halves are whatever number they begin with. `None` for
/// what is none.
#[must_use]
pub fn from_text(text: &str, family: Family) -> Option<(usize, Vec<u8>)> {
    if family == Family::Loopback {
        let path = if text.starts_with('/') { text } else { host_and_port(text)?.0 };
        return Some((UNIX_LEN, unix(path)));
    }
    let (host, port) = host_and_port(text)?;
    if family == Family::Inet {
        Some((INET_LEN, inet(SocketAddrV4::new(host.parse().ok()?, port))))
    } else {
        Some((INET6_LEN, inet6(SocketAddrV6::new(host.parse().ok()?, port, 0, 0))))
    }
}

/// The universal address of a socket address of a family. `None` for what is none.
#[must_use]
pub fn to_text(native: &[u8], family: Family) -> Option<String> {
    match family {
        Family::Inet => from_inet(native),
        Family::Inet6 => from_inet6(native),
        Family::Loopback => from_unix(native),
    }
}

fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (rest, low) = text.rsplit_once('.')?;
    let (host, high) = rest.rsplit_once('.')?;
    let [.., high_half, low_half] =
        ((leading_number(high) << 8) | leading_number(low)).to_be_bytes();
    Some((host, u16::from_be_bytes([high_half, low_half])))
}

/// As `atoi` of C.
fn leading_number(text: &str) -> i32 {
    let text = text.trim_start();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.bytes().take_while(u8::is_ascii_digit);
    let number =
        digits.fold(0_i32, |n, digit| n.wrapping_mul(10).wrapping_add((digit - b'0').into()));
    number.wrapping_mul(sign)
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

fn unix(path: &str) -> Vec<u8> {
    let mut native = begin(AF_UNIX, UNIX_LEN);
    // With a zero after it.
    native.extend(path.bytes().take(UNIX_LEN - FAMILY_LEN - 1));
    native
}

fn from_inet(native: &[u8]) -> Option<String> {
    let [_, _, p1, p2, a, b, c, d, ..] = *native.get(..INET_LEN)? else { return None };
    let addr = SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([p1, p2]));
    Some(Uaddr::Ip(addr.into()).to_string())
}

fn from_inet6(native: &[u8]) -> Option<String> {
    let native = native.get(..INET6_LEN)?;
    let port = u16::from_be_bytes(native.get(2..4)?.try_into().ok()?);
    let octets: [u8; 16] = native.get(8..24)?.try_into().ok()?;
    Some(Uaddr::Ip(SocketAddrV6::new(Ipv6Addr::from(octets), port, 0, 0).into()).to_string())
}

fn from_unix(native: &[u8]) -> Option<String> {
    let path = native.get(FAMILY_LEN..)?.split(|&byte| byte == 0).next()?;
    Some(String::from_utf8_lossy(path).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(target_os = "linux", target_endian = "little"))]
    #[test]
    fn the_bytes_are_those_of_linux() {
        // As Debian's rpcbind answers.
        let inet = b"\x02\0\0\x6f\x01\x02\x03\x04\0\0\0\0\0\0\0\0".to_vec();
        assert_eq!(from_text("1.2.3.4.0.111", Family::Inet), Some((16, inet)));
        let mut inet6 = b"\x0a\0\0\x6f".to_vec();
        inet6.extend([0; 19]);
        inet6.extend([1, 0, 0, 0, 0]);
        assert_eq!(from_text("::1.0.111", Family::Inet6), Some((28, inet6)));
        let unix = b"\x01\0/tmp/abc".to_vec();
        assert_eq!(from_text("/tmp/abc", Family::Loopback), Some((110, unix)));
    }

    #[test]
    fn both_ways_give_the_same() {
        let table = [
            ("1.2.3.4.0.111", Family::Inet),
            ("0.0.0.0.0.0", Family::Inet),
            ("2001:db8::7.8.1", Family::Inet6),
            ("/tmp/abc", Family::Loopback),
        ];
        for (text, family) in table {
            let (_, native) = from_text(text, family).expect("an address");
            assert_eq!(to_text(&native, family).as_deref(), Some(text));
        }
    }

    #[test]
    fn text_is_read_as_c_reads_it() {
        let table = [
            ("1.2.3.4.1.300", Family::Inet, Some("1.2.3.4.1.44")),
            ("1.2.3.4.256.1", Family::Inet, Some("1.2.3.4.0.1")),
            ("1.2.3.4.0.-1", Family::Inet, Some("1.2.3.4.255.255")),
            ("1.2.3.4. 8.+1x", Family::Inet, Some("1.2.3.4.8.1")),
            ("1.2.3.4.x.99999999999999999999", Family::Inet, Some("1.2.3.4.255.255")),
            ("1.2.3.4", Family::Inet, None),
            ("::1.0.111", Family::Inet, None),
            ("1.2.3.4.0.111", Family::Inet6, None),
            ("1.2.3.4.0.111", Family::Loopback, Some("1.2.3.4")),
            ("name", Family::Loopback, None),
            ("", Family::Loopback, None),
        ];
        for (text, family, expected) in table {
            let native = from_text(text, family).map(|(_, native)| native);
            let read = native.and_then(|native| to_text(&native, family));
            assert_eq!(read.as_deref(), expected, "{text:?} {family}");
        }
    }

    #[test]
    fn what_is_too_short_or_too_long_is_cut_or_no_address() {
        for len in 0..INET_LEN {
            assert_eq!(to_text(&[1; 40][..len], Family::Inet), None, "{len}");
        }
        for len in 0..INET6_LEN {
            assert_eq!(to_text(&[1; 40][..len], Family::Inet6), None, "{len}");
        }
        for native in [&b""[..], b"\x01"] {
            assert_eq!(to_text(native, Family::Loopback), None, "{native:?}");
        }
        for native in [&b"\x01\0"[..], b"\x01\0\0", b"\x01\0\0x"] {
            assert_eq!(to_text(native, Family::Loopback).as_deref(), Some(""), "{native:?}");
        }
        let path = format!("/{}", "p".repeat(200));
        let (_, native) = from_text(&path, Family::Loopback).expect("a path");
        assert_eq!(native.len(), 109);
    }
}
