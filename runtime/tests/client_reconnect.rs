//! TCP connections that take their time to be made again.

mod client_peer;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use client_peer::{
    CALL_HEADER, ECHO, LONG, block_on, connect, echoed, patient, read_record, record, start_echo,
    start_once,
};
use farcall::{CallOptions, Client, Error, Pending};
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

/// The listener's queue is full, and the system asks again after a second.
///
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

#[test]
fn calls_one_way_wait_for_the_connection() {
    // An address that no other test has, so that nobody takes its port meanwhile.
    let listen = |port| TcpListener::bind(("127.19.7.3", port)).expect("a free port");
    let listener = listen(0);
    let port = listener.local_addr().expect("it is bound").port();
    let client = connect(&format!("tcp://127.19.7.3:{port}"), &patient());
    let hasty = client.with(CallOptions::new().timeout(Duration::from_millis(50)));
    let send = |client: &Client, word: u32| {
        client.send(ECHO, |e| {
            e.u32(word);
            Ok(())
        })
    };
    let first = accept(&listener);
    drop((listener, first));
    // Some may still go out on the connection, until it is known to be lost.
    let until = Instant::now() + LONG;
    let error = loop {
        match send(&hasty, 1) {
            Ok(()) => assert!(Instant::now() < until, "nobody listens"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::TimedOut { sent: 0, .. }), "{error:?}");
    thread::scope(|scope| {
        let sends = scope.spawn(|| send(&client, 2));
        let refused = client.stats().unreachable;
        while client.stats().unreachable == refused {
            assert!(!sends.is_finished(), "there is no connection");
            thread::yield_now();
        }
        let mut stream = accept(&listen(port));
        let call = read_record(&mut stream).expect("it is sent");
        assert_eq!(call[CALL_HEADER..], 2_u32.to_be_bytes(), "and no other");
        assert_eq!(sends.join().expect("no panic").ok(), Some(()));
    });
}
