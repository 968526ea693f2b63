//! Names of program numbers: those that are compiled in, and those in `/etc/rpc`.

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

use farcall::Program;

/// Where the system keeps names of programs (rpc(5)).
pub const ETC_RPC: &str = "/etc/rpc";

/// The names that C systems come with.
const WELL_KNOWN: &[(&str, u32)] = &[
    ("portmapper", 100_000),
    ("rstatd", 100_001),
    ("rusersd", 100_002),
    ("nfs", 100_003),
    ("ypserv", 100_004),
    ("mountd", 100_005),
    ("ypbind", 100_007),
    ("walld", 100_008),
    ("yppasswdd", 100_009),
    ("etherstatd", 100_010),
    ("rquotad", 100_011),
    ("sprayd", 100_012),
    ("3270_mapper", 100_013),
    ("rje_mapper", 100_014),
    ("selection_svc", 100_015),
    ("database_svc", 100_016),
    ("rexd", 100_017),
    ("alis", 100_018),
    ("sched", 100_019),
    ("llockmgr", 100_020),
    ("nlockmgr", 100_021),
    ("x25.inr", 100_022),
    ("statmon", 100_023),
    ("status", 100_024),
    ("bootparam", 100_026),
    ("ypupdated", 100_028),
    ("keyserv", 100_029),
    ("tfsd", 100_037),
    ("nsed", 100_038),
    ("nsemntd", 100_039),
    ("ypxfrd", 100_069),
    ("nfs_acl", 100_227),
    ("pcnfsd", 150_001),
    ("amd", 300_019),
    ("sgi_fam", 391_002),
    ("ugidd", 545_580_417),
    ("fypxfrd", 600_100_069),
    ("bwnfsd", 788_585_389),
];

/// Other names for them.
const ALIASES: &[(&str, u32)] = &[
    ("portmap", 100_000),
    ("sunrpc", 100_000),
    ("rpcbind", 100_000),
    ("rstat", 100_001),
    ("rusers", 100_002),
    ("nfsprog", 100_003),
    ("ypprog", 100_004),
    ("mount", 100_005),
    ("showmount", 100_005),
    ("rwall", 100_008),
    ("yppasswd", 100_009),
    ("rquota", 100_011),
    ("spray", 100_012),
];

/// Names of programs, both ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    names: HashMap<Program, String>,
    numbers: HashMap<String, Program>,
}

impl Default for Programs {
    /// The names that are compiled in.
    fn default() -> Self {
        let mut programs = Self { names: HashMap::new(), numbers: HashMap::new() };
        for &(name, number) in WELL_KNOWN.iter().chain(ALIASES) {
            programs.add(name, Program(number));
        }
        programs
    }
}

impl Programs {
    /// The names that are compiled in, and those of `/etc/rpc`, which are preferred. A host without
    /// that file has the former.
    #[must_use]
    pub fn of_this_host() -> Self {
        Self::with_file(Path::new(ETC_RPC)).unwrap_or_default()
    }

    /// The names of `/etc/rpc` alone, as C programs know them: none without that file.
    #[must_use]
    pub fn of_etc_rpc() -> Self {
        let text = fs::read_to_string(ETC_RPC).unwrap_or_default();
        Self { names: HashMap::new(), numbers: HashMap::new() }.with_text(&text)
    }

    /// The names that are compiled in, and those of a file in the format of `/etc/rpc`.
    ///
    /// # Errors
    /// The file cannot be read, or is not UTF-8.
    pub fn with_file(path: &Path) -> io::Result<Self> {
        Ok(Self::default().with_text(&fs::read_to_string(path)?))
    }

    /// Adds lines such as `nfs 100003 nfsprog # comment`. Those that are not are passed over, as
    /// getrpcent(3) does.
    #[must_use]
    pub fn with_text(mut self, text: &str) -> Self {
        let lines = text.lines().filter_map(parse_line).collect::<Vec<_>>();
        // The first line for a number names it.
        for (name, program, aliases) in lines.into_iter().rev() {
            for alias in aliases {
                self.numbers.insert(alias.to_owned(), program);
            }
            self.names.insert(program, name.to_owned());
            self.numbers.insert(name.to_owned(), program);
        }
        self
    }

    /// The name of a program.
    #[must_use]
    pub fn name(&self, program: Program) -> Option<&str> {
        self.names.get(&program).map(String::as_str)
    }

    /// The program of a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Program> {
        self.numbers.get(name).copied()
    }

    /// The program of a name, or of a number in decimal or after `0x`.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<Program> {
        let parsed = match name.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => name.parse().ok(),
        };
        parsed.map(Program).or_else(|| self.named(name))
    }

    fn add(&mut self, name: &str, program: Program) {
        self.names.entry(program).or_insert_with(|| name.to_owned());
        self.numbers.insert(name.to_owned(), program);
    }
}

fn parse_line(line: &str) -> Option<(&str, Program, Vec<&str>)> {
    let (line, _) = line.split_once('#').unwrap_or((line, ""));
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let program = Program(words.next()?.parse().ok()?);
    Some((name, program, words.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_found() {
        let programs = Programs::default();
        assert_eq!(programs.name(Program(100_000)), Some("portmapper"));
        assert_eq!(programs.name(Program(100_227)), Some("nfs_acl"));
        assert_eq!(programs.name(Program(0x2000_0099)), None);
        assert_eq!(programs.number("rpcbind"), Some(Program(100_000)));
        assert_eq!(programs.number("nlockmgr"), Some(Program(100_021)));
        assert_eq!(programs.number("100003"), Some(Program(100_003)));
        assert_eq!(programs.number("0x20000099"), Some(Program(0x2000_0099)));
        assert_eq!(programs.number("nosuch"), None);
        assert_eq!(programs.number("4294967296"), None);
        for &(name, number) in WELL_KNOWN {
            assert_eq!(programs.name(Program(number)), Some(name));
        }
    }

    #[test]
    fn a_file_adds_and_renames() {
        let text =
            "# names\nkv\t536871065 store kvs # ours\n\nnfsd 100003\nbad x\nalone\nkv2 536871065\n";
        let programs = Programs::default().with_text(text);
        assert_eq!(programs.name(Program(0x2000_0099)), Some("kv"));
        assert_eq!(programs.name(Program(100_003)), Some("nfsd"));
        assert_eq!(programs.name(Program(100_005)), Some("mountd"));
        for name in ["kv", "store", "kvs", "kv2"] {
            assert_eq!(programs.number(name), Some(Program(0x2000_0099)), "{name}");
        }
        assert_eq!(programs.number("ours"), None);
        assert_eq!(programs.number("nfs"), Some(Program(100_003)));
        assert_eq!((programs.number("bad"), programs.number("alone")), (None, None));
    }
}
