//! Our `rpcinfo` beside Debian's: the same arguments, the same portmappers and servers, and the same
//! bytes on standard output and standard error, and the same exit status.
//!
//! Each test runs again as root in a network and mount namespace of its own. Without root or the
//! programs it is skipped, unless `FARCALL_INTEROP=require`.

mod peer;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use farcall::bind::{Portmapper, Registration, Uaddr};
use farcall::{Netid, Program, Version};
use farcall_portmap::daemon::STATE_DIR;

use peer::{Peer, accepted, denied, list, mapping, row};
use support::port111::{OnPort111, inside, join_network};
use support::{string, words};

const NEEDED: [&str; 2] = ["rpcinfo", "rpcbind"];

/// A program without a name.
const P: u32 = 0x2000_0001;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Debian,
    Ours,
}

/// What a user sees of it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    stdout: String,
    stderr: String,
    status: Option<i32>,
}

impl From<Output> for Seen {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Self { stdout, stderr, status: output.status.code() }
    }
}

impl Tool {
    fn run(self, args: &[&str]) -> Seen {
        let mut command = match self {
            Self::Debian => Command::new("rpcinfo"),
            Self::Ours => Command::new(env!("CARGO_BIN_EXE_rpcutil")),
        };
        command.arg0("rpcinfo").args(args).output().expect("it runs").into()
    }
}

/// Both with the same arguments, which must not change anything.
fn assert_same(line: &str) {
    let args = split(line);
    thread::scope(|scope| {
        let debian = scope.spawn(|| Tool::Debian.run(&args));
        let ours = Tool::Ours.run(&args);
        assert_eq!(ours, debian.join().expect("it runs"), "rpcinfo {line}");
    });
}

/// By spaces; `''` is an empty word.
fn split(line: &str) -> Vec<&str> {
    line.split_whitespace().map(|word| if word == "''" { "" } else { word }).collect()
}

#[test]
fn what_is_wrong_is_said_in_the_same_words() {
    if !inside("what_is_wrong_is_said_in_the_same_words", &NEEDED) {
        return;
    }
    // Without a portmapper, too: what a line asks for is looked at first.
    for line in [
        "-x",
        "-p a b",
        "-p -s",
        "-n x -t a b",
        "-n 70000 -p",
        "-n 5x",
        "-n",
        "a b",
        "a b c d",
        "-s a b",
        "-t a",
        "-t a b c d",
        "-a x",
        "-a x -T tcp",
        "-a x -T tcp 1 2 3",
        "-b",
        "-b 1",
        "-b 1 2 3",
        "-d",
        "-d 1",
        "-d 1 2 3",
        "-l a b",
        "-l a b c d",
        "-p -n 5",
        "--help",
        "-pz",
        "-- -p",
        "a -p b",
        "-T",
        "-t -u a b",
        "--p",
        "-nx",
        "-T tcp -p x y",
        "-b nosuch 3",
        "-b nfs zz",
        "-m a b c",
        "-a x -p -T tcp 1",
        "-",
        "-- -s a",
        "-t -- h -5",
        "-n -1 -u",
        "-t h nosuch",
        "-t h 12x",
        "-t h 0x10",
        "-t h nfs x",
        "-t h ''",
        "-T nosuch h nfs",
        "-T tcp h nfs x",
        "-T nosuch h x",
        "-a zz -T nosuch nfs",
        "-a zz -T tcp nfs",
        "-a zz -T tcp x",
        "-a zz -T local nfs",
        "-a ::1.0.111 -T tcp nfs",
        "-a '' -T tcp nfs",
        "-a 127.0.0.1.0.111 -T udp6 nfs",
        "-a 127.0.0.1.0.111 -T rawip nfs",
        "-T rawip h nfs",
        "-d -T nosuch nfs 3",
        "-d nosuch x",
        "-d nosuch 3",
        "-d nfs x",
        "-l -T nosuch h nfs 3",
        "-T nosuch h",
        "-s -T nosuch h",
        "",
        "-p",
        "-s",
        "-m",
        "-d nfs 3",
        "-d -T tcp 7 1",
    ] {
        assert_same(line);
    }
}

