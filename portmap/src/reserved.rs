//! What only root may register: what others trust a host for, and what is not the caller's to offer.
//!
//! rpcbind takes anything from anybody, so that any user can be the NFS server of a host that has
//! none. Not all of Sun's programs are kept for root: `rpc.statd` and `rpc.rusersd` register as
//! users of their own.

use std::fs;
use std::ops::RangeInclusive;

use farcall::bind::Uaddr;
use farcall::{Netid, Program};

use crate::address::{Interface, on_this_host};
use crate::registry::{Entry, SetError};

/// Programs that stand for the host: files, accounts, keys.
const PROGRAMS: [RangeInclusive<u32>; 9] = [
    // The portmapper itself.
    100_000..=100_000,
    // nfs, ypserv, mountd
    100_003..=100_005,
    // ypbind
    100_007..=100_007,
    // yppasswdd
    100_009..=100_009,
    // rquotad
    100_011..=100_011,
    // nlockmgr
    100_021..=100_021,
    // ypupdated, keyserv
    100_028..=100_029,
    // ypxfrd
    100_069..=100_069,
    // nfs_acl
    100_227..=100_227,
];

/// The first port that is for everybody anywhere.
const FIRST_UNRESERVED: u16 = 1024;

/// Where Linux says which it is in this process's network (ip-sysctl: `ip_unprivileged_port_start`).
const START: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/// The first port of this host that is not for root alone, at most 1024.
pub(crate) fn first_unreserved() -> u16 {
    // Who cannot read it has no such system, or an old one.
    start(&fs::read_to_string(START).unwrap_or_default())
}

fn start(text: &str) -> u16 {
    text.trim().parse().map_or(FIRST_UNRESERVED, |port: u16| port.min(FIRST_UNRESERVED))
}

/// Whether who is not root may register it, on a host with these interfaces.
///
/// # Errors
/// [`SetError::Reserved`]: such a program, or a port before the first that is for all.
/// [`SetError::Elsewhere`]: no address of this host, over a transport that is known.
pub(crate) fn check(
    entry: &Entry,
    first_unreserved: u16,
    interfaces: &[Interface],
) -> Result<(), SetError> {
    if is_reserved(entry.program) {
        return Err(SetError::Reserved);
    }
    let netid = Netid::from_name(&entry.netid).ok_or(SetError::Elsewhere)?;
    let uaddr: Uaddr = entry.address.parse().map_err(|_| SetError::Elsewhere)?;
    if !uaddr.suits(netid) {
        return Err(SetError::Elsewhere);
    }
    let Some(addr) = uaddr.ip() else { return Ok(()) };
    match addr.port() {
        0 => Err(SetError::Elsewhere),
        port if port < first_unreserved => Err(SetError::Reserved),
        _ => on_this_host(addr, interfaces).map(|_| ()).ok_or(SetError::Elsewhere),
    }
}

fn is_reserved(program: Program) -> bool {
    PROGRAMS.iter().any(|range| range.contains(&program.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_port_is_what_the_system_says_and_at_most_1024() {
        let table = [
            // what the system says, the first port
            ("1024\n", 1024),
            ("80\n", 80),
            ("0\n", 0),
            ("49152\n", 1024),
            ("65536\n", 1024),
            ("", 1024),
        ];
        for (text, expected) in table {
            assert_eq!(start(text), expected, "{text:?}");
        }
    }
}
