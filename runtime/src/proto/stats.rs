//! What a server counts: everything it did, and everything it refused, by reason.
//!
//! The thread that executes calls is the only one that counts, so that counting costs no more than
//! an addition; anybody may read at any time.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use super::histogram::Histogram;
use super::histogram::Recorder;
use crate::{Interface, Procedure};

/// A number that has one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed) + n, Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// What a server did and refused since its start, at one moment.
        ///
        /// Shown, it is a table of what is not 0.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])+ pub $name: u64,)+
            /// Every procedure that is served, by program, version and number.
            pub procedures: Vec<ProcedureStats>,
        }

        impl Stats {
            /// Every counter with its name.
            pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),+].into_iter()
            }
        }

        /// What [`Stats`] is a snapshot of.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)+
        }

        impl Counters {
            fn add_to(&self, stats: &mut Stats) {
                $(stats.$name += self.$name.value();)+
            }
        }
    };
}

counters! {
    /// Calls that were executed and answered with success, those answered later included.
    executed,
    /// Calls answered from the duplicate request cache.
    replayed,
    /// Repeats dropped because the first is still being executed, or its answer was not kept.
    repeats_dropped,
    /// Calls executed that had the peer and xid of another one that was remembered.
    xids_reused,
    /// Messages that are replies, or nothing that RFC 5531 knows.
    not_a_call,
    /// Calls whose header cannot be decoded.
    malformed,
    /// Calls of another RPC version than 2.
    rpc_mismatch,
    /// Calls refused for their credential.
    auth_errors,
    /// Calls of a program that is not served.
    prog_unavail,
    /// Calls of a version that is not served.
    prog_mismatch,
    /// Calls of a procedure that does not exist.
    proc_unavail,
    /// Calls whose arguments cannot be decoded.
    garbage_args,
    /// Calls that the server failed at.
    system_errors,
    /// Handlers, interceptors and flavors that panicked.
    panics,
    /// Replies too long for a datagram; part of `system_errors`.
    too_long,
    /// Calls with bytes after the arguments.
    trailing_bytes,
    /// Calls that a handler chose not to answer.
    silent,
    /// Calls refused because too many had been put off.
    too_many_calls,
    /// Calls over UDP dropped because they had waited too long.
    too_old,
    /// Streams closed because of a record that is over the limits, or of a message for nobody.
    bad_records,
    /// Streams closed because part of a record, or the room for answers, was waited for too long.
    stalled,
    /// Streams closed because nothing was said for too long.
    idle,
    /// Connections closed because there were too many.
    too_many_connections,
    /// Connections closed because there were too many of one source; part of
    /// `too_many_connections`.
    too_many_of_one,
    /// Times that a connection could not be accepted for want of descriptors or memory.
    exhausted,
    /// Times that calls were held up because too much was in buffers in all.
    buffers_full,
    /// Connections closed because too much was in buffers in all, and they were waited for longest.
    crowded_out,
    /// Answers over UDP that the system did not take.
    unsent,
}

/// What one procedure did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcedureStats {
    /// The program and version it is of.
    pub interface: &'static Interface,
    /// Its number.
    pub procedure: Procedure,
    /// Calls that were answered, or chosen not to be, since they had passed the checks of their
    /// header. Repeats do not count.
    pub calls: u64,
    /// Those of them that ended in another status than success.
    pub errors: u64,
    /// From when a call was read to when its answer was written.
    pub latency: Histogram,
}

impl ProcedureStats {
    /// The procedure's name in the `.x` file; that of procedure 0 is `NULL`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.interface.procedure(self.procedure).map_or("NULL", |info| info.name)
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in self.counters().filter(|&(_, count)| count > 0) {
            writeln!(f, "{count:>12}  {}", name.replace('_', " "))?;
        }
        if self.procedures.iter().any(|row| row.calls > 0) {
            writeln!(f, "{:>12} {:>8} {:>9} {:>9}  procedure", "calls", "errors", "p50", "p99")?;
        }
        self.procedures.iter().filter(|row| row.calls > 0).try_for_each(|row| writeln!(f, "{row}"))
    }
}

impl fmt::Display for ProcedureStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |p| match self.latency.quantile(p) {
            Some(time) => format!("{time:.1?}"),
            None => "-".to_owned(),
        };
        let (p50, p99) = (time(0.5), time(0.99));
        write!(f, "{:>12} {:>8} {p50:>9} {p99:>9}  ", self.calls, self.errors)?;
        let Interface { program_name, version_name, .. } = self.interface;
        write!(f, "{program_name} {version_name} {}", self.name())
    }
}

