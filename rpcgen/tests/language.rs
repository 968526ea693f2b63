//! Each thing that the language has, and what becomes of it.

use farcall_rpcgen::configure;

/// The Rust for `text`.
#[track_caller]
fn rust(text: &str) -> String {
    match configure().client(false).server(false).generate_text("a.x", text) {
        Ok(code) => code,
        Err(error) => panic!("{text}\n{error}"),
    }
}

/// Whether the lines of `wanted` are in the Rust for `text`, each with nothing but space around it.
#[track_caller]
fn has(text: &str, wanted: &[&str]) {
    let code = rust(text);
    for line in wanted {
        assert!(code.lines().any(|of| of.trim() == *line), "{text}\nlacks {line}\n{code}");
    }
}

#[track_caller]
fn constant(value: &str, expected: &str) {
    has(&format!("const X = {value};"), &[&format!("pub const X: {expected};")]);
}

#[test]
fn numbers() {
    for (value, expected) in [
        ("0", "u32 = 0"),
        ("64", "u32 = 64"),
        ("0x1F", "u32 = 31"),
        ("0X1f", "u32 = 31"),
        ("017", "u32 = 15"),
        ("-1", "i32 = -1"),
        ("- 1", "i32 = -1"),
        ("-0x10", "i32 = -16"),
        ("+7", "u32 = 7"),
        ("4294967295", "u32 = 4294967295"),
        ("4294967296", "i64 = 4294967296"),
        ("-2147483649", "i64 = -2147483649"),
        ("-9223372036854775808", "i64 = -9223372036854775808"),
        ("0xFFFFFFFFFFFFFFFF", "u64 = 18446744073709551615"),
        ("0xffffffffffffffffULL", "u64 = 18446744073709551615"),
        ("TRUE", "u32 = 1"),
        ("\"text\"", "&str = \"text\""),
    ] {
        constant(value, expected);
    }
}

#[test]
fn expressions() {
    for (value, expected) in [
        ("1 + 2 * 3", "u32 = 7"),
        ("(1 + 2) * 3", "u32 = 9"),
        ("7 - 2 - 1", "u32 = 4"),
        ("100 / 7 % 4", "u32 = 2"),
        ("1 << 4 | 1", "u32 = 17"),
        ("256 >> 4 & 0x18", "u32 = 16"),
        ("6 ^ 3", "u32 = 5"),
        ("~0", "i32 = -1"),
        ("-(2 + 3)", "i32 = -5"),
        ("- -5", "u32 = 5"),
        ("~~5 - -5", "u32 = 10"),
        ("1-1", "u32 = 0"),
        ("(((1)))", "u32 = 1"),
        ("1 << 63", "u64 = 9223372036854775808"),
        ("-1 << 63", "i64 = -9223372036854775808"),
    ] {
        constant(value, expected);
    }
}

#[test]
fn names_of_numbers() {
    let others = "const X = A + 1; const A = B * 2; const B = E1; enum e { E0, E1 = 5 };
        program P { version V { void NULL(void) = 0; void Q(void) = LATER; } = 3; } = B + 0x20000000;
        const LATER = 7; const FROM_P = P; const FROM_V = V; const FROM_Q = Q + 1;";
    has(
        others,
        &[
            "pub const X: u32 = 11;",
            "pub const A: u32 = 10;",
            "pub const B: u32 = 5;",
            "pub const FROM_P: u32 = 536870917;",
            "pub const FROM_V: u32 = 3;",
            "pub const FROM_Q: u32 = 8;",
            "pub const PROGRAM: ::farcall::codegen::Program = ::farcall::codegen::Program(",
        ],
    );
    let chain: String = (0..5000).map(|i| format!("const C{i} = C{} + 1;\n", i + 1)).collect();
    has(&format!("{chain}const C5000 = 0;"), &["pub const C0: u32 = 5000;"]);
}

