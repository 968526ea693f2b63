//! Which of a host's addresses a datagram was sent to, and answering from there.
//!
//! A socket on all addresses would answer from the one that the route out has, and a client that
//! compares addresses would drop the answer.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
};

/// Has the system tell the address that datagrams were sent to.
pub(super) fn enable(socket: &impl AsFd, ipv6: bool) -> io::Result<()> {
    let enabled = if ipv6 {
        setsockopt(&socket.as_fd(), Ipv6RecvPacketInfo, &true)
    } else {
        setsockopt(&socket.as_fd(), Ipv4PacketInfo, &true)
    };
    Ok(enabled?)
}

/// Room for what the system tells.
pub(super) fn room() -> Vec<u8> {
    cmsg_space!(in6_pktinfo)
}

/// Receives a datagram: its length, its source, and the address that it was sent to if that is one
/// to answer from.
pub(super) fn receive(
    socket: &impl AsRawFd,
    into: &mut [u8],
    control: &mut [u8],
) -> io::Result<(usize, SocketAddr, Option<IpAddr>)> {
    let mut slices = [IoSliceMut::new(into)];
    let flags = MsgFlags::empty();
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(control), flags)?;
    let from = message.address.as_ref().and_then(to_std).ok_or(Errno::EAFNOSUPPORT)?;
    let local = message.cmsgs()?.find_map(|told| destination(&told));
    Ok((message.bytes, from, local))
}

/// Sends a datagram from one of the host's addresses.
pub(super) fn send(
    socket: &impl AsRawFd,
    chunks: &[IoSlice<'_>],
    to: SocketAddr,
    from: IpAddr,
) -> io::Result<usize> {
    let to = SockaddrStorage::from(to);
    let send = |control: ControlMessage<'_>| {
        sendmsg(socket.as_raw_fd(), chunks, &[control], MsgFlags::empty(), Some(&to))
    };
    Ok(match from {
        IpAddr::V4(ip) => {
            let ipi_spec_dst = in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
            let none = in_addr { s_addr: 0 };
            let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst, ipi_addr: none };
            send(ControlMessage::Ipv4PacketInfo(&info))
        }
        IpAddr::V6(ip) => {
            let ipi6_addr = in6_addr { s6_addr: ip.octets() };
            send(ControlMessage::Ipv6PacketInfo(&in6_pktinfo { ipi6_addr, ipi6_ifindex: 0 }))
        }
    }?)
}

fn destination(told: &ControlMessageOwned) -> Option<IpAddr> {
    match told {
        // Of a broadcast it is the address of the interface.
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
            (!ip.is_multicast()).then_some(ip.into())
        }
        _ => None,
    }
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|sin| SocketAddrV4::from(*sin).into());
    v4.or_else(|| address.as_sockaddr_in6().map(|sin| SocketAddrV6::from(*sin).into()))
}
