use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use byteorder::{BigEndian, ByteOrder};
use bytes::Bytes;

use crate::{EncodeError, Encoder, InField, Quadruple, UNBOUNDED, padded};

/// A value that can be written as XDR.
pub trait Encode {
    /// How many bytes [`encode`](Self::encode) will write: always a multiple of four.
    fn encoded_len(&self) -> usize;

    /// Writes the value.
    ///
    /// # Errors
    /// The value does not fit its declaration: a bound is exceeded. Bytes may have been written
    /// by then; the caller takes them back with [`Encoder::truncate`].
    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError>;

    /// Writes the elements of an array one after the other.
    ///
    /// Numbers override it with a conversion of the whole slice.
    ///
    /// # Errors
    /// As [`encode`](Self::encode), with the element's index in the path.
    #[doc(hidden)]
    fn encode_slice(items: &[Self], e: &mut Encoder) -> Result<(), EncodeError>
    where
        Self: Sized,
    {
        for (i, item) in items.iter().enumerate() {
            item.encode(e).index(i)?;
        }
        Ok(())
    }

    /// The encoded length of the elements of an array, without the count.
    #[doc(hidden)]
    fn slice_encoded_len(items: &[Self]) -> usize
    where
        Self: Sized,
    {
        items.iter().map(Self::encoded_len).sum()
    }
}

macro_rules! scalar {
    ($($ty:ident: $len:literal $(, $write_into:path)?;)*) => {$(
        impl Encode for $ty {
            #[inline]
            fn encoded_len(&self) -> usize {
                $len
            }

            #[inline]
            fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
                e.$ty(*self);
                Ok(())
            }

            $(fn encode_slice(items: &[Self], e: &mut Encoder) -> Result<(), EncodeError> {
                $write_into(items, e.grow(items.len() * $len));
                Ok(())
            })?

            #[inline]
            fn slice_encoded_len(items: &[Self]) -> usize {
                items.len() * $len
            }
        }
    )*};
}

scalar! {
    i32: 4, BigEndian::write_i32_into;
    u32: 4, BigEndian::write_u32_into;
    i64: 8, BigEndian::write_i64_into;
    u64: 8, BigEndian::write_u64_into;
    f32: 4, BigEndian::write_f32_into;
    f64: 8, BigEndian::write_f64_into;
    bool: 4;
}

impl Encode for Quadruple {
    fn encoded_len(&self) -> usize {
        16
    }

    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        e.quadruple(*self);
        Ok(())
    }
}

impl Encode for () {
    fn encoded_len(&self) -> usize {
        0
    }

    fn encode(&self, _: &mut Encoder) -> Result<(), EncodeError> {
        Ok(())
    }
}

impl<const N: usize> Encode for [u8; N] {
    fn encoded_len(&self) -> usize {
        padded(N)
    }

    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        e.opaque_fixed(self);
        Ok(())
    }
}

impl<T: Encode, const N: usize> Encode for [T; N] {
    fn encoded_len(&self) -> usize {
        T::slice_encoded_len(self)
    }

    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        e.array_fixed(self)
    }
}

impl Encode for Bytes {
    fn encoded_len(&self) -> usize {
        4 + padded(self.len())
    }

    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        e.opaque(self, UNBOUNDED)
    }
}

impl Encode for str {
    fn encoded_len(&self) -> usize {
        4 + padded(self.len())
    }

    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        e.string(self, UNBOUNDED)
    }
}

impl Encode for String {
    fn encoded_len(&self) -> usize {
        self.as_str().encoded_len()
    }

    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        self.as_str().encode(e)
    }
}

impl<T: Encode> Encode for [T] {
    fn encoded_len(&self) -> usize {
        4 + T::slice_encoded_len(self)
    }

    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        e.array(self, UNBOUNDED)
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encoded_len(&self) -> usize {
        self.as_slice().encoded_len()
    }

    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        self.as_slice().encode(e)
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encoded_len(&self) -> usize {
        4 + self.as_ref().map_or(0, T::encoded_len)
    }

    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        e.option(self.as_ref())
    }
}

impl<T: Encode + ?Sized> Encode for Box<T> {
    fn encoded_len(&self) -> usize {
        (**self).encoded_len()
    }

    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        (**self).encode(e)
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    fn encoded_len(&self) -> usize {
        (**self).encoded_len()
    }

    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        (**self).encode(e)
    }
}
