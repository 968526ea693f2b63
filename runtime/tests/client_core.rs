//! The client's state machine, in virtual time.

use std::time::{Duration, Instant};

use farcall::proto::client::flavor::CallAuth;
use farcall::proto::client::{
    CallParams, ClientConfig, ClientCore, KNOWN_FOR, Repeat, Transport, window,
};
use farcall::proto::retry::RetryPolicy;
use farcall::xdr::{Bytes, Encoder};
use farcall::{Doing, Error, Procedure, Program, Version, Xid};

struct Bench {
    core: ClientCore,
    start: Instant,
    now: Instant,
}

impl Bench {
    fn new(transport: Transport, seed: u64) -> Self {
        let config = ClientConfig {
            transport,
            retry: RetryPolicy::default(),
            idle: Duration::from_secs(300),
            seed,
        };
        let now = Instant::now();
        Self { core: ClientCore::new(&config), start: now, now }
    }

    fn datagram(seed: u64) -> Self {
        Self::new(Transport::Datagram, seed)
    }

    fn stream() -> Self {
        let mut bench = Self::new(Transport::Stream, 1);
        bench.core.handle_connected(bench.now);
        bench
    }

    fn call(&mut self, word: u32, millis: u64) -> Xid {
        self.call_as(word, millis, Repeat::WhileKnown)
    }

    fn call_as(&mut self, word: u32, millis: u64, repeat: Repeat) -> Xid {
        let params = CallParams {
            program: Program(7),
            version: Version(1),
            procedure: Procedure(2),
            auth: CallAuth::NONE,
            repeat,
            deadline: self.now + Duration::from_millis(millis),
        };
        let args = |e: &mut Encoder| {
            e.u32(word);
            Ok(())
        };
        self.core.call(self.now, &params, args).expect("a word")
    }

    /// Sends the datagrams that are due.
    fn transmit(&mut self) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while let Some(message) = self.core.poll_transmit() {
            sent.push(message.chunks().flatten().copied().collect());
            self.core.handle_transmitted(self.now);
        }
        sent
    }

    fn answer(&mut self, xid: Xid, after: Duration) {
        self.now += after;
        let reply = success(xid);
        self.core.handle_reply(self.now, &reply, || Bytes::from(reply.clone()));
    }

    /// Lets time pass to the next timer; what it makes be sent.
    fn wake(&mut self) -> Option<Vec<Vec<u8>>> {
        self.now = self.core.poll_timeout()?;
        self.core.handle_timeout(self.now);
        Some(self.transmit())
    }

    fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Takes all that is to go over the stream.
    fn drain(&mut self) -> Vec<u8> {
        let bytes: Vec<u8> = self.core.output().chunks().flatten().copied().collect();
        self.core.handle_written(bytes.len());
        bytes
    }
}

