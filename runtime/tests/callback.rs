//! Calls from a server to its clients, over the connections that these opened.

mod client_peer;
mod server_peer;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use farcall::proto::auth::AuthSys;
use farcall::proto::message::AcceptStatus;
use farcall::xdr::{Decoder, Encoder};
use farcall::{
    Answer, Auth, Client, ClientOptions, Context, Dispatch, Doing, Error, Fault, Interface, Limits,
    Procedure, ProcedureInfo, Program, Refusal, Reply, Result, Running, Server, Version,
};
use server_peer::{LONG, read_record, record};

/// Gives its context and its reply to the test.
const LATER: Procedure = Procedure(1);
/// Calls back and waits for it, on the loop.
const AT_ONCE: Procedure = Procedure(2);
/// Adds one.
const NEXT: Procedure = Procedure(3);

const fn procedure(number: Procedure, deferred: bool) -> ProcedureInfo {
    ProcedureInfo { number, name: "P", idempotent: true, deferred }
}

static SERVED: Interface = Interface {
    program: Program(0x2000_0005),
    program_name: "SERVED_PROG",
    version: Version(1),
    version_name: "SERVED_V1",
    procedures: &[procedure(LATER, true), procedure(AT_ONCE, false), procedure(NEXT, false)],
};

static CALLED_BACK: Interface = Interface { program: Program(0x4000_0005), ..SERVED };

type Later = (Context, Reply<u32>);

struct Service {
    interface: &'static Interface,
    later: Mutex<Sender<Later>>,
    errors: Mutex<Sender<Result<u32>>>,
    uids: AtomicU32,
}

impl Service {
    fn new(interface: &'static Interface) -> (Arc<Self>, Receiver<Later>, Receiver<Result<u32>>) {
        let ((later, replies), (errors, seen)) = (channel(), channel());
        let (later, errors) = (Mutex::new(later), Mutex::new(errors));
        (Arc::new(Self { interface, later, errors, uids: AtomicU32::new(0) }), replies, seen)
    }
}

struct Shared(Arc<Service>);

impl Dispatch for Shared {
    fn interface(&self) -> &'static Interface {
        self.0.interface
    }

    fn dispatch(
        &self,
        cx: &Context,
        procedure: Procedure,
        args: &mut Decoder<'_>,
        results: &mut Encoder,
    ) -> Result<Answer, Fault> {
        let word = args.u32()?;
        self.0.uids.fetch_add(cx.peer().auth_sys().map_or(0, |sys| sys.uid), Ordering::Relaxed);
        match procedure {
            LATER => {
                let reply = cx.defer::<u32>(|word, e| {
                    e.u32(*word);
                    Ok(())
                });
                let later = self.0.later.lock().expect("not poisoned");
                later.send((cx.clone(), reply)).map_err(|_| Fault::SystemErr)?;
                return Ok(Answer::Later);
            }
            AT_ONCE => {
                let result = back(cx, &patient()).and_then(|client| next(&client, word));
                let errors = self.0.errors.lock().expect("not poisoned");
                errors.send(result).map_err(|_| Fault::SystemErr)?;
                results.u32(word);
            }
            _ => results.u32(word + 1),
        }
        Ok(Answer::Now)
    }
}

fn patient() -> ClientOptions {
    client_peer::patient()
}

fn back(cx: &Context, options: &ClientOptions) -> Result<Client> {
    cx.peer_client(&CALLED_BACK, options)
}

fn word(word: u32) -> impl FnOnce(&mut Encoder) -> Result<(), farcall::xdr::EncodeError> {
    move |e| {
        e.u32(word);
        Ok(())
    }
}

fn next(client: &Client, number: u32) -> Result<u32> {
    client.call(NEXT, word(number), |d| d.u32())
}

struct Bench {
    running: Running,
    target: String,
    later: Receiver<Later>,
    errors: Receiver<Result<u32>>,
}

impl Bench {
    fn new() -> Self {
        let (service, later, errors) = Service::new(&SERVED);
        let running = Server::builder()
            .udp("127.0.0.1:0")
            .tcp("127.0.0.1:0")
            .service(Shared(service))
            .start()
            .expect("port 0 is free");
        let target = format!("tcp://{}", running.tcp_addrs().next().expect("one"));
        Self { running, target, later, errors }
    }

