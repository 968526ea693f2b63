//! T17: replies that somebody else sends. That nothing but the awaited reply has an effect on the
//! state machine is seen to in `client_core.rs`.

mod client_peer;

use std::collections::HashSet;
use std::net::UdpSocket;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use std::{iter, thread};

use client_peer::{connect, echo, echoed, receive, start_echo, success, udp};
use farcall::proto::client::flavor::CallAuth;
use farcall::proto::client::{CallParams, ClientConfig, ClientCore, Repeat, Transport};
use farcall::proto::retry::RetryPolicy;
use farcall::proto::xid::Random;
use farcall::xdr::Bytes;
use farcall::{ClientOptions, Procedure, Program, Version, Xid};

/// Datagrams of each kind.
const MILLION: u32 = 1_000_000;

/// So many of them are sent before it is looked whether they came: as many as the system holds.
const BATCH: u32 = 100;

/// For a call that outlives them all, however slow the machine is, and is sent once.
fn long() -> ClientOptions {
    let hour = Duration::from_secs(3600);
    ClientOptions::new().timeout(hour).initial_rto(hour).max_rto(hour)
}

#[test]
fn t17_no_reply_from_another_address_or_port_is_taken() {
    let (target, server) = udp(|socket| {
        let (call, from) = receive(&socket);
        let forged = success(&call, &[0, 0, 0, 9]);
        for stranger in ["127.0.0.1:0", "127.0.0.2:0"] {
            let Ok(stranger) = UdpSocket::bind(stranger) else {
                eprintln!("skipped: this host has no second address");
                continue;
            };
            for _ in 0..MILLION / 2 {
                // That nobody takes them may be reported.
                let _ = stranger.send_to(&forged, from);
            }
        }
        socket.send_to(&echoed(&call), from).expect("the client listens");
    });
    let client = connect(&target, &long());
    assert_eq!(echo(&client, 7).ok(), Some(7));
    server.join().expect("one call");
    let stats = client.stats();
    assert_eq!((stats.unknown_xid, stats.malformed, stats.replies), (0, 0, 1));
    assert_eq!((stats.sent, stats.resent), (1, 0));
}

/// Off-path guesses that pass the kernel, because they have the server's address and port.
#[test]
fn t17_no_other_xid_of_a_million_is_taken() {
    let (found, calls) = channel();
    let (target, server) = udp(move |socket| {
        let (call, from) = receive(&socket);
        found.send((socket, call, from)).expect("the test waits");
    });
    let client = connect(&target, &long());
    let pending = start_echo(&client, 7);
    let waiting = thread::spawn(move || pending.wait());
    let (socket, call, from) = calls.recv_timeout(Duration::from_secs(20)).expect("called");
    let mut random = Random::new(17);
    let mut guesses =
        iter::repeat_with(|| random.u32().to_be_bytes()).filter(|xid| *xid != call[..4]);
    for sent in (BATCH..=MILLION).step_by(BATCH as usize) {
        for xid in guesses.by_ref().take(BATCH as usize) {
            let forged = success(&[&xid, &call[4..]].concat(), &[0, 0, 0, 9]);
            socket.send_to(&forged, from).expect("the client listens");
        }
        while client.stats().unknown_xid < u64::from(sent) {
            assert!(!waiting.is_finished(), "none of them is the answer");
            thread::yield_now();
        }
    }
    socket.send_to(&echoed(&call), from).expect("the client listens");
    assert_eq!(waiting.join().expect("it waits").ok(), Some(7));
    server.join().expect("one call");
    let stats = client.stats();
    assert_eq!((stats.unknown_xid, stats.malformed, stats.replies), (u64::from(MILLION), 0, 1));
    assert_eq!((stats.sent, stats.resent), (1, 0));
}

fn bench() -> (ClientCore, Instant) {
    let (transport, retry) = (Transport::Datagram, RetryPolicy::default());
    let idle = Duration::MAX;
    (ClientCore::new(&ClientConfig { transport, retry, idle, seed: 17 }), Instant::now())
}

fn call(core: &mut ClientCore, now: Instant) -> Xid {
    let params = CallParams {
        program: Program(7),
        version: Version(1),
        procedure: Procedure(2),
        auth: CallAuth::NONE,
        repeat: Repeat::WhileKnown,
        deadline: now + Duration::from_secs(10),
    };
    core.call(now, &params, |_| Ok(())).expect("no arguments")
}

fn reply(xid: u32) -> Vec<u8> {
    [xid, 1, 0, 0, 0, 0].iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[test]
fn t17_a_million_random_xids_and_old_replies_are_counted_and_nothing_else() {
    let (mut core, now) = bench();
    let answered = call(&mut core, now);
    core.handle_reply(now, &reply(answered.0), Bytes::new);
    assert!(core.take_result(answered).is_some_and(|result| result.is_ok()));
    let waiting: HashSet<Xid> = (0..100).map(|_| call(&mut core, now)).collect();
    assert_eq!(waiting.len(), 100, "no two have the same");
    while core.poll_transmit().is_some() {
        core.handle_transmitted(now);
    }
    let mut random = Random::new(99);
    for _ in 0..MILLION {
        core.handle_reply(now, &reply(random.u32()), Bytes::new);
    }
    for _ in 0..1000 {
        core.handle_reply(now, &reply(answered.0), Bytes::new);
    }
    // 100 of 2^32 xids wait: 0.02 hits are expected, and with this seed there is none.
    let stats = core.stats();
    assert_eq!((stats.unknown_xid, stats.replies, core.waiting()), (1_001_000, 1, 100));
    assert!(!core.has_output(), "nothing is sent for it");
}

#[test]
fn t17_the_next_xid_is_not_near_the_last() {
    let (mut core, now) = bench();
    let xids: Vec<u32> = (0..10_000).map(|_| call(&mut core, now).0).collect();
    assert_eq!(xids.iter().collect::<HashSet<_>>().len(), 10_000);
    let near = xids.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 1 << 16).count();
    // 2^17 of 2^32 are near: 0.3 of 10,000 are expected.
    assert!(near <= 3, "{near} are near the one before");
}
