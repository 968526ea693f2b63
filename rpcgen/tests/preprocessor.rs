//! What the built-in preprocessor makes of a file, and what C gets from headers.

use std::fs;
use std::path::PathBuf;

use farcall_rpcgen::{Config, configure};

/// A folder of its own, with files in it.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("preprocessor").join(name);
    let _ = fs::remove_dir_all(&root);
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn types_only() -> Config {
    configure().client(false).server(false)
}

/// The constants in the Rust for `text`, as `NAME=VALUE`.
#[track_caller]
fn constants(config: &Config, text: &str) -> Vec<String> {
    match config.generate_text("a.x", text) {
        Ok(code) => constants_in(&code),
        Err(error) => panic!("{text}\n{error}"),
    }
}

fn constants_in(code: &str) -> Vec<String> {
    let constants = code.lines().filter_map(|line| line.trim().strip_prefix("pub const "));
    let parts = constants.filter_map(|line| line.strip_suffix(';')?.split_once(": "));
    let values = parts.filter_map(|(name, rest)| Some((name, rest.split_once(" = ")?.1)));
    values.map(|(name, value)| format!("{name}={value}")).collect()
}

#[track_caller]
fn report(text: &str) -> String {
    types_only().generate_text("a.x", text).unwrap_err().to_string()
}

#[test]
fn conditions() {
    for (condition, holds) in [
        ("#ifdef RPC_HDR", true),
        ("#ifdef RPC_XDR", true),
        ("#ifdef RPC_SVC", true),
        ("#ifdef RPC_CLNT", true),
        ("#ifdef RPC_TBL", false),
        ("#ifndef RPC_TBL", true),
        ("#if RPC_HDR", true),
        ("#if defined(RPC_HDR) || defined(RPC_XDR)", true),
        ("#if defined RPC_HDR && !defined (RPC_TBL)", true),
        ("#if 0", false),
        ("#if 1 /* why */ + 1 // not", true),
        ("#if (RPC_HDR + 1) * 3 == 6 && 7 / 2 < 4", true),
        ("#if RPC_TBL ? 1 : 0", false),
        ("# if 1", true),
        ("#  ifdef  RPC_HDR  ", true),
        ("#ifdef RPC_HDR /* the header */", true),
        ("#define ONE 1\n#define TWO (ONE + ONE)\n#if TWO == 2", true),
        ("#define ONE 1\n#undef ONE\n#ifdef ONE", false),
        ("#define EMPTY\n#ifdef EMPTY", true),
        ("#if 1 && \\\n 0", false),
    ] {
        let text = format!("{condition}\nconst A = 1;\n#else\nconst B = 1;\n#endif\n");
        let expected = if holds { "A=1" } else { "B=1" };
        assert_eq!(constants(&types_only(), &text), [expected], "{condition}");
    }
}

#[test]
fn branches() {
    for (text, expected) in [
        (
            "#if 0\nconst A = 1;\n#elif 1\nconst B = 1;\n#elif 1\nconst C = 1;\n#else\nconst D = 1;\n#endif",
            "B=1",
        ),
        (
            "#if 0\n#if 1\nconst A = 1;\n#else\nconst B = 1;\n#endif\n#else\nconst C = 1;\n#endif",
            "C=1",
        ),
        ("#if 0\n#error no\n#bogus\n#include \"no.x\"\n'\n#endif\nconst A = 1;", "A=1"),
        ("#if 0\n/*\n#else\n*/\n#else\nconst A = 1;\n#endif", "A=1"),
        ("#ifdef X\n#if (\n#endif\n#endif\nconst A = 1;", "A=1"),
    ] {
        assert_eq!(constants(&types_only(), text), [expected], "{text}");
    }
}

#[test]
fn definitions() {
    for (text, expected) in [
        ("#define N 5\nconst A = N;", "A=5"),
        ("#define N 5 /* five */\nconst A = N;", "A=5"),
        ("#define N 5 // five\nconst A = N;", "A=5"),
        ("#define N \\\n  (1 + \\\n  2)\nconst A = N * 2;", "A=6"),
        ("#define N M\n#define M 3\nconst A = N;", "A=3"),
        ("#define N 1\n#define N 2\nconst A = N;", "A=2"),
        ("#define T const A\nT = 1;", "A=1"),
        ("#define A A\nconst A = 1;", "A=1"),
        ("#define F(x) ((x) + 1)\nconst A = 1;", "A=1"),
        ("#define N (-1)\nconst A = N;", "A=-1"),
    ] {
        assert_eq!(constants(&types_only(), text), [expected], "{text}");
    }
    let config = types_only().define("N", "6").define("M", "1").undefine("M").undefine("RPC_HDR");
    let text = "const A = N;\n#ifdef M\nconst B = 1;\n#endif\n#ifdef RPC_HDR\nconst C = 1;\n#endif";
    assert_eq!(constants(&config, text), ["A=6"]);
}

