//! What was registered before the daemon started, and what is after it.

use std::path::Path;
use std::{fs, io};

use nix::unistd::geteuid;

use super::{DaemonError, Options, USER};
use crate::journal::{Folder, Image, Journal};
use crate::registry::Registry;
use crate::{Portmap, probe, rpcbind, sandbox};

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
        log::info!("without a --state-dir, registrations are lost at the end");
        if let (Some(left), Some(dir)) = (&left, &options.warm_start) {
            restore_all(portmap, left, options.prune);
            remove(dir);
        }
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
        if let Some(dir) = self.taken_over {
            remove(dir);
        }
        Ok(())
    }
}

/// They are taken over.
fn remove(dir: &Path) {
    if let Err(error) = rpcbind::remove(dir) {
        log::warn!("rpcbind's files stay in {}: {error}", dir.display());
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
/// [`DaemonError::Copy`], also if a daemon is running there: what it changes afterwards would be lost
/// to who believes the copy.
pub fn export(state_dir: &Path, dir: &Path) -> Result<usize, DaemonError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| DaemonError::Copy { path, source }
    };
    fs::metadata(state_dir).map_err(failed(state_dir))?;
    let _nobody_else = for_owner(state_dir)?;
    let table = Journal::peek(state_dir).map_err(failed(state_dir))?;
    rpcbind::write(dir, &table).map_err(failed(dir))?;
    Ok(table.len())
}

/// Copies what rpcbind has left in `dir` to `state_dir`, in place of what is kept there, for the
/// owner of that folder; if root makes it, it is [`USER`]'s. Returns how many registrations that are.
///
/// # Errors
/// [`DaemonError::Copy`], also if a daemon is running there.
pub fn import(dir: &Path, state_dir: &Path) -> Result<usize, DaemonError> {
    let failed = |path: &Path, source| DaemonError::Copy { path: path.to_owned(), source };
    let table = rpcbind::read(dir)
        .and_then(|table| table.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(|source| failed(dir, source))?;
    if geteuid().is_root()
        && let Ok(user) = sandbox::find_user(USER)
    {
        sandbox::make_folder(state_dir, &user).map_err(|source| failed(state_dir, source))?;
    }
    let (mut journal, _) = Journal::open(Box::new(for_owner(state_dir)?));
    journal.rewrite(&Image::of(&table)).map_err(|source| failed(state_dir, source))?;
    Ok(table.len())
}

fn for_owner(path: &Path) -> Result<Folder, DaemonError> {
    Folder::open_for_owner(path).map_err(|error| DaemonError::Copy {
        path: path.to_owned(),
        source: io::Error::other(error),
    })
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
