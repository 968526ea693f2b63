//! Flavors of authentication.

use super::*;
use crate::proto::server::flavor::Protect;
use crate::service::Identity;

/// A flavor that nobody has.
const SECRET: u32 = 390_000;

/// Two rounds set a context up: HELLO is answered with a nonce, PROVE with its double is accepted.
/// Each word of arguments and results is then masked with the sequence number of its call, and that
/// is the verifier of its reply.
#[derive(Default)]
struct Secret {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    nonce: Option<u32>,
    established: bool,
    last: u32,
}

const HELLO: u32 = 1;
const PROVE: u32 = 2;
const DATA: u32 = 3;

struct Mask(u32);

impl Mask {
    fn apply(&self, bytes: &[u8]) -> Bytes {
        let word = |w: &[u8]| u32::from_be_bytes([w[0], w[1], w[2], w[3]]) ^ self.0;
        bytes.chunks_exact(4).flat_map(|w| word(w).to_be_bytes()).collect::<Vec<_>>().into()
    }
}

impl Protect for Mask {
    fn unwrap(&self, args: &[u8]) -> Result<Bytes, Fault> {
        if args.len().is_multiple_of(4) { Ok(self.apply(args)) } else { Err(Fault::GarbageArgs) }
    }

    fn wrap(&self, results: &[u8]) -> Result<Bytes, Fault> {
        Ok(self.apply(results))
    }
}

fn verifier(word: u32) -> OpaqueAuth {
    OpaqueAuth { flavor: Flavor(SECRET), body: Bytes::copy_from_slice(&word.to_be_bytes()) }
}

impl Authenticate for Secret {
    fn flavor(&self) -> Flavor {
        Flavor(SECRET)
    }

    fn authenticate(&self, call: &Claim<'_>) -> Result<Admission, AuthStatus> {
        let mut state = self.state.lock().expect("not poisoned");
        let mut d = Decoder::new(&call.header.credential.body);
        let (Ok(step), Ok(word)) = (d.u32(), d.u32()) else {
            return Err(AuthStatus::BadCred);
        };
        // What a verifier would cover: the header up to and with the credential.
        assert_eq!(call.covered.len(), 24 + 8 + 8);
        match (step, state.nonce) {
            (HELLO, _) => {
                state.nonce = Some(21);
                let results = Bytes::copy_from_slice(&21u32.to_be_bytes());
                Ok(Admission::Answer { verifier: verifier(0), results })
            }
            (PROVE, Some(nonce)) if word == 2 * nonce => {
                state.established = true;
                Ok(Admission::Answer { verifier: verifier(0), results: Bytes::new() })
            }
            (DATA, _) if !state.established => Err(AuthStatus::RejectedCred),
            (DATA, _) if word <= state.last => Ok(Admission::Drop),
            (DATA, _) => {
                state.last = word;
                Ok(Admission::Execute(Session {
                    identity: Identity::Principal("alice".into()),
                    verifier: verifier(word),
                    protection: Some(Arc::new(Mask(word))),
                }))
            }
            _ => Err(AuthStatus::BadCred),
        }
    }
}

fn secret(xid: u32, procedure: u32, (step, word): (u32, u32), args: &[u32]) -> Vec<u32> {
    let header = [xid, 0, RPC_VERSION, PROGRAM, 2, procedure];
    [&header[..], &[SECRET, 8, step, word, 0, 0], args].concat()
}

/// What a reply with a verifier of this flavor is.
fn answer(xid: u32, word: u32, rest: &[u32]) -> Option<Vec<u32>> {
    Some([&[xid, 1, 0, SECRET, 4, word][..], rest].concat())
}

fn bench() -> Bench {
    let flavors: Vec<Arc<dyn Authenticate>> = vec![Arc::new(Secret::default())];
    Bench::with(ServerConfig { flavors, ..ServerConfig::default() })
}

