//! A flavor of authentication that nobody has, with both of its sides.
//!
//! Two rounds set it up: HELLO is answered with a nonce, PROVE with its double is accepted. Each
//! word of arguments and results is then masked with the number of its call, which is also the
//! verifier of call and reply.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use farcall::proto::auth::{Flavor, OpaqueAuth};
use farcall::proto::client::flavor::{Initiate, Seal, SetUp, Step};
use farcall::proto::message::AuthStatus;
use farcall::proto::server::flavor::{Admission, Authenticate, Claim, Protect, Session};
use farcall::xdr::{Bytes, Decoder};
use farcall::{Fault, Identity};

pub(crate) const SECRET: Flavor = Flavor(390_000);

pub(crate) const HELLO: u32 = 1;
pub(crate) const PROVE: u32 = 2;
pub(crate) const DATA: u32 = 3;

/// The length of the header of a call.
pub(crate) const HEADER: usize = 24 + 16 + 12;

fn words(words: &[u32]) -> Bytes {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn auth(body: &[u32]) -> OpaqueAuth {
    OpaqueAuth { flavor: SECRET, body: words(body) }
}

#[derive(Debug)]
struct Mask(u32);

impl Mask {
    fn apply(&self, bytes: &[u8]) -> Bytes {
        let word = |w: &[u8]| u32::from_be_bytes([w[0], w[1], w[2], w[3]]) ^ self.0;
        bytes.chunks_exact(4).flat_map(|w| word(w).to_be_bytes()).collect()
    }
}

impl Protect for Mask {
    fn unwrap(&self, args: &[u8]) -> Result<Bytes, Fault> {
        if args.len().is_multiple_of(4) { Ok(self.apply(args)) } else { Err(Fault::GarbageArgs) }
    }

    fn wrap(&self, results: &[u8]) -> Result<Bytes, Fault> {
        Ok(self.apply(results))
    }
}

/// The server's side, for one client.
#[derive(Debug, Default)]
pub(crate) struct Secret(Mutex<ServerState>);

#[derive(Debug, Default)]
struct ServerState {
    nonce: Option<u32>,
    established: bool,
    hellos: u32,
}

impl Secret {
    fn lock(&self) -> MutexGuard<'_, ServerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was set up.
    pub(crate) fn forget(&self) {
        self.lock().established = false;
    }

    /// How often it was begun to be set up.
    pub(crate) fn hellos(&self) -> u32 {
        self.lock().hellos
    }
}

impl Authenticate for Secret {
    fn flavor(&self) -> Flavor {
        SECRET
    }

    fn authenticate(&self, call: &Claim<'_>) -> Result<Admission, AuthStatus> {
        let mut state = self.lock();
        let mut d = Decoder::new(&call.header.credential.body);
        let (Ok(step), Ok(word)) = (d.u32(), d.u32()) else {
            return Err(AuthStatus::BadCred);
        };
        match (step, state.nonce) {
            (HELLO, _) => {
                state.hellos += 1;
                state.nonce = Some(21);
                Ok(Admission::Answer { verifier: auth(&[0]), results: words(&[21]) })
            }
            (PROVE, Some(nonce)) if word == 2 * nonce => {
                state.established = true;
                Ok(Admission::Answer { verifier: auth(&[0]), results: Bytes::new() })
            }
            (DATA, _) if !state.established => Err(AuthStatus::RejectedCred),
            (DATA, _) if call.header.verifier != auth(&[word]) => Err(AuthStatus::BadVerf),
            (DATA, _) => Ok(Admission::Execute(Session {
                identity: Identity::Principal("alice".into()),
                verifier: auth(&[word]),
                protection: Some(Arc::new(Mask(word))),
            })),
            _ => Err(AuthStatus::BadCred),
        }
    }
}

/// The client's side.
#[derive(Debug, Default)]
pub(crate) struct Knower(Arc<Mutex<ClientState>>);

#[derive(Debug, Default)]
struct ClientState {
    progress: Progress,
    /// Which of those that were set up this is.
    session: u32,
    /// The number of the last call.
    last: u32,
    failures: u32,
    /// It can seal nothing more.
    broken: bool,
}

#[derive(Debug, Default)]
enum Progress {
    #[default]
    Nothing,
    Greeted(u32),
    Established,
}

impl Knower {
    fn lock(&self) -> MutexGuard<'_, ClientState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often it was told that it could not be set up.
    pub(crate) fn failures(&self) -> u32 {
        self.lock().failures
    }

    /// Has it fail to seal from now on.
    pub(crate) fn break_down(&self) {
        self.lock().broken = true;
    }
}

impl Initiate for Knower {
    fn flavor(&self) -> Flavor {
        SECRET
    }

    fn next(&self, _now: Instant) -> Step {
        let mut state = self.lock();
        let (step, word) = match state.progress {
            Progress::Nothing => (HELLO, 0),
            Progress::Greeted(nonce) => (PROVE, 2 * nonce),
            Progress::Established => {
                state.last += 1;
                let (number, session) = (state.last, state.session);
                return Step::Call(Box::new(Numbered { number, session, of: Arc::clone(&self.0) }));
            }
        };
        let (credential, verifier) = (auth(&[step, word]), OpaqueAuth::NONE);
        Step::SetUp(SetUp { credential, verifier, args: Bytes::new() })
    }

    fn answered(
        &self,
        _now: Instant,
        verifier: &OpaqueAuth,
        results: &[u8],
    ) -> Result<(), AuthStatus> {
        let mut state = self.lock();
        if *verifier != auth(&[0]) {
            return Err(AuthStatus::InvalidResp);
        }
        state.progress = match state.progress {
            Progress::Nothing => {
                let nonce = results.try_into().map_err(|_| AuthStatus::Failed)?;
                Progress::Greeted(u32::from_be_bytes(nonce))
            }
            _ => {
                state.session += 1;
                Progress::Established
            }
        };
        Ok(())
    }

    fn failed(&self) {
        let mut state = self.lock();
        state.progress = Progress::Nothing;
        state.failures += 1;
    }
}

/// One sending.
#[derive(Debug)]
struct Numbered {
    number: u32,
    session: u32,
    of: Arc<Mutex<ClientState>>,
}

impl Seal for Numbered {
    fn credential(&self) -> OpaqueAuth {
        auth(&[DATA, self.number])
    }

    fn verifier(&self, covered: &[u8]) -> Result<OpaqueAuth, AuthStatus> {
        assert_eq!(covered.len(), 24 + 16, "the header up to and with the credential");
        let broken = self.of.lock().unwrap_or_else(PoisonError::into_inner).broken;
        if broken { Err(AuthStatus::Failed) } else { Ok(auth(&[self.number])) }
    }

    fn wrap(&self, args: &Bytes) -> Result<Bytes, AuthStatus> {
        Ok(Mask(self.number).apply(args))
    }

    fn is_verified_by(&self, verifier: &OpaqueAuth) -> bool {
        *verifier == auth(&[self.number])
    }

    fn unwrap(&self, results: Bytes) -> Result<Bytes, AuthStatus> {
        Ok(Mask(self.number).apply(&results))
    }

    fn refused(&self, status: AuthStatus) -> bool {
        let mut state = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if status == AuthStatus::RejectedCred && state.session == self.session {
            state.progress = Progress::Nothing;
        }
        status == AuthStatus::RejectedCred
    }
}
