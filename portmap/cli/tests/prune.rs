//! What nobody serves any more is not advertised (T26).

mod support;

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use farcall::bind::{Portmapper, Registration, Uaddr};
use farcall::{Netid, PeerAddr, Program, Version};
use farcall_portmap::access::Access;
use farcall_portmap::registry::Quotas;
use farcall_portmap::stats::Protocol;
use farcall_portmap::{Portmap, Service};

use support::Daemon;
use support::port111::{OnPort111, inside, make_state_folder};

const P: Program = Program(0x2000_0001);
const PATIENCE: Duration = Duration::from_secs(20);

/// By the Unix socket, as root.
const ROOT: PeerAddr = PeerAddr::Unix { uid: 0, gid: 0, pid: 0, connection: 1 };

fn pruning() -> Portmap {
    let portmap = Portmap::new(Access::default(), Quotas::default());
    portmap.prune();
    portmap
}

fn set(portmap: &Portmap, version: u32, netid: &str, address: &str) {
    let service = Service { program: P, version: Version(version), netid, address };
    assert_eq!(portmap.set(Protocol::V3, &ROOT, service), Ok(true));
}

fn by_udp() -> PeerAddr {
    PeerAddr::Udp(SocketAddr::from(([127, 0, 0, 1], 700)))
}

fn getaddr(portmap: &Portmap, version: u32, exact: bool) -> String {
    let service = Service { program: P, version: Version(version), netid: "", address: "" };
    portmap.getaddr(Protocol::V4, &by_udp(), service, exact)
}

fn universal(addr: SocketAddr) -> String {
    Uaddr::Ip(addr).to_string()
}

fn udp() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = universal(socket.local_addr().expect("bound"));
    (socket, address)
}

#[test]
fn t26_a_lookup_removes_what_nobody_has() {
    let portmap = pruning();
    let ((dead, dead_address), (alive, address)) = (udp(), udp());
    set(&portmap, 1, "udp", &address);
    set(&portmap, 2, "udp", &dead_address);
    drop(dead);
    assert_eq!(portmap.entries().len(), 2, "nobody has asked");
    assert_eq!(getaddr(&portmap, 1, true), address);
    assert_eq!(getaddr(&portmap, 2, true), "");
    assert_eq!(portmap.entries().len(), 1);
    // As if it had never been there: the version that there is.
    assert_eq!(getaddr(&portmap, 2, false), address);
    drop(alive);
}

#[test]
fn t26_every_kind_of_lookup_does() {
    for kind in 0..3 {
        let portmap = pruning();
        let ((alive, address), (dead, dead_address)) = (udp(), udp());
        set(&portmap, 1, "udp", &address);
        set(&portmap, 2, "udp", &dead_address);
        drop(dead);
        match kind {
            // The last version in the table is the dead one.
            0 => assert_eq!(getaddr(&portmap, 9, false), address),
            1 => {
                let port = alive.local_addr().expect("bound").port();
                assert_eq!(portmap.getport(P, Version(9), 17), port);
            }
            _ => {
                let service = Service { program: P, version: Version(2), netid: "", address: "" };
                assert_eq!(portmap.getaddrlist(&by_udp(), service), []);
            }
        }
        assert_eq!(portmap.entries().len(), 1, "{kind}");
    }
}

#[test]
fn t26_a_dead_one_is_in_nobodys_way() {
    let portmap = pruning();
    let ((service, address), (_other, other_address)) = (udp(), udp());
    let set = |peer: &PeerAddr, address: &str| {
        let service = Service { program: P, version: Version(1), netid: "udp", address };
        portmap.set(Protocol::V3, peer, service)
    };
    let user = PeerAddr::Unix { uid: 1234, gid: 0, pid: 0, connection: 2 };
    assert_eq!(set(&ROOT, &address), Ok(true));
    assert_eq!(set(&user, &other_address), Ok(false), "it is alive");
    // As a lookup has just seen, too.
    assert_eq!(getaddr(&portmap, 1, true), address);
    drop(service);
    assert_eq!(set(&user, &other_address), Ok(true));
    assert_eq!(getaddr(&portmap, 1, true), other_address);
    assert_eq!(portmap.snapshot().activity.ended_count(), 1);
}

