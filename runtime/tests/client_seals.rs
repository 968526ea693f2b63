//! Calls of a flavor in the client's state machine, in virtual time.

mod secret;

use std::sync::Arc;
use std::time::{Duration, Instant};

use farcall::proto::client::flavor::{CallAuth, Initiate};
use farcall::proto::client::{CallParams, ClientConfig, ClientCore, Repeat, Transport, window};
use farcall::proto::message::AuthStatus;
use farcall::proto::retry::RetryPolicy;
use farcall::xdr::Bytes;
use farcall::{Error, Procedure, Program, Result, Version, Xid};
use secret::{DATA, HEADER, HELLO, Knower, PROVE, SECRET};

const MS: Duration = Duration::from_millis(1);

struct Bench {
    core: ClientCore,
    now: Instant,
    knower: Arc<Knower>,
    flavor: Arc<dyn Initiate>,
}

impl Bench {
    fn new(transport: Transport) -> Self {
        let config = ClientConfig {
            transport,
            retry: RetryPolicy::default(),
            idle: Duration::from_secs(300),
            seed: 5,
        };
        let (now, knower) = (Instant::now(), Arc::new(Knower::default()));
        let mut core = ClientCore::new(&config);
        if transport == Transport::Stream {
            core.handle_connected(now);
        }
        Self { core, now, flavor: Arc::clone(&knower) as _, knower }
    }

    fn call(&mut self, word: u32, millis: u64) -> Xid {
        self.call_as(word, millis, Repeat::WhileKnown)
    }

    fn call_as(&mut self, word: u32, millis: u64, repeat: Repeat) -> Xid {
        let params = CallParams {
            program: Program(7),
            version: Version(1),
            procedure: Procedure(2),
            auth: CallAuth::Flavor(&self.flavor),
            repeat,
            deadline: self.now + Duration::from_millis(millis),
        };
        let args = |e: &mut farcall::xdr::Encoder| {
            e.u32(word);
            Ok(())
        };
        self.core.call(self.now, &params, args).expect("a word")
    }

    /// What is sent now: of each message its words.
    fn transmit(&mut self) -> Vec<Vec<u32>> {
        let mut sent = Vec::new();
        while let Some(message) = self.core.poll_transmit() {
            let bytes: Vec<u8> = message.chunks().flatten().copied().collect();
            sent.push(bytes.chunks(4).map(word).collect());
            self.core.handle_transmitted(self.now);
        }
        let bytes: Vec<u8> = self.core.output().chunks().flatten().copied().collect();
        self.core.handle_written(bytes.len());
        let mut words: Vec<u32> = bytes.chunks(4).map(word).collect();
        while !words.is_empty() {
            let len = (words.remove(0) & 0x7fff_ffff) as usize / 4;
            sent.push(words.drain(..len).collect());
        }
        sent
    }

    fn wake(&mut self) -> Vec<Vec<u32>> {
        self.now = self.core.poll_timeout().expect("a timer");
        self.core.handle_timeout(self.now);
        self.transmit()
    }

    fn reply(&mut self, words: &[u32]) {
        self.now += MS;
        let reply: Bytes = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        self.core.handle_reply(self.now, &reply, || reply.clone());
    }

    /// The answer to a step.
    fn accept(&mut self, xid: u32, results: &[u32]) {
        self.reply(&[&[xid, 1, 0, SECRET.0, 4, 0, 0], results].concat());
    }

    /// The answer to a call that was sent with this number.
    fn answer(&mut self, xid: u32, number: u32, results: &[u32]) {
        let masked: Vec<u32> = results.iter().map(|word| word ^ number).collect();
        self.reply(&[&[xid, 1, 0, SECRET.0, 4, number, 0], &masked[..]].concat());
    }

    fn set_up(&mut self) {
        let [hello] = &self.transmit()[..] else { panic!("one step") };
        let xid = hello[0];
        self.accept(xid, &[21]);
        let [prove] = &self.transmit()[..] else { panic!("one step") };
        let xid = prove[0];
        self.accept(xid, &[]);
    }

    fn result(&mut self, xid: Xid) -> Option<Result<Vec<u8>>> {
        self.core.take_result(xid).map(|result| result.map(|results| results.to_vec()))
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("words"))
}

/// What a message is: step or call, the number, and the arguments without their mask.
fn read(message: &[u32]) -> (u32, u32, Vec<u32>) {
    let (step, number) = (message[8], message[9]);
    let args = match step {
        DATA => message[HEADER / 4..].iter().map(|word| word ^ number).collect(),
        _ => message[12..].to_vec(),
    };
    (step, number, args)
}

