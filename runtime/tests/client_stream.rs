//! Calls over TCP and Unix sockets, to servers made by hand.

mod client_peer;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use client_peer::{
    BLOB, INTERFACE, blob, brief, connect, echo, echoed, patient, read_record, record, reply,
    serve_echo, start_echo, start_once, success, tcp,
};
use farcall::proto::message::{AcceptStatus, AuthStatus, RejectStatus};
use farcall::xdr::{Bytes, DecodeErrorKind, EncodeErrorKind};
use farcall::{BadTarget, CallOptions, Client, Doing, Error, Pending, Procedure, Refusal, Version};
use socket2::SockRef;

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a client");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
}

#[test]
fn calls_follow_each_other_on_one_connection() {
    let (target, server) = tcp(|listener| serve_echo(accept(&listener)));
    let client = connect(&target, &patient());
    for word in 0..1000 {
        assert_eq!(echo(&client, word).ok(), Some(word));
    }
    let stats = client.stats();
    assert_eq!((stats.sent, stats.resent, stats.replies, stats.reconnects), (1000, 0, 1000, 0));
    drop(client);
    server.join().expect("the connection ends");
}

#[test]
fn spinning_ends_with_the_answer_or_the_call() {
    let (target, server) = tcp(|listener| {
        let mut stream = accept(&listener);
        let call = read_record(&mut stream).expect("a call");
        stream.write_all(&record(&echoed(&call))).expect("the client listens");
        while read_record(&mut stream).is_some() {}
    });
    // More than the clock can count.
    let client = connect(&target, &patient().spin(Duration::MAX));
    assert_eq!(echo(&client, 1).ok(), Some(1));
    let hasty = client.with(CallOptions::new().timeout(Duration::from_millis(20)));
    assert!(echo(&hasty, 2).expect_err("no answer").is_timeout());
    drop(client);
    drop(hasty);
    server.join().expect("the connection ends");
}

