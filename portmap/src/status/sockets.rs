//! The ports that anybody on this host has, by what the kernel lists. Nothing is bound to find
//! out, so that no service can find its port taken by a look at it.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fs::File;
use std::hash::Hash;
use std::io::{self, Read};

use farcall::Netid;
use farcall::bind::Uaddr;

use crate::registry::Entry;

/// Of this process's network. Not by way of /proc/net, which a unit may hide.
/// A longer list is not read: of connections there may be millions.
const MAX_LIST: u64 = 8 << 20;

/// The state of a TCP socket that listens.
const LISTEN: &str = "0A";

/// The flags of a Unix socket that listens.
const LISTENING: &str = "00010000";

/// Whether somebody has the address of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// Somebody on this host has its port.
    Served,
    /// Nobody has.
    Gone,
    /// It has no port, or the system does not say.
    Unknown,
}

impl Health {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
        }
    }
}

/// The ports by transport, and paths; `None` if they are not known.
#[derive(Debug, Default)]
pub(super) struct Ports {
    udp: Option<HashSet<u16>>,
    tcp: Option<HashSet<u16>>,
    paths: Option<HashSet<String>>,
}

impl Ports {
    pub(super) fn of_this_host() -> Self {
        let both = |name: &str| {
            let mut ports = read(&format!("/proc/self/net/{name}")).ok()?;
            // A socket of IPv6 may serve IPv4 too. A host without IPv6 has no such list.
            ports.extend(read(&format!("/proc/self/net/{name}6")).unwrap_or_default());
            Some(ports)
        };
        let paths = list("/proc/self/net/unix").ok().map(|text| paths(&text));
        Self { udp: both("udp"), tcp: both("tcp"), paths }
    }

    pub(super) fn health(&self, entry: &Entry) -> Health {
        let ports = match Netid::from_name(&entry.netid.to_ascii_lowercase()) {
            Some(Netid::Udp | Netid::Udp6) => &self.udp,
            Some(Netid::Tcp | Netid::Tcp6) => &self.tcp,
            Some(Netid::Local) => return health(self.paths.as_ref(), &entry.address),
            _ => return Health::Unknown,
        };
        match entry.address.parse() {
            Ok(Uaddr::Ip(addr)) => health(ports.as_ref(), &addr.port()),
            _ => Health::Unknown,
        }
    }
}

fn health<K: Borrow<Q> + Eq + Hash, Q: Eq + Hash + ?Sized>(
    all: Option<&HashSet<K>>,
    one: &Q,
) -> Health {
    match all {
        Some(all) if all.contains(one) => Health::Served,
        Some(_) => Health::Gone,
        None => Health::Unknown,
    }
}

fn read(path: &str) -> io::Result<HashSet<u16>> {
    Ok(ports(&list(path)?, path.contains("tcp")))
}

fn list(path: &str) -> io::Result<String> {
    let mut text = Vec::new();
    let len = File::open(path)?.take(MAX_LIST).read_to_end(&mut text)?;
    if len as u64 == MAX_LIST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    // A socket's path may be any bytes. That of a registration is text.
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Of lines such as `0: 0100007F:006F 00000000:0000 0A ...`, after one of titles.
fn ports(text: &str, listening: bool) -> HashSet<u16> {
    let port = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
        let (_, port) = local.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        (!listening || state == LISTEN).then_some(port)
    };
    text.lines().skip(1).filter_map(port).collect()
}

/// Of lines such as `0000: 00000002 00000000 00010000 0001 01 12345 /run/x.sock`, after one of
/// titles; the fourth word is of a socket that listens.
fn paths(text: &str) -> HashSet<String> {
    let path = |line: &str| {
        let mut words = line.splitn(8, ' ');
        let listens = words.nth(3)? == LISTENING;
        let path = words.nth(3)?;
        let path = path.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit());
        (listens && path.starts_with('/')).then(|| path.to_owned())
    };
    text.lines().skip(1).filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn lists_of_the_kernel_are_read() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue\n\
                    0: 0100007F:006F 00000000:0000 0A 00000000:00000000 00:00000000\n\
                    1: 00000000000000000000000001000000:0801 0000:0000 01 0:0 0:0\n\
                    2: nonsense\n";
        assert_eq!(ports(text, true), HashSet::from([111]));
        assert_eq!(ports(text, false), HashSet::from([111, 2049]));
        let text = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/x y.sock\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01  2345 /run/z.sock\n\
                    0000000000000000: 00000003 00000000 00000000 0001 03  7 /run/connected\n\
                    0000000000000000: 00000003 00000000 00000000 0001 03  7\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01 99 @abstract\n";
        let listening = ["/run/x y.sock", "/run/z.sock"].map(str::to_owned);
        assert_eq!(paths(text), HashSet::from(listening));
    }

    #[test]
    fn paths_of_any_bytes_hide_no_others() {
        let folder = std::env::temp_dir().join(format!("farcall-paths-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let names = [&b"\xff\xfe"[..], b"line\nbreak", b"usual"].map(OsStr::from_bytes);
        let sockets = names.map(|name| UnixListener::bind(folder.join(name)).expect("a path"));
        let paths = Ports::of_this_host().paths.expect("a list");
        assert!(paths.contains(&folder.join("usual").display().to_string()), "{paths:?}");
        drop(sockets);
        std::fs::remove_dir_all(folder).expect("ours");
    }

    #[test]
    fn a_port_is_served_while_somebody_has_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let [high, low] = port.to_be_bytes();
        let entry = |netid: &str, address: String| Entry {
            program: farcall::Program(1),
            version: farcall::Version(1),
            netid: netid.to_owned(),
            address,
            owner: crate::access::Owner::Superuser,
        };
        let tcp = entry("tcp", format!("127.0.0.1.{high}.{low}"));
        assert_eq!(Ports::of_this_host().health(&tcp), Health::Served);
        let none = Ports { tcp: Some(HashSet::new()), ..Ports::default() };
        assert_eq!(none.health(&tcp), Health::Gone);
        assert_eq!(Ports::default().health(&tcp), Health::Unknown);
        let other = entry("ticlts", "/run/x".to_owned());
        assert_eq!(Ports::of_this_host().health(&other), Health::Unknown);
        let local = entry("local", "/no/such/socket".to_owned());
        assert_eq!(Ports::of_this_host().health(&local), Health::Gone);
        assert_eq!(Ports::default().health(&local), Health::Unknown);
    }
}
