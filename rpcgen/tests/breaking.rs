//! `breaking` finds what a new version of an interface takes from those who use the old one.
#![cfg(feature = "tools")]

use std::path::PathBuf;

use farcall_rpcgen::breaking::{Accepted, Level, Rule, compare};
use farcall_rpcgen::{Description, configure};

fn describe(text: &str) -> Description {
    configure().describe_text("kv.x", text).unwrap()
}

fn findings(old: &str, new: &str) -> Vec<String> {
    compare(&describe(old), &describe(new)).iter().map(ToString::to_string).collect()
}

/// `types` and a program with a procedure for a type `t`.
fn carried(types: &str) -> String {
    format!("{types}\nprogram P {{ version V {{ t GET(int) = 1; }} = 1; }} = 0x20000000;\n")
}

/// The findings for a change of `types` there and back, without the places.
fn both_ways(old: &str, new: &str) -> [Vec<String>; 2] {
    let without_place = |found: Vec<String>| {
        found.iter().map(|line| line.split_once(": ").unwrap().1.to_owned()).collect()
    };
    let (old, new) = (carried(old), carried(new));
    [without_place(findings(&old, &new)), without_place(findings(&new, &old))]
}

#[track_caller]
fn check(old: &str, new: &str, there: &[&str], back: &[&str]) {
    let [found_there, found_back] = both_ways(old, new);
    assert_eq!(found_there, there, "{old} -> {new}");
    assert_eq!(found_back, back, "{new} -> {old}");
}

#[test]
fn findings_are_lines_with_places() {
    let old = "typedef string kv_key<128>;
struct kv_entry { kv_key key; };
program KV_PROG {
    version KV_V1 {
        kv_entry KV_GET(string<64>) = 1;
    } = 1;
} = 0x20000099;
";
    let new = "typedef string kv_key<64>;
struct kv_entry {
    kv_key key;
    int ttl;
};
program KV_PROG {
    version KV_V1 {
        kv_entry KV_GET(opaque<64>) = 1;
    } = 1;
} = 0x20000099;
";
    let expected = [
        "kv.x:1:1: BOUND_SHRUNK: kv_key 128 -> 64; those who send more are refused   (wire-breaking)",
        "kv.x:4:5: STRUCT_FIELD_ADDED: kv_entry gained `ttl` at the end; XDR has no members that may \
         be missing   (wire-breaking)",
        "kv.x:8:9: PROC_ARG_TYPE: KV_PROG.1.KV_GET argument 1 changed from string<64> to opaque<64>   \
         (wire-same, source-breaking)",
    ];
    assert_eq!(findings(old, new), expected);
}

#[test]
fn a_finding_is_data_too() {
    let found = compare(&describe("struct a { int x; };"), &describe("struct a { hyper x; };"));
    let expected = serde_json::json!([{
        "rule": "STRUCT_FIELD_TYPE", "level": "wire", "severity": "error", "name": "a.x",
        "message": "a.x changed from int to hyper",
        "at": {"file": "kv.x", "line": 1, "column": 12}, "in_old": false,
    }]);
    assert_eq!(serde_json::to_value(found).unwrap(), expected);
}

#[test]
fn programs_and_versions() {
    let with = |name: &str, number: u32, versions: &str| {
        format!("program {name} {{ {versions} }} = {number};")
    };
    let one = "version V1 { int A(int) = 1; } = 1;";
    let two = "version V1 { int A(int) = 1; } = 1; version V2 { int A(int) = 1; } = 2;";
    for (old, new, expected) in [
        (with("P", 1, one), with("P", 1, two), &[][..]),
        (
            with("P", 1, two),
            with("P", 1, one),
            &["kv.x:1:49: VERSION_REMOVED: version 2 of P is gone   (wire-breaking)"],
        ),
        (
            with("P", 1, one),
            with("P", 2, one),
            &["kv.x:1:1: PROGRAM_NUMBER: P 0x1 -> 0x2   (wire-breaking)"],
        ),
        (
            with("P", 1, one),
            with("Q", 2, one),
            &["kv.x:1:1: PROGRAM_REMOVED: program `P` is gone   (wire-breaking)"],
        ),
        (
            with("P", 1, one),
            with("Q", 1, one),
            &["kv.x:1:1: RENAME: program `P` is called `Q` now   (wire-same, source-breaking)"],
        ),
        (
            with("P", 1, one),
            with("P", 1, "version W { int A(int) = 1; } = 1;"),
            &["kv.x:1:13: RENAME: version `V1` of P.1 is called `W` now   \
               (wire-same, source-breaking)"],
        ),
    ] {
        assert_eq!(findings(&old, &new), expected, "{old} -> {new}");
    }
}

