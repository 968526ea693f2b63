//! Whom a rule denies is told what Debian's rpcbind tells whom `hosts.deny` names.
//!
//! In a namespace, as `compat`.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::port111::{OnPort111, SOCKET, inside};
use support::{Via, call, exchange, rpcb, too_weak, words};

/// Files of our own in place of the host's.
const FILES: &str = "cd /run && touch hosts.allow hosts.deny && \
                     mount --bind hosts.allow /etc/hosts.allow && \
                     mount --bind hosts.deny /etc/hosts.deny";
const RULES: &str = "[[rule]]\nfrom = ['unix']\nallow = true\n[[rule]]\nallow = false\n";

/// How many calls are asked by each way, and which of them is DUMP.
const CALLS: usize = 12;
const DUMP: usize = 3;

fn write_files(allow: &str, deny: &str) {
    fs::write("/etc/hosts.allow", allow).expect("a file of our own");
    fs::write("/etc/hosts.deny", deny).expect("a file of our own");
}

/// The replies to all of these, by every transport. Results are left out: they tell the time.
fn replies() -> Vec<Vec<u8>> {
    let mapping = words(&[100_000, 2, 17, 0]);
    let calls: [_; CALLS] = [
        call(2, 0, &[]),
        call(2, 1, &mapping),
        call(2, 3, &mapping),
        call(2, 4, &[]),
        call(3, 0, &[]),
        call(3, 3, &rpcb(100_000, 3, "udp", "")),
        call(4, 0, &[]),
        call(4, 2, &rpcb(100_000, 4, "udp", "")),
        call(4, 6, &[]),
        call(4, 12, &[]),
        call(4, 99, &[]),
        call(5, 4, &[]),
    ];
    let to = ([127, 0, 0, 1], 111).into();
    let from = ([127, 0, 0, 2], 0).into();
    let ways = [Via::Udp(to), Via::UdpFrom(from, to), Via::Tcp(to), Via::Unix(Path::new(SOCKET))];
    let asked = ways.into_iter().flat_map(|via| calls.iter().map(move |call| exchange(via, call)));
    asked.map(|reply| reply[..reply.len().min(24)].to_vec()).collect()
}

#[test]
fn who_is_denied_is_told_what_rpcbind_says() {
    if !inside("who_is_denied_is_told_what_rpcbind_says", &["rpcbind", "chown"]) {
        return;
    }
    assert!(Command::new("sh").args(["-c", FILES]).status().expect("sh").success());
    let table = [
        // hosts.allow, hosts.deny, by how many ways DUMP is denied
        ("", "", 0),
        ("", "sshd: ALL\n", 0),
        ("", "rpcbind: ALL\n", 3),
        ("rpcbind: 127.0.0.2\n", "ALL: ALL\n", 2),
        ("rpcbind: 127.0.0.0/255.0.0.0 EXCEPT 127.0.0.2\n", "ALL: \\\n127.\n", 1),
        ("sshd: ALL\nALL: 127.\n", "rpcbind: ALL\n", 0),
        ("", "ALL EXCEPT rpcbind: ALL\nRPCBIND: ALL EXCEPT 127.0.0.1/32\n", 1),
    ];
    let rpcbind = OnPort111::rpcbind(&[]);
    // It reads them with each call.
    let expected = table.map(|(allow, deny, ways)| {
        write_files(allow, deny);
        let replies = replies();
        let dumps = replies.iter().skip(DUMP).step_by(CALLS);
        let denied = dumps.filter(|&reply| *reply == too_weak()).count();
        assert_eq!(denied, ways, "{allow:?} {deny:?}");
        replies
    });
    drop(rpcbind);
    for ((allow, deny, _), expected) in table.into_iter().zip(&expected) {
        write_files(allow, deny);
        let _portmapd = OnPort111::portmapd(&["-L"]);
        assert_eq!(replies(), *expected, "{allow:?} {deny:?}");
    }
    write_files("", "");
    fs::write("/run/portmapd.toml", RULES).expect("a tmpfs of our own");
    let _portmapd = OnPort111::portmapd(&["--config", "/run/portmapd.toml"]);
    assert_eq!(replies(), expected[2]);
}
