//! `portmapd` as its clients see it, over every transport.

mod support;

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use farcall::bind::proto::pmap_prot::Mapping;
use farcall::bind::proto::pmap_prot::pmap_prog::v2;
use farcall::bind::proto::rpcb_prot::rpcbprog::v4;
use farcall::bind::{Portmapper, Registration, Uaddr};
use farcall::proto::message::AcceptStatus;
use farcall::{Error, Netid, Program, Refusal, Result, Version};

use support::{Daemon, Via, call, exchange, is_silent, rpcb, success, too_weak, words};

const P: Program = Program(0x2000_0001);
const V: Version = Version(1);

fn asking(portmapper: Portmapper) -> Portmapper {
    portmapper.timeout(Duration::from_secs(20))
}

fn at(netid: Netid, address: &str) -> Registration {
    let address: Uaddr = address.parse().expect("a universal address");
    Registration::new(P, V, netid, address)
}

fn not_accepted(result: Result<()>) -> bool {
    matches!(result, Err(Error::NotAccepted { program: P, version: V }))
}

fn found(portmapper: &Portmapper, version: Version, netid: Netid) -> Option<String> {
    let address = portmapper.getaddr(P, version, netid).expect("an answer");
    address.map(|address| address.to_string())
}

/// Owner of what this process registers over the Unix socket.
fn me() -> String {
    match nix::unistd::geteuid().as_raw() {
        0 => "superuser".to_owned(),
        uid => uid.to_string(),
    }
}

#[test]
fn it_registers_itself_as_rpcbind_does() {
    let daemon = Daemon::start(&[]);
    let entries = asking(Portmapper::at(daemon.v4())).dump().expect("a table");
    let [high, low] = daemon.port.to_be_bytes();
    let (any4, any6) = (format!("0.0.0.0.{high}.{low}"), format!("::.{high}.{low}"));
    let socket = daemon.socket().display().to_string();
    let mut expected = Vec::new();
    let mut add = |versions: [u32; 2], netid: &str, address: &str| {
        for version in (versions[0]..=versions[1]).rev() {
            expected.push(format!("100000 {version} {netid} {address} superuser"));
        }
    };
    if daemon.has_v6 {
        add([3, 4], "tcp6", &any6);
        add([3, 4], "udp6", &any6);
    }
    add([2, 4], "tcp", &any4);
    add([2, 4], "udp", &any4);
    add([3, 4], "local", &socket);
    let listed: Vec<_> = entries.iter().map(ToString::to_string).collect();
    assert_eq!(listed, expected);
    assert_eq!(asking(Portmapper::unix(daemon.socket())).dump().expect("a table"), entries);
}

#[test]
fn a_service_registers_and_is_found_over_every_transport() {
    let daemon = Daemon::start(&[]);
    let local = asking(Portmapper::unix(daemon.socket()));
    let v4 = asking(Portmapper::at(daemon.v4()));
    local.set(&at(Netid::Udp, "0.0.0.0.8.1")).expect("accepted");
    local.set(&at(Netid::Tcp, "0.0.0.0.8.2")).expect("accepted");
    local.set(&at(Netid::Udp6, "::.8.3")).expect("accepted");
    local.set(&at(Netid::Tcp6, "::.8.4")).expect("accepted");
    local.set(&at(Netid::Local, "/tmp/kv.sock")).expect("accepted");
    assert_eq!(found(&v4, V, Netid::Udp).as_deref(), Some("127.0.0.1.8.1"));
    assert_eq!(found(&v4, V, Netid::Tcp).as_deref(), Some("127.0.0.1.8.2"));
    // Not asked over that transport: as it was registered.
    assert_eq!(found(&v4, V, Netid::Tcp6).as_deref(), Some("::.8.4"));
    assert_eq!(found(&local, V, Netid::Local).as_deref(), Some("/tmp/kv.sock"));
    assert_eq!(found(&local, V, Netid::Tcp).as_deref(), Some("0.0.0.0.8.2"));
    // The service itself says that it has no such version.
    assert_eq!(found(&v4, Version(9), Netid::Tcp).as_deref(), Some("127.0.0.1.8.2"));
    assert_eq!(v4.getport(P, V, Netid::Udp).expect("an answer"), Some(2049));
    assert_eq!(v4.getport(Program(1), V, Netid::Udp).expect("an answer"), None);
    if daemon.has_v6 {
        let v6 = asking(Portmapper::at(daemon.v6()));
        assert_eq!(found(&v6, V, Netid::Udp6).as_deref(), Some("::1.8.3"));
        assert_eq!(found(&v6, V, Netid::Tcp6).as_deref(), Some("::1.8.4"));
    }
    local.unset(P, V, Some(Netid::Tcp)).expect("accepted");
    assert_eq!(found(&v4, V, Netid::Tcp), None);
    assert_eq!(found(&v4, V, Netid::Udp).as_deref(), Some("127.0.0.1.8.1"));
    local.unset(P, V, None).expect("accepted");
    assert_eq!(found(&v4, V, Netid::Udp), None);
    local.unset(P, V, None).expect("nothing to remove is fine");
}