#[test]
fn a_flavor_may_take_rounds_and_wrap_what_is_said() {
    let mut bench = bench();
    let denied = |status| Some(vec![1, 1, 1, 1, status]);
    assert_eq!(bench.send(&secret(1, 1, (DATA, 1), &[5 ^ 1])), denied(2), "not set up");
    assert_eq!(bench.send(&secret(1, 0, (PROVE, 42), &[])), denied(1), "nothing to prove");
    assert_eq!(bench.send(&secret(2, 0, (HELLO, 0), &[])), answer(2, 0, &[0, 21]));
    assert_eq!(bench.send(&secret(3, 0, (PROVE, 42), &[])), answer(3, 0, &[0]));
    // 5, masked; the answer is 5 and the total, masked.
    let sum = bench.send(&secret(4, 1, (DATA, 10), &[5 ^ 10]));
    assert_eq!(sum, answer(4, 10, &[0, 5 ^ 10, 5 ^ 10]));
    assert_eq!(bench.send(&secret(4, 1, (DATA, 10), &[5 ^ 10])), None, "replayed by somebody");
    // The caller's own repeat has another sequence number, and is not executed again.
    let again = bench.send(&secret(4, 1, (DATA, 11), &[5 ^ 11]));
    assert_eq!(again, answer(4, 11, &[0, 5 ^ 11, 5 ^ 11]));
    assert_eq!(bench.adder.total.load(Ordering::Relaxed), 5);
    // Every accepted status has the verifier, and only results are wrapped.
    assert_eq!(bench.send(&secret(5, 9, (DATA, 12), &[])), answer(5, 12, &[3]));
    assert_eq!(bench.send(&secret(6, 1, (DATA, 13), &[])), answer(6, 13, &[4]));
    assert_eq!(bench.send(&secret(7, 4, (DATA, 14), &[0])), answer(7, 14, &[5]));
}

#[test]
fn an_answer_that_is_put_off_is_wrapped_too() {
    let mut bench = bench();
    bench.send(&secret(2, 0, (HELLO, 0), &[]));
    bench.send(&secret(3, 0, (PROVE, 42), &[]));
    assert_eq!(bench.send(&secret(4, 3, (DATA, 10), &[5 ^ 10])), None);
    bench.adder.kept.lock().expect("not poisoned").take().expect("kept").send(Ok(99));
    let reply = bench.core.poll_deferred(bench.now).expect("answered").reply.expect("not silent");
    assert_eq!(Some(to_words(&reply)), answer(4, 10, &[0, 99 ^ 10]));
}

fn sys(xid: u32, uid: u32) -> Vec<u32> {
    let header = [xid, 0, RPC_VERSION, PROGRAM, 2, 2];
    [&header[..], &[1, 20, xid, 0, uid, 100, 0], &[0, 0, 5]].concat()
}

fn short(xid: u32, hand: &[u32]) -> Vec<u32> {
    let header = [xid, 0, RPC_VERSION, PROGRAM, 2, 2, 2, 16];
    [&header[..], hand, &[0, 0, 5]].concat()
}

#[test]
fn auth_short_is_given_out_and_taken() {
    static NEXT: AtomicU32 = AtomicU32::new(0x11);
    let random = |bytes: &mut [u8]| {
        bytes.fill(u8::try_from(NEXT.fetch_add(1, Ordering::Relaxed)).expect("few"));
        true
    };
    let flavors = short::auth_short(random).into();
    let mut bench = Bench::with(ServerConfig { flavors, ..ServerConfig::default() });
    let hand = [0x1111_1111; 4];
    let reply = |xid, total| Some([&[xid, 1, 0, 2, 16][..], &hand, &[0, 5, total]].concat());
    assert_eq!(bench.send(&sys(1, 1000)), reply(1, 5));
    assert_eq!(bench.send(&sys(2, 1000)), reply(2, 10), "the same one, whatever the stamp");
    assert_eq!(bench.send(&short(3, &hand)), Some(vec![3, 1, 0, 0, 0, 0, 5, 15]));
    let other = bench.send(&sys(4, 1001)).expect("answered");
    assert_eq!(other[5..9], [0x1212_1212; 4], "another one for another user");
    let rejected = |xid| Some(vec![xid, 1, 1, 1, 2]);
    assert_eq!(bench.send(&short(5, &[7; 4])), rejected(5), "unknown");
    let elsewhere = Caller::new(PeerAddr::Udp(([127, 0, 0, 2], 1000).into()), 0);
    assert_eq!(bench.send_as(elsewhere, &short(6, &hand)), rejected(6), "of another host");
}

#[test]
fn a_credential_over_the_limit_is_a_bad_one() {
    let mut config = ServerConfig::default();
    config.limits.credential = 20;
    let mut bench = Bench::with(config);
    assert!(bench.send(&sys(1, 1000)).is_some_and(|reply| reply[..3] == [1, 1, 0]));
    let mut long = sys(2, 1000);
    long[7] = 24;
    long[12] = 1;
    long.insert(13, 100);
    assert_eq!(bench.send(&long), Some(vec![2, 1, 1, 1, 1]));
}
