//! Broadcasts by another host, and calls by libtirpc.

use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use farcall::bind::{Portmapper, Uaddr};

use super::{P, PATIENCE};
use crate::support::Scratch;
use crate::support::port111::{OnPort111, SOCKET, inside};

/// Another host, and a network that both are on.
const FAR: &str = "\
    ip netns add far
    ip link add near type veth peer name far netns far
    ip link set near addrgenmode none
    ip -n far link set far addrgenmode none
    ip addr add 192.0.2.1/24 brd + dev near
    ip addr add fe80::1/64 dev near nodad
    ip link set near up
    ip -n far addr add 192.0.2.2/24 brd + dev far
    ip -n far addr add fe80::2/64 dev far nodad
    ip -n far link set far up";

#[test]
fn a_service_of_libtirpc_is_found_by_broadcasts_and_called() {
    let needed = ["rpcbind", "rpcinfo", "chown", "gcc", "stdbuf"];
    let name = "network::a_service_of_libtirpc_is_found_by_broadcasts_and_called";
    if !inside(name, &needed) {
        return;
    }
    let scratch = Scratch::new();
    let program = scratch.path().join("peer");
    compile(&program);
    let status = Command::new("sh").args(["-e", "-c", FAR]).status();
    assert!(status.expect("sh runs").success(), "the network");
    let rpcbind = OnPort111::rpcbind(&["-r"]);
    find_and_call(&program, &["udp"]);
    drop(rpcbind);
    let portmapd = OnPort111::portmapd(&["-r"]);
    find_and_call(&program, &["udp", "udp6"]);
    drop(portmapd);
}

fn compile(program: &Path) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop_remote_calls/peer.c");
    let mut gcc = Command::new("gcc");
    gcc.arg("-o").arg(program).args(["-I/usr/include/tirpc", source, "-ltirpc"]);
    assert!(gcc.status().expect("gcc runs").success());
}

/// Over these transports a broadcast is heard.
fn find_and_call(program: &Path, heard: &[&str]) {
    let _service = Service::start(program);
    let port = |netid: &str| {
        let local = Portmapper::unix(SOCKET).timeout(PATIENCE);
        let table = local.dump().expect("a table");
        let entry = table.iter().find(|entry| entry.program == P && entry.netid == netid);
        let address: Option<Uaddr> = entry.and_then(|entry| entry.address.parse().ok());
        address.and_then(|address| address.ip()).expect("registered").port()
    };
    let (port, port6) = (port("udp"), port("udp6"));
    for by in ["pmap", "rpcb"] {
        for host in [&[][..], &["ip", "netns", "exec", "far"]] {
            let output =
                output(&[host, &[program.to_str().expect("text"), by, "192.0.2.1"]].concat());
            assert_eq!(output, format!("0 42 {port}\n"), "{by} {host:?}");
        }
    }
    let far = ["ip", "netns", "exec", "far"];
    let uaddr = |ip: &str, port| {
        let ip: IpAddr = ip.parse().expect("an address");
        Uaddr::Ip((ip, port).into())
    };
    let by_rpcinfo = [
        ("udp", format!("{}\tunknown", uaddr("192.0.2.1", port))),
        ("udp6", format!("{}\tunknown", uaddr("fe80::1", port6))),
    ];
    let by_ours = [
        ("udp", format!("192.0.2.1:{port} by 192.0.2.1:")),
        ("udp6", format!("[fe80::1%2]:{port6} by [fe80::1%2]:111")),
    ];
    let rpcinfo = ["stdbuf", "-oL", "rpcinfo", "-b", "536870913", "1"];
    let rpcutil = [env!("CARGO_BIN_EXE_rpcutil"), "discover", "536870913/1"];
    for (command, lines) in [(&rpcinfo[..], by_rpcinfo), (&rpcutil[..], by_ours)] {
        let lines = lines.into_iter().filter(|(netid, _)| heard.contains(netid));
        await_lines(&[&far, command].concat(), lines.map(|(_, line)| line).collect());
    }
}

fn output(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output().expect("it runs");
    String::from_utf8(output.stdout).expect("text")
}

/// Ends the command when it has printed lines that begin like this.
fn await_lines(words: &[&str], mut wanted: Vec<String>) {
    let mut command = Command::new(words[0]);
    let child = command.args(&words[1..]).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut child = Service(child);
    let mut lines = BufReader::new(child.0.stdout.take().expect("piped")).lines();
    while !wanted.is_empty() {
        let line = lines.next().unwrap_or_else(|| panic!("{words:?} ended without {wanted:?}"));
        let line = line.expect("text");
        wanted.retain(|wanted| !line.starts_with(wanted.as_str()));
    }
}

/// A process that is ended.
struct Service(Child);

impl Service {
    fn start(program: &Path) -> Self {
        let mut command = Command::new(program);
        let child = command.arg("serve").stdout(Stdio::piped()).spawn().expect("it runs");
        let mut service = Self(child);
        let mut line = String::new();
        let stdout = service.0.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("text");
        assert_eq!(line, "registered\n");
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