#[test]
fn without_a_portmapper_the_same_is_said() {
    if !inside("without_a_portmapper_the_same_is_said", &NEEDED) {
        return;
    }
    for host in ["127.0.0.1", "localhost", "nosuch.invalid", "''"] {
        for options in [
            "-p",
            "",
            "-s",
            "-m",
            "-T tcp",
            "-T udp",
            "-T tcp6",
            "-T local",
            "-T rawip",
            "-s -T udp",
        ] {
            assert_same(&format!("{options} {host}"));
        }
        for options in ["-t", "-u", "-T udp", "-T tcp", "-T local", "-l", "-l -T udp"] {
            assert_same(&format!("{options} {host} 100000 4"));
        }
        assert_same(&format!("-t {host} nfs"));
    }
    for line in ["-p ::1", "-t ::1 nfs", "-T tcp6 ::1 nfs", "-T tcp6 ::1", "-b nfs 3"] {
        assert_same(line);
    }
}

/// What the tables and the servers behind them are asked for.
fn questions(answering: &Peer) -> Vec<String> {
    let v4 = Uaddr::Ip(answering.v4).to_string();
    let v6 = Uaddr::Ip(answering.v6).to_string();
    let unix = answering.unix.display().to_string();
    let mut lines: Vec<String> = ["-p", "", "-s", "-m"].map(str::to_owned).into();
    for host in ["127.0.0.1", "localhost", "::1"] {
        for options in ["-p", "", "-s", "-m", "-T tcp", "-T udp", "-T tcp6", "-T udp6", "-T local"]
        {
            lines.push(format!("{options} {host}"));
        }
        for program in ["100000", "nfs", "mount", "536870913", "536870914", "536870915", "77"] {
            for options in ["-t", "-u", "-T tcp", "-T udp", "-T tcp6", "-T udp6", "-T local"] {
                for version in ["", "2", "9"] {
                    lines.push(format!("{options} {host} {program} {version}"));
                }
            }
            for options in ["-l", "-l -T udp", "-l -T tcp6"] {
                lines.push(format!("{options} {host} {program} 2"));
            }
        }
    }
    // An answer to a datagram over IPv6 that does not come is waited for by Debian's.
    let dead_over_udp6 = |line: &String| {
        let is_dead = ["nfs", "mount"].iter().any(|dead| line.contains(dead));
        is_dead && (line.contains("-T udp6") || line.starts_with("-u ::1"))
    };
    lines.retain(|line| !dead_over_udp6(line));
    for service in ["536870913", "536870913 2", "536870913 9", "536870913 -", "nfs"] {
        for (address, netid) in
            [(&v4, "tcp"), (&v4, "udp"), (&v6, "tcp6"), (&v6, "udp6"), (&unix, "local")]
        {
            lines.push(format!("-a {address} -T {netid} {service}"));
        }
    }
    let others = [
        "-n 2000 -t 127.0.0.1 100000",
        "-t 127.0.0.1 4295067296 2",
        "-t 127.0.0.1 100000 4294967296",
        "-t 127.0.0.1 100000 4294967295",
        "-T tcp 127.0.0.1 100000 4294967295",
        "-T tcp 127.0.0.1 4295067296 2",
        "-t 127.0.0.1 99999999999999999999999 1",
        "-l 127.0.0.1 nosuch 3",
        "-l 127.0.0.1 nfs x",
        "-m",
        "-m 127.0.0.1",
        "-d 77 7",
        "-d -T tcp 536870913 2",
        "-d -T rawip 77 7",
        "-d nfs 3",
        "-d 100000 4",
        "-s 127.0.0.1",
        "-m ::1",
        "-p",
        "",
    ];
    lines.extend(others.map(str::to_owned));
    lines
}

