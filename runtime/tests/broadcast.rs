//! Calls to all servers at once, by way of portmappers made by hand.

mod client_peer;

use std::net::{SocketAddr, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use client_peer::{ECHO, INTERFACE, receive, success};
use farcall::bind::{Broadcast, Responder};
use farcall::xdr::{Bytes, Decoder, Encoder};

/// A portmapper that passes one call on, of the version of its protocol that it speaks, and whose
/// service at `server` gives the word back.
fn portmapper(version: u32, server: &'static str) -> (SocketAddr, JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let addr = socket.local_addr().expect("it is bound");
    let thread = thread::spawn(move || {
        loop {
            let (call, from) = receive(&socket);
            let mut d = Decoder::from_slice(&call[12..]);
            let [program, asked, procedure] = [0; 3].map(|_| d.u32().expect("a header"));
            assert_eq!((program, procedure), (100_000, 5));
            if asked != version {
                continue;
            }
            let reply = success(&call, &passed_on(&call[40..], version, server));
            // Twice, as happens on a network with two ways.
            for _ in 0..2 {
                socket.send_to(&reply, from).expect("the client listens");
            }
            return;
        }
    });
    (addr, thread)
}

fn passed_on(args: &[u8], version: u32, server: &str) -> Bytes {
    let mut d = Decoder::from_slice(args);
    let called = [0; 3].map(|_| d.u32().expect("a call"));
    assert_eq!(called, [INTERFACE.program.0, 1, ECHO.0]);
    let word = d.opaque(64).expect("the arguments");
    let mut e = Encoder::new();
    if version == 2 {
        e.u32(server.parse().expect("a port"));
    } else {
        e.string(server, 64).expect("a short address");
    }
    e.opaque(&word, 64).expect("a word");
    e.into_bytes()
}

fn echo_everywhere(broadcast: &Broadcast, word: u32) -> Vec<(Responder, u32)> {
    let args = |e: &mut Encoder| {
        e.u32(word);
        Ok(())
    };
    let replies = broadcast.call(ECHO, args, |d| d.u32()).expect("there is a network");
    let mut replies: Vec<_> = replies.collect();
    replies.sort_by_key(|(responder, _)| responder.server.port());
    replies
}

#[test]
fn every_server_answers_once_in_whichever_version() {
    let (old, first) = portmapper(2, "2049");
    let (new, second) = portmapper(3, "0.0.0.0.8.2");
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let broadcast = Broadcast::new(&INTERFACE)
        .timeout(Duration::from_millis(400))
        .target(old)
        .target(silent.local_addr().expect("it is bound"))
        .target(new);
    let responder = |portmapper, port| {
        let server = SocketAddr::new([127, 0, 0, 1].into(), port);
        (Responder { server, portmapper }, 7)
    };
    assert_eq!(echo_everywhere(&broadcast, 7), [responder(old, 2049), responder(new, 2050)]);
    first.join().expect("one call");
    second.join().expect("one call");
}

#[test]
fn silence_ends_in_time() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let addr = silent.local_addr().expect("it is bound");
    let broadcast = Broadcast::new(&INTERFACE).timeout(Duration::from_millis(50)).target(addr);
    assert_eq!(echo_everywhere(&broadcast, 7), []);
}
