//! The daemon's options in a file, and other ones while it runs.

mod support;

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{
    Daemon, Scratch, Via, call, exchange, records, rpcb, string, success, too_weak, words,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn check(path: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_portmapd"))
        .arg("--config")
        .arg(path)
        .arg("--check-config")
        .output()
        .expect("portmapd runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_file_is_checked_before_it_is_used() {
    let scratch = Scratch::new();
    let path = scratch.path().join("portmapd.toml");
    for text in [
        "",
        "listen = [\"127.0.0.1\", \"::1\"]\nport = 1111\nsocket = \"/run/x.sock\"\n\
         state-dir = \"/run/x\"\nwarm-start = true\nuser = \"_rpc\"\nsandbox = false\n\
         status = \"127.0.0.1:9111\"\nprune = false\nbind-to-peer = true\nremote-calls = true\nmax-per-uid = 7\ninsecure = true\n\
         any-loopback-port = true\nany-registration = true\nlarge-datagrams = true\n\
         [[rule]]\nfrom = [\"192.0.2.0/24\", \"local\", \"unix\"]\nprocedures = [\"GETPORT\", \"DUMP\"]\n\
         allow = true\n[[rule]]\nallow = false\n",
    ] {
        fs::write(&path, text).expect("written");
        assert_eq!(check(&path), (Some(0), "portmapd: the options are sound\n".to_owned()));
    }
    for (text, part) in [
        ("prot = 111", "unknown field `prot`"),
        ("port = 70000", "line 1, column 8"),
        ("listen = [\"db1\"]", "invalid IP address"),
        ("port =", "line 1"),
        ("[[rule]]\nfrom = [\"db1\"]\nallow = true", "line 2, column 8"),
        ("[[rule]]\nfrom = [\"db1\"]\nallow = true", "\"db1\" is neither \"unix\" nor \"local\""),
        ("[[rule]]\nfrom = []\nallow = true", "expected one at least"),
        ("[[rule]]\nprocedures = [\"LIST\"]\nallow = true", "\"LIST\" is none of BCAST, CALLIT"),
        ("[[rule]]\nfrom = [\"unix\"]", "missing field `allow`"),
        ("[[rule]]\nto = [\"unix\"]\nallow = true", "unknown field `to`"),
    ] {
        fs::write(&path, text).expect("written");
        let (status, said) = check(&path);
        assert_eq!(status, Some(2), "{text}");
        assert!(said.contains(part) && said.contains("portmapd.toml"), "{text}: {said}");
    }
    assert_eq!(check(&scratch.path().join("none")).0, Some(2));
}

/// From an address that is not to change anything by default.
fn set(daemon: &Daemon, version: u32) -> Vec<u8> {
    let stranger = SocketAddr::from(([127, 0, 0, 2], 0));
    let call = call(3, 1, &rpcb(0x2000_0001, version, "tcp", "0.0.0.0.8.1"));
    exchange(Via::UdpFrom(stranger, daemon.v4()), &call)
}

fn hang_up(daemon: &Daemon) {
    let status =
        Command::new("sh").args(["-c", "kill -HUP $0", &daemon.pid().to_string()]).status();
    assert!(status.expect("sh").success());
}

/// Registers one version after the other until an answer is this one.
fn set_until(daemon: &Daemon, versions: &mut u32, expected: &[u8]) {
    let start = Instant::now();
    loop {
        *versions += 1;
        if set(daemon, *versions) == expected {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "nothing has changed");
    }
}

#[test]
fn other_rules_hold_from_a_signal_on_and_nothing_is_lost() {
    let scratch = Scratch::new();
    let path = scratch.path().join("portmapd.toml");
    fs::write(&path, "insecure = false\n").expect("written");
    let daemon = Daemon::start(&["--config", path.to_str().expect("text")]);
    let (accepted, mut versions) = (success(&words(&[1])), 0);
    let mine = call(3, 1, &rpcb(0x2000_0002, 1, "tcp", "0.0.0.0.8.1"));
    assert_eq!(exchange(Via::Unix(&daemon.socket()), &mine), accepted);
    assert_eq!(set(&daemon, versions), too_weak());

    fs::write(&path, "insecure = true\n").expect("written");
    assert_eq!(set(&daemon, versions), too_weak(), "it was not told yet");
    hang_up(&daemon);
    set_until(&daemon, &mut versions, &accepted);

    // What is no file changes nothing; the next that is one does.
    fs::write(&path, "insecure = perhaps\n").expect("written");
    hang_up(&daemon);
    fs::write(&path, "insecure = true\nmax-per-uid = 0\n").expect("written");
    hang_up(&daemon);
    set_until(&daemon, &mut versions, &success(&words(&[0])));

    fs::write(&path, "").expect("written");
    hang_up(&daemon);
    set_until(&daemon, &mut versions, &too_weak());
    let lookup = call(3, 3, &rpcb(0x2000_0002, 1, "", ""));
    let found = exchange(Via::Tcp(daemon.v4()), &lookup);
    assert_eq!(found, success(&string("127.0.0.1.8.1")));
}

/// Lists the table until that is answered or refused.
fn dump_until(stream: &TcpStream, is_allowed: bool) {
    let start = Instant::now();
    while (records(stream, &[&call(4, 4, &[])]) != too_weak()) != is_allowed {
        assert!(start.elapsed() < PATIENCE, "nothing has changed");
    }
}

#[test]
fn a_connection_outlives_other_rules_and_has_them() {
    let scratch = Scratch::new();
    let path = scratch.path().join("portmapd.toml");
    fs::write(&path, "").expect("written");
    let daemon = Daemon::start(&["--config", path.to_str().expect("text")]);
    let stream = TcpStream::connect(daemon.v4()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let set = call(3, 1, &rpcb(0x2000_0001, 1, "tcp", "0.0.0.0.8.1"));
    assert_eq!(records(&stream, &[&set]), success(&words(&[1])));
    dump_until(&stream, true);

    let rule = "[[rule]]\nfrom = [\"local\"]\nprocedures = [\"DUMP\"]\nallow = false\n";
    fs::write(&path, rule).expect("written");
    hang_up(&daemon);
    dump_until(&stream, false);
    // Of a file that is none, nothing is taken, and no rule is forgotten.
    fs::write(&path, "[[rule]]\nfrom = [\"everybody\"]\nallow = true\n").expect("written");
    hang_up(&daemon);
    let lookup = call(3, 3, &rpcb(0x2000_0001, 1, "", ""));
    assert_eq!(records(&stream, &[&lookup]), success(&string("127.0.0.1.8.1")));
    dump_until(&stream, false);

    fs::write(&path, "").expect("written");
    hang_up(&daemon);
    dump_until(&stream, true);
    assert_eq!(records(&stream, &[&lookup]), success(&string("127.0.0.1.8.1")));
}
