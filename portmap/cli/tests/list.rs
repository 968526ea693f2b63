//! `rpcutil list`: what is registered, and whether it answers.

mod support;

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Stdio};

use farcall::Netid;

use support::tool::{Asked, run, uaddr};

#[test]
fn list_shows_a_line_per_program() {
    let asked = Asked::start();
    asked.register(100_003, 3, Netid::Tcp, "0.0.0.0.8.1");
    let (port, socket) = (&asked.port, &asked.socket);
    let ways: [&[&str]; 3] = [
        &["list", "127.0.0.1", "--portmapper-port", port],
        &["list", "--portmapper-port", port],
        &["list", "--socket", socket],
    ];
    for args in ways {
        let (status, stdout, stderr) = run(args);
        assert_eq!((status, stderr.as_str()), (Some(0), ""));
        let rows: Vec<Vec<_>> = stdout.lines().map(|l| l.split_whitespace().collect()).collect();
        let head = ["PROGRAM", "NAME", "VERS", "TRANSPORTS", "PORT", "OWNER", "HEALTH", "RTT"];
        assert_eq!(rows[0], head);
        assert_eq!(rows[1][..3], ["100000", "portmapper", "2-4"]);
        assert_eq!(rows[1][rows[1].len() - 4..][..3], [port, "root", "ok"]);
        assert_eq!(rows[2][..6], ["100003", "nfs", "3", "tcp", "2049", "root"]);
        assert_eq!(rows.len(), 3);
    }
    let (status, stdout, _) = run(&["list", "--short", "--socket", socket]);
    assert_eq!((status, stdout.lines().last()), (Some(0), Some("nfs 3 tcp")));
    let (status, stdout, _) = run(&["list", "--json", "--socket", socket]);
    let rows: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    let last = rows.as_array().and_then(|rows| rows.last()).expect("rows");
    assert_eq!(
        (status, &last["name"], &last["address"]),
        (Some(0), &"nfs".into(), &"0.0.0.0.8.1".into())
    );
}

#[test]
fn list_watches_what_comes_and_goes() {
    let asked = Asked::start();
    let mut child = Command::new(env!("CARGO_BIN_EXE_rpcutil"))
        .args(["list", "--watch=0.02", "--socket", &asked.socket])
        .stdout(Stdio::piped())
        .spawn()
        .expect("rpcutil starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().expect("it goes on").expect("text");
    assert!(line().starts_with(" PROGRAM "));
    assert!(line().starts_with(" 100000 "));
    asked.register(7, 1, Netid::Tcp, "0.0.0.0.8.1");
    assert!(line().starts_with("+ 7 1 tcp 0.0.0.0.8.1 "));
    let failed = line();
    assert!(failed.starts_with("! 7 1 tcp 0.0.0.0.8.1 ") && failed.ends_with(": nobody listens"));
    let (status, ..) = run(&["unset", "7", "1", "--socket", &asked.socket]);
    assert_eq!(status, Some(0));
    assert!(line().starts_with("- 7 1 tcp 0.0.0.0.8.1 "));
    drop(asked);
    assert!(line().starts_with("! portmapper at "));
    child.kill().expect("it is a child");
    child.wait().expect("it ends");
}

#[test]
fn what_does_not_answer_is_told_from_what_does() {
    let asked = Asked::start();
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let silent = silent.local_addr().expect("bound").port();
    let dead = {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        socket.local_addr().expect("bound").port()
    };
    asked.register(7, 1, Netid::Udp, &uaddr(silent));
    asked.register(8, 1, Netid::Tcp, &uaddr(dead));
    // What is at the portmapper's own port is not this program, and has not this version.
    asked.register(9, 1, Netid::Tcp, &uaddr(asked.daemon.port));
    asked.register(100_000, 9, Netid::Udp, &uaddr(asked.daemon.port));
    let list = |options: &[&str]| {
        let asked = ["list", "--socket", &asked.socket];
        let (status, stdout, stderr) = run(&[&asked, options].concat());
        assert_eq!((status, stderr.as_str()), (Some(0), ""));
        stdout
    };
    let table = list(&[]);
    let row = |program: u32| {
        let start = format!(" {program} ");
        table.lines().find(|line| line.starts_with(&start)).expect("a row").to_owned()
    };
    assert!(row(7).contains("no reply (") && row(7).contains("1.5s)"), "{table}");
    assert!(row(8).contains("nobody listens"), "{table}");
    assert!(row(9).contains("another program"), "{table}");
    assert!(row(100_000).contains(": has versions 2-4"), "{table}");
    let json: serde_json::Value = serde_json::from_str(&list(&["--json"])).expect("JSON");
    let rows = json.as_array().expect("rows");
    let health = |program: u32| {
        let row = rows.iter().find(|row| row["program"] == program).expect("a row");
        (row["health"].as_str(), row["rtt_ms"].as_f64().is_some())
    };
    assert_eq!(health(8), (Some("nobody listens"), false));
    assert!(rows.iter().any(|row| row["health"] == "ok" && row["rtt_ms"].as_f64().is_some()));
    assert!(!list(&["--no-health"]).contains("HEALTH"));
    assert!(!list(&["--short"]).contains("nobody"));
}

#[test]
fn colours_are_for_terminals() {
    let asked = Asked::start();
    asked.register(8, 1, Netid::Local, "/nonexistent");
    let list = |options: &[&str]| run(&[&["list", "--socket", &asked.socket], options].concat()).1;
    for plain in [list(&[]), list(&["--color", "never"]), list(&["--color=always", "--json"])] {
        assert!(!plain.contains('\x1b'), "{plain}");
    }
    let coloured = list(&["--color", "always"]);
    assert!(coloured.starts_with("\x1b[1m PROGRAM "), "{coloured}");
    assert!(coloured.contains("\x1b[31m 8 "), "{coloured}");
}
