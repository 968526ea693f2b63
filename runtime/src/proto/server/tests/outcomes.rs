//! What is kept of calls, and what they pass through.

use std::sync::PoisonError;

use super::*;
use crate::service::{Identity, Peer};

fn tcp(port: u16, origin: u64) -> Caller {
    Caller::new(PeerAddr::Tcp(([127, 0, 0, 1], port).into()), origin)
}

impl Bench {
    fn take_reply(&self) -> Reply<u32> {
        let mut kept = self.adder.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take().expect("a handler keeps it")
    }
}

/// A call of version 2 with AUTH_SYS.
fn call_of(uid: u32, xid: u32, procedure: u32, args: &[u32]) -> Vec<u32> {
    let header = [xid, 0, RPC_VERSION, PROGRAM, 2, procedure];
    let credential = [1, 20, 0, 0, uid, 100, 0];
    [&header[..], &credential, &[0, 0], args].concat()
}

/// Lets only one user in.
struct Only(u32);

impl Interceptor for Only {
    fn before(&self, cx: &Context) -> Result<(), Fault> {
        let allowed = cx.peer().uid() == Some(self.0);
        if allowed { Ok(()) } else { Err(Fault::Auth(AuthStatus::TooWeak)) }
    }
}

/// What happened, in the order in which it did.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Interceptor for Arc<Log> {
    fn before(&self, cx: &Context) -> Result<(), Fault> {
        self.0.lock().expect("not poisoned").push(format!("call {}", cx.procedure()));
        Ok(())
    }

    fn after(&self, cx: &Context, outcome: Result<(), Fault>, _: Duration) {
        let line = match outcome {
            Ok(()) => format!("done {}", cx.procedure()),
            Err(fault) => format!("{} {fault}", cx.procedure()),
        };
        self.0.lock().expect("not poisoned").push(line);
    }
}

#[test]
fn calls_and_their_outcomes_pass_through_interceptors() {
    let log = Arc::new(Log::default());
    let interceptors: Vec<Arc<dyn Interceptor>> =
        vec![Arc::new(Arc::clone(&log)), Arc::new(Only(1000))];
    let mut bench = Bench::with(ServerConfig { interceptors, ..ServerConfig::default() });
    assert_eq!(bench.send(&call_of(1000, 1, 1, &[5])), Some(vec![1, 1, 0, 0, 0, 0, 5, 5]));
    assert_eq!(bench.send(&call_of(1001, 2, 1, &[5])), Some(vec![2, 1, 1, 1, 5]), "refused");
    assert_eq!(bench.adder.total.load(Ordering::Relaxed), 5, "not executed");
    assert_eq!(bench.send(&call_of(1000, 3, 4, &[0])), Some(vec![3, 1, 0, 0, 0, 5]));
    assert_eq!(bench.send(&call_of(1000, 4, 3, &[0])), None);
    bench.take_reply().send(Ok(6));
    assert!(bench.core.poll_deferred(bench.now).is_some());
    // A repeat is answered without passing through.
    assert_eq!(bench.send(&call_of(1000, 1, 1, &[5])), Some(vec![1, 1, 0, 0, 0, 0, 5, 5]));
    let expected = [
        "call 1",
        "done 1",
        "call 1",
        "1 authentication error: Client credential too weak",
        "call 4",
        "4 system error",
        "call 3",
        "done 3",
    ];
    assert_eq!(*log.0.lock().expect("not poisoned"), expected);
}

