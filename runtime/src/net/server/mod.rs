//! The event loop of a server: sockets in, answers out, one thread.
//!
//! mio tells once that a socket is ready, so a socket is read until it would block; one that has
//! used up its turn goes on the list of those to be looked at again. A listener that could not
//! accept for want of descriptors is tried again by the clock. Tokens carry a generation, so that
//! an event that is left of a closed connection never reaches the next one in its place.
//!
//! Of several loops the first one accepts, and gives a connection to the loop that its peer's
//! address and port stand for: so a peer that comes back from the same port finds the duplicate
//! request cache that knows it.

mod accept;
mod back;
mod crowd;
mod datagram;
mod ending;
mod pktinfo;
mod sources;
mod stream;
mod watchdog;
mod workers;

use std::io;
use std::os::unix::net::UnixStream as SignalPipe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use mio::event::Source as _;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use slab::Slab;

use self::accept::{Arrivals, Spread};
pub(crate) use self::accept::{Listener, SocketFile, share_out};
use self::crowd::Crowd;
use self::datagram::{Datagrams, Post};
use self::ending::Ending;
use self::sources::Sources;
pub(crate) use self::sources::connections_allowed;
use self::stream::{Mode, Next, Stream};
pub(crate) use self::watchdog::{Current, Watchdog, Watched};
pub(crate) use self::workers::Pool;
use super::scratch::Scratch;
use crate::error::{Doing, Error, Result};
use crate::proto::connection::Overdue;
use crate::proto::limits::Limits;
use crate::proto::server::{Caller, DeferredReply, ServerCore};
use crate::service::{Dispatch, Lines, PeerAddr};

const WAKER: Token = Token(usize::MAX);
const SIGNAL: Token = Token(usize::MAX - 1);

/// How often connections are looked at for having waited too long.
const SWEEP: Duration = Duration::from_secs(1);

/// When a listener is tried again after the system had no descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The time, for a core that has no clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Wakes a server's loop from any thread.
#[derive(Debug)]
pub(crate) struct Bell {
    waker: Waker,
    stop: AtomicBool,
}

