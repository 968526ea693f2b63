use std::fmt;

use nix::unistd::geteuid;

use super::{Uaddr, UaddrError};
use crate::{Netid, Program, Version};

/// What a service registers: that it is to be found at an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Registration {
    /// The program.
    pub program: Program,
    /// Its version.
    pub version: Version,
    /// The transport.
    pub netid: Netid,
    /// Where it listens; the unspecified address for all of the host's.
    pub address: Uaddr,
    /// Who registers, for the record: portmappers find out for themselves.
    pub owner: String,
}

impl Registration {
    /// A registration by this process's effective user id.
    #[must_use]
    pub fn new(program: Program, version: Version, netid: Netid, address: Uaddr) -> Self {
        Self { program, version, netid, address, owner: geteuid().to_string() }
    }
}

/// A row of a portmapper's table, as it was told: any text, from anybody on that host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The program.
    pub program: Program,
    /// Its version.
    pub version: Version,
    /// The transport's name. Not only those that [`Netid`] knows.
    pub netid: String,
    /// The universal address.
    pub address: String,
    /// Who registered it: `superuser`, a user id in decimal, or `unknown`.
    pub owner: String,
}

impl Entry {
    /// The transport, if it is one that this library has.
    #[must_use]
    pub fn netid(&self) -> Option<Netid> {
        Netid::from_name(&self.netid)
    }

    /// The address.
    ///
    /// # Errors
    /// It is not a universal address.
    pub fn uaddr(&self) -> Result<Uaddr, UaddrError> {
        self.address.parse()
    }
}

impl fmt::Display for Entry {
    /// One line, whatever was registered: control characters are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, version, .. } = self;
        let [netid, address, owner] = [&self.netid, &self.address, &self.owner];
        write!(f, "{program} {version} {} ", netid.escape_debug())?;
        write!(f, "{} {}", address.escape_debug(), owner.escape_debug())
    }
}
