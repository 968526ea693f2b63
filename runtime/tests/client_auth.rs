//! Flavors of authentication between our client and our server.

mod client_peer;
mod secret;
mod server_peer;

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use client_peer::{patient, read_record, record, reply, tcp};
use farcall::proto::auth::{AuthSys, Flavor, OpaqueAuth};
use farcall::proto::client::flavor::{Initiate, Seal, Step};
use farcall::proto::message::{AuthStatus, RejectStatus};
use farcall::xdr::Bytes;
use farcall::{
    Auth, Client, Context, Dispatch, Error, Fault, Interceptor, Procedure, Refusal, Result,
    Running, Server,
};
use secret::{Knower, Secret};
use server_peer::{ECHO, Echo};

fn serve(secret: &Arc<Secret>) -> Running {
    let (echo, _) = Echo::new();
    Server::builder()
        .udp("127.0.0.1:0")
        .tcp("127.0.0.1:0")
        .flavor(Arc::clone(secret) as _)
        .auth_short()
        .shared_service(echo as Arc<dyn Dispatch>)
        .start()
        .expect("port 0 is free")
}

fn targets(running: &Running) -> [String; 2] {
    let udp = running.udp_addrs().next().expect("one");
    let tcp = running.tcp_addrs().next().expect("one");
    [format!("udp://{udp}"), format!("tcp://{tcp}")]
}

fn connect(target: &str, auth: Auth) -> Client {
    Client::connect(target, &server_peer::INTERFACE, &patient().auth(auth)).expect("it is there")
}

fn echo(client: &Client, data: &[u8]) -> Result<Bytes> {
    client.call(Procedure(ECHO), |e| e.opaque(data, u32::MAX), |d| d.opaque(u32::MAX))
}

#[test]
fn a_flavor_is_set_up_by_the_first_call_and_wraps_all() {
    let secret = Arc::new(Secret::default());
    let running = serve(&secret);
    for target in targets(&running) {
        let client = connect(&target, Auth::flavor(Arc::new(Knower::default())));
        for data in [&b"one"[..], b"", b"three of them"] {
            assert_eq!(echo(&client, data).ok().as_deref(), Some(data), "{target}");
        }
        let stats = client.stats();
        assert_eq!((stats.calls, stats.sent, stats.replies), (3, 2 + 3, 2 + 3), "{target}");
    }
    assert_eq!(secret.hellos(), 2);
    running.stop().expect("it ends");
}

#[test]
fn many_threads_set_it_up_once_and_again_when_the_server_has_forgotten() {
    let secret = Arc::new(Secret::default());
    let running = serve(&secret);
    for (target, hellos) in targets(&running).iter().zip([2, 4]) {
        let client = connect(target, Auth::flavor(Arc::new(Knower::default())));
        let storm = |client: &Client| {
            thread::scope(|scope| {
                for thread in 0..4u8 {
                    scope.spawn(move || {
                        for call in 0..50 {
                            let data = [thread, call];
                            let result = echo(client, &data);
                            assert_eq!(result.ok().as_deref(), Some(&data[..]), "{target}");
                        }
                    });
                }
            });
        };
        storm(&client);
        secret.forget();
        storm(&client);
        assert_eq!((secret.hellos(), client.stats().calls), (hellos, 400), "{target}");
    }
    running.stop().expect("it ends");
}

