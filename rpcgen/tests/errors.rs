//! What is wrong in a file is shown at its place, all of it at once.

use farcall_rpcgen::Severity;

fn report(text: &str) -> String {
    let error = farcall_rpcgen::configure().generate_text("kv.x", text).unwrap_err();
    assert_eq!(format!("{error:?}"), format!("\n{error}"));
    error.to_string()
}

/// The errors as `LINE:COLUMN: MESSAGE`.
fn places(text: &str) -> Vec<String> {
    let report = report(text);
    let lines: Vec<_> = report.lines().collect();
    let mut places = Vec::new();
    for pair in lines.windows(2) {
        if let Some((_, message)) =
            pair[0].strip_prefix("error[E").and_then(|rest| rest.split_once("]: "))
        {
            let place = pair[1].trim_start().strip_prefix("--> kv.x:").unwrap();
            places.push(format!("{place}: {message}"));
        }
    }
    places
}

#[test]
fn an_unknown_type_is_shown_with_a_similar_name() {
    let text = "const MAXKEY = 64;\nstruct s {\n    strin key<MAXKEY>;\n};\n";
    let expected = "\
error[E0301]: cannot find type `strin`
 --> kv.x:3:5
  |
3 |     strin key<MAXKEY>;
  |     ^^^^^ not defined in this file or its includes
  |
help: a type has a similar name
  |
3 |     string key<MAXKEY>;
  |          +";
    assert_eq!(report(text), expected);
}

#[test]
fn a_number_used_twice_is_shown_with_both_places() {
    let text = "program P {\n    version V {\n        int A(void) = 1;\n        int B(void) = 1;\n    } = 1;\n} = 1;\n";
    let expected = "\
error[E0601]: procedure number 1 is used twice
 --> kv.x:4:23
  |
3 |         int A(void) = 1;
  |                       - first used by `A`
4 |         int B(void) = 1;
  |                       ^ second use";
    assert_eq!(report(text), expected);
}

#[test]
fn a_circle_of_values_is_shown_whole() {
    let text = "struct a { b x; };\nstruct b { c y[2]; };\ntypedef a c;\n";
    let expected = "\
error[E0501]: type `a` contains itself without end
 --> kv.x:1:8
  |
1 | struct a { b x; };
  |        ^ is inside of `c`
2 | struct b { c y[2]; };
  |        - is inside of `a`
3 | typedef a c;
  |           - is inside of `b`
  |
  = help: an optional value (`type *name`) or a list of them (`type name<>`) ends somewhere";
    assert_eq!(report(text), expected);
}

#[test]
fn all_errors_come_at_once() {
    let text = "struct s {\n    int a\n    int b;\n}\nenum e { A = 0, = 1 };\nconst X = 1\nx;\n";
    let expected = [
        "2:9: expected `;`",
        "4:1: expected `;`",
        "5:17: expected a name, found `=`",
        "6:11: expected `;`",
        "7:1: expected a definition, found `x`",
    ];
    assert_eq!(places(text), expected);
}

