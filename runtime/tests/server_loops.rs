//! A server of several loops, and one inside of somebody else's.

mod server_peer;

use std::collections::HashSet;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use farcall::bind::Portmapper;
use farcall::xdr::Bytes;
use farcall::{
    Answer, Dispatch, Fault, Interface, Limits, Procedure, ProcedureInfo, Program, Running, Server,
    Version,
};
use nix::poll::{PollFd, PollFlags, poll};
use server_peer::{
    Echo, LATER, LONG, by, call, connect, connect_to, exchange, exchange_datagram, read_record,
    record, reply, tcp_addr, udp_addr,
};
use socket2::{Domain, Socket, Type};

fn serve(loops: usize, echo: &Arc<Echo>) -> Running {
    Server::builder()
        .udp("127.0.0.1:0")
        .tcp("127.0.0.1:0")
        .loops(loops)
        .shared_service(Arc::clone(echo) as Arc<dyn Dispatch>)
        .start()
        .expect("port 0 is free")
}

#[test]
fn every_loop_serves_its_part() {
    let (echo, _) = Echo::new();
    let server = serve(3, &echo);
    let mut streams: Vec<_> = (0..60).map(|_| connect(&server)).collect();
    for round in 0..3 {
        for (i, stream) in (0..).zip(&mut streams) {
            exchange(stream, i + 100 * round, b"over TCP");
        }
    }
    for xid in 0..60 {
        exchange_datagram(udp_addr(&server), xid, b"over UDP");
    }
    assert_eq!(server.stats().executed, 240);
    let threads: HashSet<_> = echo.threads.lock().expect("not poisoned").iter().copied().collect();
    assert_eq!(threads.len(), 3, "60 peers are not all of one loop");
    server.stop().expect("ends");
}

/// A connection from a port that is used again.
fn connect_from(local: SocketAddr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("open");
    // Closed by a reset, so that the port is free at once.
    socket.set_linger(Some(Duration::ZERO)).expect("open");
    socket.bind(&local.into()).expect("free");
    socket.connect(&to.into()).expect("it listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LONG)).expect("not zero");
    stream
}

#[test]
fn a_peer_that_comes_back_from_its_port_is_known() {
    let (echo, replies) = Echo::new();
    let server = serve(4, &echo);
    let to = tcp_addr(&server);
    for xid in 0..10 {
        let mut first = connect_from(([127, 0, 0, 1], 0).into(), to);
        let local = first.local_addr().expect("connected");
        first.write_all(&record(&call(xid, LATER, b""))).expect("taken in");
        let later = replies.recv_timeout(LONG).expect("called");
        drop(first);
        let mut second = connect_from(local, to);
        second.write_all(&record(&call(xid, LATER, b""))).expect("taken in");
        // It is answered on the new connection, whichever came first there.
        later.send(Ok(Bytes::from_static(b"once")));
        assert_eq!(read_record(&mut second), reply(xid, b"once"));
        assert!(replies.try_recv().is_err(), "not executed again");
    }
    let stats = server.stats();
    assert_eq!((stats.executed, stats.replayed + stats.repeats_dropped), (10, 10));
}

#[test]
fn t28_no_reply_is_lost_when_the_server_stops() {
    const CONNECTIONS: u32 = 100;
    const CALLS: u32 = 100;
    for loops in [1, 2] {
        let (echo, replies) = Echo::new();
        let server = serve(loops, &echo);
        let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| connect(&server)).collect();
        for stream in &mut streams {
            let calls: Vec<u8> =
                (0..CALLS).flat_map(|xid| record(&call(xid, LATER, b""))).collect();
            stream.write_all(&calls).expect("taken in");
        }
        // Once they were called, they were read.
        let calls = (0..CONNECTIONS * CALLS).map(|_| replies.recv_timeout(LONG).expect("called"));
        let calls: Vec<_> = calls.collect();
        let ends = Arc::new(Barrier::new(2));
        let stopped = Instant::now();
        let handle = server.handle();
        let stopping = thread::spawn({
            let ends = Arc::clone(&ends);
            move || {
                handle.stop();
                ends.wait();
                server.stop().expect("ends");
            }
        });
        ends.wait();
        for call in calls {
            call.send(Ok(Bytes::from_static(b"not lost")));
        }
        for stream in &mut streams {
            let xids: HashSet<Vec<u8>> = (0..CALLS).map(|_| read_record(stream)).collect();
            let expected = (0..CALLS).map(|xid| reply(xid, b"not lost")).collect();
            assert_eq!(xids, expected, "{loops} loops");
            assert_eq!(stream.peek(&mut [0]).expect("an end, not a reset"), 0);
        }
        stopping.join().expect("ends");
        println!("{loops} loops ended {:?} after they were told to", stopped.elapsed());
    }
}

