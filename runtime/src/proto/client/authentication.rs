//! Calls that need more than a fixed credential: those of a flavor, and those with a short hand.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::flavor::{Initiate, Seal, SetUp, Step};
use super::message::{self, Answer};
use super::{ClientCore, Repeat, Transport};
use crate::error::{Refusal, Result};
use crate::proto::auth::{Flavor, OpaqueAuth};
use crate::proto::message::{AuthStatus, CallHeader, RejectStatus};
use crate::proto::pending::Call;
use crate::xdr::{Bytes, Encode as _, EncodeError, Encoder};
use crate::{Error, Procedure, Program, Version, Xid};

/// Short hands of one server that are known at once. A client has few users.
const MOST_SHORT_HANDS: usize = 64;

/// Sendings of one call that an answer may belong to.
const MOST_SEALS: usize = 8;

/// What is special about a call's authentication.
#[derive(Debug)]
pub(in crate::proto) enum CallState {
    /// A short hand was sent in place of this credential.
    Short(OpaqueAuth),
    /// A flavor seals it, anew each time that it is sent.
    Sealed(Sealed),
    /// It sets a flavor up.
    SetUp(Arc<dyn Initiate>),
}

/// What a call of a flavor is made of.
#[derive(Debug)]
pub(in crate::proto) struct Sealed {
    flavor: Arc<dyn Initiate>,
    program: Program,
    version: Version,
    args: Bytes,
    /// Of the last times that it was sent.
    seals: Vec<Box<dyn Seal>>,
    /// It was made again after it had been refused.
    again: Cell<bool>,
}

/// A flavor that is being set up.
#[derive(Debug)]
pub(super) struct UnderWay {
    flavor: Arc<dyn Initiate>,
    /// The call that sets it up.
    call: Xid,
    /// The calls that wait for it.
    waiting: Vec<Xid>,
}

impl UnderWay {
    /// Whether it is this call that sets it up.
    pub(super) fn is(&self, call: Xid) -> bool {
        self.call == call
    }
}

/// Short hands that the server gave out for AUTH_SYS credentials (RFC 5531 appendix A).
#[derive(Default)]
pub(super) struct ShortHands(HashMap<Bytes, Bytes>);

impl ShortHands {
    /// The credential to send in place of this one.
    pub(super) fn of(&self, credential: &OpaqueAuth) -> Option<OpaqueAuth> {
        if self.0.is_empty() || credential.flavor != Flavor::SYS {
            return None;
        }
        let body = self.0.get(&credential.body)?.clone();
        Some(OpaqueAuth { flavor: Flavor::SHORT, body })
    }

    fn learn(&mut self, credential: &OpaqueAuth, short: &OpaqueAuth) {
        if credential.flavor != Flavor::SYS {
            return;
        }
        if self.0.len() == MOST_SHORT_HANDS {
            self.0.clear();
        }
        self.0.insert(credential.body.clone(), short.body.clone());
    }

