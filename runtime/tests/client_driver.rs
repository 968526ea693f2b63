//! The thread that drives futures. In a file of its own, because it looks at this process's threads.
#![cfg(target_os = "linux")]

mod client_peer;

use std::fs;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use client_peer::{connect, echo, patient, read_record, serve_echo, start_echo, tcp};

fn drivers() -> usize {
    let threads = fs::read_dir("/proc/self/task").expect("procfs");
    let names = threads.flatten().map(|thread| fs::read_to_string(thread.path().join("comm")));
    names.filter(|name| name.as_ref().is_ok_and(|name| name.trim_end() == "farcall-client")).count()
}

/// A thread gives itself its name, and it ends, some time after that was asked for.
fn wait_for_drivers(count: usize) {
    let patience = Instant::now() + Duration::from_secs(20);
    while drivers() != count {
        assert!(Instant::now() < patience, "there are {} drivers", drivers());
        thread::yield_now();
    }
}

#[test]
fn it_is_started_by_a_poll_and_ends_with_the_client() {
    let (target, server) = tcp(|listener| serve_echo(listener.accept().expect("a client").0));
    let client = connect(&target, &patient());
    assert_eq!(echo(&client, 1).ok(), Some(1));
    assert_eq!(start_echo(&client, 2).wait().ok(), Some(2));
    assert_eq!(drivers(), 0);
    drop(client);
    server.join().expect("the connection ends");

    let (target, server) = tcp(|listener| {
        let mut stream = listener.accept().expect("a client").0;
        while read_record(&mut stream).is_some() {}
    });
    let client = connect(&target, &patient());
    let mut pending = [start_echo(&client, 3), start_echo(&client, 4)];
    for pending in &mut pending {
        assert!(Pin::new(pending).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    wait_for_drivers(1);
    drop(client);
    drop(pending);
    server.join().expect("the connection ends with the driver");
    wait_for_drivers(0);
}
