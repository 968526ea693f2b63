//! A broadcast call without its sockets: the datagrams to send, and the replies out of those that
//! come.

use std::collections::HashSet;
use std::net::SocketAddr;

use super::Responder;
use crate::bind::Uaddr;
use crate::bind::proto::pmap_prot::{CallArgs, CallResult};
use crate::bind::proto::rpcb_prot::{RpcbRmtcallargs, RpcbRmtcallres};
use crate::error::Result;
use crate::proto::auth::OpaqueAuth;
use crate::proto::message::{
    AcceptStatus, CallHeader, MessageType, ReplyHeader, ReplyStatus, peek,
};
use crate::proto::xid::Xids;
use crate::xdr::{Bytes, Decode, DecodeError, Decoder, Encode, EncodeError, Encoder};
use crate::{Procedure, Program, Version, Xid};

/// The portmapper's program.
const PORTMAPPER: Program = Program(100_000);

/// PMAPPROC_CALLIT and RPCBPROC_BCAST have the same number.
const CALLIT: Procedure = Procedure(5);

/// What is called at every server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Called {
    pub(super) program: Program,
    pub(super) version: Version,
    pub(super) procedure: Procedure,
}

/// The same call in both versions of the portmapper's protocol that can pass one on, and who has
/// answered it.
#[derive(Debug)]
pub(super) struct BroadcastCore {
    v2: (Xid, Bytes),
    v3: (Xid, Bytes),
    answered: HashSet<SocketAddr>,
}

impl BroadcastCore {
    /// The call with the encoded arguments `args`. Everything random in it follows from `seed`.
    pub(super) fn new(seed: u64, called: Called, args: Bytes) -> Result<Self, EncodeError> {
        let mut xids = Xids::new(seed);
        let (first, second) = (xids.draw(), xids.draw());
        let Called { program: Program(prog), version: Version(vers), procedure } = called;
        let v2 = CallArgs { prog, vers, proc: procedure.0, args: args.clone() };
        let v3 = RpcbRmtcallargs { prog, vers, proc: procedure.0, args };
        Ok(Self {
            v2: (first, message(first, Version(2), &v2)?),
            v3: (second, message(second, Version(3), &v3)?),
            answered: HashSet::new(),
        })
    }

    /// The datagram for portmappers of version 2, which all are that can be reached over IPv4.
    pub(super) fn v2(&self) -> &Bytes {
        &self.v2.1
    }

    /// The datagram for portmappers of version 3 and 4.
    pub(super) fn v3(&self) -> &Bytes {
        &self.v3.1
    }

    /// A server's results, if `datagram` brings the first of that server. A portmapper that cannot
    /// pass the call on is silent, or answers an error: neither is a reply.
    pub(super) fn handle(
        &mut self,
        from: SocketAddr,
        datagram: &Bytes,
    ) -> Option<(Responder, Bytes)> {
        let (xid, MessageType::Reply) = peek(datagram)? else {
            return None;
        };
        let mut d = Decoder::new(datagram);
        let header = ReplyHeader::decode(&mut d).ok()?;
        let ReplyStatus::Accepted { status: AcceptStatus::Success, .. } = header.status else {
            return None;
        };
        let (server, results) = match xid {
            _ if xid == self.v2.0 => v2_reply(&mut d, from).ok()??,
            _ if xid == self.v3.0 => v3_reply(&mut d, from).ok()??,
            _ => return None,
        };
        let is_first = self.answered.insert(server);
        is_first.then_some((Responder { server, portmapper: from }, results))
    }
}

fn message(xid: Xid, version: Version, args: &impl Encode) -> Result<Bytes, EncodeError> {
    let header = CallHeader {
        xid,
        program: PORTMAPPER,
        version,
        procedure: CALLIT,
        credential: OpaqueAuth::NONE,
        verifier: OpaqueAuth::NONE,
    };
    let mut e = Encoder::new();
    header.encode(&mut e)?;
    args.encode(&mut e)?;
    Ok(e.into_bytes())
}

