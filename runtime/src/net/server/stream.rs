//! A connection over TCP or a Unix socket.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token, event};

use crate::net::scratch::Scratch;
use crate::proto::connection::{Connection, Cores, Overdue, Replies};
use crate::proto::limits::Limits;
use crate::proto::server::{Caller, ServerCore};
use crate::service::{Line, PeerAddr};
use crate::xdr::Encoder;

/// Bytes of one connection, or a little more, before the others get their turn. As short calls they
/// take about half a millisecond.
const BYTES_PER_TURN: usize = 128 << 10;

/// Bytes read at once where there is too much in buffers: what cannot be answered yet is held.
const SQUEEZED_READ: usize = 4 << 10;

/// Reads of a connection that ends, of what nobody wants any more.
const LAST_READS: usize = 16;

/// Segments given to one vectored write.
const SEGMENTS: usize = 64;

/// How long a connection that says nothing keeps its output buffer.
const QUIET: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(super) fn source(&mut self) -> &mut dyn event::Source {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }

    /// Writes the front of `queue`, and says how much was taken.
    fn write(&mut self, queue: &Encoder) -> io::Result<usize> {
        if let Some(all) = queue.contiguous() {
            return match self {
                Self::Tcp(stream) => stream.write(all),
                Self::Unix(stream) => stream.write(all),
            };
        }
        let mut slices = [IoSlice::new(&[]); SEGMENTS];
        let mut count = 0;
        for (slot, chunk) in slices.iter_mut().zip(queue.chunks()) {
            *slot = IoSlice::new(chunk);
            count += 1;
        }
        match self {
            Self::Tcp(stream) => stream.write_vectored(&slices[..count]),
            Self::Unix(stream) => stream.write_vectored(&slices[..count]),
        }
    }
}

/// What a connection wants after its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// To be told by the system.
    Wait,
    /// Another turn: there is more to read.
    Again,
    /// To be closed.
    Close,
}

/// How a connection is to treat its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It is taken in.
    Open,
    /// It is taken in while there is no output.
    Squeezed,
    /// No more of it is read.
    Closing,
}

#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    connection: Connection,
    caller: Caller,
    /// Calls to the peer, if there were any.
    line: Option<Arc<Line>>,
    /// Some of them wait for room in the output.
    calls_wait: bool,
    /// More may be there to read without another event.
    readable: bool,
    /// The system said that the peer will send no more: the end is there to be read.
    read_closed: bool,
    /// The end was read.
    ended: bool,
    /// WRITABLE is registered, because a write would have blocked.
    blocked: bool,
    /// What it had in buffers when that was last counted, in bytes.
    counted: usize,
}

impl Stream {
    pub(super) fn new(now: Instant, socket: Socket, caller: Caller, limits: &Limits) -> Self {
        Self {
            socket,
            connection: Connection::new(now, limits),
            caller,
            line: None,
            calls_wait: false,
            readable: true,
            read_closed: false,
            ended: false,
            blocked: false,
            counted: 0,
        }
    }

    pub(super) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    pub(super) fn last_input(&self) -> Instant {
        self.connection.last_input()
    }

    /// Queues the answer to a call that was put off.
    pub(super) fn answer(&mut self, reply: Option<&Encoder>) {
        self.connection.answer(reply);
    }

    /// Takes over what is to be called back.
    pub(super) fn call_back(&mut self, now: Instant, line: &Arc<Line>) {
        if self.ended {
            return line.close();
        }
        self.calls_wait = !self.connection.write(now, |out| line.take_output(out));
        self.line.get_or_insert_with(|| Arc::clone(line));
    }

    pub(super) fn peer(&self) -> &PeerAddr {
        &self.caller.peer
    }

    /// Whether something that was read is not answered yet, or the answer not written.
    pub(super) fn is_busy(&self) -> bool {
        self.has_output() || self.connection.is_held()
    }

    /// How much more it has in buffers since this was last asked, in bytes.
    pub(super) fn growth(&mut self) -> isize {
        let buffered = self.connection.buffered();
        let before = std::mem::replace(&mut self.counted, buffered);
        buffered.cast_signed() - before.cast_signed()
    }

    /// What it had in buffers when [`growth`](Self::growth) was last asked, in bytes.
    pub(super) fn counted(&self) -> usize {
        self.counted
    }

    fn has_output(&self) -> bool {
        !self.connection.output().is_empty()
    }

    /// The system says that there may be something to do.
    pub(super) fn handle_event(&mut self, event: &event::Event) {
        self.read_closed |= event.is_read_closed() || event.is_error();
        self.readable |= event.is_readable() || self.read_closed;
    }