    fn forget(&mut self, credential: &OpaqueAuth) {
        self.0.remove(&credential.body);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl fmt::Debug for ShortHands {
    // They are as good as credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ShortHands").field(&self.0.len()).finish()
    }
}

impl CallState {
    /// Whether to make the call again after it was refused.
    fn refused(&self, status: AuthStatus) -> bool {
        match self {
            Self::Short(_) => status == AuthStatus::RejectedCred,
            Self::Sealed(sealed) => {
                !sealed.again.replace(true)
                    && sealed.seals.last().is_some_and(|seal| {
                        guarded(AuthStatus::Failed, || Ok(seal.refused(status))).unwrap_or(false)
                    })
            }
            Self::SetUp(_) => false,
        }
    }
}

impl Sealed {
    pub(super) fn new(
        flavor: &Arc<dyn Initiate>,
        (program, version): (Program, Version),
        args: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<Self> {
        let mut e = Encoder::new();
        args(&mut e)?;
        let (flavor, args) = (Arc::clone(flavor), e.into_bytes());
        Ok(Self { flavor, program, version, args, seals: Vec::new(), again: Cell::new(false) })
    }

    /// The message of one sending.
    fn seal(
        &mut self,
        transport: Transport,
        xid: Xid,
        procedure: Procedure,
        seal: Box<dyn Seal>,
    ) -> Result<Encoder> {
        let header = CallHeader {
            xid,
            program: self.program,
            version: self.version,
            procedure,
            credential: seal.credential(),
            verifier: OpaqueAuth::NONE,
        };
        let mut covered = Encoder::new();
        header.encode(&mut covered)?;
        let covered = covered.into_bytes();
        let covered = covered.slice(..covered.len() - header.verifier.encoded_len());
        let verifier = seal.verifier(&covered).map_err(Error::Auth)?;
        let args = seal.wrap(&self.args).map_err(Error::Auth)?;
        if self.seals.len() == MOST_SEALS {
            self.seals.remove(0);
        }
        self.seals.push(seal);
        message::encode(transport, &CallHeader { verifier, ..header }, &args)
    }

    /// The results in an answer that was not denied; an error if it is not an answer to this call.
    fn open(&self, verifier: &OpaqueAuth, result: Result<Bytes>) -> Result<Result<Bytes>> {
        let seal = self.seals.iter().rev().find(|seal| seal.is_verified_by(verifier));
        let seal = seal.ok_or(Error::Auth(AuthStatus::InvalidResp))?;
        match result {
            Ok(results) => seal.unwrap(results).map(Ok).map_err(Error::Auth),
            Err(error) => Ok(Err(error)),
        }
    }
}

/// Runs what is not this library's: a panic there is that call's failure, and not one of the thread
/// that sends and receives for others.
fn guarded<T>(status: AuthStatus, run: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(Error::Auth(status)))
}

fn set_up_ended(flavor: &dyn Initiate) {
    let _ = guarded(AuthStatus::Failed, || {
        flavor.failed();
        Ok(())
    });
}

fn is_same(one: &Arc<dyn Initiate>, other: &Arc<dyn Initiate>) -> bool {
    Arc::ptr_eq(one, other)
}

impl ClientCore {
    /// Makes a call ready to be sent, or sent again. `false` if it is not: it waits until its
    /// flavor is set up, or it has ended.
    pub(super) fn prepare(&mut self, xid: Xid, now: Instant) -> bool {
        let flavor = match self.pending.get(xid).map(|call| call.state.as_deref()) {
            Some(Some(CallState::Sealed(sealed))) => Arc::clone(&sealed.flavor),
            Some(_) => return true,
            None => return false,
        };
        if self.join(&flavor, xid) {
            return false;
        }
        let sealed = match guarded(AuthStatus::Failed, || Ok(flavor.next(now))) {
            Ok(Step::Call(seal)) => self.seal(xid, seal),
            Ok(Step::SetUp(step)) => {
                self.set_up(flavor, &step, vec![xid], now);
                return false;
            }
            Err(error) => Err(error),
        };
        let is_ready = sealed.is_ok();
        if let Err(error) = sealed {
            // What was sent before may have been executed.
            let sent = self.pending.get(xid).map_or(0, |call| call.sent);
            self.end(xid, Err(if sent > 0 { Error::Disconnected { sent } } else { error }));
        }
        is_ready
    }

    fn seal(&mut self, xid: Xid, seal: Box<dyn Seal>) -> Result<()> {
        let sent_as = self.pending.sent_as(xid);
        if let Some(call) = self.pending.get_mut(xid)
            && let Some(CallState::Sealed(sealed)) = call.state.as_deref_mut()
        {
            let seal = || sealed.seal(self.transport, sent_as, call.procedure, seal);
            call.message = guarded(AuthStatus::Failed, seal)?;
        }
        Ok(())
    }

    /// Has a call wait for its flavor, if that is being set up.
    fn join(&mut self, flavor: &Arc<dyn Initiate>, xid: Xid) -> bool {
        let Some(under_way) =
            self.under_way.iter_mut().find(|under_way| is_same(&under_way.flavor, flavor))
        else {
            return false;
        };
        if !under_way.waiting.contains(&xid) {
            under_way.waiting.push(xid);
        }
        let call = under_way.call;
        let deadline = self.pending.get(xid).map(|waiting| waiting.deadline);
        self.extend(call, deadline);
        true
    }

