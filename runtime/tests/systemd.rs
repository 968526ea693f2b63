//! Sockets that were opened before the server's process: it is this test's own, started again.

mod server_peer;

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use farcall::{Dispatch, Doing, Error, ServerBuilder};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use server_peer::{Echo, LONG, connect_to, exchange, exchange_datagram};
use socket2::SockRef;

/// Tells the process that it is the one with the sockets.
const INSIDE: &str = "FARCALL_TEST_PASSED_SOCKETS";

const LOCALHOST: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Runs the test `name` of this file in a process that these sockets are passed to, as number 3 and
/// on.
fn start_with(name: &str, inside: &str, sockets: &[&dyn AsFd]) -> Child {
    let mut script = String::new();
    for (at, socket) in sockets.iter().enumerate() {
        SockRef::from(&socket.as_fd()).set_cloexec(false).expect("open");
        // First out of the way: its number may be one of those that are to be.
        script += &format!("exec {{s{at}}}<&{}; ", socket.as_fd().as_raw_fd());
    }
    for at in 0..sockets.len() {
        script += &format!("exec {}<&$s{at}; ", at + 3);
    }
    script += "LISTEN_PID=$$ exec \"$0\" --exact --nocapture \"$1\"";
    Command::new("bash")
        .args(["-c", &script])
        .arg(std::env::current_exe().expect("a path"))
        .arg(name)
        .env(INSIDE, inside)
        .env("LISTEN_FDS", sockets.len().to_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("bash")
}

fn serve_what_was_passed() {
    let (echo, _) = Echo::new();
    let server = ServerBuilder::from_systemd().expect("sockets").expect("some");
    assert!(ServerBuilder::from_systemd().expect("no error").is_none(), "they are taken once");
    let server = server.shared_service(echo as Arc<dyn Dispatch>);
    server.run_until_signal().expect("serves");
}

#[test]
fn sockets_of_systemd_are_served() {
    if std::env::var_os(INSIDE).is_some() {
        return serve_what_was_passed();
    }
    let udp = UdpSocket::bind(LOCALHOST).expect("port 0 is free");
    let tcp = TcpListener::bind(LOCALHOST).expect("port 0 is free");
    let path = std::env::temp_dir().join(format!("farcall-systemd-{}.sock", std::process::id()));
    let unix = UnixListener::bind(&path).expect("a free path");
    let (udp_addr, tcp_addr) = (udp.local_addr(), tcp.local_addr());
    let mut child = start_with("sockets_of_systemd_are_served", "serve", &[&tcp, &unix, &udp]);
    // From now on the child is the only one that may answer.
    drop((udp, tcp, unix));

    let mut stream = connect_to(tcp_addr.expect("bound"));
    exchange(&mut stream, 1, b"over TCP");
    let mut stream = UnixStream::connect(&path).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("not zero");
    exchange(&mut stream, 2, b"over a Unix socket");
    exchange_datagram(udp_addr.expect("bound"), 3, b"over UDP");

    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).expect("it runs");
    assert!(child.wait().expect("ends").success());
    assert!(path.exists(), "it is systemd's");
    std::fs::remove_file(path).expect("there");
}

fn expect_a_refusal() {
    let error = ServerBuilder::from_systemd().expect_err("nothing to serve on");
    let Error::Io { doing: Doing::Listen, source } = error else { panic!("{error:?}") };
    assert_eq!(Some(source.to_string()), std::env::var(INSIDE).ok());
}

#[test]
fn what_is_nothing_to_serve_on_is_refused() {
    if std::env::var_os(INSIDE).is_some() {
        return expect_a_refusal();
    }
    let listener = TcpListener::bind(LOCALHOST).expect("port 0 is free");
    let to = listener.local_addr().expect("bound");
    let connection = TcpStream::connect(to).expect("it listens");
    let datagrams = UnixDatagram::unbound().expect("a socket");
    let table: [(&[&dyn AsFd], &str); 2] = [
        (&[&listener, &connection], "number 2 of the descriptors that were passed does not listen"),
        (
            &[&datagrams],
            "number 1 of the descriptors that were passed is no UDP, TCP or Unix stream socket",
        ),
    ];
    for (sockets, error) in table {
        let mut child = start_with("what_is_nothing_to_serve_on_is_refused", error, sockets);
        assert!(child.wait().expect("ends").success());
    }
}

#[test]
fn without_any_there_are_none() {
    assert!(ServerBuilder::from_systemd().expect("no error").is_none());
}