    fn connect(&self, options: &ClientOptions) -> Client {
        Client::connect(&self.target, &SERVED, options).expect("it is there")
    }

    /// The next call that is to be answered later.
    fn take(&self) -> Later {
        self.later.recv_timeout(LONG).expect("a call")
    }
}

/// A client that serves, and its service.
fn serving(bench: &Bench) -> (Client, Arc<Service>, Receiver<Later>) {
    let (service, later, _) = Service::new(&CALLED_BACK);
    (bench.connect(&patient().serve(Shared(Arc::clone(&service)))), service, later)
}

#[test]
fn a_handler_calls_its_caller_before_it_answers() {
    let bench = Bench::new();
    let (client, service, _later) = serving(&bench);
    let sys = AuthSys { uid: 7, ..AuthSys::default() };
    for number in 0..100 {
        let pending = client.start(LATER, word(number), |d| d.u32());
        let (cx, reply) = bench.take();
        let caller = back(&cx, &patient().auth(Auth::from(sys.clone()))).expect("a connection");
        assert_eq!(caller.null().ok(), Some(()));
        reply.send(Ok(next(&caller, number).expect("it is served") * 2));
        assert_eq!(pending.wait().ok(), Some((number + 1) * 2));
    }
    assert_eq!(service.uids.load(Ordering::Relaxed), 700);
    bench.running.stop().expect("it ends");
}

#[test]
fn both_directions_are_used_at_once_by_many() {
    const CALLS: u32 = 300;
    let bench = Bench::new();
    let (client, _, answered_later) = serving(&bench);
    let pending = client.start(LATER, word(0), |d| d.u32());
    let (cx, reply) = bench.take();
    let caller = back(&cx, &patient()).expect("a connection");
    thread::scope(|scope| {
        for thread in 0..3 {
            let (client, caller) = (&client, &caller);
            for peer in [client, caller] {
                scope.spawn(move || {
                    for call in 0..CALLS {
                        let number = thread << 16 | call;
                        assert_eq!(next(peer, number).ok(), Some(number + 1));
                    }
                });
            }
        }
        // The client's handlers may answer later too.
        scope.spawn(move || {
            for _ in 0..CALLS {
                let (_, reply) = answered_later.recv_timeout(LONG).expect("a call");
                reply.send(Ok(9));
            }
        });
        scope.spawn(|| {
            let start = |_| caller.start(LATER, word(1), |d| d.u32());
            let all: Vec<_> = (0..CALLS).map(start).collect();
            assert!(all.into_iter().all(|pending| pending.wait().ok() == Some(9)));
        });
    });
    reply.send(Ok(5));
    assert_eq!(pending.wait().ok(), Some(5));
    assert_eq!((caller.stats().calls, caller.stats().replies), (4 * CALLS as u64, 4 * 300));
    bench.running.stop().expect("it ends");
}

#[test]
fn a_client_that_nobody_drives_answers() {
    let bench = Bench::new();
    let (client, _, _later) = serving(&bench);
    drop(client.start(LATER, word(0), |d| d.u32()));
    let (cx, reply) = bench.take();
    let caller = back(&cx, &patient()).expect("a connection");
    let futures = [1, 2, 3].map(|number| caller.start(NEXT, word(number), |d| d.u32()));
    assert_eq!(futures.map(|pending| pending.wait().ok()), [Some(2), Some(3), Some(4)]);
    drop(reply);
    bench.running.stop().expect("it ends");
    drop(client);
}

