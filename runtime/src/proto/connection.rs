//! What runs on a stream: records in, records out, and the cores that they are for.
//!
//! A connection is symmetric. A call goes to the server core and a reply to the client core, if
//! the connection has them, so that a server can call its client back.

use std::fmt;
use std::time::{Duration, Instant};

use super::client::ClientCore;
use super::limits::Limits;
use super::message::{MessageType, peek};
use super::record::{LAST_FRAGMENT, Message, RecordError, RecordReader};
use super::server::{Caller, ServerCore, Verdict};
use crate::xdr::{Bytes, Encoder};

/// Why a peer has been waited for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// The rest of a record did not come, or output was not taken, for [`Limits::stalled`].
    Stalled,
    /// Nothing came for [`Limits::idle`], and no answer is owed.
    Idle,
}

/// What replies are for.
pub trait Replies: fmt::Debug {
    /// Takes in a reply.
    fn handle_reply(&mut self, now: Instant, message: &Message<'_>);
}

impl Replies for ClientCore {
    fn handle_reply(&mut self, now: Instant, message: &Message<'_>) {
        Self::handle_reply(self, now, message.bytes(), || message.to_bytes());
    }
}

/// The cores at this end of a connection.
#[derive(Debug)]
pub struct Cores<'a> {
    /// Executes calls, of this caller.
    pub server: Option<(&'a mut ServerCore, Caller)>,
    /// Has replies to its calls.
    pub client: Option<&'a mut dyn Replies>,
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
/// [`is_held`](Self::is_held). Close the stream when [`overdue`](Self::overdue) says so.
#[derive(Debug)]
pub struct Connection {
    reader: RecordReader,
    out: Encoder,
    limits: Bounds,
    /// No input is taken while there is any output.
    squeezed: bool,
    /// Input that waits for room in the output, or for answers that were put off.
    held: Option<Bytes>,
    owed: usize,
    last_input: Instant,
    /// Since when the rest of a record, or room for output, has been waited for.
    waiting_since: Option<Instant>,
}

/// What [`Limits`] say of a connection that was accepted.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    output: usize,
    calls: usize,
    stalled: Duration,
    idle: Duration,
}

impl Connection {
    /// A connection on which nothing was said yet.
    #[must_use]
    pub fn new(now: Instant, limits: &Limits) -> Self {
        let &Limits { records, output, calls_per_connection: calls, stalled, idle, .. } = limits;
        Self {
            reader: RecordReader::new(records),
            out: Encoder::new(),
            limits: Bounds { output, calls, stalled, idle },
            squeezed: false,
            held: None,
            owed: 0,
            last_input: now,
            waiting_since: None,
        }
    }

    /// What is to be written to the stream. Say with [`handle_written`](Self::handle_written) how
    /// much of it was.
    #[must_use]
    pub fn output(&self) -> &Encoder {
        &self.out
    }

    /// The stream took the first `n` bytes of the output.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn handle_written(&mut self, now: Instant, n: usize) {
        self.out.advance(n);
        self.waiting_since = None;
        self.note_waiting(now);
    }

    /// Has more written: whole records, calls to the peer. `false` if there is too much output
    /// already.
    pub fn write(&mut self, now: Instant, write: impl FnOnce(&mut Encoder)) -> bool {
        let has_room = self.out.len() <= self.limits.output;
        if has_room {
            write(&mut self.out);
            self.note_waiting(now);
        }
        has_room
    }

    /// Gives back the memory of the output, if it is empty.
    pub fn trim(&mut self) {
        if self.out.is_empty() {
            self.out = Encoder::new();
        }
    }

    /// When something last came.
    #[must_use]
    pub fn last_input(&self) -> Instant {
        self.last_input
    }

    /// The memory that its input and output take, in bytes.
    #[must_use]
    pub fn buffered(&self) -> usize {
        let out = self.out.capacity().max(self.out.len());
        out + self.reader.buffered() + self.held.as_ref().map_or(0, Bytes::len)
    }

