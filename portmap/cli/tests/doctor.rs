//! `rpcutil doctor`: each reason why a service is not reached, as it really is.

mod support;

use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread;

use farcall::proto::auth::Flavor;
use farcall::proto::message::AuthStatus;
use farcall::proto::server::flavor::{Admission, Authenticate, Claim};
use farcall::{Interface, Netid, Program, Server, Version};

use support::nothing::Nothing;
use support::port111::inside;
use support::tool::{Asked, run, uaddr};

/// A program without a name.
const P: u32 = 0x2000_0007;

/// Asks about a service of a host whose portmapper is at this port.
fn doctor(host: &str, service: &str, port: &str) -> (Option<i32>, String) {
    // As long as an answer may take on a machine that is busy.
    doctor_within("20", host, service, port)
}

fn doctor_within(secs: &str, host: &str, service: &str, port: &str) -> (Option<i32>, String) {
    let args = ["doctor", host, service, "--portmapper-port", port, "--timeout", secs];
    let (status, stdout, stderr) = run(&args);
    assert_eq!(stderr, "");
    (status, stdout)
}

/// That it says this in the end, with this help, and no other trouble.
fn assert_says(said: (Option<i32>, String), status: i32, trouble: &str, help: &str) {
    let (exit, text) = said;
    let end = format!("\n    help: {help}\n");
    let (found, last) = text.rsplit_once("no  ").unwrap_or(("", &text));
    assert!(last.starts_with(trouble) && last.ends_with(&end), "{text}");
    assert!(found.lines().all(|line| line.starts_with("ok  ")), "{text}");
    assert_eq!(exit, Some(status), "{text}");
}

fn at_dead_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("bound").port()
}

#[test]
fn all_is_well() {
    let asked = Asked::start();
    let (status, text) = doctor("127.0.0.1", "portmapper", &asked.port);
    assert_eq!(status, Some(0), "{text}");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "ok  127.0.0.1 is 127.0.0.1");
    let alive = format!("ok  portmapper v4 udp at udp://127.0.0.1:{} answers in ", asked.port);
    assert!(lines.iter().any(|line| line.starts_with(&alive)), "{text}");
    let local = format!("ok  portmapper v4 local at unix://{} answers in ", asked.socket);
    assert!(lines.iter().any(|line| line.starts_with(&local)), "{text}");
    assert!(lines.iter().all(|line| line.starts_with("ok  ")), "{text}");
}

#[test]
fn the_host_has_no_address() {
    let said = doctor("nosuch.invalid", "nfs", "111");
    let help = "is it spelled right? `getent hosts NAME` says what this host knows";
    assert_says(said, 3, "nosuch.invalid: RPC: Unknown host", help);
}

#[test]
fn there_is_no_route() {
    if !inside("there_is_no_route", &[]) {
        return;
    }
    let said = doctor("192.0.2.1", "nfs", "111");
    let help = "there is no route to the host: is it up, and is this the right network?";
    assert_says(said, 3, "no portmapper at 192.0.2.1:111: RPC: Remote system error; ", help);
}

#[test]
fn there_is_no_portmapper() {
    let said = doctor("127.0.0.1", "nfs", &at_dead_port().to_string());
    let help = "the host is there, but nobody listens: start rpcbind or portmapd on it, or, if the \
                service's port is known, use it: `rpcutil ping -p PORT`";
    assert_says(said, 3, "no portmapper at 127.0.0.1:", help);
}

#[test]
fn the_portmapper_is_silent() {
    // The system accepts for it.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port().to_string();
    let help =
        "something drops what is sent: is the host up, and does a firewall let port 111 pass?";
    let said = doctor_within("0.2", "127.0.0.1", "nfs", &port);
    assert_says(said, 3, "no portmapper at 127.0.0.1:", help);
}

/// Somebody who hangs up whatever he is asked. Returns his port.
fn hanging_up() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.expect("a connection").read(&mut [0; 64]);
        }
    });
    port
}

#[test]
fn somebody_else_has_the_portmappers_port() {
    let port = hanging_up().to_string();
    let said = doctor_within("3", "127.0.0.1", "nfs", &port);
    let help = "somebody is there that does not talk as a portmapper does: who has the port?";
    assert_says(said, 3, "no portmapper at 127.0.0.1:", help);
}

#[test]
fn the_service_is_not_registered() {
    let asked = Asked::start();
    let said = doctor("127.0.0.1", "nfs", &asked.port);
    let help = "is the server running? Services must be started after the portmapper, and again \
                after it was restarted, unless it is portmapd";
    assert_says(said, 1, "nfs is not registered at 127.0.0.1\n", help);
}

#[test]
fn another_version_is_registered() {
    let asked = Asked::start();
    asked.register(100_003, 3, Netid::Tcp, &uaddr(2049));
    asked.register(100_003, 4, Netid::Tcp, &uaddr(2049));
    let said = doctor("127.0.0.1", "nfs/2", &asked.port);
    let trouble = "nfs v2 is not registered at 127.0.0.1: only v3 tcp, v4 tcp\n";
    assert_says(said, 1, trouble, "use a version that there is, or update the server");
}

