//! Targets without a port: the portmapper is asked.

mod client_peer;

use std::net::UdpSocket;
use std::thread::JoinHandle;
use std::time::Duration;

use client_peer::{INTERFACE, brief, connect, echo, echoed, patient, receive, success, udp};
use farcall::xdr::{Decoder, Encoder};
use farcall::{Client, Error, Netid, Program, Version};

/// What RPCBPROC_GETADDR was asked: program, version and netid.
type Question = (u32, u32, String);

/// A portmapper that answers one RPCBPROC_GETADDR of version 4 (RFC 1833 §2.2.1), and its port.
fn portmapper(answer: String) -> (u16, JoinHandle<Question>) {
    let (target, thread) = udp(move |socket| {
        let (call, from) = receive(&socket);
        let mut d = Decoder::from_slice(&call[12..]);
        let mut words = [0; 7];
        words.fill_with(|| d.u32().expect("a header"));
        assert_eq!(words[..3], [100_000, 4, 3]);
        let question = (d.u32(), d.u32(), d.string(64));
        let mut results = Encoder::new();
        results.string(&answer, 255).expect("a short address");
        socket.send_to(&success(&call, &results.into_bytes()), from).expect("the client listens");
        (question.0.expect("prog"), question.1.expect("vers"), question.2.expect("netid"))
    });
    let port = target.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    (port.expect("it ends with the port"), thread)
}

#[test]
fn a_registered_program_is_called_where_it_is() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let [high, low] = server.local_addr().expect("it is bound").port().to_be_bytes();
    let (port, portmapper) = portmapper(format!("127.0.0.1.{high}.{low}"));
    let client = connect("udp://127.0.0.1", &patient().portmapper_port(port));
    let question = portmapper.join().expect("one question");
    assert_eq!(question, (INTERFACE.program.0, 1, "udp".to_owned()));
    let pending = client_peer::start_echo(&client, 5);
    let (call, from) = receive(&server);
    server.send_to(&echoed(&call), from).expect("the client listens");
    assert_eq!(pending.wait().ok(), Some(5));
}

#[test]
fn a_program_that_is_not_registered_is_said_so() {
    let (port, portmapper) = portmapper(String::new());
    let options = patient().portmapper_port(port);
    let error = Client::connect("udp://127.0.0.1", &INTERFACE, &options).expect_err("not there");
    let Error::NotRegistered { program, version, netid } = error else { panic!("{error:?}") };
    assert_eq!((program, version, netid), (Program(0x2000_0099), Version(1), Netid::Udp));
    portmapper.join().expect("one question");
}

#[test]
fn the_deadline_covers_the_lookup() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("it is bound").port();
    let options = brief(100).portmapper_port(port);
    let error = Client::connect("udp://127.0.0.1", &INTERFACE, &options).expect_err("silence");
    let Error::TimedOut { after, sent: 1 } = error else { panic!("{error:?}") };
    assert!(after >= Duration::from_millis(99) && after < Duration::from_secs(5), "{after:?}");
}

#[test]
fn with_a_port_nobody_is_asked() {
    let (target, server) = udp(|socket| {
        let (call, from) = receive(&socket);
        socket.send_to(&echoed(&call), from).expect("the client listens");
    });
    // Whoever listens at port 1 is not the portmapper.
    assert_eq!(echo(&connect(&target, &patient().portmapper_port(1)), 3).ok(), Some(3));
    server.join().expect("one call");
}
