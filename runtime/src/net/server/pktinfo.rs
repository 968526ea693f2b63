//! Datagrams by the batch, with the address that each was sent to.
//!
//! A socket on all of a host's addresses would answer from the one that the route out has, and a
//! client that compares addresses would drop the answer.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};

use nix::cmsg_space;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg,
    sendmmsg, sendmsg, setsockopt,
};

use crate::net::scratch::Scratch;

/// A datagram that was received.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived {
    /// Its length.
    pub(super) len: usize,
    /// Its source.
    pub(super) from: SocketAddr,
    /// The address that it was sent to, if that was asked for and is one to answer from.
    pub(super) local: Option<IpAddr>,
}

/// Has the system tell the address that datagrams were sent to.
pub(super) fn enable(socket: &impl AsFd, ipv6: bool) -> io::Result<()> {
    let enabled = if ipv6 {
        setsockopt(&socket.as_fd(), Ipv6RecvPacketInfo, &true)
    } else {
        setsockopt(&socket.as_fd(), Ipv4PacketInfo, &true)
    };
    Ok(enabled?)
}

/// Receives as many datagrams as there are and as there is room for, one to a buffer.
pub(super) fn receive(
    socket: &impl AsRawFd,
    buffers: &mut [Scratch],
    told: bool,
    arrived: &mut Vec<Option<Arrived>>,
) -> io::Result<()> {
    let control = told.then(|| cmsg_space!(in6_pktinfo));
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(buffers.len(), control);
    let mut slices: Vec<_> =
        buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer.room())]).collect();
    let flags = MsgFlags::empty();
    let messages = recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None)?;
    arrived.extend(messages.map(|message| {
        let from = message.address.as_ref().and_then(to_std)?;
        let local = message.cmsgs().ok()?.find_map(|told| destination(&told));
        Some(Arrived { len: message.bytes, from, local })
    }));
    Ok(())
}

/// Sends datagrams of one piece each, all from one of the host's addresses if it is given. Says how
/// many the system took: an error is that of the one after them.
pub(super) fn send_all(
    socket: &impl AsRawFd,
    datagrams: &[(&[u8], SocketAddr)],
    from: Option<IpAddr>,
) -> io::Result<usize> {
    let slices: Vec<_> = datagrams.iter().map(|(bytes, _)| [IoSlice::new(bytes)]).collect();
    let to: Vec<_> = datagrams.iter().map(|&(_, to)| Some(SockaddrStorage::from(to))).collect();
    let fd = socket.as_raw_fd();
    with_source(from, |control| {
        let room = match control {
            [] => None,
            [ControlMessage::Ipv4PacketInfo(_), ..] => Some(cmsg_space!(in_pktinfo)),
            _ => Some(cmsg_space!(in6_pktinfo)),
        };
        let mut headers = MultiHeaders::preallocate(slices.len(), room);
        let sent = sendmmsg(fd, &mut headers, slices.iter(), &to, control, MsgFlags::empty())?;
        Ok(sent.count())
    })
}

/// Sends a datagram from one of the host's addresses.
pub(super) fn send(
    socket: &impl AsRawFd,
    bytes: &[u8],
    to: SocketAddr,
    from: IpAddr,
) -> io::Result<usize> {
    let to = SockaddrStorage::from(to);
    let (fd, flags, slices) = (socket.as_raw_fd(), MsgFlags::empty(), [IoSlice::new(bytes)]);
    with_source(Some(from), |control| Ok(sendmsg(fd, &slices, control, flags, Some(&to))?))
}

/// Calls `send` with what has the system take `from` as the source.
fn with_source<R>(from: Option<IpAddr>, send: impl FnOnce(&[ControlMessage<'_>]) -> R) -> R {
    match from {
        None => send(&[]),
        Some(IpAddr::V4(ip)) => {
            let ipi_spec_dst = in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
            let none = in_addr { s_addr: 0 };
            let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst, ipi_addr: none };
            send(&[ControlMessage::Ipv4PacketInfo(&info)])
        }
        Some(IpAddr::V6(ip)) => {
            let ipi6_addr = in6_addr { s6_addr: ip.octets() };
            let info = in6_pktinfo { ipi6_addr, ipi6_ifindex: 0 };
            send(&[ControlMessage::Ipv6PacketInfo(&info)])
        }
    }
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
