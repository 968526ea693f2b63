//! `rpcutil` against `portmapd`.

mod support;

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use farcall::bind::{Portmapper, Registration, Uaddr};
use farcall::{Netid, Program, Version};

use support::{Daemon, rpcutil, words};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Exit status, standard output and standard error.
fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = rpcutil(args);
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A `portmapd`, by its port and its Unix socket, as they are written on a command line.
struct Asked {
    daemon: Daemon,
    port: String,
    socket: String,
}

impl Asked {
    fn start() -> Self {
        let daemon = Daemon::start(&["--no-prune"]);
        let (port, socket) = (daemon.port.to_string(), daemon.socket().display().to_string());
        Self { daemon, port, socket }
    }

    fn register(&self, program: u32, version: u32, netid: Netid, address: &str) {
        let local = Portmapper::unix(self.daemon.socket()).timeout(Duration::from_secs(20));
        let address: Uaddr = address.parse().expect("a universal address");
        let registration = Registration::new(Program(program), Version(version), netid, address);
        local.set(&registration).expect("accepted");
    }
}

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
        assert_eq!(rows[0], ["PROGRAM", "NAME", "VERS", "TRANSPORTS", "PORT", "OWNER"]);
        assert_eq!(rows[1][..3], ["100000", "portmapper", "2-4"]);
        assert_eq!(rows[1][rows[1].len() - 2..], [port, "superuser"]);
        assert_eq!(rows[2][..5], ["100003", "nfs", "3", "tcp", "2049"]);
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
    let (status, ..) = run(&["unset", "7", "1", "--socket", &asked.socket]);
    assert_eq!(status, Some(0));
    assert!(line().starts_with("- 7 1 tcp 0.0.0.0.8.1 "));
    drop(asked);
    assert!(line().starts_with("! portmapper at "));
    child.kill().expect("it is a child");
    child.wait().expect("it ends");
}

