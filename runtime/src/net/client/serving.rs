//! The programs that a client serves on its own connection: calls that the server makes back.
//!
//! A thread executes them, so that a handler may call, and whoever waits for an answer is not
//! delayed by one.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Wake;
use std::thread;
use std::time::Instant;

use super::{Shared, WRITE_SLICE, reader};
use crate::proto::connection::write_record;
use crate::proto::limits::{COPIED, Limits};
use crate::proto::server::{Caller, DeferredReply, ServerConfig, ServerCore, Verdict};
use crate::service::{Dispatch, PeerAddr};
use crate::xdr::{Bytes, Encoder};

/// What is to be done when there is another connection.
type OnReconnect = Box<dyn Fn() + Send>;

/// What the thread that executes calls is told.
enum Event {
    /// A call that came over the connection of this number.
    Call(u64, Bytes),
    /// A handler has answered later.
    Answered,
    /// The connection of this number is gone.
    Lost(u64),
    /// There is another one.
    Reconnected,
    /// What to do then.
    OnReconnect(OnReconnect),
    /// The client is gone.
    Closed,
}

/// The thread that executes calls.
#[derive(Debug)]
pub(super) struct Serving {
    events: Sender<Event>,
    waiting: Arc<Waiting>,
}

/// The calls that wait for it. Only who reads the connection adds some.
#[derive(Debug, Default)]
struct Waiting {
    calls: AtomicUsize,
    bytes: AtomicUsize,
}

impl Waiting {
    /// Adds a call of so many bytes. `false` if there are too many.
    fn add(&self, bytes: usize) -> bool {
        let (calls, total) =
            (self.calls.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        let Limits { calls_per_connection, call_bytes, .. } = Limits::DEFAULT;
        if calls >= calls_per_connection || total.saturating_add(bytes) > call_bytes {
            return false;
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    fn remove(&self, bytes: usize) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Tells the thread that an answer is there.
struct Bell(Sender<Event>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // If the thread has ended, nobody is to be told.
        let _ = self.0.send(Event::Answered);
    }
}

impl Serving {
    /// Starts the thread, which executes the calls of `peer`.
    pub(super) fn start(
        shared: &Arc<Shared>,
        services: &[Arc<dyn Dispatch>],
        peer: PeerAddr,
    ) -> io::Result<Self> {
        let (events, queue) = channel();
        let mut core =
            ServerCore::new(ServerConfig::default(), Arc::new(Bell(events.clone())).into());
        services.iter().for_each(|service| core.add(Arc::clone(service)));
        let waiting = Arc::<Waiting>::default();
        let server = Server {
            shared: Arc::clone(shared),
            core,
            queue,
            waiting: Arc::clone(&waiting),
            peer,
            on_reconnect: Box::new(|| ()),
        };
        let thread = thread::Builder::new().name("farcall-callback".to_owned());
        thread.spawn(move || server.run())?;
        Ok(Self { events, waiting })
    }

    /// Has a call executed. `false` if there are too many.
    pub(super) fn execute(&self, connection: u64, call: Bytes) -> bool {
        if !self.waiting.add(call.len()) {
            return false;
        }
        let call = if call.len() > COPIED { call } else { Bytes::copy_from_slice(&call) };
        self.events.send(Event::Call(connection, call)).is_ok()
    }

    /// Says that a connection is gone.
    pub(super) fn lost(&self, connection: u64) {
        let _ = self.events.send(Event::Lost(connection));
    }

    /// Says that a connection was made again.
    pub(super) fn reconnected(&self) {
        let _ = self.events.send(Event::Reconnected);
    }

    /// Says what to do when one was.
    pub(super) fn on_reconnect(&self, then: OnReconnect) {
        let _ = self.events.send(Event::OnReconnect(then));
    }

    /// Ends the thread.
    pub(super) fn close(&self) {
        let _ = self.events.send(Event::Closed);
    }
}

/// What the thread has.
struct Server {
    shared: Arc<Shared>,
    core: ServerCore,
    queue: Receiver<Event>,
    waiting: Arc<Waiting>,
    peer: PeerAddr,
    on_reconnect: OnReconnect,
}

impl Server {
    fn run(mut self) {
        while let Ok(event) = self.queue.recv() {
            let now = Instant::now();
            match event {
                Event::Call(connection, call) => self.call(connection, call, now),
                Event::Answered => self.answers(now),
                Event::Lost(connection) => self.core.disconnected(connection),
                Event::OnReconnect(then) => self.on_reconnect = then,
                // A panic there is as a handler's: it does not end the thread.
                Event::Reconnected => {
                    let _ = catch_unwind(AssertUnwindSafe(&self.on_reconnect));
                }
                Event::Closed => return,
            }
        }
    }

    fn call(&mut self, connection: u64, call: Bytes, now: Instant) {
        self.waiting.remove(call.len());
        let caller = Caller::new(self.peer, connection);
        let mut out = Encoder::new();
        let core = &mut self.core;
        let verdict =
            write_record(&mut out, |out| core.handle_message(now, caller, &call.into(), out));
        if verdict == Verdict::Reply {
            self.shared.answer(connection, &out);
        }
    }

    fn answers(&mut self, now: Instant) {
        while let Some(DeferredReply { caller, reply }) = self.core.poll_deferred(now) {
            let Some(reply) = reply else {
                continue;
            };
            let mut out = Encoder::new();
            let _ = write_record(&mut out, |out| {
                out.append(&reply);
                Verdict::Reply
            });
            self.shared.answer(caller.origin, &out);
        }
    }
}

impl Shared {
    /// Sends an answer on the connection that its call came over, if that is still there. Waits as
    /// long as the server takes none.
    fn answer(&self, connection: u64, record: &Encoder) {
        loop {
            let mut state = self.lock();
            let Some(socket) = state.socket.clone() else {
                return;
            };
            if state.closed || state.connection != connection {
                return;
            }
            if state.core.output().len() <= Limits::DEFAULT.output {
                state.core.output().append(record);
                state.send(Instant::now());
                // The rest is the business of whoever leads.
                if state.core.has_output()
                    && let Some(driver) = &state.driver
                {
                    driver.wake();
                }
                return;
            }
            drop(state);
            reader::wait_writable(&socket, WRITE_SLICE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Waiting;
    use crate::proto::limits::Limits;

    #[test]
    fn calls_wait_up_to_a_number_and_up_to_so_many_bytes() {
        let Limits { calls_per_connection, call_bytes, .. } = Limits::DEFAULT;
        let waiting = Waiting::default();
        assert!((0..calls_per_connection).all(|_| waiting.add(1)));
        assert!(!waiting.add(0), "by number");
        (0..calls_per_connection).for_each(|_| waiting.remove(1));
        assert!(waiting.add(call_bytes));
        assert!(!waiting.add(1), "by bytes");
        waiting.remove(call_bytes);
        assert!(waiting.add(1));
    }
}