#[test]
fn procedures() {
    let with = |procedures: &str| {
        format!("program P {{ version V {{ {procedures} }} = 1; }} = 0x20000000;")
    };
    for (old, new, expected) in [
        ("int A(int) = 1;", "int A(int) = 1; int B(int) = 2;", &[][..]),
        ("void N(void) = 0; int A(int) = 1;", "int A(int) = 1;", &[]),
        (
            "int A(int) = 1; int B(int) = 2;",
            "int A(int) = 1;",
            &["kv.x:1:41: PROC_REMOVED: procedure P.1.B is gone   (wire-breaking)"],
        ),
        (
            "int A(int) = 1;",
            "int A(int) = 2;",
            &["kv.x:1:25: PROC_NUMBER: P.1.A 1 -> 2   (wire-breaking)"],
        ),
        (
            "int A(int) = 1;",
            "int B(int) = 1;",
            &[
                "kv.x:1:25: RENAME: procedure P.1.A is called `B` now   (wire-same, source-breaking)",
            ],
        ),
        (
            "int A(int) = 1; int B(int) = 2;",
            "int A(int) = 2; int B(int) = 1;",
            &[
                "kv.x:1:25: PROC_NUMBER: P.1.A 1 -> 2   (wire-breaking)",
                "kv.x:1:41: PROC_NUMBER: P.1.B 2 -> 1   (wire-breaking)",
            ],
        ),
        (
            "int A(int) = 1;",
            "int A(unsigned int) = 1;",
            &["kv.x:1:25: PROC_ARG_TYPE: P.1.A argument 1 changed from int to unsigned int   \
             (wire-same, source-breaking)"],
        ),
        (
            "int A(int) = 1;",
            "int A(int, hyper) = 1;",
            &[
                "kv.x:1:25: PROC_ARG_TYPE: P.1.A argument 2 changed from void to hyper   (wire-breaking)",
            ],
        ),
        (
            "int A(int) = 1;",
            "void A(int) = 1;",
            &[
                "kv.x:1:25: PROC_RESULT_TYPE: P.1.A result changed from int to void   (wire-breaking)",
            ],
        ),
        (
            "int A(int) = 1;",
            "float A(int) = 1;",
            &[
                "kv.x:1:25: PROC_RESULT_TYPE: P.1.A result changed from int to float   (wire-breaking)",
            ],
        ),
    ] {
        assert_eq!(findings(&with(old), &with(new)), expected, "{old} -> {new}");
    }
}

#[test]
fn structs() {
    check(
        "struct t { int a; hyper b; };",
        "struct t { int a; };",
        &["STRUCT_FIELD_REMOVED: t lost `b`   (wire-breaking)"],
        &["STRUCT_FIELD_ADDED: t gained `b` at the end; XDR has no members that may be missing   \
           (wire-breaking)"],
    );
    check(
        "struct t { int a; int b; int c; };",
        "struct t { int c; int a; int b; };",
        &["STRUCT_FIELD_MOVED: t.c is member 1 of the struct now   (wire-breaking)"],
        &["STRUCT_FIELD_MOVED: t.c is member 3 of the struct now   (wire-breaking)"],
    );
    check(
        "struct t { int a; };",
        "struct t { hyper a; };",
        &["STRUCT_FIELD_TYPE: t.a changed from int to hyper   (wire-breaking)"],
        &["STRUCT_FIELD_TYPE: t.a changed from hyper to int   (wire-breaking)"],
    );
    check(
        "struct t { int a; };",
        "struct t { int b; };",
        &["RENAME: member t.a is called `b` now   (wire-same, source-breaking)"],
        &["RENAME: member t.b is called `a` now   (wire-same, source-breaking)"],
    );
    check(
        "struct t { int a; int b; int c; };",
        "struct t { int a; int c; int d; };",
        &[
            "STRUCT_FIELD_REMOVED: t lost `b`   (wire-breaking)",
            "STRUCT_FIELD_ADDED: t gained `d` at the end; XDR has no members that may be missing   \
             (wire-breaking)",
        ],
        &[
            "STRUCT_FIELD_ADDED: t gained `b`; XDR has no members that may be missing   \
             (wire-breaking)",
            "STRUCT_FIELD_REMOVED: t lost `d`   (wire-breaking)",
        ],
    );
}