/// A service at all of a peer's addresses, and two at ports where nobody listens.
fn register(answering: &Peer) {
    let set = |program, version, netid, address: &str| {
        let address = address.parse().expect("a universal address");
        let registration = Registration::new(Program(program), Version(version), netid, address);
        Portmapper::local().set(&registration).expect("accepted");
    };
    let any = |addr: SocketAddr, any: &str| {
        let [high, low] = addr.port().to_be_bytes();
        format!("{any}.{high}.{low}")
    };
    let unix = answering.unix.display().to_string();
    for version in [1, 2, 3] {
        for netid in [Netid::Udp, Netid::Tcp] {
            set(P, version, netid, &any(answering.v4, "0.0.0.0"));
        }
        for netid in [Netid::Udp6, Netid::Tcp6] {
            set(P, version, netid, &any(answering.v6, "::"));
        }
        set(P, version, Netid::Local, &unix);
    }
    // Only of IPv6, and only of the Unix socket.
    set(P + 1, 2, Netid::Tcp6, &any(answering.v6, "::"));
    set(P + 2, 2, Netid::Local, &unix);
    set(100_003, 3, Netid::Tcp, "0.0.0.0.0.9");
    set(100_003, 4, Netid::Udp, "0.0.0.0.0.9");
    set(100_003, 3, Netid::Tcp6, "::.0.9");
    set(100_005, 2, Netid::Tcp, "127.0.0.1.0.9");
    set(100_005, 2, Netid::Local, "/run/nobody");
}

/// All that a tool shows of a daemon that is started for it, questions in order: the daemon counts
/// them.
fn transcript(tool: Tool, start: fn() -> OnPort111, answering: &Peer) -> Vec<(String, Seen)> {
    let _daemon = start();
    register(answering);
    let lines = questions(answering);
    lines.into_iter().map(|line| (line.clone(), tool.run(&split(&line)))).collect()
}

fn assert_same_transcripts(start: fn() -> OnPort111) {
    let versions = words(&[1, 3]);
    let answering = Peer::start(move |call| {
        let reply = match (call.program, call.version) {
            (P..=0x2000_0003, 1..=3) => accepted(0, &[]),
            (P..=0x2000_0003, _) => accepted(2, &versions),
            _ => accepted(1, &[]),
        };
        Some(reply)
    });
    let debian = transcript(Tool::Debian, start, &answering);
    let ours = transcript(Tool::Ours, start, &answering);
    for (ours, debian) in ours.iter().zip(&debian) {
        assert_eq!(ours, debian);
    }
    assert_eq!(ours.len(), debian.len());
}

#[test]
fn debians_rpcbind_is_shown_the_same() {
    if inside("debians_rpcbind_is_shown_the_same", &NEEDED) {
        assert_same_transcripts(|| OnPort111::rpcbind(&[]));
    }
}

#[test]
fn portmapd_is_shown_the_same() {
    if inside("portmapd_is_shown_the_same", &NEEDED) {
        assert_same_transcripts(|| {
            // What the one before has registered.
            let _ = fs::remove_dir_all(STATE_DIR);
            // It would remove those that are dead.
            OnPort111::portmapd(&["--no-prune"])
        });
    }
}

