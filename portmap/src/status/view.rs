//! What is shown, at one moment.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use farcall::Stats as ServerStats;

use super::sockets::Health;
use crate::activity::Activity;
use crate::registry::Entry;
use crate::stats::VersionStats;

/// The names of the procedures of versions 2, 3 and 4 (RFC 1833).
pub(super) const PROCEDURES: [&[&str]; 3] = [
    &["NULL", "SET", "UNSET", "GETPORT", "DUMP", "CALLIT"],
    &["NULL", "SET", "UNSET", "GETADDR", "DUMP", "CALLIT", "GETTIME", "UADDR2TADDR", "TADDR2UADDR"],
    &[
        "NULL",
        "SET",
        "UNSET",
        "GETADDR",
        "DUMP",
        "BCAST",
        "GETTIME",
        "UADDR2TADDR",
        "TADDR2UADDR",
        "GETVERSADDR",
        "INDIRECT",
        "GETADDRLIST",
        "GETSTAT",
    ],
];

/// How long the daemon's loop may not turn before that is trouble.
const HANGS: Duration = Duration::from_secs(10);

/// A registration.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) entry: Entry,
    /// The program's.
    pub(super) name: Option<String>,
    pub(super) health: Health,
}

/// All that is shown.
#[derive(Debug)]
pub(super) struct View {
    pub(super) now: SystemTime,
    pub(super) started: SystemTime,
    /// How long ago the loop turned.
    pub(super) silent: Duration,
    pub(super) keeps: Option<bool>,
    pub(super) rows: Vec<Row>,
    pub(super) stats: [VersionStats; 3],
    pub(super) activity: Activity,
    pub(super) server: ServerStats,
}

/// What a person should look at, if anything.
pub(super) fn trouble(silent: Duration, keeps: Option<bool>) -> Option<&'static str> {
    if silent > HANGS {
        Some("the daemon does not answer calls")
    } else if keeps == Some(false) {
        Some("changes are refused: the journal cannot be written")
    } else {
        None
    }
}

impl View {
    /// What a person should look at, if anything.
    pub(super) fn trouble(&self) -> Option<&'static str> {
        trouble(self.silent, self.keeps)
    }

    /// Versions 2, 3 and 4, and what each counted.
    pub(super) fn versions(&self) -> impl Iterator<Item = (u8, &VersionStats)> {
        (2..).zip(&self.stats)
    }

    pub(super) fn started_seconds(&self) -> f64 {
        self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }
}
