//! Every diagnostic as it is shown: a golden file for each, which `FARCALL_BLESS=1` writes anew.
//!
//! The rules that a grammar cannot say, and the cases that break them:
//!
//! | rule | code | case |
//! |---|---|---|
//! | RFC 4506 §6.4 (1): keywords are no names | E0201 | `keyword_as_name` |
//! | (2): sizes are constants without a sign, and defined | E0302, E0305, E0401 | `unknown_constant`, `type_as_constant`, `not_a_number`, `out_of_range` |
//! | (3): names of constants and types are unique | E0303 | `duplicate_type`, `duplicate_constant`, `type_and_constant` |
//! | (4): names of members and arms are unique | E0303, W0502 | `duplicate_member`, `same_as_discriminant` |
//! | (5): a discriminant is an integer | E0502 | `bad_discriminant` |
//! | (5): a case is a legal value | E0504, W0501 | `bad_case`, `other_enum` |
//! | (5): a case is there once | E0503 | `duplicate_case` |
//! | RFC 4506 §4.3: an enum's value is an `int` | E0403 | `enum_range` |
//! | §4.4: `TRUE` is 1, `FALSE` is 0 | E0306 | `reserved` |
//! | types are defined | E0301, E0304 | `unknown_type`, `constant_as_type`, `self_defined` |
//! | a type has values of a finite size | E0501, E0507, E0508 | `endless`, `too_large`, `deep_types` |
//! | the count of an array asks for bytes | E0402, E0506 | `empty_array`, `empty_elements` |
//! | RFC 5531 §12.2: a version has procedures | E0602 | `no_procedures` |
//! | §12.3 (2): a program's versions have different names and numbers | E0303, E0601 | `duplicate_program`, `duplicate_number` |
//! | (3): so do a version's procedures | E0303, E0601 | `duplicate_program`, `duplicate_number` |
//! | (4): names of programs are unique among those of types and constants | E0303 | `duplicate_program`, `program_and_type` |
//! | (5): programs, versions and procedures have numbers without a sign | E0401 | `out_of_range` |

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use farcall_rpcgen::Error;

/// What no short file can cause; `hostile.rs` has it.
const IN_HOSTILE: [&str; 1] = ["E0111"];

/// The names of the cases, in order.
fn cases() -> Vec<String> {
    let files = fs::read_dir("tests/diagnostics").unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let inputs = paths.filter(|path| path.extension().is_some_and(|extension| extension == "x"));
    let mut names: Vec<_> =
        inputs.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// What is said about a case's file.
fn said(case: &str) -> String {
    let report = match farcall_rpcgen::configure().output(format!("tests/diagnostics/{case}.x")) {
        Ok(output) => output.notes,
        Err(Error::Source(report)) => report,
        Err(other) => panic!("{case}: {other}"),
    };
    // What the system says about a file is not the same everywhere.
    report.to_string().replace(" (os error 2)", "") + "\n"
}

fn expected(case: &str) -> String {
    fs::read_to_string(format!("tests/diagnostics/{case}.txt")).unwrap_or_default()
}

#[test]
fn every_case_is_shown_as_expected() {
    let bless = std::env::var_os("FARCALL_BLESS").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let said = said(&case);
        if bless {
            fs::write(format!("tests/diagnostics/{case}.txt"), said).unwrap();
        } else if said != expected(&case) {
            wrong.push(format!("{case}:\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "FARCALL_BLESS=1 accepts this:\n\n{}", wrong.join("\n"));
}

#[test]
fn there_is_a_case_for_every_code() {
    let explained = fs::read_to_string("src/explain.md").unwrap();
    let headings = explained.lines().filter_map(|line| line.strip_prefix("## "));
    let codes = headings.filter_map(|heading| heading.split_once(": ")).map(|(code, _)| code);
    // Those with two digits are for `lint`, which has tests of its own.
    let codes: BTreeSet<_> =
        codes.filter(|code| code.len() == 5 && !IN_HOSTILE.contains(code)).collect();
    let all: String = cases().iter().map(|case| expected(case)).collect();
    let missing: Vec<_> = codes.iter().filter(|code| !all.contains(&format!("[{code}]"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(codes.len() >= 50 && cases().len() >= 80);
}

#[test]
fn every_case_says_something_with_a_place() {
    for case in cases() {
        let text = expected(&case);
        assert!(text.contains(&format!("--> tests/diagnostics/{case}.x:")), "{case}");
        assert!(text.contains('^'), "{case}");
        assert!(!Path::new("tests/diagnostics").join(&case).is_dir());
    }
}
