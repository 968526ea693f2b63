//! The thread that answers: a loop over few connections, each with one request and little time.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use super::http::{MAX_REQUEST, Request, Response};

/// The most connections: one more closes the oldest.
const MAX_CONNECTIONS: usize = 32;

/// What all answers that are under way may take, in bytes: one more closes the oldest. The latest is
/// as long as it is.
const MAX_ANSWERS: usize = 4 << 20;

/// As long as a connection may take for all: to ask, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// After the system had no descriptor left, nobody is accepted for so long.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// A socket that listens for requests.
#[derive(Debug)]
pub(super) struct Listener(std::net::TcpListener);

impl Listener {
    pub(super) fn bind(addr: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    pub(super) fn addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers on a thread of its own until the value is dropped.
    pub(super) fn start(
        self,
        answer: impl Fn(&Request) -> Response + Send + 'static,
    ) -> io::Result<Running> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let mut listener = TcpListener::from_std(self.0);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let mut server =
            Server { poll, listener, connections: BTreeMap::new(), next: 0, accept_again: None };
        let builder = thread::Builder::new().name("portmapd-status".to_owned());
        let thread = builder.spawn(move || server.run(&answer))?;
        Ok(Running { waker, thread: Some(thread) })
    }
}

/// The thread, which ends with this value.
#[derive(Debug)]
pub(super) struct Running {
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let (Ok(()), Some(thread)) = (self.waker.wake(), self.thread.take())
            && thread.join().is_err()
        {
            log::error!("the status page's thread panicked");
        }
    }
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    /// By age: a number is not given twice.
    connections: BTreeMap<usize, Connection>,
    next: usize,
    accept_again: Option<Instant>,
}

struct Connection {
    stream: TcpStream,
    until: Instant,
    request: Vec<u8>,
    /// What is sent, once the request is there, and how many bytes of it are.
    answer: Option<Vec<u8>>,
    sent: usize,
}

impl Server {
    fn run(&mut self, answer: &dyn Fn(&Request) -> Response) {
        let mut events = Events::with_capacity(64);
        loop {
            match self.poll.poll(&mut events, self.timeout(Instant::now())) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    log::error!("the status page is closed: {error}");
                    return;
                }
                _ => {}
            }
            for event in &events {
                match event.token() {
                    WAKER => return,
                    LISTENER => self.accept(),
                    Token(number) => self.turn(number, answer),
                }
            }
            let now = Instant::now();
            if self.accept_again.is_some_and(|at| at <= now) {
                self.accept();
            }
            self.connections.retain(|_, connection| connection.until > now);
        }
    }

    /// The oldest connection is the first whose time is over.
    fn timeout(&self, now: Instant) -> Option<Duration> {
        let first = self.connections.first_key_value().map(|(_, connection)| connection.until);
        let next = [first, self.accept_again].into_iter().flatten().min();
        next.map(|at| at.saturating_duration_since(now))
    }

    fn accept(&mut self) {
        self.accept_again = None;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.add(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.accept_again = Some(Instant::now() + ACCEPT_AGAIN);
                    return;
                }
            }
        }
    }

    fn add(&mut self, mut stream: TcpStream) {
        let token = Token(self.next);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut stream, token, interest).is_err() {
            return;
        }
        if self.connections.len() >= MAX_CONNECTIONS {
            self.connections.pop_first();
        }
        let until = Instant::now() + PATIENCE;
        let connection = Connection { stream, until, request: Vec::new(), answer: None, sent: 0 };
        self.connections.insert(self.next, connection);
        self.next += 1;
    }

    fn turn(&mut self, number: usize, answer: &dyn Fn(&Request) -> Response) {
        if let Some(connection) = self.connections.get_mut(&number)
            && !matches!(connection.turn(answer), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
        {
            self.connections.remove(&number);
        }
        self.shed();
    }

    /// A long list that many ask for and none reads is not to take all memory.
    fn shed(&mut self) {
        let mut all = 0;
        let latest_first = self.connections.iter().rev();
        let too_many = latest_first.filter(|(_, connection)| {
            let len = connection.answer.as_ref().map_or(0, Vec::len);
            all += len;
            len > 0 && all > len && all > MAX_ANSWERS
        });
        let too_many: Vec<_> = too_many.map(|(&number, _)| number).collect();
        for number in too_many {
            self.connections.remove(&number);
        }
    }
}

impl Connection {
    /// Goes on until it would block. Otherwise it is over.
    fn turn(&mut self, answer: &dyn Fn(&Request) -> Response) -> io::Result<()> {
        while self.answer.is_none() {
            self.read(answer)?;
        }
        self.write()?;
        // What else was sent is read, or the system would take the answer back.
        let mut rest = [0; 1024];
        while self.stream.read(&mut rest)? > 0 {}
        Ok(())
    }

    fn read(&mut self, answer: &dyn Fn(&Request) -> Response) -> io::Result<()> {
        let mut chunk = [0; 1024];
        let n = self.stream.read(&mut chunk)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.request.extend_from_slice(&chunk[..n.min(MAX_REQUEST - self.request.len())]);
        self.answer = match Request::parse(&self.request) {
            Ok(None) => None,
            Ok(Some(request)) => Some(answer(&request).into_bytes(request.is_head)),
            Err(status) => Some(Response::of(status).into_bytes(false)),
        };
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let answer = self.answer.as_deref().unwrap_or_default();
        while let Some(rest @ [_, ..]) = answer.get(self.sent..) {
            self.sent += self.stream.write(rest)?;
            if self.sent == answer.len() {
                self.stream.shutdown(Shutdown::Write)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than the system takes for who does not read.
    const LONG: usize = 32 << 20;

    fn ask(addr: SocketAddr) -> std::net::TcpStream {
        let mut stream = std::net::TcpStream::connect(addr).expect("it listens");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
        assert_eq!(stream.peek(&mut [0; 1]).expect("an answer has begun"), 1);
        stream
    }

    /// How much comes before the end, whatever that is.
    fn read(mut stream: std::net::TcpStream) -> usize {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer.len()
    }

    #[test]
    fn who_does_not_read_long_answers_makes_room_for_who_does() {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let addr = listener.addr().expect("bound");
        let answer = |_: &Request| Response::new("text/plain", "x".repeat(LONG));
        let _running = listener.start(answer).expect("a thread");
        let silent = ask(addr);
        assert!(read(ask(addr)) > LONG);
        assert!(read(silent) < LONG);
    }
}
