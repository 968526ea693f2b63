//! A buffer that sockets are read into.

use bytes::BytesMut;

use crate::xdr::Bytes;

/// Bytes read at once; no datagram is larger.
const SIZE: usize = 64 << 10;

/// A buffer that is read into over and over, as long as nobody keeps a part of it.
#[derive(Debug)]
pub(crate) struct Scratch(BytesMut);

impl Scratch {
    pub(super) fn new() -> Self {
        let mut buffer = BytesMut::zeroed(SIZE);
        // What was split once counts who has it from then on: sharing it allocates nothing.
        drop(buffer.split_off(SIZE));
        Self(buffer)
    }

    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// The first `n` bytes.
    pub(super) fn filled(&self, n: usize) -> &[u8] {
        &self.0[..n]
    }

    /// Gives `use_it` the first `n` bytes as ones that can be shared. If a part of them is kept, the
    /// buffer stays with it, and there is a new one.
    pub(super) fn with<R>(&mut self, n: usize, use_it: impl FnOnce(&Bytes) -> R) -> R {
        let whole = std::mem::take(&mut self.0).freeze();
        let chunk = whole.slice(..n);
        let result = use_it(&chunk);
        drop(chunk);
        *self = whole.try_into_mut().map_or_else(|_| Self::new(), Self);
        result
    }
}
