//! What bounds a server, one test for each bound that a peer can run into.

mod server_peer;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use farcall::xdr::{Bytes, Decoder, Encoder};
use farcall::{Answer, Context, Dispatch, Fault, Interface, Limits, Procedure, Running, Server};
use server_peer::{
    ECHO, Echo, INTERFACE, LATER, LONG, call, connect, exchange, read_record, record, reply,
    tcp_addr, wait_for,
};
use socket2::{Domain, Socket, Type};

fn serve(limits: Limits, echo: &Arc<Echo>) -> Running {
    Server::builder()
        .tcp("127.0.0.1:0")
        .limits(limits)
        .shared_service(Arc::clone(echo) as Arc<dyn Dispatch>)
        .start()
        .expect("port 0 is free")
}

fn connect_from(host: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((host, 0)).into()).expect("a loopback address");
    socket.connect(&to.into()).expect("it listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LONG)).expect("not zero");
    stream
}

fn is_closed(stream: &mut impl Read) -> bool {
    match stream.read(&mut [0]) {
        Ok(n) => n == 0,
        Err(e) => e.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn t8_a_source_with_too_many_connections_loses_its_own() {
    let (echo, _) = Echo::new();
    let mut limits = Limits::default();
    limits.connections_per_source = Some(10);
    let server = serve(limits, &echo);
    let mut bystander = connect_from([127, 0, 0, 2], tcp_addr(&server));
    exchange(&mut bystander, 1, b"was here first");
    let mut crowd: Vec<_> = (0..50).map(|_| connect(&server)).collect();
    exchange(&mut crowd[49], 2, b"the last one is served");
    exchange(&mut bystander, 3, b"still here");
    for stream in &mut crowd[..40] {
        assert!(is_closed(stream));
    }
    let stats = server.stats();
    assert_eq!((stats.too_many_of_one, stats.too_many_connections), (40, 40));
}

#[test]
fn t9_peers_that_stall_are_closed_and_others_are_not() {
    let (echo, _) = Echo::new();
    let mut limits = Limits::default();
    limits.stalled = Duration::from_millis(1);
    let server = serve(limits, &echo);
    let mut bystander = connect(&server);
    let mut slow: Vec<_> = (0..20).map(|_| connect(&server)).collect();
    let whole = record(&call(1, ECHO, b"never finished"));
    for (n, stream) in (1..).zip(&mut slow) {
        stream.write_all(&whole[..n]).expect("taken in");
    }
    let stats = wait_for(&server, |stats| stats.stalled == 20);
    assert_eq!((stats.idle, stats.bad_records), (0, 0));
    assert!(slow.iter_mut().all(is_closed));
    exchange(&mut bystander, 2, b"idle, but not stalled");
}

#[test]
fn idle_peers_are_closed_unless_an_answer_is_owed() {
    let (echo, replies) = Echo::new();
    let mut limits = Limits::default();
    limits.idle = Duration::from_millis(1);
    let server = serve(limits, &echo);
    let mut waiting = connect(&server);
    waiting.write_all(&record(&call(1, LATER, b""))).expect("taken in");
    let later = replies.recv_timeout(LONG).expect("called");
    let mut idle = connect(&server);
    assert!(is_closed(&mut idle));
    wait_for(&server, |stats| stats.idle == 1);
    later.send(Ok(Bytes::from_static(b"worth waiting for")));
    assert_eq!(read_record(&mut waiting), reply(1, b"worth waiting for"));
}

#[test]
fn calls_of_a_connection_beyond_the_limit_wait_for_answers() {
    let (echo, replies) = Echo::new();
    let mut limits = Limits::default();
    limits.calls_per_connection = 4;
    let server = serve(limits, &echo);
    let mut stream = connect(&server);
    let calls: Vec<u8> = (0..10).flat_map(|xid| record(&call(xid, LATER, b""))).collect();
    stream.write_all(&calls).expect("taken in");
    let mut begun: Vec<_> = (0..4).map(|_| replies.recv_timeout(LONG).expect("called")).collect();
    for xid in 0..6 {
        exchange(&mut connect(&server), xid, b"others go on");
        assert!(replies.try_recv().is_err(), "no more than four at once");
        begun.remove(0).send(Ok(Bytes::new()));
        begun.push(replies.recv_timeout(LONG).expect("the next one"));
    }
    begun.into_iter().for_each(|reply| reply.send(Ok(Bytes::new())));
    for xid in 0..10 {
        assert_eq!(read_record(&mut stream), reply(xid, b""));
    }
}

#[test]
fn t10_output_is_bounded_in_all() {
    let (echo, _) = Echo::new();
    let mut limits = Limits::default();
    limits.total_buffered = 8 << 20;
    let server = serve(limits, &echo);
    let wire = record(&call(1, ECHO, &[0; 100_000]));
    let mut deaf: Vec<_> = (0..8).map(|_| (connect(&server), 0)).collect();
    let mut bystander = connect(&server);
    let mut xid = 0;
    for (stream, sent) in &mut deaf {
        stream.set_nonblocking(true).expect("open");
        let mut refused = 0;
        while refused < 20 {
            match stream.write(&wire[*sent % wire.len()..]) {
                Ok(n) => (*sent, refused) = (*sent + n, 0),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    refused += 1;
                    xid += 1;
                    exchange(&mut bystander, xid, b"not made to wait");
                }
                Err(e) => panic!("{e}"),
            }
        }
    }
    wait_for(&server, |stats| stats.buffers_full >= 1);
    // All that was taken in is answered, whoever had to wait.
    for (stream, sent) in &mut deaf {
        stream.set_nonblocking(false).expect("open");
        for _ in 0..*sent / wire.len() {
            assert!(read_record(stream) == reply(1, &[0; 100_000]));
        }
    }
}

#[test]
fn t12_unfinished_records_are_bounded_in_all() {
    let (echo, _) = Echo::new();
    let mut limits = Limits::default();
    limits.total_buffered = 4 << 20;
    let server = serve(limits, &echo);
    let args = vec![7; 1_000_000];
    let wire = record(&call(1, ECHO, &args));
    let (most, rest) = wire.split_at(600_000);
    let mut streams: Vec<_> = (0..20).map(|_| connect(&server)).collect();
    for stream in &mut streams {
        stream.write_all(most).expect("taken in, if only by the system");
        // The next one is waited for less long.
        exchange(&mut connect(&server), 2, b"not made to wait");
    }
    // Each takes from 0.6 to 1 MB.
    wait_for(&server, |stats| stats.crowded_out >= 13);
    assert!(server.stats().crowded_out <= 17);
    let mut latest = streams.pop().expect("twenty");
    latest.write_all(rest).expect("taken in");
    assert!(read_record(&mut latest) == reply(1, &args));
    assert!(is_closed(&mut streams[0]));
}

#[test]
fn t33_a_busy_connection_leaves_the_others_their_turns() {
    let (echo, _) = Echo::new();
    let mut server = Server::builder()
        .tcp("127.0.0.1:0")
        .shared_service(Arc::clone(&echo) as Arc<dyn Dispatch>)
        .bind()
        .expect("port 0 is free");
    let addr = server.tcp_addrs().next().expect("asked for");
    let mut busy = connect_from([127, 0, 0, 1], addr);
    let mut light: Vec<_> = (0..100).map(|_| connect_from([127, 0, 0, 1], addr)).collect();
    // As many calls as the sockets hold.
    busy.set_nonblocking(true).expect("open");
    let calls = record(&call(1, ECHO, b"more")).repeat(1000);
    while busy.write(&calls).is_ok() {}
    for stream in &mut light {
        stream.write_all(&record(&call(2, ECHO, b"just one"))).expect("taken in");
    }
    // Two turns of the listener bring them all in, and one more is theirs.
    for _ in 0..4 {
        assert!(server.poll_once(Some(Duration::ZERO)).expect("serves"));
    }
    for stream in &mut light {
        stream.set_nonblocking(true).expect("open");
        assert_eq!(read_record(stream), reply(2, b"just one"));
    }
    let calls = echo.peers.lock().expect("not poisoned").len();
    let most = 100 + 4 * (3 << 16) / record(&call(1, ECHO, b"more")).len();
    assert!(calls <= most, "{calls} calls in four turns");
}

#[test]
fn t33_a_place_that_is_used_again_hears_nothing_of_the_one_before() {
    let (echo, _) = Echo::new();
    let path = std::env::temp_dir().join(format!("farcall-limits-{}.sock", std::process::id()));
    let mut server = Server::builder()
        .unix(&path)
        .shared_service(Arc::clone(&echo) as Arc<dyn Dispatch>)
        .bind()
        .expect("a free path");
    let connect = || {
        let stream = UnixStream::connect(&path).expect("it listens");
        stream.set_read_timeout(Some(LONG)).expect("not zero");
        stream
    };
    let (mut stays, mut before) = (connect(), None);
    for xid in 0..100_000 {
        let mut stream = connect();
        for stream in [&mut stream, &mut stays] {
            stream.write_all(&record(&call(xid, ECHO, b""))).expect("taken in");
        }
        // In one turn with what is to be heard of this one.
        drop(before.take());
        for _ in 0..2 {
            assert!(server.poll_once(Some(Duration::ZERO)).expect("serves"));
        }
        for stream in [&mut stream, &mut stays] {
            assert_eq!(read_record(stream), reply(xid, b""));
        }
        before = Some(stream);
    }
    let stats = server.stats();
    assert_eq!((stats.executed, stats.bad_records, stats.too_many_connections), (200_000, 0, 0));
}

#[test]
fn t12_fragments_without_end_are_ended() {
    let (echo, _) = Echo::new();
    let server = serve(Limits::default(), &echo);
    let mut bystander = connect(&server);
    // A byte each, none the last; without a byte; one that claims two gigabytes.
    let endless = [0, 0, 0, 1, 7].repeat(4097);
    for wire in [&endless[..], &[0; 4 * 17], &[0x7f, 0xff, 0xff, 0xff]] {
        let mut stream = connect(&server);
        stream.write_all(wire).expect("taken in");
        assert!(is_closed(&mut stream));
    }
    assert_eq!(server.stats().bad_records, 3);
    // One less is within the limits.
    let mut stream = connect(&server);
    stream.write_all(&[0; 4 * 16]).expect("taken in");
    exchange(&mut stream, 1, b"after sixteen empty ones");
    exchange(&mut bystander, 2, b"undisturbed");
}

/// Answers at length, and counts how often.
struct Long(AtomicUsize);

impl Dispatch for Long {
    fn interface(&self) -> &'static Interface {
        &INTERFACE
    }

    fn dispatch(
        &self,
        _: &Context,
        _: Procedure,
        _: &mut Decoder<'_>,
        results: &mut Encoder,
    ) -> Result<Answer, Fault> {
        self.0.fetch_add(1, Ordering::Relaxed);
        results.opaque(&[7; 100_000], u32::MAX)?;
        Ok(Answer::Now)
    }
}

#[test]
fn t33_long_answers_to_short_calls_take_turns_too() {
    let long = Arc::new(Long(AtomicUsize::new(0)));
    let mut limits = Limits::default();
    limits.output = 1;
    let mut server = Server::builder()
        .tcp("127.0.0.1:0")
        .limits(limits)
        .shared_service(Arc::clone(&long) as Arc<dyn Dispatch>)
        .bind()
        .expect("port 0 is free");
    let mut stream = connect_from([127, 0, 0, 1], server.tcp_addrs().next().expect("asked for"));
    stream.write_all(&record(&call(1, ECHO, b"")).repeat(100)).expect("taken in");
    let mut before = 0;
    // The sockets hold all of it for a while.
    for _ in 0..8 {
        assert!(server.poll_once(Some(Duration::ZERO)).expect("serves"));
        let calls = long.0.load(Ordering::Relaxed);
        assert!(calls - before <= 2, "{calls} calls, {before} before this turn");
        before = calls;
    }
    assert!(before >= 2, "{before}");
}
