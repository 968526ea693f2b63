//! XDR, the external data representation of RFC 4506: encoding and decoding without I/O.
//!
//! [`Encoder`] writes into one growing buffer; [`Decoder`] reads from a byte slice or from a
//! [`Bytes`], which the decoded `opaque<>` values then share instead of copying it. Types implement
//! [`Encode`] and [`Decode`]; the `.x` compiler of this project writes those implementations.
//!
//! | XDR (RFC 4506 section) | Rust | bytes on the wire |
//! |---|---|---|
//! | `int` (4.1), `unsigned int` (4.2), `enum` (4.3) | `i32`, `u32`, a Rust enum | 4 |
//! | `bool` (4.4) | `bool` | 4 |
//! | `hyper`, `unsigned hyper` (4.5) | `i64`, `u64` | 8 |
//! | `float` (4.6), `double` (4.7), `quadruple` (4.8) | `f32`, `f64`, [`Quadruple`] | 4, 8, 16 |
//! | `opaque x[n]` (4.9) | `[u8; N]` | n, padded to a multiple of 4 |
//! | `opaque x<>` (4.10) | [`Bytes`] | 4 + n, padded |
//! | `string x<>` (4.11) | `String` | 4 + n, padded |
//! | `T x[n]` (4.12), `T x<>` (4.13) | `[T; N]`, `Vec<T>` | n elements; 4 + n elements |
//! | `void` (4.16) | `()` | 0 |
//! | `T *x` (4.19) | `Option<T>`, and `Vec<T>` for a linked list | 4, or 4 + `T` |
//!
//! Encoding is strict: padding is zero, a `bool` is 0 or 1, bounds are checked. Decoding accepts
//! what C implementations accept (any padding, any non-zero `bool`) unless
//! [`Decoder::strict`] asks otherwise. No length read from the wire is trusted: memory is
//! taken as data arrives, within [`Limits`], and recursion has a depth limit.
//!
//! ```
//! use farcall_xdr::{Bytes, Decoder, Encoder};
//!
//! let mut e = Encoder::new();
//! e.u32(7);
//! e.string("motd", 64)?;
//! let wire = e.into_bytes();
//! assert_eq!(&wire[..], b"\0\0\0\x07\0\0\0\x04motd");
//!
//! let mut d = Decoder::new(&wire);
//! assert_eq!((d.u32()?, d.string(64)?), (7, "motd".to_owned()));
//! d.end()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]

extern crate alloc;

#[cfg(test)]
extern crate std;

mod decode;
mod decoder;
mod encode;
mod encoder;
mod error;
mod limits;
mod opaque;
mod quadruple;

pub use bytes::Bytes;
pub use decode::Decode;
pub use decoder::Decoder;
pub use encode::Encode;
pub use encoder::{Encoder, Mark};
pub use error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind, InField, PathSegment};
pub use limits::Limits;
pub use opaque::AsOpaque;
pub use quadruple::Quadruple;

/// The bound of a declaration without one: `opaque x<>` means `opaque x<4294967295>` (RFC 4506
/// §4.10).
pub const UNBOUNDED: u32 = u32::MAX;

/// `len` rounded up to the multiple of four that it occupies on the wire (RFC 4506 §3).
///
/// Saturates at `usize::MAX`, which no message reaches.
#[must_use]
pub const fn padded(len: usize) -> usize {
    len.saturating_add(padding(len))
}

/// How many zero bytes follow `len` bytes of opaque data.
pub(crate) const fn padding(len: usize) -> usize {
    len.wrapping_neg() & 3
}