#[test]
fn enums() {
    check(
        "enum t { A = 1 };",
        "enum t { A = 2 };",
        &["ENUM_VALUE_CHANGED: t.A 1 -> 2   (wire-breaking)"],
        &["ENUM_VALUE_CHANGED: t.A 2 -> 1   (wire-breaking)"],
    );
    check(
        "enum t { A = 1, B = 2 };",
        "enum t { A = 1 };",
        &["ENUM_VALUE_REMOVED: t.B = 2 is gone   (wire-breaking)"],
        &["ENUM_VALUE_ADDED: t gained `B` = 2; those of before refuse it   (may break the wire)"],
    );
    check(
        "enum t { A = 1 };",
        "enum t { B = 1 };",
        &["RENAME: t.A is called `B` now   (wire-same, source-breaking)"],
        &["RENAME: t.B is called `A` now   (wire-same, source-breaking)"],
    );
    check(
        "enum t { A = 1, B = 1 };",
        "enum t { A = 1 };",
        &["ENUM_VALUE_REMOVED: t.B is gone; its value has another name   \
           (wire-same, source-breaking)"],
        &[],
    );
}

#[test]
fn unions() {
    let refused = "those of before refuse it   (may break the wire)";
    check(
        "union t switch (int a) { case 1: int b; case 2: void; };",
        "union t switch (int a) { case 1: int b; };",
        &["UNION_ARM_REMOVED: t lost the arm for 2   (wire-breaking)"],
        &[&format!("UNION_ARM_ADDED: t gained an arm for 2; {refused}")],
    );
    check(
        "union t switch (int a) { case 1: int b; default: void; };",
        "union t switch (int a) { case 1: int b; };",
        &["DEFAULT_ARM_REMOVED: t lost its default   (wire-breaking)"],
        &[&format!("UNION_ARM_ADDED: t gained a default; {refused}")],
    );
    check(
        "union t switch (int a) { case 1: int b; default: void; };",
        "union t switch (int a) { case 1: int b; case 2: hyper c; default: void; };",
        &["UNION_ARM_ADDED: t gained an arm for 2, which the default was for   (wire-breaking)"],
        &["UNION_ARM_REMOVED: t lost the arm for 2   (wire-breaking)"],
    );
    check(
        "union t switch (int a) { case 1: int b; default: void; };",
        "union t switch (int a) { case 1: int b; case 2: void; default: void; };",
        &["UNION_ARM_ADDED: t gained an arm for 2, which the default was for   \
           (wire-same, source-breaking)"],
        &["UNION_ARM_REMOVED: t lost the arm for 2   (wire-same, source-breaking)"],
    );
    check(
        "union t switch (int a) { case 1: case 2: int b; };",
        "union t switch (int a) { case 1: case 2: hyper b; };",
        &["UNION_ARM_TYPE: t.b changed from int to hyper   (wire-breaking)"],
        &["UNION_ARM_TYPE: t.b changed from hyper to int   (wire-breaking)"],
    );
    check(
        "union t switch (int a) { case 1: int b; };",
        "union t switch (int a) { case 1: void; };",
        &["UNION_ARM_TYPE: t.b changed from int to void   (wire-breaking)"],
        &["UNION_ARM_TYPE: t.1 changed from void to int   (wire-breaking)"],
    );
    check(
        "union t switch (int a) { case 1: int b; };",
        "union t switch (unsigned int a) { case 1: int c; };",
        &[
            "UNION_DISCRIMINANT: t discriminant changed from int to unsigned int   \
             (wire-same, source-breaking)",
            "RENAME: arm t.b is called `c` now   (wire-same, source-breaking)",
        ],
        &[
            "UNION_DISCRIMINANT: t discriminant changed from unsigned int to int   \
             (wire-same, source-breaking)",
            "RENAME: arm t.c is called `b` now   (wire-same, source-breaking)",
        ],
    );
    check(
        "enum e { A, B }; union t switch (e a) { case A: int b; default: void; };",
        "enum e { A, B }; union t switch (e a) { case A: int b; case B: void; };",
        &[
            "UNION_ARM_ADDED: t gained an arm for 1, which the default was for   \
             (wire-same, source-breaking)",
            "DEFAULT_ARM_REMOVED: t lost its default   (wire-same, source-breaking)",
        ],
        &[
            "UNION_ARM_ADDED: t gained a default; those of before refuse it   (may break the wire)",
            "UNION_ARM_REMOVED: t lost the arm for 1   (wire-same, source-breaking)",
        ],
    );
}

