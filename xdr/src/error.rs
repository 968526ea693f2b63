use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// One step on the way from the outermost value to the one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathSegment {
    /// A struct field, a union arm or an argument, by its name in the `.x` file.
    Field(&'static str),
    /// An element of an array or list, counted from 0.
    Index(usize),
}

/// Why bytes are not a value of the wanted type.
///
/// Knows where: the byte [`offset`](Self::offset) in the input and the [`path`](Self::path) of
/// fields that leads to it. Its size is one pointer, so that a `Result` of a small value stays
/// small; the path is only built while failing.
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(Box<DecodeInner>);

#[derive(Clone, PartialEq, Eq)]
struct DecodeInner {
    kind: DecodeErrorKind,
    offset: usize,
    /// Innermost first.
    path: Vec<PathSegment>,
}

/// The kinds of [`DecodeError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The input ends before the value does.
    Truncated {
        /// Bytes that the value needs at least.
        needed: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// A length above the bound of the declaration.
    TooLong {
        /// The length on the wire.
        len: u32,
        /// The bound.
        max: u32,
    },
    /// An enumeration value that the interface does not name (RFC 4506 §4.3).
    BadEnum {
        /// The type's name in the `.x` file.
        ty: &'static str,
        /// The value on the wire.
        value: i32,
    },
    /// A discriminant without an arm, in a union without a default (RFC 4506 §4.15).
    BadUnion {
        /// The type's name in the `.x` file.
        ty: &'static str,
        /// The discriminant on the wire.
        discriminant: i32,
    },
    /// A boolean other than 0 and 1 (RFC 4506 §4.4). Strict decoding only.
    BadBool(u32),
    /// Residual bytes that are not zero (RFC 4506 §3). Strict decoding only.
    BadPadding,
    /// A string that is not UTF-8. Declare it as bytes where a peer's strings are in another
    /// encoding.
    NotUtf8,
    /// More levels of recursion than [`Limits::depth`](crate::Limits::depth).
    TooDeep,
    /// More memory than [`Limits::bytes`](crate::Limits::bytes).
    TooLarge,
    /// Bytes after the end of the value. Strict decoding only.
    Trailing(usize),
}

impl DecodeError {
    /// A failure of `kind` at the byte `offset` of the input.
    ///
    /// Public for hand-written [`Decode`](crate::Decode) implementations.
    #[cold]
    #[must_use]
    pub fn new(kind: DecodeErrorKind, offset: usize) -> Self {
        Self(Box::new(DecodeInner { kind, offset, path: Vec::new() }))
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> DecodeErrorKind {
        self.0.kind
    }

    /// Where the value that failed starts, in bytes from the start of the input.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// The way to the value that failed, outermost first.
    pub fn path(&self) -> impl Iterator<Item = PathSegment> {
        self.0.path.iter().rev().copied()
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_path(f, &self.0.path)?;
        write!(f, "{} at byte {}", self.0.kind, self.0.offset)
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeError")
            .field("kind", &self.0.kind)
            .field("offset", &self.0.offset)
            .field("path", &self.path().collect::<Vec<_>>())
            .finish()
    }
}

impl core::error::Error for DecodeError {}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { needed, remaining } => {
                write!(f, "truncated: {needed} bytes needed, {remaining} left")
            }
            Self::TooLong { len, max } => write!(f, "length {len} is above the bound {max}"),
            Self::BadEnum { ty, value } => write!(f, "{value} is not a value of `{ty}`"),
            Self::BadUnion { ty, discriminant } => {
                write!(f, "union `{ty}` has no arm for {discriminant}")
            }
            Self::BadBool(value) => write!(f, "{value} is not a boolean"),
            Self::BadPadding => f.write_str("padding is not zero"),
            Self::NotUtf8 => f.write_str("string is not UTF-8"),
            Self::TooDeep => f.write_str("nested too deeply"),
            Self::TooLarge => f.write_str("value needs more memory than allowed"),
            Self::Trailing(n) => write!(f, "{n} bytes after the end of the value"),
        }
    }
}

