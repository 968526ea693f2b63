//! Version 3: any transport (RFC 1833 §2.2.1).

use farcall::bind::proto::rpcb_prot::rpcbprog::v3;
use farcall::bind::proto::rpcb_prot::{Netbuf, Rpcb, RpcbRmtcallargs, RpcbRmtcallres, Rpcblist};
use farcall::{Context, Fault, Reply};

use super::Front;
use crate::stats::Protocol::V3;

impl v3::Service for Front {
    fn set(&self, cx: &Context, rpcb: Rpcb, reply: Reply<bool>) {
        self.rpcb_set(cx, V3, &rpcb, reply);
    }

    fn unset(&self, cx: &Context, rpcb: Rpcb, reply: Reply<bool>) {
        self.rpcb_unset(cx, V3, &rpcb, reply);
    }

    fn getaddr(&self, cx: &Context, rpcb: Rpcb) -> Result<String, Fault> {
        Ok(self.rpcb_getaddr(cx, V3, &rpcb))
    }

    fn dump(&self, _: &Context) -> Result<Vec<Rpcblist>, Fault> {
        Ok(self.rpcb_dump())
    }

    fn callit(&self, cx: &Context, call: RpcbRmtcallargs, reply: Reply<RpcbRmtcallres>) {
        self.rpcb_remote_call(cx, V3, call, reply);
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
}
