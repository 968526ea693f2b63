//! Calls over UDP, to servers made by hand.

mod client_peer;

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use client_peer::{
    ECHO, blob, connect, echo, echoed, insistent, patient, receive, start_echo, success, udp,
};
use farcall::xdr::Bytes;
use farcall::{Error, Pending};

fn answer(socket: &UdpSocket, calls: usize) {
    for _ in 0..calls {
        let (call, from) = receive(socket);
        socket.send_to(&echoed(&call), from).expect("the client listens");
    }
}

#[test]
fn a_call_is_one_datagram_and_its_answer_another() {
    let (target, server) = udp(|socket| receive_and_answer(&socket));
    let client = connect(&target, &patient());
    assert_eq!(echo(&client, 0x0102_0304).ok(), Some(0x0102_0304));
    let call = server.join().expect("one call");
    // RFC 5531 §9: CALL, RPC version 2, program, version, procedure, two empty AUTH_NONE fields.
    let words: [u32; 10] = [0, 2, 0x2000_0099, 1, ECHO.0, 0, 0, 0, 0, 0x0102_0304];
    let expected: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    assert_eq!(call[4..], expected);
    let stats = client.stats();
    assert_eq!((stats.calls, stats.sent, stats.resent, stats.replies), (1, 1, 0, 1));
}

fn receive_and_answer(socket: &UdpSocket) -> Vec<u8> {
    let (call, from) = receive(socket);
    socket.send_to(&echoed(&call), from).expect("the client listens");
    call
}

#[test]
fn ipv6_works_where_the_host_has_it() {
    let Ok(socket) = UdpSocket::bind("[::1]:0") else {
        eprintln!("skipped: this host has no IPv6");
        return;
    };
    let target = format!("udp://{}", socket.local_addr().expect("it is bound"));
    let server = thread::spawn(move || answer(&socket, 1));
    assert_eq!(echo(&connect(&target, &patient()), 6).ok(), Some(6));
    server.join().expect("one call");
}

#[test]
fn a_host_name_finds_whichever_address_listens() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let target = format!("udp://localhost:{}", socket.local_addr().expect("it is bound").port());
    let server = thread::spawn(move || answer(&socket, 1));
    assert_eq!(echo(&connect(&target, &patient()), 4).ok(), Some(4));
    server.join().expect("one call");
}

#[test]
fn another_xid_is_no_answer_and_makes_nothing_be_sent() {
    let (target, server) = udp(|socket| {
        let (call, from) = receive(&socket);
        let mut forged = success(&call, &[0, 0, 0, 9]);
        for flip in 1..=100 {
            forged[3] = call[3] ^ flip;
            socket.send_to(&forged, from).expect("the client listens");
        }
        socket.send_to(&call, from).expect("the client listens");
        socket.send_to(&echoed(&call), from).expect("the client listens");
    });
    let client = connect(&target, &patient());
    assert_eq!(echo(&client, 7).ok(), Some(7));
    server.join().expect("one call");
    let stats = client.stats();
    assert_eq!((stats.unknown_xid, stats.malformed, stats.replies), (100, 1, 1));
    assert_eq!((stats.sent, stats.resent), (1, 0));
}

#[test]
fn another_source_is_no_answer() {
    let (target, server) = udp(|socket| {
        let (call, from) = receive(&socket);
        let stranger = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        stranger.send_to(&success(&call, &[0, 0, 0, 9]), from).expect("sent");
        socket.send_to(&echoed(&call), from).expect("the client listens");
    });
    let client = connect(&target, &patient());
    assert_eq!(echo(&client, 7).ok(), Some(7));
    server.join().expect("one call");
    assert_eq!((client.stats().unknown_xid, client.stats().replies), (0, 1));
}

#[test]
fn a_second_answer_is_dropped() {
    let (target, server) = udp(|socket| {
        let (first, from) = receive(&socket);
        socket.send_to(&echoed(&first), from).expect("the client listens");
        let (second, from) = receive(&socket);
        socket.send_to(&echoed(&first), from).expect("the client listens");
        socket.send_to(&echoed(&second), from).expect("the client listens");
    });
    let client = connect(&target, &patient());
    assert_eq!((echo(&client, 1).ok(), echo(&client, 2).ok()), (Some(1), Some(2)));
    server.join().expect("two calls");
    assert_eq!((client.stats().unknown_xid, client.stats().replies), (1, 2));
}