#[test]
fn unix_sockets_are_streams_too() {
    let path = std::env::temp_dir().join(format!("farcall-client-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("a free path");
    let server = thread::spawn(move || serve_echo(listener.accept().expect("a client").0));
    let client = connect(&format!("unix://{}", path.display()), &patient());
    let large = Bytes::from(vec![3; 1 << 20]);
    assert_eq!(echo(&client, 1).ok(), Some(1));
    assert_eq!(blob(&client, &large).ok(), Some(large));
    drop(client);
    server.join().expect("the connection ends");
    std::fs::remove_file(&path).expect("it was there");
}

#[test]
fn an_answer_may_come_in_any_pieces() {
    let (target, server) = tcp(|listener| {
        let mut stream = accept(&listener);
        let call = read_record(&mut stream).expect("a call");
        for byte in record(&echoed(&call)) {
            stream.write_all(&[byte]).expect("the client listens");
        }
        let call = read_record(&mut stream).expect("a call");
        for fragment in [0, 3, 25, 28].windows(2) {
            let part = &echoed(&call)[fragment[0]..fragment[1]];
            let mut piece = record(part);
            piece[0] = if fragment[1] == 28 { 0x80 } else { 0 };
            stream.write_all(&piece).expect("the client listens");
        }
    });
    let client = connect(&target, &patient());
    assert_eq!((echo(&client, 8).ok(), echo(&client, 9).ok()), (Some(8), Some(9)));
    server.join().expect("two calls");
}

#[test]
fn calls_that_were_started_are_answered_in_any_order() {
    const CALLS: u32 = 500;
    let (target, server) = tcp(|listener| {
        let mut stream = accept(&listener);
        let calls: Vec<Vec<u8>> =
            (0..CALLS).map(|_| read_record(&mut stream).expect("a call")).collect();
        let answers: Vec<u8> = calls.iter().rev().flat_map(|call| record(&echoed(call))).collect();
        stream.write_all(&answers).expect("the client listens");
    });
    let client = connect(&target, &patient());
    let pending: Vec<Pending<u32>> = (0..CALLS).map(|word| start_echo(&client, word)).collect();
    for (word, pending) in (0..).zip(pending) {
        assert_eq!(pending.wait().ok(), Some(word));
    }
    server.join().expect("all calls");
}

#[test]
fn corked_calls_go_out_when_somebody_waits() {
    let (client, server) = corked();
    let pending: Vec<Pending<u32>> = (0..10).map(|word| start_echo(&client, word)).collect();
    for (word, pending) in (0..).zip(pending) {
        assert_eq!(pending.wait().ok(), Some(word));
    }
    assert_eq!(server.join().expect("all calls"), 10 * 48);
}

#[test]
fn corked_calls_go_out_when_they_are_flushed() {
    let (client, server) = corked();
    let pending: Vec<Pending<u32>> = (0..10).map(|word| start_echo(&client, word)).collect();
    client.flush();
    assert_eq!(server.join().expect("all calls"), 10 * 48);
    for (word, pending) in (0..).zip(pending) {
        assert_eq!(pending.wait().ok(), Some(word));
    }
}

/// A corked client, and a server that answers what its first read brings, and says how much it was.
fn corked() -> (Client, JoinHandle<usize>) {
    let (target, server) = tcp(|listener| {
        let mut stream = accept(&listener);
        let mut all = vec![0; 10 * 48];
        let read = stream.read(&mut all).expect("calls");
        for call in all.chunks(48) {
            stream.write_all(&record(&echoed(&call[4..]))).expect("the client listens");
        }
        read
    });
    (connect(&target, &patient().corked(true)), server)
}

#[test]
fn calls_one_way_wait_for_room() {
    let (read_on, told) = channel();
    let (target, server) = tcp(move |listener| {
        let stream = accept(&listener);
        told.recv().expect("the test tells it");
        serve_echo(stream);
    });
    let client = connect(&target, &patient());
    let data = Bytes::from(vec![7; 64 << 10]);
    let send = |client: &Client| client.send(BLOB, |e| e.opaque(&data, u32::MAX));
    let hasty = client.with(CallOptions::new().timeout(Duration::from_millis(50)));
    // More than all the buffers on the way can hold.
    let error = (0..4096).find_map(|_| send(&hasty).err()).expect("nobody reads");
    assert!(matches!(error, Error::TimedOut { sent: 0, .. }), "{error:?}");
    let stats = client.stats();
    assert_eq!((stats.timed_out, stats.sent), (1, stats.calls));
    read_on.send(()).expect("the server waits");
    send(&client).expect("there is room again");
    assert_eq!(echo(&client, 5).ok(), Some(5));
    assert_eq!((client.stats().calls, client.stats().timed_out), (stats.calls + 2, 1));
    drop(client);
    drop(hasty);
    server.join().expect("the connection ends");
}

#[test]
fn many_threads_share_a_connection() {
    let (target, server) = tcp(|listener| serve_echo(accept(&listener)));
    let client = connect(&target, &patient());
    thread::scope(|scope| {
        for thread in 0..8 {
            let client = client.clone();
            scope.spawn(move || {
                for call in 0..300 {
                    let word = thread << 16 | call;
                    assert_eq!(echo(&client, word).ok(), Some(word));
                }
            });
        }
    });
    assert_eq!((client.stats().replies, client.stats().timed_out), (8 * 300, 0));
    drop(client);
    server.join().expect("the connection ends");
}

#[test]
fn large_data_goes_both_ways_at_once() {
    const LEN: usize = 4 << 20;
    // It does not read the second call before the client has read the first answer.
    let (target, server) = tcp(|listener| serve_echo(accept(&listener)));
    let client = connect(&target, &patient());
    let data: Bytes = (0..=250).cycle().take(LEN).collect();
    let starts: Vec<Pending<Bytes>> = (0..4)
        .map(|_| {
            let args = |e: &mut farcall::xdr::Encoder| e.opaque(&data, u32::MAX);
            client.start(BLOB, args, |d| d.opaque(u32::MAX))
        })
        .collect();
    for pending in starts {
        assert!(pending.wait().is_ok_and(|answer| answer == data));
    }
    drop(client);
    server.join().expect("the connection ends");
}

#[test]
fn what_the_socket_did_not_take_at_once_goes_out_without_anybody_waiting() {
    let (go, gone) = channel();
    let (target, server) = tcp(move |listener| {
        let mut stream = accept(&listener);
        gone.recv().expect("the client has sent all");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        read_record(&mut stream).is_some()
    });
    let client = connect(&target, &patient());
    // More than the buffers of both sockets hold.
    let large = vec![3; 64 << 20];
    let sent = client.send(BLOB, |e| e.opaque(&large, u32::MAX));
    assert_eq!(sent.ok(), Some(()));
    go.send(()).expect("the server waits");
    assert_eq!(server.join().ok(), Some(true));
}

#[test]
fn a_lost_connection_is_made_again_from_the_same_port_and_the_calls_sent_again() {
    lose_a_connection(None);
    lose_a_connection(Some(Duration::ZERO));
}

/// It ends in order, or is reset.
fn lose_a_connection(linger: Option<Duration>) {
    let (target, server) = tcp(move |listener| {
        let (mut stream, first) = listener.accept().expect("a client");
        let lost: Vec<_> = (0..3).map(|_| read_record(&mut stream)).collect();
        SockRef::from(&stream).set_linger(linger).expect("a TCP socket");
        drop(stream);
        let (mut stream, second) = listener.accept().expect("it connects again");
        let again: Vec<_> = (0..3).map(|_| read_record(&mut stream)).collect();
        for call in again.iter().flatten() {
            stream.write_all(&record(&echoed(call))).expect("the client listens");
        }
        (first == second, lost == again)
    });
    let client = connect(&target, &patient());
    let pending = [1, 2, 3].map(|word| start_echo(&client, word));
    assert_eq!(pending.map(|pending| pending.wait().ok()), [Some(1), Some(2), Some(3)]);
    assert_eq!(server.join().expect("two connections"), (true, true));
    let stats = client.stats();
    assert_eq!((stats.sent, stats.resent, stats.reconnects), (3, 3, 1));
}

#[test]
fn a_server_that_is_away_for_a_while_finds_the_client_at_the_same_port() {
    // An address that no other test has, so that nobody takes its port meanwhile.
    let listen = |port| TcpListener::bind(("127.19.7.1", port)).expect("a free port");
    let listener = listen(0);
    let port = listener.local_addr().expect("it is bound").port();
    let client = connect(&format!("tcp://127.19.7.1:{port}"), &patient());
    let pending = start_echo(&client, 1);
    let (mut stream, first) = listener.accept().expect("a client");
    let lost = read_record(&mut stream);
    drop((listener, stream));
    let waits = thread::spawn(|| pending.wait());
    while client.stats().unreachable < 3 {
        assert!(!waits.is_finished(), "nobody has answered");
        thread::yield_now();
    }
    let (mut stream, second) = listen(port).accept().expect("it connects again");
    let again = read_record(&mut stream).expect("the call");
    stream.write_all(&record(&echoed(&again))).expect("the client listens");
    assert_eq!((second, Some(again)), (first, lost));
    assert_eq!(waits.join().expect("no panic").ok(), Some(1));
}

fn assert_lost(result: farcall::Result<u32>) {
    let error = result.expect_err("it may have been executed");
    assert!(matches!(error, Error::Disconnected { sent: 1 }), "{error:?}");
    assert!(error.may_have_executed() && error.is_retryable());
}

#[test]
fn a_server_that_was_started_again_gets_what_is_idempotent() {
    let listen = |port| TcpListener::bind(("127.19.7.2", port)).expect("a free port");
    let listener = listen(0);
    let port = listener.local_addr().expect("it is bound").port();
    let client = connect(&format!("tcp://127.19.7.2:{port}"), &patient());
    let (echo, once) = (start_echo(&client, 1), start_once(&client, 2));
    let mut stream = accept(&listener);
    let calls = [(); 2].map(|()| read_record(&mut stream));
    drop((listener, stream));
    let waits = thread::spawn(|| echo.wait());
    // As soon as it is known that nobody listens.
    assert_lost(once.wait());
    let mut stream = accept(&listen(port));
    let again = read_record(&mut stream);
    assert_eq!(again, calls[0]);
    stream.write_all(&record(&echoed(&calls[0].clone().expect("a call")))).expect("it listens");
    assert_eq!(waits.join().expect("no panic").ok(), Some(1));
    drop(client);
    assert_eq!(read_record(&mut stream), None);
}

/// Where a server does not know its callers, and by the caller's word instead of the interface's.
#[test]
fn over_a_unix_socket_only_what_is_idempotent_is_sent_again() {
    let path = std::env::temp_dir().join(format!("farcall-again-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("a free path");
    let client = connect(&format!("unix://{}", path.display()), &patient());
    let told = |idempotent| client.with(CallOptions::new().idempotent(idempotent));
    let calls = [
        start_echo(&client, 1),
        start_once(&client, 2),
        start_echo(&told(false), 3),
        start_once(&told(true), 4),
    ];
    let accept = || listener.accept().expect("a client").0;
    let mut stream = accept();
    let sent = [(); 4].map(|()| read_record(&mut stream).expect("a call"));
    drop(stream);
    let [one, two, three, four] = calls.map(|call| thread::spawn(|| call.wait()));
    let mut stream = accept();
    for call in [&sent[0], &sent[3]] {
        assert_eq!(read_record(&mut stream).as_ref(), Some(call));
        stream.write_all(&record(&echoed(call))).expect("the client listens");
    }
    let ended = |thread: JoinHandle<_>| thread.join().expect("no panic");
    assert_eq!([one, four].map(|call| ended(call).ok()), [Some(1), Some(4)]);
    for call in [two, three] {
        assert_lost(ended(call));
    }
    std::fs::remove_file(&path).expect("it was there");
}

#[test]
fn a_call_on_a_connection_that_is_gone_was_not_sent() {
    let path = std::env::temp_dir().join(format!("farcall-gone-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("a free path");
    let client = connect(&format!("unix://{}", path.display()), &patient());
    for word in 0..3 {
        thread::scope(|scope| {
            let pending = start_once(&client, word);
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().expect("a client");
                let call = read_record(&mut stream).expect("a call");
                stream.write_all(&record(&echoed(&call))).expect("the client listens");
            });
            assert_eq!(pending.wait().ok(), Some(word));
        });
    }
    let stats = client.stats();
    assert_eq!((stats.sent, stats.resent, stats.reconnects), (3, 0, 2));
    std::fs::remove_file(&path).expect("it was there");
}

#[test]
fn a_connection_lost_between_calls_is_not_noticed_by_the_next() {
    let (target, server) = tcp(|listener| {
        for _ in 0..3 {
            let mut stream = accept(&listener);
            let call = read_record(&mut stream).expect("a call");
            stream.write_all(&record(&echoed(&call))).expect("the client listens");
        }
    });
    let client = connect(&target, &patient());
    for word in 0..3 {
        assert_eq!(start_once(&client, word).wait().ok(), Some(word));
    }
    server.join().expect("three connections");
}

#[test]
fn an_idle_connection_is_closed_while_nobody_calls() {
    let (closed, wait_closed) = channel();
    let (target, server) = tcp(move |listener| {
        // The first one is idle before there is a call.
        assert!(read_record(&mut accept(&listener)).is_none());
        closed.send(()).expect("the test waits");
        for number in 1..=3 {
            let mut stream = accept(&listener);
            let call = read_record(&mut stream).expect("a call");
            stream.write_all(&record(&echoed(&call))).expect("the client listens");
            // The third answer was not read, of which the system tells by a reset.
            let ended = stream.read_to_end(&mut Vec::new());
            assert!(matches!(ended, Ok(0)) || number == 3, "{ended:?}");
            closed.send(()).expect("the test waits");
        }
    });
    let client = connect(&target, &patient().idle_timeout(Duration::from_millis(20)));
    let wait_closed = || wait_closed.recv_timeout(Duration::from_secs(20)).expect("it is closed");
    wait_closed();
    assert_eq!(echo(&client, 1).ok(), Some(1));
    wait_closed();
    assert_eq!(start_echo(&client, 2).wait().ok(), Some(2));
    wait_closed();
    // One that nobody waits for gets there too.
    let sent = client.send(client_peer::ECHO, |e| {
        e.u32(3);
        Ok(())
    });
    assert_eq!(sent.ok(), Some(()));
    wait_closed();
    let stats = client.stats();
    assert_eq!((stats.sent, stats.resent, stats.reconnects, stats.timed_out), (3, 0, 3, 0));
    server.join().expect("a connection for each call");
}

#[test]
fn a_server_that_stays_away_is_waited_for_until_the_deadline() {
    let (target, server) = tcp(|listener| {
        let mut stream = accept(&listener);
        drop(listener);
        read_record(&mut stream)
    });
    let client = connect(&target, &brief(300));
    let started = Instant::now();
    let error = echo(&client, 1).expect_err("the server went away");
    assert!(matches!(error, Error::TimedOut { sent: 1, .. }), "{error:?}");
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert!(server.join().expect("one connection").is_some());
}

#[test]
fn the_deadline_holds_with_a_silent_server() {
    let (target, server) = tcp(|listener| {
        let mut stream = accept(&listener);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the client ends it");
        rest.len()
    });
    let client = connect(&target, &brief(150));
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let error = echo(&client, 1).expect_err("nobody answers");
                assert!(matches!(error, Error::TimedOut { sent: 1, .. }), "{error:?}");
            });
        }
    });
    assert!(started.elapsed() >= Duration::from_millis(150));
    drop(client);
    // Over a stream nothing is sent twice.
    assert_eq!(server.join().expect("one connection"), 4 * (4 + 40 + 4));
}

