//! What `portmapd` takes of memory, whatever others on this host and elsewhere do (T23).

mod support;

use std::fs;
use std::io::ErrorKind::{BrokenPipe, ConnectionReset, WouldBlock};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use farcall::bind::proto::rpcb_prot::rpcbprog::v4;
use socket2::{Domain, Socket, Type};
use support::{Daemon, Via, XID, call, call_as, exchange, rpcb, success, words};

const PATIENCE: Duration = Duration::from_secs(20);

const MIB: usize = 1 << 20;

/// The program itself, of which parts are resident too, is larger if it is not optimized.
const UNOPTIMIZED: usize = if cfg!(debug_assertions) { 4 * MIB } else { 0 };

/// A line of /proc/PID/status, in bytes.
fn memory(daemon: &Daemon, name: &str) -> usize {
    let text = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).expect("a size");
    kib.parse::<usize>().expect("a number") << 10
}

/// It answers, and has not grown too much at any time.
fn check(daemon: &Daemon, after: &str) {
    assert_eq!(exchange(Via::Tcp(daemon.v4()), &call(4, 0, &[])), success(&[]), "{after}");
    let most = memory(daemon, "VmHWM");
    println!("{:>6} KiB at most after {after}", most >> 10);
    assert!(most <= 16 * MIB + UNOPTIMIZED, "{most} bytes resident after {after}");
}

fn record(message: &[u8]) -> Vec<u8> {
    let mark = 1 << 31 | u32::try_from(message.len()).expect("short");
    [&words(&[mark]), message].concat()
}

/// Makes the calls on one connection, and counts the answers that end in this word.
fn count(mut stream: impl Read + Write, calls: impl Iterator<Item = Vec<u8>>, word: u32) -> usize {
    let mut found = 0;
    for message in calls {
        stream.write_all(&record(&message)).expect("taken in");
        let mut mark = [0; 4];
        stream.read_exact(&mut mark).expect("an answer");
        let mut reply = vec![0; usize::from(u16::from_be_bytes([mark[2], mark[3]]))];
        stream.read_exact(&mut reply).expect("all of it");
        found += usize::from(reply.ends_with(&word.to_be_bytes()));
    }
    found
}

fn connect(daemon: &Daemon, from: u8) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    // What the system holds is not the daemon's.
    socket.set_recv_buffer_size(4096).expect("open");
    let from = SocketAddr::from((Ipv4Addr::new(127, 0, 0, from), 0));
    socket.bind(&from.into()).expect("a free port");
    socket.connect(&daemon.v4().into()).expect("it listens");
    socket.into()
}

/// Writes as much of it as is taken in.
fn write_some(stream: &mut TcpStream, bytes: &[u8]) {
    stream.set_nonblocking(true).expect("open");
    let error = stream.write(bytes).err().map(|error| error.kind());
    // It may have had to go for others.
    assert!(matches!(error, None | Some(WouldBlock | ConnectionReset | BrokenPipe)), "{error:?}");
}

#[test]
fn t23_whatever_others_do_it_stays_small() {
    let daemon = Daemon::start_safe(&["-L"]);
    let at_rest = memory(&daemon, "VmRSS");
    println!("{:>6} KiB at rest", at_rest >> 10);
    assert!(at_rest <= 6 * MIB + UNOPTIMIZED, "{at_rest} bytes at rest");
    let by_tcp = || {
        let stream = TcpStream::connect(daemon.v4()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream
    };
    let set =
        |program: u32, address: &str| call_as(program, 4, 1, &rpcb(program, 1, "local", address));
    let path = format!("/run/{}", "x".repeat(100));

    // Somebody on this host, who has a quota.
    let accepted = count(by_tcp(), (1..1000).map(|n| set(0x2000_0000 + n, &path)), 1);
    assert_eq!(accepted, 64);
    let long = "x".repeat(9000);
    assert_eq!(count(by_tcp(), (1..1000).map(|n| set(0x3000_0000 + n, &long)), 1), 0);
    check(&daemon, "a thousand registrations with long addresses");

    // As much as users may have in all, by root, if this is root.
    let mut unix = UnixStream::connect(daemon.socket()).expect("it listens");
    let accepted = count(&mut unix, (64..4096).map(|n| set(0x4000_0000 + n, &path)), 1);
    assert_eq!(accepted, if nix::unistd::geteuid().is_root() { 4096 - 64 } else { 64 });
    check(&daemon, "a full table");

    let lookup = |n| call_as(n, 4, 3, &rpcb(0x5000_0000 + n, n, "tcp", ""));
    let _ = count(by_tcp(), (0..20_000).map(lookup), 0);
    let client = v4::Client::connect(&format!("tcp://{}", daemon.v4())).expect("it listens");
    let stats = client.getstat().expect("an answer");
    let rows: usize = stats.iter().map(|one| one.addrinfo.len() + one.rmtinfo.len()).sum();
    assert!(rows <= 1024, "{rows} rows of statistics");
    check(&daemon, "lookups of 20,000 programs");

    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    for n in 0..20_000 {
        udp.send_to(&set(n, "/run/x"), daemon.v4()).expect("sent");
        udp.send_to(&[0; 60_000], daemon.v4()).expect("sent");
    }
    check(&daemon, "calls to be remembered, and large datagrams");

    // Each of these would have its connection and its buffers.
    let part = &record(&[7; 16 << 10])[..16_000];
    let mut crowd = Vec::new();
    for from in (2..8).cycle().take(600) {
        let mut stream = connect(&daemon, from);
        write_some(&mut stream, part);
        crowd.push(stream);
    }
    check(&daemon, "600 connections with most of a record");
    let dumps = record(&call_as(XID, 4, 4, &[])).repeat(1000);
    for from in (2..8).cycle().take(150) {
        let mut stream = connect(&daemon, from);
        write_some(&mut stream, &dumps);
        crowd.push(stream);
    }
    check(&daemon, "150 connections that ask for lists and do not read them");
    let virtually = memory(&daemon, "VmPeak");
    assert!(virtually <= 128 * MIB, "{virtually} bytes of addresses");
}
