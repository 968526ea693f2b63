//! A client without a port that is its own. In a program of its own: a process that starts others has
//! them hold its connections for a moment.

mod client_peer;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use client_peer::{connect, echoed, patient, read_record, record, start_echo, start_once};
use farcall::Error;

/// In a network namespace of its own, which has two ports.
#[test]
fn a_client_that_has_to_share_its_port_is_another_caller_when_it_comes_back() {
    const INSIDE: &str = "FARCALL_TEST_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return lose_a_shared_port();
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root makes network namespaces");
        return;
    }
    let script = "ip link set lo up && echo 40000 40001 > /proc/sys/net/ipv4/ip_local_port_range \
        && exec \"$0\" --exact --nocapture \
        a_client_that_has_to_share_its_port_is_another_caller_when_it_comes_back";
    let this = std::env::current_exe().expect("a path");
    let command = ["--net", "sh", "-c", script];
    match Command::new("unshare").args(command).arg(this).env(INSIDE, "1").status() {
        Ok(status) => assert!(status.success(), "in the namespace: {status}"),
        Err(error) => eprintln!("skipped: no unshare(1): {error}"),
    }
}

fn lose_a_shared_port() {
    let elsewhere = TcpListener::bind("127.0.0.1:2000").expect("a free port");
    let _others = [(); 2].map(|()| TcpStream::connect("127.0.0.1:2000").expect("it listens"));
    let listener = TcpListener::bind("127.0.0.1:2001").expect("a free port");
    let client = connect("tcp://127.0.0.1:2001", &patient());
    let (echo, once) = (start_echo(&client, 1), start_once(&client, 2));
    let (mut stream, _) = listener.accept().expect("a client");
    let calls = [(); 2].map(|()| read_record(&mut stream));
    drop(stream);
    let waits = thread::spawn(|| echo.wait());
    let error = once.wait().expect_err("it may have been executed");
    assert!(matches!(error, Error::Disconnected { sent: 1 }), "{error:?}");
    let (mut stream, _) = listener.accept().expect("a client");
    let again = read_record(&mut stream);
    assert_eq!(again, calls[0]);
    stream.write_all(&record(&echoed(&again.expect("a call")))).expect("the client listens");
    assert_eq!(waits.join().expect("no panic").ok(), Some(1));
    drop(elsewhere);
}
