//! From Debian's rpcbind to `portmapd` and back, with what is registered.
//!
//! In a namespace, as `compat`.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use farcall::bind::{Portmapper, Registration, Uaddr};
use farcall::{Netid, Program, Version};

use support::port111::{OnPort111, SOCKET, STATE, inside, wait_until_free};

const P: Program = Program(0x2000_0001);

fn local() -> Portmapper {
    Portmapper::unix(SOCKET).timeout(Duration::from_secs(20))
}

fn register() {
    let table = [
        (1, Netid::Tcp, "0.0.0.0.8.1"),
        (1, Netid::Udp6, "::.8.1"),
        (3, Netid::Udp, "127.0.0.1.8.3"),
        (2, Netid::Local, "/run/kv.sock"),
    ];
    for (version, netid, address) in table {
        let address: Uaddr = address.parse().expect("a universal address");
        local().set(&Registration::new(P, Version(version), netid, address)).expect("accepted");
    }
    let foreign = "0.0.0.0.8.9".parse().expect("a universal address");
    Portmapper::at(([127, 0, 0, 1], 111).into())
        .set(&Registration::new(P, Version(4), Netid::Tcp, foreign))
        .expect("accepted");
}

/// Without the portmappers' own.
fn listed() -> Vec<String> {
    let entries = local().dump().expect("a table").into_iter();
    entries.filter(|entry| entry.program == P).map(|entry| entry.to_string()).collect()
}

fn is_left() -> bool {
    Path::new(STATE).join("rpcbind.xdr").exists()
}

#[test]
fn what_is_registered_moves_from_rpcbind_and_back() {
    if !inside("what_is_registered_moves_from_rpcbind_and_back", &["rpcbind", "chown"]) {
        return;
    }
    let rpcbind = OnPort111::rpcbind(&["-w"]);
    register();
    let expected = listed();
    assert_eq!(expected.len(), 5);
    drop(rpcbind);
    // Nobody serves what is registered here.
    let portmapd = OnPort111::portmapd(&["-w", "--no-prune", "-L"]);
    assert_eq!(listed(), expected);
    assert!(!is_left(), "taken over");
    drop(portmapd);
    let rpcbind = OnPort111::rpcbind(&["-w"]);
    assert_eq!(listed(), expected, "left for rpcbind");
    drop(rpcbind);
    // By hand, and from the journal, for a daemon that was not started with -w.
    rpcbind_left_nothing();
    let portmapd = OnPort111::portmapd(&["--no-prune", "-L"]);
    assert_eq!(listed(), expected, "kept since then");
    drop(portmapd);
    assert!(!is_left());
    let export = Command::new(env!("CARGO_BIN_EXE_portmapd")).args(["export", STATE]).status();
    assert!(export.expect("portmapd runs").success());
    let rpcbind = OnPort111::rpcbind(&["-w"]);
    assert_eq!(listed(), expected, "exported");
    drop(rpcbind);
}

#[test]
fn rpcbind_is_named_if_it_is_in_the_way() {
    if !inside("rpcbind_is_named_if_it_is_in_the_way", &["rpcbind", "chown"]) {
        return;
    }
    let rpcbind = OnPort111::rpcbind(&[]);
    let output = Command::new(env!("CARGO_BIN_EXE_portmapd")).output().expect("portmapd runs");
    let pid = rpcbind.pid();
    let expected = format!(
        "portmapd: cannot listen on 0.0.0.0:111: Address already in use (os error 98)\n  \
         rpcbind (pid {pid}) has it\n  help: systemctl stop rpcbind.socket rpcbind.service, and \
         start this again: with -w,\n  what is registered with rpcbind is taken over\n"
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn called_as_rpcbind_it_serves_from_the_background() {
    if !inside("called_as_rpcbind_it_serves_from_the_background", &["kill"]) {
        return;
    }
    let link = "/run/rpcbind-link/rpcbind";
    fs::create_dir_all("/run/rpcbind-link").expect("/run is a tmpfs of our own");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_portmapd"), link).expect("a free name");
    let status = Command::new(link).arg("-w").env("RUST_LOG", "off").status();
    assert!(status.expect("it runs").success());
    // It has ended, and somebody serves.
    assert_eq!(listed(), [""; 0]);
    let process = fs::read_dir("/proc").expect("mounted").flatten().find(|process| {
        let comm = fs::read_to_string(process.path().join("comm"));
        comm.is_ok_and(|name| name == "portmapd\n" || name == "rpcbind\n")
            && is_in_this_namespace(&process.path())
    });
    let pid = process.expect("it runs").file_name();
    let status = Command::new("kill").arg(pid).status();
    assert!(status.expect("kill runs").success());
    wait_until_free();
}

fn is_in_this_namespace(process: &Path) -> bool {
    let of = |process: &Path| fs::read_link(process.join("ns/net")).ok();
    of(process).is_some() && of(process) == of(Path::new("/proc/self"))
}

fn rpcbind_left_nothing() {
    for name in ["rpcbind.xdr", "portmap.xdr"] {
        fs::remove_file(Path::new(STATE).join(name)).expect("rpcbind leaves it");
    }
}