/// The server's address and results. A port that is none is not believed.
type Found = Option<(SocketAddr, Bytes)>;

fn v2_reply(d: &mut Decoder<'_>, from: SocketAddr) -> Result<Found, DecodeError> {
    let CallResult { port, res } = CallResult::decode(d)?;
    let port = u16::try_from(port).ok().filter(|&port| port != 0);
    Ok(port.map(|port| (SocketAddr::new(from.ip(), port), res)))
}

fn v3_reply(d: &mut Decoder<'_>, from: SocketAddr) -> Result<Found, DecodeError> {
    let RpcbRmtcallres { addr, results } = RpcbRmtcallres::decode(d)?;
    let port = addr.parse().ok().and_then(|uaddr: Uaddr| uaddr.ip()).map(|addr| addr.port());
    // Of the address only the port is news: the datagram itself says where the host is, and from
    // the address that it names this one may not be able to reach it.
    let port = port.filter(|&port| port != 0);
    Ok(port.map(|port| (with_port(from, port), results)))
}

/// Keeps the scope of an IPv6 address.
fn with_port(mut addr: SocketAddr, port: u16) -> SocketAddr {
    addr.set_port(port);
    addr
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLED: Called =
        Called { program: Program(100_002), version: Version(3), procedure: Procedure(1) };

    fn core() -> BroadcastCore {
        BroadcastCore::new(1, CALLED, Bytes::from_static(&[0, 0, 0, 7])).expect("it fits")
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn reply(xid: Xid, accept: u32, body: &[u8]) -> Bytes {
        [words(&[xid.0, 1, 0, 0, 0, accept]), body.to_vec()].concat().into()
    }

    fn from(addr: &str) -> SocketAddr {
        addr.parse().expect("an address")
    }

    #[test]
    fn both_versions_ask_for_the_same() {
        let core = core();
        // CALL, RPC version 2, then program, version, procedure and two empty auth fields.
        let asked = |version| words(&[0, 2, 100_000, version, 5, 0, 0, 0, 0, 100_002, 3, 1, 4, 7]);
        assert_eq!((&core.v2()[4..], &core.v3()[4..]), (&asked(2)[..], &asked(3)[..]));
        assert_ne!(core.v2()[..4], core.v3()[..4], "each has an xid of its own");
    }

    #[test]
    fn each_server_counts_once_whatever_version_it_answers_in() {
        let mut core = core();
        let host = from("192.0.2.7:111");
        let v2 = reply(core.v2.0, 0, &words(&[2049, 4, 9]));
        let responder = Responder { server: from("192.0.2.7:2049"), portmapper: host };
        let results = Bytes::from_static(&[0, 0, 0, 9]);
        assert_eq!(core.handle(host, &v2), Some((responder, results.clone())));
        assert_eq!(core.handle(host, &v2), None);
        let body = [&words(&[11])[..], b"0.0.0.0.8.1\0", &words(&[4, 9])].concat();
        let v3 = reply(core.v3.0, 0, &body);
        assert_eq!(core.handle(host, &v3), None);
        let other = from("[fe80::7%3]:111");
        let responder = Responder { server: from("[fe80::7%3]:2049"), portmapper: other };
        assert_eq!(core.handle(other, &v3), Some((responder, results)));
    }

    #[test]
    fn what_is_no_reply_to_it_is_dropped() {
        let mut core = core();
        let host = from("192.0.2.7:111");
        let xid = core.v2.0;
        let table = [
            Bytes::new(),
            core.v2().clone(),
            reply(Xid(xid.0 ^ 1), 0, &words(&[2049, 4, 9])),
            reply(xid, 1, &[]),
            reply(xid, 0, &words(&[0, 4, 9])),
            reply(xid, 0, &words(&[65_536, 4, 9])),
            reply(xid, 0, &words(&[2049, 8, 9])),
            reply(core.v3.0, 0, &words(&[0, 0])),
        ];
        for datagram in table {
            assert_eq!(core.handle(host, &datagram), None, "{datagram:?}");
        }
    }
}
