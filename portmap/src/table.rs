//! The table as threads share it. It is read by many, and changed by one after the other: a change
//! is planned, kept by the journal, and then made. Who reads waits for the last of these only.

use std::error::Error as StdError;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;

use farcall::{Program, Version};

use crate::access::Owner;
use crate::activity::{Activity, Reason};
use crate::journal::{Image, Journal};
use crate::probe::Probes;
use crate::rate::Rates;
use crate::registry::{Change, Entry, Registry};
use crate::stats::Stats;

/// A change that somebody wants.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// A registration.
    Set(Entry),
    /// That a version of a program is removed, over these transports or over all.
    Unset { program: Program, version: Version, netids: Vec<String>, owner: Owner },
    /// That just this registration is removed: nobody has its address.
    Ended(Entry),
}

/// Why a change was not made.
pub(crate) type Refusal = Box<dyn StdError + Send + Sync>;

#[derive(Debug, Default)]
pub(crate) struct Table {
    registry: RwLock<Registry>,
    /// Who has it is the only one that changes the registry.
    journal: Mutex<Option<Journal>>,
    counts: Mutex<Counts>,
}

/// What is remembered of those who asked.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) stats: Stats,
    pub(crate) activity: Activity,
    /// If what nobody serves is to be removed.
    pub(crate) probes: Option<Probes>,
    /// Large replies over UDP.
    pub(crate) large_replies: Rates<10>,
    /// Calls for others.
    pub(crate) remote_calls: Rates<100>,
    /// Whether changes can be kept; `None` if they are not to be.
    pub(crate) keeps: Option<bool>,
}

impl Counts {
    /// Counts what was not made.
    pub(crate) fn refused<T>(&mut self, result: &Result<T, Refusal>) {
        if let Err(error) = result {
            self.activity.refuse(Reason::of(error.as_ref()));
        }
    }
}

impl Table {
    pub(crate) fn new(registry: Registry) -> Self {
        Self { registry: RwLock::new(registry), ..Self::default() }
    }

    /// Not to be had for longer than it takes to read: a change waits for it.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Registry> {
        // Every change is complete before anything that could panic.
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is not kept.
    pub(crate) fn alter<R>(&self, f: impl FnOnce(&mut Registry) -> R) -> R {
        let _only_one = self.journal();
        self.apply(f)
    }

    /// Begins the journal with what is registered now. If that fails, it is tried again with the
    /// next change.
    pub(crate) fn keep_in(&self, mut journal: Journal) {
        let mut place = self.journal();
        if let Err(error) = journal.rewrite(&self.image()) {
            log::error!("changes are refused until the journal can be written: {error}");
        }
        self.counts().keeps = Some(journal.is_sound());
        *place = Some(journal);
    }

    /// Makes a change, if it is one, once it is kept. Returns how many registrations are gone.
    ///
    /// # Errors
    /// It may not be made, or cannot be kept.
    pub(crate) fn change(&self, wanted: Wanted) -> Result<usize, Refusal> {
        let mut journal = self.journal();
        let has_ended = matches!(wanted, Wanted::Ended(_));
        let Some(change) = plan(&self.read(), wanted)? else { return Ok(0) };
        if let Some(journal) = &mut *journal {
            self.record(journal, &change)?;
        }
        let mut counts = self.counts();
        counts.activity.change(SystemTime::now(), &change);
        if has_ended {
            counts.activity.ended();
        }
        drop(counts);
        Ok(self.apply(|registry| registry.apply(change)))
    }

    fn record(&self, journal: &mut Journal, change: &Change) -> io::Result<()> {
        let recorded = journal.record(change, || self.image());
        self.counts().keeps = Some(journal.is_sound());
        recorded
    }

    fn image(&self) -> Image {
        Image::of(&self.read())
    }

    fn apply<R>(&self, f: impl FnOnce(&mut Registry) -> R) -> R {
        f(&mut self.registry.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn plan(registry: &Registry, wanted: Wanted) -> Result<Option<Change>, Refusal> {
    match wanted {
        Wanted::Set(entry) => Ok(registry.plan_set(entry)?),
        Wanted::Unset { program, version, netids, owner } => {
            let netids: Vec<_> = netids.iter().map(String::as_str).collect();
            Ok(registry.plan_unset(program, version, &netids, owner)?)
        }
        Wanted::Ended(ended) => {
            let Entry { program, version, ref netid, .. } = ended;
            // Meanwhile another may have taken its place.
            let is_it = registry.lookup_exact(program, version, netid) == Some(&ended);
            let netids = vec![ended.netid];
            Ok(is_it.then_some(Change::Unset { program, version, netids }))
        }
    }
}
