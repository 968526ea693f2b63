//! T18: when a datagram is sent again, at a server that is silent or loses some. With the default
//! times a silent server sees 4 sends in 10 s, and 10 if it was known: `client_core.rs`.

mod sim;

use std::time::{Duration, Instant};

use farcall::proto::client::flavor::CallAuth;
use farcall::proto::client::{CallParams, ClientConfig, ClientCore, Repeat, Transport};
use farcall::proto::retry::RetryPolicy;
use farcall::xdr::Bytes;
use farcall::{Procedure, Program, Version, Xid};
use sim::Pair;
use sim::netem::Conditions;
use sim::server::Adder;

const MS: Duration = Duration::from_millis(1);

fn call(core: &mut ClientCore, now: Instant) -> Xid {
    let params = CallParams {
        program: Program(7),
        version: Version(1),
        procedure: Procedure(2),
        auth: CallAuth::NONE,
        repeat: Repeat::WhileKnown,
        deadline: now + 10_000 * MS,
    };
    core.call(now, &params, |_| Ok(())).expect("no arguments")
}

/// Says when the datagrams go to a server that was known and is silent now.
fn sends(min: Duration, seed: u64) -> Vec<Duration> {
    let mut retry = RetryPolicy::default();
    retry.min = min;
    let (transport, idle) = (Transport::Datagram, Duration::MAX);
    let mut core = ClientCore::new(&ClientConfig { transport, retry, idle, seed });
    let start = Instant::now();
    for _ in 0..20 {
        let xid = call(&mut core, start);
        assert!(core.poll_transmit().is_some());
        core.handle_transmitted(start);
        let reply: Vec<u8> =
            [xid.0, 1, 0, 0, 0, 0].iter().flat_map(|word| word.to_be_bytes()).collect();
        core.handle_reply(start + MS / 100, &reply, Bytes::new);
    }
    call(&mut core, start);
    let (mut now, mut sent) = (start, Vec::new());
    loop {
        while core.poll_transmit().is_some() {
            core.handle_transmitted(now);
            sent.push(now - start);
        }
        let Some(timer) = core.poll_timeout() else {
            return sent;
        };
        now = timer;
        core.handle_timeout(now);
    }
}

#[test]
fn t18_the_shortest_timeout_is_10_ms_or_1_ms_if_that_is_said() {
    for seed in 0..100 {
        for (min, most) in [(10 * MS, 12), (MS, 15)] {
            let sent = sends(min, seed);
            assert!(sent.len() <= most, "seed {seed}: {} sends", sent.len());
            let waits: Vec<Duration> = sent.windows(2).map(|pair| pair[1] - pair[0]).collect();
            // The first is the minimum and the round trip, each further one twice that, and each
            // up to a quarter more.
            for (doublings, wait) in (0..).zip(&waits) {
                let ideal = (min + MS / 50) * (1 << doublings);
                assert!(*wait >= ideal * 9 / 10, "seed {seed}: {wait:?} for {ideal:?}");
                assert!(*wait <= ideal * 13 / 10, "seed {seed}: {wait:?} for {ideal:?}");
            }
        }
    }
}

#[test]
fn t18_the_timeout_is_near_the_round_trip_where_5_percent_are_lost() {
    for seed in 0..20 {
        let conditions = Conditions { lost: 50, ..Conditions::perfect(100 * MS) };
        let mut pair = Pair::new(seed, conditions, RetryPolicy::default(), Adder::default());
        for word in 0..200 {
            let xid = pair.call(word, 10_000 * MS);
            assert!(pair.finish(xid).is_ok(), "seed {seed}");
        }
        let before = pair.now;
        pair.call(200, 10_000 * MS);
        let timeout = pair.client.poll_timeout().expect("it is sent again") - before;
        // Ideal is 200 ms and the least that is added; a quarter is jitter.
        assert!(timeout >= 200 * MS && timeout <= 263 * MS, "seed {seed}: {timeout:?}");
    }
}
