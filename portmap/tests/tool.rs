//! `rpcutil` against `portmapd`.

mod support;

use std::net::UdpSocket;
use std::time::Duration;

use farcall::bind::{Portmapper, Registration, Uaddr};
use farcall::{Netid, Program, Version};

use support::{Daemon, rpcutil};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn list_shows_a_line_per_program() {
    let daemon = Daemon::start(&[]);
    let local = Portmapper::unix(daemon.socket()).timeout(Duration::from_secs(20));
    let address: Uaddr = "0.0.0.0.8.1".parse().expect("a universal address");
    let nfs = Registration::new(Program(100_003), Version(3), Netid::Tcp, address);
    local.set(&nfs).expect("accepted");
    let port = daemon.port.to_string();
    let socket = daemon.socket().display().to_string();
    let ways: [&[&str]; 3] = [
        &["list", "127.0.0.1", "--port", &port],
        &["list", "--port", &port],
        &["list", "--socket", &socket],
    ];
    for args in ways {
        let output = rpcutil(args);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let stdout = text(&output.stdout);
        let rows: Vec<Vec<_>> = stdout.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["PROGRAM", "NAME", "VERS", "TRANSPORTS", "PORT", "OWNER"]);
        assert_eq!(rows[1][..3], ["100000", "portmapper", "2-4"]);
        assert_eq!(rows[1][rows[1].len() - 2..], [&*port, "superuser"]);
        assert_eq!(rows[2][..5], ["100003", "nfs", "3", "tcp", "2049"]);
        assert_eq!(rows.len(), 3);
    }
}

#[test]
fn ping_calls_every_version() {
    let daemon = Daemon::start(&[]);
    let port = daemon.port.to_string();
    let ping = |args: &[&str]| {
        let output = rpcutil(&[&["ping", "127.0.0.1", "--port", &port], args].concat());
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
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
    assert!(stdout.lines().nth(3).is_some_and(|l| l.starts_with("3 replies, min/avg/max ")));
    let (status, stdout, _) = ping(&["portmapper", "-T", "tcp"]);
    assert_eq!(status, Some(0));
    assert_eq!(starts(&stdout, "tcp"), [true; 3], "{stdout}");
    let (status, stdout, _) = ping(&["100000/4", "-c", "3", "-T", "udp"]);
    assert_eq!((status, stdout.lines().count()), (Some(0), 4), "{stdout}");
}

#[test]
fn the_exit_status_says_no_or_nobody() {
    let daemon = Daemon::start(&[]);
    let port = daemon.port.to_string();
    let run = |args: &[&str]| {
        let output = rpcutil(args);
        (output.status.code(), text(&output.stderr))
    };
    let (status, stderr) = run(&["ping", "127.0.0.1", "nfs", "--port", &port]);
    assert_eq!(status, Some(1));
    assert_eq!(stderr, "rpcutil: nfs is not registered at 127.0.0.1\n");
    let (status, stderr) = run(&["ping", "127.0.0.1", "100000/9", "-T", "udp", "--port", &port]);
    assert_eq!(status, Some(1));
    let words = "RPC: Program/version mismatch; low version = 2, high version = 4\n";
    assert!(stderr.ends_with(words), "{stderr}");
    let (status, _) = run(&["list", "--socket", "/nonexistent/sock"]);
    assert_eq!(status, Some(3));
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let silent = silent.local_addr().expect("bound").port().to_string();
    let (status, _) = run(&["list", "127.0.0.1", "--port", &silent, "--timeout", "0.2"]);
    assert_eq!(status, Some(3));
    for usage in [&[][..], &["nosuch"], &["ping", "db1"], &["ping", "db1", "nosuch-program"]] {
        assert_eq!(run(usage).0, Some(2), "{usage:?}");
    }
    assert_eq!(run(&["ping", "db1", "nfs", "-T", "sctp"]).0, Some(2));
    assert_eq!(run(&["--help"]).0, Some(0));
}