#[test]
fn what_a_file_says_of_itself_is_reported() {
    let error =
        "error[E0114]: too old\n --> a.x:1:1\n  |\n1 | #error \"too old\"\n  | ^^^^^^^^^^^^^^^^";
    assert_eq!(report("#error \"too old\"\n"), error);
    assert_eq!(constants(&types_only(), "#warning soon\nconst A = 1;"), ["A=1"]);
}

#[test]
fn an_error_in_a_definition_shows_both_places() {
    let expected = "\
error[E0401]: length 4294967296 is out of range
 --> a.x:2:23
  |
1 | #define SIZE 4294967296
  | ----------------------- defined here
2 | struct s { opaque key[SIZE]; };
  |                       ^^^^ must be 0 to 4294967295";
    assert_eq!(report("#define SIZE 4294967296\nstruct s { opaque key[SIZE]; };\n"), expected);
    let expected = "\
error[E0201]: expected `;`, found `}`
 --> a.x:2:13
  |
1 | #define END }
  | ------------- defined here
2 | const A = 1 END
  |             ^^^";
    assert_eq!(report("#define END }\nconst A = 1 END\n"), expected);
}

#[test]
fn definitions_do_not_grow_without_end() {
    let mut bomb = String::from("#define A0 1\n");
    let mut empty = String::from("#define A0\n");
    for i in 1..100 {
        let line = format!("#define A{i} A{0} A{0}\n", i - 1);
        bomb.push_str(&line);
        empty.push_str(&line);
    }
    for text in [bomb, empty] {
        let report = report(&format!("{text}const A = A99;\n#if A99\n#endif\n"));
        let message = "error[E0113]: definitions that stand for definitions become too long";
        assert_eq!(report.matches(message).count(), 2, "{report}");
    }
}

#[test]
fn files_are_found_and_read_once() {
    let root = folder(
        "include",
        &[
            (
                "proto/a.x",
                "#include \"b.x\"\n#include <c.x>\n#include \"sub/d.x\"\n#include \"b.x\"\nconst A = B;\n",
            ),
            ("proto/b.x", "#include \"a.x\"\nconst B = 1;\n"),
            ("common/c.x", "const C = 3;\n"),
            ("common/b.x", "const B = 2;\n"),
            ("common/sub/d.x", "#include \"e.h\"\nconst D = E;\n"),
            ("common/sub/e.h", "#define E 5\n"),
        ],
    );
    let config = types_only().include_dir(root.join("none")).include_dir(root.join("common"));
    let code = config.generate(root.join("proto/a.x")).unwrap();
    assert_eq!(constants_in(&code), ["B=1", "C=3", "D=5", "A=1"]);
    let report = types_only().generate(root.join("proto/a.x")).unwrap_err().to_string();
    assert!(report.contains("error[E0110]: cannot read"), "{report}");
    assert!(report.contains("a.x:2:1"), "{report}");
}

#[test]
fn an_error_is_shown_in_the_file_it_is_in() {
    let root =
        folder("place", &[("a.x", "#include \"b.x\"\n"), ("b.x", "\nstruct s { foo a; };\n")]);
    let report = types_only().generate(root.join("a.x")).unwrap_err().to_string();
    assert!(report.contains("b.x:2:12\n"), "{report}");
}

#[test]
fn latin_1_is_read() {
    let root = folder("latin", &[]);
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("a.x"), b"/* caf\xe9 */ struct s { foo a; };\n").unwrap();
    let report = types_only().generate(root.join("a.x")).unwrap_err().to_string();
    assert!(report.contains("a.x:1:23\n"), "{report}");
    assert!(report.contains("caf\u{e9}"), "{report}");
}

#[test]
fn what_is_no_file_is_not_read() {
    let report = report("#include \"/dev/zero\"\n");
    assert!(report.contains("E0110"), "{report}");
}

#[test]
fn missing_names_come_from_lines_for_c() {
    for (text, expected) in [
        ("%#define N 8\nstruct s { opaque a[N]; };", &["N=8", "MAX_ENCODED_LEN=8"][..]),
        ("%# define M 7 /* of N */\n%#define N M+1\nconst A = N;", &["M=7", "N=8", "A=8"]),
        ("%#define N 8\nconst N = 9;\nconst A = N;", &["N=9", "A=9"]),
        ("%#define N ((set_t)~0UL)\n%#define O do { x; } while (0)\nconst A = 1;", &["A=1"]),
        ("%#define N(x) 1\nconst A = 1;", &["A=1"]),
        ("const A = MAXNETNAMELEN;", &["MAXNETNAMELEN=255", "A=255"]),
        ("const A = RPCSEC_GSS;", &["RPCSEC_GSS=6", "A=6"]),
    ] {
        assert_eq!(constants(&types_only(), text), expected, "{text}");
    }
}