#[test]
fn nobody_who_listens_is_an_error_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = format!("tcp://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let error = Client::connect(&target, &INTERFACE, &patient()).expect_err("nobody listens");
    let Error::Io { doing: Doing::Connect, source } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn targets_that_are_none_are_errors() {
    let table =
        [("kv", BadTarget::Scheme), ("tcp://", BadTarget::Empty), ("tcp://h:0", BadTarget::Port)];
    for (target, expected) in table {
        let error = Client::connect(target, &INTERFACE, &patient()).expect_err("not a target");
        assert!(matches!(error, Error::BadTarget(what) if what == expected), "{error:?}");
    }
}

#[test]
fn what_the_server_answers_instead_of_results_is_the_error() {
    let table: [(&[u32], Refusal); 6] = [
        (&[0, 0, 0, 1], Refusal::Accepted(AcceptStatus::ProgUnavail)),
        (
            &[0, 0, 0, 2, 3, 4],
            Refusal::Accepted(AcceptStatus::ProgMismatch { low: Version(3), high: Version(4) }),
        ),
        (&[0, 0, 0, 3], Refusal::Accepted(AcceptStatus::ProcUnavail)),
        (&[0, 0, 0, 4], Refusal::Accepted(AcceptStatus::GarbageArgs)),
        (&[1, 0, 2, 2], Refusal::Denied(RejectStatus::RPC_MISMATCH)),
        (&[1, 1, 5], Refusal::Denied(RejectStatus::AuthError(AuthStatus::TooWeak))),
    ];
    let (target, server) = tcp(move |listener| {
        let mut stream = accept(&listener);
        for (words, _) in table {
            let call = read_record(&mut stream).expect("a call");
            stream.write_all(&record(&reply(&call, words, &[]))).expect("the client listens");
        }
        let call = read_record(&mut stream).expect("a call");
        stream.write_all(&record(&reply(&call, &[2], &[]))).expect("the client listens");
        let call = read_record(&mut stream).expect("a call");
        stream.write_all(&record(&reply(&call, &[0, 0, 0, 0], &[1]))).expect("it listens");
    });
    let client = connect(&target, &patient());
    for (words, expected) in table {
        let error = echo(&client, 1).expect_err("it is refused");
        assert!(
            matches!(error, Error::Refused { refusal, .. } if refusal == expected),
            "{words:?}"
        );
    }
    let Err(Error::Decode(header)) = echo(&client, 1) else { panic!("not a reply") };
    assert_eq!(header.kind(), DecodeErrorKind::BadEnum { ty: "reply_stat", value: 2 });
    let Err(Error::Decode(results)) = echo(&client, 1) else { panic!("not a word") };
    assert_eq!(results.kind(), DecodeErrorKind::Truncated { needed: 4, remaining: 1 });
    server.join().expect("all calls");
}

#[test]
fn arguments_that_do_not_fit_are_not_sent() {
    let (target, server) = tcp(|listener| serve_echo(accept(&listener)));
    let client = connect(&target, &patient());
    let result = client.call(Procedure(2), |e| e.opaque(b"too long", 4), |d| d.u32());
    let Err(Error::Encode(error)) = result else { panic!("{result:?}") };
    assert_eq!(error.kind(), EncodeErrorKind::TooLong { len: 8, max: 4 });
    assert_eq!(echo(&client, 1).ok(), Some(1));
    assert_eq!((client.stats().calls, client.stats().sent), (1, 1));
    drop(client);
    server.join().expect("the connection ends");
}

#[test]
fn a_call_that_nobody_waits_for_is_forgotten() {
    let (target, server) = tcp(|listener| serve_echo(accept(&listener)));
    let client = connect(&target, &patient());
    drop(start_echo(&client, 1));
    assert_eq!(echo(&client, 2).ok(), Some(2));
    assert_eq!((client.stats().unknown_xid, client.stats().replies), (1, 1));
    drop(client);
    server.join().expect("the connection ends");
}

#[test]
fn a_reply_above_the_limit_ends_the_connection() {
    let (target, server) = tcp(|listener| {
        let mut stream = accept(&listener);
        let call = read_record(&mut stream).expect("a call");
        stream.write_all(&record(&echoed(&call))).expect("the client listens");
        assert_eq!(read_record(&mut stream), None);
        let mut stream = accept(&listener);
        let again = read_record(&mut stream).expect("the call");
        stream.write_all(&record(&success(&again, &[0; 4]))).expect("the client listens");
    });
    let client = connect(&target, &patient().max_reply(1000));
    assert_eq!(blob(&client, &Bytes::from(vec![0; 1000])).ok(), Some(Bytes::new()));
    assert_eq!((client.stats().malformed, client.stats().reconnects), (1, 1));
    server.join().expect("two connections");
}
