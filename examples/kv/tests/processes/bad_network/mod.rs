//! A client process and a server process, ours and C's in all four pairings, with a bad network
//! between them: of datagrams that get lost, come twice, late and in another order, and of streams
//! that come in pieces, stall and are cut inside of records.
//!
//! Whoever the client is: each call ends in time, with what the server has or with an error. If the
//! server is ours, no call is executed twice, neither one that our client has sent again over
//! another connection.
//!
//! What the network does follows from a seed, but not when, so that no two runs are the same. The
//! one between C programs shows that it is a network that such programs get along with.

mod datagrams;
mod proxy;
mod streams;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, thread};

use farcall::xdr::Bytes;
use farcall::{ClientOptions, Context, Fault};
use farcall_example_kv::Store;
use farcall_example_kv::kv::{KvEntry, KvGetRes, KvStatus, kv_prog::v1};
use nix::sys::signal::Signal;

use crate::c_programs;
use crate::process::Process;

const SEED: u64 = 0x5eed;
/// How long a call takes at most; the C client has the same.
const TIMEOUT: Duration = Duration::from_secs(4);
/// How much later a busy machine may be. Nothing waits for so long.
const SLACK: Duration = Duration::from_secs(10);
/// Keys that our client puts and gets, from several threads over one socket.
const OUR_KEYS: usize = 48;
const THREADS: usize = 8;
/// Those of the C client, which has one thread.
const C_KEYS: usize = 20;
/// Connections that are cut.
const CUTS: u32 = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Ours,
    C,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

#[test]
fn our_client_and_our_server() {
    over_both(Side::Ours, Side::Ours);
}

#[test]
fn our_client_and_a_c_server() {
    over_both(Side::Ours, Side::C);
}

#[test]
fn a_c_client_and_our_server() {
    over_both(Side::C, Side::Ours);
}

#[test]
fn a_c_client_and_a_c_server() {
    over_both(Side::C, Side::C);
}

fn over_both(client: Side, server: Side) {
    if [client, server].contains(&Side::C)
        && let Some(reason) = c_programs::lacking(c_programs::NEEDS)
    {
        let test = format!("bad_network with {client:?} client, {server:?} server");
        return c_programs::skip(&test, &reason);
    }
    thread::scope(|scope| {
        scope.spawn(|| over(Transport::Udp, client, server));
        scope.spawn(|| over(Transport::Tcp, client, server));
    });
}

fn over(transport: Transport, client: Side, server: Side) {
    let server_process = ServerProcess::start(server);
    let keys = if client == Side::Ours { OUR_KEYS } else { C_KEYS };
    let call = |addr| match client {
        Side::Ours => our_client(transport, addr, keys),
        Side::C => c_client(transport, addr, keys),
    };
    let (lines, network) = match transport {
        Transport::Udp => over_udp(server_process.udp, call),
        Transport::Tcp => over_tcp(server_process.tcp, client, call),
    };
    let executed = server_process.executed();
    let twice: Vec<_> = executed.iter().filter(|&(_, &times)| times > 1).collect();
    let failed = check(&lines, &executed, keys);
    println!(
        "{transport:?}, {client:?} client, {server:?} server: {keys} values put, {failed} calls \
         failed, {} executed twice, {network}",
        twice.len()
    );
    if server == Side::Ours {
        assert!(twice.is_empty(), "{transport:?}, {client:?} client: {twice:?}");
    }
}

/// What the client said of its calls, and what was done to them.
fn over_udp(
    server: SocketAddr,
    call: impl FnOnce(SocketAddr) -> Vec<String>,
) -> (Vec<String>, String) {
    let network = datagrams::start(server, SEED);
    let lines = call(network.addr);
    let tally = network.end();
    assert!(tally.dropped > 0 && tally.repeated > 0 && tally.overtaken > 0, "{tally:?}");
    (lines, format!("{tally:?}"))
}

fn over_tcp(
    server: SocketAddr,
    client: Side,
    call: impl FnOnce(SocketAddr) -> Vec<String>,
) -> (Vec<String>, String) {
    let network = streams::start(server, CUTS, SEED);
    let lines = call(network.addr);
    let tally = network.end();
    assert!(tally.cuts > 0 && tally.stalls > 0, "{tally:?}");
    if client == Side::Ours {
        // It comes back from the same port, each time. The last cuts may come too late for its calls.
        assert!(tally.cuts > CUTS / 2 && tally.sources == 1, "{tally:?}");
    }
    (lines, format!("{tally:?}"))
}

/// Each value was put, and is what was got, unless a call has failed; how many calls have.
fn check(lines: &[String], executed: &BTreeMap<String, u32>, keys: usize) -> usize {
    let mut failed = 0;
    for key in 0..keys {
        let line = |start: String| lines.iter().find_map(|line| line.strip_prefix(&start));
        let put = line(format!("put {key} ")).expect("it has ended");
        if put.starts_with("failed") {
            failed += 1;
            continue;
        }
        assert_eq!(put, "done");
        assert!(executed.contains_key(&key.to_string()), "{key}");
        match line(format!("get {key} ")).expect("it has ended") {
            get if get.starts_with("failed") => failed += 1,
            get => assert_eq!(get, format!("= {key}")),
        }
    }
    failed
}

