//! `rpcutil` against `portmapd`.

mod support;

use std::net::UdpSocket;
use std::process::Command;
use std::thread;

use support::port111::inside;
use support::tool::{Asked, run};
use support::words;

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
    let help =
        "\n  help: is the server running? If its port is known, `-p PORT` asks no portmapper\n";
    let said = "rpcutil: nfs is not registered at 127.0.0.1\n  it does know: portmapper 2-4 ";
    assert!(stderr.starts_with(said) && stderr.ends_with(help), "{stderr}");
    let over = ["ping", "127.0.0.1", "nfs/3", "-T", "tcp", "--portmapper-port", port];
    let (status, stderr) = run(&over);
    assert_eq!(status, Some(1));
    assert!(stderr.starts_with("rpcutil: nfs v3 is not registered at 127.0.0.1 for tcp\n"));
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
        &["discover", "nfs"],
        &["list", "--json", "--short"],
        &["list", "--color", "blue"],
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
    assert!(status == Some(1) && stderr.contains("it is somebody else's, or for root"), "{stderr}");
    let (status, stderr) = change(&["set", "nfs", "3", "udp", "::1.8.1"]);
    assert_eq!((status, stderr.as_str()), (Some(1), "rpcutil: ::1.8.1 is no address of udp\n"));
    assert_eq!(change(&["unset", "nfs", "3", "tcp"]), fine);
    assert_eq!(change(&["unset", "nfs", "3"]), fine);
    let (status, stderr) = change(&["unset", "nfs", "3"]);
    let gone = format!("rpcutil: nfs v3 is not registered at {}\n", asked.socket);
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

/// A portmapper that passes a call in version 2 on, and says that the service is at port 2049.
/// Returns its port.
fn passing_on(ip: &str) -> String {
    let portmapper = UdpSocket::bind((ip, 0)).expect("a socket");
    let port = portmapper.local_addr().expect("bound").port().to_string();
    thread::spawn(move || {
        let mut call = [0; 1000];
        while let Ok((len, from)) = portmapper.recv_from(&mut call) {
            if call[..len][12..24] == words(&[100_000, 2, 5]) {
                let reply = [&call[..4], &words(&[1, 0, 0, 0, 0, 2049, 0])].concat();
                portmapper.send_to(&reply, from).expect("sent");
            }
        }
    });
    port
}

#[test]
fn what_answers_a_broadcast_is_found() {
    let port = passing_on("127.0.0.1");
    let discover = |at: &str| {
        let port = ["--portmapper-port", &port, "--listen", "0.5"];
        run(&[&["discover", "7/1", "--at", at], &port[..]].concat())
    };
    let found = format!("127.0.0.1:2049 by 127.0.0.1:{port}\n");
    assert_eq!(discover("127.0.0.1"), (Some(0), found, String::new()));
    let (status, stdout, stderr) = discover("127.0.0.2");
    assert_eq!((status, stdout.as_str()), (Some(3), ""));
    assert!(stderr.starts_with("rpcutil: no portmapper passed a call on to program 7 version 1"));
}

#[test]
fn an_interface_is_asked_alone() {
    if !inside("an_interface_is_asked_alone", &[]) {
        return;
    }
    let set_up = "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 && for n in 1 2; do \
                  ip link add d$n type bridge && ip link set d$n up && \
                  ip addr add 10.9.$n.7/24 broadcast + dev d$n; done";
    assert!(Command::new("sh").args(["-c", set_up]).status().expect("sh").success());
    let port = passing_on("0.0.0.0");
    let discover = |interface: &str| {
        let port = ["--portmapper-port", &port, "--listen", "0.5"];
        run(&[&["discover", "7/1", "--if", interface], &port[..]].concat())
    };
    let found = format!("10.9.2.7:2049 by 10.9.2.7:{port}\n");
    assert_eq!(discover("d2"), (Some(0), found, String::new()));
    for none in ["lo", "d3"] {
        let said = format!("rpcutil: {none:?} is no interface that can broadcast\n");
        assert_eq!(discover(none), (Some(1), String::new(), said));
    }
}

#[test]
fn shells_are_served() {
    for shell in ["bash", "zsh", "fish"] {
        let (status, stdout, _) = run(&["completions", shell]);
        assert!(status == Some(0) && stdout.contains("doctor"), "{shell}");
    }
}

#[test]
fn it_is_rpcinfo_under_that_name() {
    let (status, _, stderr) = run(&["rpcinfo", "-x"]);
    let usage = "rpcinfo: invalid option -- 'x'\nUsage: rpcinfo [-m | -s] [host]\n";
    assert!(status == Some(1) && stderr.starts_with(usage), "{stderr}");
}
