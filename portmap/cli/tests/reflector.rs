//! The portmapper is of no use to whoever forges the source of datagrams (T20), as another host sees
//! it: over a network between two namespaces. As root; without, it is skipped.

mod support;

use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::Duration;

use farcall::bind::{Portmapper, Registration};
use farcall::{Netid, Program, Version};
use nix::sched::{CloneFlags, setns};

use support::port111::{OnPort111, inside, make_state_folder};
use support::{call_as, rpcb, string, words};

const PORTMAPPER: u32 = 100_000;
const PATIENCE: Duration = Duration::from_secs(20);

const SET_UP: &str = "
    ip netns add elsewhere &&
    ip link add v0 type veth peer name v1 netns elsewhere &&
    ip addr add 192.0.2.7/24 dev v0 && ip link set v0 up &&
    ip -n elsewhere addr add 192.0.2.99/24 dev v1 && ip -n elsewhere link set v1 up";

/// A socket of the other host.
fn elsewhere() -> UdpSocket {
    let host = File::open("/run/netns/elsewhere").expect("it is set up");
    let made = thread::spawn(move || {
        setns(host, CloneFlags::CLONE_NEWNET).expect("root may");
        UdpSocket::bind("192.0.2.99:700").expect("a free port")
    });
    made.join().expect("no panic")
}

/// Fills the table of the portmapper.
fn fill() {
    let portmapper = Portmapper::local().timeout(PATIENCE);
    let address: farcall::bind::Uaddr = "0.0.0.0.8.1".parse().expect("an address");
    for n in 0..4096 {
        let (program, version) = (Program(0x2000_0000 + n / 64), Version(n % 64));
        let registration = Registration::new(program, version, Netid::Udp, address.clone());
        portmapper.set(&registration).expect("accepted");
    }
}

/// How many bytes come back for a call. An UNSET after it, which is refused, is answered last.
fn answered(socket: &UdpSocket, xid: u32, call: &[u8]) -> usize {
    let portmapper = SocketAddr::from(([192, 0, 2, 7], 111));
    let last = !xid;
    for message in [call, &call_as(last, 2, 2, &words(&[0x2000_0000, 99, 17, 0]))] {
        socket.send_to(message, portmapper).expect("there is a way");
    }
    let mut reply = vec![0; 64 << 10];
    let mut bytes = 0;
    loop {
        let len = socket.recv(&mut reply).expect("an answer");
        if reply[..4] == last.to_be_bytes() {
            return bytes;
        }
        assert_eq!(reply[..4], xid.to_be_bytes());
        bytes += len;
    }
}

#[test]
fn t20_another_host_gets_no_more_than_three_times_what_it_sends() {
    if !inside("t20_another_host_gets_no_more_than_three_times_what_it_sends", &["rpcbind"]) {
        return;
    }
    let set_up = Command::new("sh").args(["-c", SET_UP]).status();
    assert!(set_up.expect("sh runs").success());
    make_state_folder();
    let _portmapd = OnPort111::portmapd(&["--no-prune"]);
    fill();
    let socket = elsewhere();
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let arguments = [
        vec![],
        words(&[0x2000_0000, 1, 17, 0]),
        words(&[0x2000_0000, 1, 17, 0, 0]),
        rpcb(0x2000_0000, 1, "udp", ""),
        rpcb(PORTMAPPER, 4, "", "192.0.2.7.0.111"),
        string("192.0.2.7.0.111"),
        words(&[16, 16, 0, 0, 0, 0]),
    ];
    let (mut xid, mut heard) = (0, 0);
    for version in 0..=5 {
        for procedure in 0..=14 {
            for args in &arguments {
                xid += 1;
                let call = call_as(xid, version, procedure, args);
                let got = answered(&socket, xid, &call);
                assert!(got <= 3 * call.len(), "{version} {procedure} {args:?}: {got}");
                heard += usize::from(got > 0);
            }
        }
    }
    assert!(heard > 500, "{heard}");
}
