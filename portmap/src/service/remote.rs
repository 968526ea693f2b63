//! CALLIT, BCAST and INDIRECT in all versions (RFC 1833 §2.2.1, §2.2.2 and §3.2).

use farcall::bind::Uaddr;
use farcall::bind::proto::pmap_prot::CallResult;
use farcall::bind::proto::rpcb_prot::{RpcbRmtcallargs, RpcbRmtcallres};
use farcall::proto::message::MIN_CALL_LEN;
use farcall::xdr::{Bytes, Encode};
use farcall::{Context, Fault, Procedure, Program, Reply, Version};

use super::{Front, REPLY_HEADER_LEN};
use crate::forward::Forward;
use crate::stats::{Protocol, RemoteCall};

const INDIRECT: Procedure = Procedure(10);

/// The length of program, version, procedure and the arguments' length, in bytes.
const ARGS_HEADER_LEN: usize = 16;

/// What is sent back: the service's universal address, as the caller can reach it, and its results,
/// encoded.
type Returned<T> = fn(String, Bytes) -> Result<T, Fault>;

impl Front {
    pub(super) fn rpcb_remote_call(
        &self,
        cx: &Context,
        protocol: Protocol,
        call: RpcbRmtcallargs,
        reply: Reply<RpcbRmtcallres>,
    ) {
        let RpcbRmtcallargs { prog, vers, proc, args } = call;
        let returned = |addr, results| Ok(RpcbRmtcallres { addr, results });
        self.remote_call(cx, protocol, [prog, vers, proc], args, (reply, returned));
    }

    pub(super) fn remote_call<T: Encode + 'static>(
        &self,
        cx: &Context,
        protocol: Protocol,
        [program, version, procedure]: [u32; 3],
        args: Bytes,
        (reply, returned): (Reply<T>, Returned<T>),
    ) {
        let (portmap, peer) = (self.0.clone(), *cx.peer().addr());
        let (program, version) = (Program(program), Version(version));
        let procedure = Procedure(procedure);
        let call = RemoteCall { program, version, procedure, netid: peer.netid() };
        let indirect = cx.procedure() == INDIRECT;
        let passage = match self.0.remote_call(protocol, cx.peer(), call, indirect) {
            Ok(passage) => passage,
            Err(fault) => return reply.send(Err(told(fault, indirect))),
        };
        let (target, credential, address) = (passage.target, passage.credential, passage.address);
        let call_len = MIN_CALL_LEN + ARGS_HEADER_LEN + args.len();
        let done = move |results: Result<Bytes, Fault>| {
            let value = results.and_then(|results| returned(address, results)).and_then(|value| {
                portmap.may_reply(&peer, call_len, REPLY_HEADER_LEN + value.encoded_len())?;
                Ok(value)
            });
            reply.send(value.map_err(|fault| told(fault, indirect)));
        };
        let done = Box::new(done);
        passage.forwarder.forward(Forward { target, call, credential, args, done });
    }
}

/// Version 2 knows ports only, and only those of IPv4.
pub(super) fn with_port(address: String, res: Bytes) -> Result<CallResult, Fault> {
    let addr = address.parse::<Uaddr>().ok().and_then(|uaddr| uaddr.ip());
    let port = addr.filter(|addr| addr.is_ipv4()).ok_or(Fault::Silent)?.port();
    Ok(CallResult { port: u32::from(port), res })
}

/// Whoever broadcasts must not be told of failures by every host: only of what is not allowed.
fn told(fault: Fault, indirect: bool) -> Fault {
    match fault {
        Fault::Auth(_) => fault,
        _ if indirect => fault,
        _ => Fault::Silent,
    }
}
