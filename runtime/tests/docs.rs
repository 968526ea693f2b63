//! The tables of `docs/` name the code and the tests that hold what they say. Here it is seen to
//! that there are such, so that a test that is renamed or deleted does not leave a promise behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The project's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("in a folder").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of all tables of a document, as cells, without those of headings.
fn rows(document: &str) -> Vec<Vec<String>> {
    let text = read(document);
    let lines: Vec<&str> = text.lines().collect();
    let is_rule = |line: &str| line.starts_with("|-");
    let is_row = |at: usize| {
        let under = lines.get(at + 1).is_some_and(|line| is_rule(line));
        lines[at].starts_with('|') && !is_rule(lines[at]) && !under
    };
    let cells = |line: &str| {
        let inside = line.trim_matches('|').split('|');
        inside.map(|cell| cell.trim().to_owned()).collect()
    };
    (0..lines.len()).filter(|&at| is_row(at)).map(|at| cells(lines[at])).collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Whether `text` has a function of this name, and, if it is to be one, a test.
fn defines(text: &str, name: &str, is_test: bool) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let begins = |line: &str| {
        let line = line.split_once("fn ").map_or("", |(_, after)| after);
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['(', '<']))
    };
    let marked =
        |at: usize| lines[..at].iter().rev().take(3).any(|line| line.starts_with("#[test]"));
    (0..lines.len()).any(|at| begins(lines[at]) && (!is_test || marked(at)))
}

/// What a cell names that there is not: files, and functions of the file before them.
fn missing(cell: &str, is_test: bool) -> Vec<String> {
    let (mut missing, mut file) = (Vec::new(), None);
    for word in quoted(cell) {
        if word.contains('/') && !word.contains(' ') {
            let path = root().join(word);
            if !path.exists() {
                missing.push(word.to_owned());
            }
            file = path.is_file().then(|| (word, read(word)));
        } else if let Some((path, text)) = file.as_ref().filter(|_| is_name(word))
            && !defines(text, word, is_test)
        {
            missing.push(format!("{path} {word}"));
        }
    }
    missing
}

fn check(document: &str) {
    for row in rows(document) {
        let (tests, others) = row.split_last().expect("a row has cells");
        let names_a_test = quoted(tests).any(|word| word.contains('/'));
        assert!(names_a_test, "{document}: no test in {row:?}");
        let missing: Vec<_> = others
            .iter()
            .flat_map(|cell| missing(cell, false))
            .chain(missing(tests, true))
            .collect();
        assert!(missing.is_empty(), "{document} names what there is not: {missing:?}");
    }
}

#[test]
fn what_conformance_names_is_there() {
    check("docs/conformance.md");
}

#[test]
fn what_hardening_names_is_there() {
    check("docs/hardening.md");
}

/// The numbers of the tests that a document of rows `T1`, `T2` and so on has.
fn numbers(document: &str) -> BTreeSet<u32> {
    let number = |row: &Vec<String>| row[0].strip_prefix('T').and_then(|n| n.parse().ok());
    rows(document).iter().filter_map(number).collect()
}

#[test]
fn hardening_has_a_row_for_each_test_of_the_runtime() {
    let expected: BTreeSet<u32> = (1..=19).chain(27..=29).chain([33]).collect();
    assert!(numbers("docs/hardening.md").is_superset(&expected));
    let document = read("docs/hardening.md");
    for folder in ["runtime/tests", "xdr/tests"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.is_file() {
                let text = fs::read_to_string(&path).expect("text");
                for name in numbered(&text) {
                    assert!(document.contains(name), "{}: {name} has no row", path.display());
                }
            }
        }
    }
}

/// The tests in a file that have a number: `t10_output_is_bounded_in_all`.
fn numbered(text: &str) -> impl Iterator<Item = &str> {
    let functions = text.lines().filter_map(|line| line.strip_prefix("fn "));
    let names = functions.filter_map(|rest| rest.split_once('(')).map(|(name, _)| name);
    names.filter(|name| {
        let after = name.strip_prefix('t');
        after.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}
