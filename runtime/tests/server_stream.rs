//! A server and its streams, through real sockets.

mod server_peer;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use farcall::xdr::Bytes;
use farcall::{Client, ClientOptions, Dispatch, Doing, Error, Limits, PeerAddr, Procedure, Server};
use server_peer::{
    ECHO, Echo, INTERFACE, LATER, LONG, call, connect, exchange, read_record, record, reply, serve,
    tcp_addr,
};
use socket2::{Domain, SockAddr, Socket, Type};

/// The peer has closed, by an end or a reset.
fn assert_closed(stream: &mut TcpStream) {
    match stream.read(&mut [0]) {
        Ok(0) => {}
        Err(e) if e.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("open: {other:?}"),
    }
}

#[test]
fn calls_in_pieces_and_pieces_of_calls_are_answered_in_order() {
    let (echo, _) = Echo::new();
    let server = serve(&echo);
    let mut stream = connect(&server);
    let mut wire = Vec::new();
    for xid in 0..100 {
        wire.extend(record(&call(xid, ECHO, &[7; 50][..xid as usize % 50])));
    }
    for piece in wire.chunks(33) {
        stream.write_all(piece).expect("taken in");
    }
    for xid in 0..100 {
        assert_eq!(read_record(&mut stream), reply(xid, &[7; 50][..xid as usize % 50]));
    }
}

#[test]
fn a_record_of_many_fragments_is_one_call() {
    let (echo, _) = Echo::new();
    let server = serve(&echo);
    let mut stream = connect(&server);
    let message = call(1, ECHO, b"in pieces");
    let mut wire = Vec::new();
    for (i, piece) in message.chunks(3).enumerate() {
        let last = (i + 1) * 3 >= message.len();
        let mark = u32::try_from(piece.len()).expect("3") | u32::from(last) << 31;
        wire.extend(mark.to_be_bytes());
        wire.extend(piece);
    }
    stream.write_all(&wire).expect("taken in");
    assert_eq!(read_record(&mut stream), reply(1, b"in pieces"));
}

#[test]
fn a_long_call_is_echoed() {
    let (echo, _) = Echo::new();
    let server = serve(&echo);
    let mut stream = connect(&server);
    let data: Vec<u8> = (0..1_000_000u32).map(|i| i.to_be_bytes()[2]).collect();
    exchange(&mut stream, 1, &data);
    exchange(&mut stream, 2, b"and a short one");
}

#[test]
fn a_call_before_the_end_of_a_connection_is_answered() {
    let (echo, _) = Echo::new();
    let server = serve(&echo);
    let mut stream = connect(&server);
    stream.write_all(&record(&call(1, ECHO, b"last words"))).expect("taken in");
    stream.shutdown(Shutdown::Write).expect("open");
    assert_eq!(read_record(&mut stream), reply(1, b"last words"));
    assert_closed(&mut stream);
}

#[test]
fn an_answer_that_is_owed_outlives_the_peers_last_words() {
    let (echo, replies) = Echo::new();
    let server = serve(&echo);
    let mut stream = connect(&server);
    stream.write_all(&record(&call(1, LATER, b""))).expect("taken in");
    stream.shutdown(Shutdown::Write).expect("open");
    // What the server has read of another connection since shows that it saw the end.
    exchange(&mut connect(&server), 2, b"");
    replies.recv_timeout(LONG).expect("called").send(Ok(Bytes::from_static(b"at last")));
    assert_eq!(read_record(&mut stream), reply(1, b"at last"));
    assert_closed(&mut stream);
}

#[test]
fn t12_a_record_over_the_limit_ends_its_connection_only() {
    let mut limits = Limits::default();
    limits.records.bytes = 1000;
    let (echo, _) = Echo::new();
    let server = Server::builder()
        .tcp("127.0.0.1:0")
        .limits(limits)
        .shared_service(Arc::clone(&echo) as Arc<dyn Dispatch>)
        .start()
        .expect("port 0 is free");
    let mut bystander = connect(&server);
    let mut hostile = connect(&server);
    exchange(&mut hostile, 1, b"within");
    hostile.write_all(&record(&call(2, ECHO, &[0; 1000]))).expect("taken in");
    assert_closed(&mut hostile);
    // A message that is not a call, and one that is none at all.
    for bytes in [&reply(3, b"")[..], &[9; 12]] {
        let mut confused = connect(&server);
        confused.write_all(&record(bytes)).expect("taken in");
        assert_closed(&mut confused);
    }
    exchange(&mut bystander, 4, b"undisturbed");
}

#[test]
fn t10_a_peer_that_never_reads_stops_itself_only() {
    let (echo, _) = Echo::new();
    let server = serve(&echo);
    let mut bystander = connect(&server);
    let mut deaf = connect(&server);
    let wire = record(&call(1, ECHO, &[0; 100_000]));
    deaf.set_nonblocking(true).expect("open");
    // Until the sockets and the server's queue are full, or far more than they may hold is taken.
    let mut sent = 0;
    let mut refused = 0;
    while refused < 100 {
        match deaf.write(&wire[sent % wire.len()..]) {
            Ok(n) => (sent, refused) = (sent + n, 0),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                refused += 1;
                exchange(&mut bystander, refused, b"not made to wait");
            }
            Err(e) => panic!("{e}"),
        }
        assert!(sent < 200 << 20, "the server takes in what it cannot answer");
    }
    // Once it reads, it gets all its answers.
    deaf.set_nonblocking(false).expect("open");
    for _ in 0..sent / wire.len() {
        assert!(read_record(&mut deaf) == reply(1, &[0; 100_000]));
    }
}

