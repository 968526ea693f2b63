//! What a client can be asked for besides a call.

mod client_peer;

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client_peer::{
    ECHO, INTERFACE, echoed, patient, read_record, receive, record, reply, tcp, udp,
};
use farcall::proto::message::{AcceptStatus, AuthStatus, RejectStatus};
use farcall::{
    CallInterceptor, CallOutcome, Client, Error, Interface, OutgoingCall, Procedure, Refusal,
    Result, Version,
};

/// The same program in another version.
static LATER: Interface = Interface { version: Version(3), version_name: "PEER_V3", ..INTERFACE };

/// Answers calls of procedure 0 as a server that has the versions from `low` to `high`, and says
/// which versions it was called in.
fn versions(socket: &UdpSocket, low: u32, high: u32, calls: usize) -> Vec<u32> {
    let mut seen = Vec::new();
    for _ in 0..calls {
        let (call, from) = receive(socket);
        let version = u32::from_be_bytes(call[16..20].try_into().expect("a word"));
        seen.push(version);
        let words: &[u32] =
            if (low..=high).contains(&version) { &[0, 0, 0, 0] } else { &[0, 0, 0, 2, low, high] };
        socket.send_to(&reply(&call, words, &[]), from).expect("the client listens");
    }
    seen
}

#[test]
fn the_highest_version_of_both_is_taken() {
    for (low, high, calls, expected) in
        [(1, 1, vec![3, 1], 1), (1, 4, vec![3, 3], 3), (2, 3, vec![3, 3], 3)]
    {
        let (target, server) = udp(move |socket| versions(&socket, low, high, 2));
        let client =
            Client::negotiate(&target, &[&INTERFACE, &LATER], &patient()).expect("one of them");
        assert_eq!(client.interface().version, Version(expected));
        assert_eq!(client.null().ok(), Some(()));
        assert_eq!(server.join().expect("two calls"), calls);
    }
}

