//! `rpcutil discover`: who on this host's networks has a program.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use farcall::bind::Broadcast;
use farcall::{Procedure, Program, Version};

use super::{ToolError, interface};

/// What to look for, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Discover {
    /// The program.
    pub(crate) program: Program,
    /// Its version.
    pub(crate) version: Version,
    /// How long to listen.
    pub(crate) listen: Duration,
    /// Where the portmappers listen.
    pub(crate) portmapper_port: u16,
    /// Only there: broadcast or multicast addresses, or hosts.
    pub(crate) at: Vec<SocketAddr>,
}

/// Calls procedure 0 of all, and prints each that answers: its address, and the portmapper's that
/// passed the call on.
///
/// # Errors
/// There is no network; nobody answers, which has status 3.
pub(crate) fn discover(discover: &Discover, out: &mut impl Write) -> Result<(), ToolError> {
    let interface = interface(discover.program, discover.version);
    let broadcast = Broadcast::new(interface)
        .timeout(discover.listen)
        .portmapper_port(discover.portmapper_port);
    let broadcast = discover.at.iter().copied().fold(broadcast, Broadcast::target);
    let failed = |error| ToolError::Call { asked: "broadcast".to_owned(), error };
    let replies = broadcast.call(Procedure::NULL, |_| Ok(()), |_| Ok(())).map_err(failed)?;
    let mut is_found = false;
    for (responder, ()) in replies {
        writeln!(out, "{} by {}", responder.server, responder.portmapper)?;
        out.flush()?;
        is_found = true;
    }
    if is_found {
        return Ok(());
    }
    Err(ToolError::Silence(format!(
        "no portmapper passed a call on to program {} version {} within {:?}; many are set up not \
         to, or refuse some programs",
        discover.program, discover.version, discover.listen
    )))
}