/// A portmapper that says yes, and to each UNSET when the test lets it.
fn slow_portmapper() -> (Running, Receiver<()>, Sender<()>) {
    const fn procedure(number: u32) -> ProcedureInfo {
        ProcedureInfo { number: Procedure(number), name: "P", idempotent: true, deferred: false }
    }
    static RPCBIND: Interface = Interface {
        program: Program(100_000),
        program_name: "RPCBPROG",
        version: Version(4),
        version_name: "RPCBVERS4",
        procedures: &[procedure(1), procedure(2)],
    };
    let ((asks, asked), (allow, allowed)) = (channel(), channel());
    let gate = Mutex::new((asks, allowed));
    let portmapper = by(&RPCBIND, move |_, procedure, _, results| {
        if procedure == Procedure(2) {
            let (asks, allowed) = &*gate.lock().expect("not poisoned");
            asks.send(()).map_err(|_| Fault::SystemErr)?;
            allowed.recv_timeout(LONG).map_err(|_| Fault::SystemErr)?;
        }
        results.u32(1);
        Ok(Answer::Now)
    });
    let server = Server::builder().udp("127.0.0.1:0").tcp("127.0.0.1:0").service(portmapper);
    (server.workers(1).start().expect("port 0 is free"), asked, allow)
}

#[test]
fn t28_a_server_accepts_until_it_is_unregistered() {
    let (portmapper, asked, allow) = slow_portmapper();
    // What an earlier run may have left is unset first.
    allow.send(()).expect("it listens");
    let mut limits = Limits::default();
    limits.drain = LONG;
    let (echo, _) = Echo::new();
    let server = Server::builder().tcp("127.0.0.1:0").limits(limits);
    let server = server
        .shared_service(echo as Arc<dyn Dispatch>)
        .register_with(Portmapper::at(tcp_addr(&portmapper)))
        .start()
        .expect("registered");
    asked.recv_timeout(LONG).expect("unset before it is set");
    let addr = tcp_addr(&server);
    server.handle().stop();
    asked.recv_timeout(LONG).expect("unset at the end");
    exchange(&mut connect_to(addr), 1, b"still there for whoever was told of it");
    allow.send(()).expect("it listens");
    server.stop().expect("ends");
    assert!(TcpStream::connect(addr).is_err(), "it does not listen any more");
}

#[test]
fn a_server_may_be_part_of_another_loop() {
    let (echo, _) = Echo::new();
    let mut server = Server::builder()
        .tcp("127.0.0.1:0")
        .shared_service(Arc::clone(&echo) as Arc<dyn Dispatch>)
        .bind()
        .expect("port 0 is free");
    let addr = server.tcp_addrs().next().expect("asked for");
    let client = thread::spawn(move || {
        let mut stream = connect_to(addr);
        (0..100).for_each(|xid| exchange(&mut stream, xid, b"from another thread"));
    });
    while !client.is_finished() {
        // The descriptor is what the loop around waits for.
        let timeout = server.next_timeout().unwrap_or(LONG).min(Duration::from_millis(20));
        let timeout = u16::try_from(timeout.as_millis()).expect("short");
        let mut fds = [PollFd::new(server.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, timeout).expect("no signal");
        assert!(server.poll_once(Some(Duration::ZERO)).expect("serves"));
    }
    client.join().expect("all answered");
    assert_eq!(server.stats().executed, 100);
    server.handle().stop();
    while server.poll_once(None).expect("serves") {}
    assert!(TcpStream::connect(addr).is_err(), "it does not listen any more");
}

#[test]
fn a_loop_that_stays_awake_serves_the_same() {
    let (echo, _) = Echo::new();
    let server = Server::builder()
        .tcp("127.0.0.1:0")
        .spin(Duration::from_micros(50))
        .shared_service(Arc::clone(&echo) as Arc<dyn Dispatch>)
        .start()
        .expect("port 0 is free");
    let mut stream = connect(&server);
    (0..100).for_each(|xid| exchange(&mut stream, xid, b"awake"));
    server.stop().expect("ends");
}