/// The counters of one [`ServerCore`](super::server::ServerCore).
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) counters: Counters,
    services: Mutex<Vec<Arc<ServiceLedger>>>,
}

impl Ledger {
    /// Counts calls of `interface` from now on, in place of those of the same numbers.
    pub(crate) fn open(&self, interface: &'static Interface) -> Arc<ServiceLedger> {
        let service = Arc::new(ServiceLedger::new(interface));
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = |of: &Interface| (of.program, of.version);
        services.retain(|other| numbers(other.interface) != numbers(interface));
        services.push(Arc::clone(&service));
        services.sort_by_key(|service| numbers(service.interface));
        service
    }

    /// Adds all of it to `stats`, which may come from another server of the same services.
    pub(crate) fn add_to(&self, stats: &mut Stats) {
        self.counters.add_to(stats);
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = services.iter().flat_map(|service| service.rows());
        for (at, (interface, procedure, tally)) in rows.enumerate() {
            if at == stats.procedures.len() {
                let latency = Histogram::default();
                let row = ProcedureStats { interface, procedure, calls: 0, errors: 0, latency };
                stats.procedures.push(row);
            }
            tally.add_to(&mut stats.procedures[at]);
        }
    }
}

/// The counters of one version of a program.
#[derive(Debug)]
pub(crate) struct ServiceLedger {
    interface: &'static Interface,
    /// There if the interface leaves procedure 0 to the runtime.
    null: Option<Tally>,
    procedures: Vec<Tally>,
}

impl ServiceLedger {
    fn new(interface: &'static Interface) -> Self {
        let null = interface.procedure(Procedure::NULL).is_none().then(Tally::new);
        let procedures = interface.procedures.iter().map(|_| Tally::new()).collect();
        Self { interface, null, procedures }
    }

    /// A call has ended.
    pub(crate) fn count(&self, procedure: Procedure, succeeded: bool, took: Duration) {
        let listed = self.interface.position(procedure).and_then(|at| self.procedures.get(at));
        if let Some(tally) = listed.or(self.null.as_ref()) {
            tally.count(succeeded, took);
        }
    }

    fn rows(&self) -> impl Iterator<Item = (&'static Interface, Procedure, &Tally)> {
        let null = self.null.iter().map(|tally| (Procedure::NULL, tally));
        let listed = self.interface.procedures.iter().zip(&self.procedures);
        let listed = listed.map(|(info, tally)| (info.number, tally));
        null.chain(listed).map(|(number, tally)| (self.interface, number, tally))
    }
}

#[derive(Debug)]
struct Tally {
    calls: Counter,
    errors: Counter,
    latency: Recorder,
}

impl Tally {
    fn new() -> Self {
        let (calls, errors) = (Counter::default(), Counter::default());
        Self { calls, errors, latency: Recorder::new() }
    }

    fn count(&self, succeeded: bool, took: Duration) {
        self.calls.add(1);
        self.errors.add(u64::from(!succeeded));
        self.latency.record(took);
    }

    fn add_to(&self, row: &mut ProcedureStats) {
        row.calls += self.calls.value();
        row.errors += self.errors.value();
        self.latency.add_to(&mut row.latency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ProcedureInfo, Program, Version};

    static INTERFACE: Interface = Interface {
        program: Program(7),
        program_name: "PROG",
        version: Version(1),
        version_name: "V1",
        procedures: &[ProcedureInfo {
            number: Procedure(4),
            name: "FOUR",
            idempotent: false,
            deferred: false,
        }],
    };

    #[test]
    fn the_counts_of_several_servers_are_one_table() {
        let mut stats = Stats::default();
        for _ in 0..2 {
            let ledger = Ledger::default();
            ledger.counters.executed.add(3);
            ledger.counters.too_old.add(1);
            let service = ledger.open(&INTERFACE);
            service.count(Procedure(4), true, Duration::from_nanos(1000));
            service.count(Procedure(4), false, Duration::from_nanos(1000));
            ledger.add_to(&mut stats);
        }
        let rows: Vec<_> =
            stats.procedures.iter().map(|row| (row.name(), row.calls, row.errors)).collect();
        assert_eq!(rows, [("NULL", 0, 0), ("FOUR", 4, 2)]);
        let shown = "           6  executed\n           2  too old\n\
            \x20      calls   errors       p50       p99  procedure\n\
            \x20          4        2     1.0µs     1.0µs  PROG V1 FOUR\n";
        assert_eq!(stats.to_string(), shown);
    }
}