#[test]
fn expressions_stand_wherever_numbers_do() {
    has(
        "const N = 4;
        enum e { A = N - 5, B, C = 1 << N };
        struct s { opaque a[N * 2]; int b[(N)]; string c<N + 1>; int d<N >> 1>; };
        union u switch (int i) { case N + 1: int a; case -1: int b; case ~N: void; };",
        &[
            "A = -1,",
            "B = 0,",
            "C = 16,",
            "pub a: [u8; 8],",
            "pub b: [i32; 4],",
            "pub c: ::farcall::codegen::String,",
            "pub d: ::farcall::codegen::Vec<i32>,",
        ],
    );
    has(
        "const N = 4; program P { version V { void A(void) = N | 1; } = N - 2; } = 0x20000000 + N;",
        &["pub mod v2 {", "number: ::farcall::codegen::Procedure(5),"],
    );
}

#[test]
fn types_of_c() {
    for (idl, expected) in [
        ("int", "i32"),
        ("unsigned", "u32"),
        ("unsigned int", "u32"),
        ("hyper", "i64"),
        ("unsigned hyper", "u64"),
        ("float", "f32"),
        ("double", "f64"),
        ("quadruple", "::farcall::codegen::Quadruple"),
        ("bool", "bool"),
        ("bool_t", "bool"),
        ("char", "i32"),
        ("short", "i32"),
        ("long", "i32"),
        ("short int", "i32"),
        ("long int", "i32"),
        ("signed int", "i32"),
        ("signed char", "i32"),
        ("unsigned char", "u32"),
        ("unsigned short", "u32"),
        ("unsigned short int", "u32"),
        ("unsigned long", "u32"),
        ("unsigned long int", "u32"),
        ("u_char", "u32"),
        ("u_short", "u32"),
        ("u_int", "u32"),
        ("u_long", "u32"),
        ("int8_t", "i32"),
        ("uint8_t", "u32"),
        ("u_int8_t", "u32"),
        ("int16_t", "i32"),
        ("uint16_t", "u32"),
        ("int32_t", "i32"),
        ("uint32_t", "u32"),
        ("u_int32_t", "u32"),
        ("int64_t", "i64"),
        ("uint64_t", "u64"),
        ("u_int64_t", "u64"),
        ("quad_t", "i64"),
        ("u_quad_t", "u64"),
        ("longlong_t", "LonglongT"),
        ("netobj", "::farcall::codegen::Bytes"),
    ] {
        has(&format!("struct s {{ {idl} a; }};"), &[&format!("pub a: {expected},")]);
    }
}

#[test]
fn shapes() {
    for (declaration, expected) in [
        ("opaque a[3]", "[u8; 3]"),
        ("opaque a<>", "::farcall::codegen::Bytes"),
        ("string a<>", "::farcall::codegen::String"),
        ("string a<7>", "::farcall::codegen::String"),
        ("string a", "::farcall::codegen::String"),
        ("int a[3]", "[i32; 3]"),
        ("int a<3>", "::farcall::codegen::Vec<i32>"),
        ("int *a", "::farcall::codegen::Option<i32>"),
        ("int * a", "::farcall::codegen::Option<i32>"),
        ("int*a", "::farcall::codegen::Option<i32>"),
        ("enum { A, B } a", "SA"),
        ("struct { int b; } a", "SA"),
        ("struct { int b; } a<>", "::farcall::codegen::Vec<SA>"),
        ("union switch (int i) { case 0: void; } a", "SA"),
    ] {
        has(&format!("struct s {{ {declaration}; }};"), &[&format!("pub a: {expected},")]);
    }
}