#[test]
fn every_rule_has_its_place_and_message() {
    let table = [
        // Tokens and directives.
        ("struct s { int a; } @;", "1:21: unknown character '@'"),
        ("/* open", "1:1: this comment does not end"),
        ("const A = \"open;", "1:11: this string does not end"),
        (
            "const A = 99999999999999999999;",
            "1:11: `99999999999999999999` is not a number of 64 bits",
        ),
        ("const A = 08;", "1:11: `08` is not a number of 64 bits"),
        ("#else", "1:1: `#else` without `#if`"),
        ("#ifdef A", "1:1: this condition has no `#endif`"),
        ("#if A +\n#endif", "1:1: this condition is not understood"),
        ("#bogus", "1:1: unknown directive `#bogus`"),
        ("#define 1 x", "1:1: only `#define NAME VALUE` is understood"),
        ("#define F(x) x\nconst A = F(1);", "2:11: `F` has parameters, which are not understood"),
        ("#include a", "1:1: only `#include \"FILE\"` and `#include <FILE>` are understood"),
        // Grammar.
        ("int x;", "1:1: expected a definition, found `int`"),
        ("struct int { int a; };", "1:8: expected a name, found `int`"),
        ("struct s { int 5; };", "1:16: expected a name, found `5`"),
        ("struct s { int a[]; };", "1:18: expected a number or the name of a constant, found `]`"),
        ("struct s { int a<1; };", "1:19: expected `>`, found `;`"),
        ("struct s { int a;", "1:18: expected a type, found the end of the file"),
        ("struct s { string a[3]; };", "1:19: `string` has a length of its own"),
        ("struct s { opaque a; };", "1:19: `opaque` needs a length"),
        ("struct s { opaque *a; };", "1:20: `opaque` has a length of its own"),
        ("struct s { int **a; };", "1:17: a declaration has only one `*`, `[]` or `<>`"),
        ("struct s { int a<>[2]; };", "1:19: a declaration has only one `*`, `[]` or `<>`"),
        ("struct s { int *a<>; };", "1:18: a declaration has only one `*`, `[]` or `<>`"),
        ("struct s { long long a; };", "1:12: `long long` is C's name for a `hyper`"),
        ("namespace a {\nconst A = 1;", "1:11: this namespace has no `}`"),
        ("package \"a.1\";", "1:1: a package is called by names with dots between them"),
        ("typedef void;", "1:1: `typedef void` names no type"),
        ("union u switch (void) { default: void; };", "1:17: a union needs a discriminant"),
        (
            "union u switch (int i) { default: void; case 1: int a; };",
            "1:41: expected `case`, `default` or `}`, found `case`",
        ),
        ("program P { } = 1;", "1:13: expected `version`, found `}`"),
        // Names.
        ("struct s { foo a; };", "1:12: cannot find type `foo`"),
        ("struct s { int a<FOO>; };", "1:18: cannot find constant `FOO`"),
        ("struct s { int a; };\nenum s { A };", "2:6: type `s` is defined twice"),
        ("enum e { A };\nenum f { A };", "2:10: constant `A` is defined twice"),
        ("struct s { int a; int a; };", "1:23: member `a` is defined twice"),
        ("typedef struct s s;", "1:18: type `s` is defined by itself"),
        (
            "const A = B;\nconst B = A;\nstruct s { int x<A>; };",
            "1:7: constant `A` is defined by itself",
        ),
        // Ranges.
        ("const A = 1 / 0;", "1:11: this expression has no value"),
        ("const A = 0xFFFFFFFFFFFFFFFF + 1;", "1:7: constant 18446744073709551616 is out of range"),
        ("struct s { opaque a[4294967296]; };", "1:21: length 4294967296 is out of range"),
        ("struct s { int a<-1>; };", "1:18: bound -1 is out of range"),
        ("struct s { int a[0]; };", "1:18: an array of fixed length needs an element"),
        ("enum e { A = 4294967295 };", "1:10: `A` is 4294967295, which no enum can hold"),
        ("const A = \"a\";\nstruct s { int x[A]; };", "2:18: constant `A` is not a number"),
        // Unions.
        ("union u switch (float f) { case 1: int x; };", "1:23: a union cannot switch on this"),
        ("union u switch (hyper h) { case 1: int x; };", "1:23: a union cannot switch on this"),
        ("union u switch (bool b) { case 2: void; };", "1:32: case 2 is not TRUE or FALSE"),
        (
            "union u switch (unsigned u) { case -1: void; };",
            "1:36: case -1 is not an `unsigned int`",
        ),
        (
            "enum e { A };\nenum f { B = 1 };\nunion u switch (e x) { case B: void; };",
            "3:29: case `B` is not a member of `e`",
        ),
        ("union u switch (int i) { case 1: case 1: void; };", "1:39: case 1 is there twice"),
        ("struct s { s *a; s b; };", "1:8: type `s` contains itself without end"),
        // Programs.
        (
            "program P { version V { void A(void) = 1; } = 1; } = 4294967296;",
            "1:54: program number 4294967296 is out of range",
        ),
        (
            "program P { version V { struct { int a; } A(void) = 1; } = 1; } = 1;",
            "1:25: a procedure's type needs a name",
        ),
        (
            "program P { version V { void A(void) = 1; } = 1; version W { void A(void) = 1; } = 1; } = 1;",
            "1:84: version number 1 is used twice",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(places(text), [expected], "{text}");
    }
}

#[test]
fn findings_are_data_too() {
    let text =
        "struct \u{e9}s {\n    strin key<>;\n};\nstruct t {\n    stat a[2][3];\n    char *p;\n};\n";
    let text = text.replace('\u{e9}', "/* \u{e9} */ ");
    let Err(farcall_rpcgen::Error::Source(report)) =
        farcall_rpcgen::configure().output_text("kv.x", &text)
    else {
        panic!("no errors")
    };
    assert_eq!((report.errors(), report.warnings(), report.notes()), (2, 1, 0));
    let findings: Vec<_> = report.findings().collect();
    let shown: Vec<_> = findings
        .iter()
        .map(|f| (f.code, f.severity, (f.line, f.column), (f.end_line, f.end_column)))
        .collect();
    let expected = [
        ("E0301", Severity::Error, (2, 5), (2, 10)),
        ("E0208", Severity::Error, (5, 14), (5, 15)),
        ("W0201", Severity::Warning, (6, 5), (6, 11)),
    ];
    assert_eq!(shown, expected);
    assert_eq!(findings[0].message, "cannot find type `strin`");
    assert_eq!(findings[0].file, "kv.x");
    assert_eq!(findings[0].help.as_deref(), Some("a type has a similar name: `string`"));
    assert!(report == report.clone() && !report.is_empty());
}

#[test]
fn colours_are_only_in_the_escapes() {
    let Err(farcall_rpcgen::Error::Source(report)) =
        farcall_rpcgen::generate("tests/diagnostics/several.x")
    else {
        panic!("no errors")
    };
    let coloured = report.render(true);
    assert!(coloured.contains("\u{1b}[1m\u{1b}[91merror[E0202]"), "{coloured:?}");
    let mut plain = String::new();
    let mut parts = coloured.split('\u{1b}');
    plain.push_str(parts.next().unwrap());
    for part in parts {
        plain.push_str(part.split_once('m').unwrap().1);
    }
    assert_eq!(plain, report.render(false));
}

#[test]
fn warnings_and_notes_stop_nothing() {
    let text = "%#include <stdio.h>\nstruct s { char *p; };\n#warning old\n";
    let output = farcall_rpcgen::configure().output_text("kv.x", text).unwrap();
    assert!(output.code.contains("pub struct S"));
    let report = output.notes;
    assert_eq!((report.errors(), report.warnings(), report.notes()), (0, 2, 1));
    let codes: Vec<_> = report.findings().map(|finding| finding.code).collect();
    assert_eq!(codes, ["N0101", "W0201", "W0101"]);
}

#[test]
fn no_nesting_is_too_deep_for_the_compiler() {
    let depth = 20_000;
    let text =
        format!("struct s {{ {}int a;{} }};", "struct { ".repeat(depth), "} x; ".repeat(depth));
    assert_eq!(places(&text)[0], "1:595: this is nested too deeply");
    let parentheses = format!("#if {}1\n#endif", "(".repeat(depth));
    assert_eq!(places(&parentheses), ["1:1: this condition is not understood"]);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let error = farcall_rpcgen::generate("no/such/file.x").unwrap_err();
    assert!(matches!(&error, farcall_rpcgen::Error::Read { path, .. } if path.ends_with("file.x")));
    assert!(error.to_string().starts_with("cannot read `no/such/file.x`: "));
    assert!(places("#include \"no_such.x\"")[0].starts_with("1:1: cannot read `no_such.x`: "));
}
