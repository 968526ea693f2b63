//! What the README does in three terminals.

use std::net::SocketAddr;
use std::process::{Command, Output};

use farcall::bind::Portmapper;
use farcall_example_kv::kv::kv_prog;
use nix::sys::signal::Signal;

use crate::process::Process;

/// A portmapper on a port of its own, and where it is.
fn portmapd() -> (Process, SocketAddr) {
    let process = Process::start(Command::new(env!("CARGO_BIN_EXE_kv-demo")).arg("portmapd"));
    let line = process.wait_for("");
    let addr = line.rsplit(' ').next().expect("an address").parse().expect("an address");
    (process, addr)
}

/// A server that has registered.
fn kv_server(portmapper: SocketAddr) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kv-server"));
    let process = Process::start(
        command
            .args(["--udp", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--portmapper"])
            .arg(portmapper.to_string()),
    );
    process.wait_for("ready");
    process
}

fn kv_client(portmapper: SocketAddr, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kv-client"))
        .args(["--portmapper-port", &portmapper.port().to_string()])
        .args(args)
        .output()
        .expect("it runs")
}

/// What it prints to standard output and to standard error, and its exit status.
fn said(output: &Output) -> (&str, &str, Option<i32>) {
    let text = |bytes| std::str::from_utf8(bytes).expect("text");
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

/// The transports over which the program is registered.
fn registered(portmapper: SocketAddr) -> Vec<String> {
    let entries = Portmapper::at(portmapper).dump().expect("the table");
    let ours = entries.into_iter().filter(|entry| entry.program == kv_prog::PROGRAM);
    ours.map(|entry| entry.netid).collect()
}

#[test]
fn a_client_finds_the_server_through_the_portmapper() {
    let (_portmapd, portmapper) = portmapd();
    let _server = kv_server(portmapper);
    let expect = |args: &[&str], stdout: &str, stderr: &str, status: i32| {
        let output = kv_client(portmapper, args);
        assert_eq!(said(&output), (stdout, stderr, Some(status)), "{args:?}");
    };
    expect(&["tcp://127.0.0.1", "put", "motd", "hi"], "", "", 0);
    expect(&["udp://127.0.0.1", "get", "motd"], "hi\n", "", 0);
    let none = "kv-client: tcp://127.0.0.1: no such key: nothing\n";
    expect(&["tcp://127.0.0.1", "get", "nothing"], "", none, 1);
    expect(&["udp://127.0.0.1", "put", "a", "1"], "", "", 0);
    expect(&["list"], "a\nmotd\n", "", 0);
    expect(&[], "put motd hello\nget motd\nhello\nlist\na\nmotd\n", "", 0);
}

#[test]
fn a_server_unregisters_when_a_signal_ends_it() {
    let (_portmapd, portmapper) = portmapd();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let server = kv_server(portmapper);
        assert_eq!(registered(portmapper), ["udp", "tcp"]);
        server.signal(signal);
        let (lines, status) = server.rest();
        assert_eq!((lines, status.code()), (vec![], Some(0)), "{signal}");
        assert_eq!(registered(portmapper), <[&str; 0]>::default(), "{signal}");
    }
    let output = kv_client(portmapper, &["tcp://127.0.0.1", "list"]);
    let none = "kv-client: tcp://127.0.0.1: RPC: Program not registered; the portmapper has no \
                program 536871065 version 1 over tcp. Is the server running?\n";
    assert_eq!(said(&output), ("", none, Some(1)));
}

#[test]
fn a_server_takes_the_place_of_one_that_was_killed() {
    let (_portmapd, portmapper) = portmapd();
    let killed = kv_server(portmapper);
    killed.signal(Signal::SIGKILL);
    assert_eq!(killed.rest().1.code(), None);
    assert_eq!(registered(portmapper), ["udp", "tcp"]);
    let _server = kv_server(portmapper);
    assert_eq!(registered(portmapper), ["udp", "tcp"]);
    let output = kv_client(portmapper, &["udp://127.0.0.1", "list"]);
    assert_eq!(said(&output), ("", "", Some(0)));
}

#[test]
fn wrong_usage_is_told_from_failure() {
    let portmapper = "127.0.0.1:1".parse().expect("an address");
    let output = kv_client(portmapper, &["gett", "motd"]);
    let usage = "kv-client: not a command: gett motd\nTry `kv-client --help`.\n";
    assert_eq!(said(&output), ("", usage, Some(2)));
}
