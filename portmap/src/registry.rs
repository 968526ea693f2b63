//! The table of who serves what where: pure data, no sockets and no rules on who may ask.
//!
//! It behaves as rpcbind's, which clients rely on beyond RFC 1833: names of transports compare
//! without case, registering again what is there succeeds, and a lookup ignores a missing version
//! so that the service itself can say which versions it has.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error as StdError;
use std::fmt::{self, Write};
use std::net::SocketAddr;

use farcall::bind::Uaddr;
use farcall::{Netid, Program, Version};

use crate::access::Owner;

/// The longest transport name that is accepted, in bytes.
pub const MAX_NETID: usize = 32;
/// The longest address that is accepted, in bytes.
pub const MAX_ADDRESS: usize = 128;

/// How much of a text is shown in a log, in characters once it is escaped.
const MAX_QUOTED: usize = 256;

/// A registration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The program.
    pub program: Program,
    /// Its version.
    pub version: Version,
    /// The transport's name, as it was registered: not only those that [`Netid`] knows.
    pub netid: String,
    /// The universal address, as it was registered: nothing says that it is one.
    pub address: String,
    /// Who registered it.
    pub owner: Owner,
}

/// A registration as version 2 of the protocol shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mapping {
    /// The program.
    pub program: Program,
    /// Its version.
    pub version: Version,
    /// The IP protocol's number: [`Mapping::TCP`] or [`Mapping::UDP`].
    pub protocol: u32,
    /// The port.
    pub port: u16,
}

impl Mapping {
    /// The number of TCP among the IP protocols.
    pub const TCP: u32 = 6;
    /// The number of UDP among the IP protocols.
    pub const UDP: u32 = 17;

    /// The transport of an IP protocol.
    #[must_use]
    pub fn netid(protocol: u32) -> Option<Netid> {
        match protocol {
            Self::TCP => Some(Netid::Tcp),
            Self::UDP => Some(Netid::Udp),
            _ => None,
        }
    }
}

impl Entry {
    /// How version 2 shows it, which knows only UDP and TCP over IPv4, by their exact names.
    #[must_use]
    pub fn mapping(&self) -> Option<Mapping> {
        let protocol = match self.netid.as_str() {
            "tcp" => Mapping::TCP,
            "udp" => Mapping::UDP,
            _ => return None,
        };
        let Ok(Uaddr::Ip(SocketAddr::V4(addr))) = self.address.parse() else { return None };
        let (program, version) = (self.program, self.version);
        Some(Mapping { program, version, protocol, port: addr.port() })
    }

    /// Text that a terminal or a log could take for more than text is kept out of the table.
    fn is_sound(&self) -> bool {
        self.netid.len() <= MAX_NETID
            && self.address.len() <= MAX_ADDRESS
            && !self.netid.chars().chain(self.address.chars()).any(char::is_control)
    }
}

impl fmt::Display for Entry {
    /// On one line, for a log: what is somebody else's text is escaped, and cut if it is long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, version, netid, address, owner } = self;
        let (netid, address) = (Quoted(netid), Quoted(address));
        write!(f, "{program}/{version} {netid} {address} of {owner}")
    }
}

/// Somebody else's text in a log.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut escaped = self.0.escape_debug();
        f.write_char('"')?;
        escaped.by_ref().take(MAX_QUOTED).try_for_each(|c| f.write_char(c))?;
        f.write_str(if escaped.next().is_some() { "…\"" } else { "\"" })
    }
}

/// How much may be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Entries of one owner; the superuser's are not counted.
    pub per_owner: usize,
    /// Entries in all from which on only the superuser may have more, the portmapper's own not counted;
    /// as many as one owner may have in any case.
    pub total: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { per_owner: 64, total: 4096 }
    }
}

/// A change of the table, to be kept elsewhere before it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An entry at the end of the table.
    Set(Entry),
    /// A version of a program is no more.
    Unset {
        /// The program.
        program: Program,
        /// Its version.
        version: Version,
        /// Over these transports, as they were registered.
        netids: Vec<String>,
    },
}

/// Why a registration was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetError {
    /// The program, version and transport are registered with another address.
    Taken,
    /// The owner, or all together, have too many registrations.
    Quota,
    /// A transport name or address that is too long or holds control characters.
    Unsound,
    /// A program or port that only root may register.
    Reserved,
    /// No address of this host over a transport that is known, and not from root.
    Elsewhere,
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "it is registered with another address",
            Self::Quota => "too many registrations",
            Self::Unsound => "a name or address is too long or holds control characters",
            Self::Reserved => "the program or port is for root",
            Self::Elsewhere => "it is no address of this host",
        })
    }
}

impl StdError for SetError {}

/// A registration was not removed because it is somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotOwner;

impl fmt::Display for NotOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("somebody else registered it")
    }
}

impl StdError for NotOwner {}

