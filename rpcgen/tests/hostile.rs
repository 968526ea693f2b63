//! No file, however odd, makes the compiler panic, hang or overflow its stack; and what is wrong has
//! a place in the file.

use std::fmt::Write as _;
use std::fs;
use std::panic::{self, AssertUnwindSafe};

use farcall_rpcgen::{Error, Report};

/// Compiles a text as `a.x`; the findings if there are errors.
fn findings(text: &str) -> Option<Report> {
    match farcall_rpcgen::configure().generate_text("a.x", text) {
        Ok(_) => None,
        Err(Error::Source(report)) => Some(report),
        Err(other) => panic!("{other}\n{text}"),
    }
}

/// The codes of the errors in a text.
fn codes(text: &str) -> Vec<&'static str> {
    findings(text).map_or_else(Vec::new, |report| report.findings().map(|f| f.code).collect())
}

/// `count` lines made from their numbers.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[test]
fn long_chains_of_types_end() {
    let count = 3_000;
    for link in ["s{} x;", "s{} *x;", "s{} x<>;", "s{} x<2>;"] {
        let link = |i: usize| link.replace("{}", &(i + 1).to_string());
        let mut chain = lines(count, |i| format!("struct s{i} {{ {} }};\n", link(i)));
        writeln!(chain, "struct s{count} {{ int x; }};").unwrap();
        let codes = codes(&chain);
        assert!(!codes.is_empty() && codes.iter().all(|code| *code == "E0508"));
    }
    let mut typedefs = lines(count, |i| format!("typedef t{} t{i};\n", i + 1));
    writeln!(typedefs, "typedef int t{count};\nunion u switch (t0 a) {{ default: void; }};")
        .unwrap();
    assert!(codes(&typedefs).contains(&"E0508"));
}

#[test]
fn long_circles_of_types_end() {
    let count = 2_000;
    let circle =
        |link: &str| lines(count, |i| format!("struct s{i} {{ s{} {link}; }};\n", (i + 1) % count));
    assert!(codes(&circle("x")).contains(&"E0501"));
    assert!(codes(&circle("*x")).contains(&"E0508"));
}

#[test]
fn long_chains_of_constants_end() {
    let count = 10_000;
    let chain = lines(count, |i| format!("const A{i} = A{};\n", i + 1));
    assert!(findings(&format!("{chain}const A{count} = 1;\n")).is_none());
    assert_eq!(codes(&format!("{chain}const A{count} = A0;\n")), ["E0304"]);
}

#[test]
fn values_that_double_are_too_large() {
    for (shape, leaf) in [("{} a; {} b;", "int a;"), ("{} a[4];", "int a;"), ("{} a[4];", "void;")]
    {
        let body = |i: usize| shape.replace("{}", &format!("s{i}"));
        let structs = lines(100, |i| format!("struct s{} {{ {} }};\n", i + 1, body(i)));
        let codes = codes(&format!("struct s0 {{ {leaf} }};\n{structs}"));
        assert!(codes.contains(&"E0507"), "{codes:?}");
    }
    assert_eq!(codes("typedef hyper a[0x10000000];\ntypedef a b<>;\n"), ["E0507"]);
    assert_eq!(codes("typedef opaque a[0x40000000];\n"), [""; 0]);
}

#[test]
fn many_errors_are_counted_and_the_first_are_shown() {
    let text = format!("struct s {{\n{}}};\n", lines(20_000, |i| format!("t{i} x{i};\n")));
    let report = findings(&text).unwrap();
    assert_eq!(report.errors(), 20_000);
    assert_eq!(report.findings().count(), 1000);
    assert!(report.to_string().ends_with("\n\nand 19900 more"));
    let garbage = findings(&"@".repeat(100_000)).unwrap();
    assert!(garbage.errors() > 0 && garbage.findings().count() <= 1000);
}

#[test]
fn files_that_include_each_other_end() {
    let dir = std::env::temp_dir().join(format!("farcall-include-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    for i in 0..70 {
        fs::write(dir.join(format!("{i}.x")), format!("#include \"{}.x\"\n", i + 1)).unwrap();
    }
    let result = farcall_rpcgen::generate(dir.join("0.x"));
    fs::remove_dir_all(&dir).unwrap();
    let Err(Error::Source(report)) = result else { panic!("{result:?}") };
    assert_eq!(report.findings().map(|finding| finding.code).collect::<Vec<_>>(), ["E0111"]);
    assert!(report.to_string().contains("64.x:1:1"), "{report}");
}

/// Marsaglia's xorshift: what it finds, it finds again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }
}

