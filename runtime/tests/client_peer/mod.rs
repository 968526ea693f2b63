//! What the tests of the client have in common: an interface, and servers made by hand of sockets
//! and threads, which can misbehave.

// Each test file uses a part of it.
#![allow(dead_code)]

use std::future::Future;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use farcall::xdr::{Bytes, DecodeError, Decoder, EncodeError, Encoder};
use farcall::{
    Client, ClientOptions, Interface, Pending, Procedure, ProcedureInfo, Program, Result, Version,
};

/// Takes a word and gives it back.
pub(crate) const ECHO: Procedure = Procedure(1);
/// Takes opaque data and gives it back.
pub(crate) const BLOB: Procedure = Procedure(2);
/// As [`ECHO`], but not to be executed twice.
pub(crate) const ONCE: Procedure = Procedure(3);

/// The length of a call's header with empty authentication fields.
pub(crate) const CALL_HEADER: usize = 40;

pub(crate) static INTERFACE: Interface = Interface {
    program: Program(0x2000_0099),
    program_name: "PEER_PROG",
    version: Version(1),
    version_name: "PEER_V1",
    procedures: &[
        ProcedureInfo { number: ECHO, name: "PEER_ECHO", idempotent: true, deferred: false },
        ProcedureInfo { number: BLOB, name: "PEER_BLOB", idempotent: true, deferred: false },
        ProcedureInfo { number: ONCE, name: "PEER_ONCE", idempotent: false, deferred: false },
    ],
};

/// The least that runs a future.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park_timeout(LONG);
    }
}

/// Long enough that no test meets it, short enough to end a test that hangs.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Waits for an answer and sends nothing again, however busy the machine is.
pub(crate) fn patient() -> ClientOptions {
    ClientOptions::new().timeout(LONG).initial_rto(LONG).min_rto(LONG)
}

/// Sends datagrams again soon.
pub(crate) fn insistent() -> ClientOptions {
    let soon = Duration::from_millis(10);
    patient().initial_rto(soon).min_rto(soon)
}

pub(crate) fn brief(millis: u64) -> ClientOptions {
    ClientOptions::new().timeout(Duration::from_millis(millis))
}

pub(crate) fn connect(target: &str, options: &ClientOptions) -> Client {
    Client::connect(target, &INTERFACE, options).expect("the server is there")
}

pub(crate) fn echo(client: &Client, word: u32) -> Result<u32> {
    client.call(ECHO, |e| write_word(e, word), read_word)
}

pub(crate) fn start_once(client: &Client, word: u32) -> Pending<u32> {
    client.start(ONCE, |e| write_word(e, word), read_word)
}

pub(crate) fn start_echo(client: &Client, word: u32) -> Pending<u32> {
    client.start(ECHO, |e| write_word(e, word), read_word)
}

pub(crate) fn blob(client: &Client, data: &Bytes) -> Result<Bytes> {
    client.call(BLOB, |e| e.opaque(data, u32::MAX), |d| d.opaque(u32::MAX))
}

fn write_word(e: &mut Encoder, word: u32) -> Result<(), EncodeError> {
    e.u32(word);
    Ok(())
}

fn read_word(d: &mut Decoder<'_>) -> Result<u32, DecodeError> {
    d.u32()
}

/// The reply to `call` that says success.
pub(crate) fn success(call: &[u8], results: &[u8]) -> Vec<u8> {
    reply(call, &[0, 0, 0, 0], results)
}

/// The reply to `call` with these words after the message type.
pub(crate) fn reply(call: &[u8], words: &[u32], results: &[u8]) -> Vec<u8> {
    let mut reply = call[..4].to_vec();
    reply.extend(1_u32.to_be_bytes());
    reply.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    reply.extend(results);
    reply
}

/// The reply that gives the arguments back.
pub(crate) fn echoed(call: &[u8]) -> Vec<u8> {
    success(call, &call[CALL_HEADER..])
}

/// `message` as a record of one fragment.
pub(crate) fn record(message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).expect("a short message");
    let mut record = (len | 1 << 31).to_be_bytes().to_vec();
    record.extend(message);
    record
}

/// The next record of one fragment; `None` at the end of the stream.
pub(crate) fn read_record(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut mark = [0; 4];
    stream.read_exact(&mut mark).ok()?;
    let mark = u32::from_be_bytes(mark);
    assert_eq!(mark >> 31, 1, "a call is one fragment");
    let mut message = vec![0; (mark & !(1 << 31)) as usize];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

/// Gives arguments back until the stream ends.
pub(crate) fn serve_echo(mut stream: impl Read + Write) {
    while let Some(call) = read_record(&mut stream) {
        stream.write_all(&record(&echoed(&call))).expect("the client listens");
    }
}

/// A thread with a TCP listener, and the target for its clients.
pub(crate) fn tcp<T: Send + 'static>(
    serve: impl FnOnce(TcpListener) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    (format!("tcp://{addr}"), thread::spawn(move || serve(listener)))
}

/// A thread with a UDP socket, and the target for its clients.
pub(crate) fn udp<T: Send + 'static>(
    serve: impl FnOnce(UdpSocket) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let addr = socket.local_addr().expect("it is bound");
    (format!("udp://{addr}"), thread::spawn(move || serve(socket)))
}

/// The next datagram and where it comes from.
pub(crate) fn receive(socket: &UdpSocket) -> (Vec<u8>, std::net::SocketAddr) {
    let mut datagram = vec![0; 1 << 16];
    let (len, from) = socket.recv_from(&mut datagram).expect("a datagram");
    datagram.truncate(len);
    (datagram, from)
}
