//! Servers made by hand, which answer as they are told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::support::port111::SOCKET;
use crate::support::{string, words};

/// The header of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) program: u32,
    pub(crate) version: u32,
    pub(crate) procedure: u32,
}

/// What follows the xid in the reply; without one a datagram is not answered, and a connection is
/// closed.
type Answer = dyn Fn(Call) -> Option<Vec<u8>> + Send + Sync;

/// A server over UDP and TCP at 127.0.0.1 and ::1, and at a Unix socket.
pub(crate) struct Peer {
    pub(crate) v4: SocketAddr,
    pub(crate) v6: SocketAddr,
    pub(crate) unix: PathBuf,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Peer {
    /// At ports that are free.
    pub(crate) fn start(answer: impl Fn(Call) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unix = format!("/run/peer-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Self::serve(0, unix.into(), Arc::new(answer))
    }

    /// In the place of a portmapper.
    pub(crate) fn portmapper(
        answer: impl Fn(Call) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::serve(111, SOCKET.into(), Arc::new(answer))
    }

    /// One that lets callers wait.
    pub(crate) fn silent() -> Self {
        Self::start(|_| {
            loop {
                thread::park();
            }
        })
    }

    fn serve(port: u16, unix: PathBuf, answer: Arc<Answer>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        let mut addrs = ["127.0.0.1", "::1"].map(|ip| {
            let tcp = TcpListener::bind((ip, port)).expect("a free port");
            let addr = tcp.local_addr().expect("it is bound");
            let udp = UdpSocket::bind(addr).expect("the same port");
            udp.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
            tcp.set_nonblocking(true).expect("it is a socket");
            let (over, answers) = (Arc::clone(&is_over), Arc::clone(&answer));
            threads.push(thread::spawn(move || datagrams(&udp, &over, &answers)));
            let (over, answers) = (Arc::clone(&is_over), Arc::clone(&answer));
            threads.push(thread::spawn(move || {
                connections(&over, &answers, || {
                    tcp.accept().map(|(stream, _)| {
                        stream.set_nonblocking(false).expect("it is a socket");
                        stream
                    })
                });
            }));
            addr
        });
        let listener = UnixListener::bind(&unix).expect("a free path");
        listener.set_nonblocking(true).expect("it is a socket");
        let over = Arc::clone(&is_over);
        threads.push(thread::spawn(move || {
            connections(&over, &answer, || {
                listener.accept().map(|(stream, _)| {
                    stream.set_nonblocking(false).expect("it is a socket");
                    stream
                })
            });
        }));
        let [v4, v6] = &mut addrs;
        Self { v4: *v4, v6: *v6, unix, is_over, threads }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = std::fs::remove_file(&self.unix);
        for thread in self.threads.drain(..) {
            // One that is silent sleeps on.
            if thread.is_finished() || self.v4.port() == 111 {
                thread.join().expect("it does not panic");
            }
        }
    }
}

fn datagrams(socket: &UdpSocket, is_over: &AtomicBool, answer: &Arc<Answer>) {
    let mut buffer = [0; 9000];
    while !is_over.load(Ordering::Relaxed) {
        let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
        if let Some(reply) = reply(&buffer[..len], answer) {
            let _ = socket.send_to(&reply, from);
        }
    }
}

fn connections<S: Read + Write + Send + 'static>(
    is_over: &AtomicBool,
    answer: &Arc<Answer>,
    mut accept: impl FnMut() -> std::io::Result<S>,
) {
    while !is_over.load(Ordering::Relaxed) {
        match accept() {
            Ok(stream) => {
                let answer = Arc::clone(answer);
                thread::spawn(move || records(stream, &answer));
            }
            Err(_) => thread::park_timeout(Duration::from_millis(5)),
        }
    }
}

/// Until the other end closes the connection, or the answer is to do so.
fn records(mut stream: impl Read + Write, answer: &Arc<Answer>) {
    let mut mark = [0; 4];
    while stream.read_exact(&mut mark).is_ok() {
        let len = usize::try_from(u32::from_be_bytes(mark) & 0x7fff_ffff).expect("32 bits");
        let mut call = vec![0; len];
        if stream.read_exact(&mut call).is_err() {
            return;
        }
        let Some(reply) = reply(&call, answer) else { return };
        let mark = 0x8000_0000 | u32::try_from(reply.len()).expect("a short reply");
        if stream.write_all(&[&mark.to_be_bytes(), reply.as_slice()].concat()).is_err() {
            return;
        }
    }
}

fn reply(call: &[u8], answer: &Arc<Answer>) -> Option<Vec<u8>> {
    let word = |at: usize| {
        let bytes = call.get(at * 4..at * 4 + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().expect("four bytes")))
    };
    let call_read = Call { program: word(3)?, version: word(4)?, procedure: word(5)? };
    Some([&call[..4], &answer(call_read)?].concat())
}

/// A reply that is accepted, with its status and what follows.
pub(crate) fn accepted(status: u32, rest: &[u8]) -> Vec<u8> {
    [&words(&[1, 0, 0, 0, status]), rest].concat()
}

/// A reply that denies the call.
pub(crate) fn denied(rest: &[u8]) -> Vec<u8> {
    [&words(&[1, 1]), rest].concat()
}

/// A linked list of encoded items.
pub(crate) fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let mut list = Vec::new();
    for item in items {
        list.extend(words(&[1]));
        list.extend(item);
    }
    list.extend(words(&[0]));
    list
}

/// A row of version 2's table.
pub(crate) fn mapping(program: u32, version: u32, protocol: u32, port: u32) -> Vec<u8> {
    words(&[program, version, protocol, port])
}

/// A row of version 3's table.
pub(crate) fn row(program: u32, version: u32, netid: &str, address: &str, owner: &str) -> Vec<u8> {
    let strings = [netid, address, owner].map(string).concat();
    [words(&[program, version]), strings].concat()
}
