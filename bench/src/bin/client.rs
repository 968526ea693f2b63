//! Calls in a closed loop: `client client tcp|udp|unix ADDRESS [KEY=VALUE...]`.
//!
//! One thread and, of the runtime, one client for each connection. With one call under way it is a
//! plain call; with more, the clients take turns, and each has its calls waited for, oldest first,
//! and as many started. A client alone has half of its calls waited for.

use std::collections::VecDeque;
use std::error::Error;
use std::time::{Duration, Instant};

use farcall::xdr::Bytes;
use farcall::{Client, ClientOptions, Pending, Procedure};
use farcall_bench::{Histogram, Items, Settings, blob, items, v1};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// How one kind of call is made.
struct Op<C, T> {
    call: fn(&C, &Self) -> farcall::Result<T>,
    start: fn(&C, &Self) -> Pending<T>,
    flush: fn(&C),
    expected: T,
    /// Bytes that count as carried, if any do.
    size: usize,
}

struct Load {
    connections: usize,
    in_flight: usize,
    warm: Duration,
    measured: Duration,
}

/// What is counted after the warm-up.
struct Meter {
    begin: Instant,
    end: Instant,
    cpu: Option<i64>,
    latencies: Histogram,
    errors: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_args()?;
    let connections = settings.get("conns", 1)?;
    let load = Load {
        connections,
        in_flight: settings.get("inflight", 1)?.max(connections),
        warm: settings.seconds("warm", 0.2)?,
        measured: settings.seconds("secs", 1.0)?,
    };
    let options = ClientOptions::new()
        .spin(Duration::from_micros(settings.get("spin", 0)?))
        .corked(load.in_flight > connections);
    let target = settings.target();
    match settings.get("op", "null".to_owned())?.as_str() {
        "null" => null(&load, || Client::connect(&target, &v1::INTERFACE, &options)),
        "echo" => {
            let len = settings.get("size", 32)?;
            echo(&load, len, || v1::Client::connect_with(&target, &options))
        }
        "structs" => structs(&load, || v1::Client::connect_with(&target, &options)),
        other => Err(format!("op={other} is not known").into()),
    }
}

/// The generated client has no `start` for a procedure that every program has.
fn null(load: &Load, connect: impl Fn() -> farcall::Result<Client>) -> Result<(), Box<dyn Error>> {
    let op = Op::<Client, ()> {
        call: |client, _| client.null(),
        start: |client, _| client.start(Procedure::NULL, |_| Ok(()), |_| Ok(())),
        flush: Client::flush,
        expected: (),
        size: 0,
    };
    let clients = connect_all(load, connect)?;
    let meter = run(load, &clients, &op)?;
    // Warm-up included: what was lost then was lost too.
    let resent = clients.iter().map(|client| client.stats().resent).sum();
    meter.print(op.size, resent);
    Ok(())
}

fn echo(
    load: &Load,
    len: usize,
    connect: impl Fn() -> farcall::Result<v1::Client>,
) -> Result<(), Box<dyn Error>> {
    let op = Op::<v1::Client, Bytes> {
        call: |client, op| client.echo(&op.expected),
        start: |client, op| client.start().echo(&op.expected),
        flush: |client| client.inner().flush(),
        expected: blob(len),
        size: 4 + len.next_multiple_of(4),
    };
    run(load, &connect_all(load, connect)?, &op)?.print(op.size, 0);
    Ok(())
}

fn structs(
    load: &Load,
    connect: impl Fn() -> farcall::Result<v1::Client>,
) -> Result<(), Box<dyn Error>> {
    let op = Op::<v1::Client, Items> {
        call: |client, op| client.structs(&op.expected),
        start: |client, op| client.start().structs(&op.expected),
        flush: |client| client.inner().flush(),
        expected: items(),
        size: 0,
    };
    run(load, &connect_all(load, connect)?, &op)?.print(op.size, 0);
    Ok(())
}

