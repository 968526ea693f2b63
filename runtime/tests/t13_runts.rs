//! T13: datagrams that are too short for a call, many of each length, and a good call after them.

mod server_peer;

use std::sync::Arc;
use std::time::Duration;

use farcall::{Dispatch, Server};
use server_peer::{ECHO, Echo, LONG, call, datagrams_to, receive, reply};

/// Of each length.
const DATAGRAMS: usize = 10_000;

/// As many are sent before the server gets a turn: all of them fit into its socket.
const BATCH: usize = 50;

/// A whole call is as long as this: a header of 40 bytes, a length, and 16 bytes.
const WHOLE: usize = 60;

#[test]
fn t13_runts_leave_the_server_as_it_was() {
    let (echo, _) = Echo::new();
    let mut server = Server::builder()
        .udp("127.0.0.1:0")
        .shared_service(echo as Arc<dyn Dispatch>)
        .bind()
        .expect("port 0 is free");
    let to = server.udp_addrs().next().expect("asked for");
    let socket = datagrams_to(to);
    let message = call(7, ECHO, b"sixteen bytes...");
    assert_eq!(message.len(), WHOLE);
    for len in 0..=WHOLE {
        for _ in 0..DATAGRAMS / BATCH {
            (0..BATCH).for_each(|_| assert_eq!(socket.send(&message[..len]).ok(), Some(len)));
            assert!(server.poll_once(Some(Duration::ZERO)).expect("serves"));
        }
    }
    while server.stats().executed < DATAGRAMS as u64 {
        assert!(server.poll_once(Some(LONG)).expect("serves"));
    }
    // A header of 40 bytes is a call whose arguments are cut short; without, it is none.
    let stats = server.stats();
    let short = (stats.not_a_call + stats.malformed, stats.garbage_args, stats.executed);
    assert_eq!(short, (40 * DATAGRAMS as u64, 20 * DATAGRAMS as u64, DATAGRAMS as u64), "{stats}");

    // Whoever answered is not read from any more; another asks now.
    let socket = datagrams_to(to);
    socket.send(&call(8, ECHO, b"a good one")).expect("loopback");
    assert!(server.poll_once(Some(LONG)).expect("serves"));
    assert_eq!(receive(&socket), reply(8, b"a good one"));
}
