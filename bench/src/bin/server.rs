//! `server server tcp|udp|unix ADDR`: serves `proto/bench.x` until it is killed.

use std::io::Write;

use farcall::Server;
use farcall::proto::record::RecordLimits;
use farcall_bench::Echo;
use farcall_bench::bench::bench_prog::v1;

fn main() -> farcall::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [_, kind, addr, ..] = &args[..] else {
        panic!("usage: server server tcp|udp|unix ADDR");
    };
    let builder = Server::builder()
        .record_limits(RecordLimits::DEFAULT.with_bytes(2 << 20))
        .service(v1::Server::new(Echo));
    let server = match kind.as_str() {
        "tcp" => builder.tcp(addr),
        "udp" => builder.udp(addr),
        "unix" => builder.unix(addr),
        other => panic!("no transport {other}"),
    }
    .bind()?;
    println!("READY");
    std::io::stdout().flush().expect("stdout is open");
    server.run()
}
