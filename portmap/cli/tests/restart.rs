//! What is registered outlives `portmapd`, however that ends (T25).

mod support;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use farcall::bind::{Portmapper, Registration, Uaddr};
use farcall::{Netid, Program, Version};

use support::{Daemon, Scratch, call_as, rpcb, words};

const P: u32 = 0x2000_0001;
const PATIENCE: Duration = Duration::from_secs(20);

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of our own")
}

fn start(state: &Scratch, more: &[&str]) -> Daemon {
    Daemon::start_safe(&[&["--state-dir", text(state.path())], more].concat())
}

fn unix(daemon: &Daemon) -> Portmapper {
    Portmapper::unix(daemon.socket()).timeout(PATIENCE)
}

fn at(version: u32, netid: Netid, address: &str) -> Registration {
    let address: Uaddr = address.parse().expect("a universal address");
    Registration::new(Program(P), Version(version), netid, address)
}

/// The table without the portmapper's own entries.
fn listed(daemon: &Daemon) -> Vec<String> {
    listed_by(&unix(daemon))
}

fn listed_by(portmapper: &Portmapper) -> Vec<String> {
    let entries = portmapper.dump().expect("a table").into_iter();
    entries.filter(|entry| entry.program == Program(P)).map(|entry| entry.to_string()).collect()
}

#[test]
fn it_knows_after_any_end_what_it_knew() {
    let state = Scratch::new();
    let mut daemon = start(&state, &["--no-prune"]);
    unix(&daemon).set(&at(1, Netid::Tcp, "0.0.0.0.8.1")).expect("accepted");
    unix(&daemon).set(&at(1, Netid::Udp6, "::.8.1")).expect("accepted");
    unix(&daemon).set(&at(2, Netid::Local, "/tmp/kv")).expect("accepted");
    unix(&daemon).unset(Program(P), Version(1), Some(Netid::Tcp)).expect("accepted");
    let before = listed(&daemon);
    assert_eq!(before.len(), 2);
    assert_eq!(daemon.terminate().code(), Some(0));
    let mut daemon = start(&state, &["--no-prune"]);
    assert_eq!(listed(&daemon), before);
    unix(&daemon).unset(Program(P), Version(2), None).expect("accepted");
    daemon.kill();
    let daemon = start(&state, &["--no-prune"]);
    assert_eq!(listed(&daemon), before[..1]);
}

#[test]
fn without_a_folder_it_knows_nothing() {
    let mut daemon = Daemon::start(&[]);
    unix(&daemon).set(&at(1, Netid::Tcp, "0.0.0.0.8.1")).expect("accepted");
    daemon.kill();
    assert_eq!(listed(&Daemon::start(&[])), [""; 0]);
}

fn universal(addr: std::net::SocketAddr) -> String {
    Uaddr::Ip(addr).to_string()
}

#[test]
fn a_service_that_ended_meanwhile_is_not_advertised() {
    let state = Scratch::new();
    let mut daemon = start(&state, &[]);
    let (alive_udp, dead_udp) =
        [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a port")).into();
    let (alive_tcp, dead_tcp) =
        [(); 2].map(|()| TcpListener::bind("0.0.0.0:0").expect("a port")).into();
    let udp = |s: &UdpSocket| universal(s.local_addr().expect("bound"));
    let tcp = |s: &TcpListener| universal(s.local_addr().expect("bound"));
    let registrations = [
        at(1, Netid::Udp, &udp(&alive_udp)),
        at(1, Netid::Tcp, &tcp(&alive_tcp)),
        at(2, Netid::Udp, &udp(&dead_udp)),
        at(2, Netid::Tcp, &tcp(&dead_tcp)),
        // Of which nothing is certain.
        at(3, Netid::Local, "/tmp/no/such/socket"),
        at(3, Netid::Udp, "192.0.2.1.8.1"),
    ];
    for registration in &registrations {
        unix(&daemon).set(registration).expect("accepted");
    }
    let mut before = listed(&daemon);
    drop((dead_udp, dead_tcp));
    daemon.kill();
    let daemon = start(&state, &[]);
    before.drain(2..4);
    assert_eq!(listed(&daemon), before);
    drop((alive_udp, alive_tcp));
}

/// Starts it and asks for what it knows. Returns that, what the log says, and how long it took from
/// the start until it served.
fn start_logged(state: &Path) -> (Vec<String>, String, Duration) {
    let scratch = Scratch::new();
    let (socket, log) = (scratch.path().join("sock"), scratch.path().join("log"));
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_portmapd"))
        .args(["--port", "0", "--listen", "127.0.0.1", "--no-prune", "--socket", text(&socket)])
        .args(["--state-dir", text(state)])
        .env("RUST_LOG", "farcall_portmap::journal=warn")
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&log).expect("a file"))
        .spawn()
        .expect("portmapd starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    support::read_addresses(&mut stdout);
    let until_served = begun.elapsed();
    let listed = listed_by(&Portmapper::unix(socket).timeout(PATIENCE));
    support::terminate(&child);
    assert!(child.wait().expect("it ends").success());
    (listed, fs::read_to_string(log).expect("text"), until_served)
}

