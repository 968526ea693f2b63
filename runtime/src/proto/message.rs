//! Calls and replies (`rpc_msg`, RFC 5531 §9).
//!
//! A call is its header, and then the arguments up to the end of the record or datagram; a reply is
//! its header, and then, if it says success, the results.

use std::fmt;

use super::auth::OpaqueAuth;
use crate::xdr::{Decode, DecodeError, Decoder, Encode, EncodeError, Encoder, InField};
use crate::{Procedure, Program, Version, Xid};

/// The RPC protocol's own version (RFC 5531 §9).
pub const RPC_VERSION: u32 = 2;

/// The length of a call's header with two empty AUTH_NONE fields, in bytes.
pub const MIN_CALL_LEN: usize = 40;

const CALL: u32 = 0;
const REPLY: u32 = 1;

/// Which way a message goes (`msg_type`, RFC 5531 §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// From a client.
    Call,
    /// From a server.
    Reply,
}

/// The xid and type at the start of every message: enough to know whom it is for.
///
/// `None` for what is not an RPC message.
#[must_use]
pub fn peek(message: &[u8]) -> Option<(Xid, MessageType)> {
    let mut d = Decoder::from_slice(message);
    let xid = Xid(d.u32().ok()?);
    match d.u32().ok()? {
        CALL => Some((xid, MessageType::Call)),
        REPLY => Some((xid, MessageType::Reply)),
        _ => None,
    }
}

/// The header of a call (`call_body`, RFC 5531 §9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallHeader {
    /// Chosen by the client; the reply carries it back.
    pub xid: Xid,
    /// The program called.
    pub program: Program,
    /// Its version.
    pub version: Version,
    /// Its procedure.
    pub procedure: Procedure,
    /// Who calls.
    pub credential: OpaqueAuth,
    /// What proves it.
    pub verifier: OpaqueAuth,
}

/// Why a message is not a call that can be looked at further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// The protocol version is not 2: answered with RPC_MISMATCH.
    RpcVersion {
        /// To answer with.
        xid: Xid,
        /// What the caller speaks.
        version: u32,
    },
    /// A reply, or nothing that RFC 5531 knows. Not answered.
    NotACall,
    /// The header cannot be decoded. Not answered.
    Malformed(DecodeError),
}

impl From<DecodeError> for CallError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl CallHeader {
    /// The bytes that [`encode`](Self::encode) writes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        24 + self.credential.encoded_len() + self.verifier.encoded_len()
    }

    /// Writes the header; the arguments follow.
    ///
    /// # Errors
    /// A credential or verifier above 400 bytes.
    pub fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        let words =
            [self.xid.0, CALL, RPC_VERSION, self.program.0, self.version.0, self.procedure.0];
        let mut run = [0; 24];
        for (bytes, word) in run.chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        e.fixed(&run);
        self.credential.encode(e).field("cred")?;
        self.verifier.encode(e).field("verf")
    }

    /// Reads the header; the arguments are left.
    ///
    /// # Errors
    /// See [`CallError`]. The RPC version is looked at before what follows it, because the rest of
    /// the header is only known for version 2.
    pub fn decode(d: &mut Decoder<'_>) -> Result<Self, CallError> {
        let xid = Xid(d.u32().field("xid")?);
        if d.u32().field("mtype")? != CALL {
            return Err(CallError::NotACall);
        }
        let version = d.u32().field("rpcvers")?;
        if version != RPC_VERSION {
            return Err(CallError::RpcVersion { xid, version });
        }
        Ok(Self {
            xid,
            program: Program(d.u32().field("prog")?),
            version: Version(d.u32().field("vers")?),
            procedure: Procedure(d.u32().field("proc")?),
            credential: OpaqueAuth::decode(d).field("cred")?,
            verifier: OpaqueAuth::decode(d).field("verf")?,
        })
    }
}

/// The header of a reply (`reply_body`, RFC 5531 §9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyHeader {
    /// The call's.
    pub xid: Xid,
    /// What became of the call.
    pub status: ReplyStatus,
}

/// Whether a server took a call (`reply_stat`, RFC 5531 §9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyStatus {
    /// The call passed authentication.
    Accepted {
        /// What proves the server.
        verifier: OpaqueAuth,
        /// What became of it then.
        status: AcceptStatus,
    },
    /// The call did not pass. Such a reply carries no verifier.
    Denied(RejectStatus),
}

