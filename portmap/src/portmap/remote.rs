//! Calls on behalf of others (CALLIT, BCAST, INDIRECT): which are made, and where.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use farcall::bind::Uaddr;
use farcall::proto::auth::OpaqueAuth;
use farcall::proto::message::AuthStatus;
use farcall::{Fault, Identity, Peer};

use super::{PROGRAM, Portmap};
use crate::activity::Reason;
use crate::address;
use crate::forward::Forwarder;
use crate::stats::{Protocol, RemoteCall};

/// How a call is made on behalf of another.
#[derive(Debug)]
pub(crate) struct Passage<'a> {
    pub(crate) forwarder: &'a Forwarder,
    pub(crate) target: SocketAddr,
    pub(crate) credential: OpaqueAuth,
    /// The service's universal address, as the caller can reach it.
    pub(crate) address: String,
}

impl Portmap {
    /// From now on makes calls on behalf of others, as rpcbind does with `-r`: those that
    /// [`Access::remote_call`](crate::access::Access::remote_call) lets through, over UDP, to what
    /// is registered at an address of this host. The service sees this host as the caller, with the
    /// ids that the caller claims to have: what trusts its own host must not be reachable so.
    ///
    /// Hears broadcasts over IPv6 as well, on the interfaces that there are now.
    ///
    /// # Errors
    /// The thread that makes them cannot be started.
    pub fn make_remote_calls(&self) -> io::Result<()> {
        let forwarder = Forwarder::start(&self.0.interfaces.list())?;
        // Of two, the first makes them.
        let _ = self.0.forwarder.set(forwarder);
        Ok(())
    }

    /// How a call is made on behalf of `peer`, and counts it.
    ///
    /// # Errors
    /// How INDIRECT is told that it is not. CALLIT and BCAST are told of [`Fault::Auth`] only.
    pub(crate) fn remote_call(
        &self,
        protocol: Protocol,
        peer: &Peer,
        call: RemoteCall,
        indirect: bool,
    ) -> Result<Passage<'_>, Fault> {
        // It would come back as a call of this host.
        if call.program == PROGRAM {
            self.may_call(peer.addr(), call.procedure)?;
        }
        let may = self.access().remote_call(peer.addr(), call.program, call.procedure);
        may.and_then(|()| self.passage(protocol, peer, call, indirect))
            .inspect_err(|_| self.refuse(Reason::RemoteCall))
    }

    fn passage(
        &self,
        protocol: Protocol,
        peer: &Peer,
        call: RemoteCall,
        indirect: bool,
    ) -> Result<Passage<'_>, Fault> {
        let credential = credential(peer)?;
        let registered = self.registered(call);
        self.0.table.counts().stats.of(protocol).remote_call(call, indirect, registered.is_ok());
        let registered = registered?;
        let uaddr = registered.parse::<Uaddr>().ok().filter(|uaddr| uaddr.suits(call.netid));
        let addr = uaddr.and_then(|uaddr| uaddr.ip()).ok_or(Fault::ProgUnavail)?;
        let forwarder = self.0.forwarder.get().ok_or(Fault::SystemErr)?;
        let target = address::on_this_host(addr, &self.0.interfaces.list());
        let target = target.ok_or(Fault::ProgUnavail)?;
        self.spare_a_call(peer)?;
        let address = self.merge(&registered, "", peer.addr()).unwrap_or(registered);
        Ok(Passage { forwarder, target, credential, address })
    }

    /// The universal address of this very version.
    fn registered(&self, call: RemoteCall) -> Result<String, Fault> {
        let RemoteCall { program, version, netid, .. } = call;
        let address = self.find(|table, is_served| {
            let entry = table.lookup_exact(program, version, netid.as_str());
            entry.filter(is_served).map(|entry| entry.address.clone())
        });
        address.ok_or_else(|| match self.0.table.read().versions(program, netid.as_str()) {
            Some((low, high)) => Fault::ProgMismatch { low, high },
            None => Fault::ProgUnavail,
        })
    }

    /// One network must not keep the services busy. Who is on this host can call them anyway.
    fn spare_a_call(&self, peer: &Peer) -> Result<(), Fault> {
        let source = peer.addr().ip().ok_or(Fault::Silent)?.ip();
        if source.to_canonical().is_loopback() {
            return Ok(());
        }
        let mut counts = self.0.table.counts();
        if counts.remote_calls.allow(Instant::now(), source) {
            Ok(())
        } else {
            Err(Fault::SystemErr)
        }
    }
}

/// With the ids that the caller claims to have, or nobody's.
fn credential(peer: &Peer) -> Result<OpaqueAuth, Fault> {
    match peer.identity() {
        Identity::Nobody => Ok(OpaqueAuth::NONE),
        Identity::Sys(sys) => Ok(sys.to_credential()?),
        _ => Err(Fault::Auth(AuthStatus::TooWeak)),
    }
}