#[test]
fn the_server_has_other_versions_than_it_registered() {
    let asked = Asked::start();
    asked.register(100_000, 9, Netid::Udp, &uaddr(asked.daemon.port));
    let said = doctor("127.0.0.1", "portmapper/9", &asked.port);
    let trouble = format!(
        "portmapper v9 udp at udp://127.0.0.1:{}: RPC: Program/version mismatch; \
         low version = 2, high version = 4\n",
        asked.port
    );
    let help =
        "the server has only the versions that it names: use one of them, and register those";
    assert_says(said, 1, &trouble, help);
}

static INTERFACE: Interface = Interface {
    program: Program(P),
    program_name: "NOTHING_PROG",
    version: Version(1),
    version_name: "NOTHING_V1",
    procedures: &[],
};

/// Lets nobody in who does not say who he is.
struct Strict(AuthStatus);

impl Authenticate for Strict {
    fn flavor(&self) -> Flavor {
        Flavor::NONE
    }

    fn authenticate(&self, _: &Claim<'_>) -> Result<Admission, AuthStatus> {
        Err(self.0)
    }
}

#[test]
fn the_server_does_not_let_the_caller_in() {
    let asked = Asked::start();
    for (status, text, help) in [
        (
            AuthStatus::TooWeak,
            "Client credential too weak",
            "the server wants to know who calls: AUTH_SYS, a reserved port, or RPCSEC_GSS",
        ),
        (
            AuthStatus::BadCred,
            "Invalid client credential",
            "the server does not let this caller in: look at its access rules",
        ),
    ] {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = tcp.local_addr().expect("bound").port();
        let builder = Server::builder().tcp_listener(tcp).service(Nothing(&INTERFACE));
        let _server = builder.flavor(Arc::new(Strict(status))).start().expect("it serves");
        run(&["unset", &P.to_string(), "1", "--socket", &asked.socket]);
        asked.register(P, 1, Netid::Tcp, &uaddr(port));
        let said = doctor("127.0.0.1", &P.to_string(), &asked.port);
        let trouble = format!(
            "{P} v1 tcp at tcp://127.0.0.1:{port}: RPC: Authentication error; why = {text}"
        );
        assert_says(said, 1, &trouble, help);
    }
}

#[test]
fn the_service_is_registered_but_silent() {
    let asked = Asked::start();
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    asked.register(P, 1, Netid::Udp, &uaddr(port));
    // The portmapper has as long to answer.
    let said = doctor_within("3", "127.0.0.1", &P.to_string(), &asked.port);
    let trouble = format!("{P} v1 udp at udp://127.0.0.1:{port}: RPC: Timed out; ");
    let help =
        "registered but silent: the server hangs or is overloaded, or a firewall drops its port";
    assert_says(said, 3, &trouble, help);
}

#[test]
fn the_service_hangs_up() {
    let asked = Asked::start();
    let port = hanging_up();
    asked.register(P, 1, Netid::Tcp, &uaddr(port));
    let said = doctor_within("3", "127.0.0.1", &P.to_string(), &asked.port);
    let trouble = format!("{P} v1 tcp at tcp://127.0.0.1:{port}: RPC: Timed out; ");
    let help = "the server closes the connection: look into its log, and at its access rules";
    assert_says(said, 3, &trouble, help);
}

#[test]
fn the_service_is_registered_but_gone() {
    let asked = Asked::start();
    let port = at_dead_port();
    asked.register(P, 2, Netid::Tcp, &uaddr(port));
    let said = doctor("127.0.0.1", &P.to_string(), &asked.port);
    let trouble = format!("{P} v2 tcp at tcp://127.0.0.1:{port}: RPC: Remote system error; ");
    let help = "registered, but nobody listens there: the server has died or moved; start it again";
    assert_says(said, 3, &trouble, help);
}

#[test]
fn another_program_has_the_services_port() {
    let asked = Asked::start();
    asked.register(P, 1, Netid::Tcp, &uaddr(asked.daemon.port));
    let said = doctor("127.0.0.1", &P.to_string(), &asked.port);
    let trouble =
        format!("{P} v1 tcp at tcp://127.0.0.1:{}: RPC: Program unavailable\n", asked.port);
    let help = "another program is at that port now: the registration is stale; remove it";
    assert_says(said, 1, &trouble, help);
}

#[test]
fn the_service_is_of_another_family() {
    let asked = Asked::start();
    asked.register(P, 1, Netid::Tcp6, "::.8.1");
    let said = doctor("127.0.0.1", &P.to_string(), &asked.port);
    let trouble = format!("{P}: it has only tcp6, which cannot be called at 127.0.0.1\n");
    let help = "name the host by an address of that family, or call it there";
    assert_says(said, 1, &trouble, help);
}
