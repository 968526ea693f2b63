//! Whether anybody has the address of a registration.

use std::io;
use std::net::SocketAddr;

use farcall::bind::Uaddr;
use socket2::{Domain, Socket, Type};

use crate::registry::Entry;

/// Whether it is certain that nobody on this host has the address: it could be bound. What is no
/// IP address, or needs a privilege that is missing, is not certain.
pub(crate) fn is_dead(entry: &Entry) -> bool {
    let ty = match entry.netid.to_ascii_lowercase().as_str() {
        "udp" | "udp6" => Type::DGRAM,
        "tcp" | "tcp6" => Type::STREAM,
        _ => return false,
    };
    let Ok(Uaddr::Ip(addr)) = entry.address.parse() else { return false };
    addr.port() != 0 && bind(addr, ty).is_ok()
}

fn bind(addr: SocketAddr, ty: Type) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(addr), ty, None)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if ty == Type::STREAM {
        // A listener is in the way nevertheless; connections that a dead one has left are not.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&addr.into())
}
