//! A client and a server with a bad network between them, in virtual time: all that happens follows
//! from the seed.

// Each test file uses a part of it.
#![allow(dead_code)]

pub(crate) mod netem;
pub(crate) mod server;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use farcall::proto::client::flavor::CallAuth;
use farcall::proto::client::{CallParams, ClientConfig, ClientCore, Repeat, Transport};
use farcall::proto::retry::RetryPolicy;
use farcall::xdr::{Bytes, Encoder};
use farcall::{Procedure, Program, Result, Version, Xid};

use netem::{Conditions, Network, Way};

/// Adds one: executed twice, it shows.
pub(crate) const ADD: Procedure = Procedure(1);
pub(crate) const PROGRAM: Program = Program(0x2000_0099);
pub(crate) const VERSION: Version = Version(1);

/// What answers a message, or does not.
pub(crate) trait Serve {
    fn handle(&mut self, now: Instant, message: &Bytes) -> Option<Bytes>;
}

/// Both ends and what is between them.
pub(crate) struct Pair<S> {
    pub(crate) client: ClientCore,
    retry: RetryPolicy,
    pub(crate) server: S,
    pub(crate) now: Instant,
    start: Instant,
    network: Network,
    /// Everything that was sent and that arrived, and when.
    trace: DefaultHasher,
    /// Datagrams that the client sent.
    pub(crate) sent: u64,
}

impl<S: Serve> Pair<S> {
    pub(crate) fn new(seed: u64, conditions: Conditions, retry: RetryPolicy, server: S) -> Self {
        let start = Instant::now();
        Self {
            client: client(retry, seed),
            retry,
            server,
            now: start,
            start,
            network: Network::new(start, seed ^ 0x5eed, conditions),
            trace: DefaultHasher::new(),
            sent: 0,
        }
    }

    /// Puts another client in the place of the one there is, at the same address and port. What the
    /// former had under way stays under way.
    pub(crate) fn replace_client(&mut self, seed: u64) {
        self.client = client(self.retry, seed);
    }

    /// Calls [`ADD`] with a word and sends the call.
    pub(crate) fn call(&mut self, word: u32, timeout: Duration) -> Xid {
        self.call_as(word, timeout, Repeat::WhileKnown)
    }

    /// The same, sent again when `repeat` says.
    pub(crate) fn call_as(&mut self, word: u32, timeout: Duration, repeat: Repeat) -> Xid {
        let params = CallParams {
            program: PROGRAM,
            version: VERSION,
            procedure: ADD,
            auth: CallAuth::NONE,
            repeat,
            deadline: self.now + timeout,
        };
        let args = |e: &mut Encoder| {
            e.u32(word);
            Ok(())
        };
        let xid = self.client.call(self.now, &params, args).expect("a word");
        self.transmit();
        xid
    }

    /// Goes on to the next thing that happens. Says whether there was any.
    pub(crate) fn step(&mut self) -> bool {
        let next = self.client.poll_timeout().into_iter().chain(self.network.next_arrival()).min();
        let Some(next) = next else {
            return false;
        };
        self.now = self.now.max(next);
        self.client.handle_timeout(self.now);
        while let Some((way, datagram)) = self.network.arrived(self.now) {
            self.note(&datagram, way);
            match way {
                Way::ToClient => {
                    self.client.handle_reply(self.now, &datagram, || datagram.clone());
                }
                Way::ToServer => {
                    if let Some(reply) = self.server.handle(self.now, &datagram) {
                        self.network.send(self.now, Way::ToClient, &reply);
                    }
                }
            }
        }
        self.transmit();
        true
    }

    /// Goes on until the call has ended.
    pub(crate) fn finish(&mut self, xid: Xid) -> Result<Bytes> {
        loop {
            if let Some(result) = self.client.take_result(xid) {
                return result;
            }
            assert!(self.step(), "a call is under way and nothing happens");
        }
    }

    /// How long all took so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// A number that stands for everything that happened.
    pub(crate) fn trace(&self) -> u64 {
        self.trace.finish()
    }

    fn transmit(&mut self) {
        while let Some(message) = self.client.poll_transmit() {
            let datagram: Bytes = message.chunks().flatten().copied().collect();
            self.client.handle_transmitted(self.now);
            self.sent += 1;
            self.network.send(self.now, Way::ToServer, &datagram);
        }
    }

    fn note(&mut self, datagram: &Bytes, way: Way) {
        (self.elapsed(), way, datagram).hash(&mut self.trace);
    }
}

fn client(retry: RetryPolicy, seed: u64) -> ClientCore {
    ClientCore::new(&ClientConfig {
        transport: Transport::Datagram,
        retry,
        idle: Duration::MAX,
        seed,
    })
}
