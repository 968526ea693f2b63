//! More calls than a server can do (T27): `overload overload tcp 127.0.0.1:0 [KEY=VALUE...]`.
//!
//! An open loop: calls are sent when their time comes, whatever became of the ones before. The
//! server is in the same process; its one worker is busy for `work` microseconds with each call.

use std::error::Error;
use std::io::{BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use farcall::xdr::Bytes;
use farcall::{Context, Fault, Limits, Running, Server};
use farcall_bench::{Histogram, Items, Settings, echo_record, read_record, v1};

const CONNECTIONS: usize = 8;

/// Bytes of the arguments, in turn.
const SIZES: [usize; 5] = [32, 200, 1000, 4000, 8000];

/// Gives back what it gets, after a while in which its thread does nothing else.
struct Busy(Duration);

impl v1::Service for Busy {
    fn echo(&self, _cx: &Context, blob: Bytes) -> Result<Bytes, Fault> {
        let until = Instant::now() + self.0;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        Ok(blob)
    }

    fn structs(&self, _cx: &Context, items: Items) -> Result<Items, Fault> {
        Ok(items)
    }
}

/// What became of the calls of one phase.
#[derive(Default)]
struct Outcome {
    sent: u64,
    seconds: f64,
    done: Histogram,
    refused: Histogram,
    wrong: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_args()?;
    let work = Duration::from_micros(settings.get("work", 1000)?);
    let unbounded = serve(&settings.address, work, Limits::default().calls)?;
    let peak = capacity(tcp_addr(&unbounded)?, settings.seconds("peak", 5.0)?)?;
    unbounded.stop()?;
    let server = serve(&settings.address, work, settings.get("calls", 4)?)?;
    let to = tcp_addr(&server)?;

    println!(
        "{:>9} {:>9} {:>9}  {:>8} {:>8}  refused p99",
        "offered/s", "done/s", "refused/s", "p50", "p99"
    );
    println!("{:>9} {peak:>9.0}", "as it can");
    let calm = settings.seconds("calm", 5.0)?;
    let unloaded = offer(to, peak / 2.0, calm, Duration::ZERO)?;
    unloaded.print();
    let overload = offer(to, 3.0 * peak, settings.seconds("secs", 30.0)?, Duration::ZERO)?;
    overload.print();
    let after = offer(to, peak / 2.0, calm, Duration::from_secs(1))?;
    after.print();

    let p99 = |outcome: &Outcome| outcome.done.quantile(0.99) as f64;
    println!("goodput {:.1} % of the peak", 100.0 * overload.goodput() / peak);
    println!("p99 {:.2} times that of no load", p99(&overload) / p99(&unloaded));
    println!("p99 {:.2} times that of no load, a second later", p99(&after) / p99(&unloaded));
    println!("answered wrongly or not at all: {}", overload.wrong + overload.missing());
    Ok(())
}

fn serve(address: &str, work: Duration, calls: usize) -> Result<Running, Box<dyn Error>> {
    let mut limits = Limits::default();
    limits.calls = calls;
    let service = v1::Server::new(Busy(work));
    Ok(Server::builder().tcp(address).limits(limits).service(service).workers(1).start()?)
}

fn tcp_addr(server: &Running) -> Result<SocketAddr, &'static str> {
    server.tcp_addrs().next().ok_or("no address")
}

/// Calls a second if there are always many that wait for the worker.
fn capacity(to: SocketAddr, lasts: Duration) -> Result<f64, Box<dyn Error>> {
    const UNDER_WAY: u32 = 50;
    let mut stream = connect(to)?;
    let begin = Instant::now();
    for xid in 0..UNDER_WAY {
        stream.write_all(&echo_record(xid, size(xid)))?;
    }
    let mut done = 0;
    while begin.elapsed() < lasts {
        read_record(&mut stream)?;
        stream.write_all(&echo_record(UNDER_WAY + done, size(UNDER_WAY + done)))?;
        done += 1;
    }
    Ok(f64::from(done) / begin.elapsed().as_secs_f64())
}