fn success(xid: Xid) -> Vec<u8> {
    let words = [xid.0, 1, 0, 0, 0, 0, 42];
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_silent_server_is_asked_few_times() {
    for seed in 0..1000 {
        let mut bench = Bench::datagram(seed);
        let xid = bench.call(1, 10_000);
        let mut sent = bench.transmit();
        while let Some(again) = bench.wake() {
            sent.extend(again);
        }
        // At 0, 1, 3 and 7 s, with up to a quarter more.
        assert_eq!(sent.len(), 4, "seed {seed}");
        assert!(sent.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}");
        assert_eq!(bench.elapsed(), 10_000 * MS);
        let result = bench.core.take_result(xid);
        let Some(Err(Error::TimedOut { after, sent: 4 })) = result else {
            panic!("seed {seed}: {result:?}");
        };
        assert_eq!(after, 10_000 * MS);
    }
}

#[test]
fn a_server_that_fell_silent_is_asked_again_sooner_but_not_for_long() {
    for seed in 0..1000 {
        let mut bench = Bench::datagram(seed);
        for word in 0..20 {
            let xid = bench.call(word, 10_000);
            bench.transmit();
            bench.answer(xid, MS / 10);
            assert!(bench.core.take_result(xid).is_some_and(|result| result.is_ok()));
        }
        bench.call(21, 10_000);
        let mut sent = bench.transmit().len();
        while let Some(again) = bench.wake() {
            sent += again.len();
        }
        // After 10, 20, 40 ms and so on up to 5.12 s, with up to a quarter more.
        assert_eq!(sent, 10, "seed {seed}");
    }
}

#[test]
fn the_timeout_is_that_of_the_estimate_at_a_round_trip_of_200_ms() {
    for seed in 0..100 {
        let mut bench = Bench::datagram(seed);
        for word in 0..50 {
            let xid = bench.call(word, 10_000);
            bench.transmit();
            bench.answer(xid, 200 * MS);
        }
        bench.call(51, 10_000);
        bench.transmit();
        let timeout = bench.core.poll_timeout().expect("it is sent again") - bench.now;
        // RFC 6298: 200 ms, and the minimum where the variation is less.
        assert!(timeout >= 210 * MS && timeout <= 263 * MS, "seed {seed}: {timeout:?}");
    }
}

#[test]
fn nothing_but_the_awaited_reply_has_an_effect() {
    let mut bench = Bench::datagram(3);
    let xid = bench.call(1, 10_000);
    let call = bench.transmit().remove(0);
    let timer = bench.core.poll_timeout();
    let mut forged = success(xid);
    for flip in 1..=255 {
        forged[2] = xid.0.to_be_bytes()[2] ^ flip;
        bench.core.handle_reply(bench.now, &forged, Bytes::new);
    }
    for garbage in [&call[..], &call[..7], &[], &[0xff; 64]] {
        bench.core.handle_reply(bench.now, garbage, Bytes::new);
    }
    let stats = bench.core.stats();
    assert_eq!((stats.unknown_xid, stats.malformed, stats.replies), (255, 4, 0));
    assert!(!bench.core.has_output() && bench.core.poll_ended().is_none());
    assert_eq!(bench.core.poll_timeout(), timer);
    bench.answer(xid, MS);
    bench.answer(xid, MS);
    assert_eq!((bench.core.poll_ended(), bench.core.poll_ended()), (Some(xid), None));
    assert_eq!(
        bench.core.take_result(xid).and_then(Result::ok).as_deref(),
        Some(&[0, 0, 0, 42][..])
    );
    assert_eq!((bench.core.stats().unknown_xid, bench.core.stats().replies), (256, 1));
}

#[test]
fn random_xids_hit_nothing() {
    let mut bench = Bench::datagram(4);
    let calls: Vec<Xid> = (0..1000).map(|word| bench.call(word, 10_000)).collect();
    bench.transmit();
    let mut random = farcall::proto::xid::Random::new(99);
    for _ in 0..100_000 {
        let reply = success(Xid(random.u32()));
        bench.core.handle_reply(bench.now, &reply, Bytes::new);
    }
    // 1000 of 2^32 xids wait: 0.02 hits are expected.
    assert_eq!((bench.core.stats().replies, bench.core.waiting()), (0, calls.len()));
}

#[test]
fn a_call_past_its_deadline_is_not_waited_for() {
    let mut bench = Bench::datagram(5);
    let xid = bench.call(1, 0);
    bench.core.handle_timeout(bench.now);
    let result = bench.core.take_result(xid);
    assert!(matches!(result, Some(Err(Error::TimedOut { after: Duration::ZERO, sent: 0 }))));
    assert!(bench.core.poll_transmit().is_none());
}

#[test]
fn what_cannot_be_sent_ends_its_call_only() {
    let mut bench = Bench::datagram(6);
    let [first, second] = [1, 2].map(|word| bench.call(word, 1000));
    assert!(bench.core.poll_transmit().is_some());
    bench.core.handle_unsendable(std::io::ErrorKind::InvalidInput.into());
    assert_eq!(bench.transmit().len(), 1);
    let result = bench.core.take_result(first);
    assert!(matches!(result, Some(Err(Error::Io { doing: Doing::Send, .. }))), "{result:?}");
    assert!(bench.core.take_result(second).is_none());
}

#[test]
fn a_call_that_was_sent_before_it_cannot_be_is_waited_for() {
    let mut bench = Bench::datagram(6);
    let [first, second] = [1, 2].map(|word| bench.call(word, 10_000));
    assert_eq!(bench.transmit().len(), 2);
    while bench.core.poll_transmit().is_none() {
        bench.now = bench.core.poll_timeout().expect("both are sent again");
        bench.core.handle_timeout(bench.now);
    }
    bench.core.handle_unsendable(std::io::ErrorKind::InvalidInput.into());
    assert!(bench.core.poll_ended().is_none());
    while bench.wake().is_some() {}
    assert_eq!(bench.elapsed(), 10_000 * MS);
    let mut sent = [first, second].map(|xid| match bench.core.take_result(xid) {
        Some(Err(error @ Error::TimedOut { sent, .. })) => (sent, error.may_have_executed()),
        other => panic!("{other:?}"),
    });
    sent.sort_unstable();
    assert_eq!(sent, [(1, true), (4, true)]);
}

#[test]
fn a_call_that_was_sent_twice_and_is_denied_may_have_been_executed() {
    for (times, may_have_executed) in [(1, false), (2, true)] {
        let mut bench = Bench::datagram(6);
        let xid = bench.call(1, 10_000);
        bench.transmit();
        for _ in 1..times {
            bench.wake();
        }
        let unavailable: Vec<u8> =
            [xid.0, 1, 0, 0, 0, 1].iter().flat_map(|word| word.to_be_bytes()).collect();
        bench.core.handle_reply(bench.now, &unavailable, Bytes::new);
        match bench.core.take_result(xid) {
            Some(Err(error @ Error::Refused { sent, .. })) => {
                assert_eq!((sent, error.may_have_executed()), (times, may_have_executed));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refusal_ends_what_was_sent_and_nothing_else() {
    let mut bench = Bench::datagram(6);
    let [first, second, third] = [1, 2, 3].map(|word| bench.call(word, 10_000));
    bench.transmit();
    assert_eq!(bench.wake().map(|again| again.len()), Some(1));
    let unsent = bench.call(4, 10_000);
    bench.core.handle_unreachable();
    assert!(bench.core.take_result(first).is_none());
    bench.core.handle_refused();
    let mut sent = [first, second, third].map(|xid| match bench.core.take_result(xid) {
        Some(Err(error @ Error::Unreachable { sent, .. })) => (sent, error.may_have_executed()),
        other => panic!("{other:?}"),
    });
    sent.sort_unstable();
    // It may be the answer to any of them.
    assert_eq!(sent, [(1, true), (1, true), (2, true)]);
    assert!(bench.core.take_result(unsent).is_none());
    assert_eq!((bench.core.stats().unreachable, bench.transmit().len()), (2, 1));
}

#[test]
fn a_refusal_may_be_of_a_call_that_nobody_waits_for_any_more() {
    for (times_out, answered, certain) in
        [(false, false, false), (true, false, false), (false, true, true)]
    {
        let mut bench = Bench::datagram(6);
        let former = bench.call(1, 500);
        assert_eq!(bench.transmit().len(), 1);
        if times_out {
            bench.now += 500 * MS;
            bench.core.handle_timeout(bench.now);
            assert!(bench.core.take_result(former).is_some());
        } else {
            bench.core.forget(former);
        }
        if answered {
            let call = bench.call(2, 1_000);
            bench.transmit();
            bench.answer(call, MS);
            assert!(bench.core.take_result(call).is_some());
        }
        let call = bench.call(3, 1_000);
        assert_eq!(bench.transmit().len(), 1);
        bench.core.handle_refused();
        let result = bench.core.take_result(call);
        let Some(Err(error @ Error::Unreachable { sent: 1, alone })) = result else {
            panic!("{result:?}")
        };
        assert_eq!((alone, error.may_have_executed()), (certain, !certain));
    }
}

#[test]
fn a_refusal_is_certain_of_a_call_that_was_alone_and_sent_once() {
    for (times, may_have_executed) in [(1, false), (2, true)] {
        let mut bench = Bench::datagram(6);
        let xid = bench.call(1, 10_000);
        bench.transmit();
        for _ in 1..times {
            bench.wake();
        }
        bench.core.handle_refused();
        match bench.core.take_result(xid) {
            Some(Err(error @ Error::Unreachable { sent, alone: true })) => {
                assert_eq!((sent, error.may_have_executed()), (times, may_have_executed));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_no_datagram_can_carry_is_refused_before_it_is_sent() {
    let mut bench = Bench::datagram(6);
    let params = CallParams {
        program: Program(7),
        version: Version(1),
        procedure: Procedure(2),
        auth: CallAuth::NONE,
        repeat: Repeat::WhileKnown,
        deadline: bench.now + 1000 * MS,
    };
    let mut call = |len: usize| {
        bench.core.call(bench.now, &params, |e| {
            e.opaque(&vec![0; len], u32::MAX)?;
            Ok(())
        })
    };
    // A header of 40 bytes, and the length.
    assert!(call(65_507 - 44 - 3).is_ok());
    let error = call(65_507 - 44 + 1).expect_err("a byte too long");
    assert!(matches!(error, Error::TooLarge { len: 65_508, max: 65_507 }), "{error:?}");
    assert_eq!((bench.core.stats().calls, bench.transmit().len()), (1, 1));
}

#[test]
fn a_blocked_datagram_is_still_the_next_and_still_ends_in_time() {
    let mut bench = Bench::datagram(7);
    let xid = bench.call(1, 50);
    assert!(bench.core.poll_transmit().is_some() && bench.core.poll_transmit().is_some());
    assert_eq!(bench.core.poll_timeout(), Some(bench.now + 50 * MS));
    assert_eq!(bench.wake(), Some(vec![]));
    assert!(matches!(bench.core.take_result(xid), Some(Err(Error::TimedOut { sent: 0, .. }))));
}

#[test]
fn no_more_datagrams_are_under_way_than_the_window_has_room_for() {
    let mut bench = Bench::datagram(9);
    let calls: Vec<Xid> = (0..200).map(|word| bench.call(word, 1000)).collect();
    assert_eq!(bench.transmit().len(), window::LEAST);
    bench.answer(calls[0], MS);
    bench.core.forget(calls[1]);
    assert_eq!(bench.transmit().len(), 2, "one for the answer, one for the call forgotten");
    // One that was not sent yet may be forgotten too. Until its turn comes it counts as held, so
    // that one call more is under way.
    bench.core.forget(calls[199]);
    assert_eq!(bench.transmit().len(), 1);
    while bench.wake().is_some() {}
    assert_eq!(bench.core.waiting(), 0);
    assert!(bench.elapsed() <= 1000 * MS, "{:?}", bench.elapsed());
    let unsent = |call: &&Xid| {
        matches!(bench.core.take_result(**call), Some(Err(Error::TimedOut { sent: 0, .. })))
    };
    assert_eq!(
        calls.iter().filter(unsent).count(),
        200 - window::LEAST - 4,
        "silence makes no room"
    );
}

#[test]
fn another_address_gets_everything_unanswered_at_once() {
    let mut bench = Bench::datagram(8);
    let calls = [1, 2, 3].map(|word| bench.call(word, 1000));
    let first = bench.transmit();
    bench.answer(calls[1], MS);
    bench.core.handle_readdressed();
    assert_eq!(bench.transmit(), [first[0].clone(), first[2].clone()]);
}

#[test]
fn a_call_that_is_not_to_be_sent_again_is_not() {
    let mut bench = Bench::datagram(11);
    let xid = bench.call_as(1, 10_000, Repeat::Never);
    assert_eq!(bench.transmit().len(), 1);
    assert_eq!(bench.wake(), Some(vec![]));
    assert_eq!(bench.elapsed(), 10_000 * MS);
    assert!(matches!(bench.core.take_result(xid), Some(Err(Error::TimedOut { sent: 1, .. }))));

    let mut bench = Bench::stream();
    let calls = [Repeat::Never, Repeat::WhileKnown].map(|repeat| bench.call_as(1, 10_000, repeat));
    bench.drain();
    bench.core.handle_disconnected(bench.now);
    let unsent = bench.call_as(2, 10_000, Repeat::Never);
    bench.core.handle_connected(bench.now);
    assert_eq!(bench.drain().len(), 2 * 48);
    let result = bench.core.take_result(calls[0]);
    assert!(matches!(result, Some(Err(Error::Disconnected { sent: 1 }))), "{result:?}");
    assert!([calls[1], unsent].iter().all(|&xid| bench.core.take_result(xid).is_none()));
}

/// How often a call is sent to a server that is silent for five minutes, and when last.
fn sent_in_vain(repeat: Repeat, seed: u64) -> (u32, Duration) {
    let mut bench = Bench::datagram(seed);
    let xid = bench.call_as(1, 300_000, repeat);
    let (mut count, mut last) = (bench.transmit().len(), Duration::ZERO);
    while let Some(again) = bench.wake() {
        count += again.len();
        last = if again.is_empty() { last } else { bench.elapsed() };
    }
    assert_eq!(bench.elapsed(), 300_000 * MS);
    match bench.core.take_result(xid) {
        Some(Err(error @ Error::TimedOut { sent, .. })) => {
            assert!(error.may_have_executed() && error.is_retryable());
            assert_eq!(sent as usize, count);
            (sent, last)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_an_idempotent_call_is_sent_again_after_45_seconds() {
    for seed in 0..100 {
        assert_eq!(sent_in_vain(Repeat::Never, seed), (1, Duration::ZERO));
        // At 0, 1, 3, 7, 15 and 31 s, with up to a quarter more.
        let (sent, last) = sent_in_vain(Repeat::WhileKnown, seed);
        assert!(sent == 6 && last < KNOWN_FOR, "seed {seed}: {sent}, {last:?}");
        // And then every minute.
        let (sent, last) = sent_in_vain(Repeat::Always, seed);
        assert!((9..=11).contains(&sent) && last > 200_000 * MS, "seed {seed}: {sent}, {last:?}");
    }
}

/// What becomes of calls that were sent over a connection that is lost: those that are sent again,
/// those that end.
fn after_a_loss(event: impl FnOnce(&mut Bench)) -> (Vec<Repeat>, Vec<Repeat>) {
    let all = [Repeat::Never, Repeat::WhileKnown, Repeat::Always];
    let mut bench = Bench::stream();
    let calls = all.map(|repeat| (repeat, bench.call_as(1, 600_000, repeat)));
    bench.drain();
    bench.core.handle_disconnected(bench.now);
    event(&mut bench);
    bench.core.handle_connected(bench.now);
    let again = bench.drain().len() / 48;
    let has_ended = |&(repeat, xid): &(Repeat, Xid)| match bench.core.take_result(xid)? {
        Err(error @ Error::Disconnected { sent: 1 }) => {
            assert!(error.may_have_executed() && error.is_retryable());
            Some(repeat)
        }
        other => panic!("{other:?}"),
    };
    let ended: Vec<Repeat> = calls.iter().filter_map(has_ended).collect();
    let lives: Vec<Repeat> = all.into_iter().filter(|repeat| !ended.contains(repeat)).collect();
    assert_eq!(lives.len(), again);
    (lives, ended)
}

#[test]
fn a_call_is_sent_on_another_connection_if_the_server_knows_it_for_a_repeat() {
    use Repeat::{Always, Never, WhileKnown};
    assert_eq!(after_a_loss(|_| ()), (vec![WhileKnown, Always], vec![Never]));
    let away = |millis: u32| move |bench: &mut Bench| bench.now += millis * MS;
    assert_eq!(after_a_loss(away(44_999)), (vec![WhileKnown, Always], vec![Never]));
    assert_eq!(after_a_loss(away(45_000)), (vec![Always], vec![Never, WhileKnown]));
    let forgotten = |bench: &mut Bench| bench.core.handle_forgotten();
    assert_eq!(after_a_loss(forgotten), (vec![Always], vec![Never, WhileKnown]));
}

#[test]
fn a_call_that_the_stream_took_nothing_of_was_not_sent() {
    let mut bench = Bench::stream();
    let [whole, part, none] = [1, 2, 3].map(|word| bench.call_as(word, 10_000, Repeat::Never));
    bench.core.handle_written(48 + 1);
    bench.core.handle_disconnected(bench.now);
    bench.core.handle_forgotten();
    for xid in [whole, part] {
        let result = bench.core.take_result(xid);
        assert!(matches!(result, Some(Err(Error::Disconnected { sent: 1 }))), "{result:?}");
    }
    assert_eq!(bench.core.stats().sent, 2);
    bench.core.handle_connected(bench.now);
    assert_eq!(bench.drain()[4..8], none.0.to_be_bytes());
    bench.answer(none, MS);
    assert!(bench.core.take_result(none).is_some_and(|result| result.is_ok()));
    assert_eq!((bench.core.stats().sent, bench.core.stats().resent), (3, 0));
}

#[test]
fn a_call_that_nobody_wants_the_results_of_is_dropped_when_it_is_sent() {
    let mut bench = Bench::datagram(12);
    let calls: Vec<Xid> = (0..200).map(|word| bench.call(word, 1000)).collect();
    calls.iter().for_each(|&xid| bench.core.disown(xid));
    assert_eq!(bench.transmit().len(), 200);
    assert_eq!((bench.core.waiting(), bench.core.poll_timeout()), (0, None));
    let mut bench = Bench::new(Transport::Stream, 1);
    let [sent, late] = [1, 2].map(|word| bench.call(word, 1000));
    bench.core.disown(sent);
    bench.core.handle_connected(bench.now);
    bench.core.disown(late);
    assert_eq!((bench.drain().len(), bench.core.waiting()), (2 * 48, 0));
    let unsent = bench.call(3, 1000);
    bench.core.handle_disconnected(bench.now);
    bench.core.disown(unsent);
    bench.now += 1000 * MS;
    bench.core.handle_timeout(bench.now);
    assert_eq!(bench.core.waiting(), 0);
}

#[test]
fn a_call_that_is_over_is_not_sent_on_the_next_connection() {
    let mut bench = Bench::stream();
    bench.core.handle_disconnected(bench.now);
    let [brief, long] = [1000, 2000].map(|millis| bench.call(1, millis));
    bench.core.handle_connected(bench.now + 1000 * MS);
    assert_eq!(bench.drain()[4..8], long.0.to_be_bytes());
    let result = bench.core.take_result(brief);
    assert!(matches!(result, Some(Err(Error::TimedOut { sent: 0, .. }))), "{result:?}");
}

/// 100 calls a second of one second each, while the server is away for a minute.
#[test]
fn a_server_that_is_down_is_not_stormed() {
    let mut bench = Bench::datagram(9);
    for word in 0..1000 {
        let xid = bench.call(word, 1000);
        bench.transmit();
        bench.answer(xid, MS);
        assert!(bench.core.take_result(xid).is_some());
    }
    let before = bench.core.stats();
    let down = bench.now;
    for call in 0..6000 {
        let at = down + call * 10 * MS;
        while bench.core.poll_timeout().is_some_and(|timer| timer <= at) {
            bench.wake();
        }
        bench.now = at;
        bench.call(call, 1000);
        bench.transmit();
    }
    let stats = bench.core.stats();
    let (calls, resent) = (stats.calls - before.calls, stats.resent - before.resent);
    // A tenth of the calls, those before included, ten a second, and what there is to begin with.
    assert!(calls == 6000 && resent <= 600 + 100 + 600 + 20, "{resent} resent");
    assert!(stats.held_back > 0 && bench.core.waiting() <= 101);
}

#[test]
fn a_stream_carries_records_of_one_fragment_and_nothing_twice() {
    let mut bench = Bench::stream();
    let [first, second] = [1, 2].map(|word| bench.call(word, 10_000));
    let bytes = bench.drain();
    assert_eq!(bytes.len(), 2 * 48);
    assert_eq!(bytes[..4], (1_u32 << 31 | 44).to_be_bytes());
    assert_eq!(
        (&bytes[4..8], &bytes[52..56]),
        (&first.0.to_be_bytes()[..], &second.0.to_be_bytes()[..])
    );
    assert_eq!(bench.core.poll_timeout(), Some(bench.now + 10_000 * MS));
    bench.wake();
    assert!(bench.drain().is_empty());
    let result = bench.core.take_result(first);
    assert!(matches!(result, Some(Err(Error::TimedOut { sent: 1, .. }))), "{result:?}");
}

#[test]
fn a_new_connection_gets_the_unanswered_calls_in_order() {
    let mut bench = Bench::stream();
    let calls = [1, 2, 3].map(|word| bench.call(word, 10_000));
    let bytes = bench.drain();
    bench.answer(calls[1], MS);
    bench.core.handle_disconnected(bench.now);
    assert!(bench.core.wants_connection(bench.now));
    let late = bench.call(4, 10_000);
    assert!(!bench.core.has_output());
    bench.core.handle_connected(bench.now);
    let again = bench.drain();
    assert_eq!(again[..48], bytes[..48]);
    assert_eq!(again[48..96], bytes[96..]);
    assert_eq!(again[100..104], late.0.to_be_bytes());
    let stats = bench.core.stats();
    assert_eq!((stats.sent, stats.resent, stats.reconnects), (4, 2, 1));
}

#[test]
fn attempts_to_connect_get_rarer_until_there_is_a_reply() {
    let mut bench = Bench::stream();
    let xid = bench.call(1, 60_000);
    let mut waits = Vec::new();
    for _ in 0..10 {
        bench.core.handle_disconnected(bench.now);
        let retry = bench.core.poll_timeout().expect("a call waits");
        waits.push(retry - bench.now);
        bench.now = retry;
        assert!(bench.core.wants_connection(bench.now));
        // To be accepted is not to be served.
        bench.core.handle_connected(bench.now);
    }
    let least = [0, 50, 100, 200, 400, 800, 1600, 3200, 5000, 5000].map(|millis| millis * MS);
    for (wait, least) in waits.into_iter().zip(least) {
        assert!(wait >= least && wait <= least * 5 / 4, "{wait:?} for {least:?}");
    }
    bench.answer(xid, MS);
    bench.core.handle_disconnected(bench.now);
    assert!(!bench.core.wants_connection(bench.now), "nobody waits for anything");
    bench.call(2, 1000);
    assert!(bench.core.wants_connection(bench.now));
}

#[test]
fn a_connection_that_is_kept_is_made_again_for_nobody() {
    let mut bench = Bench::new(Transport::Stream, 1);
    bench.core.keep_connection();
    bench.core.handle_connected(bench.now);
    assert_eq!((bench.core.poll_timeout(), bench.core.idle_deadline(bench.now)), (None, None));
    let mut wait_after = |lasted: u32| {
        bench.now += lasted * MS;
        bench.core.handle_disconnected(bench.now);
        let retry = bench.core.poll_timeout().expect("it is wanted");
        assert!(bench.core.wants_connection(retry));
        let wait = retry - bench.now;
        bench.now = retry;
        bench.core.handle_connected(bench.now);
        wait
    };
    assert_eq!(wait_after(0), Duration::ZERO);
    let again = wait_after(4_999);
    assert!(again >= 50 * MS && again <= 63 * MS, "{again:?}");
    assert_eq!(wait_after(5_000), Duration::ZERO, "it has lasted");
}

#[test]
fn a_connection_is_wanted_for_as_long_as_a_call_waits() {
    let mut bench = Bench::stream();
    bench.call(1, 60_000);
    bench.core.handle_disconnected(bench.now);
    bench.call(2, 3_000);
    for (millis, first) in [(0, Some(3_000)), (3_000, Some(60_000)), (60_000, None)] {
        let now = bench.now + millis * MS;
        bench.core.handle_timeout(now);
        let timer = first.map(|millis| bench.now + millis * MS);
        assert_eq!(bench.core.first_timer(), timer, "after {millis} ms");
        assert_eq!(bench.core.wants_connection(now), first.is_some(), "after {millis} ms");
    }
}

#[test]
fn a_stream_that_is_quiet_for_5_minutes_is_to_be_closed() {
    let mut bench = Bench::new(Transport::Stream, 1);
    assert_eq!(bench.core.idle_deadline(bench.now), None, "there is none yet");
    bench.core.handle_connected(bench.now);
    assert_eq!(bench.core.idle_deadline(bench.now + MS), Some(bench.now + 300_000 * MS));
    let xid = bench.call(1, 1_000_000);
    bench.drain();
    bench.now += 299_000 * MS;
    let waits = Some(bench.now + 300_000 * MS);
    assert_eq!(bench.core.idle_deadline(bench.now), waits, "an answer is waited for");
    assert!(!bench.core.is_doubtful(bench.now));
    bench.answer(xid, 101_000 * MS);
    let quiet = |millis: u32| bench.core.is_doubtful(bench.now + millis * MS);
    assert_eq!([quiet(999), quiet(1_000)], [false, true]);
    let idle = bench.now + 300_000 * MS;
    assert_eq!([bench.now, idle].map(|now| bench.core.idle_deadline(now)), [Some(idle); 2]);
    bench.now = idle;
    bench.core.handle_disconnected(bench.now);
    assert_eq!(bench.core.idle_deadline(bench.now), None);
    assert!(!bench.core.wants_connection(bench.now), "nobody waits for anything");
    bench.call(2, 1000);
    assert!(bench.core.wants_connection(bench.now), "it is made at once");
    bench.core.handle_connected(bench.now);
    assert_eq!((bench.drain().len(), bench.core.stats().resent), (48, 0));
    let mut bench = Bench::datagram(1);
    let xid = bench.call(1, 1000);
    bench.answer(xid, MS);
    let later = bench.now + 600_000 * MS;
    assert_eq!((bench.core.idle_deadline(later), bench.core.is_doubtful(later)), (None, false));
}

#[test]
fn a_large_result_shares_the_message() {
    let mut bench = Bench::datagram(10);
    let xid = bench.call(1, 1000);
    bench.transmit();
    let mut reply = success(xid);
    reply.resize(20_000, 5);
    let reply = Bytes::from(reply);
    bench.core.handle_reply(bench.now, &reply, || reply.clone());
    let result = bench.core.take_result(xid).and_then(Result::ok).expect("a success");
    assert_eq!((result.len(), result.as_ptr()), (20_000 - 24, reply[24..].as_ptr()));
}
