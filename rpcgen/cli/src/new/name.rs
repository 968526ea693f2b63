//! Names that a crate can have.

/// Names that cargo refuses, or that would hide a crate which the code names.
const TAKEN: [&str; 10] =
    ["alloc", "core", "farcall", "proc-macro", "std", "test", "build", "deps", "examples", "bench"];

/// Keywords of Rust, which are no names of crates.
const KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// The name of a crate for a `.x` file's.
pub(super) fn of(stem: &str) -> String {
    let mut name: String = stem
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
        .collect();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert_str(0, "rpc-");
    }
    if !is_good(&name) {
        name.push_str("-rpc");
    }
    name
}

pub(super) fn is_good(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(fits)
        && !TAKEN.contains(&name)
        && !KEYWORDS.contains(&name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn of_files() {
        for (stem, name) in [
            ("kv", "kv"),
            ("KV.v2", "kv-v2"),
            ("nfs_prot", "nfs_prot"),
            ("9p", "rpc-9p"),
            ("type", "type-rpc"),
            ("test", "test-rpc"),
            ("farcall", "farcall-rpc"),
        ] {
            assert_eq!(super::of(stem), name);
        }
    }
}
