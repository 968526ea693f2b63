//! A server that registers: with itself, and with a portmapper that forgets.

mod support;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use farcall::bind::Portmapper;
use farcall::{Doing, Error, Interface, Netid, Program, Running, Server, ServerBuilder, Version};
use farcall_portmap::Portmap;
use farcall_portmap::access::Access;
use farcall_portmap::registry::Quotas;
use support::nothing::Nothing;

/// One with which anybody on this host may register.
fn portmap() -> Portmap {
    let access = Access { loopback: true, any_registration: true, ..Access::default() };
    Portmap::new(access, Quotas::default())
}

/// As long as things may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

static INTERFACE: Interface = Interface {
    program: Program(0x2000_0004),
    program_name: "NOTHING_PROG",
    version: Version(3),
    version_name: "NOTHING_V3",
    procedures: &[],
};

/// UDP and TCP at one port that is free.
fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("bound")) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

fn with_portmapper(builder: ServerBuilder, portmap: &Portmap) -> ServerBuilder {
    portmap.services().into_iter().fold(builder, ServerBuilder::shared_service)
}

/// What the portmapper has of the service.
fn registered(at: SocketAddr) -> Vec<(Option<Netid>, String)> {
    let entries = Portmapper::at(at).timeout(PATIENCE).dump().expect("a table");
    let mine = entries.into_iter().filter(|entry| entry.program == INTERFACE.program);
    mine.map(|entry| (entry.netid(), entry.address)).collect()
}

fn portmapper(udp: &UdpSocket, tcp: &TcpListener) -> Running {
    let builder = Server::builder()
        .udp_socket(udp.try_clone().expect("a descriptor"))
        .tcp_listener(tcp.try_clone().expect("a descriptor"));
    with_portmapper(builder, &portmap()).start().expect("it serves")
}

#[test]
fn a_server_may_register_with_the_portmapper_that_it_serves() {
    for loops in [1, 3] {
        let (udp, tcp) = sockets();
        let at = tcp.local_addr().expect("bound");
        let portmap = portmap();
        let builder = Server::builder().udp_socket(udp).tcp_listener(tcp).loops(loops);
        let start = Instant::now();
        let server = with_portmapper(builder, &portmap)
            .service(Nothing(&INTERFACE))
            .register_with(Portmapper::at(at))
            .start()
            .expect("registered");
        let address = format!("127.0.0.1.{}.{}", at.port() >> 8, at.port() & 0xff);
        let expected = [(Some(Netid::Udp), address.clone()), (Some(Netid::Tcp), address)];
        assert_eq!(registered(at), expected, "{loops} loops");
        server.stop().expect("ends");
        // Waiting for itself would have taken a portmapper's timeout each time.
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    }
}

#[test]
fn what_a_restarted_portmapper_has_forgotten_is_registered_again() {
    let (udp, tcp) = sockets();
    let at = tcp.local_addr().expect("bound");
    let first = portmapper(&udp, &tcp);
    let server = Server::builder()
        .tcp("127.0.0.1:0")
        .service(Nothing(&INTERFACE))
        .register_with(Portmapper::at(at))
        .watch_registration(Duration::from_millis(20))
        .start()
        .expect("registered");
    let before = registered(at);
    assert_eq!(before.len(), 1);
    first.stop().expect("ends");
    let second = portmapper(&udp, &tcp);
    let until = Instant::now() + PATIENCE;
    while registered(at) != before {
        assert!(Instant::now() < until, "not registered again: {:?}", registered(at));
    }
    server.stop().expect("ends");
    assert_eq!(registered(at), [], "unregistered");
    second.stop().expect("ends");
}

#[test]
fn a_server_that_cannot_register_does_not_start() {
    let (_, tcp) = sockets();
    let nobody = tcp.local_addr().expect("bound");
    drop(tcp);
    let error = Server::builder()
        .tcp("127.0.0.1:0")
        .service(Nothing(&INTERFACE))
        .register_with(Portmapper::at(nobody))
        .bind()
        .expect_err("nobody listens there");
    assert!(matches!(error, Error::Io { doing: Doing::Connect, .. }), "{error}");
}
