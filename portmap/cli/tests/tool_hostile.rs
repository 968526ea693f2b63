//! Whatever a server answers, `rpcutil` and `rpcinfo` end, say so, and write nothing that steers the
//! terminal (T3).

mod support;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::port111::{SOCKET, inside};
use support::{Scratch, rpcutil, string, words};

/// A source of bytes that are the same each time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u32::from_be_bytes(self.0.to_be_bytes()[..4].try_into().expect("four bytes"))
    }

    fn below(&mut self, end: u32) -> u32 {
        self.next() % end
    }

    fn bytes(&mut self, len: u32) -> Vec<u8> {
        (0..len).map(|_| self.next().to_be_bytes()[0]).collect()
    }
}

/// The body of a reply: what a table, statistics or an address may look like, and a few bytes of it
/// changed, left out, or put in.
fn body(noise: &mut Noise, procedure: u32) -> Vec<u8> {
    let nasty =
        ["tcp", "\x1b[2J\x07", "", "0.0.0.0.8.1", "::1.255.255", "/run/\nx", "127.0.0.1.999.1"];
    let mut body = words(&[1, 0, 0, 0, [0, 0, 0, 0, 1, 2, 5][noise.below(7) as usize]]);
    for _ in 0..noise.below(30) {
        let text = nasty[noise.below(7) as usize];
        match noise.below(4) {
            0 => body.extend(words(&[noise.next()])),
            1 => body.extend(words(&[noise.below(3)])),
            2 => body.extend(string(text)),
            _ => {
                body.extend(words(&[1, 7, noise.below(3)]));
                body.extend([text, text, text].map(string).concat());
            }
        }
    }
    if procedure == 4 {
        body.extend(words(&[0]));
    }
    if noise.below(3) == 0 {
        let at = noise.below(u32::try_from(body.len()).expect("short")) as usize;
        body[at] = noise.bytes(1)[0];
    }
    if noise.below(4) == 0 {
        body.truncate(noise.below(u32::try_from(body.len()).expect("short")) as usize);
    }
    body
}

/// Answers one connection's records, and ends it when it pleases; unless it `stalls`, also where the
/// other end would wait for more.
fn serve(mut stream: impl Read + Write, noise: &mut Noise, stalls: bool) {
    let mut head = [0; 28];
    while stream.read_exact(&mut head).is_ok() {
        let len = u32::from_be_bytes(head[..4].try_into().expect("four bytes")) & 0x7fff_ffff;
        let mut rest = vec![0; (len as usize).saturating_sub(24)];
        if stream.read_exact(&mut rest).is_err() || noise.below(8) == 0 {
            return;
        }
        let procedure = u32::from_be_bytes(head[24..28].try_into().expect("four bytes"));
        let mut reply = [&head[4..8], &body(noise, procedure)].concat();
        let is_garbage = noise.below(10) == 0;
        if is_garbage {
            reply = noise.bytes(40);
        }
        let is_cut = noise.below(12) == 0;
        let mark = match is_cut {
            true => noise.next(),
            false => 0x8000_0000 | u32::try_from(reply.len()).expect("short"),
        };
        let sent = stream.write_all(&[&mark.to_be_bytes(), reply.as_slice()].concat());
        let is_reply = reply.len() >= 24 && reply[4..8] == [0, 0, 0, 1];
        if sent.is_err() || (!stalls && (is_garbage || is_cut || !is_reply)) {
            return;
        }
    }
}

/// Serves each of these connections on a thread.
fn serve_all<S: Read + Write + Send + 'static>(
    streams: impl Iterator<Item = io::Result<S>> + Send + 'static,
    seed: u64,
    stalls: bool,
) {
    for (n, stream) in (0..).zip(streams) {
        let stream = stream.expect("a connection");
        thread::spawn(move || serve(stream, &mut Noise(seed.wrapping_add(n)), stalls));
    }
}

/// A server over TCP and UDP at one port, and at a Unix socket.
fn hostile(seed: u64, port: u16, unix: &Path, stalls: bool) -> SocketAddr {
    let tcp = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    let addr = tcp.local_addr().expect("it is bound");
    let udp = UdpSocket::bind(addr).expect("the same port");
    let unix = UnixListener::bind(unix).expect("a free path");
    thread::spawn(move || {
        serve_all(
            (0..).map(move |_| tcp.accept().map(|(stream, _)| patient(stream))),
            seed,
            stalls,
        );
    });
    thread::spawn(move || {
        serve_all((0..).map(move |_| unix.accept().map(|(stream, _)| stream)), seed, stalls);
    });
    thread::spawn(move || {
        let (mut noise, mut call) = (Noise(seed), [0; 9000]);
        while let Ok((len, from)) = udp.recv_from(&mut call) {
            let procedure = if len < 24 { 0 } else { u32::from(call[23]) };
            let reply = [&call[..4], &body(&mut noise, procedure)].concat();
            let _ = udp.send_to(&reply, from);
        }
    });
    addr
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream
}

#[test]
fn any_answer_is_survived() {
    thread::scope(|scope| {
        for seed in 0..6 {
            scope.spawn(move || ask_everything(seed));
        }
    });
}