#[test]
fn t25_a_journal_that_cannot_be_believed_does_not_keep_it_from_starting() {
    type Spoil = fn(&Path);
    let set_aside = "the journal is set aside, nothing is restored";
    let table: [(&str, Spoil, usize, &str); 7] = [
        // what happened, how, how many of two registrations there are then, what the log says
        ("nothing", |_| {}, 2, ""),
        (
            "its end is cut off",
            |path| spoil(path, |bytes| bytes.truncate(bytes.len() - 1)),
            1,
            "torn",
        ),
        ("a bit is another", |path| spoil(path, |bytes| bytes[60] ^= 1), 0, set_aside),
        ("all is zero", |path| spoil(path, |bytes| bytes.fill(0)), 0, set_aside),
        (
            "another file",
            |path| spoil(path, |bytes| *bytes = b"#!/bin/sh\nexit 0\n".to_vec()),
            0,
            set_aside,
        ),
        (
            "a link",
            |path| {
                fs::rename(path, path.with_file_name("other")).expect("moved");
                symlink("other", path).expect("linked");
            },
            0,
            set_aside,
        ),
        (
            "others may write it",
            |path| fs::set_permissions(path, fs::Permissions::from_mode(0o622)).expect("ours"),
            0,
            set_aside,
        ),
    ];
    for (what, spoil, restored, said) in table {
        let state = Scratch::new();
        let mut daemon = start(&state, &["--no-prune"]);
        unix(&daemon).set(&at(1, Netid::Tcp, "0.0.0.0.8.1")).expect("accepted");
        unix(&daemon).set(&at(2, Netid::Tcp, "0.0.0.0.8.2")).expect("accepted");
        let before = listed(&daemon);
        daemon.kill();
        spoil(&state.path().join("journal"));
        let (listed, log, until_served) = start_logged(state.path());
        println!("{what}: served after {until_served:?}");
        assert_eq!(listed, before[..restored], "{what}");
        assert!(log.contains(said), "{what}: {log}");
        assert_eq!(log.is_empty(), said.is_empty(), "{what}: {log}");
        let aside = state.path().join("journal.corrupt").symlink_metadata().is_ok();
        assert_eq!(aside, said == set_aside, "{what}");
    }
}

fn spoil(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("a journal");
    change(&mut bytes);
    fs::write(path, bytes).expect("written");
}

#[test]
fn a_folder_that_is_in_use_is_named() {
    let state = Scratch::new();
    let _daemon = start(&state, &[]);
    let output = Command::new(env!("CARGO_BIN_EXE_portmapd"))
        .args(["--port", "0", "--listen", "127.0.0.1", "--state-dir", text(state.path())])
        .env("RUST_LOG", "off")
        .stdout(Stdio::null())
        .output()
        .expect("portmapd runs");
    let path = state.path().display();
    let expected =
        format!("portmapd: cannot keep registrations in {path}: another portmapper uses it\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
    assert_eq!(output.status.code(), Some(1));
}

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % n).expect("n is small")
    }
}

/// By version, the port.
type Table = BTreeMap<u32, u32>;

fn table(daemon: &Daemon) -> Table {
    let entries = unix(daemon).dump().expect("a table").into_iter();
    let mine = entries.filter(|entry| entry.program == Program(P));
    mine.map(|entry| {
        let port = entry.address.rsplit_once('.').expect("a universal address").1;
        (entry.version.0, port.parse().expect("a number"))
    })
    .collect()
}

/// Changes the table until the daemon is gone. Returns what was acknowledged, and what will be
/// if the last change was made though nobody was told.
fn change_until_the_end(
    mut stream: UnixStream,
    numbers: &mut Numbers,
    mut known: Table,
) -> [Table; 2] {
    for xid in 0.. {
        let (version, port) = (numbers.below(30), numbers.below(200));
        let mut next = known.clone();
        let (procedure, address) = if known.contains_key(&version) {
            next.remove(&version);
            (2, String::new())
        } else {
            next.insert(version, port);
            (1, format!("0.0.0.0.8.{port}"))
        };
        let args = rpcb(P, version, "tcp", &address);
        match ask(&mut stream, &call_as(xid, 3, procedure, &args)) {
            Ok(reply) => assert_eq!(reply, words(&[xid, 1, 0, 0, 0, 0, 1])),
            Err(_) => return [known, next],
        }
        known = next;
    }
    unreachable!("four billion changes")
}

fn ask(stream: &mut UnixStream, call: &[u8]) -> io::Result<Vec<u8>> {
    let mark = 0x8000_0000 | u32::try_from(call.len()).expect("short");
    stream.write_all(&[&mark.to_be_bytes(), call].concat())?;
    // A mark, and a reply with one word.
    let mut reply = [0; 4 + 28];
    stream.read_exact(&mut reply)?;
    Ok(reply[4..].to_vec())
}

/// `FARCALL_KILLS` is how often; few in a run that everybody makes.
#[test]
fn t25_a_kill_at_any_moment_loses_nothing_that_was_acknowledged() {
    let kills = env::var("FARCALL_KILLS").map_or(40, |n| n.parse().expect("a number"));
    let state = Scratch::new();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut daemon = start(&state, &["--no-prune"]);
    for n in 0..kills {
        let stream = UnixStream::connect(daemon.socket()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let known = table(&daemon);
        let delay = Duration::from_micros(u64::from(numbers.below(30_000)));
        let changes =
            thread::spawn(move || (change_until_the_end(stream, &mut numbers, known), numbers));
        thread::sleep(delay);
        daemon.kill();
        let (possible, after) = changes.join().expect("only the end of the daemon ends it");
        numbers = after;
        daemon = start(&state, &["--no-prune"]);
        let found = table(&daemon);
        assert!(possible.contains(&found), "kill {n}: {found:?} is none of {possible:?}");
    }
}
