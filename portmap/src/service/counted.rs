//! A version of the protocol as it is served: what it does, and what holds for all procedures.

use std::sync::{Mutex, PoisonError};

use farcall::bind::proto::pmap_prot::pmap_prog::v2;
use farcall::bind::proto::rpcb_prot::rpcbprog::{v3, v4};
use farcall::proto::message::MIN_CALL_LEN;
use farcall::xdr::{Bytes, Decoder, Encoder};
use farcall::{Answer, Context, Dispatch, Fault, Interface, Procedure, ProcedureInfo};

use super::REPLY_HEADER_LEN;
use crate::Portmap;
use crate::registry::Registry;
use crate::stats::Protocol;

/// CALLIT in versions 2 and 3, BCAST in version 4.
const CALLIT: Procedure = Procedure(5);

/// The whole table.
const DUMP: Procedure = Procedure(4);

/// Has every call counted, and the table encoded once for all who ask for it.
#[derive(Debug)]
pub(super) struct Counted<D> {
    version: D,
    portmap: Portmap,
    protocol: Protocol,
    /// What DUMP answers, and of which state of the table.
    list: Mutex<(u64, Bytes)>,
}

impl<D> Counted<D> {
    pub(super) fn new(version: D, portmap: &Portmap, protocol: Protocol) -> Self {
        Self { version, portmap: portmap.clone(), protocol, list: Mutex::default() }
    }
}

impl<D: Dispatch> Counted<D> {
    fn dump(
        &self,
        cx: &Context,
        args: &mut Decoder<'_>,
        results: &mut Encoder,
    ) -> Result<Answer, Fault> {
        args.end()?;
        let list = self.list(cx, args)?;
        let (call, reply) = (MIN_CALL_LEN, REPLY_HEADER_LEN + list.len());
        self.portmap.may_reply(cx.peer().addr(), call, reply)?;
        results.append_bytes(&list);
        Ok(Answer::Now)
    }

    /// It may be long, and who asks for it without end is not to take all of a processor.
    fn list(&self, cx: &Context, args: &mut Decoder<'_>) -> Result<Bytes, Fault> {
        let state = self.portmap.with_table(Registry::state);
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if list.1.is_empty() || list.0 != state {
            let mut e = Encoder::new();
            self.version.dispatch(cx, DUMP, args, &mut e)?;
            // Of just its size: it stays.
            *list = (state, Bytes::copy_from_slice(&e.into_bytes()));
        }
        Ok(list.1.clone())
    }
}

impl<D: Dispatch> Dispatch for Counted<D> {
    fn interface(&self) -> &'static Interface {
        match self.protocol {
            Protocol::V2 => &V2,
            Protocol::V3 => &V3,
            Protocol::V4 => &V4,
        }
    }

    fn dispatch(
        &self,
        cx: &Context,
        procedure: Procedure,
        args: &mut Decoder<'_>,
        results: &mut Encoder,
    ) -> Result<Answer, Fault> {
        self.portmap.count(self.protocol, procedure);
        self.portmap.may_call(cx.peer().addr(), procedure)?;
        match procedure {
            Procedure::NULL => return Ok(Answer::Now),
            DUMP => return self.dump(cx, args, results),
            _ => {}
        }
        match self.version.dispatch(cx, procedure, args, results) {
            // Whoever broadcasts must not be told of failures by every host.
            Err(Fault::GarbageArgs) if procedure == CALLIT => Err(Fault::Silent),
            outcome => outcome,
        }
    }
}

// Procedure 0 is executed here, to be counted as rpcbind does.
static V2: Interface =
    Interface { procedures: &with_null::<6>(v2::INTERFACE.procedures), ..v2::INTERFACE };
static V3: Interface =
    Interface { procedures: &with_null::<9>(v3::INTERFACE.procedures), ..v3::INTERFACE };
static V4: Interface =
    Interface { procedures: &with_null::<13>(v4::INTERFACE.procedures), ..v4::INTERFACE };

/// `N` is one more than there are others.
const fn with_null<const N: usize>(others: &[ProcedureInfo]) -> [ProcedureInfo; N] {
    let null =
        ProcedureInfo { number: Procedure::NULL, name: "NULL", idempotent: true, deferred: false };
    let mut all = [null; N];
    let (_, rest) = all.split_at_mut(1);
    rest.copy_from_slice(others);
    all
}