#[test]
fn above_the_limit_the_connection_that_was_silent_longest_goes() {
    let mut limits = Limits::default();
    (limits.connections, limits.connections_per_source) = (Some(2), Some(2));
    let (echo, _) = Echo::new();
    let server = Server::builder()
        .tcp("127.0.0.1:0")
        .limits(limits)
        .shared_service(Arc::clone(&echo) as Arc<dyn Dispatch>)
        .start()
        .expect("port 0 is free");
    let mut first = connect(&server);
    exchange(&mut first, 1, b"");
    let mut second = connect(&server);
    exchange(&mut second, 2, b"");
    exchange(&mut first, 3, b"");
    let mut third = connect(&server);
    exchange(&mut third, 4, b"");
    assert_closed(&mut second);
    exchange(&mut first, 5, b"");
}

#[test]
fn a_stopped_server_still_sends_the_answers_it_owes() {
    let (echo, replies) = Echo::new();
    let server = serve(&echo);
    let mut stream = connect(&server);
    stream.write_all(&record(&call(1, LATER, b""))).expect("taken in");
    let later = replies.recv_timeout(LONG).expect("called");
    server.handle().stop();
    later.send(Ok(Bytes::from_static(b"better late")));
    assert_eq!(read_record(&mut stream), reply(1, b"better late"));
    assert_closed(&mut stream);
    server.stop().expect("ends");
}

