//! Calls on behalf of others are no way to wear the daemon down (T21).

mod support;

use std::fs::{self, File};
use std::io::BufReader;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use farcall::bind::{Portmapper, Registration};
use farcall::{Netid, Program, Version};

use support::{Scratch, Via, call, call_as, exchange, read_addresses, too_weak, words};

const NFS: u32 = 100_003;
const P: u32 = 0x2000_0001;
const PATIENCE: Duration = Duration::from_secs(20);
/// How many calls are refused.
const CALLS: u32 = 100_000;
/// How many datagrams at once have room in a socket's buffer.
const BURST: u32 = 64;

/// A daemon as it is by default, and what it logs.
struct Logging {
    child: Child,
    addr: SocketAddr,
    scratch: Scratch,
}

impl Logging {
    fn start(options: &[&str]) -> Self {
        let scratch = Scratch::new();
        let mut child = Command::new(env!("CARGO_BIN_EXE_portmapd"))
            .args(["-f", "--port", "0", "--listen", "127.0.0.1", "--socket"])
            .arg(scratch.path().join("sock"))
            .args(options)
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(File::create(scratch.path().join("log")).expect("a file"))
            .spawn()
            .expect("portmapd starts");
        let stdout = child.stdout.take().expect("piped");
        let lines = read_addresses(&mut BufReader::new(stdout));
        let addr = lines.iter().find_map(|line| line.strip_prefix("udp 127.0.0.1:"));
        let port: u16 = addr.and_then(|port| port.parse().ok()).expect("a UDP port");
        Self { child, addr: ([127, 0, 0, 1], port).into(), scratch }
    }

    /// A service that is registered at a socket.
    fn register(&self, program: u32) -> UdpSocket {
        let service = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = service.local_addr().expect("bound").into();
        let registration = Registration::new(Program(program), Version(1), Netid::Udp, address);
        let portmapper = Portmapper::unix(self.scratch.path().join("sock")).timeout(PATIENCE);
        portmapper.set(&registration).expect("accepted");
        service
    }

    fn process(&self) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.scratch.path().join("log")).expect("it is written")
    }

    /// Children of its threads, zombies too, and the page faults of those that it has waited for.
    fn children(&self) -> (String, String) {
        let tasks = fs::read_dir(self.process().join("task")).expect("it runs");
        let of_task = |task: fs::DirEntry| fs::read_to_string(task.path().join("children"));
        let children = tasks.flatten().filter_map(|task| of_task(task).ok()).collect();
        let stat = fs::read_to_string(self.process().join("stat")).expect("it runs");
        let (_, fields) = stat.rsplit_once(')').expect("after the name");
        (children, fields.split_whitespace().nth(8).expect("cminflt").to_owned())
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(self.process().join("fd")).expect("it runs").count()
    }

    /// The most memory that it has ever asked for, in kibibytes.
    fn peak(&self) -> u64 {
        let status = fs::read_to_string(self.process().join("status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).expect("a line");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a call so often, a burst at a time and with other xids, and each is answered like this.
fn flood(to: SocketAddr, call: &[u8], times: u32, expected: &[u8]) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(to).expect("connected");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut reply = [0; 100];
    for burst in 0..times / BURST {
        for xid in 0..BURST {
            let call = [&words(&[burst * BURST + xid]), &call[4..]].concat();
            socket.send(&call).expect("sent");
        }
        for _ in 0..BURST {
            let len = socket.recv(&mut reply).expect("an answer to each");
            assert_eq!(&reply[4..len], &expected[4..]);
        }
    }
}

#[test]
fn t21_a_flood_starts_no_process_and_fills_no_log() {
    // Who runs this is to register NFS, root or not.
    for options in [&["--any-registration"][..], &["--any-registration", "-r"]] {
        let daemon = Logging::start(options);
        let service = daemon.register(NFS);
        let (before, tasks) = (daemon.log(), fs::read_dir(daemon.process().join("task")));
        let tasks = tasks.expect("it runs").count();
        let read = call(2, 5, &words(&[NFS, 1, 6, 0]));
        let start = Instant::now();
        flood(daemon.addr, &read, CALLS, &too_weak());
        println!("{options:?}: {:?} for each of {CALLS}", start.elapsed() / CALLS);
        assert_eq!(daemon.children(), (String::new(), "0".to_owned()));
        let now = fs::read_dir(daemon.process().join("task")).expect("it runs").count();
        assert_eq!((now, daemon.log()), (tasks, before), "{options:?}");
        service.set_nonblocking(true).expect("possible");
        assert!(service.recv(&mut [0; 100]).is_err(), "it was not called");
    }
}

#[test]
fn t21_a_length_that_is_claimed_is_not_allocated() {
    for options in [&[][..], &["-r"]] {
        let daemon = Logging::start(options);
        let _service = daemon.register(P);
        // 64 bytes, that say that there are four gibibytes.
        let claim = call(4, 10, &words(&[P, 1, 1, u32::MAX, 1, 2]));
        assert_eq!(claim.len(), 64);
        let garbage_args = words(&[support::XID, 1, 0, 0, 0, 4]);
        flood(daemon.addr, &claim, BURST, &garbage_args);
        for version in 2..=4 {
            let claim = call(version, 5, &words(&[P, 1, 1, u32::MAX, 1, 2]));
            assert!(support::is_silent(Via::Udp(daemon.addr), &claim));
        }
        // A thread has some for itself.
        assert!(daemon.peak() < 1 << 20, "{} kB", daemon.peak());
    }
}

#[test]
fn t21_services_that_do_not_answer_delay_nobody() {
    let daemon = Logging::start(&["-r"]);
    let silent = daemon.register(P);
    let before = daemon.descriptors();
    let caller = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let args = words(&[P, 1, 1, 0]);
    // As many as the socket has room for.
    for xid in 0..2 * BURST {
        caller.send_to(&call_as(xid, 4, 10, &args), daemon.addr).expect("sent");
    }
    // Sooner than any of those that wait is given up.
    let found = exchange(Via::Udp(daemon.addr), &call(2, 3, &words(&[P, 1, 17, 0])));
    let port = silent.local_addr().expect("bound").port();
    assert_eq!(found, support::success(&words(&[port.into()])));
    // Before the oldest call makes room there is one more.
    assert!(daemon.descriptors() <= before + 65);
}

#[test]
fn calls_for_others_are_made_from_the_sandbox() {
    let daemon = Logging::start(&["-r"]);
    let service = daemon.register(P);
    service.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let port = service.local_addr().expect("bound").port();
    let answering = std::thread::spawn(move || {
        let mut call = [0; 100];
        let (_, from) = service.recv_from(&mut call).expect("a call");
        let reply = [&call[..4], &words(&[1, 0, 0, 0, 0, 42])].concat();
        service.send_to(&reply, from).expect("sent");
    });
    let reply = exchange(Via::Udp(daemon.addr), &call(2, 5, &words(&[P, 1, 1, 0])));
    assert_eq!(reply, support::success(&words(&[port.into(), 4, 42])));
    answering.join().expect("it was called");
}
