//! `farcall::bind` against portmappers that have only some versions, embedded in a server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use farcall::bind::{Portmapper, Registration, Uaddr};
use farcall::{Dispatch, Error, Netid, Program, Running, Server, Version};
use farcall_portmap::Portmap;
use farcall_portmap::access::Access;
use farcall_portmap::registry::Quotas;

const P: Program = Program(0x2000_0001);
const V: Version = Version(1);

/// A server of some versions, over UDP and TCP at one port.
/// One with which anybody on this host may register.
fn portmap() -> Portmap {
    let access = Access { loopback: true, any_registration: true, ..Access::default() };
    Portmap::new(access, Quotas::default())
}

fn serve(services: &[Arc<dyn Dispatch>]) -> (Running, SocketAddr) {
    for _ in 0..100 {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
        let addr = udp.local_addr().expect("bound");
        let Ok(tcp) = std::net::TcpListener::bind(addr) else { continue };
        let builder = Server::builder().udp_socket(udp).tcp_listener(tcp);
        let builder = services.iter().cloned().fold(builder, |b, s| b.shared_service(s));
        return (builder.start().expect("it serves"), addr);
    }
    panic!("no port is free for both UDP and TCP");
}

fn asking(addr: SocketAddr) -> Portmapper {
    Portmapper::at(addr).timeout(Duration::from_secs(20))
}

fn registration(netid: Netid, address: &str) -> Registration {
    let address: Uaddr = address.parse().expect("a universal address");
    Registration::new(P, V, netid, address)
}

fn round_trip(portmapper: &Portmapper) -> Vec<String> {
    portmapper.set(&registration(Netid::Udp, "0.0.0.0.8.1")).expect("accepted");
    portmapper.set(&registration(Netid::Tcp, "0.0.0.0.8.2")).expect("accepted");
    for (netid, port) in [(Netid::Udp, 2049), (Netid::Tcp, 2050)] {
        let address = portmapper.getaddr(P, V, netid).expect("an answer");
        assert_eq!(address, Some(Uaddr::Ip(SocketAddr::from(([127, 0, 0, 1], port)))));
        let none = portmapper.getaddr(Program(1), V, netid).expect("an answer");
        assert_eq!(none, None);
    }
    let entries = portmapper.dump().expect("a table");
    portmapper.unset(P, V, None).expect("accepted");
    assert_eq!(portmapper.getport(P, V, Netid::Udp).expect("an answer"), None);
    entries.iter().map(ToString::to_string).collect()
}

#[test]
fn a_portmapper_with_version_2_only_is_enough_for_ipv4() {
    let portmap = portmap();
    let (running, addr) = serve(&[portmap.v2()]);
    let portmapper = asking(addr);
    let rows = round_trip(&portmapper);
    // It does not say who.
    let expected = ["536870913 1 udp 0.0.0.0.8.1 unknown", "536870913 1 tcp 0.0.0.0.8.2 unknown"];
    assert_eq!(rows, expected);
    // Version 2 has no word for this, and the answer is the one of version 3.
    let error = portmapper.set(&registration(Netid::Tcp6, "::.8.1")).expect_err("not possible");
    assert_eq!(
        error.to_string(),
        "RPC: Program/version mismatch; low version = 2, high version = 2"
    );
    let [v2, v3, v4] = portmap.stats();
    assert_eq!((v2.set, v2.unset), (2, 1));
    assert_eq!((v3.procedures, v4.procedures), ([0; 13], [0; 13]));
    running.stop().expect("a clean end");
}

#[test]
fn the_highest_version_that_there_is_is_used() {
    for versions in 3..=4 {
        let portmap = portmap();
        let services = portmap.services();
        let (running, addr) = serve(&services[..versions - 1]);
        let rows = round_trip(&asking(addr));
        assert_eq!(rows.len(), 2);
        let sets = portmap.stats().map(|version| version.set);
        assert_eq!(sets, if versions == 3 { [0, 2, 0] } else { [0, 0, 2] });
        running.stop().expect("a clean end");
    }
}

#[test]
fn a_refusal_is_not_taken_for_a_missing_version() {
    let portmap = portmap();
    let (running, addr) = serve(&portmap.services());
    let portmapper = asking(addr);
    portmapper.set(&registration(Netid::Tcp, "0.0.0.0.8.1")).expect("accepted");
    let refused = portmapper.set(&registration(Netid::Tcp, "0.0.0.0.9.9")).expect_err("taken");
    assert!(matches!(refused, Error::NotAccepted { program: P, version: V }));
    let [v2, v3, v4] = portmap.stats();
    assert_eq!((v2.procedures[1], v3.procedures[1], v4.procedures[1]), (0, 0, 2));
    running.stop().expect("a clean end");
}

#[test]
fn nobody_there_is_an_error_of_its_own() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = free.local_addr().expect("bound");
    drop(free);
    let error = asking(addr).dump().expect_err("nobody listens");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    let portmapper = Portmapper::unix("/nonexistent/sock").timeout(Duration::from_secs(20));
    let error = portmapper.unset(P, V, None).expect_err("no such socket");
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn a_server_registers_and_unregisters() {
    let portmap = portmap();
    let (running, addr) = serve(&portmap.services());
    let registered = Server::builder()
        .udp("127.0.0.1:0")
        .tcp("127.0.0.1:0")
        .shared_service(portmap.v4())
        .register_with(asking(addr))
        .start()
        .expect("it serves");
    let netids = |portmap: &Portmap| -> Vec<_> {
        portmap.entries().into_iter().map(|entry| entry.netid).collect()
    };
    assert_eq!(netids(&portmap), ["udp", "tcp"]);
    registered.stop().expect("a clean end");
    assert_eq!(netids(&portmap), [""; 0]);
    running.stop().expect("a clean end");
}
