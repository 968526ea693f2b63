use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

/// What can be sent as `opaque<>`: anything that has bytes.
///
/// [`Bytes`] stands out: a large one goes out without being copied. Generated clients take
/// `&(impl AsOpaque + ?Sized)`, so `b"literal"`, `&vec[..]` and `&bytes` all do.
pub trait AsOpaque {
    /// The bytes.
    fn as_opaque(&self) -> &[u8];

    /// The same bytes as a handle that can be shared, where there is one.
    fn as_shared(&self) -> Option<&Bytes> {
        None
    }
}

impl AsOpaque for Bytes {
    fn as_opaque(&self) -> &[u8] {
        self
    }

    fn as_shared(&self) -> Option<&Bytes> {
        Some(self)
    }
}

impl AsOpaque for [u8] {
    fn as_opaque(&self) -> &[u8] {
        self
    }
}

impl<const N: usize> AsOpaque for [u8; N] {
    fn as_opaque(&self) -> &[u8] {
        self
    }
}

impl AsOpaque for Vec<u8> {
    fn as_opaque(&self) -> &[u8] {
        self
    }
}

impl AsOpaque for str {
    fn as_opaque(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsOpaque for String {
    fn as_opaque(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<O: AsOpaque + ?Sized> AsOpaque for &O {
    fn as_opaque(&self) -> &[u8] {
        (**self).as_opaque()
    }

    fn as_shared(&self) -> Option<&Bytes> {
        (**self).as_shared()
    }
}
