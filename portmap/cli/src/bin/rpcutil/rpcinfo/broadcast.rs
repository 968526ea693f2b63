//! `-b`: every host of a network that has a program.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use farcall::bind::{Broadcast, Uaddr};
use farcall::{Procedure, Program, Version};
use farcall_portmap::PORT;

use super::status::Status;
use super::{Done, Failure, Session, number};
use crate::networks;
use crate::service::interface;

/// C listens 1, 2, 4 and 8 seconds.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn broadcast(session: &mut Session<'_>, program: &[u8], version: &[u8]) -> Done {
    let program = Program(session.names.program(program)?.on_wire());
    let version = Version(number::version(version)?.on_wire());
    let failed =
        |status: Status| Failure::Text(format!("rpcinfo: broadcast failed: {}", status.words()));
    let networks = networks::list(None, PORT);
    if networks.is_empty() {
        return Err(failed(Status::UnknownProto));
    }
    let broadcast = Broadcast::new(interface(program, version)).timeout(PATIENCE);
    let broadcast = networks.into_iter().fold(broadcast, Broadcast::target);
    let replies = broadcast.call(Procedure::NULL, |_| Ok(()), |_| Ok(()));
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    for (responder, ()) in replies.map_err(|error| failed(Status::of_connect(&error)))? {
        let ip = responder.server.ip();
        let name = name(ip, &hosts).map_or_else(|| ip.to_string(), str::to_owned);
        session.print(&format!("{}\t{name}\n", Uaddr::Ip(responder.server)));
    }
    Ok(())
}

/// The name of an address in the text of `/etc/hosts`.
fn name(ip: IpAddr, hosts: &str) -> Option<&str> {
    hosts.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let is_it = words.next()?.parse() == Ok(ip);
        words.next().filter(|_| is_it)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_names() {
        let hosts =
            "# 10.0.0.1 no\n127.0.0.1\tlocalhost\n10.0.0.1 db1 db # ours\n10.0.0.2 # none\n";
        let name = |ip: &str| name(ip.parse().expect("an address"), hosts);
        assert_eq!(name("10.0.0.1"), Some("db1"));
        assert_eq!(name("127.0.0.1"), Some("localhost"));
        assert_eq!((name("10.0.0.2"), name("::1")), (None, None));
    }
}
