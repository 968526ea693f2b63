//! A UDP socket that calls come in on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use mio::net::UdpSocket;

use super::Scratch;
use super::stream::Next;
use crate::proto::record::Message;
use crate::proto::server::{Caller, ServerCore, Verdict};
use crate::service::Peer;
use crate::xdr::Encoder;

/// Datagrams of one socket before the others get their turn.
const DATAGRAMS_PER_TURN: usize = 64;

#[derive(Debug)]
pub(super) struct Datagrams {
    socket: UdpSocket,
    origin: u64,
    /// IPv4 peers have addresses of their own form on such a socket.
    ipv6: bool,
    readable: bool,
}

impl Datagrams {
    pub(super) fn new(socket: UdpSocket, origin: u64) -> io::Result<Self> {
        let ipv6 = socket.local_addr()?.is_ipv6();
        Ok(Self { socket, origin, ipv6, readable: true })
    }

    pub(super) fn socket(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    pub(super) fn handle_event(&mut self) {
        self.readable = true;
    }

    /// Receives, executes and answers, up to the budget of one turn.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        core: &mut ServerCore,
        scratch: &mut Scratch,
        out: &mut Encoder,
    ) -> Next {
        for _ in 0..DATAGRAMS_PER_TURN {
            match self.socket.recv_from(scratch.room()) {
                Ok((n, from)) => self.answer(now, core, scratch, out, (n, from)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Next::Wait;
                }
                // An earlier answer that could not be delivered is no news of this socket's.
                Err(_) => {}
            }
        }
        Next::Again
    }

    /// Sends an answer that was put off.
    pub(super) fn send(&self, reply: &Encoder, to: &Peer) {
        let Some(addr) = to.addr() else {
            return;
        };
        let addr = match addr.ip() {
            IpAddr::V4(ip) if self.ipv6 => (ip.to_ipv6_mapped(), addr.port()).into(),
            _ => addr,
        };
        self.transmit(reply, addr);
    }

    fn answer(
        &self,
        now: Instant,
        core: &mut ServerCore,
        scratch: &mut Scratch,
        out: &mut Encoder,
        (n, from): (usize, SocketAddr),
    ) {
        let canonical = SocketAddr::new(from.ip().to_canonical(), from.port());
        let peer = if from.ip() == canonical.ip() { from } else { canonical };
        let caller = Caller { peer: Peer::Udp(peer), origin: self.origin };
        out.clear();
        let verdict = scratch
            .with(n, |chunk| core.handle_message(now, caller, &Message::within(chunk, chunk), out));
        if verdict == Verdict::Reply {
            self.transmit(out, from);
        }
    }

    /// A datagram that cannot be sent is lost, as any may be: the caller asks again.
    fn transmit(&self, reply: &Encoder, to: SocketAddr) {
        let mut chunks = reply.chunks();
        let sent = match (chunks.next(), chunks.next()) {
            (Some(one), None) => self.socket.send_to(one, to),
            _ => {
                let whole: Vec<u8> = reply.chunks().flatten().copied().collect();
                self.socket.send_to(&whole, to)
            }
        };
        if let Err(error) = sent {
            log::debug!("cannot answer {to}: {error}");
        }
    }
}