#[test]
fn the_peer_on_a_unix_socket_is_known_by_its_uid() {
    let (echo, _) = Echo::new();
    let dir = std::env::temp_dir().join(format!("farcall-server-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("writable");
    let path = dir.join("echo.sock");
    let start = || {
        Server::builder().unix(&path).shared_service(Arc::clone(&echo) as Arc<dyn Dispatch>).start()
    };
    let server = start().expect("a free path");
    let mut stream = UnixStream::connect(&path).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("not zero");
    exchange(&mut stream, 1, b"who am I");
    let expected = nix::unistd::geteuid().as_raw();
    let peers = echo.peers.lock().expect("not poisoned").clone();
    assert!(matches!(peers[..], [PeerAddr::Unix { uid, .. }] if uid == expected), "{peers:?}");
    start().expect_err("somebody lives there");
    server.stop().expect("ends");
    assert!(!path.exists(), "removed at the end");
    std::fs::remove_dir(&dir).expect("empty");
}

#[test]
fn only_a_socket_that_nobody_listens_on_is_replaced() {
    let path = std::env::temp_dir().join(format!("farcall-replaced-{}", std::process::id()));
    let start = || Server::builder().unix(&path).start();
    std::fs::write(&path, "of somebody").expect("writable");
    let error = start().expect_err("it is no socket");
    assert!(matches!(error, Error::Io { doing: Doing::Listen, .. }), "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "of somebody");
    std::fs::remove_file(&path).expect("a file");
    drop(UnixListener::bind(&path).expect("a free path"));
    start().expect("nobody listens there").stop().expect("ends");
    assert!(!path.exists(), "removed at the end");
}

#[test]
fn a_socket_where_too_many_wait_is_not_waited_for() {
    let path = std::env::temp_dir().join(format!("farcall-full-{}", std::process::id()));
    let addr = SockAddr::unix(&path).expect("short enough");
    let new = || Socket::new(Domain::UNIX, Type::STREAM, None).expect("a descriptor");
    let listener = new();
    listener.bind(&addr).expect("a free path");
    listener.listen(0).expect("bound");
    let connect = || {
        let client = new();
        client.set_nonblocking(true).expect("open");
        client.connect(&addr).map(|()| client)
    };
    let waiting: Vec<Socket> = std::iter::from_fn(|| connect().ok()).collect();
    assert!(!waiting.is_empty());
    let (started, result) = std::sync::mpsc::channel();
    let at = path.clone();
    std::thread::spawn(move || started.send(Server::builder().unix(at).start().map(drop)));
    let error = result.recv_timeout(LONG).expect("at once").expect_err("somebody listens");
    assert!(matches!(error, Error::Io { doing: Doing::Listen, .. }), "{error:?}");
    std::fs::remove_file(&path).expect("it is there still");
}

#[test]
fn the_socket_of_another_server_is_not_removed() {
    let path = std::env::temp_dir().join(format!("farcall-another-{}", std::process::id()));
    let server = Server::builder().unix(&path).start().expect("a free path");
    // The first stays there under another name, so that the second is another file.
    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).expect("it is there");
    let _another = UnixListener::bind(&path).expect("a free path");
    server.stop().expect("ends");
    UnixStream::connect(&path).expect("it is there, and listens");
    std::fs::remove_file(&path).expect("it is there");
    std::fs::remove_file(&aside).expect("it is there");
}

#[test]
fn a_server_that_drains_leaves_its_path_to_the_next_one() {
    let (echo, replies) = Echo::new();
    let path = std::env::temp_dir().join(format!("farcall-handover-{}.sock", std::process::id()));
    let start = || {
        let server = Server::builder().unix(&path);
        server.shared_service(Arc::clone(&echo) as Arc<dyn Dispatch>).start().expect("a free path")
    };
    let first = start();
    let mut stream = UnixStream::connect(&path).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("not zero");
    stream.write_all(&record(&call(1, LATER, b""))).expect("taken in");
    let later = replies.recv_timeout(LONG).expect("called");
    first.handle().stop();
    while path.exists() {
        std::thread::yield_now();
    }
    let second = start();
    later.send(Ok(Bytes::from_static(b"of the first")));
    assert_eq!(read_record(&mut stream), reply(1, b"of the first"));
    first.stop().expect("ends");
    let mut stream = UnixStream::connect(&path).expect("the second one listens");
    stream.set_read_timeout(Some(LONG)).expect("not zero");
    exchange(&mut stream, 2, b"of the second");
    second.stop().expect("ends");
    assert!(!path.exists());
}

#[test]
fn answers_leave_in_the_order_in_which_calls_finish() {
    let (echo, replies) = Echo::new();
    let server = serve(&echo);
    let mut stream = connect(&server);
    let calls = (0..3).flat_map(|xid| record(&call(xid, LATER, b"")));
    stream.write_all(&calls.collect::<Vec<u8>>()).expect("taken in");
    let mut later: Vec<_> =
        (0..3).map(|_| replies.recv_timeout(LONG).expect("called")).map(Some).collect();
    exchange(&mut stream, 3, b"at once");
    for xid in [2, 0, 1] {
        let finished = later[xid as usize].take().expect("once");
        finished.send(Ok(Bytes::from_static(b"finished")));
        assert_eq!(read_record(&mut stream), reply(xid, b"finished"));
    }
}

#[test]
fn a_call_that_is_never_answered_does_not_keep_a_server_from_stopping() {
    let (echo, replies) = Echo::new();
    let mut limits = Limits::default();
    limits.drain = Duration::from_millis(50);
    let server = Server::builder().tcp("127.0.0.1:0").limits(limits);
    let server = server.shared_service(echo as Arc<dyn Dispatch>).start().expect("port 0 is free");
    let mut stream = connect(&server);
    stream.write_all(&record(&call(1, LATER, b""))).expect("taken in");
    let never = replies.recv_timeout(LONG).expect("called");
    server.stop().expect("ends");
    assert!(never.is_cancelled());
    assert_closed(&mut stream);
}

#[test]
fn a_server_may_drain_and_spin_without_an_end() {
    let (echo, replies) = Echo::new();
    let mut limits = Limits::default();
    limits.drain = Duration::MAX;
    let server = Server::builder().tcp("127.0.0.1:0").limits(limits).spin(Duration::MAX);
    let server = server.shared_service(echo as Arc<dyn Dispatch>).start().expect("port 0 is free");
    let mut stream = connect(&server);
    stream.write_all(&record(&call(1, LATER, b""))).expect("taken in");
    let later = replies.recv_timeout(LONG).expect("called");
    server.handle().stop();
    later.send(Ok(Bytes::from_static(b"finished")));
    assert_eq!(read_record(&mut stream), reply(1, b"finished"));
    server.stop().expect("ends");
}

/// Which timer the kernel has for a connection between these ports, as `/proc/net/tcp` says.
fn timer(from: u16, to: u16) -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let ends = (format!(":{from:04X}"), format!(":{to:04X}"));
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row[1].ends_with(&ends.0) && row[2].ends_with(&ends.1))?;
    Some(row[5].split(':').next()?.to_owned())
}

#[test]
fn both_ends_of_a_quiet_connection_have_the_kernel_ask_after_the_other() {
    let (echo, _) = Echo::new();
    let server = serve(&echo);
    let port = tcp_addr(&server).port();
    let target = format!("tcp://127.0.0.1:{port}");
    let client = Client::connect(&target, &INTERFACE, &ClientOptions::new().timeout(LONG));
    let client = client.expect("it listens");
    let PeerAddr::Tcp(peer) = peer_of(&echo, &client) else { panic!("not over TCP") };
    let until = Instant::now() + LONG;
    // Until all is acknowledged there are other timers.
    for (from, to) in [(port, peer.port()), (peer.port(), port)] {
        while timer(from, to).as_deref() != Some("02") {
            assert!(Instant::now() < until, "{:?}", timer(from, to));
            std::thread::yield_now();
        }
    }
}

/// Where the server sees the client.
fn peer_of(echo: &Echo, client: &Client) -> PeerAddr {
    client.call(Procedure(ECHO), |e| e.opaque(b"", 0), |d| d.opaque(0)).expect("answered");
    *echo.peers.lock().expect("not poisoned").last().expect("called")
}
