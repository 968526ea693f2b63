use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<u32> for $name {
            fn from(number: u32) -> Self {
                Self(number)
            }
        }
    };
}

number! {
    /// A program number (RFC 5531 §8.3): 0x20000000–0x3fffffff are for one site's own programs,
    /// 0x40000000–0x5fffffff for transient ones, those below are assigned by IANA.
    Program
}
number! {
    /// The version number of a program.
    Version
}
number! {
    /// A procedure number within a version. 0 does nothing and needs no authentication
    /// (RFC 5531 §12.1).
    Procedure
}
number! {
    /// A transaction id (RFC 5531 §9): good for telling calls apart, never for their order.
    Xid
}

impl Procedure {
    /// The procedure that every version has and that does nothing.
    pub const NULL: Self = Self(0);
}
