//! Each `fixtures/NAME/input.x` gives `fixtures/NAME/expected.rs`, to the byte; those called
//! `option_…` with that option.
//!
//! `FARCALL_BLESS=1 cargo test -p farcall-rpcgen --test fixtures` rewrites the latter.

use std::fs;
use std::path::{Path, PathBuf};

use farcall_rpcgen::{Config, configure};

fn cases() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut cases: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// The options for a fixture.
fn config(case: &Path) -> Config {
    match case.file_name().unwrap().to_str().unwrap() {
        "option_extern_type" => {
            configure().extern_type("token", "crate::Token").extern_type("stamp", "crate::Stamp")
        }
        "option_bytes_strings" => configure()
            .bytes_strings("filename")
            .bytes_strings("entry.target")
            .bytes_strings("answer.path"),
        "option_open_enum" => configure().open_enum("status"),
        "option_keep_prefix" => configure().keep_prefix("kept").keep_prefix("PREFIX_V2"),
        "option_c_names" => configure().c_names(true),
        "option_derive" => configure()
            .derive("*", "PartialOrd, Ord, Hash")
            .derive("point", "serde::Serialize, serde::Deserialize"),
        "option_deferred" => configure()
            .deferred("LATER_WAIT")
            .deferred("LATER_V2.LATER_GET")
            .idempotent("LATER_PROG.LATER_V1.LATER_GET"),
        "option_client" => configure().server(false),
        "option_define" => configure().define("MAXNAME", "64").undefine("RPC_SVC"),
        "option_include_dir" => configure().include_dir(case.join("common")),
        "option_server" => configure().client(false),
        _ => configure(),
    }
}

#[test]
fn the_output_is_as_expected() {
    let bless = std::env::var_os("FARCALL_BLESS").is_some();
    let mut stale = Vec::new();
    for case in cases() {
        let code = match config(&case).generate(case.join("input.x")) {
            Ok(code) => code,
            Err(error) => {
                stale.push(format!("{}: {error}", case.display()));
                continue;
            }
        };
        let expected = case.join("expected.rs");
        if fs::read_to_string(&expected).is_ok_and(|old| old == code) {
            continue;
        }
        if bless {
            fs::write(&expected, code).unwrap();
        } else {
            stale.push(expected.display().to_string());
        }
    }
    assert_eq!(stale, Vec::<String>::new(), "FARCALL_BLESS=1 rewrites them");
}

#[test]
fn every_fixture_is_there() {
    let names: Vec<_> = cases().iter().map(|case| case.file_name().unwrap().to_owned()).collect();
    let expected = [
        "clashes",
        "keywords",
        "kv",
        "large",
        "multi_version",
        "namespaces",
        "option_bytes_strings",
        "option_c_names",
        "option_client",
        "option_deferred",
        "option_define",
        "option_derive",
        "option_extern_type",
        "option_include_dir",
        "option_keep_prefix",
        "option_open_enum",
        "option_server",
        "recursion",
        "types",
        "unions",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_output_is_always_the_same() {
    for case in cases() {
        let input = case.join("input.x");
        let first = config(&case).generate(&input).unwrap();
        for _ in 1..3 {
            assert!(config(&case).generate(&input).unwrap() == first, "{}", input.display());
        }
    }
}
