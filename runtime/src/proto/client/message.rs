//! Calls as bytes, and what is in replies.

use bytes::Buf;

use super::{MAX_DATAGRAM, Transport};
use crate::Error;
use crate::error::{Refusal, Result};
use crate::proto::auth::OpaqueAuth;
use crate::proto::message::{AcceptStatus, CallHeader, ReplyHeader, ReplyStatus};
use crate::proto::record::LAST_FRAGMENT;
use crate::xdr::{Bytes, Decoder, EncodeError, EncodeErrorKind, Encoder, Mark};

/// Results of at least this many bytes share the buffer they were received in. Smaller ones are
/// copied, which is cheap and lets the buffer be used again at once.
const SHARE_FROM: usize = 8 << 10;

/// Begins a call's message; for a stream as a record of one fragment, because some servers take no
/// others.
pub(super) fn begin(transport: Transport, e: &mut Encoder) -> Mark {
    let mark = e.mark();
    if transport == Transport::Stream {
        e.u32(0);
    }
    mark
}

/// Ends the message that was begun at `mark`.
pub(super) fn end(transport: Transport, mark: Mark, e: &mut Encoder) -> Result<()> {
    let len = e.since(mark);
    match transport {
        Transport::Stream => e.set_u32(mark, LAST_FRAGMENT | fragment_len(len - 4)?),
        Transport::Datagram if len > MAX_DATAGRAM => {
            return Err(Error::TooLarge { len, max: MAX_DATAGRAM });
        }
        Transport::Datagram => {}
    }
    Ok(())
}

fn fragment_len(len: usize) -> Result<u32, EncodeError> {
    let max = LAST_FRAGMENT - 1;
    u32::try_from(len)
        .ok()
        .filter(|&len| len <= max)
        .ok_or_else(|| EncodeError::new(EncodeErrorKind::TooLong { len, max }))
}

/// A whole message.
pub(super) fn encode(transport: Transport, header: &CallHeader, args: &Bytes) -> Result<Encoder> {
    let mut e = Encoder::new();
    let mark = begin(transport, &mut e);
    header.encode(&mut e)?;
    e.append_bytes(args);
    end(transport, mark, &mut e)?;
    Ok(e)
}

/// The header and the arguments of a message of ours.
pub(super) fn parse(transport: Transport, message: &Encoder) -> Option<(CallHeader, Bytes)> {
    let bytes: Bytes = message.chunks().flatten().copied().collect();
    let bytes = bytes.slice(if transport == Transport::Stream { 4 } else { 0 }..);
    let mut d = Decoder::new(&bytes);
    let header = CallHeader::decode(&mut d).ok()?;
    let args = bytes.slice(d.offset()..);
    Some((header, args))
}

/// What a server has answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// Of a call that passed authentication.
    pub(super) verifier: Option<OpaqueAuth>,
    /// The results, or what it says instead.
    pub(super) result: Result<Bytes>,
}

impl Answer {
    /// Reads a reply.
    pub(super) fn read(message: &[u8], to_bytes: impl FnOnce() -> Bytes) -> Self {
        let mut d = Decoder::from_slice(message);
        let status = match ReplyHeader::decode(&mut d) {
            Ok(header) => header.status,
            Err(error) => return Self { verifier: None, result: Err(error.into()) },
        };
        match status {
            ReplyStatus::Accepted { verifier, status: AcceptStatus::Success } => {
                let results = rest(message, d.offset(), to_bytes);
                Self { verifier: Some(verifier), result: Ok(results) }
            }
            ReplyStatus::Accepted { verifier, status } => {
                Self { verifier: Some(verifier), result: Err(Refusal::Accepted(status).into()) }
            }
            ReplyStatus::Denied(status) => {
                Self { verifier: None, result: Err(Refusal::Denied(status).into()) }
            }
        }
    }
}

fn rest(message: &[u8], at: usize, to_bytes: impl FnOnce() -> Bytes) -> Bytes {
    match message.len() - at {
        0 => return Bytes::new(),
        1..SHARE_FROM => return Bytes::copy_from_slice(&message[at..]),
        _ => {}
    }
    let mut bytes = to_bytes();
    bytes.advance(at.min(bytes.len()));
    bytes
}
