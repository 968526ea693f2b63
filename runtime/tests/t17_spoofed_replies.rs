//! T17: replies that somebody else sends. That nothing but the awaited reply has an effect on the
//! state machine is seen to in `client_core.rs`.

mod client_peer;

use std::collections::HashSet;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use client_peer::{connect, echo, echoed, patient, receive, success, udp};
use farcall::Procedure;
use farcall::proto::client::flavor::CallAuth;
use farcall::proto::client::{CallParams, ClientConfig, ClientCore, Repeat, Transport};
use farcall::proto::retry::RetryPolicy;
use farcall::proto::xid::Random;
use farcall::xdr::Bytes;
use farcall::{Program, Version, Xid};

/// Real datagrams, each with the right xid.
const FORGED: u32 = 100_000;

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
            for _ in 0..FORGED / 2 {
                // That nobody takes them may be reported.
                let _ = stranger.send_to(&forged, from);
            }
        }
        socket.send_to(&echoed(&call), from).expect("the client listens");
    });
    let client = connect(&target, &patient().initial_rto(Duration::from_secs(60)));
    assert_eq!(echo(&client, 7).ok(), Some(7));
    server.join().expect("one call");
    let stats = client.stats();
    assert_eq!((stats.unknown_xid, stats.malformed, stats.replies), (0, 0, 1));
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
    for _ in 0..1_000_000 {
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
