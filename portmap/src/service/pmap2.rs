//! Version 2: ports of UDP and TCP over IPv4 (RFC 1833 §3).

use farcall::bind::Uaddr;
use farcall::bind::proto::pmap_prot::pmap_prog::v2;
use farcall::bind::proto::pmap_prot::{CallArgs, CallResult, Mapping, PmaplistEntry};
use farcall::{Context, Fault, Netid, Program, Reply, Version};

use super::Front;
use super::remote::with_port;
use crate::Service;
use crate::registry;
use crate::stats::Protocol;

impl v2::Service for Front {
    fn set(&self, cx: &Context, mapping: Mapping, reply: Reply<bool>) {
        if let Err(fault) = self.0.may_change(cx.peer().addr()) {
            return reply.send(Err(fault));
        }
        let netid = registry::Mapping::netid(mapping.prot);
        // A C portmapper cuts a port that is none to 16 bits and registers that.
        let (Some(netid), Ok(port)) = (netid, u16::try_from(mapping.port)) else {
            return reply.send(Ok(false));
        };
        let address = Uaddr::Ip(([0, 0, 0, 0], port).into()).to_string();
        let service = Service {
            program: Program(mapping.prog),
            version: Version(mapping.vers),
            netid: netid.as_str(),
            address: &address,
        };
        let done = |accepted| reply.send(accepted);
        self.0.begin_set(Protocol::V2, cx.peer().addr(), service, done);
    }

    fn unset(&self, cx: &Context, mapping: Mapping, reply: Reply<bool>) {
        let service = (Program(mapping.prog), Version(mapping.vers));
        let netids = [Netid::Udp.as_str(), Netid::Tcp.as_str()];
        let done = |accepted| reply.send(accepted);
        self.0.begin_unset(Protocol::V2, cx.peer().addr(), service, &netids, done);
    }

    fn getport(&self, _: &Context, mapping: Mapping) -> Result<u32, Fault> {
        let (program, version) = (Program(mapping.prog), Version(mapping.vers));
        Ok(u32::from(self.0.getport(program, version, mapping.prot)))
    }

    fn dump(&self, _: &Context) -> Result<Vec<PmaplistEntry>, Fault> {
        Ok(self.0.mappings().into_iter().map(to_wire).collect())
    }

    fn callit(&self, cx: &Context, call: CallArgs, reply: Reply<CallResult>) {
        let CallArgs { prog, vers, proc, args } = call;
        self.remote_call(cx, Protocol::V2, [prog, vers, proc], args, (reply, with_port));
    }
}

fn to_wire(mapping: registry::Mapping) -> PmaplistEntry {
    let map = Mapping {
        prog: mapping.program.0,
        vers: mapping.version.0,
        prot: mapping.protocol,
        port: u32::from(mapping.port),
    };
    PmaplistEntry { map }
}