#[test]
fn steps_come_one_by_one_and_then_all_calls() {
    for transport in [Transport::Datagram, Transport::Stream] {
        let mut bench = Bench::new(transport);
        let calls: Vec<Xid> = (0..200).map(|word| bench.call(word, 10_000)).collect();
        let sent = bench.transmit();
        assert_eq!(sent.iter().map(|m| read(m)).collect::<Vec<_>>(), [(HELLO, 0, vec![])]);
        bench.accept(sent[0][0], &[21]);
        let sent = bench.transmit();
        assert_eq!(sent.iter().map(|m| read(m)).collect::<Vec<_>>(), [(PROVE, 42, vec![])]);
        bench.accept(sent[0][0], &[]);
        let sent = bench.transmit();
        let most = if transport == Transport::Datagram { window::LEAST } else { 200 };
        let expected: Vec<_> = (0..200).map(|word| (DATA, word + 1, vec![word])).collect();
        assert_eq!(sent.iter().map(|m| read(m)).collect::<Vec<_>>(), expected[..most]);
        assert_eq!(sent[0][0], calls[0].0);
        bench.answer(calls[0].0, 1, &[7]);
        assert_eq!(bench.result(calls[0]).and_then(Result::ok), Some(vec![0, 0, 0, 7]));
    }
}

#[test]
fn each_sending_has_another_seal_and_either_may_be_answered() {
    for answered in [1, 2] {
        let mut bench = Bench::new(Transport::Datagram);
        let xid = bench.call(5, 10_000);
        bench.set_up();
        let first = bench.transmit().remove(0);
        let second = bench.wake().remove(0);
        assert_eq!((read(&first), read(&second)), ((DATA, 1, vec![5]), (DATA, 2, vec![5])));
        assert_eq!((first[0], second[0]), (xid.0, xid.0));
        bench.answer(xid.0, answered, &[9]);
        assert_eq!(bench.result(xid).and_then(Result::ok), Some(vec![0, 0, 0, 9]));
    }
    let mut bench = Bench::new(Transport::Stream);
    let xid = bench.call(5, 10_000);
    bench.set_up();
    bench.transmit();
    bench.core.handle_disconnected(bench.now);
    bench.core.handle_connected(bench.now);
    let sent = bench.transmit();
    assert_eq!((read(&sent[0]), sent[0][0]), ((DATA, 2, vec![5]), xid.0));
}

#[test]
fn an_answer_that_is_not_verified_is_dropped_or_the_end() {
    let mut bench = Bench::new(Transport::Datagram);
    let xid = bench.call(5, 10_000);
    bench.set_up();
    bench.transmit();
    bench.answer(xid.0, 2, &[9]);
    bench.reply(&[xid.0, 1, 0, 0, 0, 0, 9]);
    assert!(bench.result(xid).is_none());
    assert_eq!((bench.core.stats().unverified, bench.core.stats().replies), (2, 2));
    bench.answer(xid.0, 1, &[9]);
    assert_eq!(bench.result(xid).and_then(Result::ok), Some(vec![0, 0, 0, 9]));

    let mut bench = Bench::new(Transport::Stream);
    let xid = bench.call(5, 10_000);
    bench.set_up();
    bench.transmit();
    bench.answer(xid.0, 2, &[9]);
    let result = bench.result(xid);
    assert!(matches!(result, Some(Err(Error::Auth(AuthStatus::InvalidResp)))), "{result:?}");
}

