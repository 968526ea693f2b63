//! `lint` finds what is allowed and most likely not meant: for each rule, what it says and where it
//! is silent.
#![cfg(feature = "tools")]

use std::path::PathBuf;

use farcall_rpcgen::lint::{Rules, rules};
use farcall_rpcgen::{Severity, configure};

/// What one rule says of a text.
fn one(code: &str, text: &str) -> String {
    let only = Rules::none().warn(code).unwrap();
    configure().lint_text("kv.x", text, &only).unwrap().to_string()
}

/// Types and procedures of a version.
fn program(types: &str, procedures: &str) -> String {
    format!(
        "{types}\nprogram KV {{\n    version V {{\n{procedures}\n    }} = 1;\n}} = 0x20000000;\n"
    )
}

#[track_caller]
fn is_silent(code: &str, text: &str) {
    assert_eq!(one(code, text), "", "{text}");
}

/// `FARCALL_BLESS=1` rewrites what is expected.
#[test]
fn each_rule_says_this() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lint");
    for rule in rules() {
        let path = folder.join(rule.code).with_extension("x");
        let text = std::fs::read_to_string(&path).unwrap();
        let found = one(rule.code, &text) + "\n";
        assert!(found.starts_with(&format!("warning[{}]: ", rule.code)), "{}: {found}", rule.code);
        let expected = path.with_extension("txt");
        if std::env::var_os("FARCALL_BLESS").is_some() {
            std::fs::write(&expected, &found).unwrap();
        }
        assert_eq!(found, std::fs::read_to_string(&expected).unwrap(), "{}", path.display());
    }
}

#[test]
fn w01_a_request_without_a_bound() {
    is_silent(
        "W01",
        &program("struct put { opaque value<9>; };", "        put GET(string<9>) = 1;"),
    );
    is_silent("W01", &program("typedef opaque all<>;", "        all GET(void) = 1;"));
}

#[test]
fn w02_a_program_number() {
    let with = |name: &str, number: &str| {
        format!("program {name} {{ version V {{ int A(int) = 1; }} = 1; }} = {number};\n")
    };
    is_silent("W02", &with("KV", "0x20000000"));
    is_silent("W02", &with("NFS_PROGRAM", "100003"));
}

#[test]
fn w03_a_busy_procedure_0() {
    is_silent("W03", &program("", "        void NULL(void) = 0;\n        int GET(int) = 1;"));
}

#[test]
fn w04_a_union_without_a_default() {
    is_silent("W04", "union u switch (int a) { case 0: int b; default: void; };\n");
    is_silent("W04", "enum e { A, B }; union u switch (e a) { case A: int b; };\n");
}

#[test]
fn w05_an_unused_type() {
    is_silent("W05", "struct s { int a; };\n");
    let text = "typedef entry e; struct entry { int a; e *next; }; enum sizes { SIZE = 4 };";
    is_silent("W05", &program(text, "        entry GET(opaque<SIZE>) = 1;"));
}

#[test]
fn w06_a_name_that_clashes() {
    is_silent("W06", "struct s { int self; int a_; int type; };\nconst A_ = 1;\n");
}

#[test]
fn w07_a_path_as_text() {
    is_silent("W07", "struct s { string host_name<255>; opaque path<>; };\n");
    is_silent("W07", "struct s { string path<255>; /* @bytes */ };\n");
}

#[test]
fn w08_recursion() {
    is_silent("W08", "struct list { int a; list *next; };\n");
}

#[test]
fn w09_a_large_reply() {
    is_silent("W09", &program("", "        opaque<8772> GET(int) = 1;"));
}

#[test]
fn w10_no_idempotent() {
    is_silent("W10", &program("", "        int GET(int) = 1; /* @idempotent */"));
}

#[test]
fn w11_not_for_c() {
    let text = "/* // */\nenum e { A, B };\nstruct s { int b[4]; };";
    is_silent("W11", &program(text, "        s GET(e) = 1;"));
}

#[test]
fn w12_mixed_styles() {
    is_silent("W12", "const AA = 1;\nconst bb = 2;\nconst cC = 3;\nconst DD = 4;\n");
    is_silent("W12", "struct AA { int b; };\nstruct CC { int d; };\nstruct EE { int f; };\n");
}

#[test]
fn a_comment_allows_a_finding() {
    let member = "struct s { string path<255>; /* @allow(W07) */ string file<255>; };\n";
    assert_eq!(one("W07", member).matches("warning[W07]").count(), 1);
    is_silent("W07", "/* @allow(W08,W07) */\nstruct s { string path<255>; string file<255>; };\n");
    let header = "/* Of 1990. @allow(w07) */\n\nconst A = 1;\nstruct s { string path<255>; };\n";
    is_silent("W07", header);
    let of_the_first = header.replace("\n\n", "\n");
    assert_eq!(one("W07", &of_the_first).matches("warning[W07]").count(), 1);
}

#[test]
fn what_is_included_is_not_looked_at() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join("lint_types.x"), "struct put { opaque path<>; };\n").unwrap();
    let main = folder.join("lint_main.x");
    let text = "#include \"lint_types.x\"\nprogram P { version V { int PUT(put) = 1; } = 1; } = 0x20000000;\n";
    std::fs::write(&main, text).unwrap();
    let report = configure().lint(&main, &Rules::all().allow("W10").unwrap()).unwrap();
    let found: Vec<_> = report.findings().map(|f| (f.code, f.line, f.column)).collect();
    assert_eq!(found, [("W01", 2, 33)]);
}

#[test]
fn rules_can_be_chosen() {
    let all: Vec<_> = rules().iter().map(|rule| rule.code).collect();
    let expected =
        ["W01", "W02", "W03", "W04", "W05", "W06", "W07", "W08", "W09", "W10", "W11", "W12", "W13"];
    assert_eq!(all, expected);
    let off: Vec<_> = rules().iter().filter(|rule| !rule.default).map(|rule| rule.code).collect();
    assert_eq!(off, ["W09", "W10", "W11"]);
    for rule in rules() {
        let text = farcall_rpcgen::explain(rule.code).unwrap();
        assert!(text.contains("From `lint`"), "{}", rule.code);
    }
    let text = "struct s { string path<255>; };\n";
    let count = |rules: &Rules| configure().lint_text("kv.x", text, rules).unwrap().warnings();
    assert_eq!(count(&Rules::default()), 1);
    assert_eq!(count(&Rules::default().allow("w07").unwrap()), 0);
    assert_eq!(count(&Rules::none()), 0);
    let error = Rules::none().warn("W99").unwrap_err();
    assert_eq!(error.to_string(), "there is no rule `W99`: they are W01 to W13");
}

#[test]
fn findings_are_warnings() {
    let report = configure()
        .lint_text("kv.x", "struct s { string path<255>; };\n", &Rules::default())
        .unwrap();
    let findings: Vec<_> = report.findings().collect();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].severity, Severity::Warning);
}

#[test]
fn every_fixture_can_be_looked_at() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut count = 0;
    for case in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if !case.to_string_lossy().contains("/option_") {
            let report = configure().lint(case.join("input.x"), &Rules::all()).unwrap();
            assert_eq!(report.errors() + report.notes(), 0, "{}", case.display());
            count += 1;
        }
    }
    assert!(count >= 8, "{count}");
}

#[test]
fn errors_are_as_ever() {
    let error = configure().lint_text("kv.x", "struct s { t a; };", &Rules::all()).unwrap_err();
    assert!(error.to_string().starts_with("error[E0301]: cannot find type `t`"));
}

#[test]
fn w13_a_version_0() {
    is_silent("W13", &program("", "        void NULL(void) = 0;"));
}