    /// Reads, executes and answers, up to the budget of one turn.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        core: &mut ServerCore,
        scratch: &mut Scratch,
        mode: Mode,
    ) -> Next {
        let closing = mode == Mode::Closing;
        self.connection.squeeze(mode == Mode::Squeezed);
        let mut received = 0;
        while received < BYTES_PER_TURN && !closing && self.wants_input() {
            match self.read(now, core, scratch, mode) {
                Ok(n) => received += n,
                Err(next) => return next,
            }
        }
        let mut sent = 0;
        loop {
            match self.flush(now) {
                Ok(n) => sent += n,
                Err(_) => return Next::Close,
            }
            if !self.connection.can_resume() || self.has_output() {
                break;
            }
            // Short calls can have long answers, to a peer that takes them as fast as they come.
            if sent >= BYTES_PER_TURN {
                return Next::Again;
            }
            let mut line = self.line.as_deref();
            let client = line.as_mut().map(|line| line as &mut dyn Replies);
            let mut cores = Cores { server: Some((core, self.caller)), client };
            if self.connection.resume(now, &mut cores).is_err() {
                core.counters().bad_records.add(1);
                return Next::Close;
            }
        }
        match () {
            () if self.ended && !self.has_output() && self.connection.owed() == 0 => Next::Close,
            () if self.wants_input() && !closing => Next::Again,
            () => Next::Wait,
        }
    }

    /// Registers for what has to be waited for, if that changed.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let blocked = self.has_output();
        if blocked == self.blocked {
            return Ok(());
        }
        self.blocked = blocked;
        let interest =
            if blocked { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        registry.reregister(self.socket.source(), token, interest)
    }

    /// Ends it in a way that does not take back what is on its way to the peer, which a close with
    /// input unread would.
    pub(super) fn part(&mut self, scratch: &mut Scratch) {
        let _ = match &self.socket {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
        for _ in 0..LAST_READS {
            if !matches!(self.socket.read(scratch.room()), Ok(1..)) {
                return;
            }
        }
    }

    /// Whether its output buffer is not wanted for what comes next.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_input()) >= QUIET
    }

    /// Gives back the memory of an output queue that is empty.
    pub(super) fn trim(&mut self) {
        self.connection.trim();
    }

    /// Since when the rest of a record, or room for output, has been waited for.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        self.connection.waiting_since()
    }

    /// Whether the peer has been waited for too long.
    pub(super) fn overdue(&self, now: Instant) -> Option<Overdue> {
        // Beside the loop and this, somebody has it who may call the peer at any time.
        let is_used = self.line.as_ref().is_some_and(|line| Arc::strong_count(line) > 2);
        self.connection.overdue(now).filter(|&why| why == Overdue::Stalled || !is_used)
    }

    fn wants_input(&self) -> bool {
        self.readable && !self.ended && !self.connection.is_held()
    }

    /// Reads once and handles what came; how many bytes that was.
    fn read(
        &mut self,
        now: Instant,
        core: &mut ServerCore,
        scratch: &mut Scratch,
        mode: Mode,
    ) -> Result<usize, Next> {
        let direct = self.connection.space();
        let is_direct = direct.is_some();
        let into = direct.unwrap_or_else(|| scratch.room());
        let room = if mode == Mode::Squeezed { into.len().min(SQUEEZED_READ) } else { into.len() };
        let into = &mut into[..room];
        let n = match self.socket.read(into) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(0),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(0);
            }
            Err(_) => return Err(Next::Close),
        };
        if n == 0 {
            self.ended = true;
            // It may still take answers, but it will not give any.
            if let Some(line) = &self.line {
                line.close();
            }
            return Ok(0);
        }
        // A short read took all there was; the next byte is another event.
        self.readable = n == room || self.read_closed;
        let mut line = self.line.as_deref();
        let client = line.as_mut().map(|line| line as &mut dyn Replies);
        let mut cores = Cores { server: Some((core, self.caller)), client };
        let handled = if is_direct {
            self.connection.handle_filled(now, n, &mut cores)
        } else {
            scratch.with(n, |chunk| self.connection.handle_input(now, chunk, &mut cores))
        };
        handled.map(|()| n).map_err(|error| {
            log::debug!("closing the connection of {}: {error}", self.caller.peer);
            core.counters().bad_records.add(1);
            // What was answered before is sent as far as the socket takes it.
            let _ = self.flush(now);
            Next::Close
        })
    }

    /// Writes until all is out or the socket takes no more; how many bytes that was.
    fn flush(&mut self, now: Instant) -> io::Result<usize> {
        let mut sent = 0;
        while !self.connection.output().is_empty() {
            match self.socket.write(self.connection.output()) {
                Ok(taken) => {
                    sent += taken;
                    self.connection.handle_written(now, taken);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(sent),
                Err(e) => return Err(e),
            }
            if self.calls_wait
                && let Some(line) = &self.line
            {
                self.calls_wait = !self.connection.write(now, |out| line.take_output(out));
            }
        }
        Ok(sent)
    }
}