#[test]
fn an_entry_belongs_to_who_registered_it() {
    let daemon = Daemon::start(&[]);
    let (local, tcp) =
        (asking(Portmapper::unix(daemon.socket())), asking(Portmapper::at(daemon.v4())));
    local.set(&at(Netid::Tcp, "0.0.0.0.8.1")).expect("accepted");
    tcp.set(&at(Netid::Udp, "0.0.0.0.8.1")).expect("accepted");
    let owners: Vec<_> = tcp
        .dump()
        .expect("a table")
        .into_iter()
        .filter(|entry| entry.program == P)
        .map(|entry| (entry.netid, entry.owner))
        .collect();
    let expected = [("tcp".to_owned(), me()), ("udp".to_owned(), "unknown".to_owned())];
    assert_eq!(owners, expected);
    // Another address is not accepted from anybody; the same one is.
    assert!(not_accepted(tcp.set(&at(Netid::Tcp, "0.0.0.0.9.9"))));
    assert!(not_accepted(local.set(&at(Netid::Tcp, "0.0.0.0.9.9"))));
    tcp.set(&at(Netid::Tcp, "0.0.0.0.8.1")).expect("accepted");
    // Of both only one is the caller's: neither is removed.
    assert!(not_accepted(tcp.unset(P, V, None)));
    assert!(not_accepted(tcp.unset(P, V, Some(Netid::Tcp))));
    assert_eq!(found(&tcp, V, Netid::Udp).as_deref(), Some("127.0.0.1.8.1"));
    assert_eq!(found(&tcp, V, Netid::Tcp).as_deref(), Some("127.0.0.1.8.1"));
    tcp.unset(P, V, Some(Netid::Udp)).expect("its own");
    local.unset(P, V, None).expect("its own");
    assert_eq!(found(&tcp, V, Netid::Tcp), None);
}

#[test]
fn version_2_sees_the_same_table() {
    let daemon = Daemon::start(&[]);
    let client = v2::Client::connect(&format!("udp://{}", daemon.v4())).expect("a socket");
    let mapping = |prot, port| Mapping { prog: P.0, vers: V.0, prot, port };
    assert!(client.set(&mapping(17, 2049)).expect("an answer"));
    assert!(client.set(&mapping(6, 2050)).expect("an answer"));
    assert!(!client.set(&mapping(6, 2051)).expect("an answer"));
    assert!(!client.set(&mapping(1, 2049)).expect("an answer"));
    assert!(!client.set(&Mapping { vers: 2, ..mapping(6, 70_000) }).expect("an answer"));
    assert_eq!(client.getport(&mapping(17, 0)).expect("an answer"), 2049);
    assert_eq!(client.getport(&Mapping { vers: 9, ..mapping(6, 0) }).expect("an answer"), 2050);
    assert_eq!(client.getport(&mapping(1, 0)).expect("an answer"), 0);
    let maps: Vec<_> = client.dump().expect("a list").into_iter().map(|item| item.map).collect();
    let own = |vers, prot| Mapping { prog: 100_000, vers, prot, port: u32::from(daemon.port) };
    let own = [own(4, 6), own(3, 6), own(2, 6), own(4, 17), own(3, 17), own(2, 17)];
    assert_eq!(maps, [&own[..], &[mapping(17, 2049), mapping(6, 2050)]].concat());
    let v4 = asking(Portmapper::at(daemon.v4()));
    assert_eq!(found(&v4, V, Netid::Tcp).as_deref(), Some("127.0.0.1.8.2"));
    assert!(client.unset(&mapping(0, 0)).expect("an answer"));
    assert_eq!(client.getport(&mapping(17, 0)).expect("an answer"), 0);
    assert!(client.unset(&mapping(0, 0)).expect("an answer"), "nothing to remove is fine");
}

#[test]
fn version_2_does_not_say_that_it_removed_what_it_may_not() {
    let daemon = Daemon::start(&[]);
    let local = asking(Portmapper::unix(daemon.socket()));
    local.set(&at(Netid::Tcp, "0.0.0.0.8.1")).expect("accepted");
    let client = v2::Client::connect(&format!("tcp://{}", daemon.v4())).expect("connected");
    let mapping = Mapping { prog: P.0, vers: V.0, prot: 6, port: 0 };
    assert!(!client.unset(&mapping).expect("an answer"));
    assert_eq!(client.getport(&mapping).expect("an answer"), 2049);
}

