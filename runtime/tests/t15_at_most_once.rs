//! T15: no call is executed twice, and every call ends by its deadline, whatever the network does,
//! the client's successor at the same port, and a server that is started again.
//!
//! `FARCALL_SIM_SEEDS=10000 cargo test --release -p farcall --test t15_at_most_once` runs more of
//! it than the usual run.

mod sim;

use std::thread;
use std::time::{Duration, Instant};

use farcall::Xid;
use farcall::proto::client::Repeat;
use farcall::proto::retry::RetryPolicy;

use sim::Pair;
use sim::netem::Conditions;
use sim::server::Adder;

/// Runs, unless the environment says more.
const SEEDS: u64 = 200;
/// Calls of a run. They are made in four parts, and between those something happens.
const CALLS: u32 = 1000;
const PARTS: u32 = 4;
const IN_FLIGHT: usize = 8;
const TIMEOUT: Duration = Duration::from_secs(10);

/// A call under way: what it adds to, and when it must have ended.
struct Call {
    xid: Xid,
    word: u32,
    deadline: Instant,
}

/// What became of the calls.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    answered: u32,
    timed_out: u32,
    /// Their client was gone.
    abandoned: u32,
    datagrams: u64,
    trace: u64,
}

/// Loses and repeats about a third of all, lets datagrams overtake each other, keeps some back until
/// long after their calls have ended, and lets nothing through for seconds at a time.
fn terrible() -> Conditions {
    Conditions {
        lost: 300,
        repeated: 300,
        delay: Duration::from_millis(1)..Duration::from_millis(80),
        stuck: 20,
        stuck_for: Duration::from_secs(60),
        cut: Duration::from_secs(6),
    }
}

struct Run {
    seed: u64,
    pair: Pair<Adder>,
    calls: Vec<Call>,
    outcome: Outcome,
}

impl Run {
    fn new(seed: u64) -> Self {
        let pair = Pair::new(seed, terrible(), RetryPolicy::default(), Adder::default());
        Self { seed, pair, calls: Vec::new(), outcome: Outcome::default() }
    }

    /// Makes all calls and waits for the last datagram.
    fn whole(mut self) -> Outcome {
        for part in 0..PARTS {
            let words = part * (CALLS / PARTS)..(part + 1) * (CALLS / PARTS);
            self.make(words);
            match part {
                0 => self.replace_client_under_way(),
                1 => self.replace_client_by_its_equal(),
                2 => self.restart_server(),
                _ => self.quiet(),
            }
        }
        let Self { seed, pair, outcome, .. } = self;
        let ended = outcome.answered + outcome.timed_out + outcome.abandoned;
        assert_eq!(ended, CALLS, "seed {seed}");
        assert_eq!(pair.server.twice(), [], "seed {seed}: words executed twice");
        Outcome { datagrams: pair.sent, trace: pair.trace(), ..outcome }
    }

    fn make(&mut self, words: std::ops::Range<u32>) {
        for word in words {
            let xid = self.pair.call(word, TIMEOUT);
            self.calls.push(Call { xid, word, deadline: self.pair.now + TIMEOUT });
            while self.calls.len() == IN_FLIGHT {
                self.step();
            }
        }
    }

    /// Whether anything is still to come.
    fn step(&mut self) -> bool {
        let goes_on = self.pair.step();
        let (pair, outcome, seed) = (&mut self.pair, &mut self.outcome, self.seed);
        self.calls.retain(|call| !has_ended(pair, call, outcome, seed));
        goes_on || !self.calls.is_empty()
    }

    /// Goes on without calls, too: what is still under way must not be executed again.
    fn quiet(&mut self) {
        while self.step() {}
    }

    /// Answers to the former client's calls reach one that never made them.
    fn replace_client_under_way(&mut self) {
        self.outcome.abandoned += u32::try_from(self.calls.len()).expect("eight at most");
        self.calls.clear();
        self.pair.replace_client(!self.seed);
    }

    /// The same xids again, from the same port, for other calls.
    fn replace_client_by_its_equal(&mut self) {
        self.quiet();
        self.pair.replace_client(!self.seed);
    }

    /// When nothing is under way that the server would have to remember.
    fn restart_server(&mut self) {
        self.quiet();
        self.pair.server.restart();
    }
}

fn has_ended(pair: &mut Pair<Adder>, call: &Call, outcome: &mut Outcome, seed: u64) -> bool {
    let Some(result) = pair.client.take_result(call.xid) else {
        assert!(pair.now <= call.deadline, "seed {seed}: word {} is overdue", call.word);
        return false;
    };
    match result {
        Ok(times) => {
            assert_eq!(times[..], [0, 0, 0, 1], "seed {seed}: word {}", call.word);
            outcome.answered += 1;
        }
        Err(error) => {
            assert!(error.is_timeout(), "seed {seed}: {error}");
            assert_eq!(pair.now, call.deadline, "seed {seed}: word {}", call.word);
            outcome.timed_out += 1;
        }
    }
    true
}

fn seeds() -> u64 {
    let more = std::env::var("FARCALL_SIM_SEEDS").ok();
    more.map_or(SEEDS, |more| more.parse().expect("FARCALL_SIM_SEEDS is a number"))
}

#[test]
fn no_call_is_executed_twice_and_all_end_in_time() {
    let seeds = seeds();
    // Two halves, for two processors.
    let half = |first: u64| {
        move || (first..seeds).step_by(2).map(|seed| Run::new(seed).whole()).collect::<Vec<_>>()
    };
    let halves = [thread::spawn(half(0)), thread::spawn(half(1))];
    let outcomes = halves.into_iter().flat_map(|half| half.join().expect("a seed that is named"));
    let (answered, datagrams) = outcomes.fold((0, 0), |(answered, datagrams), outcome| {
        (answered + u64::from(outcome.answered), datagrams + outcome.datagrams)
    });
    let calls = seeds * u64::from(CALLS);
    println!("{seeds} seeds: {answered} of {calls} calls answered, {datagrams} datagrams sent");
    // At half of all round trips lost, several attempts have to fail in a row.
    assert!(answered * 100 >= calls * 95, "{answered} of {calls}");
}

/// Calls that are waited for longer than a server remembers them, over a network that loses most.
#[test]
fn however_long_a_call_takes_only_an_idempotent_one_is_executed_twice() {
    let is_idempotent = |word: u32| word % 2 == 1;
    let mut twice = 0;
    for seed in 0..seeds() / 4 {
        let conditions = Conditions { lost: 800, ..terrible() };
        let mut pair = Pair::new(seed, conditions, RetryPolicy::default(), Adder::default());
        let calls: Vec<Xid> = (0..100)
            .map(|word| {
                let repeat = if is_idempotent(word) { Repeat::Always } else { Repeat::WhileKnown };
                pair.call_as(word, Duration::from_secs(600), repeat)
            })
            .collect();
        while pair.step() {}
        assert!(calls.into_iter().all(|xid| pair.client.take_result(xid).is_some()));
        let words = pair.server.twice();
        assert!(words.iter().all(|&word| is_idempotent(word)), "seed {seed}: {words:?}");
        twice += words.len();
    }
    assert!(twice > 0, "the server has forgotten some");
}

#[test]
fn all_that_happens_follows_from_the_seed() {
    for seed in [0, 1, 299] {
        assert_eq!(Run::new(seed).whole(), Run::new(seed).whole());
    }
    assert_ne!(Run::new(0).whole().trace, Run::new(1).whole().trace);
}
