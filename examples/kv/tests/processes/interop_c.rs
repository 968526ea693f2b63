//! Against programs that C's rpcgen and libtirpc make of the same `.x`, in both directions.
//!
//! libtirpc asks the portmapper at port 111 and registers at /run/rpcbind.sock, and cannot be told
//! otherwise: so the test runs itself once more, with a network and a /run of its own.
//!
//! Without the C tools, or where such namespaces are not allowed, it is skipped, and says so; with
//! FARCALL_INTEROP=require it fails then.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use std::{env, io, thread};

use farcall::bind::Portmapper;
use farcall::proto::message::AcceptStatus;
use farcall::{Client, ClientOptions, Error, Interface, Procedure, Program, Refusal, Version};
use farcall_example_kv::kv::{KvGetRes, KvStatus, kv_prog, kv_prog::v1};
use farcall_portmap::SOCKET;
use farcall_portmap::daemon::{self, Options};
use nix::sys::signal::Signal;

use crate::c_programs::{self, run, run_any, skip, text};
use crate::process::Process;

/// Where the C programs are, for the inner run.
const INSIDE: &str = "FARCALL_INTEROP_INSIDE";

const TEST: &str = "interop_c::c_programs_and_ours_find_and_call_each_other";

#[test]
fn c_programs_and_ours_find_and_call_each_other() {
    if let Some(programs) = env::var_os(INSIDE) {
        return inside(Path::new(&programs));
    }
    let unshare = unshare();
    if let Some(reason) = lacking(&unshare) {
        return skip(TEST, &reason);
    }
    let programs = c_programs::build("interop_c", "c");
    let this = env::current_exe().expect("this program");
    let mut command = Command::new(unshare[0]);
    command.args(&unshare[1..]).arg(this).args(["--exact", TEST, "--nocapture"]);
    let output = command.env(INSIDE, programs).output().expect("unshare runs");
    assert!(output.status.success(), "{}", text(&output));
}

/// As root, or else as one in a user namespace.
fn unshare() -> Vec<&'static str> {
    let mut words = vec!["unshare", "--net", "--mount"];
    if !nix::unistd::geteuid().is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    words
}

/// Why the test cannot be run here, if so.
fn lacking(unshare: &[&str]) -> Option<String> {
    let mut may_unshare = unshare.to_vec();
    may_unshare.push("true");
    let more: [&[&str]; 2] = [&["ip", "-V"], &may_unshare];
    c_programs::lacking(c_programs::NEEDS.into_iter().chain(more))
}

/// With a network and a mount table of its own.
fn inside(programs: &Path) {
    run(Command::new("ip").args(["link", "set", "lo", "up"]));
    run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/run"]));
    start_portmapper();
    c_clients_call_our_server(&programs.join("client"));
    our_clients_call_the_c_server(&programs.join("server"));
}

/// It ends with this process.
fn start_portmapper() {
    struct Announcements(Sender<Vec<u8>>);
    impl Write for Announcements {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (sender, said) = channel();
    thread::spawn(|| {
        let options = Options { socket: Some(SOCKET.into()), ..Options::default() };
        daemon::run(&options, &mut Announcements(sender)).expect("the portmapper runs");
    });
    let mut text = Vec::new();
    while !text.ends_with(format!("unix {SOCKET}\n").as_bytes()) {
        text.extend(said.recv_timeout(Duration::from_secs(60)).expect("it listens"));
    }
}

fn c_clients_call_our_server(client: &Path) {
    let server = Process::start(&mut Command::new(env!("CARGO_BIN_EXE_kv-server")));
    server.wait_for("ready");
    let over = |netid, version| run_any(Command::new(client).args(["127.0.0.1", netid, version]));
    assert_eq!(
        text(&over("udp", "1")),
        "put motd 5: 0\nget motd: hello\nget nothing: status 2\nkey motd\n"
    );
    assert_eq!(
        text(&over("tcp", "1")),
        "put motd 5: 0\nget motd: hello\nget nothing: status 2\n\
         put large 100000: 0\nget large: 100000 bytes, the last 7\nkey large\nkey motd\n"
    );
    let mismatch = "put: RPC: Program/version mismatch; low version = 1, high version = 1\n";
    assert_eq!(text(&over("tcp", "2")), mismatch);

    server.signal(Signal::SIGTERM);
    assert_eq!(server.rest().1.code(), Some(0));
    assert_eq!(text(&over("udp", "1")), "127.0.0.1: RPC: Program not registered\n");
}

fn our_clients_call_the_c_server(server: &Path) {
    let server = Process::start(&mut Command::new(server));
    assert_eq!(server.wait_for(" transports"), "4 transports");
    assert_eq!(
        registered(),
        ["tcp superuser", "tcp6 superuser", "udp superuser", "udp6 superuser"]
    );
    let mut keys = Vec::new();
    for target in ["udp://127.0.0.1", "tcp://127.0.0.1", "udp://[::1]", "tcp://[::1]"] {
        keys.push(target);
        keys.sort_unstable();
        call(target, &keys);
    }
    refusals_of_the_c_server();

    server.signal(Signal::SIGTERM);
    assert_eq!(server.rest().1.code(), Some(0));
    assert_eq!(registered(), <[&str; 0]>::default());
}

/// The target is the key too; `keys` are all that are there then.
fn call(target: &str, keys: &[&str]) {
    let kv = v1::Client::connect(target).expect("the portmapper knows the server");
    kv.null().expect("procedure 0");
    // Over TCP in more than one fragment, as libtirpc cuts its records.
    let value = vec![9; if target.starts_with("tcp") { 200_001 } else { 1001 }];
    assert_eq!(kv.put(target, &value).expect("put"), KvStatus::Ok);
    assert_eq!(kv.get(target).expect("get"), KvGetRes::Ok(value.into()));
    assert_eq!(kv.get("nothing").expect("get"), KvGetRes::Other(KvStatus::Noent));
    let listed = kv.keys().expect("list");
    assert_eq!(listed.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), keys);
}

fn refusals_of_the_c_server() {
    static VERSION_2: Interface = Interface { version: Version(2), ..v1::INTERFACE };
    static OTHER: Interface = Interface { program: Program(0x2000_0098), ..v1::INTERFACE };
    let options = ClientOptions::new();
    let client = |interface| Client::connect("tcp://127.0.0.1", interface, &options);

    let error = client(&VERSION_2).and_then(|client| client.null()).expect_err("version 2");
    let only_1 = AcceptStatus::ProgMismatch { low: Version(1), high: Version(1) };
    assert!(
        matches!(error, Error::Refused { refusal: Refusal::Accepted(status), .. } if status == only_1)
    );

    let kv = client(&v1::INTERFACE).expect("the server");
    let error = kv.call(Procedure(99), |_| Ok(()), |_| Ok(())).expect_err("procedure 99");
    let none = AcceptStatus::ProcUnavail;
    assert!(
        matches!(error, Error::Refused { refusal: Refusal::Accepted(status), .. } if status == none)
    );

    let error = client(&OTHER).expect_err("another program");
    assert!(matches!(error, Error::NotRegistered { program: Program(0x2000_0098), .. }));
}

/// The transports over which the program is registered, and by whom.
fn registered() -> Vec<String> {
    let entries = Portmapper::local().dump().expect("the table");
    let ours = entries.into_iter().filter(|entry| entry.program == kv_prog::PROGRAM);
    let mut ours: Vec<_> = ours.map(|entry| format!("{} {}", entry.netid, entry.owner)).collect();
    ours.sort();
    ours
}
