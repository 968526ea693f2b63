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
use crate::proto::limits::Limits;
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
    /// Calls that wait for it.
    waiting: Arc<AtomicUsize>,
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
        let waiting = Arc::new(AtomicUsize::new(0));
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
        if self.waiting.load(Ordering::Relaxed) >= Limits::DEFAULT.calls_per_connection {
            return false;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
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
    waiting: Arc<AtomicUsize>,
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
        self.waiting.fetch_sub(1, Ordering::Relaxed);
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
