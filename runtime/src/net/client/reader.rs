//! The receiving side of a client's socket: what belongs to whoever waits for it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{MsgFlags, getsockopt, recv};
use socket2::Socket;

use super::socket::{Attempt, Local, Port, RECEIVE_SLICE, Remote};
use super::{Config, Deadline};
use crate::net::scratch::Scratch;
use crate::proto::client::{CONNECT_MAX, ClientCore, Transport};
use crate::proto::message::{MessageType, peek};
use crate::proto::record::{RecordError, RecordLimits, RecordReader};
use crate::service::PeerAddr;
use crate::xdr::Bytes;

/// Datagrams below are handed on without giving the buffer away.
const SHARE_FROM: usize = 8 << 10;

/// A wait that is at least this long may begin with a blocking receive.
const MIN_BLOCKING: Duration = RECEIVE_SLICE.saturating_add(Duration::from_millis(2));

/// What a wait is to wait for, besides input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    pub(super) now: Instant,
    pub(super) until: Instant,
    /// Output is blocked: end when it is not.
    pub(super) writable: bool,
    /// How long to ask for input again and again before sleeping.
    pub(super) spin: Duration,
}

/// What a wait has brought.
#[derive(Debug)]
pub(super) enum Input {
    /// Nothing; but time has passed, or output may go on.
    Nothing,
    /// So many bytes in the buffer. None is the end of a stream.
    Buffered(usize),
    /// So many bytes in the record that is being read. None is the end of the stream.
    InRecord(usize),
    /// The server's host says that nobody listens there.
    Refused,
    /// The socket failed.
    Failed,
}

/// A connection that was made again.
#[derive(Debug)]
pub(super) struct Reconnected {
    pub(super) socket: Arc<Socket>,
    /// It is from the same port as the one before.
    pub(super) is_same_caller: bool,
}

/// A socket to another of the server's addresses.
#[derive(Debug)]
pub(super) struct Readdressed {
    pub(super) socket: Arc<Socket>,
    /// The address was not in use before.
    pub(super) is_new: bool,
}

/// The receiving side of a socket.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) socket: Option<Arc<Socket>>,
    /// The server's addresses; the first one is in use.
    remotes: VecDeque<Remote>,
    /// How many of the others were not in use yet.
    untried: usize,
    /// Where to call from.
    local: Local,
    /// The port of the connection that was lost, until there is another.
    port: Option<Port>,
    /// The connection that is being made again, and until when that may take.
    attempt: Option<(Attempt, Instant)>,
    transport: Transport,
    limits: RecordLimits,
    records: RecordReader,
    buffer: Scratch,
}

impl Reader {
    /// Connects to the first of `remotes` that can be connected to.
    pub(super) fn connect(
        remotes: Vec<Remote>,
        config: &Config,
        deadline: &Deadline,
    ) -> io::Result<Self> {
        let local = if config.reserved_port { Local::Reserved } else { Local::Any };
        let mut remotes = VecDeque::from(remotes);
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        while let Some(remote) = remotes.front() {
            // An address that does not answer leaves the others their share of the time.
            let share = u32::try_from(remotes.len()).unwrap_or(u32::MAX);
            match remote.connect(local, deadline.left() / share) {
                Ok(socket) => {
                    return Ok(Self::new(
                        socket,
                        remote.transport(),
                        remotes,
                        config.records,
                        local,
                    ));
                }
                Err(error) => failed = error,
            }
            remotes.pop_front();
        }
        Err(failed)
    }

    fn new(
        socket: Socket,
        transport: Transport,
        remotes: VecDeque<Remote>,
        limits: RecordLimits,
        local: Local,
    ) -> Self {
        Self {
            socket: Some(Arc::new(socket)),
            untried: remotes.len() - 1,
            remotes,
            local,
            port: None,
            attempt: None,
            transport,
            limits,
            records: RecordReader::new(limits),
            buffer: Scratch::new(),
        }
    }

    /// Over what it talks.
    pub(super) fn transport(&self) -> Transport {
        self.transport
    }