#[test]
fn servers_that_refuse_are_shown_the_same() {
    if !inside("servers_that_refuse_are_shown_the_same", &NEEDED) {
        return;
    }
    // By version: what a call to it is answered.
    let peer = Peer::start(|call| {
        Some(match call.version {
            0 => accepted(2, &words(&[1, 20])),
            1 => accepted(1, &[]),
            2 => accepted(2, &words(&[7, 3])),
            3 => accepted(3, &[]),
            4 => accepted(4, &[]),
            5 => accepted(5, &[]),
            6 => accepted(77, &[]),
            why @ 7..=13 => denied(&words(&[1, why - 6])),
            14 => denied(&words(&[1, 99])),
            15 => denied(&words(&[1, 0])),
            16 => denied(&words(&[0, 3, 4])),
            _ => accepted(0, &[]),
        })
    });
    let (v4, v6) = (Uaddr::Ip(peer.v4), Uaddr::Ip(peer.v6));
    for version in 1..=20 {
        // Of a status that is none, ours says that it cannot be decoded.
        if version == 6 {
            continue;
        }
        assert_same(&format!("-a {v4} -T udp 7 {version}"));
        assert_same(&format!("-a {v4} -T tcp 7 {version}"));
        assert_same(&format!("-a {v6} -T udp6 7 {version}"));
    }
    // A range that is none, a server of any version that lacks the highest, one that hangs up.
    for answer in [accepted(2, &words(&[3, 1])), accepted(5, &[]), accepted(1, &[])] {
        let peer = Peer::start(move |call| {
            Some(if call.version == 0 { accepted(0, &[]) } else { answer.clone() })
        });
        assert_same(&format!("-a {} -T udp 7", Uaddr::Ip(peer.v4)));
    }
    let rude = Peer::start(|_| None);
    assert_same(&format!("-a {} -T tcp 7 1", Uaddr::Ip(rude.v4)));
    assert_same(&format!("-a {} -T udp 7 1", Uaddr::Ip(rude.v4)));
}

#[test]
fn portmappers_of_other_versions_are_shown_the_same() {
    if !inside("portmappers_of_other_versions_are_shown_the_same", &NEEDED) {
        return;
    }
    let lines = [
        "-p 127.0.0.1",
        "127.0.0.1",
        "-s 127.0.0.1",
        "-m 127.0.0.1",
        "-l 127.0.0.1 7 1",
        "-t 127.0.0.1 7",
        "-u 127.0.0.1 7 1",
        "-T tcp 127.0.0.1 7",
        "-T udp 127.0.0.1 nfs 3",
        "-T tcp6 ::1 7",
        "-p ::1",
        "::1",
        "-p",
        "",
        "-s",
        "-m",
        "-d 7 1",
    ];
    // Versions that it has; what it says of others.
    let kinds = [(2, 2, 0), (2, 3, 0), (3, 3, 0), (4, 4, 0), (9, 9, 1), (2, 4, 3), (2, 4, 5)];
    for (low, high, refusal) in kinds {
        let _portmapper = Peer::portmapper(move |call| {
            if !(low..=high).contains(&call.version) {
                let range = words(&[low, high]);
                return Some(if refusal == 1 { accepted(1, &[]) } else { accepted(2, &range) });
            }
            if refusal > 1 {
                return Some(accepted(refusal, &[]));
            }
            Some(accepted(0, &answer(call.version, call.procedure)))
        });
        for line in lines {
            assert_same(line);
        }
    }
    let newer = |call: peer::Call| {
        Some(if call.version > 4 { accepted(0, &[]) } else { accepted(2, &words(&[3, 9])) })
    };
    let _portmapper = Peer::portmapper(newer);
    for line in ["-p 127.0.0.1", "-p", "127.0.0.1", ""] {
        assert_same(line);
    }
}

/// What a portmapper of a version answers: a table of four, one address, one list.
fn answer(version: u32, procedure: u32) -> Vec<u8> {
    match (version, procedure) {
        (2, 3) => words(&[9]),
        (2, 4) => list(&[
            mapping(100_003, 3, 6, 2049),
            mapping(P, 1, 17, 65_535),
            mapping(u32::MAX, u32::MAX, 132, 70_000),
            mapping(7, 1, 1, 0),
        ]),
        (3 | 4, 3) => string("127.0.0.1.0.9"),
        (3 | 4, 4) => list(&[
            row(100_003, 3, "tcp", "0.0.0.0.8.1", "superuser"),
            row(P, 1, "a-netid-that-is-long", "an-address-that-is-longer-than-its-column", ""),
            row(u32::MAX, u32::MAX, "", "", "a name with spaces"),
            row(100_003, 4, "tcp6", "::.8.1", "1001"),
        ]),
        _ => words(&[0]),
    }
}

