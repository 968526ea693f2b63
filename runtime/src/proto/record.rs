//! Record marking (RFC 5531 §11): messages in a byte stream.
//!
//! Bytes come in as they were read, split anywhere; whole records come out. A record that lies in
//! one piece in what was read is not copied. Everything a peer can make this hold is bounded.

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::xdr::Decoder;

/// The bit of a record mark that says that this fragment is the record's last.
pub const LAST_FRAGMENT: u32 = 1 << 31;

/// The length of a record mark, in bytes.
const MARK_LEN: usize = 4;

/// From this many bytes of a record on, it is given room ahead of what arrived. Before, memory
/// follows what arrived, so that a mark alone costs nothing.
const TRUST_FROM: usize = 16 << 10;

/// So many times what arrived is the room ahead of it. A buffer that is moved to make room exists
/// twice meanwhile, so that at most four times what a peer sent is held.
const ROOM_AHEAD: usize = 2;

/// What a peer may send as one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordLimits {
    /// The longest record, in bytes without its marks. Default 1 MiB.
    pub bytes: usize,
    /// The most fragments of a record. Default 4096: senders exist that cut at 1 KiB.
    pub fragments: u32,
    /// The most fragments without a byte in them, in a row. Default 16.
    pub empty_fragments: u32,
}

impl RecordLimits {
    /// The defaults of the fields.
    pub const DEFAULT: Self = Self { bytes: 1 << 20, fragments: 4096, empty_fragments: 16 };

    /// The same with another length of the longest record.
    #[must_use]
    pub const fn with_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }
}

impl Default for RecordLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordError {
    /// The record is longer than [`RecordLimits::bytes`].
    TooLong {
        /// How long it is at least.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The record has more fragments than [`RecordLimits::fragments`].
    TooManyFragments,
    /// More fragments in a row than [`RecordLimits::empty_fragments`] that are empty.
    NoProgress,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, max } => write!(f, "record of {len} bytes, {max} are allowed"),
            Self::TooManyFragments => f.write_str("record of too many fragments"),
            Self::NoProgress => f.write_str("too many empty fragments"),
        }
    }
}

impl std::error::Error for RecordError {}

/// A whole message, as it arrived or as it was put together.
#[derive(Debug, Clone)]
pub struct Message<'a>(Source<'a>);

#[derive(Debug, Clone)]
enum Source<'a> {
    Part { shared: &'a Bytes, part: &'a [u8] },
    Whole(Bytes),
}

impl<'a> Message<'a> {
    /// `part`, which lies inside of `shared`.
    #[must_use]
    pub fn within(shared: &'a Bytes, part: &'a [u8]) -> Self {
        Self(Source::Part { shared, part })
    }

    /// All of its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Source::Part { part, .. } => part,
            Source::Whole(bytes) => bytes,
        }
    }

    /// Reads it; opaque values share its buffer.
    #[must_use]
    pub fn decoder(&self) -> Decoder<'_> {
        match &self.0 {
            Source::Part { shared, part } => Decoder::within(shared, part),
            Source::Whole(bytes) => Decoder::new(bytes),
        }
    }

    /// The same bytes, kept alive on their own: they share the buffer that they arrived in.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match &self.0 {
            Source::Part { shared, part } => shared.slice_ref(part),
            Source::Whole(bytes) => bytes.clone(),
        }
    }
}

impl From<Bytes> for Message<'_> {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Whole(bytes))
    }
}

/// Turns a stream of bytes into records.
///
/// After an error the stream has no known record boundary any more: close it.
#[derive(Debug)]
pub struct RecordReader {
    limits: RecordLimits,
    /// The mark that is being read, and how much of it is there.
    mark: [u8; MARK_LEN],
    mark_len: usize,
    /// Bytes of the current fragment that are still to come. `None` before its mark is complete.
    missing: Option<usize>,
    last: bool,
    fragments: u32,
    empty: u32,
    /// The record so far. Its length is what arrived, or more where [`Self::space`] gave out room.
    record: BytesMut,
    /// Bytes of `record` that arrived.
    filled: usize,
}

impl RecordReader {
    /// At the start of a stream.
    #[must_use]
    pub fn new(limits: RecordLimits) -> Self {
        Self {
            limits,
            mark: [0; MARK_LEN],
            mark_len: 0,
            missing: None,
            last: false,
            fragments: 0,
            empty: 0,
            record: BytesMut::new(),
            filled: 0,
        }
    }

    /// Whether part of a record is there, so that the rest of it is waited for.
    #[must_use]
    pub fn in_record(&self) -> bool {
        self.mark_len > 0 || self.missing.is_some() || self.fragments > 0
    }

