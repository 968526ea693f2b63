//! The thread that makes the calls.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use farcall::proto::auth::OpaqueAuth;
use farcall::proto::message::CallHeader;
use farcall::xdr::{Bytes, EncodeError, Encoder};
use farcall::{Fault, Xid};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};

use super::calls::{Calls, MAX_CALLS};
use super::{Done, Forward};

/// No datagram is larger.
const BUFFER: usize = 64 << 10;

/// As many datagrams of a service, none of which is the reply, and it is not waited for any more.
const MAX_STRAY: usize = 64;

const WAKER: Token = Token(usize::MAX);

pub(super) struct Worker {
    poll: Poll,
    queue: Receiver<Forward>,
    /// One that is closed wakes nobody.
    _waker: Arc<Waker>,
    calls: Calls<Made>,
    buffer: Vec<u8>,
}

/// A call that was made.
struct Made {
    socket: UdpSocket,
    done: Done,
}

/// What there may be in the queue.
#[derive(PartialEq, Eq)]
enum Queue {
    Empty,
    More,
    Closed,
}

impl Worker {
    /// The second is to be woken when there is something in the queue, or it is closed.
    pub(super) fn new(queue: Receiver<Forward>, seed: u64) -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (calls, buffer) = (Calls::new(seed), vec![0; BUFFER]);
        let worker = Self { poll, queue, _waker: Arc::clone(&waker), calls, buffer };
        Ok((worker, waker))
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(MAX_CALLS + 1);
        let mut timeout = None;
        loop {
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return log::error!("no more calls are made for others: {error}");
                }
                _ => {}
            }
            let answered = events.iter().filter(|event| event.token() != WAKER);
            answered.for_each(|event| self.receive(event.token().0));
            let queue = self.take_new();
            if queue == Queue::Closed {
                return;
            }
            let now = Instant::now();
            while let Some(made) = self.calls.expire(now) {
                (made.done)(Err(Fault::SystemErr));
            }
            let due = self.calls.due().map(|due| due.saturating_duration_since(now));
            timeout = if queue == Queue::More { Some(Duration::ZERO) } else { due };
        }
    }

    /// Only as many as there is room for, so that answers have their turn.
    fn take_new(&mut self) -> Queue {
        for _ in 0..MAX_CALLS {
            match self.queue.try_recv() {
                Ok(forward) => self.forward(forward),
                Err(TryRecvError::Empty) => return Queue::Empty,
                Err(TryRecvError::Disconnected) => return Queue::Closed,
            }
        }
        Queue::More
    }

    fn forward(&mut self, forward: Forward) {
        let (number, xid) = self.calls.draw();
        let sent = message(xid, &forward)
            .map_err(io::Error::other)
            .and_then(|message| self.send(number, &message, forward.target));
        let socket = match sent {
            Ok(socket) => socket,
            Err(error) => {
                log::debug!("cannot call {} for another: {error}", forward.target);
                return (forward.done)(Err(Fault::SystemErr));
            }
        };
        let made = Made { socket, done: forward.done };
        if let Some(oldest) = self.calls.add(Instant::now(), (number, xid), made) {
            (oldest.done)(Err(Fault::SystemErr));
        }
    }

    fn send(&self, number: usize, message: &[u8], target: SocketAddr) -> io::Result<UdpSocket> {
        // An address of another host cannot be bound.
        let mut socket = UdpSocket::bind(SocketAddr::new(target.ip(), 0))?;
        socket.connect(target)?;
        self.poll.registry().register(&mut socket, Token(number), Interest::READABLE)?;
        socket.send(message)?;
        Ok(socket)
    }

    fn receive(&mut self, number: usize) {
        for _ in 0..MAX_STRAY {
            let Some(made) = self.calls.get(number) else { return };
            match made.socket.recv(&mut self.buffer) {
                Ok(len) => {
                    let datagram = Bytes::copy_from_slice(&self.buffer[..len]);
                    if let Some((made, results)) = self.calls.handle(number, &datagram) {
                        return (made.done)(results);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Nobody is there.
                Err(_) => break,
            }
        }
        if let Some(made) = self.calls.remove(number) {
            (made.done)(Err(Fault::SystemErr));
        }
    }
}

fn message(xid: Xid, forward: &Forward) -> Result<Bytes, EncodeError> {
    let header = CallHeader {
        xid,
        program: forward.call.program,
        version: forward.call.version,
        procedure: forward.call.procedure,
        credential: forward.credential.clone(),
        verifier: OpaqueAuth::NONE,
    };
    let mut e = Encoder::new();
    header.encode(&mut e)?;
    e.opaque_fixed(&forward.args);
    Ok(e.into_bytes())
}
