//! `lint`.

use super::{BAD, REPORT, Run, folder_with, rpcgen, rpcgen_of};

const DOUBTFUL: &str = "\
program DOUBTFUL { version DOUBTFUL_V1 { int PUT(string) = 1; } = 1; } = 0x20000000;
";

#[test]
fn what_is_found_fails() {
    let folder = folder_with("lint", &[("a.x", DOUBTFUL), ("bad.x", BAD)]);
    let run = rpcgen(&folder, "lint a.x");
    assert_eq!((run.status, run.stdout.as_str()), (4, ""));
    assert!(run.stderr.starts_with("warning[W01]: "), "{}", run.stderr);
    assert_eq!(rpcgen_of(&folder, "lint -", DOUBTFUL).status, 4);
    assert_eq!(rpcgen(&folder, "lint a.x --allow W01"), Run::said(0, ""));
    assert_eq!(rpcgen(&folder, "lint a.x -q"), Run::said(4, ""));
    let all = rpcgen(&folder, "lint a.x --all --allow w01");
    assert!(all.status == 4 && all.stderr.contains("warning[W10]: "), "{all:?}");
    let one = rpcgen(&folder, "lint a.x --deny W10 --allow W01");
    assert!(one.status == 4 && one.stderr.contains("warning[W10]: "), "{one:?}");
    assert_eq!(rpcgen(&folder, "lint a.x bad.x --allow W01"), Run::said(1, REPORT));
    let json = rpcgen(&folder, "lint a.x --json");
    let found: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.status, json.stderr.as_str(), &found["format"]), (4, "", &1.into()));
    assert_eq!(found["findings"][0]["code"], "W01");
    assert_eq!(found["findings"][0]["severity"], "warning");
}

#[test]
fn rules_are_listed_and_explained() {
    let folder = folder_with("lint_rules", &[("a.x", DOUBTFUL)]);
    let list = rpcgen(&folder, "lint --list");
    assert_eq!((list.status, list.stdout.lines().count()), (0, 13));
    assert!(list.stdout.starts_with("W01    a request can be of any length\n"), "{}", list.stdout);
    assert!(list.stdout.contains("\n(W10)  "), "{}", list.stdout);
    let explained = rpcgen(&folder, "lint --explain W07");
    assert_eq!(explained, rpcgen(&folder, "explain w07"));
    assert!(explained.stdout.starts_with("W07: "), "{}", explained.stdout);
    let message = "rpcgen: there is no rule `W99`: they are W01 to W13\nTry `rpcgen --help`.\n";
    assert_eq!(rpcgen(&folder, "lint a.x --allow W99"), Run::said(2, message));
}