#[test]
fn a_client_that_serves_nothing_says_so() {
    let bench = Bench::new();
    let client = bench.connect(&patient());
    let pending = client.start(LATER, word(1), |d| d.u32());
    let (cx, reply) = bench.take();
    thread::scope(|scope| {
        scope.spawn(|| {
            let caller = back(&cx, &patient()).expect("a connection");
            let error = next(&caller, 1).expect_err("nothing is served");
            let unavailable = Refusal::Accepted(AcceptStatus::ProgUnavail);
            assert!(
                matches!(error, Error::Refused { refusal, .. } if refusal == unavailable),
                "{error:?}"
            );
            reply.send(Ok(1));
        });
        assert_eq!(pending.wait().ok(), Some(1));
    });
    assert_eq!((client.stats().reconnects, client.stats().malformed), (0, 0));
    bench.running.stop().expect("it ends");
}

/// A call of LATER.
fn call() -> Vec<u8> {
    [1, 0, 2, SERVED.program.0, 1, LATER.0, 0, 0, 0, 0, 5]
        .iter()
        .flat_map(|word: &u32| word.to_be_bytes())
        .collect()
}

#[test]
fn a_call_back_ends_with_its_connection_or_its_deadline() {
    let bench = Bench::new();
    let addr = bench.running.tcp_addrs().next().expect("one");
    let mut stream = TcpStream::connect(addr).expect("it listens");
    stream.write_all(&record(&call())).expect("it reads");
    let (cx, reply) = bench.take();
    let hasty = back(&cx, &client_peer::brief(50)).expect("a connection");
    let error = next(&hasty, 1).expect_err("nobody answers");
    assert!(matches!(error, Error::TimedOut { sent: 1, .. }), "{error:?}");
    let caller = back(&cx, &patient()).expect("a connection");
    let pending = [1, 2].map(|number| caller.start(NEXT, word(number), |d| d.u32()));
    // The calls back are there, and stay unanswered.
    let calls: Vec<_> = (0..3).map(|_| read_record(&mut stream)).collect();
    assert_eq!(calls.iter().map(|call| call[43]).collect::<Vec<_>>(), [1, 1, 2]);
    drop(stream);
    for pending in pending {
        let error = pending.wait().expect_err("the connection is gone");
        assert!(matches!(error, Error::Disconnected { sent: 1 }), "{error:?}");
    }
    let error = next(&caller, 3).expect_err("the connection is gone");
    assert!(matches!(error, Error::Disconnected { sent: 0 }), "{error:?}");
    let late = back(&cx, &patient()).expect("it is not known yet");
    let error = next(&late, 3).expect_err("the connection is gone");
    assert!(matches!(error, Error::Disconnected { .. }), "{error:?}");
    drop(reply);
    bench.running.stop().expect("it ends");
}

#[test]
fn calls_back_that_find_no_room_go_out_when_there_is_some() {
    let bench = Bench::new();
    let addr = bench.running.tcp_addrs().next().expect("one");
    let mut stream = TcpStream::connect(addr).expect("it listens");
    stream.write_all(&record(&call())).expect("it reads");
    let (cx, reply) = bench.take();
    let caller = back(&cx, &patient()).expect("a connection");
    // More than any socket holds, and the server's queue of output.
    let large = vec![7; 1 << 20];
    let args = |e: &mut Encoder| e.opaque(&large, u32::MAX);
    let pending: Vec<_> = (0..32).map(|_| caller.start(NEXT, args, |d| d.u32())).collect();
    for _ in &pending {
        let call = read_record(&mut stream);
        assert_eq!(call.len(), 40 + 4 + (1 << 20));
        let answer = [&call[..4], &[0, 0, 0, 1], &[0; 16], &[0, 0, 0, 3]].concat();
        stream.write_all(&record(&answer)).expect("it reads");
    }
    assert!(pending.into_iter().all(|pending| pending.wait().ok() == Some(3)));
    drop(reply);
    bench.running.stop().expect("it ends");
}

#[test]
fn the_loop_does_not_wait_for_itself() {
    let bench = Bench::new();
    let (client, _, _later) = serving(&bench);
    let result = client.call(AT_ONCE, word(8), |d| d.u32());
    assert_eq!(result.ok(), Some(8));
    let error = bench.errors.recv_timeout(LONG).expect("it was called").expect_err("on the loop");
    let Error::Io { doing: Doing::Poll, source } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::Deadlock);
    let udp = format!("udp://{}", bench.running.udp_addrs().next().expect("one"));
    let client = Client::connect(&udp, &SERVED, &patient()).expect("it is there");
    assert_eq!(client.call(AT_ONCE, word(9), |d| d.u32()).ok(), Some(9));
    let error = bench.errors.recv_timeout(LONG).expect("it was called").expect_err("over UDP");
    assert!(matches!(error, Error::Disconnected { sent: 0 }), "{error:?}");
    bench.running.stop().expect("it ends");
}