/// The table.
#[derive(Debug, Default)]
pub struct Registry {
    quotas: Quotas,
    /// By place in the table. The portmapper's own entries have negative places.
    entries: BTreeMap<i64, Entry>,
    /// Flat, because a tree of its own for each program would take ten times what an entry does.
    by_version: BTreeMap<(Program, Version, Transport), i64>,
    in_order: BTreeSet<(Program, Transport, i64)>,
    /// The number of entries with a place from 0 by owner.
    owned: HashMap<Owner, usize>,
    next: i64,
    state: u64,
}

/// A transport as names of transports compare: without case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Transport {
    /// One that has no name of its own here. The first in order is the first of all.
    Usual(Netid),
    /// In lower case.
    Other(Box<str>),
}

impl Transport {
    const FIRST: Self = Self::Usual(Netid::ALL[0]);

    fn of(name: &str) -> Self {
        // `unix` is as good a name as `local` elsewhere, but not the same one in the table.
        let usual = Netid::ALL.into_iter().find(|id| name.eq_ignore_ascii_case(id.as_str()));
        usual.map_or_else(|| Self::Other(name.to_ascii_lowercase().into()), Self::Usual)
    }
}

impl Registry {
    /// An empty table.
    #[must_use]
    pub fn new(quotas: Quotas) -> Self {
        Self { quotas, ..Self::default() }
    }

    /// Has other quotas from now on. What there is too much of stays.
    pub fn set_quotas(&mut self, quotas: Quotas) {
        self.quotas = quotas;
    }

    /// Registers at the end of the table. What is there already with the same address stays as it
    /// is, and that is a success.
    ///
    /// # Errors
    /// See [`SetError`]. The table is as before then.
    pub fn set(&mut self, entry: Entry) -> Result<(), SetError> {
        if let Some(change) = self.plan_set(entry)? {
            self.apply(change);
        }
        Ok(())
    }

    /// What [`set`](Self::set) would change, if anything.
    ///
    /// # Errors
    /// See [`SetError`].
    pub fn plan_set(&self, entry: Entry) -> Result<Option<Change>, SetError> {
        if self.is_there(&entry)? {
            return Ok(None);
        }
        self.check_quota(entry.owner)?;
        Ok(Some(Change::Set(entry)))
    }

    /// As [`set`](Self::set), for what was accepted before: the quotas were looked at then.
    ///
    /// # Errors
    /// See [`SetError`].
    pub fn restore(&mut self, entry: Entry) -> Result<(), SetError> {
        if !self.is_there(&entry)? {
            self.apply(Change::Set(entry));
        }
        Ok(())
    }

    /// Makes a change that was planned for the table as it is. Returns how many entries were
    /// removed.
    pub fn apply(&mut self, change: Change) -> usize {
        match change {
            Change::Set(entry) => {
                *self.owned.entry(entry.owner).or_default() += 1;
                let place = self.next;
                self.next += 1;
                self.insert(place, entry);
                0
            }
            Change::Unset { program, version, netids } => {
                let netids: Vec<_> = netids.iter().map(String::as_str).collect();
                let places = self.places(program, version, &netids);
                places.iter().for_each(|&place| self.remove(place));
                places.len()
            }
        }
    }

    /// Puts an entry of the portmapper itself in front of all others, unless it is there.
    pub fn set_own(&mut self, entry: Entry) {
        if self.lookup_exact(entry.program, entry.version, &entry.netid).is_none() {
            let first = self.entries.first_key_value().map_or(0, |(&place, _)| place.min(0));
            self.insert(first - 1, entry);
        }
    }

    /// Removes a version of a program over the named transports, or over all if none is named.
    /// Returns how many entries that were; none is a success too.
    ///
    /// # Errors
    /// One of them is somebody else's, and `owner` is not the superuser. None is removed then.
    pub fn unset(
        &mut self,
        program: Program,
        version: Version,
        netids: &[&str],
        owner: Owner,
    ) -> Result<usize, NotOwner> {
        let change = self.plan_unset(program, version, netids, owner)?;
        Ok(change.map_or(0, |change| self.apply(change)))
    }

    /// What [`unset`](Self::unset) would change, if anything.
    ///
    /// # Errors
    /// As there.
    pub fn plan_unset(
        &self,
        program: Program,
        version: Version,
        netids: &[&str],
        owner: Owner,
    ) -> Result<Option<Change>, NotOwner> {
        let places = self.places(program, version, netids);
        let entries: Vec<_> = places.iter().filter_map(|place| self.entries.get(place)).collect();
        if !entries.iter().all(|e| owner == Owner::Superuser || e.owner == owner) {
            return Err(NotOwner);
        }
        let netids: Vec<_> = entries.iter().map(|entry| entry.netid.clone()).collect();
        Ok((!netids.is_empty()).then_some(Change::Unset { program, version, netids }))
    }

    /// The entry of a program over a transport: that of the version, or else the last one in the
    /// table of any version.
    #[must_use]
    pub fn lookup(&self, program: Program, version: Version, netid: &str) -> Option<&Entry> {
        self.candidates(program, version, netid).next()
    }

