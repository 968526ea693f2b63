//! A TCP connection that takes its time to be made again: the queue of the listener is full, and the
//! system asks again after a second.

mod client_peer;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use client_peer::{
    LONG, block_on, connect, echoed, patient, read_record, record, start_echo, start_once,
};
use farcall::{CallOptions, Error, Pending};
use socket2::{Domain, Socket, Type};

type Wait = fn(Pending<u32>) -> farcall::Result<u32>;

/// How a call can be waited for.
const WAYS: [Wait; 2] = [|call| call.wait(), |call| block_on(call)];

fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().expect("a client").0
}

/// A listener with room for one that it has not accepted.
fn listen() -> (TcpListener, SocketAddr) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    listener.bind(&any.into()).and_then(|()| listener.listen(0)).expect("a free port");
    let listener = TcpListener::from(listener);
    let addr = listener.local_addr().expect("it is bound");
    (listener, addr)
}

/// As many as there is room for.
fn crowd(addr: SocketAddr) -> Vec<TcpStream> {
    let brief = Duration::from_millis(100);
    std::iter::from_fn(|| TcpStream::connect_timeout(&addr, brief).ok()).collect()
}

/// Whether somebody waits for a connection to this port to be accepted.
fn is_asking(port: u16) -> bool {
    const SYN_SENT: &str = "02";
    let to = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").expect("this is Linux");
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        fields[2].ends_with(&to) && fields[3] == SYN_SENT
    })
}

/// Neither that of the call that the attempt was begun for nor of those that come meanwhile.
#[test]
fn no_calls_deadline_ends_an_attempt_that_others_wait_for() {
    for wait in WAYS {
        let (listener, addr) = listen();
        let client = connect(&format!("tcp://{addr}"), &patient());
        let hasty = client.with(CallOptions::new().timeout(Duration::from_millis(50)));
        let pending = start_echo(&client, 1);
        let mut stream = accept(&listener);
        assert!(read_record(&mut stream).is_some());
        let crowd = crowd(addr);
        drop(stream);
        thread::scope(|scope| {
            // One of these begins the attempt.
            while !is_asking(addr.port()) {
                let error = wait(start_echo(&hasty, 2)).expect_err("there is no connection");
                assert!(error.is_timeout(), "{error:?}");
            }
            let waits = scope.spawn(|| wait(pending));
            for _ in 0..3 {
                let error = wait(start_once(&hasty, 2)).expect_err("there is no connection");
                assert!(matches!(error, Error::TimedOut { sent: 0, .. }), "{error:?}");
            }
            assert!(!waits.is_finished(), "nobody has answered");
            let mut streams: Vec<_> = (0..=crowd.len()).map(|_| accept(&listener)).collect();
            let mut stream = streams.pop().expect("the client is the last");
            let call = read_record(&mut stream).expect("it is sent again");
            stream.write_all(&record(&echoed(&call))).expect("the client listens");
            assert_eq!(waits.join().expect("no panic").ok(), Some(1));
        });
        let stats = client.stats();
        assert_eq!((stats.reconnects, stats.unreachable), (1, 0), "the first attempt");
    }
}

/// No connection is left to be made for a call that has ended.
#[test]
fn an_attempt_that_nobody_waits_for_is_given_up() {
    for wait in WAYS {
        let (listener, addr) = listen();
        let client = connect(&format!("tcp://{addr}"), &patient());
        let hasty = client.with(CallOptions::new().timeout(Duration::from_millis(50)));
        drop(accept(&listener));
        let _crowd = crowd(addr);
        let error = wait(start_echo(&hasty, 1)).expect_err("there is no connection");
        assert!(error.is_timeout(), "{error:?}");
        let until = Instant::now() + LONG;
        while is_asking(addr.port()) {
            assert!(Instant::now() < until, "it goes on");
            thread::yield_now();
        }
    }
}
