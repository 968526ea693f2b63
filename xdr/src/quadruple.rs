/// A quadruple-precision floating-point number (RFC 4506 §4.8) as its 16 bytes on the wire.
///
/// Rust has no stable type for IEEE 754 binary128, so the value is carried, not computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Quadruple(pub [u8; 16]);
