//! T27: more calls than a service can do. Whatever is not a time: each is answered or refused, what
//! waits is bounded, and afterwards all is as before. The times are measured by `bench/`.

mod server_peer;

use std::collections::HashMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use farcall::xdr::{Decoder, Encoder};
use farcall::{
    Answer, Context, Dispatch, Fault, Interface, Limits, Procedure, Running, Server, Stats,
};
use server_peer::{ECHO, INTERFACE, LONG, call, read_record, record, reply};

/// Calls that may wait for the worker, the one that it has included.
const ROOM: u32 = 20;

/// Calls that come meanwhile.
const OFFERED: u32 = 200;

/// Answers with its argument, once the test lets it.
struct Gated(Mutex<Receiver<()>>);

impl Gated {
    fn new() -> (Self, Sender<()>) {
        let (go_on, gate) = channel();
        (Self(Mutex::new(gate)), go_on)
    }
}

impl Dispatch for Gated {
    fn interface(&self) -> &'static Interface {
        &INTERFACE
    }

    fn dispatch(
        &self,
        _cx: &Context,
        _procedure: Procedure,
        args: &mut Decoder<'_>,
        results: &mut Encoder,
    ) -> Result<Answer, Fault> {
        let data = args.opaque(u32::MAX)?;
        let gate = self.0.lock().map_err(|_| Fault::SystemErr)?;
        gate.recv_timeout(LONG).map_err(|_| Fault::SystemErr)?;
        results.opaque(&data, u32::MAX)?;
        Ok(Answer::Now)
    }
}

fn serve() -> (Running, Sender<()>) {
    let (service, go_on) = Gated::new();
    let mut limits = Limits::default();
    limits.calls = ROOM as usize;
    let server = Server::builder()
        .udp("127.0.0.1:0")
        .tcp("127.0.0.1:0")
        .limits(limits)
        .service(service)
        .workers(1)
        .start()
        .expect("port 0 is free");
    (server, go_on)
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("not zero");
    stream
}

/// Waits for the counters to be as expected, which the server's thread may be about to do.
fn wait_for(server: &Running, expected: impl Fn(&Stats) -> bool) {
    let until = std::time::Instant::now() + LONG;
    while !expected(&server.stats()) {
        assert!(std::time::Instant::now() < until, "{}", server.stats());
        std::thread::yield_now();
    }
}

/// Arguments of many sizes.
fn data(xid: u32) -> Vec<u8> {
    vec![7; (xid * 37 % 3000) as usize]
}

fn system_err(xid: u32) -> Vec<u8> {
    [xid, 1, 0, 0, 0, 5].iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[test]
fn t27_calls_over_streams_beyond_what_may_wait_are_refused_at_once() {
    let (server, go_on) = serve();
    let to = server.tcp_addrs().next().expect("asked for");
    let mut streams: Vec<_> = (0..10).map(|_| connect(to)).collect();
    for round in 0..3 {
        let mut answers = HashMap::new();
        for xid in 0..OFFERED {
            let stream = &mut streams[(xid % 10) as usize];
            stream.write_all(&record(&call(xid, ECHO, &data(xid)))).expect("taken in");
        }
        // The worker is still at the first one.
        let refused = u64::from(OFFERED - ROOM);
        wait_for(&server, |stats| stats.too_many_calls == refused * (round + 1));
        (0..ROOM).for_each(|_| go_on.send(()).expect("it waits"));
        for (at, stream) in streams.iter_mut().enumerate() {
            for _ in 0..OFFERED / 10 {
                let answer = read_record(stream);
                let xid = u32::from_be_bytes([answer[0], answer[1], answer[2], answer[3]]);
                assert_eq!(xid as usize % 10, at);
                let done = answer == reply(xid, &data(xid));
                assert!(done || answer == system_err(xid), "call {xid}");
                assert_eq!(answers.insert(xid, done), None, "call {xid} has one answer");
            }
        }
        let done = answers.values().filter(|&&done| done).count();
        assert_eq!((answers.len(), done), (OFFERED as usize, ROOM as usize), "round {round}");
    }
}

#[test]
fn t27_datagrams_beyond_what_may_wait_are_dropped_and_may_be_sent_again() {
    let (server, go_on) = serve();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("port 0 is free");
    socket.connect(server.udp_addrs().next().expect("asked for")).expect("loopback");
    socket.set_read_timeout(Some(LONG)).expect("not zero");
    let send = |xid| socket.send(&call(xid, ECHO, b"again and again")).expect("loopback");
    let receive = || {
        let mut buffer = vec![0; 100];
        let n = socket.recv(&mut buffer).expect("an answer");
        buffer.truncate(n);
        buffer
    };
    for xid in 0..ROOM + 10 {
        send(xid);
    }
    wait_for(&server, |stats| stats.too_many_calls == 10);
    for xid in 0..ROOM {
        go_on.send(()).expect("it waits");
        assert_eq!(receive(), reply(xid, b"again and again"));
    }
    for xid in ROOM..ROOM + 10 {
        go_on.send(()).expect("it waits");
        send(xid);
        assert_eq!(receive(), reply(xid, b"again and again"));
    }
    assert_eq!(server.stats().executed, u64::from(ROOM) + 10);
}
