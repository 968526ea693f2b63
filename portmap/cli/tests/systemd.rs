//! `portmapd` as systemd starts it: with sockets that are open, and with questions on whether it
//! lives.

mod support;

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use farcall::bind::Portmapper;
use socket2::{Domain, SockRef, Socket, Type};
use support::{Scratch, terminate};

/// As long as an answer may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where systemd would listen.
struct Manager {
    scratch: Scratch,
    notify: UnixDatagram,
    /// As the environment has it.
    address: String,
}

impl Manager {
    fn new() -> Self {
        let scratch = Scratch::new();
        let address = scratch.path().join("notify").display().to_string();
        let notify = UnixDatagram::bind(&address).expect("a free path");
        notify.set_read_timeout(Some(PATIENCE)).expect("not zero");
        Self { scratch, notify, address }
    }

    /// With a socket that has no path.
    fn without_path() -> Self {
        let name = format!("farcall-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a short name");
        let notify = UnixDatagram::bind_addr(&address).expect("a free name");
        notify.set_read_timeout(Some(PATIENCE)).expect("not zero");
        Self { scratch: Scratch::new(), notify, address: format!("@{name}") }
    }

    /// The next thing that it is told.
    fn told(&self) -> String {
        let mut buffer = [0; 100];
        let n = self.notify.recv(&mut buffer).expect("a message");
        String::from_utf8(buffer[..n].to_vec()).expect("text")
    }
}

/// A `portmapd` that these sockets are passed to, as number 3 and on.
fn start(manager: &Manager, sockets: &[&dyn AsFd], environment: &[(&str, &str)]) -> Child {
    let mut script = String::new();
    for (at, socket) in sockets.iter().enumerate() {
        SockRef::from(&socket.as_fd()).set_cloexec(false).expect("open");
        // First out of the way: its number may be one of those that are to be.
        script += &format!("exec {{s{at}}}<&{}; ", socket.as_fd().as_raw_fd());
    }
    for at in 0..sockets.len() {
        script += &format!("exec {}<&$s{at}; ", at + 3);
    }
    script += "LISTEN_PID=$$ exec \"$0\" -f --port 0 --listen 127.0.0.1";
    Command::new("bash")
        .args(["-c", &script, env!("CARGO_BIN_EXE_portmapd")])
        .env("LISTEN_FDS", sockets.len().to_string())
        .env("NOTIFY_SOCKET", &manager.address)
        .envs(environment.iter().copied())
        .env("RUST_LOG", "off")
        .stdout(Stdio::null())
        .spawn()
        .expect("bash")
}

fn stop(mut child: Child, manager: &Manager) {
    terminate(&child);
    loop {
        match manager.told().as_str() {
            "STOPPING=1\n" => break,
            other => assert_eq!(other, "WATCHDOG=1\n"),
        }
    }
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

fn v6_only(ty: Type) -> Option<Socket> {
    let socket = Socket::new(Domain::IPV6, ty, None).ok()?;
    socket.set_only_v6(true).expect("a fresh socket");
    let any = (Ipv6Addr::UNSPECIFIED, 0);
    socket.bind(&std::net::SocketAddr::from(any).into()).ok()?;
    if ty == Type::STREAM {
        socket.listen(128).expect("bound");
    }
    Some(socket)
}

/// In the order of Debian's rpcbind.socket.
#[test]
fn the_five_sockets_of_rpcbind_are_served_and_registered() {
    let manager = Manager::new();
    let (Some(tcp6), Some(udp6)) = (v6_only(Type::STREAM), v6_only(Type::DGRAM)) else {
        println!("skipped: this host has no IPv6");
        return;
    };
    let path = manager.scratch.path().join("rpcbind.sock");
    let unix = UnixListener::bind(&path).expect("a free path");
    let tcp = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("port 0 is free");
    let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("port 0 is free");
    let ports = [
        tcp.local_addr().expect("bound").port(),
        udp.local_addr().expect("bound").port(),
        tcp6.local_addr().expect("bound").as_socket().expect("IPv6").port(),
        udp6.local_addr().expect("bound").as_socket().expect("IPv6").port(),
    ];
    let child = start(&manager, &[&unix, &tcp, &udp, &tcp6, &udp6], &[]);
    // From now on the child is the only one that may answer.
    drop((unix, tcp, udp, tcp6, udp6));
    assert_eq!(manager.told(), "READY=1\n");

    let uaddr = |any: &str, port: u16| {
        let [high, low] = port.to_be_bytes();
        format!("{any}.{high}.{low}")
    };
    let [tcp, udp, tcp6, udp6] = ports;
    let mut expected = Vec::new();
    for (netid, address, lowest) in [
        ("tcp6", uaddr("::", tcp6), 3),
        ("udp6", uaddr("::", udp6), 3),
        ("tcp", uaddr("0.0.0.0", tcp), 2),
        ("udp", uaddr("0.0.0.0", udp), 2),
        ("local", path.display().to_string(), 3),
    ] {
        for version in (lowest..=4).rev() {
            expected.push(format!("100000 {version} {netid} {address} superuser"));
        }
    }
    for portmapper in [
        Portmapper::unix(&path),
        Portmapper::at((Ipv4Addr::LOCALHOST, tcp).into()),
        Portmapper::at((Ipv6Addr::LOCALHOST, tcp6).into()),
    ] {
        let table = portmapper.timeout(PATIENCE).dump().expect("a table");
        let table: Vec<_> = table.iter().map(ToString::to_string).collect();
        assert_eq!(table, expected);
    }
    stop(child, &manager);
    assert!(path.exists(), "it is systemd's");
}

#[test]
fn the_watchdog_is_told_that_the_loop_turns() {
    let manager = Manager::new();
    let child = start(&manager, &[], &[("WATCHDOG_USEC", "20000")]);
    assert_eq!(manager.told(), "READY=1\n");
    for _ in 0..5 {
        assert_eq!(manager.told(), "WATCHDOG=1\n");
    }
    stop(child, &manager);
}

#[test]
fn a_manager_without_a_path_is_told_too() {
    let manager = Manager::without_path();
    let child = start(&manager, &[], &[]);
    assert_eq!(manager.told(), "READY=1\n");
    stop(child, &manager);
}

#[test]
fn without_a_watchdog_there_is_nothing_to_tell() {
    let manager = Manager::new();
    // That of another process.
    let watchdog = [("WATCHDOG_USEC", "20000"), ("WATCHDOG_PID", "1")];
    let mut child = start(&manager, &[], &watchdog);
    assert_eq!(manager.told(), "READY=1\n");
    terminate(&child);
    assert_eq!(manager.told(), "STOPPING=1\n");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