/// Why a value cannot be encoded: it does not fit its declaration.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodeError(Box<EncodeInner>);

#[derive(Clone, PartialEq, Eq)]
struct EncodeInner {
    kind: EncodeErrorKind,
    /// Innermost first.
    path: Vec<PathSegment>,
}

/// The kinds of [`EncodeError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeErrorKind {
    /// More bytes or elements than the bound of the declaration.
    TooLong {
        /// The value's length.
        len: usize,
        /// The bound.
        max: u32,
    },
    /// Another number of bytes or elements than the declaration's fixed length.
    WrongLength {
        /// The value's length.
        len: usize,
        /// The declaration's.
        wanted: u32,
    },
    /// A union whose discriminant belongs to another arm.
    BadUnion {
        /// The type's name in the `.x` file.
        ty: &'static str,
        /// The discriminant that the value carries.
        discriminant: i32,
    },
}

impl EncodeError {
    /// A failure of `kind`. Public for hand-written [`Encode`](crate::Encode) implementations.
    #[cold]
    #[must_use]
    pub fn new(kind: EncodeErrorKind) -> Self {
        Self(Box::new(EncodeInner { kind, path: Vec::new() }))
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> EncodeErrorKind {
        self.0.kind
    }

    /// The way to the value that failed, outermost first.
    pub fn path(&self) -> impl Iterator<Item = PathSegment> {
        self.0.path.iter().rev().copied()
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_path(f, &self.0.path)?;
        match self.0.kind {
            EncodeErrorKind::TooLong { len, max } => {
                write!(f, "length {len} is above the bound {max}")
            }
            EncodeErrorKind::WrongLength { len, wanted } => {
                write!(f, "length {len} is not {wanted}")
            }
            EncodeErrorKind::BadUnion { ty, discriminant } => {
                write!(f, "{discriminant} belongs to another arm of union `{ty}`")
            }
        }
    }
}

impl fmt::Debug for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodeError")
            .field("kind", &self.0.kind)
            .field("path", &self.path().collect::<Vec<_>>())
            .finish()
    }
}

impl core::error::Error for EncodeError {}

/// Adds to an error where it happened, on its way out.
///
/// Implemented for results of encoding and decoding; does nothing to an `Ok`.
pub trait InField {
    /// The failing value is, or is inside of, the field `name`.
    #[must_use]
    fn field(self, name: &'static str) -> Self;

    /// The failing value is, or is inside of, element `index`.
    #[must_use]
    fn index(self, index: usize) -> Self;
}

impl<T> InField for Result<T, DecodeError> {
    #[inline]
    fn field(self, name: &'static str) -> Self {
        self.map_err(|mut e| {
            e.0.path.push(PathSegment::Field(name));
            e
        })
    }

    #[inline]
    fn index(self, index: usize) -> Self {
        self.map_err(|mut e| {
            e.0.path.push(PathSegment::Index(index));
            e
        })
    }
}

impl<T> InField for Result<T, EncodeError> {
    #[inline]
    fn field(self, name: &'static str) -> Self {
        self.map_err(|mut e| {
            e.0.path.push(PathSegment::Field(name));
            e
        })
    }

    #[inline]
    fn index(self, index: usize) -> Self {
        self.map_err(|mut e| {
            e.0.path.push(PathSegment::Index(index));
            e
        })
    }
}

/// Writes `outer.list[3].inner: `, or nothing for an empty path.
fn write_path(f: &mut fmt::Formatter<'_>, innermost_first: &[PathSegment]) -> fmt::Result {
    for (i, segment) in innermost_first.iter().rev().enumerate() {
        match *segment {
            PathSegment::Field(name) if i == 0 => f.write_str(name)?,
            PathSegment::Field(name) => write!(f, ".{name}")?,
            PathSegment::Index(n) => write!(f, "[{n}]")?,
        }
    }
    if innermost_first.is_empty() { Ok(()) } else { f.write_str(": ") }
}