#[test]
fn ping_calls_every_version() {
    let asked = Asked::start();
    let port = &asked.port;
    let ping =
        |args: &[&str]| run(&[&["ping", "127.0.0.1", "--portmapper-port", port], args].concat());
    let starts = |stdout: &str, transport: &str| -> Vec<bool> {
        let lines = stdout.lines().zip([2, 3, 4]);
        lines
            .map(|(line, version)| {
                line.starts_with(&format!(
                    "portmapper v{version} at 127.0.0.1 (127.0.0.1) {transport} port {port}: "
                ))
            })
            .collect()
    };
    let (status, stdout, stderr) = ping(&["portmapper"]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    assert_eq!(starts(&stdout, "udp"), [true; 3], "{stdout}");
    let last = stdout.lines().nth(3).expect("a summary");
    assert!(last.starts_with("3 calls, 3 replies, "), "{last}");
    let (status, stdout, _) = ping(&["portmapper", "-T", "tcp"]);
    assert_eq!(status, Some(0));
    assert_eq!(starts(&stdout, "tcp"), [true; 3], "{stdout}");
    let (status, stdout, _) = ping(&["100000/4", "-c", "3", "-i", "0.01", "-T", "udp"]);
    assert_eq!((status, stdout.lines().count()), (Some(0), 4), "{stdout}");
    let (status, stdout, _) = ping(&["portmapper", "-T", "local"]);
    assert_eq!((status, stdout.lines().count()), (Some(0), 3), "{stdout}");
    // The port is known: the portmapper is not asked, and the server says its versions.
    let direct = |args: &[&str]| run(&[&["ping", "127.0.0.1", "-p", port], args].concat());
    let (status, stdout, _) = direct(&["portmapper"]);
    assert_eq!((status, starts(&stdout, "udp")), (Some(0), vec![true; 3]), "{stdout}");
    let (status, stdout, _) = direct(&["100000/3", "-T", "tcp"]);
    assert_eq!((status, stdout.lines().count()), (Some(0), 2), "{stdout}");
    let (status, stdout, _) = direct(&["100000/9"]);
    assert_eq!(status, Some(1));
    let words = "RPC: Program/version mismatch; low version = 2, high version = 4";
    assert!(stdout.lines().next().is_some_and(|line| line.ends_with(words)), "{stdout}");
    assert!(stdout.ends_with("\n1 call, 0 replies, 0 retransmissions\n"), "{stdout}");
}

#[test]
fn the_exit_status_says_no_or_nobody() {
    let asked = Asked::start();
    let port = &asked.port;
    let run = |args: &[&str]| {
        let (status, _, stderr) = run(args);
        (status, stderr)
    };
    let (status, stderr) = run(&["ping", "127.0.0.1", "nfs", "--portmapper-port", port]);
    assert_eq!(status, Some(1));
    assert_eq!(stderr, "rpcutil: nfs is not registered at 127.0.0.1\n");
    let over = ["ping", "127.0.0.1", "nfs/3", "-T", "tcp", "--portmapper-port", port];
    let (status, stderr) = run(&over);
    assert_eq!(status, Some(1));
    assert_eq!(stderr, "rpcutil: nfs v3 is not registered at 127.0.0.1 for tcp\n");
    let (status, _) = run(&["list", "--socket", "/nonexistent/sock"]);
    assert_eq!(status, Some(3));
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let silent = silent.local_addr().expect("bound").port().to_string();
    let (status, _) = run(&["list", "127.0.0.1", "--portmapper-port", &silent, "--timeout", "0.2"]);
    assert_eq!(status, Some(3));
    for usage in [
        &[][..],
        &["nosuch"],
        &["ping", "db1"],
        &["ping", "db1", "nosuch-program"],
        &["ping", "db1", "nfs", "-T", "sctp"],
        &["ping", "db1", "nfs", "-p", "0"],
        &["list", "--json", "--short"],
        &["list", "h", "--socket", "/s"],
        &["list", "--timeout", "-1"],
        &["set", "nfs/3", "3", "tcp", "1"],
    ] {
        assert_eq!(run(usage).0, Some(2), "{usage:?}");
    }
    assert_eq!(run(&["--help"]), (Some(0), String::new()));
    assert_eq!(run(&["ping", "--help"]), (Some(0), String::new()));
}

#[test]
fn registrations_are_made_and_removed_by_hand() {
    let asked = Asked::start();
    let change = |args: &[&str]| {
        let (status, stdout, stderr) = run(&[args, &["--socket", &asked.socket]].concat());
        assert_eq!(stdout, "");
        (status, stderr)
    };
    let fine = (Some(0), String::new());
    assert_eq!(change(&["set", "nfs", "3", "tcp", "2049"]), fine);
    assert_eq!(change(&["set", "nfs", "3", "local", "/run/nfs"]), fine);
    assert_eq!(change(&["set", "nfs", "3", "tcp6", "::1.8.1"]), fine);
    let (_, stdout, _) = run(&["list", "--short", "--socket", &asked.socket]);
    assert_eq!(stdout.lines().last(), Some("nfs 3 tcp local tcp6"));
    let (status, stderr) = change(&["set", "nfs", "3", "tcp", "2050"]);
    assert!(status == Some(1) && stderr.contains("registered by somebody else"), "{stderr}");
    let (status, stderr) = change(&["set", "nfs", "3", "udp", "::1.8.1"]);
    assert_eq!((status, stderr.as_str()), (Some(1), "rpcutil: ::1.8.1 is no address of udp\n"));
    assert_eq!(change(&["unset", "nfs", "3", "tcp"]), fine);
    assert_eq!(change(&["unset", "nfs", "3"]), fine);
    let (status, stderr) = change(&["unset", "nfs", "3"]);
    let gone = format!("rpcutil: program 100003 version 3 is not registered at {}\n", asked.socket);
    assert_eq!((status, stderr), (Some(1), gone));
}

#[test]
fn what_a_portmapper_counts_is_shown() {
    let asked = Asked::start();
    run(&["ping", "127.0.0.1", "portmapper/4", "-T", "udp", "--portmapper-port", &asked.port]);
    let (status, stdout, stderr) = run(&["stats", "127.0.0.1", "--portmapper-port", &asked.port]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let rows: Vec<Vec<_>> = stdout.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["PROCEDURE", "V2", "V3", "V4"]);
    assert!(rows.contains(&vec!["getaddr", "0", "0", "1"]), "{stdout}");
    assert!(rows.contains(&vec!["100000", "portmapper", "4", "udp", "v4", "1", "0"]), "{stdout}");
    let (status, stdout, _) = run(&["stats", "--json", "--portmapper-port", &asked.port]);
    let versions: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((status, &versions[2]["calls"]["dump"]), (Some(0), &1.into()));
}

#[test]
fn the_doctor_says_what_is_wrong() {
    let asked = Asked::start();
    let port = &asked.port;
    let doctor = |service: &str| {
        let args = ["doctor", "127.0.0.1", service, "--portmapper-port", port, "--timeout", "0.5"];
        let (status, stdout, stderr) = run(&args);
        assert_eq!(stderr, "");
        (status, stdout)
    };
    let has = |(status, stdout): (Option<i32>, String), expected: i32, lines: &[&str]| {
        assert_eq!(status, Some(expected), "{stdout}");
        for line in lines {
            assert!(stdout.lines().any(|have| have.starts_with(line)), "{line:?} in {stdout}");
        }
        assert_eq!(stdout.contains("help: "), expected != 0, "{stdout}");
    };
    let alive = format!("ok  portmapper v4 udp at udp://127.0.0.1:{port} answers in ");
    has(doctor("portmapper"), 0, &["ok  127.0.0.1 is 127.0.0.1", &alive]);
    has(doctor("nfs"), 1, &["no  nfs is not registered at 127.0.0.1"]);
    has(doctor("portmapper/9"), 1, &["no  portmapper v9 is not registered at 127.0.0.1: only v2 "]);
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let dead = {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
        socket.local_addr().expect("bound").port()
    };
    let uaddr = |port: u16| format!("0.0.0.0.{}.{}", port >> 8, port & 0xff);
    let silent_at = silent.local_addr().expect("bound").port();
    asked.register(7, 1, Netid::Udp, &uaddr(silent_at));
    asked.register(7, 2, Netid::Tcp, &uaddr(dead));
    // What is at the portmapper's own port is not this program, and not this version.
    asked.register(8, 1, Netid::Tcp, &uaddr(asked.daemon.port));
    asked.register(100_000, 9, Netid::Udp, &uaddr(asked.daemon.port));
    let lines = [
        format!("no  7 v1 udp at udp://127.0.0.1:{silent_at}: RPC: Timed out; "),
        format!("no  7 v2 tcp at tcp://127.0.0.1:{dead}: RPC: Remote system error; "),
    ];
    has(doctor("7"), 3, &lines.each_ref().map(String::as_str));
    let stale = format!("no  8 v1 tcp at tcp://127.0.0.1:{port}: RPC: Program unavailable");
    has(doctor("8"), 1, &[&stale]);
    let range = format!(
        "no  100000 v9 udp at udp://127.0.0.1:{port}: RPC: Program/version mismatch; low version = 2, high version = 4"
    );
    has(doctor("100000/9"), 1, &[&range]);
    let nobody = dead.to_string();
    let args = ["doctor", "127.0.0.1", "nfs", "--portmapper-port", &nobody];
    let (status, stdout, _) = run(&args);
    assert!(stdout.contains("no  no portmapper at 127.0.0.1:"), "{stdout}");
    assert_eq!(status, Some(3));
    let (status, stdout, _) = run(&["doctor", "nosuch.invalid", "nfs"]);
    assert!(status == Some(3) && stdout.starts_with("no  nosuch.invalid: RPC: Unknown host"));
}

#[test]
fn what_answers_a_broadcast_is_found() {
    let portmapper = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = portmapper.local_addr().expect("bound").port().to_string();
    let answers = thread::spawn(move || {
        let mut call = [0; 1000];
        loop {
            let (len, from) = portmapper.recv_from(&mut call).expect("a call");
            // CALLIT in version 2; the reply names port 2049 and has no results.
            if call[..len][12..24] == words(&[100_000, 2, 5]) {
                let reply = [&call[..4], &words(&[1, 0, 0, 0, 0, 2049, 0])].concat();
                portmapper.send_to(&reply, from).expect("sent");
                return;
            }
        }
    });
    let args =
        ["discover", "7/1", "--at", "127.0.0.1", "--portmapper-port", &port, "--listen", "1"];
    let found = format!("127.0.0.1:2049 by 127.0.0.1:{port}\n");
    assert_eq!(run(&args), (Some(0), found, String::new()));
    answers.join().expect("it was asked");
    let (status, stdout, stderr) = run(&[&args[..7], &["0.1"]].concat());
    assert_eq!((status, stdout.as_str()), (Some(3), ""));
    assert!(stderr.starts_with("rpcutil: no portmapper passed a call on to program 7 version 1"));
}

#[test]
fn shells_and_readers_are_served() {
    for shell in ["bash", "zsh", "fish"] {
        let (status, stdout, _) = run(&["completions", shell]);
        assert!(status == Some(0) && stdout.contains("doctor"), "{shell}");
    }
    let (status, stdout, _) = run(&["man"]);
    assert_eq!(status, Some(0));
    assert!(stdout.contains(".TH rpcutil 1"), "{stdout}");
    for command in ["LIST", "PING", "DISCOVER", "SET", "UNSET", "STATS", "DOCTOR", "RPCINFO"] {
        assert!(stdout.contains(&format!(".SH \"RPCUTIL {command}\"")), "{command}");
    }
}

#[test]
fn it_is_rpcinfo_under_that_name() {
    let (status, _, stderr) = run(&["rpcinfo", "-x"]);
    let usage = "rpcinfo: invalid option -- 'x'\nUsage: rpcinfo [-m | -s] [host]\n";
    assert!(status == Some(1) && stderr.starts_with(usage), "{stderr}");
}