    /// The server, as the one who calls over a stream.
    pub(super) fn peer(&self) -> Option<PeerAddr> {
        match self.remotes.front()? {
            Remote::Udp(_) => None,
            Remote::Tcp(addr) => Some(PeerAddr::Tcp(*addr)),
            Remote::Unix(_) => {
                let who = getsockopt(self.socket.as_ref()?, PeerCredentials).ok()?;
                let (uid, gid, pid) = (who.uid(), who.gid(), who.pid());
                Some(PeerAddr::Unix { uid, gid, pid, connection: 0 })
            }
        }
    }

    /// Has the next connection made from the port of this one, which is lost.
    pub(super) fn keep_port(&mut self) {
        let is_tcp = matches!(self.remotes.front(), Some(Remote::Tcp(_)));
        if let Some(lost) = self.socket.as_ref().filter(|_| is_tcp) {
            // Without a descriptor for it the next one calls from another port.
            self.port = Port::of(lost).ok();
        }
    }

    /// Forgets a connection and what was read of a record on it.
    pub(super) fn disconnect(&mut self) {
        self.socket = None;
        self.records = RecordReader::new(self.limits);
    }

    /// Whether the peer has ended the stream: there is nothing but its end to be read.
    pub(super) fn is_at_end(&self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        let peeked = self.socket.as_ref().map(|socket| recv(socket.as_raw_fd(), &mut [0], flags));
        !matches!(peeked, Some(Ok(1..) | Err(Errno::EAGAIN | Errno::EINTR)))
    }

    /// Connects again, from the same port if possible: the server's memory of what it has executed
    /// goes by the caller's address. `None` if that takes longer than `until`, or something came over
    /// `wake` before: it goes on the next time.
    pub(super) fn reconnect(
        &mut self,
        now: Instant,
        until: Instant,
        wake: Option<&UnixStream>,
    ) -> Option<io::Result<Reconnected>> {
        let Some(&Remote::Tcp(addr)) = self.remotes.front() else {
            return Some(self.connect_at_once(until.saturating_duration_since(now)));
        };
        let begun = self.attempt.take().map_or_else(|| self.begin(addr, now), Ok);
        let (attempt, last) = match begun {
            Ok(begun) => begun,
            Err(error) => return Some(Err(error)),
        };
        let left = until.min(last).saturating_duration_since(now);
        poll_ready(Some(attempt.socket()), true, wake, left);
        match attempt.is_made() {
            Ok(true) => Some(self.finish(attempt)),
            Ok(false) if Instant::now() < last => {
                self.attempt = Some((attempt, last));
                None
            }
            Ok(false) => Some(Err(self.failed(&attempt, io::ErrorKind::TimedOut.into()))),
            Err(error) => Some(Err(self.failed(&attempt, error))),
        }
    }

    fn begin(&mut self, addr: SocketAddr, now: Instant) -> io::Result<(Attempt, Instant)> {
        let attempt = match self.port.take() {
            Some(port) => port.begin(addr).map_err(|(error, port)| {
                self.port = port;
                error
            })?,
            None => Attempt::begin(addr, self.local)?,
        };
        Ok((attempt, now + CONNECT_MAX))
    }

    /// Nobody waits for the connection that is being made any more.
    pub(super) fn abandon(&mut self) {
        if let Some((attempt, _)) = self.attempt.take() {
            self.failed(&attempt, io::ErrorKind::TimedOut.into());
        }
    }

    /// Keeps the port for another attempt.
    fn failed(&mut self, attempt: &Attempt, error: io::Error) -> io::Error {
        self.port = attempt.port(&error);
        error
    }

    fn finish(&mut self, attempt: Attempt) -> io::Result<Reconnected> {
        let is_same_caller = attempt.is_same_caller();
        Ok(self.reconnected(attempt.finish()?, is_same_caller))
    }

    /// Connects where that does not take the other side's time.
    fn connect_at_once(&mut self, timeout: Duration) -> io::Result<Reconnected> {
        let remote = self.remotes.front().ok_or(io::ErrorKind::NotFound)?;
        let socket = remote.connect(self.local, timeout)?;
        Ok(self.reconnected(socket, false))
    }

