//! Names of program numbers: those that are compiled in, and those in `/etc/rpc`.

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

use farcall::Program;

/// Where the system keeps names of programs (rpc(5)).
pub const ETC_RPC: &str = "/etc/rpc";

/// The names that are compiled in.
const WELL_KNOWN: &str = include_str!("programs.rpc");

/// Names of programs, both ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    names: HashMap<Program, String>,
    numbers: HashMap<String, Program>,
}

impl Default for Programs {
    /// The names that are compiled in.
    fn default() -> Self {
        Self::none().with_text(WELL_KNOWN)
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
        Self::none().with_text(&fs::read_to_string(ETC_RPC).unwrap_or_default())
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

    fn none() -> Self {
        Self { names: HashMap::new(), numbers: HashMap::new() }
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
        assert_eq!(programs.number("vxi11_core"), Some(Program(0x06_07af)));
    }

    #[test]
    fn every_line_that_is_compiled_in_has_names_of_its_own() {
        let lines = WELL_KNOWN.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let parsed: Vec<_> = lines.map(|line| parse_line(line).expect(line)).collect();
        let programs = Programs::default();
        assert_eq!(programs.names.len(), parsed.len());
        for (name, program, aliases) in &parsed {
            assert_eq!(programs.name(*program), Some(*name));
            for name in [name].into_iter().chain(aliases) {
                assert_eq!(programs.named(name), Some(*program), "{name}");
            }
        }
    }

    #[test]
    fn this_system_calls_them_the_same() {
        let (ours, theirs) = (Programs::default(), Programs::of_etc_rpc());
        if theirs.names.is_empty() {
            println!("skipped: there is no {ETC_RPC}");
        }
        // Whoever has the system may have added others.
        let is_ours = |&(_, program): &(_, &Program)| ours.name(*program).is_some();
        for (name, program) in theirs.numbers.iter().filter(is_ours) {
            assert_eq!(ours.named(name), Some(*program), "{name}");
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
