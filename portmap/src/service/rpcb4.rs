//! Version 4: more ways to look up, and statistics (RFC 1833 §2.2.2).

use farcall::bind::Family;
use farcall::bind::proto::rpcb_prot::rpcbprog::v4;
use farcall::bind::proto::rpcb_prot::{
    Netbuf, Rpcb, RpcbEntry, RpcbEntryList, RpcbRmtcallargs, RpcbRmtcallres, RpcbStat,
    RpcbStatByvers, Rpcblist, RpcbsAddrlist, RpcbsRmtcalllist,
};
use farcall::xdr::Encode;
use farcall::{Context, Fault, Netid, Reply};

use super::Front;
use super::rpcb::service;
use crate::Located;
use crate::stats::Protocol::V4;
use crate::stats::{Lookup, RemoteCall, RemoteTally, Tally, VersionStats};

/// A transport of datagrams (`tpi_clts`).
const CLTS: u32 = 1;
/// A transport of connections (`tpi_cots`).
const COTS: u32 = 2;
/// The same, which can be closed in one direction (`tpi_cots_ord`).
const COTS_ORD: u32 = 3;

impl v4::Service for Front {
    fn set(&self, cx: &Context, rpcb: Rpcb, reply: Reply<bool>) {
        self.rpcb_set(cx, V4, &rpcb, reply);
    }

    fn unset(&self, cx: &Context, rpcb: Rpcb, reply: Reply<bool>) {
        self.rpcb_unset(cx, V4, &rpcb, reply);
    }

    fn getaddr(&self, cx: &Context, rpcb: Rpcb) -> Result<String, Fault> {
        Ok(self.rpcb_getaddr(cx, V4, &rpcb))
    }

    fn dump(&self, _: &Context) -> Result<Vec<Rpcblist>, Fault> {
        Ok(self.rpcb_dump())
    }

    fn bcast(&self, cx: &Context, call: RpcbRmtcallargs, reply: Reply<RpcbRmtcallres>) {
        self.rpcb_remote_call(cx, V4, call, reply);
    }

    fn gettime(&self, _: &Context) -> Result<u32, Fault> {
        Ok(Self::rpcb_gettime())
    }

    fn uaddr2taddr(&self, cx: &Context, uaddr: String) -> Result<Netbuf, Fault> {
        Ok(Self::rpcb_uaddr2taddr(cx, &uaddr))
    }

    fn taddr2uaddr(&self, cx: &Context, taddr: Netbuf) -> Result<String, Fault> {
        Self::rpcb_taddr2uaddr(cx, &taddr)
    }

    fn getversaddr(&self, cx: &Context, rpcb: Rpcb) -> Result<String, Fault> {
        Ok(self.0.getaddr(V4, cx.peer().addr(), service(&rpcb), true))
    }

    fn indirect(&self, cx: &Context, call: RpcbRmtcallargs, reply: Reply<RpcbRmtcallres>) {
        self.rpcb_remote_call(cx, V4, call, reply);
    }

    fn getaddrlist(&self, cx: &Context, rpcb: Rpcb) -> Result<Vec<RpcbEntryList>, Fault> {
        let list = self.0.getaddrlist(cx.peer().addr(), service(&rpcb));
        let list: Vec<_> = list.into_iter().map(address).collect();
        self.fits(cx, rpcb.encoded_len(), &list)?;
        Ok(list)
    }

    fn getstat(&self, cx: &Context) -> Result<RpcbStatByvers, Fault> {
        let stats = self.0.stats().map(|stats| version(&stats));
        let len = stats.iter().map(Encode::encoded_len).sum();
        self.fits_len(cx, 0, len)?;
        Ok(stats)
    }
}

fn address(located: Located) -> RpcbEntryList {
    let (semantics, protocol) = match located.netid {
        Netid::Udp | Netid::Udp6 => (CLTS, "udp"),
        Netid::Tcp | Netid::Tcp6 => (COTS_ORD, "tcp"),
        // What has no protocol in netconfig(5) has a dash.
        _ => (COTS, "-"),
    };
    let rpcb_entry_map = RpcbEntry {
        r_maddr: located.address,
        r_nc_netid: located.netid.to_string(),
        r_nc_semantics: semantics,
        r_nc_protofmly: Family::of(located.netid).to_string(),
        r_nc_proto: protocol.to_owned(),
    };
    RpcbEntryList { rpcb_entry_map }
}

fn version(stats: &VersionStats) -> RpcbStat {
    RpcbStat {
        info: stats.procedures,
        setinfo: stats.set,
        unsetinfo: stats.unset,
        addrinfo: stats.lookups.list().map(lookup).collect(),
        rmtinfo: stats.remote_calls.list().map(remote_call).collect(),
    }
}

fn lookup((lookup, tally): &(Lookup, Tally)) -> RpcbsAddrlist {
    RpcbsAddrlist {
        prog: lookup.program.0,
        vers: lookup.version.0,
        success: tally.success,
        failure: tally.failure,
        netid: lookup.netid.to_string(),
    }
}

fn remote_call((call, tally): &(RemoteCall, RemoteTally)) -> RpcbsRmtcalllist {
    RpcbsRmtcalllist {
        prog: call.program.0,
        vers: call.version.0,
        proc: call.procedure.0,
        success: tally.registered.success,
        failure: tally.registered.failure,
        indirect: tally.indirect,
        netid: call.netid.to_string(),
    }
}
