//! Debian's `rpcinfo` in every mode shows of `portmapd` what it shows of Debian's rpcbind.
//!
//! It runs as root in a network and mount namespace of its own. Without root or the programs it is
//! skipped, unless `FARCALL_INTEROP=require`.

mod support;

use std::process::Command;

use farcall::bind::{Portmapper, Registration, Uaddr};
use farcall::{Netid, Program, Version};

use support::port111::{OnPort111, inside, join_network};

/// A program without a name.
const P: Program = Program(0x2000_0001);

/// In order: the daemons count what they are asked.
const LINES: [&str; 42] = [
    "-p",
    "-p 127.0.0.1",
    "-p ::1",
    "",
    "127.0.0.1",
    "::1",
    "-s",
    "-s 127.0.0.1",
    "-s ::1",
    "-T udp 127.0.0.1",
    "-T tcp6 ::1",
    "-t 127.0.0.1 100000",
    "-t 127.0.0.1 100000 2",
    "-t 127.0.0.1 portmapper 9",
    "-t ::1 100000 4",
    "-u 127.0.0.1 100000",
    "-u 127.0.0.1 100000 3",
    "-u ::1 100000",
    "-n 111 -t 127.0.0.1 100000 2",
    "-n 111 -u 127.0.0.1 100000 2",
    "-T tcp 127.0.0.1 100000",
    "-T udp 127.0.0.1 100000 4",
    "-T tcp6 ::1 100000",
    "-T udp6 ::1 100000 3",
    "-T local localhost 100000",
    "-T tcp 127.0.0.1 536870913 1",
    "-t 127.0.0.1 77",
    "-a 127.0.0.1.0.111 -T tcp 100000",
    "-a ::1.0.111 -T udp6 100000 4",
    "-a /run/rpcbind.sock -T local 100000",
    "-l 127.0.0.1 100000 2",
    "-l 127.0.0.1 536870913 1",
    "-l -T udp6 ::1 100000 4",
    "-l 127.0.0.1 77 1",
    "-d 536870913 1",
    "-d -T tcp 536870913 2",
    "-d 77 1",
    "-s",
    "-m",
    "-m 127.0.0.1",
    "-m ::1",
    "-m",
];

fn register() {
    let table = [
        (1, Netid::Tcp, "0.0.0.0.0.9"),
        (1, Netid::Udp6, "::.0.9"),
        (2, Netid::Tcp, "127.0.0.1.8.3"),
        (2, Netid::Local, "/run/kv.sock"),
    ];
    for (version, netid, address) in table {
        let address: Uaddr = address.parse().expect("a universal address");
        let registration = Registration::new(P, Version(version), netid, address);
        Portmapper::local().set(&registration).expect("accepted");
    }
}

/// What a user sees of each line: standard output, standard error and exit status.
fn transcript(_daemon: OnPort111) -> Vec<(&'static str, String)> {
    register();
    let run = |line: &'static str| {
        let output = Command::new("rpcinfo").args(line.split_whitespace()).output();
        (line, format!("{:?}", output.expect("rpcinfo runs")))
    };
    LINES.into_iter().map(run).collect()
}

#[test]
fn debians_rpcinfo_sees_no_difference() {
    if !inside("debians_rpcinfo_sees_no_difference", &["rpcinfo", "rpcbind"]) {
        return;
    }
    let rpcbind = transcript(OnPort111::rpcbind(&[]));
    // Nobody serves what is registered here.
    let portmapd = transcript(OnPort111::portmapd(&["--no-prune"]));
    for (ours, theirs) in portmapd.iter().zip(&rpcbind) {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn debians_rpcinfo_finds_it_by_broadcast() {
    if !inside("debians_rpcinfo_finds_it_by_broadcast", &["rpcinfo"]) {
        return;
    }
    join_network();
    let _daemon = OnPort111::portmapd(&["-r"]);
    let output = Command::new("rpcinfo").args(["-b", "100000", "2"]).output();
    let stdout = String::from_utf8(output.expect("rpcinfo runs").stdout).expect("text");
    // It tells of each answer to each of its calls.
    let mut lines: Vec<_> = stdout.lines().collect();
    lines.dedup();
    assert_eq!(lines, ["10.9.8.7.0.111\tdb1"]);
}
