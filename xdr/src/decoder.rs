use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::{
    Decode, DecodeError, DecodeErrorKind as Kind, InField, Limits, Quadruple, padded, padding,
};

/// Reads XDR from a byte slice, or from a [`Bytes`] that decoded `opaque<>` values then share.
///
/// Every method that fails leaves the decoder at an unspecified place inside of the value: give up
/// on the message. Errors name the offset; [`InField`] adds the field.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    input: &'a [u8],
    shared: Option<&'a Bytes>,
    at: usize,
    limits: Limits,
    strict: bool,
    trailing: usize,
}

impl<'a> Decoder<'a> {
    /// Reads `input`, which opaque values share: they keep the whole of it alive.
    #[must_use]
    pub fn new(input: &'a Bytes) -> Self {
        Self { shared: Some(input), ..Self::from_slice(input) }
    }

    /// Reads `part`, which lies inside of `shared`; opaque values share the latter.
    ///
    /// For one message of several that arrived in the same buffer.
    ///
    /// # Panics
    /// Reading an opaque value does if `part` does not lie inside of `shared`.
    #[must_use]
    pub fn within(shared: &'a Bytes, part: &'a [u8]) -> Self {
        Self { shared: Some(shared), ..Self::from_slice(part) }
    }

    /// Reads `input`; opaque values are copied out of it.
    #[must_use]
    pub fn from_slice(input: &'a [u8]) -> Self {
        Self { input, shared: None, at: 0, limits: Limits::DEFAULT, strict: false, trailing: 0 }
    }

