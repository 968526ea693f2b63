use std::io::{self, Read};

use farcall::xdr::Encoder;

use crate::{blob, v1};

/// A call of `BENCH_ECHO` with so many bytes, without a record mark.
#[must_use]
pub fn echo_call(xid: u32, size: usize) -> Vec<u8> {
    let mut e = Encoder::new();
    for word in [xid, 0, 2, v1::INTERFACE.program.0, 1, 1, 0, 0, 0, 0] {
        e.u32(word);
    }
    // Only what is longer than the bound cannot be encoded.
    let _ = e.opaque(&blob(size), u32::MAX);
    e.into_bytes().to_vec()
}

/// The same as a record of one fragment.
#[must_use]
pub fn echo_record(xid: u32, size: usize) -> Vec<u8> {
    let message = echo_call(xid, size);
    let mark = message.len() as u32 | 1 << 31;
    [&mark.to_be_bytes()[..], &message].concat()
}

/// The next record, which has one fragment.
///
/// # Errors
/// The stream's; it ended.
pub fn read_record(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut mark = [0; 4];
    stream.read_exact(&mut mark)?;
    let len = u32::from_be_bytes(mark) & !(1 << 31);
    let mut record = vec![0; len as usize];
    stream.read_exact(&mut record)?;
    Ok(record)
}
