//! What versions 3 and 4 have in common (RFC 1833 §2).

use std::time::SystemTime;

use farcall::bind::Family;
use farcall::bind::proto::rpcb_prot::{Netbuf, Rpcb, Rpcblist};
use farcall::xdr::Bytes;
use farcall::{Context, Fault, Program, Reply, Version};

use super::Front;
use crate::registry::Entry;
use crate::stats::Protocol;
use crate::{Service, sockaddr};

impl Front {
    pub(super) fn rpcb_set(&self, cx: &Context, p: Protocol, rpcb: &Rpcb, reply: Reply<bool>) {
        self.0.begin_set(p, cx.peer().addr(), service(rpcb), |accepted| reply.send(accepted));
    }

    pub(super) fn rpcb_unset(&self, cx: &Context, p: Protocol, rpcb: &Rpcb, reply: Reply<bool>) {
        let service = (Program(rpcb.r_prog), Version(rpcb.r_vers));
        let netids = [rpcb.r_netid.as_str()];
        let netids = if rpcb.r_netid.is_empty() { &[][..] } else { &netids[..] };
        let done = |accepted| reply.send(accepted);
        self.0.begin_unset(p, cx.peer().addr(), service, netids, done);
    }

    pub(super) fn rpcb_getaddr(&self, cx: &Context, p: Protocol, rpcb: &Rpcb) -> String {
        self.0.getaddr(p, cx.peer().addr(), service(rpcb), false)
    }

    pub(super) fn rpcb_dump(&self) -> Vec<Rpcblist> {
        self.0.with_table(|table| table.list().map(to_wire).collect())
    }

    pub(super) fn rpcb_gettime() -> u32 {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        // A clock before 1970 or after 2106 is wrong anyway.
        since_1970.map_or(0, |time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
    }

    /// What is no address of the caller's transport gives an empty buffer.
    pub(super) fn rpcb_uaddr2taddr(cx: &Context, uaddr: &str) -> Netbuf {
        let family = Family::of(cx.peer().addr().netid());
        let (size, native) = sockaddr::from_text(uaddr, family).unwrap_or_default();
        Netbuf { maxlen: u32::try_from(size).unwrap_or(0), buf: Bytes::from(native) }
    }

    /// What is no address of the caller's transport gives an empty text.
    ///
    /// # Errors
    /// It is longer than it says that it may be, which `xdr_netbuf` of C does not decode.
    pub(super) fn rpcb_taddr2uaddr(cx: &Context, taddr: &Netbuf) -> Result<String, Fault> {
        if taddr.buf.len() > usize::try_from(taddr.maxlen).unwrap_or(usize::MAX) {
            return Err(Fault::GarbageArgs);
        }
        let family = Family::of(cx.peer().addr().netid());
        Ok(sockaddr::to_text(&taddr.buf, family).unwrap_or_default())
    }
}

/// The owner that the caller gives is not looked at.
pub(super) fn service(rpcb: &Rpcb) -> Service<'_> {
    Service {
        program: Program(rpcb.r_prog),
        version: Version(rpcb.r_vers),
        netid: &rpcb.r_netid,
        address: &rpcb.r_addr,
    }
}

fn to_wire(entry: &Entry) -> Rpcblist {
    let rpcb_map = Rpcb {
        r_prog: entry.program.0,
        r_vers: entry.version.0,
        r_netid: entry.netid.clone(),
        r_addr: entry.address.clone(),
        r_owner: entry.owner.to_string(),
    };
    Rpcblist { rpcb_map }
}
