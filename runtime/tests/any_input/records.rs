//! Any bytes in any pieces.

use farcall::proto::record::{LAST_FRAGMENT, RecordError, RecordLimits, RecordReader};
use farcall::xdr::Bytes;

use super::Input;

/// What a stream is read as: whole records, and how it ends.
type Reading = (Vec<Vec<u8>>, Result<InRecord, RecordError>);

/// Whether part of a record is there.
type InRecord = bool;

/// A stream is read as the same records however it is cut into pieces, and wherever they are put.
pub(crate) fn record_reader(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = limits(&mut input);
    let wire = wire(&mut input);
    assert_eq!(in_pieces(&wire, limits, &mut input), at_once(&wire, limits));
}

fn limits(input: &mut Input<'_>) -> RecordLimits {
    let mut limits = RecordLimits::DEFAULT;
    if !input.flag() {
        limits.bytes = 64;
        limits.fragments = 5;
        limits.empty_fragments = 2;
    }
    limits
}

/// Bytes as they come, and among them fragments of a length that would take up too much input.
fn wire(input: &mut Input<'_>) -> Vec<u8> {
    let mut wire = Vec::new();
    for _ in 0..input.byte() % 8 {
        match input.byte() % 4 {
            0 => wire.extend(input.bytes(32)),
            1 => fragment(&mut wire, usize::from(input.byte() % 8), input),
            2 => fragment(&mut wire, usize::from(input.byte()), input),
            _ => fragment(&mut wire, usize::from(input.short() % 32_768), input),
        }
    }
    wire
}

fn fragment(wire: &mut Vec<u8>, len: usize, input: &mut Input<'_>) {
    let last = if input.flag() { 0 } else { LAST_FRAGMENT };
    wire.extend((u32::try_from(len).expect("16 bits") | last).to_be_bytes());
    wire.extend((0..len).map(|at| at.to_be_bytes()[7]));
}

/// By RFC 5531 §11, all of it being there.
fn at_once(wire: &[u8], limits: RecordLimits) -> Reading {
    let (mut records, mut record) = (Vec::new(), Vec::new());
    let (mut rest, mut fragments, mut empty) = (wire, 0, 0);
    while let Some((mark, after)) = rest.split_first_chunk() {
        let mark = u32::from_be_bytes(*mark);
        let (last, len) = (mark & LAST_FRAGMENT != 0, (mark & !LAST_FRAGMENT) as usize);
        fragments += 1;
        empty = if len == 0 && !last { empty + 1 } else { 0 };
        let total = record.len() + len;
        if total > limits.bytes {
            return (records, Err(RecordError::TooLong { len: total, max: limits.bytes }));
        }
        if fragments > limits.fragments {
            return (records, Err(RecordError::TooManyFragments));
        }
        if empty > limits.empty_fragments {
            return (records, Err(RecordError::NoProgress));
        }
        if after.len() < len {
            return (records, Ok(true));
        }
        let (body, after) = after.split_at(len);
        record.extend(body);
        rest = after;
        if last {
            records.push(std::mem::take(&mut record));
            (fragments, empty) = (0, 0);
        }
    }
    (records, Ok(!rest.is_empty() || fragments > 0))
}

fn in_pieces(mut wire: &[u8], limits: RecordLimits, input: &mut Input<'_>) -> Reading {
    let mut reader = RecordReader::new(limits);
    let mut records = Vec::new();
    while !wire.is_empty() {
        let most = match input.byte() % 3 {
            _ if input.is_empty() => wire.len(),
            0 => input.byte().into(),
            _ => input.short().into(),
        };
        let most = usize::max(most, 1).min(wire.len());
        let direct = !input.flag();
        let (taken, chunk) = match reader.space().filter(|_| direct) {
            Some(space) => {
                let n = most.min(space.len());
                space[..n].copy_from_slice(&wire[..n]);
                reader.filled(n);
                (n, Bytes::new())
            }
            None => (most, Bytes::copy_from_slice(&wire[..most])),
        };
        wire = &wire[taken..];
        if let Err(error) = read_all(&mut reader, &chunk, &mut records) {
            return (records, Err(error));
        }
    }
    (records, Ok(reader.in_record()))
}

fn read_all(
    reader: &mut RecordReader,
    chunk: &Bytes,
    records: &mut Vec<Vec<u8>>,
) -> Result<(), RecordError> {
    let mut at = 0;
    while let Some(message) = reader.read(chunk, &mut at)? {
        assert_eq!(message.bytes(), message.to_bytes());
        records.push(message.bytes().to_vec());
    }
    assert_eq!(at, chunk.len(), "all is taken in");
    Ok(())
}
