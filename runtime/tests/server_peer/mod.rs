//! A service for the server's tests, and the bytes of calls to it.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use farcall::xdr::{Bytes, Decoder, Encoder};
use farcall::{
    Answer, Context, Dispatch, Fault, Interface, PeerAddr, Procedure, ProcedureInfo, Program,
    Reply, Running, Server, Stats, Version,
};

/// No answer takes as long as this; a test that waits for it has failed.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) const ECHO: u32 = 1;
pub(crate) const LATER: u32 = 2;
pub(crate) const TWICE: u32 = 3;
pub(crate) const ONCE: u32 = 4;

static PROCEDURES: [ProcedureInfo; 4] = [
    ProcedureInfo { number: Procedure(ECHO), name: "ECHO", idempotent: true, deferred: false },
    ProcedureInfo { number: Procedure(LATER), name: "LATER", idempotent: false, deferred: true },
    ProcedureInfo { number: Procedure(TWICE), name: "TWICE", idempotent: true, deferred: false },
    ProcedureInfo { number: Procedure(ONCE), name: "ONCE", idempotent: false, deferred: false },
];

pub(crate) static INTERFACE: Interface = Interface {
    program: Program(0x2000_0002),
    program_name: "ECHO_PROG",
    version: Version(1),
    version_name: "ECHO_V1",
    procedures: &PROCEDURES,
};

/// Procedures 1 and 4 answer with their opaque argument, 3 with it twice; 2 gives its reply to the
/// test. 2 and 4 are not idempotent.
pub(crate) struct Echo {
    pub(crate) peers: Mutex<Vec<PeerAddr>>,
    /// Which thread executed each call.
    pub(crate) threads: Mutex<Vec<ThreadId>>,
    later: Mutex<Sender<Reply<Bytes>>>,
}

impl Echo {
    pub(crate) fn new() -> (Arc<Self>, Receiver<Reply<Bytes>>) {
        let (later, replies) = channel();
        (
            Arc::new(Self {
                peers: Mutex::default(),
                threads: Mutex::default(),
                later: Mutex::new(later),
            }),
            replies,
        )
    }
}

impl Dispatch for Echo {
    fn interface(&self) -> &'static Interface {
        &INTERFACE
    }

    fn dispatch(
        &self,
        cx: &Context,
        procedure: Procedure,
        args: &mut Decoder<'_>,
        results: &mut Encoder,
    ) -> Result<Answer, Fault> {
        let data = args.opaque(u32::MAX)?;
        args.end()?;
        self.peers.lock().expect("not poisoned").push(*cx.peer().addr());
        self.threads.lock().expect("not poisoned").push(thread::current().id());
        if procedure.0 == LATER {
            let reply = cx.defer::<Bytes>(|data, e| e.opaque(data, u32::MAX));
            self.later.lock().expect("not poisoned").send(reply).map_err(|_| Fault::SystemErr)?;
            return Ok(Answer::Later);
        }
        results.opaque(&data, u32::MAX)?;
        if procedure.0 == TWICE {
            results.opaque(&data, u32::MAX)?;
        }
        Ok(Answer::Now)
    }
}

/// A service that `run` is all of.
pub(crate) struct By<F> {
    interface: &'static Interface,
    run: F,
}

pub(crate) fn by<F>(interface: &'static Interface, run: F) -> By<F>
where
    F: Fn(&Context, Procedure, &mut Decoder<'_>, &mut Encoder) -> Result<Answer, Fault>,
{
    By { interface, run }
}

impl<F> Dispatch for By<F>
where
    F: Fn(&Context, Procedure, &mut Decoder<'_>, &mut Encoder) -> Result<Answer, Fault>,
    F: Send + Sync + 'static,
{
    fn interface(&self) -> &'static Interface {
        self.interface
    }

    fn dispatch(
        &self,
        cx: &Context,
        procedure: Procedure,
        args: &mut Decoder<'_>,
        results: &mut Encoder,
    ) -> Result<Answer, Fault> {
        (self.run)(cx, procedure, args, results)
    }
}

pub(crate) fn serve(echo: &Arc<Echo>) -> Running {
    Server::builder()
        .udp("127.0.0.1:0")
        .tcp("127.0.0.1:0")
        .shared_service(Arc::clone(echo) as Arc<dyn Dispatch>)
        .start()
        .expect("port 0 is free")
}

pub(crate) fn tcp_addr(server: &Running) -> SocketAddr {
    server.tcp_addrs().next().expect("asked for")
}

pub(crate) fn udp_addr(server: &Running) -> SocketAddr {
    server.udp_addrs().next().expect("asked for")
}

pub(crate) fn connect(server: &Running) -> TcpStream {
    connect_to(tcp_addr(server))
}

pub(crate) fn connect_to(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("not zero");
    stream.set_write_timeout(Some(LONG)).expect("not zero");
    stream
}

/// A socket that sends there, and hears of nobody else.
pub(crate) fn datagrams_to(addr: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("port 0 is free");
    socket.connect(addr).expect("loopback");
    socket.set_read_timeout(Some(LONG)).expect("not zero");
    socket
}

/// The next datagram.
pub(crate) fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let n = socket.recv(&mut buffer).expect("an answer");
    buffer.truncate(n);
    buffer
}

/// Sends a call in a datagram and expects its echo.
pub(crate) fn exchange_datagram(to: SocketAddr, xid: u32, data: &[u8]) {
    let socket = datagrams_to(to);
    socket.send(&call(xid, ECHO, data)).expect("loopback");
    assert_eq!(receive(&socket), reply(xid, data));
}

/// Waits for the counters to be as expected, which the server's thread may be about to do.
pub(crate) fn wait_for(server: &Running, expected: impl Fn(&Stats) -> bool) -> Stats {
    let until = Instant::now() + LONG;
    loop {
        let stats = server.stats();
        if expected(&stats) {
            return stats;
        }
        assert!(Instant::now() < until, "{stats}");
        thread::yield_now();
    }
}

/// A call without a record mark.
pub(crate) fn call(xid: u32, procedure: u32, data: &[u8]) -> Vec<u8> {
    let mut e = Encoder::new();
    for word in [xid, 0, 2, INTERFACE.program.0, 1, procedure, 0, 0, 0, 0] {
        e.u32(word);
    }
    e.opaque(data, u32::MAX).expect("short");
    e.into_bytes().to_vec()
}

/// The reply that echoes `data`, without a record mark.
pub(crate) fn reply(xid: u32, data: &[u8]) -> Vec<u8> {
    let mut e = Encoder::new();
    for word in [xid, 1, 0, 0, 0, 0] {
        e.u32(word);
    }
    e.opaque(data, u32::MAX).expect("short");
    e.into_bytes().to_vec()
}

pub(crate) fn record(message: &[u8]) -> Vec<u8> {
    let mark = u32::try_from(message.len()).expect("short") | 1 << 31;
    [&mark.to_be_bytes()[..], message].concat()
}

/// The next record, which must have one fragment.
pub(crate) fn read_record(stream: &mut impl Read) -> Vec<u8> {
    let mut mark = [0; 4];
    stream.read_exact(&mut mark).expect("a record mark");
    let len = u32::from_be_bytes(mark) & !(1 << 31);
    let mut record = vec![0; len as usize];
    stream.read_exact(&mut record).expect("a record");
    record
}

/// Sends a call and expects its echo.
pub(crate) fn exchange(stream: &mut (impl Read + Write), xid: u32, data: &[u8]) {
    stream.write_all(&record(&call(xid, ECHO, data))).expect("taken in");
    assert!(read_record(stream) == reply(xid, data), "the echo of call {xid}");
}
