//! What a handler knows of a call besides its arguments.

use std::time::{Duration, Instant};

use super::Peer;
use super::line::Back;
use super::reply::{Reply, ResultEncoder, Route};
use crate::error::Result;
use crate::{Client, ClientOptions, Error, Interface, Procedure, Xid};

/// What a handler knows of a call besides its arguments.
#[derive(Debug, Clone)]
pub struct Context {
    pub(crate) peer: Peer,
    pub(crate) xid: Xid,
    pub(crate) interface: &'static Interface,
    pub(crate) procedure: Procedure,
    pub(crate) received: Instant,
    pub(crate) queued: Duration,
    /// There is one if the call may be answered later.
    pub(crate) route: Option<Route>,
    /// There is one if the call came over a connection.
    pub(crate) back: Option<Back>,
}

impl Context {
    /// Who calls.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The call's transaction id.
    #[must_use]
    pub fn xid(&self) -> Xid {
        self.xid
    }

    /// The version of the program that is called.
    #[must_use]
    pub fn interface(&self) -> &'static Interface {
        self.interface
    }

    /// The procedure called.
    #[must_use]
    pub fn procedure(&self) -> Procedure {
        self.procedure
    }

    /// When the call was read.
    #[must_use]
    pub fn received(&self) -> Instant {
        self.received
    }

    /// How long the call has waited for a worker. Zero if the service has none.
    #[must_use]
    pub fn queued(&self) -> Duration {
        self.queued
    }

    /// Whether the connection that the call came over is gone, so that nobody waits for the answer.
    /// Known of calls that a worker executes or that are answered later, and not over UDP.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.route.as_ref().is_some_and(Route::is_gone)
    }

    /// A client of a program that the caller serves on the connection that this call came over. As long
    /// as there is one, the connection is not closed for being idle.
    ///
    /// Of `options` those count that are about calls: timeout, authentication, interceptors. The
    /// loop that this call came from brings the answers, so a handler that it executes must not
    /// wait for them: that fails at once. One that answers later may, on another thread, and so may
    /// one that a [worker](crate::ServerBuilder::workers) executes.
    ///
    /// # Errors
    /// [`Error::Disconnected`](crate::Error::Disconnected) if the call came over UDP, and at the
    /// calls, if the connection is gone or goes. A credential that is too long.
    pub fn peer_client(
        &self,
        interface: &'static Interface,
        options: &ClientOptions,
    ) -> Result<Client> {
        let back = self.back.as_ref().ok_or(Error::Disconnected { sent: 0 })?;
        Client::back(back.line()?, interface, options)
    }

    /// A reply to be sent later. For generated code.
    #[doc(hidden)]
    pub fn defer<T>(&self, encode: ResultEncoder<T>) -> Reply<T> {
        Reply::new(self.route.clone(), encode)
    }
}
