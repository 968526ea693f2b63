//! How a client authenticates: flavors of its own, besides AUTH_NONE, AUTH_SYS and AUTH_SHORT.
//!
//! The counterpart of [`server::flavor`](crate::proto::server::flavor). A flavor implements
//! [`Initiate`]; it may take several round trips to set up, give every call a verifier and check
//! that of the reply, and wrap arguments and results, which is what RPCSEC_GSS (RFC 2203) does.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::proto::auth::{Flavor, OpaqueAuth};
use crate::proto::message::AuthStatus;
use crate::xdr::Bytes;

/// Who calls, for [`CallParams`](super::CallParams).
#[derive(Debug, Clone, Copy)]
pub enum CallAuth<'a> {
    /// A credential that is the same for every call, with an empty verifier.
    Credential(&'a OpaqueAuth),
    /// A flavor, which has another one for each.
    Flavor(&'a Arc<dyn Initiate>),
}

static NOBODY: OpaqueAuth = OpaqueAuth::NONE;

impl CallAuth<'static> {
    /// Nobody in particular (AUTH_NONE).
    pub const NONE: Self = Self::Credential(&NOBODY);
}

/// An authentication flavor, as a client has it: one caller at one server.
///
/// No method may wait, and one that panics fails the call that it is for. Calls that come while it is being set up are sent when it is.
pub trait Initiate: fmt::Debug + Send + Sync + 'static {
    /// The flavor of the credentials that it makes.
    fn flavor(&self) -> Flavor;

    /// What the next call needs: a seal, or to have the flavor set up first. Asked again whenever
    /// the call is sent again, and after every answer to a call that sets up.
    fn next(&self, now: Instant) -> Step;

    /// The server has answered the call of the last [`Step::SetUp`] with success.
    ///
    /// # Errors
    /// It cannot be set up. The calls that wait for it end with
    /// [`Error::Auth`](crate::Error::Auth).
    fn answered(
        &self,
        now: Instant,
        verifier: &OpaqueAuth,
        results: &[u8],
    ) -> Result<(), AuthStatus>;

    /// The call of the last [`Step::SetUp`] was refused or not answered. The next one begins anew.
    fn failed(&self) {}
}

/// What a flavor needs for a call.
#[derive(Debug)]
pub enum Step {
    /// A round trip first.
    SetUp(SetUp),
    /// Nothing more: this is for one sending of the call.
    Call(Box<dyn Seal>),
}

/// A call of procedure 0 that sets a flavor up.
#[derive(Debug, Clone)]
pub struct SetUp {
    /// The call's credential.
    pub credential: OpaqueAuth,
    /// The call's verifier.
    pub verifier: OpaqueAuth,
    /// The call's arguments, encoded.
    pub args: Bytes,
}

/// What protects one sending of a call. A call that is sent again has another one, under the same
/// xid, and the answer may belong to either.
pub trait Seal: fmt::Debug + Send + Sync + 'static {
    /// The call's credential.
    fn credential(&self) -> OpaqueAuth;

    /// The call's verifier. `covered` are the bytes of the header up to the end of the credential.
    ///
    /// # Errors
    /// There is none. The call ends with [`Error::Auth`](crate::Error::Auth).
    fn verifier(&self, covered: &[u8]) -> Result<OpaqueAuth, AuthStatus>;

    /// What is sent as the arguments.
    ///
    /// # Errors
    /// They cannot be wrapped. The call ends with [`Error::Auth`](crate::Error::Auth).
    fn wrap(&self, args: &Bytes) -> Result<Bytes, AuthStatus> {
        Ok(args.clone())
    }

    /// Whether the verifier of a reply is the one that belongs to this call.
    fn is_verified_by(&self, verifier: &OpaqueAuth) -> bool;

    /// The results in what was sent as results.
    ///
    /// # Errors
    /// They are not what they should be, and so is the reply.
    fn unwrap(&self, results: Bytes) -> Result<Bytes, AuthStatus> {
        Ok(results)
    }

    /// The server has refused the call with AUTH_ERROR. Whether to make it again, which is done
    /// once: if what was set up is of no more use, [`Initiate::next`] has it set up anew.
    fn refused(&self, status: AuthStatus) -> bool {
        let _ = status;
        false
    }
}
