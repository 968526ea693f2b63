//! A server and its datagrams, through real sockets.

mod server_peer;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use farcall::xdr::Bytes;
use farcall::{Dispatch, Limits, Running, Server};
use server_peer::{
    ECHO, Echo, LATER, LONG, TWICE, call, datagrams_to, receive, reply, serve, udp_addr,
};

fn socket_to(server: &Running) -> UdpSocket {
    datagrams_to(([127, 0, 0, 1], udp_addr(server).port()).into())
}

#[test]
fn t13_runts_are_not_answered_and_do_no_harm() {
    let (echo, _) = Echo::new();
    let server = serve(&echo);
    let socket = socket_to(&server);
    let whole = call(1, ECHO, b"abcd");
    for len in 0..whole.len() {
        // What is long enough for a header is a call, and is answered; those are left out.
        if len < 40 {
            socket.send(&whole[..len]).expect("loopback");
        }
    }
    socket.send(&whole).expect("loopback");
    assert_eq!(receive(&socket), reply(1, b"abcd"));
}

#[test]
fn a_short_datagram_is_not_read_on_into_the_one_before() {
    let (echo, _) = Echo::new();
    let server = serve(&echo);
    let socket = socket_to(&server);
    socket.send(&call(1, ECHO, b"secret")).expect("loopback");
    assert_eq!(receive(&socket), reply(1, b"secret"));
    // A header without arguments: GARBAGE_ARGS, not the last caller's arguments.
    socket.send(&call(2, ECHO, b"")[..40]).expect("loopback");
    let words: Vec<u8> = [2u32, 1, 0, 0, 0, 4].iter().flat_map(|word| word.to_be_bytes()).collect();
    assert_eq!(receive(&socket), words);
}

#[test]
fn an_answer_may_come_later() {
    let (echo, replies) = Echo::new();
    let server = serve(&echo);
    let socket = socket_to(&server);
    socket.send(&call(1, LATER, b"")).expect("loopback");
    let later = replies.recv_timeout(LONG).expect("called");
    socket.send(&call(2, ECHO, b"meanwhile")).expect("loopback");
    assert_eq!(receive(&socket), reply(2, b"meanwhile"));
    later.send(Ok(Bytes::from_static(b"here it is")));
    assert_eq!(receive(&socket), reply(1, b"here it is"));
    // The repeat is answered without another execution.
    socket.send(&call(1, LATER, b"")).expect("loopback");
    assert_eq!(receive(&socket), reply(1, b"here it is"));
    assert!(replies.try_recv().is_err());
}

#[test]
fn an_answer_too_long_for_a_datagram_is_a_system_error() {
    for (datagram, longest) in [(None, 8800), (Some(65_507), 65_504)] {
        let (echo, _) = Echo::new();
        let mut limits = Limits::default();
        limits.datagram = datagram.unwrap_or(limits.datagram);
        let server = Server::builder().udp("127.0.0.1:0").limits(limits);
        let server = server.shared_service(echo as Arc<dyn Dispatch>);
        let server = server.start().expect("port 0 is free");
        let socket = socket_to(&server);
        // After the header of 24 bytes it comes twice, with its length.
        let half = vec![7; (longest - 24) / 2 - 4];
        socket.send(&call(1, TWICE, &half)).expect("fits");
        assert_eq!(receive(&socket).len(), longest);
        socket.send(&call(2, TWICE, &[&half[..], &[7; 4]].concat())).expect("fits");
        let words = [2u32, 1, 0, 0, 0, 5].iter().flat_map(|word| word.to_be_bytes());
        assert_eq!(receive(&socket), words.collect::<Vec<u8>>());
    }
}

#[test]
fn one_socket_serves_both_families() {
    let (echo, _) = Echo::new();
    let server = Server::builder()
        .udp("[::]:0")
        .shared_service(Arc::clone(&echo) as Arc<dyn Dispatch>)
        .start();
    let Ok(server) = server else {
        eprintln!("skipped: no IPv6 here");
        return;
    };
    let socket = socket_to(&server);
    socket.send(&call(1, ECHO, b"over IPv4")).expect("loopback");
    assert_eq!(receive(&socket), reply(1, b"over IPv4"));
    let peers = echo.peers.lock().expect("not poisoned").clone();
    assert_eq!(peers[0].ip(), socket.local_addr().ok(), "as IPv4");
}