#[test]
fn a_client_that_serves_connects_again_by_itself_and_says_so() {
    let ((is_set, wait_set), (answer, answered)) = (channel(), channel());
    let (target, server) = client_peer::tcp(move |listener| {
        wait_set.recv_timeout(LONG).expect("it is told what to do");
        // The second one is lost before the client has said anything.
        for _ in 0..2 {
            listener.accept().expect("a client");
        }
        let (mut stream, _) = listener.accept().expect("it connects again");
        let words = [7, 0, 2, CALLED_BACK.program.0, 1, NEXT.0, 0, 0, 0, 0, 5];
        let call: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_be_bytes()).collect();
        stream.write_all(&record(&call)).expect("it is read");
        while let Some(message) = client_peer::read_record(&mut stream) {
            if message[..8] == [0, 0, 0, 7, 0, 0, 0, 1] {
                answer.send(message[24..].to_vec()).expect("the test waits");
            } else {
                // It registers, perhaps once for each connection.
                stream.write_all(&record(&client_peer::echoed(&message))).expect("it is read");
            }
        }
    });
    let (service, _later, _) = Service::new(&CALLED_BACK);
    let client = client_peer::connect(&target, &patient().serve(Shared(service)));
    let registered = Arc::new(AtomicU32::new(0));
    let numbers = Arc::clone(&registered);
    client.on_reconnect(move |client| {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        assert_eq!(client_peer::echo(client, number).ok(), Some(number));
    });
    is_set.send(()).expect("it waits");
    assert_eq!(answered.recv_timeout(LONG), Ok(vec![0, 0, 0, 6]));
    assert!(registered.load(Ordering::Relaxed) > 0);
    drop(client);
    server.join().expect("three connections");
    wait_until(|| Arc::strong_count(&registered) == 1);
}

/// Another connection, which is as quiet, is closed.
#[test]
fn a_connection_is_not_idle_while_its_peer_may_be_called_back() {
    let (service, later, errors) = Service::new(&SERVED);
    let mut limits = Limits::default();
    limits.idle = Duration::from_millis(1);
    let builder = Server::builder().tcp("127.0.0.1:0").limits(limits).service(Shared(service));
    let running = builder.start().expect("port 0 is free");
    let target = format!("tcp://{}", running.tcp_addrs().next().expect("one"));
    let bench = Bench { running, target, later, errors };
    let (client, _, _later) = serving(&bench);
    let pending = client.start(LATER, word(0), |d| d.u32());
    let (cx, reply) = bench.take();
    let caller = back(&cx, &patient()).expect("a connection");
    reply.send(Ok(1));
    assert_eq!(pending.wait().ok(), Some(1));
    let addr = bench.running.tcp_addrs().next().expect("one");
    let mut quiet = TcpStream::connect(addr).expect("it listens");
    assert_eq!(quiet.read(&mut [0]).ok(), Some(0), "it is idle");
    assert_eq!(next(&caller, 1).ok(), Some(2));
    drop(caller);
    // And then the server knows of nobody who would call it.
    wait_until(|| client.stats().reconnects > 0);
    bench.running.stop().expect("it ends");
}

fn wait_until(happened: impl Fn() -> bool) {
    let patience = std::time::Instant::now() + LONG;
    while !happened() {
        assert!(std::time::Instant::now() < patience, "it does not happen");
        thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn nothing_is_left_of_a_client_that_served() {
    let bench = Bench::new();
    let weak = {
        let (client, service, _later) = serving(&bench);
        assert_eq!(next(&client, 1).ok(), Some(2));
        Arc::downgrade(&service)
    };
    wait_until(|| weak.strong_count() == 0);
    bench.running.stop().expect("it ends");
}
