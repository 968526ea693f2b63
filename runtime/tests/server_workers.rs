//! A service whose calls workers execute.

mod server_peer;

use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use farcall::{
    Answer, Context, Dispatch, Fault, Interface, Limits, Procedure, ProcedureInfo, Program,
    Running, Server, ServerBuilder, Version,
};
use server_peer::{
    LONG, by, connect, datagrams_to, exchange, read_record, receive, record, udp_addr,
};

const WAIT: u32 = 1;
const PANIC: u32 = 2;
const NUMBER: u32 = 3;

const fn procedure(number: u32) -> ProcedureInfo {
    ProcedureInfo { number: Procedure(number), name: "P", idempotent: true, deferred: false }
}

static SLOW: Interface = Interface {
    program: Program(0x2000_0003),
    program_name: "SLOW_PROG",
    version: Version(1),
    version_name: "SLOW_V1",
    procedures: &[procedure(WAIT), procedure(PANIC), procedure(NUMBER)],
};

/// What WAIT tells the test when it has begun, and waits for.
struct Gate {
    begun: Sender<Context>,
    go_on: Receiver<()>,
}

/// The test's side of the gate.
struct Keeper {
    begun: Receiver<Context>,
    go_on: Sender<()>,
}

/// Serves by workers: 1 waits for the test; 2 panics; 3 answers with its argument.
fn start(workers: usize, more: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (Running, Keeper) {
    let ((begun, has_begun), (go, go_on)) = (channel(), channel());
    let gate = Mutex::new(Gate { begun, go_on });
    let slow = by(&SLOW, move |cx, procedure, args, results| {
        let n = args.u32()?;
        args.end()?;
        match procedure.0 {
            WAIT => {
                let gate = gate.lock().expect("not poisoned");
                gate.begun.send(cx.clone()).map_err(|_| Fault::SystemErr)?;
                gate.go_on.recv_timeout(LONG).map_err(|_| Fault::SystemErr)?;
            }
            PANIC => panic!("as it is told"),
            _ => {}
        }
        results.u32(n);
        Ok(Answer::Now)
    });
    let builder = Server::builder().udp("127.0.0.1:0").tcp("127.0.0.1:0");
    let server = more(builder.service(slow).workers(workers)).start().expect("port 0 is free");
    (server, Keeper { begun: has_begun, go_on: go })
}

fn call(xid: u32, procedure: u32, n: u32) -> Vec<u8> {
    let words = [xid, 0, 2, SLOW.program.0, 1, procedure, 0, 0, 0, 0, n];
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn send(stream: &mut TcpStream, message: &[u8]) {
    std::io::Write::write_all(stream, &record(message)).expect("taken in");
}

#[test]
fn t29_a_stuck_handler_keeps_nobody_else_waiting() {
    let (server, keeper) = start(2, |builder| {
        let (echo, _) = server_peer::Echo::new();
        builder.shared_service(echo as Arc<dyn Dispatch>)
    });
    let (mut stuck, mut other) = (connect(&server), connect(&server));
    send(&mut stuck, &call(1, WAIT, 1));
    let cx = keeper.begun.recv_timeout(LONG).expect("begun");
    assert!(!cx.is_cancelled());
    // The second worker, and the loop itself, go on.
    for xid in 0..100 {
        send(&mut other, &call(xid, NUMBER, xid));
        assert_eq!(read_record(&mut other), words(&[xid, 1, 0, 0, 0, 0, xid]));
    }
    exchange(&mut other, 1000, b"of another service");
    keeper.go_on.send(()).expect("it waits");
    assert_eq!(read_record(&mut stuck), words(&[1, 1, 0, 0, 0, 0, 1]));
}

#[test]
fn t29_a_panic_on_a_worker_is_a_system_error_and_the_worker_lives() {
    let (server, _keeper) = start(1, |builder| builder);
    let mut stream = connect(&server);
    for xid in 0..5 {
        send(&mut stream, &call(xid, PANIC, 0));
        assert_eq!(read_record(&mut stream), words(&[xid, 1, 0, 0, 0, 5]));
        send(&mut stream, &call(xid, NUMBER, 7));
        assert_eq!(read_record(&mut stream), words(&[xid, 1, 0, 0, 0, 0, 7]));
    }
    let stats = server.stats();
    assert_eq!((stats.panics, stats.system_errors, stats.executed), (5, 5, 5));
}

#[test]
fn a_worker_is_told_when_its_peer_is_gone_and_spared_what_nobody_waits_for() {
    let (server, keeper) = start(1, |builder| builder);
    let mut stream = connect(&server);
    send(&mut stream, &call(1, WAIT, 1));
    let cx = keeper.begun.recv_timeout(LONG).expect("begun");
    send(&mut stream, &call(2, WAIT, 1));
    let mut other = connect(&server);
    stream.set_linger_zero();
    drop(stream);
    while !cx.is_cancelled() {
        send(&mut other, &words(&[9, 0, 2, SLOW.program.0, 1, 0, 0, 0, 0, 0]));
        assert_eq!(read_record(&mut other), words(&[9, 1, 0, 0, 0, 0]));
    }
    keeper.go_on.send(()).expect("it waits");
    send(&mut other, &call(3, NUMBER, 3));
    assert_eq!(read_record(&mut other), words(&[3, 1, 0, 0, 0, 0, 3]));
    assert!(keeper.begun.try_recv().is_err(), "the second call was not executed");
}

/// A connection that is reset when it is dropped.
trait SetLingerZero {
    fn set_linger_zero(&self);
}

impl SetLingerZero for TcpStream {
    fn set_linger_zero(&self) {
        use nix::sys::socket::{setsockopt, sockopt::Linger};
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(self, Linger, &linger).expect("a socket");
    }
}

#[test]
fn a_datagram_that_waited_too_long_is_dropped() {
    let mut limits = Limits::default();
    limits.queue_age = Duration::ZERO;
    let (server, keeper) = start(1, |builder| builder.limits(limits));
    let mut stream = connect(&server);
    send(&mut stream, &call(1, WAIT, 1));
    let first = keeper.begun.recv_timeout(LONG).expect("begun");
    let socket = datagrams_to(udp_addr(&server));
    socket.send(&call(2, NUMBER, 2)).expect("loopback");
    // Procedure 0 is answered by the loop, after it has queued the other.
    socket.send(&words(&[3, 0, 2, SLOW.program.0, 1, 0, 0, 0, 0, 0])).expect("loopback");
    assert_eq!(receive(&socket), words(&[3, 1, 0, 0, 0, 0]));
    // A call over a stream waits as long as it takes.
    send(&mut stream, &call(4, NUMBER, 4));
    keeper.go_on.send(()).expect("it waits");
    assert_eq!(read_record(&mut stream), words(&[1, 1, 0, 0, 0, 0, 1]));
    assert_eq!(read_record(&mut stream), words(&[4, 1, 0, 0, 0, 0, 4]));
    assert!(first.queued() > Duration::ZERO);
    assert_eq!(server.stats().too_old, 1);
}