/// What became of an accepted call (`accept_stat`, RFC 5531 §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AcceptStatus {
    /// It was executed; the results follow.
    Success,
    /// This server does not have the program.
    ProgUnavail,
    /// It has the program, but not this version.
    ProgMismatch {
        /// The lowest version that it has.
        low: Version,
        /// The highest.
        high: Version,
    },
    /// The version has no such procedure.
    ProcUnavail,
    /// The arguments could not be decoded.
    GarbageArgs,
    /// The server failed at it.
    SystemErr,
}

/// Why a call was denied (`reject_stat`, RFC 5531 §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectStatus {
    /// The RPC protocol version is not supported.
    RpcMismatch {
        /// The lowest RPC version supported.
        low: u32,
        /// The highest.
        high: u32,
    },
    /// Authentication failed.
    AuthError(AuthStatus),
}

/// Why authentication failed (`auth_stat`, RFC 5531 §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthStatus {
    /// Bad credential (seal broken).
    BadCred,
    /// The client must begin a new session.
    RejectedCred,
    /// Bad verifier (seal broken).
    BadVerf,
    /// Verifier expired or replayed.
    RejectedVerf,
    /// Rejected for security reasons.
    TooWeak,
    /// Bogus response verifier.
    InvalidResp,
    /// Reason unknown.
    Failed,
    /// RPCSEC_GSS: no credential for the user.
    GssCredProblem,
    /// RPCSEC_GSS: a problem with the context.
    GssCtxProblem,
    /// A number without a name here.
    Other(u32),
}

impl AuthStatus {
    /// The number on the wire.
    #[must_use]
    pub fn to_wire(self) -> u32 {
        match self {
            Self::BadCred => 1,
            Self::RejectedCred => 2,
            Self::BadVerf => 3,
            Self::RejectedVerf => 4,
            Self::TooWeak => 5,
            Self::InvalidResp => 6,
            Self::Failed => 7,
            Self::GssCredProblem => 13,
            Self::GssCtxProblem => 14,
            Self::Other(number) => number,
        }
    }

    /// The status with this number.
    #[must_use]
    pub fn from_wire(number: u32) -> Self {
        match number {
            1 => Self::BadCred,
            2 => Self::RejectedCred,
            3 => Self::BadVerf,
            4 => Self::RejectedVerf,
            5 => Self::TooWeak,
            6 => Self::InvalidResp,
            7 => Self::Failed,
            13 => Self::GssCredProblem,
            14 => Self::GssCtxProblem,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for AuthStatus {
    /// In the words of libtirpc's `clnt_sperror`, which people search for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadCred => "Invalid client credential",
            Self::RejectedCred => "Server rejected credential",
            Self::BadVerf => "Invalid client verifier",
            Self::RejectedVerf => "Server rejected verifier",
            Self::TooWeak => "Client credential too weak",
            Self::InvalidResp => "Invalid server verifier",
            Self::Failed => "Failed (unspecified error)",
            Self::GssCredProblem => "No credential for the user",
            Self::GssCtxProblem => "Security context is not valid",
            Self::Other(number) => return write!(f, "auth status {number}"),
        })
    }
}

impl AcceptStatus {
    /// Writes the status word and, for PROG_MISMATCH, the versions.
    fn encode(self, e: &mut Encoder) {
        match self {
            Self::Success => e.u32(0),
            Self::ProgUnavail => e.u32(1),
            Self::ProgMismatch { low, high } => {
                e.u32(2);
                e.u32(low.0);
                e.u32(high.0);
            }
            Self::ProcUnavail => e.u32(3),
            Self::GarbageArgs => e.u32(4),
            Self::SystemErr => e.u32(5),
        }
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(match d.i32()? {
            0 => Self::Success,
            1 => Self::ProgUnavail,
            2 => Self::ProgMismatch {
                low: Version(d.u32().field("low")?),
                high: Version(d.u32().field("high")?),
            },
            3 => Self::ProcUnavail,
            4 => Self::GarbageArgs,
            5 => Self::SystemErr,
            other => return Err(d.bad_enum("accept_stat", other)),
        })
    }
}

