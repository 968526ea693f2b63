//! What was registered before the daemon started.

use super::{DaemonError, Options};
use crate::Portmap;
use crate::journal::{Folder, Journal};
use crate::probe;
use crate::registry::Registry;

/// Registers again what was registered, and from now on keeps what is.
pub(super) fn restore(portmap: &Portmap, options: &Options) -> Result<(), DaemonError> {
    let Some(path) = &options.state_dir else {
        log::info!("without a --state-dir, registrations are lost at the end");
        return Ok(());
    };
    let folder =
        Folder::open(path).map_err(|source| DaemonError::State { path: path.clone(), source })?;
    let (journal, table) = Journal::open(Box::new(folder));
    let restored = restore_all(portmap, &table, options.prune);
    log::info!("{restored} of {} registrations are back from {}", table.len(), path.display());
    portmap.keep_in(journal);
    Ok(())
}

/// With `prune`, not what ended meanwhile and could not unregister.
fn restore_all(portmap: &Portmap, table: &Registry, prune: bool) -> usize {
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
    restored
}
