//! SIGHUP: other rules from now on, with the same table.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::thread;

use signal_hook::consts::SIGHUP;

use super::Options;
use crate::Portmap;

/// Asks for the options again after every SIGHUP, for as long as the process lives. Only the rules
/// and quotas are taken from them.
pub(super) fn start(
    portmap: Portmap,
    options: impl Fn() -> Result<Options, String> + Send + 'static,
) -> io::Result<()> {
    let (mut signals, write) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGHUP, write)?;
    let builder = thread::Builder::new().name("portmapd-reload".to_owned());
    builder.spawn(move || {
        while matches!(signals.read(&mut [0; 64]), Ok(1..)) {
            match options() {
                Ok(Options { access, quotas, prune, .. }) => {
                    portmap.reconfigure(access, quotas, prune);
                    log::info!("reloaded: {access:?}, {quotas:?}, prune: {prune}");
                }
                Err(error) => log::error!("not reloaded, all is as before: {error}"),
            }
        }
    })?;
    Ok(())
}
