//! A server that adds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Instant;

use farcall::proto::record::Message;
use farcall::proto::server::{Caller, ServerConfig, ServerCore, Verdict};
use farcall::xdr::{Bytes, Decoder, Encoder};
use farcall::{Answer, Context, Dispatch, Fault, Interface, PeerAddr, Procedure, ProcedureInfo};

use super::{ADD, PROGRAM, Serve, VERSION};

static INTERFACE: Interface = Interface {
    program: PROGRAM,
    program_name: "SIM_PROG",
    version: VERSION,
    version_name: "SIM_V1",
    procedures: &[ProcedureInfo {
        number: ADD,
        name: "SIM_ADD",
        idempotent: false,
        deferred: false,
    }],
};

/// Answers with how often it has executed the call's word. Only its duplicate cache knows that a
/// call is a repeat.
pub(crate) struct Adder {
    core: ServerCore,
    counts: Arc<Counts>,
    peer: PeerAddr,
}

/// How often each word was executed.
#[derive(Default)]
struct Counts(Mutex<HashMap<u32, u32>>);

impl Adder {
    /// Starts again: what it has done is done, what it remembered of calls is lost.
    pub(crate) fn restart(&mut self) {
        self.core = core(&self.counts);
    }

    /// The words that were executed more than once.
    pub(crate) fn twice(&self) -> Vec<u32> {
        let counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().filter(|&(_, &times)| times > 1).map(|(&word, _)| word).collect()
    }
}

impl Default for Adder {
    fn default() -> Self {
        let counts = Arc::new(Counts::default());
        let peer = PeerAddr::Udp(([192, 0, 2, 1], 1023).into());
        Self { core: core(&counts), counts, peer }
    }
}

fn core(counts: &Arc<Counts>) -> ServerCore {
    let mut core = ServerCore::new(ServerConfig::default(), Waker::noop().clone());
    core.add(counts.clone());
    core
}

impl Serve for Adder {
    fn handle(&mut self, now: Instant, message: &Bytes) -> Option<Bytes> {
        let caller = Caller::new(self.peer, 0);
        let mut out = Encoder::new();
        match self.core.handle_message(now, caller, &Message::from(message.clone()), &mut out) {
            Verdict::Reply => Some(out.into_bytes()),
            Verdict::None | Verdict::Later => None,
        }
    }
}

impl Dispatch for Counts {
    fn interface(&self) -> &'static Interface {
        &INTERFACE
    }

    fn dispatch(
        &self,
        _: &Context,
        _: Procedure,
        args: &mut Decoder<'_>,
        results: &mut Encoder,
    ) -> Result<Answer, Fault> {
        let word = args.u32()?;
        args.end()?;
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = counts.entry(word).or_default();
        *times += 1;
        results.u32(*times);
        Ok(Answer::Now)
    }
}
