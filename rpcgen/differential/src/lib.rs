//! The interfaces on which the compiler's Rust is compared with C's, compiled.
//!
//! Each lies in `interfaces/`. The build adds to it a struct `at_NAME` for each type `NAME`, whose
//! only member is one: a typedef and a node of a list then have a Rust type of their own too, and
//! are coded as in any declaration.

use bytes::Bytes;
use farcall::xdr::{Decode, DecodeError, Decoder, Encode, Encoder};

/// A `.x` file, compiled.
#[derive(Debug)]
pub struct Interface {
    /// The file's name without its suffix.
    pub name: &'static str,
    /// Where the file is that was compiled, the structs `at_NAME` included.
    pub path: &'static str,
    /// The types of the file, in its order.
    pub types: &'static [Codec],
}

/// The generated codec of one type.
#[derive(Debug)]
pub struct Codec {
    /// The type's name in the file.
    pub name: &'static str,
    /// Decodes a value that starts the input, and encodes it again.
    pub round_trip: fn(&Bytes) -> Result<Accepted, DecodeError>,
}

/// What became of bytes that are a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// How many of the bytes the value took.
    pub consumed: usize,
    /// The value, encoded again.
    pub bytes: Vec<u8>,
}

/// A `.x` file that the system has installed, and what is wrong if it did not compile.
#[derive(Debug)]
pub struct Installed {
    /// Where the file is.
    pub path: &'static str,
    /// The compiler's message.
    pub error: Option<&'static str>,
}

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

fn round_trip<T: Decode + Encode>(input: &Bytes) -> Result<Accepted, DecodeError> {
    let mut d = Decoder::new(input);
    let value = T::decode(&mut d)?;
    let mut e = Encoder::new();
    value.encode(&mut e).expect("what was decoded is within its bounds");
    let bytes = e.into_bytes();
    assert_eq!(value.encoded_len(), bytes.len(), "the announced length is the encoded one");
    Ok(Accepted { consumed: d.offset(), bytes: bytes.to_vec() })
}
