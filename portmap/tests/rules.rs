//! Rules of the operator on who may call what.

mod support;

use std::fmt::Debug;
use std::str::FromStr;
use std::task::Waker;
use std::time::Instant;

use farcall::proto::record::Message;
use farcall::proto::server::{Caller, ServerConfig, ServerCore, Verdict};
use farcall::xdr::{Bytes, Encoder};
use farcall::{PeerAddr, Procedure};
use farcall_portmap::Portmap;
use farcall_portmap::access::Access;
use farcall_portmap::activity::Reason;
use farcall_portmap::registry::Quotas;
use farcall_portmap::rules::{Named, Rule, Source, allow};

use support::{XID, call, rpcb, words};

const UNIX: PeerAddr = PeerAddr::Unix { uid: 0, gid: 0, pid: 0, connection: 7 };

fn peer(text: &str) -> PeerAddr {
    let Some((transport, ip)) = text.split_once(' ') else { return UNIX };
    let addr = (ip.parse::<std::net::IpAddr>().expect("an address"), 700).into();
    if transport == "tcp" { PeerAddr::Tcp(addr) } else { PeerAddr::Udp(addr) }
}

/// The words of a text; `None` if there are none.
fn all<T: FromStr<Err: Debug>>(text: &str) -> Option<Vec<T>> {
    let words = || text.split(' ').map(|word| word.parse().expect("a word that is known"));
    (!text.is_empty()).then(|| words().collect())
}

fn rule(from: &str, procedures: &str, allow: bool) -> Rule {
    Rule { from: all(from), except: Vec::new(), procedures: all(procedures), allow }
}

#[test]
fn whom_and_what_a_rule_is_about() {
    let table = [
        // from, procedures, caller, procedure, whether it fits
        ("", "", "udp 192.0.2.7", 4, true),
        ("", "", "unix", 1, true),
        ("unix", "", "unix", 4, true),
        ("unix", "", "tcp 127.0.0.1", 4, false),
        ("local", "", "unix", 4, false),
        ("local", "", "udp 127.0.0.1", 4, true),
        ("local", "", "tcp 127.9.9.9", 4, true),
        ("local", "", "tcp ::1", 4, true),
        ("local", "", "tcp ::ffff:127.0.0.1", 4, true),
        ("local", "", "udp 192.0.2.7", 4, false),
        ("192.0.2.0/24", "", "udp 192.0.2.0", 4, true),
        ("192.0.2.0/24", "", "tcp 192.0.2.255", 4, true),
        ("192.0.2.0/24", "", "tcp ::ffff:192.0.2.9", 4, true),
        ("192.0.2.0/24", "", "udp 192.0.3.0", 4, false),
        ("192.0.2.0/24", "", "udp 192.0.1.255", 4, false),
        ("192.0.2.0/24", "", "unix", 4, false),
        ("192.0.2.128/25", "", "udp 192.0.2.127", 4, false),
        ("192.0.2.128/25", "", "udp 192.0.2.128", 4, true),
        ("192.0.2.7", "", "udp 192.0.2.7", 4, true),
        ("192.0.2.7", "", "udp 192.0.2.6", 4, false),
        ("0.0.0.0/0", "", "udp 203.0.113.1", 4, true),
        ("0.0.0.0/0", "", "udp 2001:db8::1", 4, false),
        ("::/0", "", "udp 2001:db8::1", 4, true),
        ("::/0", "", "udp 203.0.113.1", 4, false),
        ("2001:db8::/32", "", "udp 2001:db8:ffff::1", 4, true),
        ("2001:db8::/32", "", "udp 2001:db9::", 4, false),
        ("2001:db8::1", "", "tcp 2001:db8::1", 4, true),
        ("2001:db8::1", "", "tcp 2001:db8::2", 4, false),
        ("2001:db8::/32 192.0.2.0/24", "", "tcp 192.0.2.1", 4, true),
        ("", "DUMP", "unix", 4, true),
        ("", "DUMP", "unix", 3, false),
        ("", "GETPORT", "unix", 3, true),
        ("", "GETADDR", "unix", 3, true),
        ("", "CALLIT", "unix", 5, true),
        ("", "BCAST", "unix", 5, true),
        ("", "CALLIT", "unix", 10, false),
        ("", "SET UNSET INDIRECT", "unix", 10, true),
        ("", "GETVERSADDR GETADDRLIST GETSTAT", "unix", 12, true),
        ("192.0.2.0/24", "DUMP", "udp 192.0.2.7", 3, false),
        ("192.0.2.0/24", "DUMP", "udp 192.0.3.7", 4, false),
    ];
    for (from, procedures, caller, procedure, fits) in table {
        let denies = rule(from, procedures, false);
        let allowed = allow(&[denies], &peer(caller), Procedure(procedure));
        assert_eq!(!allowed, fits, "{from} {procedures}: {caller} {procedure}");
    }
}

