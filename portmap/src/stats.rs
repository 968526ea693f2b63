//! What the portmapper counts, by version of its protocol (`rpcb_stat`, RFC 1833 §2.1).

use std::collections::HashMap;
use std::hash::Hash;

use farcall::{Netid, Procedure, Program, Version};

/// How many procedures are counted in a version.
pub const PROCEDURES: usize = 13;

/// The most rows of each list, so that all have about a thousand: what is asked for after that many different ones is not listed.
pub const MAX_ROWS: usize = 170;

/// What was looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lookup {
    /// The program.
    pub program: Program,
    /// Its version.
    pub version: Version,
    /// Over this transport.
    pub netid: Netid,
}

/// What was to be called on behalf of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RemoteCall {
    /// The program.
    pub program: Program,
    /// Its version.
    pub version: Version,
    /// The procedure.
    pub procedure: Procedure,
    /// By a call over this transport.
    pub netid: Netid,
}

/// How often something was called on behalf of callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemoteTally {
    /// How often it was registered, whatever became of the call, and how often it was not.
    pub registered: Tally,
    /// Calls by INDIRECT, and the first one by whatever procedure: so counts rpcbind.
    pub indirect: i32,
}

/// How often something succeeded and failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Successes.
    pub success: i32,
    /// Failures.
    pub failure: i32,
}

impl Tally {
    fn count(&mut self, success: bool) {
        let counter = if success { &mut self.success } else { &mut self.failure };
        increment(counter);
    }
}

/// Counts of a capped number of different things.
#[derive(Debug, Clone)]
pub struct Tallies<K, T> {
    rows: Vec<(K, T)>,
    at: HashMap<K, usize>,
}

impl<K, T> Default for Tallies<K, T> {
    fn default() -> Self {
        Self { rows: Vec::new(), at: HashMap::new() }
    }
}

impl<K: Copy + Eq + Hash, T: Default> Tallies<K, T> {
    /// The counts, the newest thing first, as rpcbind has it.
    pub fn list(&self) -> impl Iterator<Item = &(K, T)> {
        self.rows.iter().rev()
    }

    fn count(&mut self, key: K, count: impl FnOnce(&mut T)) {
        let row = match self.at.get(&key) {
            Some(&row) => row,
            None if self.rows.len() < MAX_ROWS => {
                let row = self.rows.len();
                self.rows.push((key, T::default()));
                self.at.insert(key, row);
                row
            }
            None => return,
        };
        if let Some((_, tally)) = self.rows.get_mut(row) {
            count(tally);
        }
    }
}

/// The counts of one version of the protocol.
#[derive(Debug, Clone, Default)]
pub struct VersionStats {
    /// Calls by procedure.
    pub procedures: [i32; PROCEDURES],
    /// Registrations accepted.
    pub set: i32,
    /// Removals accepted.
    pub unset: i32,
    /// Lookups.
    pub lookups: Tallies<Lookup, Tally>,
    /// All of them, those that are not listed too.
    pub all_lookups: Tally,
    /// Remote calls.
    pub remote_calls: Tallies<RemoteCall, RemoteTally>,
}

impl VersionStats {
    /// Counts a call.
    pub fn call(&mut self, procedure: Procedure) {
        let at = usize::try_from(procedure.0).ok();
        if let Some(counter) = at.and_then(|at| self.procedures.get_mut(at)) {
            increment(counter);
        }
    }

    /// Counts a SET that was answered so.
    pub fn set(&mut self, accepted: bool) {
        if accepted {
            increment(&mut self.set);
        }
    }

    /// Counts an UNSET that was answered so.
    pub fn unset(&mut self, accepted: bool) {
        if accepted {
            increment(&mut self.unset);
        }
    }

    /// Counts a lookup and whether it found something.
    pub fn lookup(&mut self, lookup: Lookup, found: bool) {
        self.lookups.count(lookup, |tally| tally.count(found));
        self.all_lookups.count(found);
    }