#[test]
fn no_common_version_is_an_error_with_the_servers() {
    let (target, server) = udp(|socket| versions(&socket, 4, 5, 1));
    let error = Client::negotiate(&target, &[&INTERFACE, &LATER], &patient()).expect_err("none");
    let Error::Refused {
        refusal: Refusal::Accepted(AcceptStatus::ProgMismatch { low, high }), ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!((low, high), (Version(4), Version(5)));
    server.join().expect("one call");
}

fn calls_of_one_way(corked: bool) {
    let (target, server) = tcp(|listener| {
        let (mut stream, _) = listener.accept().expect("a client");
        let words: Vec<u32> = std::iter::from_fn(|| read_record(&mut stream))
            .take(100)
            .map(|call| u32::from_be_bytes(call[40..44].try_into().expect("a word")))
            .collect();
        let last = read_record(&mut stream).expect("one that is waited for");
        std::io::Write::write_all(&mut stream, &record(&echoed(&last))).expect("it is read");
        words
    });
    let client = client_peer::connect(&target, &patient().corked(corked));
    for word in 0..100 {
        let sent = client.send(ECHO, |e| {
            e.u32(word);
            Ok(())
        });
        assert_eq!(sent.ok(), Some(()));
    }
    assert_eq!(client_peer::echo(&client, 100).ok(), Some(100));
    let stats = client.stats();
    assert_eq!((stats.calls, stats.sent, stats.replies, stats.timed_out), (101, 101, 1, 0));
    assert_eq!(server.join().expect("101 calls"), (0..100).collect::<Vec<u32>>());
}

#[test]
fn calls_of_one_way_need_no_answer_and_keep_their_order() {
    calls_of_one_way(false);
    calls_of_one_way(true);
}

type Log = Arc<Mutex<Vec<String>>>;

/// Writes down what it sees, and lets nobody call procedure 2.
struct Guard(&'static str, Log);

impl CallInterceptor for Guard {
    fn before(&self, call: &OutgoingCall) -> Result<()> {
        assert_eq!((call.interface.program, call.timeout.as_secs()), (INTERFACE.program, 20));
        self.1.lock().expect("not poisoned").push(format!("{} {}", self.0, call.procedure.0));
        match (self.0, call.procedure) {
            ("inner", Procedure(2)) => {
                Err(Refusal::Denied(RejectStatus::AuthError(AuthStatus::TooWeak)).into())
            }
            _ => Ok(()),
        }
    }

    fn after(&self, call: &OutgoingCall, outcome: CallOutcome<'_>, _took: Duration) {
        let outcome = match outcome {
            CallOutcome::Answered => "answered",
            CallOutcome::Failed(Error::Refused { .. }) => "refused",
            CallOutcome::Forgotten => "forgotten",
            other => panic!("{other:?}"),
        };
        let seen = format!("{} {} {outcome}", self.0, call.procedure.0);
        self.1.lock().expect("not poisoned").push(seen);
    }
}

#[test]
fn calls_pass_through_interceptors_out_and_back() {
    let (target, server) = tcp(|listener| {
        let (mut stream, _) = listener.accept().expect("a client");
        while let Some(call) = read_record(&mut stream) {
            let answer = match call[23] {
                1 => echoed(&call),
                _ => reply(&call, &[0, 0, 0, 3], &[]),
            };
            // Nobody may be there any more for what goes one way.
            if std::io::Write::write_all(&mut stream, &record(&answer)).is_err() {
                return;
            }
        }
    });
    let log = Log::default();
    let [outer, inner] = ["outer", "inner"].map(|name| Guard(name, Arc::clone(&log)));
    let client = client_peer::connect(&target, &patient().intercept(outer).intercept(inner));
    let seen = || std::mem::take(&mut *log.lock().expect("not poisoned"));
    let through = |procedure: u32, outcome: &str| {
        [
            format!("outer {procedure}"),
            format!("inner {procedure}"),
            format!("inner {procedure} {outcome}"),
            format!("outer {procedure} {outcome}"),
        ]
    };
    assert_eq!(client_peer::echo(&client, 1).ok(), Some(1));
    assert_eq!(seen(), through(1, "answered"));
    assert!(client.null().is_err_and(|error| matches!(error, Error::Refused { .. })));
    assert_eq!(seen(), through(0, "refused"));
    assert_eq!(client_peer::start_echo(&client, 1).wait().ok(), Some(1));
    assert_eq!(seen(), through(1, "answered"));
    drop(client_peer::start_echo(&client, 1));
    assert_eq!(seen(), through(1, "forgotten"));
    let one_way = |e: &mut farcall::xdr::Encoder| {
        e.u32(1);
        Ok(())
    };
    assert_eq!(client.send(ECHO, one_way).ok(), Some(()));
    assert_eq!(seen(), through(1, "forgotten"));
    let calls = client.stats().calls;
    let errors = [
        client.call(Procedure(2), one_way, |d| d.u32()).err(),
        client.start(Procedure(2), one_way, |d| d.u32()).wait().err(),
        client.send(Procedure(2), one_way).err(),
    ];
    for error in errors {
        let Some(Error::Refused { refusal, .. }) = error else { panic!("{error:?}") };
        assert_eq!(refusal, Refusal::Denied(RejectStatus::AuthError(AuthStatus::TooWeak)));
    }
    let refused = ["outer 2", "inner 2", "outer 2 refused"];
    assert_eq!(seen(), [refused; 3].concat());
    assert_eq!(client.stats().calls, calls, "nothing was sent");
    drop(client);
    server.join().expect("the connection ends");
}

#[test]
fn a_reserved_port_is_one_below_1024() {
    let (target, server) = udp(|socket| {
        let (call, from) = receive(&socket);
        socket.send_to(&echoed(&call), from).expect("the client listens");
        from.port()
    });
    let options = patient().reserved_port(true);
    let client = match Client::connect(&target, &INTERFACE, &options) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => {
            eprintln!("skipped: only the superuser can have a reserved port");
            return;
        }
        connected => connected.expect("the server is there"),
    };
    assert_eq!(client_peer::echo(&client, 1).ok(), Some(1));
    let port = server.join().expect("one call");
    assert!((600..1024).contains(&port), "{port}");
}

#[test]
fn a_host_that_does_not_exist_is_said_so() {
    let error = Client::connect("tcp://no-such-host.invalid:1", &INTERFACE, &patient());
    let error = error.expect_err("no such host").to_string();
    assert!(error.starts_with("RPC: Unknown host: "), "{error}");
}
