//! A UDP socket that calls come in on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use mio::net::UdpSocket;

use super::pktinfo;
use super::stream::Next;
use crate::net::scratch::Scratch;
use crate::proto::record::Message;
use crate::proto::server::{Caller, ServerCore, Verdict};
use crate::service::PeerAddr;
use crate::xdr::Encoder;

/// Datagrams of one socket before the others get their turn.
const DATAGRAMS_PER_TURN: usize = 64;

/// Datagrams received and answered at once, if there are many. One by one costs less if there are
/// few.
const BATCH: usize = 32;

/// As many in one turn are many.
const MANY: usize = 8;

#[derive(Debug)]
pub(super) struct Datagrams {
    socket: UdpSocket,
    origin: u64,
    /// IPv4 peers have addresses of their own form on such a socket.
    ipv6: bool,
    /// Whether the socket is on all addresses of the host, and the system tells which was asked:
    /// elsewhere an answer leaves from the right one anyway.
    told: bool,
    /// How many are received at once.
    batch: usize,
}

/// Room for what is received and answered at once, by any socket of a loop.
#[derive(Debug, Default)]
pub(super) struct Post {
    buffers: Vec<Scratch>,
    arrived: Vec<Option<pktinfo::Arrived>>,
    /// The first of these are in use.
    replies: Vec<Outgoing>,
}

#[derive(Debug)]
struct Outgoing {
    reply: Encoder,
    to: SocketAddr,
    from: Option<IpAddr>,
}

impl Datagrams {
    pub(super) fn new(socket: UdpSocket, origin: u64) -> io::Result<Self> {
        let addr = socket.local_addr()?;
        let told = addr.ip().is_unspecified();
        if told {
            pktinfo::enable(&socket, addr.is_ipv6())?;
        }
        Ok(Self { socket, origin, ipv6: addr.is_ipv6(), told, batch: 1 })
    }

    pub(super) fn socket(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Receives, executes and answers, up to the budget of one turn.
    pub(super) fn turn(&mut self, now: Instant, core: &mut ServerCore, post: &mut Post) -> Next {
        let mut received = 0;
        while received < DATAGRAMS_PER_TURN {
            match self.receive(post) {
                Ok(()) => {
                    self.answer(now, core, post);
                    received += post.arrived.len();
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                // An earlier answer that could not be delivered is no news of this socket's.
                Err(_) => received += 1,
            }
        }
        self.batch = if received >= MANY { BATCH } else { 1 };
        if received < DATAGRAMS_PER_TURN { Next::Wait } else { Next::Again }
    }

    /// Receives as many as come at once.
    fn receive(&self, post: &mut Post) -> io::Result<()> {
        let Post { buffers, arrived, .. } = post;
        buffers.resize_with(self.batch.max(buffers.len()), Scratch::new);
        arrived.clear();
        match &mut buffers[..self.batch] {
            [one] if !self.told => {
                let (len, from) = self.socket.recv_from(one.room())?;
                arrived.push(Some(pktinfo::Arrived { len, from, local: None }));
                Ok(())
            }
            buffers => pktinfo::receive(&self.socket, buffers, self.told, arrived),
        }
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

    /// Executes the calls that arrived, and sends the answers.
    fn answer(&self, now: Instant, core: &mut ServerCore, post: &mut Post) {
        let mut answered = 0;
        for (buffer, arrived) in post.buffers.iter_mut().zip(&post.arrived) {
            let Some(pktinfo::Arrived { len, from, local }) = *arrived else {
                continue;
            };
            if answered == post.replies.len() {
                post.replies.push(Outgoing { reply: Encoder::new(), to: from, from: local });
            }
            let Outgoing { reply, to, from: source } = &mut post.replies[answered];
            (*to, *source) = (from, local);
            reply.clear();
            let caller = self.caller(from, local);
            let handle =
                |chunk: &_| core.handle_message(now, caller, &Message::within(chunk, chunk), reply);
            if buffer.with(len, handle) == Verdict::Reply {
                answered += 1;
            }
        }
        self.send_all(core, &post.replies[..answered]);
    }

    fn caller(&self, from: SocketAddr, local: Option<IpAddr>) -> Caller {
        let canonical = SocketAddr::new(from.ip().to_canonical(), from.port());
        let peer = if from.ip() == canonical.ip() { from } else { canonical };
        Caller { local, ..Caller::new(PeerAddr::Udp(peer), self.origin) }
    }

    /// Those that are in one piece and from the same address go together.
    fn send_all(&self, core: &ServerCore, mut replies: &[Outgoing]) {
        while let [first, rest @ ..] = replies {
            let sent = if rest.is_empty() { 0 } else { self.send_run(replies) };
            replies = &replies[sent..];
            if sent == 0 {
                self.transmit(core, &first.reply, (first.to, first.from));
                replies = rest;
            }
        }
    }

    /// Sends as many of the first replies as can go together. Says how many the system took.
    fn send_run(&self, replies: &[Outgoing]) -> usize {
        let from = replies.first().and_then(|first| first.from);
        let run = replies.iter().take_while(|one| one.from == from);
        let datagrams: Vec<_> =
            run.map_while(|one| Some((one.reply.contiguous()?, one.to))).collect();
        if datagrams.is_empty() {
            return 0;
        }
        pktinfo::send_all(&self.socket, &datagrams, from).unwrap_or(0)
    }

    /// A datagram that cannot be sent is lost, as any may be: the caller asks again.
    fn transmit(
        &self,
        core: &ServerCore,
        reply: &Encoder,
        (to, from): (SocketAddr, Option<IpAddr>),
    ) {
        let sent = match reply.contiguous() {
            Some(all) => self.send_one(all, to, from),
            None => {
                let whole: Vec<u8> = reply.chunks().flatten().copied().collect();
                self.send_one(&whole, to, from)
            }
        };
        if let Err(error) = sent {
            core.counters().unsent.add(1);
            log::debug!("cannot answer {to}: {error}");
        }
    }

    fn send_one(&self, bytes: &[u8], to: SocketAddr, from: Option<IpAddr>) -> io::Result<usize> {
        if let Some(from) = from {
            let sent = pktinfo::send(&self.socket, bytes, to, from);
            // Not from such as the address of a broadcast: the system has to choose then.
            if sent.is_ok() {
                return sent;
            }
        }
        self.socket.send_to(bytes, to)
    }
}
