use std::error::Error as StdError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use farcall::bind::{Family, Uaddr};
use farcall::{Fault, Netid, PeerAddr, Program, Version};

use crate::access::{self, Access, Owner};
use crate::activity::{Activity, Reason};
use crate::address::{self, HostInterfaces};
use crate::journal::Journal;
use crate::probe::Probes;
use crate::rate::Rates;
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
    access: RwLock<Access>,
    interfaces: HostInterfaces,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    registry: Registry,
    stats: Stats,
    activity: Activity,
    journal: Option<Journal>,
    /// If what nobody serves is to be removed.
    probes: Option<Probes>,
    rates: Rates,
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

    /// What `find` finds and somebody serves. What nobody does is removed, and it may find another.
    fn find(&mut self, find: impl Fn(&Registry) -> Option<&Entry>) -> Option<Entry> {
        loop {
            let entry = find(&self.registry)?.clone();
            if !self.is_dead(&entry) {
                return Some(entry);
            }
            if !self.remove(&entry) {
                return None;
            }
        }
    }

    fn is_dead(&mut self, entry: &Entry) -> bool {
        self.probes.as_mut().is_some_and(|probes| probes.is_dead(Instant::now(), entry))
    }

    /// Whether what nobody serves could be removed.
    fn remove(&mut self, entry: &Entry) -> bool {
        let Entry { program, version, ref netid, .. } = *entry;
        let removed = self.unset(program, version, &[netid], Owner::Superuser).is_ok();
        if removed {
            self.activity.ended();
            log::info!("removed, nobody has the address: {entry}");
        }
        removed
    }

    fn count_refusal<T>(&mut self, result: &Result<T, Refusal>) {
        if let Err(error) = result {
            self.activity.refuse(Reason::of(error.as_ref()));
        }
    }

    /// Kept first: what is answered is never more than what is kept.
    fn change(&mut self, change: Change) -> Result<usize, Refusal> {
        if let Some(journal) = &mut self.journal {
            journal.record(&change, &self.registry)?;
        }
        self.activity.change(SystemTime::now(), &change);
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

/// A portmapper at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Snapshot {
    /// What is registered, in the order in which it is listed.
    pub entries: Vec<Entry>,
    /// The counters of versions 2, 3 and 4.
    pub stats: [VersionStats; 3],
    /// The latest changes, and why others were refused.
    pub activity: Activity,
    /// As [`Portmap::keeps`].
    pub keeps: Option<bool>,
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
        let access = RwLock::new(access);
        Self(Arc::new(Shared { access, tables, ..Shared::default() }))
    }

    /// Has other rules from now on. What is registered stays, even if there is more of it than the
    /// quotas allow.
    pub fn reconfigure(&self, access: Access, quotas: Quotas, prune: bool) {
        *self.0.access.write().unwrap_or_else(PoisonError::into_inner) = access;
        let mut tables = self.tables();
        tables.registry.set_quotas(quotas);
        if prune != tables.probes.is_some() {
            tables.probes = prune.then(|| Probes::new(Instant::now()));
        }
    }

    fn access(&self) -> Access {
        *self.0.access.read().unwrap_or_else(PoisonError::into_inner)
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

    /// Hands the table to a function, while nobody can change it.
    pub fn with_table<R>(&self, f: impl FnOnce(&Registry) -> R) -> R {
        f(&self.tables().registry)
    }

    /// From now on removes what is looked up and has an address that nobody on this host has: its
    /// service has ended without a word.
    pub fn prune(&self) {
        self.tables().probes = Some(Probes::new(Instant::now()));
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
        let owner = self.may_change(peer)?;
        let Service { program, version, .. } = service;
        let (netid, address) = (service.netid.to_owned(), service.address.to_owned());
        let mut tables = self.tables();
        let result = tables.set(Entry { program, version, netid, address, owner });
        tables.stats.of(protocol).set(result.is_ok());
        tables.count_refusal(&result);
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
        let owner = self.may_change(peer)?;
        let mut tables = self.tables();
        let result = tables.unset(program, version, netids, owner);
        tables.stats.of(protocol).unset(result.is_ok());
        tables.count_refusal(&result);
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
        let entry = tables.find(|registry| find(registry, program, version, netid.as_str()));
        let registered = entry.map(|entry| entry.address);
        let lookup = Lookup { program, version, netid };
        tables.stats.of(protocol).lookup(lookup, registered.is_some());
        drop(tables);
        registered.map_or_else(String::new, |text| self.merge(&text, service.address, peer))
    }

    /// The port of a service over an IP protocol, or 0.
    #[must_use]
    pub fn getport(&self, program: Program, version: Version, protocol: u32) -> u16 {
        let mut tables = self.tables();
        let entry = tables.find(|registry| registry.lookup_mapping(program, version, protocol));
        let mapping = entry.as_ref().and_then(Entry::mapping);
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
        let all: Vec<_> = tables.registry.lookup_all(program, version).cloned().collect();
        let mut found = Vec::new();
        for entry in all {
            match Netid::from_name(&entry.netid) {
                Some(netid) if Family::of(netid) == family => {
                    if tables.is_dead(&entry) {
                        tables.remove(&entry);
                    } else {
                        found.push((netid, entry.address));
                    }
                }
                _ => {}
            }
        }
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
    pub fn remote_call(
        &self,
        protocol: Protocol,
        peer: &PeerAddr,
        call: RemoteCall,
        indirect: bool,
    ) -> Fault {
        let RemoteCall { program, version, procedure, netid } = call;
        self.refuse(Reason::RemoteCall);
        if let Err(fault) = self.access().remote_call(peer, program, procedure) {
            return fault;
        }
        let mut tables = self.tables();
        let versions = tables.registry.versions(program, netid.as_str());
        let exact = tables.registry.lookup_exact(program, version, netid.as_str()).is_some();
        tables.stats.of(protocol).remote_call(call, indirect, exact);
        match versions {
            _ if !indirect => Fault::Silent,
            _ if exact => Fault::SystemErr,
            Some((low, high)) => Fault::ProgMismatch { low, high },
            None => Fault::ProgUnavail,
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

    /// Whether the caller may change the table, and as whom.
    pub(crate) fn may_change(&self, peer: &PeerAddr) -> Result<Owner, Fault> {
        self.access().change(peer).inspect_err(|_| self.refuse(Reason::NotAllowed))
    }

    /// Whether a call of `call` bytes may be answered by `reply` bytes: see [`Access::reply`]; and
    /// large ones go to one network ten times a second at most.
    pub(crate) fn may_reply(
        &self,
        peer: &PeerAddr,
        call: usize,
        reply: usize,
    ) -> Result<(), Fault> {
        let may = self.access().reply(peer, call, reply).and_then(|()| {
            let to = access::amplified(peer, call, reply);
            let is_too_often = to.is_some_and(|to| !self.tables().rates.allow(Instant::now(), to));
            if is_too_often { Err(Fault::SystemErr) } else { Ok(()) }
        });
        may.inspect_err(|_| self.refuse(Reason::Amplification))
    }

    fn refuse(&self, reason: Reason) {
        self.tables().activity.refuse(reason);
    }

    /// Whether changes can be kept; `None` if they are not to be.
    #[must_use]
    pub fn keeps(&self) -> Option<bool> {
        self.tables().journal.as_ref().map(Journal::is_sound)
    }

    /// What is registered, and what happened.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let tables = self.tables();
        Snapshot {
            entries: tables.registry.list().cloned().collect(),
            stats: tables.stats.versions().clone(),
            activity: tables.activity.clone(),
            keeps: tables.journal.as_ref().map(Journal::is_sound),
        }
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
