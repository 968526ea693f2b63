//! `portmapd` under a mix of calls, connections and peers that do not behave (T30), for 10 s or
//! `FARCALL_SOAK_SECS`. From a minute on, it is also seen whether memory grows with time.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use support::{Daemon, Scratch, Via, XID, call, exchange, rpcb, string, success, words};

const PATIENCE: Duration = Duration::from_secs(20);

/// Calls of a second, as far as the machine goes.
const RATE: u32 = 5000;

/// Registered all the time.
const STEADY: u32 = 0x2000_0000;
const ADDRESS: &str = "127.0.0.1.8.1";

/// What goes by chance, and always in the same way.
struct Dice(u32);

impl Dice {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.next() % bound
    }
}

struct Soak {
    daemon: Daemon,
    dice: Dice,
    udp: UdpSocket,
    tcp: TcpStream,
    /// Whether each of some programs is registered.
    registered: [bool; 64],
    /// Connections of those who do not behave.
    bad: Vec<TcpStream>,
    calls: u64,
    hostile: u64,
}

fn getaddr() -> Vec<u8> {
    call(4, 3, &rpcb(STEADY, 1, "tcp", ""))
}

impl Soak {
    fn start(daemon: Daemon) -> Self {
        let set = call(4, 1, &rpcb(STEADY, 1, "tcp", ADDRESS));
        assert_eq!(exchange(Via::Tcp(daemon.v4()), &set), success(&words(&[1])));
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        udp.connect(daemon.v4()).expect("it is there");
        udp.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let tcp = TcpStream::connect(daemon.v4()).expect("it listens");
        tcp.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let (dice, registered, bad) = (Dice(1), [false; 64], Vec::new());
        Self { daemon, dice, udp, tcp, registered, bad, calls: 0, hostile: 0 }
    }

    /// Each has the answer that it should have, whatever others do.
    fn step(&mut self) {
        self.calls += 1;
        match self.dice.below(100) {
            0..60 => self.by_udp(),
            60..76 => self.by_tcp(),
            76..86 => {
                let found = exchange(Via::Tcp(self.daemon.v4()), &getaddr());
                assert_eq!(found, success(&string(ADDRESS)));
            }
            86..96 => self.change(),
            96..98 => {
                let list = exchange(Via::Tcp(self.daemon.v4()), &call(4, 4, &[]));
                assert!(list.len() > 400, "its own registrations at least");
            }
            98 => {
                let stats = exchange(Via::Tcp(self.daemon.v4()), &call(4, 12, &[]));
                assert!(stats.starts_with(&success(&[])));
            }
            _ => self.misbehave(),
        }
    }

    fn by_udp(&mut self) {
        let mut buf = [0; 1000];
        self.udp.send(&call(2, 3, &words(&[STEADY, 1, 6, 0]))).expect("sent");
        let n = self.udp.recv(&mut buf).expect("an answer");
        assert_eq!(buf[..n], success(&words(&[8 << 8 | 1])));
    }

    fn by_tcp(&mut self) {
        let message = getaddr();
        let expected = success(&string(ADDRESS));
        self.tcp.write_all(&record(&message)).expect("sent");
        let mut reply = vec![0; 4 + expected.len()];
        self.tcp.read_exact(&mut reply).expect("an answer");
        assert_eq!(reply, record(&expected));
    }

    /// Registers what is not, and the other way round.
    fn change(&mut self) {
        let n = self.dice.below(64);
        let is_there = &mut self.registered[n as usize];
        let procedure = if *is_there { 2 } else { 1 };
        let change = call(3, procedure, &rpcb(STEADY + 1 + n, 1, "tcp", ADDRESS));
        let answer = exchange(Via::Unix(&self.daemon.socket()), &change);
        assert_eq!(answer, success(&words(&[1])));
        *is_there = !*is_there;
    }