    /// It is waited for as long as anybody does.
    fn extend(&mut self, xid: Xid, deadline: Option<Instant>) {
        let timer = self.pending.timer(xid);
        if let (Some(call), Some(deadline)) = (self.pending.get_mut(xid), deadline)
            && call.deadline < deadline
        {
            let former = std::mem::replace(&mut call.deadline, deadline);
            if timer == Some(former) {
                self.pending.arm(xid, deadline);
            }
        }
    }

    /// Takes the next step to set a flavor up, which these calls wait for.
    fn set_up(&mut self, flavor: Arc<dyn Initiate>, step: &SetUp, waiting: Vec<Xid>, now: Instant) {
        let first = waiting.iter().find_map(|&xid| match self.pending.get(xid)?.state.as_deref() {
            Some(CallState::Sealed(sealed)) => Some((sealed.program, sealed.version)),
            _ => None,
        });
        let deadlines = waiting.iter().filter_map(|&xid| Some(self.pending.get(xid)?.deadline));
        let (Some((program, version)), Some(deadline)) = (first, deadlines.max()) else {
            return set_up_ended(&*flavor);
        };
        let xid = self.unused_xid();
        let (credential, verifier) = (step.credential.clone(), step.verifier.clone());
        let procedure = Procedure::NULL;
        let header = CallHeader { xid, program, version, procedure, credential, verifier };
        let message = message::encode(self.transport, &header, &step.args);
        let mut call = Call::new(Encoder::new(), procedure, now, deadline, 0);
        call.state = Some(Box::new(CallState::SetUp(Arc::clone(&flavor))));
        self.pending.insert(xid, call);
        self.under_way.push(UnderWay { flavor, call: xid, waiting });
        match (message, self.pending.get_mut(xid)) {
            (Ok(message), Some(call)) => call.message = message,
            (Err(error), _) => return self.end(xid, Err(error)),
            (Ok(_), None) => return,
        }
        match self.transport {
            // Not by the window, which the calls that wait for it may fill.
            Transport::Datagram => self.due.push_back(xid),
            Transport::Stream => self.append(xid, now),
        }
    }

    /// The server has answered a call that sets a flavor up.
    fn set_up_answered(
        &mut self,
        xid: Xid,
        flavor: &Arc<dyn Initiate>,
        verifier: &OpaqueAuth,
        results: &[u8],
        now: Instant,
    ) {
        let answered = || flavor.answered(now, verifier, results).map_err(Error::Auth);
        if let Err(error) = guarded(AuthStatus::Failed, answered) {
            return self.end(xid, Err(error));
        }
        self.pending.forget(xid);
        let Some(at) = self.under_way.iter().position(|under_way| under_way.is(xid)) else {
            return;
        };
        for waiting in self.under_way.swap_remove(at).waiting {
            if self.prepare(waiting, now) {
                self.submit(waiting, now);
            }
        }
    }

    /// A step has ended otherwise: so have the calls that wait for it.
    pub(super) fn set_up_failed(&mut self, xid: Xid, result: Result<Bytes>) {
        self.pending.forget(xid);
        let Some(at) = self.under_way.iter().position(|under_way| under_way.is(xid)) else {
            return;
        };
        let UnderWay { flavor, waiting, .. } = self.under_way.swap_remove(at);
        set_up_ended(&*flavor);
        for waiting in waiting {
            let sent = self.pending.get(waiting).map_or(0, |call| call.sent);
            let error = match &result {
                // Each has its own deadline.
                Err(Error::TimedOut { .. }) => continue,
                // What was sent before, with what is no good any more, may have been executed.
                _ if sent > 0 => Error::Disconnected { sent },
                Err(Error::Refused { refusal, .. }) => Error::Refused { refusal: *refusal, sent },
                Err(Error::Decode(error)) => Error::Decode(error.clone()),
                Err(Error::Encode(error)) => Error::Encode(error.clone()),
                Err(Error::Unreachable { .. }) => Error::Unreachable { sent: 0, alone: true },
                Err(Error::Disconnected { .. }) => Error::Disconnected { sent: 0 },
                Err(Error::Auth(status)) => Error::Auth(*status),
                _ => Error::Auth(AuthStatus::Failed),
            };
            self.end(waiting, Err(error));
        }
    }

