//! AUTH_SHORT: a few bytes in place of an AUTH_SYS credential (RFC 5531 appendix A).
//!
//! The verifier of a reply to AUTH_SYS is the short hand; a client may send it as the credential of
//! its next calls. One that the server does not know any more is refused with AUTH_REJECTEDCRED,
//! and the client goes back to AUTH_SYS.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::flavor::{Admission, Authenticate, Claim, Session, sys};
use crate::proto::auth::{AuthSys, Flavor, OpaqueAuth};
use crate::proto::message::AuthStatus;
use crate::service::{Identity, PeerAddr};
use crate::xdr::Bytes;

/// Short hands known at once. The oldest is forgotten first.
const MOST: usize = 4096;

/// Bytes of a short hand: too many to be guessed.
const LEN: usize = 16;

/// The two flavors that share short hands: AUTH_SYS, which gives them out, and AUTH_SHORT.
/// `random` fills the bytes of a new one.
#[must_use]
pub fn auth_short(random: fn(&mut [u8]) -> bool) -> [Arc<dyn Authenticate>; 2] {
    let table = Arc::new(Mutex::new(Table::default()));
    [Arc::new(Issuer { table: Arc::clone(&table), random }), Arc::new(Honourer(table))]
}

/// Of whom a short hand is good: another host's word is not taken for it.
type Source = Option<IpAddr>;

type ShortHand = [u8; LEN];

#[derive(Debug, Default)]
struct Table {
    known: HashMap<ShortHand, (Source, Arc<AuthSys>)>,
    given: HashMap<(Source, Arc<AuthSys>), ShortHand>,
    order: VecDeque<ShortHand>,
}

impl Table {
    fn insert(&mut self, source: Source, sys: &Arc<AuthSys>, short: ShortHand) {
        if self.order.len() == MOST
            && let Some(oldest) = self.order.pop_front()
            && let Some(whose) = self.known.remove(&oldest)
        {
            self.given.remove(&whose);
        }
        self.known.insert(short, (source, Arc::clone(sys)));
        self.given.insert((source, Arc::clone(sys)), short);
        self.order.push_back(short);
    }
}

fn source(peer: &PeerAddr) -> Source {
    peer.ip().map(|addr| addr.ip())
}

struct Issuer {
    table: Arc<Mutex<Table>>,
    random: fn(&mut [u8]) -> bool,
}

impl Issuer {
    fn short_hand(&self, source: Source, sys: &Arc<AuthSys>) -> Option<ShortHand> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.given.get(&(source, Arc::clone(sys))) {
            return Some(*known);
        }
        let mut short = [0; LEN];
        if !(self.random)(&mut short) {
            return None;
        }
        table.insert(source, sys, short);
        Some(short)
    }
}

impl Authenticate for Issuer {
    fn flavor(&self) -> Flavor {
        Flavor::SYS
    }

    fn authenticate(&self, call: &Claim<'_>) -> Result<Admission, AuthStatus> {
        let mut sys = sys(&call.header.credential)?;
        // A stamp is any number, and not part of who it is.
        sys.stamp = 0;
        let sys = Arc::new(sys);
        let verifier = match self.short_hand(source(call.peer), &sys) {
            Some(short) => {
                OpaqueAuth { flavor: Flavor::SHORT, body: Bytes::copy_from_slice(&short) }
            }
            None => OpaqueAuth::NONE,
        };
        Ok(Admission::Execute(Session { verifier, ..Session::plain(Identity::Sys(sys)) }))
    }
}

struct Honourer(Arc<Mutex<Table>>);

impl Authenticate for Honourer {
    fn flavor(&self) -> Flavor {
        Flavor::SHORT
    }

    fn authenticate(&self, call: &Claim<'_>) -> Result<Admission, AuthStatus> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, sys) = <&ShortHand>::try_from(&call.header.credential.body[..])
            .ok()
            .and_then(|short| table.known.get(short))
            .ok_or(AuthStatus::RejectedCred)?;
        if *of != source(call.peer) {
            return Err(AuthStatus::RejectedCred);
        }
        Ok(Admission::Execute(Session::plain(Identity::Sys(Arc::clone(sys)))))
    }
}
