//! `describe` says what an interface is, to programs.
#![cfg(feature = "tools")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use farcall_rpcgen::describe::{Body, ConstantValue, Length, Lengths, Type};
use farcall_rpcgen::{Description, configure};

fn describe(text: &str) -> Description {
    configure().describe_text("kv.x", text).unwrap()
}

/// Every `.x` file of the tests of this crate.
fn fixtures() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let cases = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<_> = cases.map(|case| case.join("input.x")).collect();
    // Those are no files without the options.
    inputs.retain(|input| !input.to_string_lossy().contains("/option_"));
    inputs.sort();
    assert!(inputs.len() >= 8);
    inputs
}

fn fixture(name: &str) -> Description {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    farcall_rpcgen::describe(path.join("input.x")).unwrap()
}

#[test]
fn a_small_interface_is_exactly_this() {
    let text = "\
const MAX = 8;
enum color { RED = 1, BLUE };
/* What it is. */
struct node {
    string name<MAX>; /* its name */
    node *next;
};
union found switch (color c) {
case RED:
    node *all;
default:
    void;
};
typedef opaque id[6];
program KV_PROG {
    version KV_V1 {
        void NULL(void) = 0;
        found GET(id, hyper) = 1; /* @idempotent */
    } = 1;
} = 0x20000099;
";
    let at = |line: u32, column: u32| serde_json::json!({"file": "kv.x", "line": line, "column": column});
    let len = |min: u32, max: Option<u32>| serde_json::json!({"min": min, "max": max});
    let expected = serde_json::json!({
        "format": 1,
        "file": "kv.x",
        "constants": [{"name": "MAX", "rust": "MAX", "value": 8, "at": at(1, 1)}],
        "types": [
            {"name": "color", "rust": "Color", "at": at(2, 1), "encoded_len": len(4, Some(4)),
             "kind": "enum", "members": [
                {"name": "RED", "rust": "Red", "value": 1, "at": at(2, 14)},
                {"name": "BLUE", "rust": "Blue", "value": 2, "at": at(2, 23)}]},
            {"name": "node", "rust": "Node", "at": at(4, 1), "doc": "What it is.",
             "encoded_len": len(8, None), "kind": "struct", "members": [
                {"name": "name", "rust": "name", "type": {"kind": "string", "max": 8},
                 "at": at(5, 5), "doc": "its name"},
                {"name": "next", "rust": "next", "at": at(6, 5),
                 "type": {"kind": "optional", "of": {"kind": "named", "name": "node"}}}]},
            {"name": "found", "rust": "Found", "at": at(8, 1), "encoded_len": len(4, None),
             "kind": "union", "discriminant": {"name": "c", "type": {"kind": "named", "name": "color"}},
             "arms": [
                {"labels": [1], "default": false, "name": "all", "rust": "Red", "at": at(9, 1),
                 "type": {"kind": "optional", "of": {"kind": "named", "name": "node"}}},
                {"labels": [], "default": true, "name": null, "type": null, "rust": "Other",
                 "at": at(11, 1)}]},
            {"name": "id", "rust": "Id", "at": at(14, 1), "encoded_len": len(8, Some(8)),
             "kind": "typedef", "type": {"kind": "opaque", "fixed": 6}},
        ],
        "programs": [{"name": "KV_PROG", "rust": "kv_prog", "number": 0x2000_0099, "at": at(15, 1),
            "versions": [{"name": "KV_V1", "number": 1, "at": at(16, 5), "procedures": [
                {"name": "NULL", "rust": "null", "number": 0, "at": at(17, 9),
                 "arguments": [], "arguments_len": len(0, Some(0)),
                 "result": null, "result_len": len(0, Some(0)),
                 "idempotent": false, "deferred": false},
                {"name": "GET", "rust": "get", "number": 1, "at": at(18, 9),
                 "arguments": [{"kind": "named", "name": "id"}, {"kind": "hyper"}],
                 "arguments_len": len(16, Some(16)),
                 "result": {"kind": "named", "name": "found"}, "result_len": len(4, None),
                 "idempotent": true, "deferred": false},
            ]}]}],
    });
    assert_eq!(serde_json::to_value(describe(text)).unwrap(), expected);
}

#[test]
fn constants_of_any_size_and_sign() {
    let text = "const A = -1; const B = 0xFFFFFFFFFFFFFFFF; const C = \"c\"; const D = A;";
    let values: Vec<_> = describe(text).constants.into_iter().map(|c| c.value).collect();
    let expected = r#"[-1,18446744073709551615,"c",-1]"#;
    assert_eq!(serde_json::to_string(&values).unwrap(), expected);
    assert_eq!(serde_json::from_str::<Vec<ConstantValue>>(expected).unwrap(), values);
}

#[test]
fn types_have_one_spelling_each() {
    let text = "struct s { unsigned hyper a; double b; quadruple c; float d; bool e; u_int f;
        opaque g<>; string h<>; long i[3]; int j<4>; int *k; hyper l<>; };";
    let Body::Struct { members } = &describe(text).types[0].body else { panic!() };
    let types: Vec<_> = members.iter().map(|m| serde_json::to_string(&m.ty).unwrap()).collect();
    let expected = [
        r#"{"kind":"unsigned hyper"}"#,
        r#"{"kind":"double"}"#,
        r#"{"kind":"quadruple"}"#,
        r#"{"kind":"float"}"#,
        r#"{"kind":"bool"}"#,
        r#"{"kind":"unsigned int"}"#,
        r#"{"kind":"opaque","max":null}"#,
        r#"{"kind":"string","max":null}"#,
        r#"{"kind":"array","of":{"kind":"int"},"fixed":3}"#,
        r#"{"kind":"array","of":{"kind":"int"},"max":4}"#,
        r#"{"kind":"optional","of":{"kind":"int"}}"#,
        r#"{"kind":"array","of":{"kind":"hyper"},"max":null}"#,
    ];
    assert_eq!(types, expected);
}

