//! The networks of this host, for broadcasts.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};

/// The portmappers' group.
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x202);

/// Where to ask all hosts of this host's networks, or of one interface's. The loopback interface has
/// no such place.
pub(crate) fn list(name: Option<&str>, port: u16) -> Vec<SocketAddr> {
    let is_wanted =
        |interface: &InterfaceAddress| name.is_none_or(|name| interface.interface_name == name);
    let interfaces = getifaddrs().into_iter().flatten().filter(is_wanted);
    let mut found: Vec<_> = interfaces.filter_map(|interface| network(&interface, port)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn network(interface: &InterfaceAddress, port: u16) -> Option<SocketAddr> {
    let has = |flag| interface.flags.contains(flag);
    if !has(InterfaceFlags::IFF_UP) {
        return None;
    }
    if let Some(address) = interface.address?.as_sockaddr_in6() {
        let is_multicast = has(InterfaceFlags::IFF_MULTICAST);
        let index = if_nametoindex(interface.interface_name.as_str()).ok()?;
        let is_there = is_multicast && address.ip().is_unicast_link_local();
        return is_there.then(|| SocketAddrV6::new(GROUP, port, 0, index).into());
    }
    if !has(InterfaceFlags::IFF_BROADCAST) {
        return None;
    }
    let broadcast = interface.broadcast?;
    Some(SocketAddr::new(broadcast.as_sockaddr_in()?.ip().into(), port))
}
