//! How a server authenticates: flavors of credentials, built in and of others.
//!
//! AUTH_NONE and AUTH_SYS are built in. A flavor of one's own implements [`Authenticate`]; it may
//! take several round trips to set up, give every reply a verifier, and wrap arguments and results,
//! which is what RPCSEC_GSS (RFC 2203) does.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::proto::auth::{AuthSys, Flavor, OpaqueAuth};
use crate::proto::message::{AuthStatus, CallHeader};
use crate::service::{Fault, Identity, PeerAddr};
use crate::xdr::Bytes;

/// An authentication flavor, as a server has it. One of AUTH_NONE or AUTH_SYS takes the place of
/// the built-in one.
pub trait Authenticate: Send + Sync + 'static {
    /// The flavor of the credentials that it decides on.
    fn flavor(&self) -> Flavor;

    /// Decides on a call. It must not wait.
    ///
    /// # Errors
    /// The call is denied: AUTH_ERROR with this status.
    fn authenticate(&self, call: &Claim<'_>) -> Result<Admission, AuthStatus>;
}

/// A call whose caller is not known yet.
#[derive(Debug)]
#[non_exhaustive]
pub struct Claim<'a> {
    /// The time.
    pub now: Instant,
    /// Where it came from.
    pub peer: &'a PeerAddr,
    /// The call's header, with credential and verifier.
    pub header: &'a CallHeader,
    /// The bytes of the header up to the end of the credential, which a verifier may cover.
    pub covered: &'a [u8],
    /// The arguments, as they came.
    pub args: &'a [u8],
}

/// What is to become of a call.
#[derive(Debug)]
#[non_exhaustive]
pub enum Admission {
    /// It is executed.
    Execute(Session),
    /// It belongs to the flavor, which sets something up by it: the answer, with success.
    Answer {
        /// The reply's verifier.
        verifier: OpaqueAuth,
        /// The results.
        results: Bytes,
    },
    /// There is no answer, as to what was sent before by somebody else.
    Drop,
}

/// As whom a call is executed, and how its reply is protected.
#[derive(Clone)]
pub struct Session {
    /// As whom.
    pub identity: Identity,
    /// The reply's verifier.
    pub verifier: OpaqueAuth,
    /// What unwraps the arguments and wraps the results.
    pub protection: Option<Arc<dyn Protect>>,
}

/// Unwraps the arguments of a call and wraps its results (integrity, privacy).
pub trait Protect: Send + Sync + 'static {
    /// The arguments in what was sent as arguments.
    ///
    /// # Errors
    /// They are not what they should be. RFC 2203 §5.3.3.4.2 has GARBAGE_ARGS for it.
    fn unwrap(&self, args: &[u8]) -> Result<Bytes, Fault>;

    /// What is sent as the results.
    ///
    /// # Errors
    /// They cannot be wrapped.
    fn wrap(&self, results: &[u8]) -> Result<Bytes, Fault>;
}

impl Session {
    /// A session whose replies have an empty verifier and are not protected.
    #[must_use]
    pub fn plain(identity: Identity) -> Self {
        Self { identity, verifier: OpaqueAuth::NONE, protection: None }
    }

    /// Whether the credential of a repeat is another one, and the reply's verifier too.
    pub(super) fn is_fresh(&self) -> bool {
        self.protection.is_some() || matches!(self.identity, Identity::Principal(_))
    }

    /// What tells callers at one address apart.
    pub(super) fn principal(&self) -> &[u8] {
        match &self.identity {
            Identity::Principal(name) => name.as_bytes(),
            _ => &[],
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("identity", &self.identity)
            .field("protected", &self.protection.is_some())
            .finish_non_exhaustive()
    }
}

/// The flavors of a server.
#[derive(Clone, Default)]
pub(super) struct Flavors(pub(super) Vec<Arc<dyn Authenticate>>);

impl Flavors {
    pub(super) fn authenticate(&self, claim: &Claim<'_>) -> Result<Admission, AuthStatus> {
        let credential = &claim.header.credential;
        match self.0.iter().find(|flavor| flavor.flavor() == credential.flavor) {
            Some(flavor) => flavor.authenticate(claim),
            None => built_in(credential).map(|who| Admission::Execute(Session::plain(who))),
        }
    }
}

impl fmt::Debug for Flavors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|flavor| flavor.flavor())).finish()
    }
}

/// The statuses are those that libtirpc answers with, because clients know them.
fn built_in(credential: &OpaqueAuth) -> Result<Identity, AuthStatus> {
    match credential.flavor {
        Flavor::NONE => Ok(Identity::Nobody),
        Flavor::SYS => sys(credential).map(|sys| Identity::Sys(Arc::new(sys))),
        Flavor::DH => Err(AuthStatus::Failed),
        Flavor::RPCSEC_GSS => Err(AuthStatus::BadCred),
        _ => Err(AuthStatus::RejectedCred),
    }
}

pub(super) fn sys(credential: &OpaqueAuth) -> Result<AuthSys, AuthStatus> {
    match AuthSys::from_credential(credential) {
        Some(Ok(sys)) => Ok(sys),
        _ => Err(AuthStatus::BadCred),
    }
}
