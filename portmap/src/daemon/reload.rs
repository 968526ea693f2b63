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
    started: Options,
    options: impl Fn() -> Result<Options, String> + Send + 'static,
) -> io::Result<()> {
    let (mut signals, write) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGHUP, write)?;
    let builder = thread::Builder::new().name("portmapd-reload".to_owned());
    builder.spawn(move || {
        while matches!(signals.read(&mut [0; 64]), Ok(1..)) {
            match options() {
                Ok(options) => apply(&portmap, &started, options),
                Err(error) => log::error!("not reloaded, all is as before: {error}"),
            }
        }
    })?;
    Ok(())
}

fn apply(portmap: &Portmap, started: &Options, options: Options) {
    for key in waiting(started, &options) {
        log::warn!("{key} has changed, which takes a restart");
    }
    let rules = super::rules(&options);
    let Options { access, quotas, prune, .. } = options;
    log::info!("reloaded: {access:?}, {quotas:?}, prune: {prune}, rules: {}", rules.len());
    portmap.reconfigure(access, quotas, prune);
    portmap.restrict(rules);
}

/// The keys that differ and are used at the start only.
fn waiting(old: &Options, new: &Options) -> impl Iterator<Item = &'static str> {
    let differs = [
        ("listen", old.listen != new.listen),
        ("port", old.port != new.port),
        ("socket", old.socket != new.socket),
        ("state-dir", old.state_dir != new.state_dir),
        ("warm-start", old.warm_start != new.warm_start),
        ("user", old.user != new.user),
        ("sandbox", old.sandbox != new.sandbox),
        ("status", old.status != new.status),
        ("bind-to-peer", old.bind_to_peer != new.bind_to_peer),
        ("remote-calls", old.remote_calls != new.remote_calls),
    ];
    differs.into_iter().filter_map(|(key, differs)| differs.then_some(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_takes_a_restart_is_named() {
        let started = Options { sandbox: true, ..Options::default() };
        let table = [
            // a line of the file, the keys that take a restart
            ("", vec![]),
            ("listen = ['192.0.2.7']", vec!["listen"]),
            ("port = 1111", vec!["port"]),
            ("socket = '/run/x.sock'", vec!["socket"]),
            ("state-dir = '/run/x'", vec!["state-dir"]),
            ("warm-start = true", vec!["warm-start"]),
            ("user = '_rpc'", vec!["user"]),
            ("sandbox = false", vec!["sandbox"]),
            ("status = '127.0.0.1:9111'", vec!["status"]),
            ("bind-to-peer = true", vec!["bind-to-peer"]),
            ("remote-calls = true", vec!["remote-calls"]),
            ("prune = false\nmax-per-uid = 7\ninsecure = true", vec![]),
            ("any-loopback-port = true\nany-registration = true", vec![]),
            ("large-datagrams = true\n[[rule]]\nallow = false", vec![]),
        ];
        for (text, expected) in table {
            let mut options = started.clone();
            toml::from_str::<Config>(text).expect("a file").apply(&mut options);
            assert_eq!(waiting(&started, &options).collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
