//! How long a peer that behaves waits while others do not: `hostile hostile tcp 127.0.0.1 [KEY=VALUE...]`.
//!
//! The numbers are those of `docs/hardening.md`. Each row is a server of its own, in this process,
//! and so are those who misbehave: what they take of the processors counts too. Rows take turns
//! with a row in which there is nobody else. The last columns are what the server's loop itself
//! takes of a processor.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use farcall::xdr::Bytes;
use farcall::{Context, Fault, Limits, Running, Server};
use farcall_bench::{Histogram, Items, Settings, echo_call, echo_record, read_record, v1};

type Failure = Box<dyn Error + Send + Sync>;

/// How often the peer that behaves calls.
const EVERY: Duration = Duration::from_millis(2);

/// Echoes, and is stuck with arrays.
struct Service;

impl v1::Service for Service {
    fn echo(&self, _cx: &Context, blob: Bytes) -> Result<Bytes, Fault> {
        Ok(blob)
    }

    fn structs(&self, cx: &Context, items: Items) -> Result<Items, Fault> {
        while !cx.is_cancelled() {
            thread::sleep(Duration::from_millis(10));
        }
        Ok(items)
    }
}

/// Where to attack: UDP and TCP.
#[derive(Clone, Copy)]
struct Target {
    udp: SocketAddr,
    tcp: SocketAddr,
}

/// A row: the test's number, what others do until they are told to stop, the server's workers, and
/// whether the peer that behaves makes a connection for each call.
struct Row {
    what: &'static str,
    attack: fn(Target, &AtomicBool) -> Result<(), Failure>,
    workers: usize,
    connects: bool,
}

const ROWS: [Row; 8] = [
    Row { what: "T8 400 idle connections of 205", attack: idle, workers: 0, connects: true },
    Row { what: "T9 200 that say a byte a second", attack: trickle, workers: 0, connects: false },
    Row { what: "T10 50 that never read", attack: deaf, workers: 0, connects: false },
    Row { what: "T12 fragments without end", attack: fragments, workers: 0, connects: false },
    Row { what: "T13 10,000 runts a second", attack: runts, workers: 0, connects: false },
    Row { what: "T14 connections that are reset", attack: resets, workers: 0, connects: false },
    Row { what: "T29 a handler that is stuck", attack: stuck, workers: 2, connects: false },
    Row { what: "T33 calls without end on one", attack: flood, workers: 0, connects: false },
];

fn main() -> Result<(), Failure> {
    let settings = Settings::from_args()?;
    let lasts = settings.seconds("secs", 5.0)?;
    println!("{:34} {:>9} {:>9} {:>9}  busy   alone: p99  busy", "", "p50", "p99", "most");
    for row in ROWS {
        let (alone, alone_busy) = measure(&settings.address, &row, false, lasts)?;
        let (beside, busy) = measure(&settings.address, &row, true, lasts)?;
        let time = |histogram: &Histogram, part| {
            format!("{:.1?}", Duration::from_nanos(histogram.quantile(part)))
        };
        let [p50, p99, most] = [0.5, 0.99, 1.0].map(|part| time(&beside, part));
        let alone = time(&alone, 0.99);
        println!(
            "{:34} {p50:>9} {p99:>9} {most:>9} {busy:>4.0}%    {alone:>9} {alone_busy:>4.0}%",
            row.what
        );
    }
    Ok(())
}

fn serve(host: &str, workers: usize) -> farcall::Result<Running> {
    let mut limits = Limits::default();
    limits.connections = Some(205);
    limits.connections_per_source = Some(205);
    let any = format!("{host}:0");
    let server = Server::builder().udp(&*any).tcp(&*any).limits(limits);
    server.service(v1::Server::new(Service)).workers(workers).start()
}

/// What the peer that behaves waits, with or without others, and what of a processor the server's
/// loop took meanwhile, in percent.
fn measure(
    host: &str,
    row: &Row,
    is_attacked: bool,
    lasts: Duration,
) -> Result<(Histogram, f64), Failure> {
    let server = serve(host, row.workers)?;
    let (udp, tcp) = (server.udp_addrs().next(), server.tcp_addrs().next());
    let target = Target { udp: udp.ok_or("no UDP")?, tcp: tcp.ok_or("no TCP")? };
    let stop = AtomicBool::new(false);
    let waits = thread::scope(|scope| {
        let attacker =
            scope.spawn(|| if is_attacked { (row.attack)(target, &stop) } else { Ok(()) });
        // It has begun by then.
        thread::sleep(Duration::from_millis(300));
        let (before, begin) = (server_time()?, Instant::now());
        let waits = behave(target.tcp, row.connects, lasts);
        let busy = (server_time()? - before).as_secs_f64() / begin.elapsed().as_secs_f64() * 100.0;
        stop.store(true, Relaxed);
        attacker.join().map_err(|_| "the attacker panicked")??;
        Ok((waits?, busy))
    });
    server.stop()?;
    waits
}

