//! The group that calls are broadcast to over IPv6.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv6Addr;

use socket2::{Domain, Socket, Type};

use crate::address::Interface;

/// The portmappers' group on a link (RFC 1833 §2.2.1; assigned by IANA).
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x202);

/// This host is in the group while the socket is open; what is sent there comes to the sockets that
/// serve.
pub(super) fn join(interfaces: &[Interface]) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
    let links = interfaces.iter().filter(|interface| interface.addr.is_ipv6());
    let links: BTreeSet<_> = links.map(|interface| interface.index).collect();
    for link in links {
        if let Err(error) = socket.join_multicast_v6(&GROUP, link) {
            log::debug!("no broadcasts of interface {link} are heard: {error}");
        }
    }
    Ok(socket)
}
