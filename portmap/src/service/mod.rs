//! The portmapper's protocol in its versions, over one [`Portmap`].

use std::sync::Arc;

use farcall::bind::proto::pmap_prot::pmap_prog::v2;
use farcall::bind::proto::rpcb_prot::rpcbprog::{v3, v4};
use farcall::proto::message::MIN_CALL_LEN;
use farcall::xdr::Encode;
use farcall::{Context, Dispatch, Fault};

use crate::Portmap;
use crate::stats::Protocol;
use counted::Counted;

mod counted;
mod pmap2;
mod remote;
mod rpcb;
mod rpcb3;
mod rpcb4;

/// The length of a successful reply's header with an empty verifier, in bytes.
const REPLY_HEADER_LEN: usize = 24;

/// The portmapper in one version of its protocol.
#[derive(Debug, Clone)]
struct Front(Portmap);

impl Portmap {
    /// Version 2, to be served.
    #[must_use]
    pub fn v2(&self) -> Arc<dyn Dispatch> {
        Arc::new(Counted::new(v2::Server::new(Front(self.clone())), self, Protocol::V2))
    }

    /// Version 3, to be served.
    #[must_use]
    pub fn v3(&self) -> Arc<dyn Dispatch> {
        Arc::new(Counted::new(v3::Server::new(Front(self.clone())), self, Protocol::V3))
    }

    /// Version 4, to be served.
    #[must_use]
    pub fn v4(&self) -> Arc<dyn Dispatch> {
        Arc::new(Counted::new(v4::Server::new(Front(self.clone())), self, Protocol::V4))
    }

    /// All versions, to be served.
    #[must_use]
    pub fn services(&self) -> [Arc<dyn Dispatch>; 3] {
        [self.v2(), self.v3(), self.v4()]
    }
}

impl Front {
    /// Whether this list may be the answer to a call with arguments of `args_len` bytes.
    fn fits<T: Encode>(&self, cx: &Context, args_len: usize, list: &[T]) -> Result<(), Fault> {
        let len = list.iter().map(|item| 4 + item.encoded_len()).sum::<usize>() + 4;
        self.fits_len(cx, args_len, len)
    }

    fn fits_len(&self, cx: &Context, args_len: usize, results_len: usize) -> Result<(), Fault> {
        let (call, reply) = (MIN_CALL_LEN + args_len, REPLY_HEADER_LEN + results_len);
        self.0.may_reply(cx.peer().addr(), call, reply)
    }
}