#[test]
fn a_silent_server_gets_the_same_bytes_again_until_the_deadline() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let target = format!("udp://{}", socket.local_addr().expect("it is bound"));
    let client = connect(&target, &insistent().timeout(Duration::from_millis(200)));
    let started = Instant::now();
    let error = echo(&client, 7).expect_err("nobody answers");
    let took = started.elapsed();
    let Error::TimedOut { after, sent: count } = error else { panic!("{error:?}") };
    assert!(after >= Duration::from_millis(200) && after <= took, "{after:?} of {took:?}");
    let sent: Vec<Vec<u8>> = (0..count).map(|_| receive(&socket).0).collect();
    assert!(sent.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!((client.stats().timed_out, client.stats().resent), (1, u64::from(count) - 1));
}

#[test]
fn an_answer_that_is_there_is_taken_before_its_call_is_sent_again() {
    let (target, server) = udp(|socket| answer(&socket, 10));
    let rto = Duration::from_millis(1);
    let client = connect(&target, &patient().initial_rto(rto));
    let pending: Vec<Pending<u32>> = (0..10).map(|word| start_echo(&client, word)).collect();
    server.join().expect("all calls");
    // With the jitter, the last timer has run out then.
    thread::sleep(rto * 5 / 4);
    for (word, pending) in (0..).zip(pending) {
        assert_eq!(pending.wait().ok(), Some(word));
    }
    assert_eq!((client.stats().replies, client.stats().resent), (10, 0));
}

#[test]
fn nobody_at_the_port_ends_the_call_and_not_the_client() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let addr = socket.local_addr().expect("it is bound");
    drop(socket);
    let client = connect(&format!("udp://{addr}"), &patient());
    let error = echo(&client, 5).expect_err("nobody is there");
    assert!(matches!(error, Error::Unreachable { sent: 1, alone: true }), "{error:?}");
    assert!(error.is_retryable() && !error.may_have_executed() && !error.is_timeout());
    assert_eq!(client.stats().unreachable, 1);
    let socket = UdpSocket::bind(addr).expect("the port is still free");
    let server = thread::spawn(move || answer(&socket, 1));
    assert_eq!(echo(&client, 5).ok(), Some(5));
    server.join().expect("one call");
}

#[test]
fn nobody_at_any_address_is_said_after_each_was_tried() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let port = socket.local_addr().expect("it is bound").port();
    drop(socket);
    let client = connect(&format!("udp://localhost:{port}"), &patient());
    let error = echo(&client, 5).expect_err("nobody is there");
    let Error::Unreachable { sent: 1..=2, .. } = error else { panic!("{error:?}") };
}

#[test]
fn what_does_not_fit_a_datagram_is_an_error_at_once() {
    let (target, server) = udp(|socket| answer(&socket, 3));
    let client = connect(&target, &patient());
    let other = start_echo(&client, 1);
    let too_large = Bytes::from(vec![1; 66_000]);
    let error = blob(&client, &too_large).expect_err("it is too large");
    assert!(matches!(error, Error::TooLarge { len: 66_044, max: 65_507 }), "{error:?}");
    assert!(error.to_string().ends_with("use TCP"), "{error}");
    let large = Bytes::from(vec![2; 60_000]);
    assert_eq!(other.wait().ok(), Some(1));
    assert_eq!(blob(&client, &large).ok(), Some(large));
    // The buffer that the large answer kept is not used again.
    assert_eq!(echo(&client, 3).ok(), Some(3));
    server.join().expect("three calls");
}

#[test]
fn many_threads_share_a_socket() {
    const THREADS: u32 = 8;
    const CALLS: u32 = 200;
    // Some are sent again where sockets are short of room.
    let (target, server) = udp(|socket| answer(&socket, usize::MAX));
    let client = connect(&target, &insistent());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let client = client.clone();
            scope.spawn(move || {
                for call in 0..CALLS {
                    let word = thread << 16 | call;
                    assert_eq!(echo(&client, word).ok(), Some(word));
                }
            });
        }
    });
    let stats = client.stats();
    assert_eq!((stats.calls, stats.timed_out), (u64::from(THREADS * CALLS), 0));
    drop(server);
}

/// At first 16 calls are under way. The thread that waits sends nothing: its own timer is far away.
#[test]
fn calls_that_are_dropped_make_room_for_those_that_wait() {
    const UNDER_WAY: u32 = 16;
    let (target, server) = udp(|socket| {
        for _ in 0..UNDER_WAY {
            receive(&socket);
        }
        let (call, from) = receive(&socket);
        socket.send_to(&echoed(&call), from).expect("the client listens");
    });
    let client = connect(&target, &patient());
    let calls: Vec<_> = (0..UNDER_WAY).map(|word| start_echo(&client, word)).collect();
    thread::scope(|scope| {
        let last = scope.spawn(|| echo(&client, UNDER_WAY));
        while client.stats().calls <= u64::from(UNDER_WAY) {
            thread::yield_now();
        }
        drop(calls);
        assert_eq!(last.join().expect("it returns").ok(), Some(UNDER_WAY));
    });
    server.join().expect("one more datagram");
}