impl Bell {
    /// Makes the loop end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.ring();
    }

    pub(crate) fn ring(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("cannot wake the event loop: {error}");
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

#[derive(Debug)]
enum Source {
    Listener(Listener),
    Datagrams(Datagrams),
    Stream(Box<Stream>),
}

#[derive(Debug)]
struct Entry {
    generation: u32,
    /// It is on the list of those to be looked at again.
    queued: bool,
    source: Source,
}

/// The sockets of a server and what waits for them.
#[derive(Debug)]
pub(crate) struct EventLoop {
    poll: Poll,
    events: Events,
    /// How long it stays awake after events, and when the last ones were.
    spin: Duration,
    last_event: Instant,
    bell: Arc<Bell>,
    signals: Option<SignalPipe>,
    core: ServerCore,
    /// What it executes of each service.
    watched: Vec<Arc<Current>>,
    entries: Slab<Entry>,
    generation: u32,
    limits: Limits,
    sources: Sources,
    /// Where connections go that another loop serves, and where those come from that this one does.
    spread: Option<Spread>,
    arrivals: Option<Arrivals>,
    /// Numbers Unix connections, which have no address to tell them apart by.
    unix_connections: u64,
    again: Vec<Token>,
    /// Its memory, while those of before get their turns.
    turns: Vec<Token>,
    scratch: Scratch,
    post: Post,
    crowd: Crowd,
    next_sweep: Option<Instant>,
    accept_again: Option<Instant>,
    /// Calls back to peers, and when one of them may be over.
    lines: Arc<Lines>,
    /// Where this runs.
    thread: Option<ThreadId>,
    call_back_timer: Option<Instant>,
    ending: Ending,
}

impl EventLoop {
    /// A loop without sockets, the first one or another. `core` makes the protocol's part, given
    /// what wakes the loop.
    pub(crate) fn new(
        limits: Limits,
        number: usize,
        core: impl FnOnce(std::task::Waker) -> ServerCore,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let bell = Arc::new(Bell { waker, stop: AtomicBool::new(false) });
        let lines = Lines::new(Arc::clone(&bell).into());
        let mut core = core(Arc::clone(&bell).into());
        core.set_lines(Arc::clone(&lines));
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            spin: Duration::ZERO,
            last_event: Instant::now(),
            core,
            watched: Vec::new(),
            bell,
            signals: None,
            entries: Slab::new(),
            generation: 0,
            sources: Sources::new(&limits),
            limits,
            spread: None,
            arrivals: None,
            unix_connections: (number as u64) << 48,
            again: Vec::new(),
            turns: Vec::new(),
            scratch: Scratch::new(),
            post: Post::default(),
            crowd: Crowd::default(),
            next_sweep: None,
            accept_again: None,
            lines,
            thread: None,
            call_back_timer: None,
            ending: Ending::default(),
        })
    }

    pub(crate) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    pub(crate) fn core(&mut self) -> &mut ServerCore {
        &mut self.core
    }

    /// Serves a service whose calls this thread executes.
    pub(crate) fn serve(&mut self, service: Arc<dyn Dispatch>) {
        let watched = Watched::new(service);
        self.watched.push(watched.current());
        self.core.add(Arc::new(watched));
    }

    /// What it executes of each of those services.
    pub(crate) fn watched(&self) -> Vec<Arc<Current>> {
        self.watched.clone()
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    pub(crate) fn set_spin(&mut self, spin: Duration) {
        self.spin = spin;
    }

    pub(crate) fn add_listener(&mut self, listener: Listener) -> io::Result<()> {
        let token = self.insert(|_| Ok(Source::Listener(listener)))?;
        self.again.push(token);
        Ok(())
    }

    pub(crate) fn add_datagrams(&mut self, socket: mio::net::UdpSocket) -> io::Result<()> {
        let token =
            self.insert(|token| Datagrams::new(socket, origin(token)).map(Source::Datagrams))?;
        self.again.push(token);
        Ok(())
    }

    /// Stops when a byte comes out of `pipe`.
    pub(crate) fn add_signals(&mut self, pipe: SignalPipe) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        let fd = pipe.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), SIGNAL, Interest::READABLE)?;
        self.signals = Some(pipe);
        Ok(())
    }

    /// Serves until told to stop.
    pub(crate) fn run(mut self) -> Result<()> {
        while self.poll_once(None)? {}
        Ok(())
    }

    /// Waits for something to do, at most `timeout`, and does it. `false` at the end.
    pub(crate) fn poll_once(&mut self, timeout: Option<Duration>) -> Result<bool> {
        let thread = thread::current().id();
        if self.thread.replace(thread) != Some(thread) {
            self.lines.run_on(thread);
        }
        let timeout = [self.timeout(), timeout].into_iter().flatten().min();
        match self.wait(timeout) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => {
                return Err(Error::Io { doing: Doing::Poll, source: e });
            }
            _ => {}
        }
        let now = Instant::now();
        if !self.events.is_empty() {
            self.last_event = now;
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            self.handle_event(now, event);
        }
        self.events = events;
        self.turns(now);
        self.send_deferred(now);
        self.call_back(now);
        self.sweep(now);
        Ok(!self.end())
    }

    /// Waits for events, awake as long as the last ones were a short while ago.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let may_spin = !self.spin.is_zero() && timeout != Some(Duration::ZERO);
        while may_spin && self.last_event.elapsed() < self.spin {
            self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
            if !self.events.is_empty() {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        self.poll.poll(&mut self.events, timeout)
    }

    fn handle_event(&mut self, now: Instant, event: &mio::event::Event) {
        match event.token() {
            WAKER => self.take_arrivals(now),
            SIGNAL => self.bell.stop.store(true, Ordering::Release),
            token => {
                let Some(entry) = self.entry(token) else {
                    return;
                };
                match &mut entry.source {
                    Source::Listener(_) | Source::Datagrams(_) => {}
                    Source::Stream(stream) => stream.handle_event(event),
                }
                self.look_again(token);
            }
        }
    }

    /// Every source that may have something gets its turn, once.
    fn turns(&mut self, now: Instant) {
        let mut turns = std::mem::replace(&mut self.again, std::mem::take(&mut self.turns));
        for token in turns.drain(..) {
            if let Some(entry) = self.entry(token) {
                entry.queued = false;
                self.give_turn(now, token);
            }
        }
        self.turns = turns;
    }

    fn give_turn(&mut self, now: Instant, token: Token) {
        match self.turn(now, token) {
            Next::Wait => {}
            Next::Again => self.look_again(token),
            Next::Close => self.close(token),
        }
        self.weigh(token);
    }

    fn turn(&mut self, now: Instant, token: Token) -> Next {
        let Some(entry) = self.entries.get_mut(key(token)) else {
            return Next::Wait;
        };
        match &mut entry.source {
            Source::Listener(_) => self.accept(now, token),
            Source::Datagrams(_) if self.ending.is_draining() => Next::Wait,
            Source::Datagrams(socket) => socket.turn(now, &mut self.core, &mut self.post),
            Source::Stream(stream) => {
                let mode = match () {
                    () if self.ending.is_draining() => Mode::Closing,
                    () if self.crowd.squeezed => Mode::Squeezed,
                    () => Mode::Open,
                };
                let next = stream.turn(now, &mut self.core, &mut self.scratch, mode);
                self.crowd.grow(stream);
                match stream.register(self.poll.registry(), token) {
                    Ok(()) => next,
                    Err(_) => Next::Close,
                }
            }
        }
    }

    fn send_deferred(&mut self, now: Instant) {
        while let Some(DeferredReply { caller, reply }) = self.core.poll_deferred(now) {
            let token = Token(usize::try_from(caller.origin).unwrap_or(usize::MAX));
            let Some(entry) = find(&mut self.entries, token) else {
                continue;
            };
            match &mut entry.source {
                Source::Listener(_) => {}
                Source::Datagrams(socket) => {
                    if let Some(reply) = &reply {
                        socket.send(&self.core, reply, &caller);
                    }
                }
                Source::Stream(stream) => {
                    stream.answer(reply.as_ref());
                    self.give_turn(now, token);
                }
            }
        }
    }

    /// Sends what handlers call back, and ends such calls when they are over.
    fn call_back(&mut self, now: Instant) {
        let changed = self.lines.changed();
        let any = !changed.is_empty();
        for (origin, line) in changed {
            let token = Token(usize::try_from(origin).unwrap_or(usize::MAX));
            match find(&mut self.entries, token).map(|entry| &mut entry.source) {
                Some(Source::Stream(stream)) => {
                    stream.call_back(now, &line);
                    self.give_turn(now, token);
                }
                _ => self.lines.close(origin),
            }
        }
        if any || self.call_back_timer.is_some_and(|at| at <= now) {
            self.call_back_timer = self.lines.handle_timeout(now);
        }
    }

    /// Looks after connections that have waited too long or are quiet, and tries to accept again.
    fn sweep(&mut self, now: Instant) {
        if self.accept_again.is_some_and(|at| at <= now) {
            self.accept_again = None;
            self.accept_all();
        }
        if self.next_sweep.is_none_or(|at| at > now) {
            return;
        }
        let mut overdue = Vec::new();
        for (key, entry) in &mut self.entries {
            if let Source::Stream(stream) = &mut entry.source {
                if stream.is_quiet(now) {
                    stream.trim();
                    self.crowd.grow(stream);
                }
                overdue.extend(stream.overdue(now).map(|why| (token(key, entry.generation), why)));
            }
        }
        for (token, why) in overdue {
            match why {
                Overdue::Stalled => self.core.counters().stalled.add(1),
                Overdue::Idle => self.core.counters().idle.add(1),
            }
            self.close(token);
        }
        self.next_sweep = (self.sources.total() > 0).then(|| now + SWEEP);
    }

    /// When there is something to do without an event.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        if !self.again.is_empty() || self.ending.is_due(&self.bell) {
            return Some(Duration::ZERO);
        }
        let ending = self.ending.until(self.limits.drain);
        let next = [self.next_sweep, self.accept_again, self.call_back_timer, ending];
        let next = next.into_iter().flatten().min();
        next.map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn insert(&mut self, source: impl FnOnce(Token) -> io::Result<Source>) -> io::Result<Token> {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let vacant = self.entries.vacant_entry();
        let token = token(vacant.key(), generation);
        let mut source = source(token)?;
        let registry = self.poll.registry();
        match &mut source {
            Source::Listener(listener) => listener.register(registry, token, Interest::READABLE)?,
            Source::Datagrams(datagrams) => {
                registry.register(datagrams.socket(), token, Interest::READABLE)?;
            }
            Source::Stream(stream) => {
                registry.register(stream.socket().source(), token, Interest::READABLE)?;
            }
        }
        vacant.insert(Entry { generation, queued: true, source });
        Ok(token)
    }

    fn close(&mut self, token: Token) {
        if self.entry(token).is_none() {
            return;
        }
        let mut entry = self.entries.remove(key(token));
        let registry = self.poll.registry();
        // Closing the descriptor takes it out of the poll in any case.
        let _ = match &mut entry.source {
            Source::Listener(listener) => listener.deregister(registry),
            Source::Datagrams(datagrams) => registry.deregister(datagrams.socket()),
            Source::Stream(stream) => {
                self.crowd.leave(stream);
                self.sources.remove(stream.peer());
                self.core.disconnected(origin(token));
                registry.deregister(stream.socket().source())
            }
        };
    }

    fn look_again(&mut self, token: Token) {
        if let Some(entry) = self.entry(token)
            && !std::mem::replace(&mut entry.queued, true)
        {
            self.again.push(token);
        }
    }

    fn entry(&mut self, token: Token) -> Option<&mut Entry> {
        find(&mut self.entries, token)
    }

    fn streams(&self) -> impl Iterator<Item = (Token, &Stream)> {
        self.entries.iter().filter_map(|(key, entry)| match &entry.source {
            Source::Stream(stream) => Some((token(key, entry.generation), &**stream)),
            _ => None,
        })
    }
}

fn find(entries: &mut Slab<Entry>, token: Token) -> Option<&mut Entry> {
    entries.get_mut(key(token)).filter(|entry| entry.generation == generation(token))
}

/// A token is a place in the slab and, above it, the generation of what is there.
fn token(key: usize, generation: u32) -> Token {
    Token(key | (generation as usize) << 32)
}

fn key(token: Token) -> usize {
    token.0 & 0xffff_ffff
}

fn generation(token: Token) -> u32 {
    u32::try_from(token.0 >> 32).unwrap_or(u32::MAX)
}

fn origin(token: Token) -> u64 {
    token.0 as u64
}
