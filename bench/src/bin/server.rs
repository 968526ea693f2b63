//! Serves `bench.x`: `server server tcp|udp|unix ADDRESS`.

use std::error::Error;

use farcall::{Limits, Server};
use farcall_bench::{Echo, Settings, Transport, v1};

/// The longest blob, and what is around it.
const MAX_RECORD: usize = (1 << 20) + 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_args()?;
    let mut limits = Limits::default();
    limits.records.bytes = MAX_RECORD;
    let server = Server::builder().limits(limits).service(v1::Server::new(Echo));
    let server = match settings.transport {
        Transport::Udp => server.udp(settings.address),
        Transport::Tcp => server.tcp(settings.address),
        Transport::Unix => server.unix(settings.address),
    };
    let server = server.stop_on_signal().bind()?;
    println!("READY");
    Ok(server.run()?)
}
