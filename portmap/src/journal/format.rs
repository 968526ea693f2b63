//! The bytes of a journal: records, the first of which says what file it is.
//!
//! A record is a head of three words, and its content in XDR: the content's length, its CRC-32,
//! and the CRC-32 of these two words. The head has its own so that a wrong length is not taken
//! for the end of a file that was cut.

use std::fmt;

use farcall::xdr::{DecodeError, Decoder, EncodeError, Encoder};
use farcall::{Program, Version};

use crate::access::Owner;
use crate::registry::{Change, Entry, Registry};

const MAGIC: &[u8; 24] = b"farcall portmap journal\n";
/// Of the format.
const VERSION: u32 = 1;

const HEAD_LEN: usize = 12;

/// `unsigned int` of what a record is.
const SET: u32 = 1;
const UNSET: u32 = 2;

/// `unsigned int` of an owner.
const SUPERUSER: u32 = 0;
const UID: u32 = 1;
const UNKNOWN: u32 = 2;

/// What a journal has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) changes: Vec<Change>,
    /// How many bytes at the end are of a record that was not written to its end.
    pub(super) torn: usize,
}

/// Why a file is not a journal that was merely cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Corrupt {
    /// Not a journal, or of another version.
    Foreign,
    /// A record is not as it was written.
    Damaged { offset: usize },
    /// A record is as it was written, but says nothing.
    Meaningless { offset: usize },
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("it is not a journal of this version"),
            Self::Damaged { offset } => write!(f, "it is damaged at byte {offset}"),
            Self::Meaningless { offset } => write!(f, "no change is known at byte {offset}"),
        }
    }
}

/// A journal of a table, and how many changes it has.
pub(super) fn whole(table: &Registry) -> (Vec<u8>, usize) {
    let mut bytes = framed(&first());
    let mut records = 0;
    for entry in table.registrations() {
        bytes.extend(record(&Change::Set(entry.clone())));
        records += 1;
    }
    (bytes, records)
}

/// The record of a change.
pub(super) fn record(change: &Change) -> Vec<u8> {
    let mut e = Encoder::new();
    // What is in the table is shorter than any bound of XDR.
    let _: Result<(), EncodeError> = encode(change, &mut e);
    framed(&e.into_bytes())
}

/// Reads all records.
///
/// # Errors
/// A record before the last is not whole, or one that is whole is not understood. To go on with
/// the records before it could bring back what was removed later.
pub(super) fn read(bytes: &[u8]) -> Result<Contents, Corrupt> {
    let mut contents = Contents { changes: Vec::new(), torn: 0 };
    let mut offset = 0;
    while offset < bytes.len() {
        let Some(content) = unframed(bytes, offset)? else {
            contents.torn = bytes.len() - offset;
            break;
        };
        if offset == 0 {
            if content != first() {
                return Err(Corrupt::Foreign);
            }
        } else {
            let change = decode(content).map_err(|_| Corrupt::Meaningless { offset })?;
            contents.changes.push(change);
        }
        offset += HEAD_LEN + content.len();
    }
    Ok(contents)
}

fn first() -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_be_bytes()].concat()
}

fn framed(content: &[u8]) -> Vec<u8> {
    // Lengths are those of registrations.
    let len = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let words = [len.to_be_bytes(), crc32fast::hash(content).to_be_bytes()].concat();
    let check = crc32fast::hash(&words).to_be_bytes();
    [&words[..], &check, content].concat()
}

/// The content of the record at an offset; `None` for one that was not written to its end.
fn unframed(bytes: &[u8], offset: usize) -> Result<Option<&[u8]>, Corrupt> {
    let rest = bytes.get(offset..).unwrap_or_default();
    let Some((head, rest)) = rest.split_at_checked(HEAD_LEN) else {
        return Ok(None);
    };
    let (words, check) = head.split_at(8);
    if crc32fast::hash(words).to_be_bytes() != check {
        // A file that the system made longer, and a crash kept from being written to.
        let is_blank = head.iter().chain(rest).all(|&byte| byte == 0);
        return if is_blank && offset > 0 { Ok(None) } else { Err(damaged(offset)) };
    }
    let (len, crc) = words.split_at(4);
    let len = len.iter().fold(0, |len, &byte| len << 8 | usize::from(byte));
    let Some((content, rest)) = rest.split_at_checked(len) else { return Ok(None) };
    if crc32fast::hash(content).to_be_bytes() == crc {
        Ok(Some(content))
    } else if rest.is_empty() && offset > 0 {
        Ok(None)
    } else {
        Err(damaged(offset))
    }
}