/// Sends so many calls a second. What is sent in the time of `skip` is not counted.
fn offer(
    to: SocketAddr,
    rate: f64,
    lasts: Duration,
    skip: Duration,
) -> Result<Outcome, Box<dyn Error>> {
    let count = (rate * (lasts + skip).as_secs_f64()) as u32;
    let times: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
    let skipped = (rate * skip.as_secs_f64()) as u32;
    let streams = (0..CONNECTIONS).map(|_| connect(to)).collect::<Result<Vec<_>, _>>()?;
    let begin = Instant::now();
    let mut outcome = Outcome { sent: u64::from(count - skipped), ..Outcome::default() };
    thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let readers: Vec<_> = streams
            .iter()
            .map(|stream| scope.spawn(|| receive(stream, begin, &times, skipped)))
            .collect();
        send(&streams, begin, rate, &times)?;
        outcome.seconds = (begin.elapsed() - skip).as_secs_f64();
        for reader in readers {
            outcome.add(&reader.join().map_err(|_| "a reader panicked")?);
        }
        Ok(())
    })?;
    Ok(outcome)
}

fn connect(to: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn send(
    streams: &[TcpStream],
    begin: Instant,
    rate: f64,
    times: &[AtomicU64],
) -> std::io::Result<()> {
    for (xid, time) in (0..).zip(times) {
        let due = Duration::from_secs_f64(f64::from(xid) / rate);
        if let Some(early) = due.checked_sub(begin.elapsed()) {
            thread::sleep(early);
        }
        // From when it was due: a sender that is late hides nothing.
        time.store(due.as_nanos() as u64, Relaxed);
        (&streams[xid as usize % streams.len()]).write_all(&echo_record(xid, size(xid)))?;
    }
    streams.iter().try_for_each(|stream| stream.shutdown(Shutdown::Write))
}

/// Reads answers until the server has given all.
fn receive(stream: &TcpStream, begin: Instant, times: &[AtomicU64], skipped: u32) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stream = BufReader::new(stream);
    while let Ok(answer) = read_record(&mut stream) {
        let now = begin.elapsed().as_nanos() as u64;
        let word = |at: usize| answer.get(at..at + 4).and_then(|four| four.try_into().ok());
        let word = |at| word(at).map_or(u32::MAX, u32::from_be_bytes);
        let xid = word(0);
        if xid < skipped {
            continue;
        }
        let took = times.get(xid as usize).map_or(0, |time| now - time.load(Relaxed));
        match word(20) {
            0 if answer.len() == 28 + size(xid).next_multiple_of(4) => outcome.done.add(took),
            5 => outcome.refused.add(took),
            _ => outcome.wrong += 1,
        }
    }
    outcome
}

fn size(xid: u32) -> usize {
    SIZES[xid as usize % SIZES.len()]
}

impl Outcome {
    fn add(&mut self, other: &Self) {
        self.done.merge(&other.done);
        self.refused.merge(&other.refused);
        self.wrong += other.wrong;
    }

    fn goodput(&self) -> f64 {
        self.done.total() as f64 / self.seconds
    }

    fn missing(&self) -> u64 {
        self.sent - self.done.total() - self.refused.total() - self.wrong
    }

    fn print(&self) {
        let time = |histogram: &Histogram, part| {
            format!("{:.1?}", Duration::from_nanos(histogram.quantile(part)))
        };
        println!(
            "{:>9.0} {:>9.0} {:>9.0}  {:>8} {:>8}  {:>8}",
            self.sent as f64 / self.seconds,
            self.goodput(),
            self.refused.total() as f64 / self.seconds,
            time(&self.done, 0.5),
            time(&self.done, 0.99),
            time(&self.refused, 0.99),
        );
    }
}