/// The processor's time that the loop of the server has had.
fn server_time() -> Result<Duration, Failure> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.trim() == "farcall-server" {
            let times = std::fs::read_to_string(task.join("schedstat"))?;
            let nanos = times.split(' ').next().ok_or("no time")?.parse()?;
            return Ok(Duration::from_nanos(nanos));
        }
    }
    Err("the server has no thread".into())
}

fn behave(to: SocketAddr, connects: bool, lasts: Duration) -> Result<Histogram, Failure> {
    let mut waits = Histogram::default();
    let mut stream = connect(to)?;
    let begin = Instant::now();
    while begin.elapsed() < lasts {
        let asked = Instant::now();
        if connects {
            stream = connect(to)?;
        }
        stream.write_all(&echo_record(1, 32))?;
        let answer = read_record(&mut stream)?;
        waits.add(asked.elapsed().as_nanos() as u64);
        if answer.len() != 60 {
            return Err("not the echo".into());
        }
        thread::sleep(EVERY);
    }
    Ok(waits)
}

fn connect(to: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn goes_on(stop: &AtomicBool) -> bool {
    !stop.load(Relaxed)
}

/// Keeps 400 connections, and makes those again that the server closes.
fn idle(to: Target, stop: &AtomicBool) -> Result<(), Failure> {
    let mut streams = Vec::new();
    while goes_on(stop) {
        streams.push(connect(to.tcp)?);
        if streams.len() > 400 {
            streams.remove(0);
            thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

fn trickle(to: Target, stop: &AtomicBool) -> Result<(), Failure> {
    let mut streams = (0..200).map(|_| connect(to.tcp)).collect::<Result<Vec<_>, _>>()?;
    let wire = echo_record(1, 8000);
    for byte in &wire {
        for stream in &mut streams {
            if !goes_on(stop) {
                return Ok(());
            }
            stream.write_all(&[*byte])?;
            thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

fn deaf(to: Target, stop: &AtomicBool) -> Result<(), Failure> {
    let mut streams = (0..50).map(|_| connect(to.tcp)).collect::<Result<Vec<_>, _>>()?;
    streams.iter().try_for_each(|stream| stream.set_nonblocking(true))?;
    let wire = echo_record(1, 100_000);
    let mut sent = vec![0; streams.len()];
    while goes_on(stop) {
        for (stream, sent) in streams.iter_mut().zip(&mut sent) {
            match stream.write(&wire[*sent % wire.len()..]) {
                Ok(n) => *sent += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(e.into()),
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn fragments(to: Target, stop: &AtomicBool) -> Result<(), Failure> {
    let one = [0, 0, 0, 1, 7].repeat(1000);
    while goes_on(stop) {
        let mut stream = connect(to.tcp)?;
        while goes_on(stop) && stream.write_all(&one).is_ok() {}
    }
    Ok(())
}

fn runts(to: Target, stop: &AtomicBool) -> Result<(), Failure> {
    let socket = UdpSocket::bind((to.udp.ip(), 0))?;
    socket.connect(to.udp)?;
    let call = echo_call(1, 16);
    for round in 0.. {
        if !goes_on(stop) {
            break;
        }
        for at in 0..50 {
            // The answers to those that are calls are not read: they are dropped in the end.
            socket.send(&call[..(round + at) % call.len()])?;
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn resets(to: Target, stop: &AtomicBool) -> Result<(), Failure> {
    while goes_on(stop) {
        // Closed with an answer unread: the system resets it.
        let mut stream = connect(to.tcp)?;
        stream.write_all(&echo_record(1, 8000))?;
        stream.read_exact(&mut [0])?;
    }
    Ok(())
}

fn stuck(to: Target, stop: &AtomicBool) -> Result<(), Failure> {
    let client = v1::Client::connect(&format!("tcp://{}", to.tcp))?;
    let call = client.start().structs(&Items::default());
    while goes_on(stop) {
        thread::sleep(Duration::from_millis(10));
    }
    drop(call);
    Ok(())
}

fn flood(to: Target, stop: &AtomicBool) -> Result<(), Failure> {
    let mut stream = connect(to.tcp)?;
    let mut answers = stream.try_clone()?;
    let calls = echo_record(1, 32).repeat(1000);
    thread::scope(|scope| {
        let reader =
            scope.spawn(move || while answers.read(&mut [0; 65_536]).is_ok_and(|n| n > 0) {});
        while goes_on(stop) {
            stream.write_all(&calls)?;
        }
        stream.shutdown(std::net::Shutdown::Both)?;
        reader.join().map_err(|_| "the reader panicked".into())
    })
}
