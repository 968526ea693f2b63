//! T3 and T7: a list of malformed calls, and what a server says to each. After each it answers a
//! call that is well formed, over the same socket.

mod server_peer;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use farcall::{Dispatch, Running, Server};
use server_peer::{
    ECHO, Echo, INTERFACE, call, connect, datagrams_to, exchange, read_record, receive, record,
    reply, udp_addr,
};

const PROGRAM: u32 = INTERFACE.program.0;

/// What is malformed, the call's words and the bytes after them, and the reply's words if there is
/// one.
type Vector = (&'static str, Vec<u32>, usize, Option<&'static [u32]>);

const BAD_CRED: Option<&[u32]> = Some(&[7, 1, 1, 1, 1]);
const REJECTED_CRED: Option<&[u32]> = Some(&[7, 1, 1, 1, 2]);
const GARBAGE_ARGS: Option<&[u32]> = Some(&[7, 1, 0, 0, 0, 4]);
const RPC_MISMATCH: Option<&[u32]> = Some(&[7, 1, 1, 0, 2, 2]);

fn vectors() -> Vec<Vector> {
    let to = |program: u32, version: u32, procedure: u32, rest: &[u32]| {
        [&[7, 0, 2, program, version, procedure], rest].concat()
    };
    let echo = |rest: &[u32]| to(PROGRAM, 1, ECHO, rest);
    // AUTH_SYS: stamp, an empty name, uid, gid, and the groups.
    let groups = |claimed: u32, there: u32| {
        let body = [&[0, 0, 0, 0, claimed][..], &vec![0; there as usize]].concat();
        let len = u32::try_from(body.len()).expect("short") * 4;
        echo(&[&[1, len][..], &body, &[0, 0, 0]].concat())
    };
    // AUTH_SYS with a name of so many bytes.
    let name = |len: u32| {
        let words = vec![0x6161_6161; len.div_ceil(4) as usize];
        let body = [&[0, len][..], &words, &[0, 0, 0]].concat();
        let bytes = u32::try_from(body.len()).expect("short") * 4;
        echo(&[&[1, bytes][..], &body, &[0, 0, 0]].concat())
    };
    vec![
        ("rpcvers 3", vec![7, 0, 3, PROGRAM, 1, ECHO, 0, 0, 0, 0], 4, RPC_MISMATCH),
        ("rpcvers 1", vec![7, 0, 1], 0, RPC_MISMATCH),
        ("rpcvers 2^32-1", vec![7, 0, u32::MAX, 0], 0, RPC_MISMATCH),
        ("program 2^32-1", to(u32::MAX, 1, 1, &[0; 4]), 0, Some(&[7, 1, 0, 0, 0, 1])),
        ("version 2^32-1", to(PROGRAM, u32::MAX, 1, &[0; 4]), 0, Some(&[7, 1, 0, 0, 0, 2, 1, 1])),
        ("version 0", to(PROGRAM, 0, 1, &[0; 4]), 0, Some(&[7, 1, 0, 0, 0, 2, 1, 1])),
        ("procedure 2^32-1", to(PROGRAM, 1, u32::MAX, &[0; 4]), 0, Some(&[7, 1, 0, 0, 0, 3])),
        ("a credential of 401 bytes", echo(&[0, 401]), 404 + 12, None),
        ("a verifier of 401 bytes", echo(&[0, 0, 0, 401]), 404 + 4, None),
        ("flavor 2^32-1", echo(&[u32::MAX, 0, 0, 0, 0]), 0, REJECTED_CRED),
        ("AUTH_SYS of 17 groups", groups(17, 17), 0, BAD_CRED),
        ("AUTH_SYS that claims 2^32-1 groups", groups(u32::MAX, 0), 0, BAD_CRED),
        ("AUTH_SYS with a name of 256 bytes", name(256), 0, BAD_CRED),
        ("AUTH_SYS of 3 bytes", echo(&[1, 3, 0, 0, 0, 0]), 0, BAD_CRED),
        ("no arguments", echo(&[0; 4]), 0, GARBAGE_ARGS),
        ("an opaque of 2^32-1 bytes", echo(&[0, 0, 0, 0, u32::MAX]), 64, GARBAGE_ARGS),
        ("an opaque of 2^31 bytes", echo(&[0, 0, 0, 0, 1 << 31]), 64, GARBAGE_ARGS),
        ("an opaque a byte short", echo(&[0, 0, 0, 0, 5]), 4, GARBAGE_ARGS),
    ]
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn serve(strict: bool) -> Running {
    let (echo, _) = Echo::new();
    Server::builder()
        .udp("127.0.0.1:0")
        .tcp("127.0.0.1:0")
        .strict(strict)
        .shared_service(echo as Arc<dyn Dispatch>)
        .start()
        .expect("port 0 is free")
}

#[test]
fn t3_malformed_calls_are_answered_and_forgotten() {
    let server = serve(false);
    let (mut stream, socket) = (connect(&server), datagrams_to(udp_addr(&server)));
    for (what, words, more, expected) in vectors() {
        let message = [bytes(&words), vec![0; more]].concat();
        stream.write_all(&record(&message)).expect("taken in");
        socket.send(&message).expect("loopback");
        if let Some(expected) = expected {
            assert_eq!(read_record(&mut stream), bytes(expected), "{what}, over TCP");
            assert_eq!(receive(&socket), bytes(expected), "{what}, over UDP");
        }
        exchange(&mut stream, 1, b"and a good one");
        socket.send(&call(1, ECHO, b"and a good one")).expect("loopback");
        assert_eq!(receive(&socket), reply(1, b"and a good one"), "after {what}");
    }
}

#[test]
fn t3_what_is_no_call_is_not_answered() {
    let server = serve(false);
    let socket = datagrams_to(udp_addr(&server));
    let (mut stream, cut) = (connect(&server), bytes(&[7, 0, 2, PROGRAM, 1, ECHO, 0, 400]));
    let none: [Vec<u8>; 4] = [
        bytes(&[7, 1, 0, 0, 0, 0]),
        bytes(&[7, 2, 2, PROGRAM, 1, ECHO, 0, 0, 0, 0, 0]),
        bytes(&[7, u32::MAX]),
        vec![0xff; 9000],
    ];
    for message in &none {
        socket.send(message).expect("loopback");
        // Who sends such a thing is no client: the stream ends.
        let mut confused = connect(&server);
        confused.write_all(&record(message)).expect("taken in");
        assert!(is_closed(&mut confused), "after {} bytes", message.len());
    }
    let calls: [Vec<u8>; 3] = [cut.clone(), [&cut[..], &[0; 399]].concat(), cut[..12].to_vec()];
    for message in &calls {
        socket.send(message).expect("loopback");
        stream.write_all(&record(message)).expect("taken in");
    }
    exchange(&mut stream, 1, b"and a good one");
    socket.send(&call(1, ECHO, b"and a good one")).expect("loopback");
    assert_eq!(receive(&socket), reply(1, b"and a good one"));
    let stats = server.stats();
    assert_eq!((stats.not_a_call, stats.bad_records, stats.malformed), (4, 4, 6), "{stats}");
}

/// Whether the peer has closed, by an end or a reset.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(n) => n == 0,
        Err(e) => e.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn t7_bytes_that_are_too_many_leave_the_connection_as_it_was() {
    let (lenient, strict) = (serve(false), serve(true));
    let (mut taken, mut refused) = (connect(&lenient), connect(&strict));
    let lengths = (1..=64).chain([100, 1000, 4095, 4096]);
    for more in lengths.clone() {
        let message = record(&[call(7, ECHO, b"abcd"), vec![1; more]].concat());
        taken.write_all(&message).expect("taken in");
        assert_eq!(read_record(&mut taken), reply(7, b"abcd"), "{more} bytes more");
        refused.write_all(&message).expect("taken in");
        assert_eq!(read_record(&mut refused), bytes(&[7, 1, 0, 0, 0, 4]), "{more} bytes more");
        exchange(&mut refused, 8, b"and a good one");
    }
    // Padding that is not zero.
    let mut message = call(7, ECHO, b"abc");
    *message.last_mut().expect("padding") = 1;
    taken.write_all(&record(&message)).expect("taken in");
    assert_eq!(read_record(&mut taken), reply(7, b"abc"));
    refused.write_all(&record(&message)).expect("taken in");
    assert_eq!(read_record(&mut refused), bytes(&[7, 1, 0, 0, 0, 4]));
    let count = lengths.count() as u64;
    assert_eq!(lenient.stats().trailing_bytes, count);
    assert_eq!((strict.stats().garbage_args, strict.stats().executed), (count + 1, count));
}