/// The words of the C client, of ours.
fn our_client(transport: Transport, addr: SocketAddr, keys: usize) -> Vec<String> {
    let scheme = if transport == Transport::Udp { "udp" } else { "tcp" };
    let options = ClientOptions::new().timeout(TIMEOUT);
    let target = format!("{scheme}://{addr}");
    let client = v1::Client::connect_with(&target, &options).expect("an address");
    let of_thread = |first: usize| {
        let mut lines = Vec::new();
        for key in (first..keys).step_by(THREADS) {
            put_and_get(&client, &key.to_string(), &mut lines);
        }
        lines
    };
    thread::scope(|scope| {
        let of_thread = &of_thread;
        let threads: Vec<_> =
            (0..THREADS).map(|first| scope.spawn(move || of_thread(first))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("it ends")).collect()
    })
}

fn put_and_get(client: &v1::Client, key: &str, lines: &mut Vec<String>) {
    let put = in_time(|| client.put(key, key.as_bytes()));
    let is_there = put.is_ok();
    lines.push(match put {
        Ok(KvStatus::Ok) => format!("put {key} done"),
        Ok(other) => panic!("put {key}: {other:?}"),
        Err(error) => format!("put {key} failed: {error}"),
    });
    if is_there {
        lines.push(match in_time(|| client.get(key)) {
            Ok(KvGetRes::Ok(value)) => format!("get {key} = {}", String::from_utf8_lossy(&value)),
            Ok(other) => panic!("get {key}: {other:?}"),
            Err(error) => format!("get {key} failed: {error}"),
        });
    }
}

/// What is lost is sent again: a call fails only by its deadline.
fn in_time<T>(call: impl FnOnce() -> farcall::Result<T>) -> farcall::Result<T> {
    let start = Instant::now();
    let result = call();
    let took = start.elapsed();
    assert!(took < TIMEOUT + SLACK, "{took:?}");
    if let Err(error) = &result {
        assert!(error.is_timeout() && took >= TIMEOUT, "{error} after {took:?}");
    }
    result
}

fn c_client(transport: Transport, addr: SocketAddr, keys: usize) -> Vec<String> {
    let netid = if transport == Transport::Udp { "udp" } else { "tcp" };
    let mut command = Command::new(programs().join("client"));
    command.args([netid, &addr.port().to_string(), &keys.to_string()]);
    let (lines, status) = Process::start(&mut command).rest();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    lines
}

fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| c_programs::build("bad_network", "c/bad_network"))
}

/// A server that says each value that it stores.
struct ServerProcess {
    process: Process,
    udp: SocketAddr,
    tcp: SocketAddr,
}

impl ServerProcess {
    fn start(side: Side) -> Self {
        let mut command = match side {
            Side::Ours => Command::new(env::current_exe().expect("this program")),
            Side::C => Command::new(programs().join("server")),
        };
        if side == Side::Ours {
            // With two threads the harness writes nothing before what the test writes.
            let harness = ["--ignored", "--nocapture", "--test-threads", "2"];
            command.args(["--exact", "bad_network::server_process"]).args(harness);
        }
        let process = Process::start(&mut command);
        let addr = |scheme: &str| {
            let line = process.wait_for_start(scheme);
            line[scheme.len()..].parse().expect("an address")
        };
        let (udp, tcp) = (addr("udp://"), addr("tcp://"));
        process.wait_for("ready");
        Self { process, udp, tcp }
    }

    /// Ends it. How often each value was stored.
    fn executed(self) -> BTreeMap<String, u32> {
        self.process.signal(Signal::SIGTERM);
        let mut executed = BTreeMap::new();
        for key in self.process.rest().0.iter().filter_map(|line| line.strip_prefix("put ")) {
            *executed.entry(key.to_owned()).or_default() += 1;
        }
        executed
    }
}

/// Our server, for the other tests. It ends by SIGTERM.
#[test]
#[ignore = "a process of the other tests"]
fn server_process() {
    let server = farcall::Server::builder()
        .udp("127.0.0.1:0")
        .tcp("127.0.0.1:0")
        .service(v1::Server::new(Telling(Store::default())))
        .stop_on_signal()
        .bind()
        .expect("free ports");
    server.udp_addrs().for_each(|addr| println!("udp://{addr}"));
    server.tcp_addrs().for_each(|addr| println!("tcp://{addr}"));
    println!("ready");
    server.run().expect("it serves");
}

/// Says what it stores.
struct Telling(Store);

impl v1::Service for Telling {
    fn get(&self, cx: &Context, key: String) -> Result<KvGetRes, Fault> {
        self.0.get(cx, key)
    }

    fn put(&self, cx: &Context, key: String, val: Bytes) -> Result<KvStatus, Fault> {
        println!("put {key}");
        self.0.put(cx, key, val)
    }

    fn keys(&self, cx: &Context) -> Result<Vec<KvEntry>, Fault> {
        self.0.keys(cx)
    }
}
