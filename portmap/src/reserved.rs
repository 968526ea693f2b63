//! What only root may register: what others trust a host for, and what is not the caller's to offer.
//!
//! rpcbind takes anything from anybody, so that any user can be the NFS server of a host that has
//! none. Not all of Sun's programs are kept for root: `rpc.statd` and `rpc.rusersd` register as
//! users of their own.

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

/// Only root can bind those below.
const FIRST_PORT: u16 = 1024;

/// Whether who is not root may register it, on a host with these interfaces.
///
/// # Errors
/// [`SetError::Reserved`]: such a program, or a port below 1024. [`SetError::Elsewhere`]: no address
/// of this host, over a transport that is known.
pub(crate) fn check(entry: &Entry, interfaces: &[Interface]) -> Result<(), SetError> {
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
        1..FIRST_PORT => Err(SetError::Reserved),
        _ => on_this_host(addr, interfaces).map(|_| ()).ok_or(SetError::Elsewhere),
    }
}

fn is_reserved(program: Program) -> bool {
    PROGRAMS.iter().any(|range| range.contains(&program.0))
}
