//! Whole files.

use std::fs;
use std::path::{Path, PathBuf};

use super::properties::formatted;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Each `tests/format/NAME/input.x` is formatted as `expected.x`; `FARCALL_BLESS=1` rewrites it.
#[test]
fn examples() {
    let bless = std::env::var_os("FARCALL_BLESS").is_some();
    let entries = fs::read_dir(folder("tests/format")).unwrap();
    let mut cases: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let names: Vec<_> = cases.iter().map(|case| case.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, NAMES);
    for case in cases {
        let formatted = formatted(&fs::read_to_string(case.join("input.x")).unwrap());
        let path = case.join("expected.x");
        if bless {
            fs::write(&path, &formatted).unwrap();
        }
        assert_eq!(formatted, fs::read_to_string(&path).unwrap(), "{}", path.display());
    }
}

const NAMES: [&str; 9] = [
    "branches",
    "comments",
    "dense",
    "expressions",
    "latin_crlf",
    "mount",
    "namespaces",
    "unions",
    "versions",
];

/// Files that others wrote: this project's and, where they are installed, the system's.
#[test]
fn files_that_are_there() {
    let folders = ["/usr/include/rpcsvc", "/usr/include/tirpc/rpc", "/usr/include/tirpc/rpcsvc"];
    let mut count = 0;
    for folder in folders.iter().map(PathBuf::from).filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "x") {
                formatted(&crate::source::read(&path).unwrap());
                count += 1;
            }
        }
    }
    let required = std::env::var("FARCALL_INTEROP").is_ok_and(|value| value == "require");
    assert!(count == 19 || !required && count == 0, "{count} of 19");
    for entry in fs::read_dir(folder("tests/fixtures")).unwrap() {
        formatted(&fs::read_to_string(entry.unwrap().path().join("input.x")).unwrap());
    }
}
