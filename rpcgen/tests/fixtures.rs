//! Each `fixtures/NAME/input.x` gives `fixtures/NAME/expected.rs`, to the byte.
//!
//! `FARCALL_BLESS=1 cargo test -p farcall-rpcgen --test fixtures` rewrites the latter.

use std::fs;
use std::path::PathBuf;

fn cases() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut cases: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[test]
fn the_output_is_as_expected() {
    let bless = std::env::var_os("FARCALL_BLESS").is_some();
    let mut stale = Vec::new();
    for case in cases() {
        let code = farcall_rpcgen::generate(case.join("input.x")).unwrap();
        let expected = case.join("expected.rs");
        if fs::read_to_string(&expected).is_ok_and(|old| old == code) {
            continue;
        }
        if bless {
            fs::write(&expected, code).unwrap();
        } else {
            stale.push(expected);
        }
    }
    assert_eq!(stale, Vec::<PathBuf>::new(), "FARCALL_BLESS=1 rewrites them");
}

#[test]
fn every_fixture_is_there() {
    let names: Vec<_> = cases().iter().map(|case| case.file_name().unwrap().to_owned()).collect();
    let expected = [
        "keywords",
        "kv",
        "multi_version",
        "pmap_prot",
        "recursion",
        "rpcb_prot",
        "types",
        "unions",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_output_is_always_the_same() {
    for case in cases() {
        let input = case.join("input.x");
        let first = farcall_rpcgen::generate(&input).unwrap();
        for _ in 1..10 {
            assert!(farcall_rpcgen::generate(&input).unwrap() == first, "{}", input.display());
        }
    }
}

#[test]
fn clients_and_servers_can_be_left_out() {
    let text = "program P { version V { int GET(int) = 1; } = 1; } = 0x20000000;";
    let generate = |client, server| {
        let config = farcall_rpcgen::configure().client(client).server(server);
        let code = config.generate_text("p.x", text).unwrap();
        let has = |what: &str| code.contains(what);
        (has("pub struct Client"), has("pub trait Service"), has("pub static INTERFACE"))
    };
    assert_eq!(generate(true, true), (true, true, true));
    assert_eq!(generate(true, false), (true, false, true));
    assert_eq!(generate(false, true), (false, true, true));
    assert_eq!(generate(false, false), (false, false, true));
}