#[test]
fn a_step_is_sent_again_and_ends_with_the_last_call_that_waits() {
    let mut bench = Bench::new(Transport::Datagram);
    let first = bench.call(1, 2_000);
    let step = bench.transmit();
    let second = bench.call(2, 5_000);
    assert_eq!(bench.core.timer(second), bench.core.poll_timeout(), "a follower wakes for it");
    assert_eq!(bench.wake(), step);
    let mut sent = 2;
    while bench.core.waiting() > 0 {
        sent += bench.wake().len();
    }
    // At 0, 1 and 3 s.
    assert_eq!(sent, 3);
    for (xid, millis) in [(first, 2_000), (second, 5_000)] {
        match bench.result(xid) {
            Some(Err(Error::TimedOut { after, sent: 0 })) => assert_eq!(after, millis * MS),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bench.knower.failures(), 1);
    let third = bench.call(3, 1_000);
    bench.set_up();
    assert_eq!((bench.transmit().len(), bench.core.timer(third).is_some()), (1, true));
}

#[test]
fn what_is_refused_is_made_again_once_under_another_xid() {
    let mut bench = Bench::new(Transport::Datagram);
    let [one, two] = [1, 2].map(|word| bench.call(word, 10_000));
    bench.set_up();
    assert_eq!(bench.transmit().len(), 2);
    let denied = |xid| [xid, 1, 1, 1, 2];
    bench.reply(&denied(one.0));
    bench.reply(&denied(two.0));
    bench.set_up();
    let sent = bench.transmit();
    let read: Vec<_> = sent.iter().map(|message| read(message)).collect();
    assert_eq!(read, [(DATA, 3, vec![1]), (DATA, 4, vec![2])]);
    assert!(sent.iter().all(|message| ![one.0, two.0].contains(&message[0])));
    // What was said of the sending before is of no interest.
    bench.reply(&denied(one.0));
    bench.answer(one.0, 1, &[7]);
    assert!(bench.result(one).is_none());
    assert_eq!(bench.core.stats().unknown_xid, 2);
    bench.answer(sent[0][0], 3, &[9]);
    assert_eq!(bench.result(one).and_then(Result::ok), Some(vec![0, 0, 0, 9]));
    bench.reply(&denied(sent[1][0]));
    assert!(matches!(bench.result(two), Some(Err(Error::Refused { .. }))));
    assert_eq!((bench.core.waiting(), bench.core.poll_timeout()), (0, None));
}

#[test]
fn what_was_sent_twice_and_is_refused_then_may_have_been_executed() {
    let mut bench = Bench::new(Transport::Datagram);
    let xid = bench.call(1, 10_000);
    bench.set_up();
    assert_eq!((bench.transmit().len(), bench.wake().len()), (1, 1));
    // By a server that has forgotten the caller since it has executed the first one, perhaps.
    bench.reply(&[xid.0, 1, 1, 1, 2]);
    let error = bench.result(xid).and_then(Result::err).expect("it has ended");
    assert!(matches!(error, Error::Disconnected { sent: 2 }), "{error:?}");
    assert!(error.may_have_executed());
}

#[test]
fn what_is_made_again_after_it_was_sent_twice_may_have_been_executed() {
    let mut bench = Bench::new(Transport::Datagram);
    let xid = bench.call_as(1, 10_000, Repeat::Always);
    bench.set_up();
    assert_eq!((bench.transmit().len(), bench.wake().len()), (1, 1));
    bench.reply(&[xid.0, 1, 1, 1, 2]);
    let step = bench.transmit().remove(0)[0];
    bench.reply(&[step, 1, 1, 1, 2]);
    let error = bench.result(xid).and_then(Result::err).expect("it has ended");
    assert!(matches!(error, Error::Disconnected { sent: 2 }), "{error:?}");
}

#[test]
fn what_was_sent_before_a_step_fails_may_have_been_executed() {
    let mut bench = Bench::new(Transport::Datagram);
    let [one, two] = [1, 2].map(|word| bench.call(word, 10_000));
    bench.set_up();
    assert_eq!(bench.transmit().len(), 2);
    let denied = |xid| [xid, 1, 1, 1, 2];
    bench.reply(&denied(two.0));
    let step = bench.transmit().remove(0)[0];
    // The first call is due again, and waits for it.
    assert_eq!(bench.wake(), [] as [Vec<u32>; 0]);
    bench.reply(&denied(step));
    let errors = [one, two].map(|xid| bench.result(xid).and_then(Result::err));
    let [Some(Error::Disconnected { sent: 1 }), Some(Error::Refused { .. })] = errors else {
        panic!("{errors:?}")
    };
}

#[test]
fn what_was_sent_before_it_cannot_be_sealed_may_have_been_executed() {
    for transport in [Transport::Datagram, Transport::Stream] {
        let mut bench = Bench::new(transport);
        let sent = bench.call(1, 10_000);
        bench.set_up();
        assert_eq!(bench.transmit().len(), 1);
        bench.knower.break_down();
        let unsent = bench.call(2, 10_000);
        match transport {
            Transport::Datagram => assert_eq!(bench.wake(), [] as [Vec<u32>; 0]),
            Transport::Stream => {
                bench.core.handle_disconnected(bench.now);
                bench.core.handle_connected(bench.now);
            }
        }
        let errors = [sent, unsent].map(|xid| bench.result(xid).and_then(Result::err));
        let [Some(Error::Disconnected { sent: 1 }), Some(Error::Auth(AuthStatus::Failed))] = errors
        else {
            panic!("{errors:?}")
        };
    }
}
