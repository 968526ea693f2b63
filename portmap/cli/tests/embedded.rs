//! `system_or_embedded` on hosts that have a portmapper, that have none, and that have one that
//! hangs.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use farcall::bind::Portmapper;
use farcall::{Error, Interface, Netid, Program, Running, Server, Version};
use farcall_portmap::embedded::{HostPortmapper, NoPortmapper};
use farcall_portmap::{ListenError, PROGRAM, system_or_embedded};
use support::nothing::Nothing;
use support::port111::{OnPort111, SOCKET, inside, wait_until_free};

const PATIENCE: Duration = Duration::from_secs(20);

static INTERFACE: Interface = Interface {
    program: Program(0x2000_0004),
    program_name: "NOTHING_PROG",
    version: Version(3),
    version_name: "NOTHING_V3",
    procedures: &[],
};

fn server() -> Running {
    let server = Server::builder().tcp("127.0.0.1:0").service(Nothing(&INTERFACE)).register();
    server.watch_registration(Duration::from_millis(20)).start().expect("it registers")
}

/// Whether the portmapper says where the server is.
fn is_registered(server: &Running) -> bool {
    let portmapper = Portmapper::local().timeout(PATIENCE);
    let port = portmapper.getport(INTERFACE.program, INTERFACE.version, Netid::Tcp);
    port.expect("an answer") == server.tcp_addrs().next().map(|addr| addr.port())
}

#[test]
fn a_portmapper_that_runs_is_used() {
    if !inside("a_portmapper_that_runs_is_used", &["rpcbind"]) {
        return;
    }
    let rpcbind = OnPort111::rpcbind(&[]);
    let portmapper = system_or_embedded().expect("there is one");
    assert!(matches!(portmapper, HostPortmapper::System), "{portmapper:?}");
    let server = server();
    assert!(is_registered(&server));
    server.stop().expect("a clean end");
    drop(rpcbind);
}

#[test]
fn without_one_this_process_is_it_and_hands_over_to_the_next() {
    if !inside("without_one_this_process_is_it_and_hands_over_to_the_next", &["rpcbind"]) {
        return;
    }
    // What one has left that was killed is in nobody's way.
    drop(std::os::unix::net::UnixListener::bind(SOCKET).expect("a free path"));
    let portmapper = system_or_embedded().expect("it can be");
    assert!(matches!(portmapper, HostPortmapper::Embedded(_)), "{portmapper:?}");
    let mode = fs::metadata(SOCKET).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o666);
    let again = system_or_embedded().expect("there is one");
    assert!(matches!(again, HostPortmapper::System), "{again:?}");

    let server = server();
    assert!(is_registered(&server));
    let socket = Portmapper::local().getaddr(PROGRAM, Version(4), Netid::Local);
    let socket = socket.expect("an answer").map(|address| address.to_string());
    assert_eq!(socket.as_deref(), Some(SOCKET));

    drop(portmapper);
    assert!(!Path::new(SOCKET).exists());
    wait_until_free();
    let rpcbind = OnPort111::rpcbind(&[]);
    let until = Instant::now() + PATIENCE;
    while !is_registered(&server) {
        assert!(Instant::now() < until, "it does not register again");
        thread::yield_now();
    }
    server.stop().expect("a clean end");
    drop(rpcbind);
}

#[test]
fn who_may_not_be_it_is_told_what_to_do() {
    if !inside("who_may_not_be_it_is_told_what_to_do", &[]) {
        return;
    }
    let nobody = nix::unistd::Uid::from_raw(65534);
    nix::unistd::setresuid(nobody, nobody, nobody).expect("root may");
    let error = system_or_embedded().expect_err("port 111 is root's");
    let cannot_listen = matches!(
        &error,
        NoPortmapper::CannotListen { source: ListenError::Address { .. }, holders } if holders.is_empty()
    );
    assert!(cannot_listen, "{error:?}");
    assert_eq!(
        error.to_string(),
        "this host has no portmapper, and this process cannot be it: cannot listen on 0.0.0.0:111: \
         Permission denied (os error 13); start one (systemctl start rpcbind), or run this as root"
    );
}

#[test]
fn one_that_hangs_is_named() {
    if !inside("one_that_hangs_is_named", &["rpcbind"]) {
        return;
    }
    let rpcbind = OnPort111::rpcbind(&[]);
    let signal = |name: &str| {
        let status = Command::new("kill").args([name, &rpcbind.pid().to_string()]).status();
        assert!(status.expect("kill runs").success());
    };
    signal("-STOP");
    let error = system_or_embedded().expect_err("it does not answer");
    signal("-CONT");
    let NoPortmapper::Silent { holders, source: Error::TimedOut { .. } } = &error else {
        panic!("{error:?}");
    };
    assert!(holders.iter().any(|holder| holder.name == "rpcbind" && holder.pid == rpcbind.pid()));
    let holder = format!("; rpcbind (pid {}) has the port; ", rpcbind.pid());
    let text = error.to_string();
    assert!(text.starts_with("the portmapper of this host does not answer: RPC: Timed out"));
    assert!(text.contains(&holder), "{text}");
    assert!(text.ends_with("restart it (systemctl restart rpcbind)"), "{text}");
}

#[test]
fn what_has_the_port_and_is_none_is_named() {
    if !inside("what_has_the_port_and_is_none_is_named", &[]) {
        return;
    }
    let _other = std::net::UdpSocket::bind("0.0.0.0:111").expect("free");
    let error = system_or_embedded().expect_err("it is taken");
    let pid = std::process::id();
    let NoPortmapper::CannotListen { holders, .. } = &error else { panic!("{error:?}") };
    assert_eq!(holders.iter().map(|holder| holder.pid).collect::<Vec<_>>(), [pid]);
    let text = error.to_string();
    let advice = " has the port; stop that, and start a portmapper (systemctl start rpcbind) or \
                  this again";
    assert!(text.ends_with(advice), "{text}");
}