#[test]
fn calls_that_are_started_or_go_one_way_wait_for_it_too() {
    let secret = Arc::new(Secret::default());
    let (service, _replies) = Echo::new();
    let running = Server::builder()
        .tcp("127.0.0.1:0")
        .flavor(Arc::clone(&secret) as _)
        .shared_service(Arc::clone(&service) as Arc<dyn Dispatch>)
        .start()
        .expect("port 0 is free");
    let target = format!("tcp://{}", running.tcp_addrs().next().expect("one"));
    let client = connect(&target, Auth::flavor(Arc::new(Knower::default())));
    for _ in 0..10 {
        assert!(client.send(Procedure(ECHO), |e| e.opaque(b"away", u32::MAX)).is_ok());
    }
    let start = |data: &'static [u8]| {
        let args = |e: &mut farcall::xdr::Encoder| e.opaque(data, u32::MAX);
        client.start(Procedure(ECHO), args, |d| d.opaque(u32::MAX))
    };
    let pending = [start(b"a"), start(b"b"), start(b"c")];
    let results = pending.map(|pending| pending.wait().ok());
    assert_eq!(results.map(Option::unwrap_or_default), [&b"a"[..], b"b", b"c"]);
    assert_eq!((secret.hellos(), service.peers.lock().expect("not poisoned").len()), (1, 13));
    running.stop().expect("it ends");
}

#[test]
fn a_server_without_the_flavor_ends_all_calls_that_wait() {
    let (echo_service, _) = Echo::new();
    let running = server_peer::serve(&echo_service);
    for target in targets(&running) {
        let knower = Arc::new(Knower::default());
        let client = connect(&target, Auth::flavor(Arc::clone(&knower) as _));
        let start = || client.start(Procedure(ECHO), |e| e.opaque(b"", 0), |d| d.opaque(0));
        let denied = RejectStatus::AuthError(AuthStatus::RejectedCred);
        for pending in [start(), start(), start()] {
            let error = pending.wait().expect_err("it is not known there");
            assert!(
                matches!(error, Error::Refused { refusal: Refusal::Denied(status), .. } if status == denied),
                "{error:?}"
            );
        }
        assert_eq!(knower.failures(), 1, "{target}");
    }
    running.stop().expect("it ends");
}

/// Of all calls.
#[derive(Clone, Default)]
struct Flavors(Arc<Mutex<Vec<Flavor>>>);

impl Interceptor for Flavors {
    fn before(&self, cx: &Context) -> Result<(), Fault> {
        self.0.lock().expect("not poisoned").push(cx.peer().flavor());
        Ok(())
    }
}

#[test]
fn a_short_hand_is_used_for_as_long_as_the_server_knows_it() {
    let (service, _replies) = Echo::new();
    let flavors = Flavors::default();
    let running = Server::builder()
        .udp("127.0.0.1:0")
        .tcp("127.0.0.1:0")
        .auth_short()
        .intercept(flavors.clone())
        .shared_service(service as Arc<dyn Dispatch>)
        .start()
        .expect("port 0 is free");
    let sys = AuthSys { uid: 1000, machine_name: vec![b'x'; 255], ..AuthSys::default() };
    for target in targets(&running) {
        let client = connect(&target, Auth::from(sys.clone()));
        for _ in 0..3 {
            assert_eq!(echo(&client, b"x").ok().as_deref(), Some(&b"x"[..]), "{target}");
        }
        assert_eq!((client.stats().calls, client.stats().replies), (3, 3), "{target}");
        let seen = std::mem::take(&mut *flavors.0.lock().expect("not poisoned"));
        assert_eq!(seen, [Flavor::SYS, Flavor::SHORT, Flavor::SHORT], "{target}");
    }
    running.stop().expect("it ends");
}

/// The flavor of the credential of a call, and the call's xid.
fn seen(call: &[u8]) -> (u8, [u8; 4]) {
    (call[27], call[..4].try_into().expect("a word"))
}

fn serve_short_hands(listener: &TcpListener) -> Vec<(u8, [u8; 4])> {
    let (mut stream, _) = listener.accept().expect("a client");
    let mut answer = |words: &[u32]| {
        let call = read_record(&mut stream).expect("a call");
        let reply = record(&reply(&call, words, &[0; 4]));
        std::io::Write::write_all(&mut stream, &reply).expect("it is read");
        seen(&call)
    };
    let given = [0, 2, 8, 7, 7, 0];
    let rejected = [1, 1, 2];
    vec![
        answer(&given),
        answer(&[0, 0, 0, 0]),
        answer(&rejected),
        answer(&[0, 0, 0, 0]),
        answer(&given),
        answer(&rejected),
        answer(&rejected),
    ]
}

