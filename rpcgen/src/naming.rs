//! Names of a `.x` file to names of Rust.

use std::collections::{BTreeMap, BTreeSet};

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

/// Names of Rust that types have, which generated code uses by these names.
const TYPES: [&str; 12] =
    ["bool", "char", "f32", "f64", "i32", "i64", "str", "u32", "u64", "u8", "usize", "Self"];

/// Names of values that a constant would take away from generated code: Rust's own, and those that
/// patterns bind.
const VALUES: [&str; 14] = [
    "Err", "None", "Ok", "Some", "d", "e", "first", "held", "item", "other", "rest", "result",
    "size", "value",
];

/// What types have besides what the `.x` file says.
pub(crate) const ASSOCIATED: [&str; 1] = ["MAX_ENCODED_LEN"];

/// A scope for the names of types and modules.
pub(crate) fn types() -> Scope {
    Scope::reserving(&TYPES)
}

/// A scope for the names of constants.
pub(crate) fn constants() -> Scope {
    Scope::reserving(&VALUES)
}

/// What names look like: Rust's, or those of the `.x` file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) c_names: bool,
}

impl Style {
    /// A type's name, or a variant's.
    pub(crate) fn upper_camel(self, idl: &str) -> String {
        if self.c_names { legal(idl.to_owned(), "X") } else { upper_camel(idl) }
    }

    /// A field's, method's or module's name.
    pub(crate) fn snake(self, idl: &str) -> String {
        if self.c_names { legal(idl.to_owned(), "x") } else { snake(idl) }
    }

    /// A constant's name.
    pub(crate) fn shouty(self, idl: &str) -> String {
        if self.c_names { legal(idl.to_owned(), "X") } else { shouty(idl) }
    }

    /// The name of a type inside of the type `outer`.
    pub(crate) fn inner(self, outer: &str, idl: &str) -> String {
        let outer = outer.trim_end_matches('_');
        if self.c_names { format!("{outer}_{idl}") } else { format!("{outer}{}", upper_camel(idl)) }
    }
}

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

/// How many `_` a name gets before it gets a number: names that many clash with stay short.
const MAX_UNDERSCORES: usize = 3;

/// Names given out in one scope: one that is taken gets a `_`.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    taken: BTreeSet<String>,
    /// How often each name was asked for in vain.
    clashes: BTreeMap<String, usize>,
}

impl Scope {
    /// A scope in which these are taken already.
    pub(crate) fn reserving(names: &[&str]) -> Self {
        let taken = names.iter().map(|name| (*name).to_owned()).collect();
        Self { taken, clashes: BTreeMap::new() }
    }

    pub(crate) fn take(&mut self, name: String) -> String {
        if self.taken.insert(name.clone()) {
            return name;
        }
        let clashes = self.clashes.entry(name.clone()).or_default();
        loop {
            *clashes += 1;
            let other = match *clashes {
                few @ ..=MAX_UNDERSCORES => format!("{name}{}", "_".repeat(few)),
                many => format!("{name}_{many}"),
            };
            if self.taken.insert(other.clone()) {
                return other;
            }
        }
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
///
/// All of their words if they are to `keep` them.
pub(crate) fn members(names: &[&str], owner: &str, keep: bool) -> Vec<String> {
    if keep {
        return names.iter().map(|name| (*name).to_owned()).collect();
    }
    let count = match names {
        [only] => words_shared_with(only, owner),
        _ => common_words(names),
    };
    names.iter().map(|name| without_words(name, count)).collect()
}

/// Of `names`, the one that `name` most likely was meant to be: first of all one that differs only
/// in case.
pub(crate) fn similar<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (name.len() / 3).max(1);
    let near = |other: &&str| other.len().abs_diff(name.len()) <= most && name.len() <= MAX_SIMILAR;
    let distance = |other: &str| match other.eq_ignore_ascii_case(name) {
        true => 0,
        false => strsim::damerau_levenshtein(name, other),
    };
    let all = names.filter(near).map(|other| (distance(other), other));
    all.min().filter(|(distance, _)| *distance <= most).map(|(_, other)| other)
}

/// Longer names are compared with no others: it takes time as the square of the length.
const MAX_SIMILAR: usize = 100;

/// The namespaces before the last name of a path, with a `::` behind each.
pub(crate) fn namespace(path: &str) -> &str {
    &path[..path.len() - last(path).len()]
}

/// A path without the namespaces.
pub(crate) fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
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
    fn paths() {
        for (path, space, name) in
            [("a", "", "a"), ("a::b.c", "a::", "b.c"), ("a::b::c", "a::b::", "c")]
        {
            assert_eq!((namespace(path), last(path)), (space, name));
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
            assert_eq!(members(names, owner, false), expected, "{names:?}");
        }
    }

    #[test]
    fn a_taken_name_gets_an_underscore() {
        let mut scope = Scope::reserving(&["null"]);
        assert_eq!(scope.take("null".into()), "null_");
        assert_eq!(scope.take("get".into()), "get");
        assert_eq!(scope.take("get".into()), "get_");
        assert_eq!(scope.take("get".into()), "get__");
        assert_eq!(scope.take("get_".into()), "get__".to_owned() + "_");
        assert_eq!(scope.take("get".into()), "get_4");
        assert_eq!(scope.take("get".into()), "get_5");
    }
}
