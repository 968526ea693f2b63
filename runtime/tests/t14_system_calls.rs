//! T14: what the system refuses. strace(1) has system calls of a server, or of a client, fail over
//! and over: both are this test's own process, started again. Without strace the tests are skipped,
//! and say so; with FARCALL_INTEROP=require they fail. Where the kernel forbids to trace they are
//! skipped in any case.

mod server_peer;

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, io};

use farcall::xdr::{Bytes, Encoder};
use farcall::{Client, ClientOptions, Dispatch, Doing, Error, Procedure, Running, Server};
use peak_alloc::PeakAlloc;
use server_peer::{ECHO, Echo, INTERFACE, LONG};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Tells the process what it is to do while its system calls fail.
const INSIDE: &str = "FARCALL_TEST_FAILING";

/// Where a trace goes that nobody reads.
const NOWHERE: &str = "/dev/null";

/// Clients over each of three transports, and calls of each client.
const CLIENTS: u32 = 6;
const CALLS: u32 = 5;
const ALL: u32 = 3 * CLIENTS;

/// What fails while a server serves: every second or third of these calls.
const SERVING: [(&str, &[&str], &str); 9] = [
    ("accept4", &["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EPERM", "EPROTO"], "1+3"),
    ("accept4", &["ECONNABORTED", "EINTR"], "1+3"),
    ("recvfrom", &["EINTR", "ECONNRESET", "ENOMEM", "ETIMEDOUT"], "1+3"),
    ("sendto", &["EAGAIN", "EINTR", "ENOBUFS", "ECONNRESET", "EPIPE", "EPERM"], "1+3"),
    ("recvmmsg", &["EINTR", "ENOBUFS"], "1+2"),
    ("sendmmsg", &["EINTR", "ENOBUFS"], "1+2"),
    // The first ones are those of the thread that starts.
    ("epoll_ctl", &["ENOSPC", "ENOMEM"], "5+2"),
    ("epoll_wait", &["EINTR"], "1+2"),
    ("getsockopt", &["ENOBUFS"], "1+2"),
];

/// What keeps a server from starting: one of the first calls of its kind.
const STARTING: [(&str, &str, u32); 9] = [
    ("socket", "EMFILE", 3),
    ("bind", "EADDRINUSE", 3),
    ("listen", "EADDRINUSE", 2),
    ("epoll_create1", "EMFILE", 1),
    ("eventfd2", "EMFILE", 1),
    ("epoll_ctl", "ENOSPC", 4),
    ("setsockopt", "ENOPROTOOPT", 3),
    ("getsockname", "ENOBUFS", 3),
    ("fcntl", "EMFILE", 1),
];

/// What fails at a client, and whether some of them cannot connect then.
const CALLING: [(&str, &[&str], bool); 6] = [
    ("socket", &["EMFILE", "ENOBUFS"], true),
    ("connect", &["EADDRNOTAVAIL", "ECONNREFUSED", "ENETUNREACH", "ETIMEDOUT"], true),
    ("poll", &["EINTR", "ENOMEM"], false),
    ("getsockname", &["ENOBUFS"], false),
    ("sendto", &["EAGAIN", "EINTR", "ENOBUFS", "ECONNRESET", "EPIPE", "EPERM"], false),
    ("recvfrom", &["EAGAIN", "EINTR", "ECONNRESET", "ENOMEM", "ETIMEDOUT"], false),
];

/// Bytes that the harness of the tests may take meanwhile.
const HARNESS: usize = 4096;

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux").count()
}

fn socket_path() -> PathBuf {
    env::temp_dir().join(format!("farcall-t14-{}.sock", std::process::id()))
}

fn start() -> Result<Running, Error> {
    let (echo, _) = Echo::new();
    let server = Server::builder().udp("127.0.0.1:0").tcp("127.0.0.1:0").unix(socket_path());
    server.shared_service(echo as Arc<dyn Dispatch>).start()
}

fn targets(server: &Running) -> String {
    let (udp, tcp) = (server.udp_addrs().next(), server.tcp_addrs().next());
    let (udp, tcp) = (udp.expect("asked for"), tcp.expect("asked for"));
    let unix = server.unix_paths().next().expect("asked for");
    format!("udp://{udp} tcp://{tcp} unix://{}", unix.display())
}

/// Calls over each transport by clients of their own. How many could connect: the calls of those
/// were all answered.
fn call_all(targets: &str) -> u32 {
    let soon = Duration::from_millis(20);
    let options = ClientOptions::new().timeout(LONG).initial_rto(soon).max_rto(soon);
    let mut connected = 0;
    for target in targets.split(' ') {
        for _ in 0..CLIENTS {
            match Client::connect(target, &INTERFACE, &options) {
                Ok(client) => (0..CALLS).for_each(|n| echo(&client, n)),
                Err(Error::Io { doing: Doing::Connect, .. } | Error::TimedOut { .. }) => continue,
                Err(error) => panic!("{target}: {error:?}"),
            }
            connected += 1;
        }
    }
    connected
}

