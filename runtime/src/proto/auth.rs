//! Authentication fields (RFC 5531 §8.2) and the flavors AUTH_NONE and AUTH_SYS.

use std::fmt;

use crate::xdr::{
    Bytes, Decode, DecodeError, Decoder, Encode, EncodeError, Encoder, InField, padded,
};

/// The longest body of a credential or verifier, in bytes (RFC 5531 §8.2).
pub const MAX_AUTH_BYTES: u32 = 400;

/// An authentication flavor (RFC 5531 §8.2). A number rather than an enum, because IANA assigns
/// more of them and an unknown one is answered, not refused as malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flavor(pub u32);

impl Flavor {
    /// Nobody in particular.
    pub const NONE: Self = Self(0);
    /// Unix user and group ids, asserted by the caller (RFC 5531 appendix A).
    pub const SYS: Self = Self(1);
    /// A short hand that a server gave out for an AUTH_SYS credential (RFC 5531 appendix A).
    pub const SHORT: Self = Self(2);
    /// Diffie-Hellman (RFC 2695).
    pub const DH: Self = Self(3);
    /// RPCSEC_GSS (RFC 2203).
    pub const RPCSEC_GSS: Self = Self(6);
    /// Asks whether the server speaks TLS (RFC 9289 §4.1).
    pub const TLS: Self = Self(7);
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NONE => f.write_str("AUTH_NONE"),
            Self::SYS => f.write_str("AUTH_SYS"),
            Self::SHORT => f.write_str("AUTH_SHORT"),
            Self::DH => f.write_str("AUTH_DH"),
            Self::RPCSEC_GSS => f.write_str("RPCSEC_GSS"),
            Self::TLS => f.write_str("AUTH_TLS"),
            Self(other) => write!(f, "flavor {other}"),
        }
    }
}

/// A credential or a verifier (`opaque_auth`, RFC 5531 §8.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpaqueAuth {
    /// How to read the body.
    pub flavor: Flavor,
    /// At most [`MAX_AUTH_BYTES`].
    pub body: Bytes,
}

impl OpaqueAuth {
    /// AUTH_NONE with an empty body.
    pub const NONE: Self = Self { flavor: Flavor::NONE, body: Bytes::new() };
}

impl Encode for OpaqueAuth {
    fn encoded_len(&self) -> usize {
        8 + padded(self.body.len())
    }

    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        e.u32(self.flavor.0);
        e.opaque(&self.body, MAX_AUTH_BYTES).field("body")
    }
}

impl Decode for OpaqueAuth {
    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            flavor: Flavor(d.u32().field("flavor")?),
            body: d.opaque(MAX_AUTH_BYTES).field("body")?,
        })
    }
}

/// The body of an AUTH_SYS credential (`authsys_parms`, RFC 5531 appendix A): what the caller says
/// it is. Nothing proves it; a server believes it only where it trusts the caller's host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AuthSys {
    /// Any number; C callers put the time there.
    pub stamp: u32,
    /// The caller's host, at most [`AuthSys::MAX_MACHINE_NAME`] bytes, in no particular encoding.
    pub machine_name: Vec<u8>,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Other groups, at most [`AuthSys::MAX_GROUPS`].
    pub gids: Vec<u32>,
}

impl AuthSys {
    /// The longest machine name, in bytes.
    pub const MAX_MACHINE_NAME: u32 = 255;
    /// The most groups besides `gid`.
    pub const MAX_GROUPS: u32 = 16;

    /// Reads an AUTH_SYS credential; `None` for one of another flavor.
    ///
    /// The result inside is an error where the body is not what the flavor says.
    #[must_use]
    pub fn from_credential(credential: &OpaqueAuth) -> Option<Result<Self, DecodeError>> {
        (credential.flavor == Flavor::SYS)
            .then(|| Self::decode(&mut Decoder::new(&credential.body)))
    }

    /// The credential with this body.
    ///
    /// # Errors
    /// The machine name or the list of groups is too long.
    pub fn to_credential(&self) -> Result<OpaqueAuth, EncodeError> {
        let mut e = Encoder::with_capacity(self.encoded_len());
        self.encode(&mut e)?;
        Ok(OpaqueAuth { flavor: Flavor::SYS, body: e.into_bytes() })
    }
}

impl Encode for AuthSys {
    fn encoded_len(&self) -> usize {
        20 + padded(self.machine_name.len()) + self.gids.len() * 4
    }

    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        e.u32(self.stamp);
        e.opaque(&self.machine_name, Self::MAX_MACHINE_NAME).field("machinename")?;
        e.u32(self.uid);
        e.u32(self.gid);
        e.array(&self.gids, Self::MAX_GROUPS).field("gids")
    }
}

impl Decode for AuthSys {
    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            stamp: d.u32().field("stamp")?,
            machine_name: d.opaque(Self::MAX_MACHINE_NAME).field("machinename")?.to_vec(),
            uid: d.u32().field("uid")?,
            gid: d.u32().field("gid")?,
            gids: d.array(Self::MAX_GROUPS).field("gids")?,
        })
    }
}
