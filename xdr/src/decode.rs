use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use byteorder::{BigEndian, ByteOrder};
use bytes::Bytes;

use crate::{DecodeError, Decoder, Quadruple, UNBOUNDED};

/// A value that can be read from XDR.
///
/// Every type used as an array element must take at least four bytes on the wire; all XDR types
/// but `void` do.
pub trait Decode: Sized {
    /// Reads the value.
    ///
    /// # Errors
    /// The bytes are not such a value, or limits are exceeded.
    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError>;

    /// Reads the elements of an array whose count was checked.
    ///
    /// Numbers override it with a conversion of the whole slice.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), with the element's index in the path.
    #[doc(hidden)]
    fn decode_vec(d: &mut Decoder<'_>, count: usize) -> Result<Vec<Self>, DecodeError> {
        d.elements(count, Self::decode)
    }

    /// Reads the elements of an array of fixed length.
    ///
    /// Numbers override it with a conversion of the whole slice.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), with the element's index in the path.
    #[doc(hidden)]
    fn decode_array<const N: usize>(d: &mut Decoder<'_>) -> Result<[Self; N], DecodeError> {
        d.array_fixed_with(Self::decode)
    }
}

macro_rules! scalar {
    ($($ty:ident $(: $len:literal, $zero:literal, $read_into:path)?;)*) => {$(
        impl Decode for $ty {
            #[inline]
            fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
                d.$ty()
            }

            $(fn decode_vec(d: &mut Decoder<'_>, count: usize) -> Result<Vec<Self>, DecodeError> {
                let bytes = d.take(count.saturating_mul($len))?;
                let mut items = vec![$zero; count];
                $read_into(bytes, &mut items);
                Ok(items)
            }

            fn decode_array<const N: usize>(d: &mut Decoder<'_>) -> Result<[Self; N], DecodeError> {
                let bytes = d.take(N.saturating_mul($len))?;
                let mut items = [$zero; N];
                $read_into(bytes, &mut items);
                Ok(items)
            })?
        }
    )*};
}

scalar! {
    i32: 4, 0, BigEndian::read_i32_into;
    u32: 4, 0, BigEndian::read_u32_into;
    i64: 8, 0, BigEndian::read_i64_into;
    u64: 8, 0, BigEndian::read_u64_into;
    f32: 4, 0.0, BigEndian::read_f32_into;
    f64: 8, 0.0, BigEndian::read_f64_into;
    bool;
}

impl Decode for Quadruple {
    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.quadruple()
    }
}

impl Decode for () {
    fn decode(_: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(())
    }
}

impl<const N: usize> Decode for [u8; N] {
    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.opaque_fixed()
    }
}

impl<T: Decode, const N: usize> Decode for [T; N] {
    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.array_fixed()
    }
}

impl Decode for Bytes {
    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.opaque(UNBOUNDED)
    }
}

impl Decode for String {
    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.string(UNBOUNDED)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.array(UNBOUNDED)
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.option()
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        T::decode(d).map(Self::new)
    }
}
