//! What happens to a call that passed the checks of its header.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::flavor::Session;
use super::{Accepted, Caller, DeferredReply, Outstanding, ServerCore, Verdict, write_success};
use crate::Xid;
use crate::proto::message::AcceptStatus;
use crate::service::{
    Answer, Back, Context, Deferred, Fault, Interceptor, Outcome, Peer, PeerAddr, Route,
};
use crate::xdr::{Bytes, Decoder, Encode as _, Encoder, Mark};

impl ServerCore {
    pub(super) fn execute(
        &mut self,
        now: Instant,
        call: Accepted,
        mut args: Decoder<'_>,
        out: &mut Encoder,
    ) -> Verdict {
        if call.deferred && self.is_full_for(call.len) {
            return self.refuse_one_too_many(&call, out);
        }
        let cx = self.context(now, &call);
        let mark = out.mark();
        let outcome = self.before(&cx).map(|()| {
            write_success(call.xid, &call.session.verifier, out);
            let served = &call.served;
            self.guarded(|| served.service.dispatch(&cx, call.procedure, &mut args, out))
        });
        if args.trailing() > 0 {
            self.counters().trailing_bytes.add(1);
        }
        let executed = outcome.is_ok();
        match outcome.and_then(|outcome| outcome) {
            Ok(Answer::Later) if cx.route.is_some() => {
                out.truncate(mark);
                self.put_off(call, cx);
                Verdict::Later
            }
            // The interface did not say that the handler may, so there is no way back.
            Ok(Answer::Later) => {
                self.finish(now, &call, &cx, (Err(Fault::SystemErr), executed), (mark, out))
            }
            Ok(Answer::Now) => self.finish(now, &call, &cx, (Ok(()), executed), (mark, out)),
            Err(fault) => self.finish(now, &call, &cx, (Err(fault), executed), (mark, out)),
        }
    }

    /// The next end of a call that was put off.
    pub fn poll_deferred(&mut self, now: Instant) -> Option<DeferredReply> {
        while !self.deferred.is_empty() {
            let Deferred { call, outcome } = self.queue.try_recv().ok()?;
            let Some(Outstanding { call, cx }) = self.deferred.remove(&call) else {
                continue;
            };
            self.deferred_bytes -= call.len;
            let mut reply = Encoder::new();
            let mark = reply.mark();
            let outcome = self.results(outcome).map(|results| {
                write_success(call.xid, &call.session.verifier, &mut reply);
                reply.append_bytes(&results);
            });
            let verdict = self.finish(now, &call, &cx, (outcome, true), (mark, &mut reply));
            let reply = (verdict == Verdict::Reply).then_some(reply);
            return Some(DeferredReply { caller: call.caller, reply });
        }
        None
    }

    /// The results of a call that was put off, and counts what is to be counted of it.
    fn results(&self, outcome: Outcome) -> Result<Bytes, Fault> {
        match outcome {
            Outcome::Answered(results) => results,
            Outcome::Executed { results, trailing } => {
                self.counters().trailing_bytes.add(u64::from(trailing));
                results
            }
            Outcome::Panicked => self.panicked(),
            Outcome::Expired => {
                self.counters().too_old.add(1);
                Err(Fault::Silent)
            }
        }
    }

