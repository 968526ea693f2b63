//! Connections that end in every way leave no descriptor behind. A file of its own, because the
//! process's descriptors are counted.

mod server_peer;

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use farcall::{Dispatch, Limits, Server};
use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt::Linger};
use server_peer::{ECHO, Echo, LATER, call, connect_to, exchange, record};

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux").count()
}

/// Ends the connection by a reset.
fn reset(stream: TcpStream) {
    setsockopt(&stream, Linger, &linger { l_onoff: 1, l_linger: 0 }).expect("a socket");
    drop(stream);
}

#[test]
fn t14_connections_that_end_in_any_way_leave_nothing_behind() {
    let (echo, replies) = Echo::new();
    let mut limits = Limits::default();
    limits.connections_per_source = Some(50);
    let mut server = Server::builder()
        .tcp("127.0.0.1:0")
        .limits(limits)
        .shared_service(Arc::clone(&echo) as Arc<dyn Dispatch>)
        .bind()
        .expect("port 0 is free");
    let to = server.tcp_addrs().next().expect("asked for");
    let before = descriptors();
    let mut serve = |turns: usize| {
        for _ in 0..turns {
            assert!(server.poll_once(Some(Duration::from_millis(1))).expect("serves"));
        }
    };
    let message = record(&call(1, ECHO, &[7; 1000]));
    for _ in 0..20 {
        // Gone before they are accepted.
        (0..10).for_each(|_| reset(connect_to(to)));
        (0..10).for_each(|_| drop(connect_to(to)));
        serve(2);
        // Gone in the middle of a call, before the answer, and with an answer that nobody reads.
        for end in [1, 3, 500, message.len()] {
            let mut stream = connect_to(to);
            stream.write_all(&message[..end]).expect("taken in");
            serve(2);
            reset(stream);
        }
        // Half closed, and gone while a handler still has the call.
        let mut stream = connect_to(to);
        stream.write_all(&record(&call(1, LATER, b""))).expect("taken in");
        stream.shutdown(Shutdown::Write).expect("open");
        serve(3);
        reset(stream);
        replies.try_recv().expect("called").send(Ok(farcall::xdr::Bytes::new()));
        // More than one source may have.
        let crowd: Vec<_> = (0..60).map(|_| connect_to(to)).collect();
        serve(3);
        drop(crowd);
        serve(3);
    }
    serve(10);
    assert_eq!(descriptors(), before);
    let running = server.start().expect("a thread");
    exchange(&mut connect_to(to), 2, b"and it still serves");
    running.stop().expect("ends");
}
