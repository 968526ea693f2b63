//! Where Rust and C differ on purpose: the one table.

use std::collections::BTreeSet;

use Habit::{
    CutsNumbers, EndsTextAtNul, HasNoLimit, KeepsBooleans, RecursesOnLists, TakesAnyDepth,
    TakesAnyEnumerator, TakesAnyText,
};

/// What C does and Rust does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Habit {
    TakesAnyEnumerator,
    TakesAnyText,
    EndsTextAtNul,
    CutsNumbers,
    KeepsBooleans,
    TakesAnyDepth,
    HasNoLimit,
    RecursesOnLists,
}

#[derive(Debug)]
pub(crate) struct Difference {
    habit: Habit,
    input: &'static str,
    c: &'static str,
    rust: &'static str,
    reason: &'static str,
}

const TABLE: [Difference; 8] = [
    Difference {
        habit: TakesAnyEnumerator,
        input: "a value that the enumeration does not name",
        c: "takes it",
        rust: "refuses it",
        reason: "RFC 4506 §4.3 says it is an error; a Rust `enum` has no such value",
    },
    Difference {
        habit: TakesAnyText,
        input: "a string that is not UTF-8",
        c: "takes it",
        rust: "refuses it",
        reason: "a Rust `String` is UTF-8; where peers use other encodings, declare `opaque`",
    },
    Difference {
        habit: EndsTextAtNul,
        input: "a string with a zero byte in it",
        c: "loses what follows the zero",
        rust: "keeps all of it",
        reason: "RFC 4506 §4.11 counts bytes; only C's strings end at a zero",
    },
    Difference {
        habit: CutsNumbers,
        input: "a `short` or `char` out of its range in C",
        c: "keeps the low one or two bytes",
        rust: "keeps all four bytes",
        reason: "both are a whole word on the wire, and an `i32` or `u32` in Rust",
    },
    Difference {
        habit: KeepsBooleans,
        input: "a `bool` above 1 among members that C reads without calls",
        c: "writes the number that it read",
        rust: "writes 1",
        reason: "a boolean has two values (RFC 4506 §4.4); elsewhere C writes 1 too",
    },
    Difference {
        habit: TakesAnyDepth,
        input: "recursion of more than 128 levels that is no list",
        c: "takes it until its stack overflows",
        rust: "refuses it",
        reason: "a message must not crash who reads it; `Limits::depth` is the bound",
    },
    Difference {
        habit: HasNoLimit,
        input: "a value of more than 64 MiB in memory",
        c: "takes it",
        rust: "refuses it",
        reason: "a short message must not take all memory; `Limits::bytes` is the bound",
    },
    Difference {
        habit: RecursesOnLists,
        input: "a list of a million nodes",
        c: "overflows its stack and crashes",
        rust: "takes it",
        reason: "Rust reads lists in a loop",
    },
];

/// Panics unless each row of the table was seen to make a difference, and none that it lacks.
pub(crate) fn assert_all_seen(seen: &BTreeSet<Habit>) {
    let listed: BTreeSet<_> = TABLE.iter().map(|difference| difference.habit).collect();
    assert_eq!(*seen, listed);
}

#[test]
fn the_documentation_has_this_table() {
    let documentation = include_str!("../../../../docs/c-differences.md");
    let rows: Vec<_> = documentation.lines().filter(|line| line.starts_with('|')).collect();
    let expected: Vec<_> = TABLE
        .iter()
        .map(|d| format!("| {} | {} | {} | {} |", d.input, d.c, d.rust, d.reason))
        .collect();
    assert_eq!(rows[..2], ["| input | C | Rust | reason |", "|---|---|---|---|"]);
    assert_eq!(rows[2..], expected);
}