#[test]
fn lengths() {
    let more = "those of before refuse more   (may break the wire)";
    let fewer = "those who send more are refused   (wire-breaking)";
    for (old, new, shown_old, shown_new) in [
        ("typedef string t<8>;", "typedef string t<4>;", "8", "4"),
        ("typedef opaque t<>;", "typedef opaque t<4>;", "unbounded", "4"),
        ("typedef int t<8>;", "typedef int t<4>;", "8", "4"),
    ] {
        check(
            old,
            new,
            &[&format!("BOUND_SHRUNK: t {shown_old} -> {shown_new}; {fewer}")],
            &[&format!("BOUND_GROWN: t {shown_new} -> {shown_old}; {more}")],
        );
    }
    check(
        "typedef opaque t[8];",
        "typedef opaque t[4];",
        &["FIXED_LEN: t changed from opaque[8] to opaque[4]   (wire-breaking)"],
        &["FIXED_LEN: t changed from opaque[4] to opaque[8]   (wire-breaking)"],
    );
    check(
        "typedef int t[8];",
        "typedef int t<8>;",
        &["FIXED_LEN: t changed from int[8] to int<8>   (wire-breaking)"],
        &["FIXED_LEN: t changed from int<8> to int[8]   (wire-breaking)"],
    );
}

#[test]
fn optional_values() {
    check(
        "struct t { int *a; };",
        "struct t { int a; };",
        &["OPTIONALITY: t.a changed from int * to int   (wire-breaking)"],
        &["OPTIONALITY: t.a changed from int to int *   (wire-breaking)"],
    );
    check(
        "struct t { int *a; };",
        "struct t { int a<1>; };",
        &["STRUCT_FIELD_TYPE: t.a changed from int * to int<1>   (wire-same, source-breaking)"],
        &["STRUCT_FIELD_TYPE: t.a changed from int<1> to int *   (wire-same, source-breaking)"],
    );
}

#[test]
fn what_kind_of_type_it_is() {
    check(
        "typedef int t;",
        "struct t { int a; };",
        &["TYPE_CHANGED: t changed from a typedef to a struct   (wire-breaking)"],
        &["TYPE_CHANGED: t changed from a struct to a typedef   (wire-breaking)"],
    );
    check(
        "enum e { A }; struct t { e a; };",
        "struct t { int a; };",
        &[
            "TYPE_REMOVED: type `e` is gone   (wire-same, source-breaking)",
            "STRUCT_FIELD_TYPE: t.a changed from e to int   (wire-same, source-breaking)",
        ],
        &["STRUCT_FIELD_TYPE: t.a changed from int to e   (wire-breaking)"],
    );
}

#[test]
fn a_typedef_is_what_it_stands_for() {
    check(
        "typedef string key<8>; struct t { key a; };",
        "struct t { string a<8>; };",
        &["TYPE_REMOVED: type `key` is gone   (wire-same, source-breaking)"],
        &[],
    );
    check(
        "typedef string key<8>; typedef key other; struct t { other a; };",
        "typedef string key<8>; typedef key other; struct t { key a; };",
        &[],
        &[],
    );
}

#[test]
fn a_type_with_another_name_is_the_same_if_it_is_alike() {
    check(
        "struct a { int x; a *next; }; struct t { a x; };",
        "struct b { int x; b *next; }; struct t { b x; };",
        &["RENAME: type `a` is called `b` now   (wire-same, source-breaking)"],
        &["RENAME: type `b` is called `a` now   (wire-same, source-breaking)"],
    );
    let two = "struct a { int x; a *l; a *r; }; struct b { int y; b *l; b *r; };";
    check(
        &format!("{two} struct t {{ a x; }};"),
        &format!("{two} struct t {{ b x; }};"),
        &["STRUCT_FIELD_TYPE: t.x changed from a to b   (wire-same, source-breaking)"],
        &["STRUCT_FIELD_TYPE: t.x changed from b to a   (wire-same, source-breaking)"],
    );
    let two = "struct a { int x; a *l; a *r; }; struct b { int y; b *l; b *r; b *m; };";
    check(
        &format!("{two} struct t {{ a x; }};"),
        &format!("{two} struct t {{ b x; }};"),
        &["STRUCT_FIELD_TYPE: t.x changed from a to b   (wire-breaking)"],
        &["STRUCT_FIELD_TYPE: t.x changed from b to a   (wire-breaking)"],
    );
}

