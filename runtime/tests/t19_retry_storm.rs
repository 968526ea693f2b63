//! T19: what clients add to the load of a server that is down, and how soon all is well again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use farcall::proto::client::flavor::CallAuth;
use farcall::proto::client::{CallParams, ClientConfig, ClientCore, Repeat, Transport};
use farcall::proto::retry::RetryPolicy;
use farcall::xdr::Bytes;
use farcall::{Procedure, Program, Version};

const MS: Duration = Duration::from_millis(1);
const CLIENTS: u64 = 100;

/// Each client calls so often, and waits for each answer so long.
const EVERY: u32 = 50;
const TIMEOUT: u32 = 1000;

struct Client {
    core: ClientCore,
    /// Answers under way, and when they arrive.
    answers: VecDeque<(u32, u32)>,
    answered: u64,
    failed: u64,
}

impl Client {
    fn new(seed: u64) -> Self {
        let (transport, retry, idle) = (Transport::Datagram, RetryPolicy::default(), Duration::MAX);
        let core = ClientCore::new(&ClientConfig { transport, retry, idle, seed });
        Self { core, answers: VecDeque::new(), answered: 0, failed: 0 }
    }

    /// One millisecond. Says how much was sent.
    fn tick(&mut self, start: Instant, at: u32, is_up: bool, calls: bool) -> u64 {
        let now = start + at * MS;
        while self.answers.front().is_some_and(|&(due, _)| due <= at) {
            let (_, xid) = self.answers.pop_front().expect("there is one");
            let reply: Vec<u8> =
                [xid, 1, 0, 0, 0, 0].iter().flat_map(|word| word.to_be_bytes()).collect();
            self.core.handle_reply(now, &reply, Bytes::new);
        }
        self.core.handle_timeout(now);
        if calls {
            self.call(now);
        }
        let mut sent = 0;
        while let Some(message) = self.core.poll_transmit() {
            let header = message.chunks().next().expect("a header");
            let xid = u32::from_be_bytes(header[..4].try_into().expect("a word"));
            self.core.handle_transmitted(now);
            sent += 1;
            if is_up {
                self.answers.push_back((at + 2, xid));
            }
        }
        while let Some(xid) = self.core.poll_ended() {
            match self.core.take_result(xid) {
                Some(Ok(_)) => self.answered += 1,
                _ => self.failed += 1,
            }
        }
        sent
    }

    fn call(&mut self, now: Instant) {
        let params = CallParams {
            program: Program(7),
            version: Version(1),
            procedure: Procedure(2),
            auth: CallAuth::NONE,
            repeat: Repeat::WhileKnown,
            deadline: now + TIMEOUT * MS,
        };
        self.core.call(now, &params, |_| Ok(())).expect("no arguments");
    }
}

#[test]
fn t19_a_server_that_is_down_gets_a_tenth_more_and_is_used_in_full_when_it_is_back() {
    const DOWN: u32 = 5_000;
    const BACK: u32 = DOWN + 60_000;
    const END: u32 = BACK + 6_000;
    let start = Instant::now();
    let mut clients: Vec<Client> = (0..CLIENTS).map(Client::new).collect();
    let (mut sent, mut failed_late) = (0, 0);
    for at in 0..END {
        let is_up = !(DOWN..BACK).contains(&at);
        for (number, client) in (0..).zip(&mut clients) {
            let before = client.failed;
            let now = client.tick(start, at, is_up, (at + number) % EVERY == 0);
            sent += if is_up { 0 } else { now };
            // Those made before the return end within their timeout after it.
            failed_late += if at > BACK + TIMEOUT { client.failed - before } else { 0 };
        }
    }
    let made = CLIENTS * u64::from((BACK - DOWN) / EVERY);
    let earned = CLIENTS * u64::from(DOWN / EVERY) / 10;
    // A tenth of the calls, ten a second for each client, and what each had saved: 20 at first, and
    // a tenth of what it had called.
    let most = made / 10 + CLIENTS * 60 * 10 + CLIENTS * 20 + earned;
    assert!(sent >= made && sent - made <= most, "{} resends, at most {most}", sent - made);
    assert_eq!(failed_late, 0, "a second after the return every call is answered");
    let answered: u64 = clients.iter().map(|client| client.answered).sum();
    let resent: u64 = clients.iter().map(|client| client.core.stats().resent).sum();
    assert!(answered >= CLIENTS * u64::from((END - BACK - 10) / EVERY), "{answered} answered");
    assert!(resent >= sent - made);
}
