//! Calls that are made on behalf of others: once, over UDP, to a service of this host.
//!
//! A thread of its own makes them, so that a service that does not answer delays nobody. Each call
//! has a socket that is connected to the service: the kernel takes replies from nobody else, and
//! says if nobody is there.

mod calls;
mod group;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::{io, thread};

use farcall::Fault;
use farcall::proto::auth::OpaqueAuth;
use farcall::xdr::Bytes;
use mio::Waker;
use socket2::Socket;

use self::calls::MAX_CALLS;
use self::worker::Worker;
use crate::address::Interface;
use crate::stats::RemoteCall;

/// What is done with the results, encoded as they came, or when there will be none.
pub(crate) type Done = Box<dyn FnOnce(Result<Bytes, Fault>) + Send>;

/// A call to be made.
pub(crate) struct Forward {
    /// Where the service is.
    pub(crate) target: SocketAddr,
    pub(crate) call: RemoteCall,
    pub(crate) credential: OpaqueAuth,
    /// The arguments, encoded.
    pub(crate) args: Bytes,
    pub(crate) done: Done,
}

/// Dropped, it makes no more calls; those that are made are forgotten.
#[derive(Debug)]
pub(crate) struct Forwarder {
    queue: Option<SyncSender<Forward>>,
    waker: Arc<Waker>,
    /// There is none without IPv6.
    _group: Option<Socket>,
}

impl Forwarder {
    pub(crate) fn start(interfaces: &[Interface]) -> io::Result<Self> {
        let (sender, queue) = sync_channel(MAX_CALLS);
        let seed = getrandom::u64().map_err(io::Error::other)?;
        let (worker, waker) = Worker::new(queue, seed)?;
        thread::Builder::new().name("portmap-forward".to_owned()).spawn(|| worker.run())?;
        Ok(Self { queue: Some(sender), waker, _group: group::join(interfaces).ok() })
    }

    /// Has a call made. If too many wait to be, it fails.
    pub(crate) fn forward(&self, forward: Forward) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(forward) {
            Ok(()) => self.wake(),
            Err(TrySendError::Full(forward) | TrySendError::Disconnected(forward)) => {
                (forward.done)(Err(Fault::SystemErr));
            }
        }
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("calls for others wait: {error}");
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.queue = None;
        self.wake();
    }
}