    /// Counts a remote call, and whether what it calls is registered.
    pub fn remote_call(&mut self, call: RemoteCall, indirect: bool, registered: bool) {
        self.remote_calls.count(call, |tally| {
            tally.registered.count(registered);
            if indirect || tally.indirect == 0 {
                increment(&mut tally.indirect);
            }
        });
    }
}

/// The versions of the portmapper's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Version 2: the portmapper.
    V2,
    /// Version 3: rpcbind.
    V3,
    /// Version 4: rpcbind with GETSTAT and more.
    V4,
}

/// The counts of all versions.
#[derive(Debug, Clone, Default)]
pub struct Stats([VersionStats; 3]);

impl Stats {
    /// The counts of a version.
    pub fn of(&mut self, protocol: Protocol) -> &mut VersionStats {
        let [v2, v3, v4] = &mut self.0;
        match protocol {
            Protocol::V2 => v2,
            Protocol::V3 => v3,
            Protocol::V4 => v4,
        }
    }

    /// The counts of versions 2, 3 and 4, in this order.
    #[must_use]
    pub fn versions(&self) -> &[VersionStats; 3] {
        &self.0
    }
}

/// The counters are `int` on the wire: they stop at its end.
fn increment(counter: &mut i32) {
    *counter = counter.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(program: u32) -> Lookup {
        Lookup { program: Program(program), version: Version(1), netid: Netid::Udp }
    }

    #[test]
    fn calls_are_counted_by_procedure_and_version() {
        let mut stats = Stats::default();
        stats.of(Protocol::V3).call(Procedure(4));
        stats.of(Protocol::V3).call(Procedure(4));
        stats.of(Protocol::V4).call(Procedure(12));
        stats.of(Protocol::V4).call(Procedure(13));
        stats.of(Protocol::V4).call(Procedure(u32::MAX));
        let [v2, v3, v4] = stats.versions();
        assert_eq!(v2.procedures, [0; 13]);
        assert_eq!(v3.procedures, [0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(v4.procedures, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn only_accepted_changes_are_counted() {
        let mut stats = VersionStats::default();
        for accepted in [true, false, true] {
            stats.set(accepted);
            stats.unset(!accepted);
        }
        assert_eq!((stats.set, stats.unset), (2, 1));
        stats.set = i32::MAX;
        stats.set(true);
        assert_eq!(stats.set, i32::MAX);
    }

    #[test]
    fn lookups_are_listed_the_newest_first() {
        let mut stats = VersionStats::default();
        stats.lookup(lookup(1), true);
        stats.lookup(lookup(2), false);
        stats.lookup(lookup(1), false);
        let listed: Vec<_> = stats.lookups.list().copied().collect();
        let tally = |success, failure| Tally { success, failure };
        assert_eq!(listed, [(lookup(2), tally(0, 1)), (lookup(1), tally(1, 1))]);
    }

    #[test]
    fn remote_calls_are_counted_as_rpcbind_does() {
        let mut stats = VersionStats::default();
        let call = RemoteCall {
            program: Program(1),
            version: Version(1),
            procedure: Procedure(0),
            netid: Netid::Udp,
        };
        let mut counted = |indirect, registered| {
            stats.remote_call(call, indirect, registered);
            let (_, tally) = stats.remote_calls.list().next().expect("a row");
            (tally.registered.success, tally.registered.failure, tally.indirect)
        };
        assert_eq!(counted(false, true), (1, 0, 1));
        assert_eq!(counted(false, false), (1, 1, 1));
        assert_eq!(counted(true, true), (2, 1, 2));
    }

    #[test]
    fn the_lists_are_capped() {
        let mut stats = VersionStats::default();
        for program in 0..10_000 {
            stats.lookup(lookup(program), false);
        }
        stats.lookup(lookup(5), true);
        assert_eq!(stats.lookups.list().count(), MAX_ROWS);
        assert_eq!(stats.all_lookups, Tally { success: 1, failure: 10_000 });
        let oldest = stats.lookups.list().find(|(key, _)| *key == lookup(5));
        assert_eq!(oldest, Some(&(lookup(5), Tally { success: 1, failure: 1 })));
    }
}
