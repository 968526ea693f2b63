/// What one decode may cost at most.
///
/// The input's own length already bounds most of it, because every element of an array takes at
/// least four bytes on the wire. These two bound the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Levels of recursion of types that contain themselves other than as a linked list.
    /// Default 128.
    pub depth: u32,
    /// Bytes of memory for decoded arrays, lists and strings, and for opaque data that is copied.
    /// Opaque data that shares the input costs nothing. Default 64 MiB.
    pub bytes: usize,
}

impl Limits {
    /// The defaults of the fields.
    pub const DEFAULT: Self = Self { depth: 128, bytes: 64 << 20 };

    /// The same with another [`depth`](Self::depth).
    #[must_use]
    pub const fn with_depth(self, depth: u32) -> Self {
        Self { depth, ..self }
    }

    /// The same with another [`bytes`](Self::bytes).
    #[must_use]
    pub const fn with_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
