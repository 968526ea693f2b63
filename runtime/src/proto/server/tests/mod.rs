//! A row for each rule of RFC 5531 §9 that a server decides by.

mod flavors;
mod outcomes;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::proto::message::{MIN_CALL_LEN, RPC_VERSION};
use crate::service::{Answer, Fault, Reply};
use crate::xdr::Bytes;
use crate::{Interface, ProcedureInfo, Program, Version};

const PROGRAM: u32 = 0x2000_0001;

const fn procedure(number: u32, idempotent: bool, deferred: bool) -> ProcedureInfo {
    ProcedureInfo { number: Procedure(number), name: "P", idempotent, deferred }
}

static PROCEDURES: [ProcedureInfo; 5] = [
    procedure(1, false, false),
    procedure(2, true, false),
    procedure(3, false, true),
    procedure(4, false, false),
    procedure(5, false, false),
];

const fn interface(version: u32) -> Interface {
    Interface {
        program: Program(PROGRAM),
        program_name: "PROG",
        version: Version(version),
        version_name: "VERS",
        procedures: &PROCEDURES,
    }
}

static V2: Interface = interface(2);
static V4: Interface = interface(4);

/// 1 and 2 add their argument to a total and answer with it; 3 keeps its reply; 4 panics; 5 does
/// what its argument says.
struct Adder {
    interface: &'static Interface,
    total: AtomicU32,
    kept: Mutex<Option<Reply<u32>>>,
}

impl Adder {
    fn new(interface: &'static Interface) -> Arc<Self> {
        Arc::new(Self { interface, total: AtomicU32::new(0), kept: Mutex::new(None) })
    }
}

impl Dispatch for Adder {
    fn interface(&self) -> &'static Interface {
        self.interface
    }

    fn dispatch(
        &self,
        cx: &Context,
        procedure: Procedure,
        args: &mut Decoder<'_>,
        results: &mut Encoder,
    ) -> Result<Answer, Fault> {
        let n = args.u32()?;
        args.end()?;
        results.u32(n);
        match procedure.0 {
            1 | 2 => {
                let total = self.total.fetch_add(n, Ordering::Relaxed) + n;
                results.u32(total);
                Ok(Answer::Now)
            }
            3 => {
                let reply = cx.defer::<u32>(|value, e| {
                    e.u32(*value);
                    Ok(())
                });
                *self.kept.lock().expect("not poisoned") = Some(reply);
                Ok(Answer::Later)
            }
            4 => panic!("as it is told"),
            _ => match n {
                0 => Err(Fault::Silent),
                1 => Err(Fault::Auth(AuthStatus::TooWeak)),
                2 => Err(Fault::ProgUnavail),
                3 => Ok(Answer::Later),
                5 => Err(Fault::ProgMismatch { low: Version(6), high: Version(7) }),
                _ => Err(Fault::SystemErr),
            },
        }
    }
}

struct Bench {
    core: ServerCore,
    adder: Arc<Adder>,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self::with(ServerConfig::default())
    }

    fn with(config: ServerConfig) -> Self {
        let mut core = ServerCore::new(config, Waker::noop().clone());
        let adder = Adder::new(&V2);
        core.add(Arc::clone(&adder) as Arc<dyn Dispatch>);
        core.add(Adder::new(&V4));
        Self { core, adder, now: crate::epoch::epoch() }
    }

    fn send_from(&mut self, port: u16, words: &[u32]) -> Option<Vec<u32>> {
        self.send_as(Caller::new(PeerAddr::Udp(([127, 0, 0, 1], port).into()), 0), words)
    }

    fn send_as(&mut self, caller: Caller, words: &[u32]) -> Option<Vec<u32>> {
        let wire: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let mut out = Encoder::new();
        let message = Message::from(Bytes::from(wire));
        let verdict = self.core.handle_message(self.now, caller, &message, &mut out);
        let reply = to_words(&out);
        assert_eq!(verdict == Verdict::Reply, !reply.is_empty());
        (verdict == Verdict::Reply).then_some(reply)
    }

    fn send(&mut self, words: &[u32]) -> Option<Vec<u32>> {
        self.send_from(1000, words)
    }
}

