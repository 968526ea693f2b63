//! `rpcutil set` and `rpcutil unset`: registrations by hand.

use farcall::bind::{Registration, Uaddr};
use farcall::{Netid, Program, Version};

use super::{Asked, ToolError};

/// Registers a service.
///
/// # Errors
/// The portmapper does not accept it, or cannot be asked.
pub(crate) fn set(asked: &Asked, registration: &Registration) -> Result<(), ToolError> {
    let Registration { netid, address, .. } = registration;
    if !address.suits(*netid) {
        return Err(ToolError::No(format!("{address} is no address of {netid}")));
    }
    let failed = |error| ToolError::portmapper(&asked.name, error);
    asked.portmapper.set(registration).map_err(failed)
}

/// Removes the registration of a version over a transport, or over all.
///
/// # Errors
/// There is none; it is another user's; the portmapper cannot be asked.
pub(crate) fn unset(
    asked: &Asked,
    program: Program,
    version: Version,
    netid: Option<Netid>,
) -> Result<(), ToolError> {
    let failed = |error| ToolError::portmapper(&asked.name, error);
    // Portmappers say yes where nothing is, and a typing error is to be noticed.
    let entries = asked.portmapper.dump().map_err(failed)?;
    let is_it = |of: Option<Netid>| netid.is_none() || of == netid;
    let mut of_it = entries.iter().filter(|e| e.program == program && e.version == version);
    if !of_it.any(|entry| is_it(entry.netid())) {
        let over = netid.map_or_else(String::new, |netid| format!(" over {netid}"));
        let what = format!("program {program} version {version}{over}");
        return Err(ToolError::No(format!("{what} is not registered at {}", asked.name)));
    }
    asked.portmapper.unset(program, version, netid).map_err(failed)
}

/// The address of a registration: a universal address, or a port of all of this host's addresses.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn address(text: &str, netid: Netid) -> Result<Uaddr, String> {
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
        let text = |text: &str, netid| address(text, netid).map(|address| address.to_string());
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
