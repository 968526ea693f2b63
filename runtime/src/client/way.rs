use std::sync::Arc;
use std::task::{Context, Poll};

use crate::Xid;
use crate::error::Result;
use crate::net::client::{Channel, Target};
use crate::proto::client::ClientStats;
use crate::service::Line;
use crate::xdr::{Bytes, EncodeError, Encoder};

/// How a client's calls go.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// Over a socket of its own.
    Socket(Arc<Channel>),
    /// Over a connection of a server, to the peer that opened it.
    Back(Arc<Line>),
}

impl Way {
    pub(super) fn call(
        &self,
        target: &Target<'_>,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<Bytes> {
        match self {
            Self::Socket(channel) => channel.call(target, args),
            Self::Back(line) => line.wait_for(line.start(target, args)?),
        }
    }

    pub(super) fn start(
        &self,
        target: &Target<'_>,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<Xid> {
        match self {
            Self::Socket(channel) => channel.start(target, args),
            Self::Back(line) => line.start(target, args),
        }
    }

    pub(super) fn send(
        &self,
        target: &Target<'_>,
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<()> {
        match self {
            Self::Socket(channel) => channel.send(target, args),
            Self::Back(line) => {
                line.disown(line.start(target, args)?);
                Ok(())
            }
        }
    }

    pub(super) fn flush(&self) {
        if let Self::Socket(channel) = self {
            channel.flush();
        }
    }

    pub(super) fn wait(&self, xid: Xid) -> Result<Bytes> {
        match self {
            Self::Socket(channel) => channel.wait(xid),
            Self::Back(line) => line.wait_for(xid),
        }
    }

    pub(super) fn poll(&self, xid: Xid, cx: &Context<'_>) -> Poll<Result<Bytes>> {
        match self {
            Self::Socket(channel) => channel.poll(xid, cx),
            Self::Back(line) => line.poll(xid, cx),
        }
    }

    pub(super) fn forget(&self, xid: Xid) {
        match self {
            Self::Socket(channel) => channel.forget(xid),
            Self::Back(line) => line.forget(xid),
        }
    }

    pub(super) fn stats(&self) -> ClientStats {
        match self {
            Self::Socket(channel) => channel.stats(),
            Self::Back(line) => line.stats(),
        }
    }
}
