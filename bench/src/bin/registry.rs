//! What a lookup costs in tables of several sizes, beside rpcbind: `registry [secs=2] [most=100000]`,
//! as root.
//!
//! Both portmappers have port 111 in turn, on a host of their own. Half of what is registered is
//! looked up by GETPORT over UDP, half by GETADDR over TCP, in no order, one call after the other.

use std::error::Error;
use std::hint::black_box;
use std::net::{TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use farcall::bind::proto::pmap_prot::pmap_prog::v2;
use farcall::bind::proto::pmap_prot::{IPPROTO_UDP, Mapping};
use farcall::bind::proto::rpcb_prot::Rpcb;
use farcall::bind::proto::rpcb_prot::rpcbprog::{v3, v4};
use farcall::{PeerAddr, Program, Version};
use farcall_bench::Histogram;
use farcall_bench::portmapper::{self, Daemon};
use farcall_portmap::access::Access;
use farcall_portmap::registry::Quotas;
use farcall_portmap::stats::Protocol;
use farcall_portmap::{Portmap, SOCKET, Service};

type Failure = Box<dyn Error + Send + Sync>;

const SIZES: [u32; 3] = [10, 1000, 100_000];

/// Room for all sizes.
const TOTAL: usize = 200_000;

fn main() -> Result<(), Failure> {
    if std::env::args().nth(1).as_deref() == Some("portmapd") {
        return portmapper::portmapd(TOTAL);
    }
    portmapper::be_alone()?;
    let arg = |key: &str| std::env::args().find_map(|arg| Some(arg.strip_prefix(key)?.to_owned()));
    let secs = Duration::from_secs_f64(arg("secs=").map_or(Ok(2.0), |secs| secs.parse())?);
    let most: u32 = arg("most=").map_or(Ok(100_000), |most| most.parse())?;
    println!(
        "{:8} {:>7} {:>8} {:>9} {:>9}  {:>9} {:>9} {:>8}  {:>9} {:>9} {:>8}",
        "",
        "entries",
        "fill",
        "at rest",
        "filled",
        "UDP p50",
        "p99",
        "cpu",
        "TCP p50",
        "p99",
        "cpu"
    );
    for size in SIZES.into_iter().filter(|&size| size <= most) {
        row("rpcbind", Daemon::rpcbind()?, size, secs)?;
        row("portmapd", Daemon::portmapd(TOTAL)?, size, secs)?;
    }
    for size in SIZES.into_iter().filter(|&size| size <= most) {
        let waits = inside(size, secs)?;
        let [p50, p99, most] = [0.5, 0.99, 1.0].map(|part| waits.quantile(part));
        println!(
            "portmapd {size:>7}, without a network: p50 {p50} ns, p99 {p99} ns, most {most} ns"
        );
    }
    Ok(())
}

/// An address that somebody has, so that nothing is removed. All registrations have it.
struct Place {
    address: String,
    _sockets: (UdpSocket, TcpListener),
}

impl Place {
    fn take() -> Result<Self, Failure> {
        let udp = UdpSocket::bind("127.0.0.1:0")?;
        let addr = udp.local_addr()?;
        let [high, low] = addr.port().to_be_bytes();
        Ok(Self {
            address: format!("127.0.0.1.{high}.{low}"),
            _sockets: (udp, TcpListener::bind(addr)?),
        })
    }
}

/// The registrations: a program each, by UDP and TCP.
fn registrations(size: u32, place: &Place) -> impl Iterator<Item = Rpcb> {
    (0..size).map(|n| Rpcb {
        r_prog: 0x2000_0000 + n / 2,
        r_vers: 1,
        r_netid: if n % 2 == 0 { "udp" } else { "tcp" }.to_owned(),
        r_addr: place.address.clone(),
        r_owner: String::new(),
    })
}

/// Numbers below a bound, in no order.
fn numbers(below: u32) -> impl Iterator<Item = u32> {
    let mut state = 0x9e37_79b9_u32;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        Some(state % below)
    })
}

