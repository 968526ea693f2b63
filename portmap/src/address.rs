//! Which address a caller is told for a service that is registered at all of the host's addresses.
//!
//! A service registers `0.0.0.0.8.1`. What helps a client is the address by which it reached this
//! host: the one that it gives as a hint, or else one in its own network. The choice is a function
//! of a list of interfaces; [`HostInterfaces`] is where the list comes from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use farcall::bind::Uaddr;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::SockaddrStorage;

/// An address of a network interface that is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// The address.
    pub addr: IpAddr,
    /// What of the address names the network, if the interface says so.
    pub mask: Option<IpAddr>,
    /// The interface's number, which is the scope of its link-local addresses.
    pub index: u32,
    /// Whether it is an interface to other hosts: neither loopback nor a tunnel to one other end.
    pub is_common: bool,
}

/// How well an interface suits; the first in the list wins among equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Any,
    Common,
    SameNetwork,
    Exact,
}

/// The address to tell a caller.
///
/// `registered` and `hint`, which may be empty, are universal addresses as they came. `None` if
/// they have nothing to do with the caller's address: a Unix socket, another family, a hint that
/// is none.
#[must_use]
pub fn merge(
    registered: &str,
    hint: &str,
    caller: Option<SocketAddr>,
    interfaces: &[Interface],
) -> Option<String> {
    let caller = caller?;
    let service = registered.parse::<Uaddr>().ok()?.ip()?;
    let hint = if hint.is_empty() { caller.ip() } else { host(hint)? };
    if service.is_ipv4() != caller.is_ipv4() || hint.is_ipv4() != caller.is_ipv4() {
        return None;
    }
    let addr = choose(hint, caller, interfaces)?;
    Some(Uaddr::Ip((addr, service.port()).into()).to_string())
}

/// Whatever stands for the port.
fn host(uaddr: &str) -> Option<IpAddr> {
    uaddr.rsplitn(3, '.').nth(2)?.parse().ok()
}

/// The address of the interface that suits best, if one has the family at all.
fn choose(hint: IpAddr, caller: SocketAddr, interfaces: &[Interface]) -> Option<IpAddr> {
    let same_family = interfaces.iter().filter(|i| i.addr.is_ipv4() == hint.is_ipv4());
    // `max_by_key` gives the last of equals.
    same_family.rev().max_by_key(|i| fit(i, hint, caller)).map(|i| i.addr)
}

fn fit(interface: &Interface, hint: IpAddr, caller: SocketAddr) -> Fit {
    if interface.addr == hint {
        Fit::Exact
    } else if is_in_network(interface, hint, caller) {
        Fit::SameNetwork
    } else if interface.is_common {
        Fit::Common
    } else {
        Fit::Any
    }
}

fn is_in_network(interface: &Interface, hint: IpAddr, caller: SocketAddr) -> bool {
    match (interface.addr, hint, caller) {
        // All links have the same network: only the scope tells them apart, and only the caller's
        // address has one.
        (IpAddr::V6(addr), IpAddr::V6(hint), SocketAddr::V6(caller))
            if addr.is_unicast_link_local()
                && hint.is_unicast_link_local()
                && caller.ip().is_unicast_link_local() =>
        {
            interface.index == caller.scope_id()
        }
        _ => interface.mask.is_some_and(|mask| {
            matches!((masked(interface.addr, mask), masked(hint, mask)), (Some(a), Some(b)) if a == b)
        }),
    }
}

fn masked(addr: IpAddr, mask: IpAddr) -> Option<u128> {
    match (addr, mask) {
        (IpAddr::V4(addr), IpAddr::V4(mask)) => Some(u128::from(addr.to_bits() & mask.to_bits())),
        (IpAddr::V6(addr), IpAddr::V6(mask)) => Some(addr.to_bits() & mask.to_bits()),
        _ => None,
    }
}

/// Where a service of this host is reached from here; `None` for an address of another host.
#[must_use]
pub fn on_this_host(registered: SocketAddr, interfaces: &[Interface]) -> Option<SocketAddr> {
    let ip = registered.ip();
    let ip = match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        _ => ip,
    };
    let is_here = ip.is_loopback() || interfaces.iter().any(|interface| interface.addr == ip);
    is_here.then(|| SocketAddr::new(ip, registered.port()))
}

