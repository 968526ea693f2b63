use std::error::Error as StdError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use farcall::bind::{Family, Uaddr};
use farcall::{Fault, Netid, PeerAddr, Program, Version};

use crate::access::{Access, Owner};
use crate::address::{self, HostInterfaces};
use crate::journal::Journal;
use crate::registry::{Change, Entry, Mapping, Quotas, Registry, SetError};
use crate::stats::{Lookup, Protocol, RemoteCall, Stats, VersionStats};

/// The portmapper's own program number.
pub const PROGRAM: Program = Program(100_000);

/// A portmapper: one table, one set of rules and counters, whatever version of the protocol it is
/// asked in. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Portmap(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    access: Access,
    interfaces: HostInterfaces,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    registry: Registry,
    stats: Stats,
    journal: Option<Journal>,
}

/// Why a change was not accepted, for the log.
type Refusal = Box<dyn StdError>;

impl Tables {
    fn set(&mut self, entry: Entry) -> Result<(), Refusal> {
        match self.registry.plan_set(entry)? {
            Some(change) => self.change(change).map(drop),
            None => Ok(()),
        }
    }

    fn unset(
        &mut self,
        program: Program,
        version: Version,
        netids: &[&str],
        owner: Owner,
    ) -> Result<usize, Refusal> {
        match self.registry.plan_unset(program, version, netids, owner)? {
            Some(change) => self.change(change),
            None => Ok(0),
        }
    }

    /// Kept first: what is answered is never more than what is kept.
    fn change(&mut self, change: Change) -> Result<usize, Refusal> {
        if let Some(journal) = &mut self.journal {
            journal.record(&change, &self.registry)?;
        }
        Ok(self.registry.apply(change))
    }
}

/// A version of a program, and text that came with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service<'a> {
    /// The program.
    pub program: Program,
    /// Its version.
    pub version: Version,
    /// The transport's name, where it matters.
    pub netid: &'a str,
    /// The universal address to be registered, or the one by which the caller reached this host.
    pub address: &'a str,
}

/// An address of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The universal address, as the caller can reach it.
    pub address: String,
    /// The transport.
    pub netid: Netid,
}

impl Portmap {
    /// A portmapper with an empty table.
    #[must_use]
    pub fn new(access: Access, quotas: Quotas) -> Self {
        let tables = Mutex::new(Tables { registry: Registry::new(quotas), ..Tables::default() });
        Self(Arc::new(Shared { access, tables, ..Shared::default() }))
    }

    /// Registers the portmapper itself, in the versions that rpcbind does. To be called for the
    /// transports in the order that rpcbind has: `local`, `udp`, `tcp`, `udp6`, `tcp6`.
    pub fn set_own(&self, netid: Netid, address: &Uaddr) {
        let versions = if Family::of(netid) == Family::Inet { 2..=4 } else { 3..=4 };
        let mut tables = self.tables();
        for version in versions.map(Version) {
            tables.registry.set_own(Entry {
                program: PROGRAM,
                version,
                netid: netid.to_string(),
                address: address.to_string(),
                owner: Owner::Superuser,
            });
        }
    }

    /// Registers what was accepted before a restart.
    ///
    /// # Errors
    /// See [`SetError`].
    pub fn restore(&self, entry: Entry) -> Result<(), SetError> {
        self.tables().registry.restore(entry)
    }

    /// From now on keeps every change in the journal before it is answered; a change that cannot
    /// be kept is refused. What is registered now is written first, and if that fails, it is tried
    /// again with the next change.
    pub fn keep_in(&self, mut journal: Journal) {
        let mut tables = self.tables();
        if let Err(error) = journal.rewrite(&tables.registry) {
            log::error!("changes are refused until the journal can be written: {error}");
        }
        tables.journal = Some(journal);
    }

    /// Counts a call.
    pub(crate) fn count(&self, protocol: Protocol, procedure: farcall::Procedure) {
        self.tables().stats.of(protocol).call(procedure);
    }

    /// Registers; whether that was accepted.
    ///
    /// # Errors
    /// The caller may not.
    pub fn set(
        &self,
        protocol: Protocol,
        peer: &PeerAddr,
        service: Service<'_>,
    ) -> Result<bool, Fault> {
        let owner = self.0.access.change(peer)?;
        let Service { program, version, .. } = service;
        let (netid, address) = (service.netid.to_owned(), service.address.to_owned());
        let mut tables = self.tables();
        let result = tables.set(Entry { program, version, netid, address, owner });
        tables.stats.of(protocol).set(result.is_ok());
        drop(tables);
        log_set(peer, service, &result);
        Ok(result.is_ok())
    }

