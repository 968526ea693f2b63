//! The style, rule by rule.

use super::properties::formatted;
use crate::Error;
use crate::format::format;

#[test]
fn rules() {
    let table = [
        ("", ""),
        ("\n \n", ""),
        ("/* a */", "/* a */\n"),
        ("const  A=-1;", "const A = -1;\n"),
        ("const A=- 1-2*(~3<<B)|-C;", "const A = -1 - 2 * (~3 << B) | -C;\n"),
        ("const A = \"b  c\" ;", "const A = \"b  c\";\n"),
        ("typedef int* a;", "typedef int *a;\n"),
        ("typedef int a < > ;", "typedef int a<>;\n"),
        ("typedef int a [ 1+2 ] ;", "typedef int a[1 + 2];\n"),
        ("typedef string\na<1<<B>;", "typedef string a<1 << B>;\n"),
        ("struct a{int b;};", "struct a {\n    int b;\n};\n"),
        ("struct a\n{\n\n\nint b;\n\n\nint c;\n\n};", "struct a {\n    int b;\n\n    int c;\n};\n"),
        ("enum a{B,C=1,};", "enum a {\n    B,\n    C = 1,\n};\n"),
        (
            "union a switch(int b){case 1:case C+2:int d;default:void;};",
            "union a switch (int b) {\ncase 1:\ncase C + 2:\n    int d;\ndefault:\n    void;\n};\n",
        ),
        (
            "program A{version B{void\nC(void)=1;int D(int,a)=2;}=1;version E{}=2;}=3;",
            "program A {\n    version B {\n        void C(void) = 1;\n        int D(int, a) = 2;\n    } \
             = 1;\n\n    version E {} = 2;\n} = 3;\n",
        ),
        (
            "const A = 1;struct a { int b; };const B = 1;",
            "const A = 1;\n\nstruct a {\n    int b;\n};\n\nconst B = 1;\n",
        ),
        ("const A = 1; /* a */ const B = 22; // b", "const A = 1;  /* a */\nconst B = 22; // b\n"),
        ("%  a \\\n\tb  \n\n\n\n% c", "%  a \\\n\tb\n\n% c\n"),
        ("  #  if 0 \t\n   a  b\n #endif\r\n", "#  if 0\n   a  b\n#endif\n"),
    ];
    for (text, expected) in table {
        assert_eq!(formatted(text), expected);
    }
}

#[test]
fn long_procedures_are_broken() {
    let arguments = |count| vec!["argument_type"; count].join(",");
    let short = format!("program A{{version B{{int C({})=1;}}=1;}}=1;", arguments(5));
    let long = format!("program A{{version B{{int C({})=1;}}=1;}}=1;", arguments(6));
    let line = formatted(&short).lines().nth(2).unwrap().to_owned();
    assert_eq!(line, format!("        int C({}) = 1;", arguments(5).replace(',', ", ")));
    let expected = [
        "        int C(",
        "            argument_type,",
        "            argument_type,",
        "            argument_type,",
        "            argument_type,",
        "            argument_type,",
        "            argument_type",
        "        ) = 1;",
    ];
    let formatted = formatted(&long);
    let lines: Vec<_> = formatted.lines().skip(2).take(8).collect();
    assert_eq!(lines, expected);
}

#[test]
fn errors_are_those_of_the_grammar() {
    let error = format("struct a { int }; const B = ", "a.x").unwrap_err();
    let Error::Source(report) = error else { panic!("{error}") };
    assert_eq!(report.errors(), 2);
    assert!(report.to_string().contains("a.x:1:16"), "{report}");
    // Names and included files need not be there.
    assert_eq!(formatted("#include \"no.x\"\ntypedef a b;"), "#include \"no.x\"\ntypedef a b;\n");
    assert_eq!(formatted("#error no"), "#error no\n");
}

#[test]
fn size_and_depth_are_bounded() {
    let left_out = format!("#if 0\n{}{}\n#endif", "{".repeat(100_000), "}".repeat(100_000));
    assert_eq!(formatted(&left_out).len(), left_out.len() + 1);
    let hidden = "struct a { int b; END;\n#if 0\nint c;\n#endif\n".repeat(300);
    assert!(formatted(&format!("#define END }}\n{hidden}")).len() < 1_000_000);
    let long = "a".repeat(100_000);
    let text = format!("const B = \"{long}\"; /* a */\n{}", "const A = 1; /* b */\n".repeat(1000));
    assert!(formatted(&text).len() < 2 * text.len());
    let many = format!("const A = {} 1;", "/* a */".repeat(20_000));
    assert_eq!(formatted(&many).len(), many.len() + 20_000);
    let lines = format!("const B = \"{long}\"; /* a{}*/\n", "\n a".repeat(10_000));
    assert!(formatted(&lines).len() < 2 * lines.len());
}
