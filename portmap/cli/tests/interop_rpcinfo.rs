//! `portmapd` on port 111, beside Debian's `rpcinfo` and `rpcbind`.
//!
//! Each test runs again in a network and mount namespace of its own, as root, because both daemons
//! want port 111 and `/run/rpcbind.sock`. Without root or the programs it is skipped, unless
//! `FARCALL_INTEROP=require`.

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use support::port111::{OnPort111, SOCKET, inside};
use support::{Via, call, exchange, is_silent, rpcb, string, words};

const P: u32 = 0x2000_0001;

fn rpcinfo(args: &[&str]) -> String {
    let output = Command::new("rpcinfo").args(args).output().expect("rpcinfo runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "rpcinfo {args:?}: {stderr}");
    String::from_utf8(output.stdout).expect("text")
}

fn columns(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn rpcinfo_understands_portmapd() {
    if !inside("rpcinfo_understands_portmapd", &["rpcinfo"]) {
        return;
    }
    let _daemon = OnPort111::portmapd(&["--no-prune", "-L"]);
    let ports = [
        "program vers proto port service",
        "100000 4 tcp 111 portmapper",
        "100000 3 tcp 111 portmapper",
        "100000 2 tcp 111 portmapper",
        "100000 4 udp 111 portmapper",
        "100000 3 udp 111 portmapper",
        "100000 2 udp 111 portmapper",
    ];
    let short = [
        "program version(s) netid(s) service owner",
        "100000 2,3,4 local,udp,tcp,udp6,tcp6 portmapper superuser",
    ];
    let joined =
        |text: &str| -> Vec<_> { columns(text).into_iter().map(|words| words.join(" ")).collect() };
    // Over TCP, and over the Unix socket.
    for host in [&["127.0.0.1"][..], &[]] {
        assert_eq!(joined(&rpcinfo(&[&["-p"], host].concat())), ports);
        assert_eq!(joined(&rpcinfo(&[&["-s"], host].concat())), short);
    }
    let ready: String = [2, 3, 4]
        .map(|version| format!("program 100000 version {version} ready and waiting\n"))
        .concat();
    for (netid, host) in
        [("tcp", "127.0.0.1"), ("udp", "127.0.0.1"), ("tcp6", "::1"), ("udp6", "::1")]
    {
        assert_eq!(rpcinfo(&["-T", netid, host, "100000"]), ready, "{netid}");
    }
    assert!(rpcinfo(&["-m", "127.0.0.1"]).contains("RPCBIND (version 4) statistics"));
    let list = columns(&rpcinfo(&["-l", "127.0.0.1", "100000", "2"]));
    let address = ["100000", "2", "inet/tcp/cots_ord", "127.0.0.1.0.111", "portmapper"];
    assert_eq!(list[1], address);
}

/// A call that both daemons are to answer alike.
struct Step {
    what: &'static str,
    via: Via<'static>,
    call: Vec<u8>,
}

fn script() -> Vec<Step> {
    let host4 = SocketAddr::from(([127, 0, 0, 1], 111));
    let host6: SocketAddr = "[::1]:111".parse().expect("an address");
    let from = |ip: [u8; 4], port| Via::UdpFrom(SocketAddr::from((ip, port)), host4);
    let (udp, tcp, udp6, tcp6) =
        (Via::Udp(host4), Via::Tcp(host4), Via::Udp(host6), Via::Tcp(host6));
    let (unix, stranger, root) =
        (Via::Unix(Path::new(SOCKET)), from([127, 0, 0, 2], 0), from([127, 0, 0, 1], 777));
    let mut steps = Vec::new();
    let mut step = |what, via, version, procedure, args: Vec<u8>| {
        steps.push(Step { what, via, call: call(version, procedure, &args) });
    };
    for (what, via) in [("udp", udp), ("tcp", tcp), ("udp6", udp6), ("tcp6", tcp6), ("unix", unix)]
    {
        for version in 1..=5 {
            step(what, via, version, 0, vec![]);
            step(what, via, version, 4, vec![]);
        }
        step("no such procedure", via, 2, 6, vec![]);
        step("no such procedure", via, 3, 9, vec![]);
        step("no such procedure", via, 4, 13, vec![]);
        step("own address", via, 4, 3, rpcb(100_000, 4, "", ""));
        step("own port", via, 2, 3, words(&[100_000, 2, 17, 0]));
    }
    step("set", unix, 3, 1, rpcb(P, 1, "tcp", "0.0.0.0.8.1"));
    step("set again", tcp, 4, 1, rpcb(P, 1, "TCP", "0.0.0.0.8.1"));
    step("set another address", unix, 4, 1, rpcb(P, 1, "tcp", "0.0.0.0.9.9"));
    step("set another version", unix, 4, 1, rpcb(P, 3, "tcp", "127.0.0.5.8.3"));
    step("set udp6", unix, 3, 1, rpcb(P, 1, "udp6", "::.8.6"));
    step("set local", unix, 3, 1, rpcb(P, 1, "local", "/tmp/kv"));
    // Of a version of its own: rpcbind does not answer GETADDRLIST for it.
    step("set what nobody knows", unix, 3, 1, rpcb(P, 6, "weird", "anywhere"));
    step("set no address", unix, 3, 1, rpcb(P, 4, "tcp", ""));
    step("set by version 2", udp, 2, 1, words(&[P, 7, 17, 2049]));
    step("set by root", root, 2, 1, words(&[P, 8, 17, 2050]));
    step("set no protocol", udp, 2, 1, words(&[P, 9, 1, 2049]));
    step("set over tcp6", tcp6, 4, 1, rpcb(P, 9, "tcp6", "::.8.9"));
    step("set by a stranger", stranger, 3, 1, rpcb(P, 2, "tcp", "0.0.0.0.8.1"));
    step("unset by a stranger", stranger, 2, 2, words(&[P, 1, 6, 0]));
    for (what, via) in [("udp", udp), ("tcp", tcp), ("udp6", udp6), ("tcp6", tcp6), ("unix", unix)]
    {
        for version in [1, 2, 3, 7] {
            step(what, via, 3, 3, rpcb(P, version, "tcp", ""));
            step(what, via, 4, 3, rpcb(P, version, "udp", "127.0.0.1.0.111"));
            step(what, via, 4, 3, rpcb(P, version, "", "::1.0.111"));
            step(what, via, 4, 9, rpcb(P, version, "", ""));
        }
        step("dump", via, 2, 4, vec![]);
        step("dump", via, 4, 4, vec![]);
    }
    for hint in ["0.0.0.0.0.111", "10.1.2.3.0.111", "127.0.0.5.0.111", "zz", "/tmp/kv"] {
        step(hint, tcp, 4, 3, rpcb(P, 1, "", hint));
        step(hint, tcp6, 4, 3, rpcb(P, 1, "", hint));
    }
    for (version, protocol) in [(1, 6), (2, 6), (7, 17), (9, 17), (1, 99)] {
        step("getport", udp, 2, 3, words(&[P, version, protocol, 0]));
    }
    for via in [udp, tcp, udp6] {
        step("getaddrlist", via, 4, 11, rpcb(100_000, 4, "", ""));
        step("getaddrlist", via, 4, 11, rpcb(P, 1, "", ""));
        step("getaddrlist of nothing", via, 4, 11, rpcb(P, 77, "", ""));
    }
    for (via, uaddr) in [
        (udp, "1.2.3.4.0.111"),
        (tcp6, "::1.0.111"),
        (tcp6, "1.2.3.4.0.111"),
        (unix, "/tmp/kv"),
        (udp, "x"),
    ] {
        step(uaddr, via, 3, 7, string(uaddr));
    }
    let inet = [words(&[16, 16]), vec![2, 0, 0, 111, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    step("taddr2uaddr", udp, 3, 8, inet);
    step("taddr2uaddr of too little", udp, 4, 8, [words(&[16, 2]), vec![2, 0, 0, 0]].concat());
    let remote = |program, procedure| words(&[program, 1, procedure, 0]);
    for version in 2..=4 {
        step("call nfs", udp, version, 5, remote(100_003, 1));
        step("call the portmapper", udp, version, 5, remote(100_000, 1));
        step("call quota", udp6, version, 5, remote(100_011, 1));
    }
    step("indirect nfs", udp, 4, 10, remote(100_003, 1));
    step("indirect to nobody", udp, 4, 10, remote(100_003, 0));
    step("unset foreign", udp, 3, 2, rpcb(P, 1, "tcp", ""));
    step("unset foreign", udp6, 4, 2, rpcb(P, 8, "", ""));
    step("unset nothing", udp, 3, 2, rpcb(P, 77, "", ""));
    step("unset nothing", udp, 2, 2, words(&[P, 77, 0, 0]));
    step("unset own", tcp, 3, 2, rpcb(P, 7, "", ""));
    step("unset one", unix, 3, 2, rpcb(P, 1, "udp6", ""));
    step("unset by root", root, 2, 2, words(&[P, 1, 0, 0]));
    step("unset the rest", unix, 3, 2, rpcb(P, 1, "", ""));
    step("dump", tcp, 4, 4, vec![]);
    step("dump", tcp, 2, 4, vec![]);
    steps
}

fn answers(steps: &[Step]) -> Vec<Vec<u8>> {
    steps.iter().map(|step| exchange(step.via, &step.call)).collect()
}

/// Where portmapd does not do as rpcbind, on purpose: both answers.
fn deviations() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        // rpcbind registers port 4464.
        ("set a port that is none", call(2, 1, &words(&[P, 20, 6, 70_000]))),
        // rpcbind says that it did.
        ("unset what is another's", call(2, 2, &words(&[P, 21, 0, 0]))),
    ]
}

#[test]
fn portmapd_answers_as_rpcbind_does() {
    if !inside("portmapd_answers_as_rpcbind_does", &["rpcbind"]) {
        return;
    }
    let host = SocketAddr::from(([127, 0, 0, 1], 111));
    let unix = Via::Unix(Path::new(SOCKET));
    let steps = script();
    let silent: Vec<_> = [(2, 5), (3, 5), (4, 5)]
        .into_iter()
        .flat_map(|(version, procedure)| {
            let nobody = call(version, procedure, &words(&[P + 1, 1, 1, 0]));
            let nfs = call(version, procedure, &words(&[100_003, 3, 1, 0]));
            [(Via::Udp(host), nobody.clone()), (Via::Tcp(host), nfs), (unix, nobody)]
        })
        .collect();
    let ask = |daemon: OnPort111| {
        let answers = answers(&steps);
        for (via, call) in &silent {
            assert!(is_silent(*via, call), "{via:?}");
        }
        exchange(unix, &call(3, 1, &rpcb(P, 21, "tcp", "0.0.0.0.9.9")));
        let deviations: Vec<_> =
            deviations().iter().map(|(_, call)| exchange(Via::Udp(host), call)).collect();
        let now = exchange(Via::Udp(host), &call(3, 6, &[]));
        drop(daemon);
        (answers, deviations, now)
    };
    let (theirs, their_deviations, their_now) = ask(OnPort111::rpcbind(&[]));
    let (ours, our_deviations, our_now) = ask(OnPort111::portmapd(&["--no-prune", "-L"]));
    for ((step, theirs), ours) in steps.iter().zip(&theirs).zip(&ours) {
        let Step { what, via, call } = step;
        assert_eq!(ours, theirs, "{what} {via:?} {call:x?}");
    }
    let (yes, no) = (support::success(&words(&[1])), support::success(&words(&[0])));
    assert_eq!(their_deviations, [yes.clone(), yes]);
    assert_eq!(our_deviations, [no.clone(), no]);
    let seconds = |reply: &[u8]| u32::from_be_bytes(reply[24..28].try_into().expect("four bytes"));
    assert_eq!(our_now[..24], their_now[..24]);
    assert!(seconds(&our_now).abs_diff(seconds(&their_now)) < 300);
}
