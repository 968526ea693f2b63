//! T27: more calls than a service can do. Whatever is not a time: each is answered or refused, what
//! waits is bounded, and afterwards all is as before. The times are measured by `bench/`.

mod server_peer;

use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use farcall::{Answer, Fault, Limits, Running, Server};
use server_peer::{
    ECHO, INTERFACE, LONG, by, call, connect, datagrams_to, read_record, receive, record, reply,
    udp_addr, wait_for,
};

/// Calls that may wait for the worker, the one that it has included.
const ROOM: u32 = 20;

/// Calls that come meanwhile.
const OFFERED: u32 = 200;

/// A worker that answers with its argument, once the test lets it.
fn serve() -> (Running, Sender<()>) {
    let (go_on, gate) = channel();
    let gate = Mutex::new(gate);
    let gated = by(&INTERFACE, move |_, _, args, results| {
        let data = args.opaque(u32::MAX)?;
        let gate = gate.lock().map_err(|_| Fault::SystemErr)?;
        gate.recv_timeout(LONG).map_err(|_| Fault::SystemErr)?;
        results.opaque(&data, u32::MAX)?;
        Ok(Answer::Now)
    });
    let mut limits = Limits::default();
    limits.calls = ROOM as usize;
    let server = Server::builder()
        .udp("127.0.0.1:0")
        .tcp("127.0.0.1:0")
        .limits(limits)
        .service(gated)
        .workers(1)
        .start()
        .expect("port 0 is free");
    (server, go_on)
}

/// Arguments of many sizes.
fn data(xid: u32) -> Vec<u8> {
    vec![7; (xid * 37 % 3000) as usize]
}

fn system_err(xid: u32) -> Vec<u8> {
    [xid, 1, 0, 0, 0, 5].iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[test]
fn t27_calls_over_streams_beyond_what_may_wait_are_refused_at_once() {
    let (server, go_on) = serve();
    let mut streams: Vec<_> = (0..10).map(|_| connect(&server)).collect();
    for round in 0..3 {
        let mut answers = HashMap::new();
        for xid in 0..OFFERED {
            let stream = &mut streams[(xid % 10) as usize];
            stream.write_all(&record(&call(xid, ECHO, &data(xid)))).expect("taken in");
        }
        // The worker is still at the first one.
        let refused = u64::from(OFFERED - ROOM);
        wait_for(&server, |stats| stats.too_many_calls == refused * (round + 1));
        (0..ROOM).for_each(|_| go_on.send(()).expect("it waits"));
        for (at, stream) in streams.iter_mut().enumerate() {
            for _ in 0..OFFERED / 10 {
                let answer = read_record(stream);
                let xid = u32::from_be_bytes([answer[0], answer[1], answer[2], answer[3]]);
                assert_eq!(xid as usize % 10, at);
                let done = answer == reply(xid, &data(xid));
                assert!(done || answer == system_err(xid), "call {xid}");
                assert_eq!(answers.insert(xid, done), None, "call {xid} has one answer");
            }
        }
        let done = answers.values().filter(|&&done| done).count();
        assert_eq!((answers.len(), done), (OFFERED as usize, ROOM as usize), "round {round}");
    }
}

#[test]
fn t27_datagrams_beyond_what_may_wait_are_dropped_and_may_be_sent_again() {
    let (server, go_on) = serve();
    let socket = datagrams_to(udp_addr(&server));
    let send = |xid| socket.send(&call(xid, ECHO, b"again and again")).expect("loopback");
    for xid in 0..ROOM + 10 {
        send(xid);
    }
    wait_for(&server, |stats| stats.too_many_calls == 10);
    for xid in 0..ROOM {
        go_on.send(()).expect("it waits");
        assert_eq!(receive(&socket), reply(xid, b"again and again"));
    }
    for xid in ROOM..ROOM + 10 {
        go_on.send(()).expect("it waits");
        send(xid);
        assert_eq!(receive(&socket), reply(xid, b"again and again"));
    }
    assert_eq!(server.stats().executed, u64::from(ROOM) + 10);
}
