//! Names of a `.x` file to names of Rust.

use std::collections::BTreeSet;

use heck::{ToShoutySnakeCase, ToSnakeCase, ToUpperCamelCase};

/// Keywords that a `r#` makes a name, strict and reserved ones of all editions.
const RAW: [&str; 48] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

/// Keywords that not even a `r#` makes a name.
const NEVER: [&str; 4] = ["self", "Self", "super", "crate"];

/// A struct's, enum's or typedef's name, or an enum's variant.
pub(crate) fn upper_camel(idl: &str) -> String {
    legal(idl.to_upper_camel_case(), "X")
}

/// A field's, method's, argument's or module's name.
pub(crate) fn snake(idl: &str) -> String {
    legal(idl.to_snake_case(), "x")
}

/// A constant's name.
pub(crate) fn shouty(idl: &str) -> String {
    if idl.contains(|c: char| c.is_ascii_lowercase()) {
        legal(idl.to_shouty_snake_case(), "X")
    } else {
        legal(idl.to_owned(), "X")
    }
}

fn legal(name: String, prefix: &str) -> String {
    if NEVER.contains(&name.as_str()) {
        return name + "_";
    }
    let is_name = name.contains(|c: char| c.is_ascii_alphanumeric());
    if is_name && !name.starts_with(|c: char| c.is_ascii_digit()) {
        name
    } else {
        format!("{prefix}{name}")
    }
}

/// Whether it must be written with `r#`.
pub(crate) fn is_keyword(name: &str) -> bool {
    RAW.contains(&name)
}

/// Names given out in one scope: one that is taken gets a `_`.
#[derive(Debug, Default)]
pub(crate) struct Scope(BTreeSet<String>);

impl Scope {
    /// A scope in which these are taken already.
    pub(crate) fn reserving(names: &[&str]) -> Self {
        Self(names.iter().map(|name| (*name).to_owned()).collect())
    }

    pub(crate) fn take(&mut self, mut name: String) -> String {
        while !self.0.insert(name.clone()) {
            name.push('_');
        }
        name
    }
}

fn words(name: &str) -> Vec<&str> {
    name.split('_').filter(|word| !word.is_empty()).collect()
}

/// How many leading words all of `names` have in common, such that each keeps a word, and one that
/// begins with a letter.
pub(crate) fn common_words(names: &[&str]) -> usize {
    let split: Vec<_> = names.iter().map(|name| words(name)).collect();
    let Some(first) = split.first() else { return 0 };
    let shared = |n: &usize| {
        split
            .iter()
            .all(|words| words.len() > *n && words[..*n] == first[..*n] && starts_well(words[*n]))
    };
    (1..first.len()).filter(shared).max().unwrap_or(0)
}

fn starts_well(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// `name` without its first `count` words.
pub(crate) fn without_words(name: &str, count: usize) -> String {
    words(name)[count..].join("_")
}

/// How many leading words `name` shares with `other`, whatever their case, such that it keeps one.
pub(crate) fn words_shared_with(name: &str, other: &str) -> usize {
    let name = words(name);
    let same = name.iter().zip(words(other)).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
    let mut count = same.min(name.len().saturating_sub(1));
    while count > 0 && !starts_well(name[count]) {
        count -= 1;
    }
    count
}

/// The names of an enum's or version's members without the words that all have in common; of a
/// single member, without those that it shares with its `owner`.
pub(crate) fn members(names: &[&str], owner: &str) -> Vec<String> {
    let count = match names {
        [only] => words_shared_with(only, owner),
        _ => common_words(names),
    };
    names.iter().map(|name| without_words(name, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        for (idl, camel, snaked, shouted) in [
            ("kv_status", "KvStatus", "kv_status", "KV_STATUS"),
            ("nfs_fh3", "NfsFh3", "nfs_fh3", "NFS_FH3"),
            ("GETATTR3args", "Getattr3args", "getattr3args", "GETATTR3ARGS"),
            ("rp__list", "RpList", "rp_list", "RP_LIST"),
            ("type", "Type", "type", "TYPE"),
            ("self", "Self_", "self_", "SELF"),
            ("Self", "Self_", "self_", "SELF"),
            ("crate", "Crate", "crate_", "CRATE"),
            ("super", "Super", "super_", "SUPER"),
            ("MAX__KEY", "MaxKey", "max_key", "MAX__KEY"),
            ("_3d", "X3d", "x3d", "X3D"),
            ("__", "X", "x", "X__"),
        ] {
            assert_eq!(upper_camel(idl), camel);
            assert_eq!(snake(idl), snaked);
            assert_eq!(shouty(idl), shouted);
        }
    }

    #[test]
    fn common_words_are_stripped() {
        let table: [(&[&str], &str, &[&str]); 8] = [
            (&["KV_OK", "KV_NOENT"], "kv_status", &["OK", "NOENT"]),
            (&["KV_S_OK", "KV_S_NO"], "kv_status", &["OK", "NO"]),
            (&["KV", "KV_NOENT"], "kv_status", &["KV", "KV_NOENT"]),
            (&["NFS_OK", "NFSERR_PERM"], "nfsstat", &["NFS_OK", "NFSERR_PERM"]),
            (&["NET_4", "NET_6"], "net", &["NET_4", "NET_6"]),
            (&["KV_OK"], "kv_status", &["OK"]),
            (&["OK"], "ok", &["OK"]),
            (&["a_b_1", "a_b_c"], "x", &["b_1", "b_c"]),
        ];
        for (names, owner, expected) in table {
            assert_eq!(members(names, owner), expected, "{names:?}");
        }
    }

    #[test]
    fn a_taken_name_gets_an_underscore() {
        let mut scope = Scope::reserving(&["null"]);
        assert_eq!(scope.take("null".into()), "null_");
        assert_eq!(scope.take("get".into()), "get");
        assert_eq!(scope.take("get".into()), "get_");
        assert_eq!(scope.take("get".into()), "get__");
    }
}