    fn reconnected(&mut self, socket: Socket, is_same_caller: bool) -> Reconnected {
        let socket = Arc::new(socket);
        self.socket = Some(Arc::clone(&socket));
        Reconnected { socket, is_same_caller }
    }

    /// Turns to the server's next address. `None` if there is no other.
    pub(super) fn readdress(&mut self) -> Option<Readdressed> {
        if self.remotes.len() < 2 {
            return None;
        }
        self.remotes.rotate_left(1);
        let is_new = self.untried > 0;
        self.untried = self.untried.saturating_sub(1);
        let Reconnected { socket, .. } = self.connect_at_once(Duration::ZERO).ok()?;
        Some(Readdressed { socket, is_new })
    }

    /// Waits for input. The usual wait is one blocking receive and nothing else.
    pub(super) fn wait(&mut self, wait: &Wait, wake: Option<&UnixStream>) -> Input {
        let Some(socket) = self.socket.clone() else {
            poll_ready(None, false, wake, wait.until.saturating_duration_since(wait.now));
            return Input::Nothing;
        };
        if let Some(input) = self.spin(&socket, wait) {
            return input;
        }
        let left = wait.until.saturating_duration_since(wait.now);
        if !wait.writable && wake.is_none() && left > MIN_BLOCKING {
            match self.receive(&socket, MsgFlags::empty()) {
                Input::Nothing => {}
                input => return input,
            }
        }
        let left = wait.until.saturating_duration_since(Instant::now());
        if poll_ready(Some(&socket), wait.writable, wake, left) {
            return self.receive(&socket, MsgFlags::MSG_DONTWAIT);
        }
        Input::Nothing
    }

    /// What has come already.
    pub(super) fn receive_now(&mut self) -> Input {
        match self.socket.clone() {
            Some(socket) => self.receive(&socket, MsgFlags::MSG_DONTWAIT),
            None => Input::Nothing,
        }
    }

    fn spin(&mut self, socket: &Socket, wait: &Wait) -> Option<Input> {
        if wait.spin.is_zero() {
            return None;
        }
        let until = wait.now + wait.spin.min(wait.until.saturating_duration_since(wait.now));
        loop {
            match self.receive(socket, MsgFlags::MSG_DONTWAIT) {
                Input::Nothing if Instant::now() >= until => return None,
                Input::Nothing => std::hint::spin_loop(),
                input => return Some(input),
            }
        }
    }

    fn receive(&mut self, socket: &Socket, flags: MsgFlags) -> Input {
        let fd = socket.as_raw_fd();
        let (received, in_record) = match self.records.space() {
            Some(space) => (recv(fd, space, flags), true),
            None => (recv(fd, self.buffer.room(), flags), false),
        };
        match received {
            Ok(n) if in_record => Input::InRecord(n),
            Ok(n) => Input::Buffered(n),
            Err(Errno::EAGAIN | Errno::EINTR) => Input::Nothing,
            Err(Errno::ECONNREFUSED) => Input::Refused,
            Err(_) => Input::Failed,
        }
    }

    /// Hands on a datagram of `n` bytes that is in the buffer.
    pub(super) fn take_datagram(&mut self, n: usize, core: &mut ClientCore, now: Instant) {
        if n < SHARE_FROM {
            let message = self.buffer.filled(n);
            core.handle_reply(now, message, || Bytes::copy_from_slice(message));
            return;
        }
        self.buffer.with(n, |message| core.handle_reply(now, message, || message.clone()));
    }

    /// Hands on the records that are whole with `n` more bytes in the buffer: replies to the core, and
    /// what the server calls to `calls`.
    ///
    /// # Errors
    /// The stream is not one of records, or exceeds the limits. It is of no use any more.
    pub(super) fn take_stream(
        &mut self,
        n: usize,
        core: &mut ClientCore,
        now: Instant,
        calls: &mut Vec<Bytes>,
    ) -> Result<(), RecordError> {
        let records = &mut self.records;
        self.buffer.with(n, |chunk| take_records(records, chunk, core, now, calls))
    }