fn to_words(e: &Encoder) -> Vec<u32> {
    let bytes: Vec<u8> = e.chunks().flatten().copied().collect();
    bytes.chunks_exact(4).map(|w| u32::from_be_bytes([w[0], w[1], w[2], w[3]])).collect()
}

/// A call of version 2 with AUTH_NONE.
fn call(xid: u32, procedure: u32, args: &[u32]) -> Vec<u32> {
    let header = [xid, 0, RPC_VERSION, PROGRAM, 2, procedure, 0, 0, 0, 0];
    assert_eq!(header.len() * 4, MIN_CALL_LEN);
    [&header[..], args].concat()
}

/// What it is, the call's words, and the reply's if there is one.
type Row<'a> = (&'a str, &'a [u32], Option<&'a [u32]>);

#[test]
fn every_call_gets_the_status_of_its_first_fault() {
    // The credential comes before the program: a bad one to an unknown program is AUTH_ERROR.
    let table: &[Row<'_>] = &[
        ("rpcvers 3", &[7, 0, 3], Some(&[7, 1, 1, 0, 2, 2])),
        ("a reply", &[7, 1, 0, 0, 0, 0], None),
        ("neither call nor reply", &[7, 2, 2], None),
        ("a header cut short", &[7, 0, 2, PROGRAM, 2, 1, 0], None),
        ("credential of 401 bytes", &[7, 0, 2, PROGRAM, 2, 1, 0, 401], None),
        ("AUTH_SYS without a body", &[7, 0, 2, 1, 1, 1, 1, 0, 0, 0], Some(&[7, 1, 1, 1, 1])),
        ("AUTH_SHORT", &[7, 0, 2, 1, 1, 1, 2, 0, 0, 0], Some(&[7, 1, 1, 1, 2])),
        ("AUTH_DH", &[7, 0, 2, 1, 1, 1, 3, 0, 0, 0], Some(&[7, 1, 1, 1, 7])),
        ("RPCSEC_GSS without a body", &[7, 0, 2, 1, 1, 1, 6, 0, 0, 0], Some(&[7, 1, 1, 1, 1])),
        ("AUTH_TLS", &[7, 0, 2, PROGRAM, 2, 0, 7, 0, 0, 0], Some(&[7, 1, 1, 1, 2])),
        ("unknown program", &[7, 0, 2, 1, 1, 1, 0, 0, 0, 0], Some(&[7, 1, 0, 0, 0, 1])),
        (
            "a hole between the versions",
            &[7, 0, 2, PROGRAM, 3, 1, 0, 0, 0, 0],
            Some(&[7, 1, 0, 0, 0, 2, 2, 4]),
        ),
        (
            "version 0, to learn which there are",
            &[7, 0, 2, PROGRAM, 0, 0, 0, 0, 0, 0],
            Some(&[7, 1, 0, 0, 0, 2, 2, 4]),
        ),
        ("unknown procedure", &call(7, 9, &[]), Some(&[7, 1, 0, 0, 0, 3])),
        ("arguments cut short", &call(7, 1, &[]), Some(&[7, 1, 0, 0, 0, 4])),
        ("NULL", &call(7, 0, &[]), Some(&[7, 1, 0, 0, 0, 0])),
        ("NULL with arguments", &call(7, 0, &[1, 2]), Some(&[7, 1, 0, 0, 0, 0])),
        ("bytes after the arguments", &call(7, 1, &[5, 6]), Some(&[7, 1, 0, 0, 0, 0, 5, 5])),
        ("a handler that panics", &call(7, 4, &[0]), Some(&[7, 1, 0, 0, 0, 5])),
        ("a silent handler", &call(7, 5, &[0]), None),
        ("a handler that denies", &call(7, 5, &[1]), Some(&[7, 1, 1, 1, 5])),
        ("a handler without its program", &call(7, 5, &[2]), Some(&[7, 1, 0, 0, 0, 1])),
        ("a later that was not declared", &call(7, 5, &[3]), Some(&[7, 1, 0, 0, 0, 5])),
        ("a handler without its version", &call(7, 5, &[5]), Some(&[7, 1, 0, 0, 0, 2, 6, 7])),
        ("a handler that fails", &call(7, 5, &[4]), Some(&[7, 1, 0, 0, 0, 5])),
    ];
    for (what, words, expected) in table {
        let mut bench = Bench::new();
        assert_eq!(bench.send(words).as_deref(), *expected, "{what}");
    }
}