/// Without a whole first record nothing says that it is a journal at all.
fn damaged(offset: usize) -> Corrupt {
    if offset == 0 { Corrupt::Foreign } else { Corrupt::Damaged { offset } }
}

fn encode(change: &Change, e: &mut Encoder) -> Result<(), EncodeError> {
    match change {
        Change::Set(entry) => {
            e.u32(SET);
            e.u32(entry.program.0);
            e.u32(entry.version.0);
            e.string(&entry.netid, u32::MAX)?;
            e.string(&entry.address, u32::MAX)?;
            encode_owner(entry.owner, e);
            Ok(())
        }
        Change::Unset { program, version, netids } => {
            e.u32(UNSET);
            e.u32(program.0);
            e.u32(version.0);
            e.array(netids, u32::MAX)
        }
    }
}

fn encode_owner(owner: Owner, e: &mut Encoder) {
    let (kind, uid) = match owner {
        Owner::Superuser => (SUPERUSER, 0),
        Owner::Uid(uid) => (UID, uid),
        Owner::Unknown => (UNKNOWN, 0),
    };
    e.u32(kind);
    e.u32(uid);
}

fn decode(content: &[u8]) -> Result<Change, DecodeError> {
    let mut d = Decoder::from_slice(content).strict(true);
    let kind = d.u32()?;
    let (program, version) = (Program(d.u32()?), Version(d.u32()?));
    let change = match kind {
        SET => {
            let (netid, address) = (d.string(u32::MAX)?, d.string(u32::MAX)?);
            Change::Set(Entry { program, version, netid, address, owner: decode_owner(&mut d)? })
        }
        UNSET => Change::Unset { program, version, netids: d.array(u32::MAX)? },
        other => return Err(d.bad_union("change", other.cast_signed())),
    };
    d.end()?;
    Ok(change)
}