fn echo(client: &Client, n: u32) {
    let data = Bytes::copy_from_slice(&n.to_be_bytes());
    let echoed = client.call(Procedure(ECHO), |e| e.opaque(&data, 4), |d| d.opaque(4));
    assert_eq!(echoed.expect("answered"), data);
}

/// Large calls over each kind of stream, several at once, behind some that nobody waits for.
fn echo_large() {
    let server = start().expect("port 0 is free");
    for target in targets(&server).split(' ').skip(1) {
        let options = ClientOptions::new().timeout(LONG);
        let client = Client::connect(target, &INTERFACE, &options).expect("it listens");
        let put = |data: Bytes| move |e: &mut Encoder| e.opaque(&data, u32::MAX);
        let data: Vec<_> = (0..4).map(|n| Bytes::from(large(n))).collect();
        for data in &data {
            let part = data.slice(..100_000);
            client.send(Procedure(ECHO), put(part)).expect("there is room");
        }
        let start =
            |data: &Bytes| client.start(Procedure(ECHO), put(data.clone()), |d| d.opaque(u32::MAX));
        let pending: Vec<_> = data.iter().map(start).collect();
        for (call, data) in pending.into_iter().zip(data) {
            assert!(call.wait().expect("answered") == data, "{target}: other bytes");
        }
    }
    server.stop().expect("ends");
}

/// Bytes in no order, others for each `n`.
fn large(n: u32) -> Vec<u8> {
    (0..900_001_u32).map(|at| at.wrapping_mul(2_654_435_761 + n).to_be_bytes()[0]).collect()
}

/// What the process does whose system calls fail. It says in one line how that went.
fn inside(role: &str) {
    // Makes its buffer.
    drop(io::stdin().lock());
    let (open, heap) = (descriptors(), HEAP.current_usage());
    match role.split_once(' ').unwrap_or((role, "")) {
        ("call", targets) => println!("\nconnected {}", call_all(targets)),
        ("echo", _) => echo_large(),
        _ => serve(),
    }
    assert_eq!((descriptors(), socket_path().exists()), (open, false));
    let left = HEAP.current_usage().saturating_sub(heap);
    assert!(left <= HARNESS, "{left} bytes");
}

/// Serves until the end of its input.
fn serve() {
    match start() {
        Ok(server) => {
            println!("\nserves {}", targets(&server));
            io::stdin().read_line(&mut String::new()).expect("a pipe");
            let handle = server.handle();
            server.stop().expect("ends");
            assert_eq!(handle.stats().panics, 0);
        }
        Err(Error::Io { doing: Doing::Listen | Doing::Poll, .. }) => println!("\nrefused"),
        Err(error) => panic!("{error:?}"),
    }
}

/// This test's process, as the test `name` with `role`, while system calls fail. What they were is
/// written to `trace`.
struct Failing {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Failing {
    fn start(name: &str, role: &str, (call, error, when): (&str, &str, &str), trace: &str) -> Self {
        let inject = format!("inject={call}:error={error}:when={when}");
        let mut child = Command::new("strace")
            .args(["-f", "-qq", "--seccomp-bpf", "-e", &format!("trace={call}"), "-e", &inject])
            .arg("-o")
            .arg(trace)
            .arg(env::current_exe().expect("a path"))
            .args(["--exact", "--nocapture", name])
            .env(INSIDE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("strace");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, output }
    }

    /// What it says after `word`.
    fn said(&mut self, word: &str) -> Option<String> {
        let lines = (&mut self.output).lines().map(|line| line.expect("text"));
        let mut said = lines.filter_map(|line| Some(line.strip_prefix(word)?.trim().to_owned()));
        said.next()
    }

