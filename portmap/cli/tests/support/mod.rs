//! Daemons to ask, and calls to ask them by hand.
//!
//! Each test file uses its own part of it.
#![allow(dead_code)]

pub(crate) mod port111;
#[path = "../../../tests/support/mod.rs"]
mod shared;
pub(crate) mod tool;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

pub(crate) use shared::*;

/// As long as an answer may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// A `portmapd` at a port of its own, on loopback and a Unix socket.
pub(crate) struct Daemon {
    child: Child,
    stdout: BufReader<ChildStdout>,
    scratch: Scratch,
    pub(crate) port: u16,
    pub(crate) has_v6: bool,
    /// Where its status page is.
    pub(crate) status: Option<SocketAddr>,
}

impl Daemon {
    /// As rpcbind: it does not ask who is behind a loopback address, nor whether there is a service
    /// at an address.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_safe(&[&["-L", "--no-prune"], options].concat())
    }

    /// Without the switches that make it less safe.
    pub(crate) fn start_safe(options: &[&str]) -> Self {
        let scratch = Scratch::new();
        let mut child = Command::new(env!("CARGO_BIN_EXE_portmapd"))
            .args(["-f", "--port", "0", "--listen", "127.0.0.1", "--socket"])
            .arg(scratch.path().join("sock"))
            .args(options)
            .env("RUST_LOG", "off")
            // As its unit has it.
            .env("MALLOC_ARENA_MAX", "1")
            .stdout(Stdio::piped())
            .spawn()
            .expect("portmapd starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let lines = read_addresses(&mut stdout);
        let udp = lines.iter().find_map(|line| line.strip_prefix("udp 127.0.0.1:"));
        let port = udp.and_then(|port| port.parse().ok()).expect("a UDP port");
        let has_v6 = lines.contains(&format!("tcp [::1]:{port}"));
        assert!(lines.contains(&format!("tcp 127.0.0.1:{port}")), "{lines:?}");
        let status = lines.iter().find_map(|line| line.strip_prefix("http ")?.parse().ok());
        Self { child, stdout, scratch, port, has_v6, status }
    }

    pub(crate) fn v4(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn v6(&self) -> SocketAddr {
        SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], self.port))
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.scratch.path().join("sock")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as nobody would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is a child");
        self.child.wait().expect("it ends");
    }

    /// Stops it as a user would, and waits for its end.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        terminate(&self.child);
        // Its end closes the pipe: nothing else is left to read.
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("text");
        assert_eq!(rest, "");
        self.child.wait().expect("it ends")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The addresses that a `portmapd` prints; that of the Unix socket is the last.
pub(crate) fn read_addresses(stdout: &mut impl BufRead) -> Vec<String> {
    let mut addresses = Vec::new();
    for line in stdout.lines() {
        let line = line.expect("text");
        let address = line.strip_prefix("portmapd: listening on ").expect("an address").to_owned();
        let is_last = address.starts_with("unix ");
        addresses.push(address);
        if is_last {
            return addresses;
        }
    }
    panic!("portmapd ended after {addresses:?}");
}

pub(crate) fn terminate(child: &Child) {
    let status = Command::new("sh").args(["-c", "kill -TERM $0", &child.id().to_string()]).status();
    assert!(status.expect("sh").success());
}

pub(crate) fn rpcutil(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rpcutil")).args(args).output().expect("rpcutil runs")
}

/// Where a call is sent, and from where.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Via<'a> {
    Udp(SocketAddr),
    /// From this address.
    UdpFrom(SocketAddr, SocketAddr),
    Tcp(SocketAddr),
    Unix(&'a Path),
}

/// Sends a call; what comes back.
pub(crate) fn exchange(via: Via<'_>, call: &[u8]) -> Vec<u8> {
    first_reply(via, &[call])
}

/// Whether a call is not answered: one after it on the same socket is answered first. That is UNSET
/// of nothing, since its answer waits for those of all calls before.
pub(crate) fn is_silent(via: Via<'_>, call: &[u8]) -> bool {
    let next = call_as(XID + 1, 2, 2, &words(&[0x3fff_ffff, 1, 0, 0]));
    first_reply(via, &[call, &next]).starts_with(&words(&[XID + 1]))
}

fn first_reply(via: Via<'_>, calls: &[&[u8]]) -> Vec<u8> {
    match via {
        Via::Udp(to) => {
            let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            datagrams(from.parse().expect("an address"), to, calls)
        }
        Via::UdpFrom(from, to) => datagrams(from, to, calls),
        Via::Tcp(to) => {
            let stream = TcpStream::connect(to).expect("somebody listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            records(stream, calls)
        }
        Via::Unix(path) => {
            let stream = UnixStream::connect(path).expect("somebody listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            records(stream, calls)
        }
    }
}

fn datagrams(from: SocketAddr, to: SocketAddr, calls: &[&[u8]]) -> Vec<u8> {
    let socket = UdpSocket::bind(from).expect("a UDP socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    for call in calls {
        socket.send_to(call, to).expect("sent");
    }
    let mut buf = vec![0; 65_536];
    let len = socket.recv(&mut buf).unwrap_or_else(|e| panic!("no answer to {calls:x?}: {e}"));
    buf.truncate(len);
    buf
}

pub(crate) fn records(mut stream: impl Read + Write, calls: &[&[u8]]) -> Vec<u8> {
    for call in calls {
        let mark = 0x8000_0000 | u32::try_from(call.len()).expect("a short call");
        stream.write_all(&[&mark.to_be_bytes(), *call].concat()).expect("sent");
    }
    let mut mark = [0; 4];
    stream.read_exact(&mut mark).unwrap_or_else(|e| panic!("no answer to {calls:x?}: {e}"));
    let len = u32::from_be_bytes(mark);
    assert!(len & 0x8000_0000 != 0, "one fragment");
    let mut reply = vec![0; usize::try_from(len & 0x7fff_ffff).expect("32 bits")];
    stream.read_exact(&mut reply).expect("the whole record");
    reply
}

/// A successful reply with these results.
pub(crate) fn success(results: &[u8]) -> Vec<u8> {
    [&words(&[XID, 1, 0, 0, 0, 0]), results].concat()
}

/// A reply that says AUTH_ERROR, AUTH_TOOWEAK.
pub(crate) fn too_weak() -> Vec<u8> {
    words(&[XID, 1, 1, 1, 5])
}
