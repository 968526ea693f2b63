use std::io;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, mpsc};
use std::time::Instant;

use farcall::bind::{Family, Uaddr};
use farcall::proto::message::AuthStatus;
use farcall::{Fault, Netid, PeerAddr, Procedure, Program, Version};

use crate::access::{self, Access, Owner};
use crate::activity::{Activity, Reason};
use crate::address::{self, HostInterfaces};
use crate::forward::Forwarder;
use crate::journal::Journal;
use crate::probe::{self, Probes};
use crate::registry::{Entry, Mapping, Quotas, Registry, SetError};
use crate::rules::{self, Rule};
use crate::scribe::Scribe;
use crate::stats::{Lookup, Protocol, VersionStats};
use crate::table::{Refusal, Table, Wanted};
use crate::ties::Ties;

mod remote;

/// The portmapper's own program number.
pub const PROGRAM: Program = Program(100_000);

/// A portmapper: one table, one set of rules and counters, whatever version of the protocol it is
/// asked in. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Portmap(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    access: RwLock<Access>,
    rules: RwLock<Vec<Rule>>,
    interfaces: HostInterfaces,
    table: Arc<Table>,
    /// Makes the changes, if they are kept.
    scribe: OnceLock<Scribe>,
    /// Knows what ends with which process, if anything does.
    ties: OnceLock<Ties>,
    /// Makes calls for others, if any are made.
    forwarder: OnceLock<Forwarder>,
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
        let table = Arc::new(Table::new(Registry::new(quotas)));
        let access = RwLock::new(access);
        Self(Arc::new(Shared { access, table, ..Shared::default() }))
    }

    /// Has other rules from now on. What is registered stays, even if there is more of it than the
    /// quotas allow.
    pub fn reconfigure(&self, access: Access, quotas: Quotas, prune: bool) {
        *self.0.access.write().unwrap_or_else(PoisonError::into_inner) = access;
        let table = &self.0.table;
        table.alter(|registry| registry.set_quotas(quotas));
        let mut counts = table.counts();
        if prune != counts.probes.is_some() {
            counts.probes = prune.then(|| Probes::new(Instant::now()));
        }
    }

    /// From now on lets through only the calls that these rules do.
    pub fn restrict(&self, rules: Vec<Rule>) {
        *self.0.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// Whether the rules let a call through.
    pub(crate) fn may_call(&self, peer: &PeerAddr, procedure: Procedure) -> Result<(), Fault> {
        let rules = self.0.rules.read().unwrap_or_else(PoisonError::into_inner);
        if rules::allow(&rules, peer, procedure) {
            return Ok(());
        }
        drop(rules);
        self.refuse(Reason::Rule);
        log::debug!("{peer}: a rule denies procedure {procedure}");
        Err(Fault::Auth(AuthStatus::TooWeak))
    }

    fn access(&self) -> Access {
        *self.0.access.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers the portmapper itself, in the versions that rpcbind does. To be called for the
    /// transports in the order that rpcbind has: `local`, `udp`, `tcp`, `udp6`, `tcp6`.
    pub fn set_own(&self, netid: Netid, address: &Uaddr) {
        let versions = if Family::of(netid) == Family::Inet { 2..=4 } else { 3..=4 };
        for version in versions.map(Version) {
            let entry = Entry {
                program: PROGRAM,
                version,
                netid: netid.to_string(),
                address: address.to_string(),
                owner: Owner::Superuser,
            };
            self.0.table.alter(|registry| registry.set_own(entry));
        }
    }

    /// Registers what was accepted before a restart.
    ///
    /// # Errors
    /// See [`SetError`].
    pub fn restore(&self, entry: Entry) -> Result<(), SetError> {
        self.0.table.alter(|registry| registry.restore(entry))
    }

    /// Hands the table to a function. A change waits until it is done.
    pub(crate) fn with_table<R>(&self, f: impl FnOnce(&Registry) -> R) -> R {
        f(&self.0.table.read())
    }

    /// From now on removes what is looked up and has an address that nobody on this host has: its
    /// service has ended without a word.
    pub fn prune(&self) {
        self.0.table.counts().probes = Some(Probes::new(Instant::now()));
    }

    /// From now on removes what is registered over a Unix socket when the process that did so has
    /// ended. Not for services that go into the background afterwards, or that a tool registers.
    ///
    /// # Errors
    /// The thread that waits for the ends of processes cannot be started.
    pub fn bind_to_peers(&self) -> io::Result<()> {
        let shared = Arc::downgrade(&self.0);
        let ties = Ties::start(move |pid| {
            shared.upgrade().map(|shared| Self(shared).process_ended(pid)).is_some()
        })?;
        // Of two, the first does.
        let _ = self.0.ties.set(ties);
        Ok(())
    }

    /// Has a registration end with the caller's process, unless it is somebody else's.
    fn tie(&self, peer: &PeerAddr, entry: Entry) {
        let Some(ties) = self.0.ties.get() else { return };
        let there = |table: &Registry| {
            let entry = table.lookup_exact(entry.program, entry.version, &entry.netid)?;
            Some(entry.owner)
        };
        if self.with_table(there) != Some(entry.owner) {
            return;
        }
        self.release(&entry);
        let PeerAddr::Unix { pid, .. } = *peer else { return };
        match ties.tie(pid, entry.clone()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.remove_ended(entry),
            Err(error) => log::debug!("{peer}: its end is not going to be noticed: {error}"),
        }
    }

    /// Has it end with no process any more.
    fn release(&self, entry: &Entry) {
        if let Some(ties) = self.0.ties.get() {
            ties.release(entry.program, entry.version, std::slice::from_ref(&entry.netid));
        }
    }

    fn process_ended(&self, pid: i32) {
        let entries = self.0.ties.get().map(|ties| ties.take(pid));
        entries.into_iter().flatten().for_each(|entry| self.remove_ended(entry));
    }

    /// From now on keeps every change in the journal before it is made and answered, by a thread of
    /// its own: who looks up does not wait for the disk. A change that cannot be kept is refused.
    /// What is registered now is written first, and if that fails, it is tried again with the next
    /// change.
    ///
    /// # Errors
    /// The thread cannot be started. Nothing has changed then.
    pub fn keep_in(&self, journal: Journal) -> io::Result<()> {
        let table = &self.0.table;
        if self.0.scribe.get().is_none() {
            // Of two at once, one makes all changes, and the other none.
            let _ = self.0.scribe.set(Scribe::start(Arc::clone(table))?);
        }
        table.keep_in(journal);
        Ok(())
    }

    /// Counts a call.
    pub(crate) fn count(&self, protocol: Protocol, procedure: Procedure) {
        self.0.table.counts().stats.of(protocol).call(procedure);
    }

    /// Registers; whether that was accepted. Returns when it is kept, if it is to be.
    ///
    /// # Errors
    /// The caller may not.
    pub fn set(
        &self,
        protocol: Protocol,
        peer: &PeerAddr,
        service: Service<'_>,
    ) -> Result<bool, Fault> {
        awaited(|done| self.begin_set(protocol, peer, service, done))
    }

    /// Removes a version of a program over the named transports, or over all if none is named;
    /// whether that was accepted. Returns when it is kept, if it is to be.
    ///
    /// # Errors
    /// The caller may not.
    pub fn unset(
        &self,
        protocol: Protocol,
        peer: &PeerAddr,
        service: (Program, Version),
        netids: &[&str],
    ) -> Result<bool, Fault> {
        awaited(|done| self.begin_unset(protocol, peer, service, netids, done))
    }

    /// As [`set`](Self::set), which does not wait: `done` is told, by any thread.
    pub(crate) fn begin_set(
        &self,
        protocol: Protocol,
        peer: &PeerAddr,
        service: Service<'_>,
        done: impl FnOnce(Result<bool, Fault>) + Send + 'static,
    ) {
        let owner = match self.may_change(peer) {
            Ok(owner) => owner,
            Err(fault) => return done(Err(fault)),
        };
        let Service { program, version, .. } = service;
        let (netid, address) = (service.netid.to_owned(), service.address.to_owned());
        let entry = Entry { program, version, netid, address, owner };
        let (peer, what, portmap) = (*peer, entry.clone(), self.clone());
        let done = move |result: Result<usize, Refusal>| {
            let mut counts = portmap.0.table.counts();
            counts.stats.of(protocol).set(result.is_ok());
            counts.refused(&result);
            drop(counts);
            log_set(&peer, &what, &result);
            if result.is_ok() {
                portmap.tie(&peer, what);
            }
            done(Ok(result.is_ok()));
        };
        match self.access().registration(&entry, &self.0.interfaces.list()) {
            Ok(()) => {
                self.make_room(&entry);
                self.change(Wanted::Set(entry), done);
            }
            Err(error) => done(Err(error.into())),
        }
    }

    /// As [`unset`](Self::unset), which does not wait: `done` is told, by any thread.
    pub(crate) fn begin_unset(
        &self,
        protocol: Protocol,
        peer: &PeerAddr,
        (program, version): (Program, Version),
        netids: &[&str],
        done: impl FnOnce(Result<bool, Fault>) + Send + 'static,
    ) {
        let owner = match self.may_change(peer) {
            Ok(owner) => owner,
            Err(fault) => return done(Err(fault)),
        };
        let netids: Vec<_> = netids.iter().map(|&netid| netid.to_owned()).collect();
        let (peer, portmap, gone) = (*peer, self.clone(), netids.clone());
        self.change(Wanted::Unset { program, version, netids, owner }, move |result| {
            let mut counts = portmap.0.table.counts();
            counts.stats.of(protocol).unset(result.is_ok());
            counts.refused(&result);
            drop(counts);
            if let (Ok(1..), Some(ties)) = (&result, portmap.0.ties.get()) {
                ties.release(program, version, &gone);
            }
            match &result {
                Ok(removed) => log::debug!("{peer}: unset {program}/{version}: {removed} removed"),
                Err(error) => log::debug!("{peer}: unset {program}/{version} refused: {error}"),
            }
            done(Ok(result.is_ok()));
        });
    }

    fn change(&self, wanted: Wanted, done: impl FnOnce(Result<usize, Refusal>) + Send + 'static) {
        match self.0.scribe.get() {
            Some(scribe) => scribe.change(wanted, Box::new(done)),
            None => done(self.0.table.change(wanted)),
        }
    }

    /// Has `find` look in the table, and ask of what it finds whether anybody serves it. What nobody
    /// does is removed.
    fn find<R>(&self, find: impl FnOnce(&Registry, &mut dyn FnMut(&&Entry) -> bool) -> R) -> R {
        let mut ended = Vec::new();
        let found = find(&self.0.table.read(), &mut |entry| {
            let mut counts = self.0.table.counts();
            let probes = counts.probes.as_mut();
            let is_dead = probes.is_some_and(|probes| probes.is_dead(Instant::now(), entry));
            if is_dead {
                ended.push((*entry).clone());
            }
            !is_dead
        });
        ended.into_iter().for_each(|entry| self.remove_ended(entry));
        found
    }

    /// Removes what is in a registration's place if nobody has its address: that of a service
    /// that was started again. What was seen alive a moment ago may have ended since.
    fn make_room(&self, entry: &Entry) {
        if self.0.table.counts().probes.is_none() {
            return;
        }
        let in_place = self.with_table(|table| {
            table.lookup_exact(entry.program, entry.version, &entry.netid).cloned()
        });
        let other = in_place.filter(|other| other.address != entry.address);
        if let Some(dead) = other.filter(probe::is_dead) {
            self.remove_ended(dead);
        }
    }

    fn remove_ended(&self, entry: Entry) {
        let (what, portmap) = (entry.clone(), self.clone());
        self.change(Wanted::Ended(entry), move |result| {
            if matches!(result, Ok(1..)) {
                portmap.release(&what);
                log::info!("removed, its service has ended: {what}");
            }
        });
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
        let registered = self.find(|table, is_served| {
            let netid = netid.as_str();
            let entry = if exact {
                table.lookup_exact(program, version, netid).filter(is_served)
            } else {
                table.candidates(program, version, netid).find(is_served)
            };
            entry.map(|entry| entry.address.clone())
        });
        let lookup = Lookup { program, version, netid };
        self.0.table.counts().stats.of(protocol).lookup(lookup, registered.is_some());
        let merge = |text: String| self.merge(&text, service.address, peer).unwrap_or(text);
        registered.map_or_else(String::new, merge)
    }

    /// The port of a service over an IP protocol, or 0.
    #[must_use]
    pub fn getport(&self, program: Program, version: Version, protocol: u32) -> u16 {
        let Some(netid) = Mapping::netid(protocol) else { return 0 };
        let mapping = self.find(|table, is_served| {
            let candidates = table.candidates(program, version, netid.as_str());
            let mut shown = candidates.filter(|entry| entry.mapping().is_some());
            shown.find(is_served).and_then(Entry::mapping)
        });
        let lookup = Lookup { program, version, netid };
        self.0.table.counts().stats.of(Protocol::V2).lookup(lookup, mapping.is_some());
        mapping.map_or(0, |mapping| mapping.port)
    }

    /// The addresses of this very version of a program in the family of the caller's transport, as
    /// far as the caller can be told which of this host's addresses to use.
    #[must_use]
    pub fn getaddrlist(&self, peer: &PeerAddr, service: Service<'_>) -> Vec<Located> {
        let family = Family::of(peer.netid());
        let Service { program, version, .. } = service;
        let found: Vec<_> = self.find(|table, is_served| {
            let all = table.lookup_all(program, version);
            let of_family = all.filter_map(|entry| {
                let netid = Netid::from_name(&entry.netid)?;
                (Family::of(netid) == family && is_served(&entry))
                    .then(|| (netid, entry.address.clone()))
            });
            of_family.collect()
        });
        let merge = |(netid, registered): (Netid, String)| {
            let address = self.merge(&registered, service.address, peer)?;
            Some(Located { address, netid })
        };
        let located: Vec<_> = found.into_iter().filter_map(merge).collect();
        let lookup = Lookup { program, version, netid: peer.netid() };
        self.0.table.counts().stats.of(Protocol::V4).lookup(lookup, !located.is_empty());
        located
    }

    /// The whole table.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.0.table.read().list().cloned().collect()
    }

    /// The table as version 2 of the protocol shows it.
    #[must_use]
    pub fn mappings(&self) -> Vec<Mapping> {
        self.0.table.read().mappings().collect()
    }

    /// What versions 2, 3 and 4 counted.
    #[must_use]
    pub fn stats(&self) -> [VersionStats; 3] {
        self.0.table.counts().stats.versions().clone()
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
        let interfaces = self.0.interfaces.list();
        let may = self.access().reply(peer, call, reply, &interfaces).and_then(|()| {
            let to = access::amplified(peer, call, reply, &interfaces);
            let mut counts = self.0.table.counts();
            let is_too_often = to.is_some_and(|to| !counts.large_replies.allow(Instant::now(), to));
            if is_too_often { Err(Fault::SystemErr) } else { Ok(()) }
        });
        may.inspect_err(|_| self.refuse(Reason::Amplification))
    }

    fn refuse(&self, reason: Reason) {
        self.0.table.counts().activity.refuse(reason);
    }

    /// Whether changes can be kept; `None` if they are not to be.
    #[must_use]
    pub fn keeps(&self) -> Option<bool> {
        self.0.table.counts().keeps
    }

    /// What is registered, and what happened.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let entries = self.entries();
        let counts = self.0.table.counts();
        Snapshot {
            entries,
            stats: counts.stats.versions().clone(),
            activity: counts.activity.clone(),
            keeps: counts.keeps,
        }
    }

    fn merge(&self, registered: &str, hint: &str, peer: &PeerAddr) -> Option<String> {
        address::merge(registered, hint, peer.ip(), &self.0.interfaces.list())
    }
}

/// Waits for what `begin` begins.
fn awaited<T: Send + 'static>(
    begin: impl FnOnce(Box<dyn FnOnce(Result<T, Fault>) + Send>),
) -> Result<T, Fault> {
    let (done, result) = mpsc::channel();
    begin(Box::new(move |result| drop(done.send(result))));
    // It is not told if who would tell it has panicked.
    result.recv().unwrap_or(Err(Fault::SystemErr))
}

fn log_set(peer: &PeerAddr, entry: &Entry, result: &Result<usize, Refusal>) {
    let Entry { program, version, .. } = entry;
    match result {
        Ok(_) => log::debug!("{peer}: set {entry}"),
        Err(error) => log::debug!("{peer}: set {program}/{version} refused: {error}"),
    }
}