    fn misbehave(&mut self) {
        self.hostile += 1;
        let stranger = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let mut stream = TcpStream::connect(self.daemon.v4()).expect("it listens");
        let garbage: Vec<u8> = (0..500).flat_map(|_| self.dice.next().to_be_bytes()).collect();
        let _ = match self.dice.below(6) {
            0 => stranger.send_to(&garbage, self.daemon.v4()),
            1 => stranger.send_to(&call(4, 5, &garbage), self.daemon.v4()),
            2 => stream.write(&garbage),
            3 => stream.write(&record(&call(4, 1, &words(&[1, 1, u32::MAX])))),
            // The rest of a record, and lists that nobody reads, are waited for.
            4 => stream.write(&record(&garbage)[..1000]),
            _ => stream.write(&record(&call(4, 4, &[])).repeat(100)),
        };
        self.bad.push(stream);
        if self.bad.len() > 100 {
            self.bad.remove(0);
        }
    }

    /// In KiB, to the page.
    fn resident(&self) -> f64 {
        let path = format!("/proc/{}/smaps_rollup", self.daemon.pid());
        let text = fs::read_to_string(path).expect("it runs");
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Ends all connections, and returns the daemon.
    fn end(self) -> Daemon {
        self.daemon
    }
}

fn record(message: &[u8]) -> Vec<u8> {
    let mark = 1 << 31 | u32::try_from(message.len()).expect("short");
    [&words(&[mark]), message].concat()
}

fn files(daemon: &Daemon) -> usize {
    fs::read_dir(format!("/proc/{}/fd", daemon.pid())).expect("it runs").count()
}

/// The median of the slopes between any two (Theil and Sen): what is odd now and then has no say.
fn slope(points: &[(f64, f64)]) -> f64 {
    let mut slopes: Vec<f64> = Vec::new();
    for (n, (x, y)) in points.iter().enumerate() {
        slopes.extend(points[n + 1..].iter().map(|(later, higher)| (higher - y) / (later - x)));
    }
    slopes.sort_by(f64::total_cmp);
    slopes[slopes.len() / 2]
}

#[test]
fn t30_it_neither_grows_nor_keeps_files_open() {
    let secs = std::env::var("FARCALL_SOAK_SECS").map_or(10.0, |secs| secs.parse().expect("secs"));
    let scratch = Scratch::new();
    let state = scratch.path().join("state");
    let state_dir = state.to_str().expect("text");
    let daemon = Daemon::start(&["--state-dir", state_dir]);
    let files_before = files(&daemon);
    let mut soak = Soak::start(daemon);

    let begin = Instant::now();
    let mut points = Vec::new();
    while begin.elapsed().as_secs_f64() < secs {
        soak.step();
        let due = Duration::from_secs(1) * u32::try_from(soak.calls).expect("few") / RATE;
        if let Some(early) = due.checked_sub(begin.elapsed()) {
            thread::sleep(early);
        }
        let now = begin.elapsed().as_secs_f64();
        if now >= points.len() as f64 / 100.0 * secs {
            points.push((now, soak.resident()));
        }
    }
    let (calls, hostile, resident) = (soak.calls, soak.hostile, soak.resident());
    println!("{calls} calls in {secs} s, {hostile} of them hostile; {resident} KiB resident");
    // The program itself is larger if it is not optimized.
    let most = if cfg!(debug_assertions) { 20.0 } else { 16.0 };
    assert!(resident <= most * 1024.0, "{resident} KiB");
    if secs >= 60.0 {
        // What it keeps on purpose is there after a fifth of the time.
        let warm = &points[points.len() / 5..];
        let per_hour = slope(warm) * 3600.0 / 1024.0;
        println!("{per_hour:+.2} MiB in an hour");
        assert!(per_hour <= 1.0, "{warm:?}");
    }
    let daemon = soak.end();
    let until = Instant::now() + PATIENCE;
    while files(&daemon) != files_before {
        assert!(Instant::now() < until, "{} files, and {files_before} before", files(&daemon));
        thread::yield_now();
    }
    assert_eq!(exchange(Via::Udp(daemon.v4()), &call(4, 0, &[]))[..4], XID.to_be_bytes());
}
