//! What a million calls leave behind. A file of its own, because the process is measured.

mod server_peer;

use std::fs;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use farcall::proto::record::Message;
use farcall::proto::server::{Caller, ServerConfig, ServerCore, Verdict};
use farcall::xdr::{Bytes, Encoder};
use farcall::{Dispatch, PeerAddr};
use server_peer::{ECHO, Echo, LATER, call};

const PAGE: usize = 4096;

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number") * PAGE
}

fn send(core: &mut ServerCore, port: u16, message: Vec<u8>, out: &mut Encoder) -> Verdict {
    let caller = Caller::new(PeerAddr::Udp(([127, 0, 0, 1], port).into()), 0);
    out.clear();
    core.handle_message(Instant::now(), caller, &Message::from(Bytes::from(message)), out)
}

#[test]
fn t4_t16_a_million_calls_leave_nothing_behind() {
    let (echo, replies) = Echo::new();
    let mut core = ServerCore::new(ServerConfig::default(), Waker::noop().clone());
    core.add(Arc::clone(&echo) as Arc<dyn Dispatch>);
    let mut out = Encoder::new();
    // The first call of a peer that is not flooding is still being executed.
    assert_eq!(send(&mut core, 1, call(1, LATER, b""), &mut out), Verdict::Later);
    let mut after_a_tenth = 0;
    for i in 0..1_000_000u32 {
        if i == 100_000 {
            after_a_tenth = resident();
        }
        let mut bad = call(i, if i % 2 == 0 { ECHO } else { LATER }, b"cut short");
        // Every word of the header and the arguments is the last one some time.
        bad.truncate(40 + (i % 12) as usize);
        bad[20 + (i % 4) as usize] ^= u8::from(i % 3 == 0);
        let _ = send(&mut core, 2, bad, &mut out);
    }
    let grown = resident().saturating_sub(after_a_tenth);
    assert!(grown <= 1 << 20, "{grown} bytes more");
    let stats = core.stats();
    let counted = stats.garbage_args + stats.prog_unavail + stats.proc_unavail;
    assert_eq!(counted + stats.prog_mismatch, 1_000_000);
    // The peer's call is still known.
    assert_eq!(send(&mut core, 1, call(1, LATER, b""), &mut out), Verdict::None);
    assert_eq!((core.stats().repeats_dropped, core.outstanding()), (1, 1));
    drop(replies);
}
