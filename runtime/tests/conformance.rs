//! Clauses of RFC 5531 that no other test is about; `docs/conformance.md` has the list of all.

mod server_peer;

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use farcall::proto::message::AuthStatus;
use farcall::proto::record::Message;
use farcall::proto::server::{Caller, ServerConfig, ServerCore};
use farcall::xdr::{Bytes, Encoder};
use farcall::{Dispatch, Fault, PeerAddr};
use server_peer::{ECHO, Echo, INTERFACE, by};

fn core(service: Arc<dyn Dispatch>) -> ServerCore {
    let mut core = ServerCore::new(ServerConfig::default(), Waker::noop().clone());
    core.add(service);
    core
}

/// The words of the reply to a call with these words after its version.
fn answer(core: &mut ServerCore, words: &[u32]) -> Vec<u32> {
    let call = [&[7, 0, 2, INTERFACE.program.0, 1], words].concat();
    let wire: Vec<u8> = call.iter().flat_map(|word| word.to_be_bytes()).collect();
    let caller = Caller::new(PeerAddr::Udp(([127, 0, 0, 1], 9).into()), 0);
    let mut out = Encoder::new();
    let message = Message::from(Bytes::from(wire));
    let _ = core.handle_message(Instant::now(), caller, &message, &mut out);
    let bytes = out.into_bytes();
    bytes.chunks_exact(4).map(|w| u32::from_be_bytes([w[0], w[1], w[2], w[3]])).collect()
}

/// §10.1: "Opaque data associated with AUTH_NONE is undefined."
#[test]
fn the_body_of_auth_none_is_not_looked_at() {
    let mut core = core(Echo::new().0);
    let echoed = [7, 1, 0, 0, 0, 0, 4, 0x6162_6364];
    for (what, auth) in [
        ("both empty", &[0, 0, 0, 0][..]),
        ("a credential", &[0, 4, 99, 0, 0]),
        ("a verifier", &[0, 0, 0, 5, 99, 0x6300_0000]),
        ("both", &[0, 8, 1, 2, 0, 4, 3]),
    ] {
        let words = [&[ECHO], auth, &[4, 0x6162_6364]].concat();
        assert_eq!(answer(&mut core, &words), echoed, "{what}");
    }
}

/// Appendix A: the verifier of the reply to AUTH_SYS may be AUTH_NONE or AUTH_SHORT. The latter has to
/// be asked for.
#[test]
fn the_verifier_of_a_reply_to_auth_sys_is_empty() {
    let mut core = core(Echo::new().0);
    let sys = [1, 20, 0, 0, 1000, 1000, 0, 0, 0];
    let words = [&[ECHO][..], &sys, &[0]].concat();
    assert_eq!(answer(&mut core, &words), [7, 1, 0, 0, 0, 0, 0]);
}

/// §12.1: procedure 0 should "never require any kind of authentication".
#[test]
fn procedure_0_needs_no_authentication() {
    // Wants more than what anybody says of himself.
    let strict = by(&INTERFACE, |_, _, _, _| Err(Fault::Auth(AuthStatus::TooWeak)));
    let mut core = core(Arc::new(strict));
    assert_eq!(answer(&mut core, &[ECHO, 0, 0, 0, 0, 0]), [7, 1, 1, 1, 5]);
    assert_eq!(answer(&mut core, &[0, 0, 0, 0, 0]), [7, 1, 0, 0, 0, 0]);
}