    /// When the step is due that a call waits for.
    pub(super) fn set_up_timer(&self, xid: Xid) -> Option<Instant> {
        let under_way = self.under_way.iter().find(|under_way| under_way.waiting.contains(&xid))?;
        self.pending.timer(under_way.call)
    }

    /// Takes in the answer to a call whose authentication is special.
    pub(super) fn handle_special(&mut self, xid: Xid, answer: Answer, now: Instant) {
        let Answer { verifier, result } = answer;
        let Some(state) = self.pending.get_mut(xid).and_then(|call| call.state.as_deref_mut())
        else {
            return;
        };
        let denied = match result {
            Err(Error::Refused {
                refusal: Refusal::Denied(RejectStatus::AuthError(status)),
                ..
            }) => Some(status),
            _ => None,
        };
        match (state, verifier) {
            (state, _) if denied.is_some_and(|status| state.refused(status)) => {
                self.received(xid, now);
                self.make_again(xid, now);
            }
            (CallState::Sealed(sealed), Some(verifier)) => {
                match guarded(AuthStatus::InvalidResp, || sealed.open(&verifier, result)) {
                    Ok(result) => self.answered(xid, result, now),
                    // Nobody else writes on our connection, but anybody may send a datagram.
                    Err(error) if self.transport == Transport::Stream => {
                        self.answered(xid, Err(error), now);
                    }
                    Err(_) => self.stats.unverified += 1,
                }
            }
            (CallState::SetUp(flavor), Some(verifier)) if result.is_ok() => {
                let flavor = Arc::clone(flavor);
                self.received(xid, now);
                let results = result.unwrap_or_default();
                self.set_up_answered(xid, &flavor, &verifier, &results, now);
            }
            _ => self.answered(xid, result, now),
        }
    }

    /// Notes the short hand in the reply to a call.
    pub(super) fn learn(&mut self, xid: Xid, short: &OpaqueAuth) {
        let Some(call) = self.pending.get(xid) else {
            return;
        };
        match call.state.as_deref() {
            Some(CallState::Short(full)) => self.short_hands.learn(full, short),
            Some(_) => {}
            None => {
                if let Some((header, _)) = message::parse(self.transport, &call.message) {
                    self.short_hands.learn(&header.credential, short);
                }
            }
        }
    }

    /// Makes a call again that the server has refused: under another xid, because what else it says
    /// to the one before is of no interest. One that was sent more than once it may have executed
    /// before, and would not know.
    fn make_again(&mut self, xid: Xid, now: Instant) {
        let sent = self.pending.get(xid).map(|call| (call.sent, call.repeat));
        if let Some((sent @ 2.., Repeat::Never | Repeat::WhileKnown)) = sent {
            return self.end(xid, Err(Error::Disconnected { sent }));
        }
        let alias = self.unused_xid();
        self.pending.rename(xid, alias);
        let transport = self.transport;
        let Some(call) = self.pending.get_mut(xid) else {
            return;
        };
        // What was sent once was not executed; of more, only one is known not to have been.
        if call.sent == 1 {
            call.sent = 0;
        }
        if let Some(CallState::Short(credential)) = call.state.as_deref() {
            self.short_hands.forget(credential);
            match in_full(transport, &call.message, alias, credential.clone()) {
                Ok(message) => call.message = message,
                Err(error) => return self.end(xid, Err(error)),
            }
            call.state = None;
        }
        if self.prepare(xid, now) {
            self.submit(xid, now);
        }
    }
}

/// The message of a call with another xid and another credential.
fn in_full(
    transport: Transport,
    message: &Encoder,
    xid: Xid,
    credential: OpaqueAuth,
) -> Result<Encoder> {
    let (header, args) =
        message::parse(transport, message).ok_or(Error::Auth(AuthStatus::Failed))?;
    message::encode(transport, &CallHeader { xid, credential, ..header }, &args)
}