#[test]
fn what_is_not_certain_stays() {
    let portmap = pruning();
    let addresses = [
        ("udp", "192.0.2.1.8.1"),
        ("udp", "0.0.0.0.0.0"),
        ("udp", "garbage"),
        ("udp", "/tmp/no/such/socket"),
        ("local", "/tmp/no/such/socket"),
        ("weird", "127.0.0.1.8.1"),
    ];
    for (version, (netid, address)) in (1..).zip(addresses) {
        set(&portmap, version, netid, address);
        let _ = getaddr(&portmap, version, true);
        let _ = portmap.getport(P, Version(version), 17);
    }
    assert_eq!(portmap.entries().len(), addresses.len());
}

#[test]
fn connections_that_a_dead_server_has_left_do_not_keep_it() {
    let portmap = pruning();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("bound");
    set(&portmap, 1, "tcp", &universal(addr));
    let client = TcpStream::connect(addr).expect("it listens");
    let (accepted, _) = listener.accept().expect("a connection");
    assert_eq!(portmap.getport(P, Version(1), 6), addr.port());
    // Who closes first waits for a minute.
    drop((accepted, client, listener));
    let until = Instant::now() + PATIENCE;
    while portmap.getport(P, Version(1), 6) != 0 {
        assert!(Instant::now() < until, "a dead service is still advertised");
        std::thread::yield_now();
    }
}

#[test]
fn t26_the_daemon_does_so_unless_it_is_told_not_to() {
    for (options, left) in [(&["-L"][..], None), (&["-L", "--no-prune"], Some(()))] {
        let daemon = Daemon::start_safe(options);
        let portmapper = Portmapper::at(daemon.v4()).timeout(PATIENCE);
        let (socket, address) = udp();
        let address: Uaddr = address.parse().expect("a universal address");
        let registration = Registration::new(P, Version(1), Netid::Udp, address);
        portmapper.set(&registration).expect("accepted");
        drop(socket);
        let port = portmapper.getport(P, Version(1), Netid::Udp).expect("an answer");
        assert_eq!(port.map(drop), left, "{options:?}");
        let entries = portmapper.dump().expect("a table");
        assert_eq!(entries.iter().any(|entry| entry.program == P), left.is_some());
    }
}

/// The daemon is no longer root when it is asked.
#[test]
fn t26_root_s_ports_are_looked_up_in_the_list_of_sockets() {
    if !inside("t26_root_s_ports_are_looked_up_in_the_list_of_sockets", &[]) {
        return;
    }
    make_state_folder();
    let _portmapd = OnPort111::portmapd(&[]);
    let portmapper = Portmapper::local().timeout(PATIENCE);
    let socket = UdpSocket::bind("127.0.0.1:700").expect("root may");
    let address = Uaddr::Ip(socket.local_addr().expect("bound"));
    let registration = Registration::new(P, Version(1), Netid::Udp, address);
    portmapper.set(&registration).expect("accepted");
    let by_udp = Portmapper::at(([127, 0, 0, 1], 111).into()).timeout(PATIENCE);
    let found = || by_udp.getport(P, Version(1), Netid::Udp).expect("an answer");
    assert_eq!(found(), Some(700));
    drop(socket);
    let until = Instant::now() + PATIENCE;
    while found().is_some() {
        assert!(Instant::now() < until, "a dead service is still advertised");
        std::thread::yield_now();
    }
}

/// A process that is there until its input ends.
struct Process(Child);

impl Process {
    fn start() -> Self {
        Self(Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat"))
    }

    fn caller(&self, uid: u32) -> PeerAddr {
        let pid = self.0.id().try_into().expect("a number of a process");
        PeerAddr::Unix { uid, gid: 0, pid, connection: 1 }
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("a child").success());
    }
}

