//! `rpcutil set` and `rpcutil unset`: registrations by hand.

use std::time::Duration;

use clap::Args;
use farcall::bind::{Entry, Registration, Uaddr};
use farcall::{Netid, Version};

use crate::error::ToolError;
use crate::portmapper::LocalArgs;
use crate::service::Service;
use crate::words::{netid, program, version};

/// Register a service at this host's portmapper.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// A name or a number.
    #[arg(value_parser = program)]
    program: Service,
    /// A number.
    #[arg(value_parser = version)]
    version: Version,
    /// The transport: udp, tcp, udp6, tcp6 or local.
    #[arg(value_parser = netid)]
    netid: Netid,
    /// A universal address such as 192.0.2.7.8.1, the path of a Unix socket, or just a port: then at
    /// all of this host's addresses.
    address: String,
    #[command(flatten)]
    local: LocalArgs,
}

/// Remove a registration at this host's portmapper.
#[derive(Debug, Args)]
pub(crate) struct UnsetArgs {
    /// A name or a number.
    #[arg(value_parser = program)]
    program: Service,
    /// A number.
    #[arg(value_parser = version)]
    version: Version,
    /// The transport; without one, all.
    #[arg(value_parser = netid)]
    netid: Option<Netid>,
    #[command(flatten)]
    local: LocalArgs,
}

/// Registers a service.
///
/// # Errors
/// The portmapper does not accept it, or cannot be asked.
pub(crate) fn set(args: &SetArgs, timeout: Duration) -> Result<(), ToolError> {
    let SetArgs { program, version, netid, address, local } = args;
    let address = uaddr(address, *netid).map_err(ToolError::No)?;
    if !address.suits(*netid) {
        return Err(ToolError::No(format!("{address} is no address of {netid}")));
    }
    let asked = local.asked(timeout);
    let registration = Registration::new(program.program, *version, *netid, address);
    asked.portmapper().set(&registration).map_err(|error| asked.failed(error))
}

/// Removes the registration of a version over a transport, or over all.
///
/// # Errors
/// There is none; it is another user's; the portmapper cannot be asked.
pub(crate) fn unset(args: &UnsetArgs, timeout: Duration) -> Result<(), ToolError> {
    let UnsetArgs { program: Service { program, name, .. }, version, netid, local } = args;
    let asked = local.asked(timeout);
    // Portmappers say yes where nothing is, and a typing error is to be noticed.
    let is_it = |entry: &Entry| {
        let is_of_it = entry.program == *program && entry.version == *version;
        is_of_it && (netid.is_none() || entry.netid() == *netid)
    };
    if !asked.dump()?.iter().any(is_it) {
        let over = netid.map_or_else(String::new, |netid| format!(" for {netid}"));
        let what = format!("{name} v{version} is not registered at {}{over}", asked.name);
        return Err(ToolError::No(what));
    }
    asked.portmapper().unset(*program, *version, *netid).map_err(|error| asked.failed(error))
}

/// The address of a registration: a universal address, or a port of all of this host's addresses.
///
/// # Errors
/// What is wrong with it.
fn uaddr(text: &str, netid: Netid) -> Result<Uaddr, String> {
    let any = match netid {
        Netid::Udp | Netid::Tcp => "0.0.0.0",
        Netid::Udp6 | Netid::Tcp6 => "::",
        _ => return text.parse().map_err(|error| format!("{text:?}: {error}")),
    };
    match text.parse::<u16>() {
        Ok(port) => {
            let [high, low] = port.to_be_bytes();
            format!("{any}.{high}.{low}").parse()
        }
        Err(_) => text.parse(),
    }
    .map_err(|error| format!("{text:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_a_port() {
        let text = |text: &str, netid| uaddr(text, netid).map(|address| address.to_string());
        assert_eq!(text("2049", Netid::Tcp), Ok("0.0.0.0.8.1".to_owned()));
        assert_eq!(text("2049", Netid::Udp6), Ok("::.8.1".to_owned()));
        assert_eq!(text("127.0.0.1.8.1", Netid::Tcp), Ok("127.0.0.1.8.1".to_owned()));
        assert_eq!(text("/run/kv", Netid::Local), Ok("/run/kv".to_owned()));
        for (wrong, netid) in [("70000", Netid::Tcp), ("", Netid::Udp), ("2049", Netid::Local)] {
            assert!(
                text(wrong, netid).is_err_and(|error| error.starts_with(&format!("{wrong:?}: ")))
            );
        }
    }
}
