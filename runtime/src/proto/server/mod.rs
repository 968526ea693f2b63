//! The server's side of the protocol: a message in, an answer or none out.
//!
//! Checks come in the order that RFC 5531 §9 and other servers have: RPC version, credential,
//! program, version, procedure, arguments. So a bad credential to an unknown program is an
//! authentication error.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Waker;
use std::time::Instant;

use super::auth::{AuthSys, Flavor, OpaqueAuth};
use super::drc::{CacheLimits, CallKey, DuplicateCache, Seen};
use super::message::{
    AcceptStatus, AuthStatus, CallError, CallHeader, RejectStatus, ReplyHeader, encode_success,
};
use super::record::Message;
use super::stats::ServerStats;
use crate::service::{Answer, Context, Deferred, Dispatch, Fault, Peer, Route};
use crate::xdr::{Bytes, Decoder, Encoder, Limits, Mark};
use crate::{Procedure, Program, Version, Xid};

/// The longest reply that a datagram can carry, in bytes: over IPv4, whose packets are the shorter.
pub const MAX_DATAGRAM: usize = 65_507;

/// How a [`ServerCore`] treats calls.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The bounds of the duplicate request cache.
    pub cache: CacheLimits,
    /// The bounds of what decoding the arguments of one call may cost.
    pub decode: Limits,
    /// Whether padding that is not zero, booleans other than 0 and 1 and bytes after the arguments
    /// are errors. Default: no, as with other servers.
    pub strict: bool,
}

/// Where a call came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub peer: Peer,
    /// Which socket or connection to answer on: a number that means something to whoever carries
    /// the messages, and nothing to this core.
    pub origin: u64,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The answer was written.
    Reply,
    /// There is no answer. Why is counted.
    None,
    /// There may be an answer later, from [`ServerCore::poll_deferred`].
    Later,
}

/// The answer to a call that was put off.
#[derive(Debug)]
pub struct DeferredReply {
    /// Where to send it.
    pub caller: Caller,
    /// The whole reply, without a record mark.
    pub reply: Encoder,
}

/// Executes calls. It holds the services, the duplicate request cache and the counters.
///
/// After [`handle_message`](Self::handle_message), and whenever the waker that was given to
/// [`new`](Self::new) wakes, [`poll_deferred`](Self::poll_deferred) may have an answer.
#[derive(Debug)]
pub struct ServerCore {
    config: ServerConfig,
    services: Services,
    cache: DuplicateCache,
    stats: ServerStats,
    deferred: HashMap<u64, Outstanding>,
    next_call: u64,
    queue: Receiver<Deferred>,
    route: (Sender<Deferred>, Waker),
}

/// A call whose answer was put off.
#[derive(Debug)]
struct Outstanding {
    caller: Caller,
    xid: Xid,
    key: Option<CallKey>,
}

/// A call that passed the checks of its header.
struct Accepted {
    header: CallHeader,
    caller: Caller,
    /// Its place in the duplicate request cache, unless it is idempotent.
    key: Option<CallKey>,
    /// Whether its handler may answer later.
    deferred: bool,
}

impl ServerCore {
    /// A server without services. `waker` is woken when an answer that was put off is there.
    #[must_use]
    pub fn new(config: ServerConfig, waker: Waker) -> Self {
        let (sender, queue) = channel();
        Self {
            cache: DuplicateCache::new(config.cache),
            config,
            services: Services::default(),
            stats: ServerStats::default(),
            deferred: HashMap::new(),
            next_call: 0,
            queue,
            route: (sender, waker),
        }
    }

    /// Serves one version of a program from now on, in place of an earlier one of the same numbers.
    pub fn add(&mut self, service: Arc<dyn Dispatch>) {
        self.services.add(service);
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.stats
    }

    /// The counters, for what carries the messages to add to.
    pub fn stats_mut(&mut self) -> &mut ServerStats {
        &mut self.stats
    }