/// A server on all addresses of a host is asked at one of them, not at the one that its route to the
/// caller would have as the source.
#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    for on in ["0.0.0.0:0", "[::]:0"] {
        let (echo, replies) = Echo::new();
        let server = Server::builder()
            .udp(on)
            .shared_service(Arc::clone(&echo) as Arc<dyn Dispatch>)
            .start();
        let Ok(server) = server else {
            eprintln!("skipped: no {on} here");
            continue;
        };
        let port = server.udp_addrs().next().expect("asked for").port();
        let socket = UdpSocket::bind("127.0.0.1:0").expect("port 0 is free");
        // What comes from elsewhere is not received then.
        socket.connect(SocketAddr::from(([127, 0, 0, 2], port))).expect("loopback");
        socket.set_read_timeout(Some(LONG)).expect("not zero");
        socket.send(&call(1, ECHO, b"at once")).expect("loopback");
        assert_eq!(receive(&socket), reply(1, b"at once"), "{on}");
        socket.send(&call(2, LATER, b"")).expect("loopback");
        let later = replies.recv_timeout(LONG).expect("called");
        later.send(Ok(Bytes::from_static(b"later")));
        assert_eq!(receive(&socket), reply(2, b"later"), "{on}");
        assert_eq!(server.stats().unsent, 0);
    }
}

#[test]
fn many_datagrams_at_once_are_answered_each() {
    for on in ["127.0.0.1:0", "0.0.0.0:0"] {
        let (echo, _) = Echo::new();
        let mut server = Server::builder()
            .udp(on)
            .shared_service(Arc::clone(&echo) as Arc<dyn Dispatch>)
            .bind()
            .expect("port 0 is free");
        let port = server.udp_addrs().next().expect("asked for").port();
        let hosts = if on.starts_with('0') { [1, 2] } else { [1, 1] };
        let sockets: Vec<_> =
            (0..10).map(|i| datagrams_to(([127, 0, 0, hosts[i % 2]], port).into())).collect();
        // Short and long ones: the answers to the latter are in several pieces.
        let data = |xid: u32| vec![7; if xid.is_multiple_of(5) { 3000 } else { 30 }];
        for xid in 0..10 {
            for socket in &sockets {
                socket.send(&call(xid, ECHO, &data(xid))).expect("loopback");
            }
        }
        for _ in 0..10 {
            assert!(server.poll_once(Some(Duration::ZERO)).expect("serves"));
        }
        for socket in &sockets {
            for xid in 0..10 {
                assert!(receive(socket) == reply(xid, &data(xid)), "{on}: call {xid}");
            }
        }
        let stats = server.stats();
        assert_eq!((stats.executed, stats.unsent), (100, 0), "{on}");
    }
}

/// In a network namespace of its own, because a loopback interface has only one IPv6 address.
#[test]
fn an_answer_leaves_from_the_ipv6_address_that_was_asked() {
    const INSIDE: &str = "FARCALL_TEST_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return ask_at_each_ipv6_address();
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root makes network namespaces");
        return;
    }
    let script = "ip link set lo up && ip addr add fd00::1/128 dev lo nodad \
        && ip addr add fd00::2/128 dev lo nodad && exec \"$0\" --exact --nocapture \
        an_answer_leaves_from_the_ipv6_address_that_was_asked";
    let this = std::env::current_exe().expect("a path");
    let status = std::process::Command::new("unshare")
        .args(["--net", "sh", "-c", script])
        .arg(this)
        .env(INSIDE, "1")
        .status();
    match status {
        Ok(status) => assert!(status.success(), "in the namespace: {status}"),
        Err(error) => eprintln!("skipped: no unshare(1): {error}"),
    }
}

/// Waits for the kernel to reach an address that was just added: a socket that was connected before
/// keeps that it did not.
fn await_route(to: &str) {
    let until = Instant::now() + LONG;
    let reaches = || {
        let server = UdpSocket::bind((to, 0)).ok()?;
        let socket = UdpSocket::bind("[fd00::1]:0").ok()?;
        socket.connect(server.local_addr().ok()?).ok()?;
        server.set_read_timeout(Some(Duration::from_millis(50))).ok()?;
        socket.send(&[0]).ok()?;
        server.recv(&mut [0]).ok()
    };
    while reaches().is_none() {
        assert!(Instant::now() < until, "no route to {to}");
    }
}

fn ask_at_each_ipv6_address() {
    let (echo, _) = Echo::new();
    let server = Server::builder()
        .udp("[::]:0")
        .shared_service(Arc::clone(&echo) as Arc<dyn Dispatch>)
        .start()
        .expect("IPv6");
    let port = server.udp_addrs().next().expect("asked for").port();
    for (xid, asked) in (0..).zip(["fd00::1", "fd00::2", "::1", "fd00::2"]) {
        await_route(asked);
        let socket = UdpSocket::bind("[fd00::1]:0").expect("port 0 is free");
        socket.connect((asked, port)).expect("loopback");
        socket.set_read_timeout(Some(LONG)).expect("not zero");
        socket.send(&call(xid, ECHO, b"over IPv6")).expect("loopback");
        assert_eq!(receive(&socket), reply(xid, b"over IPv6"), "{asked}");
    }
    assert_eq!(server.stats().unsent, 0);
}
