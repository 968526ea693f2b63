//! What runs on a stream: records in, records out, and the cores that they are for.
//!
//! A connection is symmetric. A call goes to the server core and a reply to the client core, if
//! the connection has them, so that a server can call its client back.

use std::fmt;
use std::time::Instant;

use super::client::ClientCore;
use super::message::{MessageType, peek};
use super::record::{LAST_FRAGMENT, Message, RecordError, RecordLimits, RecordReader};
use super::server::{Caller, ServerCore, Verdict};
use crate::xdr::{Bytes, Encoder};

/// Queued output above which no more calls are taken in, in bytes.
pub const OUTPUT_HIGH: usize = 1 << 20;

/// The cores at this end of a connection.
#[derive(Debug)]
pub struct Cores<'a> {
    /// Executes calls, of this caller.
    pub server: Option<(&'a mut ServerCore, Caller)>,
    /// Has replies to its calls.
    pub client: Option<&'a mut ClientCore>,
}

/// Why a connection has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionError {
    /// A record is over the limits.
    Record(RecordError),
    /// A message is not for either core: what follows would not be either.
    NotForUs,
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(error) => error.fmt(f),
            Self::NotForUs => f.write_str("message is for nobody at this end"),
        }
    }
}

impl std::error::Error for ConnectionError {}

/// The state of one stream, without the stream.
///
/// Put in what was read with [`handle_input`](Self::handle_input), write out what
/// [`output`](Self::output) holds, and afterwards call [`resume`](Self::resume) if
/// [`is_held`](Self::is_held).
#[derive(Debug)]
pub struct Connection {
    reader: RecordReader,
    out: Encoder,
    /// Input that waits for room in the output.
    held: Option<Bytes>,
    records: u64,
    owed: usize,
}

impl Connection {
    /// A connection on which nothing was said yet.
    #[must_use]
    pub fn new(limits: RecordLimits) -> Self {
        Self {
            reader: RecordReader::new(limits),
            out: Encoder::new(),
            held: None,
            records: 0,
            owed: 0,
        }
    }

    /// What is to be written to the stream.
    pub fn output(&mut self) -> &mut Encoder {
        &mut self.out
    }

    /// Whether input waits until output was written: do not read any more.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Whether part of a record is there, so that the rest of it is waited for.
    #[must_use]
    pub fn in_record(&self) -> bool {
        self.reader.in_record()
    }

    /// Calls that were put off and not yet answered with [`answer`](Self::answer).
    #[must_use]
    pub fn owed(&self) -> usize {
        self.owed
    }

    /// Appends the answer to a call that was put off to the output.
    pub fn answer(&mut self, reply: &Encoder) {
        self.owed = self.owed.saturating_sub(1);
        let _ = write_record(&mut self.out, |out| {
            out.append(reply);
            Verdict::Reply
        });
    }

    /// Records that were received.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Where to read to directly, if a long record is being received. Say with
    /// [`handle_filled`](Self::handle_filled) how much came.
    pub fn space(&mut self) -> Option<&mut [u8]> {
        self.reader.space()
    }

    /// `n` bytes were read into [`space`](Self::space).
    ///
    /// # Errors
    /// See [`ConnectionError`].
    pub fn handle_filled(
        &mut self,
        now: Instant,
        n: usize,
        cores: &mut Cores<'_>,
    ) -> Result<(), ConnectionError> {
        self.reader.filled(n);
        self.handle_input(now, &Bytes::new(), cores)
    }

    /// Takes in bytes that were read. Answers are appended to the output.
    ///
    /// # Errors
    /// See [`ConnectionError`]: what is in the output may still be written, then close the stream.
    pub fn handle_input(
        &mut self,
        now: Instant,
        chunk: &Bytes,
        cores: &mut Cores<'_>,
    ) -> Result<(), ConnectionError> {
        let mut at = 0;
        loop {
            if self.out.len() > OUTPUT_HIGH {
                self.held = Some(chunk.slice(at..));
                return Ok(());
            }
            match self.reader.read(chunk, &mut at) {
                Ok(Some(message)) => {
                    self.records += 1;
                    let verdict = handle_message(now, &message, cores, &mut self.out)?;
                    self.owed += usize::from(verdict == Verdict::Later);
                }
                Ok(None) => return Ok(()),
                Err(error) => return Err(ConnectionError::Record(error)),
            }
        }
    }

    /// Goes on with input that waited for room in the output.
    ///
    /// # Errors
    /// As [`handle_input`](Self::handle_input).
    pub fn resume(&mut self, now: Instant, cores: &mut Cores<'_>) -> Result<(), ConnectionError> {
        if self.out.len() > OUTPUT_HIGH {
            return Ok(());
        }
        match self.held.take() {
            Some(chunk) => self.handle_input(now, &chunk, cores),
            None => Ok(()),
        }
    }
}

fn handle_message(
    now: Instant,
    message: &Message<'_>,
    cores: &mut Cores<'_>,
    out: &mut Encoder,
) -> Result<Verdict, ConnectionError> {
    match peek(message.bytes()) {
        Some((_, MessageType::Reply)) => {
            let Some(client) = &mut cores.client else {
                return Err(ConnectionError::NotForUs);
            };
            client.handle_reply(now, message.bytes(), || message.to_bytes());
            Ok(Verdict::None)
        }
        Some((_, MessageType::Call)) => {
            let Some((server, caller)) = &mut cores.server else {
                return Err(ConnectionError::NotForUs);
            };
            Ok(write_record(out, |out| server.handle_message(now, *caller, message, out)))
        }
        None => Err(ConnectionError::NotForUs),
    }
}

/// Writes what `write` writes as a record of one fragment; nothing if it is not an answer.
fn write_record(out: &mut Encoder, write: impl FnOnce(&mut Encoder) -> Verdict) -> Verdict {
    let mark = out.mark();
    out.u32(0);
    let verdict = write(out);
    // A record mark has 31 bits. A reply that is longer cannot be sent in one fragment.
    let len = u32::try_from(out.since(mark) - 4).ok().filter(|len| len & LAST_FRAGMENT == 0);
    match (verdict, len) {
        (Verdict::Reply, Some(len)) => out.set_u32(mark, len | LAST_FRAGMENT),
        _ => out.truncate(mark),
    }
    verdict
}
