//! One suite of requests to `portmapd` and to Debian's rpcbind, and their replies, field by field.
//!
//! It runs as root in a network and mount namespace of its own. Without root or the programs it is
//! skipped, unless `FARCALL_INTEROP=require`.

mod differences;
mod fields;
mod network;
mod script;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;

use farcall_portmap::daemon::STATE_DIR;

use differences::{Because, Difference, FAULTS, ON_PURPOSE};
use network::Services;
use script::Request;
use support::port111::{OnPort111, inside};

/// What is heard of each request, as fields.
fn replies(requests: &[Request], daemon: OnPort111) -> Vec<String> {
    let heard = |request: &Request| {
        let &Request { caller, version, procedure, ref message, .. } = request;
        // SET and UNSET are, and perhaps after what comes later.
        let is_answered = matches!(procedure, 1 | 2);
        fields::of(&caller.ask(message, is_answered), version, procedure)
    };
    let replies = requests.iter().map(heard).collect();
    drop(daemon);
    replies
}

/// Why the replies of `portmapd` with these options are others than rpcbind's.
fn differences(requests: &[Request], rpcbind: &[String], options: &[&str]) -> BTreeSet<Because> {
    // What the one before it has kept.
    let _ = fs::remove_dir_all(STATE_DIR);
    let portmapd = replies(requests, OnPort111::portmapd(options));
    let mut because = BTreeSet::new();
    for ((request, theirs), ours) in requests.iter().zip(rpcbind).zip(&portmapd) {
        if ours != theirs {
            because.insert(request.because.unwrap_or_else(|| {
                let Request { what, caller, message, .. } = request;
                let asked = format!("{what} by {caller:?}: {message:x?}");
                panic!("{options:?}: {asked}\nportmapd: {ours}\nrpcbind: {theirs}")
            }));
        }
    }
    because
}

fn all_but(without: Because) -> Vec<&'static str> {
    let others = ON_PURPOSE.iter().filter(|difference| difference.because != without);
    others.flat_map(|difference| difference.switch).copied().collect()
}

fn reasons(rows: &[Difference]) -> BTreeSet<Because> {
    rows.iter().map(|difference| difference.because).collect()
}

#[test]
fn portmapd_answers_as_rpcbind_does() {
    if !inside("portmapd_answers_as_rpcbind_does", &["rpcbind"]) {
        return;
    }
    network::set_up();
    let _services = Services::start();
    let mut requests = script::alike();
    let alike = requests.len();
    requests.extend(script::differing());
    let rpcbind = replies(&requests, OnPort111::rpcbind(&[]));
    let faults = reasons(&FAULTS);
    // With all switches, with all but one, and with none.
    let compatible: Vec<_> = ON_PURPOSE.iter().flat_map(|row| row.switch).copied().collect();
    assert_eq!(differences(&requests, &rpcbind, &compatible), faults);
    for row in &ON_PURPOSE {
        let mut expected = faults.clone();
        expected.insert(row.because);
        let options = all_but(row.because);
        let differences = differences(&requests[alike..], &rpcbind[alike..], &options);
        assert_eq!(differences, expected, "{options:?}");
    }
    assert_eq!(differences(&requests, &rpcbind, &[]), &reasons(&ON_PURPOSE) | &faults);
    // Whoever may do anything.
    let rpcbind = replies(&requests, OnPort111::rpcbind(&["-i"]));
    let insecure = [&compatible[..], &["-i"]].concat();
    assert_eq!(differences(&requests, &rpcbind, &insecure), faults);
}

/// The cells of the tables in a section of `docs/portmapd.md`, without the first two lines.
fn documented(heading: &str) -> Vec<Vec<String>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/portmapd.md");
    let text = fs::read_to_string(path).expect("the documentation");
    let section = text.split_once(heading).expect("the section").1;
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

#[test]
fn the_documentation_has_the_same_tables() {
    for (heading, rows) in [
        ("## Where it differs on purpose", &ON_PURPOSE[..]),
        ("## Faults of rpcbind that no switch brings back", &FAULTS[..]),
    ] {
        let documented = documented(heading);
        for (cells, row) in documented.iter().zip(rows) {
            assert_eq!(cells[0], row.rpcbind);
            let switch = row.switch.first().copied().unwrap_or_default();
            assert!(switch.is_empty() || cells[2].contains(switch), "{cells:?}");
        }
        assert_eq!(documented.len(), rows.len(), "{heading}");
    }
}
