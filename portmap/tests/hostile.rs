//! Whatever a peer sends, the portmapper goes on (T3): bytes at random, and calls with bytes
//! changed, as datagrams and as streams cut anywhere.

use std::task::Waker;
use std::time::Instant;

use farcall::proto::connection::{Connection, Cores};
use farcall::proto::record::Message;
use farcall::proto::server::{Caller, ServerConfig, ServerCore, Verdict};
use farcall::xdr::{Bytes, Encoder};
use farcall::{Limits, PeerAddr};
use farcall_portmap::Portmap;
use proptest::collection::vec;
use proptest::prelude::*;

fn core() -> ServerCore {
    let mut core = ServerCore::new(ServerConfig::default(), Waker::noop().clone());
    Portmap::default().services().into_iter().for_each(|service| core.add(service));
    core
}

fn caller(peer: PeerAddr) -> Caller {
    Caller::new(peer, 0)
}

fn datagram(core: &mut ServerCore, bytes: Vec<u8>) -> Option<Vec<u8>> {
    let from = caller(PeerAddr::Udp(([127, 0, 0, 1], 700).into()));
    let mut out = Encoder::new();
    let message = Message::from(Bytes::from(bytes));
    let verdict = core.handle_message(Instant::now(), from, &message, &mut out);
    (verdict == Verdict::Reply).then(|| out.into_bytes().to_vec())
}

/// A NULL call, which whatever came before must not keep from being answered.
fn assert_alive(core: &mut ServerCore) {
    let call = words(&[0xfeed, 0, 2, 100_000, 2, 0, 0, 0, 0, 0]);
    assert_eq!(datagram(core, call), Some(words(&[0xfeed, 1, 0, 0, 0, 0])));
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// The header of a call to the portmapper, and words that may be its arguments: small numbers, as
/// lengths and counts are, among any others.
fn call() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![0..40u32, any::<u32>(), Just(100_000), Just(u32::MAX)];
    (any::<u32>(), 2..5u32, 0..14u32, vec(word, 0..40)).prop_map(
        |(xid, version, procedure, args)| {
            words(&[&[xid, 0, 2, 100_000, version, procedure, 0, 0, 0, 0][..], &args].concat())
        },
    )
}

fn changed(mut call: Vec<u8>, changes: &[(prop::sample::Index, u8)], keep: usize) -> Vec<u8> {
    for (at, byte) in changes {
        let at = at.index(call.len());
        call[at] = *byte;
    }
    call.truncate(keep);
    call
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn datagrams(
        call in call(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        keep in 0..200usize,
        noise in vec(any::<u8>(), 0..100),
    ) {
        let mut core = core();
        datagram(&mut core, call.clone());
        datagram(&mut core, changed(call, &changes, keep));
        datagram(&mut core, noise);
        assert_alive(&mut core);
    }

    #[test]
    fn streams(
        calls in vec(call(), 1..4),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        piece in 1..50usize,
    ) {
        let mut core = core();
        let mut connection = Connection::new(Instant::now(), &Limits::DEFAULT);
        let from = caller(PeerAddr::Unix { uid: 1, gid: 1, pid: 1, connection: 1 });
        let mut wire = Vec::new();
        for call in calls {
            let mark = u32::try_from(call.len()).expect("short") | 1 << 31;
            wire.extend(mark.to_be_bytes());
            wire.extend(call);
        }
        for chunk in changed(wire, &changes, usize::MAX).chunks(piece) {
            let chunk = Bytes::copy_from_slice(chunk);
            let mut cores = Cores { server: Some((&mut core, from)), client: None };
            if connection.handle_input(Instant::now(), &chunk, &mut cores).is_err() {
                break;
            }
        }
        assert_alive(&mut core);
    }
}
