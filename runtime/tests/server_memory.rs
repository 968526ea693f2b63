//! What a million calls leave behind. A file of its own, because the process is measured.

mod server_peer;

use std::fs;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use farcall::proto::connection::{Connection, Cores};
use farcall::proto::record::Message;
use farcall::proto::server::{Caller, ServerConfig, ServerCore, Verdict};
use farcall::xdr::{Bytes, Encoder};
use farcall::{Dispatch, Limits, PeerAddr};
use server_peer::{ECHO, Echo, LATER, call, record};

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

/// A call whose header or arguments are cut short or wrong somewhere: every word of them some time.
fn bad(i: u32) -> Vec<u8> {
    let mut bad = call(i, if i.is_multiple_of(2) { ECHO } else { LATER }, b"cut short");
    bad.truncate(40 + (i % 12) as usize);
    bad[20 + (i % 4) as usize] ^= u8::from(i.is_multiple_of(3));
    bad
}

/// Runs `one` so often, and sees that memory does not grow after the first tenth.
fn repeat(times: u32, mut one: impl FnMut(u32)) {
    (0..times / 10).for_each(&mut one);
    let before = resident();
    (times / 10..times).for_each(&mut one);
    let grown = resident().saturating_sub(before);
    assert!(grown <= 1 << 20, "{grown} bytes more");
}

/// One test, because the process is measured.
#[test]
fn t4_t16_a_million_calls_leave_nothing_behind() {
    over_datagrams();
    over_a_stream();
}

fn over_datagrams() {
    let (echo, replies) = Echo::new();
    let mut core = ServerCore::new(ServerConfig::default(), Waker::noop().clone());
    core.add(Arc::clone(&echo) as Arc<dyn Dispatch>);
    let mut out = Encoder::new();
    // The first call of a peer that is not flooding is still being executed.
    assert_eq!(send(&mut core, 1, call(1, LATER, b""), &mut out), Verdict::Later);
    repeat(1_000_000, |i| {
        let _ = send(&mut core, 2, bad(i), &mut out);
    });
    let stats = core.stats();
    let counted = stats.garbage_args + stats.prog_unavail + stats.proc_unavail;
    assert_eq!(counted + stats.prog_mismatch, 1_000_000);
    // The peer's call is still known.
    assert_eq!(send(&mut core, 1, call(1, LATER, b""), &mut out), Verdict::None);
    assert_eq!((core.stats().repeats_dropped, core.outstanding()), (1, 1));
    drop(replies);
}

fn over_a_stream() {
    let (echo, _) = Echo::new();
    let mut core = ServerCore::new(ServerConfig::default(), Waker::noop().clone());
    core.add(echo as Arc<dyn Dispatch>);
    let now = Instant::now();
    let mut connection = Connection::new(now, &Limits::default());
    repeat(100_000, |i| {
        let caller = Caller::new(PeerAddr::Tcp(([127, 0, 0, 1], 3).into()), 0);
        let mut cores = Cores { server: Some((&mut core, caller)), client: None };
        let bytes = Bytes::from(record(&bad(i)));
        connection.handle_input(now, &bytes, &mut cores).expect("a record");
        connection.handle_written(now, connection.output().len());
    });
    let stats = core.stats();
    let counted = stats.garbage_args + stats.prog_unavail + stats.proc_unavail;
    assert_eq!(counted + stats.prog_mismatch, 100_000);
}
