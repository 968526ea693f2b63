//! The server's side of the protocol: a message in, an answer or none out.
//!
//! Checks come in the order that RFC 5531 §9 and other servers have: RPC version, credential,
//! program, version, procedure, arguments. So a bad credential to an unknown program is an
//! authentication error.

mod execute;
pub mod flavor;
mod services;
pub mod short;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Waker;
use std::time::{Duration, Instant};

use self::flavor::{Admission, Authenticate, Claim, Flavors, Session};
use self::services::{Served, Services};
use super::auth::{Flavor, OpaqueAuth};
use super::drc::{CallKey, DuplicateCache, Seen};
use super::limits::Limits;
use super::message::{
    AcceptStatus, AuthStatus, CallError, CallHeader, RejectStatus, ReplyHeader, ReplyStatus,
    encode_success,
};
use super::record::Message;
use super::stats::{Counters, Ledger, Stats};
use crate::service::{Context, Deferred, Dispatch, Interceptor, Lines, PeerAddr};
use crate::xdr::{Decoder, Encode as _, Encoder};
use crate::{Procedure, ProcedureInfo, Xid};

/// How a [`ServerCore`] treats calls.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ServerConfig {
    /// What bounds it.
    pub limits: Limits,
    /// Whether padding that is not zero, booleans other than 0 and 1 and bytes after the arguments
    /// are errors. Default: no, as with other servers.
    pub strict: bool,
    /// What tells the time after a call was executed. Without it no time passes in handlers.
    pub clock: Option<fn() -> Instant>,
    /// Authentication flavors besides the built-in ones, or in their place.
    pub flavors: Vec<Arc<dyn Authenticate>>,
    /// What calls pass through, in this order.
    pub interceptors: Vec<Arc<dyn Interceptor>>,
}

/// Where a call came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// From which address.
    pub peer: PeerAddr,
    /// To which of this host's addresses, where a socket is on all of them.
    pub local: Option<IpAddr>,
    /// Which socket or connection to answer on: a number that means something to whoever carries
    /// the messages, and nothing to this core.
    pub origin: u64,
}