/// Compiles a text and looks at every place that it gets.
fn check(text: &str) {
    let caught = panic::catch_unwind(AssertUnwindSafe(|| findings(text)));
    let report = caught.unwrap_or_else(|_| panic!("panic for:\n{text}"));
    let Some(report) = report else { return };
    assert!(report.errors() > 0 && !report.render(true).is_empty());
    // A carriage return of its own ends a line too.
    let text = text.replace("\r\n", " \n").replace('\r', "\n");
    let lines: Vec<_> = text.split('\n').map(|line| line.chars().count()).collect();
    for finding in report.findings().filter(|finding| finding.file == "a.x") {
        let (line, end_line) = (finding.line, finding.end_line);
        assert!((1..=end_line).contains(&line) && end_line <= lines.len(), "{finding:?}\n{text}");
        assert!((1..=lines[line - 1] + 1).contains(&finding.column), "{finding:?}\n{text}");
        assert!((1..=lines[end_line - 1] + 1).contains(&finding.end_column), "{finding:?}\n{text}");
    }
}

/// The words, marks and spaces of a text.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let len = match word(first) {
            true => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (part, after) = rest.split_at(len);
        parts.push(part);
        rest = after;
    }
    parts
}

fn seeds() -> Vec<String> {
    let cases = fs::read_dir("tests/diagnostics").unwrap().map(|file| file.unwrap().path());
    let fixtures =
        fs::read_dir("tests/fixtures").unwrap().map(|dir| dir.unwrap().path().join("input.x"));
    let mut paths: Vec<_> = cases.chain(fixtures).filter(|path| path.is_file()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "x"));
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.filter(|text| text.len() < 1500).collect()
}

/// Takes away, doubles, exchanges or replaces parts of a text, or ends it early.
fn mutated(seeds: &[String], random: &mut Random) -> String {
    let mut parts = split(&seeds[random.below(seeds.len())]);
    let others = split(&seeds[random.below(seeds.len())]);
    for _ in 0..=random.below(4) {
        if parts.is_empty() {
            break;
        }
        let (at, other) = (random.below(parts.len()), random.below(parts.len()));
        match random.below(6) {
            0 => drop(parts.remove(at)),
            1 => parts.insert(at, parts[other]),
            2 => parts.swap(at, other),
            3 => parts.truncate(at),
            4 if !others.is_empty() => parts[at] = others[random.below(others.len())],
            _ => parts[at] = SOUP[random.below(SOUP.len())],
        }
    }
    parts.concat()
}

const SOUP: [&str; 74] = [
    "const",
    "typedef",
    "enum",
    "struct",
    "union",
    "switch",
    "case",
    "default",
    "program",
    "version",
    "void",
    "int",
    "unsigned",
    "hyper",
    "float",
    "double",
    "quadruple",
    "bool",
    "opaque",
    "string",
    "namespace",
    "package",
    "pragma",
    "char",
    "long",
    "short",
    "signed",
    "TRUE",
    "FALSE",
    "netobj",
    "a",
    "b",
    "c",
    "A",
    "B",
    "C",
    "0",
    "1",
    "-1",
    "0x7fffffff",
    "4294967295",
    "09",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    "*",
    "=",
    ",",
    ";",
    ":",
    "::",
    "+",
    "/",
    "<<",
    "~",
    "\"t\"",
    "\"",
    "\n",
    "\n#define A B\n",
    "\n#if A\n",
    "\n#else\n",
    "\n#endif\n",
    "\n%#define C 1\n",
    "/*",
    "*/",
    "//",
    "\u{e4}",
    "\r\n",
    "@",
];

#[test]
fn mutated_files_are_no_danger() {
    let seeds = seeds();
    assert!(seeds.len() > 80);
    let mut random = Random(0x5eed);
    (0..600).for_each(|_| check(&mutated(&seeds, &mut random)));
}

#[test]
fn soups_of_tokens_are_no_danger() {
    let mut random = Random(0x50af);
    for _ in 0..3000 {
        let count = random.below(40);
        let words: Vec<_> = (0..count).map(|_| SOUP[random.below(SOUP.len())]).collect();
        check(&words.join(" "));
    }
}