fn decode_owner(d: &mut Decoder<'_>) -> Result<Owner, DecodeError> {
    match (d.u32()?, d.u32()?) {
        (SUPERUSER, 0) => Ok(Owner::Superuser),
        (UID, uid) => Ok(Owner::Uid(uid)),
        (UNKNOWN, 0) => Ok(Owner::Unknown),
        (other, _) => Err(d.bad_union("owner", other.cast_signed())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(version: u32, netid: &str, owner: Owner) -> Change {
        let (netid, address) = (netid.to_owned(), format!("0.0.0.0.8.{version}"));
        Change::Set(Entry { program: Program(7), version: Version(version), netid, address, owner })
    }

    fn unset(version: u32, netids: &[&str]) -> Change {
        let netids = netids.iter().map(|&netid| netid.to_owned()).collect();
        Change::Unset { program: Program(7), version: Version(version), netids }
    }

    fn history() -> Vec<Change> {
        vec![
            set(1, "tcp", Owner::Superuser),
            set(1, "udp", Owner::Uid(1001)),
            unset(1, &["tcp", "udp"]),
            set(2, "", Owner::Unknown),
            unset(2, &[""]),
            set(3, "tcp6", Owner::Uid(u32::MAX)),
        ]
    }

    /// A journal of the history, and where its records end.
    fn written() -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, records) = whole(&Registry::default());
        assert_eq!(records, 0);
        let mut ends = vec![bytes.len()];
        for change in history() {
            bytes.extend(record(&change));
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn what_is_written_is_read() {
        let (bytes, _) = written();
        assert_eq!(read(&bytes), Ok(Contents { changes: history(), torn: 0 }));
        let mut table = Registry::default();
        let entries = [set(1, "tcp", Owner::Superuser), set(1, "udp", Owner::Uid(1001))];
        entries.iter().for_each(|change| assert_eq!(table.apply(change.clone()), 0));
        let (bytes, records) = whole(&table);
        assert_eq!((read(&bytes), records), (Ok(Contents { changes: entries.into(), torn: 0 }), 2));
    }

    #[test]
    fn the_bytes_stay_as_they_are() {
        let bytes = record(&set(1, "tcp", Owner::Uid(1001)));
        let mut expected = b"\0\0\0\x2c".to_vec();
        expected.extend(b"\x34\xf8\x8a\x29\x26\x53\xb8\x5f");
        expected.extend(b"\0\0\0\x01\0\0\0\x07\0\0\0\x01\0\0\0\x03tcp\0");
        expected.extend(b"\0\0\0\x0b0.0.0.0.8.1\0\0\0\0\x01\0\0\x03\xe9");
        assert_eq!(bytes, expected);
    }

    #[test]
    fn t25_a_file_cut_anywhere_has_the_changes_before_the_cut() {
        let (bytes, ends) = written();
        for len in 0..=bytes.len() {
            let whole = ends.iter().filter(|&&end| end <= len).count();
            let torn = len - whole.checked_sub(1).map_or(0, |last| ends[last]);
            let changes = history()[..whole.saturating_sub(1)].to_vec();
            assert_eq!(read(&bytes[..len]), Ok(Contents { changes, torn }), "{len}");
        }
    }

    #[test]
    fn a_file_that_was_made_longer_but_not_written_has_the_changes_before() {
        let (bytes, _) = written();
        for zeros in [1, 11, 12, 13, 4096] {
            let longer = [&bytes[..], &vec![0; zeros]].concat();
            let expected = Contents { changes: history(), torn: zeros };
            assert_eq!(read(&longer), Ok(expected), "{zeros}");
        }
    }

    #[test]
    fn t25_a_byte_that_changed_is_found_wherever_it_is() {
        let (bytes, ends) = written();
        let last = ends[ends.len() - 2];
        let cut = history()[..history().len() - 1].to_vec();
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let start = ends.iter().rev().find(|&&end| end <= at).copied().unwrap_or(0);
                let expected = match start {
                    0 => Err(Corrupt::Foreign),
                    // It may as well be one that was not written to its end.
                    _ if at >= last + HEAD_LEN => {
                        Ok(Contents { changes: cut.clone(), torn: bytes.len() - last })
                    }
                    offset => Err(Corrupt::Damaged { offset }),
                };
                assert_eq!(read(&changed), expected, "{at} {flip}");
            }
        }
    }

    #[test]
    fn another_file_is_no_journal() {
        let (bytes, ends) = written();
        let mut next = framed(&[&MAGIC[..], &2_u32.to_be_bytes()].concat());
        next.extend(&bytes[ends[0]..]);
        let later = &bytes[ends[0]..];
        let files = [&b"#!/bin/sh\nexit 0\n"[..], &[0; 100], &[0xff; 100], later, &next];
        for file in files {
            assert_eq!(read(file), Err(Corrupt::Foreign), "{file:x?}");
        }
    }

    #[test]
    fn a_record_that_says_nothing_is_not_passed_over() {
        let (bytes, _) = written();
        let contents = [
            &b""[..],
            b"\0\0\0\x03\0\0\0\x07\0\0\0\x01",
            b"\0\0\0\x02\0\0\0\x07\0\0\0\x01\0\0\0\x09",
            b"\0\0\0\x02\0\0\0\x07\0\0\0\x01\0\0\0\0rest",
            b"\0\0\0\x01\0\0\0\x07\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x03\0\0\0\0",
        ];
        for content in contents {
            let odd = [&bytes[..], &framed(content)].concat();
            let expected = Err(Corrupt::Meaningless { offset: bytes.len() });
            assert_eq!(read(&odd), expected, "{content:x?}");
        }
    }
}
