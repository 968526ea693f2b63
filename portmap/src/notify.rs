//! What systemd is told of the daemon, if it started it as `Type=notify` (sd_notify(3)).

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};
use std::{env, io, process};

/// All that is waited for is there: units that come after this one may start.
pub(crate) fn ready() {
    tell("READY=1\n");
}

/// The end has begun.
pub(crate) fn stopping() {
    tell("STOPPING=1\n");
}

/// Says again and again that the daemon lives, where systemd is to restart one that does not.
#[derive(Debug)]
pub(crate) struct Watchdog {
    every: Duration,
    next: Instant,
}

impl Watchdog {
    /// `None` if nobody waits for it.
    pub(crate) fn start(now: Instant) -> Option<Self> {
        // Twice as often as it is waited for, as the manual advises.
        let every = waited_for()? / 2;
        (!every.is_zero()).then_some(Self { every, next: now })
    }

    /// Says it if it is time to, and returns when it will be the next time.
    pub(crate) fn turn(&mut self, now: Instant) -> Duration {
        if self.next <= now {
            tell("WATCHDOG=1\n");
            self.next = now + self.every;
        }
        self.next - now
    }
}

/// How long it may be silent (sd_watchdog_enabled(3)).
fn waited_for() -> Option<Duration> {
    let is_other = |pid: String| pid.parse() != Ok(process::id());
    if env::var("WATCHDOG_PID").is_ok_and(is_other) {
        return None;
    }
    let microseconds = env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    Some(Duration::from_micros(microseconds))
}

fn tell(what: &str) {
    let Some(socket) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, what) {
        log::warn!("cannot tell systemd {}: {error}", what.trim_end());
    }
}

fn send(socket: &OsStr, what: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(what.as_bytes(), &address).map(drop)
}