#[test]
fn t29_an_interceptor_that_panics_is_a_handler_that_does() {
    struct Panics;
    impl Interceptor for Panics {
        fn before(&self, cx: &Context) -> Result<(), Fault> {
            assert_ne!(cx.procedure(), Procedure(1), "as it is told");
            Ok(())
        }

        fn after(&self, _: &Context, _: Result<(), Fault>, _: Duration) {
            panic!("as it is told");
        }
    }
    let interceptors: Vec<Arc<dyn Interceptor>> = vec![Arc::new(Panics)];
    let mut bench = Bench::with(ServerConfig { interceptors, ..ServerConfig::default() });
    assert_eq!(bench.send(&call(1, 1, &[5])), Some(vec![1, 1, 0, 0, 0, 5]));
    assert_eq!(bench.send(&call(2, 2, &[5])), Some(vec![2, 1, 0, 0, 0, 0, 5, 5]));
    let stats = bench.core.stats();
    assert_eq!((stats.panics, stats.system_errors, stats.executed), (2, 1, 1));
}

#[test]
fn calls_beyond_the_limit_are_refused_and_may_be_repeated() {
    let mut config = ServerConfig::default();
    config.limits.calls = 1;
    let mut bench = Bench::with(config);
    assert_eq!(bench.send(&call(1, 3, &[0])), None, "put off");
    let first = bench.take_reply();
    assert_eq!(bench.send(&call(2, 3, &[0])), None, "dropped");
    let refused = Some(vec![3, 1, 0, 0, 0, 5]);
    assert_eq!(bench.send_as(tcp(1, 1), &call(3, 3, &[0])), refused);
    assert_eq!(bench.core.stats().too_many_calls, 2);
    assert_eq!(bench.core.outstanding(), 1);
    first.send(Ok(9));
    assert!(bench.core.poll_deferred(bench.now).is_some());
    assert_eq!(bench.send(&call(2, 3, &[0])), None, "put off now");
    bench.take_reply().send(Ok(10));
    let answer = bench.core.poll_deferred(bench.now).expect("answered");
    assert_eq!(to_words(answer.reply.as_ref().expect("not silent")), [2, 1, 0, 0, 0, 0, 10]);
}

#[test]
fn calls_put_off_are_bounded_in_bytes_too() {
    let mut config = ServerConfig::default();
    config.limits.call_bytes = 100;
    let mut bench = Bench::with(config);
    assert_eq!(bench.send(&call(1, 3, &[0])), None);
    let first = bench.take_reply();
    assert_eq!(bench.send(&call(2, 3, &[0; 5])), None, "44 and 60 bytes are more");
    assert_eq!(bench.core.stats().too_many_calls, 1);
    first.send(Ok(9));
    assert!(bench.core.poll_deferred(bench.now).is_some());
    assert_eq!(bench.send(&call(2, 3, &[0; 5])), None);
    assert_eq!(bench.core.outstanding(), 1, "put off now");
}

#[test]
fn a_handler_is_told_that_its_peer_is_gone() {
    let mut bench = Bench::new();
    bench.send_as(tcp(1, 1), &call(1, 3, &[0]));
    let reply = bench.take_reply();
    bench.send_as(tcp(2, 2), &call(1, 3, &[0]));
    let other = bench.take_reply();
    assert!(!reply.is_cancelled() && !other.is_cancelled());
    bench.core.disconnected(1);
    assert!(reply.is_cancelled() && !other.is_cancelled());
}

#[test]
fn a_caller_that_comes_back_on_another_connection_is_answered_there() {
    let mut bench = Bench::new();
    let later = call(1, 3, &[5]);
    assert_eq!(bench.send_as(tcp(1, 1), &later), None);
    bench.core.disconnected(1);
    assert_eq!(bench.send_as(tcp(1, 2), &later), None, "not executed again");
    bench.take_reply().send(Ok(7));
    let answer = bench.core.poll_deferred(bench.now).expect("answered");
    assert_eq!(answer.caller.origin, 2);
    assert_eq!(bench.core.stats().executed, 1);
}