    /// Waits for its end, which is to be a good one.
    fn end(mut self) {
        drop(self.child.stdin.take());
        self.output.read_to_end(&mut Vec::new()).expect("a pipe");
        assert!(self.child.wait().expect("ends").success());
    }
}

/// Whether this process is to run `test`, and not what the test started it for, which is done here.
fn is_to_run(test: &str) -> bool {
    if let Some(role) = env::var_os(INSIDE) {
        inside(role.to_str().expect("text"));
        return false;
    }
    let Ok(strace) = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output()
    else {
        let required = env::var("FARCALL_INTEROP").is_ok_and(|value| value == "require");
        assert!(!required, "cannot run {test}: strace(1) is missing");
        println!("skipped {test}: strace(1) is missing");
        return false;
    };
    let why = String::from_utf8_lossy(&strace.stderr);
    if !strace.status.success() {
        assert!(why.contains("Operation not permitted"), "strace(1) fails: {why}");
        println!("skipped {test}: this kernel lets no process be traced: {}", why.trim());
    }
    strace.status.success()
}

#[test]
fn t14_a_server_answers_whatever_of_its_system_calls_fails() {
    const NAME: &str = "t14_a_server_answers_whatever_of_its_system_calls_fails";
    if !is_to_run(NAME) {
        return;
    }
    for (call, errors, when) in SERVING {
        for error in errors {
            let mut server = Failing::start(NAME, "serve", (call, error, when), NOWHERE);
            let targets = server.said("serves ").expect("it starts");
            assert_eq!(call_all(&targets), ALL, "{call} {error}");
            server.end();
        }
    }
}

#[test]
fn t14_a_server_that_cannot_start_leaves_nothing_behind() {
    const NAME: &str = "t14_a_server_that_cannot_start_leaves_nothing_behind";
    if !is_to_run(NAME) {
        return;
    }
    for (call, error, most) in STARTING {
        for nth in 1..=most {
            let fails = (call, error, &*nth.to_string());
            let mut server = Failing::start(NAME, "serve", fails, NOWHERE);
            assert_eq!(server.said("refused").as_deref(), Some(""), "{call} {nth}");
            server.end();
        }
    }
}

#[test]
fn t14_calls_of_a_client_end_whatever_of_its_system_calls_fails() {
    const NAME: &str = "t14_calls_of_a_client_end_whatever_of_its_system_calls_fails";
    if !is_to_run(NAME) {
        return;
    }
    let server = start().expect("port 0 is free");
    let role = format!("call {}", targets(&server));
    for (call, errors, refuses) in CALLING {
        for error in errors {
            let mut client = Failing::start(NAME, &role, (call, error, "1+2"), NOWHERE);
            let connected = client.said("connected ").expect("it ends");
            let connected: u32 = connected.parse().expect("a number");
            assert!(connected > 0 && refuses == (connected < ALL), "{call} {error}: {connected}");
            client.end();
        }
    }
    server.stop().expect("ends");
}

/// Whether processes can have a network of their own, as `test` needs.
fn has_namespaces(test: &str) -> bool {
    let unshare = Command::new("unshare").args(["--net", "ip", "link", "set", "lo", "up"]).output();
    let works = unshare.is_ok_and(|output| output.status.success());
    let required = env::var("FARCALL_INTEROP").is_ok_and(|value| value == "require");
    assert!(works || !required, "cannot run {test}: it needs root, unshare(1) and ip(8)");
    if !works {
        println!("skipped {test}: it needs root, unshare(1) and ip(8)");
    }
    works
}

/// In a network where sockets have the least room that there is.
#[test]
fn t14_writes_that_are_cut_short_lose_nothing() {
    const NAME: &str = "t14_writes_that_are_cut_short_lose_nothing";
    const SET_UP: &str = "ip link set lo up && cd /proc/sys/net && \
                          echo 4096 4096 4096 >ipv4/tcp_wmem && exec \"$0\" \"$@\"";
    if !is_to_run(NAME) || !has_namespaces(NAME) {
        return;
    }
    let trace = env::temp_dir().join(format!("farcall-t14-{}.writes", std::process::id()));
    let status = Command::new("unshare")
        .args(["--net", "sh", "-c", SET_UP, "strace", "-f", "-qq", "--seccomp-bpf", "-s", "0"])
        .args(["-e", "trace=sendto,sendmsg,writev,write", "-o"])
        .arg(&trace)
        .arg(env::current_exe().expect("a path"))
        .args(["--exact", "--nocapture", NAME])
        .env(INSIDE, "echo")
        .status();
    assert!(status.expect("unshare").success());
    let writes = fs::read_to_string(&trace).expect("written");
    fs::remove_file(trace).expect("there");
    // Each of the messages at once would be a few dozen.
    assert!(writes.lines().count() > 100, "{writes}");
}

/// A listener that can accept nothing is no reason to be busy.
#[test]
fn t14_a_listener_that_fails_is_tried_again_by_the_clock() {
    const NAME: &str = "t14_a_listener_that_fails_is_tried_again_by_the_clock";
    if !is_to_run(NAME) {
        return;
    }
    let trace = env::temp_dir().join(format!("farcall-t14-{}.trace", std::process::id()));
    for error in ["EMFILE", "EPERM", "EINVAL"] {
        let trace_to = trace.to_str().expect("text");
        let mut server = Failing::start(NAME, "serve", ("accept4", error, "1+"), trace_to);
        let targets = server.said("serves ").expect("it starts");
        let target = targets.split(' ').nth(1).expect("TCP");
        let options = ClientOptions::new().timeout(Duration::from_millis(300));
        let client = Client::connect(target, &INTERFACE, &options).expect("it listens");
        let error = client.null().expect_err("nobody accepts");
        assert!(error.is_timeout(), "{error:?}");
        server.end();
        let tried = fs::read_to_string(&trace).expect("written").lines().count();
        // Two listeners, at first and then each 100 ms.
        assert!(tried <= 20, "{tried} times");
    }
    fs::remove_file(trace).expect("there");
}