    /// Calls whose answer was put off and is not there yet.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.deferred.len()
    }

    /// Handles one message and appends the answer to `out`, without a record mark.
    pub fn handle_message(
        &mut self,
        now: Instant,
        caller: Caller,
        message: &Message<'_>,
        out: &mut Encoder,
    ) -> Verdict {
        let mut d = message.decoder().with_limits(self.config.decode);
        let header = match CallHeader::decode(&mut d) {
            Ok(header) => header,
            Err(error) => return self.refuse_header(&error, out),
        };
        if let Err(status) = check_credential(&header.credential) {
            return self.deny(header.xid, status, out);
        }
        let service = match self.services.find(header.program, header.version) {
            Ok(service) => Arc::clone(service),
            Err(status) => return self.reject(header.xid, status, out),
        };
        let info = match service.interface().procedure(header.procedure) {
            Some(info) => info,
            None if header.procedure == Procedure::NULL => {
                self.stats.executed += 1;
                encode_success(header.xid, out);
                return Verdict::Reply;
            }
            None => return self.reject(header.xid, AcceptStatus::ProcUnavail, out),
        };
        let key = (!info.idempotent).then(|| {
            let numbers = (header.program, header.version, header.procedure);
            CallKey::new(caller.peer, header.xid, numbers, message.bytes())
        });
        if let Some(key) = key
            && let Some(verdict) = self.answer_repeat(now, key, out)
        {
            return verdict;
        }
        let d = d.strict(self.config.strict);
        let call = Accepted { header, caller, key, deferred: info.deferred };
        self.execute(&*service, call, d, out)
    }

    /// The next answer that was put off and is there now.
    pub fn poll_deferred(&mut self) -> Option<DeferredReply> {
        loop {
            let Deferred { call, results } = self.queue.try_recv().ok()?;
            let Some(Outstanding { caller, xid, key }) = self.deferred.remove(&call) else {
                continue;
            };
            let mut reply = Encoder::new();
            let mark = reply.mark();
            let verdict = match results {
                Ok(results) => {
                    encode_success(xid, &mut reply);
                    reply.append_bytes(&results);
                    self.succeed(caller, xid, mark, &mut reply)
                }
                Err(fault) => self.fail(xid, fault, &mut reply),
            };
            self.remember(key, verdict, &reply, mark);
            if verdict == Verdict::Reply {
                return Some(DeferredReply { caller, reply });
            }
        }
    }

    fn execute(
        &mut self,
        service: &dyn Dispatch,
        call: Accepted,
        mut args: Decoder<'_>,
        out: &mut Encoder,
    ) -> Verdict {
        let Accepted { header, caller, key, deferred } = call;
        let CallHeader { xid, procedure, credential, .. } = header;
        let route = deferred.then(|| self.next_route());
        let number = route.as_ref().map(|route| route.call);
        let cx = Context { peer: caller.peer, xid, procedure, credential, route };
        let mark = out.mark();
        encode_success(xid, out);
        let run = || service.dispatch(&cx, procedure, &mut args, out);
        let outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
            self.stats.panics += 1;
            Err(Fault::SystemErr)
        });
        self.stats.trailing_bytes += u64::from(args.trailing() > 0);
        let verdict = match outcome {
            Ok(Answer::Now) => self.succeed(caller, xid, mark, out),
            Ok(Answer::Later) => {
                out.truncate(mark);
                if let Some(number) = number {
                    self.deferred.insert(number, Outstanding { caller, xid, key });
                    return Verdict::Later;
                }
                // The interface did not say that the handler may, so there is no way back.
                self.fail(xid, Fault::SystemErr, out)
            }
            Err(fault) => {
                out.truncate(mark);
                if matches!(fault, Fault::GarbageArgs | Fault::ProcUnavail | Fault::Silent) {
                    // Not executed, so that a repeat changes nothing either.
                    if let Some(key) = &key {
                        self.cache.forget(key);
                    }
                    return self.fail(xid, fault, out);
                }
                self.fail(xid, fault, out)
            }
        };
        self.remember(key, verdict, out, mark);
        verdict
    }

    /// The answer written since `mark` goes out, if the transport can carry it.
    fn succeed(&mut self, caller: Caller, xid: Xid, mark: Mark, out: &mut Encoder) -> Verdict {
        if matches!(caller.peer, Peer::Udp(_)) && out.since(mark) > MAX_DATAGRAM {
            out.truncate(mark);
            return self.fail(xid, Fault::SystemErr, out);
        }
        self.stats.executed += 1;
        Verdict::Reply
    }

    fn next_route(&mut self) -> Route {
        self.next_call += 1;
        let (queue, waker) = self.route.clone();
        Route { call: self.next_call, queue, waker }
    }

    /// What a call gets that was seen before; `None` if it is new.
    fn answer_repeat(&mut self, now: Instant, key: CallKey, out: &mut Encoder) -> Option<Verdict> {
        match self.cache.begin(now, key) {
            Seen::New => None,
            Seen::Drop => {
                self.stats.repeats_dropped += 1;
                Some(Verdict::None)
            }
            Seen::Replay(reply) => {
                self.stats.replayed += 1;
                out.append_bytes(&reply);
                Some(Verdict::Reply)
            }
        }
    }

    /// Keeps the answer written since `mark` for repeats of the call.
    fn remember(&mut self, key: Option<CallKey>, verdict: Verdict, out: &Encoder, mark: Mark) {
        let Some(key) = key else {
            return;
        };
        if verdict == Verdict::Reply {
            let len = out.since(mark);
            self.cache.finish(&key, || joined(out, mark, len), len);
        } else {
            self.cache.forget(&key);
        }
    }

    fn refuse_header(&mut self, error: &CallError, out: &mut Encoder) -> Verdict {
        match *error {
            CallError::RpcVersion { xid, .. } => {
                self.stats.rpc_mismatch += 1;
                write(ReplyHeader::denied(xid, RejectStatus::RPC_MISMATCH), out)
            }
            CallError::NotACall => {
                self.stats.not_a_call += 1;
                Verdict::None
            }
            CallError::Malformed(_) => {
                self.stats.malformed += 1;
                Verdict::None
            }
        }
    }

    fn deny(&mut self, xid: Xid, status: AuthStatus, out: &mut Encoder) -> Verdict {
        self.stats.auth_errors += 1;
        write(ReplyHeader::denied(xid, RejectStatus::AuthError(status)), out)
    }

    fn reject(&mut self, xid: Xid, status: AcceptStatus, out: &mut Encoder) -> Verdict {
        let stats = &mut self.stats;
        match status {
            AcceptStatus::Success => stats.executed += 1,
            AcceptStatus::ProgUnavail => stats.prog_unavail += 1,
            AcceptStatus::ProgMismatch { .. } => stats.prog_mismatch += 1,
            AcceptStatus::ProcUnavail => stats.proc_unavail += 1,
            AcceptStatus::GarbageArgs => stats.garbage_args += 1,
            AcceptStatus::SystemErr => stats.system_errors += 1,
        }
        write(ReplyHeader::accepted(xid, status), out)
    }

    fn fail(&mut self, xid: Xid, fault: Fault, out: &mut Encoder) -> Verdict {
        match fault {
            Fault::ProgUnavail => self.reject(xid, AcceptStatus::ProgUnavail, out),
            Fault::ProcUnavail => self.reject(xid, AcceptStatus::ProcUnavail, out),
            Fault::GarbageArgs => self.reject(xid, AcceptStatus::GarbageArgs, out),
            Fault::SystemErr => self.reject(xid, AcceptStatus::SystemErr, out),
            Fault::Auth(status) => self.deny(xid, status, out),
            Fault::Silent => {
                self.stats.silent += 1;
                Verdict::None
            }
        }
    }
}