fn row(name: &str, daemon: Daemon, size: u32, secs: Duration) -> Result<(), Failure> {
    let at_rest = daemon.status("VmRSS")?;
    let place = Place::take()?;
    let begin = Instant::now();
    let client = v3::Client::connect(&format!("unix://{SOCKET}"))?;
    for rpcb in registrations(size, &place) {
        if !client.set(&rpcb)? {
            return Err(format!("{name} does not register {}", rpcb.r_prog).into());
        }
    }
    let fill = begin.elapsed();
    let filled = daemon.status("VmRSS")?;

    let client = v2::Client::connect("udp://127.0.0.1:111")?;
    let udp = measure(&daemon, size, secs, |prog| {
        let found = client.getport(&Mapping { prog, vers: 1, prot: IPPROTO_UDP, port: 0 })?;
        if found == 0 { Err("not found".into()) } else { Ok(()) }
    })?;
    let client = v4::Client::connect("tcp://127.0.0.1:111")?;
    let tcp = measure(&daemon, size, secs, |r_prog| {
        let r_addr = "127.0.0.1.0.111".to_owned();
        let r_netid = "tcp".to_owned();
        let found =
            client.getaddr(&Rpcb { r_prog, r_vers: 1, r_netid, r_addr, ..Rpcb::default() })?;
        if found == place.address { Ok(()) } else { Err("not found".into()) }
    })?;
    println!(
        "{name:8} {size:>7} {:>7.2}s {:>5.1} MiB {:>5.1} MiB  {udp}  {tcp}",
        fill.as_secs_f64(),
        at_rest as f64 / 1024.0,
        filled as f64 / 1024.0,
    );
    Ok(())
}

/// p50 and p99 of a call as its caller waits, and what the daemon takes of a processor for one.
fn measure(
    daemon: &Daemon,
    size: u32,
    secs: Duration,
    call: impl Fn(u32) -> Result<(), Failure>,
) -> Result<String, Failure> {
    let mut waits = Histogram::default();
    let busy = daemon.busy()?;
    let begin = Instant::now();
    for n in numbers(size / 2) {
        let asked = Instant::now();
        call(0x2000_0000 + n)?;
        waits.add(asked.elapsed().as_nanos() as u64);
        if begin.elapsed() > secs {
            break;
        }
    }
    let busy = (daemon.busy()? - busy).as_secs_f64() * 1e6 / waits.total() as f64;
    let [p50, p99] = [0.5, 0.99].map(|part| waits.quantile(part) as f64 / 1e3);
    Ok(format!("{p50:>6.1} µs {p99:>6.1} µs {busy:>5.1} µs"))
}

/// What the portmapper itself takes for a lookup, the probe of the address included.
fn inside(size: u32, secs: Duration) -> Result<Histogram, Failure> {
    let place = Place::take()?;
    let portmap = Portmap::new(Access::default(), Quotas { total: TOTAL, ..Quotas::default() });
    portmap.prune();
    let root = PeerAddr::Unix { uid: 0, gid: 0, pid: 0, connection: 1 };
    for Rpcb { r_prog, r_vers, r_netid, r_addr, .. } in registrations(size, &place) {
        let (program, version) = (Program(r_prog), Version(r_vers));
        let service = Service { program, version, netid: &r_netid, address: &r_addr };
        portmap.set(Protocol::V3, &root, service).map_err(|_| "not registered")?;
    }
    let peer = PeerAddr::Tcp(([127, 0, 0, 1], 50_000).into());
    let mut waits = Histogram::default();
    let begin = Instant::now();
    for n in numbers(size / 2) {
        let program = Program(0x2000_0000 + n);
        let service = Service { program, version: Version(1), netid: "tcp", address: "" };
        let asked = Instant::now();
        black_box(portmap.getaddr(Protocol::V4, &peer, service, false));
        waits.add(asked.elapsed().as_nanos() as u64);
        if begin.elapsed() > secs {
            break;
        }
    }
    Ok(waits)
}
