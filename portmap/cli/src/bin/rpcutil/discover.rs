//! `rpcutil discover`: who on this host's networks has a program.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use farcall::bind::Broadcast;
use farcall::{Procedure, Program, Version};
use farcall_portmap::PORT;

use crate::error::ToolError;
use crate::networks;
use crate::portmapper::resolve;
use crate::service::interface;
use crate::words::{exact, seconds};

/// Find the hosts of this host's networks that have a service, by broadcast.
///
/// The portmappers of the hosts pass the call on; many are set up not to. Each service that answers
/// is printed with its address, and the portmapper's that passed the call on.
#[derive(Debug, Args)]
pub(crate) struct DiscoverArgs {
    /// A name or a number, and a version: ypbind/2.
    #[arg(value_name = "PROGRAM/VERSION", value_parser = exact)]
    service: (Program, Version),
    /// How long to listen.
    #[arg(long, value_name = "SECS", default_value = "4", value_parser = seconds)]
    listen: Duration,
    /// Ask only on the networks of this interface; repeatable.
    #[arg(long = "if", value_name = "INTERFACE")]
    interfaces: Vec<String>,
    /// Ask only this host, or this broadcast or multicast address; repeatable.
    #[arg(long, value_name = "HOST")]
    at: Vec<String>,
    /// The port of the portmappers.
    #[arg(long, value_name = "N", default_value_t = PORT)]
    portmapper_port: u16,
}

/// Calls procedure 0 of all, and prints each that answers.
///
/// # Errors
/// There is no network; nobody answers, which has status 3.
pub(crate) fn run(args: &DiscoverArgs, out: &mut impl Write) -> Result<(), ToolError> {
    let (program, version) = args.service;
    let broadcast = Broadcast::new(interface(program, version))
        .timeout(args.listen)
        .portmapper_port(args.portmapper_port);
    let broadcast = targets(args)?.into_iter().fold(broadcast, Broadcast::target);
    let failed = |error| ToolError::Call { asked: "broadcast".to_owned(), error };
    let replies = broadcast.call(Procedure::NULL, |_| Ok(()), |_| Ok(())).map_err(failed)?;
    let mut is_found = false;
    for (responder, ()) in replies {
        writeln!(out, "{} by {}", responder.server, responder.portmapper)?;
        out.flush()?;
        is_found = true;
    }
    if is_found { Ok(()) } else { Err(nobody(args)) }
}

/// Where to ask, if not everywhere.
fn targets(args: &DiscoverArgs) -> Result<Vec<SocketAddr>, ToolError> {
    let port = args.portmapper_port;
    let hosts = args.at.iter().map(|host| resolve(host, port));
    let mut targets = hosts.collect::<Result<Vec<_>, _>>()?;
    for name in &args.interfaces {
        let networks = networks::list(Some(name), port);
        if networks.is_empty() {
            return Err(ToolError::No(format!("{name:?} is no interface that can broadcast")));
        }
        targets.extend(networks);
    }
    Ok(targets)
}

fn nobody(args: &DiscoverArgs) -> ToolError {
    let ((program, version), listen) = (args.service, args.listen);
    ToolError::Silence(format!(
        "no portmapper passed a call on to program {program} version {version} within {listen:?}; \
         many are set up not to, or refuse some programs"
    ))
}