#[test]
fn t26_what_is_bound_to_a_process_ends_with_it_and_nothing_else_does() {
    let portmap = Portmap::new(Access::default(), Quotas::default());
    portmap.bind_to_peers().expect("a thread");
    let set = |peer: PeerAddr, version| {
        let (version, netid, address) = (Version(version), "udp", "0.0.0.0.8.1");
        let service = Service { program: P, version, netid, address };
        assert_eq!(portmap.set(Protocol::V3, &peer, service), Ok(true));
    };
    let left = || -> Vec<_> { portmap.entries().iter().map(|entry| entry.version.0).collect() };
    let (service, other, last) = (Process::start(), Process::start(), Process::start());
    set(service.caller(1234), 1);
    // The same again, by one whose it is not.
    set(other.caller(5678), 1);
    // By loopback, nobody knows which process it is.
    set(PeerAddr::Tcp(SocketAddr::from(([127, 0, 0, 1], 700))), 2);
    set(last.caller(1234), 3);
    other.end();
    last.end();
    let until = Instant::now() + PATIENCE;
    while left() != [1, 2] {
        assert!(Instant::now() < until, "{:?}", left());
        std::thread::yield_now();
    }
    service.end();
    while left() != [2] {
        assert!(Instant::now() < until, "{:?}", left());
        std::thread::yield_now();
    }
    assert_eq!(portmap.snapshot().activity.ended_count(), 2);
}

#[test]
fn t26_the_daemon_binds_to_processes_if_it_is_told_to() {
    let daemon = Daemon::start(&["--bind-to-peer", "--no-prune"]);
    let portmapper = Portmapper::unix(daemon.socket()).timeout(PATIENCE);
    let set = Command::new(env!("CARGO_BIN_EXE_rpcutil"))
        .args(["set", "536870913", "2", "udp", "127.0.0.1.8.1", "--socket"])
        .arg(daemon.socket())
        .status();
    assert!(set.expect("rpcutil runs").success());
    let address = "127.0.0.1.8.2".parse().expect("a universal address");
    portmapper.set(&Registration::new(P, Version(3), Netid::Udp, address)).expect("accepted");
    let until = Instant::now() + PATIENCE;
    loop {
        let entries = portmapper.dump().expect("a table");
        let versions = entries.iter().filter(|entry| entry.program == P);
        let versions: Vec<_> = versions.map(|entry| entry.version.0).collect();
        if versions == [3] {
            return;
        }
        assert!(Instant::now() < until, "{versions:?}");
        std::thread::yield_now();
    }
}

#[test]
fn t26_what_is_pruned_is_bound_to_no_process_any_more() {
    let portmap = pruning();
    portmap.bind_to_peers().expect("a thread");
    let service = Process::start();
    let ((dead, address), caller) = (udp(), service.caller(1234));
    let set = |peer: &PeerAddr| {
        let (version, netid, address) = (Version(1), "udp", address.as_str());
        portmap.set(Protocol::V3, peer, Service { program: P, version, netid, address })
    };
    assert_eq!(set(&caller), Ok(true));
    drop(dead);
    assert_eq!(getaddr(&portmap, 1, true), "");
    // Another service has the address now, and registers by loopback.
    let _alive = UdpSocket::bind(address.parse::<Uaddr>().expect("it is one").ip().expect("IP"));
    assert_eq!(set(&by_udp()), Ok(true));
    // Whoever is told of later ends is told of this one before.
    let last = Process::start();
    let other = Service { program: P, version: Version(2), netid: "udp", address: "0.0.0.0.8.1" };
    assert_eq!(portmap.set(Protocol::V3, &last.caller(1234), other), Ok(true));
    service.end();
    last.end();
    let until = Instant::now() + PATIENCE;
    while portmap.entries().len() > 1 {
        assert!(Instant::now() < until, "{:?}", portmap.entries());
        std::thread::yield_now();
    }
    assert_eq!(portmap.entries()[0].version, Version(1));
}