    /// Since when the rest of a record, or room for output, has been waited for.
    #[must_use]
    pub fn waiting_since(&self) -> Option<Instant> {
        self.waiting_since
    }

    /// Whether the peer has been waited for too long: close the stream then.
    #[must_use]
    pub fn overdue(&self, now: Instant) -> Option<Overdue> {
        let passed = |since| now.saturating_duration_since(since);
        if self.waiting_since.is_some_and(|since| passed(since) >= self.limits.stalled) {
            return Some(Overdue::Stalled);
        }
        let idle = self.owed == 0 && passed(self.last_input) >= self.limits.idle;
        idle.then_some(Overdue::Idle)
    }

    /// Whether input waits until output was written or answers came: do not read any more.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Whether input that waits can be gone on with: by [`resume`](Self::resume).
    #[must_use]
    pub fn can_resume(&self) -> bool {
        self.held.is_some() && !self.is_full()
    }

    /// Whether no input is to be taken while there is any output, because there is too much of it
    /// elsewhere.
    pub fn squeeze(&mut self, squeezed: bool) {
        self.squeezed = squeezed;
    }

    fn is_full(&self) -> bool {
        let most = if self.squeezed { 0 } else { self.limits.output };
        self.out.len() > most || self.owed >= self.limits.calls
    }

    /// Calls that were put off and not yet answered with [`answer`](Self::answer).
    #[must_use]
    pub fn owed(&self) -> usize {
        self.owed
    }

    /// Appends the answer to a call that was put off to the output, if there is one.
    pub fn answer(&mut self, reply: Option<&Encoder>) {
        self.owed = self.owed.saturating_sub(1);
        if let Some(reply) = reply {
            let _ = write_record(&mut self.out, |out| {
                out.append(reply);
                Verdict::Reply
            });
        }
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
        self.last_input = now;
        let handled = self.handle_records(now, chunk, cores);
        if let Some(held) = &mut self.held {
            // A part would keep all of a buffer that others are to be read into.
            *held = Bytes::copy_from_slice(held);
        }
        self.note_waiting(now);
        handled
    }

    /// Goes on with input that waited for room in the output.
    ///
    /// # Errors
    /// As [`handle_input`](Self::handle_input).
    pub fn resume(&mut self, now: Instant, cores: &mut Cores<'_>) -> Result<(), ConnectionError> {
        if self.is_full() {
            return Ok(());
        }
        match self.held.take() {
            Some(chunk) => {
                let handled = self.handle_records(now, &chunk, cores);
                self.note_waiting(now);
                handled
            }
            None => Ok(()),
        }
    }

    fn handle_records(
        &mut self,
        now: Instant,
        chunk: &Bytes,
        cores: &mut Cores<'_>,
    ) -> Result<(), ConnectionError> {
        let mut at = 0;
        loop {
            if self.is_full() {
                self.held = Some(chunk.slice(at..));
                return Ok(());
            }
            let message = match self.reader.read(chunk, &mut at) {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(()),
                Err(error) => return Err(ConnectionError::Record(error)),
            };
            // A record is progress: the rest of another is waited for anew.
            if self.out.is_empty() {
                self.waiting_since = None;
            }
            let verdict = handle_message(now, &message, cores, &mut self.out)?;
            self.owed += usize::from(verdict == Verdict::Later);
        }
    }

