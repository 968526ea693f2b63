//! A UDP socket that calls come in on.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use mio::net::UdpSocket;

use super::stream::Next;
use super::{Scratch, pktinfo};
use crate::proto::record::Message;
use crate::proto::server::{Caller, ServerCore, Verdict};
use crate::service::PeerAddr;
use crate::xdr::Encoder;

/// Datagrams of one socket before the others get their turn.
const DATAGRAMS_PER_TURN: usize = 64;

#[derive(Debug)]
pub(super) struct Datagrams {
    socket: UdpSocket,
    origin: u64,
    /// IPv4 peers have addresses of their own form on such a socket.
    ipv6: bool,
    /// Room for what the system tells of a datagram, on a socket on all addresses of the host:
    /// elsewhere an answer leaves from the right one anyway.
    told: Option<Vec<u8>>,
    readable: bool,
}

impl Datagrams {
    pub(super) fn new(socket: UdpSocket, origin: u64) -> io::Result<Self> {
        let addr = socket.local_addr()?;
        let told = addr.ip().is_unspecified().then(pktinfo::room);
        if told.is_some() {
            pktinfo::enable(&socket, addr.is_ipv6())?;
        }
        Ok(Self { socket, origin, ipv6: addr.is_ipv6(), told, readable: true })
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
            match self.receive(scratch.room()) {
                Ok((n, from, local)) => {
                    let caller = self.caller(from, local);
                    self.answer(now, core, scratch, out, (n, from, caller));
                }
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
    pub(super) fn send(&self, core: &ServerCore, reply: &Encoder, caller: &Caller) {
        let Some(addr) = caller.peer.ip() else {
            return;
        };
        let addr = match addr.ip() {
            IpAddr::V4(ip) if self.ipv6 => (ip.to_ipv6_mapped(), addr.port()).into(),
            _ => addr,
        };
        self.transmit(core, reply, (addr, caller.local));
    }

    fn receive(&mut self, into: &mut [u8]) -> io::Result<(usize, SocketAddr, Option<IpAddr>)> {
        match &mut self.told {
            Some(told) => pktinfo::receive(&self.socket, into, told),
            None => self.socket.recv_from(into).map(|(n, from)| (n, from, None)),
        }
    }

    fn caller(&self, from: SocketAddr, local: Option<IpAddr>) -> Caller {
        let canonical = SocketAddr::new(from.ip().to_canonical(), from.port());
        let peer = if from.ip() == canonical.ip() { from } else { canonical };
        Caller { local, ..Caller::new(PeerAddr::Udp(peer), self.origin) }
    }

    fn answer(
        &self,
        now: Instant,
        core: &mut ServerCore,
        scratch: &mut Scratch,
        out: &mut Encoder,
        (n, from, caller): (usize, SocketAddr, Caller),
    ) {
        out.clear();
        let verdict = scratch
            .with(n, |chunk| core.handle_message(now, caller, &Message::within(chunk, chunk), out));
        if verdict == Verdict::Reply {
            self.transmit(core, out, (from, caller.local));
        }
    }

    /// A datagram that cannot be sent is lost, as any may be: the caller asks again.
    fn transmit(
        &self,
        core: &ServerCore,
        reply: &Encoder,
        (to, from): (SocketAddr, Option<IpAddr>),
    ) {
        let mut chunks = reply.chunks();
        let sent = match (from, chunks.next(), chunks.next()) {
            (Some(from), _, _) => {
                let chunks: Vec<_> = reply.chunks().map(IoSlice::new).collect();
                let sent = pktinfo::send(&self.socket, &chunks, to, from);
                if sent.is_err() {
                    // Such as a broadcast address: the system has to choose then.
                    return self.transmit(core, reply, (to, None));
                }
                sent
            }
            (None, Some(one), None) => self.socket.send_to(one, to),
            _ => {
                let whole: Vec<u8> = reply.chunks().flatten().copied().collect();
                self.socket.send_to(&whole, to)
            }
        };
        if let Err(error) = sent {
            core.counters().unsent.add(1);
            log::debug!("cannot answer {to}: {error}");
        }
    }
}
