//! What is called: a program, and over which transport.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::LazyLock;

use farcall::{Interface, Netid, Program, Version};
use farcall_portmap::programs::Programs;

/// Names of programs on this host.
pub(crate) static PROGRAMS: LazyLock<Programs> = LazyLock::new(Programs::of_this_host);

/// More versions than a program has, or programs than a message should name, in good faith: what a
/// server claims beyond is not called, and not printed one by one.
pub(crate) const MOST: usize = 16;

/// `a, b, and 7 more`.
pub(crate) fn some(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(MOST);
    let some = all.take(MOST).collect::<Vec<_>>().join(", ");
    if more == 0 { some } else { format!("{some}, and {more} more") }
}

/// A program, and maybe one of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    /// The program.
    pub(crate) program: Program,
    /// Its name, or its number, as it was given.
    pub(crate) name: String,
    /// The version; if none is given, all that there are.
    pub(crate) version: Option<Version>,
}

impl Service {
    /// `nfs`, `nfs/3` or `100003/3`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str, programs: &Programs) -> Result<Self, String> {
        let (name, version) = match text.split_once('/') {
            Some((name, version)) => {
                let version = version.parse().map_err(|_| "a version is a number".to_owned())?;
                (name, Some(Version(version)))
            }
            None => (text, None),
        };
        let unknown = || format!("no program is named {name:?}");
        let program = programs.number(name).ok_or_else(unknown)?;
        Ok(Self { program, name: name.to_owned(), version })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "{} v{version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// How to call a service: over UDP or TCP, of whichever family the host's address is, or at a Unix
/// socket of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// A Unix socket.
    Local,
}

impl Transport {
    pub(crate) fn netid(self, host: IpAddr) -> Netid {
        match (self, host) {
            (Self::Udp, IpAddr::V4(_)) => Netid::Udp,
            (Self::Tcp, IpAddr::V4(_)) => Netid::Tcp,
            (Self::Udp, IpAddr::V6(_)) => Netid::Udp6,
            (Self::Tcp, IpAddr::V6(_)) => Netid::Tcp6,
            (Self::Local, _) => Netid::Local,
        }
    }
}

impl FromStr for Transport {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "udp" => Ok(Self::Udp),
            "tcp" => Ok(Self::Tcp),
            "local" | "unix" => Ok(Self::Local),
            _ => Err("a transport is udp, tcp or local"),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Local => "local",
        })
    }
}

/// A version of a program that is known only now.
pub(crate) fn interface(program: Program, version: Version) -> &'static Interface {
    // Interfaces are static; this one is for the rest of a process that ends soon.
    Box::leak(Box::new(Interface {
        program,
        program_name: "",
        version,
        version_name: "",
        procedures: &[],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_claims_is_told_in_part() {
        let text = |len: usize| some((0..len).map(|n| n.to_string()));
        assert_eq!((text(0).as_str(), text(2).as_str()), ("", "0, 1"));
        assert!(text(16).ends_with(", 14, 15"));
        assert!(text(1_000_000).ends_with(", 14, 15, and 999984 more"));
    }

    #[test]
    fn a_service_is_a_program_and_maybe_a_version() {
        let parse = |text: &str| Service::parse(text, &Programs::default());
        let text = |text: &str| parse(text).map(|s| (s.program.0, s.to_string()));
        assert_eq!(text("nfs"), Ok((100_003, "nfs".to_owned())));
        assert_eq!(text("100003/3"), Ok((100_003, "100003 v3".to_owned())));
        assert_eq!(text("nosuch"), Err("no program is named \"nosuch\"".to_owned()));
        assert_eq!(text("nfs/x"), Err("a version is a number".to_owned()));
    }
}