fn ask_everything(seed: u64) {
    let scratch = Scratch::new();
    let unix = scratch.path().join("sock");
    let addr = hostile(seed, 0, &unix, true);
    let port = addr.port().to_string();
    let unix = unix.to_str().expect("a path of our own");
    let uaddr = format!("127.0.0.1.{}.{}", addr.port() >> 8, addr.port() & 0xff);
    let at = ["--portmapper-port", &port, "--timeout", "0.3"];
    let lines: [&[&str]; 9] = [
        &["list", "127.0.0.1"],
        &["list", "--json", "127.0.0.1"],
        &["list", "--short", "127.0.0.1"],
        &["stats", "127.0.0.1"],
        &["stats", "--json", "127.0.0.1"],
        &["ping", "127.0.0.1", "7", "-p", &port, "-c2", "-i0"],
        &["ping", "127.0.0.1", "7"],
        &["doctor", "127.0.0.1", "7"],
        &["discover", "7/1", "--at", "127.0.0.1", "--listen", "0.3"],
    ];
    for line in lines {
        assert_ends(seed, &[line, &at].concat());
    }
    let at = ["--socket", unix, "--timeout", "0.3"];
    let lines: [&[&str]; 5] = [
        &["list"],
        &["stats"],
        &["set", "7", "1", "tcp", "2049"],
        &["unset", "7", "1"],
        &["unset", "7", "1", "tcp"],
    ];
    for line in lines {
        assert_ends(seed, &[line, &at].concat());
    }
    assert_ends(seed, &["rpcinfo", "-a", &uaddr, "-T", "tcp", "7", "1"]);
    watch(seed, unix);
}

fn assert_ends(seed: u64, line: &[&str]) {
    let output = rpcutil(line);
    let status = output.status.code();
    let said = format!("seed {seed}, {line:?}: {output:?}");
    assert!(matches!(status, Some(0 | 1 | 3)), "{said}");
    for stream in [output.stdout, output.stderr] {
        let text = String::from_utf8(stream).expect("UTF-8");
        assert!(text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()), "{said}");
    }
}

/// It ends only if the first question is not answered.
fn watch(seed: u64, unix: &str) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rpcutil"))
        .args(["list", "--watch=0.01", "--timeout", "0.3", "--socket", unix])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("rpcutil starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for line in lines.take(20) {
        let line = line.expect("UTF-8");
        assert!(line.chars().all(|c| !c.is_control()), "seed {seed}: {line:?}");
    }
    let _ = child.kill();
    let status = child.wait().expect("it ends");
    // Killed; or as every command.
    assert!(matches!(status.code(), None | Some(1 | 3)), "seed {seed}: {status}");
}

/// At the port where it asks, in all of its ways.
#[test]
fn any_answer_is_survived_as_rpcinfo() {
    if !inside("any_answer_is_survived_as_rpcinfo", &[]) {
        return;
    }
    // Like rpcinfo it waits a minute for a portmapper.
    hostile(7, 111, Path::new(SOCKET), false);
    let lines = [
        "",
        "-p",
        "-s",
        "-m",
        "-p 127.0.0.1",
        "-s 127.0.0.1",
        "-m 127.0.0.1",
        "127.0.0.1",
        "-l 127.0.0.1 7 1",
        "-u 127.0.0.1 7",
        "-t 127.0.0.1 7",
        "-u 127.0.0.1 7 1",
        "-T tcp 127.0.0.1 7",
        "-T udp 127.0.0.1 7 1",
        "-T local localhost 7 1",
        "-d 7 1",
    ];
    thread::scope(|scope| {
        for line in lines {
            scope.spawn(move || {
                let args: Vec<_> = line.split_whitespace().collect();
                for _ in 0..4 {
                    assert_ends(7, &[&["rpcinfo"], &args[..]].concat());
                }
            });
        }
    });
}

/// The reply's header, and a table of very many registrations of one program, no two alike.
fn very_many() -> Vec<u8> {
    let mut table = words(&[1, 0, 0, 0, 0]);
    for n in 0..50_000 {
        table.extend(words(&[1, 7, n]));
        table.extend([&format!("net{n}"), "0.0.0.0.8.1", &format!("o{n}")].map(string).concat());
        table.extend(words(&[1, 7, n]));
        table.extend(["tcp", "127.0.0.1.0.1", "superuser"].map(string).concat());
    }
    table.extend(words(&[0]));
    table
}

/// What takes a moment for one registration does not take an hour for as many as fit.
#[test]
fn a_table_of_any_length_is_survived() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = tcp.local_addr().expect("it is bound").port().to_string();
    thread::spawn(move || {
        let table = very_many();
        for stream in tcp.incoming() {
            let mut stream = patient(stream.expect("a connection"));
            let mut call = [0; 1000];
            while let Ok(8..) = stream.read(&mut call) {
                let reply = [&call[4..8], &table].concat();
                let mark = 0x8000_0000 | u32::try_from(reply.len()).expect("less than 2 GiB");
                if stream.write_all(&[&mark.to_be_bytes(), reply.as_slice()].concat()).is_err() {
                    break;
                }
            }
        }
    });
    let at = ["--portmapper-port", &port, "--timeout", "20"];
    for line in [
        &["list", "127.0.0.1"][..],
        &["list", "--short", "127.0.0.1"],
        &["ping", "127.0.0.1", "7"],
        &["ping", "127.0.0.1", "8"],
        &["doctor", "127.0.0.1", "7"],
    ] {
        let started = Instant::now();
        assert_ends(0, &[line, &at].concat());
        assert!(started.elapsed() < Duration::from_secs(120), "{line:?}");
    }
}