/// How long a list of interfaces is good for: a lookup must not cost a walk over them.
const LIST_AGE: Duration = Duration::from_secs(1);

/// The interfaces of this host.
#[derive(Debug, Default)]
pub struct HostInterfaces(Mutex<Option<(Instant, Arc<[Interface]>)>>);

impl HostInterfaces {
    /// The interfaces that are up, as they were a second ago at most. None if the system does not
    /// tell.
    #[must_use]
    pub fn list(&self) -> Arc<[Interface]> {
        // A panic elsewhere leaves at worst an old list.
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*list {
            Some((since, interfaces)) if since.elapsed() < LIST_AGE => Arc::clone(interfaces),
            _ => {
                let interfaces = read_interfaces();
                *list = Some((Instant::now(), Arc::clone(&interfaces)));
                interfaces
            }
        }
    }
}

fn read_interfaces() -> Arc<[Interface]> {
    match getifaddrs() {
        Ok(addresses) => addresses.filter_map(|address| interface(&address)).collect(),
        Err(errno) => {
            log::warn!("cannot list the network interfaces: {errno}");
            Arc::default()
        }
    }
}

fn interface(address: &InterfaceAddress) -> Option<Interface> {
    if !address.flags.contains(InterfaceFlags::IFF_UP) {
        return None;
    }
    let uncommon = InterfaceFlags::IFF_LOOPBACK | InterfaceFlags::IFF_POINTOPOINT;
    Some(Interface {
        addr: ip(address.address.as_ref()?)?,
        mask: address.netmask.as_ref().and_then(ip),
        index: if_nametoindex(address.interface_name.as_str()).unwrap_or(0),
        is_common: !address.flags.intersects(uncommon),
    })
}