#[test]
fn a_short_hand_that_is_rejected_is_replaced_by_the_whole_credential_once() {
    let (target, server) = tcp(|listener| serve_short_hands(&listener));
    let sys = AuthSys { uid: 1000, ..AuthSys::default() };
    let client = client_peer::connect(&target, &patient().auth(Auth::from(sys)));
    for call in 0..4 {
        assert_eq!(client_peer::echo(&client, 1).ok(), Some(0), "call {call}");
    }
    let error = client_peer::echo(&client, 1).expect_err("neither is good enough");
    let denied = RejectStatus::AuthError(AuthStatus::RejectedCred);
    assert!(
        matches!(error, Error::Refused { refusal: Refusal::Denied(status), .. } if status == denied)
    );
    let (flavors, xids): (Vec<_>, Vec<_>) = server.join().expect("seven calls").into_iter().unzip();
    assert_eq!(flavors, [1, 2, 2, 1, 1, 2, 1]);
    assert!(xids.windows(2).all(|pair| pair[0] != pair[1]), "each has an xid of its own");
    assert_eq!((client.stats().calls, client.stats().replies), (5, 7));
}

/// A flavor that seals nothing, and panics once.
#[derive(Debug, Clone)]
struct Clumsy {
    at: &'static str,
    panicked: Arc<AtomicBool>,
}

impl Clumsy {
    fn step(&self, at: &str) {
        assert!(self.at != at || self.panicked.swap(true, Ordering::Relaxed), "clumsy at {at}");
    }
}

impl Initiate for Clumsy {
    fn flavor(&self) -> Flavor {
        Flavor::NONE
    }

    fn next(&self, _now: Instant) -> Step {
        self.step("next");
        Step::Call(Box::new(self.clone()))
    }

    fn answered(&self, _: Instant, _: &OpaqueAuth, _: &[u8]) -> Result<(), AuthStatus> {
        Ok(())
    }
}

impl Seal for Clumsy {
    fn credential(&self) -> OpaqueAuth {
        OpaqueAuth::NONE
    }

    fn verifier(&self, _covered: &[u8]) -> Result<OpaqueAuth, AuthStatus> {
        self.step("verifier");
        Ok(OpaqueAuth::NONE)
    }

    fn wrap(&self, args: &Bytes) -> Result<Bytes, AuthStatus> {
        self.step("wrap");
        Ok(args.clone())
    }

    fn is_verified_by(&self, _verifier: &OpaqueAuth) -> bool {
        self.step("is_verified_by");
        true
    }

    fn unwrap(&self, results: Bytes) -> Result<Bytes, AuthStatus> {
        self.step("unwrap");
        Ok(results)
    }
}

#[test]
fn a_flavor_that_panics_fails_that_call_and_no_other() {
    let running = serve(&Arc::new(Secret::default()));
    let [_, tcp] = targets(&running);
    for (at, status) in [
        ("next", AuthStatus::Failed),
        ("verifier", AuthStatus::Failed),
        ("wrap", AuthStatus::Failed),
        ("is_verified_by", AuthStatus::InvalidResp),
        ("unwrap", AuthStatus::InvalidResp),
    ] {
        let clumsy = Clumsy { at, panicked: Arc::default() };
        let client = connect(&tcp, Auth::flavor(Arc::new(clumsy)));
        let failed = echo(&client, b"one");
        assert!(matches!(failed, Err(Error::Auth(s)) if s == status), "{at}: {failed:?}");
        assert_eq!(echo(&client, b"two").ok().as_deref(), Some(&b"two"[..]), "{at}");
    }
    running.stop().expect("it ends");
}