#[test]
fn auth_sys_has_its_limits() {
    // RFC 5531 appendix A: at most 16 groups.
    for (groups, expected) in [(16, &[7, 1, 0, 0, 0, 0][..]), (17, &[7, 1, 1, 1, 1])] {
        let mut body = vec![0, 0, 1000, 1000, groups];
        body.extend(0..groups);
        let len = u32::try_from(body.len() * 4).expect("short");
        let words = [&[7, 0, 2, PROGRAM, 2, 0, 1, len][..], &body, &[0, 0]].concat();
        assert_eq!(Bench::new().send(&words).as_deref(), Some(expected), "{groups} groups");
    }
}

#[test]
fn t7_bytes_after_the_arguments_are_counted_or_an_error() {
    let call = call(7, 1, &[5, 6]);
    let mut lenient = Bench::new();
    assert_eq!(lenient.send(&call), Some(vec![7, 1, 0, 0, 0, 0, 5, 5]));
    assert_eq!(lenient.core.stats().trailing_bytes, 1);
    let mut strict = Bench::with(ServerConfig { strict: true, ..ServerConfig::default() });
    assert_eq!(strict.send(&call), Some(vec![7, 1, 0, 0, 0, 4]));
    assert_eq!(strict.adder.total.load(Ordering::Relaxed), 0, "not executed");
}

#[test]
fn a_repeat_is_answered_again_and_not_executed_again() {
    let mut bench = Bench::new();
    let first = bench.send(&call(7, 1, &[5]));
    assert_eq!(first, Some(vec![7, 1, 0, 0, 0, 0, 5, 5]));
    assert_eq!(bench.send(&call(7, 1, &[5])), first);
    assert_eq!(bench.adder.total.load(Ordering::Relaxed), 5);
    assert_eq!(bench.core.stats().replayed, 1);
    // Another caller, and another argument, are another call.
    assert_eq!(bench.send_from(1001, &call(7, 1, &[5])), Some(vec![7, 1, 0, 0, 0, 0, 5, 10]));
    assert_eq!(bench.send(&call(7, 1, &[6])), Some(vec![7, 1, 0, 0, 0, 0, 6, 16]));
}

#[test]
fn an_idempotent_call_is_executed_again() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(&call(7, 2, &[5])), Some(vec![7, 1, 0, 0, 0, 0, 5, 5]));
    assert_eq!(bench.send(&call(7, 2, &[5])), Some(vec![7, 1, 0, 0, 0, 0, 5, 10]));
}

#[test]
fn an_answer_that_is_put_off_comes_once_and_is_remembered() {
    let mut bench = Bench::new();
    let later = call(7, 3, &[5]);
    assert_eq!(bench.send(&later), None);
    assert_eq!(bench.send(&later), None, "in progress: the repeat is dropped");
    assert_eq!((bench.core.outstanding(), bench.core.stats().repeats_dropped), (1, 1));
    let reply = bench.adder.kept.lock().expect("not poisoned").take().expect("kept");
    reply.send(Ok(99));
    let answer = bench.core.poll_deferred(bench.now).expect("sent");
    assert_eq!(to_words(answer.reply.as_ref().expect("an answer")), [7, 1, 0, 0, 0, 0, 99]);
    assert!(bench.core.poll_deferred(bench.now).is_none());
    assert_eq!(bench.send(&later), Some(vec![7, 1, 0, 0, 0, 0, 99]), "from the cache");
}

#[test]
fn an_answer_that_is_dropped_is_a_system_error() {
    let mut bench = Bench::new();
    bench.send(&call(7, 3, &[5]));
    drop(bench.adder.kept.lock().expect("not poisoned").take());
    let answer = bench.core.poll_deferred(bench.now).expect("answered by dropping");
    assert_eq!(to_words(answer.reply.as_ref().expect("an answer")), [7, 1, 0, 0, 0, 5]);
}
