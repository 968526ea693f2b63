//! Whatever a server answers, `rpcutil` and `rpcinfo` end, say so, and write nothing that steers the
//! terminal (T3).

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::Duration;

use support::{rpcutil, string, words};

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

/// Answers one connection's records, and ends it when it pleases.
fn serve(mut stream: impl Read + Write, noise: &mut Noise) {
    let mut head = [0; 28];
    while stream.read_exact(&mut head).is_ok() {
        let len = u32::from_be_bytes(head[..4].try_into().expect("four bytes")) & 0x7fff_ffff;
        let mut rest = vec![0; (len as usize).saturating_sub(24)];
        if stream.read_exact(&mut rest).is_err() || noise.below(8) == 0 {
            return;
        }
        let procedure = u32::from_be_bytes(head[24..28].try_into().expect("four bytes"));
        let mut reply = [&head[4..8], &body(noise, procedure)].concat();
        if noise.below(10) == 0 {
            reply = noise.bytes(40);
        }
        let mark = match noise.below(12) {
            0 => noise.next(),
            _ => 0x8000_0000 | u32::try_from(reply.len()).expect("short"),
        };
        if stream.write_all(&[&mark.to_be_bytes(), reply.as_slice()].concat()).is_err() {
            return;
        }
    }
}

/// A server over TCP and UDP at one port.
fn hostile(seed: u64) -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = tcp.local_addr().expect("it is bound");
    let udp = UdpSocket::bind(addr).expect("the same port");
    thread::spawn(move || {
        for (n, stream) in (0..).zip(tcp.incoming()) {
            let stream = stream.expect("a connection");
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
            thread::spawn(move || serve(stream, &mut Noise(seed.wrapping_add(n))));
        }
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

#[test]
fn any_answer_is_survived() {
    thread::scope(|scope| {
        for seed in 0..6 {
            scope.spawn(move || ask_everything(seed));
        }
    });
}

fn ask_everything(seed: u64) {
    let addr = hostile(seed);
    let port = addr.port().to_string();
    let uaddr = format!("127.0.0.1.{}.{}", addr.port() >> 8, addr.port() & 0xff);
    let at = ["--portmapper-port", &port, "--timeout", "0.3"];
    let lines: [&[&str]; 8] = [
        &["list", "127.0.0.1"],
        &["list", "--json", "127.0.0.1"],
        &["list", "--short", "127.0.0.1"],
        &["stats", "127.0.0.1"],
        &["stats", "--json", "127.0.0.1"],
        &["ping", "127.0.0.1", "7", "-p", &port, "-c2", "-i0"],
        &["ping", "127.0.0.1", "7"],
        &["doctor", "127.0.0.1", "7"],
    ];
    for line in lines {
        assert_ends(seed, &[line, &at].concat());
    }
    assert_ends(seed, &["rpcinfo", "-a", &uaddr, "-T", "tcp", "7", "1"]);
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
