//! More connections than the server may have descriptors (T8).

use std::net::TcpStream;
use std::process::Command;

use farcall_example_kv::kv::kv_prog::v1::Client;
use nix::sys::signal::Signal;

use crate::process::Process;

#[test]
fn idle_connections_beyond_the_descriptors_keep_nobody_out() {
    let server = env!("CARGO_BIN_EXE_kv-server");
    let options = "--no-portmapper --udp 127.0.0.1:0 --tcp 127.0.0.1:0";
    // With 64 the server keeps to its own limit; with 16 it runs into the system's.
    for descriptors in [64, 16] {
        let script = format!("ulimit -n {descriptors}; exec {server} {options}");
        let process = Process::start(Command::new("bash").args(["-c", &script]));
        let tcp = process.wait_for_start("tcp://");
        process.wait_for("ready");
        let addr = tcp.trim_start_matches("tcp://");
        let idle: Vec<_> =
            (0..200).map(|_| TcpStream::connect(addr).expect("it listens")).collect();
        let client = Client::connect(&tcp).expect("it listens");
        client.null().expect("answered, whoever else is connected");
        drop(idle);
        client.put("key", b"value").expect("answered");
        process.signal(Signal::SIGTERM);
        assert_eq!(process.rest().1.code(), Some(0));
    }
}