#[test]
fn other_versions_are_refused_with_those_that_there_are() {
    let daemon = Daemon::start(&[]);
    let socket = daemon.socket();
    let mismatch = words(&[support::XID, 1, 0, 0, 0, 2, 2, 4]);
    for via in [Via::Udp(daemon.v4()), Via::Tcp(daemon.v4()), Via::Unix(&socket)] {
        for version in [0, 1, 5] {
            let reply = exchange(via, &call(version, 4, &[]));
            assert_eq!(reply, mismatch, "{via:?} {version}");
        }
        for version in 2..=4 {
            let null = exchange(via, &call(version, 0, &[]));
            assert_eq!(null, success(&[]), "{via:?} {version}");
        }
    }
    let client = v4::Client::connect(&format!("tcp://{}", daemon.v4())).expect("connected");
    assert!(client.gettime().expect("an answer") > 1_700_000_000);
}

#[test]
fn only_this_host_may_register() {
    let stranger = SocketAddr::from(([127, 0, 0, 2], 0));
    let set = call(3, 1, &rpcb(P.0, 1, "tcp", "0.0.0.0.8.1"));
    let unset = call(4, 2, &rpcb(P.0, 1, "", ""));
    let set2 = call(2, 1, &words(&[P.0, 1, 17, 2049]));
    let secure = Daemon::start(&[]);
    let insecure = Daemon::start(&["-i"]);
    for call in [&set, &unset, &set2] {
        let reply = exchange(Via::UdpFrom(stranger, secure.v4()), call);
        assert_eq!(reply, too_weak());
        let reply = exchange(Via::UdpFrom(stranger, insecure.v4()), call);
        assert_eq!(reply, success(&words(&[1])));
    }
    let port = asking(Portmapper::at(secure.v4())).getport(P, V, Netid::Udp);
    assert_eq!(port.expect("an answer"), None);
    let port = asking(Portmapper::at(insecure.v4())).getport(P, V, Netid::Udp);
    assert_eq!(port.expect("an answer"), Some(2049));
}

#[test]
fn calls_for_others_are_not_made() {
    let daemon = Daemon::start(&[]);
    let socket = daemon.socket();
    let nfs_read = [words(&[100_003, 3, 6]), words(&[0])].concat();
    let null = [words(&[100_003, 3, 0]), words(&[0])].concat();
    for version in 2..=4 {
        let denied = exchange(Via::Udp(daemon.v4()), &call(version, 5, &nfs_read));
        assert_eq!(denied, too_weak(), "{version}");
    }
    assert!(is_silent(Via::Udp(daemon.v4()), &call(2, 5, &null)));
    assert!(is_silent(Via::Tcp(daemon.v4()), &call(3, 5, &nfs_read)));
    assert!(is_silent(Via::Unix(&socket), &call(4, 10, &nfs_read)));
    let unavailable = words(&[support::XID, 1, 0, 0, 0, 1]);
    let indirect = exchange(Via::Udp(daemon.v4()), &call(4, 10, &null));
    assert_eq!(indirect, unavailable);
}

#[test]
fn only_indirect_says_why_a_call_for_others_fails() {
    let daemon = Daemon::start(&[]);
    let local = asking(Portmapper::unix(daemon.socket()));
    for version in [2, 4] {
        let registration = at(Netid::Udp, "0.0.0.0.8.1");
        local.set(&Registration { version: Version(version), ..registration }).expect("accepted");
    }
    let called = |version| words(&[P.0, version, 1, 0]);
    let cut = words(&[P.0, 2, 1, 0xffff_ffff, 0]);
    // arguments, what INDIRECT says
    let table: [(_, &[u32]); 3] =
        [(called(2), &[0, 0, 0, 5]), (called(3), &[0, 0, 0, 2, 2, 4]), (cut, &[0, 0, 0, 4])];
    for (args, said) in table {
        for version in 2..=4 {
            assert!(is_silent(Via::Udp(daemon.v4()), &call(version, 5, &args)), "{version}");
        }
        let reply = exchange(Via::Udp(daemon.v4()), &call(4, 10, &args));
        assert_eq!(reply, words(&[&[support::XID, 1], said].concat()));
    }
}

#[test]
fn a_user_has_a_quota() {
    let daemon = Daemon::start(&[]);
    let tcp = asking(Portmapper::at(daemon.v4()));
    let registration =
        |version| Registration { version: Version(version), ..at(Netid::Tcp, "0.0.0.0.8.1") };
    for version in 0..64 {
        tcp.set(&registration(version)).expect("accepted");
    }
    let refused = tcp.set(&registration(64)).expect_err("one too many");
    assert!(matches!(refused, Error::NotAccepted { program: P, version: Version(64) }));
    tcp.unset(P, Version(0), None).expect("accepted");
    tcp.set(&registration(64)).expect("accepted");
}