fn ip(addr: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = addr.as_sockaddr_in().map(|addr| IpAddr::V4(addr.ip()));
    v4.or_else(|| addr.as_sockaddr_in6().map(|addr| IpAddr::V6(addr.ip())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(addr: &str, mask: &str, index: u32, is_common: bool) -> Interface {
        let ip = |text: &str| text.parse().expect("an IP address");
        Interface { addr: ip(addr), mask: Some(ip(mask)), index, is_common }
    }

    fn host() -> [Interface; 9] {
        let (mask8, mask16, mask24) = ("255.0.0.0", "255.255.0.0", "255.255.255.0");
        let mask64 = "ffff:ffff:ffff:ffff::";
        let all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        [
            interface("127.0.0.1", mask8, 1, false),
            interface("10.8.0.2", "255.255.255.255", 4, false),
            interface("192.0.2.7", mask24, 2, true),
            interface("10.1.0.7", mask16, 3, true),
            interface("::1", all, 1, false),
            interface("2001:db8::7", mask64, 2, true),
            interface("fe80::7", mask64, 2, true),
            interface("2001:db8:1::7", mask64, 3, true),
            interface("fe80::7:3", mask64, 3, true),
        ]
    }

    #[test]
    fn a_caller_is_told_the_address_that_it_can_reach() {
        let table = [
            // registered, hint, caller, told
            ("0.0.0.0.8.1", "192.0.2.7.0.111", "192.0.2.99:900", Some("192.0.2.7.8.1")),
            ("0.0.0.0.8.1", "10.1.0.7.0.111", "192.0.2.99:900", Some("10.1.0.7.8.1")),
            ("0.0.0.0.8.1", "10.8.0.2.0.111", "192.0.2.99:900", Some("10.8.0.2.8.1")),
            ("0.0.0.0.8.1", "127.0.0.1.0.111", "127.0.0.1:900", Some("127.0.0.1.8.1")),
            // No hint: the network that the caller is in.
            ("0.0.0.0.8.1", "", "10.1.77.1:900", Some("10.1.0.7.8.1")),
            ("0.0.0.0.8.1", "", "127.0.0.9:900", Some("127.0.0.1.8.1")),
            // From elsewhere: the first common one.
            ("0.0.0.0.8.1", "", "203.0.113.1:900", Some("192.0.2.7.8.1")),
            ("0.0.0.0.8.1", "203.0.113.9.0.111", "203.0.113.1:900", Some("192.0.2.7.8.1")),
            ("0.0.0.0.8.1", "0.0.0.0.0.111", "203.0.113.1:900", Some("192.0.2.7.8.1")),
            // As rpcbind, which does not look at what was registered beside the port.
            ("10.1.0.7.8.1", "192.0.2.7.0.111", "192.0.2.99:900", Some("192.0.2.7.8.1")),
            // C libraries read any port.
            ("0.0.0.0.8.1", "192.0.2.7.999.", "192.0.2.99:900", Some("192.0.2.7.8.1")),
            // No hint that helps.
            ("0.0.0.0.8.1", "zz", "192.0.2.99:900", None),
            ("0.0.0.0.8.1", "::1.0.111", "192.0.2.99:900", None),
            ("0.0.0.0.8.1", "/run/rpcbind.sock", "192.0.2.99:900", None),
            // Not an IP address, or of another family.
            ("garbage", "192.0.2.7.0.111", "192.0.2.99:900", None),
            ("/tmp/s", "192.0.2.7.0.111", "192.0.2.99:900", None),
            ("::.8.1", "192.0.2.7.0.111", "192.0.2.99:900", None),
            ("", "192.0.2.7.0.111", "192.0.2.99:900", None),
            // IPv6
            ("::.8.1", "::1.0.111", "[::1]:900", Some("::1.8.1")),
            ("::.8.1", "", "[2001:db8:1::99]:900", Some("2001:db8:1::7.8.1")),
            ("::.8.1", "", "[2001:db8:2::99]:900", Some("2001:db8::7.8.1")),
            // Link-local: by the scope of the caller, which the hint does not have.
            ("::.8.1", "fe80::55.0.111", "[fe80::99%3]:900", Some("fe80::7:3.8.1")),
            ("::.8.1", "fe80::55.0.111", "[fe80::99%2]:900", Some("fe80::7.8.1")),
            ("::.8.1", "", "[fe80::99%3]:900", Some("fe80::7:3.8.1")),
        ];
        for (registered, hint, caller, told) in table {
            let caller = caller.parse().expect("a socket address");
            let merged = merge(registered, hint, Some(caller), &host());
            assert_eq!(merged.as_deref(), told, "{registered} {hint} {caller}");
        }
    }

    #[test]
    fn t21_a_service_of_another_host_is_not_reached() {
        let table = [
            ("0.0.0.0:2049", Some("127.0.0.1:2049")),
            ("[::]:2049", Some("[::1]:2049")),
            ("127.0.0.1:2049", Some("127.0.0.1:2049")),
            ("127.0.0.2:2049", Some("127.0.0.2:2049")),
            ("192.0.2.7:2049", Some("192.0.2.7:2049")),
            ("[2001:db8::7]:2049", Some("[2001:db8::7]:2049")),
            ("192.0.2.8:2049", None),
            ("192.0.2.255:2049", None),
            ("255.255.255.255:2049", None),
            ("224.0.0.1:2049", None),
            ("[2001:db8::8]:2049", None),
            ("[ff02::202]:2049", None),
            ("[::ffff:192.0.2.7]:2049", None),
        ];
        for (registered, reached) in table {
            let addr = |text: &str| text.parse::<SocketAddr>().expect("a socket address");
            assert_eq!(on_this_host(addr(registered), &host()), reached.map(addr), "{registered}");
        }
    }

    #[test]
    fn a_caller_on_a_unix_socket_is_in_no_network() {
        assert_eq!(merge("0.0.0.0.8.1", "192.0.2.7.0.111", None, &host()), None);
        assert_eq!(merge("/tmp/s", "", None, &host()), None);
    }

    #[test]
    fn without_interfaces_there_is_none() {
        let caller = "192.0.2.99:900".parse().ok();
        assert_eq!(merge("0.0.0.0.8.1", "192.0.2.7.0.111", caller, &[]), None);
    }

    #[test]
    fn this_host_has_a_loopback_interface() {
        let list = HostInterfaces::default().list();
        let loopback = list.iter().find(|i| i.addr.is_loopback() && i.addr.is_ipv4());
        assert!(loopback.is_some_and(|i| !i.is_common && i.index > 0), "{list:?}");
    }
}