    fn note_waiting(&mut self, now: Instant) {
        // The rest of a record that is not read is not the peer's to bring.
        if (self.reader.in_record() && !self.is_held()) || !self.out.is_empty() {
            self.waiting_since.get_or_insert(now);
        } else {
            self.waiting_since = None;
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
            client.handle_reply(now, message);
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
pub(crate) fn write_record(
    out: &mut Encoder,
    write: impl FnOnce(&mut Encoder) -> Verdict,
) -> Verdict {
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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::epoch::epoch;
    use crate::proto::server::ServerConfig;
    use crate::service::PeerAddr;

    const SECOND: Duration = Duration::from_secs(1);

    struct Bench {
        now: Instant,
        core: ServerCore,
        connection: Connection,
    }

    impl Bench {
        fn new() -> Self {
            let now = epoch();
            let core = ServerCore::new(ServerConfig::default(), Waker::noop().clone());
            Self { now, core, connection: Connection::new(now, &Limits::DEFAULT) }
        }

        fn input(&mut self, bytes: &[u8]) -> Result<(), ConnectionError> {
            let peer = PeerAddr::Tcp(([127, 0, 0, 1], 1).into());
            let server = Some((&mut self.core, Caller::new(peer, 0)));
            let chunk = Bytes::copy_from_slice(bytes);
            self.connection.handle_input(self.now, &chunk, &mut Cores { server, client: None })
        }

        fn write_all(&mut self) {
            let n = self.connection.output().len();
            self.connection.handle_written(self.now, n);
        }

        fn overdue_after(&self, wait: Duration) -> Option<Overdue> {
            self.connection.overdue(self.now + wait)
        }
    }

    /// A record with a call of a program that there is not.
    fn record() -> Vec<u8> {
        [LAST_FRAGMENT | 40, 7, 0, 2, 1, 1, 1, 0, 0, 0, 0]
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .collect()
    }

    #[test]
    fn t9_the_rest_of_a_record_is_waited_for_30_seconds_in_all() {
        let mut bench = Bench::new();
        for byte in &record()[..25] {
            bench.input(&[*byte]).expect("part of a record");
            bench.now += SECOND;
        }
        assert_eq!(bench.overdue_after(4 * SECOND), None);
        assert_eq!(bench.overdue_after(5 * SECOND), Some(Overdue::Stalled));
        bench.input(&record()[25..]).expect("the rest");
        bench.write_all();
        assert_eq!(bench.overdue_after(359 * SECOND), None);
        assert_eq!(bench.overdue_after(360 * SECOND), Some(Overdue::Idle));
    }

    #[test]
    fn a_peer_that_is_always_inside_of_some_record_is_not_stalled() {
        let mut bench = Bench::new();
        let record = record();
        let (first, second) = record.split_at(11);
        bench.input(first).expect("part of a record");
        for _ in 0..100 {
            bench.now += SECOND;
            bench.input(&[second, first].concat()).expect("the rest, and part of the next");
            bench.write_all();
        }
        assert_eq!(bench.overdue_after(29 * SECOND), None);
        assert_eq!(bench.overdue_after(30 * SECOND), Some(Overdue::Stalled));
    }

    #[test]
    fn t10_output_that_is_not_taken_is_waited_for_30_seconds() {
        let mut bench = Bench::new();
        bench.input(&record()).expect("a call");
        bench.now += 29 * SECOND;
        bench.input(&record()).expect("another call is no progress");
        assert_eq!(bench.overdue_after(SECOND), Some(Overdue::Stalled));
        bench.connection.handle_written(bench.now, 1);
        assert_eq!(bench.overdue_after(29 * SECOND), None);
    }

    #[test]
    fn above_the_mark_input_is_held_until_output_is_taken() {
        let mut bench = Bench::new();
        let reply_len = 4 + 24;
        let calls = Limits::DEFAULT.output / reply_len + 10;
        bench.input(&record().repeat(calls)).expect("calls");
        assert!(bench.connection.is_held());
        let first = bench.connection.output().len();
        assert!(
            first > Limits::DEFAULT.output && first <= Limits::DEFAULT.output + reply_len,
            "{first}"
        );
        bench.write_all();
        let Bench { now, core, connection } = &mut bench;
        let caller = Caller::new(PeerAddr::Tcp(([127, 0, 0, 1], 1).into()), 0);
        let mut cores = Cores { server: Some((core, caller)), client: None };
        connection.resume(*now, &mut cores).expect("the rest of the calls");
        assert!(!connection.is_held());
        assert_eq!(first + connection.output().len(), calls * reply_len);
    }
}
