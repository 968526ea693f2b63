//! What the threads that call on one client share, under its lock: what is called, and the socket it
//! goes over.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::thread::Thread;
use std::time::Instant;

use socket2::Socket;

use super::driver::Driver;
use super::reader::{Input, Reader, Reconnected};
use super::serving::Serving;
use super::waiters::{Waiter, Waiters};
use super::{Target, idle, socket};
use crate::Xid;
use crate::error::Result;
use crate::proto::client::{ClientCore, Transport, window};
use crate::proto::connection::write_record;
use crate::proto::limits::Limits;
use crate::proto::server::{Caller, ServerConfig, ServerCore};
use crate::service::PeerAddr;
use crate::xdr::{Bytes, EncodeError, Encoder};

/// What is under the lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) core: ClientCore,
    /// For sending.
    pub(super) socket: Option<Arc<Socket>>,
    /// For receiving; `None` while somebody leads.
    pub(super) reader: Option<Box<Reader>>,
    pub(super) waiters: Waiters,
    pub(super) driver: Option<Driver>,
    /// What executes the server's calls; then there is always a driver.
    pub(super) serving: Option<Serving>,
    /// What answers them if nothing is served, made when there is one.
    pub(super) nobody: Option<Box<ServerCore>>,
    /// The number of the connection.
    pub(super) connection: u64,
    /// It is going to be closed when nothing is called on it.
    pub(super) watched: Option<idle::Watched>,
    /// A thread waits until more can be written.
    pub(super) writing: bool,
    /// The socket did not take all there was.
    pub(super) blocked: bool,
    /// The channel was dropped.
    pub(super) closed: bool,
}

impl State {
    /// Makes a call.
    pub(super) fn call(
        &mut self,
        now: Instant,
        target: &Target<'_>,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<Xid> {
        self.leave_stale(now);
        self.core.call(now, &target.params(now), args)
    }

    /// Gives up a connection that the server has ended while it was quiet.
    fn leave_stale(&mut self, now: Instant) {
        if self.core.is_doubtful(now)
            && self.reader.as_ref().is_some_and(|reader| reader.is_at_end())
        {
            self.leave(now);
        }
    }

