//! What holds for all files.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::strategy::{Just, Strategy};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::generator::{self, Spacing};
use crate::ast::Definition;
use crate::diag::Diagnostics;
use crate::format::format;
use crate::preprocess::{self, Input, Setup};
use crate::source::SourceMap;
use crate::{Error, parser};

/// Runs `check` with `cases` files, always the same.
fn for_files(cases: u32, spacing: Spacing, check: impl Fn(&str)) {
    let files = vec(any::<u8>(), 0..400).prop_map(|choices| generator::file(&choices, spacing));
    for_all(cases, files, |text| check(&text));
}

fn for_all<T: std::fmt::Debug>(cases: u32, values: impl Strategy<Value = T>, check: impl Fn(T)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let run = TestRunner::new_with_rng(config, rng).run(&values, |value| {
        check(value);
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

/// What the compiler reads in a file.
struct Read {
    definitions: Vec<Definition>,
    input: Input,
    /// Its comments, blanks apart.
    comments: Vec<String>,
    /// The comments and tags in the documentation.
    docs: Vec<String>,
}

fn read(text: &str) -> Read {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let file = sources.add("a.x".into(), text.into());
    let setup = Setup { alone: true, ..Setup::default() };
    let path = Path::new("a.x");
    let input = preprocess::preprocess(&mut sources, file, path, &setup, &mut diagnostics);
    let definitions = parser::specification(&input, &sources, &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{}\n{text}", diagnostics.report(&sources));
    let comments = input.comments[&file].iter();
    let comments = comments.map(|comment| words(sources.text(comment.span))).collect();
    let docs = docs(&format!("{definitions:#?}"));
    Read { definitions, input, comments, docs }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The lines inside of `comment: […]` and `tags: […]`.
fn docs(tree: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in tree.lines().map(str::trim) {
        inside = inside && line != "]," || line == "comment: [" || line == "tags: [";
        if inside {
            found.push(line.to_owned());
        }
    }
    found
}

/// Checks all that must hold; gives the formatted text.
pub(super) fn formatted(text: &str) -> String {
    let formatted = match format(text, "a.x") {
        Ok(formatted) => formatted,
        Err(error) => panic!("{error}\n{text}"),
    };
    let again = format(&formatted, "a.x").unwrap();
    assert!(again == formatted, "{text}\n-- is formatted as\n{formatted}\n-- and then as\n{again}");
    let (before, after) = (read(text), read(&formatted));
    assert!(before.definitions == after.definitions, "{text}\n-- is not\n{formatted}");
    assert_eq!(before.comments, after.comments);
    assert_eq!(before.docs, after.docs, "\n{text}\n-- is documented otherwise by\n{formatted}");
    assert_eq!(before.input.passed.lines, after.input.passed.lines);
    assert!(!formatted.contains('\r'));
    assert!(formatted.is_empty() || formatted.ends_with('\n') && !formatted.ends_with("\n\n"));
    let blank = |line: &str| line.ends_with(char::is_whitespace) && !line.ends_with("\\ ");
    assert_eq!(formatted.lines().find(|line| blank(line)), None);
    formatted
}

#[test]
fn only_white_space_changes() {
    for_files(200, Spacing::Wild, |text| drop(formatted(text)));
}

#[test]
fn only_the_tokens_decide() {
    // Without comments, directives and empty lines, there is one layout for all.
    for_files(100, Spacing::Plain, |text| {
        let text = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>();
        let one_line = words(&text.join(" "));
        if let Ok(one) = format(&one_line, "a.x") {
            let other = format(&one_line.replace(' ', "\n"), "a.x").unwrap();
            assert_eq!(one, other);
        }
    });
}

#[test]
fn the_code_is_the_same() {
    for_files(40, Spacing::Wild, |text| {
        let code = |text: &str| {
            let code = crate::configure().generate_text("a.x", text);
            let code = code.unwrap_or_else(|error| panic!("{error}\n{text}"));
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(code(text), code(&formatted(text)));
    });
}

#[test]
fn the_description_is_the_same_but_for_places() {
    for_files(40, Spacing::Wild, |text| {
        let described = |text: &str| {
            let description = crate::configure().describe_text("a.x", text);
            let text = format!("{:#?}", description.unwrap());
            let place = |line: &&str| {
                ["line: ", "column: "].iter().any(|field| line.trim_start().starts_with(field))
            };
            text.lines().filter(|line| !place(line)).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(described(text), described(&formatted(text)));
    });
}

#[test]
fn every_text_is_formatted_or_refused() {
    const PARTS: [&str; 40] = [
        " ",
        " ",
        "\n",
        "\n",
        "\t",
        "\r\n",
        "\r",
        "{",
        "}",
        "(",
        ")",
        "<",
        ">",
        "[",
        "]",
        ";",
        ",",
        ":",
        "=",
        "*",
        "/",
        "-",
        "%",
        "#",
        "\"",
        "\\",
        "/*",
        "*/",
        "//",
        "#if 0\n",
        "#else\n",
        "\n#endif\n",
        "\n#define A ",
        "enum",
        "struct",
        "union switch",
        "case",
        "a",
        "\u{e4}",
        "1",
    ];
    let texts = vec(0..PARTS.len(), 0..60)
        .prop_map(|parts| parts.into_iter().map(|part| PARTS[part]).collect::<String>());
    for_all(800, texts.clone(), |text| match format(&text, "a.x") {
        Ok(_) => drop(formatted(&text)),
        Err(error) => assert!(matches!(error, Error::Source(_)), "{error}\n{text:?}"),
    });
    // What `#if` leaves out need not be right.
    let left_out = (texts, Just(())).prop_map(|(text, ())| {
        format!("#if 0\n{}\n#endif\nstruct a {{ int b; }};", text.replace('#', ""))
    });
    for_all(400, left_out, |text| {
        if format(&text, "a.x").is_ok() {
            drop(formatted(&text));
        }
    });
}
