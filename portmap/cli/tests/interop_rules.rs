//! Whom a rule denies is told what Debian's rpcbind tells whom `hosts.deny` names.
//!
//! In a namespace, as `compat`.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::port111::{OnPort111, SOCKET, inside};
use support::{Via, call, exchange, rpcb, too_weak, words};

/// What rpcbind would deny to everybody but the Unix socket.
const DENY: &str = "mount --bind /run/hosts.deny /etc/hosts.deny && : >/run/hosts.allow && \
                    mount --bind /run/hosts.allow /etc/hosts.allow";
const RULES: &str = "[[rule]]\nfrom = ['unix']\nallow = true\n[[rule]]\nallow = false\n";

/// The replies to all of these, by every transport. Results are left out: they tell the time.
fn replies() -> Vec<Vec<u8>> {
    let mapping = words(&[100_000, 2, 17, 0]);
    let calls = [
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
    fs::write("/run/hosts.deny", "rpcbind: ALL\n").expect("a tmpfs of our own");
    assert!(Command::new("sh").args(["-c", DENY]).status().expect("sh").success());
    let rpcbind = OnPort111::rpcbind(&[]);
    let expected = replies();
    drop(rpcbind);
    // By IP, all but NULL and what there is not.
    assert_eq!(expected.iter().filter(|&reply| *reply == too_weak()).count(), 3 * 7);

    fs::write("/run/portmapd.toml", RULES).expect("a tmpfs of our own");
    let _portmapd = OnPort111::portmapd(&["--config", "/run/portmapd.toml"]);
    assert_eq!(replies(), expected);
}
