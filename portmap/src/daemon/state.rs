//! What was registered before the daemon started, and what is after it.

use std::io;
use std::path::Path;

use super::{DaemonError, Options};
use crate::journal::{Folder, Image, Journal};
use crate::registry::Registry;
use crate::{Portmap, probe, rpcbind};

/// Where changes will be kept.
pub(super) struct Kept<'a> {
    journal: Journal,
    state_dir: &'a Path,
    /// Where rpcbind's files are, if it was they that were read.
    taken_over: Option<&'a Path>,
}

/// Registers again what was registered.
pub(super) fn restore<'a>(
    portmap: &Portmap,
    options: &'a Options,
) -> Result<Option<Kept<'a>>, DaemonError> {
    if options.prune {
        portmap.prune();
    }
    let left = options.warm_start.as_deref().and_then(left_by_rpcbind);
    let Some(path) = &options.state_dir else {
        restore_all(portmap, &left.unwrap_or_default(), options.prune);
        log::info!("without a --state-dir, registrations are lost at the end");
        return Ok(None);
    };
    let (journal, table) = open(path)?;
    // Who reads them removes them: if they are there, rpcbind was the last.
    restore_all(portmap, left.as_ref().unwrap_or(&table), options.prune);
    let taken_over = left.and(options.warm_start.as_deref());
    Ok(Some(Kept { journal, state_dir: path, taken_over }))
}

impl Kept<'_> {
    /// From now on keeps what is registered: by a thread, which may do what this one may.
    pub(super) fn begin(self, portmap: &Portmap) -> io::Result<()> {
        portmap.keep_in(self.journal)?;
        log::info!("registrations are kept in {}", self.state_dir.display());
        if let Some(dir) = self.taken_over
            && let Err(error) = rpcbind::remove(dir)
        {
            log::warn!("rpcbind's files stay in {}: {error}", dir.display());
        }
        Ok(())
    }
}

/// Leaves what is registered where rpcbind would.
pub(super) fn leave(portmap: &Portmap, options: &Options) {
    if let Some(dir) = &options.warm_start
        && let Err(error) = portmap.with_table(|table| rpcbind::write(dir, table))
    {
        log::error!("nothing is left for rpcbind in {}: {error}", dir.display());
    }
}

/// Copies what is kept in `state_dir` to where rpcbind looks for it with `-w`. Returns how many
/// registrations that are.
///
/// # Errors
/// [`DaemonError::Copy`].
pub fn export(state_dir: &Path, dir: &Path) -> Result<usize, DaemonError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| DaemonError::Copy { path, source }
    };
    let table = Journal::peek(state_dir).map_err(failed(state_dir))?;
    rpcbind::write(dir, &table).map_err(failed(dir))?;
    Ok(table.len())
}

/// Copies what rpcbind has left in `dir` to `state_dir`, in place of what is kept there. Returns
/// how many registrations that are.
///
/// # Errors
/// [`DaemonError::Copy`], and [`DaemonError::State`] if a daemon is running there.
pub fn import(dir: &Path, state_dir: &Path) -> Result<usize, DaemonError> {
    let failed = |path: &Path, source| DaemonError::Copy { path: path.to_owned(), source };
    let table = rpcbind::read(dir)
        .and_then(|table| table.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(|source| failed(dir, source))?;
    let (mut journal, _) = open(state_dir)?;
    journal.rewrite(&Image::of(&table)).map_err(|source| failed(state_dir, source))?;
    Ok(table.len())
}

fn open(path: &Path) -> Result<(Journal, Registry), DaemonError> {
    let folder = Folder::open(path)
        .map_err(|source| DaemonError::State { path: path.to_owned(), source })?;
    Ok(Journal::open(Box::new(folder)))
}

fn left_by_rpcbind(dir: &Path) -> Option<Registry> {
    rpcbind::read(dir).unwrap_or_else(|error| {
        log::error!("nothing is taken over from rpcbind in {}: {error}", dir.display());
        None
    })
}

/// With `prune`, not what ended meanwhile and could not unregister.
fn restore_all(portmap: &Portmap, table: &Registry, prune: bool) {
    let mut restored = 0;
    for entry in table.list() {
        if prune && probe::is_dead(entry) {
            log::info!("not restored, nobody has the address: {entry}");
        } else if let Err(error) = portmap.restore(entry.clone()) {
            log::warn!("not restored, {error}: {entry}");
        } else {
            restored += 1;
        }
    }
    log::info!("{restored} of {} registrations are restored", table.len());
}