    /// Removes a version of a program over the named transports, or over all if none is named;
    /// whether that was accepted.
    ///
    /// # Errors
    /// The caller may not.
    pub fn unset(
        &self,
        protocol: Protocol,
        peer: &PeerAddr,
        (program, version): (Program, Version),
        netids: &[&str],
    ) -> Result<bool, Fault> {
        let owner = self.0.access.change(peer)?;
        let mut tables = self.tables();
        let result = tables.unset(program, version, netids, owner);
        tables.stats.of(protocol).unset(result.is_ok());
        drop(tables);
        match result {
            Ok(removed) => log::debug!("{peer}: unset {program}/{version}: {removed} removed"),
            Err(ref error) => log::debug!("{peer}: unset {program}/{version} refused: {error}"),
        }
        Ok(result.is_ok())
    }

    /// The address of a service over the caller's transport; empty if there is none. If the
    /// version is not there, that of another one, unless `exact`.
    #[must_use]
    pub fn getaddr(
        &self,
        protocol: Protocol,
        peer: &PeerAddr,
        service: Service<'_>,
        exact: bool,
    ) -> String {
        let netid = peer.netid();
        let Service { program, version, .. } = service;
        let mut tables = self.tables();
        let find = if exact { Registry::lookup_exact } else { Registry::lookup };
        let entry = find(&tables.registry, program, version, netid.as_str());
        let registered = entry.map(|entry| entry.address.clone());
        let lookup = Lookup { program, version, netid };
        tables.stats.of(protocol).lookup(lookup, registered.is_some());
        drop(tables);
        registered.map_or_else(String::new, |text| self.merge(&text, service.address, peer))
    }

    /// The port of a service over an IP protocol, or 0.
    #[must_use]
    pub fn getport(&self, program: Program, version: Version, protocol: u32) -> u16 {
        let mut tables = self.tables();
        let mapping = tables.registry.lookup_mapping(program, version, protocol);
        if let Some(netid) = Mapping::netid(protocol) {
            let lookup = Lookup { program, version, netid };
            tables.stats.of(Protocol::V2).lookup(lookup, mapping.is_some());
        }
        mapping.map_or(0, |mapping| mapping.port)
    }

    /// The addresses of this very version of a program in the family of the caller's transport.
    #[must_use]
    pub fn getaddrlist(&self, peer: &PeerAddr, service: Service<'_>) -> Vec<Located> {
        let family = Family::of(peer.netid());
        let Service { program, version, .. } = service;
        let mut tables = self.tables();
        let all = tables
            .registry
            .lookup_all(program, version)
            .filter_map(|entry| Some((Netid::from_name(&entry.netid)?, entry.address.clone())));
        let found: Vec<_> = all.filter(|(netid, _)| Family::of(*netid) == family).collect();
        let lookup = Lookup { program, version, netid: peer.netid() };
        tables.stats.of(Protocol::V4).lookup(lookup, !found.is_empty());
        drop(tables);
        let merge = |(netid, registered): (Netid, String)| Located {
            address: self.merge(&registered, service.address, peer),
            netid,
        };
        found.into_iter().map(merge).collect()
    }

    /// How a call on behalf of the caller fails: none is made. CALLIT and BCAST are then not
    /// answered, and INDIRECT is.
    #[must_use]
    pub fn remote_call(&self, protocol: Protocol, peer: &PeerAddr, call: RemoteCall) -> Fault {
        let RemoteCall { program, version, procedure, netid, indirect } = call;
        if let Err(fault) = self.0.access.remote_call(peer, program, procedure) {
            return fault;
        }
        let mut tables = self.tables();
        let there = tables.registry.lookup(program, version, netid.as_str()).is_some();
        tables.stats.of(protocol).remote_call(call, false);
        match (indirect, there) {
            (false, _) => Fault::Silent,
            (true, false) => Fault::ProgUnavail,
            (true, true) => Fault::SystemErr,
        }
    }

    /// The whole table.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.tables().registry.list().cloned().collect()
    }

    /// The table as version 2 of the protocol shows it.
    #[must_use]
    pub fn mappings(&self) -> Vec<Mapping> {
        self.tables().registry.mappings().collect()
    }

    /// What versions 2, 3 and 4 counted.
    #[must_use]
    pub fn stats(&self) -> [VersionStats; 3] {
        self.tables().stats.versions().clone()
    }

    pub(crate) fn access(&self) -> Access {
        self.0.access
    }

    fn merge(&self, registered: &str, hint: &str, peer: &PeerAddr) -> String {
        address::merge(registered, hint, peer.ip(), &self.0.interfaces.list())
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // Every change is complete before anything that could panic.
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_set(peer: &PeerAddr, service: Service<'_>, result: &Result<(), Refusal>) {
    let Service { program, version, netid, address } = service;
    // The text is somebody else's: escaped, and only as much as is sound.
    match result {
        Ok(()) => log::debug!("{peer}: set {program}/{version} {netid:?} {address:?}"),
        Err(error) => log::debug!("{peer}: set {program}/{version} refused: {error}"),
    }
}
