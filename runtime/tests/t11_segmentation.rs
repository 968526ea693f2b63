//! T11: messages are the same however a stream is cut into fragments and pieces, in both
//! directions.

mod server_peer;

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use farcall::proto::client::flavor::CallAuth;
use farcall::proto::client::{CallParams, ClientConfig, ClientCore, Repeat, Transport};
use farcall::proto::connection::{Connection, Cores};
use farcall::proto::record::LAST_FRAGMENT;
use farcall::proto::retry::RetryPolicy;
use farcall::proto::server::{Caller, ServerConfig, ServerCore};
use farcall::proto::xid::Random;
use farcall::xdr::Bytes;
use farcall::{Dispatch, Limits, PeerAddr, Procedure, Program, Version, Xid};
use server_peer::{ECHO, Echo, call, record, reply};

const CASES: u64 = 10_000;

/// A number below `end`.
fn below(random: &mut Random, end: usize) -> usize {
    usize::try_from(random.u64() % end as u64).expect("it is below one")
}

/// `message` as a record of up to 64 fragments, some of them empty.
fn fragmented(message: &[u8], random: &mut Random) -> Vec<u8> {
    let (mut wire, mut rest, mut empty) = (Vec::new(), message, 0);
    for left in (0..=below(random, 64)).rev() {
        // More than 16 empty ones in a row are refused.
        let least = usize::from(empty == 16).min(rest.len());
        let len = if left == 0 { rest.len() } else { below(random, 20).clamp(least, rest.len()) };
        empty = if len == 0 { empty + 1 } else { 0 };
        let (body, after) = rest.split_at(len);
        let last = left == 0 || empty == 16 && after.is_empty();
        let mark = if last { LAST_FRAGMENT } else { 0 };
        wire.extend((u32::try_from(len).expect("short") | mark).to_be_bytes());
        wire.extend(body);
        rest = after;
        if last {
            break;
        }
    }
    wire
}

/// A client's connection and one of a server's, of which each test uses one.
struct Ends {
    server: ServerCore,
    client: ClientCore,
    connection: Connection,
    now: Instant,
}

impl Ends {
    fn new() -> Self {
        let mut server = ServerCore::new(ServerConfig::default(), Waker::noop().clone());
        server.add(Echo::new().0 as Arc<dyn Dispatch>);
        let retry = RetryPolicy::default();
        let idle = Duration::MAX;
        let config = ClientConfig { transport: Transport::Stream, retry, idle, seed: 1 };
        let now = Instant::now();
        let mut client = ClientCore::new(&config);
        client.handle_connected(now);
        Self { server, client, connection: Connection::new(now, &Limits::default()), now }
    }

    /// Gives it `wire`, cut where `next` says.
    fn receive(&mut self, wire: &[u8], mut next: impl FnMut(usize) -> usize) {
        let mut rest = wire;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(next(rest.len()));
            let chunk = Bytes::copy_from_slice(piece);
            let caller = Caller::new(PeerAddr::Tcp(([127, 0, 0, 1], 9).into()), 0);
            let mut cores =
                Cores { server: Some((&mut self.server, caller)), client: Some(&mut self.client) };
            self.connection.handle_input(self.now, &chunk, &mut cores).expect("well formed");
            rest = after;
        }
    }

    fn call(&mut self) -> Xid {
        let params = CallParams {
            program: Program(7),
            version: Version(1),
            procedure: Procedure(2),
            auth: CallAuth::NONE,
            repeat: Repeat::WhileKnown,
            deadline: self.now + Duration::from_secs(9),
        };
        self.client.call(self.now, &params, |_| Ok(())).expect("no arguments")
    }

    fn output(&self) -> Vec<u8> {
        self.connection.output().chunks().flatten().copied().collect()
    }
}

#[test]
fn t11_calls_in_any_fragments_and_pieces_are_answered_the_same() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let (mut wire, mut answers) = (Vec::new(), Vec::new());
        for xid in 0..3 {
            let data = vec![7; below(&mut random, 100)];
            wire.extend(fragmented(&call(xid, ECHO, &data), &mut random));
            answers.extend(record(&reply(xid, &data)));
        }
        let mut ends = Ends::new();
        ends.receive(&wire, |left| below(&mut random, left) + 1);
        assert!(ends.output() == answers, "seed {seed}");
    }
}

#[test]
fn t11_replies_in_any_fragments_and_pieces_are_the_same_results() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let mut ends = Ends::new();
        let calls = [(); 3].map(|()| ends.call());
        let mut wire = Vec::new();
        let data = vec![7; below(&mut random, 100)];
        for xid in calls {
            wire.extend(fragmented(&reply(xid.0, &data), &mut random));
        }
        ends.receive(&wire, |left| below(&mut random, left) + 1);
        for xid in calls {
            let result = ends.client.take_result(xid).expect("answered").expect("a success");
            assert!(result[..] == reply(0, &data)[24..], "seed {seed}");
        }
    }
}

#[test]
fn t11_calls_are_answered_whichever_byte_they_are_cut_at() {
    let wire = [record(&call(1, ECHO, b"one")), record(&call(2, ECHO, b"another"))].concat();
    let answers = [record(&reply(1, b"one")), record(&reply(2, b"another"))].concat();
    for first in 1..wire.len() {
        let mut ends = Ends::new();
        let mut cuts = [first].into_iter();
        ends.receive(&wire, |left| cuts.next().unwrap_or(left));
        assert_eq!(ends.output(), answers, "cut at {first}");
    }
}
