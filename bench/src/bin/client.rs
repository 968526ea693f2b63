//! `client client tcp|udp|unix ADDR [op=null|echo|structs] [size=N] [conns=N] [inflight=N]
//! [secs=S] [warm=S] [spin=MICROSECONDS]`: calls in a closed loop, then prints what it measured.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use farcall::xdr::{Bytes, DecodeError, Decoder, EncodeError, Encoder};
use farcall::{ClientOptions, Pending, Procedure};
use farcall_bench::bench::Item;
use farcall_bench::bench::bench_prog::v1;
use farcall_bench::{Args, items};
use nix::time::{ClockId, clock_gettime};

/// What is called, with what.
enum Operation {
    Null,
    Echo(Bytes),
    Structs(Vec<(Item, Vec<Item>)>),
}

impl Operation {
    fn call(&self, client: &v1::Client) -> farcall::Result<usize> {
        match self {
            Self::Null => client.null().map(|()| 0),
            Self::Echo(blob) => client.echo(blob).map(|blob| blob.len()),
            Self::Structs(items) => client.structs(items).map(|items| items.len()),
        }
    }

    fn start(&self, client: &v1::Client, raw: &farcall::Client) -> Started {
        match self {
            Self::Null => Started::Null(raw.start(Procedure::NULL, no_arguments, no_results)),
            Self::Echo(blob) => Started::Echo(client.start().echo(blob)),
            Self::Structs(items) => Started::Structs(client.start().structs(items)),
        }
    }
}

fn no_arguments(_: &mut Encoder) -> Result<(), EncodeError> {
    Ok(())
}

fn no_results(_: &mut Decoder<'_>) -> Result<(), DecodeError> {
    Ok(())
}

enum Started {
    Null(Pending<()>),
    Echo(Pending<Bytes>),
    Structs(Pending<Vec<(Item, Vec<Item>)>>),
}

impl Started {
    fn wait(self) -> farcall::Result<usize> {
        match self {
            Self::Null(pending) => pending.wait().map(|()| 0),
            Self::Echo(pending) => pending.wait().map(|blob| blob.len()),
            Self::Structs(pending) => pending.wait().map(|items| items.len()),
        }
    }
}

struct Connection {
    client: v1::Client,
    raw: farcall::Client,
    inflight: usize,
    started: VecDeque<(Instant, Started)>,
}

/// What was counted after the warm-up.
#[derive(Default)]
struct Count {
    nanos: Vec<u64>,
    bytes: usize,
    errors: u64,
}

impl Count {
    fn add(&mut self, started: Instant, result: &farcall::Result<usize>) {
        let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        match result {
            Ok(bytes) => {
                self.nanos.push(nanos);
                self.bytes += bytes;
            }
            Err(_) => self.errors += 1,
        }
    }

    fn percentile(&self, percent: usize) -> u64 {
        self.nanos.get(self.nanos.len() * percent / 100).copied().unwrap_or(0)
    }
}

fn main() -> farcall::Result<()> {
    let mut args = std::env::args().skip(2);
    let (Some(kind), Some(addr)) = (args.next(), args.next()) else {
        panic!("usage: client client tcp|udp|unix ADDR [key=value ...]");
    };
    let args = Args::parse(args);
    let (conns, inflight) = (args.get("conns", 1usize), args.get("inflight", 1usize));
    let operation = match args.get("op", "null".to_owned()).as_str() {
        "null" => Operation::Null,
        "echo" => Operation::Echo(vec![7; args.get("size", 64usize)].into()),
        "structs" => Operation::Structs(items()),
        other => panic!("no operation {other}"),
    };
    let options = ClientOptions::new()
        .spin(Duration::from_micros(args.get("spin", 0)))
        .corked(inflight > conns);
    let target = format!("{kind}://{addr}");
    let mut connections = (0..conns)
        .map(|i| {
            let raw = farcall::Client::connect(&target, &v1::INTERFACE, &options)?;
            let client = v1::Client::connect_with(&target, &options)?;
            let inflight = (inflight + i) / conns;
            Ok(Connection { client, raw, inflight, started: VecDeque::new() })
        })
        .collect::<farcall::Result<Vec<_>>>()?;
    run(&operation, &mut connections, Duration::from_secs_f64(args.get("warm", 0.1)));
    let (start, cpu) = (Instant::now(), cpu_nanos());
    let secs = Duration::from_secs_f64(args.get("secs", 1.0));
    let mut count = run(&operation, &mut connections, secs);
    let (elapsed, cpu) = (start.elapsed().as_secs_f64(), cpu_nanos() - cpu);
    count.nanos.sort_unstable();
    let resent: u64 = connections.iter().map(|connection| connection.raw.stats().resent).sum();
    println!(
        "{{\"calls\":{},\"secs\":{elapsed:.6},\"p50_ns\":{},\"p99_ns\":{},\"mb_s\":{:.3},\
         \"cli_cpu_ns\":{cpu},\"errors\":{},\"retrans\":{resent}}}",
        count.nanos.len(),
        count.percentile(50),
        count.percentile(99),
        count.bytes as f64 / 1e6 / elapsed,
        count.errors,
    );
    Ok(())
}

/// Keeps every connection's calls in flight for so long.
fn run(operation: &Operation, connections: &mut [Connection], length: Duration) -> Count {
    let mut count = Count::default();
    let start = Instant::now();
    let alone = connections.len() == 1 && connections[0].inflight == 1;
    while start.elapsed() < length {
        for connection in &mut *connections {
            if alone {
                let started = Instant::now();
                count.add(started, &operation.call(&connection.client));
                continue;
            }
            while connection.started.len() < connection.inflight {
                let call = operation.start(&connection.client, &connection.raw);
                connection.started.push_back((Instant::now(), call));
            }
            // Half of them, so that the next writes and reads carry many too.
            for _ in 0..connection.inflight.div_ceil(2) {
                if let Some((started, call)) = connection.started.pop_front() {
                    count.add(started, &call.wait());
                }
            }
        }
    }
    for (_, call) in connections.iter_mut().flat_map(|connection| connection.started.drain(..)) {
        let _ = call.wait();
    }
    count
}

fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every process has one");
    Duration::from(time).as_nanos().try_into().unwrap_or(u64::MAX)
}
