//! Whatever a peer sends, the portmapper goes on (T3): bytes at random, and calls with bytes
//! changed, as datagrams and as streams cut anywhere; and calls on behalf of others, while they are
//! made (T21).

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::LazyLock;
use std::task::Waker;
use std::time::Instant;

use farcall::bind::Uaddr;
use farcall::proto::connection::{Connection, Cores};
use farcall::proto::record::Message;
use farcall::proto::server::{Caller, ServerConfig, ServerCore, Verdict};
use farcall::xdr::{Bytes, Encoder};
use farcall::{Limits, PeerAddr, Program, Version};
use farcall_portmap::Portmap;
use farcall_portmap::access::Owner;
use farcall_portmap::registry::Entry;
use proptest::collection::vec;
use proptest::prelude::*;

fn core() -> ServerCore {
    let mut core = ServerCore::new(ServerConfig::default(), Waker::noop().clone());
    Portmap::default().services().into_iter().for_each(|service| core.add(service));
    core
}

/// A program that is registered, at a socket that is never read.
const P: u32 = 0x2000_0001;

/// A portmapper that makes calls for others.
static CALLING: LazyLock<(Portmap, UdpSocket)> = LazyLock::new(|| {
    let service = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let portmap = Portmap::default();
    let entry = Entry {
        program: Program(P),
        version: Version(1),
        netid: "udp".to_owned(),
        address: Uaddr::from(service.local_addr().expect("bound")).to_string(),
        owner: Owner::Superuser,
    };
    portmap.restore(entry).expect("a new one");
    portmap.make_remote_calls().expect("a thread");
    (portmap, service)
});

fn caller(peer: PeerAddr) -> Caller {
    Caller::new(peer, 0)
}

fn datagram(core: &mut ServerCore, bytes: Vec<u8>) -> Option<Vec<u8>> {
    datagram_from(core, Ipv4Addr::LOCALHOST, bytes)
}

fn datagram_from(core: &mut ServerCore, from: Ipv4Addr, bytes: Vec<u8>) -> Option<Vec<u8>> {
    let from = caller(PeerAddr::Udp((from, 700).into()));
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

/// A call of a procedure that has a call made, mostly of what is registered.
fn remote_call() -> impl Strategy<Value = Vec<u8>> {
    let by = prop_oneof![Just((2u32, 5u32)), Just((3, 5)), Just((4, 5)), Just((4, 10))];
    let program = prop_oneof![Just(P), Just(100_000), any::<u32>()];
    let len = prop_oneof![0..40u32, any::<u32>(), Just(u32::MAX)];
    (by, program, 0..3u32, any::<u32>(), len, vec(any::<u32>(), 0..20)).prop_map(
        |((version, procedure), program, at, called, len, args)| {
            let header = [7, 0, 2, 100_000, version, procedure, 0, 0, 0, 0];
            words(&[&header[..], &[program, at, called, len], &args].concat())
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
    fn t21_calls_for_others(
        call in remote_call(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        keep in 0..200usize,
        from in any::<Ipv4Addr>(),
    ) {
        let mut core = ServerCore::new(ServerConfig::default(), Waker::noop().clone());
        CALLING.0.services().into_iter().for_each(|service| core.add(service));
        datagram_from(&mut core, from, call.clone());
        datagram_from(&mut core, from, changed(call, &changes, keep));
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