    /// The memory that part of a record takes, in bytes.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.record.capacity()
    }

    /// The next whole record of `chunk`, from byte `at` on, which moves past it.
    ///
    /// `None` when more bytes are needed: what was left of `chunk` is then taken in.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn read<'a>(
        &mut self,
        chunk: &'a Bytes,
        at: &mut usize,
    ) -> Result<Option<Message<'a>>, RecordError> {
        loop {
            if let Some(done) = self.take_finished() {
                return Ok(Some(done));
            }
            let rest = &chunk[*at..];
            match self.missing {
                None if !self.in_record() && rest.len() >= MARK_LEN => {
                    if let Some(message) = self.in_one_piece(chunk, at)? {
                        return Ok(Some(message));
                    }
                }
                None => {
                    let taken = rest.len().min(MARK_LEN - self.mark_len);
                    self.mark[self.mark_len..self.mark_len + taken].copy_from_slice(&rest[..taken]);
                    self.mark_len += taken;
                    *at += taken;
                    if self.mark_len < MARK_LEN {
                        return Ok(None);
                    }
                    self.start_fragment(u32::from_be_bytes(self.mark))?;
                }
                Some(missing) => {
                    let taken = rest.len().min(missing);
                    self.extend(&rest[..taken]);
                    *at += taken;
                    if taken < missing {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Where to read to directly, if a long record is being received: its own buffer.
    ///
    /// Say with [`filled`](Self::filled) how much came. Then [`read`](Self::read) has the record,
    /// given an empty chunk, once it is whole.
    pub fn space(&mut self) -> Option<&mut [u8]> {
        let missing = self.missing?;
        if missing == 0 || self.filled < TRUST_FROM {
            return None;
        }
        if self.record.len() == self.filled {
            let ahead = match self.record.capacity() - self.filled {
                0 => ROOM_AHEAD * self.filled,
                spare => spare,
            };
            self.record.resize(self.filled + missing.min(ahead), 0);
        }
        let end = self.record.len().min(self.filled + missing);
        Some(&mut self.record[self.filled..end])
    }

    /// `n` bytes were read into [`space`](Self::space).
    ///
    /// # Panics
    /// If there was not so much space.
    pub fn filled(&mut self, n: usize) {
        let missing = self.missing.unwrap_or(0);
        assert!(n <= missing, "more bytes than there was space");
        self.filled += n;
        self.missing = Some(missing - n);
    }

    /// A record that starts at `at`, has one fragment and lies in the chunk as a whole. If it is
    /// not one, its mark is taken in.
    fn in_one_piece<'a>(
        &mut self,
        chunk: &'a Bytes,
        at: &mut usize,
    ) -> Result<Option<Message<'a>>, RecordError> {
        let rest = &chunk[*at..];
        let Some((mark, body)) = rest.split_first_chunk::<MARK_LEN>() else {
            return Ok(None);
        };
        let mark = u32::from_be_bytes(*mark);
        self.start_fragment(mark)?;
        *at += MARK_LEN;
        let len = self.missing.unwrap_or(0);
        if mark & LAST_FRAGMENT == 0 || body.len() < len {
            return Ok(None);
        }
        self.reset();
        *at += len;
        Ok(Some(Message::within(chunk, &body[..len])))
    }

    fn start_fragment(&mut self, mark: u32) -> Result<(), RecordError> {
        // The mask leaves 31 bits, which fit a usize of any platform with sockets.
        let len = (mark & !LAST_FRAGMENT) as usize;
        self.last = mark & LAST_FRAGMENT != 0;
        let total = self.filled.saturating_add(len);
        if total > self.limits.bytes {
            return Err(RecordError::TooLong { len: total, max: self.limits.bytes });
        }
        self.fragments += 1;
        if self.fragments > self.limits.fragments {
            return Err(RecordError::TooManyFragments);
        }
        self.empty = if len == 0 && !self.last { self.empty + 1 } else { 0 };
        if self.empty > self.limits.empty_fragments {
            return Err(RecordError::NoProgress);
        }
        self.mark_len = 0;
        self.missing = Some(len);
        Ok(())
    }

    fn extend(&mut self, bytes: &[u8]) {
        // Room that `space` gave out and that was not used comes first.
        let inside = bytes.len().min(self.record.len() - self.filled);
        self.record[self.filled..self.filled + inside].copy_from_slice(&bytes[..inside]);
        self.record.extend_from_slice(&bytes[inside..]);
        self.filled(bytes.len());
    }

    /// The record, if its last fragment is complete; goes on to the next fragment otherwise.
    fn take_finished(&mut self) -> Option<Message<'static>> {
        if self.missing != Some(0) {
            return None;
        }
        self.missing = None;
        if !self.last {
            return None;
        }
        let mut record = std::mem::take(&mut self.record).freeze();
        record.truncate(self.filled);
        self.reset();
        Some(Message::from(record))
    }

    fn reset(&mut self) {
        self.missing = None;
        self.fragments = 0;
        self.empty = 0;
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(last: bool, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len()).expect("short");
        let mark = if last { len | LAST_FRAGMENT } else { len };
        [&mark.to_be_bytes()[..], body].concat()
    }

    /// All records of `wire`, given in pieces of `step` bytes.
    fn records(
        wire: &[u8],
        step: usize,
        limits: RecordLimits,
    ) -> Result<Vec<Vec<u8>>, RecordError> {
        let mut reader = RecordReader::new(limits);
        let mut found = Vec::new();
        for piece in wire.chunks(step) {
            let chunk = Bytes::copy_from_slice(piece);
            let mut at = 0;
            while let Some(message) = reader.read(&chunk, &mut at)? {
                found.push(message.bytes().to_vec());
            }
            assert_eq!(at, chunk.len(), "all is taken in");
        }
        Ok(found)
    }

    #[test]
    fn any_split_gives_the_same_records() {
        let wire = [
            fragment(true, b"whole"),
            fragment(false, b"in "),
            fragment(false, b""),
            fragment(false, b"three"),
            fragment(true, b" parts"),
            fragment(true, b""),
            fragment(false, b"ends empty"),
            fragment(true, b""),
        ]
        .concat();
        let expected: [&[u8]; 4] = [b"whole", b"in three parts", b"", b"ends empty"];
        for step in 1..=wire.len() {
            let found = records(&wire, step, RecordLimits::DEFAULT).expect("within limits");
            assert_eq!(found, expected, "step {step}");
        }
    }

    #[test]
    fn limits_are_errors() {
        let limits = RecordLimits { bytes: 10, fragments: 3, empty_fragments: 1 };
        let long = fragment(true, &[0; 11]);
        let sum = [fragment(false, &[0; 6]), fragment(true, &[0; 5])].concat();
        let many = fragment(false, b"x").repeat(4);
        let empty = fragment(false, b"").repeat(2);
        let table: [(&[u8], RecordError); 5] = [
            (&long, RecordError::TooLong { len: 11, max: 10 }),
            (&sum, RecordError::TooLong { len: 11, max: 10 }),
            (&many, RecordError::TooManyFragments),
            (&empty, RecordError::NoProgress),
            (&[0xff; 4], RecordError::TooLong { len: 0x7fff_ffff, max: 10 }),
        ];
        for (wire, error) in table {
            for step in [1, wire.len()] {
                assert_eq!(records(wire, step, limits), Err(error), "{wire:?}");
            }
        }
    }

    #[test]
    fn a_long_record_is_read_into_its_own_buffer() {
        let body: Vec<u8> = (0..100_000u32).map(|i| i.to_be_bytes()[3]).collect();
        let wire = fragment(true, &body);
        let mut reader = RecordReader::new(RecordLimits::DEFAULT);
        assert!(reader.space().is_none());
        let (chunk, mut rest) = wire.split_at(TRUST_FROM + 4);
        let chunk = Bytes::copy_from_slice(chunk);
        assert!(reader.read(&chunk, &mut 0).expect("within limits").is_none());
        // Twice as much as came, and again; then what is missing.
        for (room, taken) in [(32_768, 10), (32_758, 32_758), (50_848, 48), (50_800, 800)] {
            let space = reader.space().expect("trusted by now");
            assert_eq!(space.len(), room);
            let (now, later) = rest.split_at(taken);
            space[..taken].copy_from_slice(now);
            reader.filled(taken);
            rest = later;
        }
        // A chunk may come in between.
        let (now, rest) = rest.split_at(10);
        let chunk = Bytes::copy_from_slice(now);
        assert!(reader.read(&chunk, &mut 0).expect("within limits").is_none());
        reader.space().expect("still long").copy_from_slice(rest);
        reader.filled(rest.len());
        let none = Bytes::new();
        let message = reader.read(&none, &mut 0).expect("within limits").expect("whole");
        assert_eq!(message.bytes(), body);
        assert!(!reader.in_record());
    }

    #[test]
    fn a_mark_alone_takes_no_memory() {
        let mut reader = RecordReader::new(RecordLimits::DEFAULT);
        let chunk = Bytes::copy_from_slice(&(LAST_FRAGMENT | (1 << 20)).to_be_bytes());
        assert!(reader.read(&chunk, &mut 0).expect("within limits").is_none());
        assert!(reader.in_record());
        assert_eq!(reader.record.capacity(), 0);
        assert!(reader.space().is_none());
    }
}
