//! `rpcutil`, and a `portmapd` that it asks.

use std::time::Duration;

use farcall::bind::{Portmapper, Registration, Uaddr};
use farcall::{Netid, Program, Version};

use super::{Daemon, rpcutil};

/// Exit status, standard output and standard error.
pub(crate) type Run = (Option<i32>, String, String);

pub(crate) fn run(args: &[&str]) -> Run {
    let output = rpcutil(args);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A `portmapd`, by its port and its Unix socket, as they are written on a command line.
pub(crate) struct Asked {
    pub(crate) daemon: Daemon,
    pub(crate) port: String,
    pub(crate) socket: String,
}

impl Asked {
    pub(crate) fn start() -> Self {
        let daemon = Daemon::start(&["--no-prune"]);
        let (port, socket) = (daemon.port.to_string(), daemon.socket().display().to_string());
        Self { daemon, port, socket }
    }

    pub(crate) fn register(&self, program: u32, version: u32, netid: Netid, address: &str) {
        let local = Portmapper::unix(self.daemon.socket()).timeout(Duration::from_secs(20));
        let address: Uaddr = address.parse().expect("a universal address");
        let registration = Registration::new(Program(program), Version(version), netid, address);
        local.set(&registration).expect("accepted");
    }
}

/// The universal address of a port at all addresses of IPv4.
pub(crate) fn uaddr(port: u16) -> String {
    format!("0.0.0.0.{}.{}", port >> 8, port & 0xff)
}