    /// The same with other limits than [`Limits::DEFAULT`].
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same, strict or not: whether padding that is not zero, booleans other than 0 and 1 and
    /// bytes after the end are errors. C implementations accept them, so the default is no.
    #[must_use]
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// Bytes read so far.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Bytes left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.input.len() - self.at
    }

    /// Reads an `int` (RFC 4506 §4.1) or the value of an `enum` (§4.3).
    ///
    /// # Errors
    /// The input ends before.
    #[inline]
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.fixed().map(|bytes| i32::from_be_bytes(*bytes))
    }

    /// Reads an `unsigned int` (RFC 4506 §4.2).
    ///
    /// # Errors
    /// The input ends before.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.fixed().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Reads a `hyper` (RFC 4506 §4.5).
    ///
    /// # Errors
    /// The input ends before.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.fixed().map(|bytes| i64::from_be_bytes(*bytes))
    }

    /// Reads an `unsigned hyper` (RFC 4506 §4.5).
    ///
    /// # Errors
    /// The input ends before.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.fixed().map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// Reads a `float` (RFC 4506 §4.6).
    ///
    /// # Errors
    /// The input ends before.
    #[inline]
    pub fn f32(&mut self) -> Result<f32, DecodeError> {
        self.u32().map(f32::from_bits)
    }

    /// Reads a `double` (RFC 4506 §4.7).
    ///
    /// # Errors
    /// The input ends before.
    #[inline]
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        self.u64().map(f64::from_bits)
    }

    /// Reads a `quadruple` (RFC 4506 §4.8).
    ///
    /// # Errors
    /// The input ends before.
    #[inline]
    pub fn quadruple(&mut self) -> Result<Quadruple, DecodeError> {
        self.fixed().map(|bytes| Quadruple(*bytes))
    }

    /// Reads a `bool` (RFC 4506 §4.4). Any value but 0 is true, as C implementations have it,
    /// unless strict.
    ///
    /// # Errors
    /// The input ends before; when strict, a value other than 0 and 1.
    #[inline]
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        match self.u32()? {
            0 => Ok(false),
            1 => Ok(true),
            _ if !self.strict => Ok(true),
            other => Err(self.error_before(Kind::BadBool(other))),
        }
    }

    /// Reads `N` bytes as they are, for a run of fields of fixed size. `N` must be a multiple of
    /// four.
    ///
    /// # Errors
    /// The input ends before.
    #[inline]
    pub fn fixed<const N: usize>(&mut self) -> Result<&'a [u8; N], DecodeError> {
        const { assert!(N.is_multiple_of(4), "XDR items are multiples of four bytes") }
        match self.input[self.at..].first_chunk() {
            Some(bytes) => {
                self.at += N;
                Ok(bytes)
            }
            None => Err(self.truncated(N)),
        }
    }

    /// Reads an `opaque x[N]` (RFC 4506 §4.9) and its padding.
    ///
    /// # Errors
    /// The input ends before; when strict, padding that is not zero.
    pub fn opaque_fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.take(N)?;
        bytes.first_chunk().copied().ok_or_else(|| self.truncated(N))
    }

    /// Reads an `opaque x<max>` (RFC 4506 §4.10) and its padding.
    ///
    /// # Errors
    /// A length above `max`; the input ends before; when strict, padding that is not zero.
    pub fn opaque(&mut self, max: u32) -> Result<Bytes, DecodeError> {
        let len = self.count(max)?;
        self.contents(len)
    }

    /// Reads an `opaque x[len]` (RFC 4506 §4.9) that is too large for an array of Rust, and its
    /// padding.
    ///
    /// # Errors
    /// The input ends before; when strict, padding that is not zero.
    pub fn opaque_exact(&mut self, len: u32) -> Result<Bytes, DecodeError> {
        let len = self.in_memory(len)?;
        self.contents(len)
    }

    /// Reads a `string x<max>` (RFC 4506 §4.11) that must be UTF-8, and its padding. `max` counts
    /// bytes.
    ///
    /// # Errors
    /// A length above `max`; the input ends before; not UTF-8; when strict, padding that is not
    /// zero.
    pub fn string(&mut self, max: u32) -> Result<String, DecodeError> {
        let len = self.count(max)?;
        let offset = self.at;
        let bytes = self.take(len)?;
        let text =
            core::str::from_utf8(bytes).map_err(|_| DecodeError::new(Kind::NotUtf8, offset))?;
        self.charge(len)?;
        Ok(text.into())
    }

    /// Reads a `T x<max>` (RFC 4506 §4.13).
    ///
    /// # Errors
    /// A count above `max` or above what the input can hold; [`Limits::bytes`] exceeded; an
    /// element that fails.
    pub fn array<T: Decode>(&mut self, max: u32) -> Result<Vec<T>, DecodeError> {
        let count = self.element_count(max, size_of::<T>())?;
        T::decode_vec(self, count)
    }

    /// Like [`array`](Self::array), each element read by `decode`.
    ///
    /// # Errors
    /// As [`array`](Self::array), or what `decode` returns.
    pub fn array_with<T>(
        &mut self,
        max: u32,
        decode: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.element_count(max, size_of::<T>())?;
        self.elements(count, decode)
    }

    /// Reads a `T x[N]` (RFC 4506 §4.12).
    ///
    /// # Errors
    /// An element that fails.
    pub fn array_fixed<T: Decode, const N: usize>(&mut self) -> Result<[T; N], DecodeError> {
        T::decode_array(self)
    }

    /// Like [`array_fixed`](Self::array_fixed), each element read by `decode`.
    ///
    /// # Errors
    /// What `decode` returns.
    pub fn array_fixed_with<T, const N: usize>(
        &mut self,
        mut decode: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<[T; N], DecodeError> {
        let mut failed = None;
        let items: [Option<T>; N] = core::array::from_fn(|i| {
            if failed.is_some() {
                return None;
            }
            decode(self).index(i).map_err(|e| failed = Some(e)).ok()
        });
        match failed {
            Some(e) => Err(e),
            // Without a failure every slot was filled.
            None => Ok(items.map(|item| item.expect("decoded"))),
        }
    }

    /// Reads a `T x[len]` (RFC 4506 §4.12) that is too large for an array of Rust.
    ///
    /// # Errors
    /// More elements than the input can hold; [`Limits::bytes`] exceeded; an element that fails.
    pub fn array_exact<T: Decode>(&mut self, len: u32) -> Result<Vec<T>, DecodeError> {
        let count = self.in_memory(len)?;
        self.check_count(count, size_of::<T>())?;
        T::decode_vec(self, count)
    }

    /// Like [`array_exact`](Self::array_exact), each element read by `decode`.
    ///
    /// # Errors
    /// As [`array_exact`](Self::array_exact), or what `decode` returns.
    pub fn array_exact_with<T>(
        &mut self,
        len: u32,
        decode: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.in_memory(len)?;
        self.check_count(count, size_of::<T>())?;
        self.elements(count, decode)
    }

    /// Reads a `T *x` (RFC 4506 §4.19).
    ///
    /// # Errors
    /// A value that fails.
    #[inline]
    pub fn option<T: Decode>(&mut self) -> Result<Option<T>, DecodeError> {
        self.option_with(T::decode)
    }

    /// Like [`option`](Self::option), the value read by `decode`.
    ///
    /// # Errors
    /// What `decode` returns.
    #[inline]
    pub fn option_with<T>(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.bool()? { decode(self).map(Some) } else { Ok(None) }
    }

    /// Reads a linked list, that is a struct whose last member is an optional itself (RFC 4506
    /// §4.19), in a loop: its length costs no stack.
    ///
    /// # Errors
    /// [`Limits::bytes`] exceeded; an item that fails.
    pub fn list<T: Decode>(&mut self) -> Result<Vec<T>, DecodeError> {
        self.list_with(T::decode)
    }

    /// Like [`list`](Self::list), each item read by `decode`.
    ///
    /// # Errors
    /// [`Limits::bytes`] exceeded, or what `decode` returns.
    pub fn list_with<T>(
        &mut self,
        mut decode: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let mut items = Vec::new();
        while self.bool()? {
            self.charge(size_of::<T>())?;
            items.push(decode(self).index(items.len())?);
        }
        Ok(items)
    }

    /// Reads a value one level down: for a type that contains itself other than as a list.
    ///
    /// # Errors
    /// [`Limits::depth`] exceeded, or what `decode` returns.
    pub fn nested<T>(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let Some(depth) = self.limits.depth.checked_sub(1) else {
            return Err(DecodeError::new(Kind::TooDeep, self.at));
        };
        self.limits.depth = depth;
        let value = decode(self);
        self.limits.depth += 1;
        value
    }

    /// Says that the value ends here. Bytes that follow are an error when strict, and otherwise
    /// remembered for [`trailing`](Self::trailing).
    ///
    /// # Errors
    /// When strict: bytes are left.
    pub fn end(&mut self) -> Result<(), DecodeError> {
        self.trailing = self.remaining();
        if self.strict && self.trailing > 0 {
            return Err(DecodeError::new(Kind::Trailing(self.trailing), self.at));
        }
        Ok(())
    }

    /// The bytes left, which are read by that. Up to `copied` bytes are copied; more share the input,
    /// if there is one to share, and keep the whole of it alive.
    pub fn rest(&mut self, copied: usize) -> Bytes {
        let rest = &self.input[self.at..];
        self.at = self.input.len();
        match self.shared {
            Some(shared) if rest.len() > copied => shared.slice_ref(rest),
            _ => Bytes::copy_from_slice(rest),
        }
    }

    /// How many bytes were left at [`end`](Self::end).
    #[must_use]
    pub fn trailing(&self) -> usize {
        self.trailing
    }

    /// Takes `len` bytes off the memory allowance, for hand-written decoders that allocate.
    ///
    /// # Errors
    /// [`Limits::bytes`] exceeded.
    #[inline]
    pub fn charge(&mut self, len: usize) -> Result<(), DecodeError> {
        match self.limits.bytes.checked_sub(len) {
            Some(left) => {
                self.limits.bytes = left;
                Ok(())
            }
            None => Err(DecodeError::new(Kind::TooLarge, self.at)),
        }
    }

    /// The error for an enumeration value just read that type `ty` does not have.
    #[cold]
    #[must_use]
    pub fn bad_enum(&self, ty: &'static str, value: i32) -> DecodeError {
        self.error_before(Kind::BadEnum { ty, value })
    }

    /// The error for a discriminant just read that union `ty` has no arm for.
    #[cold]
    #[must_use]
    pub fn bad_union(&self, ty: &'static str, discriminant: i32) -> DecodeError {
        self.error_before(Kind::BadUnion { ty, discriminant })
    }

    /// Elements `0..count`, of which at most as much memory is taken ahead as input is left.
    pub(crate) fn elements<T>(
        &mut self,
        count: usize,
        mut decode: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let mut items = Vec::with_capacity(count.min(self.remaining() / size_of::<T>().max(1)));
        for i in 0..count {
            items.push(decode(self).index(i)?);
        }
        Ok(items)
    }

    /// `len` bytes, and the padding after them skipped.
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let Some((bytes, after)) = self.input[self.at..].split_at_checked(len) else {
            return Err(self.truncated(len));
        };
        let Some(pad) = after.get(..padding(len)) else {
            return Err(self.truncated(padded(len)));
        };
        if self.strict && pad.iter().any(|&b| b != 0) {
            return Err(DecodeError::new(Kind::BadPadding, self.at + len));
        }
        self.at += padded(len);
        Ok(bytes)
    }

    #[inline]
    fn count(&mut self, max: u32) -> Result<usize, DecodeError> {
        let len = self.u32()?;
        if len > max {
            return Err(self.error_before(Kind::TooLong { len, max }));
        }
        self.in_memory(len)
    }

    /// A length as one in memory.
    fn in_memory(&self, len: u32) -> Result<usize, DecodeError> {
        usize::try_from(len).map_err(|_| self.error_before(Kind::TooLarge))
    }

    /// `len` bytes that share the input where they can, and the padding after them skipped.
    fn contents(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        let bytes = self.take(len)?;
        match self.shared {
            _ if bytes.is_empty() => Ok(Bytes::new()),
            Some(shared) => Ok(shared.slice_ref(bytes)),
            None => {
                self.charge(len)?;
                Ok(Bytes::copy_from_slice(bytes))
            }
        }
    }

    /// An array's count, checked against the input (an element takes at least four bytes) and
    /// against the memory allowance.
    fn element_count(&mut self, max: u32, element: usize) -> Result<usize, DecodeError> {
        let count = self.count(max)?;
        self.check_count(count, element)?;
        Ok(count)
    }

    fn check_count(&mut self, count: usize, element: usize) -> Result<(), DecodeError> {
        if count > self.remaining() / 4 {
            return Err(self.truncated(count.saturating_mul(4)));
        }
        self.charge(count.saturating_mul(element))
    }

    #[cold]
    fn truncated(&self, needed: usize) -> DecodeError {
        DecodeError::new(Kind::Truncated { needed, remaining: self.remaining() }, self.at)
    }

    /// An error about the word just read.
    #[cold]
    fn error_before(&self, kind: Kind) -> DecodeError {
        DecodeError::new(kind, self.at.saturating_sub(4))
    }
}