    /// Hands on the record that is being read if it is whole with `n` more bytes.
    ///
    /// # Errors
    /// As [`take_stream`](Self::take_stream).
    pub(super) fn take_in_record(
        &mut self,
        n: usize,
        core: &mut ClientCore,
        now: Instant,
        calls: &mut Vec<Bytes>,
    ) -> Result<(), RecordError> {
        self.records.filled(n);
        take_records(&mut self.records, &Bytes::new(), core, now, calls)
    }
}

fn take_records(
    records: &mut RecordReader,
    chunk: &Bytes,
    core: &mut ClientCore,
    now: Instant,
    calls: &mut Vec<Bytes>,
) -> Result<(), RecordError> {
    let mut at = 0;
    while let Some(message) = records.read(chunk, &mut at)? {
        match peek(message.bytes()) {
            Some((_, MessageType::Call)) => calls.push(message.to_bytes()),
            _ => core.handle_reply(now, message.bytes(), || message.to_bytes()),
        }
    }
    Ok(())
}

/// Waits until there is input, output is possible if that is wanted, or something comes over
/// `wake`, which is emptied then. Says whether there is input.
fn poll_ready(
    socket: Option<&Socket>,
    writable: bool,
    wake: Option<&UnixStream>,
    timeout: Duration,
) -> bool {
    let mut wanted = PollFlags::POLLIN;
    wanted.set(PollFlags::POLLOUT, writable);
    let socket = socket.map(|socket| PollFd::new(socket.as_fd(), wanted));
    let wake_fd = wake.map(|wake| PollFd::new(wake.as_fd(), PollFlags::POLLIN));
    let is_first = socket.is_some();
    let mut fds: Vec<PollFd<'_>> = socket.into_iter().chain(wake_fd).collect();
    if poll(&mut fds, to_poll(timeout)).is_err() {
        return false;
    }
    let happened =
        |fd: Option<&PollFd<'_>>| fd.and_then(PollFd::revents).unwrap_or(PollFlags::empty());
    if let Some(wake) = wake
        && !happened(fds.last()).is_empty()
    {
        // Nothing there is an error here, and fine.
        let _ = recv(wake.as_raw_fd(), &mut [0; 64], MsgFlags::MSG_DONTWAIT);
    }
    is_first && happened(fds.first()).intersects(PollFlags::all().difference(PollFlags::POLLOUT))
}

/// Waits until more can be written, for at most `timeout`.
pub(super) fn wait_writable(socket: &Socket, timeout: Duration) {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    // An error there shows at the next write.
    let _ = poll(&mut fds, to_poll(timeout));
}

/// Rounded up: to wake up early would be to wake up twice.
fn to_poll(timeout: Duration) -> PollTimeout {
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::proto::retry::RetryPolicy;

    #[test]
    fn only_the_end_of_a_stream_is_its_end() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let remote = Remote::Tcp(listener.local_addr().expect("it is bound"));
        let config = Config {
            retry: RetryPolicy::default(),
            records: RecordLimits::default(),
            spin: Duration::ZERO,
            corked: false,
            reserved_port: false,
            idle: Duration::MAX,
            services: Vec::new(),
        };
        let deadline = Deadline::after(Duration::from_secs(20));
        let mut reader = Reader::connect(vec![remote], &config, &deadline).expect("it listens");
        let (mut peer, _) = listener.accept().expect("a client");
        assert!(!reader.is_at_end(), "nothing came yet");
        peer.write_all(&[1]).expect("it is read");
        drop(peer);
        let now = Instant::now();
        let wait =
            Wait { now, until: now + deadline.left(), writable: false, spin: Duration::ZERO };
        while !matches!(reader.wait(&wait, None), Input::Buffered(1)) {
            assert!(!reader.is_at_end(), "something is to be read first");
        }
        while !reader.is_at_end() {
            assert!(!deadline.left().is_zero(), "the end has come");
            thread::yield_now();
        }
        reader.disconnect();
        assert!(reader.is_at_end());
    }
}
