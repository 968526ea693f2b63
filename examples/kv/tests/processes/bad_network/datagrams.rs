//! A network between a client and a server that drops, repeats, delays and reorders datagrams.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use farcall::proto::xid::Random;
use nix::poll::{PollFd, PollFlags};

use super::proxy::{self, Proxy};

/// Datagrams that are dropped, and that arrive twice, of 100.
const DROPPED: u64 = 20;
const REPEATED: u64 = 20;
/// A datagram takes up to so long, and another one overtakes it then.
const DELAY: Duration = Duration::from_millis(50);

/// What it did to the datagrams.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) carried: u32,
    pub(super) dropped: u32,
    pub(super) repeated: u32,
    pub(super) overtaken: u32,
}

/// Carries datagrams to the server at `server`, and the answers back.
pub(super) fn start(server: SocketAddr, seed: u64) -> Proxy<Tally> {
    let front = socket();
    let addr = front.local_addr().expect("an address");
    let network = Network {
        front,
        server,
        clients: Vec::new(),
        under_way: BinaryHeap::new(),
        random: Random::new(seed),
        sent: 0,
        delivered: 0,
        tally: Tally::default(),
    };
    Proxy::start(addr, |end| network.carry(&end))
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.set_nonblocking(true).expect("a socket");
    socket
}

struct Network {
    front: UdpSocket,
    server: SocketAddr,
    /// Each has a socket of its own, so that the server sees as many peers as there are.
    clients: Vec<(SocketAddr, UdpSocket)>,
    under_way: BinaryHeap<Reverse<Datagram>>,
    random: Random,
    sent: u64,
    /// The highest number that has arrived.
    delivered: u64,
    tally: Tally,
}

/// By arrival.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Datagram {
    arrival: Instant,
    number: u64,
    client: usize,
    to_server: bool,
    bytes: Vec<u8>,
}

impl Network {
    fn carry(mut self, end: &UnixStream) -> Tally {
        while self.wait(end) {
            self.take_in();
            self.deliver();
        }
        self.tally
    }

    /// Waits until something is to be done. False at the end.
    fn wait(&self, end: &UnixStream) -> bool {
        let next = self.under_way.peek().map(|Reverse(datagram)| datagram.arrival);
        let sockets = self.clients.iter().map(|(_, socket)| socket).chain([&self.front]);
        let fds = sockets.map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN));
        proxy::wait(end, fds.collect(), next)
    }

    fn take_in(&mut self) {
        while let Some((bytes, from)) = receive(&self.front) {
            let client = self.client(from);
            self.send(client, true, bytes);
        }
        for client in 0..self.clients.len() {
            while let Some((bytes, _)) = receive(&self.clients[client].1) {
                self.send(client, false, bytes);
            }
        }
    }

    fn client(&mut self, addr: SocketAddr) -> usize {
        if let Some(known) = self.clients.iter().position(|(known, _)| *known == addr) {
            return known;
        }
        let socket = socket();
        socket.connect(self.server).expect("an address");
        self.clients.push((addr, socket));
        self.clients.len() - 1
    }

    fn send(&mut self, client: usize, to_server: bool, bytes: Vec<u8>) {
        if self.happens(DROPPED) {
            self.tally.dropped += 1;
            return;
        }
        if self.happens(REPEATED) {
            self.tally.repeated += 1;
            self.put_under_way(client, to_server, bytes.clone());
        }
        self.put_under_way(client, to_server, bytes);
    }

    fn put_under_way(&mut self, client: usize, to_server: bool, bytes: Vec<u8>) {
        let arrival = Instant::now() + proxy::up_to(DELAY, &mut self.random);
        self.sent += 1;
        let number = self.sent;
        self.under_way.push(Reverse(Datagram { arrival, number, client, to_server, bytes }));
    }

    fn deliver(&mut self) {
        let now = Instant::now();
        while self.under_way.peek().is_some_and(|Reverse(datagram)| datagram.arrival <= now) {
            let Some(Reverse(datagram)) = self.under_way.pop() else {
                return;
            };
            self.tally.carried += 1;
            self.tally.overtaken += u32::from(datagram.number < self.delivered);
            self.delivered = self.delivered.max(datagram.number);
            let (addr, upstream) = &self.clients[datagram.client];
            // One that cannot be sent is lost, as on any network.
            let _ = match datagram.to_server {
                true => upstream.send(&datagram.bytes),
                false => self.front.send_to(&datagram.bytes, addr),
            };
        }
    }

    fn happens(&mut self, percent: u64) -> bool {
        self.random.u64() % 100 < percent
    }
}

/// A datagram, if one is there. An error is one that ICMP reports of an earlier datagram.
fn receive(socket: &UdpSocket) -> Option<(Vec<u8>, SocketAddr)> {
    let mut buffer = [0; 2048];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((n, from)) => return Some((buffer[..n].to_vec(), from)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(_) => {}
        }
    }
}