#[test]
fn a_change_is_told_once() {
    check(
        "typedef string key<8>; struct t { key a; key b; key *c; };",
        "typedef string key<4>; struct t { key a; key b; key *c; };",
        &["BOUND_SHRUNK: key 8 -> 4; those who send more are refused   (wire-breaking)"],
        &["BOUND_GROWN: key 4 -> 8; those of before refuse more   (may break the wire)"],
    );
}

#[test]
fn what_no_procedure_carries_breaks_only_sources() {
    check(
        "struct t { int a; }; struct unused { int b; };",
        "struct t { int a; }; struct unused { hyper b; };",
        &["STRUCT_FIELD_TYPE: unused.b changed from int to hyper   (wire-same, source-breaking)"],
        &["STRUCT_FIELD_TYPE: unused.b changed from hyper to int   (wire-same, source-breaking)"],
    );
}

#[test]
fn constants() {
    check(
        "const A = 1; struct t { int a; };",
        "const A = \"x\"; struct t { int a; };",
        &["CONSTANT_CHANGED: A 1 -> \"x\"   (wire-same, source-breaking)"],
        &["CONSTANT_CHANGED: A \"x\" -> 1   (wire-same, source-breaking)"],
    );
    check(
        "const A = 1; struct t { int a; };",
        "struct t { int a; };",
        &["CONSTANT_REMOVED: constant `A` is gone   (wire-same, source-breaking)"],
        &[],
    );
}

#[test]
fn an_interface_is_like_itself() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut count = 0;
    for case in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if case.to_string_lossy().contains("/option_") {
            continue;
        }
        let found = farcall_rpcgen::describe(case.join("input.x")).unwrap();
        assert_eq!(compare(&found, &found), [], "{}", case.display());
        count += 1;
    }
    assert!(count >= 8, "{count}");
}

#[test]
fn other_names_break_only_sources() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for name in ["kv", "keywords", "multi_version"] {
        let text = std::fs::read_to_string(folder.join(name).join("input.x")).unwrap();
        let json = serde_json::to_value(describe(&text)).unwrap();
        let renamed = serde_json::from_value(renamed(json)).unwrap();
        let found = compare(&describe(&text), &renamed);
        assert!(found.iter().any(|finding| finding.rule == Rule::Rename), "{name}");
        let wire: Vec<_> = found.iter().filter(|f| f.level == Level::Wire).collect();
        assert_eq!(wire, [] as [&farcall_rpcgen::breaking::Finding; 0], "{name}");
    }
}

/// With an `x_` before everything that is called `name`.
fn renamed(json: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match json {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, value)| match (key.as_str(), value) {
                    ("name", Value::String(name)) => (key, format!("x_{name}").into()),
                    (_, value) => (key, renamed(value)),
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(renamed).collect()),
        other => other,
    }
}

#[test]
fn findings_can_be_accepted() {
    let found = compare(
        &describe("struct a { int x; int y; };"),
        &describe("struct a { hyper x; hyper y; };"),
    );
    let text = "# they are small\nSTRUCT_FIELD_TYPE a.x # this too\n\nRENAME\n";
    let accepted = Accepted::parse(text).unwrap();
    assert_eq!(found.iter().map(|f| accepted.has(f)).collect::<Vec<_>>(), [true, false]);
    assert_eq!(Accepted::line(&found[1]), "STRUCT_FIELD_TYPE a.y");
    let all = Accepted::parse("STRUCT_FIELD_TYPE").unwrap();
    assert!(found.iter().all(|finding| all.has(finding)));
    let bad = Accepted::parse("RENAME\nNO_RULE a").unwrap_err();
    assert_eq!(bad.to_string(), "line 2: `NO_RULE a` is not a rule and a name");
}

#[test]
fn a_long_chain_of_types_is_no_problem() {
    let chain = |inner: &str| {
        let mut text = format!("struct t0 {{ {inner} a; }};");
        for i in 1..200 {
            text += &format!("struct t{i} {{ t{} *a; }}; ", i - 1);
        }
        describe(&carried(&(text + "typedef t199 t;")))
    };
    let found = compare(&chain("int"), &chain("hyper"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].message, "t0.a changed from int to hyper");
}
