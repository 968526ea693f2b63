//! Calls that are awaited.

mod client_peer;

use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use client_peer::{
    block_on, connect, echo, echoed, insistent, patient, read_record, receive, record, serve_echo,
    start_echo, tcp, udp,
};
use farcall::{Pending, Result};

/// All results, polled together.
struct All(Vec<(Pending<u32>, Option<Result<u32>>)>);

impl Future for All {
    type Output = Vec<Option<u32>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        for (pending, result) in &mut self.0 {
            if result.is_none()
                && let Poll::Ready(ready) = Pin::new(pending).poll(cx)
            {
                *result = Some(ready);
            }
        }
        if self.0.iter().any(|(_, result)| result.is_none()) {
            return Poll::Pending;
        }
        Poll::Ready(self.0.drain(..).map(|(_, result)| result.and_then(Result::ok)).collect())
    }
}

#[test]
fn a_future_needs_nobody_to_drive_it() {
    let (target, server) = tcp(|listener| serve_echo(listener.accept().expect("a client").0));
    let client = connect(&target, &patient());
    for word in 0..100 {
        assert_eq!(block_on(start_echo(&client, word)).ok(), Some(word));
    }
    drop(client);
    server.join().expect("the connection ends");
}

#[test]
fn futures_and_threads_share_a_connection() {
    let (target, server) = tcp(|listener| serve_echo(listener.accept().expect("a client").0));
    let client = connect(&target, &patient());
    thread::scope(|scope| {
        for thread in 0..4 {
            let client = &client;
            scope.spawn(move || {
                for call in 0..200 {
                    let word = thread << 16 | call;
                    let result = if thread % 2 == 0 {
                        echo(client, word)
                    } else {
                        block_on(start_echo(client, word))
                    };
                    assert_eq!(result.ok(), Some(word));
                }
            });
        }
    });
    drop(client);
    server.join().expect("the connection ends");
}

#[test]
fn many_futures_are_answered_together() {
    const CALLS: u32 = 100;
    let (target, server) = tcp(|listener| {
        let mut stream = listener.accept().expect("a client").0;
        let calls: Vec<Vec<u8>> =
            (0..CALLS).map(|_| read_record(&mut stream).expect("a call")).collect();
        let answers: Vec<u8> = calls.iter().rev().flat_map(|call| record(&echoed(call))).collect();
        stream.write_all(&answers).expect("the client listens");
    });
    let client = connect(&target, &patient());
    let all = All((0..CALLS).map(|word| (start_echo(&client, word), None)).collect());
    assert_eq!(block_on(all), (0..CALLS).map(Some).collect::<Vec<_>>());
    server.join().expect("all calls");
}

#[test]
fn a_future_is_sent_again_and_times_out_like_any_call() {
    let (target, server) = udp(|socket| {
        let calls = [(); 3].map(|()| receive(&socket));
        let (call, from) = &calls[2];
        socket.send_to(&echoed(call), from).expect("the client listens");
        // It hears no more, and nobody says that.
        (calls.map(|(call, _)| call), socket)
    });
    let client = connect(&target, &insistent());
    assert_eq!(block_on(start_echo(&client, 1)).ok(), Some(1));
    let ([first, second, third], _silent) = server.join().expect("three datagrams");
    assert!(first == second && second == third);
    let hasty = client.with(farcall::CallOptions::new().timeout(Duration::from_millis(50)));
    assert!(block_on(start_echo(&hasty, 2)).is_err_and(|error| error.is_timeout()));
}

#[test]
fn a_call_with_an_earlier_timer_interrupts_the_driver() {
    let (target, server) = tcp(|listener| {
        let mut stream = listener.accept().expect("a client").0;
        while read_record(&mut stream).is_some() {}
    });
    let patient = connect(&target, &patient());
    let hasty = patient.with(farcall::CallOptions::new().timeout(Duration::from_millis(50)));
    let mut slow = start_echo(&patient, 1);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut slow).poll(&mut cx).is_pending());
    assert!(block_on(start_echo(&hasty, 2)).is_err_and(|error| error.is_timeout()));
    assert!(Pin::new(&mut slow).poll(&mut cx).is_pending());
    drop((slow, patient, hasty));
    server.join().expect("the connection ends");
}

/// The thread that drives futures waits on the connection until long after.
#[test]
fn a_connection_is_idle_when_the_only_future_was_dropped() {
    let (target, server) = tcp(|listener| {
        let (mut stream, _) = listener.accept().expect("a client");
        assert!(read_record(&mut stream).is_some(), "a call");
        assert_eq!(read_record(&mut stream), None);
    });
    let client = connect(&target, &patient().idle_timeout(Duration::from_millis(20)));
    let mut pending = start_echo(&client, 1);
    let polled = Pin::new(&mut pending).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    drop(pending);
    server.join().expect("it is closed while the client is there");
    drop(client);
}