fn connect_all<C>(
    load: &Load,
    connect: impl Fn() -> farcall::Result<C>,
) -> farcall::Result<Vec<C>> {
    (0..load.connections).map(|_| connect()).collect()
}

fn run<C, T: PartialEq>(load: &Load, clients: &[C], op: &Op<C, T>) -> farcall::Result<Meter> {
    for client in clients {
        // Whole answers are compared before anything is measured: comparing takes time.
        assert!((op.call)(client, op)? == op.expected, "the answer is not what was sent");
    }
    let mut meter = Meter::new(load);
    if load.in_flight == 1 {
        one_at_a_time(&clients[0], op, &mut meter);
    } else {
        many_at_once(load, clients, op, &mut meter);
    }
    Ok(meter)
}

fn one_at_a_time<C, T>(client: &C, op: &Op<C, T>, meter: &mut Meter) {
    let mut began = Instant::now();
    while began < meter.end {
        let result = (op.call)(client, op);
        began = meter.done(began, result.is_ok());
    }
}

fn many_at_once<C, T>(load: &Load, clients: &[C], op: &Op<C, T>, meter: &mut Meter) {
    let mut lanes: Vec<Lane<'_, C, T>> = clients
        .iter()
        .enumerate()
        .map(|(i, client)| {
            let size = (load.in_flight + i) / clients.len();
            // While one is waited for, the others keep the server busy.
            let turn = if clients.len() == 1 { size.div_ceil(2) } else { size };
            Lane { client, size, turn, started: VecDeque::with_capacity(size) }
        })
        .collect();
    lanes.iter_mut().for_each(|lane| lane.fill(op));
    let mut now = Instant::now();
    while now < meter.end {
        for lane in &mut lanes {
            for (began, pending) in lane.started.drain(..lane.turn) {
                now = meter.done(began, pending.wait().is_ok());
            }
            lane.fill(op);
        }
    }
}

/// One client's calls under way, the oldest first.
struct Lane<'a, C, T> {
    client: &'a C,
    size: usize,
    /// How many are waited for before others are started.
    turn: usize,
    started: VecDeque<(Instant, Pending<T>)>,
}

impl<C, T> Lane<'_, C, T> {
    fn fill(&mut self, op: &Op<C, T>) {
        while self.started.len() < self.size {
            self.started.push_back((Instant::now(), (op.start)(self.client, op)));
        }
        (op.flush)(self.client);
    }
}

impl Meter {
    fn new(load: &Load) -> Self {
        let begin = Instant::now() + load.warm;
        let latencies = Histogram::default();
        Self { begin, end: begin + load.measured, cpu: None, latencies, errors: 0 }
    }

    /// Counts a call that has ended now.
    fn done(&mut self, began: Instant, ok: bool) -> Instant {
        let now = Instant::now();
        if now >= self.begin {
            self.cpu.get_or_insert_with(cpu_ns);
            let ns = now.duration_since(began).as_nanos();
            self.latencies.add(u64::try_from(ns).unwrap_or(u64::MAX));
            self.errors += u64::from(!ok);
        }
        now
    }

    fn print(&self, size: usize, resent: u64) {
        let secs = self.begin.elapsed().as_secs_f64();
        let cpu = self.cpu.map_or(0, |before| cpu_ns() - before);
        let calls = self.latencies.total();
        let (p50, p99) = (self.latencies.quantile(0.5), self.latencies.quantile(0.99));
        let mb_s = calls as f64 * size as f64 / 1e6 / secs;
        let errors = self.errors;
        println!(
            "{{\"calls\":{calls},\"secs\":{secs:.6},\"p50_ns\":{p50},\"p99_ns\":{p99},\
             \"mb_s\":{mb_s:.3},\"cli_cpu_ns\":{cpu},\"errors\":{errors},\"retrans\":{resent}}}"
        );
    }
}

/// The time that all threads of this process have spent on processors.
fn cpu_ns() -> i64 {
    getrusage(UsageWho::RUSAGE_SELF)
        .map_or(0, |usage| (usage.user_time() + usage.system_time()).num_nanoseconds())
}
