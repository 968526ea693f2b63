//! T6: a server under few and under many descriptors. It is this test's own process, started again
//! for each limit, because that of a process is measured.

mod server_peer;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use nix::sys::resource::{Resource, getrlimit};
use server_peer::{Echo, connect, exchange, exchange_datagram, udp_addr};

/// Tells the process that it is the one that serves.
const INSIDE: &str = "FARCALL_TEST_DESCRIPTORS";

const MIB: u64 = 1 << 20;

/// What `/proc/self/status` says under `key`, in bytes.
fn status(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("known");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// Serves connections and datagrams, and tells what memory that took.
fn serve() {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("known");
    let (echo, _) = Echo::new();
    let server = server_peer::serve(&echo);
    for xid in 0..200 {
        exchange(&mut connect(&server), xid, b"over TCP");
    }
    exchange_datagram(udp_addr(&server), 1, b"over UDP");
    assert_eq!(server.stats().executed, 201);
    println!("descriptors {limit} resident {} virtual {}", status("VmHWM:"), status("VmPeak:"));
}

/// Resident and virtual memory of a server that `launcher` has started, in bytes.
fn memory_of(launcher: &str, descriptors: u64) -> (u64, u64) {
    let script = format!("{launcher} \"$0\" --exact --nocapture \"$1\"");
    let mut child = Command::new("bash")
        .args(["-c", &script])
        .arg(std::env::current_exe().expect("a path"))
        .arg("t6_memory_does_not_follow_the_limit_of_descriptors")
        .env(INSIDE, "1")
        // Arenas for each thread would blur what is compared.
        .env("MALLOC_ARENA_MAX", "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let lines: Vec<String> = output.lines().map(|line| line.expect("text")).collect();
    assert!(child.wait().expect("ends").success(), "{lines:?}");
    let said = lines.iter().find_map(|line| Some(line.split_once("descriptors ")?.1));
    let words: Vec<&str> = said.expect("it says").split(' ').collect();
    assert_eq!(words[0].parse(), Ok(descriptors));
    (words[2].parse().expect("bytes"), words[4].parse().expect("bytes"))
}

fn succeeds(command: &str) -> bool {
    let status = Command::new("bash").args(["-c", command]).stderr(Stdio::null()).status();
    status.expect("bash").success()
}

/// How a process is started that may have this many descriptors, or is told so.
fn launcher(descriptors: u64) -> Option<String> {
    if succeeds(&format!("ulimit -n {descriptors}")) {
        return Some(format!("ulimit -n {descriptors} && exec"));
    }
    // Only some superusers raise the limit. strace(1) can still claim it: as both limits, in bytes.
    let limit: String =
        descriptors.to_ne_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let claim = format!("inject=prlimit64:poke_exit=@arg4={limit}{limit}");
    let strace = format!("strace -f -qq -o /dev/null -e trace=prlimit64 -e {claim}");
    succeeds(&format!("{strace} true")).then(|| format!("exec {strace}"))
}

#[test]
fn t6_memory_does_not_follow_the_limit_of_descriptors() {
    if std::env::var_os(INSIDE).is_some() {
        return serve();
    }
    let (resident, address_space) = memory_of("ulimit -n 1024 && exec", 1024);
    println!("1024 descriptors: {resident} bytes resident, {address_space} virtual");
    for descriptors in [64, 1 << 20] {
        let Some(launcher) = launcher(descriptors) else {
            let reason = format!("{descriptors} descriptors are not allowed, nor is strace(1)");
            assert!(std::env::var("FARCALL_INTEROP").as_deref() != Ok("require"), "{reason}");
            println!("skipped: {reason}");
            continue;
        };
        let (other, other_space) = memory_of(&launcher, descriptors);
        println!("{descriptors} descriptors: {other} bytes resident, {other_space} virtual");
        assert!(other <= resident + MIB, "{other} bytes, not {resident}");
        assert!(other_space <= address_space + 8 * MIB, "{other_space}, not {address_space}");
    }
}