impl RejectStatus {
    /// The answer to any other RPC version than 2.
    pub const RPC_MISMATCH: Self = Self::RpcMismatch { low: RPC_VERSION, high: RPC_VERSION };

    fn encode(self, e: &mut Encoder) {
        match self {
            Self::RpcMismatch { low, high } => {
                e.u32(0);
                e.u32(low);
                e.u32(high);
            }
            Self::AuthError(status) => {
                e.u32(1);
                e.u32(status.to_wire());
            }
        }
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(match d.i32()? {
            0 => Self::RpcMismatch { low: d.u32().field("low")?, high: d.u32().field("high")? },
            1 => Self::AuthError(AuthStatus::from_wire(d.u32().field("stat")?)),
            other => return Err(d.bad_enum("reject_stat", other)),
        })
    }
}

impl ReplyHeader {
    /// A reply of an accepted call with an empty verifier.
    #[must_use]
    pub fn accepted(xid: Xid, status: AcceptStatus) -> Self {
        Self { xid, status: ReplyStatus::Accepted { verifier: OpaqueAuth::NONE, status } }
    }

    /// A reply that denies the call.
    #[must_use]
    pub fn denied(xid: Xid, status: RejectStatus) -> Self {
        Self { xid, status: ReplyStatus::Denied(status) }
    }

    /// Writes the header; after [`AcceptStatus::Success`] the results follow.
    ///
    /// # Errors
    /// A verifier above 400 bytes.
    pub fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        e.u32(self.xid.0);
        e.u32(REPLY);
        match &self.status {
            ReplyStatus::Accepted { verifier, status } => {
                e.u32(0);
                verifier.encode(e).field("verf")?;
                status.encode(e);
            }
            ReplyStatus::Denied(status) => {
                e.u32(1);
                status.encode(e);
            }
        }
        Ok(())
    }

    /// Reads the header; after [`AcceptStatus::Success`] the results are left.
    ///
    /// # Errors
    /// Not a reply of RFC 5531.
    pub fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let xid = Xid(d.u32().field("xid")?);
        let direction = d.i32().field("mtype")?;
        if direction != REPLY.cast_signed() {
            return Err(d.bad_enum("msg_type", direction)).field("mtype");
        }
        let status = match d.i32().field("stat")? {
            0 => ReplyStatus::Accepted {
                verifier: OpaqueAuth::decode(d).field("verf")?,
                status: AcceptStatus::decode(d).field("areply")?,
            },
            1 => ReplyStatus::Denied(RejectStatus::decode(d).field("rreply")?),
            other => return Err(d.bad_enum("reply_stat", other)).field("stat"),
        };
        Ok(Self { xid, status })
    }
}

/// Writes the header of a successful reply with an empty verifier: the common case, in one piece.
pub fn encode_success(xid: Xid, e: &mut Encoder) {
    let mut header = [0; 24];
    header[..4].copy_from_slice(&xid.0.to_be_bytes());
    header[7] = 1;
    e.fixed(&header);
}

#[cfg(test)]
mod tests {
    use super::super::auth::Flavor;
    use super::*;
    use crate::xdr::{Bytes, DecodeErrorKind};