#[test]
fn every_procedure_has_its_counts() {
    let mut bench = Bench::new();
    for (xid, procedure) in [(1, 0), (2, 1), (3, 1), (3, 1), (4, 4), (5, 2), (6, 9)] {
        bench.send(&call(xid, procedure, &[1]));
    }
    bench.send(&call(7, 2, &[]));
    let stats = bench.core.stats();
    let rows: Vec<_> = stats.procedures[..6]
        .iter()
        .map(|row| (row.procedure.0, row.calls, row.errors, row.latency.count()))
        .collect();
    let expected = [(0, 1, 0, 1), (1, 2, 0, 2), (2, 2, 1, 2), (3, 0, 0, 0), (4, 1, 1, 1)];
    assert_eq!(rows[..5], expected);
    let counters: Vec<_> = stats.counters().filter(|&(_, count)| count > 0).collect();
    let expected = [
        ("executed", 4),
        ("replayed", 1),
        ("proc_unavail", 1),
        ("garbage_args", 1),
        ("system_errors", 1),
        ("panics", 1),
    ];
    assert_eq!(counters, expected);
}

#[test]
fn t16_a_kept_reply_is_for_its_caller_only() {
    let mut bench = Bench::new();
    let reply = |total| Some(vec![1, 1, 0, 0, 0, 0, 5, total]);
    assert_eq!(bench.send(&call_of(1000, 1, 1, &[5])), reply(5));
    assert_eq!(bench.send(&call_of(1001, 1, 1, &[5])), reply(10), "of another user");
    assert_eq!(bench.send_from(1001, &call_of(1000, 1, 1, &[5])), reply(15), "of another port");
    assert_eq!(bench.send(&call_of(1000, 1, 1, &[5])), reply(5));
    assert_eq!(bench.send(&call_of(1000, 1, 1, &[6])), Some(vec![1, 1, 0, 0, 0, 0, 6, 21]));
    let stats = bench.core.stats();
    assert_eq!((stats.replayed, stats.xids_reused), (1, 2));
}

#[test]
fn t16_a_reply_too_long_to_keep_leaves_the_verdict() {
    let mut config = ServerConfig::default();
    config.limits.cache.reply_bytes = 24;
    let mut bench = Bench::with(config);
    assert_eq!(bench.send(&call(1, 1, &[5])), Some(vec![1, 1, 0, 0, 0, 0, 5, 5]));
    assert_eq!(bench.send(&call(1, 1, &[5])), None, "known to be executed");
    assert_eq!(bench.adder.total.load(Ordering::Relaxed), 5);
}

#[test]
fn a_peer_is_who_its_credential_says() {
    struct Who(Mutex<Option<Peer>>);
    impl Interceptor for Arc<Who> {
        fn before(&self, cx: &Context) -> Result<(), Fault> {
            *self.0.lock().expect("not poisoned") = Some(cx.peer().clone());
            Ok(())
        }
    }
    let who = Arc::new(Who(Mutex::new(None)));
    let interceptors: Vec<Arc<dyn Interceptor>> = vec![Arc::new(Arc::clone(&who))];
    let mut bench = Bench::with(ServerConfig { interceptors, ..ServerConfig::default() });
    bench.send(&call_of(1000, 1, 1, &[5]));
    let peer = who.0.lock().expect("not poisoned").take().expect("asked");
    assert_eq!((peer.uid(), peer.gid(), peer.groups()), (Some(1000), Some(100), &[][..]));
    assert_eq!(
        (peer.flavor(), peer.to_string()),
        (Flavor::SYS, "udp 127.0.0.1:1000 as uid 1000".to_owned())
    );
    bench.send(&call(2, 1, &[5]));
    let peer = who.0.lock().expect("not poisoned").take().expect("asked");
    assert_eq!((peer.uid(), peer.identity()), (None, &Identity::Nobody));
    // Over a Unix socket the kernel knows better than the credential.
    let unix = PeerAddr::Unix { uid: 7, gid: 8, pid: 9, connection: 1 };
    bench.send_as(Caller::new(unix, 1), &call_of(1000, 3, 1, &[5]));
    let peer = who.0.lock().expect("not poisoned").take().expect("asked");
    assert_eq!((peer.uid(), peer.gid()), (Some(7), Some(8)));
}