    /// Closes a connection that no call waits on.
    pub(super) fn leave(&mut self, now: Instant) {
        if let Some(mut reader) = self.reader.take() {
            self.close(&mut reader, now);
            self.reader = Some(reader);
        } else if let Some(socket) = &self.socket {
            // Whoever leads sees the end, and closes it.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// The result of a call, if it has ended. It is waited for, so that nothing is held back any
    /// longer.
    pub(super) fn result(&mut self, xid: Xid, now: Instant) -> Option<Result<Bytes>> {
        self.send(now);
        self.core.take_result(xid)
    }

    /// Whether more may be called that nobody waits for.
    pub(super) fn has_room(&mut self) -> bool {
        self.core.output().len() <= Limits::DEFAULT.output
    }

    /// Sends what can be sent without waiting.
    pub(super) fn send(&mut self, now: Instant) {
        if !self.core.has_output() {
            return;
        }
        let Some(socket) = self.socket.clone() else {
            return;
        };
        if socket::write(&socket, &mut self.core).is_err() {
            // The reader sees the end of the stream then, and connects again.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.send_datagrams(&socket, now);
        self.blocked = self.core.has_output();
    }

    fn send_datagrams(&mut self, socket: &Socket, now: Instant) {
        let mut again = true;
        while let Some(message) = self.core.poll_transmit() {
            let Err(error) = socket::send_datagram(socket, message) else {
                self.core.handle_transmitted(now);
                continue;
            };
            match error.kind() {
                io::ErrorKind::WouldBlock => return,
                io::ErrorKind::Interrupted => {}
                _ if error.raw_os_error() == Some(nix::libc::EMSGSIZE) => {
                    self.core.handle_unsendable(error);
                }
                // It reports the fate of a datagram before, and this one was not sent. The next
                // report is the reader's.
                io::ErrorKind::ConnectionRefused if std::mem::take(&mut again) => {
                    self.core.handle_unreachable();
                }
                // As good as lost on the network.
                _ => {
                    self.core.handle_unreachable();
                    self.core.handle_transmitted(now);
                }
            }
        }
    }

    /// Deals with what a wait has brought.
    pub(super) fn take_in(&mut self, reader: &mut Reader, input: &Input, now: Instant) {
        let core = &mut self.core;
        let mut calls = Vec::new();
        match (reader.transport(), input) {
            (_, Input::Nothing) => {}
            (Transport::Datagram, Input::Buffered(n)) => reader.take_datagram(*n, core, now),
            (Transport::Datagram, Input::Refused) => self.refused(reader),
            (Transport::Datagram, _) => self.core.handle_unreachable(),
            (Transport::Stream, Input::Buffered(n @ 1..)) => {
                if reader.take_stream(*n, core, now, &mut calls).is_err() {
                    core.handle_garbage();
                    self.disconnected(reader, now);
                }
            }
            (Transport::Stream, Input::InRecord(n @ 1..)) => {
                if reader.take_in_record(*n, core, now, &mut calls).is_err() {
                    core.handle_garbage();
                    self.disconnected(reader, now);
                }
            }
            (Transport::Stream, _) => self.disconnected(reader, now),
        }
        for call in calls {
            if self.socket.is_some() && !self.serve(call, now) {
                self.disconnected(reader, now);
            }
        }
    }

    /// Takes in what has come while nobody led, before what it answers is sent again.
    pub(super) fn catch_up(&mut self, reader: &mut Reader, now: Instant) {
        for _ in 0..window::MOST {
            if reader.transport() == Transport::Stream || !self.is_due(now) {
                return;
            }
            match reader.receive_now() {
                Input::Nothing => return,
                input => self.take_in(reader, &input, now),
            }
        }
    }

    /// Until when a connection may be waited for: until this call, or the first of all if it is made
    /// for none in particular, is due.
    pub(super) fn timer(&mut self, now: Instant, call: Option<Xid>) -> Instant {
        match call {
            Some(xid) => self.core.timer(xid).unwrap_or(now),
            None => self.core.first_timer().unwrap_or_else(|| self.nap(now)),
        }
    }

    /// Makes no connection that nobody waits for.
    pub(super) fn abandon_unwanted(&mut self) {
        if let Some(reader) = &mut self.reader
            && !self.core.is_wanted()
        {
            reader.abandon();
        }
    }

    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        self.core.poll_timeout().is_some_and(|due| due <= now)
    }

    /// Has a call executed that the server makes. `false` if it makes more than it takes answers.
    fn serve(&mut self, call: Bytes, now: Instant) -> bool {
        let executes = |serving: &Serving| serving.execute(self.connection, call.clone());
        if self.serving.as_ref().is_some_and(executes) {
            return true;
        }
        // Nothing is served, or too many calls wait already: then they are refused.
        let nobody = self.nobody.get_or_insert_with(|| {
            let config = ServerConfig::default();
            Box::new(ServerCore::new(config, std::task::Waker::noop().clone()))
        });
        let caller = Caller::new(PeerAddr::Udp(([0; 4], 0).into()), self.connection);
        let output = self.core.output();
        let _ = write_record(output, |out| nobody.handle_message(now, caller, &call.into(), out));
        output.len() <= Limits::DEFAULT.output
    }

    pub(super) fn connected(&mut self, connected: io::Result<Reconnected>, now: Instant) {
        match connected {
            Ok(Reconnected { socket, is_same_caller }) => {
                if !is_same_caller {
                    self.core.handle_forgotten();
                }
                self.socket = Some(socket);
                self.core.handle_connected(now);
                if let Some(serving) = &self.serving {
                    serving.reconnected();
                }
            }
            Err(error) => {
                self.core.handle_unreachable();
                self.core.handle_disconnected(now);
                // Nobody listens: whoever does next is another server, or one that was started again.
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
                ) {
                    self.core.handle_forgotten();
                }
            }
        }
    }

    fn disconnected(&mut self, reader: &mut Reader, now: Instant) {
        reader.keep_port();
        self.close(reader, now);
    }

    fn close(&mut self, reader: &mut Reader, now: Instant) {
        self.socket = None;
        if let Some(serving) = &self.serving {
            serving.lost(self.connection);
        }
        self.connection += 1;
        reader.disconnect();
        self.core.handle_disconnected(now);
    }

    /// Nobody listens at the server's address. As long as nobody ever did, another of its addresses
    /// may be the right one.
    fn refused(&mut self, reader: &mut Reader) {
        let next = if self.core.stats().replies == 0 { reader.readdress() } else { None };
        let is_new = next.as_ref().is_some_and(|next| next.is_new);
        if let Some(next) = next {
            self.socket = Some(next.socket);
        }
        // Each is tried once: then nobody listens at any of them.
        if is_new {
            self.core.handle_readdressed();
        } else {
            self.core.handle_refused();
        }
    }

    /// The socket, if it takes no more output and no thread waits for it yet.
    pub(super) fn blocked_socket(&self) -> Option<Arc<Socket>> {
        if self.writing || !self.core.has_output() {
            return None;
        }
        self.socket.clone()
    }

    /// Those who wait for calls that have ended.
    pub(super) fn ended(&mut self) -> Vec<Waiter> {
        let (core, waiters) = (&mut self.core, &mut self.waiters);
        std::iter::from_fn(|| core.poll_ended()).filter_map(|xid| waiters.remove(xid)).collect()
    }

    pub(super) fn forget(&mut self, xid: Xid) {
        self.core.forget(xid);
        self.waiters.remove(xid);
    }

    /// Sends calls that had to wait for others, and has those who wait for them know their timers.
    pub(super) fn send_released(&mut self) {
        if self.core.has_output() && self.core.output().is_empty() {
            self.send(Instant::now());
            self.waiters.wake_threads();
            if let Some(driver) = &self.driver {
                driver.wake();
            }
        }
    }

    /// The thread to lead next, if nobody leads, or to write on, if nobody waits for that.
    pub(super) fn successor(&self) -> Option<Thread> {
        let driver = || {
            let driver = self.driver.as_ref().filter(|_| self.is_driven());
            driver.map(Driver::thread)
        };
        match self.reader {
            Some(_) => self.waiters.thread().or_else(driver),
            None if self.is_blocked() && !self.writing => driver(),
            None => None,
        }
    }
}