    fn reply(header: &ReplyHeader) -> Vec<u8> {
        let mut e = Encoder::new();
        header.encode(&mut e).expect("short verifier");
        e.into_bytes().to_vec()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_be_bytes()).collect()
    }

    #[test]
    fn every_reply_status_has_its_words() {
        let xid = Xid(0x0102_0304);
        let accepted = |status| ReplyHeader::accepted(xid, status);
        let denied = |status| ReplyHeader::denied(xid, status);
        let mismatch = AcceptStatus::ProgMismatch { low: Version(2), high: Version(4) };
        // RFC 5531 §9: xid, REPLY, then the union arms.
        let table: &[(ReplyHeader, &[u32])] = &[
            (accepted(AcceptStatus::Success), &[0, 0, 0, 0]),
            (accepted(AcceptStatus::ProgUnavail), &[0, 0, 0, 1]),
            (accepted(mismatch), &[0, 0, 0, 2, 2, 4]),
            (accepted(AcceptStatus::ProcUnavail), &[0, 0, 0, 3]),
            (accepted(AcceptStatus::GarbageArgs), &[0, 0, 0, 4]),
            (accepted(AcceptStatus::SystemErr), &[0, 0, 0, 5]),
            (denied(RejectStatus::RPC_MISMATCH), &[1, 0, 2, 2]),
            (denied(RejectStatus::AuthError(AuthStatus::BadCred)), &[1, 1, 1]),
            (denied(RejectStatus::AuthError(AuthStatus::TooWeak)), &[1, 1, 5]),
            (denied(RejectStatus::AuthError(AuthStatus::GssCtxProblem)), &[1, 1, 14]),
            (denied(RejectStatus::AuthError(AuthStatus::Other(99))), &[1, 1, 99]),
        ];
        for (header, tail) in table {
            let mut wire = words(&[xid.0, 1]);
            wire.extend(words(tail));
            assert_eq!(reply(header), wire, "{header:?}");
            let decoded = ReplyHeader::decode(&mut Decoder::from_slice(&wire));
            assert_eq!(decoded.as_ref(), Ok(header));
        }
    }

    #[test]
    fn success_in_one_piece_is_the_same() {
        let mut e = Encoder::new();
        encode_success(Xid(7), &mut e);
        assert_eq!(e.into_bytes(), reply(&ReplyHeader::accepted(Xid(7), AcceptStatus::Success)),);
    }

    #[test]
    fn unknown_reply_words_are_errors_with_a_place() {
        let table: &[(&[u32], DecodeErrorKind, usize)] = &[
            (&[1, 0, 0], DecodeErrorKind::BadEnum { ty: "msg_type", value: 0 }, 4),
            (&[1, 1, 2], DecodeErrorKind::BadEnum { ty: "reply_stat", value: 2 }, 8),
            (&[1, 1, 0, 0, 0, 6], DecodeErrorKind::BadEnum { ty: "accept_stat", value: 6 }, 20),
            (&[1, 1, 1, 2], DecodeErrorKind::BadEnum { ty: "reject_stat", value: 2 }, 12),
            (&[1, 1, 0, 0, 401], DecodeErrorKind::TooLong { len: 401, max: 400 }, 16),
            (&[1, 1], DecodeErrorKind::Truncated { needed: 4, remaining: 0 }, 8),
        ];
        for (wire, kind, offset) in table {
            let error = ReplyHeader::decode(&mut Decoder::from_slice(&words(wire)))
                .expect_err("not a reply");
            assert_eq!((error.kind(), error.offset()), (*kind, *offset), "{error}");
        }
    }

    fn call() -> CallHeader {
        CallHeader {
            xid: Xid(9),
            program: Program(100_000),
            version: Version(2),
            procedure: Procedure(4),
            credential: OpaqueAuth { flavor: Flavor::SHORT, body: Bytes::from_static(b"abc") },
            verifier: OpaqueAuth::NONE,
        }
    }

    #[test]
    fn a_call_is_its_words() {
        let mut e = Encoder::new();
        call().encode(&mut e).expect("short credential");
        assert_eq!(e.len(), call().encoded_len());
        let wire = e.into_bytes();
        let mut expected = words(&[9, 0, 2, 100_000, 2, 4, 2, 3]);
        expected.extend(b"abc\0");
        expected.extend(words(&[0, 0]));
        assert_eq!(wire, expected);
        assert_eq!(CallHeader::decode(&mut Decoder::new(&wire)), Ok(call()));
        assert_eq!(peek(&wire), Some((Xid(9), MessageType::Call)));
    }

    #[test]
    fn the_rpc_version_is_checked_before_the_rest() {
        let decode = |wire: &[u32]| CallHeader::decode(&mut Decoder::from_slice(&words(wire)));
        assert_eq!(decode(&[5, 0, 3]), Err(CallError::RpcVersion { xid: Xid(5), version: 3 }),);
        assert_eq!(decode(&[5, 1, 2]), Err(CallError::NotACall));
        assert_eq!(decode(&[5, 7, 2]), Err(CallError::NotACall));
        let Err(CallError::Malformed(error)) = decode(&[5, 0, 2, 1, 1, 1, 0, 401]) else {
            panic!("a credential of 401 bytes is malformed");
        };
        assert_eq!(error.kind(), DecodeErrorKind::TooLong { len: 401, max: 400 });
        assert_eq!(error.to_string(), "cred.body: length 401 is above the bound 400 at byte 28");
    }
}
