//! Whoever forges the source of datagrams floods nobody with what the portmapper answers (T20).

mod support;

use std::task::Waker;
use std::time::Instant;

use farcall::proto::record::Message;
use farcall::proto::server::{Caller, ServerConfig, ServerCore, Verdict};
use farcall::xdr::{Bytes, Encoder};
use farcall::{PeerAddr, Program, Version};
use farcall_portmap::access::{Access, Owner};
use farcall_portmap::registry::{Entry, Quotas};
use farcall_portmap::{PROGRAM, Portmap};

use support::{call_as, rpcb, string, words};

/// A portmapper with a table that is full.
fn full(access: Access) -> ServerCore {
    let portmap = Portmap::new(access, Quotas::default());
    for n in 0..4096 {
        let entry = Entry {
            program: Program(0x2000_0000 + n / 64),
            version: Version(n % 64),
            netid: "udp".to_owned(),
            address: "0.0.0.0.8.1".to_owned(),
            owner: Owner::Superuser,
        };
        portmap.restore(entry).expect("a new one");
    }
    let mut core = ServerCore::new(ServerConfig::default(), Waker::noop().clone());
    portmap.services().into_iter().for_each(|service| core.add(service));
    core
}

fn ask(core: &mut ServerCore, from: [u8; 4], call: &[u8]) -> Option<Vec<u8>> {
    ask_as(core, PeerAddr::Udp((from, 700).into()), call)
}

fn ask_as(core: &mut ServerCore, from: PeerAddr, call: &[u8]) -> Option<Vec<u8>> {
    let caller = Caller::new(from, 0);
    let mut out = Encoder::new();
    let message = Message::from(Bytes::copy_from_slice(call));
    let verdict = core.handle_message(Instant::now(), caller, &message, &mut out);
    (verdict == Verdict::Reply).then(|| out.into_bytes().to_vec())
}

const SYSTEM_ERR: u32 = 5;

/// Whether the reply says SYSTEM_ERR.
fn is_system_err(xid: u32, reply: Option<&Vec<u8>>) -> bool {
    reply == Some(&words(&[xid, 1, 0, 0, 0, SYSTEM_ERR]))
}

#[test]
fn t20_no_procedure_answers_a_stranger_with_more_than_three_times_the_call() {
    let mut core = full(Access::default());
    let arguments = [
        vec![],
        words(&[0x2000_0000, 1, 17, 0]),
        words(&[0x2000_0000, 1, 17, 0, 0]),
        rpcb(0x2000_0000, 1, "udp", ""),
        rpcb(PROGRAM.0, 4, "", "192.0.2.7.0.111"),
        string("192.0.2.7.0.111"),
        words(&[16, 16, 0, 0, 0, 0]),
    ];
    let mut answered = 0;
    for version in 0..=5 {
        for procedure in 0..=14 {
            for args in &arguments {
                let call = call_as(answered, version, procedure, args);
                let Some(reply) = ask(&mut core, [203, 0, 113, 9], &call) else { continue };
                answered += 1;
                let (sent, got) = (call.len(), reply.len());
                assert!(got <= 3 * sent, "{version} {procedure} {args:?}: {got} for {sent}");
            }
        }
    }
    assert!(answered > 500, "{answered}");
}

#[test]
fn t20_the_whole_table_is_for_who_asks_by_a_connection() {
    let mut core = full(Access::default());
    // Of one entry: a word that it follows, and its fields.
    let table = [(2, 4 + 16), (3, 4 + 48), (4, 4 + 48)];
    let stranger = [203, 0, 113, 9];
    for (version, len) in table {
        let dump = call_as(version, version, 4, &[]);
        assert!(is_system_err(version, ask(&mut core, stranger, &dump).as_ref()), "{version}");
        let by_tcp = PeerAddr::Tcp((stranger, 700).into());
        let reply = ask_as(&mut core, by_tcp, &dump).expect("an answer");
        assert_eq!(reply[..24], words(&[version, 1, 0, 0, 0, 0]), "{version}");
        assert_eq!(reply.len(), 24 + 4096 * len + 4, "{version}");
    }
}

#[test]
fn t20_large_replies_that_are_allowed_go_to_a_network_ten_times_a_second() {
    let mut core = full(Access { large_datagrams: true, ..Access::default() });
    // GETSTAT: more than three times the call, with nothing to tell.
    let start = Instant::now();
    let mut replies = Vec::new();
    for xid in 0..40 {
        let host = u8::try_from(xid).expect("small");
        let reply = ask(&mut core, [203, 0, 113, host], &call_as(xid, 4, 12, &[]));
        replies.push(is_system_err(xid, reply.as_ref()));
    }
    if start.elapsed().as_secs() == 0 {
        assert_eq!(replies.iter().filter(|&&refused| !refused).count(), 10);
        assert!(replies[10..].iter().all(|&refused| refused));
    }
    let elsewhere = ask(&mut core, [198, 51, 100, 1], &call_as(99, 4, 12, &[]));
    assert!(!is_system_err(99, elsewhere.as_ref()));
    let dump = ask(&mut core, [198, 51, 100, 2], &call_as(100, 4, 4, &[]));
    assert!(is_system_err(100, dump.as_ref()), "larger than any datagram");
}