#[test]
fn what_was_counted_can_be_asked_for() {
    let daemon = Daemon::start(&[]);
    let local = asking(Portmapper::unix(daemon.socket()));
    local.set(&at(Netid::Tcp, "0.0.0.0.8.1")).expect("accepted");
    let tcp = asking(Portmapper::at(daemon.v4()));
    assert_eq!(found(&tcp, V, Netid::Tcp).as_deref(), Some("127.0.0.1.8.1"));
    assert_eq!(found(&tcp, V, Netid::Udp), None);
    let client = v4::Client::connect(&format!("tcp://{}", daemon.v4())).expect("connected");
    let [two, three, four] = client.getstat().expect("statistics");
    assert_eq!((two.info, two.setinfo), ([0; 13], 0));
    assert_eq!((three.info[1], three.setinfo, three.unsetinfo), (1, 1, 0));
    assert_eq!((four.info[3], four.info[12], four.setinfo), (2, 1, 0));
    let rows: Vec<_> =
        four.addrinfo.iter().map(|a| (a.prog, a.success, a.failure, a.netid.as_str())).collect();
    assert_eq!(rows, [(P.0, 0, 1, "udp"), (P.0, 1, 0, "tcp")]);
}

#[test]
fn an_unknown_procedure_is_refused() {
    let daemon = Daemon::start(&[]);
    let client = farcall::Client::connect(
        &format!("tcp://{}", daemon.v4()),
        &v2::INTERFACE,
        &farcall::ClientOptions::new(),
    );
    let error = client
        .expect("connected")
        .call(farcall::Procedure(6), |_| Ok(()), |_| Ok(()))
        .expect_err("version 2 has five");
    assert!(matches!(
        error,
        Error::Refused { refusal: Refusal::Accepted(AcceptStatus::ProcUnavail), .. }
    ));
}

#[test]
fn a_signal_ends_it_and_the_socket_goes() {
    let mut daemon = Daemon::start(&[]);
    let mode = std::fs::metadata(daemon.socket()).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o666);
    assert_eq!(daemon.terminate().code(), Some(0));
    assert!(!daemon.socket().exists());
}

/// Called as `rpcbind`, by a link.
fn as_rpcbind(args: &[&str]) -> (Option<i32>, String) {
    let scratch = support::Scratch::new();
    let link = scratch.path().join("rpcbind");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_portmapd"), &link).expect("a free name");
    let output = Command::new(link).args(args).env("RUST_LOG", "off").output().expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn as_rpcbind_it_reports_wrong_usage_as_rpcbind() {
    let usage = |what: &str| (Some(1), format!("rpcbind: {what}\nusage: rpcbind [-adhilswfr]\n"));
    assert_eq!(as_rpcbind(&["-z"]), usage("invalid option -- 'z'"));
    assert_eq!(as_rpcbind(&["-dfz"]), usage("invalid option -- 'z'"));
    assert_eq!(as_rpcbind(&["-h"]), usage("option requires an argument -- 'h'"));
}

#[test]
fn as_rpcbind_it_says_from_the_background_why_it_failed() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = taken.local_addr().expect("bound");
    let args = ["-a", "-l", "-r", "-L", "-h", "127.0.0.1", "--port", &addr.port().to_string()];
    let (status, stderr) = as_rpcbind(&args);
    assert_eq!(status, Some(1));
    let me = std::process::id();
    let expected =
        format!("portmapd: cannot listen on {addr}: Address already in use (os error 98)");
    assert_eq!(stderr.lines().next(), Some(expected.as_str()));
    assert!(stderr.contains(&format!(" (pid {me}) has it")), "{stderr}");
}

#[test]
fn wrong_usage_and_failure_have_their_exit_status() {
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_portmapd")).args(args).output();
        let output = output.expect("portmapd runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for args in [&["--nosuch"][..], &["--port", "65536"], &["--listen", "db1"], &["extra"], &["-h"]]
    {
        assert_eq!(run(args).0, Some(2), "{args:?}");
    }
    assert_eq!(run(&["--help"]).0, Some(0));
    assert_eq!(run(&["--version"]).0, Some(0));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = taken.local_addr().expect("bound");
    let (status, stderr) = run(&["--listen", "127.0.0.1", "--port", &addr.port().to_string()]);
    assert_eq!(status, Some(1));
    assert!(stderr.starts_with(&format!("portmapd: cannot listen on {addr}: ")), "{stderr}");
}