    /// The entry of this very version.
    #[must_use]
    pub fn lookup_exact(&self, program: Program, version: Version, netid: &str) -> Option<&Entry> {
        self.entries.get(self.by_version.get(&(program, version, Transport::of(netid)))?)
    }

    /// The lowest and the highest version of a program over a transport.
    #[must_use]
    pub fn versions(&self, program: Program, netid: &str) -> Option<(Version, Version)> {
        let places = self.places_over(program, Transport::of(netid));
        let entries = places.filter_map(|place| self.entries.get(&place));
        let mut versions: Vec<_> = entries.map(|entry| entry.version).collect();
        versions.sort_unstable();
        Some((*versions.first()?, *versions.last()?))
    }

    /// What a lookup may find, the best first: the entry of the version, and then those of others,
    /// the last one in the table first.
    pub fn candidates(
        &self,
        program: Program,
        version: Version,
        netid: &str,
    ) -> impl Iterator<Item = &Entry> {
        let netid = Transport::of(netid);
        let others = self.places_over(program, netid.clone()).rev();
        let exact = self.by_version.get(&(program, version, netid)).copied();
        let places = exact.into_iter().chain(others.filter(move |&other| Some(other) != exact));
        places.filter_map(|place| self.entries.get(&place))
    }

    /// The entries of a version of a program over all transports, in the table's order.
    pub fn lookup_all(&self, program: Program, version: Version) -> impl Iterator<Item = &Entry> {
        let places = self.places(program, version, &[]);
        places.into_iter().filter_map(|place| self.entries.get(&place))
    }

    /// The whole table: the portmapper's own entries, the newest first, and then the others, the
    /// oldest first.
    pub fn list(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The table without the portmapper's own entries.
    pub fn registrations(&self) -> impl Iterator<Item = &Entry> {
        self.entries.range(0..).map(|(_, entry)| entry)
    }

    /// The table as version 2 of the protocol shows it.
    pub fn mappings(&self) -> impl Iterator<Item = Mapping> {
        self.list().filter_map(Entry::mapping)
    }

    /// A number that is another one after every change.
    #[must_use]
    pub fn state(&self) -> u64 {
        self.state
    }

    /// How many entries there are, the portmapper's own included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether it is registered with this address.
    fn is_there(&self, entry: &Entry) -> Result<bool, SetError> {
        if !entry.is_sound() {
            return Err(SetError::Unsound);
        }
        match self.lookup_exact(entry.program, entry.version, &entry.netid) {
            Some(there) if there.address == entry.address => Ok(true),
            Some(_) => Err(SetError::Taken),
            None => Ok(false),
        }
    }

    fn check_quota(&self, owner: Owner) -> Result<(), SetError> {
        let own = self.entries.range(..0).count();
        let owned = self.owned.get(&owner).copied().unwrap_or(0);
        let Quotas { per_owner, total } = self.quotas;
        let is_full = self.entries.len() - own >= total.max(per_owner);
        if owner != Owner::Superuser && (owned >= per_owner || is_full) {
            return Err(SetError::Quota);
        }
        Ok(())
    }

    /// Where the entries of a program over a transport are, in ascending order.
    fn places_over(
        &self,
        program: Program,
        netid: Transport,
    ) -> impl DoubleEndedIterator<Item = i64> {
        let of_netid = (program, netid.clone(), i64::MIN)..=(program, netid, i64::MAX);
        self.in_order.range(of_netid).map(|&(_, _, place)| place)
    }

    /// Where the entries of a version are, in ascending order.
    fn places(&self, program: Program, version: Version, netids: &[&str]) -> Vec<i64> {
        let mut places: Vec<_> = if netids.is_empty() {
            let all = self.by_version.range((program, version, Transport::FIRST)..);
            let of_it = all.take_while(|((p, v, _), _)| (*p, *v) == (program, version));
            of_it.map(|(_, &place)| place).collect()
        } else {
            let keys = netids.iter().map(|netid| (program, version, Transport::of(netid)));
            keys.filter_map(|key| self.by_version.get(&key).copied()).collect()
        };
        places.sort_unstable();
        places.dedup();
        places
    }

    fn insert(&mut self, place: i64, entry: Entry) {
        self.state += 1;
        let (program, netid) = (entry.program, Transport::of(&entry.netid));
        self.by_version.insert((program, entry.version, netid.clone()), place);
        self.in_order.insert((program, netid, place));
        self.entries.insert(place, entry);
    }

    fn remove(&mut self, place: i64) {
        let Some(entry) = self.entries.remove(&place) else { return };
        self.state += 1;
        let (program, netid) = (entry.program, Transport::of(&entry.netid));
        self.by_version.remove(&(program, entry.version, netid.clone()));
        self.in_order.remove(&(program, netid, place));
        if place >= 0 {
            self.disown(entry.owner);
        }
    }

    fn disown(&mut self, owner: Owner) {
        if let Some(count) = self.owned.get_mut(&owner) {
            *count -= 1;
            if *count == 0 {
                self.owned.remove(&owner);
            }
        }
    }
}