#[test]
fn silence_is_shown_the_same() {
    if !inside("silence_is_shown_the_same", &NEEDED) {
        return;
    }
    let silent = Peer::silent();
    thread::scope(|scope| {
        for netid in ["udp", "tcp"] {
            let line = format!("-a {} -T {netid} 7 1", Uaddr::Ip(silent.v4));
            scope.spawn(move || assert_same(&line));
        }
    });
}

#[test]
fn a_broadcast_finds_the_same() {
    if !inside("a_broadcast_finds_the_same", &NEEDED) {
        return;
    }
    join_network();
    let answering = Peer::start(|_| Some(accepted(0, &[])));
    let _daemon = OnPort111::rpcbind(&["-r"]);
    register(&answering);
    thread::scope(|scope| {
        let debian = scope.spawn(|| Tool::Debian.run(&["-b", "536870913", "1"]));
        let ours = Tool::Ours.run(&["-b", "536870913", "1"]);
        let debian = debian.join().expect("it runs");
        // Debian's tells of each answer to each of its calls.
        let mut once: Vec<_> = debian.stdout.lines().collect();
        once.sort_unstable();
        once.dedup();
        let stdout = once.iter().map(|line| format!("{line}\n")).collect::<String>();
        assert_eq!(stdout.lines().count(), 1, "{stdout}");
        assert_eq!(ours, Seen { stdout, ..debian });
    });
}

/// Where Debian's crashes or waits, ours does neither: see the table in `docs/rpcutil.md`.
#[test]
fn where_debians_crashes_or_waits_ours_goes_on() {
    if !inside("where_debians_crashes_or_waits_ours_goes_on", &NEEDED) {
        return;
    }
    let started = Instant::now();
    let ours = |line: &str| {
        let seen = Tool::Ours.run(&split(line));
        (seen.stdout, seen.stderr, seen.status)
    };
    let said = |text: &str| (String::new(), text.to_owned(), Some(1));
    // Nobody at a port over IPv6, which Debian's does not hear of; a transport of another name.
    assert_eq!(ours("-u ::1 7 1"), said("::1: RPC: Unable to receive\n"));
    assert_eq!(
        ours("-T unix h 7 1"),
        said("rpcinfo: RPC: Remote system error - Connection refused\n")
    );
    // A program in so many versions, at so many transports, of such length.
    let many = Peer::portmapper(|call| {
        let rows: Vec<_> =
            (0..500).map(|n| row(7, n, &format!("netid{n}"), "\x1b[2J", "")).collect();
        Some(match call.procedure {
            11 => accepted(0, &list(&[addr("a-family-".repeat(50).as_str())])),
            _ => accepted(0, &list(&rows)),
        })
    });
    let (stdout, stderr, status) = ours("-s 127.0.0.1");
    assert_eq!((stdout.lines().count(), stderr.as_str(), status), (2, "", Some(0)));
    let (stdout, _, status) = ours("127.0.0.1");
    assert_eq!((stdout.lines().count(), stdout.contains('\x1b'), status), (501, false, Some(0)));
    let (stdout, _, status) = ours("-l 127.0.0.1 7 1");
    assert_eq!((stdout.lines().count(), status), (2, Some(0)));
    drop(many);
    // All versions there are.
    let boaster = Peer::start(|_| Some(accepted(0, &[])));
    let (stdout, stderr, status) = ours(&format!("-a {} -T udp 7", Uaddr::Ip(boaster.v4)));
    assert_eq!((stdout.lines().count(), status), (256, Some(1)));
    assert_eq!(
        stderr,
        "rpcinfo: program 7 claims the versions 0 to 4294967295: only 256 were called\n"
    );
    assert!(started.elapsed() < Duration::from_secs(60));
}

/// An entry of GETADDRLIST.
fn addr(family: &str) -> Vec<u8> {
    let strings = ["127.0.0.1.8.1", "tcp"].map(string).concat();
    [strings, words(&[3]), string(family), string("tcp")].concat()
}
