//! T1: what a peer claims takes no memory before it has sent it. A file of its own, because the
//! process's heap is measured.

mod server_peer;

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use farcall::proto::connection::{Connection, Cores};
use farcall::proto::record::Message;
use farcall::proto::server::{Caller, ServerConfig, ServerCore};
use farcall::xdr::{Bytes, Encoder};
use farcall::{Dispatch, Limits, PeerAddr};
use peak_alloc::PeakAlloc;
use server_peer::{ECHO, Echo, INTERFACE, LATER, call, record};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const CLAIMS: [u32; 8] = [0, 1, 400, 1 << 16, 1 << 20, i32::MAX.unsigned_abs(), 1 << 31, u32::MAX];

/// What `run` takes at most beyond what was there before, in bytes.
fn peak(run: impl FnOnce()) -> usize {
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    run();
    HEAP.peak_usage() - before
}

fn allowed(received: usize) -> usize {
    4 * received + 4096
}

fn core() -> ServerCore {
    let (echo, _) = Echo::new();
    let mut core = ServerCore::new(ServerConfig::default(), Waker::noop().clone());
    core.add(echo as Arc<dyn Dispatch>);
    core
}

fn caller() -> Caller {
    Caller::new(PeerAddr::Tcp(([127, 0, 0, 1], 9).into()), 0)
}

/// Calls in which some length is `claim`, whatever is there.
fn calls(claim: u32, present: usize) -> Vec<Vec<u8>> {
    let header = [7, 0, 2, INTERFACE.program.0, 1];
    let tails: [&[u32]; 7] = [
        &[ECHO, 0, claim],
        &[ECHO, 0, 0, 0, claim],
        // AUTH_SYS: its body, the machine's name, the groups.
        &[ECHO, 1, claim, 0],
        &[ECHO, 1, 84, 0, claim],
        &[ECHO, 1, 84, 0, 0, 0, 0, claim],
        // The arguments.
        &[ECHO, 0, 0, 0, 0, claim],
        &[LATER, 0, 0, 0, 0, claim],
    ];
    let bytes = |tail: &[u32]| {
        let words = header.iter().chain(tail);
        words.flat_map(|word| word.to_be_bytes()).chain(vec![0; present]).collect()
    };
    tails.into_iter().map(bytes).collect()
}

fn claims_of_calls_take_no_memory() {
    let (mut core, mut longest) = (core(), Duration::ZERO);
    let mut out = Encoder::new();
    for claim in CLAIMS {
        for present in [0, 4, 64, 100, 5000] {
            for (at, wire) in calls(claim, present).into_iter().enumerate() {
                let received = wire.len();
                let message = Message::from(Bytes::from(wire));
                out.clear();
                let now = Instant::now();
                let peak = peak(|| {
                    let _ = core.handle_message(now, caller(), &message, &mut out);
                });
                longest = longest.max(now.elapsed());
                let case = format!("claim {claim:#x} at {at}, {present} bytes there");
                assert!(peak <= allowed(received), "{case}: {peak} bytes for {received}");
            }
        }
    }
    println!("the longest of these calls took {longest:?}");
}

fn records_take_what_came_of_them() {
    for len in [0, 1 << 10, 1 << 16, 1_000_000] {
        let wire = record(&call(1, ECHO, &vec![7; len]));
        for piece in [1, 100, 4096, 50_000, wire.len()] {
            stream_in(&wire, piece);
        }
    }
}

/// Gives a connection a call in pieces, as a socket would, and looks at the heap after each.
fn stream_in(wire: &[u8], piece: usize) {
    let mut core = core();
    let now = Instant::now();
    let mut connection = Connection::new(now, &Limits::default());
    let before = HEAP.current_usage();
    let mut received = 0;
    while received < wire.len() {
        HEAP.reset_peak_usage();
        let mut rest = &wire[received..];
        let mut cores = Cores { server: Some((&mut core, caller())), client: None };
        let handled = if let Some(space) = connection.space() {
            rest = &rest[..piece.min(space.len())];
            space[..rest.len()].copy_from_slice(rest);
            connection.handle_filled(now, rest.len(), &mut cores)
        } else {
            rest = &rest[..piece.min(rest.len())];
            connection.handle_input(now, &Bytes::copy_from_slice(rest), &mut cores)
        };
        handled.expect("a call");
        received += rest.len();
        let peak = HEAP.peak_usage().saturating_sub(before);
        assert!(peak <= allowed(received), "{peak} bytes after {received} in pieces of {piece}");
    }
    assert_eq!(connection.output().len(), wire.len() - 16, "the echo");
}

/// One test, because all threads share the heap that it watches.
#[test]
fn t1_a_message_takes_at_most_four_times_its_bytes() {
    claims_of_calls_take_no_memory();
    records_take_what_came_of_them();
}
