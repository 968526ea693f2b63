//! T16: what the duplicate request cache takes, and whom it forgets. A file of its own, because the
//! process's heap is measured.

mod server_peer;

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::task::Waker;
use std::time::Instant;

use farcall::proto::record::Message;
use farcall::proto::server::{Caller, ServerConfig, ServerCore, Verdict};
use farcall::xdr::{Bytes, Encoder};
use farcall::{Dispatch, PeerAddr, Reply};
use peak_alloc::PeakAlloc;
use server_peer::{Echo, LATER, ONCE, call, reply};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;

/// A server, in a moment without end.
struct Bench {
    core: ServerCore,
    echo: Arc<Echo>,
    /// What is never answered.
    _later: Receiver<Reply<Bytes>>,
    now: Instant,
    out: Encoder,
}

impl Bench {
    fn new() -> Self {
        let (echo, later) = Echo::new();
        let mut core = ServerCore::new(ServerConfig::default(), Waker::noop().clone());
        core.add(Arc::clone(&echo) as Arc<dyn Dispatch>);
        Self { core, echo, _later: later, now: Instant::now(), out: Encoder::new() }
    }

    /// Sends a call over the connection from `port`.
    fn send(&mut self, port: u16, message: Vec<u8>) -> Verdict {
        let caller = Caller::new(PeerAddr::Tcp(([127, 0, 0, 1], port).into()), port.into());
        self.out.clear();
        let message = Message::from(Bytes::from(message));
        self.core.handle_message(self.now, caller, &message, &mut self.out)
    }

    fn answer(&self) -> Vec<u8> {
        self.out.chunks().flatten().copied().collect()
    }

    fn executed(&self) -> usize {
        self.echo.peers.lock().expect("not poisoned").len()
    }
}

/// One test, because all threads share the heap that it watches.
#[test]
fn t16_the_cache_is_bounded_for_all_and_for_each() {
    replies_of_any_length_are_of_one_execution();
    a_flood_of_calls_forgets_only_its_own();
    replies_take_64_mib_at_most();
}

fn replies_of_any_length_are_of_one_execution() {
    let mut bench = Bench::new();
    let header = reply(0, b"").len();
    let most = (64 << 10) - header;
    for (xid, len) in (0..).zip([0, 1, 255, 256, 257, most, most + 1, MIB - 100]) {
        let data = vec![7; len];
        assert_eq!(bench.send(1, call(xid, ONCE, &data)), Verdict::Reply);
        let first = bench.answer();
        assert!(first == reply(xid, &data), "{len} bytes");
        let again = bench.send(1, call(xid, ONCE, &data));
        let (verdict, answer) =
            if len <= most { (Verdict::Reply, first) } else { (Verdict::None, Vec::new()) };
        assert!(again == verdict && bench.answer() == answer, "{len} bytes again");
    }
    let stats = bench.core.stats();
    assert_eq!((bench.executed(), stats.replayed, stats.repeats_dropped), (8, 6, 2));
}

fn a_flood_of_calls_forgets_only_its_own() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(1, call(1, LATER, b"")), Verdict::Later);
    assert_eq!(bench.send(1, call(2, ONCE, b"")), Verdict::Reply);
    for xid in 0..1_000_000 {
        assert_eq!(bench.send(2, call(xid, ONCE, b"")), Verdict::Reply);
    }
    // What is being executed is known, and what was.
    assert_eq!(bench.send(1, call(1, LATER, b"")), Verdict::None);
    assert_eq!(bench.send(1, call(2, ONCE, b"")), Verdict::Reply);
    let stats = bench.core.stats();
    assert_eq!((stats.executed, stats.replayed, stats.repeats_dropped), (1_000_001, 1, 1));
    // Of those of the flood the last 1,024.
    for xid in 1_000_000 - 1024..1_000_000 {
        assert_eq!(bench.send(2, call(xid, ONCE, b"")), Verdict::Reply);
    }
    assert_eq!(bench.core.stats().replayed, 1 + 1024);
    assert_eq!(bench.send(2, call(1_000_000 - 1025, ONCE, b"")), Verdict::Reply);
    assert_eq!(bench.core.stats().executed, 1_000_002, "too long ago");
}

fn replies_take_64_mib_at_most() {
    let mut bench = Bench::new();
    let data = vec![7; 60_000];
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    for port in 0..10 {
        for xid in 0..1000 {
            assert_eq!(bench.send(port, call(xid, ONCE, &data)), Verdict::Reply);
        }
    }
    // With the entries, and what the service notes of each call.
    let taken = HEAP.peak_usage() - before;
    assert!((63 * MIB..68 * MIB).contains(&taken), "{taken} bytes");
}
