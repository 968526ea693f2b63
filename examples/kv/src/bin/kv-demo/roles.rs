//! What the children do. Each prints where it listens, and gets a SIGTERM when its input ends: at
//! the latest when the demonstration does, however that is.

use std::net::Ipv4Addr;
use std::{io, thread};

use farcall::Server;
use farcall::bind::Portmapper;
use farcall_example_kv::{Store, kv::kv_prog::v1};
use farcall_portmap::access::Access;
use farcall_portmap::daemon::{self, Options};
use nix::sys::signal::{Signal, raise};

use crate::Result;

/// A portmapper on a free port of this host, for this host, where any user may register:
/// `portmapd -L --listen 127.0.0.1 --port 0`.
pub(crate) fn portmapd() -> Result {
    terminate_at_end_of_input()?;
    let listen = vec![Ipv4Addr::LOCALHOST.into()];
    let access = Access { loopback: true, ..Access::default() };
    let options = Options { listen, port: 0, access, ..Options::default() };
    Ok(daemon::run(&options, &mut io::stdout())?)
}

/// A key-value server that is registered with the portmapper at this address.
pub(crate) fn server(portmapper: &str) -> Result {
    terminate_at_end_of_input()?;
    let server = Server::builder()
        .udp("127.0.0.1:0")
        .tcp("127.0.0.1:0")
        .service(v1::Server::new(Store::default()))
        .register_with(Portmapper::at(portmapper.parse()?))
        .stop_on_signal()
        .bind()?;
    let udp = server.udp_addrs().map(|addr| format!("udp://{addr}"));
    let tcp = server.tcp_addrs().map(|addr| format!("tcp://{addr}"));
    println!("{}", udp.chain(tcp).collect::<Vec<_>>().join(" and "));
    Ok(server.run()?)
}

fn terminate_at_end_of_input() -> Result {
    thread::Builder::new().spawn(|| {
        let ended = io::copy(&mut io::stdin(), &mut io::sink());
        if let Err(error) = ended.and_then(|_| Ok(raise(Signal::SIGTERM)?)) {
            eprintln!("kv-demo: {error}");
        }
    })?;
    Ok(())
}
