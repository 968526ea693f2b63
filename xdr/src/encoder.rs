use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::{AsOpaque, Encode, EncodeError, EncodeErrorKind, InField, Quadruple, padding};

/// A [`Bytes`] of at least this many bytes is spliced in as a segment of its own; below that a copy
/// is cheaper than another segment of a vectored write.
const SPLICE_FROM: usize = 1024;

/// Consumed bytes at the front that are kept before the rest is moved down.
const COMPACT_FROM: usize = 64 << 10;

/// Writes XDR into one growing buffer, large [`Bytes`] spliced in without a copy.
///
/// It is an output queue too: messages are appended one after the other, [`chunks`](Self::chunks)
/// gives the slices for a vectored write, and [`advance`](Self::advance) drops what was written.
/// The buffer is kept when it runs empty, so that a queue in use does not allocate.
///
/// Scalars cannot fail. Values with a bound can, with [`EncodeErrorKind::TooLong`]; what was
/// written before then stays, and [`truncate`](Self::truncate) takes it back.
#[derive(Debug, Default)]
pub struct Encoder {
    buf: Vec<u8>,
    /// Bytes of `buf` that are already written out.
    start: usize,
    splices: VecDeque<Splice>,
    /// Bytes in `splices` that are still to be written out.
    spliced: usize,
}

/// A segment that belongs before `buf[at]`.
#[derive(Debug)]
struct Splice {
    at: usize,
    bytes: Bytes,
}

/// A place in an [`Encoder`], from [`Encoder::mark`]. Good until the next
/// [`advance`](Encoder::advance) or [`clear`](Encoder::clear).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    at: usize,
    splices: usize,
    len: usize,
}

impl Encoder {
    /// An empty encoder that has not allocated.
    #[must_use]
    pub const fn new() -> Self {
        Self { buf: Vec::new(), start: 0, splices: VecDeque::new(), spliced: 0 }
    }