/// Services by program and version.
#[derive(Default)]
struct Services(Vec<Arc<dyn Dispatch>>);

impl Services {
    fn add(&mut self, service: Arc<dyn Dispatch>) {
        let numbers = numbers(&*service);
        match self.0.binary_search_by_key(&numbers, |other| self::numbers(&**other)) {
            Ok(at) => self.0[at] = service,
            Err(at) => self.0.insert(at, service),
        }
    }

    fn find(&self, program: Program, version: Version) -> Result<&Arc<dyn Dispatch>, AcceptStatus> {
        let start = self.0.partition_point(|service| numbers(&**service).0 < program);
        let len = self.0[start..].partition_point(|service| numbers(&**service).0 == program);
        let versions = &self.0[start..start + len];
        let (Some(low), Some(high)) = (versions.first(), versions.last()) else {
            return Err(AcceptStatus::ProgUnavail);
        };
        versions.iter().find(|service| numbers(&***service).1 == version).ok_or_else(|| {
            AcceptStatus::ProgMismatch { low: numbers(&**low).1, high: numbers(&**high).1 }
        })
    }
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|service| numbers(&**service))).finish()
    }
}

fn numbers(service: &dyn Dispatch) -> (Program, Version) {
    let interface = service.interface();
    (interface.program, interface.version)
}

/// Whether the credential is of a flavor that is served, and well-formed. The statuses are those
/// that libtirpc answers with, because clients know them.
fn check_credential(credential: &OpaqueAuth) -> Result<(), AuthStatus> {
    match credential.flavor {
        Flavor::NONE => Ok(()),
        Flavor::SYS => match AuthSys::from_credential(credential) {
            Some(Ok(_)) => Ok(()),
            _ => Err(AuthStatus::BadCred),
        },
        Flavor::DH => Err(AuthStatus::Failed),
        Flavor::RPCSEC_GSS => Err(AuthStatus::BadCred),
        _ => Err(AuthStatus::RejectedCred),
    }
}

fn write(header: ReplyHeader, out: &mut Encoder) -> Verdict {
    match header.encode(out) {
        Ok(()) => Verdict::Reply,
        // Only a long verifier fails, and all of these have an empty one.
        Err(_) => Verdict::None,
    }
}

fn joined(out: &Encoder, mark: Mark, len: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(len);
    out.chunks_since(mark).for_each(|chunk| bytes.extend_from_slice(chunk));
    bytes.into()
}

#[cfg(test)]
mod tests;
