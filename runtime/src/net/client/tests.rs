use std::io::{Read, Write};
use std::net::TcpListener;
use std::task::Waker;

use super::*;
use crate::proto::client::Repeat;
use crate::proto::client::flavor::CallAuth;
use crate::{Interface, Procedure, Program, Version};

static INTERFACE: Interface = Interface {
    program: Program(0x2000_0099),
    program_name: "PROG",
    version: Version(1),
    version_name: "VERS",
    procedures: &[],
};

fn target() -> Target<'static> {
    Target {
        interface: &INTERFACE,
        procedure: Procedure(1),
        auth: CallAuth::NONE,
        timeout: Duration::from_secs(1000),
        repeat: Repeat::WhileKnown,
    }
}

/// A channel to somebody who never answers.
fn open(listener: &TcpListener) -> Channel {
    let remote = Remote::Tcp(listener.local_addr().expect("it is bound"));
    let config = Config {
        retry: RetryPolicy::default(),
        records: RecordLimits::default(),
        spin: Duration::ZERO,
        corked: false,
        reserved_port: false,
        idle: Duration::MAX,
        services: Vec::new(),
    };
    let deadline = Deadline::after(Duration::from_secs(20));
    Channel::open(vec![remote], &config, &deadline).expect("it listens")
}

/// While the driver sleeps, or starts to.
#[test]
fn nothing_is_left_of_100_000_futures_that_were_dropped() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let channel = open(&listener);
    let (mut peer, _) = listener.accept().expect("a client");
    let reads = thread::spawn(move || io::copy(&mut peer, &mut io::sink()));
    let cx = Context::from_waker(Waker::noop());
    for number in 0..100_000 {
        let xid = channel.start(&target(), |_| Ok(())).expect("no arguments");
        if number % 4 != 0 {
            assert!(channel.poll(xid, &cx).is_pending());
        }
        channel.forget(xid);
    }
    let state = channel.0.lock();
    assert_eq!((state.core.waiting(), state.waiters.len()), (0, (0, 0)));
    assert_eq!(state.core.stats().calls, 100_000);
    drop(state);
    drop(channel);
    reads.join().expect("it reads on").expect("the driver ends, and with it the connection");
}

#[test]
fn one_that_is_dropped_does_not_take_the_others_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let channel = open(&listener);
    let (mut peer, _) = listener.accept().expect("a client");
    let cx = Context::from_waker(Waker::noop());
    let [kept, dropped] = [(); 2].map(|()| {
        let xid = channel.start(&target(), |_| Ok(())).expect("no arguments");
        assert!(channel.poll(xid, &cx).is_pending());
        xid
    });
    channel.forget(dropped);
    let mut calls = [0; 2 * 44];
    peer.read_exact(&mut calls).expect("two calls");
    let words = [0x8000_0018, kept.0, 1, 0, 0, 0, 0];
    let reply: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_be_bytes()).collect();
    peer.write_all(&reply).expect("it is read");
    let patience = Deadline::after(Duration::from_secs(20));
    while channel.poll(kept, &cx).is_pending() {
        assert!(!patience.left().is_zero(), "the driver has seen the answer");
        thread::yield_now();
    }
    let state = channel.0.lock();
    assert_eq!((state.core.waiting(), state.waiters.len()), (0, (0, 0)));
}