#[test]
fn the_first_rule_that_fits_decides() {
    let office = || rule("192.0.2.0/24", "", true);
    let nobody_dumps = || rule("", "DUMP", false);
    let nobody = || rule("", "", false);
    let table = [
        // rules, procedures that 192.0.2.7 and 203.0.113.1 may call
        (vec![], [0, 3, 4].as_slice(), [0, 3, 4].as_slice()),
        (vec![office(), nobody()], &[0, 3, 4], &[0]),
        (vec![nobody_dumps()], &[0, 3], &[0, 3]),
        (vec![office(), nobody_dumps()], &[0, 3, 4], &[0, 3]),
        (vec![nobody_dumps(), office(), nobody()], &[0, 3], &[0]),
        (vec![nobody(), office()], &[0], &[0]),
    ];
    for (rules, of_office, of_others) in table {
        for (caller, expected) in [("udp 192.0.2.7", of_office), ("udp 203.0.113.1", of_others)] {
            let may = |&procedure: &u32| allow(&rules, &peer(caller), Procedure(procedure));
            let allowed: Vec<_> = [0, 3, 4].into_iter().filter(may).collect();
            assert_eq!(allowed, expected, "{rules:?}: {caller}");
        }
    }
}

#[test]
fn what_is_no_source_and_no_procedure() {
    for text in [
        "",
        "db1",
        "Local",
        "192.0.2",
        "192.0.2.7/24",
        "192.0.2.0/33",
        "192.0.2.0/",
        "192.0.2.0/-1",
        "/24",
        "2001:db8::1/32",
        "2001:db8::/129",
        "::ffff:192.0.2.0/120",
        "::ffff:192.0.2.1",
    ] {
        assert!(text.parse::<Source>().is_err(), "{text}");
    }
    // Everybody gets an answer to NULL.
    for text in ["", "dump", "RPCBPROC_DUMP", "DUMP ", "4", "NULL"] {
        assert!(text.parse::<Named>().is_err(), "{text}");
    }
    assert_eq!(
        "LIST".parse::<Named>().expect_err("none").to_string(),
        "\"LIST\" is none of BCAST, CALLIT, DUMP, GETADDR, GETADDRLIST, GETPORT, GETSTAT, GETTIME, \
         GETVERSADDR, INDIRECT, SET, TADDR2UADDR, UADDR2TADDR, UNSET"
    );
}

fn ask(portmap: &Portmap, from: &str, call: &[u8]) -> Vec<u8> {
    let mut core = ServerCore::new(ServerConfig::default(), Waker::noop().clone());
    portmap.services().into_iter().for_each(|service| core.add(service));
    let mut out = Encoder::new();
    let message = Message::from(Bytes::copy_from_slice(call));
    let caller = Caller::new(peer(from), 0);
    match core.handle_message(Instant::now(), caller, &message, &mut out) {
        Verdict::Reply => out.into_bytes().to_vec(),
        // Nothing here waits for another thread.
        Verdict::Later => {
            let ended = core.poll_deferred(Instant::now()).expect("done at once");
            ended.reply.map_or_else(Vec::new, |reply| reply.into_bytes().to_vec())
        }
        Verdict::None => Vec::new(),
    }
}

/// AUTH_ERROR, AUTH_TOOWEAK.
fn too_weak() -> Vec<u8> {
    words(&[XID, 1, 1, 1, 5])
}

fn denied(portmap: &Portmap) -> u64 {
    let refusals: Vec<_> = portmap.snapshot().activity.refusals().collect();
    refusals.into_iter().find(|&(reason, _)| reason == Reason::Rule).expect("it is counted").1
}

#[test]
fn they_hold_in_every_version_and_over_every_transport() {
    let portmap = Portmap::default();
    portmap.restrict(vec![rule("", "", false)]);
    let procedures = [(2, 5), (3, 8), (4, 12)];
    let mut calls = 0;
    for from in ["udp 192.0.2.7", "tcp 2001:db8::1", "udp 127.0.0.1", "unix"] {
        for (version, last) in procedures {
            let null = ask(&portmap, from, &call(version, 0, &[]));
            assert_eq!(null, words(&[XID, 1, 0, 0, 0, 0]), "{from} {version}");
            for procedure in 1..=last {
                let reply = ask(&portmap, from, &call(version, procedure, &[]));
                assert_eq!(reply, too_weak(), "{from} {version} {procedure}");
                calls += 1;
            }
        }
    }
    assert_eq!(denied(&portmap), calls);
    // From now on all may.
    portmap.restrict(Vec::new());
    assert_ne!(ask(&portmap, "unix", &call(4, 6, &[])), too_weak());
}

#[test]
fn they_only_take_away() {
    let portmap = Portmap::default();
    portmap.restrict(vec![rule("192.0.2.7", "", true), rule("unix", "SET", false)]);
    let set = call(4, 1, &rpcb(0x2000_0001, 1, "tcp", "0.0.0.0.8.1"));
    assert_eq!(ask(&portmap, "tcp 192.0.2.7", &set), too_weak(), "a stranger stays one");
    assert_eq!(denied(&portmap), 0);
    assert_eq!(ask(&portmap, "unix", &set), too_weak());
    assert_eq!(denied(&portmap), 1);
    assert_eq!(portmap.entries().len(), 0);
}

#[test]
fn nobody_gets_round_them_by_a_call_of_the_portmapper_to_itself() {
    let access = Access { insecure: true, ..Access::default() };
    let portmap = Portmap::new(access, Quotas::default());
    portmap.make_remote_calls().expect("a thread");
    portmap.restrict(vec![rule("192.0.2.7", "DUMP", false)]);
    for (version, procedure) in [(2, 5), (3, 5), (4, 5), (4, 10)] {
        let dump = call(version, procedure, &words(&[100_000, 4, 4, 0]));
        assert_eq!(ask(&portmap, "udp 192.0.2.7", &dump), too_weak(), "{version} {procedure}");
    }
    assert_eq!(denied(&portmap), 4);
}
