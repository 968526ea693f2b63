//! The sockets of a broadcast call.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::Error;
use crate::error::{Doing, Result};
use crate::xdr::Bytes;

/// The portmappers' group on a link (RFC 1833 §2.2.1; assigned by IANA).
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x202);

/// No datagram is larger.
const BUFFER: usize = 64 << 10;

/// Datagrams read in a row from one socket.
const BURST: usize = 64;

/// A socket for each family, and where to send with it.
#[derive(Debug)]
pub(super) struct Sockets {
    sockets: Vec<(UdpSocket, Vec<SocketAddr>)>,
}

impl Sockets {
    /// For `targets`, or for all of this host's networks if there are none.
    pub(super) fn open(targets: &[SocketAddr], port: u16) -> Result<Self> {
        let targets =
            if targets.is_empty() { networks(port).map_err(failed)? } else { targets.to_vec() };
        let (v4, v6): (Vec<_>, Vec<_>) = targets.into_iter().partition(SocketAddr::is_ipv4);
        let mut sockets = Vec::new();
        for (any, targets) in
            [(IpAddr::V4(Ipv4Addr::UNSPECIFIED), v4), (IpAddr::V6(Ipv6Addr::UNSPECIFIED), v6)]
        {
            if !targets.is_empty() {
                sockets.push((socket(any).map_err(failed)?, targets));
            }
        }
        if sockets.is_empty() {
            return Err(failed(io::ErrorKind::NetworkUnreachable.into()));
        }
        Ok(Self { sockets })
    }

    /// Sends the call everywhere. One network that is down keeps no other from being asked.
    pub(super) fn send(&self, v2: &Bytes, v3: &Bytes) {
        for (socket, targets) in &self.sockets {
            for target in targets {
                if target.is_ipv4() {
                    let _ = socket.send_to(v2, target);
                }
                let _ = socket.send_to(v3, target);
            }
        }
    }

    /// Waits for datagrams for at most `timeout`, and reads those that are there.
    pub(super) fn receive(&self, timeout: Duration, into: &mut VecDeque<(SocketAddr, Bytes)>) {
        let mut fds: Vec<PollFd<'_>> = self
            .sockets
            .iter()
            .map(|(socket, _)| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
            .collect();
        let millis = timeout.as_nanos().div_ceil(1_000_000);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        if poll(&mut fds, timeout).unwrap_or(0) == 0 {
            return;
        }
        let mut buffer = vec![0; BUFFER];
        for (socket, _) in &self.sockets {
            for _ in 0..BURST {
                let Ok((len, from)) = socket.recv_from(&mut buffer) else { break };
                into.push_back((from, Bytes::copy_from_slice(&buffer[..len])));
            }
        }
    }
}

fn failed(source: io::Error) -> Error {
    Error::Io { doing: Doing::Connect, source }
}

fn socket(any: IpAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.set_nonblocking(true)?;
    if any.is_ipv4() {
        socket.set_broadcast(true)?;
    }
    Ok(socket)
}

/// The broadcast address of every interface that is up and has one, the group on every one that is
/// up and speaks IPv6, and this host itself.
fn networks(port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut found = Vec::new();
    for interface in getifaddrs()? {
        if interface.flags.contains(InterfaceFlags::IFF_UP) {
            found.extend(target(&interface, port));
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn target(interface: &InterfaceAddress, port: u16) -> Option<SocketAddr> {
    let address = interface.address.as_ref()?;
    if let Some(v6) = address.as_sockaddr_in6() {
        let index = if_nametoindex(interface.interface_name.as_str()).ok()?;
        let is_link_local = v6.ip().is_unicast_link_local() || v6.ip().is_loopback();
        return is_link_local.then(|| SocketAddrV6::new(GROUP, port, 0, index).into());
    }
    let v4 = address.as_sockaddr_in()?;
    if interface.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
        return Some(SocketAddr::new(v4.ip().into(), port));
    }
    let broadcast = interface.broadcast.as_ref()?.as_sockaddr_in()?;
    Some(SocketAddr::new(broadcast.ip().into(), port))
}