impl Caller {
    /// A caller at one end of `origin`.
    #[must_use]
    pub fn new(peer: PeerAddr, origin: u64) -> Self {
        Self { peer, local: None, origin }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The answer was written.
    Reply,
    /// There is no answer. Why is counted.
    None,
    /// There will be an end to it later, from [`ServerCore::poll_deferred`].
    Later,
}

/// The end of a call that was put off.
#[derive(Debug)]
pub struct DeferredReply {
    /// Where to send it.
    pub caller: Caller,
    /// The whole reply, without a record mark. `None` if the call is not answered at all.
    pub reply: Option<Encoder>,
}

/// Executes calls. It holds the services, the duplicate request cache and the counters.
///
/// After [`handle_message`](Self::handle_message), and whenever the waker that was given to
/// [`new`](Self::new) wakes, [`poll_deferred`](Self::poll_deferred) may have an answer.
#[derive(Debug)]
pub struct ServerCore {
    config: ServerConfig,
    flavors: Flavors,
    services: Services,
    cache: DuplicateCache,
    ledger: Arc<Ledger>,
    deferred: HashMap<u64, Outstanding>,
    /// The sum of their lengths.
    deferred_bytes: usize,
    next_call: u64,
    queue: Receiver<Deferred>,
    route: (Sender<Deferred>, Waker),
    /// For each connection that calls were put off of, whether it is gone.
    gone: HashMap<u64, Arc<AtomicBool>>,
    /// The ways back to callers, if whoever carries the messages has them.
    lines: Option<Arc<Lines>>,
}

/// A call whose answer was put off.
#[derive(Debug)]
struct Outstanding {
    call: Accepted,
    cx: Context,
}

/// A call that passed the checks of its header.
struct Accepted {
    xid: Xid,
    procedure: Procedure,
    caller: Caller,
    flavor: Flavor,
    session: Session,
    served: Arc<Served>,
    /// The length of its message.
    len: usize,
    /// Its place in the duplicate request cache, unless it is idempotent.
    key: Option<CallKey>,
    /// Whether it may be answered later.
    deferred: bool,
}

/// A service, and what is known of the procedure.
type Found = (Arc<Served>, Option<&'static ProcedureInfo>);

impl ServerCore {
    /// A server without services. `waker` is woken when an answer that was put off is there.
    #[must_use]
    pub fn new(config: ServerConfig, waker: Waker) -> Self {
        let (sender, queue) = channel();
        Self {
            cache: DuplicateCache::new(config.limits.cache),
            flavors: Flavors(config.flavors.clone()),
            config,
            services: Services::default(),
            ledger: Arc::default(),
            deferred: HashMap::new(),
            deferred_bytes: 0,
            next_call: 0,
            queue,
            route: (sender, waker),
            gone: HashMap::new(),
            lines: None,
        }
    }

    /// Serves one version of a program from now on, in place of an earlier one of the same numbers.
    pub fn add(&mut self, service: Arc<dyn Dispatch>) {
        self.serve(service, false);
    }

    /// As [`add`](Self::add), of a service all of whose procedures may be answered later.
    pub(crate) fn add_pooled(&mut self, service: Arc<dyn Dispatch>) {
        self.serve(service, true);
    }

    fn serve(&mut self, service: Arc<dyn Dispatch>, pooled: bool) {
        let ledger = self.ledger.open(service.interface());
        self.services.add(Served { service, ledger, pooled });
    }

    /// A snapshot of the counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        self.ledger.add_to(&mut stats);
        stats
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Lets handlers call back over these.
    pub(crate) fn set_lines(&mut self, lines: Arc<Lines>) {
        self.lines = Some(lines);
    }

    /// The counters, for what carries the messages to add to.
    pub(crate) fn counters(&self) -> &Counters {
        &self.ledger.counters
    }

    /// Calls whose answer was put off and is not there yet.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.deferred.len()
    }

    /// The connection is gone: handlers of its calls that go on are told.
    pub fn disconnected(&mut self, origin: u64) {
        if let Some(gone) = self.gone.remove(&origin) {
            gone.store(true, Ordering::Relaxed);
        }
        if let Some(lines) = &self.lines {
            lines.close(origin);
        }
    }

    /// Handles one message and appends the answer to `out`, without a record mark.
    pub fn handle_message(
        &mut self,
        now: Instant,
        caller: Caller,
        message: &Message<'_>,
        out: &mut Encoder,
    ) -> Verdict {
        let mut d = message.decoder().with_limits(self.config.limits.decode);
        let header = match CallHeader::decode(&mut d) {
            Ok(header) => header,
            Err(error) => return self.refuse_header(&error, out),
        };
        match self.authenticate(now, &caller, message, (&header, d.offset())) {
            Ok(Admission::Execute(session)) => {
                self.handle_call(now, caller, message, (&header, d), session, out)
            }
            Ok(Admission::Answer { verifier, results }) => {
                write_success(header.xid, &verifier, out);
                out.append_bytes(&results);
                Verdict::Reply
            }
            Ok(Admission::Drop) => self.stay_silent(),
            Err(status) => self.deny(header.xid, status, out),
        }
    }

    /// Handles a call whose caller is known.
    fn handle_call(
        &mut self,
        now: Instant,
        caller: Caller,
        message: &Message<'_>,
        (header, d): (&CallHeader, Decoder<'_>),
        session: Session,
        out: &mut Encoder,
    ) -> Verdict {
        let &CallHeader { xid, procedure, ref credential, .. } = header;
        let (served, info) = match self.look_up(header) {
            Ok((served, Some(info))) => (served, info),
            Ok((served, None)) => return self.answer_null(xid, &served, &session, out),
            Err(status) => return self.reject(xid, status, &session, out),
        };
        let (flavor, len) = (credential.flavor, message.bytes().len());
        let deferred = info.deferred || served.pooled;
        let call =
            Accepted { xid, procedure, caller, flavor, session, served, len, key: None, deferred };
        let keyed = (!info.idempotent).then_some(header);
        let Some(protection) = call.session.protection.clone() else {
            let d = d.strict(self.config.strict);
            return self.execute_once(now, call, keyed, (message.bytes(), d), out);
        };
        match self.guarded(|| protection.unwrap(&message.bytes()[d.offset()..])) {
            Ok(args) => {
                let limits = self.config.limits.decode;
                let d = Decoder::new(&args).with_limits(limits).strict(self.config.strict);
                self.execute_once(now, call, keyed, (&args, d), out)
            }
            Err(fault) => self.fail(xid, fault, &call.session, out),
        }
    }

    /// What executes a call; `None` for procedure 0 where the runtime does.
    fn look_up(&self, header: &CallHeader) -> Result<Found, AcceptStatus> {
        let served = self.services.find(header.program, header.version)?;
        match served.service.interface().procedure(header.procedure) {
            None if header.procedure != Procedure::NULL => Err(AcceptStatus::ProcUnavail),
            info => Ok((Arc::clone(served), info)),
        }
    }

    fn answer_null(
        &self,
        xid: Xid,
        served: &Served,
        session: &Session,
        out: &mut Encoder,
    ) -> Verdict {
        self.counters().executed.add(1);
        served.ledger.count(Procedure::NULL, true, Duration::ZERO);
        write_success(xid, &session.verifier, out);
        Verdict::Reply
    }

    fn authenticate(
        &self,
        now: Instant,
        caller: &Caller,
        message: &Message<'_>,
        (header, len): (&CallHeader, usize),
    ) -> Result<Admission, AuthStatus> {
        let most = self.config.limits.credential;
        if header.credential.body.len() > most || header.verifier.body.len() > most {
            return Err(AuthStatus::BadCred);
        }
        let covered = len - header.verifier.encoded_len();
        let (covered, args) = (&message.bytes()[..covered], &message.bytes()[len..]);
        let claim = Claim { now, peer: &caller.peer, header, covered, args };
        let admission = self.guarded(|| Ok(self.flavors.authenticate(&claim)));
        admission.unwrap_or(Err(AuthStatus::Failed))
    }

    /// Executes a call, unless it is a repeat. `bytes` are what tells it from another one.
    fn execute_once(
        &mut self,
        now: Instant,
        mut call: Accepted,
        keyed: Option<&CallHeader>,
        (bytes, args): (&[u8], Decoder<'_>),
        out: &mut Encoder,
    ) -> Verdict {
        if let Some(header) = keyed {
            let numbers = (header.program, header.version, header.procedure);
            let principal = call.session.principal();
            // Where repeats have another header, it is no part of what is compared.
            let from = if call.session.is_fresh() { args.offset() } else { 0 };
            let key = CallKey::new(call.caller.peer, call.xid, numbers, principal, &bytes[from..]);
            if let Some(verdict) = self.answer_repeat(now, &call, key, out) {
                return verdict;
            }
            call.key = Some(key);
        }
        self.execute(now, call, args, out)
    }

    /// What a call gets that was seen before; `None` if it is new.
    fn answer_repeat(
        &mut self,
        now: Instant,
        call: &Accepted,
        key: CallKey,
        out: &mut Encoder,
    ) -> Option<Verdict> {
        let reused = self.cache.reused();
        match self.cache.begin(now, key) {
            Seen::New => {
                self.counters().xids_reused.add(self.cache.reused() - reused);
                None
            }
            Seen::InProgress(number) => {
                self.counters().repeats_dropped.add(1);
                Some(self.redirect(call.caller, number))
            }
            Seen::Drop => {
                self.counters().repeats_dropped.add(1);
                Some(Verdict::None)
            }
            Seen::Replay(reply) => {
                self.counters().replayed.add(1);
                Some(call.replay(&reply, out))
            }
        }
    }

    /// A caller that came back on another connection gets the answer there.
    fn redirect(&mut self, caller: Caller, number: Option<u64>) -> Verdict {
        match number.and_then(|number| self.deferred.get_mut(&number)) {
            Some(one) if one.call.caller.origin != caller.origin => {
                one.call.caller = caller;
                Verdict::Later
            }
            _ => Verdict::None,
        }
    }

    fn refuse_header(&mut self, error: &CallError, out: &mut Encoder) -> Verdict {
        let counters = self.counters();
        match *error {
            CallError::RpcVersion { xid, .. } => {
                counters.rpc_mismatch.add(1);
                write(ReplyHeader::denied(xid, RejectStatus::RPC_MISMATCH), out)
            }
            CallError::NotACall => {
                counters.not_a_call.add(1);
                Verdict::None
            }
            CallError::Malformed(_) => {
                counters.malformed.add(1);
                Verdict::None
            }
        }
    }

    fn stay_silent(&self) -> Verdict {
        self.counters().silent.add(1);
        Verdict::None
    }

    fn deny(&self, xid: Xid, status: AuthStatus, out: &mut Encoder) -> Verdict {
        self.counters().auth_errors.add(1);
        write(ReplyHeader::denied(xid, RejectStatus::AuthError(status)), out)
    }

    fn reject(
        &self,
        xid: Xid,
        status: AcceptStatus,
        session: &Session,
        out: &mut Encoder,
    ) -> Verdict {
        let counters = self.counters();
        let counter = match status {
            AcceptStatus::Success => &counters.executed,
            AcceptStatus::ProgUnavail => &counters.prog_unavail,
            AcceptStatus::ProgMismatch { .. } => &counters.prog_mismatch,
            AcceptStatus::ProcUnavail => &counters.proc_unavail,
            AcceptStatus::GarbageArgs => &counters.garbage_args,
            AcceptStatus::SystemErr => &counters.system_errors,
        };
        counter.add(1);
        let verifier = session.verifier.clone();
        write(ReplyHeader { xid, status: ReplyStatus::Accepted { verifier, status } }, out)
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("limits", &self.limits)
            .field("strict", &self.strict)
            .finish_non_exhaustive()
    }
}

fn write_success(xid: Xid, verifier: &OpaqueAuth, out: &mut Encoder) {
    if *verifier == OpaqueAuth::NONE {
        return encode_success(xid, out);
    }
    let (verifier, status) = (verifier.clone(), AcceptStatus::Success);
    let _ = write(ReplyHeader { xid, status: ReplyStatus::Accepted { verifier, status } }, out);
}

fn write(mut header: ReplyHeader, out: &mut Encoder) -> Verdict {
    let mark = out.mark();
    if header.encode(out).is_err() {
        // Only a verifier that is too long fails, which is a mistake of the flavor's.
        log::error!("a verifier of more than 400 bytes was left out");
        out.truncate(mark);
        if let ReplyStatus::Accepted { verifier, .. } = &mut header.status {
            *verifier = OpaqueAuth::NONE;
        }
        let _ = header.encode(out);
    }
    Verdict::Reply
}

#[cfg(test)]
mod tests;