    /// An empty encoder with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { buf: Vec::with_capacity(capacity), ..Self::new() }
    }

    /// Bytes written and not yet dropped by [`advance`](Self::advance), spliced ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buf.len() - self.start + self.spliced
    }

    /// Whether there is nothing to write out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that the buffer holds, used or not; spliced segments not included.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    /// Makes room for `additional` bytes.
    pub fn reserve(&mut self, additional: usize) {
        self.buf.reserve(additional);
    }

    /// Forgets all bytes; keeps the buffer.
    pub fn clear(&mut self) {
        self.buf.clear();
        self.start = 0;
        self.splices.clear();
        self.spliced = 0;
    }

    /// Writes an `int` (RFC 4506 §4.1) or the value of an `enum` (§4.3).
    #[inline]
    pub fn i32(&mut self, value: i32) {
        self.fixed(&value.to_be_bytes());
    }

    /// Writes an `unsigned int` (RFC 4506 §4.2).
    #[inline]
    pub fn u32(&mut self, value: u32) {
        self.fixed(&value.to_be_bytes());
    }

    /// Writes a `hyper` (RFC 4506 §4.5).
    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.fixed(&value.to_be_bytes());
    }

    /// Writes an `unsigned hyper` (RFC 4506 §4.5).
    #[inline]
    pub fn u64(&mut self, value: u64) {
        self.fixed(&value.to_be_bytes());
    }

    /// Writes a `float` (RFC 4506 §4.6).
    #[inline]
    pub fn f32(&mut self, value: f32) {
        self.u32(value.to_bits());
    }

    /// Writes a `double` (RFC 4506 §4.7).
    #[inline]
    pub fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    /// Writes a `quadruple` (RFC 4506 §4.8).
    #[inline]
    pub fn quadruple(&mut self, value: Quadruple) {
        self.fixed(&value.0);
    }

    /// Writes a `bool` (RFC 4506 §4.4): 0 or 1.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.u32(u32::from(value));
    }

    /// Writes bytes as they are. `N` must be a multiple of four: this is for a run of fields of
    /// fixed size that the caller has laid out, at the cost of one check for all of them.
    #[inline]
    pub fn fixed<const N: usize>(&mut self, bytes: &[u8; N]) {
        const { assert!(N.is_multiple_of(4), "XDR items are multiples of four bytes") }
        self.buf.extend_from_slice(bytes);
    }

    /// Writes an `opaque x[n]` (RFC 4506 §4.9): the bytes and their padding.
    pub fn opaque_fixed(&mut self, bytes: &[u8]) {
        self.buf.reserve(bytes.len() + 4);
        self.buf.extend_from_slice(bytes);
        self.pad(bytes.len());
    }

    /// Writes an `opaque x<max>` (RFC 4506 §4.10): length, bytes and padding. A large
    /// [`Bytes`] is not copied.
    ///
    /// # Errors
    /// More than `max` bytes.
    pub fn opaque<O: AsOpaque + ?Sized>(&mut self, value: &O, max: u32) -> Result<(), EncodeError> {
        self.count(value.as_opaque().len(), max)?;
        self.contents(value);
        Ok(())
    }

    /// Writes an `opaque x[len]` (RFC 4506 §4.9) that is too large for an array of Rust. A large
    /// [`Bytes`] is not copied.
    ///
    /// # Errors
    /// Not exactly `len` bytes.
    pub fn opaque_exact<O: AsOpaque + ?Sized>(
        &mut self,
        value: &O,
        len: u32,
    ) -> Result<(), EncodeError> {
        exact(value.as_opaque().len(), len)?;
        self.contents(value);
        Ok(())
    }

    /// Writes a `string x<max>` (RFC 4506 §4.11). `max` counts bytes.
    ///
    /// # Errors
    /// More than `max` bytes.
    #[inline]
    pub fn string(&mut self, value: &str, max: u32) -> Result<(), EncodeError> {
        self.count(value.len(), max)?;
        self.opaque_fixed(value.as_bytes());
        Ok(())
    }

    /// Writes a `T x<max>` (RFC 4506 §4.13): the count and the elements.
    ///
    /// # Errors
    /// More than `max` elements, or an element that does not fit its type.
    pub fn array<T: Encode>(&mut self, items: &[T], max: u32) -> Result<(), EncodeError> {
        self.count(items.len(), max)?;
        T::encode_slice(items, self)
    }

    /// Like [`array`](Self::array), each element written by `encode`.
    ///
    /// # Errors
    /// More than `max` elements, or what `encode` returns.
    pub fn array_with<T>(
        &mut self,
        items: &[T],
        max: u32,
        encode: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.count(items.len(), max)?;
        self.array_fixed_with(items, encode)
    }

    /// Writes a `T x[n]` (RFC 4506 §4.12): the elements.
    ///
    /// # Errors
    /// An element that does not fit its type.
    pub fn array_fixed<T: Encode>(&mut self, items: &[T]) -> Result<(), EncodeError> {
        T::encode_slice(items, self)
    }

    /// Like [`array_fixed`](Self::array_fixed), each element written by `encode`.
    ///
    /// # Errors
    /// What `encode` returns.
    pub fn array_fixed_with<T>(
        &mut self,
        items: &[T],
        mut encode: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        for (i, item) in items.iter().enumerate() {
            encode(self, item).index(i)?;
        }
        Ok(())
    }

    /// Writes a `T x[len]` (RFC 4506 §4.12) that is too large for an array of Rust.
    ///
    /// # Errors
    /// Not exactly `len` elements, or one that does not fit its type.
    pub fn array_exact<T: Encode>(&mut self, items: &[T], len: u32) -> Result<(), EncodeError> {
        exact(items.len(), len)?;
        T::encode_slice(items, self)
    }

    /// Like [`array_exact`](Self::array_exact), each element written by `encode`.
    ///
    /// # Errors
    /// Not exactly `len` elements, or what `encode` returns.
    pub fn array_exact_with<T>(
        &mut self,
        items: &[T],
        len: u32,
        encode: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        exact(items.len(), len)?;
        self.array_fixed_with(items, encode)
    }

    /// Writes a `T *x` (RFC 4506 §4.19).
    ///
    /// # Errors
    /// A value that does not fit its type.
    #[inline]
    pub fn option<T: Encode>(&mut self, value: Option<&T>) -> Result<(), EncodeError> {
        self.option_with(value, |e, value| value.encode(e))
    }

    /// Like [`option`](Self::option), the value written by `encode`.
    ///
    /// # Errors
    /// What `encode` returns.
    #[inline]
    pub fn option_with<T: ?Sized>(
        &mut self,
        value: Option<&T>,
        encode: impl FnOnce(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.bool(value.is_some());
        value.map_or(Ok(()), |value| encode(self, value))
    }

    /// Writes a linked list, that is a struct whose last member is an optional itself (RFC 4506
    /// §4.19): 1 and an element for each item, then 0.
    ///
    /// # Errors
    /// An item that does not fit its type.
    pub fn list<T: Encode>(&mut self, items: &[T]) -> Result<(), EncodeError> {
        self.list_with(items, |e, item| item.encode(e))
    }

    /// Like [`list`](Self::list), each item written by `encode`.
    ///
    /// # Errors
    /// What `encode` returns.
    pub fn list_with<T>(
        &mut self,
        items: &[T],
        mut encode: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        for (i, item) in items.iter().enumerate() {
            self.bool(true);
            encode(self, item).index(i)?;
        }
        self.bool(false);
        Ok(())
    }

    /// Appends what `other` holds. Its spliced segments are shared, not copied.
    pub fn append(&mut self, other: &Self) {
        let mut at = other.start;
        for splice in &other.splices {
            self.buf.extend_from_slice(&other.buf[at..splice.at]);
            self.splice(splice.bytes.clone());
            at = splice.at;
        }
        self.buf.extend_from_slice(&other.buf[at..]);
    }

    /// Appends encoded bytes, a whole message for instance. Large ones are not copied.
    pub fn append_bytes(&mut self, bytes: &Bytes) {
        if bytes.len() >= SPLICE_FROM {
            self.splice(bytes.clone());
        } else {
            self.buf.extend_from_slice(bytes);
        }
    }

    /// Where the next byte goes.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { at: self.buf.len(), splices: self.splices.len(), len: self.len() }
    }

    /// Bytes written since `mark`.
    #[must_use]
    pub fn since(&self, mark: Mark) -> usize {
        self.len().saturating_sub(mark.len)
    }

    /// Takes back everything written since `mark`.
    pub fn truncate(&mut self, mark: Mark) {
        self.buf.truncate(mark.at);
        for splice in self.splices.drain(mark.splices.min(self.splices.len())..) {
            self.spliced -= splice.bytes.len();
        }
    }

    /// Overwrites the word that starts at `mark`, which must have been written since: for a length
    /// or a record mark (RFC 5531 §11) that is known only afterwards.
    ///
    /// # Panics
    /// If no word was written at `mark`.
    pub fn set_u32(&mut self, mark: Mark, value: u32) {
        self.buf[mark.at..mark.at + 4].copy_from_slice(&value.to_be_bytes());
    }

    /// The bytes written since `mark`, if they are in one piece, that is if nothing was spliced.
    #[must_use]
    pub fn contiguous_since(&self, mark: Mark) -> Option<&[u8]> {
        (self.splices.len() == mark.splices).then(|| &self.buf[mark.at..])
    }

    /// What is to be written out, if it is in one piece, that is if nothing is spliced.
    #[must_use]
    pub fn contiguous(&self) -> Option<&[u8]> {
        self.splices.is_empty().then(|| &self.buf[self.start..])
    }

    /// What is to be written out, in order, as slices for a vectored write. None is empty.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks_from(self.start, 0)
    }

    /// What was written since `mark`, in order. None of the slices is empty.
    pub fn chunks_since(&self, mark: Mark) -> impl Iterator<Item = &[u8]> {
        self.chunks_from(mark.at, mark.splices)
    }

    /// Drops `n` bytes from the front, which a write has taken.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn advance(&mut self, mut n: usize) {
        assert!(n <= self.len(), "advance past the end");
        while let Some(splice) = self.splices.front_mut() {
            let plain = splice.at - self.start;
            if n < plain {
                break;
            }
            self.start = splice.at;
            n -= plain;
            let taken = n.min(splice.bytes.len());
            self.spliced -= taken;
            n -= taken;
            if taken < splice.bytes.len() {
                drop(splice.bytes.split_to(taken));
                return;
            }
            self.splices.pop_front();
        }
        self.start += n;
        self.compact();
    }

    /// Everything written, in one piece. Copies only if something was spliced or dropped.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.start == 0 && self.splices.is_empty() {
            return self.buf.into();
        }
        let mut joined = Vec::with_capacity(self.len());
        for chunk in self.chunks() {
            joined.extend_from_slice(chunk);
        }
        joined.into()
    }

    /// The buffer's tail, grown by `len` zero bytes, to be filled in place.
    pub(crate) fn grow(&mut self, len: usize) -> &mut [u8] {
        let at = self.buf.len();
        self.buf.resize(at + len, 0);
        &mut self.buf[at..]
    }

    #[inline]
    fn count(&mut self, len: usize, max: u32) -> Result<(), EncodeError> {
        match u32::try_from(len) {
            Ok(count) if count <= max => {
                self.u32(count);
                Ok(())
            }
            _ => Err(EncodeError::new(EncodeErrorKind::TooLong { len, max })),
        }
    }

    /// Opaque data without its length: the bytes, or where they are, and the padding.
    fn contents<O: AsOpaque + ?Sized>(&mut self, value: &O) {
        let bytes = value.as_opaque();
        match value.as_shared() {
            Some(shared) if bytes.len() >= SPLICE_FROM => self.splice(shared.clone()),
            _ => self.buf.extend_from_slice(bytes),
        }
        self.pad(bytes.len());
    }

    #[inline]
    fn pad(&mut self, len: usize) {
        // A copy of fixed length is an instruction, one of any other a call.
        let end = self.buf.len() + padding(len);
        self.buf.extend_from_slice(&[0; 4]);
        self.buf.truncate(end);
    }

    fn splice(&mut self, bytes: Bytes) {
        self.spliced += bytes.len();
        self.splices.push_back(Splice { at: self.buf.len(), bytes });
    }

    fn chunks_from(&self, start: usize, first_splice: usize) -> impl Iterator<Item = &[u8]> {
        let ends = self.splices.range(first_splice.min(self.splices.len())..);
        let mut at = start;
        let spliced = ends.flat_map(move |splice| {
            let plain = &self.buf[at..splice.at];
            at = splice.at;
            [plain, &splice.bytes[..]]
        });
        let last = self.splices.back().map_or(start, |splice| splice.at.max(start));
        spliced.chain([&self.buf[last..]]).filter(|chunk| !chunk.is_empty())
    }

    /// Reuses the room of what is written out, at a cost that is at most one copy per byte.
    fn compact(&mut self) {
        if self.start == self.buf.len() && self.splices.is_empty() {
            self.clear();
        } else if self.start >= COMPACT_FROM && self.start * 2 >= self.buf.len() {
            self.buf.drain(..self.start);
            for splice in &mut self.splices {
                splice.at -= self.start;
            }
            self.start = 0;
        }
    }
}

fn exact(len: usize, wanted: u32) -> Result<(), EncodeError> {
    match u32::try_from(len) {
        Ok(len) if len == wanted => Ok(()),
        _ => Err(EncodeError::new(EncodeErrorKind::WrongLength { len, wanted })),
    }
}