#[test]
fn definitions() {
    for (text, wanted) in [
        ("typedef string a<3>;", "pub type A = ::farcall::codegen::String;"),
        ("typedef string a;", "pub type A = ::farcall::codegen::String;"),
        ("typedef opaque a[3];", "pub type A = [u8; 3];"),
        ("typedef int *a;", "pub type A = ::farcall::codegen::Option<i32>;"),
        ("typedef enum { X, Y } a;", "pub enum A {"),
        ("typedef struct { int x; } a;", "pub struct A {"),
        ("typedef union switch (bool b) { case TRUE: int x; default: void; } a;", "pub enum A {"),
        ("typedef struct b { int x; } a;", "pub type A = B;"),
        ("typedef struct b { int x; } *a;", "pub type A = ::farcall::codegen::Option<B>;"),
        ("typedef enum b { X } a<>;", "pub type A = ::farcall::codegen::Vec<B>;"),
        ("struct a { struct b { int x; } y; b z; };", "pub y: B,"),
        ("struct b { int x; }; typedef struct b a;", "pub type A = B;"),
        ("typedef struct a a; struct a { int x; };", "pub struct A {"),
        ("enum b { X }; typedef enum b a;", "pub type A = B;"),
        ("enum a { X, Y, };", "Y = 1,"),
        ("enum a { X = 3, Y, Z = 1, W };", "W = 2,"),
        ("struct a { int x; };;", "pub struct A {"),
        ("union a switch (int i) { case 1: case 2: int x; default: void; };", "pub enum A {"),
        ("union a switch (unsigned i) { case 1: struct { int y; } x; };", "pub struct AX {"),
        ("struct a { void; int x; };", "pub x: i32,"),
    ] {
        has(text, &[wanted]);
    }
}

#[test]
fn comments_and_lines() {
    for text in [
        "struct s { int a; }; // to the end /*\nstruct t { int b; };",
        "struct s { int a; /* over\nlines // */ };\nstruct t { int b; };",
        "/* a /* b */ struct s { int a; }; struct t /**/ { int b; };",
        "struct s {\r\n    int a;\r\n};\r\nstruct t {\r\n    int b; // c\r\n};\r\n",
        "// old\rstruct s { int a; };\r#ifdef X\rnothing\r#endif\rstruct t { int b; };\r",
        "\u{feff}struct s { int a; };\x0cstruct t { int b; };",
        "\u{feff}#ifdef RPC_HDR\nstruct s { int a; };\n#endif\nstruct t { int b; };",
        "# 1 \"a.x\"\n# 1 \"<built-in>\" 1\nstruct s { int a; };\n#line 7\nstruct t { int b; };",
        "%#include <a.h>\nstruct s {\n%// for C\n    int a;\n  %also for C;\n};\nstruct t { int b; };",
        "%#define A(x) \\\n    (x)\nstruct s { int a; };\nstruct t { int b; };",
        "%/* for C\n   only */\nstruct s { int a; };\nstruct t { int b; };",
        "#pragma ident \"a.x\"\n#ident \"a\"\nstruct s { int a; };\nstruct t { int b; };",
        "pragma header a;\npragma big_endian s;\npragma exclude x y;\nstruct s { int a; };\nstruct t { int b; };",
    ] {
        has(text, &["pub a: i32,", "pub b: i32,"]);
    }
}

#[test]
fn procedures() {
    let server = |text: &str| {
        let text = format!("program P {{ version V {{ {text} }} = 1; }} = 0x20000000;");
        configure().generate_text("a.x", &text).unwrap()
    };
    for (text, wanted) in [
        ("void A(void) = 1;", "fn a("),
        ("void A() = 1;", "fn a("),
        ("int A(int, string) = 1;", "arg2: ::farcall::codegen::String"),
        ("int A(int a, string b<>, unsigned c) = 1;", "b: ::farcall::codegen::String"),
        ("int A(string name<5>) = 1;", "name: ::farcall::codegen::String"),
        ("int A(string<5>, opaque<>) = 1;", "arg2: ::farcall::codegen::Bytes"),
        ("string A(int) = 1;", "::farcall::codegen::String"),
        ("int *A(int *x) = 1;", "x: ::farcall::codegen::Option<i32>"),
        ("unsigned long A(struct netbuf) = 1;", "netbuf: super::super::Netbuf"),
    ] {
        let code = server(text);
        assert!(code.contains(wanted), "{text}\n{code}");
    }
    let two = "program P { version V1 { int A(int) = 1; } = 1; version V2 { int A(int) = 1; } = 2; } = 0x20000000;
        program Q { version V1 { int A(int) = 1; } = 1; } = 0x20000001;";
    let code = configure().generate_text("a.x", two).unwrap();
    for (wanted, count) in
        [("pub mod p {", 1), ("pub mod q {", 1), ("pub mod v1 {", 2), ("pub mod v2 {", 1)]
    {
        assert_eq!(code.matches(wanted).count(), count, "{wanted}");
    }
}