#[test]
fn encoded_lengths() {
    let len = |text: &str| describe(text).types.last().unwrap().encoded_len;
    for (text, min, max) in [
        ("struct s { int a; opaque b[5]; };", 12, Some(12)),
        ("struct s { string a<5>; int b<3>; };", 8, Some(28)),
        ("struct s { hyper *a; };", 4, Some(12)),
        ("struct a { string a<5>; }; typedef a s[3];", 12, Some(36)),
        ("union s switch (int a) { case 0: void; case 1: hyper b; };", 4, Some(12)),
        ("union s switch (bool a) { case TRUE: hyper b; case FALSE: int c; };", 8, Some(12)),
        ("struct s { int a; s *l; s *r; };", 12, None),
        ("struct s { int a; s *next; };", 8, None),
        ("struct s { opaque a<>; };", 4, None),
        ("struct s { opaque a<4294967294>; opaque b<4294967294>; };", 8, Some((1 << 33) + 8)),
    ] {
        assert_eq!(len(text), Lengths { min, max }, "{text}");
    }
}

#[test]
fn a_list_is_shown_with_its_next_node() {
    let kv = fixture("kv");
    let Body::Struct { members } = &kv.type_named("kv_entry").unwrap().body else { panic!() };
    let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, ["key", "next"]);
    let node = Type::Named { name: "kv_entry".into() };
    let list = Type::Optional { of: Box::new(node) };
    assert_eq!(members[1].ty, list);
    let Body::Typedef { ty } = &kv.type_named("kv_list").unwrap().body else { panic!() };
    assert_eq!(*ty, list);
}

#[test]
fn a_next_node_by_another_name_keeps_it() {
    let found = describe("typedef node *list; struct node { int a; list next; };");
    let Body::Struct { members } = &found.type_named("node").unwrap().body else { panic!() };
    assert_eq!(members[1].ty, Type::Named { name: "list".into() });
}

#[test]
fn a_body_inside_of_another_has_a_name() {
    let found = describe("struct s { struct { opaque b<9>; } a<2>; };");
    assert_eq!(found.types.iter().map(|def| def.name.as_str()).collect::<Vec<_>>(), ["s", "s.a"]);
    let Body::Struct { members } = &found.types[0].body else { panic!() };
    let of = Box::new(Type::Named { name: "s.a".into() });
    assert_eq!(members[0].ty, Type::Array { of, length: Length::Max(Some(2)) });
}

#[test]
fn namespaces_are_before_names_and_in_paths() {
    let found = describe("namespace a { namespace b { const C = 1; struct s { int x; }; } }");
    assert_eq!((&*found.constants[0].name, &*found.constants[0].rust), ("a::b::C", "a::b::C"));
    assert_eq!((&*found.types[0].name, &*found.types[0].rust), ("a::b::s", "a::b::S"));
}

#[test]
fn enum_members_are_in_the_order_of_the_file() {
    let found = describe("enum e { A = 1, B = 1, C = 0 };");
    let Body::Enum { members } = &found.types[0].body else { panic!() };
    let members: Vec<_> = members.iter().map(|m| (m.name.as_str(), m.value)).collect();
    assert_eq!(members, [("A", 1), ("B", 1), ("C", 0)]);
}

#[test]
fn errors_are_as_ever() {
    let error = configure().describe_text("kv.x", "struct s { t a; };").unwrap_err();
    assert!(error.to_string().starts_with("error[E0301]: cannot find type `t`\n --> kv.x:1:12"));
}

#[test]
fn every_name_that_is_used_is_defined() {
    for input in fixtures() {
        let found = farcall_rpcgen::describe(&input).unwrap();
        let mut defined = BTreeMap::new();
        for def in &found.types {
            assert!(defined.insert(&*def.name, ()).is_none(), "{}: {}", input.display(), def.name);
        }
        let mut used = Vec::new();
        for def in &found.types {
            match &def.body {
                Body::Typedef { ty } => names(ty, &mut used),
                Body::Enum { .. } => {}
                Body::Struct { members } => members.iter().for_each(|m| names(&m.ty, &mut used)),
                Body::Union { discriminant, arms } => {
                    names(&discriminant.ty, &mut used);
                    arms.iter().filter_map(|arm| arm.ty.as_ref()).for_each(|t| names(t, &mut used));
                }
            }
        }
        for version in found.programs.iter().flat_map(|program| &program.versions) {
            for procedure in &version.procedures {
                let types = procedure.arguments.iter().chain(&procedure.result);
                types.for_each(|ty| names(ty, &mut used));
            }
        }
        for name in used {
            assert!(defined.contains_key(name), "{}: {name}", input.display());
        }
    }
}

fn names<'a>(ty: &'a Type, into: &mut Vec<&'a str>) {
    match ty {
        Type::Named { name } => into.push(name),
        Type::Array { of, .. } | Type::Optional { of } => names(of, into),
        _ => {}
    }
}

#[test]
fn a_description_survives_json() {
    for input in fixtures() {
        let found = farcall_rpcgen::describe(&input).unwrap();
        let json = serde_json::to_string(&found).unwrap();
        assert_eq!(
            json,
            serde_json::to_string(&farcall_rpcgen::describe(&input).unwrap()).unwrap()
        );
        assert_eq!(
            serde_json::from_str::<Description>(&json).unwrap(),
            found,
            "{}",
            input.display()
        );
    }
}