#[test]
fn missing_names_come_from_the_interfaces_behind_headers() {
    let root = folder(
        "headers",
        &[
            ("a.x", "%#include \"xdr/b.h\"\n%#include <rpcsvc/c.h>\nstruct s { t a; u b; };\n"),
            (
                "b.x",
                "%#include \"d.h\"\nenum e { E0 = SEVEN };\nstruct t { e a; };\nstruct unused { int a; };\n",
            ),
            ("d.x", "const SEVEN = 7;\nprogram P { version V { void A(void) = 1; } = 1; } = 1;\n"),
            ("include/rpcsvc/c.x", "struct u { int a; };\n"),
        ],
    );
    let code = types_only().include_dir(root.join("include")).generate(root.join("a.x")).unwrap();
    let items: Vec<_> = code
        .lines()
        .filter(|line| {
            ["pub struct", "pub enum", "pub mod"].iter().any(|start| line.starts_with(start))
        })
        .collect();
    assert_eq!(items, ["pub enum E {", "pub struct T {", "pub struct U {", "pub struct S {"]);
    assert!(code.contains("pub const SEVEN: u32 = 7;"), "{code}");
}

#[test]
fn namespaces_are_modules() {
    let text = "namespace a {
            const N = 2;
            enum e { X = 1, Y };
            struct s { e one; b::t two; opaque three[N]; };
            namespace b { struct t { a::e a; int n[N]; }; enum e { X, Z }; }
        }
        namespace c { typedef a::b::t t; struct u { t x; a::s y<a::N>; }; const M = a::b::Z + a::Y; }
        namespace a { struct again { s x; c::u *next; }; }
        struct root { c::t a; a::e b; };";
    let code = types_only().generate_text("a.x", text).unwrap();
    for line in [
        "pub mod a {",
        "    pub mod b {",
        "pub mod c {",
        "        pub one: E,",
        "        pub two: b::T,",
        "        pub three: [u8; 2],",
        "            pub a: super::E,",
        "            pub n: [i32; 2],",
        "    pub type T = super::a::b::T;",
        "        pub x: T,",
        "        pub y: ::farcall::codegen::Vec<super::a::S>,",
        "    pub const M: u32 = 3;",
        "        pub next: ::farcall::codegen::Option<super::c::U>,",
        "    pub a: c::T,",
        "    pub b: a::E,",
        "#[doc(alias = \"s\")]",
    ] {
        assert!(code.lines().any(|of| of == line || of.trim() == line), "lacks {line}\n{code}");
    }
    assert_eq!(code.matches("pub mod a {").count(), 1);
    let package = "package \"one.two\";\nstruct s { int a; };\nprogram P { version V { s A(s) = 1; } = 1; } = 1;";
    let code = configure().generate_text("a.x", package).unwrap();
    for line in ["pub mod one {", "pub mod two {", "pub mod p {", "pub mod v1 {"] {
        assert!(code.lines().any(|of| of.trim() == line), "lacks {line}\n{code}");
    }
    assert!(code.contains("super::super::S"), "{code}");
}

#[test]
fn large_inputs_take_no_more_than_their_share() {
    let many = |text: &str| text.repeat((1 << 16) / text.len());
    for text in [
        many("#if 1\n"),
        many("#if 0\n#endif\n"),
        format!("#if 0\n{}#endif\n", many("a b c\n")),
        format!("#if 0\n{}\n#endif\n", many("a ")),
        many("%/*\n"),
        many("% \\\n"),
        many("#define A /*\n"),
        many("/* */"),
        many(" "),
        many(" %"),
        many("(\n"),
        format!("const A = {}1;", many("1 + ")),
        format!("const A = {}1;", many("(")),
        format!("const A = {}1;", many("-")),
        format!("const A = {};", many("B + ")),
        format!("#define A {}\nconst B = A;\n", many("1 + ")),
        format!("enum e {{ {} }};", many("A, ")),
        many("namespace a {\n"),
        many("namespace a { const A = 1; }\n"),
        format!("package \"{}\";\nconst A = 1;", many("a.")),
        format!("const A = {}a;", many("a::")),
        format!("#if {}1\n#endif\n", many("1 + ")),
        many("%#include \"a.h\"\n"),
        many("%#define A 1\n"),
        many("#undef A\n"),
        many("\r"),
        many("\u{feff}"),
    ] {
        let _ = types_only().generate_text("a.x", &text);
    }
    let chain: String =
        (0..10_000).map(|i| format!("const C{i} = C{} + C{};\n", i + 1, i / 2)).collect();
    let _ = types_only().generate_text("a.x", &chain);
}
