//! `check` and `explain`.

use super::{BAD, GOOD, REPORT, Run, folder, folder_with, names, rpcgen, rpcgen_of};

#[test]
fn all_files_are_checked_and_none_is_written() {
    let folder = folder_with("check", &[("good.x", GOOD), ("bad.x", BAD), ("worse.x", BAD)]);
    assert_eq!(rpcgen(&folder, "check good.x"), Run::said(0, ""));
    let both = format!("{REPORT}{}", REPORT.replace("bad.x", "worse.x"));
    assert_eq!(rpcgen(&folder, "check bad.x good.x worse.x"), Run::said(1, &both));
    assert_eq!(rpcgen_of(&folder, "check -", GOOD), Run::said(0, ""));
    assert_eq!(rpcgen(&folder, "check no_such.x").status, 3);
    assert_eq!(names(&folder), ["bad.x", "good.x", "worse.x"]);
}

#[test]
fn findings_are_json_for_programs() {
    let folder = folder_with("json", &[("good.x", GOOD), ("bad.x", "const A = B;\n")]);
    let run = rpcgen(&folder, "check --json bad.x good.x");
    let expected = r#"{
  "format": 1,
  "findings": [
    {
      "code": "E0302",
      "severity": "error",
      "message": "cannot find constant `B`",
      "file": "bad.x",
      "line": 1,
      "column": 11,
      "end_line": 1,
      "end_column": 12,
      "help": "a constant has a similar name: `A`"
    }
  ]
}
"#;
    assert_eq!(run, Run::printed(1, expected));
    let none = "{\n  \"format\": 1,\n  \"findings\": []\n}\n";
    assert_eq!(rpcgen(&folder, "check --json good.x"), Run::printed(0, none));
}

#[test]
fn warnings_are_shown_and_can_be_denied() {
    let text = "#warning take care\nconst A = 1;\n";
    let folder = folder_with("warnings", &[("a.x", text)]);
    let run = rpcgen(&folder, "check a.x");
    assert_eq!((run.status, run.stdout.as_str()), (0, ""));
    assert!(run.stderr.starts_with("warning[W0101]: "), "{}", run.stderr);
    assert_eq!(rpcgen(&folder, "check -q a.x"), Run::said(0, ""));
    assert_eq!(rpcgen(&folder, "-q check --deny-warnings a.x"), Run::said(4, ""));
}

#[test]
fn colours_are_for_those_who_want_them() {
    let folder = folder_with("colours", &[("bad.x", BAD)]);
    let red = |line| rpcgen(&folder, line).stderr.contains("\u{1b}[");
    assert!(!red("check bad.x"));
    assert!(red("check --color always bad.x"));
    assert!(red("--color=always bad.x"));
    assert!(!red("--color never check bad.x"));
}

#[test]
fn codes_are_explained() {
    let folder = folder("explain");
    let run = rpcgen(&folder, "explain e0301");
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.len() > 40, "{}", run.stdout);
    let all = rpcgen(&folder, "explain");
    assert_eq!(all.status, 0);
    assert!(all.stdout.lines().any(|line| line.starts_with("E0301  ")), "{}", all.stdout);
    let unknown = "rpcgen: there is no code `E9999`: `rpcgen explain` lists all of them\n\
                   Try `rpcgen --help`.\n";
    assert_eq!(rpcgen(&folder, "explain E9999"), Run::said(2, unknown));
}
