//! The files in which rpcbind leaves what is registered, to move from it and back.
//!
//! They are the lists that DUMP of versions 3 and 2 answers with, in XDR. rpcbind writes them when
//! it ends, reads them with `-w`, and removes them then.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use farcall::bind::Uaddr;
use farcall::bind::proto::pmap_prot::{Mapping, PmaplistEntry};
use farcall::bind::proto::rpcb_prot::{Rpcb, Rpcblist};
use farcall::xdr::{Decode, Decoder, Encode, Encoder};
use farcall::{Program, Version};

use crate::access::Owner;
use crate::registry::{self, Entry, Registry};
use crate::{PROGRAM, files};

/// Where rpcbind has them.
pub const DIR: &str = "/run/rpcbind";

/// What versions 3 and 4 list.
const RPCBIND: &str = "rpcbind.xdr";
/// What version 2 lists.
const PORTMAP: &str = "portmap.xdr";

/// The table that rpcbind has left in a folder, without its own entries. `None` if it has left
/// none.
///
/// # Errors
/// The files cannot be read, or somebody else than the folder's owner can have written them.
pub fn read(dir: &Path) -> io::Result<Option<Registry>> {
    let Some(list) = read_list::<Rpcblist>(dir, RPCBIND)? else { return Ok(None) };
    let mut table = Registry::default();
    for item in list {
        restore(&mut table, entry(item.rpcb_map));
    }
    for item in read_list::<PmaplistEntry>(dir, PORTMAP)?.unwrap_or_default() {
        restore_mapping(&mut table, &item.map);
    }
    Ok(Some(table))
}

/// Leaves a table for rpcbind, as the folder's owner.
///
/// # Errors
/// The files cannot be written.
pub fn write(dir: &Path, table: &Registry) -> io::Result<()> {
    let entries: Vec<_> = table.registrations().map(to_wire).collect();
    let mappings: Vec<_> = table.registrations().filter_map(mapping_to_wire).collect();
    let folder = File::open(dir)?;
    let owner = folder.metadata()?.uid();
    // rpcbind does not read the second without the first.
    files::replace(&dir.join(PORTMAP), &list(&mappings)?, Some(owner))?;
    files::replace(&dir.join(RPCBIND), &list(&entries)?, Some(owner))?;
    folder.sync_all()
}

/// Removes the files, as rpcbind does when it has read them.
///
/// # Errors
/// One of them is still there.
pub fn remove(dir: &Path) -> io::Result<()> {
    for name in [RPCBIND, PORTMAP] {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn read_list<T: Decode>(dir: &Path, name: &str) -> io::Result<Option<Vec<T>>> {
    let folder = match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        folder => folder?,
    };
    if !files::is_only_of(&folder, &[folder.uid()]) {
        return Err(io::Error::other("others may write in the folder"));
    }
    let bytes = match files::read(&dir.join(name), folder.uid()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    let mut d = Decoder::from_slice(&bytes).strict(true);
    let list = d.list().and_then(|list| d.end().map(|()| list));
    list.map(Some).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{name} is damaged: {error}"))
    })
}

fn list<T: Encode>(items: &[T]) -> io::Result<Vec<u8>> {
    let mut e = Encoder::new();
    e.list(items).map_err(io::Error::other)?;
    Ok(e.into_bytes().to_vec())
}

/// The portmapper's own entries are those of rpcbind, not ours.
fn restore(table: &mut Registry, entry: Entry) {
    if entry.program == PROGRAM {
        return;
    }
    let text = entry.to_string();
    if let Err(error) = table.restore(entry) {
        log::warn!("not taken over from rpcbind, {error}: {text}");
    }
}

/// As a rule the other list has it too.
fn restore_mapping(table: &mut Registry, mapping: &Mapping) {
    let (program, version) = (Program(mapping.prog), Version(mapping.vers));
    let netid = registry::Mapping::netid(mapping.prot);
    let (Some(netid), Ok(port)) = (netid, u16::try_from(mapping.port)) else { return };
    if table.lookup_exact(program, version, netid.as_str()).is_none() {
        let address = Uaddr::Ip(([0, 0, 0, 0], port).into()).to_string();
        let netid = netid.to_string();
        restore(table, Entry { program, version, netid, address, owner: Owner::Unknown });
    }
}

fn entry(rpcb: Rpcb) -> Entry {
    Entry {
        program: Program(rpcb.r_prog),
        version: Version(rpcb.r_vers),
        netid: rpcb.r_netid,
        address: rpcb.r_addr,
        owner: Owner::from_name(&rpcb.r_owner),
    }
}

fn to_wire(entry: &Entry) -> Rpcblist {
    let rpcb_map = Rpcb {
        r_prog: entry.program.0,
        r_vers: entry.version.0,
        r_netid: entry.netid.clone(),
        r_addr: entry.address.clone(),
        r_owner: entry.owner.to_string(),
    };
    Rpcblist { rpcb_map }
}

fn mapping_to_wire(entry: &Entry) -> Option<PmaplistEntry> {
    let mapping = entry.mapping()?;
    let map = Mapping {
        prog: mapping.program.0,
        vers: mapping.version.0,
        prot: mapping.protocol,
        port: u32::from(mapping.port),
    };
    Some(PmaplistEntry { map })
}