    /// Runs what is not this library's, and which must not end the loop.
    pub(super) fn guarded<T>(&self, run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| self.panicked())
    }

    fn panicked<T>(&self) -> Result<T, Fault> {
        self.counters().panics.add(1);
        Err(Fault::SystemErr)
    }

    fn context(&mut self, now: Instant, call: &Accepted) -> Context {
        let peer = Peer {
            addr: call.caller.peer,
            flavor: call.flavor,
            identity: call.session.identity.clone(),
        };
        let route = call.deferred.then(|| self.next_route(call));
        Context {
            peer,
            xid: call.xid,
            interface: call.served.service.interface(),
            procedure: call.procedure,
            received: now,
            queued: Duration::ZERO,
            route,
            back: self.back(&call.caller),
        }
    }

    fn back(&self, caller: &Caller) -> Option<Back> {
        let lines = self.lines.as_ref().filter(|_| !matches!(caller.peer, PeerAddr::Udp(_)))?;
        Some(Back { lines: Arc::clone(lines), origin: caller.origin })
    }

    fn next_route(&mut self, call: &Accepted) -> Route {
        self.next_call += 1;
        let gone = match call.caller.peer {
            // Whether somebody still waits for a datagram is not known.
            PeerAddr::Udp(_) => Arc::default(),
            _ => Arc::clone(self.gone.entry(call.caller.origin).or_default()),
        };
        let (queue, waker) = self.route.clone();
        Route { call: self.next_call, queue, waker, gone }
    }

    fn put_off(&mut self, call: Accepted, cx: Context) {
        if let Some(route) = &cx.route {
            let number = route.call;
            if let Some(key) = &call.key {
                self.cache.put_off(key, number);
            }
            self.deferred_bytes += call.len;
            self.deferred.insert(number, Outstanding { call, cx });
        }
    }

    /// Whether a call of this length cannot be put off any more.
    fn is_full_for(&self, len: usize) -> bool {
        let limits = &self.config.limits;
        self.deferred.len() >= limits.calls || self.deferred_bytes + len > limits.call_bytes
    }

    fn refuse_one_too_many(&mut self, call: &Accepted, out: &mut Encoder) -> Verdict {
        self.counters().too_many_calls.add(1);
        if let Some(key) = &call.key {
            self.cache.forget(key);
        }
        match call.caller.peer {
            // The caller will ask again.
            PeerAddr::Udp(_) => Verdict::None,
            _ => self.reject(call.xid, AcceptStatus::SystemErr, &call.session, out),
        }
    }

    /// Asks the interceptors. Those before one that refuses are told.
    fn before(&self, cx: &Context) -> Result<(), Fault> {
        let interceptors = &self.config.interceptors;
        for (at, interceptor) in interceptors.iter().enumerate() {
            if let Err(fault) = self.guarded(|| interceptor.before(cx)) {
                self.after(&interceptors[..at], cx, Err(fault), Duration::ZERO);
                return Err(fault);
            }
        }
        Ok(())
    }

    fn after(
        &self,
        interceptors: &[Arc<dyn Interceptor>],
        cx: &Context,
        outcome: Result<(), Fault>,
        took: Duration,
    ) {
        for interceptor in interceptors.iter().rev() {
            // The outcome is what it is.
            let _ = self.guarded(|| {
                interceptor.after(cx, outcome, took);
                Ok(())
            });
        }
    }

    /// Writes the answer, the results of which are there since `mark` if it did not fail, keeps it
    /// for repeats, and counts.
    fn finish(
        &mut self,
        now: Instant,
        call: &Accepted,
        cx: &Context,
        (outcome, executed): (Result<(), Fault>, bool),
        (mark, out): (Mark, &mut Encoder),
    ) -> Verdict {
        let fresh = outcome.is_ok() && call.session.is_fresh();
        let results = fresh.then(|| call.results_since(mark, out));
        let outcome = outcome.and_then(|()| self.deliver(call, results.as_ref(), mark, out));
        let verdict = match outcome {
            Ok(()) => {
                self.counters().executed.add(1);
                Verdict::Reply
            }
            Err(fault) => {
                out.truncate(mark);
                self.fail(call.xid, fault, &call.session, out)
            }
        };
        let unexecuted = !executed
            || matches!(outcome, Err(Fault::GarbageArgs | Fault::ProcUnavail | Fault::Silent));
        let now = self.config.clock.map_or(now, |clock| clock());
        let keep = verdict == Verdict::Reply && !unexecuted;
        self.remember(now, call, keep, results, (mark, out));
        let took = now.saturating_duration_since(cx.received);
        call.served.ledger.count(call.procedure, outcome.is_ok(), took);
        if executed {
            self.after(&self.config.interceptors, cx, outcome, took);
        }
        verdict
    }

    /// Protects the results written since `mark`, and checks that the transport can carry them.
    fn deliver(
        &self,
        call: &Accepted,
        results: Option<&Bytes>,
        mark: Mark,
        out: &mut Encoder,
    ) -> Result<(), Fault> {
        if let (Some(protection), Some(results)) = (&call.session.protection, results) {
            let wrapped = self.guarded(|| protection.wrap(results))?;
            out.truncate(mark);
            write_success(call.xid, &call.session.verifier, out);
            out.append_bytes(&wrapped);
        }
        let is_datagram = matches!(call.caller.peer, PeerAddr::Udp(_));
        if is_datagram && out.since(mark) > self.config.limits.datagram {
            self.counters().too_long.add(1);
            return Err(Fault::SystemErr);
        }
        Ok(())
    }

    /// Keeps the answer written since `mark` for repeats of the call; of a session whose replies
    /// are never the same twice, the results.
    fn remember(
        &mut self,
        now: Instant,
        call: &Accepted,
        keep: bool,
        results: Option<Bytes>,
        (mark, out): (Mark, &Encoder),
    ) {
        let Some(key) = &call.key else {
            return;
        };
        match results {
            _ if !keep => self.cache.forget(key),
            Some(results) => {
                let len = results.len();
                self.cache.finish(now, key, || results, len);
            }
            None if call.session.is_fresh() => self.cache.finish_without_reply(now, key),
            None => {
                let len = out.since(mark);
                self.cache.finish(now, key, || joined(out, mark, len), len);
            }
        }
    }

    pub(super) fn fail(
        &self,
        xid: Xid,
        fault: Fault,
        session: &Session,
        out: &mut Encoder,
    ) -> Verdict {
        let status = match fault {
            Fault::ProgUnavail => AcceptStatus::ProgUnavail,
            Fault::ProgMismatch { low, high } => AcceptStatus::ProgMismatch { low, high },
            Fault::ProcUnavail => AcceptStatus::ProcUnavail,
            Fault::GarbageArgs => AcceptStatus::GarbageArgs,
            Fault::SystemErr => AcceptStatus::SystemErr,
            Fault::Auth(status) => return self.deny(xid, status, out),
            Fault::Silent => return self.stay_silent(),
        };
        self.reject(xid, status, session, out)
    }
}

impl Accepted {
    /// Writes the reply of a call that was executed before.
    pub(super) fn replay(&self, kept: &Bytes, out: &mut Encoder) -> Verdict {
        if !self.session.is_fresh() {
            out.append_bytes(kept);
            return Verdict::Reply;
        }
        let results = match &self.session.protection {
            Some(protection) => match protection.wrap(kept) {
                Ok(results) => results,
                Err(_) => return Verdict::None,
            },
            None => kept.clone(),
        };
        write_success(self.xid, &self.session.verifier, out);
        out.append_bytes(&results);
        Verdict::Reply
    }

    /// The results of a successful reply that was written since `mark`.
    fn results_since(&self, mark: Mark, out: &Encoder) -> Bytes {
        // Before them are xid, direction, reply status and, after the verifier, accept status.
        let header = 16 + self.session.verifier.encoded_len();
        joined(out, mark, out.since(mark)).slice(header..)
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted")
            .field("xid", &self.xid)
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

fn joined(out: &Encoder, mark: Mark, len: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(len);
    out.chunks_since(mark).for_each(|chunk| bytes.extend_from_slice(chunk));
    bytes.into()
}
